//! `[firmware]`: how meters take new firmware and software, and what goes wrong with it.

use crate::base::Percent;
use crate::base::Span;
use crate::protocol::client::PackageFailure;

use super::super::error::Fault;
use super::super::raw::{RawFailures, RawFirmware};
use super::super::resolved::Firmware;
use super::values::{DAY, NONE, WEEK, quoted, share, span, whole};

pub(super) fn firmware(raw: &RawFirmware) -> Result<Firmware, Fault> {
    Ok(Firmware {
        install_time: span("firmware.install_time", raw.install_time, "30s", NONE..=DAY)?,
        reboots: raw.reboots.unwrap_or(true),
        verified: raw.verified.unwrap_or(true),
        capacity: whole("firmware.capacity", raw.capacity, 16 << 20, 0..=1 << 30)?,
        resumes: whole("firmware.resumes", raw.resumes, 2, 0..=1_000)?,
        resume_wait: span("firmware.resume_wait", raw.resume_wait, "10s", NONE..=DAY)?,
        deferred: share(raw.deferred),
        defer_time: span("firmware.defer_time", raw.defer_time, "1h", NONE..=Span(WEEK.duration() * 4))?,
        failures: failures(&raw.failures)?,
    })
}

fn failures(raw: &RawFailures) -> Result<Vec<(PackageFailure, Percent)>, Fault> {
    let all = [
        (PackageFailure::NotEnoughFlash, raw.not_enough_flash),
        (PackageFailure::OutOfMemory, raw.out_of_memory),
        (PackageFailure::ConnectionLost, raw.connection_lost),
        (PackageFailure::Integrity, raw.integrity),
        (PackageFailure::UnsupportedType, raw.unsupported_type),
        (PackageFailure::InvalidUri, raw.invalid_uri),
        (PackageFailure::Installation, raw.installation),
        (PackageFailure::UnsupportedProtocol, raw.unsupported_protocol),
    ];
    let given = all.into_iter().filter_map(|(failure, share)| Some((failure, share?)));
    let given: Vec<_> = given.filter(|(_, share)| share.percent() > 0.0).collect();
    let sum: f64 = given.iter().map(|(_, share)| share.percent()).sum();
    match given.last() {
        // A little more than all is what decimal fractions come to in binary.
        Some((_, last)) if sum > 100.0 + 1e-6 => {
            let problem = format!("make {sum:.1}% of the updates");
            let shown = quoted(last);
            Err(Fault::new("firmware.failures", shown, problem, "let them make 100% at the most"))
        }
        _ => Ok(given),
    }
}
