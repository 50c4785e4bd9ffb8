//! What a DTLS engine is to this room: one session, sans-IO.

use std::time::Duration;

use super::super::{Failure, Identity};
use crate::base::Instant;

/// One end of one DTLS session. After each call it is polled until it is [`Event::Idle`]. After a fault it is
/// polled once more for what it wants sent, and not called in any other way.
pub(super) trait Engine: Send {
    /// A datagram came in.
    fn handle_input(&mut self, datagram: &[u8], now: Instant) -> Result<(), Fault>;
    /// Time has passed.
    fn handle_timeout(&mut self, now: Instant) -> Result<(), Fault>;
    /// Says this to the peer: at most [`LONGEST_MESSAGE`] bytes, after [`Event::Connected`].
    fn send(&mut self, bytes: &[u8]) -> Result<(), Fault>;
    /// Says close_notify, where there is somebody to say it to.
    fn close(&mut self) -> Result<(), Fault>;
    /// What is to be done next.
    fn poll(&mut self) -> Event;
}

/// The longest message a record may carry (RFC 6347 §4.1.1, RFC 5246 §6.2.1), in bytes.
pub(super) const LONGEST_MESSAGE: usize = 1 << 14;

/// What an engine wants done or known.
pub(super) enum Event {
    /// Send this datagram.
    Transmit(Vec<u8>),
    /// This is the peer's certificate (DER), not looked at in any way. Comes before `Connected`.
    PeerCertificate(Vec<u8>),
    /// The peer has named itself, without having proven it: the endpoint its identity stands for, `None` if
    /// nobody has it. Comes before `Connected`, for a server with pre-shared keys.
    Named(Option<Identity>),
    /// The handshake is over. What is to be sent for it may still follow.
    Connected,
    /// The peer said this.
    Received(Vec<u8>),
    /// The peer said close_notify.
    CloseNotify,
    /// Nothing for now; call `handle_timeout` then, if there is a time.
    Idle(Option<Instant>),
}

/// Why an engine gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A reason that its peer can be told, or has told.
    Failure(Failure),
    /// A reason that the engine tells its peer by itself: what can be polled.
    Said(Failure),
    /// What the peer has protected cannot be read: it has other keys.
    OtherKeys,
}

/// Deadlines further off than this are none: engines that have nothing to wait for say so.
pub(super) const FAR: Duration = Duration::from_secs(365 * 86_400);
