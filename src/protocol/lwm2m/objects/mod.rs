//! Object definitions: one file with one table per object.
//!
//! To add an object, write its file and give it a line in [`find`].

mod access_control;
mod device;
mod security;
mod server;

use super::{ObjectDef, Path, ResourceDef, Version};

/// The words the tables are written in.
mod words {
    pub(super) use super::super::definition::Kind::{self, *};
    pub(super) use super::super::definition::Range::{Length, Lengths, Number};
    pub(super) use super::super::definition::{Multiplicity, ObjectDef, Operations, ResourceDef};
    pub(super) use super::super::version::Version::{V1_1, V1_2};

    pub(super) const NONE: Operations = Operations::NONE;
    pub(super) const R: Operations = Operations::R;
    pub(super) const RW: Operations = Operations::RW;
    pub(super) const E: Operations = Operations::E;

    /// A resource: ID, name, operations, kind.
    pub(super) const fn r(id: u16, name: &'static str, operations: Operations, kind: Kind) -> ResourceDef {
        ResourceDef::new(id, name, operations, kind)
    }
}

/// The definition of object `id`, if it is known here.
pub fn find(id: u16) -> Option<&'static ObjectDef> {
    Some(match id {
        0 => &security::OBJECT,
        1 => &server::OBJECT,
        2 => &access_control::OBJECT,
        3 => &device::OBJECT,
        _ => return None,
    })
}

/// The definition of the resource that `path` is, or is an instance of. None if the object or the
/// resource is unknown, or `path` is shorter than a resource's.
pub fn resource(path: Path) -> Option<&'static ResourceDef> {
    match path.ids() {
        [object, _, resource, ..] => find(*object)?.resource(*resource),
        _ => None,
    }
}

/// The version of object `id`, `(major, minor)`, that a client of LwM2M `version` has: the one that
/// goes with `version` for core objects, the one described here for others, 1.0 for unknown ones.
pub fn version(id: u16, version: Version) -> (u8, u8) {
    let implied = version.implied_object_version(id);
    implied.or_else(|| find(id).map(|object| object.version)).unwrap_or((1, 0))
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Multiplicity, Range, Value};
    use super::*;

    fn all() -> impl Iterator<Item = &'static ObjectDef> {
        (0..u16::MAX).filter_map(find)
    }

    #[test]
    fn tables_are_filed_and_sorted_by_id() {
        for id in 0..u16::MAX {
            let Some(object) = find(id) else { continue };
            assert_eq!(object.id, id);
            assert!(object.resources.is_sorted_by(|a, b| a.id < b.id), "/{id}");
            for resource in object.resources {
                assert_eq!(object.resource(resource.id).map(|found| found.name), Some(resource.name));
            }
            assert!(object.resource(65535).is_none());
        }
        assert!(all().count() >= 4);
    }

    #[test]
    fn executables_have_no_value_and_everything_else_has() {
        for object in all() {
            for resource in object.resources {
                let executable = resource.operations.execute;
                assert_eq!(executable, resource.kind == Kind::None, "/{}/x/{}", object.id, resource.id);
                let numeric = matches!(resource.kind, Kind::Integer | Kind::Unsigned | Kind::Float);
                match resource.range {
                    Range::Any => {}
                    Range::Number(min, max) => assert!(numeric && min < max),
                    Range::Length(min, max) => assert!(!numeric && min <= max),
                    Range::Lengths(lengths) => assert!(!numeric && lengths.is_sorted()),
                }
            }
        }
    }

    #[test]
    fn what_a_bootstrap_relies_on() {
        let security = find(0).unwrap();
        assert_eq!(security.resource(16).unwrap().multiplicity, Multiplicity::Multiple);
        assert!(!security.resource(2).unwrap().accepts(&Value::Integer(5)));
        assert_eq!(security.resource(13).unwrap().since, Version::V1_1);
        assert_eq!(security.resource(18).unwrap().since, Version::V1_2);
        let server = find(1).unwrap();
        assert!(!server.resource(0).unwrap().accepts(&Value::Integer(0)));
        assert_eq!(server.resource(17).unwrap().kind, Kind::Unsigned);
        assert!(server.resource(8).unwrap().operations.execute);
        assert_eq!(find(3).unwrap().multiplicity, Multiplicity::Single);
        assert_eq!(resource(Path::resource_instance(3, 0, 6, 1)).unwrap().id, 6);
        assert!(resource(Path::instance(3, 0)).is_none());
    }
}
