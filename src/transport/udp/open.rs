//! Opening UDP sockets, with errors that say what to do.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::sys::socket::sockopt::{
    Ipv4PacketInfo, Ipv6RecvPacketInfo, RcvBuf, RcvBufForce, ReceiveTimestampns, SndBuf, SndBufForce,
};
use nix::sys::socket::{getsockopt, setsockopt};
use rustix::net::sockopt::{Ipv4PathMtuDiscovery, set_ip_mtu_discover};
use socket2::{Domain, Protocol, Socket, Type};

use crate::transport::resources::descriptor_limit;

/// Why a socket could not be opened; each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The process, or the system, has no descriptor left.
    #[error(
        "out of file descriptors after {open} sockets here: raise `ulimit -n`, it is {limit}, \
         or give `local.addresses`, so that meters share sockets"
    )]
    OutOfDescriptors {
        /// How many sockets of this kind were open.
        open: u64,
        /// The process's limit.
        limit: u64,
    },
    /// The same, where there is no way to share.
    #[error(
        "out of file descriptors after {open} streams here: raise `ulimit -n`, it is {limit}; each takes one"
    )]
    OutOfStreams {
        /// How many streams were open.
        open: u64,
        /// The process's limit.
        limit: u64,
    },
    /// More meters than local addresses (times ports).
    #[error(
        "out of local addresses: there are {capacity} (addresses times ports) for the meters of this shard; \
         give more in `local.addresses` or a wider range in `local.ports`"
    )]
    OutOfAddresses {
        /// How many meters there are addresses for.
        capacity: u64,
    },
    /// The kernel has no port left to choose.
    #[error(
        "no free port is left at {address}: widen `net.ipv4.ip_local_port_range`, or give `local.addresses` \
         and `local.ports`"
    )]
    OutOfPorts {
        /// Where a port was to be chosen.
        address: IpAddr,
    },
    /// Another socket has the port.
    #[error("{address} is in use: stop what listens there, or choose another port")]
    InUse {
        /// What was to be bound.
        address: SocketAddr,
    },
    /// The system forbids this address or port.
    #[error("no permission to bind {address}: ports below 1024 need a privilege; choose a higher one")]
    Forbidden {
        /// What was to be bound.
        address: SocketAddr,
    },
    /// This machine does not have this address.
    #[error("{address} is not an address of this machine: give one that is (see `ip address`)")]
    NotLocal {
        /// What was to be bound.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("cannot open a socket at {address}: {source}")]
    Other {
        /// What was to be bound.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl OpenError {
    /// Of a descriptor that has no address.
    pub(in crate::transport) fn without_address(error: io::Error) -> Self {
        OpenError::from_io(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0), 0, error)
    }

    /// Of a socket that was to be bound to `address`; `open` others of its kind were open.
    pub(in crate::transport) fn from_io(address: SocketAddr, open: u64, error: io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EMFILE | Errno::ENFILE) => {
                OpenError::OutOfDescriptors { open, limit: descriptor_limit() }
            }
            Some(Errno::EADDRINUSE) if address.port() == 0 => OpenError::OutOfPorts { address: address.ip() },
            Some(Errno::EADDRINUSE) => OpenError::InUse { address },
            Some(Errno::EACCES | Errno::EPERM) => OpenError::Forbidden { address },
            Some(Errno::EADDRNOTAVAIL) => OpenError::NotLocal { address },
            _ => OpenError::Other { address, source: error },
        }
    }
}

/// What a socket is to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// Bytes of receive buffer to ask for; none leaves the system's default.
    pub(super) receive_buffer: Option<usize>,
    /// Whether several sockets may share the port, each getting a part of the peers.
    pub(super) reuse_port: bool,
    /// Whether only the loopback interface may be used.
    pub(super) loopback_only: bool,
    /// Whether each datagram is to tell the local address it came to. It costs some 100 ns, so only where
    /// the binding does not say.
    pub(super) tell_local: bool,
    /// Whether each datagram is to tell when the kernel received it.
    pub(super) timestamps: bool,
    /// How many sockets its owner has open already, for the error message.
    pub(super) open: u64,
}

/// A bound, non-blocking UDP socket that tells of each datagram its kernel timestamp, and its destination
/// where that was asked for.
#[derive(Debug)]
pub(super) struct UdpSocket {
    pub(super) fd: OwnedFd,
    pub(super) local: SocketAddr,
    pub(super) buffer: ReceiveBuffer,
}

/// The receive buffer that was asked for and the one the system gave, in bytes as `SO_RCVBUF` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveBuffer {
    /// What was asked for; none where the system's default was left.
    pub asked: Option<usize>,
    /// What the system gave. A queued datagram takes some 830 bytes of twice this.
    pub got: usize,
}

impl ReceiveBuffer {
    /// Whether the system gave less than was asked for.
    pub fn is_short(self) -> bool {
        self.asked.is_some_and(|asked| self.got < asked)
    }
}

impl UdpSocket {
    pub(super) fn open(address: SocketAddr, options: Options) -> Result<Self, OpenError> {
        Self::try_open(address, options).map_err(|error| OpenError::from_io(address, options.open, error))
    }

    fn try_open(address: SocketAddr, options: Options) -> io::Result<Self> {
        let socket = new_socket(address)?;
        if options.timestamps {
            setsockopt(&socket, ReceiveTimestampns, &true)?;
        }
        match address {
            SocketAddr::V4(_) => setsockopt(&socket, Ipv4PacketInfo, &options.tell_local)?,
            SocketAddr::V6(_) => {
                setsockopt(&socket, Ipv6RecvPacketInfo, &options.tell_local)?;
                // One family per socket; IPv4 peers have sockets of their own.
                socket.set_only_v6(true)?;
            }
        }
        if options.loopback_only {
            // Needs no privilege since Linux 5.7, as long as the socket is bound to no device yet.
            socket.bind_device(Some(b"lo"))?;
        }
        if address.is_ipv4() && (options.loopback_only || address.ip().is_loopback()) {
            // Never fragmented, and nothing that fits a datagram needs to be: the interface takes 64 KiB.
            // A packet that may not be fragmented needs no identification (RFC 6864 §4.1), and choosing
            // one is 6 % of what the kernel does for a round trip.
            set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::DO)?;
        }
        socket.set_reuse_port(options.reuse_port)?;
        let buffer = size_buffers(&socket, options.receive_buffer)?;
        socket.bind(&address.into())?;
        let local = socket.local_addr()?.as_socket().unwrap_or(address);
        Ok(UdpSocket { fd: socket.into(), local, buffer })
    }

    /// The number under which the kernel's tables list this socket.
    pub(super) fn inode(&self) -> io::Result<u64> {
        let file = std::fs::File::from(self.fd.as_fd().try_clone_to_owned()?);
        Ok(file.metadata()?.ino())
    }
}

#[expect(clippy::disallowed_methods, reason = "shell: the one place that makes UDP sockets")]
fn new_socket(address: SocketAddr) -> io::Result<Socket> {
    Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))
}

/// Asks for a receive buffer of `asked` bytes: with privilege beyond the system's limit
/// (`net.core.rmem_max`), otherwise up to it. Sending gets as much, so that bursts rarely wait.
fn size_buffers(socket: &Socket, asked: Option<usize>) -> io::Result<ReceiveBuffer> {
    if let Some(bytes) = asked {
        // More than the kernel can count (it doubles the figure) is cut to what it can.
        let bytes = bytes.min(i32::MAX as usize / 2);
        setsockopt(socket, RcvBufForce, &bytes).or_else(|_| setsockopt(socket, RcvBuf, &bytes))?;
        setsockopt(socket, SndBufForce, &bytes).or_else(|_| setsockopt(socket, SndBuf, &bytes))?;
    }
    // The kernel doubles the figure, for its own bookkeeping, and reports the double (socket(7)).
    let got = getsockopt(socket, RcvBuf)? / 2;
    Ok(ReceiveBuffer { asked, got })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Options = Options {
        receive_buffer: None,
        reuse_port: false,
        loopback_only: false,
        tell_local: false,
        timestamps: true,
        open: 0,
    };

    #[test]
    fn errors_name_the_address_and_the_way_out() {
        let first = UdpSocket::open("127.0.0.1:0".parse().expect("address"), PLAIN).expect("a free port");
        let error = UdpSocket::open(first.local, PLAIN).expect_err("in use");
        assert!(matches!(error, OpenError::InUse { address } if address == first.local), "{error}");
        assert!(error.to_string().contains(&first.local.to_string()));
        // 203.0.113.0/24 is for documentation (RFC 5737), so that hardly a machine has it.
        let error = UdpSocket::open("203.0.113.77:0".parse().expect("address"), PLAIN).expect_err("not here");
        assert!(matches!(error, OpenError::NotLocal { .. }), "{error}");
        let io = |errno: Errno| io::Error::from_raw_os_error(errno as i32);
        let error = OpenError::from_io(first.local, 19_990, io(Errno::EMFILE)).to_string();
        assert!(error.contains("19990") && error.contains("ulimit -n"), "{error}");
        let error = OpenError::from_io(first.local, 0, io(Errno::EACCES));
        assert!(matches!(error, OpenError::Forbidden { .. }), "{error}");
    }

    #[test]
    fn the_buffer_that_was_got_is_told() {
        let options = Options { receive_buffer: Some(100_000), ..PLAIN };
        let socket = UdpSocket::open("127.0.0.1:0".parse().expect("address"), options).expect("a free port");
        assert_eq!(socket.buffer, ReceiveBuffer { asked: Some(100_000), got: 100_000 });
        assert!(!socket.buffer.is_short());
        assert!(ReceiveBuffer { asked: Some(2), got: 1 }.is_short());
        assert_ne!(socket.inode().expect("an inode"), 0);
    }
}
