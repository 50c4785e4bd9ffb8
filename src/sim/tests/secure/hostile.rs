//! Bytes that nobody should send, at any stage of an onboarding over sessions and streams: nothing panics, no keys
//! are given away, what is kept is bounded, and in the end everybody is registered.

use proptest::prelude::*;

use super::*;
use crate::secure::Version as SessionVersion;
use crate::sim::{Direction, ServerId};

/// The four ways, and what certificates have of 1.3.
fn kits() -> Vec<Kit> {
    let link = LinkFaults { delay: Duration::from_millis(20), ..LinkFaults::default() };
    let of = |way| Kit::new(way, Setup { link, ..Setup::default() });
    let certified = WAYS.into_iter().filter(|(_, mode)| *mode == Mode::X509);
    let newer = certified.map(|way| Kit { version: SessionVersion::Upto13, ..of(way) });
    WAYS.into_iter().map(of).chain(newer).collect()
}

/// An onboarding as it was on the wire: records of sessions that are not those of the test.
fn conversation(kit: &Kit) -> Vec<Vec<u8>> {
    let mut world = kit.world();
    world.record();
    assert!(world.run_until(Instant::from_secs(60), all_registered), "{kit:?}");
    world.recorded().to_vec()
}

/// What is done to a piece of a conversation.
#[derive(Clone, Debug)]
enum Harm {
    /// Said by another session.
    Foreign,
    Cut(prop::sample::Index),
    Flipped(Vec<(prop::sample::Index, u8)>),
    /// The two bytes of a length say something else: of a record (DTLS, TLS), or of a fragment.
    Length(usize, u16),
    Doubled,
    MadeUp(Vec<u8>),
}

fn harm() -> impl Strategy<Value = Harm> {
    let flips = proptest::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..4);
    let lengths = (proptest::sample::select(vec![3, 11, 14, 17, 20, 22, 23]), any::<u16>());
    prop_oneof![
        Just(Harm::Foreign),
        any::<prop::sample::Index>().prop_map(Harm::Cut),
        flips.prop_map(Harm::Flipped),
        lengths.prop_map(|(at, length)| Harm::Length(at, length)),
        Just(Harm::Doubled),
        proptest::collection::vec(any::<u8>(), 0..200).prop_map(Harm::MadeUp),
    ]
}

fn harmed(heard: &[u8], harm: &Harm) -> Vec<u8> {
    let mut bytes = heard.to_vec();
    match harm {
        Harm::Foreign => {}
        Harm::Cut(at) => bytes.truncate(at.index(bytes.len() + 1)),
        Harm::Flipped(flips) => {
            for (at, by) in flips.iter().filter(|_| !heard.is_empty()) {
                bytes[at.index(heard.len())] ^= by;
            }
        }
        Harm::Length(at, length) => {
            if let Some(there) = bytes.get_mut(*at..*at + 2) {
                there.copy_from_slice(&length.to_be_bytes());
            }
        }
        Harm::Doubled => bytes.extend_from_slice(heard),
        Harm::MadeUp(other) => bytes.clone_from(other),
    }
    bytes
}

/// One datagram, or one piece of a stream.
#[derive(Clone, Debug)]
struct Blow {
    /// How long after the one before.
    after: Duration,
    /// Of this very world's wire, or of the conversation of another.
    own: bool,
    which: prop::sample::Index,
    harm: Harm,
    to_meter: bool,
    from_ems: bool,
    /// From nobody's address.
    stranger: Option<u16>,
}

fn blow() -> impl Strategy<Value = Blow> {
    let which = any::<prop::sample::Index>();
    let stranger = prop::option::weighted(0.3, 1_u16..20);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (0_u64..80, which, harm(), flags, stranger).prop_map(|(after, which, harm, flags, stranger)| Blow {
        after: Duration::from_millis(after),
        own: flags.0,
        which,
        harm,
        to_meter: flags.1,
        from_ems: flags.2,
        stranger,
    })
}

impl Blow {
    fn strike(&self, world: &mut World, stream: bool, conversation: &[Vec<u8>]) {
        world.run_to(world.now() + self.after);
        let pool = if self.own && !world.recorded().is_empty() { world.recorded() } else { conversation };
        let bytes = harmed(&pool[self.which.index(pool.len())], &self.harm);
        let direction = if self.to_meter { Direction::ToMeter } else { Direction::ToServer };
        let (server, id) = match self.from_ems {
            true => (World::EMS, ServerId::Ems),
            false => (World::BOOTSTRAP, ServerId::Bootstrap),
        };
        match (stream, self.to_meter) {
            (true, _) => world.inject_to_streams(0, direction, &bytes),
            (false, true) => world.inject_to_meter(0, server, &bytes),
            (false, false) => {
                let from = self.stranger.map_or_else(|| World::address_of(0), loopback);
                world.inject_to_server(id, from, &bytes);
            }
        }
    }
}

#[test]
fn onboardings_survive_anything_at_any_stage() {
    for kit in kits() {
        let conversation = conversation(&kit);
        let stream = kit.scheme.is_stream();
        let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
        let mut runner = proptest::test_runner::TestRunner::new(config);
        let blows = proptest::collection::vec(blow(), 1..40);
        let run = runner.run(&blows, |blows| {
            let mut world = kit.world();
            world.record();
            for blow in &blows {
                blow.strike(&mut world, stream, &conversation);
            }
            let done = world.run_until(Instant::from_secs(100_000), all_registered);
            prop_assert!(done, "{:?}", world.states());
            let bootstrap = world.secured_bootstrap_server().and_then(|server| server.counters());
            let ems = world.secured_ems().and_then(|ems| ems.counters());
            for sessions in [bootstrap, ems].into_iter().flatten() {
                // One for each address that can show it is there, and the meter's are all that can.
                let most = if stream { 2 } else { 1 };
                prop_assert!(sessions.peak <= most, "{sessions:?}");
            }
            // What was under way is over, or has a timer to end it.
            prop_assert!(world.meter(0).poll_timeout().is_some());
            Ok(())
        });
        if let Err(error) = run {
            panic!("{kit:?} {error}");
        }
    }
}

#[test]
fn hellos_of_a_hundred_thousand_addresses_leave_no_state() {
    let kit = Kit::new((Scheme::Coaps, Mode::Psk), Setup { meters: 0, ..Setup::default() });
    let mut victim = Kit::new((Scheme::Coaps, Mode::Psk), Setup::default()).world();
    victim.record();
    victim.run_to(Instant::ZERO);
    let hello = victim.recorded().first().expect("a meter begins with a hello").clone();
    let mut server = kit.bootstrap_server(Instant::ZERO);
    let mut answered = 0_usize;
    for number in 0..100_000_u32 {
        let from = SocketAddr::new(std::net::Ipv4Addr::from_bits(0x0a00_0000 + number).into(), 5_000);
        server.handle_input(from, World::BOOTSTRAP.ip(), &hello, Instant::ZERO);
        while let Some(output) = server.poll_output(Instant::ZERO) {
            let crate::servers::secured::SecuredOutput::Transmit(transmit) = output else {
                panic!("there are no streams");
            };
            assert!(transmit.to == from && transmit.bytes.len() <= hello.len());
            answered += 1;
        }
    }
    let counters = server.counters().expect("it has sessions");
    assert_eq!((counters.hellos, counters.sessions, counters.peak, counters.begun), (100_000, 0, 0, 0));
    assert_eq!((answered, server.poll_timeout()), (100_000, None));
}

#[test]
fn streams_that_never_speak_or_speak_a_byte_at_a_time_are_bounded_and_time_out() {
    let hello = {
        let mut world = Kit::new((Scheme::CoapsTcp, Mode::X509), Setup::default()).world();
        world.record();
        world.run_to(Instant::from_secs(1));
        world.recorded().first().expect("a client's hello").clone()
    };
    let kit = Kit::new((Scheme::CoapsTcp, Mode::X509), Setup { meters: 0, ..Setup::default() });
    let mut server = kit.bootstrap_server(Instant::ZERO);
    let peer =
        |number: u32| SocketAddr::new(std::net::Ipv4Addr::from_bits(0x0a00_0000 + number).into(), 5_000);
    let mut disconnected = 0_u32;
    let mut drain = |server: &mut crate::servers::secured::Secured<BootstrapServer>, now| {
        while let Some(output) = server.poll_output(now) {
            if let crate::servers::secured::SecuredOutput::Disconnect(_) = output {
                disconnected += 1;
            }
        }
        disconnected
    };
    // Its table has room for 1,000.
    for number in 0..5_000 {
        server.handle_accepted(peer(number), World::BOOTSTRAP.ip(), Instant::ZERO);
        drain(&mut server, Instant::ZERO);
        assert!(server.counters().is_some_and(|counters| counters.sessions <= 1_000));
    }
    assert_eq!(drain(&mut server, Instant::ZERO), 4_000);
    // Of those that are left, one says its hello a byte a second: that does not buy it time.
    let slow = peer(4_999);
    let mut now = Instant::ZERO;
    for byte in &hello {
        now += Duration::from_secs(1);
        server.handle_input(slow, World::BOOTSTRAP.ip(), &[*byte], now);
        if server.poll_timeout().is_some_and(|due| due <= now) {
            server.handle_timeout(now);
        }
        drain(&mut server, now);
    }
    assert_eq!(drain(&mut server, now), 5_000);
    let counters = server.counters().expect("it has sessions");
    assert_eq!((counters.sessions, counters.timed_out, counters.evicted), (0, 1_000, 4_000));
    assert_eq!(server.poll_timeout(), None);
}
