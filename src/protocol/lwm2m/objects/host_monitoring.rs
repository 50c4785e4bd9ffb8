//! /3601 HostMonitoring: GEISA's view of the processor, memory, storage and networks under a platform.

use super::words::*;

/// The definition, at version 1.0.
pub(super) static OBJECT: ObjectDef = ObjectDef {
    id: 3601,
    name: "HostMonitoring",
    version: (1, 0),
    multiplicity: Multiplicity::Single,
    resources: &[
        r(0, "Host Uptime", R, Unsigned).mandatory().range(Number(0, 4_294_967_295)),
        r(1, "CPU Architecture", R, String),
        r(2, "Processor Model", R, String),
        r(10, "CPU Current Frequency", R, Unsigned),
        r(11, "CPU Minimum Frequency", R, Unsigned),
        r(12, "CPU Maximum Frequency", R, Unsigned),
        r(13, "CPU Count", R, Unsigned).mandatory().range(Number(0, 255)),
        r(14, "CPU Load", R, Unsigned).mandatory(),
        r(15, "CPU Usage", R, Unsigned),
        r(20, "Memory Total", R, Unsigned).mandatory(),
        r(21, "Memory Available", R, Unsigned).mandatory(),
        r(22, "Processes Running", R, Unsigned),
        r(23, "Threads Running", R, Unsigned),
        r(24, "Context Switches", R, Unsigned),
        r(25, "Interrupts", R, Unsigned),
        r(30, "Total Storage Capacity", R, Unsigned),
        r(31, "Total Storage Used", R, Unsigned).mandatory(),
        r(32, "App Storage Capacity", R, Unsigned).mandatory(),
        r(33, "App Storage Used", R, Unsigned).mandatory(),
        r(34, "Storage Devices", R, String).multiple(),
        r(35, "Storage Partitions", R, String).multiple(),
        r(36, "Storage Partition Available Space", R, Unsigned).multiple(),
        r(40, "Network Devices", R, String).mandatory().multiple(),
        r(41, "Network Device Type", R, String).multiple(),
        r(42, "Network Device Capacity", R, Unsigned).multiple(),
        r(43, "Network Device Traffic Bytes", R, Unsigned).mandatory().multiple(),
    ],
};
