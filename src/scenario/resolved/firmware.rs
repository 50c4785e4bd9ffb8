//! `[firmware]` with every value in place.

use crate::base::{Percent, Span};
use crate::protocol::client::{FirmwarePolicy, PackageFailure};

/// `[firmware]`: how meters take new firmware and software.
#[derive(Clone, Debug, PartialEq)]
pub struct Firmware {
    /// From Update or Install to its end, 0 s to 1 d.
    pub install_time: Span,
    /// Whether a meter restarts when it has new firmware.
    pub reboots: bool,
    /// Whether a package has to be whole.
    pub verified: bool,
    /// Bytes of the largest package there is room for, at most 1 GiB.
    pub capacity: u32,
    /// How often a download that broke off is taken up again, 0 to 1,000.
    pub resumes: u32,
    /// How long a meter waits before that, 0 s to 1 d.
    pub resume_wait: Span,
    /// Updates that somebody at the meter puts off.
    pub deferred: Percent,
    /// For how long, 0 s to 28 d.
    pub defer_time: Span,
    /// Updates that come to a bad end, by the end; at most all of them.
    pub failures: Vec<(PackageFailure, Percent)>,
}

impl Firmware {
    /// As meters take it.
    pub(in crate::scenario) fn policy(&self) -> FirmwarePolicy {
        FirmwarePolicy {
            failures: self.failures.iter().map(|(failure, share)| (*failure, share.fraction())).collect(),
            verified: self.verified,
            capacity: self.capacity.into(),
            install_time: self.install_time.duration(),
            reboots: self.reboots,
            resumes: self.resumes,
            resume_wait: self.resume_wait.duration(),
            deferred: self.deferred.fraction(),
            defer_time: self.defer_time.duration(),
        }
    }
}
