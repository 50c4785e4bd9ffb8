//! The command line: one file or folder per subcommand, the exit codes, and the progress of a run as text.
//!
//! Everything that can be wrong with the input is found here, before anything starts; every error is
//! printed as an `error:` line and a `help:` line.

mod check;
mod completions;
mod engine;
mod equip;
pub mod exit;
mod load;
mod machine;
pub mod meter;
pub mod progress;
pub mod provision;
pub mod run;
pub mod screen;
pub mod serve;
mod served;
mod signals;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::{Exit, RunError};

const AFTER_HELP: &str = "\
Examples:
  bootstorm                                 the quickstart: 2,000 meters, embedded servers
  bootstorm run scenarios/hundred-thousand.toml --out results
  bootstorm run --set fleet.meters=500 --set arrivals.over=2s --seed 7
  bootstorm check scenarios/external.toml   what a scenario will do and cost
  bootstorm serve scenarios/external.toml   only the servers, for a fleet elsewhere
  bootstorm meter --bootstrap-server coap://127.0.0.1:5783 --verbose
                                            one meter in the foreground, message by message
  bootstorm provision --meters 1000 --mode psk --out keys
                                            credentials for a fleet and its servers
  bootstorm completions bash > ~/.local/share/bash-completion/completions/bootstorm

Exit codes, the first that applies:
  2  the input was wrong; nothing was started
  3  the environment failed: a port in use, too few descriptors, missing permissions
  4  a balance of the results does not close
  1  fewer meters registered than run.goal asks for, or --strict and a doubtful run; of
     `bootstorm meter`: it never registered, or did not leave in good order
  0  success

Runs on Linux. Datagrams leave this machine only if the scenario says allow_remote = true.";

/// A mass simulator of LwM2M smart meters and a load tester for the servers they boot from.
#[derive(Debug, Parser)]
#[command(name = "bootstorm", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a scenario (the default: `bootstorm` alone runs the quickstart)
    Run(run::RunArgs),
    /// Check a scenario and print what it will do and cost
    Check(check::CheckArgs),
    /// Run only the embedded servers, for a fleet in another process or on another machine
    Serve(serve::ServeArgs),
    /// Make credentials for a fleet, and what its servers need to know it
    Provision(provision::ProvisionArgs),
    /// Run one meter in the foreground and print what it does
    Meter(meter::MeterArgs),
    /// Print the completions for a shell
    Completions(completions::CompletionsArgs),
}

/// Does what the command line says; the binary is this function.
///
/// Mistakes in the command line itself leave from within, with exit code 2.
pub fn main() -> ExitCode {
    let command = Cli::parse().command.unwrap_or_else(|| Command::Run(run::RunArgs::default()));
    let done = match command {
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::check(&args),
        Command::Serve(args) => serve::serve(args),
        Command::Provision(args) => provision::provision(&args),
        Command::Meter(args) => meter::meter(args),
        Command::Completions(args) => completions::completions(&args),
    };
    match done {
        Ok(()) => Exit::Success.into(),
        Err(error) => {
            // If nobody reads the error there is nobody left to tell; the exit code still says it.
            let _ = write!(io::stderr().lock(), "error: {}\nhelp: {}\n", error.message, error.help);
            error.exit.into()
        }
    }
}

/// Prints to standard output. A reader who leaves early, as in `bootstorm check | head`, is no error.
fn print(text: &str) -> Result<(), RunError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(RunError::environment(
            format!("cannot write to standard output: {error}"),
            "see where the output is redirected to",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
