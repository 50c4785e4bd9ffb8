//! /10 LwM2M Cellular Connectivity: the modem of a device on a cellular network.

use super::words::*;

/// The definition, at version 1.1.
pub(super) static OBJECT: ObjectDef = ObjectDef {
    id: 10,
    name: "LwM2M Cellular Connectivity",
    version: (1, 1),
    multiplicity: Multiplicity::Single,
    resources: &[
        r(0, "SMSC address", RW, String),
        r(1, "Disable radio period", RW, Integer).range(Number(0, 65535)),
        r(2, "Module activation code", RW, String),
        r(3, "Vendor specific extensions", R, ObjectLink),
        r(4, "PSM Timer", RW, Integer),
        r(5, "Active Timer", RW, Integer),
        r(7, "eDRX parameters for Iu mode", RW, Opaque).range(Length(0, 255)),
        r(8, "eDRX parameters for WB-S1 mode", RW, Opaque).range(Length(0, 255)),
        r(9, "eDRX parameters for NB-S1 mode", RW, Opaque).range(Length(0, 255)),
        r(10, "eDRX parameters for A/Gb mode", RW, Opaque).range(Length(0, 255)),
        r(11, "Activated Profile Names", R, ObjectLink).mandatory().multiple(),
        r(12, "Supported Power Saving Modes", R, Unsigned).range(Number(0, 255)),
        r(13, "Active Power Saving Modes", RW, Unsigned).range(Number(0, 255)),
        r(14, "Release Assistance Indication Usage", RW, Unsigned).range(Number(0, 255)),
    ],
};
