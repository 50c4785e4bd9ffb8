//! One descriptor to wait on for many sockets: an epoll instance.

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::Timespec;

use crate::transport::readiness::Readable;

/// Sockets looked at in one turn.
const EVENTS: usize = 256;

/// Level-triggered: a socket that is not read empty is told again.
pub(super) struct Poller {
    epoll: OwnedFd,
    watch: Option<Readable>,
}

/// What of a socket is news. That it is broken always is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// That there is something to read.
    pub(super) read: bool,
    /// That it takes something to write.
    pub(super) write: bool,
}

impl Wanted {
    pub(super) const READ: Wanted = Wanted { read: true, write: false };
    pub(super) const WRITE: Wanted = Wanted { read: false, write: true };
    pub(super) const NOTHING: Wanted = Wanted { read: false, write: false };

    fn flags(self) -> EventFlags {
        let read = if self.read { EventFlags::IN } else { EventFlags::empty() };
        let write = if self.write { EventFlags::OUT } else { EventFlags::empty() };
        read | write
    }
}

impl Poller {
    pub(super) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        // tokio wants to see the flag; waiting with a timeout of zero never blocks anyway.
        rustix::io::ioctl_fionbio(&epoll, true)?;
        Ok(Poller { epoll, watch: None })
    }

    /// Watches `socket`, which is to be told by the number `token`. Closing the socket ends it.
    pub(super) fn add(&self, socket: impl AsFd, token: u64, wanted: Wanted) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(token), wanted.flags())?)
    }

    /// Watches `socket` for something else from now on.
    pub(super) fn set(&self, socket: impl AsFd, token: u64, wanted: Wanted) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, socket, EventData::new_u64(token), wanted.flags())?)
    }

    /// The numbers of the sockets that have news now, without waiting, into `ready`.
    pub(super) fn poll(&mut self, ready: &mut Vec<u64>) -> io::Result<()> {
        let Poller { epoll, watch } = self;
        // Not kept: events hold what may be a pointer, and a poller is moved to the thread that is to use it.
        let mut events = [const { MaybeUninit::<Event>::uninit() }; EVENTS];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let poll = || match epoll::wait(epoll, &mut events[..], Some(&now)) {
            Ok(([], _)) => Err(io::ErrorKind::WouldBlock.into()),
            Ok((events, _)) => {
                ready.extend(events.iter().map(|event| {
                    let data = event.data;
                    data.u64()
                }));
                Ok(())
            }
            Err(error) => Err(error.into()),
        };
        let polled = match watch {
            Some(watch) => watch.try_io(poll),
            None => poll(),
        };
        match polled {
            Err(error) if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Err(error)
            }
            _ => Ok(()),
        }
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
