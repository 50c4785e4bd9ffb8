//! `bootstorm run`: resolves the scenario, runs it, judges the outcome.

use std::path::PathBuf;

use clap::Args;

use crate::scenario::Scenario;

use super::exit::{Exit, RunError};
use super::load::ScenarioArgs;
use super::text::count;

const EXAMPLES: &str = "\
Examples:
  bootstorm run
  bootstorm run scenarios/hundred-thousand.toml --out results
  bootstorm run --set fleet.meters=500 --set arrivals.over=2s --seed 7
  bootstorm run --set servers.bootstrap=coap://127.0.0.1:5783 --no-tui

Ctrl-C once lets the meters de-register and writes the results; twice stops at once and writes
the results marked incomplete.";

/// Arguments of `bootstorm run`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = EXAMPLES)]
pub struct RunArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,

    /// Folder to write the results to; made if it is missing
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Print a line every few seconds instead of the live display
    #[arg(long)]
    no_tui: bool,

    /// Fail also if the measurement is doubtful
    #[arg(long)]
    strict: bool,
}

/// What a run is told beside its scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// Folder for the results; nothing is written without one.
    pub out: Option<PathBuf>,
    /// Lines instead of a live display, also on a terminal.
    pub no_tui: bool,
}

/// What came of a run, as far as the exit code goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Meters that have been registered.
    pub registered: u32,
    /// Meters that had to be, by `run.goal`.
    pub needed: u32,
    /// Names of the balances that do not close.
    pub unbalanced: Vec<String>,
    /// Why the measurement is doubtful, if it is.
    pub doubtful: Option<String>,
}

pub(super) fn run(args: RunArgs) -> Result<(), RunError> {
    let scenario = args.scenario.load()?;
    let options = RunOptions { out: args.out, no_tui: args.no_tui };
    judge(&execute(scenario, options)?, args.strict)
}

/// Runs the fleet: starts the embedded servers, drives the meters, shows the progress on standard error,
/// drains, writes the results and prints the summary on standard output.
///
/// # Errors
/// [`Exit::BadInput`] or [`Exit::Environment`], with what happened and what to do about it. Whatever the
/// fleet itself went through is an [`Outcome`].
pub fn execute(scenario: Scenario, options: RunOptions) -> Result<Outcome, RunError> {
    let RunOptions { out: _, no_tui: _ } = options;
    Err(RunError::environment(
        format!("{}: this build has nothing to drive a fleet with", scenario.name),
        "`bootstorm check` shows what the run would do",
    ))
}

/// The exit code of an outcome: balances come before the goal, the goal before doubts.
fn judge(outcome: &Outcome, strict: bool) -> Result<(), RunError> {
    let Outcome { registered, needed, unbalanced, doubtful } = outcome;
    let fail = |exit, message, help: &str| Err(RunError { exit, message, help: help.to_owned() });
    if !unbalanced.is_empty() {
        let message = format!("these balances do not close: {}", unbalanced.join(", "));
        return fail(
            Exit::Unbalanced,
            message,
            "do not trust the figures of this run; report it with its seed and scenario",
        );
    }
    if registered < needed {
        let message =
            format!("{} meters registered, run.goal asks for {}", count(*registered), count(*needed));
        return fail(Exit::GoalMissed, message, "see the failures by kind, or lower the rate or run.goal");
    }
    match doubtful {
        Some(why) if strict => {
            let message = format!("the measurement is doubtful: {why}");
            fail(
                Exit::GoalMissed,
                message,
                "lower the rate, free the machine of other load, or leave --strict out",
            )
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_exit_code_that_applies_is_the_one() {
        let exit = |outcome: &Outcome, strict| judge(outcome, strict).map_err(|error| error.exit);
        let mut outcome = Outcome { registered: 10, needed: 10, ..Outcome::default() };
        assert_eq!(exit(&outcome, true), Ok(()));
        outcome.doubtful = Some("the generator was late".to_owned());
        assert_eq!(exit(&outcome, false), Ok(()));
        assert_eq!(exit(&outcome, true), Err(Exit::GoalMissed));
        outcome.registered = 9;
        assert_eq!(exit(&outcome, false), Err(Exit::GoalMissed));
        outcome.unbalanced = vec!["meters".to_owned()];
        assert_eq!(exit(&outcome, true), Err(Exit::Unbalanced));
    }
}
