//! `bootstorm completions`: a script that teaches a shell the command line.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::exit::RunError;
use super::{Cli, print};

/// Arguments of `bootstorm completions`.
#[derive(Args, Clone, Debug)]
pub struct CompletionsArgs {
    /// Shell to complete for
    shell: Shell,
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<(), RunError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "bootstorm", &mut script);
    print(&String::from_utf8_lossy(&script))
}
