//! What a package is for, and how the two objects put its progress into numbers: the tables of /5 and /9.

use super::policy::PackageFailure;
use crate::protocol::lwm2m::{Path, Tree, Value};

const FIRMWARE: u16 = 5;
const SOFTWARE: u16 = 9;

/// What a package is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The firmware: /5/0.
    Firmware,
    /// The software component of this instance of /9.
    Software(u16),
}

/// How far a package has come: State, /5/0/3 or /9/x/7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// There is none.
    Idle,
    /// On its way.
    Downloading,
    /// Here, and in order.
    Ready,
    /// Being installed.
    Installing,
    /// Of software: installed. Of firmware: that is where it began.
    Installed,
}

/// What became of the last package: Update Result, /5/0/5 or /9/x/9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// Nothing yet.
    Initial,
    /// It is on its way.
    Downloading,
    /// It is here, and in order.
    Downloaded,
    /// It is installed.
    Installed,
    /// It came to a bad end.
    Failed(PackageFailure),
    /// A server called it off.
    Cancelled,
    /// Somebody put it off.
    Deferred,
}

/// What a server wants done with a package, whichever object it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// A package was written.
    Package,
    /// A URI was written.
    Uri,
    /// Update, Install.
    Install,
    /// Cancel (/5).
    Cancel,
    /// Uninstall (/9).
    Uninstall,
    /// Activate (`true`) or Deactivate (/9).
    Activate(bool),
    /// Start (`true`) or Stop (/9).
    Run(bool),
    /// Purge Data (/9).
    Purge,
}

impl Target {
    /// What a value written or an execution at `path`, a resource, asks for; none if nothing of this kind.
    pub(super) fn of(path: Path) -> Option<(Target, Verb)> {
        Some(match *path.ids() {
            [FIRMWARE, 0, 0] => (Target::Firmware, Verb::Package),
            [FIRMWARE, 0, 1] => (Target::Firmware, Verb::Uri),
            [FIRMWARE, 0, 2] => (Target::Firmware, Verb::Install),
            [FIRMWARE, 0, 10] => (Target::Firmware, Verb::Cancel),
            [SOFTWARE, instance, resource] => (
                Target::Software(instance),
                match resource {
                    2 => Verb::Package,
                    3 => Verb::Uri,
                    4 => Verb::Install,
                    6 => Verb::Uninstall,
                    10 => Verb::Activate(true),
                    11 => Verb::Activate(false),
                    19 => Verb::Run(true),
                    20 => Verb::Run(false),
                    22 => Verb::Purge,
                    _ => return None,
                },
            ),
            _ => return None,
        })
    }

    /// A resource of its object instance.
    pub(super) fn resource(self, id: u16) -> Path {
        match self {
            Target::Firmware => Path::resource(FIRMWARE, 0, id),
            Target::Software(instance) => Path::resource(SOFTWARE, instance, id),
        }
    }

    /// Where State is.
    pub(super) fn state(self) -> Path {
        self.resource(match self {
            Target::Firmware => 3,
            Target::Software(_) => 7,
        })
    }

    /// Where Update Result is.
    pub(super) fn result(self) -> Path {
        self.resource(match self {
            Target::Firmware => 5,
            Target::Software(_) => 9,
        })
    }

    /// Where Package URI is.
    pub(super) fn uri(self) -> Path {
        self.resource(match self {
            Target::Firmware => 1,
            Target::Software(_) => 3,
        })
    }

    /// Where PkgName and PkgVersion are.
    pub(super) fn label(self) -> [Path; 2] {
        match self {
            Target::Firmware => [self.resource(6), self.resource(7)],
            Target::Software(_) => [self.resource(0), self.resource(1)],
        }
    }

    /// How far its package has come, by what the device shows of it.
    pub(super) fn status(self, tree: &Tree) -> Status {
        match (self, tree.get(self.state()).and_then(Value::as_integer)) {
            (Target::Firmware, Some(1)) | (Target::Software(_), Some(1 | 2)) => Status::Downloading,
            (Target::Firmware, Some(2)) | (Target::Software(_), Some(3)) => Status::Ready,
            (Target::Firmware, Some(3)) => Status::Installing,
            (Target::Software(_), Some(4)) => Status::Installed,
            _ => Status::Idle,
        }
    }

    /// The value of State.
    pub(super) fn state_value(self, status: Status) -> i64 {
        match (self, status) {
            (_, Status::Idle) | (Target::Firmware, Status::Installed) => 0,
            (_, Status::Downloading) => 1,
            (Target::Firmware, Status::Ready) => 2,
            (Target::Firmware, Status::Installing) => 3,
            // /9 knows no state of its own for this: it stays DELIVERED until it is INSTALLED.
            (Target::Software(_), Status::Ready | Status::Installing) => 3,
            (Target::Software(_), Status::Installed) => 4,
        }
    }

    /// The value of Update Result.
    pub(super) fn result_value(self, report: Report) -> i64 {
        match (self, report) {
            (_, Report::Initial) => 0,
            (Target::Firmware, Report::Downloading | Report::Downloaded) => 0,
            (Target::Firmware, Report::Installed) => 1,
            (Target::Firmware, Report::Failed(why)) => why.firmware_result(),
            (Target::Firmware, Report::Cancelled) => 10,
            (Target::Firmware, Report::Deferred) => 11,
            (Target::Software(_), Report::Downloading) => 1,
            (Target::Software(_), Report::Installed) => 2,
            (Target::Software(_), Report::Downloaded) => 3,
            (Target::Software(_), Report::Failed(why)) => why.software_result(),
            // Neither is known there.
            (Target::Software(_), Report::Cancelled | Report::Deferred) => 0,
        }
    }
}
