//! How devices of one kind bootstrap, as far as the specification leaves it open or clients depart from it.

use std::time::Duration;

use crate::protocol::client::Backoff;
use crate::protocol::coap::ContentFormat;

/// How a device bootstraps.
#[derive(Clone, Debug)]
pub struct BootstrapPolicy {
    /// The formats for bootstrap writes that the device names (`pct`, LwM2M 1.1 and later), the one it
    /// likes best first. A Bootstrap-Server that refuses one with 4.15 is asked for the next, and in the
    /// end without any. Empty: none is named at all.
    pub formats: Vec<ContentFormat>,
    /// Whether a Bootstrap-Request that names a format and is refused with another 4.xx is made again
    /// without one, as for a 1.0 server (as Anjay does).
    pub drop_refused_format: bool,
    /// Whether `ep` is sent. Without it, the security identity has to stand for the device (1.1).
    pub send_endpoint: bool,
    /// Whether a 1.2 device asks for a Bootstrap-Pack before it makes a Bootstrap-Request.
    pub pack: bool,
    /// How often a Pack-Request that met with silence is made again, EXCHANGE_LIFETIME after the one
    /// before, until a Bootstrap-Request follows.
    pub pack_retries: u8,
    /// How long the device waits for Finish.
    pub no_finish: NoFinish,
    /// What to do after a bootstrap that failed, where there is no account to go on with.
    pub retry: BootstrapRetry,
    /// How long to wait before the bootstrap that follows when every registration has failed.
    pub backoff: Backoff,
    /// Whether the device listens for a Bootstrap-Server that starts writing unasked, as LwM2M 1.0 has it.
    pub server_initiated: bool,
}

impl Default for BootstrapPolicy {
    /// No preferred format, no Pack, EXCHANGE_LIFETIME for each command; ten seconds after the first
    /// failure, ten minutes at the most.
    fn default() -> Self {
        let backoff = Backoff { initial: Duration::from_secs(10), max: Duration::from_secs(600) };
        BootstrapPolicy {
            formats: Vec::new(),
            drop_refused_format: false,
            send_endpoint: true,
            pack: false,
            pack_retries: 0,
            no_finish: NoFinish::PerCommand(None),
            retry: BootstrapRetry::Backoff,
            backoff,
            server_initiated: false,
        }
    }
}

/// How long a device waits for Finish. The TS gives EXCHANGE_LIFETIME, and leaves open whether for each
/// command or in all. A span of `None` is EXCHANGE_LIFETIME by the device's own transmission parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoFinish {
    /// The wait starts anew with every sign of life of the Bootstrap-Server (as Wakaama and Anjay have it).
    PerCommand(Option<Duration>),
    /// The wait starts with the first sign of life and is for the whole session (Zephyr: 247 s;
    /// Leshan: 93 s).
    Total(Option<Duration>),
}

/// What a device does after a bootstrap that failed. The TS gives no algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootstrapRetry {
    /// Tries again after waits that double, by [`BootstrapPolicy::backoff`].
    Backoff,
    /// Tries again after the same wait each time (Leshan: ten minutes).
    Every(Duration),
    /// Tries again after `first`, doubling, `tries` times in all, if the Bootstrap-Server was silent;
    /// never if it refused (Zephyr: 1 s, 5 tries).
    OnSilence {
        /// The wait after the first failure.
        first: Duration,
        /// How many tries follow the first one.
        tries: u16,
    },
    /// Never, until it is switched on anew (as Anjay does).
    Never,
}
