//! Real streams over loopback, on ports of the kernel's choice.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::*;
use crate::base::{Clock, Instant};
use crate::transport::MeterSocketsConfig;

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
