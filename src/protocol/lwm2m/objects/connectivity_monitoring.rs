//! /4 Connectivity Monitoring: the network the device is reached through.

use super::words::*;

/// The definition, at version 1.3.
pub(super) static OBJECT: ObjectDef = ObjectDef {
    id: 4,
    name: "Connectivity Monitoring",
    version: (1, 3),
    multiplicity: Multiplicity::Single,
    resources: &[
        r(0, "Network Bearer", R, Integer).mandatory().range(Number(0, 50)),
        r(1, "Available Network Bearer", R, Integer).mandatory().multiple().range(Number(0, 50)),
        r(2, "Radio Signal Strength", R, Integer).mandatory(),
        r(3, "Link Quality", R, Integer),
        r(4, "IP Addresses", R, String).mandatory().multiple(),
        r(5, "Router IP Addresses", R, String).multiple(),
        r(6, "Link Utilization", R, Integer).range(Number(0, 100)),
        r(7, "APN", R, String).multiple(),
        r(8, "Cell ID", R, Integer),
        r(9, "SMNC", R, Integer).range(Number(0, 999)),
        r(10, "SMCC", R, Integer).range(Number(0, 999)),
        r(11, "SignalSNR", R, Integer),
        r(12, "LAC", R, Integer),
        r(13, "Coverage Enhancement Level", R, Integer).range(Number(0, 4)),
    ],
};
