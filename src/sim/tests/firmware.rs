//! Firmware waves from end to end: the EMS brings a package to every meter, and each runs it, or fails, and is
//! back.

use std::collections::BTreeMap;

use super::bootstrapping::balanced;
use super::devices::world;
use super::ems::{accounted_for, campaign, counters};
use super::*;
use crate::protocol::client::PackageFailure;
use crate::protocol::lwm2m::Tree;
use crate::protocol::lwm2m::package::PackageVersion;
use crate::protocol::server::{Action, Campaign, Delivery, Firmware, FirmwareCounters};

const NEW: PackageVersion = PackageVersion(0x0007_0000);
const SUCCESS: i64 = 1;
const METERS: u32 = 30;

/// An EMS that brings new firmware to all.
fn wave(setup: &Setup, delivery: Delivery) -> EmsConfig {
    let poll = Duration::from_secs(10);
    let limit = Duration::from_secs(3_000);
    let firmware = Firmware { version: NEW, size: 64 << 10, delivery, poll, limit };
    let campaign = Campaign { rate: "5/s".parse().unwrap(), ..campaign(Action::Firmware(firmware)) };
    let uri = ServerUri::coap(World::EMS).to_string();
    EmsConfig { uri, campaigns: vec![campaign], ..setup.ems_config() }
}

/// Runs a wave over thirty meters to its end.
fn carried_out(seed: u64, loss: f64, failures: Vec<(PackageFailure, f64)>, delivery: Delivery) -> World {
    let link = LinkFaults { loss, delay: Duration::from_millis(20), ..LinkFaults::default() };
    let setup = Setup { seed, meters: METERS, link, ..Setup::default() };
    let firmware = FirmwarePolicy { failures, ..FirmwarePolicy::default() };
    let mut world = world(&setup, firmware, wave(&setup, delivery));
    world.run_until(Instant::from_secs(2_500), |world| is_over(&told(world)));
    let soon = world.now() + Duration::from_secs(300);
    world.run_to(soon);
    world
}

/// What the EMS has counted of it.
fn told(world: &World) -> FirmwareCounters {
    counters(world).campaigns[0].firmware.clone()
}

/// Every update that was begun has its one end.
fn is_over(told: &FirmwareCounters) -> bool {
    let ended = told.succeeded + told.failed.values().sum::<u64>() + told.refused + told.gave_up;
    told.begun == u64::from(METERS) && ended == told.begun
}

/// How many meters show each result.
fn shown(world: &World) -> BTreeMap<i64, u64> {
    let mut results = BTreeMap::new();
    for meter in world.meters() {
        let result = meter.client().tree().get(Path::resource(5, 0, 5)).and_then(Value::as_integer);
        *results.entry(result.expect("each has /5")).or_default() += 1;
    }
    results
}

/// How many meters run the new firmware, and have no package left.
fn updated(world: &World) -> u64 {
    let version = Value::String(NEW.to_string().into());
    let runs = |tree: &Tree| {
        tree.get(Path::resource(3, 0, 3)) == Some(&version)
            && tree.get(Path::resource(5, 0, 3)) == Some(&Value::Integer(0))
    };
    world.meters().filter(|meter| runs(meter.client().tree())).count() as u64
}

/// All are back, nothing is under way, and both sides tell the same of it.
fn agreed(world: &World) {
    assert!(all_registered(world), "{:?}", world.states());
    balanced(world);
    assert!(!accounted_for(world), "nothing is left to be answered");
    let told = told(world);
    assert!(is_over(&told), "{told:?}");
    assert_eq!((told.refused, told.gave_up), (0, 0), "{told:?}");
    let by_result = told.failed.iter().map(|(result, count)| (i64::from(*result), *count));
    let by_result: BTreeMap<i64, u64> =
        by_result.chain((told.succeeded > 0).then_some((SUCCESS, told.succeeded))).collect();
    assert_eq!(by_result, shown(world));
    assert_eq!(updated(world), told.succeeded);
    // Those that have new firmware have restarted, and registered anew.
    assert_eq!(counters(world).registrations, u64::from(METERS) + told.succeeded);
    assert_eq!(counters(world).registered, u64::from(METERS));
}

#[test]
fn whole_fleets_run_the_firmware_that_is_pushed_or_pulled_whatever_the_link_loses() {
    for_seeds(0..3, |seed| {
        for (delivery, loss) in
            [(Delivery::Push, 0.0), (Delivery::Pull, 0.0), (Delivery::Push, 0.05), (Delivery::Pull, 0.05)]
        {
            let world = carried_out(seed, loss, Vec::new(), delivery);
            agreed(&world);
            assert_eq!(shown(&world), BTreeMap::from([(SUCCESS, u64::from(METERS))]), "{delivery:?} {loss}");
            let fetched = counters(&world).firmware_requests > 0;
            assert_eq!(fetched, delivery == Delivery::Pull);
        }
    });
}

#[test]
fn the_ems_and_the_meters_agree_on_what_failed_and_how() {
    use PackageFailure::{
        ConnectionLost, Installation, Integrity, InvalidUri, NotEnoughFlash, OutOfMemory, UnsupportedType,
    };
    let pushed = [NotEnoughFlash, OutOfMemory, Integrity, UnsupportedType, Installation];
    let pulled = [NotEnoughFlash, ConnectionLost, Integrity, InvalidUri, Installation];
    for (delivery, failures, loss) in [
        (Delivery::Push, pushed, 0.0),
        (Delivery::Pull, pulled, 0.0),
        (Delivery::Push, pushed, 0.05),
        (Delivery::Pull, pulled, 0.05),
    ] {
        let (mut failed, mut results) = (0, BTreeMap::new());
        for seed in 0..4 {
            // A fifth in all.
            let failures = failures.iter().map(|failure| (*failure, 0.04)).collect();
            let world = carried_out(seed, loss, failures, delivery);
            agreed(&world);
            for (result, count) in told(&world).failed {
                failed += count;
                *results.entry(result).or_insert(0) += count;
            }
        }
        // Of 120: 24 are to be expected.
        assert!((10..40).contains(&failed), "{delivery:?} {loss}: {results:?}");
        assert!(results.len() > 2, "of every kind there are some: {results:?}");
    }
}
