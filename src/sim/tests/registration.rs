//! Staying registered: Updates, expiry, retries.

use super::*;

#[test]
fn updates_go_out_at_half_the_lifetime() {
    let setup = Setup { lifetime: Duration::from_secs(60), ..Setup::default() };
    let mut world = setup.world();
    world.run_to(Instant::from_secs(125));
    assert_eq!(latencies(&world, Stage::Update).len(), 4);
    let ems = world.ems().map(|ems| ems.counters()).unwrap_or_default();
    assert_eq!((ems.registrations, ems.updates, ems.expired), (1, 4, 0));
}

#[test]
fn an_ems_that_lost_its_registry_gets_everybody_back() {
    let setup = Setup { meters: 20, lifetime: Duration::from_secs(60), ..Setup::default() };
    let mut world = setup.world();
    assert!(world.run_until(Instant::from_secs(5), all_registered));
    world.set_ems(Some(setup.ems()));
    world.run_to(Instant::from_secs(70));
    assert!(all_registered(&world));
    assert_eq!(failures(&world, FailureKind::UpdateRefused(0x84)), 20);
    assert_eq!(world.ems().map(|ems| ems.counters().registrations), Some(20));
}

#[test]
fn a_silent_meter_expires() {
    let setup = Setup { lifetime: Duration::from_secs(60), ..Setup::default() };
    let mut world = setup.world();
    assert!(world.run_until(Instant::from_secs(1), all_registered));
    // Everything the meter says from now on is lost.
    for number in 7..200 {
        world.drop_nth(super::super::Direction::ToServer, number);
    }
    let expired = |w: &World| w.ems().is_some_and(|ems| ems.counters().expired == 1);
    assert!(world.run_until(Instant::from_secs(106), expired));
}

#[test]
fn failed_registrations_follow_the_retry_sequence() {
    // Tries at 0, 10, 30 s in one sequence, each given up after MAX_TRANSMIT_WAIT; the next sequence
    // 100 s later; then back to the Bootstrap-Server.
    let retry = RetryTerms {
        count: 3,
        timer: Duration::from_secs(10),
        sequence_delay: Duration::from_secs(100),
        sequence_count: 2,
    };
    let setup = Setup { retry: Some(retry), ..Setup::default() };
    let mut world = setup.world();
    world.set_ems(None);
    let bootstraps = |w: &World| w.bootstrap_server().map_or(0, |server| server.counters().requests);
    assert!(world.run_until(Instant::from_secs(1_000), |w| bootstraps(w) == 2));
    assert_eq!(failures(&world, FailureKind::RegistrationTimeout), 6);
    let waits = [10, 20, 100, 10, 20].iter().sum::<u64>();
    let in_vain = world.now().since_origin().as_secs_f64() - waits as f64;
    // Six times the span of four retransmissions and the last wait: 62 to 93 s each.
    assert!((6.0 * 62.0..=6.0 * 93.0).contains(&in_vain), "{in_vain}");
}

#[test]
fn a_bootstrap_server_that_comes_back_is_found_again() {
    let setup = Setup { meters: 5, ..Setup::default() };
    let mut world = setup.deserted();
    world.set_ems(Some(setup.ems()));
    world.run_to(Instant::from_secs(300));
    assert_eq!(world.count(MeterState::Registered), 0);
    assert!(failures(&world, FailureKind::BootstrapTimeout) >= 5);
    world.set_bootstrap_server(Some(setup.bootstrap_server()));
    assert!(world.run_until(Instant::from_secs(1_200), all_registered));
}
