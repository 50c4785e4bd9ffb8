//! From the factory to the EMS and back, over every way there is.

use super::*;

fn kit(way: (Scheme, Mode), meters: u32) -> Kit {
    Kit::new(way, Setup { meters, ..Setup::default() })
}

#[test]
fn meters_onboard_over_every_way_and_leave_in_good_order() {
    for way in WAYS {
        let mut world = kit(way, 10).world();
        assert!(world.run_until(Instant::from_secs(60), all_registered), "{way:?} {:?}", world.states());
        let handshakes = if way.0.is_secure() { 10 } else { 0 };
        assert_eq!(latencies(&world, Stage::Handshake).len(), 2 * handshakes, "{way:?}");
        assert_eq!(latencies(&world, Stage::HandshakeBootstrap).len(), handshakes, "{way:?}");
        assert_eq!(latencies(&world, Stage::HandshakeEms).len(), handshakes, "{way:?}");
        let counted = |(_, _, event): &&(Instant, u32, Event)| matches!(event, Event::Handshake { .. });
        assert_eq!(world.events().iter().filter(counted).count(), 2 * handshakes, "{way:?}");
        let failed = |(_, _, event): &&(Instant, u32, Event)| matches!(event, Event::Failure(_));
        assert_eq!(world.events().iter().find(failed), None, "{way:?}");

        world.shutdown();
        let limit = world.now() + Duration::from_secs(60);
        world.run_to(limit);
        assert_eq!(world.count(MeterState::Deregistered), 10, "{way:?} {:?}", world.states());
        assert!((0..10).all(|meter| world.streams_of(meter) == 0), "{way:?}");
        let ems = world.secured_ems().and_then(|ems| ems.counters()).expect("it has sessions");
        let bootstrap = world.secured_bootstrap_server().and_then(|server| server.counters());
        for sessions in [ems, bootstrap.expect("it has sessions")] {
            assert_eq!(
                (sessions.completed, sessions.sessions, sessions.broken),
                (handshakes as u64, 0, 0),
                "{way:?}"
            );
            // On a stream a Release comes first, to which the server hangs up.
            if !way.0.is_stream() {
                assert_eq!(sessions.closed, 10, "{way:?}");
            }
        }
    }
}

#[test]
fn the_key_for_the_ems_is_another_and_no_key_is_ever_on_the_wire_in_plain() {
    let mut world = kit((Scheme::Coaps, Mode::Psk), 3).world();
    world.record();
    assert!(world.run_until(Instant::from_secs(60), all_registered));
    for number in 0..3 {
        let [bootstrap, ems] = [Role::Bootstrap, Role::Ems].map(|role| role.key(&endpoint(number)));
        assert_ne!(bootstrap, ems);
        let tree = world.meter(number).client().tree();
        let held = |instance| match tree.get(Path::resource(0, instance, 5)) {
            Some(Value::Opaque(key)) => key.to_vec(),
            other => panic!("{other:?}"),
        };
        assert_eq!((held(0), held(1)), (bootstrap.clone(), ems.clone()));
        let seen = |key: &[u8]| {
            let mut datagrams = world.recorded().iter();
            datagrams.any(|datagram| datagram.windows(key.len()).any(|part| part == key))
        };
        assert!(!seen(&bootstrap) && !seen(&ems));
    }
}

#[test]
fn a_handshake_is_measured_from_its_first_datagram() {
    let link = LinkFaults { delay: Duration::from_millis(100), ..LinkFaults::default() };
    for way in WAYS.into_iter().filter(|(scheme, _)| scheme.is_secure()) {
        let mut world = Kit::new(way, Setup { link, ..Setup::default() }).world();
        assert!(world.run_until(Instant::from_secs(60), all_registered), "{way:?}");
        for latency in latencies(&world, Stage::Handshake) {
            // Whole round trips: three of DTLS with its cookie, two or three of TCP and TLS.
            let trips = latency.as_millis() / 200;
            assert!((2..=3).contains(&trips) && latency.as_millis() % 200 == 0, "{way:?} {latency:?}");
        }
    }
}
