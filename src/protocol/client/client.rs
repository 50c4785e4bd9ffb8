//! The device as a whole: composes bootstrap, registration and management behind one poll interface.

use std::collections::VecDeque;
use std::sync::Arc;

use smallvec::SmallVec;

use super::account;
use super::bootstrap::{Farewell, Fingerprint, Session, in_force};
use super::config::Config;
use super::event::{Event, Fate, Link, Output, Reason, RequestKind, State};
use super::firmware::{self, Packages};
use super::register::Registration;
use crate::base::{Instant, Rng, Seed};
use crate::protocol::coap::{Exchange, Transport};
use crate::protocol::lwm2m::{Scheme, Tree};

/// One simulated LwM2M device.
///
/// Call one of the `handle_…` verbs, then [`Client::poll_output`] until it is empty, then arm one timer
/// for [`Client::poll_timeout`].
pub struct Client {
    pub(super) config: Arc<Config>,
    pub(super) endpoint: Box<str>,
    /// Its place in its fleet.
    pub(super) number: u32,
    /// A random number that is its own for ever: what its measurements are drawn from.
    pub(super) nature: u64,
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
    /// When the Bootstrap-Server Account goes (/0/x/12).
    pub(super) purge: Option<Instant>,
    /// The smartcard the device has seen last.
    pub(super) card: Fingerprint,
    pub(super) onboarded: bool,
    /// The device was asked to leave.
    pub(super) leaving: bool,
    /// It has left a server, in whatever way the De-register ended.
    pub(super) departed: bool,
    pub(super) bootstrap: Option<Box<Session>>,
    /// What the way to the Bootstrap-Server runs over, while there is one that more hangs on than an address.
    pub(super) bootstrap_way: Option<Scheme>,
    pub(super) farewell: Option<Box<Farewell>>,
    /// One for each LwM2M server the device registers with.
    pub(super) registrations: SmallVec<[Box<Registration>; 1]>,
    /// Firmware and software on its way into the device.
    pub(super) packages: Option<Box<Packages>>,
    pub(super) out: VecDeque<Output>,
}

impl Client {
    /// A device fresh from the factory, switched off: the one with this `number` in its fleet. All its
    /// randomness comes from `seed`.
    pub fn new(config: Arc<Config>, endpoint: Box<str>, number: u32, seed: Seed) -> Self {
        let tree = factory_store(&config, number);
        Client {
            config,
            endpoint,
            number,
            nature: seed.child("nature", 0).0,
            tree,
            rng: seed.rng(),
            state: State::Off,
            planned: Instant::ZERO,
            bootstrap_due: Instant::ZERO,
            wake: None,
            bootstrap_failures: 0,
            purge: None,
            card: Fingerprint::default(),
            onboarded: false,
            leaving: false,
            departed: false,
            bootstrap: None,
            bootstrap_way: None,
            farewell: None,
            registrations: SmallVec::new(),
            packages: None,
            out: VecDeque::new(),
        }
    }

    /// The store as it left the factory, with what the device was fitted with, and the firmware it runs now.
    pub(super) fn factory_store(&self) -> Tree {
        let mut tree = factory_store(&self.config, self.number);
        if let Some(version) = firmware::version(&self.tree) {
            tree.set(firmware::VERSION, version.clone());
        }
        tree
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

    /// What counts for registrations: see [`in_force`].
    pub(super) fn store(&self) -> &Tree {
        in_force(&self.bootstrap, &self.tree)
    }

    /// The requests that are on their way: one to each server at the most, apart from what is sent of its
    /// own accord.
    pub fn in_flight(&self) -> impl Iterator<Item = RequestKind> {
        let bootstrap = self.bootstrap.as_ref().and_then(|session| session.request);
        let download = self.packages.as_ref().is_some_and(|packages| packages.is_asking());
        bootstrap
            .into_iter()
            .chain(download.then_some(RequestKind::Download))
            .chain(self.registrations.iter().filter_map(|registration| registration.phase.request()))
            .chain(
                self.registrations
                    .iter()
                    .filter(|registration| registration.is_sending())
                    .map(|_| RequestKind::Send),
            )
    }

    /// Confirmable notifications that are on their way.
    pub fn notifications_in_flight(&self) -> usize {
        let reporting = self.registrations.iter().filter_map(|registration| registration.reporting.as_ref());
        reporting.map(|reporting| reporting.in_flight()).sum()
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
        self.abandon_packages();
        if matches!(self.state, State::Deregistered | State::Stopped | State::Failed) {
            return;
        }
        self.wake = None;
        self.purge = None;
        self.break_off_session();
        self.hang_up_bootstrap();
        self.leave_servers(now);
    }

    /// Stops the device where it stands; requests on their way are abandoned.
    pub fn stop(&mut self) {
        self.end_all_reporting();
        let abandoned: SmallVec<[RequestKind; 2]> = self.in_flight().collect();
        for kind in abandoned {
            if kind != RequestKind::Download {
                self.tell(Event::Request { kind, fate: Fate::Abandoned });
            }
        }
        self.abandon_packages();
        self.cut_ways();
        self.bootstrap = None;
        self.registrations = SmallVec::new();
        self.farewell = None;
        self.wake = None;
        self.purge = None;
        if !matches!(self.state, State::Deregistered | State::Failed | State::Stopped) {
            self.enter(State::Stopped);
        }
    }

    /// Whether the device knows a Bootstrap-Server, so that it can bootstrap when it is told to (/1/x/9).
    pub fn has_bootstrap_account(&self) -> bool {
        account::bootstrap_server(&self.tree).is_some()
    }

    /// Attempts that have failed in a row, since the device was last registered.
    pub fn failures(&self) -> u16 {
        self.bootstrap_failures
    }

    /// Time has passed: does whatever is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.wake.is_some_and(|due| due <= now) {
            self.wake = None;
            self.connect_bootstrap(now);
        }
        if self.farewell.as_ref().is_some_and(|farewell| farewell.until <= now) {
            self.end_farewell();
        }
        if self.purge_due().is_some_and(|due| due <= now) {
            self.purge_bootstrap_account();
        }
        if let Some(session) = &mut self.bootstrap {
            session.exchange.handle_timeout(now);
            if session.deadline <= now {
                self.bootstrap_session_due(now);
            }
            self.drain(Link::Bootstrap, now);
        }
        for server in self.servers() {
            let Some(registration) = self.registration(server) else { continue };
            registration.exchange.handle_timeout(now);
            // What the message layer has to say comes first: it may be what the deadline is waiting for.
            self.drain(Link::Server(server), now);
            let due = self.registration(server).and_then(|registration| registration.deadline());
            if let Some((due, _)) = due.filter(|(due, _)| *due <= now) {
                self.registration_due(server, due, now);
            }
            self.report(server, now);
            self.drain(Link::Server(server), now);
        }
        if self.packages.is_some() {
            self.packages_due(now);
        }
    }

    /// The next thing to be sent or known.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.out.pop_front();
        if output.is_none() && self.out.capacity() > 0 && !self.is_busy() {
            // An idle device keeps no empty queue; one that waits for a server's word will need it at once.
            self.out = VecDeque::new();
        }
        output
    }

    fn is_busy(&self) -> bool {
        self.bootstrap.is_some()
            || matches!(self.state, State::Registering | State::Updating | State::Deregistering)
    }

    /// When to call [`Client::handle_timeout`], and what for.
    pub fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        let wake = self.wake.map(|at| {
            let held_off = self.state == State::HoldOff;
            (at, if held_off { Reason::HoldOff } else { Reason::BootstrapRetry })
        });
        let farewell = self.farewell.as_ref().map(|farewell| (farewell.until, Reason::ForgetFinish));
        let purge = self.purge_due().map(|at| (at, Reason::PurgeAccount));
        let bootstrap = self
            .bootstrap
            .as_ref()
            .and_then(|session| earliest(session.due(), exchange_timeout(&session.exchange)));
        let registrations = self.registrations.iter().filter_map(|registration| {
            let report = registration.report_due().map(|at| (at, Reason::Report));
            earliest(earliest(registration.deadline(), report), exchange_timeout(&registration.exchange))
        });
        let packages = self.packages.as_ref().and_then(|packages| packages.timeout());
        let own = earliest(earliest(wake, farewell), earliest(bootstrap, purge));
        registrations.fold(earliest(own, packages), |all, one| earliest(all, Some(one)))
    }

    // ----- plumbing -------------------------------------------------------------------------------

    /// The exchanges with a server that is spoken to over `scheme`.
    pub(super) fn new_exchange(&mut self, scheme: Scheme) -> Exchange {
        Exchange::over(transport(scheme), self.config.transmission.clone(), self.child_rng())
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

fn factory_store(config: &Config, number: u32) -> Tree {
    let mut tree = Tree::new(config.factory.clone());
    if let Some(provision) = &config.provision {
        tree.set_all(provision.own(number));
    }
    tree
}

/// What carries messages over this scheme.
pub(super) fn transport(scheme: Scheme) -> Transport {
    if scheme.is_stream() { Transport::Stream } else { Transport::Datagram }
}

pub(super) fn exchange_timeout(exchange: &Exchange) -> Option<(Instant, Reason)> {
    exchange.poll_timeout().map(|(at, reason)| (at, Reason::Exchange(reason)))
}

pub(super) fn earliest(
    a: Option<(Instant, Reason)>,
    b: Option<(Instant, Reason)>,
) -> Option<(Instant, Reason)> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.0 < a.0 { b } else { a }),
        (a, b) => a.or(b),
    }
}
