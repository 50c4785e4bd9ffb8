//! `bootstorm run`: resolves the scenario, runs it, judges the outcome.

use std::path::PathBuf;

use clap::Args;

use crate::report::RunReport;
use crate::scenario::Part;

use super::engine::{self, RunOptions};
use super::exit::{Exit, RunError};
use super::load::ScenarioArgs;
use super::print;

const EXAMPLES: &str = "\
Examples:
  bootstorm run
  bootstorm run scenarios/hundred-thousand.toml --out results
  bootstorm run --set fleet.meters=500 --set arrivals.over=2s --seed 7
  bootstorm run --set servers.bootstrap=coap://127.0.0.1:5783 --no-tui
  bootstorm run --credentials keys --set servers.bootstrap=coaps://127.0.0.1:5684

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

pub(super) fn run(args: RunArgs) -> Result<(), RunError> {
    let scenario = args.scenario.load(Part::Run)?;
    let options = RunOptions { out: args.out, no_tui: args.no_tui, strict: args.strict };
    let report = engine::execute(&scenario, &options)?;
    if let Some(out) = &options.out {
        print(&format!("\nResults are in {}; report.json has all of the above.\n", out.display()))?;
    }
    judge(&report)
}

/// The exit code of a report: balances come before the goal, the goal before doubts.
fn judge(report: &RunReport) -> Result<(), RunError> {
    let exit = match report.exit_code() {
        0 => return Ok(()),
        4 => Exit::Unbalanced,
        _ => Exit::GoalMissed,
    };
    let help = if exit == Exit::Unbalanced {
        "do not trust the figures of this run; report it with its seed and scenario"
    } else if report.verdict.goal_reached {
        "lower the rate, free the machine of other load, or leave --strict out"
    } else if !report.run.complete {
        "let the run come to its end, or lower run.goal"
    } else if report.fleet.registered_peak == 0 {
        "see that the servers can be reached where the scenario says they are"
    } else {
        "see the failures by kind, or lower the rate or run.goal"
    };
    Err(RunError { exit, message: report.verdict.reasons.join(" "), help: help.to_owned() })
}
