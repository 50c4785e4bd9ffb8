//! Exit codes, and the errors that lead to them.

use std::process::ExitCode;

use crate::scenario::ScenarioError;

/// How the program ends. Where several apply, the order is 2, 3, 4, 1, 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All went well.
    Success = 0,
    /// Fewer meters registered than `run.goal` asks for, or the run is doubtful and `--strict` was given. Of
    /// the one meter of `bootstorm meter`: it never registered, or did not leave in good order.
    GoalMissed = 1,
    /// The command line or the scenario was wrong; nothing was started.
    BadInput = 2,
    /// The environment failed: a port in use, too few descriptors, missing permissions.
    Environment = 3,
    /// Figures that must add up do not.
    Unbalanced = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Why the program ends other than well, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RunError {
    /// The exit code it leads to.
    pub exit: Exit,
    /// What happened; printed after `error:`.
    pub message: String,
    /// What to do; printed after `help:`.
    pub help: String,
}

impl RunError {
    /// The input was wrong.
    pub fn input(message: impl Into<String>, help: impl Into<String>) -> Self {
        RunError { exit: Exit::BadInput, message: message.into(), help: help.into() }
    }

    /// The environment failed.
    pub fn environment(message: impl Into<String>, help: impl Into<String>) -> Self {
        RunError { exit: Exit::Environment, message: message.into(), help: help.into() }
    }
}

/// What to do where a run needs more file descriptors than it may have.
pub(super) const DESCRIPTORS_HELP: &str = "raise the limit (`ulimit -Hn`) or lower fleet.meters; meters share \
                                           sockets where all servers are on 127.0.0.1, and where \
                                           `local.addresses` lists addresses of this machine";

/// What to do where an embedded server cannot listen.
pub(super) const PORT_HELP: &str = "`servers.embedded` says where they listen; port 0 takes a free one";

impl From<ScenarioError> for RunError {
    fn from(error: ScenarioError) -> Self {
        RunError::input(error.message(), error.hint)
    }
}
