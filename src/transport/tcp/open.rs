//! Opening TCP sockets: one that connects, one that listens.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::IpBindAddressNoPort;
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use crate::transport::OpenError;
use crate::transport::resources::descriptor_limit;

/// Peers that may wait to be accepted; the system cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 65_535;

/// A socket that is being connected.
pub(super) struct Attempt {
    pub(super) fd: OwnedFd,
    /// Why it has failed already.
    pub(super) failed: Option<Errno>,
}

/// Begins to connect to `to` from the address `from`, or one of the kernel's choice, at a port of its choice.
///
/// # Errors
/// That no socket, no address or no port can be had. `open` others are open.
pub(super) fn connect(
    from: Option<IpAddr>,
    to: SocketAddr,
    patience: Duration,
    open: u64,
) -> Result<Attempt, OpenError> {
    let at = from.map_or(to, |ip| SocketAddr::new(ip, 0));
    let socket = unconnected(from, to, patience).map_err(|error| cannot_open(at, open, error))?;
    let failed = match socket.connect(&to.into()).map_err(errno) {
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => None,
        // Every port of the range leads there already (ip(7), tcp(7)).
        Err(Errno::ADDRNOTAVAIL | Errno::AGAIN) => {
            return Err(OpenError::OutOfPorts { address: at.ip() });
        }
        Err(error @ (Errno::NOBUFS | Errno::NOMEM)) => return Err(cannot_open(at, open, error.into())),
        Err(error) => Some(error),
    };
    Ok(Attempt { fd: socket.into(), failed })
}

fn unconnected(from: Option<IpAddr>, to: SocketAddr, patience: Duration) -> io::Result<Socket> {
    let socket = new_socket(to)?;
    be_prompt(&socket, patience)?;
    if let Some(ip) = from {
        // The port is chosen when the destination is known (Linux 4.2): it needs to be free towards this
        // server only, one that waits out TIME_WAIT is taken again (`net.ipv4.tcp_tw_reuse`), and tens of
        // thousands of meters do not compete for the ports of one address.
        setsockopt(&socket, IpBindAddressNoPort, &true)?;
        socket.bind(&SocketAddr::new(ip, 0).into())?;
    }
    Ok(socket)
}

/// A socket that listens at `address`.
pub(super) fn listen(
    address: SocketAddr,
    reuse_port: bool,
    patience: Duration,
) -> Result<(OwnedFd, SocketAddr), OpenError> {
    let listen = || {
        let socket = new_socket(address)?;
        if address.is_ipv6() {
            // One family per socket; IPv4 peers have sockets of their own.
            socket.set_only_v6(true)?;
        }
        // The streams of an earlier run may still wait out TIME_WAIT at this port. Of two that listen, the
        // second is refused all the same.
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(reuse_port)?;
        // Accepted sockets inherit both.
        be_prompt(&socket, patience)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let local = socket.local_addr()?.as_socket().unwrap_or(address);
        Ok((socket.into(), local))
    };
    listen().map_err(|error| cannot_open(address, 0, error))
}

/// Small messages leave at once (no Nagle), and silence is found out in time: the kernel gives a connection
/// up that is not acknowledged for so long, be it the first segment or any other (tcp(7),
/// `TCP_USER_TIMEOUT`).
fn be_prompt(socket: &Socket, patience: Duration) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    // Zero would leave it to the system, which takes minutes.
    socket.set_tcp_user_timeout(Some(patience.max(Duration::from_millis(1))))
}

#[expect(clippy::disallowed_methods, reason = "shell: the one place that makes TCP sockets")]
fn new_socket(towards: SocketAddr) -> io::Result<Socket> {
    Socket::new(Domain::for_address(towards), Type::STREAM.nonblocking(), Some(Protocol::TCP))
}

/// Why there is no socket at `address` while `open` others are open.
pub(super) fn cannot_open(address: SocketAddr, open: u64, error: io::Error) -> OpenError {
    match Errno::from_io_error(&error) {
        Some(Errno::MFILE | Errno::NFILE) => OpenError::OutOfStreams { open, limit: descriptor_limit() },
        _ => OpenError::from_io(address, open, error),
    }
}

fn errno(error: io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}
