//! Keeping a registration: Updates, what makes them due, and what a failed one leads to (LwM2M Core §6.2.2).

use std::time::Duration;

use super::super::account;
use super::super::bootstrap::in_force;
use super::super::client::Client;
use super::super::event::{Event, Failure, Fate, RequestKind, Stage};
use super::behaviour::OnUpdate;
use super::registration::{Phase, find};
use super::{Changed, max_age};
use crate::base::Instant;
use crate::protocol::coap::{Code, Message};

/// The wait before an Update that was refused by an RST is sent again: long enough that a server which
/// resets everything is not stormed.
const REPEAT_AFTER: Duration = Duration::from_secs(1);

impl Client {
    /// Something is due at a registered server: an Update, or a Register if the lifetime has run out.
    pub(super) fn update(&mut self, server: u16, due: Instant, now: Instant) {
        if self.card_exchanged(now) {
            return;
        }
        let registration = find(&mut self.registrations, server);
        let Some(registration) = registration else { return };
        if registration.expires <= now {
            return self.register_again(server, false, now);
        }
        if !registration.is_open() {
            self.waits_for_way(server, due);
            return self.show_registrations();
        }
        registration.update(due, in_force(&self.bootstrap, &self.tree), &self.config, now);
        self.tell(Event::Request { kind: RequestKind::Update, fate: Fate::Sent });
        self.show_registrations();
    }

    pub(super) fn update_answered(&mut self, server: u16, answer: &Message, now: Instant) {
        self.request_ended(server, Fate::Answered);
        let registration = find(&mut self.registrations, server);
        let Some(registration) = registration else { return };
        if answer.code() == Code::CHANGED {
            let since = registration.due;
            registration.refreshed(&self.config, now);
            let disabled = registration.peek().is_some_and(|rare| rare.away.is_some());
            self.tell(Event::Completed { stage: Stage::Update, since });
            self.next_in_order(server, true, now);
            if self.leaving || disabled {
                return self.deregister(server, now);
            }
            return self.show_registrations();
        }
        let failure = Failure::Refused(RequestKind::Update, answer.code());
        if answer.code() == Code::SERVICE_UNAVAILABLE && self.config.registration.honour_max_age {
            registration.take_back();
            registration.phase = Phase::Registered(now + max_age(answer));
            self.tell(Event::Failed(failure));
            return if self.leaving { self.deregister(server, now) } else { self.show_registrations() };
        }
        // The server knows the device, but not the list behind its profile ID.
        let list_wanted = answer.code() == Code::CONFLICT;
        registration.list_wanted |= list_wanted;
        let reaction = match list_wanted {
            true => OnUpdate::Register,
            false => self.config.registration.behaviour.row().update_refused,
        };
        self.update_failed(server, reaction, failure, now);
    }

    /// An Update came to nothing: tells why, and does what the behaviour has for it.
    pub(super) fn update_failed(&mut self, server: u16, reaction: OnUpdate, failure: Failure, now: Instant) {
        self.tell(Event::Failed(failure));
        if self.leaving {
            return self.leave_without_word(server);
        }
        let bootstraps =
            !self.another_is_up(server) && self.has_bootstrap_account() && !self.bootstrap_under_way();
        let registration = find(&mut self.registrations, server);
        let Some(registration) = registration else { return };
        if registration.peek().is_some_and(|rare| rare.away.is_some()) {
            // The device was to leave behind this Update, and leaves without a word.
            return self.left(server, now);
        }
        let repeated = registration.peek().is_some_and(|rare| rare.repeated);
        match reaction {
            OnUpdate::Register => self.register_again(server, false, now),
            OnUpdate::Reconnect => self.register_again(server, true, now),
            OnUpdate::ReconnectAndRepeat if repeated => self.register_again(server, false, now),
            OnUpdate::ReconnectAndRepeat => {
                registration.rare().repeated = true;
                registration.take_back();
                let due = registration.due;
                self.hang_up(server, now);
                self.connect(server, due);
                self.show_registrations();
            }
            OnUpdate::Repeat => {
                registration.take_back();
                registration.phase = Phase::Registered(now + REPEAT_AFTER);
                self.show_registrations();
            }
            OnUpdate::Fail => {
                let tree = in_force(&self.bootstrap, &self.tree);
                let pause = account::Terms::read(tree, registration.account.server).sequence_delay;
                self.used_up(server, pause, now);
            }
            OnUpdate::Bootstrap if bootstraps => self.bootstrap_instead(now),
            OnUpdate::Bootstrap => self.register_again(server, false, now),
        }
    }

    /// The lifetime has run out before the Update was answered.
    pub(super) fn lifetime_ended(&mut self, server: u16, now: Instant) {
        self.give_up_request(server, RequestKind::Update);
        if self.leaving {
            return self.leave_without_word(server);
        }
        self.register_again(server, self.is_held(server), now);
    }

    /// The server does not know the device any more: Register anew, over a way that is opened anew if need
    /// be. Not while the device is to stay away.
    fn register_again(&mut self, server: u16, reconnect: bool, now: Instant) {
        let Some(registration) = self.registration(server) else { return };
        if registration.peek().is_some_and(|rare| rare.away.is_some()) {
            return self.left(server, now);
        }
        registration.drop_location();
        registration.due = now;
        match reconnect {
            true => {
                self.hang_up(server, now);
                self.connect(server, now);
            }
            false => self.register(server, now),
        }
        self.show_registrations();
    }

    /// /1/x/8 was executed: an Update goes out, behind the answer. Also for a device that sleeps and has
    /// something to tell.
    pub(in crate::protocol::client) fn trigger_update(&mut self, server: u16, now: Instant) {
        if let Some(registration) = self.registration(server) {
            registration.changes.asked = true;
            registration.hurry(now);
        }
    }

    /// Something that servers know from the registration is no longer as it was.
    pub(in crate::protocol::client) fn registration_changed(&mut self, what: Changed, now: Instant) {
        let only = match what {
            Changed::Lifetime(server) | Changed::Binding(server) => Some(server),
            Changed::Objects => None,
        };
        for registration in &mut self.registrations {
            let concerned = only.is_none_or(|server| registration.account.short_server_id == server);
            if concerned && registration.note(what, &self.tree) {
                registration.hurry(now);
            }
        }
    }
}
