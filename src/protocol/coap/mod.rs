//! CoAP (RFC 7252) without sockets: messages, the exchange layer with one peer, block-wise transfer
//! (RFC 7959), observing (RFC 7641), all of it over datagrams or streams (RFC 8323).
//!
//! [`Exchange`] is the front: a request goes in, a response or a failure comes out, and whatever the
//! network does in between (loss, duplicates, reordering, bodies in blocks) stays inside. It never opens
//! a socket, reads a clock or draws randomness it was not given.

mod answering;
mod asking;
mod block;
mod bodies;
mod codec;
mod dedup;
mod event;
mod exchange;
mod header;
mod message;
mod notifying;
mod observing;
mod option_list;
mod options;
mod outgoing;
mod params;
mod relations;
mod stream;
mod transfer;
mod transmission;
mod words;

#[cfg(test)]
mod tests;

pub use block::Block;
pub use codec::Malformed;
pub use event::{Event, Failure, Handle, Leave, Noise, Notified, Output, Progress, Reason, Received, Stat};
pub use exchange::{Exchange, Transport};
pub use header::{Code, Token, Type};
pub use message::{ContentFormat, Message};
pub use params::{Params, ParamsError};
pub use words::{StreamWords, datagram_in_words};
