//! What became of datagrams: every one that is not delivered is counted here, by kind.

use std::collections::VecDeque;
use std::net::SocketAddr;

use nix::errno::Errno;

use super::open::OpenError;
use crate::transport::gate::Refused;

/// Datagrams in and out of a set of sockets, since they were opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UdpCounters {
    /// Datagrams read from the kernel: those handed on, and those counted in the next three.
    pub received: u64,
    /// Longer than [`super::MAX_DATAGRAM`]; not handed on.
    pub truncated: u64,
    /// From an address that the gate would not let us answer; not handed on.
    pub unknown_source: u64,
    /// For a local address that belongs to no open slot; not handed on.
    pub unknown_slot: u64,
    /// Bytes of payload read from the kernel.
    pub received_bytes: u64,
    /// Datagrams the kernel took.
    pub sent: u64,
    /// Bytes of payload the kernel took.
    pub sent_bytes: u64,
    /// Datagrams the gate refused.
    pub refused: u64,
    /// Datagrams dropped because too many were waiting to be sent, or their socket was closed.
    pub queue_dropped: u64,
    /// Errors the kernel kept for a later receive.
    pub receive_errors: u64,
    /// Datagrams the kernel would not send, by [`SendErrorKind`] (see [`UdpCounters::send_errors`]).
    send_errors: [u64; SendErrorKind::ALL.len()],
}

impl UdpCounters {
    /// How many datagrams the kernel would not send for this reason.
    pub fn send_errors(&self, kind: SendErrorKind) -> u64 {
        self.send_errors[kind as usize]
    }

    /// How many datagrams the kernel would not send, for whatever reason.
    pub fn all_send_errors(&self) -> u64 {
        self.send_errors.iter().sum()
    }

    /// How many datagrams were to be sent and never left: refused, dropped from the queue, or turned down
    /// by the kernel.
    pub fn unsent(&self) -> u64 {
        self.refused + self.queue_dropped + self.all_send_errors()
    }

    /// Adds what another set of sockets counted.
    pub fn add(&mut self, other: &UdpCounters) {
        self.received += other.received;
        self.truncated += other.truncated;
        self.unknown_source += other.unknown_source;
        self.unknown_slot += other.unknown_slot;
        self.received_bytes += other.received_bytes;
        self.sent += other.sent;
        self.sent_bytes += other.sent_bytes;
        self.refused += other.refused;
        self.queue_dropped += other.queue_dropped;
        self.receive_errors += other.receive_errors;
        for (sum, more) in self.send_errors.iter_mut().zip(other.send_errors) {
            *sum += more;
        }
    }
}

/// Why the kernel would not send one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SendErrorKind {
    /// Nobody listens there (an earlier datagram was answered by ICMP).
    ConnectionRefused,
    /// A firewall or a security policy forbids it.
    NotPermitted,
    /// The destination makes no sense from this socket.
    InvalidArgument,
    /// There is no route.
    Unreachable,
    /// It is longer than a datagram can be.
    TooLong,
    /// Anything else.
    Other,
}

impl SendErrorKind {
    /// Every kind, in the order of declaration.
    pub const ALL: [SendErrorKind; 6] = [
        SendErrorKind::ConnectionRefused,
        SendErrorKind::NotPermitted,
        SendErrorKind::InvalidArgument,
        SendErrorKind::Unreachable,
        SendErrorKind::TooLong,
        SendErrorKind::Other,
    ];

    fn of(error: Errno) -> Self {
        match error {
            Errno::ECONNREFUSED => SendErrorKind::ConnectionRefused,
            Errno::EPERM | Errno::EACCES => SendErrorKind::NotPermitted,
            Errno::EINVAL | Errno::EADDRNOTAVAIL | Errno::EAFNOSUPPORT => SendErrorKind::InvalidArgument,
            Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::ENETDOWN => SendErrorKind::Unreachable,
            Errno::EMSGSIZE => SendErrorKind::TooLong,
            _ => SendErrorKind::Other,
        }
    }
}

/// A datagram that the kernel would not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendFailure {
    /// Whose it was.
    pub slot: u32,
    /// Where it was to go.
    pub to: SocketAddr,
    /// Why it did not.
    pub kind: SendErrorKind,
}

/// Why a datagram was not even queued. It is counted, unless no socket could be opened for it.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The gate does not let it go there.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// No socket could be opened for it.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Too many datagrams wait for the kernel to take them.
    #[error("too many datagrams are waiting to be sent; this one is dropped")]
    QueueFull,
}

/// The most failures kept for the owner; beyond, they are only counted.
const FAILURES_KEPT: usize = 4096;

/// Counters, and the failures to be told one by one.
#[derive(Debug)]
pub(super) struct Tally<T> {
    pub(super) counters: UdpCounters,
    pub(super) failures: Failures<T>,
}

/// Datagrams that the kernel would not send: counted by kind, and kept for the owner.
#[derive(Debug)]
pub(super) struct Failures<T> {
    counts: [u64; SendErrorKind::ALL.len()],
    kept: VecDeque<T>,
}

impl<T> Default for Tally<T> {
    fn default() -> Self {
        let failures = Failures { counts: [0; SendErrorKind::ALL.len()], kept: VecDeque::new() };
        Tally { counters: UdpCounters::default(), failures }
    }
}

impl<T> Tally<T> {
    pub(super) fn counters(&self) -> UdpCounters {
        UdpCounters { send_errors: self.failures.counts, ..self.counters }
    }
}

impl<T> Failures<T> {
    /// Counts a datagram that the kernel would not send and keeps its failure for the owner.
    pub(super) fn push(&mut self, error: Errno, failure: impl FnOnce(SendErrorKind) -> T) {
        let kind = SendErrorKind::of(error);
        self.counts[kind as usize] += 1;
        if self.kept.len() < FAILURES_KEPT {
            self.kept.push_back(failure(kind));
        }
    }

    pub(super) fn take(&mut self) -> Option<T> {
        self.kept.pop_front()
    }
}

impl UdpCounters {
    /// Counts an error of receiving, as no datagram if it passes, or gives it back.
    pub(super) fn receive_failed(&mut self, error: Errno) -> Result<(), Errno> {
        match error {
            Errno::EAGAIN | Errno::EINTR => Ok(()),
            // Kept by the kernel from an earlier ICMP message or device event; gone once it is told.
            Errno::ECONNREFUSED
            | Errno::EHOSTUNREACH
            | Errno::ENETUNREACH
            | Errno::ENETDOWN
            | Errno::EMSGSIZE
            | Errno::ENOMEM => {
                self.receive_errors += 1;
                Ok(())
            }
            other => Err(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_by_kind_and_told_up_to_a_bound() {
        let mut tally = Tally::default();
        for _ in 0..FAILURES_KEPT + 10 {
            tally.failures.push(Errno::EMSGSIZE, |kind| kind);
        }
        tally.failures.push(Errno::EPERM, |kind| kind);
        let mut sum = tally.counters();
        sum.add(&tally.counters());
        assert_eq!(sum.send_errors(SendErrorKind::TooLong), 2 * (FAILURES_KEPT as u64 + 10));
        assert_eq!(sum.send_errors(SendErrorKind::NotPermitted), 2);
        sum.refused = 3;
        sum.queue_dropped = 4;
        assert_eq!(sum.unsent(), sum.all_send_errors() + 7);
        assert_eq!(std::iter::from_fn(|| tally.failures.take()).count(), FAILURES_KEPT);
        for (at, kind) in SendErrorKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, at);
        }
    }
}
