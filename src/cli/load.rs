//! The arguments that name a scenario, and reading it.

use std::num::NonZero;
use std::path::PathBuf;

use clap::Args;

use crate::scenario::{self, Overrides, Scenario};

use super::exit::RunError;

/// Which scenario, and what to change in it.
#[derive(Args, Clone, Debug, Default)]
pub struct ScenarioArgs {
    /// Scenario file (TOML); left out: the built-in quickstart
    pub scenario: Option<PathBuf>,

    /// Set one key of the scenario, over the file; may be repeated
    #[arg(long, value_name = "PATH.TO.KEY=VALUE")]
    pub set: Vec<String>,

    /// Seed of all randomness in the run
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

impl ScenarioArgs {
    /// Reads and resolves the scenario.
    pub fn load(self) -> Result<Scenario, RunError> {
        let overrides = Overrides { set: self.set, seed: self.seed };
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let cores = u32::try_from(cores).unwrap_or(u32::MAX);
        let Some(path) = self.scenario else {
            return Ok(scenario::load(scenario::QUICKSTART_NAME, scenario::QUICKSTART, &overrides, cores)?);
        };
        let name = path.display().to_string();
        let text = std::fs::read_to_string(&path).map_err(|error| {
            let help = "name a scenario file, or none to run the built-in quickstart";
            RunError::input(format!("{name}: cannot be read: {error}"), help)
        })?;
        Ok(scenario::load(&name, &text, &overrides, cores)?)
    }
}
