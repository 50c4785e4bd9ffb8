//! What the servers count, so that a run's two sides can be held against each other.

use super::DeskCounters;
use crate::protocol::coap::Stat;

/// Datagrams at one server; of streams, the pieces that came in and the messages that went out. What security adds
/// is not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Datagrams that came in, whatever they were.
    pub received: u64,
    /// Their bytes, from the CoAP header on.
    pub received_bytes: u64,
    /// Datagrams that went out, retransmissions included.
    pub sent: u64,
    /// Their bytes, from the CoAP header on.
    pub sent_bytes: u64,
    /// Of `sent`: confirmable messages sent again.
    pub retransmitted: u64,
    /// Of `received`: messages that had come before.
    pub duplicates: u64,
    /// Of `received`: no CoAP message, or one that fits nothing known.
    pub noise: u64,
    /// Peers forgotten before their time because the table was full.
    pub evicted_peers: u64,
    /// Streams closed because their peers said that they leave (RFC 8323 §5.5, §5.6).
    pub left: u64,
    /// Streams closed because of what their peers said: it broke the framing, or was a signal that cannot be
    /// borne.
    pub broken: u64,
}

impl Traffic {
    pub(super) fn stat(&mut self, stat: Stat) {
        match stat {
            Stat::Retransmitted => self.retransmitted += 1,
            Stat::Duplicate => self.duplicates += 1,
            _ => {}
        }
    }

    /// Adds another server's or worker's counts.
    pub fn add(&mut self, other: &Traffic) {
        self.received += other.received;
        self.received_bytes += other.received_bytes;
        self.sent += other.sent;
        self.sent_bytes += other.sent_bytes;
        self.retransmitted += other.retransmitted;
        self.duplicates += other.duplicates;
        self.noise += other.noise;
        self.evicted_peers += other.evicted_peers;
        self.left += other.left;
        self.broken += other.broken;
    }
}

/// What a Bootstrap-Server did. Every sequence begun, `requests` and `initiated`, ends as one of `finished`,
/// `failed`, `restarted` and `unfinished`, if the run leaves it the time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootstrapCounters {
    /// Bootstrap-Requests taken up.
    pub requests: u64,
    /// Bootstrap-Requests answered with an error.
    pub refused: u64,
    /// Of `refused` and `packs_refused`: under a name that the device has not proven to have.
    pub identity_mismatch: u64,
    /// Bootstraps begun without having been asked for.
    pub initiated: u64,
    /// Bootstrap-Packs handed out.
    pub packs: u64,
    /// Bootstrap-Pack-Requests answered with an error.
    pub packs_refused: u64,
    /// Discovers answered.
    pub discovers: u64,
    /// Reads answered.
    pub reads: u64,
    /// Deletes answered.
    pub deletes: u64,
    /// Writes answered.
    pub writes: u64,
    /// Commands answered with an error; the sequence goes on after it. A Finish among them if the plan has
    /// something behind it.
    pub command_errors: u64,
    /// Sequences that ended with a Finish answered by 2.04.
    pub finished: u64,
    /// Sequences given up: a command unanswered, Finish refused, or the device forgotten for want of room.
    pub failed: u64,
    /// Of `failed`: the device's session or stream was over before.
    pub lost: u64,
    /// Of `failed`: the server's own patience ran out.
    pub timed_out: u64,
    /// Of `failed`: what was to be written cannot be said in the format of writes.
    pub unencodable: u64,
    /// Sequences cut short by a new one of the same device, by address or by name.
    pub restarted: u64,
    /// Sequences that came to the end of their plan without a Finish.
    pub unfinished: u64,
    /// Devices bootstrapped that the server will not begin with of its own accord: there are more than it
    /// remembers, or when it came to them they had no session or stream any more.
    pub left_alone: u64,
    /// What its pace and its manners did to requests.
    pub desk: DeskCounters,
}

impl BootstrapCounters {
    /// Adds another worker's counts.
    pub fn add(&mut self, other: &BootstrapCounters) {
        self.requests += other.requests;
        self.refused += other.refused;
        self.identity_mismatch += other.identity_mismatch;
        self.initiated += other.initiated;
        self.packs += other.packs;
        self.packs_refused += other.packs_refused;
        self.discovers += other.discovers;
        self.reads += other.reads;
        self.timed_out += other.timed_out;
        self.unencodable += other.unencodable;
        self.deletes += other.deletes;
        self.writes += other.writes;
        self.command_errors += other.command_errors;
        self.finished += other.finished;
        self.failed += other.failed;
        self.lost += other.lost;
        self.restarted += other.restarted;
        self.unfinished += other.unfinished;
        self.left_alone += other.left_alone;
        self.desk.add(&other.desk);
    }
}
