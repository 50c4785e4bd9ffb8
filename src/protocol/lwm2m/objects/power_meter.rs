//! /10243 Single-Phase Power Meter: what a single-phase meter measures.

use super::words::*;

/// The definition, at version 2.0.
pub(super) static OBJECT: ObjectDef = ObjectDef {
    id: 10243,
    name: "Single-Phase Power Meter",
    version: (2, 0),
    multiplicity: Multiplicity::Multiple,
    resources: &[
        r(0, "Manufacturer", R, String),
        r(1, "Model Number", R, String),
        r(2, "Serial Number", R, String),
        r(3, "Description", R, String),
        r(4, "Tension", R, Float).mandatory(),
        r(5, "Current", R, Float).mandatory(),
        r(6, "Active Power", R, Float),
        r(7, "Reactive Power", R, Float),
        r(8, "Inductive Reactive Power", R, Float),
        r(9, "Capacitive Reactive Power", R, Float),
        r(10, "Apparent Power", R, Float),
        r(11, "Power Factor", R, Float).range(Number(-1, 1)),
        r(12, "THD-V", R, Float),
        r(13, "THD-A", R, Float),
        r(14, "Active Energy", R, Float),
        r(15, "Reactive Energy", R, Float),
        r(16, "Apparent Energy", R, Float),
        r(17, "Frequency", R, Float),
    ],
};
