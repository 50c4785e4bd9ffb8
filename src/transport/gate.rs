//! The one gate that every destination passes: a run stays on this machine unless it was told otherwise.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Decides which destinations may be sent to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gate {
    /// Whether destinations off this machine's loopback interface are allowed.
    pub allow_remote: bool,
}

impl Gate {
    /// Whether a datagram may go to `destination`: a few compares, so it is asked for every one.
    ///
    /// # Errors
    /// [`Refused`] if the destination is not loopback and `allow_remote` is not set, and, whatever is
    /// set, if nobody in particular can be reached there: port 0, an unspecified, multicast or broadcast
    /// address.
    pub fn check(self, destination: SocketAddr) -> Result<(), Refused> {
        let because = if destination.port() == 0 {
            Why::PortZero
        } else {
            // ::ffff:127.0.0.1 is 127.0.0.1 on the wire (RFC 4291 §2.5.5.2).
            match destination.ip().to_canonical() {
                ip if ip.is_unspecified() => Why::Unspecified,
                ip if ip.is_multicast() => Why::Multicast,
                IpAddr::V4(ip) if is_broadcast(ip) => Why::Broadcast,
                ip if ip.is_loopback() || self.allow_remote => return Ok(()),
                _ => Why::Remote,
            }
        };
        Err(Refused { destination, because })
    }
}

/// The limited broadcast address, and that of 127.0.0.0/8. Other networks' masks are not known here: the
/// kernel refuses their broadcasts, since no socket asks for `SO_BROADCAST`.
fn is_broadcast(ip: Ipv4Addr) -> bool {
    ip.is_broadcast() || ip == Ipv4Addr::new(127, 255, 255, 255)
}

/// A destination that the gate refused, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Where the datagram was to go.
    pub destination: SocketAddr,
    /// What is wrong with that.
    pub because: Why,
}

/// Why a destination is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// It is not a loopback address, and the scenario does not allow others.
    Remote,
    /// Port 0 is no port.
    PortZero,
    /// 0.0.0.0 or ::.
    Unspecified,
    /// A multicast group.
    Multicast,
    /// A broadcast address.
    Broadcast,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.because {
            Why::Remote => "it is not a loopback address; `allow_remote = true` would allow it",
            Why::PortZero => "nothing listens on port 0",
            Why::Unspecified => "it is an unspecified address",
            Why::Multicast => "it is a multicast address",
            Why::Broadcast => "it is a broadcast address",
        };
        write!(f, "refused to send to {}: {what}", self.destination)
    }
}

impl std::error::Error for Refused {}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(destination: &str, allow_remote: bool) -> Option<Why> {
        let destination = destination.parse().expect("an address");
        Gate { allow_remote }.check(destination).err().map(|refused| refused.because)
    }

    #[test]
    fn only_loopback_passes_unless_told_otherwise() {
        for local in ["127.0.0.1:5683", "127.255.3.4:1", "[::1]:5683", "[::ffff:127.9.9.9]:5683"] {
            assert_eq!(why(local, false), None, "{local}");
            assert_eq!(why(local, true), None, "{local}");
        }
        for remote in ["192.0.2.1:5683", "126.255.255.255:1", "128.0.0.1:1", "[2001:db8::1]:5683", "[::2]:1"]
        {
            assert_eq!(why(remote, false), Some(Why::Remote), "{remote}");
            assert_eq!(why(remote, true), None, "{remote}");
        }
        // An IPv4 address in IPv6 clothes is judged as what it is; a compatible one (deprecated) is remote.
        assert_eq!(why("[::ffff:192.0.2.1]:5683", false), Some(Why::Remote));
        assert_eq!(why("[::127.0.0.1]:5683", false), Some(Why::Remote));
    }

    #[test]
    fn nobody_in_particular_is_never_sent_to() {
        for (destination, because) in [
            ("127.0.0.1:0", Why::PortZero),
            ("0.0.0.0:5683", Why::Unspecified),
            ("[::]:5683", Why::Unspecified),
            ("[::ffff:0.0.0.0]:5683", Why::Unspecified),
            ("224.0.1.187:5683", Why::Multicast),
            ("[ff02::fd]:5683", Why::Multicast),
            ("[::ffff:224.0.1.187]:5683", Why::Multicast),
            ("255.255.255.255:5683", Why::Broadcast),
            ("127.255.255.255:5683", Why::Broadcast),
        ] {
            assert_eq!(why(destination, false), Some(because), "{destination}");
            assert_eq!(why(destination, true), Some(because), "{destination}");
        }
    }

    #[test]
    fn the_refusal_names_the_destination_and_the_way_out() {
        let refused = Gate::default().check("192.0.2.1:5683".parse().expect("an address"));
        let text = refused.expect_err("remote").to_string();
        assert!(text.contains("192.0.2.1:5683") && text.contains("`allow_remote = true`"), "{text}");
    }
}
