//! /2 LwM2M Access Control: who may do what with an object instance.

use super::words::*;

/// The definition, at version 1.1.
pub(super) static OBJECT: ObjectDef = ObjectDef {
    id: 2,
    name: "LwM2M Access Control",
    version: (1, 1),
    multiplicity: Multiplicity::Multiple,
    resources: &[
        r(0, "Object ID", R, Integer).mandatory().range(Number(1, 65534)),
        r(1, "Object Instance ID", R, Integer).mandatory().range(Number(0, 65535)),
        r(2, "ACL", RW, Integer).multiple().range(Number(0, 31)),
        r(3, "Access Control Owner", RW, Integer).mandatory().range(Number(0, 65535)),
    ],
};
