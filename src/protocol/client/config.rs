//! What all devices of one kind share.

use std::sync::Arc;
use std::time::Duration;

use crate::protocol::coap::{ContentFormat, Params};
use crate::protocol::lwm2m::{Entry, Version};

/// Settings shared by a fleet; a device holds one pointer to them.
#[derive(Debug)]
pub struct Config {
    /// The LwM2M version the devices speak.
    pub version: Version,
    /// Transmission parameters of every exchange.
    pub transmission: Arc<Params>,
    /// The preferred format for bootstrap writes (`pct`, LwM2M 1.1 and later).
    pub preferred_format: Option<ContentFormat>,
    /// What to do after a bootstrap that failed.
    pub bootstrap_backoff: Backoff,
    /// What is in every device's store when it leaves the factory: the Bootstrap-Server account and /3.
    pub factory: Arc<Vec<Entry>>,
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
