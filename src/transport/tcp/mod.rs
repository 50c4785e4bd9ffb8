//! Streams over TCP: connections for a shard of meters, each from its meter's own address, and for
//! embedded servers.
//!
//! Both ends are a [`table`] of connections behind one epoll instance, under names of their own: a meter's
//! streams are named by its slot and number, a server's by the peer's address.

mod counters;
mod meters;
mod open;
mod server;
mod table;

use std::fmt;
use std::time::Duration;

pub use counters::TcpCounters;
pub use meters::{MeterStreams, MeterStreamsConfig, StreamEvent};
pub use server::{ServerStreamEvent, ServerStreams, StreamBinding, StreamConfig};

/// What happened to a stream. Its `Debug` tells how many bytes came in: there may be keys in them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum StreamChange<'a> {
    /// It is connected, or was accepted.
    Opened,
    /// The next bytes came in, at least one.
    Data(&'a [u8]),
    /// The peer will send no more; it may still be written to.
    Ended,
    /// It could not be connected, or was torn down: by the peer, by the network, or because the peer does
    /// not read. Nothing of it is heard any more.
    Broken,
}

impl fmt::Debug for StreamChange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StreamChange::Opened => f.write_str("Opened"),
            StreamChange::Data(bytes) => write!(f, "Data({} B)", bytes.len()),
            StreamChange::Ended => f.write_str("Ended"),
            StreamChange::Broken => f.write_str("Broken"),
        }
    }
}

/// How long, and how much, is waited for on one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// How long a peer may leave a connection, or what was sent to it, unacknowledged until the stream counts
    /// as broken, and how long it may refuse to take more. Milliseconds are the finest that counts.
    pub patience: Duration,
    /// How long after it was closed a stream may take to send the rest and to hear that the peer closes it,
    /// too.
    pub linger: Duration,
    /// Bytes that may wait for the kernel to take them. One byte more, and the stream counts as broken.
    pub unsent: usize,
}

impl Default for StreamLimits {
    /// 20 s, 5 s, 256 KiB.
    fn default() -> Self {
        StreamLimits { patience: Duration::from_secs(20), linger: Duration::from_secs(5), unsent: 256 << 10 }
    }
}

#[cfg(test)]
mod tests;
