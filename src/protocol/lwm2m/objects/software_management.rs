//! /9 LwM2M Software Management: software components installed, activated and started apart from the
//! firmware.
//!
//! The registry has 1.0, up to resource 18; GEISA ADM asks for 1.1 and the resources from 19 on.

use super::words::*;

/// The definition, at version 1.1.
pub(super) static OBJECT: ObjectDef = ObjectDef {
    id: 9,
    name: "LwM2M Software Management",
    version: (1, 1),
    multiplicity: Multiplicity::Multiple,
    resources: &[
        r(0, "PkgName", R, String).mandatory().range(Length(0, 255)),
        r(1, "PkgVersion", R, String).mandatory().range(Length(0, 255)),
        r(2, "Package", W, Opaque),
        r(3, "Package URI", W, String).range(Length(0, 255)),
        r(4, "Install", E, Kind::None).mandatory(),
        r(5, "Checkpoint", R, ObjectLink),
        r(6, "Uninstall", E, Kind::None).mandatory(),
        r(7, "Update State", R, Integer).mandatory().range(Number(0, 4)),
        r(8, "Update Supported Objects", RW, Boolean),
        r(9, "Update Result", R, Integer).mandatory().range(Number(0, 200)),
        r(10, "Activate", E, Kind::None).mandatory(),
        r(11, "Deactivate", E, Kind::None).mandatory(),
        r(12, "Activation State", R, Boolean).mandatory(),
        r(13, "Package Settings", RW, ObjectLink),
        r(14, "User Name", W, String).range(Length(0, 255)),
        r(15, "Password", W, String).range(Length(0, 255)),
        r(16, "Status Reason", R, String),
        r(17, "Software Component Link", R, ObjectLink).multiple(),
        r(18, "Software Component tree length", R, Integer).range(Number(0, 255)),
        r(19, "Start", E, Kind::None),
        r(20, "Stop", E, Kind::None),
        r(21, "Execution Status", R, Integer).range(Number(0, 1)),
        r(22, "Purge Data", E, Kind::None),
    ],
};
