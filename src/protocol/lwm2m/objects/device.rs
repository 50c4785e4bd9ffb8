//! /3 Device: the device itself. /3/0 always exists and cannot be deleted.

use super::words::*;

/// The definition, at version 1.2.
pub(super) static OBJECT: ObjectDef = ObjectDef {
    id: 3,
    name: "Device",
    version: (1, 2),
    multiplicity: Multiplicity::Single,
    resources: &[
        r(0, "Manufacturer", R, String),
        r(1, "Model Number", R, String),
        r(2, "Serial Number", R, String),
        r(3, "Firmware Version", R, String),
        r(4, "Reboot", E, Kind::None).mandatory(),
        r(5, "Factory Reset", E, Kind::None),
        r(6, "Available Power Sources", R, Integer).multiple().range(Number(0, 7)),
        r(7, "Power Source Voltage", R, Integer).multiple(),
        r(8, "Power Source Current", R, Integer).multiple(),
        r(9, "Battery Level", R, Integer).range(Number(0, 100)),
        r(10, "Memory Free", R, Integer),
        r(11, "Error Code", R, Integer).mandatory().multiple().range(Number(0, 32)),
        r(12, "Reset Error Code", E, Kind::None),
        r(13, "Current Time", RW, Time),
        r(14, "UTC Offset", RW, String),
        r(15, "Timezone", RW, String),
        r(16, "Supported Binding and Modes", R, String).mandatory(),
        r(17, "Device Type", R, String),
        r(18, "Hardware Version", R, String),
        r(19, "Software Version", R, String),
        r(20, "Battery Status", R, Integer).range(Number(0, 6)),
        r(21, "Memory Total", R, Integer),
        r(22, "ExtDevInfo", R, ObjectLink).multiple(),
    ],
};
