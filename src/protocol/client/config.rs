//! What all devices of one kind share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::bootstrap::{BootstrapPolicy, Card};
use super::firmware::FirmwarePolicy;
use super::register::RegistrationPolicy;
use super::report::ReportPolicy;
use crate::base::Instant;
use crate::protocol::coap::Params;
use crate::protocol::lwm2m::{Entry, Path, Value, Version};

/// Settings shared by a fleet; a device holds one pointer to them.
#[derive(Debug)]
pub struct Config {
    /// The LwM2M version the devices speak.
    pub version: Version,
    /// Transmission parameters of every exchange.
    pub transmission: Arc<Params>,
    /// How they bootstrap.
    pub bootstrap: BootstrapPolicy,
    /// How they register.
    pub registration: RegistrationPolicy,
    /// How they take new firmware and software.
    pub firmware: FirmwarePolicy,
    /// How they report.
    pub report: ReportPolicy,
    /// What is in every device's store when it leaves the factory: accounts, /3 and its other objects.
    pub factory: Arc<Vec<Entry>>,
    /// What differs from device to device when it leaves the factory or is fitted; none where nothing does.
    pub provision: Option<Arc<dyn Provision>>,
    /// The device behind the objects; none where every value is as it was stored.
    pub device: Option<Arc<dyn Device>>,
}

/// What an operator fits a single device with, out of band.
pub trait Provision: fmt::Debug + Send + Sync {
    /// What the device with this number in its fleet holds beyond [`Config::factory`], or instead of it:
    /// resources and resource instances.
    fn own(&self, number: u32) -> Vec<Entry>;

    /// What the device with this number finds in its card slot at `now`. It looks when it is switched on
    /// and before each Register and Update, so this should be cheap.
    fn card(&self, _number: u32, _now: Instant) -> Card {
        Card::Absent
    }
}

/// A device whose values follow the time and its own nature.
pub trait Device: fmt::Debug + Send + Sync {
    /// The present value of a resource that the device itself measures or computes. `None` where what is
    /// stored counts. `nature` is the device's own constant random number.
    fn value(&self, path: Path, nature: u64, now: Instant) -> Option<Value>;
}

/// Waiting times that double from `initial` to `max`.
///
/// The TS gives no algorithm for bootstrap retries (the text of /1/x/19 only allows one). Each wait is
/// multiplied by a factor drawn from 1 to 1.5, as deployed clients do, so that a herd spreads out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub initial: Duration,
    /// The longest wait, before the factor.
    pub max: Duration,
}

impl Backoff {
    /// The wait after the `failures`-th failure in a row (1 is the first), stretched by `unit` (0 to 1).
    pub fn wait(&self, failures: u32, unit: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let plain = self.initial.saturating_mul(1 << doublings).min(self.max);
        plain.mul_f64(1.0 + unit.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_bound() {
        let backoff = Backoff { initial: Duration::from_secs(10), max: Duration::from_secs(35) };
        let waits: Vec<u64> = (1..=4).map(|n| backoff.wait(n, 0.0).as_secs()).collect();
        assert_eq!(waits, [10, 20, 35, 35]);
        assert_eq!(backoff.wait(1, 1.0), Duration::from_secs(15));
        assert_eq!(backoff.wait(u32::MAX, 0.0), Duration::from_secs(35));
    }
}
