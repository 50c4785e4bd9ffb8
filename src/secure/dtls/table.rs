//! The server's end of all DTLS sessions at one of its addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use rustc_hash::FxHashMap;

use super::super::listener::{HANDSHAKES_SHARE, Sink};
use super::super::{
    CertificateFault, Closed, Failure, Handshake, Identity, ListenerConfig, ListenerOutput, ServerSecurity,
    verify,
};
use super::cookies::Cookies;
use super::dimpl_engine::{Servers, Way};
use super::end::{Batch, End};
use super::engine::Fault;
use super::unverified::{Step, Unverified};
use super::wire::{self, Hello, Shape};
use crate::base::Instant;

/// `access_denied`: a certificate that is in order, of somebody who has no business here (RFC 5246 §7.2.2).
const ACCESS_DENIED: u8 = 49;

/// All sessions of a listener over datagrams, by the address of the peer. See `Listener` for how it is driven.
///
/// Of a peer that has not shown that it is where it says it is, nothing is kept in DTLS 1.2: its hello is answered with
/// a cookie made of its address. In DTLS 1.3 the engine has to remember the first hello, so some handshakes are held for
/// a short while, apart from the sessions: see [`Unverified`].
pub(in crate::secure) struct Table {
    security: ServerSecurity,
    servers: Servers,
    cookies: Cookies,
    sessions: FxHashMap<SocketAddr, Box<Peer>>,
    unverified: Unverified,
    max_sessions: usize,
    /// The origin of the run since 1970.
    epoch: Duration,
    /// When which session wants to be called.
    timers: BTreeSet<(Instant, SocketAddr)>,
    /// Sessions whose handshake lasts, and the others, by when they last said something: in which order they make
    /// room for new ones.
    half_open: BTreeMap<u64, SocketAddr>,
    established: BTreeMap<u64, SocketAddr>,
    /// The last place given in these.
    place: u64,
}

/// A session.
struct Peer {
    end: End,
    /// At which of the server's addresses.
    local: IpAddr,
    /// Of the hello it began with: a hello with another is a new beginning.
    random: u64,
    /// Who the peer says it is; who it is, once connected.
    identity: Option<Identity>,
    /// Whether it has said that it is somebody nobody knows.
    is_unknown: bool,
    place: u64,
    armed: Option<Instant>,
}

impl Table {
    pub(in crate::secure) fn new(config: &ListenerConfig, security: ServerSecurity, now: Instant) -> Self {
        Table {
            servers: Servers::new(&security, config.options.version),
            security,
            cookies: Cookies::new(now),
            sessions: FxHashMap::default(),
            unverified: Unverified::default(),
            max_sessions: config.max_sessions.max(1),
            epoch: Duration::from_secs(config.options.epoch),
            timers: BTreeSet::new(),
            half_open: BTreeMap::new(),
            established: BTreeMap::new(),
            place: 0,
        }
    }

    pub(in crate::secure) fn handle_input(
        &mut self,
        peer: SocketAddr,
        local: IpAddr,
        datagram: &[u8],
        now: Instant,
        sink: &mut Sink<'_>,
    ) {
        match wire::shape(datagram) {
            Shape::Hello(hello) => self.handle_hello(peer, local, &hello, now, sink),
            Shape::Other if wire::may_be_record(datagram) && self.sessions.contains_key(&peer) => {
                self.call(peer, now, sink, |session| {
                    session.local = local;
                    session.end.handle_input(datagram, now)
                });
            }
            Shape::Other | Shape::BrokenHello => sink.counters.noise += 1,
        }
    }

    pub(in crate::secure) fn handle_timeout(&mut self, now: Instant, sink: &mut Sink<'_>) {
        self.unverified.expire(now);
        let due: Vec<_> =
            self.timers.iter().take_while(|(at, _)| *at <= now).map(|(_, peer)| *peer).collect();
        for peer in due {
            self.call(peer, now, sink, |session| session.end.handle_timeout(now));
        }
    }

    pub(in crate::secure) fn send(
        &mut self,
        to: SocketAddr,
        from: IpAddr,
        bytes: &[u8],
        now: Instant,
        sink: &mut Sink<'_>,
    ) {
        if self.sessions.get(&to).is_some_and(|session| session.end.is_connected()) {
            self.call(to, now, sink, |session| {
                session.local = from;
                session.end.send(bytes)
            });
        }
    }

    pub(in crate::secure) fn close(&mut self, peer: SocketAddr, sink: &mut Sink<'_>) {
        if let Some(session) = self.remove(peer, sink) {
            session.part(peer, sink);
        }
    }

    pub(in crate::secure) fn poll_timeout(&self) -> Option<Instant> {
        let session = self.timers.first().map(|(at, _)| *at);
        session.into_iter().chain(self.unverified.poll_timeout()).min()
    }

    fn handle_hello(
        &mut self,
        peer: SocketAddr,
        local: IpAddr,
        hello: &Hello<'_>,
        now: Instant,
        sink: &mut Sink<'_>,
    ) {
        let session = self.sessions.get(&peer);
        if session.is_some_and(|session| session.random == mark(hello)) {
            // One of the handshake the session began with. The first, which was answered long ago, says nothing new.
            match hello.message {
                0 => sink.counters.noise += 1,
                _ => self.call(peer, now, sink, |session| session.end.handle_input(hello.bytes(), now)),
            }
            return;
        }
        let way = self.servers.way(hello);
        if way == Some(Way::Certificate13) {
            return self.handle_hello_13(peer, local, hello, now, sink);
        }
        // The engine takes the second message for the one with the cookie.
        let cookies = match hello.message {
            1 => self.cookies.key_of(peer, hello.random, hello.cookie, now),
            _ => None,
        };
        match cookies {
            Some(cookies) => self.begin((peer, local), hello, way, Arc::new(cookies), now, sink),
            None => {
                sink.counters.hellos += 1;
                let bytes = wire::hello_verify_request(&self.cookies.make(peer, hello.random, now));
                sink.out.push_back(ListenerOutput::Transmit { to: peer, from: local, bytes });
            }
        }
    }

    fn handle_hello_13(
        &mut self,
        peer: SocketAddr,
        local: IpAddr,
        hello: &Hello<'_>,
        now: Instant,
        sink: &mut Sink<'_>,
    ) {
        match self.unverified.handle_hello(peer, hello, &self.servers, now) {
            Step::Answer(datagrams) => {
                sink.counters.hellos += 1;
                transmit(datagrams, peer, local, sink);
            }
            Step::Verified(end, batch) => {
                self.admit(peer, local, mark(hello), *end, sink);
                self.settle(peer, Handshake::default(), batch, now, sink);
            }
            Step::Noise => sink.counters.noise += 1,
        }
    }

    /// A hello with the right cookie: the beginning of a session, and the end of the one there was.
    fn begin(
        &mut self,
        (peer, local): (SocketAddr, IpAddr),
        hello: &Hello<'_>,
        way: Option<Way>,
        cookies: Arc<hmac::Key>,
        now: Instant,
        sink: &mut Sink<'_>,
    ) {
        // The engine does not say so itself of suites that it has never heard of: it drops the hello.
        let nothing_in_common = Failure::Protocol;
        let end =
            way.ok_or(nothing_in_common).and_then(|way| self.servers.end(way, hello, Some(cookies), now));
        match end {
            Ok(engine) => {
                // The record before was the answer to the first hello.
                self.admit(peer, local, mark(hello), End::new(Box::new(engine), 1), sink);
                self.call(peer, now, sink, |session| session.end.handle_input(hello.bytes(), now));
            }
            Err(failure) => {
                self.replace(peer, sink);
                sink.counters.begun += 1;
                sink.counters.failed += 1;
                let alert = failure.alert().map(|alert| wire::fatal_alert(alert, 1));
                transmit(alert, peer, local, sink);
                sink.out.push_back(ListenerOutput::Closed { peer, how: Closed::Failed(failure) });
            }
        }
    }

    fn admit(&mut self, peer: SocketAddr, local: IpAddr, random: u64, end: End, sink: &mut Sink<'_>) {
        self.replace(peer, sink);
        while self.sessions.len() >= self.max_sessions {
            let Some(oldest) = self.first_to_go() else { break };
            if let Some(session) = self.remove(oldest, sink) {
                sink.counters.evicted += 1;
                session.leave(oldest, sink);
            }
        }
        self.place += 1;
        let place = self.place;
        let session = Peer { end, local, random, identity: None, is_unknown: false, place, armed: None };
        self.half_open.insert(place, peer);
        self.sessions.insert(peer, Box::new(session));
        sink.counters.begun += 1;
        sink.counters.sessions = self.sessions.len() as u64;
        sink.counters.peak = sink.counters.peak.max(sink.counters.sessions);
    }

    /// Who is to make room: of the handshakes that last, the oldest, if they take more than their share; else the
    /// session that was silent longest. So neither do handshakes that nobody finishes push out sessions, nor do
    /// sessions that idle keep new ones from ever being finished.
    fn first_to_go(&self) -> Option<SocketAddr> {
        let (handshakes, sessions) = (self.half_open.first_key_value(), self.established.first_key_value());
        let crowded = self.half_open.len() > self.max_sessions / HANDSHAKES_SHARE;
        let next = if crowded { handshakes.or(sessions) } else { sessions.or(handshakes) };
        next.map(|(_, peer)| *peer)
    }

    /// Whoever was there before has rebooted (RFC 6347 §4.2.8), and shown by its cookie that it is the same place.
    fn replace(&mut self, peer: SocketAddr, sink: &mut Sink<'_>) {
        if let Some(session) = self.remove(peer, sink) {
            sink.counters.replaced += 1;
            // Nothing is said to it: who would hear that is the new one.
            sink.out.push_back(ListenerOutput::Closed { peer, how: session.how_it_ends() });
        }
    }

    fn remove(&mut self, peer: SocketAddr, sink: &mut Sink<'_>) -> Option<Box<Peer>> {
        let session = self.sessions.remove(&peer)?;
        self.half_open.remove(&session.place);
        self.established.remove(&session.place);
        if let Some(at) = session.armed {
            self.timers.remove(&(at, peer));
        }
        sink.counters.sessions = self.sessions.len() as u64;
        Some(session)
    }

    fn call(
        &mut self,
        peer: SocketAddr,
        now: Instant,
        sink: &mut Sink<'_>,
        call: impl FnOnce(&mut Peer) -> Batch,
    ) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let before = session.end.cost();
        let batch = call(session);
        self.settle(peer, before, batch, now, sink);
    }

    /// Does what one call of a session came to.
    fn settle(
        &mut self,
        peer: SocketAddr,
        before: Handshake,
        batch: Batch,
        now: Instant,
        sink: &mut Sink<'_>,
    ) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let (cost, local) = (session.end.cost(), session.local);
        sink.counters.handshake_bytes += u64::from(cost.bytes.saturating_sub(before.bytes));
        sink.counters.retransmissions +=
            u64::from(cost.retransmissions.saturating_sub(before.retransmissions));
        if let Some(named) = batch.named {
            sink.counters.unknown_identities += u64::from(named.is_none());
            session.is_unknown = named.is_none();
            session.identity = named;
        }
        if let Some(der) = &batch.certificate {
            match judge(&self.security, der, self.epoch + now.since_origin()) {
                Ok(identity) => session.identity = Some(identity),
                Err(refusal) => return self.refuse(peer, refusal, sink),
            }
        }
        if batch.connected && session.identity.is_none() {
            return self.refuse(peer, Refusal::Certificate(CertificateFault::Unusable), sink);
        }
        transmit(batch.transmit, peer, local, sink);
        if batch.connected || !batch.received.is_empty() {
            self.place += 1;
            self.half_open.remove(&session.place);
            self.established.remove(&session.place);
            session.place = self.place;
            self.established.insert(self.place, peer);
        }
        if batch.connected {
            sink.counters.completed += 1;
            let identity = session.identity.clone();
            sink.out.push_back(ListenerOutput::Connected { peer, local, identity, handshake: cost });
        }
        let received = batch.received.into_iter();
        sink.out.extend(received.map(|bytes| ListenerOutput::Received { peer, local, bytes }));
        match batch.fault {
            Some(fault) => self.give_up(peer, fault, sink),
            None if batch.close_notify => {
                sink.counters.closed += 1;
                if let Some(session) = self.remove(peer, sink) {
                    session.leave(peer, sink);
                }
            }
            None => self.arm(peer),
        }
    }

    /// The engine has given up a session.
    fn give_up(&mut self, peer: SocketAddr, fault: Fault, sink: &mut Sink<'_>) {
        let Some(session) = self.remove(peer, sink) else { return };
        // A record that cannot be read might be anybody's, so nothing is said about it (RFC 6347 §4.1.2.7): a client with
        // a wrong key sees silence, as it does of servers that wait for a better one.
        let failure = match fault {
            Fault::Failure(failure) | Fault::Said(failure) => failure,
            Fault::OtherKeys => Failure::TimedOut,
        };
        match failure {
            _ if session.end.is_connected() => sink.counters.broken += 1,
            // Counted when it named itself.
            _ if session.is_unknown => {}
            Failure::TimedOut => sink.counters.timed_out += 1,
            Failure::Certificate(fault) => sink.counters.certificate_faults[fault.index()] += 1,
            _ => sink.counters.failed += 1,
        }
        let alert = session.end.farewell(failure).filter(|_| !matches!(fault, Fault::Said(_)));
        transmit(alert, peer, session.local, sink);
        sink.out.push_back(ListenerOutput::Closed { peer, how: Closed::Failed(failure) });
    }

    /// A peer's certificate is not accepted.
    fn refuse(&mut self, peer: SocketAddr, refusal: Refusal, sink: &mut Sink<'_>) {
        let Some(session) = self.remove(peer, sink) else { return };
        let (fault, alert) = match refusal {
            Refusal::Certificate(fault) => {
                sink.counters.certificate_faults[fault.index()] += 1;
                (fault, fault.alert())
            }
            Refusal::Nobody => {
                sink.counters.unknown_identities += 1;
                (CertificateFault::WrongName, ACCESS_DENIED)
            }
        };
        // Its last flight may have been there in one piece, and the engine be through with it; the peer has seen nothing of
        // the answer.
        transmit([session.end.alert(alert)], peer, session.local, sink);
        let how = Closed::Failed(Failure::Certificate(fault));
        sink.out.push_back(ListenerOutput::Closed { peer, how });
    }

    fn arm(&mut self, peer: SocketAddr) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let deadline = session.end.deadline();
        if session.armed != deadline {
            session.armed.map(|at| self.timers.remove(&(at, peer)));
            deadline.map(|at| self.timers.insert((at, peer)));
            session.armed = deadline;
        }
    }
}

impl Peer {
    /// Tells the peer that it is over, if there is a way to.
    fn part(mut self, peer: SocketAddr, sink: &mut Sink<'_>) {
        transmit(self.end.close().transmit, peer, self.local, sink);
    }

    fn leave(self, peer: SocketAddr, sink: &mut Sink<'_>) {
        let how = self.how_it_ends();
        self.part(peer, sink);
        sink.out.push_back(ListenerOutput::Closed { peer, how });
    }

    /// How a session ends that was not at fault.
    fn how_it_ends(&self) -> Closed {
        match self.end.is_connected() {
            true => Closed::Orderly,
            false => Closed::Failed(Failure::TimedOut),
        }
    }
}

/// Why a peer's certificate is not accepted.
enum Refusal {
    Certificate(CertificateFault),
    /// It stands for an endpoint that is not known here.
    Nobody,
}

fn judge(security: &ServerSecurity, der: &[u8], unix_now: Duration) -> Result<Identity, Refusal> {
    let name = verify::client(der, &security.intermediates, &security.peers, unix_now);
    let name = name.map_err(Refusal::Certificate)?;
    security.identities.endpoint_of_subject(&name).ok_or(Refusal::Nobody)
}

fn transmit(datagrams: impl IntoIterator<Item = Vec<u8>>, to: SocketAddr, from: IpAddr, sink: &mut Sink<'_>) {
    sink.out.extend(datagrams.into_iter().map(|bytes| ListenerOutput::Transmit { to, from, bytes }));
}

/// By which the hellos of one handshake are known: bytes of the client's random number, of which some clients take
/// the first four from the clock (RFC 5246 §7.4.1.2).
fn mark(hello: &Hello<'_>) -> u64 {
    hello.random[24..].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}
