//! The server's end of all streams to one address.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio_rustls::rustls;

use rustls::server::{ServerConfig, UnbufferedServerConnection};

use super::client::HANDSHAKE_TIMEOUT;
use super::config;
use super::engine::{Engine, News, failure_of};
use super::judge::{FixedTime, ServerJudge, Verdict};
use crate::base::Instant;
use crate::secure::listener::{HANDSHAKES_SHARE, Sink};
use crate::secure::{CertificateFault, Closed, Failure, Handshake, Identity, ListenerConfig, ListenerOutput};

/// How exactly it is known which session has been silent longest: looking a session up in that order at every
/// message would cost more than the message.
const SILENCE_GRAIN: Duration = Duration::from_secs(1);

/// The server's sessions over streams, plain or TLS: see `Listener` for how they are driven.
///
/// No more than `max_sessions` are held. Of more, the one that has been silent longest goes; where more than a
/// quarter are still in their handshakes, the oldest of those. It is told by close_notify, and its stream is closed.
pub(in crate::secure) struct Streams {
    kind: Kind,
    max_sessions: usize,
    epoch: Duration,
    sessions: FxHashMap<SocketAddr, Entry>,
    /// Handshakes, by when they have to be done.
    begun: BTreeSet<(Instant, SocketAddr)>,
    /// The other sessions, by when they were heard of last.
    heard: BTreeSet<(Instant, SocketAddr)>,
}

enum Kind {
    Plain,
    Tls(Tls),
    /// The server has no credentials that can be used over streams.
    Refusing,
}

struct Tls {
    config: Arc<ServerConfig>,
    judge: Arc<ServerJudge>,
    time: Arc<FixedTime>,
}

struct Entry {
    local: IpAddr,
    /// In `begun` its deadline, in `heard` when it was heard of.
    at: Instant,
    /// Who it is, once its certificate was judged.
    identity: Option<Identity>,
    /// `None` where streams are plain.
    engine: Option<Box<Engine<UnbufferedServerConnection>>>,
}

impl Entry {
    /// What its handshake has cost so far, if it is in it.
    fn handshake(&self) -> Option<Handshake> {
        self.engine.as_ref().and_then(|engine| engine.handshake())
    }
}

impl Streams {
    /// Without any sessions. With credentials that cannot be used, or none but pre-shared keys, every stream is closed
    /// at once, with [`Failure::Credentials`].
    pub(in crate::secure) fn new(config: &ListenerConfig) -> Self {
        let time = Arc::new(FixedTime::default());
        let kind = match &config.security {
            None => Kind::Plain,
            Some(security) => {
                let judge = ServerJudge::new(security);
                let version = config.options.version;
                let own = security.certificate.as_ref();
                own.and_then(|own| config::server(own, judge.clone(), time.clone(), version))
                    .map_or(Kind::Refusing, |config| Kind::Tls(Tls { config, judge, time }))
            }
        };
        Streams {
            kind,
            max_sessions: config.max_sessions.max(1),
            epoch: Duration::from_secs(config.options.epoch),
            sessions: FxHashMap::default(),
            begun: BTreeSet::new(),
            heard: BTreeSet::new(),
        }
    }

    /// A stream was accepted. One that there was from the same address is over, as its bytes can no longer be
    /// told apart from the new one's.
    pub(in crate::secure) fn handle_accepted(
        &mut self,
        peer: SocketAddr,
        local: IpAddr,
        now: Instant,
        sink: &mut Sink<'_>,
    ) {
        if self.remove(peer, sink).is_some() {
            sink.counters.replaced += 1;
        }
        while self.sessions.len() >= self.max_sessions {
            self.evict(now, sink);
        }
        let engine = match &self.kind {
            Kind::Plain => None,
            Kind::Tls(tls) => match UnbufferedServerConnection::new(tls.config.clone()) {
                Ok(connection) => Some(Box::new(Engine::new(connection))),
                Err(_) => return self.refuse(peer, sink),
            },
            Kind::Refusing => return self.refuse(peer, sink),
        };
        let plain = engine.is_none();
        let at = if plain { now } else { now + HANDSHAKE_TIMEOUT };
        let order = if plain { &mut self.heard } else { &mut self.begun };
        order.insert((at, peer));
        self.sessions.insert(peer, Entry { local, at, identity: None, engine });
        sink.counters.sessions = self.sessions.len() as u64;
        sink.counters.peak = sink.counters.peak.max(sink.counters.sessions);
        if plain {
            let handshake = Handshake::default();
            sink.out.push_back(ListenerOutput::Connected { peer, local, identity: None, handshake });
        } else {
            sink.counters.begun += 1;
        }
    }

    /// The next bytes of this peer's stream came in.
    pub(in crate::secure) fn handle_input(
        &mut self,
        peer: SocketAddr,
        bytes: &[u8],
        now: Instant,
        sink: &mut Sink<'_>,
    ) {
        let Some(entry) = self.sessions.get_mut(&peer) else {
            sink.counters.noise += bytes.len() as u64;
            return;
        };
        let local = entry.local;
        if entry.handshake().is_none() && now >= entry.at + SILENCE_GRAIN {
            self.heard.remove(&(entry.at, peer));
            self.heard.insert((now, peer));
            entry.at = now;
        }
        match &entry.engine {
            None => sink.out.push_back(ListenerOutput::Received { peer, local, bytes: bytes.to_vec() }),
            Some(_) => self.drive(peer, now, sink, |engine, news| engine.handle_input(bytes, news)),
        }
    }

    /// A stream has ended: `broken` if it was torn down. A TLS session that was not ended first has broken either
    /// way (RFC 5246 §7.2.1).
    pub(in crate::secure) fn handle_end(&mut self, peer: SocketAddr, broken: bool, sink: &mut Sink<'_>) {
        let Some(entry) = self.sessions.get(&peer) else { return };
        let how = match broken || entry.engine.is_some() {
            true => Closed::Failed(Failure::Protocol),
            false => Closed::Orderly,
        };
        self.end(peer, how, sink);
    }

    /// Time has passed.
    pub(in crate::secure) fn handle_timeout(&mut self, now: Instant, sink: &mut Sink<'_>) {
        while let Some(&(deadline, peer)) = self.begun.first()
            && deadline <= now
        {
            self.end(peer, Closed::Failed(Failure::TimedOut), sink);
        }
    }

    /// Says this to a peer; nothing is sent to one without a session.
    pub(in crate::secure) fn send(
        &mut self,
        to: SocketAddr,
        bytes: Vec<u8>,
        now: Instant,
        sink: &mut Sink<'_>,
    ) {
        let Some(entry) = self.sessions.get(&to) else { return };
        let from = entry.local;
        match entry.engine {
            None => sink.out.push_back(ListenerOutput::Transmit { to, from, bytes }),
            Some(_) => self.drive(to, now, sink, |engine, news| engine.send(&bytes, news)),
        }
    }

    /// Ends a peer's session in good order, and closes its stream. No `Closed` follows.
    pub(in crate::secure) fn close(&mut self, peer: SocketAddr, now: Instant, sink: &mut Sink<'_>) {
        self.drive(peer, now, sink, |engine, news| engine.close(news));
        if self.remove(peer, sink).is_some() {
            sink.out.push_back(ListenerOutput::Disconnect { peer });
        }
    }

    /// When to call `handle_timeout`.
    pub(in crate::secure) fn poll_timeout(&self) -> Option<Instant> {
        self.begun.first().map(|&(deadline, _)| deadline)
    }

    /// Dates of certificates are held against this.
    fn tell_time(&self, now: Instant) {
        if let Kind::Tls(tls) = &self.kind {
            tls.time.set(self.epoch + now.since_origin());
        }
    }

    /// Does something with a TLS session, and what follows from it.
    fn drive(
        &mut self,
        peer: SocketAddr,
        now: Instant,
        sink: &mut Sink<'_>,
        what: impl FnOnce(&mut Engine<UnbufferedServerConnection>, &mut dyn FnMut(News)),
    ) {
        self.tell_time(now);
        let (Kind::Tls(tls), Some(entry)) = (&self.kind, self.sessions.get_mut(&peer)) else { return };
        let Some(engine) = &mut entry.engine else { return };
        let (local, identity, out) = (entry.local, &mut entry.identity, &mut *sink.out);
        let mut connected = None;
        let mut ended = None;
        what(engine, &mut |news| match news {
            News::Transmit(bytes) => out.push_back(ListenerOutput::Transmit { to: peer, from: local, bytes }),
            News::Connected(handshake) => {
                if let Some(Verdict::Known(known)) = tls.judge.take() {
                    *identity = Some(known);
                }
                connected = Some(handshake);
                let identity = identity.clone();
                out.push_back(ListenerOutput::Connected { peer, local, identity, handshake });
            }
            News::Received(bytes) => out.push_back(ListenerOutput::Received { peer, local, bytes }),
            News::Ended => ended = Some(Closed::Orderly),
            News::Broken(error) => ended = Some(Closed::Failed(failure_of(&error))),
        });
        match tls.judge.take() {
            Some(Verdict::Known(known)) => *identity = Some(known),
            Some(Verdict::Nobody) => {
                sink.counters.unknown_identities += 1;
                return self.over(
                    peer,
                    Closed::Failed(Failure::Certificate(CertificateFault::WrongName)),
                    sink,
                );
            }
            Some(Verdict::Fault(fault)) => ended = Some(Closed::Failed(Failure::Certificate(fault))),
            None => {}
        }
        if let Some(handshake) = connected {
            self.begun.remove(&(entry.at, peer));
            self.heard.insert((now, peer));
            entry.at = now;
            sink.counters.completed += 1;
            sink.counters.handshake_bytes += u64::from(handshake.bytes);
        }
        if let Some(how) = ended {
            self.end(peer, how, sink);
        }
    }
}

/// How sessions end.
impl Streams {
    fn end(&mut self, peer: SocketAddr, how: Closed, sink: &mut Sink<'_>) {
        let Some(entry) = self.sessions.get(&peer) else { return };
        let count = match (how, entry.handshake()) {
            (Closed::Orderly, None) => &mut sink.counters.closed,
            (Closed::Failed(_), None) => &mut sink.counters.broken,
            (Closed::Failed(Failure::TimedOut), Some(_)) => &mut sink.counters.timed_out,
            (Closed::Failed(Failure::Certificate(fault)), Some(_)) => {
                &mut sink.counters.certificate_faults[fault.index()]
            }
            (_, Some(_)) => &mut sink.counters.failed,
        };
        *count += 1;
        self.over(peer, how, sink);
    }

    /// Lets go of a session, if there is one, and tells that it is over.
    fn over(&mut self, peer: SocketAddr, how: Closed, sink: &mut Sink<'_>) {
        self.remove(peer, sink);
        sink.out.push_back(ListenerOutput::Closed { peer, how });
        sink.out.push_back(ListenerOutput::Disconnect { peer });
    }

    fn refuse(&mut self, peer: SocketAddr, sink: &mut Sink<'_>) {
        sink.counters.begun += 1;
        sink.counters.failed += 1;
        self.over(peer, Closed::Failed(Failure::Credentials), sink);
    }

    fn evict(&mut self, now: Instant, sink: &mut Sink<'_>) {
        let crowded = self.begun.len() > self.max_sessions / HANDSHAKES_SHARE;
        let (handshakes, sessions) = (self.begun.first(), self.heard.first());
        let next = if crowded { handshakes.or(sessions) } else { sessions.or(handshakes) };
        let Some(&(_, peer)) = next else { return };
        self.drive(peer, now, sink, |engine, news| engine.close(news));
        if let Some(entry) = self.sessions.get(&peer) {
            let in_handshake = entry.handshake().is_some();
            let how = if in_handshake { Closed::Failed(Failure::TimedOut) } else { Closed::Orderly };
            sink.counters.evicted += 1;
            self.over(peer, how, sink);
        }
    }

    fn remove(&mut self, peer: SocketAddr, sink: &mut Sink<'_>) -> Option<Entry> {
        let entry = self.sessions.remove(&peer)?;
        sink.counters.sessions = self.sessions.len() as u64;
        if let Some(handshake) = entry.handshake() {
            sink.counters.handshake_bytes += u64::from(handshake.bytes);
            self.begun.remove(&(entry.at, peer));
        } else {
            self.heard.remove(&(entry.at, peer));
        }
        Some(entry)
    }
}
