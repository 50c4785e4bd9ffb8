//! /13 LwM2M Bearer Selection: which network a device with several bearers chooses.

use super::words::*;

/// The definition, at version 1.1.
pub(super) static OBJECT: ObjectDef = ObjectDef {
    id: 13,
    name: "LwM2M Bearer Selection",
    version: (1, 1),
    multiplicity: Multiplicity::Single,
    resources: &[
        r(0, "Preferred Communications Bearer", RW, Integer).multiple().range(Number(0, 100)),
        r(1, "Acceptable RSSI (GSM)", RW, Integer).range(Number(-110, -48)),
        r(2, "Acceptable RSCP (UMTS)", RW, Integer).range(Number(-120, -25)),
        r(3, "Acceptable RSRP (LTE)", RW, Integer).range(Number(-140, -44)),
        r(4, "Acceptable RSSI (1xEV-DO)", RW, Integer),
        r(5, "Cell lock list", RW, String),
        r(6, "Operator list", RW, String),
        r(7, "Operator list mode", RW, Boolean),
        r(8, "List of available PLMNs", R, String),
        r(9, "Vendor specific extensions", R, ObjectLink),
        r(10, "Acceptable RSRP (NB-IoT)", RW, Integer).range(Number(-158, -44)),
        r(11, "Higher Priority PLMN Search Timer", RW, Integer),
        r(12, "Attach without PDN connection", RW, Boolean),
    ],
};
