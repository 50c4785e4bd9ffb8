//! A request of ours, from the moment it is given to its response or failure; or a notification of ours,
//! to its acknowledgement.

use super::event::Handle;
use super::header::{Token, Type};
use super::message::Message;
use super::params::Params;
use super::transfer::Transfer;
use super::transmission::Transmission;
use crate::base::{Instant, Rng};

/// A request under way, block-wise or not.
pub(super) struct Outgoing {
    /// Of a [`Purpose::Collect`]: the observation's.
    pub handle: Handle,
    pub purpose: Purpose,
    /// Whether what is queued goes out as Confirmable.
    pub confirmable: bool,
    pub stage: Stage,
    /// The first transmission of its first block.
    pub first_sent: Option<Instant>,
    /// Datagrams sent for it so far, all blocks together.
    pub transmissions: u32,
    pub transfer: Option<Box<Transfer>>,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Its response.
    Ask,
    /// To begin an observation (Observe 0).
    Observe,
    /// To end one (Observe 1) with the token it was begun with.
    Cancel { observation: Handle, token: Token },
    /// To fetch the rest of a notification.
    Collect,
    /// To end one that is forgotten here, over a stream, with the token it was begun with.
    Farewell(Token),
    /// No request: a notification to the observer with this token.
    Notify(Token),
    /// No request: an Empty message that the peer resets if it is there (RFC 7252 §4.3).
    Ping,
}

impl Purpose {
    /// Whether somebody waits for its end as that of a request.
    pub fn is_asked_for(self) -> bool {
        !matches!(self, Purpose::Farewell(_) | Purpose::Notify(_) | Purpose::Ping)
    }
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
    /// Whether an Empty acknowledgement came: the response will come separately. Of a Non-confirmable one:
    /// whether its response should have come by now.
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
        message.address(if self.confirmable { Type::Con } else { Type::Non }, mid, token);
        let datagram = message.encode();
        let transmission = Transmission::start(mid, datagram.clone(), params, rng, now);
        self.stage = Stage::Sent(Flight { token, acknowledged: false, transmission });
        self.first_sent.get_or_insert(now);
        self.transmissions += 1;
        Some(datagram)
    }

    /// The token that what is queued must have.
    pub fn token(&self) -> Option<Token> {
        match self.purpose {
            Purpose::Notify(token) => Some(token),
            // RFC 7641 §3.6: it names the observation. Blocks of the response are fetched without it.
            Purpose::Cancel { token, .. } => {
                self.transfer.as_ref().is_none_or(|transfer| transfer.is_uploading()).then_some(token)
            }
            Purpose::Farewell(token) => Some(token),
            // RFC 7252 §4.1: an Empty message has none.
            Purpose::Ping => Some(Token::default()),
            Purpose::Ask | Purpose::Observe | Purpose::Collect => None,
        }
    }

    /// Whether `response` is for the message under way (RFC 7252 §5.3.2: the token must match, and for a
    /// piggybacked response the message id as well).
    pub fn is_answered_by(&self, response: &Message) -> bool {
        let Some(flight) = self.flight() else { return false };
        let piggybacked = response.kind() == Type::Ack;
        match self.purpose {
            Purpose::Notify(_) | Purpose::Ping => return false,
            // A notification that was on its way has the same token (RFC 7641 §3.6).
            Purpose::Cancel { .. } | Purpose::Farewell(_) if !piggybacked && response.observe().is_some() => {
                return false;
            }
            _ => {}
        }
        flight.token == response.token() && (!piggybacked || flight.transmission.mid == response.mid())
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

    /// Whether it counts against NSTART: sent, and neither acknowledged nor answered, nor
    /// (Non-confirmable) silent for so long that an answer is no longer expected (RFC 7252 §4.7).
    pub fn is_outstanding(&self) -> bool {
        self.flight().is_some_and(|flight| !flight.acknowledged)
    }
}
