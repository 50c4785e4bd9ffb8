//! Waiting without tokio: a server's thread for its sockets, until somebody wakes it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::time::Timespec;

/// Something that a server's thread serves, and waits for together with others.
pub trait Awaited {
    /// Readable when there is news.
    fn descriptor(&self) -> BorrowedFd<'_>;

    /// Whether it is also news that the descriptor takes something to write.
    fn wants_write(&self) -> bool {
        false
    }

    /// Ends the waiting.
    fn waker(&self) -> &Waker;

    /// The longest it may be left waiting now; by default there is no bound.
    fn bound(&self) -> Option<Duration> {
        None
    }
}

/// Waits until one of them has news, or a waker was used, for at most `timeout`; forever if none is given.
/// Whether one of the wakers was used since the last time.
///
/// # Errors
/// None that valid sockets can have.
pub fn wait_any<A: Awaited + ?Sized>(of: &[&A], timeout: Option<Duration>) -> io::Result<bool> {
    let sockets = of.iter().map(|awaited| (awaited.descriptor(), awaited.wants_write()));
    let wakers = of.iter().map(|awaited| (awaited.waker().0.as_fd(), false));
    let bounds = of.iter().filter_map(|awaited| awaited.bound());
    wait_for(sockets.chain(wakers), bounds.chain(timeout).min())?;
    of.iter().try_fold(false, |woken, awaited| Ok(awaited.waker().take()? || woken))
}

/// Waits until one of the descriptors is readable (or writable, where that is asked for), for at most
/// `timeout`.
pub(super) fn wait_for<'a>(
    descriptors: impl IntoIterator<Item = (BorrowedFd<'a>, bool)>,
    timeout: Option<Duration>,
) -> io::Result<()> {
    let polled = descriptors.into_iter().map(|(fd, writable)| {
        let flags = if writable { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        PollFd::from_borrowed_fd(fd, flags)
    });
    let mut polled: Vec<PollFd<'_>> = polled.collect();
    let timeout = timeout.map(|span| Timespec {
        tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(span.subsec_nanos()),
    });
    match poll(&mut polled, timeout.as_ref()) {
        // A signal: the caller looks and waits again.
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Ends a [`wait_any`] from another thread, now or when it next begins.
#[derive(Clone, Debug)]
pub struct Waker(Arc<OwnedFd>);

impl Waker {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Waker(Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?)))
    }

    /// Wakes the thread that waits, or the next that will.
    pub fn wake(&self) {
        // It fails only if it was used 2^64 - 2 times without anyone waking.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Whether it was used since the last time.
    fn take(&self) -> io::Result<bool> {
        match rustix::io::read(&self.0, &mut [0; 8]) {
            Ok(_) => Ok(true),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
