//! What each meter of a fleet has for each of its servers, and what those have to know the meters.

mod answer;
mod make;

use std::fmt;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{Faults, Master, Names};
use crate::secure::{Certificate, Psk, Secret};

pub(super) use make::{Maker, Material, ServerMaterial, shared_identity, spoil};

/// Which of a meter's servers credentials are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The Bootstrap-Server.
    Bootstrap,
    /// The LwM2M server with this Short Server ID.
    Server(u16),
}

impl fmt::Display for Role {
    /// `bootstrap`, or the Short Server ID.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Role::Bootstrap => f.write_str("bootstrap"),
            Role::Server(id) => write!(f, "{id}"),
        }
    }
}

impl Role {
    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "bootstrap" => Some(Role::Bootstrap),
            id => id.parse().ok().filter(|id| (1..u16::MAX).contains(id)).map(Role::Server),
        }
    }
}

/// How the two ends prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By a key both have (Security Mode 0).
    Psk,
    /// By certificates (Security Mode 2).
    X509,
}

impl Mode {
    /// As scenarios and lists call it.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Psk => "psk",
            Mode::X509 => "x509",
        }
    }
}

/// What a fleet and its servers need credentials for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The meters.
    pub names: Names,
    /// The servers that are spoken to in security.
    pub servers: Vec<WantedServer>,
    /// What is to be wrong with some of the meters' credentials.
    pub faults: Option<Faults>,
    /// Now, in seconds since 1970-01-01 UTC: what certificates are valid around.
    pub now: u64,
}

/// A server that is spoken to in security.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedServer {
    /// Which.
    pub role: Role,
    /// How.
    pub mode: Mode,
    /// Whether the program starts it: then it needs a certificate, where meters have some.
    pub embedded: bool,
    /// The names and addresses it is met under: its certificate must carry them all.
    pub names: Vec<String>,
    /// /0/x/15, what the certificate in /0/x/4 is to the server's: 0 to 3. A meter of LwM2M 1.0 has no such
    /// resource, nor the two below.
    pub usage: Option<u8>,
    /// /0/x/13, what stands in /0/x/4: 0 a certificate, 1 its SHA-256, 2 its SHA-384, 3 its SHA-512.
    pub matching_type: u8,
    /// /0/x/14, the name meters expect where the server's URI holds an address.
    pub server_name: Option<Box<str>>,
}

/// The credentials of one fleet. Cheap where keys are derived; some 640 bytes for each meter and server where
/// there are certificates.
#[derive(Clone)]
pub struct Store {
    names: Names,
    parties: Arc<[Party]>,
    faults: Option<Faults>,
}

/// Everything for one server.
struct Party {
    wanted: WantedServer,
    keys: Keys,
}

/// The keys of all meters for one server.
enum Keys {
    /// Derived from a secret; the endpoint name is the identity as well.
    Derived(Master),
    /// Out of a list, by the numbers of the meters.
    Listed { by_number: Vec<Psk>, by_identity: FxHashMap<Box<[u8]>, u32> },
    /// Certificates, by the numbers of the meters.
    Certificates {
        own: Vec<Own>,
        /// What goes into /0/x/4.
        trust: Arc<[u8]>,
        /// The server's own, if it is known.
        server: Option<Certificate>,
        /// What the server trusts.
        anchors: Vec<Arc<[u8]>>,
        /// What may stand between an anchor and a meter's certificate.
        intermediates: Vec<Arc<[u8]>>,
    },
}

/// The certificate of one meter.
#[derive(Clone)]
pub(super) struct Own {
    pub certificate: Arc<[u8]>,
    pub key: Secret,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({} meters, {} servers)", self.names.meters(), self.parties.len())
    }
}

impl PartialEq for Store {
    /// Whether it is the same store: keys are not compared.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.parties, &other.parties)
    }
}

#[cfg(test)]
mod tests;
