//! Datagrams waiting to be sent: pure, told what the kernel said.

use std::ops::Range;

use nix::errno::Errno;

use super::batch::BATCH;

/// Datagrams in the order in which they were queued, their bytes in one buffer.
#[derive(Debug)]
pub(super) struct Outbox<R> {
    entries: Vec<Entry<R>>,
    bytes: Vec<u8>,
    /// The most datagrams that may wait.
    limit: usize,
    /// Whether the kernel refused to take more at the last flush.
    blocked: bool,
}

/// One datagram and its way.
#[derive(Debug)]
pub(super) struct Entry<R> {
    pub(super) route: R,
    start: usize,
    end: usize,
}

impl<R> Entry<R> {
    fn range(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// Datagrams that leave through one socket, to be sent in one call.
#[derive(Debug)]
pub(super) struct Run<'a, R> {
    entries: &'a [Entry<R>],
    bytes: &'a [u8],
}

impl<'a, R> Run<'a, R> {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a R, &'a [u8])> + use<'a, R> {
        let bytes = self.bytes;
        self.entries.iter().map(move |entry| (&entry.route, &bytes[entry.range()]))
    }
}

impl<R> Outbox<R> {
    /// An empty outbox in which up to `limit` datagrams may wait, at least one batch.
    pub(super) fn new(limit: usize) -> Self {
        Outbox { entries: Vec::new(), bytes: Vec::new(), limit: limit.max(BATCH), blocked: false }
    }

    /// Queues a datagram; false if too many are waiting, and it was not taken.
    pub(super) fn push(&mut self, route: R, datagram: &[u8]) -> bool {
        if self.entries.len() >= self.limit {
            return false;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(datagram);
        self.entries.push(Entry { route, start, end: self.bytes.len() });
        true
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the kernel would take no more, so that it is worth waiting until it does.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Whether a full batch waits that the kernel is likely to take.
    pub(super) fn is_due(&self) -> bool {
        self.entries.len() >= BATCH && !self.blocked
    }

    /// Forgets the datagrams for which `gone` holds, and how many these were.
    pub(super) fn discard(&mut self, gone: impl Fn(&R) -> bool) -> usize {
        let before = self.entries.len();
        self.entries.retain(|entry| !gone(&entry.route));
        self.compact();
        before - self.entries.len()
    }

    /// Sends what waits. `socket` names the socket of a route: consecutive datagrams of the same socket
    /// go to `send` in runs of up to [`BATCH`], and it says how many of them, at least one, are sent.
    ///
    /// A socket that takes no more now (`EAGAIN`, `ENOBUFS`) keeps its datagrams and does not hold up the
    /// others. A datagram that cannot be sent is skipped and told to `failed`.
    pub(super) fn flush(
        &mut self,
        socket: impl Fn(&R) -> u32,
        mut send: impl FnMut(u32, Run<'_, R>) -> Result<usize, Errno>,
        mut failed: impl FnMut(&R, Errno),
    ) {
        let mut full: Vec<u32> = Vec::new();
        let mut kept = 0;
        let mut at = 0;
        while at < self.entries.len() {
            let through = socket(&self.entries[at].route);
            let run =
                self.entries[at..].iter().take(BATCH).take_while(|entry| socket(&entry.route) == through);
            let end = at + run.count();
            let sent = match full.contains(&through) {
                true => Err(Errno::EAGAIN),
                false => send(through, Run { entries: &self.entries[at..end], bytes: &self.bytes }),
            };
            match sent {
                Ok(sent) => at += sent.clamp(1, end - at),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN | Errno::ENOBUFS) => {
                    if !full.contains(&through) {
                        full.push(through);
                    }
                    for index in at..end {
                        self.entries.swap(kept, index);
                        kept += 1;
                    }
                    at = end;
                }
                Err(error) => {
                    failed(&self.entries[at].route, error);
                    at += 1;
                }
            }
        }
        self.blocked = kept > 0;
        self.entries.truncate(kept);
        self.compact();
    }

    /// Moves the bytes that are still needed to the front. Entries are in the order of their bytes.
    fn compact(&mut self) {
        let mut end = 0;
        for entry in &mut self.entries {
            self.bytes.copy_within(entry.range(), end);
            let length = entry.end - entry.start;
            (entry.start, entry.end) = (end, end + length);
            end += length;
        }
        self.bytes.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Route: the socket and the number of the datagram.
    type Queue = Outbox<(u32, usize)>;
    /// Socket, number and bytes.
    type Sent = Vec<(u32, usize, Vec<u8>)>;

    fn flush(
        outbox: &mut Queue,
        mut say: impl FnMut(u32, usize) -> Result<usize, Errno>,
    ) -> (Sent, Vec<usize>) {
        let (mut sent, mut failed) = (Vec::new(), Vec::new());
        outbox.flush(
            |route| route.0,
            |socket, run| {
                assert!(run.iter().all(|(route, _)| route.0 == socket));
                let taken = say(socket, run.iter().count())?;
                sent.extend(run.iter().take(taken).map(|(route, bytes)| (route.0, route.1, bytes.to_vec())));
                Ok(taken)
            },
            |route, _| failed.push(route.1),
        );
        (sent, failed)
    }

    fn filled(count: usize) -> Queue {
        let mut outbox = Queue::new(1000);
        for number in 0..count {
            assert!(outbox.push((0, number), &[number as u8]));
        }
        outbox
    }

    #[test]
    fn what_the_kernel_does_not_take_stays_and_goes_later_in_order() {
        let mut outbox = filled(150);
        let mut calls = 0;
        let (sent, failed) = flush(&mut outbox, |_, count| {
            calls += 1;
            if calls == 3 { Err(Errno::EAGAIN) } else { Ok(count.min(50)) }
        });
        assert_eq!((sent.len(), failed.len()), (100, 0));
        assert!(outbox.is_blocked() && !outbox.is_due());
        assert!(outbox.push((0, 150), &[150]));
        let (sent, _) = flush(&mut outbox, |_, count| Ok(count));
        assert_eq!(sent, (100..151).map(|n| (0, n, vec![n as u8])).collect::<Vec<_>>());
        assert!(!outbox.is_blocked());
        assert_eq!((outbox.len(), outbox.bytes.len()), (0, 0));
    }

    #[test]
    fn one_bad_datagram_is_skipped_and_told() {
        let mut outbox = filled(5);
        let mut calls = 0;
        let (sent, failed) = flush(&mut outbox, |_, count| {
            calls += 1;
            match calls {
                1 => Ok(2),
                2 => Err(Errno::EMSGSIZE),
                3 => Err(Errno::EINTR),
                _ => Ok(count),
            }
        });
        assert_eq!(sent.iter().map(|datagram| datagram.1).collect::<Vec<_>>(), [0, 1, 3, 4]);
        assert_eq!(failed, [2]);
    }

    #[test]
    fn a_full_socket_does_not_hold_up_the_others() {
        let mut outbox = Queue::new(1000);
        for number in 0..9 {
            outbox.push((number as u32 % 3, number), b"x");
        }
        let (sent, _) =
            flush(&mut outbox, |socket, count| if socket == 1 { Err(Errno::ENOBUFS) } else { Ok(count) });
        assert_eq!(sent.iter().map(|datagram| datagram.1).collect::<Vec<_>>(), [0, 2, 3, 5, 6, 8]);
        let (sent, _) = flush(&mut outbox, |_, count| Ok(count));
        assert_eq!(sent.iter().map(|datagram| datagram.1).collect::<Vec<_>>(), [1, 4, 7]);
    }

    #[test]
    fn the_queue_is_bounded_and_a_closed_slot_leaves_it() {
        let mut outbox = Queue::new(BATCH);
        for number in 0..BATCH {
            assert!(outbox.push((0, number), b"x"));
        }
        assert!(!outbox.push((0, BATCH), b"x"));
        assert_eq!(outbox.discard(|route| route.1 % 2 == 0), BATCH / 2);
        assert!(outbox.push((0, BATCH), b"y"));
        let (sent, _) = flush(&mut outbox, |_, count| Ok(count));
        assert_eq!(sent.last(), Some(&(0, BATCH, b"y".to_vec())));
    }

    proptest! {
        /// Whatever the kernel says, every datagram is sent or failed exactly once, whole, and those of
        /// one socket in order.
        #[test]
        fn nothing_is_lost_doubled_or_mixed_up(
            sockets in proptest::collection::vec(0_u32..4, 0..300),
            answers in proptest::collection::vec((0_usize..70, 0_u8..10), 0..100),
        ) {
            let mut outbox = Queue::new(1000);
            for (number, &socket) in sockets.iter().enumerate() {
                outbox.push((socket, number), format!("datagram {number}").as_bytes());
            }
            let mut answers = answers.into_iter();
            let (mut sent, mut failed) = (Vec::new(), Vec::new());
            while outbox.len() > 0 {
                let (more, bad) = flush(&mut outbox, |_, count| match answers.next() {
                    Some((_, 0)) => Err(Errno::EAGAIN),
                    Some((_, 1)) => Err(Errno::EPERM),
                    Some((taken, _)) => Ok(taken.clamp(1, count)),
                    None => Ok(count),
                });
                sent.extend(more);
                failed.extend(bad);
            }
            for socket in 0..4 {
                prop_assert!(sent.iter().filter(|d| d.0 == socket).is_sorted_by_key(|d| d.1));
            }
            for (socket, number, bytes) in &sent {
                prop_assert_eq!(sockets[*number], *socket);
                prop_assert_eq!(bytes, &format!("datagram {number}").into_bytes());
            }
            let mut all: Vec<usize> = sent.iter().map(|d| d.1).chain(failed).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..sockets.len()).collect::<Vec<_>>());
        }
    }
}
