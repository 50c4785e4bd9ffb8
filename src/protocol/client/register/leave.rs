//! Leaving servers: for good, because one disabled the device, or because the device begins anew.

use std::time::Duration;

use smallvec::SmallVec;

use super::super::account;
use super::super::client::Client;
use super::super::event::{Event, Failure, Fate, Link, RequestKind, Stage, State};
use super::registration::{Phase, Registration, find};
use crate::base::Instant;
use crate::protocol::coap::{Code, Message};
use crate::protocol::lwm2m::Scheme;

impl Client {
    /// Takes back what the device has with its servers, as far as it has something; what is on its way is
    /// waited for, since there may be something to take back then.
    pub(in crate::protocol::client) fn leave_servers(&mut self, now: Instant) {
        for server in self.servers() {
            let Some(registration) = self.registration(server) else { continue };
            match registration.phase {
                // A server that is to be left alone is left without a word.
                Phase::Registered(_) if registration.is_shut() && registration.opens_from() > now => {
                    self.forget(server);
                }
                Phase::Registered(_) if !registration.is_open() => {
                    self.waits_for_way(server, now);
                }
                Phase::Registered(_) => self.deregister(server, now),
                Phase::Registering(_) | Phase::Updating(_) | Phase::Deregistering(_) => {}
                Phase::Pending
                | Phase::Connecting
                | Phase::Waiting(_)
                | Phase::Disabled(_)
                | Phase::Failed => self.forget(server),
            }
        }
        self.left_servers();
    }

    /// Nothing is left to be waited for: the device is gone.
    fn left_servers(&mut self) {
        if !self.registrations.is_empty() {
            return self.show_registrations();
        }
        if !self.departed {
            return self.stop();
        }
        self.farewell = None;
        self.enter(State::Deregistered);
    }

    /// A device that leaves has nothing to take back from this server.
    pub(super) fn leave_without_word(&mut self, server: u16) {
        self.forget(server);
        self.left_servers();
    }

    fn forget(&mut self, server: u16) {
        self.end_reporting(server);
        let mut registrations = self.registrations.iter();
        let at = registrations.position(|registration| registration.account.short_server_id == server);
        let Some(mut registration) = at.map(|at| self.registrations.remove(at)) else { return };
        if registration.scheme != Scheme::Coap {
            self.hang_up_for_good(&mut registration, false);
        }
    }

    /// Sends the De-register.
    pub(super) fn deregister(&mut self, server: u16, now: Instant) {
        let patience = self.config.registration.deregister_timeout;
        self.void_observations(server);
        let Some(registration) = self.registration(server) else { return };
        registration.deregister(patience, now);
        self.tell(Event::Request { kind: RequestKind::Deregister, fate: Fate::Sent });
        self.show_registrations();
        self.drain(Link::Server(server), now);
    }

    pub(super) fn deregister_answered(&mut self, server: u16, answer: &Message, now: Instant) {
        let Some(since) = self.registration(server).map(|registration| registration.due) else { return };
        self.request_ended(server, Fate::Answered);
        if answer.code() == Code::DELETED {
            self.tell(Event::Completed { stage: Stage::Deregistration, since });
        } else {
            self.tell(Event::Failed(Failure::Refused(RequestKind::Deregister, answer.code())));
        }
        self.left(server, now);
    }

    /// The device has waited for the answer to its De-register long enough.
    pub(super) fn deregister_given_up(&mut self, server: u16, now: Instant) {
        self.give_up_request(server, RequestKind::Deregister);
        self.left(server, now);
    }

    /// Abandons the request that is on its way, as one that got no answer in time.
    pub(super) fn give_up_request(&mut self, server: u16, kind: RequestKind) {
        let Some(registration) = self.registration(server) else { return };
        let Some(handle) = registration.phase.handle() else { return };
        registration.exchange.abandon(handle);
        // Its end in the message layer means nothing any more.
        self.request_ended(server, Fate::Abandoned);
        self.tell(Event::Failed(Failure::TimedOut(kind)));
    }

    /// The De-register has ended, however: its outcome is ignored (LwM2M Core §6.2.3).
    pub(super) fn left(&mut self, server: u16, now: Instant) {
        if self.leaving {
            self.departed = true;
            return self.leave_without_word(server);
        }
        let Some(registration) = self.registration(server) else { return };
        registration.drop_location();
        let away = registration.rare().away.take().unwrap_or_default();
        registration.phase = Phase::Disabled(now + away);
        self.hang_up(server, now);
        self.show_registrations();
    }

    /// /1/x/4 was executed: the device leaves this server for /1/x/5 seconds.
    pub(in crate::protocol::client) fn disable(&mut self, server: u16, now: Instant) {
        let tree = &self.tree;
        let registration = find(&mut self.registrations, server);
        let Some(registration) = registration else { return };
        let away: Duration = account::disable_timeout(tree, registration.account.server);
        if registration.phase.is_up() {
            registration.rare().away = Some(away);
            if registration.phase.request().is_none() {
                self.deregister(server, now);
            }
            // Otherwise behind the Update that is on its way: one request at a time.
        }
    }

    /// Ends all registrations where they stand, without a word to the servers: requests on their way are
    /// abandoned, and what is answered already still goes out.
    pub(in crate::protocol::client) fn end_registrations(&mut self) {
        for mut registration in std::mem::take(&mut self.registrations) {
            self.end_session(&mut registration);
        }
    }

    fn end_session(&mut self, registration: &mut Registration) {
        if let Some(kind) = registration.phase.request() {
            self.tell(Event::Request { kind, fate: Fate::Abandoned });
        }
        if let Some(reporting) = registration.reporting.take() {
            self.abandon_reporting(&reporting);
        }
        // The way to a server there still is an account of is wanted again.
        let server = registration.account.short_server_id;
        let gone = !account::servers(&self.tree).iter().any(|account| account.short_server_id == server);
        self.hang_up_for_good(registration, gone);
    }

    /// /3/0/4 was executed: the device starts anew with what it holds. Sessions and waits are gone; so are
    /// the registrations, unless they are kept, and then it goes on with them by an Update.
    pub(in crate::protocol::client) fn reboot(&mut self, now: Instant) {
        if self.leaving {
            return;
        }
        self.break_off_session();
        self.wake = None;
        self.end_farewell();
        // Another card makes other accounts, and nothing is kept of those before.
        let exchanged = self.look_at_card(now);
        let before = std::mem::take(&mut self.registrations);
        let known = !exchanged && before.iter().any(|registration| !registration.fresh);
        let mut kept: SmallVec<[Box<Registration>; 1]> = SmallVec::new();
        for mut registration in before {
            self.end_session(&mut registration);
            let alive = registration.has_location() && now < registration.expires && !exchanged;
            if alive && self.config.registration.keep_registration_over_reboot {
                let exchange = self.new_exchange(registration.scheme);
                kept.push(Box::new(registration.resumed(exchange)));
            }
        }
        self.decide(now, now);
        self.resume(kept, known, now);
    }

    /// Puts registrations that outlived a reboot in the place of those just begun.
    fn resume(&mut self, kept: SmallVec<[Box<Registration>; 1]>, known: bool, now: Instant) {
        // /1/x/14 counts from a bootstrap to the first success only.
        if known {
            self.registrations.iter_mut().for_each(|registration| registration.fresh = false);
            let delayed: SmallVec<[u16; 4]> = self
                .registrations
                .iter()
                .filter(|registration| matches!(registration.phase, Phase::Waiting(_)))
                .map(|registration| registration.account.short_server_id)
                .collect();
            delayed.into_iter().for_each(|server| self.connect(server, now));
        }
        for mut registration in kept {
            let server = registration.account.short_server_id;
            if let Some(begun) = self.registration(server) {
                (registration.phase, registration.due) = (begun.phase, begun.due);
                registration.way = begun.way;
                *begun = *registration;
            }
        }
        self.show_registrations();
    }
}
