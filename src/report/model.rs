//! The one result model. Every writer reads this and nothing else; its fields are the keys of
//! report.json.
//!
//! Latencies are in microseconds, as whole numbers except for means.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use super::{
    Balance, GeneratorHealth, Inputs, Keyed, RegistrationCost, RunInfo, ServerCounts, SocketFigures,
    StreamFigures, Verdict, balances,
};
use crate::metrics::{
    HandshakeCounts, Lag, LatencySummary, ManagementKind, MeterState, NoiseKind, NotificationFate,
    RequestCounts, RequestFate, RequestKind, Row, ServedCounts, Snapshot, Stage, Traffic,
};

/// The version of report.json. It grows when a key changes its meaning or goes.
pub const SCHEMA_VERSION: u32 = 1;

/// A whole run as figures.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RunReport {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// What was run.
    pub run: Run,
    /// Whether it passed.
    pub verdict: Verdict,
    /// What became of the meters.
    pub fleet: Fleet,
    /// What became of the plan.
    pub arrivals: Arrivals,
    /// How much per second.
    pub throughput: Throughput,
    /// Latencies by [`Stage::name`]; every stage is there.
    pub stages: Keyed<StageFigures>,
    /// Requests by [`RequestKind::name`].
    pub requests: Keyed<Requests>,
    /// Notifications.
    pub notifications: Notifications,
    /// Requests of servers to registered meters by [`ManagementKind::name`].
    pub management: Keyed<Served>,
    /// Handshakes with servers, as the meters saw them.
    pub handshakes: Handshakes,
    /// What a registration costs on average.
    pub registration_cost: RegistrationCost,
    /// Datagrams.
    pub traffic: TrafficFigures,
    /// How well the generator did.
    pub generator: Generator,
    /// Failures by kind, the most frequent first; only kinds that occurred.
    pub failures: Keyed<u64>,
    /// A few endpoints for each kind of failure: the first ones, then some drawn at random.
    pub failure_samples: Keyed<Vec<String>>,
    /// Datagrams that meant nothing, by [`NoiseKind::name`].
    pub noise: Keyed<u64>,
    /// What became of datagrams at the meters' sockets.
    pub sockets: SocketFigures,
    /// What became of the meters' streams; null if there were none.
    pub streams: Option<StreamFigures>,
    /// Sums that must come out even.
    pub balances: Keyed<Balance>,
    /// What the servers saw, by name.
    pub servers: Keyed<ServerCounts>,
}

/// What was run.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Run {
    /// Name of the scenario.
    pub scenario: String,
    /// Its seed.
    pub seed: u64,
    /// Version of this program.
    pub version: String,
    /// Origin of the run, RFC 3339 in UTC with milliseconds.
    pub started_at: String,
    /// Origin to the last interval recorded, in seconds.
    pub duration_s: f64,
    /// False if the run was cut short.
    pub complete: bool,
    /// The machine, by name.
    pub machine: BTreeMap<String, String>,
    /// The scenario as resolved, as TOML.
    pub scenario_toml: String,
}

/// What became of the meters.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Fleet {
    /// Size of the fleet.
    pub meters: u64,
    /// The most meters registered at one time, at a resolution of a quarter of a second.
    pub registered_peak: u64,
    /// Meters registered at the end, before they were told to de-register.
    pub registered_end: u64,
    /// Meters that gave up or crashed.
    pub failed: i64,
    /// Meters by state after the run; they add up to `meters`.
    pub states: Keyed<i64>,
}

/// What became of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Arrivals {
    /// Arrivals whose planned instant passed.
    pub due: u64,
    /// Arrivals started.
    pub started: u64,
}

/// How much per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Throughput {
    /// Meters onboarded per second, over `onboarding_seconds`: a short run is rather under- than
    /// overrated.
    pub onboarded_mean: f64,
    /// Whole seconds from the first in which a meter was onboarded to the last.
    pub onboarding_seconds: u64,
    /// Meters onboarded in the best second.
    pub onboarded_peak: u64,
    /// Datagrams sent per second of the run.
    pub sent_mean: f64,
    /// Datagrams received per second of the run.
    pub received_mean: f64,
}

/// Latencies, in microseconds. Without a value there is nothing to say but `count`.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct StageFigures {
    /// Values, those outside the bounds included.
    pub count: u64,
    /// Shortest.
    pub min_us: Option<u64>,
    /// Mean.
    pub mean_us: Option<f64>,
    /// Median.
    pub p50_us: Option<u64>,
    /// 90th percentile.
    pub p90_us: Option<u64>,
    /// 99th percentile.
    pub p99_us: Option<u64>,
    /// 99.9th percentile.
    pub p999_us: Option<u64>,
    /// Longest.
    pub max_us: Option<u64>,
    /// Values below 1 µs, taken for 1 µs in the figures above.
    pub below_range: u64,
    /// Values above 1 h, taken for 1 h in the figures above except in `max_us`.
    pub above_range: u64,
}

/// Requests of one kind. `sent` is the sum of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Requests {
    /// Sent for the first time.
    pub sent: u64,
    /// A response came.
    pub answered: u64,
    /// A Reset came.
    pub reset: u64,
    /// Nothing came in time.
    pub timed_out: u64,
    /// Given up by the meter.
    pub abandoned: u64,
    /// Outstanding when the run ended.
    pub in_flight: u64,
}

/// Notifications of what is observed. `sent_confirmable` is the sum of the five after it and `in_flight`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Notifications {
    /// Sent once, without waiting for an acknowledgement.
    pub sent_non_confirmable: u64,
    /// Sent for the first time, to be acknowledged.
    pub sent_confirmable: u64,
    /// Of these: the observer has it.
    pub acknowledged: u64,
    /// Of these: reset by the observer.
    pub reset: u64,
    /// Of these: not acknowledged in time.
    pub timed_out: u64,
    /// Of these: a newer one took its place.
    pub superseded: u64,
    /// Of these: given up by the meter.
    pub abandoned: u64,
    /// Of these: outstanding when the run ended.
    pub in_flight: u64,
    /// Of those that were not to be acknowledged: reset by the observer.
    pub reset_non_confirmable: u64,
    /// Due while the server could not be reached, and kept.
    pub stored: u64,
    /// Due while the server could not be reached, and lost.
    pub dropped: u64,
}

/// Handshakes with servers. `begun` is the sum of the four after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Handshakes {
    /// Begun.
    pub begun: u64,
    /// Of these: came to a good end.
    pub completed: u64,
    /// Of these: failed; why is among the failures.
    pub failed: u64,
    /// Of these: given up by the meter.
    pub abandoned: u64,
    /// Of these: under way when the run ended.
    pub in_flight: u64,
    /// Flights that the meters of those completed sent, those sent again not counted.
    pub flights: u64,
    /// Flights that the meters of those completed sent again.
    pub retransmissions: u64,
    /// Bytes of those completed, sent and received, as UDP or TCP payload.
    pub bytes: u64,
    /// Flights that meters sent again, those of handshakes that failed or are under way included.
    pub flights_again: u64,
}

/// How the meters answered requests of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Served {
    /// With a code of success.
    pub ok: u64,
    /// With any other.
    pub error: u64,
}

impl From<ServedCounts> for Served {
    fn from(ServedCounts { ok, error }: ServedCounts) -> Self {
        Served { ok, error }
    }
}

/// Datagrams, as the generator saw them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TrafficFigures {
    /// Datagrams sent, retransmissions included.
    pub sent: u64,
    /// Bytes of UDP payload sent.
    pub sent_bytes: u64,
    /// Datagrams received, duplicates and noise included.
    pub received: u64,
    /// Bytes of UDP payload received.
    pub received_bytes: u64,
    /// Messages sent again.
    pub retransmitted: u64,
    /// Messages received again.
    pub duplicates: u64,
    /// Messages forgotten while they might still have been received again (bounded deduplication).
    pub forgotten: u64,
    /// Datagrams the kernel dropped for want of receive buffer.
    pub kernel_drops: u64,
}

/// How well the generator did.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Generator {
    /// The larger 99th percentile of the two lags; none if neither was measured.
    pub lag_p99_us: Option<u64>,
    /// The largest lag.
    pub lag_max_us: Option<u64>,
    /// Planned instant to start.
    pub lag_start: StageFigures,
    /// Kernel timestamp to handling.
    pub lag_receipt: StageFigures,
    /// CPU time of the generator's threads.
    pub cpu_seconds: f64,
    /// CPU time of the embedded servers' threads; none if there are none.
    pub server_cpu_seconds: Option<f64>,
    /// The most resident memory of the process.
    pub max_rss_bytes: u64,
}

impl RunReport {
    /// Draws up the report of a run that is over.
    pub fn new(inputs: Inputs<'_>) -> Self {
        let snapshot = inputs.totals.snapshot();
        let balances = balances::all(&snapshot, &inputs);
        let named = |failure: &crate::metrics::FailureCount| {
            failure.meters.iter().copied().map(inputs.endpoint).collect()
        };
        RunReport {
            schema_version: SCHEMA_VERSION,
            verdict: Verdict::new(&snapshot, &balances, inputs.goal, inputs.strict),
            fleet: Fleet::new(&snapshot),
            arrivals: Arrivals { due: snapshot.due, started: snapshot.started },
            throughput: Throughput::new(&snapshot, inputs.totals.rows()),
            stages: Stage::ALL
                .into_iter()
                .map(|stage| (stage.name(), snapshot.stage(stage).into()))
                .collect(),
            requests: RequestKind::ALL
                .into_iter()
                .map(|kind| {
                    (
                        kind.name(),
                        Requests::new(snapshot.requests[kind.index()], inputs.in_flight[kind.index()]),
                    )
                })
                .collect(),
            notifications: Notifications::new(&snapshot, inputs.notifications_in_flight),
            management: ManagementKind::ALL
                .into_iter()
                .map(|kind| (kind.name(), snapshot.management[kind.index()].into()))
                .collect(),
            handshakes: Handshakes::new(snapshot.handshakes, inputs.handshakes_in_flight),
            registration_cost: RegistrationCost::new(&snapshot, &inputs),
            traffic: TrafficFigures::new(snapshot.traffic, snapshot.kernel_drops),
            generator: Generator::new(&snapshot, inputs.generator),
            failures: snapshot.failures.iter().map(|failure| (failure.kind.name(), failure.count)).collect(),
            failure_samples: snapshot
                .failures
                .iter()
                .map(|failure| (failure.kind.name(), named(failure)))
                .collect(),
            noise: NoiseKind::ALL
                .into_iter()
                .map(|kind| (kind.name(), snapshot.noise[kind.index()] + inputs.sockets.noise(kind)))
                .collect(),
            sockets: inputs.sockets,
            streams: inputs.streams,
            balances: balances.into_iter().map(|balance| (balance.name.clone(), balance)).collect(),
            servers: inputs.servers.into_iter().map(|server| (server.name.clone(), server)).collect(),
            run: Run::new(inputs.run, snapshot.elapsed),
        }
    }

    /// What the program exits with: 4 if a binding balance does not close, 1 if the goal was not
    /// reached or a strict run is doubtful, 0 otherwise.
    pub fn exit_code(&self) -> u8 {
        if self.balances.entries().iter().any(|(_, balance)| balance.binding && !balance.ok) {
            4
        } else {
            u8::from(!self.verdict.passed)
        }
    }
}

impl Run {
    fn new(info: RunInfo, duration: Duration) -> Self {
        let RunInfo { scenario, scenario_toml, seed, version, started_at, complete, machine } = info;
        Run {
            scenario,
            seed,
            version,
            started_at: humantime::format_rfc3339_millis(UNIX_EPOCH + started_at).to_string(),
            duration_s: duration.as_secs_f64(),
            complete,
            machine,
            scenario_toml,
        }
    }
}

impl Fleet {
    fn new(snapshot: &Snapshot) -> Self {
        Fleet {
            meters: snapshot.meters,
            registered_peak: snapshot.registered_peak,
            registered_end: snapshot.registered_end,
            failed: snapshot.states[MeterState::Failed] + snapshot.states[MeterState::Crashed],
            states: snapshot.states.iter().map(|(state, count)| (state.name(), count)).collect(),
        }
    }
}

impl Throughput {
    fn new(snapshot: &Snapshot, rows: &[Row]) -> Self {
        let onboarded = |row: &Row| row.stages[Stage::Onboarding.index()].count;
        let first = rows.iter().position(|row| onboarded(row) > 0);
        let last = rows.iter().rposition(|row| onboarded(row) > 0);
        let seconds = first.zip(last).map_or(0, |(first, last)| last - first + 1) as u64;
        Throughput {
            onboarded_mean: per_second(snapshot.stage(Stage::Onboarding).count, seconds as f64),
            onboarding_seconds: seconds,
            onboarded_peak: rows.iter().map(onboarded).max().unwrap_or(0),
            sent_mean: per_second(snapshot.traffic.sent, snapshot.elapsed.as_secs_f64()),
            received_mean: per_second(snapshot.traffic.received, snapshot.elapsed.as_secs_f64()),
        }
    }
}

fn per_second(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

impl From<LatencySummary> for StageFigures {
    fn from(summary: LatencySummary) -> Self {
        let some = |us: u64| (summary.count > 0).then_some(us);
        StageFigures {
            count: summary.count,
            min_us: some(summary.min_us),
            mean_us: (summary.count > 0).then_some(summary.mean_us),
            p50_us: some(summary.p50_us),
            p90_us: some(summary.p90_us),
            p99_us: some(summary.p99_us),
            p999_us: some(summary.p999_us),
            max_us: some(summary.max_us),
            below_range: summary.out_of_range.below,
            above_range: summary.out_of_range.above,
        }
    }
}

impl Requests {
    fn new(counts: RequestCounts, in_flight: u64) -> Self {
        Requests {
            sent: counts.of(RequestFate::Sent),
            answered: counts.of(RequestFate::Answered),
            reset: counts.of(RequestFate::Reset),
            timed_out: counts.of(RequestFate::TimedOut),
            abandoned: counts.of(RequestFate::Abandoned),
            in_flight,
        }
    }
}

impl Notifications {
    fn new(snapshot: &Snapshot, in_flight: u64) -> Self {
        let of = |fate| snapshot.notifications.of(fate);
        Notifications {
            sent_non_confirmable: of(NotificationFate::SentNonConfirmable),
            sent_confirmable: of(NotificationFate::SentConfirmable),
            acknowledged: of(NotificationFate::Acknowledged),
            reset: of(NotificationFate::Reset),
            timed_out: of(NotificationFate::TimedOut),
            superseded: of(NotificationFate::Superseded),
            abandoned: of(NotificationFate::Abandoned),
            in_flight,
            reset_non_confirmable: of(NotificationFate::ResetNonConfirmable),
            stored: of(NotificationFate::Stored),
            dropped: of(NotificationFate::Dropped),
        }
    }
}

impl Handshakes {
    fn new(counts: HandshakeCounts, in_flight: u64) -> Self {
        let HandshakeCounts {
            begun,
            completed,
            failed,
            abandoned,
            flights,
            retransmissions,
            bytes,
            flights_again,
        } = counts;
        Handshakes {
            begun,
            completed,
            failed,
            abandoned,
            in_flight,
            flights,
            retransmissions,
            bytes,
            flights_again,
        }
    }
}

impl TrafficFigures {
    fn new(traffic: Traffic, kernel_drops: u64) -> Self {
        let Traffic { sent, sent_bytes, received, received_bytes, retransmitted, duplicates, forgotten } =
            traffic;
        TrafficFigures {
            sent,
            sent_bytes,
            received,
            received_bytes,
            retransmitted,
            duplicates,
            forgotten,
            kernel_drops,
        }
    }
}

impl Generator {
    fn new(snapshot: &Snapshot, health: GeneratorHealth) -> Self {
        let [lag_start, lag_receipt] =
            [Lag::Start, Lag::Receipt].map(|lag| StageFigures::from(snapshot.lag(lag)));
        Generator {
            lag_p99_us: lag_start.p99_us.max(lag_receipt.p99_us),
            lag_max_us: lag_start.max_us.max(lag_receipt.max_us),
            lag_start,
            lag_receipt,
            cpu_seconds: health.cpu_seconds,
            server_cpu_seconds: health.server_cpu_seconds,
            max_rss_bytes: health.max_rss_bytes,
        }
    }
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
