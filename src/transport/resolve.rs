//! Host names to addresses.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

/// The addresses of `host` (a name or a literal, IPv6 with or without brackets) with `port`, in the
/// order in which the system's resolver prefers them; never empty.
///
/// It blocks, for seconds when a name server is away: call it before a run, not within.
///
/// # Errors
/// That the name is unknown, or that it could not be asked for; the text names the host.
pub fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let mut addresses: Vec<SocketAddr> = (bare, port)
        .to_socket_addrs()
        .map_err(|error| io::Error::new(error.kind(), format!("cannot resolve {host}: {error}")))?
        .collect();
    // The resolver repeats an address for each socket type.
    let mut seen = Vec::new();
    addresses.retain(|address| {
        !seen.contains(address) && {
            seen.push(*address);
            true
        }
    });
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address")));
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_localhost_resolve() {
        assert_eq!(resolve("127.0.0.1", 7).expect("a literal"), ["127.0.0.1:7".parse().expect("address")]);
        for literal in ["::1", "[::1]"] {
            assert_eq!(resolve(literal, 7).expect("a literal"), ["[::1]:7".parse().expect("address")]);
        }
        assert!(resolve("localhost", 7).expect("localhost").iter().all(|address| address.ip().is_loopback()));
    }

    #[test]
    fn an_unknown_host_is_named() {
        // RFC 6761 §6.4: `.invalid` is never a name; a label of 64 characters is none either.
        let host = format!("{}.invalid", "a".repeat(64));
        let error = resolve(&host, 7).expect_err("no such host").to_string();
        assert!(error.contains(&host), "{error}");
    }
}
