//! What both ends of a session have in common: an engine, driven, and what its handshake costs.

use smallvec::SmallVec;

use super::super::{Failure, Handshake, Identity};
use super::engine::{Engine, Event, Fault, LONGEST_MESSAGE};
use super::wire::{self, Kind, Sent};
use crate::base::Instant;

/// Datagrams; nearly always one.
pub(super) type Datagrams = SmallVec<[Vec<u8>; 1]>;

/// One end of a session.
pub(super) struct End {
    engine: Box<dyn Engine>,
    sent: Sent,
    cost: Handshake,
    is_connected: bool,
    deadline: Option<Instant>,
}

/// What one call came to, in the order in which it is to be done.
#[derive(Default)]
pub(super) struct Batch {
    /// The peer's certificate, to be judged before anything else is done.
    pub(super) certificate: Option<Vec<u8>>,
    /// Who the peer says it is, if it has said so now.
    pub(super) named: Option<Option<Identity>>,
    /// Whether a flight was sent again.
    pub(super) resent: bool,
    /// To be sent.
    pub(super) transmit: Datagrams,
    /// Whether the handshake has come to its end.
    pub(super) connected: bool,
    /// What the peer said.
    pub(super) received: Datagrams,
    /// Whether the peer said that it is over.
    pub(super) close_notify: bool,
    /// Why it is over, if the engine gave up.
    pub(super) fault: Option<Fault>,
}

impl End {
    /// The end of an engine whose plaintext records are numbered from `next_record`.
    pub(super) fn new(engine: Box<dyn Engine>, next_record: u64) -> Self {
        End {
            engine,
            sent: Sent::new(next_record),
            cost: Handshake::default(),
            is_connected: false,
            deadline: None,
        }
    }

    pub(super) fn handle_input(&mut self, datagram: &[u8], now: Instant) -> Batch {
        if !self.is_connected {
            self.count(datagram);
        }
        let result = self.engine.handle_input(datagram, now);
        self.drain(result, false)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Batch {
        let due = self.deadline.is_some_and(|at| at <= now);
        let result = self.engine.handle_timeout(now);
        self.drain(result, due)
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Batch {
        let result = match bytes.len() <= LONGEST_MESSAGE {
            true => self.engine.send(bytes),
            false => Err(Fault::Failure(Failure::Protocol)),
        };
        self.drain(result, false)
    }

    pub(super) fn close(&mut self) -> Batch {
        let result = self.engine.close();
        self.drain(result, false)
    }

    /// What the handshake has cost so far; in the end, what it has cost.
    pub(super) fn cost(&self) -> Handshake {
        self.cost
    }

    pub(super) fn is_connected(&self) -> bool {
        self.is_connected
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// What tells the peer why the handshake ends, if anything can: an alert in plaintext.
    ///
    /// The engine does not send alerts of its own for most of its errors, nor for a certificate that it is told is
    /// no good. Until a peer has switched to encryption, plaintext is what it expects (RFC 5246 §7.2); with DTLS
    /// 1.3, where the peer's certificate comes encrypted, it may pass over the alert and see no more than silence.
    /// After the handshake there is no way at all: the keys are the engine's.
    pub(super) fn farewell(&self, failure: Failure) -> Option<Vec<u8>> {
        let is_futile = matches!(failure, Failure::Alert(_)) || self.is_connected;
        failure.alert().filter(|_| !is_futile).map(|alert| self.alert(alert))
    }

    /// An alert in plaintext, for a peer that has not switched to encryption yet.
    pub(super) fn alert(&self, description: u8) -> Vec<u8> {
        wire::fatal_alert(description, self.sent.next_record)
    }

    fn count(&mut self, datagram: &[u8]) {
        self.cost.bytes = self.cost.bytes.saturating_add(datagram.len() as u32);
    }

    fn drain(&mut self, result: Result<(), Fault>, due: bool) -> Batch {
        let mut batch = Batch { fault: result.err(), ..Batch::default() };
        let (was_connected, mut is_new) = (self.is_connected, false);
        loop {
            match self.engine.poll() {
                Event::Transmit(datagram) => {
                    match self.sent.note(&datagram) {
                        Kind::New => is_new = true,
                        Kind::Again => batch.resent = true,
                        // A flight that cannot be read: the timer sends nothing but what was sent before.
                        Kind::Opaque if was_connected => {}
                        Kind::Opaque if due => batch.resent = true,
                        Kind::Opaque => is_new = true,
                    }
                    if !was_connected {
                        self.count(&datagram);
                    }
                    batch.transmit.push(datagram);
                }
                Event::PeerCertificate(der) => batch.certificate = Some(der),
                Event::Named(identity) => batch.named = Some(identity),
                Event::Connected => {
                    batch.connected = true;
                    self.is_connected = true;
                }
                Event::Received(bytes) => batch.received.push(bytes),
                Event::CloseNotify => batch.close_notify = true,
                Event::Idle(at) => {
                    self.deadline = at;
                    break;
                }
            }
        }
        self.cost.flights = self.cost.flights.saturating_add(is_new.into());
        self.cost.retransmissions = self.cost.retransmissions.saturating_add(batch.resent.into());
        if matches!(batch.fault, Some(Fault::Failure(_) | Fault::OtherKeys)) {
            // The rest of a handshake that is over.
            batch.transmit.clear();
        }
        batch
    }
}
