//! What goes wrong between a meter and a server, as pure values: the same code spoils a simulated
//! network and, at the transport's gate, a live one.

mod link;

pub use link::{Arrivals, Link, LinkFaults};
