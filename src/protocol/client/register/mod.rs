//! The registration with one server: Register, Update, De-register, and the retry sequence of
//! /1/x/17-20 (LwM2M Core §6.2).

mod policy;

use std::time::Duration;

use super::account::{Account, Terms};
use super::client::Client;
use super::config::Config;
use super::event::{Event, Failure, Fate, Link, Output, RequestKind, Stage, State};
use super::report::Reporting;
use super::{account, manage};
use crate::base::Instant;
use crate::protocol::coap::{self, Code, ContentFormat, Exchange, Handle, Message};
use crate::protocol::content::listing;
use crate::protocol::lwm2m::{AttributeSet, ServerUri, Tree, Version};
use smallvec::SmallVec;

pub use policy::RegistrationPolicy;

/// One registration, from the account it is made from to the location the server gave it.
pub(super) struct Registration {
    pub account: Account,
    pub exchange: Exchange,
    pub phase: Phase,
    /// The instant the present request was due: latencies count from here.
    pub due: Instant,
    /// What this server has attached to say when it wants to be notified.
    pub attributes: AttributeSet,
    /// The segments of the Location-Path, joined with '/'. A segment may be empty (some servers end
    /// their location with one), and is echoed as it came.
    location: Option<Box<str>>,
    /// /1/x/1 as registered, in seconds.
    lifetime: u32,
    /// Tries made in the running sequence.
    attempts: u32,
    /// Sequences used up.
    sequences: u32,
    /// What the server observes, and what else it is told; none where there is nothing.
    pub reporting: Option<Box<Reporting>>,
}

/// Where a registration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The way to the server is being opened.
    Connecting,
    /// Register sent.
    Registering(Handle),
    /// Register failed; again at this instant.
    Waiting(Instant),
    /// Known to the server; Update at this instant.
    Registered(Instant),
    /// Update sent.
    Updating(Handle),
    /// De-register sent.
    Deregistering(Handle),
}

impl Phase {
    /// The request that is on its way in this phase.
    pub(super) fn request(self) -> Option<RequestKind> {
        match self {
            Phase::Registering(_) => Some(RequestKind::Register),
            Phase::Updating(_) => Some(RequestKind::Update),
            Phase::Deregistering(_) => Some(RequestKind::Deregister),
            Phase::Connecting | Phase::Waiting(_) | Phase::Registered(_) => None,
        }
    }
}

/// What the retry sequence says after a try has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Try again after this long.
    RetryAfter(Duration),
    /// The tries are used up, and /1/x/16 wants a bootstrap.
    Bootstrap,
    /// The tries are used up.
    GiveUp,
}

impl Registration {
    pub(super) fn new(account: Account, exchange: Exchange, due: Instant) -> Self {
        Registration {
            account,
            exchange,
            phase: Phase::Connecting,
            due,
            attributes: AttributeSet::default(),
            location: None,
            lifetime: 0,
            attempts: 0,
            sequences: 0,
            reporting: None,
        }
    }

    /// Sends the Register.
    pub(super) fn register(&mut self, endpoint: &str, tree: &Tree, config: &Config, now: Instant) {
        self.lifetime = account::lifetime(tree, self.account.server);
        self.location = None;
        let binding = account::binding(tree, self.account.server);
        let request = Message::request(Code::POST)
            .with_path(&["rd"])
            .with_content_format(ContentFormat::LINK)
            .with_parameter("ep", endpoint)
            .with_parameter("lt", self.lifetime)
            .with_parameter("lwm2m", config.version)
            .with_parameter("b", binding)
            .with_payload(listing::registration(tree, config.version, manage::formats(config.version)));
        self.phase = Phase::Registering(self.exchange.request(request, now));
    }

    /// Takes the location out of a 2.01. `false` where there is none to take.
    pub(super) fn registered(&mut self, answer: &Message, now: Instant) -> bool {
        let mut segments = answer.location().peekable();
        if segments.peek().is_none() {
            return false;
        }
        let mut location = String::new();
        for (index, segment) in segments.enumerate() {
            if index > 0 {
                location.push('/');
            }
            location.push_str(segment);
        }
        self.location = Some(location.into());
        self.attempts = 0;
        self.sequences = 0;
        self.schedule_update(now);
        true
    }

    /// Arms the next Update: GEISA ADM wants the heartbeat at half the lifetime. A lifetime of zero
    /// never ends (LwM2M 1.2), so it needs no heartbeat.
    pub(super) fn schedule_update(&mut self, now: Instant) {
        let due = match self.lifetime {
            0 => Instant::FAR,
            seconds => now + Duration::from_secs(seconds.into()) / 2,
        };
        self.phase = Phase::Registered(due);
    }

    /// Sends an Update that changes nothing but the expiry.
    pub(super) fn update(&mut self, due: Instant, now: Instant) {
        self.due = due;
        let request = self.to_location(Code::POST);
        self.phase = Phase::Updating(self.exchange.request(request, now));
    }

    /// Sends the De-register.
    pub(super) fn deregister(&mut self, now: Instant) {
        self.due = now;
        let request = self.to_location(Code::DELETE);
        self.phase = Phase::Deregistering(self.exchange.request(request, now));
    }

    fn to_location(&self, method: Code) -> Message {
        let location = self.location.as_deref().unwrap_or_default();
        let segments: smallvec::SmallVec<[&str; 4]> = location.split('/').collect();
        Message::request(method).with_path(&segments)
    }

    /// Counts a failed try and says what follows: within a sequence the wait doubles from /1/x/18;
    /// after /1/x/17 tries the sequence is over, and the next comes after /1/x/19, /1/x/20 in all.
    pub(super) fn failed(&mut self, tree: &Tree, version: Version) -> Verdict {
        let terms = Terms::read(tree, self.account.server);
        // These resources came with 1.1; before that a client had no retry sequence to follow.
        if version == Version::V1_0 {
            return Verdict::Bootstrap;
        }
        self.attempts += 1;
        if self.attempts < terms.retry_count {
            let doublings = (self.attempts - 1).min(31);
            return Verdict::RetryAfter(terms.retry_timer.saturating_mul(1 << doublings));
        }
        self.sequences += 1;
        self.attempts = 0;
        match terms.sequence_delay {
            Some(delay) if self.sequences < terms.sequence_count => Verdict::RetryAfter(delay),
            _ if terms.bootstrap_on_failure => Verdict::Bootstrap,
            _ => Verdict::GiveUp,
        }
    }

    /// When this registration next wants to do something by itself.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Waiting(at) | Phase::Registered(at) => (at < Instant::FAR).then_some(at),
            _ => None,
        }
    }
}

/// How a request ended that was not answered.
pub(super) fn ended(kind: RequestKind, why: coap::Failure) -> (Fate, Failure) {
    match why {
        coap::Failure::Timeout => (Fate::TimedOut, Failure::TimedOut(kind)),
        coap::Failure::Reset => (Fate::Reset, Failure::Reset(kind)),
        // Only a link that turns out to lead nowhere makes a device abandon a request.
        coap::Failure::Abandoned => (Fate::Abandoned, Failure::Unreachable),
        coap::Failure::Blockwise(code) => (Fate::Answered, Failure::Refused(kind, code)),
    }
}

/// How a device keeps its registration.
impl Client {
    pub(super) fn connect_server(&mut self, due: Instant) {
        let Some(account) = account::first_server(&self.tree) else {
            return self.give_up(Failure::NoAccount);
        };
        let uri = account::uri(&self.tree, account.security).and_then(|uri| uri.parse::<ServerUri>().ok());
        let Some(uri) = uri else { return self.give_up(Failure::ServerUri) };
        let exchange = Exchange::new(self.config.transmission.clone(), self.child_rng());
        self.registrations.push(Box::new(Registration::new(account, exchange, due)));
        self.enter(State::Registering);
        self.out.push_back(Output::Open { link: Link::Server(account.short_server_id), uri });
    }

    pub(super) fn register(&mut self, server: u16, now: Instant) {
        self.void_observations(server);
        let registration = self.registrations.iter_mut().find(|r| r.account.short_server_id == server);
        let Some(registration) = registration else { return };
        registration.register(&self.endpoint, &self.tree, &self.config, now);
        self.tell(Event::Request { kind: RequestKind::Register, fate: Fate::Sent });
    }

    /// A registration's own timer has run out: try again, or refresh.
    pub(super) fn registration_due(&mut self, server: u16, due: Instant, now: Instant) {
        let Some(registration) = self.registration(server) else { return };
        match registration.phase {
            Phase::Waiting(_) => {
                registration.due = due;
                self.enter(State::Registering);
                self.register(server, now);
            }
            Phase::Registered(_) => {
                registration.update(due, now);
                self.tell(Event::Request { kind: RequestKind::Update, fate: Fate::Sent });
                self.enter(State::Updating);
            }
            _ => {}
        }
    }

    pub(super) fn server_answered(&mut self, server: u16, answer: &Message, now: Instant) {
        let Some(registration) = self.registration(server) else { return };
        let since = registration.due;
        match registration.phase {
            Phase::Registering(_) => self.register_answered(server, answer, since, now),
            Phase::Updating(_) => self.update_answered(server, answer, since, now),
            Phase::Deregistering(_) => {
                self.tell(Event::Request { kind: RequestKind::Deregister, fate: Fate::Answered });
                if answer.code() == Code::DELETED {
                    self.tell(Event::Completed { stage: Stage::Deregistration, since });
                } else {
                    let refused = Failure::Refused(RequestKind::Deregister, answer.code());
                    self.tell(Event::Failed(refused));
                }
                self.left(server);
            }
            Phase::Connecting | Phase::Waiting(_) | Phase::Registered(_) => {}
        }
    }

    fn register_answered(&mut self, server: u16, answer: &Message, since: Instant, now: Instant) {
        self.tell(Event::Request { kind: RequestKind::Register, fate: Fate::Answered });
        if answer.code() != Code::CREATED {
            let refused = Failure::Refused(RequestKind::Register, answer.code());
            return self.registration_failed(server, refused, now);
        }
        let Some(registration) = self.registration(server) else { return };
        if !registration.registered(answer, now) {
            return self.registration_failed(server, Failure::NoLocation, now);
        }
        self.bootstrap_failures = 0;
        self.begin_plan(server, now);
        self.tell(Event::Completed { stage: Stage::Registration, since });
        if !self.onboarded {
            self.onboarded = true;
            self.tell(Event::Completed { stage: Stage::Onboarding, since: self.planned });
        }
        self.enter(State::Registered);
        if self.leaving {
            self.deregister(server, now);
        }
    }

    fn update_answered(&mut self, server: u16, answer: &Message, since: Instant, now: Instant) {
        self.tell(Event::Request { kind: RequestKind::Update, fate: Fate::Answered });
        let Some(registration) = self.registration(server) else { return };
        if answer.code() == Code::CHANGED {
            registration.schedule_update(now);
            self.tell(Event::Completed { stage: Stage::Update, since });
            self.enter(State::Registered);
            if self.leaving {
                self.deregister(server, now);
            }
        } else {
            self.tell(Event::Failed(Failure::Refused(RequestKind::Update, answer.code())));
            self.register_again(server, now);
        }
    }

    /// The server does not know the device any more (4.04 on Update, or silence): Register anew
    /// (LwM2M Core §6.2.2).
    fn register_again(&mut self, server: u16, now: Instant) {
        if self.leaving {
            return self.stop();
        }
        if let Some(registration) = self.registration(server) {
            registration.due = now;
        }
        self.enter(State::Registering);
        self.register(server, now);
    }

    pub(super) fn server_request_failed(&mut self, server: u16, why: coap::Failure, now: Instant) {
        let Some(kind) = self.registration(server).and_then(|registration| registration.phase.request())
        else {
            return;
        };
        let (fate, failure) = ended(kind, why);
        self.tell(Event::Request { kind, fate });
        match kind {
            RequestKind::Register => self.registration_failed(server, failure, now),
            RequestKind::Update => {
                self.tell(Event::Failed(failure));
                self.register_again(server, now);
            }
            RequestKind::Deregister => {
                self.tell(Event::Failed(failure));
                self.left(server);
            }
            RequestKind::BootstrapRequest
            | RequestKind::BootstrapPackRequest
            | RequestKind::Send
            | RequestKind::Download => {}
        }
    }

    pub(super) fn registration_failed(&mut self, server: u16, failure: Failure, now: Instant) {
        self.tell(Event::Failed(failure));
        if self.leaving {
            return self.stop_registering(server);
        }
        let registration = self.registrations.iter_mut().find(|r| r.account.short_server_id == server);
        let Some(registration) = registration else { return };
        match registration.failed(&self.tree, self.config.version) {
            Verdict::RetryAfter(wait) => {
                registration.phase = Phase::Waiting(now + wait);
                self.enter(State::RegistrationBackoff);
            }
            Verdict::Bootstrap if account::bootstrap_server(&self.tree).is_some() => {
                self.forget(server);
                self.bootstrap_due = now;
                self.back_off(now);
            }
            Verdict::Bootstrap | Verdict::GiveUp => {
                self.forget(server);
                self.enter(State::Failed);
            }
        }
    }

    fn forget(&mut self, server: u16) {
        self.end_reporting(server);
        self.registrations.retain(|registration| registration.account.short_server_id != server);
    }

    fn stop_registering(&mut self, server: u16) {
        self.forget(server);
        self.stop();
    }

    pub(super) fn deregister(&mut self, server: u16, now: Instant) {
        self.void_observations(server);
        let Some(registration) = self.registration(server) else { return };
        registration.deregister(now);
        self.tell(Event::Request { kind: RequestKind::Deregister, fate: Fate::Sent });
        self.enter(State::Deregistering);
        self.drain(Link::Server(server), now);
    }

    /// The De-register has ended, however: its outcome is ignored (LwM2M Core §6.2.3).
    fn left(&mut self, server: u16) {
        self.forget(server);
        self.farewell = None;
        self.enter(State::Deregistered);
    }

    /// /1/x/8 was executed: an Update goes out now.
    pub(super) fn trigger_update(&mut self, server: u16, now: Instant) {
        let Some(registration) = self.registration(server) else { return };
        if matches!(registration.phase, Phase::Registered(_)) {
            self.registration_due(server, now, now);
        }
    }

    /// /1/x/4 was executed: the device leaves this server for /1/x/5 seconds.
    pub(super) fn disable(&mut self, server: u16, now: Instant) {
        self.deregister(server, now);
    }

    /// Something that servers know from the registration is no longer as it was.
    pub(super) fn registration_changed(&mut self, what: Changed, now: Instant) {
        match what {
            Changed::Lifetime(server) | Changed::Binding(server) => self.trigger_update(server, now),
            Changed::Objects => {
                self.servers().into_iter().for_each(|server| self.trigger_update(server, now));
            }
        }
    }

    /// /3/0/4 was executed.
    pub(super) fn reboot(&mut self, now: Instant) {
        self.end_all_reporting();
        self.registrations = SmallVec::new();
        self.decide(now, now);
    }
}

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
