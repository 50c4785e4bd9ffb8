//! Words everyone shares: instants and the one clock, seeds and their child generators, the timer
//! wheel, quantities that are parsed once and never invalid afterwards, tables as text, and figures as people read
//! them.
//!
//! This room imports no other room.

pub mod clock;
pub mod csv;
pub mod quantity;
pub mod seed;
pub mod text;
pub mod time;
pub mod wheel;

pub use clock::Clock;
pub use quantity::{Percent, Rate, Span};
pub use seed::{Rng, Seed};
pub use time::Instant;
pub use wheel::Wheel;
