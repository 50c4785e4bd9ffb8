//! /7 Connectivity Statistics: what the device has sent and received.

use super::words::*;

/// The definition, at version 1.0.
pub(super) static OBJECT: ObjectDef = ObjectDef {
    id: 7,
    name: "Connectivity Statistics",
    version: (1, 0),
    multiplicity: Multiplicity::Single,
    resources: &[
        r(0, "SMS Tx Counter", R, Integer),
        r(1, "SMS Rx Counter", R, Integer),
        r(2, "Tx Data", R, Integer),
        r(3, "Rx Data", R, Integer),
        r(4, "Max Message Size", R, Integer),
        r(5, "Average Message Size", R, Integer),
        r(6, "Start", E, Kind::None).mandatory(),
        r(7, "Stop", E, Kind::None).mandatory(),
        r(8, "Collection Period", RW, Integer),
    ],
};
