//! Handshakes over links that lose, double and reorder.

use super::*;

const BAD: LinkFaults = LinkFaults {
    loss: 0.2,
    duplicate: 0.1,
    reorder: 0.2,
    reorder_by: Duration::from_millis(150),
    delay: Duration::from_millis(20),
    jitter: Duration::from_millis(10),
};

#[test]
fn every_session_comes_up_whatever_the_link_does() {
    for mode in [Mode::Psk, Mode::X509] {
        for_seeds(0..15, |seed| {
            let setup = Setup { seed, meters: 3, link: BAD, ..Setup::default() };
            let mut world = Kit::new((Scheme::Coaps, mode), setup).world();
            assert!(
                world.run_until(Instant::from_secs(3_600), all_registered),
                "{mode:?} {:?}",
                world.states()
            );
        });
    }
}

#[test]
fn flights_that_are_sent_again_are_counted() {
    let mut world = Kit::new((Scheme::Coaps, Mode::Psk), Setup::default()).world();
    world.drop_nth(crate::sim::Direction::ToServer, 0);
    assert!(world.run_until(Instant::from_secs(60), all_registered));
    let again = world.events().iter().filter(|(_, _, event)| *event == Event::FlightRetransmitted).count();
    assert_eq!(again, 1);
    let counted = world.events().iter().find_map(|(_, _, event)| match event {
        Event::Handshake { retransmissions, .. } => Some(*retransmissions),
        _ => None,
    });
    assert_eq!(counted, Some(1));
}

#[test]
fn a_meter_that_lost_its_power_gets_in_again_by_the_same_port() {
    for mode in [Mode::Psk, Mode::X509] {
        let kit = Kit::new((Scheme::Coaps, mode), Setup { meters: 2, ..Setup::default() });
        let mut world = kit.world();
        assert!(world.run_until(Instant::from_secs(60), all_registered));
        world.restart_meter(0, kit.client_config());
        let limit = world.now() + Duration::from_secs(60);
        world.run_until(limit, |world| world.count(MeterState::Registered) < 2);
        assert!(world.run_until(limit, all_registered), "{mode:?} {:?}", world.states());
        let sessions = world.secured_ems().and_then(|ems| ems.counters()).expect("it has sessions");
        assert_eq!((sessions.sessions, sessions.replaced, sessions.completed), (2, 1, 3), "{mode:?}");
    }
}

#[test]
fn an_ems_that_has_forgotten_all_sessions_is_found_again() {
    for way in WAYS {
        let kit = Kit::new(way, Setup { meters: 2, lifetime: Duration::from_secs(120), ..Setup::default() });
        let mut world = kit.world();
        assert!(world.run_until(Instant::from_secs(60), all_registered));
        world.set_secured_ems(Some(kit.ems(world.now())));
        let limit = world.now() + Duration::from_secs(1_200);
        let known = |world: &World| world.ems().is_some_and(|ems| ems.counters().registrations >= 2);
        assert!(world.run_until(limit, known), "{way:?} {:?}", world.states());
    }
}
