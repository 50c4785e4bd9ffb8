//! A Confirmable message on its way: when it is sent again, and when it is given up (RFC 7252 §4.2).

use std::time::Duration;

use super::params::Params;
use crate::base::{Instant, Rng};

/// A Confirmable message that was sent and is not acknowledged yet.
pub(super) struct Transmission {
    /// Its message id.
    pub mid: u16,
    /// How often it was sent so far, at least once.
    pub sent: u32,
    /// When it is sent again or given up.
    pub due: Instant,
    /// The wait that ends at `due`.
    wait: Duration,
    /// The bytes, the same each time.
    pub datagram: Vec<u8>,
}

impl Transmission {
    /// The state after the first transmission, which happens now.
    pub fn start(mid: u16, datagram: Vec<u8>, params: &Params, rng: &mut Rng, now: Instant) -> Self {
        // RFC 7252 §4.2: the first wait lies between ACK_TIMEOUT and ACK_TIMEOUT * ACK_RANDOM_FACTOR.
        // Drawn from the endpoint's own generator, so a seed replays the same retransmissions.
        let wait = params.first_timeout(rng.unit());
        Transmission { mid, sent: 1, due: now + wait, wait, datagram }
    }

    /// The state of a message that is sent once, over a stream: nothing but when it is given up.
    pub fn once(datagram: Vec<u8>, due: Instant) -> Self {
        Transmission { mid: 0, sent: 1, due, wait: Duration::ZERO, datagram }
    }

    /// What happens at `due` if another message takes over: that one is sent as if it were this one once more
    /// (RFC 7641 §4.5.2). False when this was tried often enough.
    pub fn hand_over(&mut self, mid: u16, datagram: Vec<u8>, params: &Params, now: Instant) -> bool {
        (self.mid, self.datagram) = (mid, datagram);
        self.again(params, now).is_some()
    }

    /// What happens at `due`: the bytes to send once more, or `None` when that was tried often enough.
    pub fn again(&mut self, params: &Params, now: Instant) -> Option<Vec<u8>> {
        if self.sent > params.max_retransmit {
            return None;
        }
        self.sent += 1;
        // §4.2: the wait is doubled. It counts from now, so a late timer does not shorten it.
        self.wait = self.wait.saturating_mul(2);
        self.due = now + self.wait;
        Some(self.datagram.clone())
    }
}
