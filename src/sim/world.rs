//! A small world: meters, a Bootstrap-Server, an EMS, and links that may be bad.

use std::collections::BinaryHeap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::site::{Incoming, Place, Site};
use super::streams::{Cut, Flow, Pieces, Streams};
use crate::base::{Instant, Seed};
use crate::faults::{Link, LinkFaults};
use crate::meter::{Meter, Output, StreamNews, Unreachable};
use crate::metrics::{Event, MeterState, States};
use crate::protocol::client::Config;
use crate::protocol::server::{BootstrapServer, Ems, Transmit};
use crate::secure::Options;
use crate::servers::secured::{Secured, SecuredOutput};

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
    /// What the sessions of meters are made with.
    options: Arc<Options>,
    bootstrap: Site<BootstrapServer>,
    ems: Site<Ems>,
    /// Further EMS, each at its address.
    further: Vec<Site<Ems>>,
    /// Hosts that have a name.
    names: Vec<(Box<str>, IpAddr)>,
    link: LinkFaults,
    to_meter: Link,
    to_server: Link,
    streams: Streams,
    /// Datagrams a test wants dropped, by their number in each direction.
    dropped: Vec<(Direction, u64)>,
    passed: [u64; 2],
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
    StreamToMeter { stream: usize, flow: Flow },
    StreamToServer { stream: usize, flow: Flow },
}

impl World {
    /// Where the Bootstrap-Server is.
    pub const BOOTSTRAP: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1)), 5783);
    /// Where the EMS is.
    pub const EMS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1)), 5683);

    /// From where a meter sends its datagrams.
    pub fn address_of(meter: u32) -> SocketAddr {
        address_of(meter)
    }

    /// An empty world at the origin of time.
    pub fn new(config: WorldConfig) -> Self {
        let link = |name| Link::new(config.link, config.seed.child(name, 0).rng());
        World {
            seed: config.seed,
            now: Instant::ZERO,
            queue: BinaryHeap::new(),
            queued: 0,
            meters: Vec::new(),
            options: Arc::default(),
            bootstrap: Site::new(World::BOOTSTRAP),
            ems: Site::new(World::EMS),
            further: Vec::new(),
            names: Vec::new(),
            link: config.link,
            to_meter: link("link-to-meter"),
            to_server: link("link-to-server"),
            streams: Streams::new(config.seed.child("streams", 0).rng()),
            dropped: Vec::new(),
            passed: [0; 2],
            events: Vec::new(),
            strays: Vec::new(),
            recording: None,
        }
    }

    /// What the sessions of meters that are added from now on are made with.
    pub fn set_options(&mut self, options: Arc<Options>) {
        self.options = options;
    }

    /// Gives a host a name that meters can look up.
    pub fn set_name(&mut self, name: &str, host: IpAddr) {
        self.names.push((name.into(), host));
    }

    /// Puts a Bootstrap-Server into the world, in place of the one there was; it takes plain datagrams.
    pub fn set_bootstrap_server(&mut self, server: Option<BootstrapServer>) {
        self.set_secured_bootstrap_server(server.map(Secured::plain));
    }

    /// The same for one that may be behind sessions or streams.
    pub fn set_secured_bootstrap_server(&mut self, server: Option<Secured<BootstrapServer>>) {
        self.bootstrap.set(server);
        self.break_streams(ServerId::Bootstrap);
    }

    /// Puts an EMS into the world, in place of the one there was; it takes plain datagrams.
    pub fn set_ems(&mut self, server: Option<Ems>) {
        self.set_secured_ems(server.map(Secured::plain));
    }

    /// The same for one that may be behind sessions or streams.
    pub fn set_secured_ems(&mut self, server: Option<Secured<Ems>>) {
        self.ems.set(server);
        self.break_streams(ServerId::Ems);
    }

    /// Puts a further EMS into the world, in place of the one there was at that address; without one, what
    /// goes there is kept for [`World::take_strays`].
    pub fn set_ems_at(&mut self, address: SocketAddr, server: Option<Ems>) -> ServerId {
        self.set_secured_ems_at(address, server.map(Secured::plain))
    }

    /// The same for one that may be behind sessions or streams.
    pub fn set_secured_ems_at(&mut self, address: SocketAddr, server: Option<Secured<Ems>>) -> ServerId {
        let known = self.further.iter().position(|site| site.address() == address);
        let place = known.unwrap_or_else(|| {
            self.further.push(Site::new(address));
            self.further.len() - 1
        });
        self.further[place].set(server);
        let id = ServerId::Further(u8::try_from(place).expect("a world has a handful of servers"));
        self.break_streams(id);
        id
    }

    /// Adds a meter that is to be switched on at `planned`; its number.
    pub fn add_meter(&mut self, config: Arc<Config>, endpoint: &str, planned: Instant) -> u32 {
        let number = self.meters.len() as u32;
        let seed = self.seed.child("meter", number.into());
        let meter = Meter::new(config, endpoint.into(), number, seed).with_options(self.options.clone());
        self.meters.push(Node { meter, armed: None });
        self.push(planned, What::PowerOn { meter: number, planned });
        number
    }

    /// Cuts the power of a meter and puts another in its place, fresh from the factory and with the same
    /// address, which is switched on at once.
    pub fn restart_meter(&mut self, number: u32, config: Arc<Config>) {
        for stream in self.streams.held_by(number) {
            self.streams.get(stream).held = false;
        }
        let node = &mut self.meters[number as usize];
        let endpoint = node.meter.endpoint().into();
        let seed = self.seed.child("meter", number.into()).child("restart", self.queued);
        node.meter = Meter::new(config, endpoint, number, seed).with_options(self.options.clone());
        node.armed = None;
        self.push(self.now, What::PowerOn { meter: number, planned: self.now });
    }

    /// Has what is written to streams from now on cut like this where it is read.
    pub fn set_pieces(&mut self, pieces: Pieces) {
        self.streams.set_pieces(pieces);
    }

    /// Cuts the streams of a meter, now.
    pub fn cut_streams(&mut self, meter: u32, cut: Cut) {
        let flow = match cut {
            Cut::Reset => Flow::Reset,
            Cut::Orderly => Flow::End,
        };
        for stream in self.streams.held_by(meter) {
            self.push(self.now, What::StreamToMeter { stream, flow: flow.clone() });
            self.push(self.now, What::StreamToServer { stream, flow: flow.clone() });
        }
    }

    /// How many streams a meter holds.
    pub fn streams_of(&self, meter: u32) -> usize {
        self.streams.held_by(meter).len()
    }

    /// Drops the `number`-th datagram (from 0) that goes this way, besides what the link loses.
    pub fn drop_nth(&mut self, direction: Direction, number: u64) {
        self.dropped.push((direction, number));
    }

    /// Changes the links, for what is sent from now on. Streams have their delay, and no other fault.
    pub fn set_link(&mut self, faults: LinkFaults) {
        self.link = faults;
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
        self.bootstrap.host().map(Secured::machine)
    }

    /// The same with its sessions.
    pub fn secured_bootstrap_server(&self) -> Option<&Secured<BootstrapServer>> {
        self.bootstrap.host()
    }

    /// The EMS, to look into.
    pub fn ems(&self) -> Option<&Ems> {
        self.ems.host().map(Secured::machine)
    }

    /// The same with its sessions.
    pub fn secured_ems(&self) -> Option<&Secured<Ems>> {
        self.ems.host()
    }

    /// The further EMS at this address, to look into.
    pub fn ems_at(&self, address: SocketAddr) -> Option<&Ems> {
        self.further.iter().find(|site| site.address() == address)?.host().map(Secured::machine)
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

    /// Keeps every datagram, and every write to a stream, from now on.
    pub fn record(&mut self) {
        self.recording = Some(Vec::new());
    }

    /// What was kept, in order.
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

    /// Puts bytes of the test's own making on the streams of a meter, between what its ends write.
    pub fn inject_to_streams(&mut self, meter: u32, direction: Direction, bytes: &[u8]) {
        for stream in self.streams.held_by(meter) {
            self.put(stream, direction, Flow::Bytes(bytes.to_vec()));
        }
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
                let armed = self.site(server).timer();
                if *armed == Some(at) {
                    *armed = None;
                    self.serve(server, Incoming::Timeout);
                }
            }
            What::ToServer { server, from, bytes } => {
                // A server that is not there answers nothing, like a machine that is down.
                if self.site(server).takes(false) {
                    self.serve(server, Incoming::Bytes(from, &bytes));
                } else {
                    let address = self.site(server).address();
                    self.strays.push((address, bytes));
                }
            }
            What::StreamToMeter { stream, flow } => self.stream_to_meter(stream, flow),
            What::StreamToServer { stream, flow } => self.stream_to_server(stream, flow),
        }
    }

    /// Carries out what a meter wants and arms its timer.
    fn settle_meter(&mut self, number: u32) {
        let now = self.now;
        let mut written = Writes::new();
        while let Some(output) = self.meters[number as usize].meter.poll_output(now) {
            match output {
                Output::Transmit { to, bytes } => self.transmit(number, to, bytes),
                Output::Connect { stream, to } => self.connect(number, stream, to),
                Output::Write { stream, bytes } => {
                    if let Some(place) = self.streams.of_meter(number, stream) {
                        self.keep(&bytes);
                        written.push((place, bytes));
                    }
                }
                Output::Disconnect { stream } => {
                    self.flow(std::mem::take(&mut written), Direction::ToServer);
                    if let Some(place) = self.streams.of_meter(number, stream) {
                        self.streams.get(place).held = false;
                        self.put(place, Direction::ToServer, Flow::End);
                    }
                }
                Output::Resolve { link, host, port, .. } => {
                    let address = self.names.iter().find(|(name, _)| *name == host).map(|(_, ip)| *ip);
                    let meter = &mut self.meters[number as usize].meter;
                    match address {
                        Some(ip) => meter.handle_resolved(link, SocketAddr::new(ip, port), now),
                        None => meter.handle_unreachable(link, Unreachable::Unresolved, now),
                    }
                }
                Output::Event(event) => self.events.push((now, number, event)),
                Output::Plain { .. } => {}
            }
        }
        self.flow(written, Direction::ToServer);
        let node = &mut self.meters[number as usize];
        let wanted = node.meter.poll_timeout().map(|(at, _)| at.max(now));
        if node.armed != wanted {
            node.armed = wanted;
            if let Some(at) = wanted {
                self.push(at, What::MeterTimer { meter: number });
            }
        }
    }

    fn site(&mut self, id: ServerId) -> &mut dyn Place {
        match id {
            ServerId::Bootstrap => &mut self.bootstrap,
            ServerId::Ems => &mut self.ems,
            ServerId::Further(place) => &mut self.further[usize::from(place)],
        }
    }

    fn server_at(&self, address: SocketAddr) -> Option<ServerId> {
        match address {
            Self::BOOTSTRAP => Some(ServerId::Bootstrap),
            Self::EMS => Some(ServerId::Ems),
            _ => {
                let place = self.further.iter().position(|site| site.address() == address);
                place.map(|place| ServerId::Further(place as u8))
            }
        }
    }

    /// Gives a server something, carries out what it wants, and arms its timer.
    fn serve(&mut self, id: ServerId, what: Incoming<'_>) {
        let now = self.now;
        self.site(id).handle(what, now);
        let mut written = Writes::new();
        while let Some(output) = self.site(id).poll_output(now) {
            match output {
                SecuredOutput::Transmit(transmit) => match self.streams.of_server(id, transmit.to) {
                    Some(place) => {
                        self.keep(&transmit.bytes);
                        written.push((place, transmit.bytes));
                    }
                    None => self.transmit_back(id, transmit),
                },
                SecuredOutput::Disconnect(peer) => {
                    self.flow(std::mem::take(&mut written), Direction::ToMeter);
                    if let Some(place) = self.streams.of_server(id, peer) {
                        self.streams.get(place).accepted = None;
                        self.put(place, Direction::ToMeter, Flow::End);
                    }
                }
            }
        }
        self.flow(written, Direction::ToMeter);
        let site = self.site(id);
        let wanted = site.poll_timeout().map(|at| at.max(now));
        if *site.timer() != wanted {
            *site.timer() = wanted;
            if let Some(at) = wanted {
                self.push(at, What::ServerTimer { server: id });
            }
        }
    }

    // ----- datagrams ----------------------------------------------------------------------------------

    fn transmit(&mut self, meter: u32, to: SocketAddr, bytes: Vec<u8>) {
        // Elsewhere is the void, as on a real network.
        let Some(server) = self.server_at(to) else { return };
        self.keep(&bytes);
        for at in self.pass(Direction::ToServer) {
            self.push(at, What::ToServer { server, from: address_of(meter), bytes: bytes.clone() });
        }
    }

    fn transmit_back(&mut self, server: ServerId, transmit: Transmit) {
        let from = self.site(server).address();
        let from = SocketAddr::new(from.ip(), from.port() + u16::from(transmit.other_port));
        let meter = meter_at(transmit.to).filter(|&meter| (meter as usize) < self.meters.len());
        let Some(meter) = meter else { return };
        self.keep(&transmit.bytes);
        for at in self.pass(Direction::ToMeter) {
            self.push(at, What::ToMeter { meter, from, bytes: transmit.bytes.clone() });
        }
    }

    // ----- streams ------------------------------------------------------------------------------------

    fn connect(&mut self, meter: u32, number: u32, to: SocketAddr) {
        let server = self.server_at(to);
        let place = self.streams.add(meter, number, server, address_of(meter).ip());
        self.put(place, Direction::ToServer, Flow::Open);
    }

    /// Puts what was written on the way to the other end.
    fn flow(&mut self, mut written: Writes, direction: Direction) {
        while let Some(&(place, _)) = written.first() {
            let (of_it, others): (Writes, Writes) =
                written.into_iter().partition(|(whose, _)| *whose == place);
            written = others;
            for piece in self.streams.cut(of_it.into_iter().map(|(_, bytes)| bytes).collect()) {
                self.put(place, direction, Flow::Bytes(piece));
            }
        }
    }

    fn put(&mut self, stream: usize, direction: Direction, flow: Flow) {
        let at = self.streams.arrival(stream, direction, self.link.delay, self.now);
        let what = match direction {
            Direction::ToMeter => What::StreamToMeter { stream, flow },
            Direction::ToServer => What::StreamToServer { stream, flow },
        };
        self.push(at, what);
    }

    fn stream_to_server(&mut self, place: usize, flow: Flow) {
        let Some(server) = self.streams.get(place).server else {
            return self.put(place, Direction::ToMeter, Flow::Reset);
        };
        let (there, life) = (self.site(server).takes(true), self.site(server).life());
        let stream = self.streams.get(place);
        let peer = stream.peer;
        match (flow, stream.accepted == Some(life)) {
            (Flow::Open, _) if there => {
                stream.accepted = Some(life);
                // The server's first bytes come behind it.
                self.put(place, Direction::ToMeter, Flow::Open);
                self.serve(server, Incoming::Stream(peer));
            }
            (Flow::Open, _) => self.put(place, Direction::ToMeter, Flow::Reset),
            (Flow::Bytes(bytes), true) => self.serve(server, Incoming::Bytes(peer, &bytes)),
            (flow @ (Flow::End | Flow::Reset), true) => {
                self.serve(server, Incoming::End(peer, flow == Flow::Reset));
                self.streams.get(place).accepted = None;
            }
            // The server has let go of it.
            (_, false) => {}
        }
    }

    fn stream_to_meter(&mut self, place: usize, flow: Flow) {
        let stream = self.streams.get(place);
        let (meter, number) = (stream.meter, stream.number);
        if !stream.held {
            return;
        }
        let news = match flow {
            Flow::Open => StreamNews::Connected,
            Flow::Bytes(bytes) => StreamNews::Data(bytes.into()),
            Flow::End => StreamNews::Ended,
            Flow::Reset => {
                stream.held = false;
                StreamNews::Broken
            }
        };
        self.meters[meter as usize].meter.handle_stream(number, news, self.now);
        self.settle_meter(meter);
    }

    /// A server has left its place: whoever had a stream to it finds that torn down.
    fn break_streams(&mut self, server: ServerId) {
        for stream in self.streams.accepted_by(server) {
            self.streams.get(stream).accepted = None;
            self.put(stream, Direction::ToMeter, Flow::Reset);
        }
    }

    // ----- plumbing -----------------------------------------------------------------------------------

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

/// What was written to which streams at one instant, in order.
type Writes = Vec<(usize, Vec<u8>)>;

/// The address of a meter in this world: distinct by host, as on loopback.
fn address_of(meter: u32) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::from_bits(FIRST_METER + meter).into(), 40_000)
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
