//! One channel of a meter: a session, a stream, or both, and what its end means to those who use it.

use std::net::SocketAddr;

use super::map;
use crate::base::Instant;
use crate::metrics::FailureKind;
use crate::protocol::client::{self, Link, OpenFailed};
use crate::protocol::lwm2m::Scheme;
use crate::secure::{self, ClientSecurity, Session};

/// The number of a channel, which is also that of its stream, if it is one. Never used twice by one meter.
pub(super) type ChannelId = std::num::NonZeroU32;

/// How a channel came to its end.
#[derive(Clone, Copy)]
pub(super) enum Over {
    /// It was never of use.
    Failed(FailureKind, OpenFailed),
    /// It was, until now.
    Closed(client::Closed),
}

impl Over {
    /// Nobody was reached, for this reason.
    pub(super) fn unreached(kind: FailureKind) -> Self {
        Over::Failed(kind, OpenFailed::Unreachable)
    }

    pub(super) fn failed(why: secure::Failure) -> Self {
        // What is wrong with the meter's own credentials is found before anybody is met: no alert was exchanged.
        let alert = if why == secure::Failure::Credentials { None } else { why.alert() };
        Over::Failed(map::handshake_failure(why), OpenFailed::Handshake { alert })
    }
}

/// One channel.
pub(super) struct Channel {
    pub id: ChannelId,
    pub address: SocketAddr,
    pub scheme: Scheme,
    /// Which link it was opened for first: whose handshake it was.
    pub opener: Link,
    /// Of what it was opened with.
    pub fingerprint: u64,
    /// When its session, or before that its stream, was begun.
    pub began: Instant,
    pub engine: Engine,
    /// The session has come up.
    pub connected: bool,
    /// Those who use it know.
    pub announced: bool,
}

/// What a channel is made of.
pub(super) enum Engine {
    /// A stream that is not connected yet, and how its session is to begin.
    Connecting(Box<ClientSecurity>),
    Session(Session),
}

impl Channel {
    pub(super) fn session(&mut self) -> Option<&mut Session> {
        match &mut self.engine {
            Engine::Session(session) => Some(session),
            Engine::Connecting(_) => None,
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        let begun = matches!(self.engine, Engine::Session(_));
        begun && !self.connected && self.scheme.is_secure()
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        match &self.engine {
            Engine::Session(session) => session.poll_timeout(),
            Engine::Connecting(_) => None,
        }
    }

    /// What its end is to those who use it.
    pub(super) fn over(&self, how: secure::Closed) -> Over {
        /// RFC 5246 §7.2.1.
        const CLOSE_NOTIFY: u8 = 0;
        match (how, self.connected) {
            (secure::Closed::Orderly, true) => Over::Closed(client::Closed::Orderly),
            (secure::Closed::Failed(why), true) => {
                Over::Closed(client::Closed::Broken { alert: why.alert() })
            }
            (secure::Closed::Failed(why), false) => Over::failed(why),
            (secure::Closed::Orderly, false) if self.scheme.is_stream() => {
                Over::unreached(FailureKind::ConnectionRefused)
            }
            (secure::Closed::Orderly, false) => Over::failed(secure::Failure::Alert(CLOSE_NOTIFY)),
        }
    }
}
