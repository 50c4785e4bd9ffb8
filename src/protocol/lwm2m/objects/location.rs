//! /6 Location: where the device is.

use super::words::*;

/// The definition, at version 1.0.
pub(super) static OBJECT: ObjectDef = ObjectDef {
    id: 6,
    name: "Location",
    version: (1, 0),
    multiplicity: Multiplicity::Single,
    resources: &[
        r(0, "Latitude", R, Float).mandatory(),
        r(1, "Longitude", R, Float).mandatory(),
        r(2, "Altitude", R, Float),
        r(3, "Radius", R, Float),
        r(4, "Velocity", R, Opaque),
        r(5, "Timestamp", R, Time).mandatory(),
        r(6, "Speed", R, Float),
    ],
};
