//! Meters with all the objects of a platform, asked for them and updated by the EMS.

use super::*;
use crate::meter::{MeterDevice, ObjectSet, factory};
use crate::protocol::client::PackageFailure;
use crate::protocol::lwm2m::package::PackageVersion;
use crate::protocol::server::{Action, Campaign, Delivery, EmsCounters, Firmware, Interview};

const NEW: PackageVersion = PackageVersion(0x0007_0000);

/// Platforms that take firmware like this, and an EMS that does so with them.
fn world(setup: &Setup, firmware: FirmwarePolicy, ems: EmsConfig) -> World {
    let nobody = Setup { meters: 0, ..setup.clone() };
    let mut world = nobody.world();
    world.set_ems(Some(Ems::new(ems, 0, Seed(setup.seed).child("ems", 0))));
    let uri = ServerUri::coap(World::BOOTSTRAP).to_string();
    let config = Arc::into_inner(setup.client_config()).expect("nobody else has it");
    let config = Arc::new(client::Config {
        firmware,
        factory: factory(&uri, Duration::ZERO, ObjectSet::PlatformCellular),
        device: Some(Arc::new(MeterDevice::default())),
        ..config
    });
    for number in 0..setup.meters {
        let planned = Instant::from_millis(10 * u64::from(number));
        world.add_meter(config.clone(), &format!("meter-{number}"), planned);
    }
    world
}

fn wave(setup: &Setup, delivery: Delivery) -> EmsConfig {
    let poll = Duration::from_secs(10);
    let limit = Duration::from_secs(3_000);
    let firmware = Firmware { version: NEW, size: 64 << 10, delivery, poll, limit };
    let campaign = Campaign {
        action: Action::Firmware(firmware),
        start: Duration::from_secs(20),
        rate: "5/s".parse().unwrap(),
        share: None,
        repeat: None,
    };
    let uri = ServerUri::coap(World::EMS).to_string();
    EmsConfig { uri, campaigns: vec![campaign], ..setup.ems_config() }
}

fn counters(world: &World) -> EmsCounters {
    world.ems().map(Ems::counters).unwrap_or_default()
}

/// How many meters run the new firmware.
fn updated(world: &World) -> usize {
    let version = Value::String(NEW.to_string().into());
    world
        .meters()
        .filter(|meter| meter.client().tree().get(Path::resource(3, 0, 3)) == Some(&version))
        .count()
}

#[test]
fn a_platform_answers_an_interview_about_all_it_has() {
    let setup = Setup { meters: 5, ..Setup::default() };
    let ems = EmsConfig { interview: Interview::read(), ..setup.ems_config() };
    let mut world = world(&setup, FirmwarePolicy::default(), ems);
    assert!(world.run_until(Instant::from_secs(20), |w| counters(w).interviews.completed == 5));
    let counters = counters(&world);
    assert_eq!(counters.interviews.ok, counters.interviews.requests, "{:?}", counters.interviews);
    assert_eq!(counters.observations.undecodable, 0);
    assert!(counters.interviews.requests >= 5 * 10);
}

#[test]
fn firmware_that_is_pushed_or_pulled_runs_in_the_end_whatever_the_link_loses() {
    for delivery in [Delivery::Push, Delivery::Pull] {
        let link = LinkFaults { loss: 0.05, delay: Duration::from_millis(20), ..LinkFaults::default() };
        let setup = Setup { meters: 20, link, ..Setup::default() };
        let mut world = world(&setup, FirmwarePolicy::default(), wave(&setup, delivery));
        world.run_to(Instant::from_secs(2_000));
        let firmware = counters(&world).campaigns[0].firmware.clone();
        assert_eq!((firmware.begun, firmware.succeeded), (20, 20), "{delivery:?}: {firmware:?}");
        assert_eq!(updated(&world), 20);
        assert!(all_registered(&world));
        assert!(counters(&world).registrations >= 40, "each has restarted");
        let bodies = counters(&world).firmware_requests > 0;
        assert_eq!(bodies, matches!(delivery, Delivery::Pull));
    }
}

#[test]
fn a_wave_fails_where_devices_do() {
    let failures = vec![(PackageFailure::Integrity, 0.25), (PackageFailure::Installation, 0.25)];
    let firmware = FirmwarePolicy { failures, ..FirmwarePolicy::default() };
    let setup = Setup { meters: 100, ..Setup::default() };
    let mut world = world(&setup, firmware, wave(&setup, Delivery::Pull));
    world.run_to(Instant::from_secs(500));
    let firmware = counters(&world).campaigns[0].firmware.clone();
    assert!((30..70).contains(&firmware.succeeded), "{firmware:?}");
    assert_eq!(firmware.succeeded as usize, updated(&world));
    assert!(firmware.failed.get(&5).is_some_and(|count| (12..40).contains(count)), "{firmware:?}");
    assert!(firmware.failed.get(&8).is_some_and(|count| (12..40).contains(count)), "{firmware:?}");
}
