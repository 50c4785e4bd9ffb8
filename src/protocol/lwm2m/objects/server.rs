//! /1 LwM2M Server: how a client deals with each server it registers to.

use super::words::*;

/// The definition, at version 1.2.
pub(super) static OBJECT: ObjectDef = ObjectDef {
    id: 1,
    name: "LwM2M Server",
    version: (1, 2),
    multiplicity: Multiplicity::Multiple,
    resources: &[
        r(0, "Short Server ID", R, Integer).mandatory().range(Number(1, 65534)),
        r(1, "Lifetime", RW, Integer).mandatory(),
        r(2, "Default Minimum Period", RW, Integer),
        r(3, "Default Maximum Period", RW, Integer),
        r(4, "Disable", E, Kind::None),
        r(5, "Disable Timeout", RW, Integer),
        r(6, "Notification Storing When Disabled or Offline", RW, Boolean).mandatory(),
        r(7, "Binding", RW, String).mandatory(),
        r(8, "Registration Update Trigger", E, Kind::None).mandatory(),
        r(9, "Bootstrap-Request Trigger", E, Kind::None).since(V1_1),
        r(10, "APN Link", RW, ObjectLink).since(V1_1),
        r(11, "TLS-DTLS Alert Code", R, Unsigned).range(Number(0, 255)).since(V1_1),
        r(12, "Last Bootstrapped", R, Time).since(V1_1),
        r(13, "Registration Priority Order", R, Unsigned).since(V1_1),
        r(14, "Initial Registration Delay Timer", RW, Unsigned).since(V1_1),
        r(15, "Registration Failure Block", R, Boolean).since(V1_1),
        r(16, "Bootstrap on Registration Failure", R, Boolean).since(V1_1),
        r(17, "Communication Retry Count", RW, Unsigned).since(V1_1),
        r(18, "Communication Retry Timer", RW, Unsigned).since(V1_1),
        r(19, "Communication Sequence Delay Timer", RW, Unsigned).since(V1_1),
        r(20, "Communication Sequence Retry Count", RW, Unsigned).since(V1_1),
        r(21, "Trigger", RW, Boolean).since(V1_1),
        r(22, "Preferred Transport", RW, String).since(V1_1),
        r(23, "Mute Send", RW, Boolean).since(V1_1),
        r(24, "Alternate APN Links", RW, ObjectLink).multiple().since(V1_2),
        r(25, "Supported Server Versions", RW, String).multiple().since(V1_2),
        r(26, "Default Notification Mode", RW, Integer).range(Number(0, 1)).since(V1_2),
        r(27, "Profile ID Hash Algorithm", RW, Unsigned).range(Number(0, 255)).since(V1_2),
    ],
};
