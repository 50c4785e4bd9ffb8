//! The device as a whole: composes bootstrap, registration and management behind one poll interface.

use std::collections::VecDeque;
use std::sync::Arc;

use smallvec::SmallVec;

use super::account;
use super::bootstrap::{Farewell, Fingerprint, Session};
use super::config::Config;
use super::event::{Event, Failure, Fate, Link, Output, Reason, RequestKind, State};
use super::firmware::{self, Packages};
use super::register::{Registration, find};
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
        self.bootstrap = None;
        self.registrations = SmallVec::new();
        self.farewell = None;
        self.wake = None;
        self.purge = None;
        if !matches!(self.state, State::Deregistered | State::Failed | State::Stopped) {
            self.enter(State::Stopped);
        }
    }

    /// The link that was asked for is open.
    pub fn handle_opened(&mut self, link: Link, now: Instant) {
        match link {
            Link::Bootstrap => self.bootstrap_opened(now),
            Link::Server(server) => self.server_opened(server, now),
            Link::Package => self.package_opened(now),
        }
        self.drain(link, now);
    }

    /// The link that was asked for cannot be opened, or turned out to lead nowhere.
    pub fn handle_open_failed(&mut self, link: Link, now: Instant) {
        match link {
            Link::Bootstrap if self.bootstrap.is_some() => {
                self.bootstrap_failed(Failure::Unreachable, now);
            }
            // It was to listen on, or to repeat the answer to Finish: nothing waits for it.
            Link::Bootstrap => self.tell(Event::Failed(Failure::Unreachable)),
            Link::Package => self.package_unreachable(now),
            Link::Server(server) => {
                self.server_unreachable(server, now);
                self.drain(link, now);
            }
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

    /// Which of these links, that lead to the same address, a datagram belongs to: the download's that waits
    /// for it; the Bootstrap-Server's
    /// while a session is on; else that of the server whose answer it is, or of the first there is.
    pub fn link_of(&self, candidates: &[Link], datagram: &[u8]) -> Link {
        if candidates.contains(&Link::Package)
            && self.packages.as_ref().is_some_and(|packages| packages.awaits(datagram))
        {
            return Link::Package;
        }
        let bootstrap = self.bootstrap.is_some()
            || self.farewell.as_ref().is_some_and(|farewell| farewell.answers(datagram));
        if bootstrap && candidates.contains(&Link::Bootstrap) {
            return Link::Bootstrap;
        }
        let link = |registration: &Registration| Link::Server(registration.account.short_server_id);
        let mut servers =
            self.registrations.iter().filter(|registration| candidates.contains(&link(registration)));
        let awaited = servers.clone().find(|registration| registration.exchange.awaits(datagram));
        awaited.or_else(|| servers.next()).map_or(Link::Bootstrap, |registration| link(registration))
    }

    /// A datagram came in on `link`.
    pub fn handle_input(&mut self, link: Link, datagram: &[u8], now: Instant) {
        if link == Link::Bootstrap && self.begins_session(datagram) {
            self.begin_unasked(now);
        }
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
            Link::Package => match self.exchange(link) {
                Some(exchange) => exchange.handle_input(datagram, now),
                None => return self.tell(Event::Noise(Noise::UnmatchedResponse)),
            },
            Link::Server(server) => match find(&mut self.registrations, server) {
                Some(registration) if registration.is_asleep(&self.config.transmission, now) => {
                    return self.tell(Event::Asleep);
                }
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
        if self.purge.is_some_and(|due| due <= now) {
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
        let purge = self.purge.map(|at| (at, Reason::PurgeAccount));
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
            Link::Server(server) => self.registration(server).map(|registration| &mut registration.exchange),
            Link::Package => self.packages.as_mut().and_then(|packages| packages.exchange()),
        }
    }

    fn exchange_event(&mut self, link: Link, event: coap::Event, now: Instant) {
        match (event, link) {
            (coap::Event::Request(received), Link::Bootstrap) => self.bootstrap_command(received, now),
            (coap::Event::Request(received), Link::Server(server)) => {
                self.hear_server(server, received, now);
            }
            (coap::Event::Response { message, .. }, Link::Bootstrap) => {
                self.bootstrap_answered(&message, now)
            }
            (coap::Event::Response { handle, message, .. }, Link::Server(server)) => {
                if !self.send_answered(server, handle, &message) {
                    self.server_answered(server, handle, &message, now);
                }
            }
            (coap::Event::Failed { why, .. }, Link::Bootstrap) => self.bootstrap_request_failed(why, now),
            (coap::Event::Failed { handle, why }, Link::Server(server)) => {
                if !self.send_failed(server, handle, why) {
                    self.server_request_failed(server, handle, why, now);
                }
            }
            (coap::Event::Notified { handle, outcome }, Link::Server(server)) => {
                self.notified(server, handle, outcome);
            }
            // Where packages are, nobody has anything to ask of a device.
            (coap::Event::Request(received), Link::Package) => {
                if let Some(exchange) = self.exchange(link) {
                    exchange.ignore(received);
                }
            }
            (coap::Event::Response { message, .. }, Link::Package) => self.package_answered(&message, now),
            (coap::Event::Failed { why, .. }, Link::Package) => self.package_request_failed(why, now),
            (coap::Event::Noise(noise), _) => self.tell(Event::Noise(noise)),
            (coap::Event::Stat(stat), _) => self.tell(Event::Stat(stat)),
            // This device observes nothing, and only its servers observe it.
            (
                coap::Event::Notification { .. }
                | coap::Event::NotificationLost { .. }
                | coap::Event::ObservationEnded { .. }
                | coap::Event::Notified { .. },
                _,
            ) => {}
        }
    }

    fn hear_server(&mut self, server: u16, received: coap::Received, now: Instant) {
        if self.bootstrap.is_none() {
            return self.server_request(server, received, now);
        }
        // LwM2M Core §6.1.7: during a bootstrap, requests of others may be ignored; the store is half
        // written.
        if let Some(registration) = self.registration(server) {
            registration.exchange.ignore(received);
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

fn factory_store(config: &Config, number: u32) -> Tree {
    let mut tree = Tree::new(config.factory.clone());
    if let Some(provision) = &config.provision {
        tree.set_all(provision.own(number));
    }
    tree
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
