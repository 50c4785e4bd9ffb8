//! What a meter's datagrams are for, as far as a registration's cost has to be told from the rest.

use super::closed::closed_enum;

closed_enum! {
    /// The leg of a meter's life that a datagram belongs to.
    pub enum Leg {
        /// To and from Bootstrap-Servers.
        Bootstrap = "bootstrap",
        /// To and from an EMS while the meter has no registration yet: Registers and their answers.
        Register = "register",
        /// Everything after that.
        Other = "other",
    }
}

/// The datagrams of one leg, as the meters saw them: retransmissions, duplicates and noise included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LegTraffic {
    /// Datagrams sent.
    pub sent: u64,
    /// Bytes of UDP payload sent.
    pub sent_bytes: u64,
    /// Datagrams received.
    pub received: u64,
    /// Bytes of UDP payload received.
    pub received_bytes: u64,
}

impl LegTraffic {
    pub(super) fn merge(&mut self, other: &LegTraffic) {
        self.sent += other.sent;
        self.sent_bytes += other.sent_bytes;
        self.received += other.received;
        self.received_bytes += other.received_bytes;
    }
}
