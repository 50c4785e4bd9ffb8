//! Bootstrapping (LwM2M Core §6.1): how a device comes to its accounts, all four ways of it.
//!
//! `sequence` decides which way is taken; `card` reads a smartcard. The rest is a session with the
//! Bootstrap-Server, whoever began it:
//!
//! ```text
//!              link open
//!   1.2, pack: GET /bspack --2.05, fits together---------------------------+
//!                | anything else                                           |
//!              POST /bs <--4.15, other format--+                           |
//!                | 2.04      +-----------------+                           |
//!   unasked -> commands <----4.06                                          |
//!   (1.0)        | Finish ---> fits together? --2.04--> registrations anew <+
//!                | silence, refusal
//!              failed: the store as it was; registrations go on, or begin, or the next try is awaited
//! ```
//!
//! While a session runs, or is about to, registrations that the device has stay as they are: they are kept
//! up to date, but requests of their servers go unanswered until the store is whole again. A bootstrap that
//! succeeds ends them, and the device registers anew with every server, as GEISA ADM wants; the TS demands
//! it only of servers whose account has changed. Nothing is de-registered: a Register takes the place of
//! the one before, and servers that are no longer there see the lifetime expire.

mod card;
mod commands;
mod pack;
mod policy;
mod sequence;
mod session;
mod way;

pub use card::{Card, CardError, decode_card, encode_card};
pub use policy::{BootstrapPolicy, NoFinish};

pub(super) use card::Fingerprint;
pub(super) use session::{Farewell, Session, in_force};

use std::time::Duration;

use super::account;
use super::client::Client;
use super::event::{Event, Failure, Fate, Link, Operation, Output, RequestKind, Stage, State};
use super::manage::Kept;
use super::register::{BootstrapRetry, ended, max_age};
use crate::base::Instant;
use crate::protocol::coap::{self, Code, Message};
use crate::protocol::lwm2m::{Scheme, Version};

/// How long a device stays away after a bootstrap that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stay {
    /// As it does after any.
    Usual,
    /// For as long as the Bootstrap-Server told it to.
    Told(Duration),
    /// As long as it ever does: what either end proves itself by will not do, and a device that is given new
    /// credentials at the other end must not have given up for ever.
    Longest,
}

/// How a device goes through a bootstrap.
impl Client {
    pub(super) fn connect_bootstrap(&mut self, now: Instant) {
        let way = account::bootstrap_server(&self.tree).ok_or(Failure::ServerUri);
        match way.and_then(|instance| account::way(&self.tree, instance)) {
            Ok((uri, security)) => {
                self.begin_session(uri.scheme, now);
                self.open_bootstrap(uri, security);
            }
            Err(failure) => {
                self.tell(Event::Failed(failure));
                self.fall_back(failure, Stay::Usual, now);
            }
        }
    }

    fn begin_session(&mut self, scheme: Scheme, now: Instant) {
        let exchange = self.new_exchange(scheme);
        self.farewell = None;
        self.wake = None;
        self.bootstrap = Some(Box::new(Session::new(exchange, self.tree.clone(), now)));
        self.enter(State::Bootstrapping);
    }

    /// The way to the Bootstrap-Server is open.
    pub(super) fn bootstrap_opened(&mut self, now: Instant) {
        // One that was opened to listen, or opened again, leads to no request.
        let Some(session) = self.bootstrap.as_mut().filter(|session| !session.begun()) else { return };
        session.exchange.connected(now);
        match self.config.bootstrap.pack && self.config.version == Version::V1_2 {
            true => self.request_pack(now),
            false => self.request_bootstrap(now),
        }
    }

    pub(super) fn request_bootstrap(&mut self, now: Instant) {
        let Some(session) = &mut self.bootstrap else { return };
        session.send_request(&self.endpoint, &self.config, now);
        self.tell(Event::Request { kind: RequestKind::BootstrapRequest, fate: Fate::Sent });
    }

    pub(super) fn bootstrap_answered(&mut self, answer: &Message, now: Instant) {
        let Some(kind) = self.bootstrap.as_mut().and_then(|session| session.request.take()) else { return };
        self.tell(Event::Request { kind, fate: Fate::Answered });
        match kind {
            RequestKind::BootstrapPackRequest => self.pack_answered(answer, now),
            _ => self.request_answered(answer, now),
        }
    }

    fn request_answered(&mut self, answer: &Message, now: Instant) {
        let Some(session) = &mut self.bootstrap else { return };
        if answer.code() == Code::CHANGED {
            let since = session.requested.unwrap_or(now);
            // A command may have overtaken the answer: then the word went back and forth since.
            if !session.commanded {
                session.answered = now;
            }
            session.heard(&self.config, now);
            return self.tell(Event::Completed { stage: Stage::BootstrapRequest, since });
        }
        if session.other_format(answer.code(), &self.config) {
            return self.request_bootstrap(now);
        }
        let honoured = answer.code() == Code::SERVICE_UNAVAILABLE && self.config.registration.honour_max_age;
        let stay = if honoured { Stay::Told(max_age(answer)) } else { Stay::Usual };
        self.bootstrap_ended(Failure::Refused(RequestKind::BootstrapRequest, answer.code()), stay, now);
    }

    pub(super) fn bootstrap_command(&mut self, received: coap::Received, now: Instant) {
        let Some(session) = &mut self.bootstrap else { return };
        session.heard(&self.config, now);
        let Some(operation) = commands::operation(&received.message) else {
            let refusal = Message::response(Code::METHOD_NOT_ALLOWED);
            return session.exchange.respond(received, refusal, now);
        };
        let (tree, saved) = (&mut self.tree, &session.saved);
        let answer = commands::execute(operation, &received.message, tree, saved, self.config.version, now);
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

    /// Finish was answered with 2.04, or a Pack is stored: the new accounts are in force.
    fn finished(&mut self, now: Instant) {
        let Some(mut session) = self.bootstrap.take() else { return };
        if let Some(kind) = session.request.take() {
            // The server worked through its commands although its own answer never arrived.
            self.tell(Event::Request { kind, fate: Fate::Abandoned });
        }
        // What is sent on a connection arrives, or the connection breaks: nobody asks again for the answer.
        let stream = self.bootstrap_way.is_some_and(Scheme::is_stream);
        if stream {
            session.exchange.release(Duration::ZERO);
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
        if !stream {
            let until = now + self.farewell_time();
            self.farewell = last.map(|answer| Box::new(Farewell { answer: answer.into(), until }));
        }
        // After a Pack there is nothing to be repeated either.
        if self.farewell.is_none() {
            self.hang_up_bootstrap();
        }
        self.purge = account::bootstrap_account_timeout(&self.tree).map(|timeout| now + timeout);
        self.tell(Event::Completed { stage: Stage::Bootstrap, since: self.bootstrap_due });
        self.end_registrations();
        self.connect_servers(now);
    }

    /// How long the answer to Finish is kept for a Bootstrap-Server that did not get it. A session takes more room
    /// than a whole meter, so it is held for the first repetition of Finish alone.
    fn farewell_time(&self) -> Duration {
        let transmission = &self.config.transmission;
        match self.bootstrap_way {
            Some(_) => transmission.ack_timeout.mul_f64(transmission.ack_random_factor * 2.0),
            None => transmission.exchange_lifetime(),
        }
    }

    /// The device's own request will not be answered.
    pub(super) fn bootstrap_request_failed(&mut self, why: coap::Failure, now: Instant) {
        let Some(kind) = self.bootstrap.as_mut().and_then(|session| session.request.take()) else { return };
        let (fate, failure) = ended(kind, why);
        self.tell(Event::Request { kind, fate });
        match kind {
            // An address that cannot be sent to will not do for a Bootstrap-Request either.
            RequestKind::BootstrapPackRequest if failure != Failure::Unreachable => {
                self.pack_request_failed(why, failure, now);
            }
            _ => self.bootstrap_failed(failure, now),
        }
    }

    /// The session's own time has come: the next Pack-Request, or the end.
    pub(super) fn bootstrap_session_due(&mut self, now: Instant) {
        let Some(session) = &mut self.bootstrap else { return };
        if session.pausing {
            return self.request_pack(now);
        }
        let why = if session.inconsistent { Failure::Inconsistent } else { Failure::NoFinish };
        self.bootstrap_failed(why, now);
    }

    /// Ends the session as if it had not been begun (LwM2M Core §6.1.5): whatever was half written is
    /// taken back. False if there was none.
    pub(super) fn break_off_session(&mut self) -> bool {
        let Some(mut session) = self.bootstrap.take() else { return false };
        if let Some(kind) = session.request {
            self.tell(Event::Request { kind, fate: Fate::Abandoned });
        }
        if self.bootstrap_way.is_some_and(Scheme::is_stream) && session.begun() {
            session.exchange.release(Duration::ZERO);
            while let Some(output) = session.exchange.poll_output() {
                if let coap::Output::Send(bytes) = output {
                    self.out.push_back(Output::Send { link: Link::Bootstrap, bytes });
                }
            }
        }
        self.tree = session.saved;
        self.hang_up_bootstrap();
        true
    }

    pub(super) fn bootstrap_failed(&mut self, failure: Failure, now: Instant) {
        self.bootstrap_ended(failure, Stay::Usual, now);
    }

    /// The session has failed.
    fn bootstrap_ended(&mut self, failure: Failure, stay: Stay, now: Instant) {
        if !self.break_off_session() {
            return;
        }
        self.tell(Event::Failed(failure));
        if self.leaving {
            return self.stop();
        }
        self.fall_back(failure, stay, now);
    }

    /// No bootstrap now: the device goes on with the registrations it has, begins those it has accounts for,
    /// or waits for the next bootstrap.
    fn fall_back(&mut self, failure: Failure, stay: Stay, now: Instant) {
        if self.registrations.iter().any(|registration| registration.is_alive()) {
            self.show_registrations();
        } else if account::any_server(&self.tree) {
            // What was there before may still be good.
            self.end_registrations();
            self.connect_servers(now);
        } else {
            self.retry_bootstrap(failure, stay, now);
        }
    }

    /// There is nothing but the Bootstrap-Server to turn to: again when it told to, or by behaviour later or
    /// never.
    fn retry_bootstrap(&mut self, failure: Failure, stay: Stay, now: Instant) {
        let row = self.config.registration.behaviour.row();
        let retry = match failure {
            // No waiting makes it one.
            Failure::ServerUri | Failure::SecurityMode => BootstrapRetry::Abort,
            Failure::Refused(..) => row.bootstrap_refused,
            _ => row.bootstrap_timeout,
        };
        if let Stay::Told(wait) = stay {
            self.wake = Some(now + wait);
            return self.enter(State::BootstrapBackoff);
        }
        let wait = match retry {
            BootstrapRetry::Policy if stay == Stay::Longest => return self.back_off_for(u32::MAX, now),
            BootstrapRetry::Policy => return self.back_off(now),
            BootstrapRetry::Fixed(wait) => Some(wait),
            BootstrapRetry::Waits(waits) => waits.get(usize::from(self.bootstrap_failures)).copied(),
            BootstrapRetry::Abort => None,
        };
        let Some(wait) = wait else { return self.enter(State::Failed) };
        self.bootstrap_failures = self.bootstrap_failures.saturating_add(1);
        self.wake = Some(now + wait);
        self.enter(State::BootstrapBackoff);
    }

    /// Every registration has failed: waits before the next bootstrap; longer each time until a
    /// registration succeeds, so that a server that hands out what leads nowhere is not asked for it all
    /// the time.
    pub(super) fn back_off(&mut self, now: Instant) {
        self.back_off_for(u32::from(self.bootstrap_failures) + 1, now);
    }

    /// Waits as after so many failures in a row.
    fn back_off_for(&mut self, failures: u32, now: Instant) {
        self.bootstrap_failures = self.bootstrap_failures.saturating_add(1);
        self.purge = None;
        let unit = self.rng.unit();
        let wait = self.config.bootstrap.backoff.wait(failures, unit);
        self.wake = Some(now + wait);
        self.enter(State::BootstrapBackoff);
    }

    /// Whether a bootstrap runs or is about to.
    pub(super) fn bootstrap_under_way(&self) -> bool {
        self.bootstrap.is_some() || self.wake.is_some()
    }

    /// /1/x/9 was executed, and answered: the device bootstraps again, as from its own will. Nothing happens
    /// if it does so already, is leaving, or has no Bootstrap-Server Account.
    pub(super) fn trigger_bootstrap(&mut self, now: Instant) {
        if self.bootstrap_under_way() || self.leaving || !self.has_bootstrap_account() {
            return;
        }
        self.need_bootstrap(now, now);
    }

    /// Whether a datagram from the Bootstrap-Server, which the device asked for nothing, begins a session
    /// (the 1.0 way of server-initiated bootstrap): a Confirmable request, by policy, and not before the
    /// device has tried the other ways.
    pub(super) fn begins_session(&self, datagram: &[u8]) -> bool {
        const TYPE: u8 = 0b0011_0000;
        if !self.config.bootstrap.server_initiated || self.bootstrap.is_some() || self.leaving {
            return false;
        }
        let off = matches!(self.state, State::Off | State::Stopped | State::Failed);
        let command = matches!(datagram, [first, 1..=4, _, _, ..] if first & TYPE == 0);
        let repeated = self.farewell.as_ref().is_some_and(|farewell| farewell.answers(datagram));
        command && !repeated && !off && self.has_bootstrap_account()
    }

    pub(super) fn begin_unasked(&mut self, now: Instant) {
        self.bootstrap_due = now;
        self.begin_session(Scheme::Coap, now);
        if let Some(session) = &mut self.bootstrap {
            session.heard(&self.config, now);
            session.commanded = true;
        }
    }

    /// When the Bootstrap-Server Account goes (/0/x/12). What a bootstrap needs does not go meanwhile, but
    /// right after one that failed.
    pub(super) fn purge_due(&self) -> Option<Instant> {
        self.purge.filter(|_| !self.bootstrap_under_way())
    }

    /// /0/x/12 has passed since the last Finish: there is no way back to the Bootstrap-Server.
    pub(super) fn purge_bootstrap_account(&mut self) {
        self.purge = None;
        for instance in account::bootstrap_instances(&self.tree) {
            self.tree.remove(instance);
        }
        self.close_bootstrap();
    }

    /// /3/0/5 was executed, and answered: the device is as it left the factory, and starts anew. What it is
    /// to keep are certificates (GEISA ADM): the one of the manufacturer, which is what the Bootstrap-Server Account
    /// left the factory with, or the one it was enrolled for since, which is what that account has now.
    pub(super) fn factory_reset(&mut self, kept: Kept, now: Instant) {
        if self.leaving {
            return;
        }
        self.abandon_packages();
        self.break_off_session();
        self.wake = None;
        self.purge = None;
        self.farewell = None;
        self.card = Fingerprint::default();
        self.bootstrap_failures = 0;
        let factory = self.factory_store();
        let before = std::mem::replace(&mut self.tree, factory);
        if kept == Kept::Enrolled {
            account::keep_bootstrap_credentials(&before, &mut self.tree);
        }
        self.hang_up_bootstrap();
        self.end_registrations();
        self.decide(now, now);
    }
}

#[cfg(test)]
mod tests;
