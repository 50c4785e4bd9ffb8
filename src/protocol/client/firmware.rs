//! What servers do to /5 Firmware Update and /9 Software Management: packages, and the commands that install
//! them, go to the device and not into its store.

use super::client::Client;
use crate::base::Instant;
use crate::protocol::coap::Code;
use crate::protocol::lwm2m::{Entry, Path, Tree, Value};

const FIRMWARE: u16 = 5;
const SOFTWARE: u16 = 9;

/// Something a server wants done with a package.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Command {
    /// This value was written: the package itself, or where it is to be downloaded from.
    Write(Entry),
    /// This resource was executed.
    Execute(Path),
}

impl Command {
    /// The resource it came by.
    fn path(&self) -> Path {
        match self {
            Command::Write(entry) => entry.path,
            Command::Execute(path) => *path,
        }
    }
}

/// Whether what a server writes or executes at `path`, a resource, is a [`Command`].
pub(super) fn intercepts(path: Path) -> bool {
    match *path.ids() {
        // Package, Package URI, Update, Cancel.
        [FIRMWARE, _, 0 | 1 | 2 | 10] => true,
        // Package, Package URI, Install, Uninstall, Activate, Deactivate, Start, Stop, Purge Data.
        [SOFTWARE, _, 2 | 3 | 4 | 6 | 10 | 11 | 19 | 20 | 22] => true,
        _ => false,
    }
}

/// Whether a command may come as things stand.
///
/// # Errors
/// 4.05 for what the present state does not allow (Core tables E.6-2 and of /9): Update before Downloaded,
/// Install before Delivered, Activate and Deactivate before Installed.
pub(super) fn admit(tree: &Tree, command: &Command) -> Result<(), Code> {
    let &[object, instance, resource] = command.path().ids() else { return Ok(()) };
    let state = |id| tree.get(Path::resource(object, instance, id)).and_then(Value::as_integer);
    let ready = match (object, resource) {
        (FIRMWARE, 2) => state(3) == Some(2),
        (SOFTWARE, 4) => state(7) == Some(3),
        (SOFTWARE, 10 | 11) => state(7) == Some(4),
        _ => true,
    };
    if ready { Ok(()) } else { Err(Code::METHOD_NOT_ALLOWED) }
}

impl Client {
    /// Carries out a command that was admitted and answered with success. The device takes every package and
    /// keeps none; what it holds is where the last one was to come from.
    pub(super) fn package_command(&mut self, command: Command, now: Instant) {
        if let Command::Write(Entry { path, value }) = command
            && matches!(*path.ids(), [FIRMWARE, _, 1] | [SOFTWARE, _, 3])
        {
            self.tree.set(path, value);
            self.changed(path, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn an_update_needs_a_downloaded_package() {
        let standing =
            |state| Tree::new(Arc::new(vec![Entry::new(Path::resource(5, 0, 3), Value::Integer(state))]));
        let update = Command::Execute(Path::resource(5, 0, 2));
        assert_eq!(admit(&standing(0), &update), Err(Code::METHOD_NOT_ALLOWED));
        assert_eq!(admit(&standing(2), &update), Ok(()));
        assert!(!intercepts(Path::resource(5, 0, 3)) && intercepts(Path::resource(9, 3, 2)));
    }
}
