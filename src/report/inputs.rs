//! What a report is made from, beside what was recorded: given by whoever ran the run.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::{Goal, Managed, Registrations, ServerCounts};
use crate::metrics::{NoiseKind, RequestKind, States, Totals};

/// Everything a report is made from.
pub struct Inputs<'a> {
    /// What was run.
    pub run: RunInfo,
    /// What it was to reach.
    pub goal: Goal,
    /// Whether a doubtful run fails.
    pub strict: bool,
    /// What was recorded, finished.
    pub totals: &'a Totals,
    /// The endpoint name of a meter, by its index in the fleet.
    pub endpoint: &'a dyn Fn(u32) -> String,
    /// The meters counted by the state they are in at the end, if somebody asked them.
    pub census: Option<States>,
    /// Requests in flight at the end, by [`RequestKind::index`], counted by asking the meters.
    pub in_flight: [u64; RequestKind::COUNT],
    /// Confirmable notifications in flight at the end, counted likewise.
    pub notifications_in_flight: u64,
    /// Handshakes under way at the end, counted likewise.
    pub handshakes_in_flight: u64,
    /// The servers of the run, embedded or not.
    pub servers: Vec<ServerCounts>,
    /// What the meters' sockets counted.
    pub sockets: SocketFigures,
    /// What became of the meters' streams; none if there were none.
    pub streams: Option<StreamFigures>,
    /// Both sides of the registrations.
    pub registrations: Registrations,
    /// What the run cost this machine.
    pub generator: GeneratorHealth,
}

impl Inputs<'_> {
    /// What the EMS asked and told devices, if it is embedded.
    pub(super) fn managed(&self) -> Option<&Managed> {
        let seen = self.servers.iter().filter_map(|server| server.seen.as_ref());
        seen.filter_map(|seen| seen.management.as_ref()).next()
    }
}

/// What was run, and where.
#[derive(Clone, Debug)]
pub struct RunInfo {
    /// Name of the scenario: its file without folder and ending, or what it calls itself.
    pub scenario: String,
    /// The scenario as resolved, as TOML.
    pub scenario_toml: String,
    /// The seed from which the run can be replayed.
    pub seed: u64,
    /// Version of this program.
    pub version: String,
    /// Origin of the run, since 1970-01-01 UTC.
    pub started_at: Duration,
    /// False if the run was cut short, so that its figures are not those of the scenario.
    pub complete: bool,
    /// The machine: kernel, processors and the like, by name.
    pub machine: BTreeMap<String, String>,
}

/// What the run cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct GeneratorHealth {
    /// CPU time of the generator's threads, in seconds.
    pub cpu_seconds: f64,
    /// CPU time of the embedded servers' threads, in seconds; none if there are none.
    pub server_cpu_seconds: Option<f64>,
    /// The most resident memory of the process, in bytes.
    pub max_rss_bytes: u64,
}

/// Datagrams that the meters' sockets neither handed to a meter nor sent. None of them is in the traffic
/// the meters counted as received; those never sent, except the refused, are in what they counted as sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SocketFigures {
    /// Received, and longer than the receive buffer; also in the noise.
    pub truncated: u64,
    /// Received from an address that may not be answered; also in the noise.
    pub unknown_source: u64,
    /// Received for a local address that is no meter's; also in the noise.
    pub unknown_slot: u64,
    /// Errors of receiving that passed, such as ICMP messages.
    pub receive_errors: u64,
    /// Not sent: the destination is not allowed.
    pub refused: u64,
    /// Not sent: too many were waiting, or their socket was closed.
    pub queue_dropped: u64,
    /// Not sent: the kernel would not.
    pub send_errors: u64,
}

/// Streams (TCP connections) of one end. Of those opened, each was closed by either end, broke, or is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StreamFigures {
    /// Connected, or accepted.
    pub opened: u64,
    /// Not connected: nobody listens there.
    pub refused: u64,
    /// Not connected: nobody answered in time.
    pub unanswered: u64,
    /// Not connected, for any other reason: no descriptor, no address, no route, not allowed.
    pub unconnected: u64,
    /// Not accepted, for want of room.
    pub turned_away: u64,
    /// Ended by the other end in good order.
    pub ended: u64,
    /// Closed by this end.
    pub closed: u64,
    /// Torn down by the other end.
    pub reset: u64,
    /// Broken: the other end acknowledged or took nothing for too long, or for any other reason.
    pub broken: u64,
    /// Bytes read.
    pub received_bytes: u64,
    /// Bytes the kernel took.
    pub sent_bytes: u64,
    /// Bytes that were to be sent and never were.
    pub unsent_bytes: u64,
    /// The most that were open at a time; of several shards or workers, the sum of theirs.
    pub peak: u64,
}

impl SocketFigures {
    /// Received, and noise before any meter saw it: the share of this kind.
    pub(super) fn noise(&self, kind: NoiseKind) -> u64 {
        match kind {
            NoiseKind::Truncated => self.truncated,
            NoiseKind::UnknownSource => self.unknown_source + self.unknown_slot,
            _ => 0,
        }
    }
}
