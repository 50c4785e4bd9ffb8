//! How devices of one kind bootstrap, as far as the specification leaves it open.

use std::time::Duration;

use crate::protocol::client::Backoff;
use crate::protocol::coap::ContentFormat;

/// How a device bootstraps.
#[derive(Clone, Debug)]
pub struct BootstrapPolicy {
    /// The preferred format for bootstrap writes (`pct`, LwM2M 1.1 and later).
    pub preferred_format: Option<ContentFormat>,
    /// What to do after a bootstrap that failed.
    pub backoff: Backoff,
}

impl Default for BootstrapPolicy {
    /// No preferred format; ten seconds after the first failure, ten minutes at the most.
    fn default() -> Self {
        let backoff = Backoff { initial: Duration::from_secs(10), max: Duration::from_secs(600) };
        BootstrapPolicy { preferred_format: None, backoff }
    }
}
