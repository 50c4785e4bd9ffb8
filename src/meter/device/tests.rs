use std::collections::BTreeSet;

use proptest::prelude::*;

use super::load::{DAY, LAST, load};
use super::*;
use crate::base::Instant;
use crate::protocol::client::Device;
use crate::protocol::coap::ContentFormat;
use crate::protocol::content::listing;
use crate::protocol::lwm2m::{Multiplicity, Path, ResourceDef, Tree, Value, Version, objects};

fn definition(path: Path) -> &'static ResourceDef {
    objects::resource(path).unwrap_or_else(|| panic!("{path} is not defined"))
}

/// A template, and the same with what a device of this nature says at this time.
fn seen(set: ObjectSet, nature: u64, now: Instant) -> Vec<Entry> {
    let device = MeterDevice::default();
    let mut entries = device_objects(set);
    for entry in &mut entries {
        if let Some(value) = device.value(entry.path, nature, now) {
            entry.value = value;
        }
    }
    entries
}

fn day(number: u64) -> u64 {
    // A Monday in January 2026, and so on.
    (20_458 + number) * DAY
}

#[test]
fn every_value_is_one_its_definition_takes() {
    for set in ObjectSet::ALL {
        let now = Instant::from_secs(86_400 * 3 + 12_345);
        let templates = [device_objects(set), seen(set, 0, now), seen(set, u64::MAX, now), seen(set, 7, now)];
        for Entry { path, value } in templates.into_iter().flatten() {
            let known = definition(path);
            assert!(known.accepts(&value), "{set}: {path} is {value:?}");
            assert_eq!(known.multiplicity == Multiplicity::Multiple, path.depth() == 4, "{path}");
            assert!(known.operations.read, "{path} is never read");
        }
    }
}

#[test]
fn every_mandatory_resource_that_can_be_read_is_there() {
    for set in ObjectSet::ALL {
        let tree = Tree::new(Arc::new(device_objects(set)));
        for object in tree.objects() {
            let mandatory = objects::find(object).unwrap().resources.iter();
            for known in mandatory.filter(|known| known.mandatory && known.operations.read) {
                for instance in tree.instances(object) {
                    let path = Path::resource(object, instance, known.id);
                    assert!(tree.entries(path).next().is_some(), "{set}: no {path}");
                }
            }
        }
    }
}

#[test]
fn a_platform_has_the_objects_that_are_asked_of_it() {
    let objects = |set| Tree::new(Arc::new(device_objects(set))).objects().collect::<Vec<_>>();
    assert_eq!(objects(ObjectSet::Minimal), [3]);
    assert_eq!(objects(ObjectSet::Energy), [3, 4, 5, 10243]);
    let platform = [3, 4, 5, 7, 9, 20, 3600, 3601, 3602, 3604, 3605, 3606, 10243];
    assert_eq!(objects(ObjectSet::Platform), platform);
    let with = |more: &[u16]| {
        let all: BTreeSet<u16> = platform.iter().chain(more).copied().collect();
        all.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(objects(ObjectSet::PlatformCellular), with(&[6, 10, 11, 13, 504]));
    assert_eq!(objects(ObjectSet::PlatformWlan), with(&[12]));
}

#[test]
fn a_template_is_in_order_so_that_a_fleet_shares_it() {
    for set in ObjectSet::ALL {
        let factory = factory("coap://127.0.0.1:5783", Duration::ZERO, set);
        assert!(factory.is_sorted_by(|a, b| a.path < b.path && !b.path.starts_with(&a.path)), "{set}");
        let before = Arc::strong_count(&factory);
        let tree = Tree::new(factory.clone());
        assert_eq!((Arc::strong_count(&factory), tree.heap_bytes()), (before + 1, 0));
    }
}

#[test]
fn a_registration_fits_one_block() {
    let formats = [0, 40, 42, 60, 110, 112, 11542, 11543, 11544].map(ContentFormat);
    for set in ObjectSet::ALL {
        let mut entries = factory("coap://127.0.0.1:5783", Duration::ZERO, set).to_vec();
        entries.push(Entry::new(Path::resource(1, 0, 0), Value::Integer(101)));
        let list = listing::registration(&Tree::new(Arc::new(entries)), Version::V1_2, &formats);
        println!("{set}: {} B", list.len());
        assert!(list.len() <= 600, "{set}: {} B", list.len());
    }
}

#[test]
fn sets_have_names() {
    for set in ObjectSet::ALL {
        assert_eq!(set.name().parse(), Ok(set));
    }
    assert!("everything".parse::<ObjectSet>().unwrap_err().to_string().contains("platform-wlan"));
}

#[test]
fn the_device_tells_nothing_that_the_template_does_not_have() {
    let known: BTreeSet<Path> = ObjectSet::ALL.into_iter().flat_map(device_objects).map(|e| e.path).collect();
    let device = MeterDevice::default();
    for object in (0..u16::MAX).filter_map(objects::find) {
        for resource in object.resources {
            let single = Path::resource(object.id, 0, resource.id);
            let multiple = (0..3).filter_map(|index| single.child(index));
            let paths: Vec<Path> = match resource.multiplicity {
                Multiplicity::Single => vec![single],
                Multiplicity::Multiple => multiple.take(1).collect(),
            };
            for path in paths.into_iter().filter(|path| !known.contains(path)) {
                assert_eq!(device.value(path, 5, Instant::ZERO), None, "{path}");
            }
        }
    }
    assert_eq!(device.value(Path::object(3), 5, Instant::ZERO), None);
}

#[test]
fn time_goes_on_from_the_epoch_it_was_given() {
    let device = MeterDevice { epoch: 1_800_000_000, utc_offset: -12_600, ..MeterDevice::default() };
    let value = |path: &str, now| device.value(path.parse().unwrap(), 9, now);
    assert_eq!(value("/3/0/13", Instant::from_millis(90_900)), Some(Value::Time(1_800_000_090)));
    assert_eq!(value("/3/0/14", Instant::ZERO), Some("-03:30".into()));
    let Some(Value::Time(midnight)) = value("/3602/0/70", Instant::ZERO) else { panic!() };
    assert_eq!((midnight - 12_600).rem_euclid(86_400), 0);
    assert!((0..86_400).contains(&(1_800_000_000 - midnight)));
}

#[test]
fn power_energy_and_voltage_hang_together() {
    let device = MeterDevice::default();
    let number = |resource, nature, now| match device.value(Path::resource(10_243, 0, resource), nature, now)
    {
        Some(Value::Float(number)) => number,
        other => panic!("{other:?}"),
    };
    for nature in 0..50 {
        for step in 0..96 {
            let now = Instant::from_secs(step * 900 + nature);
            let get = |resource| number(resource, nature, now);
            let (active, reactive, apparent) = (get(6), get(7), get(10));
            assert!((205.0..245.0).contains(&get(4)), "{} V", get(4));
            assert!((get(4) * get(5) / 1e3 - apparent).abs() < 0.01 + apparent / 100.0);
            assert!((active.hypot(reactive) - apparent).abs() < 0.002);
            assert!((0.5..=1.0).contains(&get(11)), "power factor {}", get(11));
            assert!((get(11) * apparent - active).abs() < 0.01);
            assert!((49.9..50.1).contains(&get(17)));
            assert_eq!(get(17), number(17, nature + 1, now), "one grid");
        }
        let since = |resource| {
            number(resource, nature, Instant::from_secs(86_400)) - number(resource, nature, Instant::ZERO)
        };
        assert!((since(14).hypot(since(15)) - since(16)).abs() < since(16) / 10.0);
    }
}

#[test]
fn a_day_of_a_household_is_plausible() {
    let means: Vec<i64> = (0..500)
        .map(|nature| {
            let energy = load(nature, day(5)).energy.active - load(nature, day(4)).energy.active;
            energy / 1_000 / DAY as i64
        })
        .collect();
    assert!(means.iter().all(|watts| (200..3_000).contains(watts)), "{means:?}");
    let mean = means.iter().sum::<i64>() / 500;
    assert!((400..900).contains(&mean), "{mean} W");
    // A fleet draws more in the evening than at night, and never all the same.
    let fleet = |hour: u64| -> i64 {
        (0..500).map(|nature| load(nature, day(4) + hour * 3_600_000).power.active).sum()
    };
    assert!(fleet(18) > 2 * fleet(5), "{} and {}", fleet(18), fleet(5));
    assert!(means.iter().collect::<BTreeSet<_>>().len() > 200);
}

#[test]
fn appliances_come_and_go() {
    let peak = |nature| (0..1_440).map(|minute| load(nature, day(2) + minute * 60_000).power.active).max();
    let peaks: Vec<i64> = (0..100).filter_map(peak).collect();
    assert!(peaks.iter().all(|peak| (700_000..16_000_000).contains(peak)), "{peaks:?}");
}

/// Instants that lie on both sides of what happens within a day.
fn instant() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..LAST,
        (0..40_000_u64, 0..1_440_u64, 0..3_u64)
            .prop_map(|(day, minute, off)| { (day * DAY + minute * 60_000 + off).saturating_sub(1) })
    ]
}

proptest! {
    #[test]
    fn a_millisecond_adds_what_is_drawn_in_it(nature: u64, at in instant()) {
        let (before, after) = (load(nature, at), load(nature, at + 1));
        prop_assert_eq!(after.energy - before.energy, before.power);
        prop_assert!(before.power.active > 0 && before.power.reactive >= 0);
    }

    #[test]
    fn energy_is_the_sum_of_power(nature: u64, at in instant(), span in 1..200_000_u64) {
        // Nothing is switched but at full seconds.
        let step = |millis: u64| 1_000 - millis % 1_000;
        let (mut millis, mut active, mut reactive) = (at, 0, 0);
        while millis < at + span {
            let part = step(millis).min(at + span - millis);
            let power = load(nature, millis).power;
            active += power.active * part as i64;
            reactive += power.reactive * part as i64;
            millis += part;
        }
        let used = load(nature, at + span).energy - load(nature, at).energy;
        prop_assert_eq!((used.active, used.reactive), (active, reactive));
    }

    #[test]
    fn readings_never_go_back(nature: u64, from in 0..4_000_000_u64, step in 0..4_000_000_u64) {
        let device = MeterDevice::default();
        for path in ["/10243/0/14", "/10243/0/15", "/10243/0/16", "/7/0/2", "/3601/0/0", "/3601/0/43/0"] {
            let path: Path = path.parse().unwrap();
            let read = |seconds| match device.value(path, nature, Instant::from_secs(seconds)) {
                Some(Value::Float(number)) => number,
                Some(value) => value.as_integer().unwrap() as f64,
                None => panic!(),
            };
            prop_assert!(read(from) <= read(from + step), "{}", path);
            prop_assert!(read(from) >= 0.0);
        }
    }

    #[test]
    fn a_meter_is_a_function_of_its_nature_and_the_time(nature: u64, nanos: u64) {
        let now = Instant::from_nanos(nanos);
        let once = seen(ObjectSet::PlatformCellular, nature, now);
        prop_assert_eq!(&once, &seen(ObjectSet::PlatformCellular, nature, now));
        prop_assert_ne!(&once, &seen(ObjectSet::PlatformCellular, nature ^ 1, now));
    }

    #[test]
    fn no_clock_is_too_odd(epoch: i64, utc_offset: i32, nanos: u64, nature: u64) {
        let device = MeterDevice { epoch, utc_offset, ..MeterDevice::default() };
        for entry in device_objects(ObjectSet::PlatformCellular) {
            device.value(entry.path, nature, Instant::from_nanos(nanos));
        }
    }
}
