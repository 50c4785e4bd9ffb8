//! What a registered device tells its servers of its own accord: notifications of what they observe, and
//! Send (LwM2M Core §6.4).

use super::client::Client;
use crate::base::Instant;
use crate::protocol::lwm2m::Path;

impl Client {
    /// What is at or below `path` has changed: whoever observes it is to know.
    pub(super) fn changed(&mut self, _path: Path, _now: Instant) {}
}
