//! How devices of one kind report, as far as the specification leaves it open or clients depart from it.

use std::time::Duration;

use crate::base::Rng;
use crate::protocol::coap::ContentFormat;
use crate::protocol::lwm2m::Path;

/// How a device reports.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportPolicy {
    /// Which notifications are Confirmable.
    pub confirmable: Confirm,
    /// A notification is Confirmable at the latest when this long none was: at least every 24 hours by RFC
    /// 7641 §4.5. None for devices that never ask, as some do not.
    pub confirm_every: Option<Duration>,
    /// How often values that the device measures are looked at where no attribute says how often.
    pub sampling: Duration,
    /// Observations of one server at the same time. Further requests are answered without being observed
    /// (RFC 7641 §4.1).
    pub observations: usize,
    /// Paths in one Observe-Composite that is observed; with more it is only answered.
    pub composite_paths: usize,
    /// Notifications kept of each observation while its server cannot be reached and /1/x/6 has them
    /// stored; `hqmax` goes before it.
    pub stored: usize,
    /// What is sent to every server that lets itself be sent to, again and again.
    pub send: Option<SendPlan>,
    /// The format of Send: SenML CBOR, SenML JSON or LwM2M CBOR (LwM2M Transport §6.4.5).
    pub send_format: ContentFormat,
}

impl Default for ReportPolicy {
    fn default() -> Self {
        ReportPolicy {
            confirmable: Confirm::ByAttribute,
            confirm_every: Some(Duration::from_secs(24 * 3600)),
            sampling: Duration::from_secs(60),
            observations: 64,
            composite_paths: 64,
            stored: 4,
            send: None,
            send_format: ContentFormat::SENML_CBOR,
        }
    }
}

/// Which notifications are Confirmable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirm {
    /// None, but for [`ReportPolicy::confirm_every`].
    Never,
    /// All.
    Always,
    /// Those of observations with `con=1`, and without `con` those to servers with /1/x/26 at 1 (LwM2M 1.2).
    ByAttribute,
}

/// A Send that a device repeats while it is registered.
///
/// A server is sent nothing while its /1/x/23 (Mute Send) is absent or true: whoever wants to see Sends has
/// its bootstrap write it.
#[derive(Clone, Debug, PartialEq)]
pub struct SendPlan {
    /// The wait from one to the next, and from the registration to the first; at least a second.
    pub every: Duration,
    /// Up to so much longer it is, each time drawn anew, so that a fleet spreads out.
    pub jitter: Duration,
    /// What is sent: resources, instances or objects. What a device does not have is left out.
    pub paths: Vec<Path>,
}

impl SendPlan {
    /// The wait until the next.
    pub(super) fn wait(&self, rng: &mut Rng) -> Duration {
        self.every.max(Duration::from_secs(1)) + self.jitter.mul_f64(rng.unit())
    }
}
