//! The peers of one server: a message layer and some state of the server's own for each, bounded.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{Traffic, Transmit};
use crate::base::{Instant, Seed, Wheel};
use crate::protocol::coap::{self, Exchange, Message, Params, Transport, Type};

/// A peer's place in the table. It is used again after the peer is gone.
pub(super) type Slot = u32;

pub(super) struct Peer<T> {
    pub address: SocketAddr,
    /// Which of the server's addresses the peer speaks to.
    pub local: IpAddr,
    pub exchange: Exchange,
    /// Who it has proven to be, as long as its session is up.
    pub identity: Option<Arc<str>>,
    /// Tells it from whoever had its place, or its address, before.
    pub number: u32,
    pub link: Link,
    /// Whether it stays though nothing is heard of it: notifications may come, or requests wait for it.
    pub kept: bool,
    /// When the server itself wants to look at it again; [`Instant::FAR`] for never.
    pub deadline: Instant,
    pub app: T,
}

/// Whether a peer can be spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// It can: plain datagrams need nothing.
    Open,
    /// Its session or stream is over, or it never had one: it has to come back by itself.
    Down,
    /// Its session has just come up. It may have been started again, and remember nothing.
    Fresh,
    /// Its session is up, and it is the device that was spoken to before.
    Up,
}

impl Link {
    /// Whether requests may go to the peer.
    pub fn is_trusted(self) -> bool {
        matches!(self, Link::Open | Link::Up)
    }
}

/// How an answer leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Leave {
    pub twice: bool,
    pub other_port: bool,
}

/// A table of peers, with one timer each.
pub(super) struct Peers<T> {
    params: Arc<Params>,
    transport: Transport,
    /// Whether peers have sessions or streams: they are there from [`Peers::connect`] on, until it is
    /// [over](Peers::cut).
    sessions: bool,
    seed: Seed,
    /// Peers ever seen: numbers their generators.
    seen: u64,
    capacity: usize,
    slots: Vec<Option<Box<Peer<T>>>>,
    free: Vec<Slot>,
    by_address: FxHashMap<SocketAddr, Slot>,
    wheel: Wheel,
    due: Vec<Slot>,
    out: VecDeque<Transmit>,
    /// Where the search for a peer to evict goes on.
    clock_hand: usize,
    /// What the server knew of the peer that was evicted last.
    evicted: Option<T>,
    /// How answers to the peer at hand leave.
    leave: Leave,
    /// Whose sessions or streams are to be closed.
    disconnects: VecDeque<SocketAddr>,
    pub traffic: Traffic,
}

impl<T: Default> Peers<T> {
    /// A table of so many peers, who speak over this transport; `proven` says that they have sessions in which
    /// they prove who they are.
    pub(super) fn new(
        params: Arc<Params>,
        (transport, proven): (Transport, bool),
        capacity: usize,
        seed: Seed,
    ) -> Self {
        Peers {
            params,
            transport,
            sessions: proven || transport == Transport::Stream,
            seed,
            seen: 0,
            capacity: capacity.max(1),
            slots: Vec::new(),
            free: Vec::new(),
            by_address: FxHashMap::default(),
            wheel: Wheel::new(Instant::ZERO),
            due: Vec::new(),
            out: VecDeque::new(),
            clock_hand: 0,
            evicted: None,
            leave: Leave::default(),
            disconnects: VecDeque::new(),
            traffic: Traffic::default(),
        }
    }

    pub(super) fn get(&mut self, slot: Slot) -> Option<&mut Peer<T>> {
        self.slots.get_mut(slot as usize)?.as_deref_mut()
    }

    /// Whether peers have sessions or streams.
    pub(super) fn have_sessions(&self) -> bool {
        self.sessions
    }

    /// Gives a datagram, or the next bytes of a stream, to its peer's message layer. Where there are no sessions,
    /// a peer is made for a request only: noise leaves nothing behind. The state of a peer that had to make room
    /// is there to be [taken](Self::take_evicted).
    pub(super) fn handle_input(
        &mut self,
        from: SocketAddr,
        to: IpAddr,
        datagram: &[u8],
        now: Instant,
    ) -> Option<Slot> {
        self.traffic.received += 1;
        self.traffic.received_bytes += datagram.len() as u64;
        let slot = match self.by_address.get(&from) {
            Some(&slot) => slot,
            None if !self.sessions && is_request(datagram, self.params.max_message()) => {
                self.insert(from, to)
            }
            None => {
                self.traffic.noise += 1;
                return None;
            }
        };
        let peer = self.slots.get_mut(slot as usize)?.as_deref_mut()?;
        if peer.link == Link::Down {
            self.traffic.noise += 1;
            return None;
        }
        peer.local = to;
        peer.exchange.handle_input(datagram, now);
        Some(slot)
    }

    /// A peer's session or stream has come up. It begins with a message layer of its own: a device that was
    /// started again draws new message ids and tokens. What the server knows of the peer stays.
    pub(super) fn connect(
        &mut self,
        address: SocketAddr,
        local: IpAddr,
        identity: Option<Arc<str>>,
        now: Instant,
    ) -> Slot {
        let slot = match self.find(address) {
            Some(slot) => {
                self.cut(slot);
                slot
            }
            None => self.insert(address, local),
        };
        if let Some(peer) = self.get(slot) {
            peer.local = local;
            peer.identity = identity;
            peer.link = Link::Fresh;
            peer.exchange.connected(now);
        }
        slot
    }

    /// A peer's session or stream is over, and with it all that was said on it. To be
    /// [settled](Self::settle): it stays only if it is kept.
    pub(super) fn cut(&mut self, slot: Slot) {
        let (exchange, number) = self.fresh();
        if let Some(peer) = self.get(slot) {
            peer.exchange = exchange;
            peer.number = number;
            peer.identity = None;
            peer.link = Link::Down;
        }
    }

    /// A peer wants to leave, or has to be left: its stream is to be closed.
    pub(super) fn part_with(&mut self, slot: Slot, why: coap::Leave) {
        let Some(peer) = self.slots.get(slot as usize).and_then(Option::as_deref) else { return };
        self.disconnects.push_back(peer.address);
        match why {
            coap::Leave::Released { .. } | coap::Leave::Aborted => self.traffic.left += 1,
            coap::Leave::Broken => self.traffic.broken += 1,
        }
    }

    /// The next peer whose session or stream is to be closed.
    pub(super) fn poll_disconnect(&mut self) -> Option<SocketAddr> {
        self.disconnects.pop_front()
    }

    /// The peer at this address.
    pub(super) fn find(&self, address: SocketAddr) -> Option<Slot> {
        self.by_address.get(&address).copied()
    }

    /// The place of a peer the server itself has something to say to; a new one if it is not known.
    pub(super) fn open(&mut self, address: SocketAddr, local: IpAddr) -> Slot {
        self.find(address).unwrap_or_else(|| self.insert(address, local))
    }

    /// What the server knew of the peer that the last datagram's had to make room for, if there was one.
    pub(super) fn take_evicted(&mut self) -> Option<T> {
        self.evicted.take()
    }

    /// What the server knows of each peer.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().flatten().map(|peer| &peer.app)
    }

    /// The peers whose timer has run out; their message layers have been told.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Vec<Slot> {
        let mut due = std::mem::take(&mut self.due);
        due.clear();
        self.wheel.expire(now, &mut due);
        for &slot in &due {
            if let Some(peer) = self.get(slot) {
                peer.exchange.handle_timeout(now);
            }
        }
        due
    }

    /// Gives the list of `handle_timeout` back for its next use.
    pub(super) fn done(&mut self, due: Vec<Slot>) {
        self.due = due;
    }

    /// The next event of a peer's message layer; what it sends is queued on the way.
    pub(super) fn poll_event(&mut self, slot: Slot) -> Option<coap::Event> {
        loop {
            let peer = self.slots.get_mut(slot as usize)?.as_deref_mut()?;
            match peer.exchange.poll_output()? {
                coap::Output::Send(bytes) => {
                    let Leave { twice, other_port } =
                        if self.leave != Leave::default() && is_answer(&bytes, self.transport) {
                            self.leave
                        } else {
                            Leave::default()
                        };
                    let length = bytes.len() as u64;
                    let transmit = Transmit { to: peer.address, from: peer.local, other_port, bytes };
                    if twice {
                        self.traffic.sent += 1;
                        self.traffic.sent_bytes += length;
                        self.out.push_back(transmit.clone());
                    }
                    self.traffic.sent += 1;
                    self.traffic.sent_bytes += length;
                    self.out.push_back(transmit);
                }
                coap::Output::Event(coap::Event::Noise(_)) => self.traffic.noise += 1,
                coap::Output::Event(coap::Event::Stat(stat)) => self.traffic.stat(stat),
                coap::Output::Event(event) => return Some(event),
            }
        }
    }

    /// Until the next [`Peers::settle`], answers leave like this. What the server asks of its own accord has
    /// no part in it, though it may follow an answer closely.
    pub(super) fn let_leave(&mut self, leave: Leave) {
        self.leave = leave;
    }

    /// Arms the peer's timer: its message layer's, or the one that forgets it when nothing has been
    /// heard for EXCHANGE_LIFETIME (no duplicate can come after that, RFC 7252 §4.8.2). One that had a session is
    /// forgotten with it. What the server knew of it, if that has come.
    pub(super) fn settle(&mut self, slot: Slot, now: Instant) -> Option<T> {
        self.leave = Leave::default();
        let lifetime = self.params.exchange_lifetime();
        let peer = self.get(slot)?;
        let forget = match peer.link {
            Link::Open => peer.exchange.last_activity() + lifetime,
            Link::Down => Instant::ZERO,
            // It is there until its session is over.
            Link::Fresh | Link::Up => Instant::FAR,
        };
        let idle = peer.exchange.is_idle();
        let deadline = peer.exchange.poll_timeout().map_or(peer.deadline, |(at, _)| at.min(peer.deadline));
        let kept = peer.kept;
        if idle && !kept && forget <= now {
            return self.remove(slot);
        }
        let stays = kept || !idle && deadline < Instant::FAR;
        self.wheel.arm(slot, if stays { deadline } else { deadline.min(forget) });
        None
    }

    pub(super) fn poll_output(&mut self) -> Option<Transmit> {
        self.out.pop_front()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.wheel.next()
    }

    pub(super) fn len(&self) -> usize {
        self.by_address.len()
    }

    fn insert(&mut self, address: SocketAddr, local: IpAddr) -> Slot {
        if self.by_address.len() >= self.capacity {
            self.evict();
        }
        let (exchange, number) = self.fresh();
        let peer = Peer {
            address,
            local,
            exchange,
            identity: None,
            number,
            link: if self.sessions { Link::Down } else { Link::Open },
            kept: false,
            deadline: Instant::FAR,
            app: T::default(),
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            // A table of more than 2^32 peers does not fit the memory of any machine.
            (self.slots.len() - 1) as Slot
        });
        self.slots[slot as usize] = Some(Box::new(peer));
        self.by_address.insert(address, slot);
        slot
    }

    /// A message layer nothing was said on, and its number.
    fn fresh(&mut self) -> (Exchange, u32) {
        let rng = self.seed.child("peer", self.seen).rng();
        // Two of the same number, 2^32 apart, are not at the desk at the same time.
        let number = self.seen as u32;
        self.seen += 1;
        (Exchange::over(self.transport, self.params.clone(), rng), number)
    }

    /// Makes room: the next peer round the table that has nothing under way and need not be kept, or one
    /// that has nothing under way, or simply the next.
    fn evict(&mut self) {
        const LOOK_AT: usize = 64;
        let mut victim: Option<(u8, Slot)> = None;
        for _ in 0..self.slots.len().min(LOOK_AT) {
            self.clock_hand = (self.clock_hand + 1) % self.slots.len();
            let Some(peer) = &self.slots[self.clock_hand] else { continue };
            let worth = if peer.exchange.is_idle() { u8::from(peer.kept) } else { 2 };
            if victim.is_none_or(|(least, _)| worth < least) {
                victim = Some((worth, self.clock_hand as Slot));
            }
            if worth == 0 {
                break;
            }
        }
        let fallback = || self.by_address.values().next().copied();
        if let Some(slot) = victim.map(|(_, slot)| slot).or_else(fallback) {
            self.traffic.evicted_peers += 1;
            let peer = self.slots.get(slot as usize).and_then(Option::as_deref);
            if let Some(peer) = peer.filter(|peer| matches!(peer.link, Link::Fresh | Link::Up)) {
                self.disconnects.push_back(peer.address);
            }
            self.evicted = self.remove(slot);
        }
    }

    /// Forgets a peer; what the server knew of it.
    pub(super) fn remove(&mut self, slot: Slot) -> Option<T> {
        self.wheel.disarm(slot);
        let peer = self.slots.get_mut(slot as usize).and_then(Option::take)?;
        self.by_address.remove(&peer.address);
        self.free.push(slot);
        Some(peer.app)
    }
}

/// A request, confirmable or not, of at most `limit` bytes: worth a place in the table.
fn is_request(datagram: &[u8], limit: usize) -> bool {
    Message::decode_within(datagram, limit).is_ok_and(|message| {
        matches!(message.kind(), Type::Con | Type::Non) && (1..32).contains(&message.code().0)
    })
}

/// Whether a message of ours answers something: its code is of class 2 to 5 (RFC 7252 §3); those of class 7 are
/// signals (RFC 8323 §5).
fn is_answer(message: &[u8], transport: Transport) -> bool {
    let at = match (transport, message.first().map(|first| first >> 4)) {
        // RFC 8323 §3.2: behind the extended length, of which there are 1, 2 or 4 bytes.
        (Transport::Stream, Some(13)) => 2,
        (Transport::Stream, Some(14)) => 3,
        (Transport::Stream, Some(15)) => 5,
        (Transport::Datagram | Transport::Stream, _) => 1,
    };
    message.get(at).is_some_and(|code| (2..=5).contains(&(code >> 5)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn given(datagram: &[u8]) -> Peers<()> {
        let mut peers = Peers::new(Arc::new(Params::default()), (Transport::Datagram, false), 10, Seed(1));
        let from = SocketAddr::from(([127, 0, 0, 1], 5683));
        peers.handle_input(from, from.ip(), datagram, Instant::ZERO);
        peers
    }

    proptest! {
        #[test]
        fn what_is_no_message_leaves_no_peer(rest in proptest::collection::vec(any::<u8>(), 2..40)) {
            // Version 1, CON, no token, GET: all that the first bytes can say for it.
            let datagram = [&[0x40, 1], &rest[..]].concat();
            let peers = given(&datagram);
            let sound = Message::decode_within(&datagram, 1 << 16).is_ok();
            prop_assert_eq!((peers.len(), peers.traffic.noise), if sound { (1, 0) } else { (0, 1) });
        }
    }

    #[test]
    fn malformed_datagrams_with_the_head_of_a_request_leave_no_peer() {
        // A token length of 9; an option cut short; a payload marker without a payload.
        for datagram in [&[0x49, 1, 0, 1][..], &[0x40, 1, 0, 1, 0xb5, b'x'], &[0x40, 1, 0, 1, 0xff]] {
            let peers = given(datagram);
            assert_eq!((peers.len(), peers.traffic.noise), (0, 1), "{datagram:02x?}");
        }
        assert_eq!(given(&[0x40, 1, 0, 1, 0xb1, b'x']).len(), 1);
    }
}
