//! The sockets of one kind: for one family, and one way of giving each slot its source.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use nix::errno::Errno;
use tokio::io::Interest;

use super::batch::{Inbox, Outgoing, Sender};
use super::family::Family;
use super::meters::Datagram;
use super::open::{OpenError, Options, UdpSocket};
use super::outbox::{Outbox, Run};
use super::sources::Sources;
use super::tally::{SendError, SendFailure, Tally};
use crate::base::Clock;
use crate::transport::gate::Gate;
use crate::transport::poller::{Poller, Wanted};

/// Sockets of one kind, whatever their family.
pub(super) trait Lane: std::fmt::Debug {
    /// Opens `slot`, and its socket if need be; its datagrams are handed on from now.
    fn open(&mut self, slot: u32, context: &mut Context<'_>) -> Result<(), OpenError>;

    /// Closes `slot`: what comes for it is not handed on any more. A socket that only it used is closed,
    /// after what waits to be sent through it was given a last chance.
    fn close(&mut self, slot: u32, context: &mut Context<'_>);

    /// Queues a datagram, and sends what is queued when that is a full batch.
    fn send(
        &mut self,
        slot: u32,
        to: SocketAddr,
        bytes: &[u8],
        context: &mut Context<'_>,
    ) -> Result<(), SendError>;

    /// Sends what is queued, as far as the kernel takes it.
    fn flush(&mut self, context: &mut Context<'_>);

    /// Hands on what came to one socket, at most one batch; how many datagrams were read.
    fn receive(
        &mut self,
        socket: u32,
        context: &mut Context<'_>,
        each: &mut dyn FnMut(Datagram<'_>),
    ) -> io::Result<usize>;

    /// Has tokio watch socket 0, if it is open. Must be called within a tokio runtime.
    fn watch(&mut self) -> io::Result<()>;

    /// What tokio watches, and for what.
    fn watched(&self) -> Option<(&tokio::net::UdpSocket, Interest)>;

    /// How many datagrams wait to be sent.
    fn queued(&self) -> usize;

    /// Whether the kernel would take no more at the last flush.
    fn is_blocked(&self) -> bool;

    /// Socket 0, if it is open.
    fn first_socket(&self) -> Option<&UdpSocket>;

    /// The local address that `slot` sends from, if it is open: unspecified where the kernel chooses.
    fn local_address(&self, slot: u32) -> Option<SocketAddr>;

    /// Appends the inode numbers of all open sockets.
    fn inodes(&self, inodes: &mut Vec<u64>) -> io::Result<()>;
}

/// Sockets, what waits to leave through them, and who may receive.
#[derive(Debug)]
pub(super) struct FamilyLane<F: Family> {
    /// The lane's number in the poller's tokens.
    number: u32,
    sources: Sources<F>,
    options: Options,
    sockets: Vec<Option<LaneSocket>>,
    slots: SlotSet,
    outbox: Outbox<Route<F>>,
    sender: Sender<F>,
    inbox: Inbox<F>,
}

#[derive(Debug)]
struct LaneSocket {
    socket: UdpSocket,
    /// How many open slots it serves.
    slots: u32,
    /// Whether the poller is asked to tell when it takes datagrams again.
    wants_write: bool,
    /// Set where tokio watches this very socket, and not the poller.
    watch: Option<tokio::net::UdpSocket>,
}

/// The way of a queued datagram.
#[derive(Debug)]
struct Route<F: Family> {
    socket: u32,
    slot: u32,
    to: F::Sockaddr,
    source: F::Ip,
}

/// Which socket the poller tells of: its lane, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) lane: u32,
    pub(super) socket: u32,
}

impl From<Token> for u64 {
    fn from(token: Token) -> u64 {
        u64::from(token.lane) << 32 | u64::from(token.socket)
    }
}

impl From<u64> for Token {
    fn from(number: u64) -> Token {
        Token { lane: (number >> 32) as u32, socket: number as u32 }
    }
}

/// What a lane needs of its owner.
pub(super) struct Context<'a> {
    pub(super) clock: Clock,
    pub(super) gate: Gate,
    pub(super) tally: &'a mut Tally<SendFailure>,
    /// Set for lanes whose sockets the poller watches.
    pub(super) poller: Option<&'a Poller>,
}

impl<F: Family> FamilyLane<F> {
    /// A lane without sockets; each receive brings up to `batch` datagrams.
    pub(super) fn new(
        number: u32,
        sources: Sources<F>,
        options: Options,
        queue_limit: usize,
        batch: usize,
    ) -> Self {
        FamilyLane {
            number,
            sources,
            options,
            sockets: Vec::new(),
            slots: SlotSet::default(),
            outbox: Outbox::new(queue_limit),
            // A socket of its own has its source by its binding.
            sender: Sender::new(options.tell_local),
            inbox: Inbox::new(batch),
        }
    }

    /// The socket and source of `slot`, opened if need be.
    fn open_slot(&mut self, slot: u32, context: &Context<'_>) -> Result<(u32, F::Ip), OpenError> {
        let (index, source) = self
            .sources
            .of(slot)
            .ok_or_else(|| OpenError::OutOfAddresses { capacity: self.sources.capacity() })?;
        if !self.slots.contains(slot) {
            self.open_socket(index, context)?.slots += 1;
            self.slots.insert(slot);
        }
        Ok((index, source))
    }

    fn open_socket(&mut self, index: u32, context: &Context<'_>) -> Result<&mut LaneSocket, OpenError> {
        let at = index as usize;
        if self.sockets.len() <= at {
            self.sockets.resize_with(at + 1, || None);
        }
        if self.sockets[at].is_none() {
            let (ip, port) = self.sources.binding(index);
            let address = SocketAddr::new(ip.into(), port);
            let socket = UdpSocket::open(address, self.options)?;
            if let Some(poller) = context.poller {
                poller
                    .add(&socket.fd, self.token(index).into(), Wanted::READ)
                    .map_err(|source| OpenError::Other { address, source })?;
            }
            self.options.open += 1;
            self.sockets[at] = Some(LaneSocket { socket, slots: 0, wants_write: false, watch: None });
        }
        Ok(self.sockets[at].as_mut().expect("opened above"))
    }

    fn token(&self, socket: u32) -> Token {
        Token { lane: self.number, socket }
    }
}

impl<F: Family> Lane for FamilyLane<F> {
    fn open(&mut self, slot: u32, context: &mut Context<'_>) -> Result<(), OpenError> {
        self.open_slot(slot, context).map(drop)
    }

    fn close(&mut self, slot: u32, context: &mut Context<'_>) {
        if !self.slots.remove(slot) {
            return;
        }
        let Some((index, _)) = self.sources.of(slot) else { return };
        let Some(Some(socket)) = self.sockets.get_mut(index as usize) else { return };
        socket.slots -= 1;
        // The one socket of a block stays: its meters come and go.
        if socket.slots > 0 || matches!(self.sources, Sources::Block { .. }) {
            return;
        }
        self.flush(context);
        let dropped = self.outbox.discard(|route| route.socket == index);
        context.tally.counters.queue_dropped += dropped as u64;
        self.sockets[index as usize] = None;
        self.options.open -= 1;
    }

    fn send(
        &mut self,
        slot: u32,
        to: SocketAddr,
        bytes: &[u8],
        context: &mut Context<'_>,
    ) -> Result<(), SendError> {
        let (socket, source) = self.open_slot(slot, context)?;
        let to = F::sockaddr(to).expect("a lane is asked for destinations of its family");
        if !self.outbox.push(Route { socket, slot, to, source }, bytes) {
            context.tally.counters.queue_dropped += 1;
            return Err(SendError::QueueFull);
        }
        if self.outbox.is_due() {
            self.flush(context);
        }
        Ok(())
    }

    fn flush(&mut self, context: &mut Context<'_>) {
        if self.outbox.len() == 0 {
            return;
        }
        let FamilyLane { number, sockets, outbox, sender, .. } = self;
        let Context { tally, poller, .. } = context;
        let Tally { counters, failures } = &mut **tally;
        outbox.flush(
            |route| route.socket,
            |index, run| {
                // A socket is closed only once nothing is queued for it.
                let Some(Some(socket)) = sockets.get_mut(index as usize) else { return Err(Errno::EBADF) };
                let sent = socket.send(sender, &run);
                if sent == Err(Errno::EAGAIN) {
                    socket.want_write(*poller, Token { lane: *number, socket: index }, true);
                }
                let sent = sent?;
                counters.sent += sent as u64;
                counters.sent_bytes +=
                    run.iter().take(sent).map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
                Ok(sent)
            },
            |route, error| {
                let to = F::address(&route.to);
                failures.push(error, |kind| SendFailure { slot: route.slot, to, kind });
            },
        );
    }

    fn receive(
        &mut self,
        index: u32,
        context: &mut Context<'_>,
        each: &mut dyn FnMut(Datagram<'_>),
    ) -> io::Result<usize> {
        let token = self.token(index);
        let FamilyLane { sources, sockets, slots, inbox, .. } = self;
        let Some(Some(socket)) = sockets.get_mut(index as usize) else { return Ok(0) };
        let Context { clock, gate, tally, poller } = context;
        // Whatever woke us, the next flush finds out whether it takes more, and asks again if need be.
        socket.want_write(*poller, token, false);
        let counters = &mut tally.counters;
        let received = socket.receive(inbox, clock, |arrived| {
            counters.received += 1;
            counters.received_bytes += arrived.bytes.len() as u64;
            let from = F::address(&arrived.peer);
            let slot =
                sources.slot(index, arrived.local.unwrap_or(F::ANY)).filter(|slot| slots.contains(*slot));
            match slot {
                _ if arrived.truncated => counters.truncated += 1,
                _ if gate.check(from).is_err() => counters.unknown_source += 1,
                None => counters.unknown_slot += 1,
                Some(slot) => each(Datagram { slot, from, bytes: arrived.bytes, at: arrived.at }),
            }
        });
        match received {
            Ok(count) => Ok(count),
            Err(error) => Ok(counters.receive_failed(error).map(|()| 0)?),
        }
    }

    fn watch(&mut self) -> io::Result<()> {
        if let Some(Some(socket)) = self.sockets.first_mut()
            && socket.watch.is_none()
        {
            let copy = socket.socket.fd.as_fd().try_clone_to_owned()?;
            socket.watch = Some(tokio::net::UdpSocket::from_std(copy.into())?);
        }
        Ok(())
    }

    fn watched(&self) -> Option<(&tokio::net::UdpSocket, Interest)> {
        let watch = self.sockets.first()?.as_ref()?.watch.as_ref()?;
        let interest = match self.outbox.is_blocked() {
            true => Interest::READABLE | Interest::WRITABLE,
            false => Interest::READABLE,
        };
        Some((watch, interest))
    }

    fn queued(&self) -> usize {
        self.outbox.len()
    }

    fn is_blocked(&self) -> bool {
        self.outbox.is_blocked()
    }

    fn first_socket(&self) -> Option<&UdpSocket> {
        Some(&self.sockets.first()?.as_ref()?.socket)
    }

    fn local_address(&self, slot: u32) -> Option<SocketAddr> {
        let (index, source) = self.sources.of(slot).filter(|_| self.slots.contains(slot))?;
        let socket = self.sockets.get(index as usize)?.as_ref()?;
        Some(SocketAddr::new(source.into(), socket.socket.local.port()))
    }

    fn inodes(&self, inodes: &mut Vec<u64>) -> io::Result<()> {
        for socket in self.sockets.iter().flatten() {
            inodes.push(socket.socket.inode()?);
        }
        Ok(())
    }
}

impl LaneSocket {
    fn send<F: Family>(&self, sender: &mut Sender<F>, run: &Run<'_, Route<F>>) -> Result<usize, Errno> {
        let mut send = || {
            let datagrams =
                run.iter().map(|(route, bytes)| Outgoing { to: route.to, source: route.source, bytes });
            sender.send(self.socket.fd.as_fd(), datagrams)
        };
        match (send(), &self.watch) {
            // Again through tokio, so that it knows the socket is full and waits until it is not.
            (Err(Errno::EAGAIN), Some(watch)) => {
                watch.try_io(Interest::WRITABLE, || Ok(send()?)).map_err(errno)
            }
            (sent, _) => sent,
        }
    }

    fn receive<F: Family>(
        &self,
        inbox: &mut Inbox<F>,
        clock: &Clock,
        each: impl FnMut(super::batch::Arrived<'_, F>),
    ) -> Result<usize, Errno> {
        let Some(watch) = &self.watch else { return inbox.receive(self.socket.fd.as_fd(), clock, each) };
        let capacity = inbox.capacity();
        let mut received = 0;
        let outcome = watch.try_io(Interest::READABLE, || {
            received = inbox.receive(self.socket.fd.as_fd(), clock, each)?;
            // Fewer than asked for: the kernel found the socket empty, and tokio may wait for news.
            if received < capacity { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match outcome {
            Err(error) if received == 0 => Err(errno(error)),
            _ => Ok(received),
        }
    }

    /// Asks the poller to tell, or no longer to tell, when the socket takes datagrams again. Without a
    /// poller, tokio watches for both.
    fn want_write(&mut self, poller: Option<&Poller>, token: Token, wanted: bool) {
        if let Some(poller) = poller
            && self.wants_write != wanted
        {
            // Fails only for want of kernel memory; then the next flush, whenever it comes, tries again.
            let news = Wanted { read: true, write: wanted };
            self.wants_write = poller.set(&self.socket.fd, token.into(), news).is_ok() && wanted;
        }
    }
}

fn errno(error: io::Error) -> Errno {
    match error.raw_os_error() {
        Some(code) => Errno::from_raw(code),
        None if error.kind() == io::ErrorKind::WouldBlock => Errno::EAGAIN,
        None => Errno::EIO,
    }
}

/// A set of slots: one bit each.
#[derive(Debug, Default)]
struct SlotSet(Vec<u64>);

impl SlotSet {
    fn contains(&self, slot: u32) -> bool {
        self.0.get(slot as usize / 64).is_some_and(|word| word >> (slot % 64) & 1 == 1)
    }

    fn insert(&mut self, slot: u32) {
        let at = slot as usize / 64;
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        self.0[at] |= 1 << (slot % 64);
    }

    /// Whether it was in the set.
    fn remove(&mut self, slot: u32) -> bool {
        let was = self.contains(slot);
        if was {
            self.0[slot as usize / 64] &= !(1 << (slot % 64));
        }
        was
    }
}
