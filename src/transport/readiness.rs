//! Waiting within tokio for a descriptor to become readable.

use std::io;
use std::os::fd::AsFd;

use tokio::net::unix::pipe;

/// Lets a tokio task wait until a descriptor (an epoll instance, a timer) is readable.
///
/// tokio's own adapter for a foreign descriptor, `AsyncFd`, can only be made with `unsafe` since 1.54.
/// A pipe's receiver takes any descriptor "without checking pipe properties", and nothing but its
/// waiting is used here. It watches a duplicate, so the owner keeps the original.
#[derive(Debug)]
pub(super) struct Readable(pipe::Receiver);

impl Readable {
    /// Watches `fd`, which must be non-blocking. Must be called within a tokio runtime.
    pub(super) fn watch(fd: impl AsFd) -> io::Result<Self> {
        Ok(Readable(pipe::Receiver::from_owned_fd_unchecked(fd.as_fd().try_clone_to_owned()?)?))
    }

    /// Waits until the descriptor is readable, or may be. Cancel-safe.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.0.readable().await
    }

    /// Runs `read` if the descriptor may be readable. When `read` says `WouldBlock`, the next
    /// [`Readable::readable`] waits for news.
    pub(super) fn try_io<R>(&self, read: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.0.try_io(read)
    }
}
