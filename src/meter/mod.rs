//! One simulated meter: the protocol client with its network paths, still sans-IO ([`Meter`]), the sessions and
//! streams on those (`channels`), the objects it has and what it measures (`device`), and the actix actor that
//! gives it a mailbox and a timer (`actor`).
//!
//! This is where `protocol` and `metrics` meet: what the client tells in the protocol's terms becomes
//! what the recorder counts.

mod actor;
mod channel;
mod channels;
mod credentials;
mod device;
mod map;
#[expect(clippy::module_inception, reason = "the room is named after its one type, and so is the file of it")]
mod meter;
mod output;

pub use actor::{Command, MeterActor, Remains, Sabotage, Sending, Surroundings};
pub use device::{MeterDevice, ObjectSet, ParseObjectSetError, device_objects, factory};
pub use meter::Meter;
pub use output::{Direction, Output, StreamNews, Unreachable, Wake};
