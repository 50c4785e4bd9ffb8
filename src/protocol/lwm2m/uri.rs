//! Server URIs as LwM2M writes them in /0/x/0.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// The scheme of a server URI that this program can speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `coap`: CoAP over UDP without security, port 5683 (RFC 7252 §6.1).
    Coap,
}

impl Scheme {
    /// The port used where the URI names none.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Coap => 5683,
        }
    }
}

/// The host part of a server URI.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address literal: nothing to resolve.
    Ip(IpAddr),
    /// A name, to be resolved by whoever owns the network.
    Name(Box<str>),
}

/// A server URI: scheme, host and port; LwM2M gives it no path and no query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerUri {
    /// How to speak to the server.
    pub scheme: Scheme,
    /// Where it is.
    pub host: Host,
    /// UDP port, 1..=65535.
    pub port: u16,
}

impl ServerUri {
    /// `coap://` to this address.
    pub fn coap(address: SocketAddr) -> Self {
        ServerUri { scheme: Scheme::Coap, host: Host::Ip(address.ip()), port: address.port() }
    }

    /// The address, where the host is a literal.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.host {
            Host::Ip(ip) => Some(SocketAddr::new(ip, self.port)),
            Host::Name(_) => None,
        }
    }
}

/// Why a server URI cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// There is no `scheme://` in front.
    #[error("has no scheme; write it as coap://host:port")]
    NoScheme,
    /// A scheme this program does not speak.
    #[error("has the scheme `{0}`; only coap (CoAP over UDP without security) is supported so far")]
    Scheme(String),
    /// Something stands behind host and port.
    #[error("has a path, query or user part, which a LwM2M server URI does not have; write coap://host:port")]
    Extra,
    /// The host is missing or malformed.
    #[error("has no valid host; write a name, an IPv4 address, or an IPv6 address in brackets")]
    Host,
    /// The port is not a number from 1 to 65535.
    #[error("has no valid port; it must be from 1 to 65535")]
    Port,
}

impl FromStr for ServerUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let (scheme, rest) = text.split_once("://").ok_or(UriError::NoScheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "coap" => Scheme::Coap,
            _ => return Err(UriError::Scheme(scheme.chars().take(20).collect())),
        };
        // A lone trailing slash is the empty path that generic URI tools add.
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@']) {
            return Err(UriError::Extra);
        }
        let (host, port) = split_port(authority)?;
        let port = match port {
            None => scheme.default_port(),
            Some(digits) => match digits.parse::<u16>() {
                Ok(port) if port > 0 && digits.bytes().all(|b| b.is_ascii_digit()) => port,
                _ => return Err(UriError::Port),
            },
        };
        Ok(ServerUri { scheme, host: parse_host(host)?, port })
    }
}

/// Splits `host:port`, where a host in brackets may itself hold colons.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), UriError> {
    if let Some(inner) = authority.strip_prefix('[') {
        let (literal, behind) = inner.split_once(']').ok_or(UriError::Host)?;
        // Kept with its opening bracket cut off; `parse_host` tells it by the colon.
        return match behind {
            "" => Ok((literal, None)),
            _ => behind.strip_prefix(':').map(|port| (literal, Some(port))).ok_or(UriError::Host),
        };
    }
    match authority.split_once(':') {
        None => Ok((authority, None)),
        Some((_, port)) if port.contains(':') => Err(UriError::Host),
        Some((host, port)) => Ok((host, Some(port))),
    }
}

fn parse_host(host: &str) -> Result<Host, UriError> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(Host::Ip(ip));
    }
    let label_byte = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let labels_fit = host.trim_end_matches('.').split('.').all(|label| {
        (1..=63).contains(&label.len()) && label.bytes().all(label_byte)
    });
    // All digits and dots, yet no address: "127.0.0.300" is a mistake, not a name.
    let numeric = host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if host.is_empty() || host.len() > 253 || !labels_fit || numeric {
        return Err(UriError::Host);
    }
    Ok(Host::Name(host.to_ascii_lowercase().into()))
}

impl fmt::Display for ServerUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Coap => "coap",
        };
        match &self.host {
            Host::Ip(IpAddr::V4(ip)) => write!(f, "{scheme}://{ip}:{}", self.port),
            Host::Ip(IpAddr::V6(ip)) => write!(f, "{scheme}://[{ip}]:{}", self.port),
            Host::Name(name) => write!(f, "{scheme}://{name}:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in ["coap://127.0.0.1:5683", "coap://[::1]:5783", "coap://ems.example:1"] {
            assert_eq!(text.parse::<ServerUri>().map(|uri| uri.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn fills_in_the_default_port_and_forgives_one_slash() {
        assert_eq!("coap://[::1]/".parse::<ServerUri>().map(|uri| uri.port), Ok(5683));
        assert_eq!("coap://EMS.example".parse::<ServerUri>().map(|uri| uri.to_string()), Ok("coap://ems.example:5683".into()));
    }

    #[test]
    fn says_what_is_wrong() {
        let error = |text: &str| text.parse::<ServerUri>().unwrap_err();
        assert_eq!(error("127.0.0.1:5683"), UriError::NoScheme);
        assert_eq!(error("coaps://h"), UriError::Scheme("coaps".into()));
        assert_eq!(error("coap://h/rd"), UriError::Extra);
        assert_eq!(error("coap://u@h"), UriError::Extra);
        assert_eq!(error("coap://h:0"), UriError::Port);
        assert_eq!(error("coap://h:65536"), UriError::Port);
        assert_eq!(error("coap://h:+1"), UriError::Port);
        assert_eq!(error("coap://::1"), UriError::Host);
        assert_eq!(error("coap://127.0.0.300"), UriError::Host);
        assert_eq!(error("coap://"), UriError::Host);
        assert_eq!(error("coap://[::1]5"), UriError::Host);
    }
}
