//! What an exchange tells its owner, in closed enums that can be counted by.

use std::fmt;
use std::time::Duration;

use super::codec::Malformed;
use super::header::{Code, Token};
use super::message::Message;
use crate::base::Instant;

/// One request given to [`Exchange::request`](super::Exchange::request), one observation or one notification.
/// Unique within its exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handle(pub u32);

/// A request from the peer, whole (blocks already put together), to be answered by
/// [`Exchange::respond`](super::Exchange::respond).
#[derive(Debug)]
pub struct Received {
    /// The request.
    pub message: Message,
    /// Whether this is a duplicate of a request that was answered before and, being idempotent, may be
    /// handled again (RFC 7252 §4.5). Answer it like the first.
    pub repeated: bool,
}

/// What an exchange wants done. Its `Debug` tells the length of a datagram, not its bytes.
pub enum Output {
    /// Send this datagram to the peer; or write these bytes to its stream, a message or signal each time.
    Send(Vec<u8>),
    /// Take note of this.
    Event(Event),
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Output::Send(datagram) => write!(f, "Send({} B)", datagram.len()),
            Output::Event(event) => write!(f, "Event({event:?})"),
        }
    }
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// Answer it with [`Exchange::respond`](super::Exchange::respond), now or later: an Empty acknowledgement goes out by itself
    /// if it is not answered within [`Params::separate_ack_delay`](super::Params::separate_ack_delay).
    Request(Received),
    /// A request of ours was answered, by whatever code.
    Response {
        /// Which request.
        handle: Handle,
        /// The response, its body put together.
        message: Message,
        /// When the request was first sent (of a block-wise one: its first block).
        sent: Instant,
        /// Datagrams sent for it, retransmissions and all blocks included.
        transmissions: u32,
    },
    /// A request of ours will not be answered.
    Failed {
        /// Which request.
        handle: Handle,
        /// Why.
        why: Failure,
    },
    /// News of an observation of ours ([`Exchange::observe`](super::Exchange::observe)).
    Notification {
        /// Which observation.
        handle: Handle,
        /// The notification, its body put together: class 2, with its Observe value. Of one in blocks that is
        /// not fresh: the first block alone.
        message: Message,
        /// Whether it is newer than all that came before (RFC 7641 §3.4). One that is not was overtaken on
        /// the way.
        fresh: bool,
    },
    /// The rest of a notification in blocks could not be fetched; the observation goes on.
    NotificationLost {
        /// Which observation.
        handle: Handle,
        /// Why; [`Failure::Abandoned`] if a fresher one came meanwhile.
        why: Failure,
    },
    /// The peer ended an observation of ours: by a notification of class 4 or 5, by one without Observe (which
    /// is told before), or because we had to reset one.
    ObservationEnded {
        /// Which observation.
        handle: Handle,
        /// The code of that notification.
        code: Code,
    },
    /// A notification of ours ([`Exchange::notify`](super::Exchange::notify)) has ended.
    Notified {
        /// Which notification.
        handle: Handle,
        /// The token of its observation.
        token: Token,
        /// How.
        outcome: Notified,
    },
    /// Something came in that belongs to nothing, and was dropped.
    Noise(Noise),
    /// Something worth counting.
    Stat(Stat),
    /// The peer is about to leave, or has to be left: streams only (RFC 8323 §5).
    Leave(Leave),
}

/// Why a stream is to be closed by its owner. Requests that are still under way fail then, see
/// [`Exchange::lost`](super::Exchange::lost).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// The peer sent a Release (§5.5): it may be connected to again after this time.
    Released {
        /// Hold-Off, whole seconds; zero where there is none.
        hold_off: Duration,
    },
    /// The peer sent an Abort (§5.6).
    Aborted,
    /// The peer broke the framing, sent a signal that cannot be borne, or nothing at all when it should have (its
    /// CSM, or anything after a [ping](super::Exchange::ping)): it was sent an Abort.
    Broken,
}

/// How a notification of ours ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Notified {
    /// The observer has it.
    Acknowledged,
    /// The observer wants no more of them: it is to be taken off the list (RFC 7641 §4.5.3).
    Reset,
    /// The observer never acknowledged: it is to be taken off the list (RFC 7641 §4.5.2).
    TimedOut,
    /// A newer one for the same observer took its place (RFC 7641 §4.5.2).
    Superseded,
    /// [`Exchange::abandon`](super::Exchange::abandon).
    Abandoned,
}

/// Why a request was not answered. Every request ends in one [`Event::Response`] or one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// No acknowledgement after the last retransmission, no response within EXCHANGE_LIFETIME after
    /// an Empty acknowledgement (over a stream: after the request), or none to a Non-confirmable request within
    /// MAX_RTT.
    Timeout,
    /// The peer sent a Reset.
    Reset,
    /// The stream it was sent on is gone ([`Exchange::lost`](super::Exchange::lost)).
    Lost,
    /// [`Exchange::abandon`](super::Exchange::abandon).
    Abandoned,
    /// The block-wise transfer broke: by the response with this code, or, with 4.13, because the body is
    /// larger than [`Params::max_body`](super::Params::max_body) or block numbers allow.
    Blockwise(Code),
}

/// What came in and was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Noise {
    /// Not a CoAP message; a Confirmable one was rejected with a Reset (RFC 7252 §4.2), a stream with an Abort
    /// (RFC 8323 §5.6).
    Malformed(Malformed),
    /// A message with a critical option that is not recognised: a Confirmable request was answered with
    /// 4.02, a Confirmable response was reset, others were dropped (RFC 7252 §5.4.1).
    CriticalOption,
    /// An acknowledgement of nothing that waits for one; often a late duplicate.
    UnmatchedAck,
    /// A response to nothing that waits for one; a Confirmable one was reset. Over a stream also a notification
    /// of an observation that was forgotten.
    UnmatchedResponse,
    /// A Reset of nothing that could be reset.
    UnmatchedReset,
    /// A Confirmable Empty message, answered with a Reset (RFC 7252 §4.3).
    Ping,
}

/// What is worth counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stat {
    /// A Confirmable message was sent again; the datagram follows.
    Retransmitted,
    /// A duplicate came in.
    Duplicate,
    /// A message was forgotten early to make room: its duplicate would not be recognised.
    DedupEvicted,
    /// A separate response was reset by the peer.
    ResponseReset,
    /// A separate response was never acknowledged, and given up; or the stream that a request came by was gone
    /// before it was answered.
    ResponseUnacknowledged,
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A Confirmable message is sent again or given up.
    Retransmit,
    /// The response to an acknowledged or Non-confirmable request is no longer awaited, or no longer holds
    /// back other requests.
    AwaitResponse,
    /// A request of the peer must be acknowledged though its answer is not ready.
    SeparateAck,
    /// Memory of past messages, or of a body, is given back.
    Forget,
    /// A queued request can start, because another was abandoned.
    Start,
}

/// How a request of ours is getting on, for showing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Datagrams sent for it so far.
    pub transmissions: u32,
    /// When it is sent again or given up; `None` while it waits for its turn.
    pub next: Option<Instant>,
    /// Whether the peer acknowledged it and the response will come separately.
    pub acknowledged: bool,
}
