//! Everything a meter or a shard can tell its recorder.

use std::time::Duration;

use super::{
    FailureKind, Leg, ManagementKind, MeterState, NoiseKind, NotificationFate, RequestFate, RequestKind,
    Stage,
};

/// What a meter or a shard tells its recorder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// A meter went from one state to another.
    State {
        /// The state it left.
        from: MeterState,
        /// The state it is in now.
        to: MeterState,
    },
    /// A stage ended.
    Stage {
        /// What was measured.
        stage: Stage,
        /// How long it took; see [`Stage`] for the instants it lies between.
        latency: Duration,
    },
    /// A handshake with a server began: a session was made that has to prove something. It ends as `Handshake`,
    /// `HandshakeFailed` or `HandshakeAbandoned`, or is under way when the run ends.
    HandshakeBegun,
    /// A handshake failed; why is a `Failure`.
    HandshakeFailed,
    /// A handshake was given up by the meter itself.
    HandshakeAbandoned,
    /// A handshake with a server came to a good end; its latency is a `Stage`.
    Handshake {
        /// Flights sent, those sent again not counted.
        flights: u16,
        /// Flights sent again.
        retransmissions: u16,
        /// Bytes sent and received, as UDP or TCP payload.
        bytes: u32,
    },
    /// A flight of a handshake was sent again; its datagrams are also `Sent`.
    FlightRetransmitted,
    /// A request was sent, or its end became known.
    Request {
        /// Which request.
        kind: RequestKind,
        /// What became of it.
        fate: RequestFate,
    },
    /// A request of a server was answered.
    Served {
        /// What it asked for.
        kind: ManagementKind,
        /// Whether the answer's code was one of success.
        success: bool,
    },
    /// An attempt did not succeed.
    Failure(FailureKind),
    /// A notification was sent, or its end became known.
    Notification(NotificationFate),
    /// A datagram meant nothing.
    Noise(NoiseKind),
    /// A datagram was queued for the kernel, retransmissions included.
    Sent {
        /// What it is for.
        leg: Leg,
        /// Bytes of UDP payload.
        bytes: u32,
    },
    /// A datagram was received, duplicates and noise included.
    Received {
        /// What it is for.
        leg: Leg,
        /// Bytes of UDP payload.
        bytes: u32,
    },
    /// A confirmable message was sent again (RFC 7252 §4.2); its datagram, if there was room for it, is also a `Sent`.
    Retransmitted,
    /// A message was received again (RFC 7252 §4.5); its datagram is also a `Received`.
    Duplicate,
    /// A message that might still be received again was forgotten for want of room (RFC 7252 §4.5): were
    /// it to come, it would be taken for a new one.
    DuplicateForgotten,
    /// An arrival became due and was started `late` after its planned instant.
    Started {
        /// Planned instant to start.
        late: Duration,
    },
    /// A datagram was handled `late` after the kernel stamped it.
    Handled {
        /// Kernel timestamp to handling.
        late: Duration,
    },
}
