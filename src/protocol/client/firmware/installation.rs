//! One package on its way into the device, as a machine of its own (the state machines of /5 and /9).
//!
//! ```text
//!          URI written            package whole            Update, Install        time passed
//! (none) ------------> Waiting -> Downloading ---> Ready ------------------> Installing --> installed
//!    |                                  |           ^ | put off                   |
//!    +-- package written ---------------|-----------+ +----> Deferred --> --------+
//!                                       v                                         v
//!                                     failed                                    failed
//! ```

use std::time::Duration;

use super::policy::{FirmwarePolicy, PackageFailure};
use super::target::{Report, Status, Target};
use super::uri::PackageUri;
use crate::base::Instant;
use crate::protocol::lwm2m::package::{PackageCheck, PackageVersion};

/// One package, from the request that brought it to its end.
#[derive(Debug)]
pub(super) struct Installation {
    pub target: Target,
    pub step: Step,
    /// The bad end that was drawn for it.
    pub fate: Option<PackageFailure>,
}

/// Where a package stands.
#[derive(Debug)]
pub(super) enum Step {
    /// It is to be downloaded as soon as no other is.
    Waiting(PackageUri),
    /// It comes in.
    Downloading,
    /// It is here.
    Ready(PackageVersion),
    /// It is here, and is installed at this instant at the latest.
    Deferred(PackageVersion, Instant),
    /// It is installed, until this instant.
    Installing(PackageVersion, Instant),
}

/// What the device shows after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub status: Status,
    pub report: Report,
}

impl Shown {
    pub(super) fn failed(why: PackageFailure) -> Self {
        Shown { status: Status::Idle, report: Report::Failed(why) }
    }

    /// Whether the package is of no further use: installed or thrown away.
    pub(super) fn is_over(self) -> bool {
        matches!(self.status, Status::Idle | Status::Installed)
    }
}

impl Installation {
    /// The end of a download that its fate, or the size of the package, wants now, after so many bytes, of
    /// `total` if the server said so.
    pub(super) fn breaks(
        &self,
        received: u64,
        total: Option<u64>,
        policy: &FirmwarePolicy,
    ) -> Option<PackageFailure> {
        if received.max(total.unwrap_or(0)) > policy.capacity {
            return Some(PackageFailure::NotEnoughFlash);
        }
        let half = total.is_none_or(|total| received >= total / 2);
        self.fate.filter(|fate| match fate {
            PackageFailure::NotEnoughFlash => true,
            PackageFailure::OutOfMemory | PackageFailure::ConnectionLost => half,
            _ => false,
        })
    }

    /// The whole package is here.
    pub(super) fn received(&mut self, check: &PackageCheck, policy: &FirmwarePolicy) -> Shown {
        let fate = self.fate.filter(|fate| {
            use PackageFailure::{Integrity, NotEnoughFlash, OutOfMemory, UnsupportedType};
            matches!(fate, NotEnoughFlash | OutOfMemory | Integrity | UnsupportedType)
        });
        let version = match fate {
            Some(fate) => Err(fate),
            None if check.received() > policy.capacity => Err(PackageFailure::NotEnoughFlash),
            None if !policy.verified => Ok(PackageVersion(check.checksum())),
            None => check.finish().map_err(|_| PackageFailure::Integrity),
        };
        match version {
            // The object text of /5/0/3: an integrity check failure leads to Idle.
            Err(why) => Shown::failed(why),
            Ok(version) => {
                self.step = Step::Ready(version);
                Shown { status: Status::Ready, report: Report::Downloaded }
            }
        }
    }

    /// Update or Install was executed; with `put_off`, somebody at the device does not want it yet. None if
    /// that changes nothing: it is being installed already.
    pub(super) fn install(
        &mut self,
        put_off: Option<Duration>,
        policy: &FirmwarePolicy,
        now: Instant,
    ) -> Option<Shown> {
        match (&self.step, put_off) {
            (Step::Ready(version), Some(span)) => {
                self.step = Step::Deferred(*version, now + span);
                Some(Shown { status: Status::Ready, report: Report::Deferred })
            }
            (Step::Ready(version) | Step::Deferred(version, _), _) => {
                self.step = Step::Installing(*version, now + policy.install_time);
                // /5/0/5: reset once the process is initiated.
                Some(Shown { status: Status::Installing, report: Report::Initial })
            }
            (Step::Waiting(_) | Step::Downloading | Step::Installing(..), _) => None,
        }
    }

    /// Does what is due by now; none if that is nothing.
    pub(super) fn due(&mut self, policy: &FirmwarePolicy, now: Instant) -> Option<Shown> {
        match self.step {
            Step::Deferred(_, at) if at <= now => self.install(None, policy, now),
            Step::Installing(version, at) if at <= now => Some(self.installed(version)),
            _ => None,
        }
    }

    fn installed(&mut self, version: PackageVersion) -> Shown {
        // The fate is used up: of software, another Install may do better.
        let failed = self.fate.take_if(|fate| *fate == PackageFailure::Installation);
        match (failed, self.target) {
            (None, _) => Shown { status: Status::Installed, report: Report::Installed },
            // The text of /5/0/3 leaves the choice between Downloaded and Idle.
            (Some(why), Target::Firmware) => Shown::failed(why),
            // /9/x/7: if installing failed, the state remains DELIVERED.
            (Some(why), Target::Software(_)) => {
                self.step = Step::Ready(version);
                Shown { status: Status::Ready, report: Report::Failed(why) }
            }
        }
    }

    /// When [`Installation::due`] is to be called.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.step {
            Step::Deferred(_, at) | Step::Installing(_, at) => Some(at),
            Step::Waiting(_) | Step::Downloading | Step::Ready(_) => None,
        }
    }

    /// The version of the package, once it is here.
    pub(super) fn version(&self) -> Option<PackageVersion> {
        match self.step {
            Step::Ready(version) | Step::Deferred(version, _) | Step::Installing(version, _) => Some(version),
            Step::Waiting(_) | Step::Downloading => None,
        }
    }
}
