//! What handshakes cost.

/// What handshakes cost, as the meters saw them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HandshakeCounts {
    /// Handshakes begun.
    pub begun: u64,
    /// Handshakes that came to a good end.
    pub completed: u64,
    /// Handshakes that failed.
    pub failed: u64,
    /// Handshakes the meters gave up.
    pub abandoned: u64,
    /// Flights sent by those that came to a good end, those sent again not counted.
    pub flights: u64,
    /// Flights they sent again.
    pub retransmissions: u64,
    /// Bytes they sent and received, as UDP or TCP payload.
    pub bytes: u64,
    /// Flights sent again, those of handshakes that failed or are under way included.
    pub flights_again: u64,
}

impl HandshakeCounts {
    pub(super) fn merge(&mut self, other: &HandshakeCounts) {
        self.begun += other.begun;
        self.completed += other.completed;
        self.failed += other.failed;
        self.abandoned += other.abandoned;
        self.flights += other.flights;
        self.retransmissions += other.retransmissions;
        self.bytes += other.bytes;
        self.flights_again += other.flights_again;
    }
}
