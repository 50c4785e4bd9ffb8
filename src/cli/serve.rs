//! `bootstorm serve`: only the embedded servers.

use clap::Args;

use crate::scenario::Scenario;

use super::exit::RunError;
use super::load::ScenarioArgs;

const EXAMPLES: &str = "\
Examples:
  bootstorm serve
  bootstorm serve scenarios/external.toml
  bootstorm serve --set servers.embedded.bootstrap_listen=127.0.0.1:5783

The Bootstrap-Server hands out servers.ems if the scenario gives it, else where the EMS listens.";

/// Arguments of `bootstorm serve`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ServeArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,
}

pub(super) fn serve(args: ServeArgs) -> Result<(), RunError> {
    execute(args.scenario.load()?)
}

/// Runs both embedded servers at `servers.embedded.*_listen`, whatever `servers.bootstrap` and
/// `servers.ems` say, until Ctrl-C: prints their URIs, then a line of counts every few seconds. The
/// Bootstrap-Server hands out the URI of `servers.ems` if that is given, else where the EMS listens.
///
/// # Errors
/// [`super::exit::Exit::Environment`] if a server cannot start.
pub fn execute(scenario: Scenario) -> Result<(), RunError> {
    Err(RunError::environment(
        format!("{}: this build has no servers", scenario.name),
        "`bootstorm check` shows what the scenario asks for",
    ))
}
