//! Where a server is, and over what: `coaps://host:port`, as in /0/x/0.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// Over what a server is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// `coap`: UDP (RFC 7252 §6.1).
    #[default]
    Coap,
    /// `coaps`: DTLS over UDP (RFC 7252 §6.2).
    Coaps,
    /// `coap+tcp`: TCP (RFC 8323 §8.1).
    CoapTcp,
    /// `coaps+tcp`: TLS over TCP (RFC 8323 §8.2).
    CoapsTcp,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Scheme; 4] = [Scheme::Coap, Scheme::Coaps, Scheme::CoapTcp, Scheme::CoapsTcp];

    /// As it stands in a URI.
    pub const fn name(self) -> &'static str {
        match self {
            Scheme::Coap => "coap",
            Scheme::Coaps => "coaps",
            Scheme::CoapTcp => "coap+tcp",
            Scheme::CoapsTcp => "coaps+tcp",
        }
    }

    /// The port of a URI that names none.
    pub const fn default_port(self) -> u16 {
        match self {
            Scheme::Coap | Scheme::CoapTcp => 5683,
            Scheme::Coaps | Scheme::CoapsTcp => 5684,
        }
    }

    /// Whether both ends prove who they are.
    pub const fn is_secure(self) -> bool {
        matches!(self, Scheme::Coaps | Scheme::CoapsTcp)
    }

    /// Whether it runs over connections, as a stream of bytes.
    pub const fn is_stream(self) -> bool {
        matches!(self, Scheme::CoapTcp | Scheme::CoapsTcp)
    }

    /// The scheme that a URI begins with, whatever follows.
    pub fn of_uri(uri: &str) -> Option<Self> {
        uri.split_once("://").and_then(|(scheme, _)| Scheme::of(scheme))
    }

    fn of(text: &str) -> Option<Self> {
        Scheme::ALL.into_iter().find(|scheme| scheme.name().eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A server's URI. Prints with its port, also if that is the default one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerUri {
    /// Over what.
    pub scheme: Scheme,
    /// Who.
    pub host: Host,
    /// UDP or TCP port, never 0.
    pub port: u16,
}

/// The host of a URI.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address; not the unspecified one and not a multicast group.
    Ip(IpAddr),
    /// A name in lower case, yet to be resolved.
    Name(String),
}

/// Why a text does not say where a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// No scheme.
    #[error("must be a URI such as \"coap://127.0.0.1:5683\"")]
    Form,
    /// A scheme that is none of [`Scheme`].
    #[error("must begin with coap:// (UDP), coaps:// (DTLS), coap+tcp:// (TCP) or coaps+tcp:// (TLS)")]
    Scheme,
    /// `user@host`.
    #[error("must not name a user")]
    User,
    /// Something after the host and port.
    #[error("must end after the host and port: paths are fixed by LwM2M")]
    Path,
    /// A host that is neither an address nor a name.
    #[error("must name a host: a name, an IPv4 address, or an IPv6 address in brackets such as [::1]")]
    Host,
    /// An address that no server can have.
    #[error("must name the address of one host, not a wildcard or a multicast group")]
    Address,
    /// A port that is none.
    #[error("must give a port between 1 and 65535")]
    Port,
}

impl ServerUri {
    /// The URI of a server at this address, over UDP without security.
    pub fn coap(address: SocketAddr) -> Self {
        ServerUri::at(Scheme::Coap, address)
    }

    /// The URI of a server at this address.
    pub fn at(scheme: Scheme, address: SocketAddr) -> Self {
        ServerUri { scheme, host: Host::Ip(address.ip()), port: address.port() }
    }

    /// The address, where the host is a literal.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.host {
            Host::Ip(ip) => Some(SocketAddr::new(ip, self.port)),
            Host::Name(_) => None,
        }
    }

    /// Whether it surely stays on this machine; a name is not sure before it is resolved.
    pub fn is_loopback(&self) -> bool {
        matches!(self.host, Host::Ip(ip) if ip.to_canonical().is_loopback())
    }
}

impl FromStr for ServerUri {
    type Err = UriError;

    /// Reads scheme, host and port (RFC 7252 §6.1, RFC 3986 §3.2).
    fn from_str(text: &str) -> Result<Self, UriError> {
        let (scheme, rest) = text.split_once("://").ok_or(UriError::Form)?;
        let scheme = Scheme::of(scheme).ok_or(UriError::Scheme)?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err(UriError::Path);
        }
        if authority.contains('@') {
            return Err(UriError::User);
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(bracketed) => {
                let (address, port) = bracketed.split_once(']').ok_or(UriError::Host)?;
                (IpAddr::V6(address.parse::<Ipv6Addr>().map_err(|_| UriError::Host)?).into(), port)
            }
            None => {
                let (name, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
                (name_or_ipv4(name)?, port)
            }
        };
        let port = match port.strip_prefix(':') {
            // A second colon means an IPv6 address without its brackets.
            Some(port) if port.contains(':') => return Err(UriError::Host),
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or(UriError::Port)?,
            None if port.is_empty() => scheme.default_port(),
            None => return Err(UriError::Host),
        };
        if let Host::Ip(ip) = &host
            && (ip.to_canonical().is_unspecified() || ip.to_canonical().is_multicast())
        {
            return Err(UriError::Address);
        }
        Ok(ServerUri { scheme, host, port })
    }
}

fn name_or_ipv4(text: &str) -> Result<Host, UriError> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(IpAddr::V4(address).into());
    }
    // RFC 1123 §2.1; a name that ends in a number is a mistyped address.
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let numeric = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    if numeric || text.len() > 253 || !text.split('.').all(label) {
        return Err(UriError::Host);
    }
    Ok(Host::Name(text.to_ascii_lowercase()))
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Self {
        Host::Ip(ip)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Host::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Host::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for ServerUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn uris_are_read() {
        let cases = [
            ("coap://127.0.0.1:5783", "coap://127.0.0.1:5783"),
            ("coap://127.0.0.1", "coap://127.0.0.1:5683"),
            ("COAP://[::1]/", "coap://[::1]:5683"),
            ("coap://[fd00::5]:61616", "coap://[fd00::5]:61616"),
            ("coap://BS.example.org:5784", "coap://bs.example.org:5784"),
            ("coap://localhost", "coap://localhost:5683"),
            ("coaps://127.0.0.1", "coaps://127.0.0.1:5684"),
            ("coap+tcp://[::1]", "coap+tcp://[::1]:5683"),
            ("COAPS+TCP://ems.example.org", "coaps+tcp://ems.example.org:5684"),
        ];
        for (text, canonical) in cases {
            assert_eq!(text.parse::<ServerUri>().map(|uri| uri.to_string()).as_deref(), Ok(canonical));
        }
    }

    #[test]
    fn what_is_no_place_of_a_server_is_refused_for_its_reason() {
        let cases = [
            ("127.0.0.1:5683", UriError::Form),
            ("", UriError::Form),
            ("http://127.0.0.1", UriError::Scheme),
            ("coap+ws://127.0.0.1", UriError::Scheme),
            ("coap://me@host", UriError::User),
            ("coap://host/bs", UriError::Path),
            ("coap://host?x", UriError::Path),
            ("coap://", UriError::Host),
            ("coap://::1", UriError::Host),
            ("coap://[::1", UriError::Host),
            ("coap://[fe80::1%25eth0]", UriError::Host),
            ("coap://[::1]5683", UriError::Host),
            ("coap://127.0.0.256", UriError::Host),
            ("coap://a..b", UriError::Host),
            ("coap://hört", UriError::Host),
            ("coap://host:0", UriError::Port),
            ("coap://host:", UriError::Port),
            ("coap://host:65536", UriError::Port),
            ("coap://0.0.0.0", UriError::Address),
            ("coap://[ff02::fd]", UriError::Address),
            ("coap://[::ffff:224.0.1.187]", UriError::Address),
        ];
        for (text, why) in cases {
            assert_eq!(text.parse::<ServerUri>(), Err(why), "{text}");
        }
    }

    #[test]
    fn loopback_is_told_from_the_rest() {
        let is_loopback = |text: &str| text.parse::<ServerUri>().expect(text).is_loopback();
        assert!(is_loopback("coap://127.9.9.9") && is_loopback("coap://[::1]"));
        assert!(is_loopback("coap://[::ffff:127.0.0.1]"));
        assert!(!is_loopback("coap://192.0.2.1") && !is_loopback("coap://localhost"));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_parses_prints_as_it_parses(text in "(coaps?(\\+tcp)?://)?[a-z0-9.:@/\\[\\]%é-]{0,20}") {
            if let Ok(uri) = text.parse::<ServerUri>() {
                prop_assert_eq!(uri.to_string().parse(), Ok(uri));
            }
        }
    }
}
