//! The socket of an embedded server: one address, many peers.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use socket2::SockRef;

use super::batch::{BATCH, Inbox, Outgoing, Sender};
use super::family::{Family, V4, V6};
use super::open::{OpenError, Options, ReceiveBuffer, UdpSocket};
use super::outbox::Outbox;
use super::tally::{SendError, SendErrorKind, Tally, UdpCounters};
use crate::base::{Clock, Instant};
use crate::transport::gate::Gate;
use crate::transport::wait::{Awaited, Waker, wait_any};
use crate::transport::{kernel, steer};

/// What a server's socket is to be.
#[derive(Clone, Copy, Debug)]
pub struct ServerConfig {
    /// Which peers may be answered.
    pub gate: Gate,
    /// The run's clock, for the instants of receipt.
    pub clock: Clock,
    /// Bytes of receive buffer to ask for.
    pub receive_buffer: usize,
    /// The most datagrams that may wait for the kernel to take them.
    pub queue_limit: usize,
    /// Whether several sockets, each with its thread, share the port: the kernel gives each of them a
    /// part of the peers, always the same. All of them must ask for it, or [share](ServerBinding::share_port)
    /// later.
    pub reuse_port: bool,
    /// Whether each datagram is to tell when the kernel received it; without, it is when it was read. It costs
    /// the kernel some 5 % of a datagram.
    pub timestamps: bool,
}

impl ServerConfig {
    /// Loopback only, alone at its port, 64 MiB of receive buffer, 65,536 datagrams waiting.
    pub fn new(clock: Clock) -> Self {
        let gate = Gate::default();
        ServerConfig {
            gate,
            clock,
            receive_buffer: 64 << 20,
            queue_limit: 65_536,
            reuse_port: false,
            timestamps: true,
        }
    }
}

/// A bound socket that no thread serves yet; it can be moved to one.
#[derive(Debug)]
pub struct ServerBinding {
    socket: UdpSocket,
    config: ServerConfig,
    waker: Waker,
}

impl ServerBinding {
    /// Binds `address`; port 0 is a free port of the kernel's choice. The unspecified address listens on
    /// all addresses of its family.
    ///
    /// # Errors
    /// That the address cannot be had, with what to do about it.
    pub fn bind(address: SocketAddr, config: ServerConfig) -> Result<Self, OpenError> {
        let options = Options {
            receive_buffer: Some(config.receive_buffer),
            reuse_port: config.reuse_port,
            loopback_only: false,
            tell_local: address.ip().is_unspecified(),
            timestamps: config.timestamps,
            open: 0,
        };
        let socket = UdpSocket::open(address, options)?;
        let waker = Waker::new().map_err(OpenError::without_address)?;
        Ok(ServerBinding { socket, config, waker })
    }

    /// From now on others that ask for `reuse_port` may share the port. A first socket that is bound alone
    /// and shares its port afterwards finds out whether another program has it; one that asks for
    /// `reuse_port` joins that program's sockets, if it runs as the same user.
    ///
    /// # Errors
    /// None that a valid socket can have.
    pub fn share_port(&self) -> Result<(), OpenError> {
        SockRef::from(&self.socket.fd).set_reuse_port(true).map_err(OpenError::without_address)
    }

    /// Has the kernel divide the peers of an IPv4 port that `workers` sockets share: loopback meters by
    /// their number, so that with as many workers as shards each shard has one, others by address and
    /// port. To be called on one of the sockets when all are bound; they count in that order. Without,
    /// and over IPv6, the kernel divides them by a hash of its own.
    ///
    /// # Errors
    /// That the kernel does not know how.
    pub fn divide_peers(&self, workers: u32) -> io::Result<()> {
        match self.socket.local {
            SocketAddr::V4(_) => steer::by_peer(&self.socket.fd, workers),
            SocketAddr::V6(_) => Ok(()),
        }
    }

    /// The address that was bound, with the port that was got.
    pub fn local_address(&self) -> SocketAddr {
        self.socket.local
    }

    /// The receive buffer that was got.
    pub fn receive_buffer(&self) -> ReceiveBuffer {
        self.socket.buffer
    }

    /// Wakes the thread that will serve.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// The socket with its buffers, on the thread that is to serve it.
    pub fn serve(self) -> ServerSocket {
        let ServerBinding { socket, config, waker } = self;
        let local = socket.local;
        let port: Box<dyn Port> = match local.ip() {
            IpAddr::V4(ip) => Box::new(FamilyPort::<V4>::new(socket, ip, config)),
            IpAddr::V6(ip) => Box::new(FamilyPort::<V6>::new(socket, ip, config)),
        };
        ServerSocket { port, local, config, waker, tally: Tally::default() }
    }
}

/// A datagram for a server. Its `Debug` tells its length: there may be keys in it.
#[derive(Clone, Copy)]
pub struct ServerDatagram<'a> {
    /// Who sent it.
    pub peer: SocketAddr,
    /// The address of ours that it was sent to: answers leave from there.
    pub local: IpAddr,
    /// What is in it.
    pub bytes: &'a [u8],
    /// When the kernel received it, by the run's clock.
    pub at: Instant,
}

impl fmt::Debug for ServerDatagram<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerDatagram(from {}, for {}, {} B)", self.peer, self.local, self.bytes.len())
    }
}

/// The socket of a server, on the thread that serves it.
#[derive(Debug)]
pub struct ServerSocket {
    port: Box<dyn Port>,
    local: SocketAddr,
    config: ServerConfig,
    waker: Waker,
    tally: Failed,
}

type Failed = Tally<(SocketAddr, SendErrorKind)>;

impl ServerSocket {
    /// The address that was bound, with the port that was got.
    pub fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// Hands what has come to `each`, without waiting: at most 64 datagrams. How many were read; not
    /// zero means that there may be more.
    ///
    /// # Errors
    /// That the socket is broken. What passes is counted instead.
    pub fn recv(&mut self, mut each: impl FnMut(ServerDatagram<'_>)) -> io::Result<usize> {
        self.port.receive(&self.config, &mut self.tally.counters, &mut each)
    }

    /// Queues a datagram to `to` that leaves from `from`, the `local` of what it answers; from an
    /// unspecified address if the kernel is to choose. A socket that is bound to one address sends from
    /// there. Full batches are sent at once, the rest by [`ServerSocket::flush`].
    ///
    /// # Errors
    /// That the gate refuses the peer, or that too many datagrams wait. What the kernel says of a single
    /// datagram is told by [`ServerSocket::take_failure`].
    pub fn send(&mut self, to: SocketAddr, from: IpAddr, bytes: &[u8]) -> Result<(), SendError> {
        if let Err(refused) = self.config.gate.check(to) {
            self.tally.counters.refused += 1;
            return Err(refused.into());
        }
        self.port.send(to, from, bytes, &mut self.tally)
    }

    /// Sends what is queued. What the kernel does not take now stays; [`ServerSocket::wait`] tells when
    /// to flush again.
    pub fn flush(&mut self) {
        self.port.flush(&mut self.tally);
    }

    /// Waits for a datagram, for the kernel to take again what it did not take before, for the waker, or
    /// for `timeout`, whichever comes first; forever if none is given. Whether the waker was used since
    /// the last time. [`wait_any`] does the same for several that one thread serves.
    ///
    /// # Errors
    /// None that a valid socket can have.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        wait_any(&[self], timeout)
    }

    /// Wakes this socket's thread from another.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// The next datagram that the kernel would not send: where it was to go, and why it did not.
    pub fn take_failure(&mut self) -> Option<(SocketAddr, SendErrorKind)> {
        self.tally.failures.take()
    }

    /// What was sent and received so far.
    pub fn counters(&self) -> UdpCounters {
        self.tally.counters()
    }

    /// The receive buffer that was got.
    pub fn receive_buffer(&self) -> ReceiveBuffer {
        self.port.socket().buffer
    }

    /// How many datagrams the kernel dropped here because the receive buffer was full.
    ///
    /// # Errors
    /// Those of [`kernel::socket_drops`].
    pub fn kernel_drops(&self) -> io::Result<u64> {
        kernel::socket_drops(&[self.port.socket().inode()?])
    }
}

impl Awaited for ServerSocket {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.port.socket().fd.as_fd()
    }

    fn wants_write(&self) -> bool {
        self.port.is_blocked()
    }

    fn waker(&self) -> &Waker {
        &self.waker
    }
}

/// A server's socket, whatever its family.
trait Port: std::fmt::Debug {
    fn socket(&self) -> &UdpSocket;
    fn is_blocked(&self) -> bool;
    fn send(
        &mut self,
        to: SocketAddr,
        from: IpAddr,
        bytes: &[u8],
        tally: &mut Failed,
    ) -> Result<(), SendError>;
    fn flush(&mut self, tally: &mut Failed);
    fn receive(
        &mut self,
        config: &ServerConfig,
        counters: &mut UdpCounters,
        each: &mut dyn FnMut(ServerDatagram<'_>),
    ) -> io::Result<usize>;
}

#[derive(Debug)]
struct FamilyPort<F: Family> {
    socket: UdpSocket,
    bound: F::Ip,
    outbox: Outbox<Route<F>>,
    sender: Sender<F>,
    inbox: Inbox<F>,
}

#[derive(Debug)]
struct Route<F: Family> {
    to: F::Sockaddr,
    source: F::Ip,
}

impl<F: Family> FamilyPort<F> {
    fn new(socket: UdpSocket, bound: F::Ip, config: ServerConfig) -> Self {
        let outbox = Outbox::new(config.queue_limit);
        // Bound to one address, that is where its datagrams leave from.
        let sender = Sender::new(bound == F::ANY);
        FamilyPort { socket, bound, outbox, sender, inbox: Inbox::new(BATCH) }
    }
}

impl<F: Family> Port for FamilyPort<F> {
    fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    fn is_blocked(&self) -> bool {
        self.outbox.is_blocked()
    }

    fn send(
        &mut self,
        to: SocketAddr,
        from: IpAddr,
        bytes: &[u8],
        tally: &mut Failed,
    ) -> Result<(), SendError> {
        let Some(sockaddr) = F::sockaddr(to) else {
            // An IPv6 peer of an IPv4 socket, or the other way round: the kernel would say the same.
            tally.failures.push(Errno::EAFNOSUPPORT, |kind| (to, kind));
            return Ok(());
        };
        let source = F::ip(from).unwrap_or(F::ANY);
        if !self.outbox.push(Route { to: sockaddr, source }, bytes) {
            tally.counters.queue_dropped += 1;
            return Err(SendError::QueueFull);
        }
        if self.outbox.is_due() {
            self.flush(tally);
        }
        Ok(())
    }

    fn flush(&mut self, tally: &mut Failed) {
        let FamilyPort { socket, outbox, sender, .. } = self;
        let Tally { counters, failures } = tally;
        outbox.flush(
            |_| 0,
            |_, run| {
                let datagrams =
                    run.iter().map(|(route, bytes)| Outgoing { to: route.to, source: route.source, bytes });
                let sent = sender.send(socket.fd.as_fd(), datagrams)?;
                counters.sent += sent as u64;
                counters.sent_bytes +=
                    run.iter().take(sent).map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
                Ok(sent)
            },
            |route, error| failures.push(error, |kind| (F::address(&route.to), kind)),
        );
    }

    fn receive(
        &mut self,
        config: &ServerConfig,
        counters: &mut UdpCounters,
        each: &mut dyn FnMut(ServerDatagram<'_>),
    ) -> io::Result<usize> {
        let bound = self.bound;
        let received = self.inbox.receive(self.socket.fd.as_fd(), &config.clock, |arrived| {
            counters.received += 1;
            counters.received_bytes += arrived.bytes.len() as u64;
            let peer = F::address(&arrived.peer);
            if arrived.truncated {
                counters.truncated += 1;
            } else if config.gate.check(peer).is_err() {
                counters.unknown_source += 1;
            } else {
                let local = arrived.local.unwrap_or(bound).into();
                each(ServerDatagram { peer, local, bytes: arrived.bytes, at: arrived.at });
            }
        });
        match received {
            Ok(count) => Ok(count),
            Err(error) => Ok(counters.receive_failed(error).map(|()| 0)?),
        }
    }
}
