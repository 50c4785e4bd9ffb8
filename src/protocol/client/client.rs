//! The device as a whole: composes bootstrap, registration and management behind one poll interface.

use std::collections::VecDeque;
use std::sync::Arc;

use super::account;
use super::bootstrap::{Farewell, Session};
use super::config::Config;
use super::event::{Event, Failure, Fate, Link, Output, Reason, RequestKind, State};
use super::register::{Phase, Registration};
use crate::base::{Instant, Rng, Seed};
use crate::protocol::coap::{self, Exchange, Noise};
use crate::protocol::lwm2m::Tree;

/// One simulated LwM2M device.
///
/// Call one of the `handle_…` verbs, then [`Client::poll_output`] until it is empty, then arm one timer
/// for [`Client::poll_timeout`].
pub struct Client {
    pub(super) config: Arc<Config>,
    pub(super) endpoint: Box<str>,
    pub(super) tree: Tree,
    pub(super) rng: Rng,
    pub(super) state: State,
    /// When the device was to be powered on: onboarding counts from here.
    pub(super) planned: Instant,
    /// When the present bootstrap came to be needed.
    pub(super) bootstrap_due: Instant,
    /// When the client hold-off or the wait after a failed bootstrap ends.
    pub(super) wake: Option<Instant>,
    pub(super) bootstrap_failures: u16,
    pub(super) onboarded: bool,
    /// The device was asked to leave.
    pub(super) leaving: bool,
    pub(super) bootstrap: Option<Box<Session>>,
    pub(super) farewell: Option<Box<Farewell>>,
    pub(super) registration: Option<Box<Registration>>,
    pub(super) out: VecDeque<Output>,
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

    /// Attempts that have failed in a row, since the device was last registered.
    pub fn failures(&self) -> u16 {
        self.bootstrap_failures
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
    pub(super) fn decide(&mut self, due: Instant, now: Instant) {
        if account::first_server(&self.tree).is_some() {
            self.connect_server(due);
        } else {
            self.need_bootstrap(due, now);
        }
    }

    pub(super) fn need_bootstrap(&mut self, due: Instant, now: Instant) {
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

    pub(super) fn give_up(&mut self, failure: Failure) {
        self.tell(Event::Failed(failure));
        self.enter(State::Failed);
    }

    // ----- plumbing -------------------------------------------------------------------------------

    /// Passes on what the exchange layer of `link` has to say, until it is silent.
    pub(super) fn drain(&mut self, link: Link, now: Instant) {
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
            // This device observes nothing, and nothing of it is observed.
            (
                coap::Event::Notification { .. }
                | coap::Event::NotificationLost { .. }
                | coap::Event::ObservationEnded { .. }
                | coap::Event::Notified { .. },
                _,
            ) => {}
        }
    }

    pub(super) fn child_rng(&mut self) -> Rng {
        Seed(self.rng.next_u64()).rng()
    }

    pub(super) fn enter(&mut self, state: State) {
        let from = std::mem::replace(&mut self.state, state);
        if from != state {
            self.tell(Event::State { from, to: state });
        }
    }

    pub(super) fn tell(&mut self, event: Event) {
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
