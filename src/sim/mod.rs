//! The world in virtual time: the same meters and the same servers as in a live run, a simulated
//! network and a clock that jumps from one event to the next. No socket, no thread, no waiting.

mod world;

#[cfg(test)]
mod tests;

pub use world::{Direction, ServerId, World, WorldConfig};
