//! Ways over streams, both ends: TLS (RFC 5246, RFC 8446) by rustls, and plain TCP, where there is nothing to do.
//!
//! rustls is used without its buffers, so that an idle session holds none: it takes about 4.4 KB of memory at either
//! end, of which most are the keys. Whoever holds a stream feeds in what
//! came, in whatever pieces, and writes what is to be transmitted, in order. There is no resumption: every
//! handshake is a full one. Without certificates there is no TLS: keys shared beforehand are for DTLS alone.
//!
//! ALPN is `coap` (RFC 8323 §8.2): always offered by the client, and refused by the server where a client offers
//! only others (no_application_protocol). A peer that does not negotiate at all is taken to mean CoAP, which that
//! section allows on port 5684 only: which port this is, a session is not told.

mod client;
mod config;
mod engine;
mod judge;
mod provider;
mod streams;

#[cfg(test)]
mod tests;

pub(super) use client::Client;
pub(super) use streams::Streams;
