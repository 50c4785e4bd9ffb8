//! /20 Event Log: logs collected on the device, at the version GEISA extends.

use super::words::*;

/// The definition, at version 3.2.
pub(super) static OBJECT: ObjectDef = ObjectDef {
    id: 20,
    name: "Event Log",
    version: (3, 2),
    multiplicity: Multiplicity::Multiple,
    resources: &[
        r(4010, "LogClass", RW, Integer).range(Number(0, 255)),
        r(4011, "LogStart", E, Kind::None),
        r(4012, "LogStop", E, Kind::None),
        r(4013, "LogStatus", R, Integer).range(Number(0, 255)),
        r(4014, "LogData", R, Opaque).mandatory(),
        r(4015, "LogDataFormat", RW, Integer).range(Number(0, 255)),
        r(4016, "LogDataIncremental", NONE, Opaque),
        r(4017, "LogDataIncrementalMinimumSendInterval", RW, Unsigned),
        r(4018, "Source Type", RW, Integer).range(Number(0, 255)),
        r(4019, "Source ID", RW, String),
        r(4050, "AppID", RW, Unsigned).range(Number(0, 65535)),
        r(4051, "RemoteLogServer", RW, String),
        r(4052, "RemoteLoggingEnabled", RW, Boolean),
        r(4053, "LogLevel", RW, Integer).range(Number(0, 7)),
    ],
};
