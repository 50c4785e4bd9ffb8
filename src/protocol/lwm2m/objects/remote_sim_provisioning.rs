//! /504 Remote SIM Provisioning: the profiles on a SIM or eUICC.

use super::words::*;

/// The definition, at version 1.0.
pub(super) static OBJECT: ObjectDef = ObjectDef {
    id: 504,
    name: "Remote SIM Provisioning",
    version: (1, 0),
    multiplicity: Multiplicity::Multiple,
    resources: &[
        r(0, "Current SIM Type", R, Integer).mandatory().range(Number(0, 3)),
        r(1, "Supported SIM Type", R, Integer).mandatory().multiple().range(Number(0, 3)),
        r(2, "Service Provider Name", R, String),
        r(3, "Download URI/Information", RW, String).range(Length(0, 255)),
        r(4, "RSP Update", E, Kind::None),
        r(5, "RSP Update State", R, Integer).range(Number(0, 10)),
        r(6, "RSP Update Result", R, Integer).range(Number(0, 16)),
        r(7, "Profile Name", R, String).range(Length(0, 255)),
        r(8, "Profile Package Version", R, String).range(Length(0, 255)),
        r(9, "Free Memory on SIM", R, Integer),
        r(10, "Total Memory on SIM", R, Integer),
        r(11, "Integrated Circuit Card Identifier (ICCID)", R, String).mandatory().multiple(),
        r(12, "eUICC ID", R, String),
        r(13, "RSP Type", R, Integer).mandatory(),
        r(14, "Selected ICCID for RSP operation", RW, String),
        r(15, "RSP Consent Reason", R, String),
        r(16, "RSP User Consent", W, Integer).range(Number(0, 1)),
        r(17, "RSP Confirmation Code", W, String),
        r(18, "RSP Data Type", RW, Integer).range(Number(0, 17)),
        r(19, "Set RSP Data", W, Opaque),
        r(20, "Get RSP Data", R, Opaque),
    ],
};
