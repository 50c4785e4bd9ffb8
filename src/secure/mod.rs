//! Sessions between what is said and what is on the wire: none, DTLS and TLS behind one sans-IO shape.
//!
//! [`Session`] is the client's end of one way; [`Listener`] is the server's end of all of them. The rest of the
//! program does not know which kind it holds, so that a second engine can be put beside the first. What proves who
//! somebody is ([`Psk`], [`Certificate`]) and how a certificate is judged ([`CertificateFault`]) live here too.
//!
//! This room never opens a socket or a file, and is told the time. The engines draw their key material from the
//! operating system: a session is the one thing that is not the same twice.

mod credentials;
mod dtls;
mod failure;
mod listener;
mod session;
mod tls;
pub mod verify;

pub use credentials::{Certificate, ClientSecurity, Psk, Secret, Trust, Usage};
pub use failure::{CertificateFault, Closed, Failure};
pub use listener::{
    Identities, Identity, Listener, ListenerConfig, ListenerCounters, ListenerOutput, ServerSecurity,
};
pub use session::{Handshake, Options, Output, Session, Version};
