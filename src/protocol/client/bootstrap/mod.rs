//! One bootstrap session with the Bootstrap-Server (LwM2M Core §6.1), and what is kept after it.

mod commands;
mod policy;

pub use policy::BootstrapPolicy;

use super::account;
use super::client::Client;
use super::config::Config;
use super::event::{Event, Failure, Fate, Link, Operation, Output, RequestKind, Stage, State};
use super::manage::Kept;
use super::register::ended;
use crate::base::Instant;
use crate::protocol::coap::{self, Code, Exchange, Handle, Message, Params};
use crate::protocol::lwm2m::{ServerUri, Tree};

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
        let request = match config.bootstrap.preferred_format {
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

/// How a device goes through a bootstrap.
impl Client {
    pub(super) fn connect_bootstrap(&mut self, now: Instant) {
        let uri = account::bootstrap_server(&self.tree)
            .and_then(|instance| account::uri(&self.tree, instance))
            .and_then(|uri| uri.parse::<ServerUri>().ok());
        let Some(uri) = uri else { return self.give_up(Failure::ServerUri) };
        let exchange = Exchange::new(self.config.transmission.clone(), self.child_rng());
        self.farewell = None;
        self.bootstrap = Some(Box::new(Session::new(exchange, self.tree.clone(), now)));
        self.enter(State::Bootstrapping);
        self.out.push_back(Output::Open { link: Link::Bootstrap, uri });
    }

    pub(super) fn request_bootstrap(&mut self, now: Instant) {
        let Some(session) = &mut self.bootstrap else { return };
        session.send_request(&self.endpoint, &self.config, now);
        self.tell(Event::Request { kind: RequestKind::BootstrapRequest, fate: Fate::Sent });
    }

    pub(super) fn bootstrap_answered(&mut self, answer: &Message, now: Instant) {
        let Some(session) = &mut self.bootstrap else { return };
        let since = session.requested;
        session.request = None;
        // A command may have overtaken the answer: then the word went back and forth since.
        if !session.commanded {
            session.answered = now;
        }
        session.heard(&self.config.transmission, now);
        self.tell(Event::Request { kind: RequestKind::BootstrapRequest, fate: Fate::Answered });
        if answer.code() == Code::CHANGED {
            self.tell(Event::Completed { stage: Stage::BootstrapRequest, since });
        } else {
            self.bootstrap_failed(Failure::Refused(RequestKind::BootstrapRequest, answer.code()), now);
        }
    }

    pub(super) fn bootstrap_command(&mut self, received: coap::Received, now: Instant) {
        let Some(session) = &mut self.bootstrap else { return };
        session.heard(&self.config.transmission, now);
        let Some(operation) = commands::operation(&received.message) else {
            let refusal = Message::response(Code::METHOD_NOT_ALLOWED);
            return session.exchange.respond(received, refusal, now);
        };
        let answer = commands::execute(operation, &received.message, &mut self.tree, self.config.version);
        let since = std::mem::replace(&mut session.answered, now);
        session.commanded = true;
        let success = answer.code().is_success();
        // The server may put right what does not fit together, and come to Finish again.
        session.inconsistent = operation == Operation::Finish && !success;
        let repeated = received.repeated;
        session.exchange.respond(received, answer, now);
        if success && !repeated {
            self.tell(Event::Completed { stage: Stage::Command(operation), since });
        }
        if success && operation == Operation::Finish {
            self.finished(now);
        }
    }

    /// Finish was answered with 2.04: the new accounts are in force.
    fn finished(&mut self, now: Instant) {
        let Some(mut session) = self.bootstrap.take() else { return };
        if session.request.take().is_some() {
            // The server worked through its commands although its own 2.04 never arrived.
            self.tell(Event::Request { kind: RequestKind::BootstrapRequest, fate: Fate::Abandoned });
        }
        let mut last = None;
        while let Some(output) = session.exchange.poll_output() {
            match output {
                coap::Output::Send(bytes) => {
                    last = Some(bytes.clone());
                    self.out.push_back(Output::Send { link: Link::Bootstrap, bytes });
                }
                coap::Output::Event(coap::Event::Stat(stat)) => self.tell(Event::Stat(stat)),
                coap::Output::Event(coap::Event::Noise(noise)) => self.tell(Event::Noise(noise)),
                coap::Output::Event(_) => {}
            }
        }
        self.farewell = last.map(|answer| {
            let until = now + self.config.transmission.exchange_lifetime();
            Box::new(Farewell { answer: answer.into(), until })
        });
        self.tell(Event::Completed { stage: Stage::Bootstrap, since: self.bootstrap_due });
        self.connect_servers(now);
    }

    /// The Bootstrap-Request will not be answered.
    pub(super) fn bootstrap_request_failed(&mut self, why: coap::Failure, now: Instant) {
        let Some(session) = &mut self.bootstrap else { return };
        session.request = None;
        let (fate, failure) = ended(RequestKind::BootstrapRequest, why);
        self.tell(Event::Request { kind: RequestKind::BootstrapRequest, fate });
        self.bootstrap_failed(failure, now);
    }

    pub(super) fn bootstrap_failed(&mut self, failure: Failure, now: Instant) {
        let Some(session) = self.bootstrap.take() else { return };
        if session.request.is_some() {
            self.tell(Event::Request { kind: RequestKind::BootstrapRequest, fate: Fate::Abandoned });
        }
        // Whatever was half written is taken back (LwM2M Core §6.1.5: as if it had not been begun).
        self.restore(session.saved);
        self.tell(Event::Failed(failure));
        if self.leaving {
            return self.stop();
        }
        self.back_off(now);
    }

    /// Waits before the next bootstrap; longer each time until a registration succeeds, so that a server
    /// that hands out what leads nowhere is not asked for it all the time.
    pub(super) fn back_off(&mut self, now: Instant) {
        self.bootstrap_failures = self.bootstrap_failures.saturating_add(1);
        let unit = self.rng.unit();
        let wait = self.config.bootstrap.backoff.wait(self.bootstrap_failures.into(), unit);
        self.wake = Some(now + wait);
        self.enter(State::BootstrapBackoff);
    }

    /// /1/x/9 was executed: the device bootstraps again.
    pub(super) fn trigger_bootstrap(&mut self, now: Instant) {
        self.end_registrations();
        self.need_bootstrap(now, now);
    }

    /// /3/0/5 was executed: the device is as it left the factory, and starts anew. What it is to keep are
    /// certificates; without any, all of them are kept.
    pub(super) fn factory_reset(&mut self, _kept: Kept, now: Instant) {
        self.end_registrations();
        self.abandon_packages();
        self.tree = self.factory_store();
        self.decide(now, now);
    }
}
