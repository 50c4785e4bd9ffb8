//! What proves who somebody is. The `Debug` of all of it tells lengths.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// A key that must not be seen. Overwritten when it is let go of.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Box<[u8]>>);

impl Secret {
    /// Takes over these bytes.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Self {
        Secret(Zeroizing::new(bytes.into()))
    }

    /// The key itself, for the engine that needs it.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} B)", self.0.len())
    }
}

/// A pre-shared key and which it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Psk {
    /// Which key: at most 128 bytes (LwM2M Transport §5.2.9.1).
    pub identity: Box<[u8]>,
    /// The key: at most 64 bytes.
    pub key: Secret,
}

impl fmt::Debug for Psk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Psk(identity {} B, {:?})", self.identity.len(), self.key)
    }
}

/// A certificate with its private key.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate (DER), and after it those that lead from it to the trust anchor, if any.
    pub chain: Vec<Arc<[u8]>>,
    /// Its private key (PKCS#8, DER).
    pub key: Secret,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate(chain of {}, {:?})", self.chain.len(), self.key)
    }
}

/// What the certificate of the Security object is to the server's (/0/x/15; RFC 6698 §2.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Usage {
    /// 0, CA constraint: the server's chain must lead to a trusted root, and through this certificate.
    CaConstraint,
    /// 1, service certificate constraint: as 0, and the server's own certificate is this one.
    ServiceConstraint,
    /// 2, trust anchor assertion: the server's chain must lead to this certificate.
    TrustAnchor,
    /// 3, domain-issued: the server's certificate is this one, whatever its chain, name and dates.
    #[default]
    DomainIssued,
}

/// By what a client knows its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// /0/x/4: a certificate (DER), or the hash of one where `matching_type` is not 0.
    pub certificate: Arc<[u8]>,
    /// /0/x/15.
    pub usage: Usage,
    /// /0/x/13: 0 the certificate itself, 1 its SHA-256, 2 its SHA-384, 3 its SHA-512.
    pub matching_type: u8,
    /// The name the server's certificate must carry: the URI's host, or /0/x/14.
    pub name: Box<str>,
}

/// How a client and its server are to prove who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientSecurity {
    /// Not at all.
    None,
    /// By a key both have.
    Psk(Psk),
    /// By certificates.
    Certificate {
        /// The client's own.
        own: Certificate,
        /// By what it knows the server.
        trust: Trust,
    },
}
