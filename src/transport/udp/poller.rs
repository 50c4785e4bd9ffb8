//! One descriptor to wait on for many sockets: an epoll instance.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::Timespec;

use crate::transport::readiness::Readable;

/// Sockets looked at in one turn.
const EVENTS: usize = 256;

/// Level-triggered: a socket that is not read empty is told again.
pub(super) struct Poller {
    epoll: OwnedFd,
    watch: Option<Readable>,
    events: Vec<Event>,
}

/// Which socket: its lane, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) lane: u32,
    pub(super) socket: u32,
}

impl Token {
    fn data(self) -> EventData {
        EventData::new_u64(u64::from(self.lane) << 32 | u64::from(self.socket))
    }
}

impl Poller {
    pub(super) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        // tokio wants to see the flag; waiting with a timeout of zero never blocks anyway.
        rustix::io::ioctl_fionbio(&epoll, true)?;
        Ok(Poller { epoll, watch: None, events: Vec::with_capacity(EVENTS) })
    }

    pub(super) fn add(&self, socket: impl AsFd, token: Token) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, token.data(), EventFlags::IN)?)
    }

    /// Whether `socket` is also to be told when it takes datagrams again.
    pub(super) fn set_writable(&self, socket: impl AsFd, token: Token, wanted: bool) -> io::Result<()> {
        let flags = if wanted { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
        Ok(epoll::modify(&self.epoll, socket, token.data(), flags)?)
    }

    /// The sockets that have news now, without waiting, into `ready`.
    pub(super) fn poll(&mut self, ready: &mut Vec<Token>) -> io::Result<()> {
        let Poller { epoll, watch, events } = self;
        events.clear();
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let poll = || match epoll::wait(epoll, spare_capacity(events), Some(&now)) {
            Ok(0) => Err(io::ErrorKind::WouldBlock.into()),
            Ok(_) => Ok(()),
            Err(error) => Err(error.into()),
        };
        let polled = match watch {
            Some(watch) => watch.try_io(poll),
            None => poll(),
        };
        match polled {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
        ready.extend(events.iter().map(|event| {
            let data = event.data;
            Token { lane: (data.u64() >> 32) as u32, socket: data.u64() as u32 }
        }));
        Ok(())
    }

    /// Makes [`Poller::readable`] possible. Must be called within a tokio runtime.
    pub(super) fn watch(&mut self) -> io::Result<()> {
        if self.watch.is_none() {
            self.watch = Some(Readable::watch(&self.epoll)?);
        }
        Ok(())
    }

    /// Waits until a socket has news, or forever if nothing watches.
    pub(super) async fn readable(&self) -> io::Result<()> {
        match &self.watch {
            Some(watch) => watch.readable().await,
            None => std::future::pending().await,
        }
    }
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").field("epoll", &self.epoll).finish_non_exhaustive()
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
