//! The credentials of a fleet, and how they get where they belong out of band: made for every meter, or taken from
//! somebody else's list; written for the servers under test; given to meters and to the embedded servers.
//!
//! A [`Store`] answers for one fleet: what a meter holds to prove itself to each of its servers, and what an
//! embedded server needs to be believed and to know its meters. Each of a meter's servers has a key of its own
//! ([`Role`]): whoever knows what is for the EMS cannot pass for the meter at the Bootstrap-Server.
//!
//! Pre-shared keys are derived from one master secret when they are asked for ([`Master`]); certificates are made
//! beforehand by an authority of the run's own ([`Authority`]). Both draw from the operating system and nothing
//! from the run's seed, which reports print. A list of credentials that exist already is read by [`List`].
//!
//! No message and no `Debug` of this room shows a key. Only `files` touches files; those that hold secrets can be
//! read by their owner alone.

mod authority;
mod error;
mod fault;
pub mod files;
mod list;
mod master;
mod names;
mod pem;
mod store;

pub use authority::{Authority, Validity};
pub use error::{ListError, MakeError};
pub use fault::{Fault, Faults, Share};
pub use files::FilesError;
pub use list::{List, Listed, Reference};
pub use master::Master;
pub use names::Names;
pub use store::{Mode, Role, Store, Wanted, WantedServer};
