//! From power-on to 2.01.

use super::*;
use crate::metrics::RequestKind;
use crate::sim::Direction;

#[test]
fn a_meter_bootstraps_and_registers() {
    let mut world = Setup::default().world();
    assert!(world.run_until(Instant::from_secs(1), all_registered));
    let bootstrap = world.bootstrap_server().map(|server| server.counters().clone()).unwrap_or_default();
    assert_eq!((bootstrap.requests, bootstrap.finished, bootstrap.failed), (1, 1, 0));
    assert_eq!((bootstrap.discovers, bootstrap.deletes, bootstrap.writes), (1, 1, 2));
    assert_eq!(bootstrap.command_errors, 0);
    let accepted: Vec<(String, u32)> =
        world.ems().map(|ems| ems.accepted().map(|(ep, n)| (ep.to_owned(), n)).collect()).unwrap_or_default();
    assert_eq!(accepted, [("urn:dev:os:meter-0000000".to_owned(), 1)]);
    // Bootstrap-Request, Discover, Delete, two Writes, Finish, Register: seven round trips.
    assert_eq!(world.passed(Direction::ToServer), 7);
    assert_eq!(world.passed(Direction::ToMeter), 7);
}

#[test]
fn every_format_and_level_of_writing_leads_to_a_registration() {
    for version in [Version::V1_0, Version::V1_1, Version::V1_2] {
        for format in [None, Some(ContentFormat::TLV), Some(ContentFormat::SENML_CBOR)] {
            for write_level in [WriteLevel::Object, WriteLevel::Instance] {
                let setup = Setup { version, format, write_level, ..Setup::default() };
                let mut world = setup.world();
                assert!(
                    world.run_until(Instant::from_secs(1), all_registered),
                    "{version} {format:?} {write_level:?}"
                );
            }
        }
    }
}

#[test]
fn the_account_that_was_written_is_the_one_that_is_used() {
    let setup = Setup { lifetime: Duration::from_secs(77), ..Setup::default() };
    let mut world = setup.world();
    assert!(world.run_until(Instant::from_secs(1), all_registered));
    let tree = world.meter(0).client().tree();
    assert_eq!(tree.get(Path::resource(1, 0, 1)), Some(&Value::Integer(77)));
    assert_eq!(tree.get(Path::resource(1, 0, 0)), Some(&Value::Integer(101)));
    // The factory's account is /0/0, so the new one went beside it.
    let uri = ServerUri::coap(World::EMS).to_string();
    assert_eq!(tree.get(Path::resource(0, 1, 0)), Some(&Value::String(uri.as_str().into())));
    assert_eq!(tree.get(Path::resource(0, 0, 1)), Some(&Value::Boolean(true)));
    // And it updates at half of the lifetime given there.
    let (update, _) = world.meter(0).poll_timeout().expect("an Update is due some time");
    assert!(update <= Instant::from_secs(39), "{update:?}");
}

#[test]
fn the_hold_off_time_is_kept_and_counts_into_onboarding() {
    let setup = Setup { hold_off: Duration::from_secs(5), ..Setup::default() };
    let mut world = setup.world();
    assert!(!world.run_until(Instant::from_millis(4_999), |w| w.passed(Direction::ToServer) > 0));
    assert!(world.run_until(Instant::from_secs(6), all_registered));
    assert_eq!(latencies(&world, Stage::Onboarding), [Duration::from_secs(5)]);
}

#[test]
fn latency_counts_from_the_planned_instant() {
    let setup = Setup {
        link: LinkFaults { delay: Duration::from_millis(10), ..LinkFaults::default() },
        ..Setup::default()
    };
    let mut world = setup.world();
    assert!(world.run_until(Instant::from_secs(1), all_registered));
    // Seven exchanges of 20 ms, less the one whose command travels with the 2.04 to the request.
    assert_eq!(latencies(&world, Stage::Onboarding), [Duration::from_millis(120)]);
    assert_eq!(latencies(&world, Stage::Bootstrap), [Duration::from_millis(100)]);
    assert_eq!(latencies(&world, Stage::Registration), [Duration::from_millis(20)]);
    assert_eq!(latencies(&world, Stage::BootstrapRequest), [Duration::from_millis(20)]);
    assert_eq!(latencies(&world, Stage::BootstrapWrite), [Duration::from_millis(20); 2]);
}

#[test]
fn a_thousand_meters_end_registered_and_say_goodbye() {
    let mut world = Setup { meters: 1_000, ..Setup::default() }.world();
    assert!(world.run_until(Instant::from_secs(60), all_registered));
    world.shutdown();
    let gone = |w: &World| w.count(MeterState::Deregistered) == 1_000;
    assert!(world.run_until(Instant::from_secs(120), gone));
    let ems = world.ems().map(|ems| ems.counters()).unwrap_or_default();
    assert_eq!((ems.registrations, ems.deregistrations, ems.registered), (1_000, 1_000, 0));
    assert!(world.meters().all(|meter| meter.in_flight().is_empty()));
}

#[test]
fn a_meter_asked_to_leave_while_registering_takes_it_back() {
    let setup = Setup {
        link: LinkFaults { delay: Duration::from_millis(50), ..LinkFaults::default() },
        ..Setup::default()
    };
    let mut world = setup.world();
    let registering = |w: &World| w.meter(0).in_flight().of(RequestKind::Register) == 1;
    assert!(world.run_until(Instant::from_secs(5), registering));
    world.shutdown();
    assert!(world.run_until(Instant::from_secs(5), |w| w.count(MeterState::Deregistered) == 1));
    assert_eq!(world.ems().map(|ems| ems.counters().registered), Some(0));
}
