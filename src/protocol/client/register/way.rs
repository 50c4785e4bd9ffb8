//! The way to a server: how it is opened, how the device closes it, and what follows when somebody else does.
//!
//! ```text
//! Shut --Register, Update, De-register--> Opening (Connecting) --> Open: it is said
//!  ^  \--a notification or Send to be told over DTLS--> Opening (still Registered) --> Open: it is told
//!  |                                                        |
//!  +--- closed, hung up <-- Open                            +--> failed: Shut, and not again for a while
//! ```
//!
//! Over `coap` a way is but an address. It is opened once, and again to have the name looked up; nobody closes it.

use std::time::Duration;

use super::super::account::{self, Terms};
use super::super::alerts::{Reaction, reaction};
use super::super::bootstrap::in_force;
use super::super::client::Client;
use super::super::closing::{CALM, Ending, Reopening, reopening};
use super::super::event::{Event, Failure, Fate, Link, OpenFailed, Output, RequestKind};
use super::behaviour::OnUpdate;
use super::registration::{Phase, Registration, find};
use super::retry::Try;
use crate::base::{Instant, Rng};
use crate::protocol::coap;
use crate::protocol::lwm2m::{Scheme, Value, Version};

/// Whether the way to a server stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::protocol::client) enum Way {
    /// No. What is to be said opens it.
    #[default]
    Shut,
    /// It was asked for.
    Opening,
    /// Yes.
    Open,
}

impl Registration {
    pub(in crate::protocol::client) fn is_open(&self) -> bool {
        self.way == Way::Open
    }

    pub(in crate::protocol::client) fn is_shut(&self) -> bool {
        self.way == Way::Shut
    }

    /// A way that is shut is not opened before.
    pub(in crate::protocol::client) fn opens_from(&self) -> Instant {
        self.peek().map_or(Instant::ZERO, |rare| rare.opens_from)
    }

    /// Whether more hangs on the way than an address: a session, or a connection.
    fn is_held(&self) -> bool {
        self.scheme != Scheme::Coap && !self.is_shut()
    }

    /// Takes note that the way is shut against the device's will, and says when it may be opened again.
    fn shut_by_others(&mut self, how: Ending, row: Reopening, terms: &Terms, rng: &mut Rng, now: Instant) {
        self.way = Way::Shut;
        let rare = self.rare();
        if now.since(rare.opens_from) > CALM {
            rare.closings = 0;
        }
        rare.closings = rare.closings.saturating_add(1);
        rare.opens_from = now + row.wait(how, rare.closings, terms, rng);
    }
}

impl Client {
    /// Opens the way to a server, when it may be opened: for a Register, or for an Update if there is a
    /// location.
    pub(super) fn connect(&mut self, server: u16, due: Instant) {
        let registration = find(&mut self.registrations, server);
        let Some(registration) = registration else { return };
        let opens_from = registration.opens_from();
        if registration.is_shut() && opens_from > due {
            registration.phase = match registration.has_location() {
                true => Phase::Registered(opens_from),
                false => Phase::Waiting(opens_from),
            };
            return;
        }
        registration.due = due;
        registration.phase = Phase::Connecting;
        let Err(failure) = self.open_way(server) else { return };
        self.tell(Event::Failed(failure));
        if self.leaving {
            return self.leave_without_word(server);
        }
        // No number of tries makes it one.
        if let Some(registration) = self.registration(server) {
            registration.phase = Phase::Failed;
        }
        self.next_in_order(server, false, due);
    }

    /// Asks for the way to a server.
    ///
    /// # Errors
    /// What is wrong with the account, see [`account::way`].
    fn open_way(&mut self, server: u16) -> Result<(), Failure> {
        let tree = in_force(&self.bootstrap, &self.tree);
        let registration = find(&mut self.registrations, server);
        let Some(registration) = registration else { return Ok(()) };
        let (uri, security) = account::way(tree, registration.account.security)?;
        if registration.is_shut() {
            registration.way = Way::Opening;
        }
        self.out.push_back(Output::Open { link: Link::Server(server), uri, security });
        Ok(())
    }

    /// Whether what is to be said to a server, and is due since `due`, has to wait for the way to it, which is
    /// opened then.
    pub(super) fn waits_for_way(&mut self, server: u16, due: Instant) -> bool {
        let Some(registration) = self.registration(server) else { return false };
        match registration.way {
            Way::Open => return false,
            Way::Opening => (registration.phase, registration.due) = (Phase::Connecting, due),
            Way::Shut => self.connect(server, due),
        }
        true
    }

    /// A notification or a Send is to be told to a server that the way to was closed. A connection is new to the
    /// server, which is told so by an Update first; a session is not (LwM2M 1.2 Core §6.2.2).
    pub(in crate::protocol::client) fn reopen(&mut self, server: u16, now: Instant) {
        let Some(registration) = self.registration(server) else { return };
        if registration.scheme.is_stream() || self.open_way(server).is_err() {
            self.connect(server, now);
            self.show_registrations();
        }
    }

    /// The way to a server is open: says there what it was opened for.
    pub(in crate::protocol::client) fn server_opened(&mut self, server: u16, now: Instant) {
        let leaving = self.leaving;
        let Some(registration) = self.registration(server) else { return };
        let opening = registration.way == Way::Opening;
        if registration.is_shut() {
            return;
        }
        registration.way = Way::Open;
        if opening {
            registration.exchange.connected(now);
        }
        match registration.phase {
            Phase::Connecting if registration.has_location() && leaving => self.deregister(server, now),
            Phase::Connecting if registration.has_location() => {
                let due = registration.due;
                self.update(server, due, now);
            }
            Phase::Connecting => self.register(server, now),
            Phase::Registered(_) if opening => self.report(server, now),
            _ => {}
        }
    }

    /// The way to a server cannot be opened, or turned out to lead nowhere.
    pub(in crate::protocol::client) fn server_open_failed(
        &mut self,
        server: u16,
        why: OpenFailed,
        now: Instant,
    ) {
        let (failure, hopeless) = self.open_failure(server, why, now);
        let tree = in_force(&self.bootstrap, &self.tree);
        let registration = find(&mut self.registrations, server);
        let Some(registration) = registration else { return };
        let opening = registration.way == Way::Opening;
        if opening {
            registration.way = Way::Shut;
        }
        match registration.phase {
            Phase::Connecting if registration.has_location() => {
                let broken = self.config.registration.behaviour.row().update_broken;
                let reaction = if hopeless { OnUpdate::Fail } else { broken };
                self.update_failed(server, reaction, failure, now);
            }
            Phase::Connecting => {
                let tried = if hopeless { Try::Hopeless } else { Try::Failed };
                self.registration_failed(server, tried, failure, now);
            }
            Phase::Registered(_) if opening && hopeless => {
                self.update_failed(server, OnUpdate::Fail, failure, now);
            }
            Phase::Registered(_) if opening => {
                let how = Ending::Broken(None);
                let terms = Terms::read(tree, registration.account.server);
                let row = Reopening::after_failure();
                registration.shut_by_others(how, row, &terms, &mut self.rng, now);
                self.tell(Event::Failed(failure));
            }
            _ if registration.exchange.in_flight() > 0 => registration.exchange.abandon_all(),
            // An answer to the server could not be sent: it will ask again, and knows the device.
            _ => self.tell(Event::Failed(failure)),
        }
    }

    /// What to count, and whether no further try makes sense. The last alert is there to be read (/1/x/11).
    fn open_failure(&mut self, server: u16, why: OpenFailed, now: Instant) -> (Failure, bool) {
        match why {
            OpenFailed::Unreachable => (Failure::Unreachable, false),
            OpenFailed::Handshake { alert } => {
                self.note_alert(server, alert, now);
                (Failure::Handshake, reaction(alert) == Reaction::Fail)
            }
        }
    }

    fn note_alert(&mut self, server: u16, alert: Option<u8>, now: Instant) {
        // The resource came with 1.1.
        let Some(alert) = alert.filter(|_| self.config.version > Version::V1_0) else { return };
        // During a bootstrap there are two stores, and one that fails goes back to the other.
        let saved = self.bootstrap.as_mut().map(|session| &mut session.saved);
        for tree in [Some(&mut self.tree), saved].into_iter().flatten() {
            if let Some(path) = account::alert_code(tree, server) {
                tree.set(path, Value::Unsigned(alert.into()));
            }
        }
        if let Some(path) = account::alert_code(&self.tree, server) {
            self.changed(path, now);
        }
    }

    /// The way to a server was closed by somebody else.
    pub(in crate::protocol::client) fn server_closed(&mut self, server: u16, how: Ending, now: Instant) {
        let alert = if let Ending::Broken(alert) = how { alert } else { None };
        match self.registration(server).map(|registration| registration.way) {
            None | Some(Way::Shut) => return,
            Some(Way::Opening) => {
                let why = alert
                    .map_or(OpenFailed::Unreachable, |alert| OpenFailed::Handshake { alert: Some(alert) });
                return self.server_open_failed(server, why, now);
            }
            Some(Way::Open) => self.note_alert(server, alert, now),
        }
        let tree = in_force(&self.bootstrap, &self.tree);
        let registration = find(&mut self.registrations, server);
        let Some(registration) = registration else { return };
        let asleep = registration.is_asleep(&self.config.transmission, now);
        let row = reopening(how, registration.scheme.is_stream(), asleep);
        let terms = Terms::read(tree, registration.account.server);
        registration.shut_by_others(how, row, &terms, &mut self.rng, now);
        if let Phase::Registered(at) = registration.phase
            && row.by_itself
        {
            registration.phase = Phase::Registered(at.min(registration.opens_from()));
        }
        // From version 1.3 on a server judges a certificate when the handshake is over for the device already.
        if registration.phase.request() == Some(RequestKind::Register) && reaction(alert) == Reaction::Fail {
            self.request_ended(server, Fate::Abandoned);
            self.registration_failed(server, Try::Hopeless, Failure::Closed(RequestKind::Register), now);
        }
        self.fail_all(server, now);
        self.show_registrations();
    }

    /// What is under way on a way that is shut has come to nothing.
    fn fail_all(&mut self, server: u16, now: Instant) {
        let Some(registration) = self.registration(server) else { return };
        registration.exchange.lost(now);
        registration.exchange.abandon_all();
        if registration.scheme.is_stream() {
            self.observers_gone(server);
        }
        self.drain(Link::Server(server), now);
    }

    /// Whether a session or a connection stands between the device and a server. One on which an Update got no answer
    /// is not registered on: a server that has lost it hears nothing that is said there.
    pub(super) fn is_held(&self, server: u16) -> bool {
        let mut registrations = self.registrations.iter();
        registrations.any(|one| one.account.short_server_id == server && one.is_held())
    }

    /// The device has done with the way to a server: closes it, where more hangs on it than an address.
    pub(super) fn hang_up(&mut self, server: u16, now: Instant) {
        let Some(registration) = self.registration(server).filter(|registration| registration.is_held())
        else {
            return;
        };
        if registration.is_open() {
            registration.exchange.release(Duration::ZERO);
            self.drain(Link::Server(server), now);
        }
        if let Some(registration) = self.registration(server) {
            registration.way = Way::Shut;
        }
        self.fail_all(server, now);
        self.out.push_back(Output::Close { link: Link::Server(server) });
    }

    /// The same of a registration that is dropped: what is answered already still goes out. `gone` says that
    /// the way will not be wanted again, and is closed whatever hangs on it.
    pub(super) fn hang_up_for_good(&mut self, registration: &mut Registration, gone: bool) {
        let link = Link::Server(registration.account.short_server_id);
        if registration.is_held() && registration.is_open() {
            registration.exchange.release(Duration::ZERO);
        }
        while let Some(output) = registration.exchange.poll_output() {
            match output {
                coap::Output::Send(bytes) if registration.is_open() => {
                    self.out.push_back(Output::Send { link, bytes });
                }
                coap::Output::Event(coap::Event::Stat(stat)) => self.tell(Event::Stat(stat)),
                coap::Output::Event(coap::Event::Noise(noise)) => self.tell(Event::Noise(noise)),
                coap::Output::Send(_) | coap::Output::Event(_) => {}
            }
        }
        if gone || registration.is_held() {
            self.out.push_back(Output::Close { link });
        }
    }

    /// The device loses its power: ways end without a word.
    pub(in crate::protocol::client) fn cut_ways(&mut self) {
        let held = self.registrations.iter().filter(|registration| registration.is_held());
        let links = held.map(|registration| Link::Server(registration.account.short_server_id));
        self.out.extend(links.map(|link| Output::Close { link }));
        self.cut_bootstrap();
    }
}
