//! The sockets of a shard of meters: each meter (a *slot*) sends from an address and port of its own.
//!
//! | destination | source of slot `s` | sockets |
//! |---|---|---|
//! | 127.0.0.0/8 | 127.1.0.0 + its number, one port for the shard | one for all |
//! | ::1 | ::1, a port of its own | one for each slot |
//! | others | `local.addresses` times `local.ports` | one for each port |
//! | others, none configured | the kernel's choice, a port of its own | one for each slot |
//!
//! Sockets are opened when a slot first sends their way, so a meter that boots over IPv4 and registers
//! over IPv6 has both.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::AsFd;
use std::time::Duration;

use super::batch::BATCH;
use super::family::{Family, V4, V6};
use super::lane::{Context, FamilyLane, Lane, Token};
use super::open::{OpenError, Options, ReceiveBuffer};
use super::sources::{Numbering, Sources};
use super::tally::{SendError, SendFailure, Tally, UdpCounters};
use crate::base::{Clock, Instant};
use crate::transport::gate::Gate;
use crate::transport::kernel;
use crate::transport::poller::Poller;
use crate::transport::wait::wait_for;

/// 127.0.0.0/16 is left to servers and to other programs.
const LOOPBACK_FIRST: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 0);
/// The last address of 127.0.0.0/8 is its broadcast address.
const LOOPBACK_COUNT: u64 = 255 * 65_536 - 1;

/// Datagrams read from a socket of one meter in one turn: it seldom has more than one.
const FEW: usize = 8;

/// What a shard's sockets are to be.
#[derive(Clone, Debug)]
pub struct MeterSocketsConfig {
    /// Which destinations are allowed.
    pub gate: Gate,
    /// The run's clock, for the instants of receipt.
    pub clock: Clock,
    /// The shard's share of the loopback addresses.
    pub numbering: Numbering,
    /// Bytes of receive buffer to ask for where meters share a socket.
    pub receive_buffer: usize,
    /// The most datagrams that may wait for the kernel to take them, for each kind of socket.
    pub queue_limit: usize,
    /// The sources for destinations that are not loopback; without, the kernel chooses.
    pub local: Option<LocalAddresses>,
}

impl MeterSocketsConfig {
    /// Loopback only, the only shard, 64 MiB of receive buffer, 65,536 datagrams waiting.
    pub fn new(clock: Clock) -> Self {
        MeterSocketsConfig {
            gate: Gate::default(),
            clock,
            numbering: Numbering::default(),
            receive_buffer: 64 << 20,
            queue_limit: 65_536,
            local: None,
        }
    }

    /// How many descriptors a shard of `slots` meters needs when each sends datagrams to all of `targets`
    /// and has a stream to each of `streams` other servers. Compare it with
    /// [`crate::transport::resources::descriptor_limit`] before a run.
    pub fn required_descriptors(&self, targets: &[SocketAddr], streams: u32, slots: u32) -> u64 {
        let mut ways: Vec<Way> = targets.iter().map(|target| Way::to(*target)).collect();
        ways.sort_unstable();
        ways.dedup();
        let sockets = |way: &Way| match way {
            // A socket, and the duplicate that tokio watches.
            Way::Loopback4 => 2 * self.sources4(*way).sockets(u64::from(slots)),
            Way::Network4 => self.sources4(*way).sockets(u64::from(slots)),
            Way::Loopback6 | Way::Network6 => self.sources6(*way).sockets(u64::from(slots)),
        };
        // The poller, and its duplicate.
        let poller = if ways.iter().any(|way| *way != Way::Loopback4) { 2 } else { 0 };
        let stream_poller = if streams > 0 { 2 } else { 0 };
        let streams = u64::from(streams) * u64::from(slots) + stream_poller;
        ways.iter().map(sockets).sum::<u64>() + poller + streams
    }

    /// The address that a stream of `slot` to `destination` leaves from, at a port of the kernel's choice;
    /// `None` is an address of its choice, too.
    pub(in crate::transport) fn stream_source(
        &self,
        slot: u32,
        destination: SocketAddr,
    ) -> Result<Option<IpAddr>, OpenError> {
        fn one_of<F: Family>(sources: &Sources<F>, slot: u32) -> Option<IpAddr> {
            match sources {
                // Two streams may share a port as long as they lead to different places, so that the
                // configured ports are no bound here.
                Sources::List { addresses, .. } => Some(addresses[slot as usize % addresses.len()].into()),
                Sources::Own(_) | Sources::Block { .. } => None,
            }
        }
        match Way::to(destination) {
            way @ Way::Loopback4 => {
                let sources = self.sources4(way);
                let (_, ip) =
                    sources.of(slot).ok_or(OpenError::OutOfAddresses { capacity: sources.capacity() })?;
                Ok(Some(ip.into()))
            }
            // All meters have this one address, and a port each.
            Way::Loopback6 => Ok(None),
            way @ Way::Network4 => Ok(one_of(&self.sources4(way), slot)),
            way @ Way::Network6 => Ok(one_of(&self.sources6(way), slot)),
        }
    }

    fn lane(&self, way: Way) -> Box<dyn Lane> {
        match way {
            Way::Loopback4 | Way::Network4 => self.lane_of(way, self.sources4(way)),
            Way::Loopback6 | Way::Network6 => self.lane_of(way, self.sources6(way)),
        }
    }

    fn lane_of<F: Family>(&self, way: Way, sources: Sources<F>) -> Box<dyn Lane> {
        let own = matches!(sources, Sources::Own(_));
        let options = Options {
            // A single meter never fills the default.
            receive_buffer: (!own).then_some(self.receive_buffer),
            reuse_port: false,
            // The others are bound to a loopback address, or are meant for the network.
            loopback_only: way == Way::Loopback4,
            tell_local: !own,
            timestamps: true,
            open: 0,
        };
        let batch = if own { FEW } else { BATCH };
        Box::new(FamilyLane::new(way as u32, sources, options, self.queue_limit, batch))
    }

    fn sources4(&self, way: Way) -> Sources<V4> {
        match way {
            Way::Loopback4 => {
                Sources::Block { first: LOOPBACK_FIRST, count: LOOPBACK_COUNT, numbering: self.numbering }
            }
            _ => self.listed(),
        }
    }

    fn sources6(&self, way: Way) -> Sources<V6> {
        match way {
            Way::Loopback6 => Sources::Own(Ipv6Addr::LOCALHOST),
            _ => self.listed(),
        }
    }

    fn listed<F: Family>(&self) -> Sources<F> {
        let Some(local) = &self.local else { return Sources::Own(F::ANY) };
        let addresses: Vec<F::Ip> = local.addresses.iter().copied().filter_map(F::ip).collect();
        match addresses.is_empty() {
            true => Sources::Own(F::ANY),
            false => Sources::List { addresses, ports: local.ports.clone() },
        }
    }
}

/// Addresses of this machine, and the ports at each, that meters send from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalAddresses {
    /// The addresses, of either family; those of the other family are left alone.
    pub addresses: Vec<IpAddr>,
    /// The ports at each address.
    pub ports: RangeInclusive<u16>,
}

impl LocalAddresses {
    /// The share of one of `shards` shards: the same addresses, a part of the ports.
    pub fn share(&self, shard: u16, shards: u16) -> Self {
        let first = u32::from(*self.ports.start());
        let count = self.ports.len() as u32;
        let cut = |shard: u16| first + count * u32::from(shard) / u32::from(shards.max(1));
        let (start, end) = (cut(shard), cut(shard.saturating_add(1)));
        // An empty share stays empty: no port rather than the last port of the neighbour.
        let ports = if start < end { start as u16..=(end - 1) as u16 } else { RangeInclusive::new(1, 0) };
        LocalAddresses { addresses: self.addresses.clone(), ports }
    }
}

/// The kinds of sockets, by destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Loopback4,
    Loopback6,
    Network4,
    Network6,
}

impl Way {
    const ALL: [Way; 4] = [Way::Loopback4, Way::Loopback6, Way::Network4, Way::Network6];

    fn to(destination: SocketAddr) -> Self {
        match destination.ip().to_canonical() {
            IpAddr::V4(ip) if ip.is_loopback() => Way::Loopback4,
            IpAddr::V6(ip) if ip.is_loopback() => Way::Loopback6,
            IpAddr::V4(_) => Way::Network4,
            IpAddr::V6(_) => Way::Network6,
        }
    }
}

/// A datagram for a meter. Its `Debug` tells its length: there may be keys in it.
#[derive(Clone, Copy)]
pub struct Datagram<'a> {
    /// Whose it is.
    pub slot: u32,
    /// Who sent it.
    pub from: SocketAddr,
    /// What is in it.
    pub bytes: &'a [u8],
    /// When the kernel received it, by the run's clock.
    pub at: Instant,
}

impl fmt::Debug for Datagram<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Datagram(for {}, from {}, {} B)", self.slot, self.from, self.bytes.len())
    }
}

/// The sockets of a shard. They live on the shard's thread.
#[derive(Debug)]
pub struct MeterSockets {
    config: MeterSocketsConfig,
    /// By [`Way`]. The first has but one socket, which is waited for directly: an epoll instance in
    /// between would cost at each waking.
    lanes: [Option<Box<dyn Lane>>; Way::ALL.len()],
    /// Watches the sockets of all other lanes.
    poller: Option<Poller>,
    tally: Tally<SendFailure>,
    /// Sockets with news, used again by each turn.
    ready: Vec<u64>,
}

impl MeterSockets {
    /// No sockets yet: they are opened when slots send, or by [`MeterSockets::open`].
    pub fn new(config: MeterSocketsConfig) -> Self {
        let lanes = std::array::from_fn(|_| None);
        MeterSockets { config, lanes, poller: None, tally: Tally::default(), ready: Vec::new() }
    }

    /// Opens what `slot` needs to send to `destination`, and to receive from there, ahead of time.
    ///
    /// # Errors
    /// That the gate refuses the destination, or that no socket can be had.
    pub fn open(&mut self, slot: u32, destination: SocketAddr) -> Result<(), SendError> {
        self.pass_gate(destination)?;
        let (lane, mut context) = self.lane(Way::to(destination))?;
        Ok(lane.open(slot, &mut context)?)
    }

    /// Queues a datagram from `slot`; full batches are sent at once, the rest by
    /// [`MeterSockets::flush`].
    ///
    /// # Errors
    /// That the gate refuses the destination, that no socket can be had, or that too many datagrams
    /// wait. What the kernel says of a single datagram is told by [`MeterSockets::take_failure`].
    pub fn send(&mut self, slot: u32, to: SocketAddr, bytes: &[u8]) -> Result<(), SendError> {
        self.pass_gate(to)?;
        let (lane, mut context) = self.lane(Way::to(to))?;
        lane.send(slot, to, bytes, &mut context)
    }

    /// Sends what is queued. What the kernel does not take now stays; [`MeterSockets::ready`] and
    /// [`MeterSockets::wait`] tell when to flush again.
    pub fn flush(&mut self) {
        for way in Way::ALL {
            if let Some((lane, mut context)) = self.opened(way) {
                lane.flush(&mut context);
            }
        }
    }

    /// Hands what has come to `each`, without waiting: at most a batch from each socket that has any.
    /// How many datagrams were read; not zero means that there may be more.
    ///
    /// # Errors
    /// That a socket is broken. What passes is counted instead.
    pub fn recv(&mut self, mut each: impl FnMut(Datagram<'_>)) -> io::Result<usize> {
        let mut count = 0;
        if let Some((lane, mut context)) = self.opened(Way::Loopback4) {
            count += lane.receive(0, &mut context, &mut each)?;
        }
        let mut ready = std::mem::take(&mut self.ready);
        if let Some(poller) = &mut self.poller {
            poller.poll(&mut ready)?;
        }
        for token in ready.drain(..) {
            let Token { lane, socket } = token.into();
            let way = Way::ALL.get(lane as usize).copied();
            if let Some((lane, mut context)) = way.and_then(|way| self.opened(way)) {
                count += lane.receive(socket, &mut context, &mut each)?;
            }
        }
        self.ready = ready;
        Ok(count)
    }

    /// Closes `slot`: what comes for it from now on is counted as unknown, and a socket that only it used
    /// is closed.
    pub fn close(&mut self, slot: u32) {
        for way in Way::ALL {
            if let Some((lane, mut context)) = self.opened(way) {
                lane.close(slot, &mut context);
            }
        }
    }

    /// Waits until there is something to receive, or until the kernel takes again what it did not take
    /// before. Cancel-safe. Must be called within a tokio runtime; without any socket it waits forever,
    /// so it is to be called anew after sending.
    ///
    /// # Errors
    /// That no descriptor is left for tokio to watch.
    pub async fn ready(&mut self) -> io::Result<()> {
        if let Some(lane) = &mut self.lanes[Way::Loopback4 as usize] {
            lane.watch()?;
        }
        if let Some(poller) = &mut self.poller {
            poller.watch()?;
        }
        let shared = async {
            match self.lanes[Way::Loopback4 as usize].as_ref().and_then(|lane| lane.watched()) {
                Some((socket, interest)) => socket.ready(interest).await.map(drop),
                None => std::future::pending().await,
            }
        };
        let polled = async {
            match &self.poller {
                Some(poller) => poller.readable().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ready = shared => ready,
            ready = polled => ready,
        }
    }

    /// Like [`MeterSockets::ready`], for a loop without tokio: waits for at most `timeout`, forever if
    /// none is given.
    ///
    /// # Errors
    /// None that valid sockets can have.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        let shared = self.lanes[Way::Loopback4 as usize].as_ref();
        let shared = shared.and_then(|lane| Some((lane.first_socket()?.fd.as_fd(), lane.is_blocked())));
        let poller = self.poller.as_ref().map(|poller| (poller.as_fd(), false));
        wait_for(shared.into_iter().chain(poller), timeout)
    }

    /// The next datagram that the kernel would not send.
    pub fn take_failure(&mut self) -> Option<SendFailure> {
        self.tally.failures.take()
    }

    /// What was sent and received so far.
    pub fn counters(&self) -> UdpCounters {
        self.tally.counters()
    }

    /// How many datagrams wait to be sent.
    pub fn queued(&self) -> usize {
        self.lanes.iter().flatten().map(|lane| lane.queued()).sum()
    }

    /// The receive buffer of the socket that all meters share on 127.0.0.0/8, once it is open.
    pub fn receive_buffer(&self) -> Option<ReceiveBuffer> {
        Some(self.lanes[Way::Loopback4 as usize].as_ref()?.first_socket()?.buffer)
    }

    /// What `slot` sends from to `destination`, once it is open: the unspecified address where the kernel
    /// chooses.
    pub fn local_address(&self, slot: u32, destination: SocketAddr) -> Option<SocketAddr> {
        self.lanes[Way::to(destination) as usize].as_ref()?.local_address(slot)
    }

    /// How many datagrams the kernel dropped at the sockets that are open now, since they were opened.
    ///
    /// # Errors
    /// Those of [`kernel::socket_drops`].
    pub fn kernel_drops(&self) -> io::Result<u64> {
        let mut inodes = Vec::new();
        for lane in self.lanes.iter().flatten() {
            lane.inodes(&mut inodes)?;
        }
        kernel::socket_drops(&inodes)
    }

    fn pass_gate(&mut self, destination: SocketAddr) -> Result<(), SendError> {
        self.config.gate.check(destination).map_err(|refused| {
            self.tally.counters.refused += 1;
            refused.into()
        })
    }

    /// The lane of `way`, made if need be.
    fn lane(&mut self, way: Way) -> Result<(&mut dyn Lane, Context<'_>), OpenError> {
        if self.lanes[way as usize].is_none() {
            if way != Way::Loopback4 && self.poller.is_none() {
                self.poller = Some(Poller::new().map_err(OpenError::without_address)?);
            }
            self.lanes[way as usize] = Some(self.config.lane(way));
        }
        Ok(self.opened(way).expect("made above"))
    }

    /// The lane of `way`, if there is one, and what it needs.
    fn opened(&mut self, way: Way) -> Option<(&mut dyn Lane, Context<'_>)> {
        let lane = self.lanes[way as usize].as_deref_mut()?;
        let poller = if way == Way::Loopback4 { None } else { self.poller.as_ref() };
        let MeterSocketsConfig { clock, gate, .. } = self.config;
        Some((lane, Context { clock, gate, tally: &mut self.tally, poller }))
    }
}
