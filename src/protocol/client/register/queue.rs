//! Queue mode (LwM2M Core §6.5): the device sleeps, and the server keeps its requests until it hears of it.

use super::registration::{Phase, Registration};
use crate::base::Instant;
use crate::protocol::coap::Params;

impl Registration {
    /// Whether the device does not hear this server: MAX_TRANSMIT_WAIT after their last message, with
    /// nothing under way. Whatever it sends wakes it.
    pub(in crate::protocol::client) fn is_asleep(&self, params: &Params, now: Instant) -> bool {
        self.queue
            && matches!(self.phase, Phase::Registered(_))
            && self.exchange.is_idle()
            && self.exchange.last_activity() + params.max_transmit_wait() <= now
    }
}
