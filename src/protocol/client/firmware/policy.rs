//! How devices take new firmware and software, and what goes wrong with it.

use std::time::Duration;

use crate::base::Rng;

/// How the devices of a fleet take firmware (/5) and software (/9) packages.
#[derive(Clone, Debug, PartialEq)]
pub struct FirmwarePolicy {
    /// How many updates come to which bad end: a share, 0 to 1, for each. Every other one ends as its package
    /// deserves. Of shares that make more than 1 together, the first ones count.
    pub failures: Vec<(PackageFailure, f64)>,
    /// Whether a package has to be one of [`package::make`](crate::protocol::lwm2m::package::make), and whole.
    /// Otherwise any bytes are installed, and the version is named after their checksum.
    pub verified: bool,
    /// Bytes of the largest package there is room for.
    pub capacity: u64,
    /// From Update or Install to its end.
    pub install_time: Duration,
    /// Whether a device restarts when it has new firmware.
    pub reboots: bool,
    /// How often a download that broke off is taken up again, from the block where it did.
    pub resumes: u32,
    /// How long a device waits before that, unless the server says for how long (5.03 with Max-Age).
    pub resume_wait: Duration,
    /// The share, 0 to 1, of firmware updates that somebody at the device puts off, where that is allowed
    /// (/5/0/11 and /5/0/13).
    pub deferred: f64,
    /// For how long; never longer than /5/0/13.
    pub defer_time: Duration,
}

impl Default for FirmwarePolicy {
    /// Devices that install any good package of up to 16 MiB in half a minute, and restart.
    fn default() -> Self {
        FirmwarePolicy {
            failures: Vec::new(),
            verified: true,
            capacity: 16 << 20,
            install_time: Duration::from_secs(30),
            reboots: true,
            resumes: 2,
            resume_wait: Duration::from_secs(10),
            deferred: 0.0,
            defer_time: Duration::from_secs(3_600),
        }
    }
}

impl FirmwarePolicy {
    /// Draws the end an update is to come to.
    pub(super) fn fate(&self, rng: &mut Rng) -> Option<PackageFailure> {
        if self.failures.is_empty() {
            return None;
        }
        let mut rest = rng.unit();
        self.failures.iter().find_map(|(failure, share)| {
            rest -= share;
            (rest < 0.0).then_some(*failure)
        })
    }
}

/// A bad end of an update. What concerns the download alone never happens to a package that is pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PackageFailure {
    /// Not enough room for the package: /5/0/5 is 2, /9/x/9 is 50.
    NotEnoughFlash,
    /// Out of memory while it came in: 3, 51.
    OutOfMemory,
    /// The connection was lost during the download: 4, 52.
    ConnectionLost,
    /// The package is not what it was when it was made: 5, 53.
    Integrity,
    /// A package of another kind: 6, 54.
    UnsupportedType,
    /// The URI leads to no package: 7, 56.
    InvalidUri,
    /// It came to nothing when it was installed: 8, 58.
    Installation,
    /// The URI is of a protocol the device does not speak: 9, 56.
    UnsupportedProtocol,
}

impl PackageFailure {
    /// Its value of /5/0/5.
    pub fn firmware_result(self) -> i64 {
        match self {
            PackageFailure::NotEnoughFlash => 2,
            PackageFailure::OutOfMemory => 3,
            PackageFailure::ConnectionLost => 4,
            PackageFailure::Integrity => 5,
            PackageFailure::UnsupportedType => 6,
            PackageFailure::InvalidUri => 7,
            PackageFailure::Installation => 8,
            PackageFailure::UnsupportedProtocol => 9,
        }
    }

    /// Its value of /9/x/9.
    pub fn software_result(self) -> i64 {
        match self {
            PackageFailure::NotEnoughFlash => 50,
            PackageFailure::OutOfMemory => 51,
            PackageFailure::ConnectionLost => 52,
            PackageFailure::Integrity => 53,
            PackageFailure::UnsupportedType => 54,
            // /9 has no word for a protocol; its URI is as good as invalid.
            PackageFailure::InvalidUri | PackageFailure::UnsupportedProtocol => 56,
            PackageFailure::Installation => 58,
        }
    }
}
