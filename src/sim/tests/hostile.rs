//! Datagrams that nobody should send: nothing panics, nothing leaks, everything is counted.

use proptest::prelude::*;

use super::*;
use crate::protocol::server::Server;
use crate::sim::ServerId;

/// A real conversation to spoil: every datagram of an onboarding.
fn conversation() -> Vec<Vec<u8>> {
    let mut world = Setup::default().world();
    world.record();
    assert!(world.run_until(Instant::from_secs(1), all_registered));
    world.recorded().to_vec()
}

/// Random bytes, and real datagrams cut short or with bytes changed.
fn datagrams() -> impl Strategy<Value = Vec<u8>> {
    let real = conversation();
    let spoiled = (
        proptest::sample::select(real),
        any::<Vec<(prop::sample::Index, u8)>>(),
        any::<prop::sample::Index>(),
    )
        .prop_map(|(mut bytes, changes, cut)| {
            for (at, value) in changes.into_iter().take(4) {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            bytes.truncate(cut.index(bytes.len() + 1));
            bytes
        });
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..200), spoiled]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_meter_survives_anything(junk in proptest::collection::vec((any::<bool>(), datagrams()), 1..40)) {
        let mut world = Setup::default().world();
        for (from_ems, bytes) in &junk {
            let from = if *from_ems { World::EMS } else { World::BOOTSTRAP };
            world.inject_to_meter(0, from, bytes);
        }
        // Whatever it was led to believe, it finds its way in the end.
        prop_assert!(world.run_until(Instant::from_secs(100_000), all_registered));
    }

    #[test]
    fn servers_survive_anything(junk in proptest::collection::vec((0..4_u16, datagrams()), 1..60)) {
        let mut world = Setup { meters: 3, ..Setup::default() }.world();
        for (peer, bytes) in &junk {
            world.inject_to_server(ServerId::Bootstrap, loopback(1_000 + peer), bytes);
            world.inject_to_server(ServerId::Ems, loopback(1_000 + peer), bytes);
        }
        prop_assert!(world.run_until(Instant::from_secs(10), all_registered));
        let ems = world.ems().expect("it is there");
        prop_assert!(ems.traffic().received >= junk.len() as u64);
    }
}

#[test]
fn noise_leaves_nothing_behind() {
    let mut world = Setup { meters: 0, ..Setup::default() }.world();
    for port in 1..2_000_u16 {
        world.inject_to_server(ServerId::Ems, loopback(port), &[0xff; 20]);
        // A real request makes a peer, for as long as its duplicates could come.
        world.inject_to_server(ServerId::Ems, loopback(port), &[0x40, 1, 0, 1, 0xb1, b'x']);
    }
    world.run_to(Instant::from_secs(1));
    let ems = world.ems().expect("it is there");
    assert_eq!(ems.traffic().noise, 1_999);
    assert_eq!(ems.known_peers(), 1_999);
    world.run_to(Instant::from_secs(300));
    assert_eq!(world.ems().map(|ems| ems.known_peers()), Some(0));
}

#[test]
fn a_stranger_cannot_answer_for_a_server() {
    let link = LinkFaults { delay: Duration::from_millis(10), ..LinkFaults::default() };
    let mut world = Setup { link, ..Setup::default() }.world();
    world.run_to(Instant::ZERO);
    for port in 1..50 {
        world.inject_to_meter(0, loopback(port), &[0x60, 0x44, 0, 1]);
    }
    assert!(world.run_until(Instant::from_secs(1), all_registered));
    let unknown = Event::Noise(crate::metrics::NoiseKind::UnknownSource);
    assert_eq!(world.events().iter().filter(|(_, _, event)| *event == unknown).count(), 49);
}
