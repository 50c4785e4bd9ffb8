//! Registrations: Register, Update, De-register with each server of the device (LwM2M Core §6.2).
//!
//! ```text
//!  Pending --its turn--> Connecting --open--> Registering --2.01--> Registered <--2.04-- Updating
//!                          ^   ^                  |                  |  |  |               ^  |
//!                          |   +----- Waiting <---+ failed           |  |  +---- due ------+  |
//!                          |             |                           |  +--- /1/x/4 --> Deregistering
//!                          |             +- used up -> Failed,       |                        |
//!                          |                or a bootstrap           +<-- failed: by the      v
//!                          +-------------------------------------------   behaviour's row  Disabled
//! ```
//!
//! `registration` is one of them and its requests; `order` says which starts when, and what state they make
//! of the device; `retry` what follows a failed Register, `update` a failed Update; `leave` how it ends; `way`
//! whether the server can be spoken to.
//! `behaviour` is the table of what clients do differently, `policy` what a fleet is told.

mod behaviour;
mod binding;
mod leave;
mod order;
mod policy;
mod profile;
mod queue;
mod registration;
mod retry;
mod timing;
mod update;
mod way;

use std::time::Duration;

use super::account::Terms;
use super::bootstrap::in_force;
use super::client::Client;
use super::event::{Event, Failure, Fate, RequestKind, Stage};
use crate::base::Instant;
use crate::protocol::coap::{self, Code, Handle, Message};
use crate::protocol::lwm2m::Version;

pub use behaviour::{
    Behaviour, BootstrapLimit, BootstrapRetry, OnUpdate, Order, ParseBehaviourError, Patience, Refusal,
    Retries, Row, UsedUp,
};
pub use policy::RegistrationPolicy;
pub(super) use registration::{Phase, Registration, find};
use retry::{Try, Verdict};
pub use timing::{ParseUpdateTimingError, UpdateTiming};

/// What of a registration has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changed {
    /// /1/x/1 of this server's account.
    Lifetime(u16),
    /// /1/x/7 of this server's account.
    Binding(u16),
    /// Object instances came or went.
    Objects,
}

/// How a request ended that was not answered.
pub(super) fn ended(kind: RequestKind, why: coap::Failure) -> (Fate, Failure) {
    match why {
        coap::Failure::Timeout => (Fate::TimedOut, Failure::TimedOut(kind)),
        coap::Failure::Reset => (Fate::Reset, Failure::Reset(kind)),
        coap::Failure::Lost => (Fate::Abandoned, Failure::Closed(kind)),
        // Only a link that turns out to lead nowhere makes a device abandon a request.
        coap::Failure::Abandoned => (Fate::Abandoned, Failure::Unreachable),
        coap::Failure::Blockwise(code) => (Fate::Answered, Failure::Refused(kind, code)),
    }
}

/// How long a 5.03 asks to stay away; at least a second, so that nobody is stormed at its own wish.
pub(super) fn max_age(answer: &Message) -> Duration {
    /// Where the option is missing (RFC 7252 §5.10.5).
    const DEFAULT_MAX_AGE: u32 = 60;
    Duration::from_secs(answer.max_age().unwrap_or(DEFAULT_MAX_AGE).max(1).into())
}

/// How a device comes by its registrations.
impl Client {
    fn register(&mut self, server: u16, now: Instant) {
        if self.card_exchanged(now) || self.waits_for_way(server, now) {
            return;
        }
        self.void_observations(server);
        let registration = find(&mut self.registrations, server);
        let Some(registration) = registration else { return };
        let tree = in_force(&self.bootstrap, &self.tree);
        registration.register(&self.endpoint, tree, &self.config, now);
        self.tell(Event::Request { kind: RequestKind::Register, fate: Fate::Sent });
    }

    /// A registration's own time has come.
    pub(super) fn registration_due(&mut self, server: u16, due: Instant, now: Instant) {
        let Some(phase) = self.registration(server).map(|registration| registration.phase) else { return };
        match phase {
            Phase::Waiting(_) if self.keeps_to_another(server) => self.wait_longer(server, now),
            Phase::Waiting(_) | Phase::Disabled(_) => {
                self.hang_up(server, now);
                self.connect(server, due);
                self.show_registrations();
            }
            Phase::Registered(_) => self.update(server, due, now),
            Phase::Updating(_) => self.lifetime_ended(server, now),
            Phase::Deregistering(_) => self.deregister_given_up(server, now),
            Phase::Pending | Phase::Connecting | Phase::Registering(_) | Phase::Failed => {}
        }
    }

    /// The device registers with one server at a time, and has found another.
    fn keeps_to_another(&self, server: u16) -> bool {
        self.config.registration.behaviour.row().order == Order::OneAtATime && self.another_is_up(server)
    }

    fn wait_longer(&mut self, server: u16, now: Instant) {
        let retries = self.config.registration.behaviour.row().retries;
        let tree = in_force(&self.bootstrap, &self.tree);
        let registration = find(&mut self.registrations, server);
        let Some(registration) = registration else { return };
        let pause = match retries {
            Retries::Fixed { pause, .. } => Some(pause),
            Retries::Resources => Terms::read(tree, registration.account.server).sequence_delay,
        };
        registration.phase = pause.map_or(Phase::Failed, |pause| Phase::Waiting(now + pause));
    }

    /// An answer to a request of a registration.
    pub(super) fn server_answered(&mut self, server: u16, handle: Handle, answer: &Message, now: Instant) {
        let Some(registration) = self.registration(server) else { return };
        if registration.phase.handle() != Some(handle) {
            return;
        }
        match registration.phase {
            Phase::Registering(_) => self.register_answered(server, answer, now),
            Phase::Updating(_) => self.update_answered(server, answer, now),
            Phase::Deregistering(_) => self.deregister_answered(server, answer, now),
            _ => {}
        }
    }

    /// The request on its way has come to its end: whatever follows finds none.
    fn request_ended(&mut self, server: u16, fate: Fate) {
        let Some(registration) = self.registration(server) else { return };
        let Some(kind) = registration.phase.request() else { return };
        registration.phase = Phase::Connecting;
        self.tell(Event::Request { kind, fate });
    }

    fn register_answered(&mut self, server: u16, answer: &Message, now: Instant) {
        self.request_ended(server, Fate::Answered);
        let registration = find(&mut self.registrations, server);
        let Some(registration) = registration else { return };
        if answer.code() != Code::CREATED {
            return self.register_refused(server, answer, now);
        }
        let since = registration.due;
        if !registration.registered(answer, &self.config, now) {
            return self.registration_failed(server, Try::Failed, Failure::NoLocation, now);
        }
        self.bootstrap_failures = 0;
        self.begin_plan(server, now);
        self.tell(Event::Completed { stage: Stage::Registration, since });
        if !self.onboarded {
            self.onboarded = true;
            self.tell(Event::Completed { stage: Stage::Onboarding, since: self.planned });
        }
        if self.leaving {
            return self.deregister(server, now);
        }
        self.next_in_order(server, true, now);
        self.show_registrations();
    }

    /// A Register was refused. Three refusals say what would be right, and it is done at once or when the
    /// server wishes, without counting as a failed try; all others do.
    fn register_refused(&mut self, server: u16, answer: &Message, now: Instant) {
        let (code, failure) = (answer.code(), Failure::Refused(RequestKind::Register, answer.code()));
        let row = self.config.registration.behaviour.row();
        let honour_max_age = self.config.registration.honour_max_age;
        if self.leaving {
            return self.registration_failed(server, Try::Refused, failure, now);
        }
        let Some(registration) = self.registration(server) else { return };
        match (code, lower(registration.version)) {
            // The server does not speak this version (LwM2M Core §6.2.1).
            (Code::PRECONDITION_FAILED, Some(lower)) if row.lowers_version => registration.version = lower,
            // It does not know the object list behind the profile ID.
            (Code::CONFLICT, _) if !registration.list_wanted => registration.list_wanted = true,
            (Code::SERVICE_UNAVAILABLE, _) if honour_max_age => {
                registration.phase = Phase::Waiting(now + max_age(answer));
                self.tell(Event::Failed(failure));
                return self.show_registrations();
            }
            _ => return self.registration_failed(server, Try::Refused, failure, now),
        }
        self.tell(Event::Failed(failure));
        self.register(server, now);
    }

    /// A request of a registration will not be answered.
    pub(super) fn server_request_failed(
        &mut self,
        server: u16,
        handle: Handle,
        why: coap::Failure,
        now: Instant,
    ) {
        let Some(phase) = self.registration(server).map(|registration| registration.phase) else { return };
        let (Some(kind), true) = (phase.request(), phase.handle() == Some(handle)) else { return };
        let (fate, failure) = ended(kind, why);
        self.request_ended(server, fate);
        let row = self.config.registration.behaviour.row();
        match (kind, why) {
            (RequestKind::Register, _) => {
                let refused = matches!(why, coap::Failure::Blockwise(_));
                let tried = if refused { Try::Refused } else { Try::Failed };
                self.registration_failed(server, tried, failure, now);
            }
            (RequestKind::Update, coap::Failure::Timeout) => {
                let reaction = match row.update_timeout {
                    OnUpdate::Register if self.is_held(server) => OnUpdate::Reconnect,
                    other => other,
                };
                self.update_failed(server, reaction, failure, now);
            }
            (RequestKind::Update, coap::Failure::Blockwise(_)) => {
                self.update_failed(server, row.update_refused, failure, now);
            }
            (RequestKind::Update, _) => self.update_failed(server, row.update_broken, failure, now),
            _ => {
                self.tell(Event::Failed(failure));
                self.left(server, now);
            }
        }
    }

    /// A try to register has failed.
    fn registration_failed(&mut self, server: u16, tried: Try, failure: Failure, now: Instant) {
        self.tell(Event::Failed(failure));
        if self.leaving {
            return self.leave_without_word(server);
        }
        let registration = find(&mut self.registrations, server);
        let Some(registration) = registration else { return };
        match registration.failed(tried, in_force(&self.bootstrap, &self.tree), &self.config) {
            Verdict::Again(wait) => registration.phase = Phase::Waiting(now + wait),
            Verdict::NewSequence(wait) => {
                registration.phase = Phase::Waiting(now + wait);
                self.next_in_order(server, false, now);
            }
            Verdict::UsedUp(pause) => return self.used_up(server, pause, now),
            Verdict::Never => {
                registration.phase = Phase::Failed;
                self.next_in_order(server, false, now);
            }
        }
        self.show_registrations();
    }
}

/// The version before this one.
fn lower(version: Version) -> Option<Version> {
    match version {
        Version::V1_2 => Some(Version::V1_1),
        Version::V1_1 => Some(Version::V1_0),
        Version::V1_0 => None,
    }
}

#[cfg(test)]
mod tests;
