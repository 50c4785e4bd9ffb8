//! Connections behind one epoll instance, each under a number that is never used again.
//!
//! ```text
//! Connecting -> Open -> Closing (the rest is sent) -> Draining (FIN is out, the peer's is awaited) -> gone
//!      \          \-> Failed, found out between two receives, to be told by the next -> gone
//!       \-> gone
//! ```
//!
//! A peer that reads nothing, sends without end or never closes costs a bounded amount of memory, work in one
//! turn, and time.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustc_hash::FxHashMap;
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown};
use socket2::SockRef;

use super::{StreamChange, StreamLimits, TcpCounters};
use crate::base::{Clock, Instant};
use crate::transport::poller::{Poller, Wanted};

/// Bytes read from a connection in one turn: a TLS record (RFC 8446 §5.2), and then some.
const AT_ONCE: usize = 20 << 10;

/// Reads from a connection that has failed, for what came before: beyond, the peer is not believed to end.
const LAST_READS: usize = 64;

/// The number under which a table's owner may have its poller watch a socket of another kind.
pub(super) const OTHER: u64 = 0;

/// Connections, each with an owner, that whoever hears of it knows it by.
#[derive(Debug)]
pub(super) struct Table<O> {
    /// Made with the first connection.
    poller: Option<Poller>,
    connections: FxHashMap<u64, Connection<O>>,
    /// The number given last.
    last: u64,
    limits: StreamLimits,
    clock: Clock,
    /// Connections with bytes that nobody has offered to the kernel yet.
    unflushed: Vec<u64>,
    /// Connections that failed since the last receive.
    failed: Vec<u64>,
    /// Closed connections, and until when they may take.
    lingering: VecDeque<(Instant, u64)>,
    pub(super) counters: TcpCounters,
    /// Sockets with news, used again by each turn.
    ready: Vec<u64>,
    buffer: Box<[u8]>,
}

#[derive(Debug)]
struct Connection<O> {
    fd: OwnedFd,
    owner: O,
    state: State,
    /// The peer has ended its direction.
    ended: bool,
    /// What the poller is asked for.
    wanted: Wanted,
    /// What the kernel has not taken yet.
    unsent: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connecting,
    Open,
    Closing,
    Draining,
    Failed,
}

/// What one turn brought.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turn {
    /// Changes that were told.
    pub(super) changes: usize,
    /// There is news of the owner's other socket.
    pub(super) other: bool,
}

impl<O: Copy> Table<O> {
    pub(super) fn new(limits: StreamLimits, clock: Clock) -> Self {
        Table {
            poller: None,
            connections: FxHashMap::default(),
            last: OTHER,
            limits,
            clock,
            unflushed: Vec::new(),
            failed: Vec::new(),
            lingering: VecDeque::new(),
            counters: TcpCounters::default(),
            ready: Vec::new(),
            buffer: Box::default(),
        }
    }

    /// The poller, made if need be.
    pub(super) fn poller(&mut self) -> io::Result<&mut Poller> {
        if self.poller.is_none() {
            self.poller = Some(Poller::new()?);
            self.buffer = vec![0; AT_ONCE].into();
        }
        Ok(self.poller.as_mut().expect("made above"))
    }

    /// The poller, if there is one.
    pub(super) fn waited_for(&self) -> Option<&Poller> {
        self.poller.as_ref()
    }

    /// How many connections there are.
    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether the next receive has something to tell, whatever the poller says.
    pub(super) fn has_news(&self) -> bool {
        !self.failed.is_empty()
    }

    /// When a connection has lingered long enough.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.lingering.front().map(|(at, _)| *at)
    }

    /// Takes in a socket that is open, or `connecting`: its number.
    pub(super) fn insert(&mut self, fd: OwnedFd, owner: O, connecting: bool) -> io::Result<u64> {
        let id = self.last + 1;
        let (state, wanted) = match connecting {
            true => (State::Connecting, Wanted::WRITE),
            false => (State::Open, Wanted::READ),
        };
        self.poller()?.add(&fd, id, wanted)?;
        self.last = id;
        let connection = Connection { fd, owner, state, ended: false, wanted, unsent: Vec::new() };
        self.connections.insert(id, connection);
        self.counters.opened += u64::from(!connecting);
        self.counters.open = self.connections.len() as u64;
        self.counters.peak = self.counters.peak.max(self.counters.open);
        Ok(id)
    }

    /// The descriptor of a connection that is there.
    pub(super) fn descriptor(&self, id: u64) -> Option<BorrowedFd<'_>> {
        Some(self.connections.get(&id)?.fd.as_fd())
    }

    /// Has a connection fail at the next receive, for this reason.
    pub(super) fn fail(&mut self, id: u64, error: Errno) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let lost = std::mem::take(&mut connection.unsent).len() as u64;
        self.counters.unsent_bytes += lost;
        match connection.state {
            State::Connecting => self.counters.count_unconnected(error),
            State::Open => self.counters.count_broken(error),
            State::Failed => return,
            // Whose it was does not want to hear of it.
            State::Closing | State::Draining => {
                self.counters.cut_short += u64::from(lost > 0);
                self.remove(id);
                return;
            }
        }
        connection.state = State::Failed;
        self.failed.push(id);
    }

    /// Writes, now or by the next [`Table::flush`].
    pub(super) fn write(&mut self, id: u64, bytes: &[u8]) {
        let limit = self.limits.unsent;
        match self.connections.get_mut(&id) {
            Some(connection) if matches!(connection.state, State::Connecting | State::Open) => {
                if connection.unsent.is_empty() && connection.state == State::Open {
                    self.unflushed.push(id);
                }
                connection.unsent.extend_from_slice(bytes);
                if connection.unsent.len() > limit {
                    self.flush_one(id);
                    if self.connections.get(&id).is_some_and(|connection| connection.unsent.len() > limit) {
                        self.fail(id, Errno::NOBUFS);
                    }
                }
            }
            // It failed, and whose it is has not heard yet.
            _ => self.counters.unsent_bytes += bytes.len() as u64,
        }
    }

    /// Closes a connection, as soon as the kernel has what was written to it.
    pub(super) fn close(&mut self, id: u64) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        match connection.state {
            State::Connecting | State::Failed => self.remove(id),
            State::Open => {
                connection.state = State::Closing;
                self.lingering.push_back((self.clock.now() + self.limits.linger, id));
                self.flush_one(id);
            }
            State::Closing | State::Draining => {}
        }
    }

    /// Lets go of a connection as it is. Nothing is told of it.
    pub(super) fn remove(&mut self, id: u64) {
        if let Some(connection) = self.connections.remove(&id) {
            self.counters.unsent_bytes += connection.unsent.len() as u64;
            self.counters.open = self.connections.len() as u64;
        }
    }

    /// Offers the kernel what was written.
    pub(super) fn flush(&mut self) {
        let mut unflushed = std::mem::take(&mut self.unflushed);
        for id in unflushed.drain(..) {
            self.flush_one(id);
        }
        self.unflushed = unflushed;
    }

    fn flush_one(&mut self, id: u64) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if !matches!(connection.state, State::Open | State::Closing) {
            return;
        }
        let before = connection.unsent.len();
        let sent = connection.send();
        self.counters.sent_bytes += (before - connection.unsent.len()) as u64;
        match sent {
            Ok(()) if connection.state == State::Closing && connection.unsent.is_empty() => {
                self.finish_writing(id);
            }
            Ok(()) => self.watch(id),
            Err(error) => self.fail(id, error),
        }
    }

    /// All is out: says so to the peer, and waits for it to do the same. To close right away would be to
    /// tear the stream down if something of the peer's were still unread (RFC 9293 §3.6.1).
    fn finish_writing(&mut self, id: u64) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let shut = rustix::net::shutdown(&connection.fd, Shutdown::Write);
        self.counters.closed += 1;
        if connection.ended || shut.is_err() {
            return self.remove(id);
        }
        connection.state = State::Draining;
        self.watch(id);
    }

    /// Hands what happened to `each`, without waiting.
    pub(super) fn recv(&mut self, each: &mut dyn FnMut(O, StreamChange<'_>)) -> io::Result<Turn> {
        let mut turn = Turn::default();
        self.tell_failed(&mut turn, each);
        self.end_lingering();
        let mut ready = std::mem::take(&mut self.ready);
        let polled = self.poller.as_mut().map_or(Ok(()), |poller| poller.poll(&mut ready));
        for id in ready.drain(..) {
            match id {
                OTHER => turn.other = true,
                id => self.progress(id, &mut turn, each),
            }
        }
        self.ready = ready;
        polled.map(|()| turn)
    }

    fn tell_failed(&mut self, turn: &mut Turn, each: &mut dyn FnMut(O, StreamChange<'_>)) {
        for id in std::mem::take(&mut self.failed) {
            // What the peer said last, it may have said before.
            let read = (0..LAST_READS).take_while(|_| self.read(id, turn, each)).count();
            if let Some(connection) = self.connections.get(&id) {
                tracing::trace!(read, "a stream has failed");
                each(connection.owner, StreamChange::Broken);
                turn.changes += 1;
                self.remove(id);
            }
        }
    }

    fn end_lingering(&mut self) {
        if self.lingering.is_empty() {
            return;
        }
        let now = self.clock.now();
        while let Some((_, id)) = self.lingering.pop_front_if(|(at, _)| *at <= now) {
            if let Some(connection) = self.connections.get(&id).filter(|rest| rest.state == State::Closing) {
                self.counters.cut_short += 1;
                // The peer is told that this is not all: it is reset. Without, it would hear of a good end.
                let _ = SockRef::from(&connection.fd).set_linger(Some(std::time::Duration::ZERO));
            }
            self.remove(id);
        }
    }

    /// Deals with the news of one connection.
    fn progress(&mut self, id: u64, turn: &mut Turn, each: &mut dyn FnMut(O, StreamChange<'_>)) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        match connection.state {
            State::Connecting => match connection.is_connected() {
                Ok(false) => {}
                Ok(true) => {
                    connection.state = State::Open;
                    self.counters.opened += 1;
                    turn.changes += 1;
                    each(connection.owner, StreamChange::Opened);
                    self.flush_one(id);
                }
                Err(error) => {
                    self.counters.count_unconnected(error);
                    turn.changes += 1;
                    each(connection.owner, StreamChange::Broken);
                    self.remove(id);
                }
            },
            State::Open | State::Closing | State::Draining => {
                self.read(id, turn, each);
                self.flush_one(id);
            }
            State::Failed => {}
        }
    }

    /// Reads once; whether there was something.
    fn read(&mut self, id: u64, turn: &mut Turn, each: &mut dyn FnMut(O, StreamChange<'_>)) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        if connection.ended {
            // Only that it is broken can be news, unless it is told that it takes more.
            match rustix::net::sockopt::socket_error(&connection.fd) {
                Ok(Err(error)) => self.fail(id, error),
                Ok(Ok(())) if connection.unsent.is_empty() => self.fail(id, Errno::PIPE),
                Ok(Ok(())) | Err(_) => {}
            }
            return false;
        }
        let heard = matches!(connection.state, State::Open | State::Failed);
        match rustix::io::read(&connection.fd, &mut *self.buffer) {
            Ok(0) => {
                connection.ended = true;
                match connection.state {
                    State::Open => {
                        self.counters.ended += 1;
                        turn.changes += 1;
                        each(connection.owner, StreamChange::Ended);
                        self.watch(id);
                    }
                    State::Draining => self.remove(id),
                    State::Closing => self.watch(id),
                    State::Connecting | State::Failed => {}
                }
                false
            }
            Ok(count) if heard => {
                self.counters.received_bytes += count as u64;
                turn.changes += 1;
                each(connection.owner, StreamChange::Data(&self.buffer[..count]));
                true
            }
            Ok(count) => {
                self.counters.late_bytes += count as u64;
                true
            }
            Err(Errno::AGAIN | Errno::INTR) => false,
            Err(error) => {
                self.fail(id, error);
                false
            }
        }
    }

    /// Asks the poller for what the connection waits for.
    fn watch(&mut self, id: u64) {
        let (Some(connection), Some(poller)) = (self.connections.get_mut(&id), &self.poller) else { return };
        let wanted = connection.wants();
        if wanted == connection.wanted {
            return;
        }
        connection.wanted = wanted;
        if let Err(error) = poller.set(&connection.fd, id, wanted) {
            // For want of kernel memory; nobody would ever hear of this stream again.
            self.fail(id, Errno::from_io_error(&error).unwrap_or(Errno::IO));
        }
    }
}

impl<O> Connection<O> {
    fn wants(&self) -> Wanted {
        match self.state {
            State::Connecting => Wanted::WRITE,
            State::Open | State::Closing | State::Draining => {
                Wanted { read: !self.ended, write: !self.unsent.is_empty() }
            }
            State::Failed => Wanted::NOTHING,
        }
    }

    /// Whether the attempt to connect has succeeded by now, or that it failed.
    fn is_connected(&self) -> Result<bool, Errno> {
        rustix::net::sockopt::socket_error(&self.fd)??;
        match rustix::net::getpeername(&self.fd) {
            Ok(_) => Ok(true),
            Err(Errno::NOTCONN) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sends as much as the kernel takes.
    fn send(&mut self) -> Result<(), Errno> {
        let mut sent = 0;
        let outcome = loop {
            if sent == self.unsent.len() {
                break Ok(());
            }
            match rustix::net::send(&self.fd, &self.unsent[sent..], SendFlags::NOSIGNAL) {
                Ok(count) => sent += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if sent == self.unsent.len() {
            // An idle stream keeps no buffer.
            self.unsent = Vec::new();
        } else {
            self.unsent.drain(..sent);
        }
        outcome
    }
}
