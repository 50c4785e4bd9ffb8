//! The retry algorithm of /1/x/16-20, and what stands in its place in some clients.
//!
//! ```text
//! for each of /1/x/20 sequences:
//!     /1/x/17 tries, the waits between them /1/x/18 doubling
//!     between sequences: wait /1/x/19; its largest value: never again
//! then: bootstrap, if /1/x/16 says so, there is an account for it and no other server is up;
//!       else the same again after /1/x/19
//! ```
//!
//! /1/x/16 speaks of what follows "as dictated by the other resource settings" if it is false; beginning anew
//! after the wait between sequences is the one reading in which a device does not stay lost for ever.

use std::time::Duration;

use super::super::account::{self, Terms};
use super::super::bootstrap::in_force;
use super::super::client::Client;
use super::super::config::Config;
use super::behaviour::{Refusal, Retries, UsedUp};
use super::registration::{Phase, Registration, find};
use crate::base::Instant;
use crate::protocol::lwm2m::{Tree, Version};

/// How a try came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Try {
    /// Without an answer, or with one that is none.
    Failed,
    /// By an answer.
    Refused,
    /// By a handshake that no further try makes better.
    Hopeless,
}

/// What follows a failed try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The next try comes after this long.
    Again(Duration),
    /// So it does, in a new sequence.
    NewSequence(Duration),
    /// All tries are used up. They could begin anew after this long, if ever.
    UsedUp(Option<Duration>),
    /// Never again, and nothing else either.
    Never,
}

impl Registration {
    /// Counts a failed try and says what follows.
    pub(super) fn failed(&mut self, tried: Try, tree: &Tree, config: &Config) -> Verdict {
        let terms = Terms::read(tree, self.account.server);
        let ended = match tried {
            Try::Failed => false,
            Try::Refused => config.registration.refusal() == Refusal::Final,
            Try::Hopeless => true,
        };
        let rare = self.rare();
        rare.attempts += 1;
        let (retry, pause) = match config.registration.behaviour.row().retries {
            Retries::Fixed { waits, pause } => (waits.get(rare.attempts as usize - 1).copied(), Some(pause)),
            // These resources came with 1.1; before that a client had no retry sequence to follow.
            Retries::Resources if config.version == Version::V1_0 => (None, terms.sequence_delay),
            Retries::Resources => (terms.wait(rare.attempts), terms.sequence_delay),
        };
        if let Some(wait) = retry.filter(|_| !ended) {
            return Verdict::Again(wait);
        }
        rare.attempts = 0;
        rare.sequences += 1;
        let by_resources = config.registration.behaviour.row().retries == Retries::Resources;
        let more =
            by_resources && !ended && config.version > Version::V1_0 && rare.sequences < terms.sequence_count;
        match pause {
            Some(delay) if more => Verdict::NewSequence(delay),
            None if more => Verdict::Never,
            _ => {
                rare.sequences = 0;
                Verdict::UsedUp(pause)
            }
        }
    }
}

impl Terms {
    /// The wait after the try with this number in its sequence (1 is the first), if there is one more.
    fn wait(&self, attempts: u32) -> Option<Duration> {
        let doublings = attempts.saturating_sub(1).min(31);
        (attempts < self.retry_count).then(|| self.retry_timer.saturating_mul(1 << doublings))
    }
}

/// What a device does when tries are used up.
impl Client {
    /// All tries to register with this server are used up: the servers behind it in the order get their
    /// turn, and if none is left, a bootstrap takes the place of them all.
    pub(super) fn used_up(&mut self, server: u16, pause: Option<Duration>, now: Instant) {
        let row = self.config.registration.behaviour.row();
        let again = pause.filter(|_| row.used_up == UsedUp::StartOver);
        let tree = in_force(&self.bootstrap, &self.tree);
        let registration = find(&mut self.registrations, server);
        let Some(registration) = registration else { return };
        let terms = Terms::read(tree, registration.account.server);
        let rare = registration.rare();
        rare.exhausted = true;
        rare.wants_bootstrap = !row.asks_resource_16 || terms.bootstrap_on_failure;
        registration.drop_location();
        registration.phase = again.map_or(Phase::Failed, |wait| Phase::Waiting(now + wait));
        self.next_in_order(server, false, now);
        if !self.bootstrap_under_way() && self.every_registration_failed() && self.may_bootstrap() {
            return self.bootstrap_instead(now);
        }
        self.show_registrations();
    }

    /// Every registration has failed (LwM2M Core §6.1.2: then a bootstrap is in order), or waits behind one
    /// that has. A server that disabled the device has not failed.
    fn every_registration_failed(&self) -> bool {
        self.registrations.iter().all(|registration| match registration.phase {
            Phase::Pending | Phase::Failed => true,
            Phase::Registered(_) | Phase::Updating(_) | Phase::Deregistering(_) | Phase::Disabled(_) => false,
            Phase::Connecting | Phase::Registering(_) | Phase::Waiting(_) => registration.is_exhausted(),
        })
    }

    fn may_bootstrap(&self) -> bool {
        let wanted = |rare: &super::registration::Rare| rare.wants_bootstrap;
        self.registrations.iter().any(|registration| registration.peek().is_some_and(wanted))
            && account::bootstrap_server(&self.tree).is_some()
    }

    /// Gives all registrations up and bootstraps: after the wait of the bootstrap policy, or at once the
    /// first time, as some clients do.
    pub(super) fn bootstrap_instead(&mut self, now: Instant) {
        self.end_registrations();
        self.bootstrap_due = now;
        // Nothing but the Bootstrap-Server is left to turn to.
        self.purge = None;
        if self.config.registration.behaviour.row().bootstraps_at_once && self.bootstrap_failures == 0 {
            self.bootstrap_failures = 1;
            return self.need_bootstrap(now, now);
        }
        self.back_off(now);
    }
}
