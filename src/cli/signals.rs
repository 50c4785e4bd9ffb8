//! SIGINT and SIGTERM, which mean the same here.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::exit::RunError;

/// What asks a command to end.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// From now on neither ends the process by itself. Must be called within a tokio runtime.
    pub(super) fn watch() -> io::Result<Self> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one. Cancel-safe.
    pub(super) async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// That signals cannot be waited for.
pub(super) fn unwatched(error: io::Error) -> RunError {
    RunError::environment(
        format!("cannot wait for signals: {error}"),
        "try again with fewer descriptors in use",
    )
}
