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
    /// Whether `ep` is sent. Without it, the security identity has to stand for the device (1.1).
    pub send_endpoint: bool,
    /// Whether a 1.2 device asks for a Bootstrap-Pack before it makes a Bootstrap-Request.
    pub pack: bool,
    /// How often a Pack-Request that met with silence is made again, EXCHANGE_LIFETIME after the one
    /// before, until a Bootstrap-Request follows.
    pub pack_retries: u8,
    /// How long the device waits for Finish; none is what its behaviour has
    /// ([`Row::bootstrap_limit`](crate::protocol::client::Row::bootstrap_limit)).
    pub no_finish: Option<NoFinish>,
    /// How long to wait before the next bootstrap when one has failed and there is no account to go on with,
    /// unless its behaviour has its own waits, and when every registration has failed.
    pub backoff: Backoff,
    /// Whether the device listens for a Bootstrap-Server that starts writing unasked, as LwM2M 1.0 has it.
    pub server_initiated: bool,
}

impl Default for BootstrapPolicy {
    /// No preferred format and no Pack; ten seconds after the first failure, ten minutes at the most.
    fn default() -> Self {
        let backoff = Backoff { initial: Duration::from_secs(10), max: Duration::from_secs(600) };
        BootstrapPolicy {
            formats: Vec::new(),
            send_endpoint: true,
            pack: false,
            pack_retries: 0,
            no_finish: None,
            backoff,
            server_initiated: false,
        }
    }
}

/// How long a device waits for Finish. The TS gives EXCHANGE_LIFETIME, and leaves open whether for each
/// command or in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoFinish {
    /// The wait starts anew with every sign of life of the Bootstrap-Server.
    PerCommand(Duration),
    /// The wait starts with the first sign of life and is for the whole session.
    Total(Duration),
}
