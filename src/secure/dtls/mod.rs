//! DTLS: both ends of its sessions, and the server's table of them.
//!
//! ```text
//!   Session -> Client --\                        wire: what can be read without a key
//!                        End -> trait Engine <- dimpl_engine, provider
//!   Listener -> Table --/                        cookies: whether a peer is where it says it is
//! ```
//!
//! Only `dimpl_engine`, `keys` and `provider` know which engine there is. A second one implements `Engine` and is chosen
//! where `dimpl_engine` is.

mod client;
mod cookies;
mod dimpl_engine;
mod end;
mod engine;
mod keys;
mod provider;
mod table;
mod unverified;
mod wire;

pub(super) use client::Client;
pub(super) use table::Table;

#[cfg(test)]
mod tests;
