//! Which server is registered with when (/1/x/13-15), and the one state that all registrations make.

use std::time::Duration;

use smallvec::SmallVec;

use super::super::account::{self, Account};
use super::super::bootstrap::in_force;
use super::super::client::Client;
use super::super::event::{Failure, State};
use super::behaviour::Order;
use super::registration::{Phase, Registration, find};
use crate::base::Instant;
use crate::protocol::lwm2m::Version;

impl Client {
    /// Registers with the servers of all accounts, each in its turn, from `due` on.
    pub(in crate::protocol::client) fn connect_servers(&mut self, due: Instant) {
        let accounts = account::servers(&self.tree);
        if accounts.is_empty() {
            return self.give_up(Failure::NoAccount);
        }
        let mut registrations = SmallVec::new();
        for (_, account) in self.in_order(&accounts) {
            let scheme = account::scheme(&self.tree, account.security);
            let exchange = self.new_exchange(scheme);
            registrations.push(Box::new(Registration::new(account, scheme, exchange, self.config.version)));
        }
        self.registrations = registrations;
        self.begin(due);
    }

    /// The accounts in the order of /1/x/13, each with its place in it; those without one come last.
    fn in_order(&self, accounts: &[Account]) -> SmallVec<[(Option<i64>, Account); 4]> {
        // These resources came with 1.1.
        let ordered = self.config.version > Version::V1_0
            && self.config.registration.behaviour.row().order != Order::AtOnce;
        let place = |account: &Account| account::priority(&self.tree, account.server).filter(|_| ordered);
        let mut places: SmallVec<[(Option<i64>, Account); 4]> =
            accounts.iter().map(|account| (place(account), *account)).collect();
        places.sort_by_key(|(place, _)| place.unwrap_or(i64::MAX));
        places
    }

    /// Starts the first registration of the order, and those that are in none.
    pub(super) fn begin(&mut self, due: Instant) {
        let accounts: SmallVec<[Account; 4]> = self.registrations.iter().map(|r| r.account).collect();
        let one_at_a_time = self.config.registration.behaviour.row().order == Order::OneAtATime;
        for (index, (place, account)) in self.in_order(&accounts).into_iter().enumerate() {
            let waits_its_turn = one_at_a_time || place.is_some();
            if index == 0 || !waits_its_turn {
                self.start(account.short_server_id, due);
            }
        }
        self.show_registrations();
    }

    /// Starts a registration, after the delay of /1/x/14 if none has succeeded since the last bootstrap.
    fn start(&mut self, server: u16, due: Instant) {
        let tree = in_force(&self.bootstrap, &self.tree);
        let with_delay = self.config.version > Version::V1_0;
        let registration = find(&mut self.registrations, server);
        let Some(registration) = registration else { return };
        let delay = match registration.fresh && with_delay {
            true => account::initial_delay(tree, registration.account.server),
            false => Duration::ZERO,
        };
        if delay.is_zero() {
            return self.connect(server, due);
        }
        registration.phase = Phase::Waiting(due + delay);
    }

    /// Registering with `server` has come to an end, good or bad: the next in the order gets its turn, unless
    /// /1/x/15 holds it back while this one fails.
    pub(super) fn next_in_order(&mut self, server: u16, success: bool, now: Instant) {
        let Some(next) = self.registrations.iter().position(|r| r.phase == Phase::Pending) else { return };
        // Whoever is further ahead had its end before.
        let Some(previous) = next.checked_sub(1).map(|at| self.registrations[at].account) else { return };
        if previous.short_server_id != server {
            return;
        }
        let go_on = match self.config.registration.behaviour.row().order {
            Order::OneAtATime => !success,
            Order::Priority | Order::AtOnce => {
                success || !account::blocks_on_failure(self.store(), previous.server)
            }
        };
        if go_on {
            let next = self.registrations[next].account.short_server_id;
            self.start(next, now);
        }
    }

    /// Whether some server knows the device, `server` aside.
    pub(super) fn another_is_up(&self, server: u16) -> bool {
        let mut others = self.registrations.iter().filter(|r| r.account.short_server_id != server);
        others.any(|registration| registration.phase.is_up())
    }

    /// Shows the state that the registrations make, unless a bootstrap is under way or waited for.
    pub(in crate::protocol::client) fn show_registrations(&mut self) {
        if self.bootstrap.is_some() || self.wake.is_some() {
            return;
        }
        if let Some(state) = self.registration_state() {
            self.enter(state);
        }
    }

    /// The one state of a device with several servers. What is most for the device to be counts: to be known
    /// by any server, then to be on the way to it, then to wait for something.
    ///
    /// 1. `Registered`, or `Updating` if an Update is on its way, when any server knows the device.
    /// 2. `Registering`, when a Register is on its way, or the way to a server is being opened.
    /// 3. `Deregistering`, when a De-register is on its way.
    /// 4. `RegistrationBackoff`, when a Register is scheduled.
    /// 5. `Disabled`, when the device keeps away at a server's wish.
    /// 6. `Failed`, when nothing is left to be tried.
    ///
    /// A device that leaves is `Deregistering` before all else. `None` without registrations.
    pub(super) fn registration_state(&self) -> Option<State> {
        let rank = |registration: &Registration| match registration.phase {
            Phase::Deregistering(_) if self.leaving => State::Deregistering,
            Phase::Updating(_) => State::Updating,
            Phase::Connecting if registration.has_location() => State::Updating,
            Phase::Registered(_) => State::Registered,
            Phase::Connecting | Phase::Registering(_) => State::Registering,
            Phase::Deregistering(_) => State::Deregistering,
            Phase::Waiting(_) => State::RegistrationBackoff,
            Phase::Disabled(_) => State::Disabled,
            Phase::Pending | Phase::Failed => State::Failed,
        };
        const PRECEDENCE: [State; 7] = [
            State::Updating,
            State::Registered,
            State::Registering,
            State::Deregistering,
            State::RegistrationBackoff,
            State::Disabled,
            State::Failed,
        ];
        let has = |state| self.registrations.iter().any(|registration| rank(registration) == state);
        if self.leaving && has(State::Deregistering) {
            return Some(State::Deregistering);
        }
        PRECEDENCE.into_iter().find(|&state| has(state))
    }
}
