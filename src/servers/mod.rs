//! The embedded servers: `protocol::server` machines, each behind a socket, with the sessions of its peers in
//! between ([`secured`]), and on threads of its own.
//!
//! They are started by a run that has no servers elsewhere, or by themselves for a fleet in another
//! process. They listen on loopback unless told otherwise.

mod counts;
mod door;
mod embedded;
mod place;
pub mod secured;
mod worker;

pub use counts::{BootstrapCounts, EmsCounts, ServerCounts};
pub use embedded::{Embedded, EmbeddedConfig, Final, Listen, ServersError};
pub use secured::{Secured, SecuredOutput};
