//! One bootstrap session with the Bootstrap-Server (LwM2M Core §6.1), and what is kept after it.

use crate::base::Instant;
use crate::protocol::coap::{Code, Exchange, Handle, Message, Params};
use crate::protocol::lwm2m::Tree;

use super::config::Config;

/// A bootstrap under way.
pub(super) struct Session {
    pub exchange: Exchange,
    /// The Bootstrap-Request, until it is answered.
    pub request: Option<Handle>,
    /// When the Bootstrap-Request was sent.
    pub requested: Instant,
    /// Whether a command has come.
    pub commanded: bool,
    /// Whether the last command was a Finish that was answered with 4.06.
    pub inconsistent: bool,
    /// When the device last gave the word to the Bootstrap-Server: a command's latency counts from here.
    pub answered: Instant,
    /// Without a further command until here, the bootstrap has failed.
    pub deadline: Instant,
    /// The store as it was, to go back to if the bootstrap fails.
    pub saved: Tree,
}

impl Session {
    pub(super) fn new(exchange: Exchange, saved: Tree, now: Instant) -> Self {
        Session {
            exchange,
            request: None,
            requested: now,
            commanded: false,
            inconsistent: false,
            answered: now,
            deadline: Instant::FAR,
            saved,
        }
    }

    /// Sends `POST /bs?ep=&pct=`. Servers exist that want `ep` first and nothing behind `pct`.
    pub(super) fn send_request(&mut self, endpoint: &str, config: &Config, now: Instant) {
        let request = Message::request(Code::POST).with_path(&["bs"]).with_parameter("ep", endpoint);
        let request = match config.preferred_format {
            Some(format) => request.with_parameter("pct", format.0),
            None => request,
        };
        self.request = Some(self.exchange.request(request, now));
        self.requested = now;
        self.answered = now;
    }

    /// The Bootstrap-Server gave a sign of life: the wait for Finish starts anew. The TS gives
    /// EXCHANGE_LIFETIME for it; whether per command or in all it leaves open, and clients in the
    /// field count per command.
    pub(super) fn heard(&mut self, params: &Params, now: Instant) {
        self.deadline = now + params.exchange_lifetime();
    }
}

/// The answer to Finish, kept for a Bootstrap-Server that did not get it: all that is left of a
/// session, since a whole exchange layer in each idle meter would cost more than the meter.
pub(super) struct Farewell {
    /// The answer as it was sent.
    pub answer: Box<[u8]>,
    /// EXCHANGE_LIFETIME after Finish nobody asks again.
    pub until: Instant,
}

impl Farewell {
    /// Whether `datagram` is the Finish that `answer` answered: a confirmable POST with the same message
    /// ID (RFC 7252 §4.5).
    pub(super) fn answers(&self, datagram: &[u8]) -> bool {
        const TYPE: u8 = 0b0011_0000;
        match (datagram, &*self.answer) {
            ([first, code, id @ ..], [_, _, answered @ ..]) => {
                first & TYPE == 0
                    && *code == Code::POST.0
                    && id.len() >= 2
                    && id.get(..2) == answered.get(..2)
            }
            _ => false,
        }
    }
}
