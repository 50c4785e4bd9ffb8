//! A small world: meters, a Bootstrap-Server, an EMS, and links that may be bad.

use std::collections::{BinaryHeap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use crate::base::{Instant, Seed};
use crate::faults::{Link, LinkFaults};
use crate::meter::{Meter, Output, Unreachable};
use crate::metrics::{Event, MeterState, States};
use crate::protocol::client::Config;
use crate::protocol::server::{BootstrapServer, Ems, Server};

/// What the world is made of.
pub struct WorldConfig {
    /// Draws every number in it.
    pub seed: Seed,
    /// Both directions between every meter and every server.
    pub link: LinkFaults,
}

/// One of the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerId {
    /// The Bootstrap-Server.
    Bootstrap,
    /// The EMS.
    Ems,
    /// One more EMS, by its place in the order in which [`World::set_ems_at`] saw their addresses.
    Further(u8),
}

/// Which way a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From a server to a meter.
    ToMeter,
    /// From a meter to a server.
    ToServer,
}

/// The world: call [`World::run_until`], look, go on.
pub struct World {
    seed: Seed,
    now: Instant,
    queue: BinaryHeap<Queued>,
    /// Numbers the queued events: what was queued first happens first within one instant.
    queued: u64,
    meters: Vec<Node>,
    bootstrap: Option<BootstrapServer>,
    ems: Option<Ems>,
    /// Further EMS, each at its address; one that is away is `None`.
    further: Vec<(SocketAddr, Option<Ems>)>,
    to_meter: Link,
    to_server: Link,
    /// Datagrams a test wants dropped, by their number in each direction.
    dropped: Vec<(Direction, u64)>,
    passed: [u64; 2],
    /// The servers' timers that are armed; queued ones with another instant are stale.
    server_timers: Vec<Option<Instant>>,
    events: Vec<(Instant, u32, Event)>,
    /// Datagrams that went to an address where nobody is.
    strays: Vec<(SocketAddr, Vec<u8>)>,
    recording: Option<Vec<Vec<u8>>>,
}

struct Node {
    meter: Meter,
    /// The timer that is armed; queued ones with another instant are stale.
    armed: Option<Instant>,
}

struct Queued {
    at: Instant,
    number: u64,
    what: What,
}

enum What {
    PowerOn { meter: u32, planned: Instant },
    MeterTimer { meter: u32 },
    ServerTimer { server: ServerId },
    ToMeter { meter: u32, from: SocketAddr, bytes: Vec<u8> },
    ToServer { server: ServerId, from: SocketAddr, bytes: Vec<u8> },
}

impl World {
    /// Where the Bootstrap-Server is.
    pub const BOOTSTRAP: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1)), 5783);
    /// Where the EMS is.
    pub const EMS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1)), 5683);

    /// An empty world at the origin of time.
    pub fn new(config: WorldConfig) -> Self {
        let link = |name| Link::new(config.link, config.seed.child(name, 0).rng());
        World {
            seed: config.seed,
            now: Instant::ZERO,
            queue: BinaryHeap::new(),
            queued: 0,
            meters: Vec::new(),
            bootstrap: None,
            ems: None,
            further: Vec::new(),
            to_meter: link("link-to-meter"),
            to_server: link("link-to-server"),
            dropped: Vec::new(),
            passed: [0; 2],
            server_timers: vec![None; 2],
            events: Vec::new(),
            strays: Vec::new(),
            recording: None,
        }
    }

    /// Puts a Bootstrap-Server into the world, in place of the one there was.
    pub fn set_bootstrap_server(&mut self, server: Option<BootstrapServer>) {
        self.bootstrap = server;
    }

    /// Puts an EMS into the world, in place of the one there was.
    pub fn set_ems(&mut self, server: Option<Ems>) {
        self.ems = server;
    }

    /// Puts a further EMS into the world, in place of the one there was at that address; without one, what
    /// goes there is kept for [`World::take_strays`].
    pub fn set_ems_at(&mut self, address: SocketAddr, server: Option<Ems>) -> ServerId {
        let known = self.further.iter().position(|(theirs, _)| *theirs == address);
        let place = known.unwrap_or_else(|| {
            self.further.push((address, None));
            self.server_timers.push(None);
            self.further.len() - 1
        });
        self.further[place].1 = server;
        ServerId::Further(u8::try_from(place).expect("a world has a handful of servers"))
    }

    /// Adds a meter that is to be switched on at `planned`; its number.
    pub fn add_meter(&mut self, config: Arc<Config>, endpoint: &str, planned: Instant) -> u32 {
        let number = self.meters.len() as u32;
        let seed = self.seed.child("meter", number.into());
        self.meters.push(Node { meter: Meter::new(config, endpoint.into(), number, seed), armed: None });
        self.push(planned, What::PowerOn { meter: number, planned });
        number
    }

    /// Drops the `number`-th datagram (from 0) that goes this way, besides what the link loses.
    pub fn drop_nth(&mut self, direction: Direction, number: u64) {
        self.dropped.push((direction, number));
    }

    /// Changes the links, for datagrams that are sent from now on.
    pub fn set_link(&mut self, faults: LinkFaults) {
        self.to_meter.set_faults(faults);
        self.to_server.set_faults(faults);
    }

    /// The time in the world.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// A meter, to look into.
    pub fn meter(&self, number: u32) -> &Meter {
        &self.meters[number as usize].meter
    }

    /// All meters.
    pub fn meters(&self) -> impl Iterator<Item = &Meter> {
        self.meters.iter().map(|node| &node.meter)
    }

    /// How many meters are in this state.
    pub fn count(&self, state: MeterState) -> usize {
        self.meters().filter(|meter| meter.state() == state).count()
    }

    /// How many meters are in each state.
    pub fn states(&self) -> States {
        let mut states = States::default();
        self.meters().for_each(|meter| states[meter.state()] += 1);
        states
    }

    /// The Bootstrap-Server, to look into.
    pub fn bootstrap_server(&self) -> Option<&BootstrapServer> {
        self.bootstrap.as_ref()
    }

    /// The EMS, to look into.
    pub fn ems(&self) -> Option<&Ems> {
        self.ems.as_ref()
    }

    /// The further EMS at this address, to look into.
    pub fn ems_at(&self, address: SocketAddr) -> Option<&Ems> {
        self.further.iter().find(|(theirs, _)| *theirs == address)?.1.as_ref()
    }

    /// What the meters told, in order: when, which, what.
    pub fn events(&self) -> &[(Instant, u32, Event)] {
        &self.events
    }

    /// Datagrams put on the links so far, in this direction, lost ones included.
    pub fn passed(&self, direction: Direction) -> u64 {
        self.passed[direction as usize]
    }

    /// Datagrams sent to `address` while no server was there: for a test that plays one.
    pub fn take_strays(&mut self, address: SocketAddr) -> Vec<Vec<u8>> {
        let (taken, left) = std::mem::take(&mut self.strays).into_iter().partition(|(to, _)| *to == address);
        self.strays = left;
        let taken: Vec<(SocketAddr, Vec<u8>)> = taken;
        taken.into_iter().map(|(_, bytes)| bytes).collect()
    }

    /// Whether there is something for `take_strays`.
    pub fn has_strays(&self, address: SocketAddr) -> bool {
        self.strays.iter().any(|(to, _)| *to == address)
    }

    /// Keeps every datagram from now on.
    pub fn record(&mut self) {
        self.recording = Some(Vec::new());
    }

    /// The datagrams kept.
    pub fn recorded(&self) -> &[Vec<u8>] {
        self.recording.as_deref().unwrap_or_default()
    }

    /// Asks every meter to de-register and stop.
    pub fn shutdown(&mut self) {
        for number in 0..self.meters.len() as u32 {
            let now = self.now;
            self.meters[number as usize].meter.shutdown(now);
            self.settle_meter(number);
        }
    }

    /// Puts a datagram of the test's own making on the way to a meter, as if from `from`.
    pub fn inject_to_meter(&mut self, meter: u32, from: SocketAddr, bytes: &[u8]) {
        self.push(self.now, What::ToMeter { meter, from, bytes: bytes.to_vec() });
    }

    /// Puts a datagram of the test's own making on the way to a server, as if from `from`.
    pub fn inject_to_server(&mut self, server: ServerId, from: SocketAddr, bytes: &[u8]) {
        self.push(self.now, What::ToServer { server, from, bytes: bytes.to_vec() });
    }

    /// Lets the world run until `done` says so or `limit` is reached; whether it was `done`.
    pub fn run_until(&mut self, limit: Instant, mut done: impl FnMut(&World) -> bool) -> bool {
        loop {
            if done(self) {
                return true;
            }
            match self.queue.peek() {
                Some(next) if next.at <= limit => {}
                _ => {
                    self.now = self.now.max(limit);
                    return done(self);
                }
            }
            self.step();
        }
    }

    /// Lets the world run up to `limit`.
    pub fn run_to(&mut self, limit: Instant) {
        self.run_until(limit, |_| false);
    }

    fn step(&mut self) {
        let Some(Queued { at, what, .. }) = self.queue.pop() else { return };
        self.now = at;
        match what {
            What::PowerOn { meter, planned } => {
                self.meters[meter as usize].meter.power_on(planned, at);
                self.settle_meter(meter);
            }
            What::MeterTimer { meter } => {
                let node = &mut self.meters[meter as usize];
                if node.armed == Some(at) {
                    node.armed = None;
                    node.meter.handle_timeout(at);
                    self.settle_meter(meter);
                }
            }
            What::ToMeter { meter, from, bytes } => {
                let noise = self.meters[meter as usize].meter.handle_input(from, &bytes, at);
                if let Some(kind) = noise {
                    self.events.push((at, meter, Event::Noise(kind)));
                }
                self.settle_meter(meter);
            }
            What::ServerTimer { server } => {
                if self.server_timers[timer_of(server)] == Some(at) {
                    self.server_timers[timer_of(server)] = None;
                    self.with_server(server, |server| server.handle_timeout(at));
                }
            }
            What::ToServer { server: id, from, bytes } => {
                // A server that is not there answers nothing, like a machine that is down.
                if !self.is_up(id) {
                    self.strays.push((self.address_of_server(id), bytes));
                    return;
                }
                let local = self.address_of_server(id).ip();
                self.with_server(id, |server| {
                    server.handle_input(from, local, &bytes, at);
                });
            }
        }
    }

    /// Carries out what a meter wants and arms its timer.
    fn settle_meter(&mut self, number: u32) {
        let now = self.now;
        while let Some(output) = self.meters[number as usize].meter.poll_output(now) {
            match output {
                Output::Transmit { to, bytes } => self.transmit(number, to, bytes),
                Output::Connect { .. }
                | Output::Write { .. }
                | Output::Disconnect { .. }
                | Output::Plain { .. } => {}
                // There are no names in this world.
                Output::Resolve { link, .. } => {
                    let meter = &mut self.meters[number as usize].meter;
                    meter.handle_unreachable(link, Unreachable::Unresolved, now);
                }
                Output::Event(event) => self.events.push((now, number, event)),
            }
        }
        let node = &mut self.meters[number as usize];
        let wanted = node.meter.poll_timeout().map(|(at, _)| at.max(now));
        if node.armed != wanted {
            node.armed = wanted;
            if let Some(at) = wanted {
                self.push(at, What::MeterTimer { meter: number });
            }
        }
    }

    fn is_up(&self, id: ServerId) -> bool {
        match id {
            ServerId::Bootstrap => self.bootstrap.is_some(),
            ServerId::Ems => self.ems.is_some(),
            ServerId::Further(place) => self.further[usize::from(place)].1.is_some(),
        }
    }

    fn address_of_server(&self, server: ServerId) -> SocketAddr {
        match server {
            ServerId::Bootstrap => World::BOOTSTRAP,
            ServerId::Ems => World::EMS,
            ServerId::Further(place) => self.further[usize::from(place)].0,
        }
    }

    fn with_server(&mut self, id: ServerId, act: impl FnOnce(&mut dyn Server)) {
        let from = self.address_of_server(id);
        let server: Option<&mut dyn Server> = match id {
            ServerId::Bootstrap => self.bootstrap.as_mut().map(|server| server as _),
            ServerId::Ems => self.ems.as_mut().map(|server| server as _),
            ServerId::Further(place) => self.further[usize::from(place)].1.as_mut().map(|server| server as _),
        };
        let Some(server) = server else { return };
        act(server);
        let mut sent = VecDeque::new();
        while let Some(transmit) = server.poll_output() {
            sent.push_back(transmit);
        }
        let wanted = server.poll_timeout().map(|at| at.max(self.now));
        for transmit in sent {
            let from = SocketAddr::new(from.ip(), from.port() + u16::from(transmit.other_port));
            if let Some(meter) = meter_at(transmit.to).filter(|&meter| (meter as usize) < self.meters.len()) {
                self.keep(&transmit.bytes);
                for at in self.pass(Direction::ToMeter) {
                    self.push(at, What::ToMeter { meter, from, bytes: transmit.bytes.clone() });
                }
            }
        }
        if self.server_timers[timer_of(id)] != wanted {
            self.server_timers[timer_of(id)] = wanted;
            if let Some(at) = wanted {
                self.push(at, What::ServerTimer { server: id });
            }
        }
    }

    fn transmit(&mut self, meter: u32, to: SocketAddr, bytes: Vec<u8>) {
        let server = match to {
            Self::BOOTSTRAP => ServerId::Bootstrap,
            Self::EMS => ServerId::Ems,
            _ => match self.further.iter().position(|(address, _)| *address == to) {
                Some(place) => ServerId::Further(place as u8),
                // Into the void, as on a real network.
                None => return,
            },
        };
        self.keep(&bytes);
        for at in self.pass(Direction::ToServer) {
            self.push(at, What::ToServer { server, from: address_of(meter), bytes: bytes.clone() });
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if let Some(recording) = &mut self.recording {
            recording.push(bytes.to_vec());
        }
    }

    /// What the link makes of the next datagram in this direction.
    fn pass(&mut self, direction: Direction) -> crate::faults::Arrivals {
        let number = self.passed[direction as usize];
        self.passed[direction as usize] += 1;
        if self.dropped.contains(&(direction, number)) {
            return crate::faults::Arrivals::new();
        }
        match direction {
            Direction::ToMeter => self.to_meter.pass(self.now),
            Direction::ToServer => self.to_server.pass(self.now),
        }
    }

    fn push(&mut self, at: Instant, what: What) {
        self.queued += 1;
        self.queue.push(Queued { at, number: self.queued, what });
    }
}

/// The address of a meter in this world: distinct by host, as on loopback.
fn address_of(meter: u32) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::from_bits(FIRST_METER + meter).into(), 40_000)
}

/// Where a server's timer is among all.
fn timer_of(server: ServerId) -> usize {
    match server {
        ServerId::Bootstrap => 0,
        ServerId::Ems => 1,
        ServerId::Further(place) => 2 + usize::from(place),
    }
}

fn meter_at(address: SocketAddr) -> Option<u32> {
    match address {
        SocketAddr::V4(v4) if v4.port() == 40_000 => v4.ip().to_bits().checked_sub(FIRST_METER),
        _ => None,
    }
}

/// 127.1.0.0.
const FIRST_METER: u32 = 0x7f01_0000;

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Queued {
    /// The heap gives the greatest first, so the earliest is the greatest.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}
