//! /3600 AppMessaging: GEISA's messages between servers and the applications on a meter.

use super::words::*;

/// The definition, at version 1.1.
pub(super) static OBJECT: ObjectDef = ObjectDef {
    id: 3600,
    name: "AppMessaging",
    version: (1, 1),
    multiplicity: Multiplicity::Multiple,
    resources: &[
        r(0, "Server Message", W, Opaque).mandatory(),
        r(1, "Client Message", R, Opaque).mandatory(),
        r(2, "Message Priority", RW, Unsigned).mandatory().range(Number(0, 255)),
        r(3, "Message Type", RW, Unsigned).mandatory().range(Number(0, 254)),
        r(4, "Message TTL", RW, Unsigned).mandatory(),
        r(5, "Content Type", RW, String).mandatory(),
        r(4050, "AppID", RW, Unsigned).mandatory().range(Number(0, 65535)),
    ],
};
