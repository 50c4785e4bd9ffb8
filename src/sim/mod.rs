//! The world in virtual time: the same meters and the same servers as in a live run, a simulated
//! network and a clock that jumps from one event to the next. No socket, no thread, no waiting.

mod dry_run;
mod site;
mod streams;
mod world;

#[cfg(test)]
mod tests;

pub use dry_run::{DRY_RUN_METERS, DryRun, DryRunConfig, Way, dry_run, ems_address};
pub use streams::{Cut, Pieces};
pub use world::{Direction, ServerId, World, WorldConfig};
