//! /5 Firmware Update: a new firmware pulled or pushed, checked and installed.
//!
//! This is 1.2, which the text of LwM2M Core 1.2.2 defines and GEISA ADM asks for. Table E-1 of the same
//! document implies 1.1 for a client of LwM2M 1.2, so such a client has to say `ver=1.2` wherever it lists
//! the object. What 1.2 adds to 1.1 is Automatic Upgrade at Download (14); 1.1 added 10 to 13 to 1.0.

use super::words::*;

/// The definition, at version 1.2.
pub(super) static OBJECT: ObjectDef = ObjectDef {
    id: 5,
    name: "Firmware Update",
    version: (1, 2),
    multiplicity: Multiplicity::Single,
    resources: &[
        r(0, "Package", W, Opaque).mandatory(),
        r(1, "Package URI", RW, String).mandatory().range(Length(0, 255)),
        r(2, "Update", E, Kind::None).mandatory(),
        r(3, "State", R, Integer).mandatory().range(Number(0, 3)),
        r(5, "Update Result", R, Integer).mandatory().range(Number(0, 11)),
        r(6, "PkgName", R, String).range(Length(0, 255)),
        r(7, "PkgVersion", R, String).range(Length(0, 255)),
        r(8, "Firmware Update Protocol Support", R, Integer).multiple().range(Number(0, 5)),
        r(9, "Firmware Update Delivery Method", R, Integer).mandatory().range(Number(0, 2)),
        r(10, "Cancel", E, Kind::None),
        r(11, "Severity", RW, Integer).range(Number(0, 2)),
        r(12, "Last State Change Time", R, Time),
        r(13, "Maximum Defer Period", RW, Unsigned),
        r(14, "Automatic Upgrade at Download", RW, Boolean),
    ],
};
