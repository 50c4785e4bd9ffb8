//! Which of its own addresses the kernel would send from.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The address of this machine that datagrams to `destination` leave from where nobody chose one. Nothing is
/// sent.
///
/// # Errors
/// That there is no route, or no descriptor left.
pub fn source_towards(destination: SocketAddr) -> io::Result<IpAddr> {
    let destination = SocketAddr::new(destination.ip().to_canonical(), destination.port());
    let any: IpAddr = match destination {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    #[expect(clippy::disallowed_methods, reason = "shell: a connected socket asks the kernel for its route")]
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(destination)?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_reached_from_loopback() {
        for (to, from) in
            [("127.0.0.1:7", "127.0.0.1"), ("[::ffff:127.0.0.1]:7", "127.0.0.1"), ("[::1]:7", "::1")]
        {
            let source = source_towards(to.parse().expect("an address")).expect("a route");
            assert_eq!(source, from.parse::<IpAddr>().expect("an address"), "{to}");
        }
    }
}
