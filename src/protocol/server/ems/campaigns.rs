//! Campaigns as they run: whose turn it is, and when.

use std::time::Duration;

use super::Ems;
use super::campaign::{Action, Campaign};
use super::device::Task;
use super::registry::{Endpoint, Place};
use crate::base::Instant;
use crate::protocol::server::behind;

/// The least time from the beginning of a round to the next.
const SHORTEST_ROUND: Duration = Duration::from_secs(1);

/// Where a campaign stands.
#[derive(Default)]
pub(super) struct Running {
    /// The present round, or the next; `None` before the first registration and after the last round.
    round: Option<Round>,
}

struct Round {
    begins: Instant,
    /// Devices told so far.
    told: u64,
    /// Who is looked at next.
    next: Endpoint,
}

impl Round {
    fn at(begins: Instant) -> Self {
        Round { begins, told: 0, next: 0 }
    }
}

impl Ems {
    /// The first registration: the clock of the campaigns starts.
    pub(super) fn start_campaigns(&mut self, now: Instant) {
        for (running, campaign) in self.campaigns.iter_mut().zip(&self.config.campaigns) {
            running.round = Some(Round::at(now + campaign.start));
        }
    }

    /// When the next device is told something.
    pub(super) fn next_turn(&self) -> Option<Instant> {
        (0..self.campaigns.len()).filter_map(|number| self.turn(number)).min()
    }

    /// Tells whoever is due, however late it has become (the load does not wait for those it is put on).
    pub(super) fn run_campaigns(&mut self, now: Instant) {
        for number in 0..self.campaigns.len() {
            while self.turn(number).is_some_and(|due| due <= now) {
                self.take_turn(number, now);
            }
        }
    }

    /// When the next device of a campaign is due.
    fn turn(&self, number: usize) -> Option<Instant> {
        let round = self.campaigns[number].round.as_ref()?;
        let rate = self.config.campaigns[number].rate.per_second() / f64::from(self.config.workers.max(1));
        Some(round.begins + behind(round.told, rate))
    }

    /// Tells the next device of a campaign, or ends its round.
    fn take_turn(&mut self, number: usize, now: Instant) {
        let config = self.config.clone();
        let campaign = &config.campaigns[number];
        let Some(round) = &mut self.campaigns[number].round else { return };
        while round.next < self.registry.endpoints() {
            let endpoint = round.next;
            round.next += 1;
            if !takes_part(campaign, endpoint) {
                continue;
            }
            let Some(place) = self.registry.current(endpoint) else {
                self.counters.campaigns[number].unregistered += 1;
                continue;
            };
            round.told += 1;
            self.counters.campaigns[number].devices += 1;
            return self.tell(number as u16, &campaign.action, endpoint, place, now);
        }
        self.counters.campaigns[number].rounds += 1;
        let next = campaign.repeat.map(|every| (round.begins + every).max(now + SHORTEST_ROUND));
        self.campaigns[number].round = next.map(Round::at);
    }

    fn tell(&mut self, number: u16, action: &Action, endpoint: Endpoint, place: Place, now: Instant) {
        let slot = match action {
            Action::Firmware(firmware) => self.begin_update(number, firmware, endpoint, place, now),
            _ => self.push(place, number, Task::Act),
        };
        if let Some(slot) = slot {
            self.drain(slot, now);
        }
    }
}

/// Whether the endpoint with this number is among the share of a campaign: of 30 %, three of any ten.
fn takes_part(campaign: &Campaign, endpoint: Endpoint) -> bool {
    let Some(share) = campaign.share else { return true };
    let up_to = |number: f64| (number * share.fraction()).floor();
    up_to(f64::from(endpoint) + 1.0) > up_to(f64::from(endpoint))
}
