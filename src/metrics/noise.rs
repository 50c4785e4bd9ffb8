//! Datagrams that mean nothing to the meter that gets them.

use super::closed::closed_enum;

closed_enum! {
    /// Why a datagram was dropped (or merely answered by RST); its name is the key under `noise`.
    pub enum NoiseKind {
        /// Not a CoAP message (RFC 7252 §3).
        Malformed = "malformed",
        /// An acknowledgement of nothing that is outstanding.
        UnmatchedAck = "unmatched-ack",
        /// A response whose token belongs to no request.
        UnmatchedResponse = "unmatched-response",
        /// A Reset of nothing that is outstanding.
        UnmatchedReset = "unmatched-reset",
        /// An empty confirmable message, answered by RST (RFC 7252 §4.3).
        Ping = "ping",
        /// From an address that is none of the meter's servers, or to one that is no meter.
        UnknownSource = "unknown-source",
        /// Longer than the receive buffer; the kernel cut it.
        Truncated = "truncated",
        /// Well formed, and not something that fits the meter's state.
        Unexpected = "unexpected",
        /// Came while the meter slept (queue mode), and was lost.
        Asleep = "asleep",
    }
}
