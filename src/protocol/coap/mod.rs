//! CoAP (RFC 7252) without sockets: messages, the exchange layer with one peer, block-wise transfer.

mod exchange;
mod message;
mod params;

pub use exchange::{Event, Exchange, Failure, Handle, Noise, Output, Reason, Received, Stat};
pub use message::{Code, ContentFormat, Malformed, Message, Token, Type};
pub use params::Params;
