//! The servers' side of LwM2M: the mirror image of `client`, as sans-IO machines that know many peers.
//!
//! [`BootstrapServer`] walks each device through its sequence, one CON at a time; [`Ems`] keeps the
//! registry, asks devices about themselves as they register, observes them, and tells them what its
//! campaigns say. Both stand on the same table of peers, one message layer per peer. The embedded servers
//! and the simulated world give them datagrams and the time; they never open a socket.

mod bootstrap;
mod counters;
mod desk;
#[cfg(test)]
mod desk_tests;
mod ems;
mod identity;
mod latency;
mod pattern;
mod peers;
mod service;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::base::Instant;

pub use bootstrap::{
    Account, AccountKeys, BootstrapConfig, BootstrapServer, Directory, Initiative, PackAnswer, Patience,
    Plan, RetryTerms, Step, WriteLevel,
};
pub use counters::{BootstrapCounters, Traffic};
pub use desk::DeskCounters;
pub use ems::{
    Action, Ask, Campaign, CampaignCounters, Delivery, Ems, EmsConfig, EmsCounters, Firmware,
    FirmwareCounters, Interview, InterviewCounters, ObservationCounters, Pending, Question, QueueCounters,
    SendCounters,
};
pub use latency::Latencies;

pub use pattern::EndpointPattern;
pub use service::{Manners, Pace, ParseServiceTimeError, Service, ServiceTime, Share};

/// A datagram, or the next bytes of a stream, to be sent. Its `Debug` tells their number: they may hold keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Transmit {
    /// The peer it goes to.
    pub to: SocketAddr,
    /// The server's own address that the peer knows, which it must leave from.
    pub from: IpAddr,
    /// Whether it is to leave from another port than the peer knows: one of the ways a server can misbehave.
    pub other_port: bool,
    /// One whole CoAP message.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Transmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Transmit { to, from, other_port, bytes } = self;
        write!(f, "Transmit({} B from {from} to {to}, other port {other_port})", bytes.len())
    }
}

/// What both servers are to those who give them a network and a clock.
///
/// After each `handle_…`, call `poll_output` until it is empty, then arm one timer for `poll_timeout`.
pub trait Server {
    /// A peer's session has come up, or its stream is connected; what there was of the peer before is over.
    /// `identity` is the endpoint name it has proven to be, where it had to prove anything: it may then go by no
    /// other, and need not give one. Plain datagrams come without.
    fn handle_connected(&mut self, peer: SocketAddr, to: IpAddr, identity: Option<Arc<str>>, now: Instant) {
        let _ = (peer, to, identity, now);
    }
    /// A peer's session or stream is over. Of one that never came up there is nothing to be over.
    fn handle_disconnected(&mut self, peer: SocketAddr, now: Instant) {
        let _ = (peer, now);
    }
    /// The next peer whose session or stream is to be closed.
    fn poll_disconnect(&mut self) -> Option<SocketAddr> {
        None
    }
    /// A datagram came in from a peer, sent to this address of the server's; of a stream, the next bytes, in
    /// whatever pieces.
    fn handle_input(&mut self, from: SocketAddr, to: IpAddr, bytes: &[u8], now: Instant);
    /// Time has passed: does whatever is due.
    fn handle_timeout(&mut self, now: Instant);
    /// The next datagram to be sent.
    fn poll_output(&mut self) -> Option<Transmit>;
    /// When to call `handle_timeout`.
    fn poll_timeout(&self) -> Option<Instant>;
    /// Datagrams and what was found wrong with them.
    fn traffic(&self) -> &Traffic;
}

/// How long after the first of events at so many a second the one with this number (from 0) comes; as long as
/// can be where the rate is next to nothing.
fn behind(number: u64, per_second: f64) -> Duration {
    Duration::try_from_secs_f64(number as f64 / per_second).unwrap_or(Duration::MAX)
}

/// The earlier of two instants, where there are any.
fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
