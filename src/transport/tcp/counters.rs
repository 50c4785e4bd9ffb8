//! What became of streams: every one that does not come to a good end is counted here, by reason.

use rustix::io::Errno;

/// Streams at one end, and the bytes on them, since its sockets were opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpCounters {
    /// Connections attempted, or peers that asked to be accepted.
    pub attempted: u64,
    /// Streams that were connected or accepted.
    pub opened: u64,
    /// Destinations, or peers, that the gate refused.
    pub gate_refused: u64,
    /// Connections not attempted for want of a descriptor, an address, a port or memory.
    pub no_socket: u64,
    /// Attempts that the peer refused: nobody listens there.
    pub refused: u64,
    /// Attempts that nobody answered in time.
    pub unanswered: u64,
    /// Attempts that failed in any other way, such as for want of a route.
    pub unconnected: u64,
    /// Peers that were not let in for want of room: too many streams, or too few descriptors.
    pub turned_away: u64,
    /// Times that accepting had to rest, for want even of what it takes to turn a peer away.
    pub accept_rests: u64,
    /// Streams that the peer ended in good order; we may have closed them first.
    pub ended: u64,
    /// Streams that we closed, all of it sent.
    pub closed: u64,
    /// Streams that we closed and whose rest the peer did not take in time.
    pub cut_short: u64,
    /// Streams that the peer tore down.
    pub reset: u64,
    /// Streams whose peer acknowledged nothing, or took nothing, for too long.
    pub timed_out: u64,
    /// Streams given up because too much waited for their peers to read.
    pub overflowed: u64,
    /// Streams that broke in any other way.
    pub failed: u64,
    /// Bytes read from the kernel and handed on.
    pub received_bytes: u64,
    /// Bytes that came in on streams we had closed; not handed on.
    pub late_bytes: u64,
    /// Bytes the kernel took.
    pub sent_bytes: u64,
    /// Bytes that were to be sent and never were: their stream was broken, or not there any more.
    pub unsent_bytes: u64,
    /// Streams there are now, those being connected or closed included.
    pub open: u64,
    /// The most there were.
    pub peak: u64,
}

impl TcpCounters {
    /// Adds what another end counted. The peaks need not have been at the same time, so that their sum is
    /// an upper bound.
    pub fn add(&mut self, other: &TcpCounters) {
        let TcpCounters {
            attempted,
            opened,
            gate_refused,
            no_socket,
            refused,
            unanswered,
            unconnected,
            turned_away,
            accept_rests,
            ended,
            closed,
            cut_short,
            reset,
            timed_out,
            overflowed,
            failed,
            received_bytes,
            late_bytes,
            sent_bytes,
            unsent_bytes,
            open,
            peak,
        } = other;
        self.attempted += attempted;
        self.opened += opened;
        self.gate_refused += gate_refused;
        self.no_socket += no_socket;
        self.refused += refused;
        self.unanswered += unanswered;
        self.unconnected += unconnected;
        self.turned_away += turned_away;
        self.accept_rests += accept_rests;
        self.ended += ended;
        self.closed += closed;
        self.cut_short += cut_short;
        self.reset += reset;
        self.timed_out += timed_out;
        self.overflowed += overflowed;
        self.failed += failed;
        self.received_bytes += received_bytes;
        self.late_bytes += late_bytes;
        self.sent_bytes += sent_bytes;
        self.unsent_bytes += unsent_bytes;
        self.open += open;
        self.peak += peak;
    }

    /// Streams that came to a bad end after they were open.
    pub fn broken(&self) -> u64 {
        self.reset + self.timed_out + self.overflowed + self.failed
    }

    /// Counts an attempt that failed.
    pub(super) fn count_unconnected(&mut self, error: Errno) {
        match error {
            Errno::CONNREFUSED => self.refused += 1,
            Errno::TIMEDOUT => self.unanswered += 1,
            _ => self.unconnected += 1,
        }
    }

    /// Counts a stream that broke.
    pub(super) fn count_broken(&mut self, error: Errno) {
        match error {
            Errno::CONNRESET | Errno::PIPE => self.reset += 1,
            Errno::TIMEDOUT => self.timed_out += 1,
            Errno::NOBUFS => self.overflowed += 1,
            _ => self.failed += 1,
        }
    }
}
