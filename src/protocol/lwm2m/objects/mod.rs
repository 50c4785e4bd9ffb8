//! Object definitions: one file with one table per object.
//!
//! To add an object, write its file and give it a line in [`find`].

mod access_control;
mod apn_connection_profile;
mod app_accounting;
mod app_messaging;
mod app_monitoring;
mod bearer_selection;
mod cellular_connectivity;
mod connectivity_monitoring;
mod connectivity_statistics;
mod device;
mod event_log;
mod firmware_update;
mod host_monitoring;
mod location;
mod platform_configuration;
mod platform_monitoring;
mod power_meter;
mod remote_sim_provisioning;
mod security;
mod server;
mod software_management;
mod wlan_connectivity;

use super::{ObjectDef, Path, ResourceDef, Version};

/// The words the tables are written in.
mod words {
    pub(super) use super::super::definition::Kind::{self, *};
    pub(super) use super::super::definition::Range::{Length, Lengths, Number};
    pub(super) use super::super::definition::{Multiplicity, ObjectDef, Operations, ResourceDef};
    pub(super) use super::super::version::Version::{V1_1, V1_2};

    pub(super) const NONE: Operations = Operations::NONE;
    pub(super) const R: Operations = Operations::R;
    pub(super) const W: Operations = Operations::W;
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
        4 => &connectivity_monitoring::OBJECT,
        5 => &firmware_update::OBJECT,
        6 => &location::OBJECT,
        7 => &connectivity_statistics::OBJECT,
        9 => &software_management::OBJECT,
        10 => &cellular_connectivity::OBJECT,
        11 => &apn_connection_profile::OBJECT,
        12 => &wlan_connectivity::OBJECT,
        13 => &bearer_selection::OBJECT,
        20 => &event_log::OBJECT,
        504 => &remote_sim_provisioning::OBJECT,
        3600 => &app_messaging::OBJECT,
        3601 => &host_monitoring::OBJECT,
        3602 => &app_accounting::OBJECT,
        3604 => &app_monitoring::OBJECT,
        3605 => &platform_monitoring::OBJECT,
        3606 => &platform_configuration::OBJECT,
        10243 => &power_meter::OBJECT,
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
    match (id, version) {
        // GEISA ADM wants the newer one than LwM2M 1.2 implies; see the object's file.
        (5, Version::V1_2) => (1, 2),
        // Their 1.1 asks for a client of LwM2M 1.1.
        (10 | 11 | 13, Version::V1_0) => (1, 0),
        _ => version
            .implied_object_version(id)
            .or_else(|| find(id).map(|object| object.version))
            .unwrap_or((1, 0)),
    }
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
        assert_eq!(all().count(), 22);
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

    /// The mandatory resources GEISA ADM lists, by object.
    #[test]
    fn what_geisa_makes_mandatory() {
        let listed: [(u16, &[u16]); 9] = [
            (5, &[0, 1, 2, 3, 5, 9]),
            (9, &[0, 1, 4, 6, 7, 9, 10, 11, 12]),
            (20, &[4014]),
            (3600, &[0, 1, 2, 3, 4, 5, 4050]),
            (3601, &[0, 13, 14, 20, 21, 31, 32, 33, 40, 43]),
            (3602, &[10, 11, 20, 21, 31, 33, 34, 50, 51, 52, 70, 72, 4050]),
            (3604, &[0, 1, 10, 11, 12, 20, 21, 22, 24, 40, 43, 45, 46, 47, 48, 49, 72, 4050]),
            (3605, &[0, 1, 4, 5, 11, 12, 13]),
            (3606, &[0, 1]),
        ];
        for (id, expected) in listed {
            let resources = find(id).unwrap().resources.iter();
            let mandatory: Vec<u16> =
                resources.filter(|known| known.mandatory).map(|known| known.id).collect();
            assert_eq!(mandatory, expected, "/{id}");
        }
        assert_eq!(find(3606).unwrap().resources.len(), 119);
    }

    #[test]
    fn what_geisa_executes() {
        let listed: [(u16, &[u16]); 6] = [
            (5, &[2, 10]),
            (9, &[4, 6, 10, 11, 19, 20, 22]),
            (20, &[4011, 4012]),
            (3602, &[60, 61, 62, 63, 64]),
            (3604, &[62, 63]),
            (3605, &[70, 71, 72, 73]),
        ];
        for (id, expected) in listed {
            let resources = find(id).unwrap().resources.iter();
            let executable: Vec<u16> =
                resources.filter(|known| known.operations.execute).map(|known| known.id).collect();
            assert_eq!(executable, expected, "/{id}");
        }
    }

    #[test]
    fn versions_are_those_geisa_asks_for() {
        let asked = [
            (0, (1, 2)),
            (1, (1, 2)),
            (3, (1, 2)),
            (4, (1, 3)),
            (5, (1, 2)),
            (6, (1, 0)),
            (9, (1, 1)),
            (10, (1, 1)),
            (11, (1, 1)),
            (12, (1, 1)),
            (13, (1, 1)),
            (20, (3, 2)),
            (504, (1, 0)),
            (3600, (1, 1)),
            (3601, (1, 0)),
            (3602, (1, 0)),
            (3604, (1, 0)),
            (3605, (1, 0)),
            (3606, (1, 0)),
        ];
        for (id, expected) in asked {
            assert_eq!(version(id, Version::V1_2), expected, "/{id}");
        }
        assert_eq!(version(5, Version::V1_1), (1, 0));
        assert_eq!(version(11, Version::V1_0), (1, 0));
        assert_eq!(version(10243, Version::V1_0), (2, 0));
        assert_eq!(version(64999, Version::V1_2), (1, 0), "unknown here");
    }

    #[test]
    fn ranges_hold_for_signed_and_fractional_numbers() {
        let accepts = |path, value| resource(path).unwrap().accepts(&value);
        let power_factor = Path::resource(10243, 0, 11);
        assert!(accepts(power_factor, Value::Float(-0.97)));
        assert!(!accepts(power_factor, Value::Float(1.01)));
        assert!(!accepts(power_factor, Value::Float(f64::NAN)));
        let rssi = Path::resource(13, 0, 1);
        assert!(accepts(rssi, Value::Integer(-110)));
        assert!(!accepts(rssi, Value::Integer(-111)));
        assert!(!accepts(Path::resource(3601, 0, 0), Value::Unsigned(1 << 32)), "an uptime of 4 bytes");
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
