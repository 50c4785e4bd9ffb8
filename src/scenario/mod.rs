//! What a run is to do: a TOML file as people write it, and the resolved types the rest works with.
//!
//! [`load`] takes a text, overlays `--set`, fills in defaults and checks everything at once, before
//! anything starts. A [`Scenario`] is only made here, so whoever holds one need not check it again. A
//! mistake is a [`ScenarioError`] that names file, line, key, value and what would be right.
//!
//! This room reads no file, resolves no host name and knows no clock: the shells do.

mod configs;
mod document;
mod error;
mod fitted;
mod provision;
mod raw;
mod reader;
mod resolve;
mod resolved;
mod resource;
mod secured;
mod write;

pub use configs::{Part, Places};
pub use document::Overrides;
pub use error::ScenarioError;
pub use fitted::Fitted;
pub use provision::{DirectoryFile, Provisioning};
pub use resolved::{
    Account, Bootstrap, BootstrapServer, BootstrapTerms, CardTerms, Coap, Embedded, EmsCampaign, EmsServer,
    Fleet, Goal, ListenAt, Local, Manners, Mode, PlanFor, PortRange, Retry, Run, Scenario, Security,
    ServerChoice, Servers, Service, Source,
};
pub use secured::Holders;

/// The text of the scenario that is run when none is named.
pub const QUICKSTART: &str = include_str!("../../scenarios/quickstart.toml");

/// What errors call [`QUICKSTART`].
pub const QUICKSTART_NAME: &str = "quickstart.toml (built in)";

/// Reads a scenario: `overrides` over `text` over the defaults.
///
/// `file` is what errors call the text; its stem is the scenario's name if it gives none. `cores` is how
/// many shards a scenario gets that does not say.
///
/// # Errors
/// The first mistake found: syntax, an unknown key, a value of the wrong type or out of its range, or
/// values that do not go together.
pub fn load(file: &str, text: &str, overrides: &Overrides, cores: u32) -> Result<Scenario, ScenarioError> {
    let document = document::Document::parse(file, text, overrides)?;
    let raw = document.read().map_err(|fault| document.blame(fault))?;
    resolve::resolve(&raw, file, cores).map_err(|fault| document.blame(fault))
}

#[cfg(test)]
mod security_tests;
#[cfg(test)]
mod tests;
