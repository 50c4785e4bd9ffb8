//! Many datagrams in one system call: `recvmmsg` and `sendmmsg`.

use std::cell::Cell;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, recvmmsg, sendmmsg,
};
use smallvec::SmallVec;

use super::family::Family;
use crate::base::{Clock, Instant};

/// The most datagrams of one call.
pub(super) const BATCH: usize = 64;

/// The longest datagram that is received whole, in bytes: CoAP asks for at most 1152 (RFC 7252 §4.6),
/// and a DTLS record that is not fragmented fits an Ethernet frame.
pub const MAX_DATAGRAM: usize = 2048;

/// Buffers for one call of `recvmmsg`, used again by the next.
///
/// All sockets read through one inbox must have the same options, timestamps and packet information:
/// the kernel writes the length of the control messages into headers that the next call starts from, so
/// it must be the same each time.
#[derive(Debug)]
pub(super) struct Inbox<F: Family> {
    headers: MultiHeaders<F::Sockaddr>,
    buffers: Box<[u8]>,
}

/// A datagram as it came.
#[derive(Debug)]
pub(super) struct Arrived<'a, F: Family> {
    pub(super) peer: F::Sockaddr,
    /// The local address it was sent to, if the socket tells.
    pub(super) local: Option<F::Ip>,
    pub(super) bytes: &'a [u8],
    /// Whether it was longer than [`MAX_DATAGRAM`], so that `bytes` is only its beginning.
    pub(super) truncated: bool,
    /// When the kernel received it.
    pub(super) at: Instant,
}

impl<F: Family> Inbox<F> {
    /// Buffers for up to `datagrams` at a time, at most [`BATCH`].
    pub(super) fn new(datagrams: usize) -> Self {
        let datagrams = datagrams.clamp(1, BATCH);
        Inbox {
            headers: MultiHeaders::preallocate(datagrams, Some(vec![0; F::CONTROL])),
            buffers: vec![0; datagrams * MAX_DATAGRAM].into_boxed_slice(),
        }
    }

    /// How many datagrams one call can bring.
    pub(super) fn capacity(&self) -> usize {
        self.buffers.len() / MAX_DATAGRAM
    }

    /// Hands what has come to `each`, at most [`Inbox::capacity`]; how many that were. Fewer than the
    /// capacity means that the socket was empty then. `socket` must be non-blocking.
    pub(super) fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        clock: &Clock,
        mut each: impl FnMut(Arrived<'_, F>),
    ) -> Result<usize, Errno> {
        let mut buffers = self.buffers.chunks_exact_mut(MAX_DATAGRAM);
        // As many as there are headers count; the others stay empty and are not looked at.
        let mut slices: [[IoSliceMut<'_>; 1]; BATCH] =
            std::array::from_fn(|_| [IoSliceMut::new(buffers.next().unwrap_or_default())]);
        let arrived =
            recvmmsg(socket.as_raw_fd(), &mut self.headers, slices.iter_mut(), MsgFlags::empty(), None)?;
        let stamps = Stamps::now(clock);
        let mut count = 0;
        for message in arrived {
            count += 1;
            if let Some(datagram) = read(&message, &stamps) {
                each(datagram);
            }
        }
        Ok(count)
    }
}

fn read<'a, F: Family>(message: &RecvMsg<'_, 'a, F::Sockaddr>, stamps: &Stamps) -> Option<Arrived<'a, F>> {
    let mut local = None;
    let mut at = stamps.now;
    // The kernel had room for all it has to say, so this is no error.
    for control in message.cmsgs().into_iter().flatten() {
        if let ControlMessageOwned::ScmTimestampns(time) = control {
            at = stamps.instant(Duration::from(time));
        } else if let Some(ip) = F::local(&control) {
            local = Some(ip);
        }
    }
    Some(Arrived {
        peer: message.address?,
        local,
        // An empty datagram has no slice.
        bytes: message.iovs().next().unwrap_or(&[]),
        truncated: message.flags.contains(MsgFlags::MSG_TRUNC),
        at,
    })
}

/// Maps the kernel's timestamps, which follow the system's clock, to the run's clock. Both clocks are
/// read with each batch, so that a step of the system's clock spoils at most one.
#[derive(Debug)]
struct Stamps {
    now: Instant,
    unix: Duration,
}

impl Stamps {
    fn now(clock: &Clock) -> Self {
        Stamps { now: clock.now(), unix: clock.unix_now() }
    }

    /// Never after now: a datagram cannot have come after it was read.
    fn instant(&self, stamp: Duration) -> Instant {
        self.now - self.unix.saturating_sub(stamp)
    }
}

/// Headers for one call of `sendmmsg`, used again by the next.
#[derive(Debug)]
pub(super) struct Sender<F: Family> {
    headers: MultiHeaders<F::Sockaddr>,
    /// Whether each datagram names its source.
    sources: bool,
}

/// A datagram to send.
#[derive(Debug)]
pub(super) struct Outgoing<'a, F: Family> {
    pub(super) to: F::Sockaddr,
    /// The local address it leaves from, if this sender names sources; the wildcard leaves the choice to
    /// the kernel.
    pub(super) source: F::Ip,
    pub(super) bytes: &'a [u8],
}

impl<F: Family> Sender<F> {
    /// A sender that names the source of each datagram, or leaves it to the socket's binding.
    pub(super) fn new(sources: bool) -> Self {
        let control = sources.then(|| vec![0; F::INFO]);
        Sender { headers: MultiHeaders::preallocate(BATCH, control), sources }
    }

    /// Sends up to [`BATCH`] datagrams, each from its own source; how many were sent, in their order, at
    /// least one. An error is that of the first datagram, and nothing was sent.
    pub(super) fn send<'a>(
        &mut self,
        socket: BorrowedFd<'_>,
        datagrams: impl Iterator<Item = Outgoing<'a, F>>,
    ) -> Result<usize, Errno> {
        let mut slices: SmallVec<[[IoSlice<'_>; 1]; BATCH]> = SmallVec::new();
        let mut destinations: SmallVec<[Option<F::Sockaddr>; BATCH]> = SmallVec::new();
        let mut infos: SmallVec<[F::Info; BATCH]> = SmallVec::new();
        for datagram in datagrams.take(BATCH) {
            slices.push([IoSlice::new(datagram.bytes)]);
            destinations.push(Some(datagram.to));
            if self.sources {
                infos.push(F::info(datagram.source));
            }
        }
        let controls: SmallVec<[ControlMessage<'_>; BATCH]> = infos.iter().map(F::control).collect();
        let sources = OnePerMessage { controls: &controls, asked: Cell::new(0) };
        let sent = sendmmsg(
            socket.as_raw_fd(),
            &mut self.headers,
            slices.iter(),
            destinations.as_slice(),
            &sources,
            MsgFlags::empty(),
        )?
        .count();
        debug_assert_eq!(sources.asked.get(), slices.len(), "one source per message");
        Ok(sent)
    }
}

/// Gives each message of a `sendmmsg` its own control message, or none if there are none at all.
///
/// nix takes one list of control messages "shared across all the messages", but asks for it anew for
/// each; this answers with the next one each time. The version is pinned for it (see `Cargo.toml`), and
/// `each_datagram_leaves_from_its_own_address` proves it.
struct OnePerMessage<'a> {
    controls: &'a [ControlMessage<'a>],
    asked: Cell<usize>,
}

impl<'a> AsRef<[ControlMessage<'a>]> for OnePerMessage<'a> {
    fn as_ref(&self) -> &[ControlMessage<'a>] {
        let at = self.asked.get();
        self.asked.set(at + 1);
        self.controls.get(at..=at).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_follow_the_offset_of_the_moment_and_are_never_in_the_future() {
        let stamps = Stamps { now: Instant::from_secs(5), unix: Duration::from_secs(1000) };
        assert_eq!(stamps.instant(Duration::from_millis(999_900)), Instant::from_millis(4900));
        assert_eq!(stamps.instant(Duration::from_secs(1001)), Instant::from_secs(5));
        assert_eq!(stamps.instant(Duration::ZERO), Instant::ZERO);
    }
}
