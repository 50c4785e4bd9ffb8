//! What a run counts and measures: events as closed enums, one recorder per shard without locks,
//! histograms with bounds, and the snapshot that is all a reader ever sees.
//!
//! ```text
//! meters, shard --Event--> Recorder --take(now)--> Interval --absorb--> Totals --> Snapshot
//!                          one per shard           4 per second         one per run
//! ```
//!
//! This room is pure: it reads no clock, opens no file, and imports nothing but `base`.

mod closed;
mod doubt;
mod event;
mod failure;
mod handshake;
mod histogram;
mod interval;
mod leg;
mod management;
mod noise;
mod notification;
mod recorder;
mod request;
mod samples;
mod second;
mod snapshot;
mod stage;
mod state;
mod tally;
mod totals;

pub use doubt::Doubt;
pub use event::Event;
pub use failure::FailureKind;
pub use handshake::HandshakeCounts;
pub use histogram::{DIGITS, HIGHEST_US, LOWEST_US, LatencyHistogram, LatencySummary, OutOfRange};
pub use interval::Interval;
pub use leg::{Leg, LegTraffic};
pub use management::{ManagementKind, ServedCounts};
pub use noise::NoiseKind;
pub use notification::{NotificationCounts, NotificationFate};
pub use recorder::Recorder;
pub use request::{InFlight, RequestFate, RequestKind};
pub use second::{Row, Second, StagePoint};
pub use snapshot::{FailureCount, Phase, Rates, Snapshot};
pub use stage::{Lag, Series, Stage};
pub use state::{MeterState, States};
pub use tally::{RequestCounts, Traffic};
pub use totals::Totals;
