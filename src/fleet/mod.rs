//! A fleet of meters: when each one starts, what the whole will cost, and the shards that drive them.
//!
//! [`arrivals`], [`endpoint`] and [`plan`] are pure and shared with the simulation in virtual time.

pub mod arrivals;
pub mod endpoint;
pub mod plan;

mod feeder;
mod shard;
mod shared;
mod supervisor;

pub use crate::meter::Sabotage;
pub use supervisor::{Command, FleetConfig, FleetError, FleetHealth, FleetOutcome, Load, run};
