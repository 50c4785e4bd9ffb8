//! Reboots, floods and forgeries: what a server keeps, and what it lets nobody take from it.

use std::time::Duration;

use super::world::{Authority, Heard, Link, World, address, psk, server};
use crate::base::{Instant, Rng, Seed};
use crate::secure::dtls::wire;
use crate::secure::{ClientSecurity, Closed, ListenerConfig, Options, Output, Session, Version};

/// The first hello of a client, as on the wire.
fn hello(security: &ClientSecurity, version: Version) -> Vec<u8> {
    let options = Options { version, epoch: super::world::EPOCH }.into();
    let mut session = Session::datagram(security, &options, Instant::ZERO);
    match session.poll_output() {
        Some(Output::Transmit(bytes)) => bytes,
        _ => panic!("a session begins with a hello"),
    }
}

/// A world with a meter that is connected, at port 1000.
fn connected(config: ListenerConfig, security: &ClientSecurity, version: Version) -> World {
    let mut world = World::new(1, config);
    world.open(1000, security, version);
    world.run(Duration::from_secs(5));
    assert!(world.client(1000).cost.is_some());
    world
}

/// Whether the meter at port 1000 and its server still understand each other.
fn is_alive(world: &mut World) -> bool {
    let before = world.client(1000).said.len();
    world.link = Link::default();
    world.say(1000, b"ping");
    world.run(Duration::from_secs(1));
    let heard = world.heard.last() == Some(&Heard::Said(address(1000), b"ping".to_vec()));
    world.answer(1000, b"pong");
    world.run(Duration::from_secs(1));
    heard && world.client(1000).said.len() == before + 1
}

#[test]
fn hellos_of_liars_leave_nothing_and_get_less_than_they_send() {
    let mut world = World::new(1, server(None, Version::Only12));
    for port in 1..10_000 {
        let hello = hello(&psk("meter-7"), Version::Only12);
        world.forge(port, &hello);
        assert!(world.sent_to[&address(port)] <= hello.len());
    }
    let counters = world.listener.counters();
    assert_eq!((counters.hellos, counters.begun, counters.sessions, counters.peak), (9_999, 0, 0, 0));
    assert_eq!(world.listener.poll_timeout(), None);
}

#[test]
fn liars_of_dtls_13_are_held_in_bounds_and_keep_nobody_out() {
    let authority = Authority::new("ca");
    let client = authority.client(authority.issue("meter-7"));
    let mut world = connected(server(Some(&authority), Version::Upto13), &client, Version::Upto13);
    let begun = world.listener.counters().begun;
    for port in 2000..3000 {
        let hello = hello(&client, Version::Upto13);
        world.forge(port, &hello);
        assert!((1..=hello.len()).contains(&world.sent_to[&address(port)]));
    }
    // Hellos that were not answered are forgotten, and not sent again.
    let sent: usize = world.sent_to.values().sum();
    world.run(Duration::from_secs(60));
    assert_eq!(world.sent_to.values().sum::<usize>(), sent);
    assert_eq!(world.listener.poll_timeout(), None);
    assert_eq!(world.listener.counters().begun, begun);
    assert!(is_alive(&mut world));
    world.open(1001, &client, Version::Upto13);
    world.run(Duration::from_secs(5));
    assert!(world.client(1001).cost.is_some());
}

#[test]
fn a_meter_that_reboots_on_its_port_comes_up_at_once() {
    let authority = Authority::new("ca");
    let certificate = authority.client(authority.issue("meter-7"));
    let cases = [
        (psk("meter-7"), Version::Only12),
        (certificate.clone(), Version::Only12),
        (certificate, Version::Upto13),
    ];
    for (security, version) in cases {
        let mut world = connected(server(Some(&authority), version), &security, version);
        world.heard.clear();
        world.open(1000, &security, version);
        world.run(Duration::from_secs(1));
        let peer = address(1000);
        let expected = [Heard::Closed(peer, Closed::Orderly), Heard::Connected(peer, Some("meter-7".into()))];
        assert_eq!(world.heard, expected);
        let counters = *world.listener.counters();
        assert_eq!((counters.completed, counters.replaced, counters.sessions), (2, 1, 1));
        assert!(is_alive(&mut world));
    }
}

#[test]
fn who_has_no_cookie_ends_no_session() {
    let authority = Authority::new("ca");
    let certificate = authority.client(authority.issue("meter-7"));
    let cases = [
        (psk("meter-7"), Version::Only12),
        (certificate.clone(), Version::Only12),
        (certificate, Version::Upto13),
    ];
    for (security, version) in cases {
        let mut world = connected(server(Some(&authority), version), &security, version);
        let heard = world.heard.clone();
        let mut rng = Seed(1).rng();
        let seen: Vec<_> = world.client(1000).sent.clone();
        for _ in 0..300 {
            // Hellos, alerts, what was seen on the wire, and all of it a little changed; both ways.
            world.forge(1000, &hello(&security, version));
            for alert in [0, 10, 40, 90] {
                world.forge(1000, &wire::fatal_alert(alert, rng.next_u64() >> 16));
                world.forge_to(1000, &wire::fatal_alert(alert, rng.next_u64() >> 16));
            }
            let mut bytes = seen[rng.below(seen.len() as u64) as usize].clone();
            world.forge_to(1000, &bytes);
            for _ in 0..rng.below(3) {
                let at = rng.below(bytes.len() as u64) as usize;
                bytes[at] ^= 1 << rng.below(8);
            }
            world.forge(1000, &bytes);
            world.forge_to(1000, &bytes);
        }
        world.run(Duration::from_secs(60));
        assert_eq!(world.heard, heard, "{version:?}");
        assert_eq!(world.client(1000).closed, None);
        assert_eq!(world.listener.counters().replaced, 0);
        assert!(is_alive(&mut world));
    }
}

#[test]
fn what_belongs_to_no_session_is_noise() {
    let mut world = World::new(1, server(None, Version::Only12));
    let hello = hello(&psk("meter-7"), Version::Only12);
    // A piece of a hello: its fragment is shorter than the message.
    let mut piece = hello.clone();
    piece[16] += 1;
    let protected =
        [23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 1, 0, 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6];
    let noise: [&[u8]; 6] = [b"", b"\x40\x01\x00\x01", &piece, &protected, &hello[..30], &hello[..13]];
    for bytes in noise {
        world.forge(1000, bytes);
    }
    let counters = world.listener.counters();
    assert_eq!((counters.noise, counters.hellos, counters.sessions), (6, 0, 0));
    assert!(world.sent_to.is_empty());
}

#[test]
fn who_has_not_finished_makes_room_first_and_then_who_was_silent_longest() {
    let mut config = server(None, Version::Only12);
    config.max_sessions = 3;
    let mut world = World::new(1, config);
    for port in [1000, 1001] {
        world.open(port, &psk("meter-7"), Version::Only12);
        world.run(Duration::from_secs(5));
    }
    // Its second hello comes through, and nothing after that.
    world.open(1002, &psk("meter-7"), Version::Only12);
    world.run(Duration::from_millis(35));
    world.clients.retain(|client| client.address != address(1002));
    assert_eq!(world.listener.counters().sessions, 3);
    world.say(1000, b"still here");
    world.run(Duration::from_millis(50));
    world.heard.clear();
    world.open(1003, &psk("meter-7"), Version::Only12);
    world.run(Duration::from_secs(1));
    world.open(1004, &psk("meter-7"), Version::Only12);
    world.run(Duration::from_secs(1));
    let closed: Vec<_> =
        world.heard.iter().filter(|heard| matches!(heard, Heard::Closed(..))).cloned().collect();
    let timed_out = Closed::Failed(crate::secure::Failure::TimedOut);
    assert_eq!(
        closed,
        [Heard::Closed(address(1002), timed_out), Heard::Closed(address(1001), Closed::Orderly)]
    );
    assert_eq!(world.client(1001).closed, Some(Closed::Orderly), "it is told");
    let counters = *world.listener.counters();
    assert_eq!((counters.evicted, counters.sessions, counters.peak), (2, 3, 3));
    assert!(is_alive(&mut world));
}

#[test]
fn sessions_that_idle_make_room_for_several_handshakes_at_once() {
    let mut config = server(None, Version::Only12);
    config.max_sessions = 8;
    let mut world = World::new(1, config);
    for port in 1000..1008 {
        world.open(port, &psk("meter-7"), Version::Only12);
        world.run(Duration::from_secs(1));
    }
    for port in 1008..1011 {
        world.open(port, &psk("meter-7"), Version::Only12);
    }
    world.run(Duration::from_secs(5));
    let mut up = |port| world.client(port).closed.is_none();
    assert_eq!(
        (1000..1011).filter(|port| up(*port)).collect::<Vec<u16>>(),
        [1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010]
    );
    let counters = world.listener.counters();
    assert_eq!((counters.completed, counters.evicted, counters.sessions), (11, 3, 8));
}

#[test]
fn a_server_that_restarts_is_met_anew() {
    let mut world = connected(server(None, Version::Only12), &psk("meter-7"), Version::Only12);
    world.listener = crate::secure::Listener::new(server(None, Version::Only12), world.now);
    world.say(1000, b"hello?");
    world.run(Duration::from_secs(1));
    assert_eq!(world.listener.counters().noise, 1);
    world.open(1000, &psk("meter-7"), Version::Only12);
    world.run(Duration::from_secs(1));
    assert!(is_alive(&mut world));
}

#[test]
fn the_server_says_goodbye_and_the_client_understands() {
    let mut world = connected(server(None, Version::Only12), &psk("meter-7"), Version::Only12);
    let now = world.now;
    world.listener.close(address(1000), now);
    world.answer(1000, b"nothing is sent to one without a session");
    world.run(Duration::from_secs(1));
    assert_eq!(world.client(1000).closed, Some(Closed::Orderly));
    assert_eq!(world.listener.counters().sessions, 0);
    assert!(world.client(1000).said.is_empty());
}

/// Datagrams as an attacker makes them: of what was seen, cut, glued, changed, or made up.
fn hostile(rng: &mut Rng, seen: &[Vec<u8>]) -> Vec<u8> {
    let pick = |rng: &mut Rng| seen[rng.below(seen.len() as u64) as usize].clone();
    let mut bytes = match rng.below(6) {
        0 => (0..rng.below(200)).map(|_| rng.next_u64() as u8).collect(),
        1 => {
            let mut record = vec![20 + rng.below(7) as u8, 0xfe, 0xfd, 0, rng.below(3) as u8, 0, 0, 0, 0];
            record.extend((rng.next_u64() as u16).to_be_bytes());
            let length = rng.below(64) as u8;
            record.extend([0, length]);
            record.extend((0..length).map(|_| rng.below(20) as u8));
            record
        }
        2 => [pick(rng), pick(rng)].concat(),
        _ => pick(rng),
    };
    for _ in 0..rng.below(4) {
        if !bytes.is_empty() {
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] = if rng.chance(0.5) { rng.next_u64() as u8 } else { bytes[at] ^ 1 << rng.below(8) };
        }
    }
    if rng.chance(0.2) {
        bytes.truncate(rng.below(bytes.len() as u64 + 1) as usize);
    }
    bytes
}

#[test]
fn a_long_hostile_run_breaks_nothing_but_what_it_may() {
    let authority = Authority::new("ca");
    let certificate = authority.client(authority.issue("meter-7"));
    for (seed, version) in
        [(1, Version::Only12), (2, Version::Upto13), (3, Version::Only12), (4, Version::Upto13)]
    {
        let mut config = server(Some(&authority), version);
        config.max_sessions = 5;
        let mut world = World::new(seed, config);
        world.link = Link { loss: 0.1, duplicates: 0.1, jitter: Duration::from_millis(100) };
        let mut rng = Seed(seed).child("hostile", 0).rng();
        let mut seen = vec![hello(&psk("meter-7"), version), hello(&certificate, version)];
        for _ in 0..3_000 {
            let port = 1000 + rng.below(8) as u16;
            let bytes = hostile(&mut rng, &seen);
            match rng.below(10) {
                0 => {
                    let security = if rng.chance(0.5) { psk("meter-7") } else { certificate.clone() };
                    world.open(port, &security, version);
                }
                1 => world.run(Duration::from_millis(rng.below(3_000))),
                2 if !world.clients.is_empty() => {
                    let at = rng.below(world.clients.len() as u64) as usize;
                    seen.extend(world.clients[at].sent.iter().cloned());
                    let start = seen.len().saturating_sub(200);
                    seen.drain(..start);
                }
                3 => world.answer(port, b"to whom it may concern"),
                4 | 5 if world.clients.iter().any(|client| client.address == address(port)) => {
                    world.forge_to(port, &bytes);
                }
                _ => world.forge(port, &bytes),
            }
            let counters = world.listener.counters();
            assert!(counters.sessions <= 5 && counters.peak <= 5);
        }
        let counters = *world.listener.counters();
        assert!(counters.completed > 10 && counters.noise > 100, "{counters:?}");
        // Everybody gone, nothing is left to be done, after a while.
        world.clients.clear();
        world.run(Duration::from_secs(120));
        assert_eq!(world.listener.poll_timeout(), None, "{counters:?}");
        // And the next meter is served as the first was.
        world.link = Link::default();
        world.open(1000, &psk("meter-7"), version);
        world.run(Duration::from_secs(5));
        assert!(is_alive(&mut world));
    }
}

proptest::proptest! {
    /// Anything at any moment of a handshake, at either end.
    #[test]
    fn no_bytes_at_any_moment_are_a_panic(
        steps in 0_usize..12,
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
        header in proptest::option::of((20_u8..26, 0_u8..4, 0_u8..30)),
    ) {
        let mut bytes = bytes;
        if let Some((kind, epoch, message)) = header {
            let length = bytes.len() as u16;
            bytes.splice(..0, [kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 9]);
            bytes.splice(11..11, length.to_be_bytes());
            if let Some(first) = bytes.get_mut(13) {
                *first = message;
            }
        }
        let mut world = World::new(1, server(None, Version::Only12));
        world.open(1000, &psk("meter-7"), Version::Only12);
        for _ in 0..steps {
            world.run(Duration::from_millis(10));
        }
        world.forge(1000, &bytes);
        world.forge_to(1000, &bytes);
        world.run(Duration::from_secs(60));
        let said = world.heard.iter().any(|heard| matches!(heard, Heard::Said(..)));
        proptest::prop_assert!(!said && world.client(1000).said.is_empty(), "nobody has said anything");
        proptest::prop_assert!(world.listener.counters().sessions <= 1);
    }

    #[test]
    fn any_datagram_has_a_shape(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        if let wire::Shape::Hello(hello) = wire::shape(&bytes) {
            proptest::prop_assert_eq!(hello.bytes(), &bytes[..hello.bytes().len()]);
        }
        wire::Sent::new(0).note(&bytes);
    }
}
