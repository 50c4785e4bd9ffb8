//! All a reader ever sees of a run that is under way, or over.

use std::time::Duration;

use super::closed::closed_enum;
use super::{
    Doubt, FailureKind, HandshakeCounts, Lag, LatencySummary, Leg, LegTraffic, ManagementKind, NoiseKind,
    NotificationCounts, RequestCounts, RequestKind, ServedCounts, Stage, States, Traffic,
};

closed_enum! {
    /// How far a run has come.
    pub enum Phase {
        /// Sockets and servers are being set up.
        Starting = "starting",
        /// Arrivals are still planned.
        Arriving = "arriving",
        /// The last arrival is over; the fleet is watched for a while.
        Holding = "holding",
        /// Meters de-register, within a bound.
        Draining = "draining",
        /// Nothing will change any more.
        Finished = "finished",
    }
}

/// How often things happened per second, over the last three seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Meters started.
    pub started: f64,
    /// Meters that got their first 2.01.
    pub onboarded: f64,
    /// Datagrams sent.
    pub sent: f64,
    /// Datagrams received.
    pub received: f64,
    /// Attempts that failed.
    pub failures: f64,
}

/// One kind of failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureCount {
    /// What failed, and how.
    pub kind: FailureKind,
    /// How often.
    pub count: u64,
    /// A few of the meters it happened to, by index: the first ones, then some drawn at random.
    pub meters: Vec<u32>,
}

/// A run as figures, at one instant.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// How far the run has come.
    pub phase: Phase,
    /// Since the origin of the run.
    pub elapsed: Duration,
    /// Size of the fleet.
    pub meters: u64,
    /// Arrivals whose planned instant has passed.
    pub due: u64,
    /// Arrivals started.
    pub started: u64,
    /// Meters by state.
    pub states: States,
    /// The most meters registered at one time, at a resolution of one interval: peaks of shards
    /// within the same quarter of a second count as simultaneous.
    pub registered_peak: u64,
    /// Meters registered when draining began; now, if it has not begun.
    pub registered_end: u64,
    /// Current rates.
    pub rates: Rates,
    /// Latencies since the beginning, by [`Stage::index`].
    pub stages: [LatencySummary; Stage::COUNT],
    /// The generator's lateness, by [`Lag::index`].
    pub lags: [LatencySummary; Lag::COUNT],
    /// Failures by kind, the most frequent first.
    pub failures: Vec<FailureCount>,
    /// Requests by [`RequestKind::index`].
    pub requests: [RequestCounts; RequestKind::COUNT],
    /// Notifications.
    pub notifications: NotificationCounts,
    /// Requests of servers since the beginning, by [`ManagementKind::index`].
    pub management: [ServedCounts; ManagementKind::COUNT],
    /// Noise by [`NoiseKind::index`].
    pub noise: [u64; NoiseKind::COUNT],
    /// Datagrams.
    pub traffic: Traffic,
    /// The same by [`Leg::index`].
    pub legs: [LegTraffic; Leg::COUNT],
    /// Handshakes.
    pub handshakes: HandshakeCounts,
    /// Datagrams the kernel dropped for want of receive buffer.
    pub kernel_drops: u64,
    /// Why these figures may not be trusted, as far as is known.
    pub doubts: Vec<Doubt>,
}

impl Snapshot {
    /// Latencies of one stage.
    pub fn stage(&self, stage: Stage) -> LatencySummary {
        self.stages[stage.index()]
    }

    /// One of the generator's lags.
    pub fn lag(&self, lag: Lag) -> LatencySummary {
        self.lags[lag.index()]
    }
}
