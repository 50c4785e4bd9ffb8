//! The server's end of all ways that lead to one of its addresses.

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::dtls::Table;
use super::tls::Streams;
use super::{Certificate, Closed, Handshake, Options, Secret};
use crate::base::Instant;

/// Who a peer has proven to be: the endpoint name its identity or certificate stands for.
pub type Identity = Arc<str>;

/// Which keys a server knows.
pub trait Identities: Send + Sync {
    /// The key of this identity, and the endpoint it stands for; `None` if nobody has it.
    fn psk(&self, identity: &[u8]) -> Option<(Secret, Identity)>;
    /// The endpoint that a certificate with this subject common name stands for; `None` if nobody has it. By
    /// default the name itself (LwM2M Transport §5.2.8.2).
    fn endpoint_of_subject(&self, common_name: &str) -> Option<Identity> {
        Some(common_name.into())
    }
}

/// How a server secures its ways.
#[derive(Clone)]
pub struct ListenerConfig {
    /// Whether ways are streams (TCP) rather than datagrams.
    pub stream: bool,
    /// How peers prove who they are; none is plain CoAP.
    pub security: Option<ServerSecurity>,
    /// Sessions held at a time. Of more, the one that has been silent longest goes; or, once handshakes take more
    /// than a quarter of the room, the oldest of these.
    pub max_sessions: usize,
    /// What all sessions share.
    pub options: Arc<Options>,
}

/// What a server proves itself with, and knows its peers by.
#[derive(Clone)]
pub struct ServerSecurity {
    /// The keys of its peers.
    pub identities: Arc<dyn Identities>,
    /// Whether pre-shared keys are accepted.
    pub psk: bool,
    /// Its own certificate, if it has one: then certificates are accepted.
    pub certificate: Option<Certificate>,
    /// Trust anchors for the certificates of peers (DER).
    pub peers: Vec<Arc<[u8]>>,
    /// Certificates that may lie between an anchor and a peer's (DER): the engines see a peer's own alone.
    pub intermediates: Vec<Arc<[u8]>>,
}

impl fmt::Debug for ListenerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ListenerConfig(stream {}, secure {})", self.stream, self.security.is_some())
    }
}

/// What a listener wants done or known, in order.
pub enum ListenerOutput {
    /// Send this: a datagram, or the next bytes of this peer's stream.
    Transmit {
        /// To whom.
        to: SocketAddr,
        /// From which of the server's addresses.
        from: IpAddr,
        /// What.
        bytes: Vec<u8>,
    },
    /// A peer can be spoken to; what there was of it before is over.
    Connected {
        /// Who.
        peer: SocketAddr,
        /// At which of the server's addresses.
        local: IpAddr,
        /// Who it has proven to be; `None` where there is no security.
        identity: Option<Identity>,
        /// What the handshake cost.
        handshake: Handshake,
    },
    /// A peer said this.
    Received {
        /// Who.
        peer: SocketAddr,
        /// At which of the server's addresses.
        local: IpAddr,
        /// What.
        bytes: Vec<u8>,
    },
    /// A session is over, or never came up.
    Closed {
        /// Whose.
        peer: SocketAddr,
        /// How.
        how: Closed,
    },
    /// Close this peer's stream.
    Disconnect {
        /// Whose.
        peer: SocketAddr,
    },
}

/// What a listener counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenerCounters {
    /// First hellos answered without keeping anything of the peer (DTLS).
    pub hellos: u64,
    /// Handshakes begun: for DTLS, by a peer whose address was verified.
    pub begun: u64,
    /// Handshakes that came to a good end.
    pub completed: u64,
    /// Handshakes that failed for a reason of the certificate's, in the order of `CertificateFault::ALL`.
    pub certificate_faults: [u64; 6],
    /// Handshakes that named an identity nobody has.
    pub unknown_identities: u64,
    /// Handshakes that fell silent, as after a wrong key.
    pub timed_out: u64,
    /// Handshakes that failed in any other way.
    pub failed: u64,
    /// Flights sent again.
    pub retransmissions: u64,
    /// Bytes of handshakes, received and sent.
    pub handshake_bytes: u64,
    /// Sessions ended by their peers in good order.
    pub closed: u64,
    /// Sessions that broke after the handshake.
    pub broken: u64,
    /// Sessions replaced by a new one from the same address.
    pub replaced: u64,
    /// Sessions that had to make room.
    pub evicted: u64,
    /// Datagrams or bytes that belong to no session, or were no records.
    pub noise: u64,
    /// Sessions there are.
    pub sessions: u64,
    /// The most there were; of several listeners, the sum of theirs.
    pub peak: u64,
}

impl ListenerCounters {
    /// Adds another listener's counts.
    pub fn add(&mut self, other: &ListenerCounters) {
        for (fault, others) in self.certificate_faults.iter_mut().zip(other.certificate_faults) {
            *fault += others;
        }
        self.hellos += other.hellos;
        self.begun += other.begun;
        self.completed += other.completed;
        self.unknown_identities += other.unknown_identities;
        self.timed_out += other.timed_out;
        self.failed += other.failed;
        self.retransmissions += other.retransmissions;
        self.handshake_bytes += other.handshake_bytes;
        self.closed += other.closed;
        self.broken += other.broken;
        self.replaced += other.replaced;
        self.evicted += other.evicted;
        self.noise += other.noise;
        self.sessions += other.sessions;
        self.peak += other.peak;
    }
}

/// One part in so many of a listener's room is what handshakes may take from sessions that are up.
pub(super) const HANDSHAKES_SHARE: usize = 4;

/// The server's end, sans-IO: after each call, [`Listener::poll_output`] until it is empty, then arm one timer
/// for [`Listener::poll_timeout`].
pub struct Listener {
    behind: Behind,
    out: VecDeque<ListenerOutput>,
    counters: ListenerCounters,
}

/// What is behind it.
enum Behind {
    /// Datagrams as they are: what is said is what is sent.
    Datagrams,
    /// Streams, as they are or TLS.
    Streams(Box<Streams>),
    /// DTLS.
    Dtls(Box<Table>),
}

/// Where a table of sessions puts what comes of a call.
pub(super) struct Sink<'a> {
    pub(super) out: &'a mut VecDeque<ListenerOutput>,
    pub(super) counters: &'a mut ListenerCounters,
}

impl Listener {
    /// A listener nobody has spoken to. With a certificate whose key cannot be read it refuses every handshake that
    /// needs it, as `Failure::Credentials`.
    pub fn new(config: ListenerConfig, now: Instant) -> Self {
        let behind = match (config.stream, &config.security) {
            (false, Some(security)) => Behind::Dtls(Box::new(Table::new(&config, security.clone(), now))),
            (false, None) => Behind::Datagrams,
            (true, _) => Behind::Streams(Box::new(Streams::new(&config))),
        };
        Listener { behind, out: VecDeque::new(), counters: ListenerCounters::default() }
    }

    /// A stream was accepted.
    pub fn handle_accepted(&mut self, peer: SocketAddr, local: IpAddr, now: Instant) {
        let Listener { behind, out, counters } = self;
        match behind {
            // There are none.
            Behind::Datagrams | Behind::Dtls(_) => {}
            Behind::Streams(streams) => {
                streams.handle_accepted(peer, local, now, &mut Sink { out, counters })
            }
        }
    }

    /// Bytes came in: a datagram, or the next of this peer's stream.
    pub fn handle_input(&mut self, peer: SocketAddr, local: IpAddr, bytes: &[u8], now: Instant) {
        let Listener { behind, out, counters } = self;
        match behind {
            Behind::Datagrams => {
                out.push_back(ListenerOutput::Received { peer, local, bytes: bytes.to_vec() });
            }
            Behind::Streams(streams) => streams.handle_input(peer, bytes, now, &mut Sink { out, counters }),
            Behind::Dtls(table) => table.handle_input(peer, local, bytes, now, &mut Sink { out, counters }),
        }
    }

    /// A stream has ended: `broken` if it was torn down.
    pub fn handle_end(&mut self, peer: SocketAddr, broken: bool, now: Instant) {
        let _ = now;
        let Listener { behind, out, counters } = self;
        match behind {
            // Datagrams have no end.
            Behind::Datagrams | Behind::Dtls(_) => {}
            Behind::Streams(streams) => streams.handle_end(peer, broken, &mut Sink { out, counters }),
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Listener { behind, out, counters } = self;
        match behind {
            Behind::Datagrams => {}
            Behind::Streams(streams) => streams.handle_timeout(now, &mut Sink { out, counters }),
            Behind::Dtls(table) => table.handle_timeout(now, &mut Sink { out, counters }),
        }
    }

    /// Says this to a peer; nothing is sent to one without a session.
    pub fn send(&mut self, to: SocketAddr, from: IpAddr, bytes: Vec<u8>, now: Instant) {
        let Listener { behind, out, counters } = self;
        match behind {
            Behind::Datagrams => out.push_back(ListenerOutput::Transmit { to, from, bytes }),
            Behind::Streams(streams) => streams.send(to, bytes, now, &mut Sink { out, counters }),
            Behind::Dtls(table) => table.send(to, from, &bytes, now, &mut Sink { out, counters }),
        }
    }

    /// Ends a peer's session in good order. No `Closed` follows.
    pub fn close(&mut self, peer: SocketAddr, now: Instant) {
        let Listener { behind, out, counters } = self;
        match behind {
            Behind::Datagrams => {}
            Behind::Streams(streams) => streams.close(peer, now, &mut Sink { out, counters }),
            Behind::Dtls(table) => table.close(peer, &mut Sink { out, counters }),
        }
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<ListenerOutput> {
        self.out.pop_front()
    }

    /// When to call `handle_timeout`.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.behind {
            Behind::Datagrams => None,
            Behind::Streams(streams) => streams.poll_timeout(),
            Behind::Dtls(table) => table.poll_timeout(),
        }
    }

    /// What was counted.
    pub fn counters(&self) -> &ListenerCounters {
        &self.counters
    }
}
