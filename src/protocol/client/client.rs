//! The device as a whole: composes bootstrap, registration and management behind one poll interface.

use std::collections::VecDeque;
use std::sync::Arc;

use super::bootstrap::{Farewell, Session};
use super::config::Config;
use super::event::{Event, Failure, Fate, Link, Operation, Output, Reason, RequestKind, Stage, State};
use super::register::{Phase, Registration, Verdict};
use super::{account, commands, manage};
use crate::base::{Instant, Rng, Seed};
use crate::protocol::coap::{self, Code, Exchange, Message, Noise};
use crate::protocol::lwm2m::{ServerUri, Tree};

/// One simulated LwM2M device.
///
/// Call one of the `handle_…` verbs, then [`Client::poll_output`] until it is empty, then arm one timer
/// for [`Client::poll_timeout`].
pub struct Client {
    config: Arc<Config>,
    endpoint: Box<str>,
    tree: Tree,
    rng: Rng,
    state: State,
    /// When the device was to be powered on: onboarding counts from here.
    planned: Instant,
    /// When the present bootstrap came to be needed.
    bootstrap_due: Instant,
    /// When the client hold-off or the wait after a failed bootstrap ends.
    wake: Option<Instant>,
    bootstrap_failures: u16,
    onboarded: bool,
    /// The device was asked to leave.
    leaving: bool,
    bootstrap: Option<Box<Session>>,
    farewell: Option<Box<Farewell>>,
    registration: Option<Box<Registration>>,
    out: VecDeque<Output>,
}

impl Client {
    /// A device fresh from the factory, switched off. All its randomness comes from `seed`.
    pub fn new(config: Arc<Config>, endpoint: Box<str>, seed: Seed) -> Self {
        let tree = Tree::new(config.factory.clone());
        Client {
            config,
            endpoint,
            tree,
            rng: seed.rng(),
            state: State::Off,
            planned: Instant::ZERO,
            bootstrap_due: Instant::ZERO,
            wake: None,
            bootstrap_failures: 0,
            onboarded: false,
            leaving: false,
            bootstrap: None,
            farewell: None,
            registration: None,
            out: VecDeque::new(),
        }
    }

    /// The endpoint name.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The state the device is in.
    pub fn state(&self) -> State {
        self.state
    }

    /// What the device holds.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The request that is on its way, if any: a device makes one at a time.
    pub fn in_flight(&self) -> Option<RequestKind> {
        if self.bootstrap.as_ref().is_some_and(|session| session.request.is_some()) {
            return Some(RequestKind::BootstrapRequest);
        }
        match self.registration.as_ref()?.phase {
            Phase::Registering(_) => Some(RequestKind::Register),
            Phase::Updating(_) => Some(RequestKind::Update),
            Phase::Deregistering(_) => Some(RequestKind::Deregister),
            Phase::Connecting | Phase::Waiting(_) | Phase::Registered(_) => None,
        }
    }

    /// Switches the device on. `planned` is the instant it should have happened: latencies count from
    /// there, so that a late caller does not flatter the servers.
    pub fn power_on(&mut self, planned: Instant, now: Instant) {
        if self.state != State::Off {
            return;
        }
        self.planned = planned;
        self.decide(planned, now);
    }

    /// Asks the device to leave: it de-registers if it is registered, and stops.
    pub fn shutdown(&mut self, now: Instant) {
        if self.leaving {
            return;
        }
        self.leaving = true;
        match self.state {
            // Nobody knows the device yet or any more: nothing to take back.
            State::Off | State::HoldOff | State::BootstrapBackoff | State::RegistrationBackoff => self.stop(),
            // The answer may still come, and then there is something to take back.
            State::Registering | State::Updating if self.in_flight().is_some() => {}
            State::Registered => self.deregister(now),
            State::Bootstrapping | State::Registering | State::Updating => self.stop(),
            State::Deregistering | State::Deregistered | State::Stopped | State::Failed => {}
        }
    }

    /// Stops the device where it stands; requests on their way are abandoned.
    pub fn stop(&mut self) {
        if let Some(kind) = self.in_flight() {
            self.tell(Event::Request { kind, fate: Fate::Abandoned });
        }
        self.bootstrap = None;
        self.registration = None;
        self.farewell = None;
        self.wake = None;
        if !matches!(self.state, State::Deregistered | State::Failed | State::Stopped) {
            self.enter(State::Stopped);
        }
    }

    /// The link that was asked for is open.
    pub fn handle_opened(&mut self, link: Link, now: Instant) {
        match link {
            Link::Bootstrap => self.request_bootstrap(now),
            Link::Server => self.register(now),
        }
        self.drain(link, now);
    }

    /// The link that was asked for cannot be opened, or turned out to lead nowhere.
    pub fn handle_open_failed(&mut self, link: Link, now: Instant) {
        match link {
            Link::Bootstrap => self.bootstrap_failed(Failure::Unreachable, now),
            Link::Server => {
                let Some(registration) = &mut self.registration else { return };
                match registration.phase {
                    Phase::Connecting => self.registration_failed(Failure::Unreachable, now),
                    _ if registration.exchange.in_flight() > 0 => {
                        registration.exchange.abandon_all();
                        self.drain(link, now);
                    }
                    // An answer to the server could not be sent: it will ask again, and knows the device.
                    _ => self.tell(Event::Failed(Failure::Unreachable)),
                }
            }
        }
    }

    /// Which link a datagram belongs to where both lead to the same address: the one a session is on.
    pub fn link_of(&self, datagram: &[u8]) -> Link {
        let awaited = self.farewell.as_ref().is_some_and(|farewell| farewell.answers(datagram));
        if self.bootstrap.is_some() || awaited { Link::Bootstrap } else { Link::Server }
    }

    /// A datagram came in on `link`.
    pub fn handle_input(&mut self, link: Link, datagram: &[u8], now: Instant) {
        match link {
            Link::Bootstrap => match (&mut self.bootstrap, &self.farewell) {
                (Some(session), _) => session.exchange.handle_input(datagram, now),
                (None, Some(farewell)) if farewell.answers(datagram) => {
                    let bytes = farewell.answer.to_vec();
                    self.tell(Event::Stat(coap::Stat::Duplicate));
                    self.out.push_back(Output::Send { link, bytes });
                    return;
                }
                (None, _) => return self.tell(Event::Noise(Noise::UnmatchedResponse)),
            },
            Link::Server => match &mut self.registration {
                Some(registration) => registration.exchange.handle_input(datagram, now),
                None => return self.tell(Event::Noise(Noise::UnmatchedResponse)),
            },
        }
        self.drain(link, now);
    }

    /// Time has passed: does whatever is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.wake.is_some_and(|due| due <= now) {
            self.wake = None;
            self.connect_bootstrap(now);
        }
        if self.farewell.as_ref().is_some_and(|farewell| farewell.until <= now) {
            self.farewell = None;
        }
        if let Some(session) = &mut self.bootstrap {
            session.exchange.handle_timeout(now);
            if session.deadline <= now {
                let why = if session.inconsistent { Failure::Inconsistent } else { Failure::NoFinish };
                self.bootstrap_failed(why, now);
            }
            self.drain(Link::Bootstrap, now);
        }
        if let Some(registration) = &mut self.registration {
            registration.exchange.handle_timeout(now);
            if let Some(due) = registration.deadline().filter(|&due| due <= now) {
                self.registration_due(due, now);
            }
            self.drain(Link::Server, now);
        }
    }

    /// The next thing to be sent or known.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.out.pop_front();
        if output.is_none() && self.out.capacity() > 0 && self.bootstrap.is_none() {
            // An idle device keeps no empty queue; one that is being bootstrapped will need it at once.
            self.out = VecDeque::new();
        }
        output
    }

    /// When to call [`Client::handle_timeout`], and what for.
    pub fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        let wake = self.wake.map(|at| {
            let held_off = self.state == State::HoldOff;
            (at, if held_off { Reason::HoldOff } else { Reason::BootstrapRetry })
        });
        let farewell = self.farewell.as_ref().map(|farewell| (farewell.until, Reason::ForgetFinish));
        let bootstrap = self.bootstrap.as_ref().and_then(|session| {
            let silence = (session.deadline < Instant::FAR).then_some((session.deadline, Reason::NoFinish));
            earliest(silence, exchange_timeout(&session.exchange))
        });
        let registration = self.registration.as_ref().and_then(|registration| {
            let reason = match registration.phase {
                Phase::Registered(_) => Reason::Update,
                _ => Reason::RegistrationRetry,
            };
            let own = registration.deadline().map(|at| (at, reason));
            earliest(own, exchange_timeout(&registration.exchange))
        });
        earliest(earliest(wake, farewell), earliest(bootstrap, registration))
    }

    // ----- deciding -------------------------------------------------------------------------------

    /// The bootstrap sequence (LwM2M Core §6.1.2): register with the accounts there are, else ask the
    /// Bootstrap-Server.
    fn decide(&mut self, due: Instant, now: Instant) {
        if account::first_server(&self.tree).is_some() {
            self.connect_server(due);
        } else {
            self.need_bootstrap(due, now);
        }
    }

    fn need_bootstrap(&mut self, due: Instant, now: Instant) {
        let Some(instance) = account::bootstrap_server(&self.tree) else {
            return self.give_up(Failure::NoAccount);
        };
        self.bootstrap_due = due;
        let hold_off = account::hold_off(&self.tree, instance);
        if hold_off.is_zero() {
            return self.connect_bootstrap(now);
        }
        self.enter(State::HoldOff);
        self.wake = Some(due + hold_off);
    }

    fn give_up(&mut self, failure: Failure) {
        self.tell(Event::Failed(failure));
        self.enter(State::Failed);
    }

    // ----- bootstrap ------------------------------------------------------------------------------

    fn connect_bootstrap(&mut self, now: Instant) {
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

    fn request_bootstrap(&mut self, now: Instant) {
        let Some(session) = &mut self.bootstrap else { return };
        session.send_request(&self.endpoint, &self.config, now);
        self.tell(Event::Request { kind: RequestKind::BootstrapRequest, fate: Fate::Sent });
    }

    fn bootstrap_answered(&mut self, answer: &Message, now: Instant) {
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

    fn bootstrap_command(&mut self, received: coap::Received, now: Instant) {
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
        self.connect_server(now);
    }

    fn bootstrap_failed(&mut self, failure: Failure, now: Instant) {
        let Some(session) = self.bootstrap.take() else { return };
        if session.request.is_some() {
            self.tell(Event::Request { kind: RequestKind::BootstrapRequest, fate: Fate::Abandoned });
        }
        // Whatever was half written is taken back (LwM2M Core §6.1.5: as if it had not been begun).
        self.tree = session.saved;
        self.tell(Event::Failed(failure));
        if self.leaving {
            return self.stop();
        }
        self.back_off(now);
    }

    /// Waits before the next bootstrap; longer each time until a registration succeeds, so that a server
    /// that hands out what leads nowhere is not asked for it all the time.
    fn back_off(&mut self, now: Instant) {
        self.bootstrap_failures = self.bootstrap_failures.saturating_add(1);
        let unit = self.rng.unit();
        let wait = self.config.bootstrap_backoff.wait(self.bootstrap_failures.into(), unit);
        self.wake = Some(now + wait);
        self.enter(State::BootstrapBackoff);
    }

    // ----- registration ---------------------------------------------------------------------------

    fn connect_server(&mut self, due: Instant) {
        let Some(account) = account::first_server(&self.tree) else {
            return self.give_up(Failure::NoAccount);
        };
        let uri = account::uri(&self.tree, account.security).and_then(|uri| uri.parse::<ServerUri>().ok());
        let Some(uri) = uri else { return self.give_up(Failure::ServerUri) };
        let exchange = Exchange::new(self.config.transmission.clone(), self.child_rng());
        self.registration = Some(Box::new(Registration::new(account, exchange, due)));
        self.enter(State::Registering);
        self.out.push_back(Output::Open { link: Link::Server, uri });
    }

    fn register(&mut self, now: Instant) {
        let Some(registration) = &mut self.registration else { return };
        registration.register(&self.endpoint, &self.tree, &self.config, now);
        self.tell(Event::Request { kind: RequestKind::Register, fate: Fate::Sent });
    }

    /// A registration's own timer has run out: try again, or refresh.
    fn registration_due(&mut self, due: Instant, now: Instant) {
        let Some(registration) = &mut self.registration else { return };
        match registration.phase {
            Phase::Waiting(_) => {
                registration.due = due;
                self.enter(State::Registering);
                self.register(now);
            }
            Phase::Registered(_) => {
                registration.update(due, now);
                self.tell(Event::Request { kind: RequestKind::Update, fate: Fate::Sent });
                self.enter(State::Updating);
            }
            _ => {}
        }
    }

    fn server_answered(&mut self, answer: &Message, now: Instant) {
        let Some(registration) = &mut self.registration else { return };
        let since = registration.due;
        match registration.phase {
            Phase::Registering(_) => self.register_answered(answer, since, now),
            Phase::Updating(_) => self.update_answered(answer, since, now),
            Phase::Deregistering(_) => {
                self.tell(Event::Request { kind: RequestKind::Deregister, fate: Fate::Answered });
                if answer.code() == Code::DELETED {
                    self.tell(Event::Completed { stage: Stage::Deregistration, since });
                } else {
                    let refused = Failure::Refused(RequestKind::Deregister, answer.code());
                    self.tell(Event::Failed(refused));
                }
                self.left();
            }
            Phase::Connecting | Phase::Waiting(_) | Phase::Registered(_) => {}
        }
    }

    fn register_answered(&mut self, answer: &Message, since: Instant, now: Instant) {
        self.tell(Event::Request { kind: RequestKind::Register, fate: Fate::Answered });
        if answer.code() != Code::CREATED {
            let refused = Failure::Refused(RequestKind::Register, answer.code());
            return self.registration_failed(refused, now);
        }
        let Some(registration) = &mut self.registration else { return };
        if !registration.registered(answer, now) {
            return self.registration_failed(Failure::NoLocation, now);
        }
        self.bootstrap_failures = 0;
        self.tell(Event::Completed { stage: Stage::Registration, since });
        if !self.onboarded {
            self.onboarded = true;
            self.tell(Event::Completed { stage: Stage::Onboarding, since: self.planned });
        }
        self.enter(State::Registered);
        if self.leaving {
            self.deregister(now);
        }
    }

    fn update_answered(&mut self, answer: &Message, since: Instant, now: Instant) {
        self.tell(Event::Request { kind: RequestKind::Update, fate: Fate::Answered });
        let Some(registration) = &mut self.registration else { return };
        if answer.code() == Code::CHANGED {
            registration.schedule_update(now);
            self.tell(Event::Completed { stage: Stage::Update, since });
            self.enter(State::Registered);
            if self.leaving {
                self.deregister(now);
            }
        } else {
            self.tell(Event::Failed(Failure::Refused(RequestKind::Update, answer.code())));
            self.register_again(now);
        }
    }

    /// The server does not know the device any more (4.04 on Update, or silence): Register anew
    /// (LwM2M Core §6.2.2).
    fn register_again(&mut self, now: Instant) {
        if self.leaving {
            return self.stop();
        }
        if let Some(registration) = &mut self.registration {
            registration.due = now;
        }
        self.enter(State::Registering);
        self.register(now);
    }

    fn server_request_failed(&mut self, why: coap::Failure, now: Instant) {
        let Some(kind) = self.in_flight() else { return };
        let (fate, failure) = match why {
            coap::Failure::Timeout => (Fate::TimedOut, Failure::TimedOut(kind)),
            coap::Failure::Reset => (Fate::Reset, Failure::Reset(kind)),
            // Only a link that turns out to lead nowhere makes this device abandon a request.
            coap::Failure::Abandoned => (Fate::Abandoned, Failure::Unreachable),
            coap::Failure::Blockwise(code) => (Fate::Answered, Failure::Refused(kind, code)),
        };
        self.tell(Event::Request { kind, fate });
        match kind {
            RequestKind::BootstrapRequest => {
                if let Some(session) = &mut self.bootstrap {
                    session.request = None;
                }
                self.bootstrap_failed(failure, now);
            }
            RequestKind::Register => self.registration_failed(failure, now),
            RequestKind::Update => {
                self.tell(Event::Failed(failure));
                self.register_again(now);
            }
            RequestKind::Deregister => {
                self.tell(Event::Failed(failure));
                self.left();
            }
        }
    }

    fn registration_failed(&mut self, failure: Failure, now: Instant) {
        self.tell(Event::Failed(failure));
        if self.leaving {
            return self.stop_registering();
        }
        let Some(registration) = &mut self.registration else { return };
        match registration.failed(&self.tree, self.config.version) {
            Verdict::RetryAfter(wait) => {
                registration.phase = Phase::Waiting(now + wait);
                self.enter(State::RegistrationBackoff);
            }
            Verdict::Bootstrap if account::bootstrap_server(&self.tree).is_some() => {
                self.registration = None;
                self.bootstrap_due = now;
                self.back_off(now);
            }
            Verdict::Bootstrap | Verdict::GiveUp => {
                self.registration = None;
                self.enter(State::Failed);
            }
        }
    }

    fn stop_registering(&mut self) {
        self.registration = None;
        self.stop();
    }

    fn deregister(&mut self, now: Instant) {
        let Some(registration) = &mut self.registration else { return };
        registration.deregister(now);
        self.tell(Event::Request { kind: RequestKind::Deregister, fate: Fate::Sent });
        self.enter(State::Deregistering);
        self.drain(Link::Server, now);
    }

    /// The De-register has ended, however: its outcome is ignored (LwM2M Core §6.2.3).
    fn left(&mut self) {
        self.registration = None;
        self.farewell = None;
        self.enter(State::Deregistered);
    }

    fn server_request(&mut self, received: coap::Received, now: Instant) {
        let Some(registration) = &mut self.registration else { return };
        match registration.phase {
            Phase::Registered(_) | Phase::Updating(_) | Phase::Deregistering(_) => {
                let answer = manage::answer(&received.message, &self.tree);
                registration.exchange.respond(received, answer, now);
            }
            // LwM2M Core §6.2.1: until Register is answered, requests of the server are ignored.
            Phase::Connecting | Phase::Registering(_) | Phase::Waiting(_) => {
                registration.exchange.ignore(received);
            }
        }
    }

    // ----- plumbing -------------------------------------------------------------------------------

    /// Passes on what the exchange layer of `link` has to say, until it is silent.
    fn drain(&mut self, link: Link, now: Instant) {
        while let Some(output) = self.exchange(link).and_then(Exchange::poll_output) {
            match output {
                coap::Output::Send(bytes) => self.out.push_back(Output::Send { link, bytes }),
                coap::Output::Event(event) => self.exchange_event(link, event, now),
            }
        }
    }

    fn exchange(&mut self, link: Link) -> Option<&mut Exchange> {
        match link {
            Link::Bootstrap => self.bootstrap.as_mut().map(|session| &mut session.exchange),
            Link::Server => self.registration.as_mut().map(|registration| &mut registration.exchange),
        }
    }

    fn exchange_event(&mut self, link: Link, event: coap::Event, now: Instant) {
        match (event, link) {
            (coap::Event::Request(received), Link::Bootstrap) => self.bootstrap_command(received, now),
            (coap::Event::Request(received), Link::Server) => self.server_request(received, now),
            (coap::Event::Response { message, .. }, Link::Bootstrap) => {
                self.bootstrap_answered(&message, now)
            }
            (coap::Event::Response { message, .. }, Link::Server) => self.server_answered(&message, now),
            (coap::Event::Failed { why, .. }, _) => self.server_request_failed(why, now),
            (coap::Event::Noise(noise), _) => self.tell(Event::Noise(noise)),
            (coap::Event::Stat(stat), _) => self.tell(Event::Stat(stat)),
        }
    }

    fn child_rng(&mut self) -> Rng {
        Seed(self.rng.next_u64()).rng()
    }

    fn enter(&mut self, state: State) {
        let from = std::mem::replace(&mut self.state, state);
        if from != state {
            self.tell(Event::State { from, to: state });
        }
    }

    fn tell(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }
}

fn exchange_timeout(exchange: &Exchange) -> Option<(Instant, Reason)> {
    exchange.poll_timeout().map(|(at, reason)| (at, Reason::Exchange(reason)))
}

fn earliest(a: Option<(Instant, Reason)>, b: Option<(Instant, Reason)>) -> Option<(Instant, Reason)> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.0 < a.0 { b } else { a }),
        (a, b) => a.or(b),
    }
}
