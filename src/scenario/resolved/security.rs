//! `[security]` with every value in place.

use std::fmt;
use std::net::SocketAddr;

use crate::credentials::{Mode, Share};
use crate::protocol::lwm2m::{Scheme, ServerUri};
use crate::secure::Version;

/// `[security]`: how meters and servers prove who they are, where they are spoken to by `coaps` or `coaps+tcp`.
#[derive(Clone, Debug, PartialEq)]
pub struct Security {
    /// By what; `None` is pre-shared keys for `coaps` and certificates for `coaps+tcp`.
    pub mode: Option<Mode>,
    /// Where the credentials are from.
    pub source: Source,
    /// The file with the certificates by which the ends of a list's credentials know each other.
    pub trust: Option<String>,
    /// Which versions of DTLS and TLS are offered.
    pub version: Version,
    /// /0/x/15, what the certificate in /0/x/4 is to the server's, 0 to 3; `None` for meters of LwM2M 1.0, which
    /// have no such resource and take it for the server's own.
    pub usage: Option<u8>,
    /// /0/x/13, 0 to 3: what stands in /0/x/4, a certificate or a hash of one.
    pub matching_type: u8,
    /// /0/x/14, the name that meters expect in certificates of servers whose URI holds an address.
    pub server_name: Option<Box<str>>,
    /// `[security.bad]`: what is wrong with the credentials of some meters; at most all of them together.
    pub bad: Vec<Share>,
}

impl Security {
    /// How the two ends prove themselves over this scheme; `None` where they do not.
    pub fn mode_over(&self, scheme: Scheme) -> Option<Mode> {
        let usual = if scheme.is_stream() { Mode::X509 } else { Mode::Psk };
        scheme.is_secure().then(|| self.mode.unwrap_or(usual))
    }
}

/// Where the credentials of a run are from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Made for the run, and gone with it.
    RunLocal,
    /// The folder of this name, which `bootstorm provision` wrote.
    Folder(String),
    /// The list of this name.
    List(String),
}

/// Where an embedded server listens. Prints as an address where it is spoken to by `coap`, else as a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenAt {
    /// Over what.
    pub scheme: Scheme,
    /// Where; port 0 is a free one.
    pub address: SocketAddr,
}

impl fmt::Display for ListenAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scheme {
            Scheme::Coap => self.address.fmt(f),
            scheme => ServerUri::at(scheme, self.address).fmt(f),
        }
    }
}
