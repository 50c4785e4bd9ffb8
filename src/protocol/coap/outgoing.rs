//! A request of ours, from the moment it is given to its response or failure.

use super::event::Handle;
use super::header::{Token, Type};
use super::message::Message;
use super::params::Params;
use super::transfer::Transfer;
use super::transmission::Transmission;
use crate::base::{Instant, Rng};

/// A request under way, block-wise or not.
pub(super) struct Outgoing {
    pub handle: Handle,
    pub stage: Stage,
    /// The first transmission of its first block.
    pub first_sent: Option<Instant>,
    /// Datagrams sent for it so far, all blocks together.
    pub transmissions: u32,
    pub transfer: Option<Box<Transfer>>,
}

/// Where a request is.
pub(super) enum Stage {
    /// To be sent when its turn comes (NSTART): a request, or the next block of one.
    Queued(Message),
    /// Sent.
    Sent(Flight),
}

/// A message of a request that was sent.
pub(super) struct Flight {
    pub token: Token,
    /// Whether an Empty acknowledgement came: the response will come separately.
    pub acknowledged: bool,
    /// Its `due` is the next retransmission, or, once acknowledged, the end of patience.
    pub transmission: Transmission,
}

impl Outgoing {
    /// Sends what is queued; the datagram.
    ///
    /// Draws from `rng` the token and then the first wait, in this order.
    pub fn start(
        &mut self,
        mid: u16,
        token: Token,
        params: &Params,
        rng: &mut Rng,
        now: Instant,
    ) -> Option<Vec<u8>> {
        let Stage::Queued(message) = &mut self.stage else { return None };
        message.address(Type::Con, mid, token);
        let datagram = message.encode();
        let transmission = Transmission::start(mid, datagram.clone(), params, rng, now);
        self.stage = Stage::Sent(Flight { token, acknowledged: false, transmission });
        self.first_sent.get_or_insert(now);
        self.transmissions += 1;
        Some(datagram)
    }

    /// The message under way.
    pub fn flight(&self) -> Option<&Flight> {
        match &self.stage {
            Stage::Queued(_) => None,
            Stage::Sent(flight) => Some(flight),
        }
    }

    /// The message under way.
    pub fn flight_mut(&mut self) -> Option<&mut Flight> {
        match &mut self.stage {
            Stage::Queued(_) => None,
            Stage::Sent(flight) => Some(flight),
        }
    }

    /// Whether it counts against NSTART: sent, and neither acknowledged nor answered (RFC 7252 §4.7).
    pub fn is_outstanding(&self) -> bool {
        self.flight().is_some_and(|flight| !flight.acknowledged)
    }
}
