//! UDP in batches: sockets for a shard of meters, each with its own source, and for embedded servers.

mod batch;
mod family;
mod lane;
mod meters;
mod open;
mod outbox;
mod server;
mod sources;
mod tally;

pub use batch::MAX_DATAGRAM;
pub use meters::{Datagram, LocalAddresses, MeterSockets, MeterSocketsConfig};
pub use open::{OpenError, ReceiveBuffer};
pub use server::{ServerBinding, ServerConfig, ServerDatagram, ServerSocket};
pub use sources::Numbering;
pub use tally::{SendError, SendErrorKind, SendFailure, UdpCounters};

#[cfg(test)]
mod tests;
