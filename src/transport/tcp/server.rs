//! The streams of an embedded server: one address that listens, many peers.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustc_hash::FxHashMap;
use rustix::io::Errno;
use rustix::net::SocketFlags;
use socket2::SockRef;

use super::open::{cannot_open, listen};
use super::table::{OTHER, Table};
use super::{StreamChange, StreamLimits, TcpCounters};
use crate::base::{Clock, Instant};
use crate::transport::poller::Wanted;
use crate::transport::wait::{Awaited, Waker, wait_any};
use crate::transport::{Gate, OpenError, steer};

/// Peers accepted in one turn, so that those that are there are not kept waiting.
const ACCEPTS: usize = 64;

/// How long accepting rests when there is not even what it takes to turn a peer away.
const REST: Duration = Duration::from_millis(100);

/// What a server's streams are to be.
#[derive(Clone, Copy, Debug)]
pub struct StreamConfig {
    /// Which peers may be answered.
    pub gate: Gate,
    /// The run's clock.
    pub clock: Clock,
    /// Streams at a time, at this socket; further peers are turned away.
    pub max_connections: usize,
    /// Whether several sockets, each with its thread, share the port; see [`ServerConfig::reuse_port`].
    ///
    /// [`ServerConfig::reuse_port`]: crate::transport::ServerConfig::reuse_port
    pub reuse_port: bool,
    /// The bounds of each stream.
    pub limits: StreamLimits,
}

impl StreamConfig {
    /// Loopback only, alone at its port, as many streams as there are descriptors, within the usual limits.
    pub fn new(clock: Clock) -> Self {
        StreamConfig {
            gate: Gate::default(),
            clock,
            max_connections: usize::MAX,
            reuse_port: false,
            limits: StreamLimits::default(),
        }
    }
}

/// A socket that listens and that no thread serves yet; it can be moved to one. Peers may connect already.
#[derive(Debug)]
pub struct StreamBinding(Box<ServerStreams>);

impl StreamBinding {
    /// Listens at `address`; port 0 is a free port of the kernel's choice. The unspecified address listens on
    /// all addresses of its family.
    ///
    /// # Errors
    /// That the address cannot be had, with what to do about it.
    pub fn bind(address: SocketAddr, config: StreamConfig) -> Result<Self, OpenError> {
        let (listener, local) = listen(address, config.reuse_port, config.limits.patience)?;
        let mut table = Table::new(config.limits, config.clock);
        let watched = table.poller().and_then(|poller| poller.add(&listener, OTHER, Wanted::READ));
        watched.map_err(|error| cannot_open(address, 0, error))?;
        let waker = Waker::new().map_err(|error| cannot_open(address, 0, error))?;
        let spare = spare_of(&listener);
        let peers = FxHashMap::default();
        let streams = ServerStreams { listener, local, config, waker, table, peers, spare, resting: None };
        Ok(StreamBinding(Box::new(streams)))
    }

    /// From now on others that ask for `reuse_port` may share the port; see [`ServerBinding::share_port`].
    ///
    /// # Errors
    /// None that a valid socket can have.
    ///
    /// [`ServerBinding::share_port`]: crate::transport::ServerBinding::share_port
    pub fn share_port(&self) -> Result<(), OpenError> {
        let shared = SockRef::from(&self.0.listener).set_reuse_port(true);
        shared.map_err(|error| cannot_open(self.0.local, 0, error))
    }

    /// Has the kernel divide the peers of an IPv4 port that `workers` sockets share: loopback meters by
    /// their number, others by address. A peer that connects anew meets the same worker again. To be called
    /// on one of the sockets when all are bound; they count in that order. Without, and over IPv6, the kernel
    /// divides connections by a hash of its own, whoever they are from.
    ///
    /// # Errors
    /// That the kernel does not know how.
    pub fn divide_peers(&self, workers: u32) -> io::Result<()> {
        match self.0.local {
            SocketAddr::V4(_) => steer::by_address(&self.0.listener, workers),
            SocketAddr::V6(_) => Ok(()),
        }
    }

    /// The address that was bound, with the port that was got.
    pub fn local_address(&self) -> SocketAddr {
        self.0.local
    }

    /// Wakes the thread that will serve.
    pub fn waker(&self) -> Waker {
        self.0.waker.clone()
    }

    /// The streams, on the thread that is to serve them.
    pub fn serve(self) -> ServerStreams {
        *self.0
    }
}

/// What happened to a peer's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerStreamEvent<'a> {
    /// Whose it is.
    pub peer: SocketAddr,
    /// The address of ours that it leads to.
    pub local: IpAddr,
    /// What happened.
    pub what: StreamChange<'a>,
}

/// A peer, and the address of ours that it found.
#[derive(Clone, Copy, Debug)]
struct Peer {
    address: SocketAddr,
    local: IpAddr,
}

/// The streams of a server, on the thread that serves them.
#[derive(Debug)]
pub struct ServerStreams {
    listener: OwnedFd,
    local: SocketAddr,
    config: StreamConfig,
    waker: Waker,
    table: Table<Peer>,
    peers: FxHashMap<SocketAddr, u64>,
    /// A descriptor to give up for a moment when there are no others: who waits to be accepted can then be
    /// turned away, and is not left to find out by itself.
    spare: Option<OwnedFd>,
    /// Accepting rests until then.
    resting: Option<Instant>,
}

impl ServerStreams {
    /// The address that was bound, with the port that was got.
    pub fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// Hands what happened to `each`, without waiting: at most 64 new peers, and of each stream a bounded
    /// number of bytes. How often `each` was called; not zero means that there may be more.
    ///
    /// # Errors
    /// That the socket is broken.
    pub fn recv(&mut self, mut each: impl FnMut(ServerStreamEvent<'_>)) -> io::Result<usize> {
        self.end_rest()?;
        let peers = &mut self.peers;
        let turn = self.table.recv(&mut |peer: Peer, what| {
            if what == StreamChange::Broken {
                peers.remove(&peer.address);
            }
            each(ServerStreamEvent { peer: peer.address, local: peer.local, what });
        })?;
        let accepted = if turn.other { self.accept(&mut each)? } else { 0 };
        Ok(turn.changes + accepted)
    }

    /// Writes to a peer's stream, by the next [`ServerStreams::flush`] at the latest. What the kernel does not take waits; if
    /// that is too much, the stream breaks. What is for a peer without a stream is counted.
    pub fn send(&mut self, peer: SocketAddr, bytes: &[u8]) {
        match self.peers.get(&peer) {
            Some(id) => self.table.write(*id, bytes),
            None => self.table.counters.unsent_bytes += bytes.len() as u64,
        }
    }

    /// Closes a peer's stream once what was written to it is out, within the bound of time. Nothing is told of it any more.
    pub fn close(&mut self, peer: SocketAddr) {
        if let Some(id) = self.peers.remove(&peer) {
            self.table.close(id);
        }
    }

    /// Sends what was written. What the kernel does not take now waits until it does.
    pub fn flush(&mut self) {
        self.table.flush();
    }

    /// Waits for news of a stream, for a new peer, for the waker, or for `timeout`, whichever comes first;
    /// forever if none is given. Whether the waker was used since the last time.
    ///
    /// # Errors
    /// None that a valid socket can have.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        wait_any(&[self], timeout)
    }

    /// Wakes this thread from another.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// What happened so far.
    pub fn counters(&self) -> TcpCounters {
        self.table.counters
    }

    fn accept(&mut self, each: &mut dyn FnMut(ServerStreamEvent<'_>)) -> io::Result<usize> {
        let mut changes = 0;
        for _ in 0..ACCEPTS {
            match accept(&self.listener) {
                Ok(fd) => {
                    self.table.counters.attempted += 1;
                    changes += self.let_in(fd, each);
                }
                Err(Errno::AGAIN) => break,
                // The kernel looks for a descriptor before it looks whether anybody waits.
                Err(Errno::MFILE | Errno::NFILE) => match self.turn_away() {
                    Ok(()) => {}
                    Err(Errno::AGAIN) => break,
                    Err(_) => {
                        self.rest()?;
                        break;
                    }
                },
                Err(Errno::NOBUFS | Errno::NOMEM) => {
                    self.rest()?;
                    break;
                }
                // The peer gave up meanwhile, or the network had something to say of it (accept(2)).
                Err(
                    Errno::INTR
                    | Errno::CONNABORTED
                    | Errno::PERM
                    | Errno::PROTO
                    | Errno::NETDOWN
                    | Errno::NETUNREACH
                    | Errno::HOSTDOWN
                    | Errno::HOSTUNREACH
                    | Errno::NOPROTOOPT
                    | Errno::NONET
                    | Errno::OPNOTSUPP
                    | Errno::TIMEDOUT,
                ) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(changes)
    }

    /// Takes a peer's stream in, if there is room; how many changes were told.
    fn let_in(&mut self, fd: OwnedFd, each: &mut dyn FnMut(ServerStreamEvent<'_>)) -> usize {
        let address = SockRef::from(&fd).peer_addr().ok().and_then(|address| address.as_socket());
        // Gone again: the next one.
        let Some(address) = address else { return 0 };
        if self.config.gate.check(address).is_err() {
            self.table.counters.gate_refused += 1;
            return 0;
        }
        if self.table.len() >= self.config.max_connections {
            self.table.counters.turned_away += 1;
            return 0;
        }
        let mut changes = 1;
        // The stream it had before is gone, or this could not be; only the news of it is still under way.
        if let Some(old) = self.peers.remove(&address) {
            self.table.counters.reset += 1;
            self.table.remove(old);
            each(ServerStreamEvent { peer: address, local: self.local.ip(), what: StreamChange::Broken });
            changes += 1;
        }
        let local = self.local_of(&fd);
        match self.table.insert(fd, Peer { address, local }, false) {
            Ok(id) => {
                self.peers.insert(address, id);
                each(ServerStreamEvent { peer: address, local, what: StreamChange::Opened });
                changes
            }
            Err(_) => {
                self.table.counters.turned_away += 1;
                changes - 1
            }
        }
    }

    /// The address of ours that a stream leads to.
    fn local_of(&self, fd: &OwnedFd) -> IpAddr {
        let bound = self.local.ip();
        if !bound.is_unspecified() {
            return bound;
        }
        let local = SockRef::from(fd).local_addr().ok().and_then(|address| address.as_socket());
        local.map_or(bound, |local| local.ip())
    }

    /// Without a descriptor left, lets a peer know at once: it is accepted with the spare one, and closed.
    fn turn_away(&mut self) -> Result<(), Errno> {
        let spared = self.spare.take();
        if spared.is_none() {
            self.spare = spare_of(&self.listener);
            return if self.spare.is_some() { Ok(()) } else { Err(Errno::MFILE) };
        }
        drop(spared);
        // Whom it was lies closed before the spare is taken back.
        let turned_away = accept(&self.listener).map(drop);
        self.spare = spare_of(&self.listener);
        self.table.counters.attempted += u64::from(turned_away.is_ok());
        self.table.counters.turned_away += u64::from(turned_away.is_ok());
        turned_away
    }

    /// Leaves those that wait where they are for a while: they would be news again at once.
    fn rest(&mut self) -> io::Result<()> {
        self.table.counters.accept_rests += 1;
        self.resting = Some(self.config.clock.now() + REST);
        let listener = self.listener.as_fd();
        self.table.poller()?.set(listener, OTHER, Wanted::NOTHING)
    }

    fn end_rest(&mut self) -> io::Result<()> {
        if self.resting.is_some_and(|until| until <= self.config.clock.now()) {
            self.resting = None;
            let listener = self.listener.as_fd();
            self.table.poller()?.set(listener, OTHER, Wanted::READ)?;
        }
        Ok(())
    }
}

impl Awaited for ServerStreams {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.table.waited_for().map_or(self.listener.as_fd(), |poller| poller.as_fd())
    }

    fn waker(&self) -> &Waker {
        &self.waker
    }

    fn bound(&self) -> Option<Duration> {
        if self.table.has_news() {
            return Some(Duration::ZERO);
        }
        let next = self.resting.into_iter().chain(self.table.next_deadline()).min()?;
        Some(next.since(self.config.clock.now()))
    }
}

fn accept(listener: &OwnedFd) -> Result<OwnedFd, Errno> {
    rustix::net::accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)
}

/// Another descriptor of the same socket.
fn spare_of(listener: &OwnedFd) -> Option<OwnedFd> {
    rustix::io::fcntl_dupfd_cloexec(listener, 0).ok()
}
