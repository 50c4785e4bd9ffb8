//! What a run leaves behind: one result model and many writers.
//!
//! ```text
//! metrics::Totals + Inputs --RunReport::new--> RunReport --> text       (the terminal)
//!                                                      \--> Results::finish --> report.json
//! metrics::Second  --Results::seconds--> histograms.hlog, timeseries.csv    *.hgrm
//! ```
//!
//! [`OutDir::create`] opens every file before the run begins, so that a directory that cannot be
//! written fails early. The model and the balances are pure; only [`OutDir`] and [`Results`] touch
//! files. Nobody but `cli` imports this room.

mod balances;
mod cost;
mod handshakes;
mod hgrm;
mod hlog;
mod inputs;
mod json;
mod keyed;
mod managed;
mod model;
mod out_dir;
mod registrations;
mod servers;
pub mod text;
mod timeseries;
mod verdict;

#[cfg(test)]
mod fixture;

pub use balances::{Balance, LISTED, Listed};
pub use cost::{Cost, RegistrationCost};
pub use hlog::{HlogError, recompute};
pub use inputs::{GeneratorHealth, Inputs, RunInfo, SocketFigures, StreamFigures};
pub use keyed::Keyed;
pub use model::{
    Arrivals, Fleet, Generator, Handshakes, Requests, Run, RunReport, SCHEMA_VERSION, StageFigures,
    Throughput, TrafficFigures,
};
pub use out_dir::{OutDir, OutError, Results};
pub use registrations::{ClientRegistrations, Registrations};
pub use servers::{
    CampaignFigures, CoarseFigures, Desk, FirmwareFigures, Interviews, Managed, Manner, Observations,
    QueueMode, Seen, Sends, ServerCounts, ServerRequests, Sessions,
};
pub use verdict::{DoubtFigures, Goal, Verdict};

/// The JSON schema (draft 2020-12) of `report.json`.
pub const SCHEMA: &str = include_str!("schema.json");
