//! Real streams over loopback, on ports of the kernel's choice.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::process::Command;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rustix::io::Errno;
use socket2::SockRef;

use super::open::listen;
use super::*;
use crate::base::{Clock, Instant};
use crate::transport::gate::Why;
use crate::transport::resources::descriptors_open;
use crate::transport::{
    Awaited, MeterSocketsConfig, Numbering, OpenError, SendError, ServerBinding, ServerConfig, wait_any,
};

/// A change, kept.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kept {
    Opened,
    Data(Vec<u8>),
    Ended,
    Broken,
}

impl From<StreamChange<'_>> for Kept {
    fn from(what: StreamChange<'_>) -> Self {
        match what {
            StreamChange::Opened => Kept::Opened,
            StreamChange::Data(bytes) => Kept::Data(bytes.to_vec()),
            StreamChange::Ended => Kept::Ended,
            StreamChange::Broken => Kept::Broken,
        }
    }
}

/// What was heard of each stream, pieces of data put together.
type Heard<K> = BTreeMap<K, Vec<Kept>>;

fn keep<K: Ord>(heard: &mut Heard<K>, key: K, what: StreamChange<'_>) {
    let of = heard.entry(key).or_default();
    match (of.last_mut(), what) {
        (Some(Kept::Data(so_far)), StreamChange::Data(more)) => so_far.extend_from_slice(more),
        (_, what) => of.push(what.into()),
    }
}

/// Meters and a server, and what each heard.
struct Pair {
    meters: MeterStreams,
    server: ServerStreams,
    by_meters: Heard<(u32, u32)>,
    by_server: Heard<SocketAddr>,
    /// The server sends back what it gets, and closes what is ended.
    echo: bool,
}

impl Pair {
    fn new(change: impl FnOnce(&mut MeterStreamsConfig, &mut StreamConfig)) -> Self {
        Pair::at("127.0.0.1:0", change)
    }

    fn at(address: &str, change: impl FnOnce(&mut MeterStreamsConfig, &mut StreamConfig)) -> Self {
        let clock = Clock::start();
        let mut meters = MeterStreamsConfig::beside(MeterSocketsConfig::new(clock));
        let mut server = StreamConfig::new(clock);
        change(&mut meters, &mut server);
        let binding = StreamBinding::bind(address.parse().expect("an address"), server).expect("a free port");
        Pair {
            meters: MeterStreams::new(meters),
            server: binding.serve(),
            by_meters: Heard::new(),
            by_server: Heard::new(),
            echo: true,
        }
    }

    fn address(&self) -> SocketAddr {
        self.server.local_address()
    }

    fn connect(&mut self, slot: u32, stream: u32) {
        let to = self.address();
        self.meters.connect(slot, stream, to).expect("a descriptor");
    }

    fn turn(&mut self) {
        self.meters.flush();
        let mut back = Vec::new();
        let (heard, echo) = (&mut self.by_server, self.echo);
        let hear = |event: ServerStreamEvent<'_>| {
            keep(heard, event.peer, event.what);
            back.extend(echo.then(|| (event.peer, Kept::from(event.what))));
        };
        self.server.recv(hear).expect("a working socket");
        for (peer, what) in back {
            match what {
                Kept::Data(bytes) => self.server.send(peer, &bytes),
                Kept::Ended => self.server.close(peer),
                Kept::Opened | Kept::Broken => {}
            }
        }
        self.server.flush();
        let heard = &mut self.by_meters;
        let hear = |event: StreamEvent<'_>| keep(heard, (event.slot, event.stream), event.what);
        self.meters.recv(hear).expect("working sockets");
    }

    /// Lets both sides work until it is so.
    fn until(&mut self, what: &str, so: impl Fn(&Pair) -> bool) {
        let clock = Clock::start();
        while !so(self) {
            let state = || format!("{:?}\n{:?}", self.meters.counters(), self.server.counters());
            assert!(clock.now() < Instant::from_secs(20), "not {what}:\n{}", state());
            self.turn();
        }
    }

    fn heard(&self, slot: u32, stream: u32) -> &[Kept] {
        self.by_meters.get(&(slot, stream)).map_or(&[], Vec::as_slice)
    }

    fn until_heard(&mut self, slot: u32, stream: u32, kept: &[Kept]) {
        self.until(&format!("{kept:?}"), |pair| pair.heard(slot, stream) == kept);
    }

    fn until_all_is_closed(&mut self) {
        self.until("closed", |pair| pair.meters.counters().open + pair.server.counters().open == 0);
    }
}

fn data(bytes: &[u8]) -> Kept {
    Kept::Data(bytes.to_vec())
}

#[test]
fn what_is_said_comes_back_and_the_stream_is_closed_in_good_order() {
    let mut pair = Pair::new(|_, _| {});
    pair.connect(3, 0);
    // Before it is open already.
    pair.meters.write(3, 0, b"Get");
    pair.meters.write(3, 0, b" up");
    pair.until_heard(3, 0, &[Kept::Opened, data(b"Get up")]);
    pair.meters.write(3, 0, b"!");
    pair.meters.close(3, 0);
    pair.until_all_is_closed();
    // Nothing is told of it after it was closed.
    assert_eq!(pair.heard(3, 0), [Kept::Opened, data(b"Get up")]);
    let by_server: Vec<_> = pair.by_server.values().cloned().collect();
    assert_eq!(by_server, [[Kept::Opened, data(b"Get up!"), Kept::Ended]]);
    let (meters, server) = (pair.meters.counters(), pair.server.counters());
    assert_eq!((meters.opened, meters.closed, meters.broken(), meters.peak), (1, 1, 0, 1));
    assert_eq!((server.opened, server.ended, server.closed, server.broken()), (1, 1, 1, 0));
    assert_eq!((meters.sent_bytes, server.received_bytes, server.sent_bytes), (7, 7, 7));
    assert_eq!((meters.received_bytes + meters.late_bytes, meters.unsent_bytes), (7, 0));
}

/// A peer with manners of its own.
struct Raw {
    listener: OwnedFd,
    address: SocketAddr,
}

impl Raw {
    fn new() -> Self {
        let address = "127.0.0.1:0".parse().expect("an address");
        let (listener, address) = listen(address, false, Duration::from_secs(20)).expect("a free port");
        Raw { listener, address }
    }

    /// Accepts, after `turn` was given its chance.
    fn accept(&self, mut turn: impl FnMut()) -> OwnedFd {
        let clock = Clock::start();
        loop {
            assert!(clock.now() < Instant::from_secs(20), "nobody connects");
            turn();
            match rustix::net::accept(&self.listener) {
                Ok(stream) => return stream,
                Err(Errno::AGAIN) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Meters whose peer is not a server of ours, and one stream of theirs.
fn with_raw(limits: StreamLimits) -> (Pair, Raw, OwnedFd) {
    let mut pair = Pair::new(|meters, _| meters.limits = limits);
    let raw = Raw::new();
    pair.meters.connect(0, 0, raw.address).expect("a descriptor");
    let peer = raw.accept(|| pair.turn());
    pair.until_heard(0, 0, &[Kept::Opened]);
    (pair, raw, peer)
}

fn has_ipv6() -> bool {
    let bound =
        StreamBinding::bind("[::1]:0".parse().expect("an address"), StreamConfig::new(Clock::start()));
    bound.is_ok() || {
        println!("skipped, for want of ::1");
        false
    }
}

#[test]
fn two_thousand_meters_each_come_from_their_own_address() {
    const SLOTS: u32 = 2_000;
    let numbering = Numbering { first: 1, step: 2 };
    let mut pair = Pair::new(|meters, _| meters.sockets.numbering = numbering);
    for slot in 0..SLOTS {
        pair.connect(slot, 7);
        pair.meters.write(slot, 7, &slot.to_be_bytes());
    }
    let echoed = |pair: &Pair| {
        (0..SLOTS).filter(|slot| pair.heard(*slot, 7).last() == Some(&data(&slot.to_be_bytes()))).count()
    };
    pair.until("echoed", |pair| {
        pair.meters.counters().received_bytes == 4 * u64::from(SLOTS) && echoed(pair) == SLOTS as usize
    });
    let sources: Vec<IpAddr> = pair.by_server.keys().map(|peer| peer.ip()).collect();
    let first = u32::from(Ipv4Addr::new(127, 1, 0, 1));
    let expected: Vec<IpAddr> = (0..SLOTS).map(|slot| Ipv4Addr::from(first + 2 * slot).into()).collect();
    assert_eq!(sources, expected);
    assert_eq!((pair.meters.counters().peak, pair.server.counters().open), (2_000, 2_000));
    for slot in 0..SLOTS {
        pair.meters.close_slot(slot);
    }
    pair.until_all_is_closed();
    let broken = pair.meters.counters().broken() + pair.server.counters().broken();
    assert_eq!((broken, pair.meters.counters().closed), (0, 2_000));
}

#[test]
fn much_comes_whole_in_whatever_pieces_it_is_said() {
    let mut pair = Pair::new(|_, server| server.limits.unsent = 8 << 20);
    pair.connect(0, 0);
    pair.connect(1, 0);
    let much: Vec<u8> = (0..3_000_000_u32).flat_map(|n| (n as u8 ^ (n >> 8) as u8).to_be_bytes()).collect();
    let mut pieces = much.chunks(100_000);
    let clock = Clock::start();
    while pair.meters.counters().received_bytes < much.len() as u64 + 3 {
        assert!(clock.now() < Instant::from_secs(20), "{:?}", pair.meters.counters());
        if let Some(piece) = pieces.next() {
            pair.meters.write(0, 0, piece);
        }
        pair.turn();
        if pair.heard(1, 0).len() <= 1 && pair.meters.counters().sent_bytes > 0 {
            // Beside one that says much, the other is heard as well.
            pair.meters.write(1, 0, b"x");
            pair.until("heard", |pair| pair.heard(1, 0).len() == 2);
            pair.meters.write(1, 0, b"yz");
        }
    }
    assert!(pair.heard(0, 0) == [Kept::Opened, Kept::Data(much)], "not what was said");
    assert_eq!(pair.heard(1, 0), [Kept::Opened, data(b"xyz")]);
}

#[test]
fn a_port_nobody_listens_at_breaks_the_stream() {
    let mut pair = Pair::new(|_, _| {});
    let nobody = Raw::new().address;
    pair.meters.connect(0, 0, nobody).expect("a descriptor");
    pair.meters.write(0, 0, b"lost");
    pair.until_heard(0, 0, &[Kept::Broken]);
    let counters = pair.meters.counters();
    assert_eq!((counters.refused, counters.unconnected, counters.broken()), (1, 0, 0));
    assert_eq!((counters.unsent_bytes, counters.open), (4, 0));
    // There is nothing left to write to.
    pair.meters.write(0, 0, b"more");
    assert_eq!(pair.meters.counters().unsent_bytes, 8);
}

#[test]
fn an_attempt_that_nobody_answers_ends_in_time() {
    let limits = StreamLimits { patience: Duration::from_millis(150), ..StreamLimits::default() };
    let mut pair = Pair::new(|meters, _| meters.limits = limits);
    let raw = Raw::new();
    // With nobody accepting and no room to wait in, further first segments are dropped (listen(2)).
    rustix::net::listen(&raw.listener, 0).expect("a shorter queue");
    for slot in 0..4 {
        pair.meters.connect(slot, 0, raw.address).expect("a descriptor");
    }
    pair.until("given up", |pair| pair.meters.counters().unanswered >= 2);
    assert_eq!(pair.heard(3, 0), [Kept::Broken]);
}

#[test]
fn a_reset_is_told_after_what_came_before() {
    let (mut pair, _raw, peer) = with_raw(StreamLimits::default());
    rustix::net::send(&peer, b"last words", rustix::net::SendFlags::empty()).expect("sent");
    SockRef::from(&peer).set_linger(Some(Duration::ZERO)).expect("a valid socket");
    drop(peer);
    // The meter finds out by writing.
    pair.meters.write(0, 0, b"hello?");
    pair.until("broken", |pair| pair.heard(0, 0).last() == Some(&Kept::Broken));
    assert_eq!(pair.heard(0, 0), [Kept::Opened, data(b"last words"), Kept::Broken]);
    assert_eq!((pair.meters.counters().reset, pair.meters.counters().open), (1, 0));
}

#[test]
fn a_peer_that_ends_its_half_is_still_written_to() {
    let (mut pair, _raw, peer) = with_raw(StreamLimits::default());
    rustix::net::shutdown(&peer, rustix::net::Shutdown::Write).expect("a valid socket");
    pair.until_heard(0, 0, &[Kept::Opened, Kept::Ended]);
    pair.meters.write(0, 0, b"one more thing");
    pair.turn();
    let mut buffer = [0; 64];
    let count = rustix::io::read(&peer, &mut buffer).expect("sent over loopback");
    assert_eq!(&buffer[..count], b"one more thing");
    // An end is news once.
    let received = pair.meters.recv(|event| panic!("{event:?}")).expect("working sockets");
    assert_eq!(received, 0);
    // After that, only that it is torn down is.
    SockRef::from(&peer).set_linger(Some(Duration::ZERO)).expect("a valid socket");
    drop(peer);
    pair.until_heard(0, 0, &[Kept::Opened, Kept::Ended, Kept::Broken]);
}

#[test]
fn a_peer_that_does_not_read_costs_no_more_than_the_bound() {
    let limits = StreamLimits { unsent: 100_000, ..StreamLimits::default() };
    let (mut pair, _raw, _peer) = with_raw(limits);
    let mut written = 0;
    while pair.heard(0, 0).last() != Some(&Kept::Broken) {
        assert!(written < 1 << 30, "{:?}", pair.meters.counters());
        pair.meters.write(0, 0, &[7; 10_000]);
        written += 10_000;
        pair.turn();
    }
    let counters = pair.meters.counters();
    assert_eq!((counters.overflowed, counters.broken(), counters.open), (1, 1, 0));
    assert_eq!(counters.sent_bytes + counters.unsent_bytes, written);
    assert!(counters.unsent_bytes <= 110_000, "{counters:?}");
}

#[test]
fn a_closed_stream_lingers_no_longer_than_it_may() {
    let limits =
        StreamLimits { unsent: 1 << 30, linger: Duration::from_millis(20), ..StreamLimits::default() };
    // One whose peer does not read, and one whose peer does not close.
    for written in [64 << 20, 10] {
        let (mut pair, _raw, _peer) = with_raw(limits);
        pair.meters.write(0, 0, &vec![7; written]);
        pair.meters.close(0, 0);
        pair.until_all_is_closed();
        let counters = pair.meters.counters();
        let all_was_sent = written == 10;
        assert_eq!((counters.closed == 1, counters.cut_short == 0), (all_was_sent, all_was_sent));
        assert_eq!(counters.sent_bytes + counters.unsent_bytes, written as u64);
    }
}

#[test]
fn a_meter_reconnects_from_its_address_as_often_as_it_likes() {
    let mut pair = Pair::new(|_, _| {});
    for stream in 0..300 {
        pair.connect(9, stream);
        pair.until_heard(9, stream, &[Kept::Opened]);
        // Whoever closes first waits out TIME_WAIT: the meter.
        pair.meters.close(9, stream);
    }
    pair.until_all_is_closed();
    let counters = pair.server.counters();
    assert_eq!((counters.opened, counters.ended, counters.broken()), (300, 300, 0));
    assert!(pair.by_server.keys().all(|peer| peer.ip() == IpAddr::from(Ipv4Addr::new(127, 1, 0, 9))));
}

#[test]
fn ipv6_works_and_a_wildcard_server_knows_where_it_was_found() {
    if !has_ipv6() {
        return;
    }
    let mut pair = Pair::at("[::]:0", |_, _| {});
    let to = SocketAddr::new("::1".parse().expect("an address"), pair.address().port());
    for slot in 0..50 {
        pair.meters.connect(slot, 0, to).expect("a descriptor");
        pair.meters.write(slot, 0, b"six");
    }
    pair.until("echoed", |pair| (0..50).all(|slot| pair.heard(slot, 0).last() == Some(&data(b"six"))));
    assert_eq!(pair.meters.local_address(4, 0).map(|local| local.ip()), Some(to.ip()));
    let mut locals = Vec::new();
    pair.meters.connect(50, 0, to).expect("a descriptor");
    while locals.is_empty() {
        pair.server.recv(|event| locals.push(event.local)).expect("a working socket");
    }
    assert_eq!(locals, [to.ip()]);
}

#[test]
fn the_gate_and_the_bound_on_streams_hold() {
    let mut pair = Pair::new(|_, server| server.max_connections = 2);
    let remote = "192.0.2.1:5683".parse().expect("an address");
    match pair.meters.connect(0, 0, remote) {
        Err(SendError::Refused(refused)) => assert_eq!(refused.because, Why::Remote),
        other => panic!("{other:?}"),
    }
    for slot in 0..3 {
        pair.connect(slot, 0);
        pair.until("open", |pair| pair.heard(slot, 0).first() == Some(&Kept::Opened));
    }
    pair.until("turned away", |pair| pair.heard(2, 0).len() > 1);
    assert_eq!(pair.heard(2, 0), [Kept::Opened, Kept::Ended]);
    assert_eq!((pair.server.counters().turned_away, pair.server.counters().open), (1, 2));
    assert_eq!(pair.meters.counters().gate_refused, 1);
}

#[test]
fn a_successor_in_the_slot_hears_nothing_of_the_streams_before() {
    let mut pair = Pair::new(|_, _| {});
    pair.connect(0, 1);
    pair.connect(0, 2);
    pair.until("open", |pair| pair.meters.counters().opened == 2);
    pair.meters.write(0, 1, b"old");
    pair.meters.close_slot(0);
    pair.by_meters.clear();
    pair.connect(0, 1);
    pair.meters.write(0, 1, b"new");
    pair.until_heard(0, 1, &[Kept::Opened, data(b"new")]);
    // What was written before the end still went out.
    pair.until("both", |pair| pair.server.counters().received_bytes == 6);
    assert_eq!(pair.by_meters.len(), 1);
}

#[test]
fn workers_divide_the_meters_by_their_numbers() {
    let clock = Clock::start();
    let bind = |address, reuse_port| {
        StreamBinding::bind(address, StreamConfig { reuse_port, ..StreamConfig::new(clock) })
    };
    let first = bind("127.0.0.1:0".parse().expect("an address"), false).expect("a free port");
    let address = first.local_address();
    // Alone until it shares.
    assert!(matches!(bind(address, true), Err(OpenError::InUse { .. })));
    first.share_port().expect("a valid socket");
    let second = bind(address, true).expect("a shared port");
    first.divide_peers(2).expect("a kernel with BPF");
    let mut workers = [first.serve(), second.serve()];
    let mut meters = MeterStreams::new(MeterStreamsConfig::beside(MeterSocketsConfig::new(clock)));
    let mut served: [Vec<IpAddr>; 2] = Default::default();
    for round in 0..2 {
        // Each anew from another port, and to the same worker.
        for slot in 0..20 {
            meters.connect(slot, round, address).expect("a descriptor");
        }
        while served.iter().map(Vec::len).sum::<usize>() < 20 * (round as usize + 1) {
            assert!(clock.now() < Instant::from_secs(20), "{served:?}");
            meters.wait(Some(Duration::from_millis(1))).expect("working sockets");
            meters.recv(|_| {}).expect("working sockets");
            for (worker, served) in workers.iter_mut().zip(&mut served) {
                worker.recv(|event| served.push(event.peer.ip())).expect("a working socket");
            }
        }
    }
    for (number, served) in served.iter_mut().enumerate() {
        served.sort_unstable();
        served.dedup();
        let expected = (0..10).map(|n| Ipv4Addr::new(127, 1, 0, 2 * n + number as u8).into());
        assert_eq!(*served, expected.collect::<Vec<IpAddr>>());
    }
}

#[test]
fn one_thread_waits_for_datagrams_and_streams_together() {
    let clock = Clock::start();
    let any = "127.0.0.1:0".parse().expect("an address");
    let datagrams = ServerBinding::bind(any, ServerConfig::new(clock)).expect("a free port").serve();
    let mut pair = Pair::new(|_, _| {});
    let to = pair.address();
    let wait = |server: &ServerStreams| {
        let of: [&dyn Awaited; 2] = [&datagrams, server];
        wait_any(&of, Some(Duration::from_secs(20))).expect("working sockets")
    };
    datagrams.waker().wake();
    assert!(wait(&pair.server));
    pair.meters.connect(0, 0, to).expect("a descriptor");
    assert!(!wait(&pair.server), "a new peer is no waker");
    assert!(clock.now() < Instant::from_secs(10), "it was the new peer that ended the wait");
    pair.until("accepted", |pair| pair.server.counters().opened == 1);
    pair.server.waker().wake();
    assert!(wait(&pair.server));
}

#[test]
fn within_tokio_streams_are_waited_for() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut pair = Pair::new(|_, _| {});
        let tick = Duration::from_millis(1);
        // Without a stream there is nothing to wait for.
        tokio::time::timeout(tick, pair.meters.ready()).await.expect_err("still waiting");
        pair.connect(0, 0);
        pair.meters.write(0, 0, b"hello");
        while pair.heard(0, 0).len() < 2 {
            // The server has no part in this runtime, and its answers end the wait.
            let _ =
                tokio::time::timeout(tick, pair.meters.ready()).await.map(|ready| ready.expect("working"));
            pair.turn();
        }
        // tokio believes that there is more until it was seen that there is not.
        pair.turn();
        tokio::time::timeout(tick, pair.meters.ready()).await.expect_err("nothing more is to be heard");
        pair.meters.connect(1, 0, Raw::new().address).expect("a descriptor");
        pair.meters.ready().await.expect("a refusal is news");
        pair.until_heard(1, 0, &[Kept::Broken]);
    });
}

/// Set in the child process that runs out of descriptors.
const CHILD: &str = "BOOTSTORM_TEST_FEW_STREAMS";

/// The limit belongs to the whole process, so a process of its own meets it.
#[test]
fn without_descriptors_meters_are_told_and_peers_are_turned_away() {
    if std::env::var_os(CHILD).is_none() {
        let this = std::env::current_exe().expect("a test binary");
        let name = "transport::tcp::tests::without_descriptors_meters_are_told_and_peers_are_turned_away";
        let output = Command::new(this).args(["--exact", name]).env(CHILD, "1").output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    let mut pair = Pair::new(|_, _| {});
    pair.connect(0, 0);
    pair.until("open", |pair| pair.server.counters().opened == 1);
    let limit = descriptors_open().expect("/proc") + 10;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, limit, hard).expect("a lower limit");
    // The meters take all that are left, and the server has none for them.
    let to = pair.address();
    let failed = (1..20).find_map(|slot| Some((slot, pair.meters.connect(slot, 0, to).err()?)));
    let (slot, error) = failed.expect("an error before the 20th");
    assert!(matches!(error, SendError::Open(OpenError::OutOfStreams { .. })), "{error}");
    let text = error.to_string();
    assert!(text.contains("ulimit -n") && text.contains(&limit.to_string()), "{text}");
    assert_eq!(pair.meters.counters().no_socket, 1);
    let waiting = u64::from(slot) - 1;
    pair.until("turned away", |pair| pair.server.counters().turned_away == waiting);
    assert_eq!(pair.server.counters().attempted, waiting + 1);
    pair.until("told", |pair| (1..slot).all(|slot| pair.heard(slot, 0).last() == Some(&Kept::Ended)));
    assert_eq!(pair.server.counters().accept_rests, 0);
    // Once there is room again, all goes on.
    for slot in 1..slot {
        pair.meters.close_slot(slot);
    }
    pair.connect(30, 0);
    pair.meters.write(30, 0, b"room");
    pair.until_heard(30, 0, &[Kept::Opened, data(b"room")]);
}
