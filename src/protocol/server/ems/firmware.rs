//! Firmware updates (LwM2M Core, appendix E.6), each followed from the package to its result, over
//! registrations that come and go on the way.
//!
//! ```text
//! Push | Uri -> Downloading -> state 2 -> Execute -> Updating -> state 0 | 2 -> Result: 1 -> succeeded
//!                           -> state 0 -> Result                                        other -> failed
//! ```
//!
//! While the device is busy its state is asked for every so often; a notification of it is as good.

use std::time::Duration;

use rustc_hash::FxHashMap;

use super::Ems;
use super::campaign::{Action, Delivery, Firmware};
use super::device::Task;
use super::registry::{Endpoint, Place};
use crate::base::{Instant, Wheel};
use crate::protocol::coap::Message;
use crate::protocol::lwm2m::{Entry, Path, Value};
use crate::protocol::server::peers::Slot;

/// One request of a firmware update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Writes the package to /5/0/0.
    Push,
    /// Writes its URI to /5/0/1.
    Uri,
    /// Reads the state, /5/0/3.
    State,
    /// Executes Update, /5/0/2.
    Execute,
    /// Reads the result, /5/0/5.
    Result,
}

/// Where an update is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The package, or where it is, is on its way.
    Delivering,
    /// The device has been told; it fetches the package, or checks it.
    Downloading,
    /// The device has it.
    Downloaded,
    /// The device has been told to install it.
    Updating,
}

struct Progress {
    campaign: u16,
    stage: Stage,
    began: Instant,
    /// Whether a request of it is under way or waits for its turn.
    asking: bool,
}

/// All firmware updates under way.
pub(super) struct Updates {
    under_way: FxHashMap<Endpoint, Progress>,
    /// When each is looked at again.
    wheel: Wheel,
    due: Vec<Endpoint>,
}

const STATE: Path = Path::resource(5, 0, 3);
const RESULT: Path = Path::resource(5, 0, 5);

/// Two of the states of /5/0/3.
const IDLE: i64 = 0;
const DOWNLOADED: i64 = 2;

/// Two of the results of /5/0/5: none yet, and the only good one.
const NO_RESULT: i64 = 0;
const SUCCESS: i64 = 1;

/// The least time between two looks at an update.
const SHORTEST_POLL: Duration = Duration::from_secs(1);

impl Updates {
    pub(super) fn next(&self) -> Option<Instant> {
        self.wheel.next()
    }
}

impl Ems {
    /// Begins to update a device's firmware; its peer, which is to be drained.
    pub(super) fn begin_update(
        &mut self,
        number: u16,
        firmware: &Firmware,
        endpoint: Endpoint,
        place: Place,
        now: Instant,
    ) -> Option<Slot> {
        let updates = self.updates.get_or_insert_with(|| {
            Box::new(Updates { under_way: FxHashMap::default(), wheel: Wheel::new(now), due: Vec::new() })
        });
        if updates.under_way.contains_key(&endpoint) {
            let campaign = &mut self.counters.campaigns[usize::from(number)];
            campaign.requests += 1;
            campaign.passed_over += 1;
            return None;
        }
        let progress = Progress { campaign: number, stage: Stage::Delivering, began: now, asking: false };
        updates.under_way.insert(endpoint, progress);
        self.counters.campaigns[usize::from(number)].firmware.begun += 1;
        let step = match firmware.delivery {
            Delivery::Push => Step::Push,
            Delivery::Pull => Step::Uri,
        };
        self.take_step(endpoint, place, step, now)
    }

    /// Has the device asked for the next step, and sees to it that the update is looked at again.
    fn take_step(&mut self, endpoint: Endpoint, place: Place, step: Step, now: Instant) -> Option<Slot> {
        self.look_again(endpoint, now);
        let progress = self.progress(endpoint)?;
        progress.asking = true;
        let number = progress.campaign;
        let slot = self.push(place, number, Task::Firmware(step, endpoint));
        if slot.is_none() {
            self.step_dropped(endpoint);
        }
        slot
    }

    /// Looks at those whose time has come.
    pub(super) fn follow_updates(&mut self, now: Instant) {
        let Some(updates) = &mut self.updates else { return };
        let mut due = std::mem::take(&mut updates.due);
        updates.wheel.expire(now, &mut due);
        for endpoint in due.drain(..) {
            if let Some(slot) = self.follow(endpoint, now) {
                self.drain(slot, now);
            }
        }
        if let Some(updates) = &mut self.updates {
            updates.due = due;
        }
    }

    fn follow(&mut self, endpoint: Endpoint, now: Instant) -> Option<Slot> {
        let config = self.config.clone();
        let &mut Progress { campaign, stage, began, asking } = self.progress(endpoint)?;
        let Action::Firmware(firmware) = &config.campaigns[usize::from(campaign)].action else { return None };
        if now >= began + firmware.limit {
            self.counters.campaigns[usize::from(campaign)].firmware.gave_up += 1;
            self.end_update(endpoint);
            return None;
        }
        match self.registry.current(endpoint) {
            Some(place) if !asking => {
                let step = match (stage, firmware.delivery) {
                    // It never left: the registration had ended.
                    (Stage::Delivering, Delivery::Push) => Step::Push,
                    (Stage::Delivering, Delivery::Pull) => Step::Uri,
                    (Stage::Downloading | Stage::Downloaded | Stage::Updating, _) => Step::State,
                };
                self.take_step(endpoint, place, step, now)
            }
            _ => {
                self.look_again(endpoint, now);
                None
            }
        }
    }

    /// A device has registered: if it did so after an update, the result is there.
    pub(super) fn update_goes_on(&mut self, place: Place, now: Instant) {
        let (Some(updates), Some(registration)) = (&mut self.updates, self.registry.get(place)) else {
            return;
        };
        if updates.under_way.contains_key(&registration.endpoint) {
            updates.wheel.arm(registration.endpoint, now);
        }
    }

    /// A step was answered.
    pub(super) fn step_answered(
        &mut self,
        slot: Slot,
        endpoint: Endpoint,
        step: Step,
        message: &Message,
        now: Instant,
    ) {
        let Some(progress) = self.progress(endpoint) else { return };
        progress.asking = false;
        match step {
            Step::State => _ = self.read(slot, STATE, message, now),
            Step::Result => _ = self.read(slot, RESULT, message, now),
            Step::Push | Step::Uri | Step::Execute if !message.code().is_success() => self.refused(endpoint),
            Step::Push | Step::Uri => {
                progress.stage = Stage::Downloading;
                self.ask_for(endpoint, Step::State, now);
            }
            Step::Execute => {
                progress.stage = Stage::Updating;
                self.look_again(endpoint, now);
            }
        }
    }

    /// A step was not answered. State and result are asked for again in time; the others had better not
    /// be repeated.
    pub(super) fn step_failed(&mut self, endpoint: Endpoint, step: Step) {
        self.step_dropped(endpoint);
        if matches!(step, Step::Push | Step::Uri | Step::Execute) {
            self.refused(endpoint);
        }
    }

    /// A step was given up with the registration: what is to be done about it is seen when the update is
    /// looked at again.
    pub(super) fn step_dropped(&mut self, endpoint: Endpoint) {
        if let Some(progress) = self.progress(endpoint) {
            progress.asking = false;
        }
    }

    /// Looks for news of an update among values of a device, whoever asked for them.
    pub(super) fn look_for_state(&mut self, slot: Slot, values: &[Entry], now: Instant) {
        if self.updates.is_none() {
            return;
        }
        let place = self.peers.get(slot).and_then(|peer| peer.app.place);
        let registration = place.and_then(|place| self.registry.get(place));
        let Some(endpoint) = registration.map(|registration| registration.endpoint) else { return };
        let value = |path| values.iter().find(|entry| entry.path == path);
        if let Some(state) = value(STATE).and_then(|entry| number(&entry.value)) {
            self.state_is(endpoint, state, now);
        }
        if let Some(result) = value(RESULT).and_then(|entry| number(&entry.value)) {
            self.result_is(endpoint, result, now);
        }
    }

    fn state_is(&mut self, endpoint: Endpoint, state: i64, now: Instant) {
        let Some(progress) = self.progress(endpoint).filter(|progress| !progress.asking) else { return };
        match (progress.stage, state) {
            (Stage::Delivering, _) => {}
            (Stage::Downloading | Stage::Downloaded, DOWNLOADED) => {
                let first = progress.stage == Stage::Downloading;
                progress.stage = Stage::Downloaded;
                let number = usize::from(progress.campaign);
                self.counters.campaigns[number].firmware.downloaded += u64::from(first);
                self.ask_for(endpoint, Step::Execute, now);
            }
            (Stage::Downloading | Stage::Downloaded | Stage::Updating, IDLE)
            | (Stage::Updating, DOWNLOADED) => self.ask_for(endpoint, Step::Result, now),
            (Stage::Downloading | Stage::Downloaded | Stage::Updating, _) => self.look_again(endpoint, now),
        }
    }

    fn result_is(&mut self, endpoint: Endpoint, result: i64, now: Instant) {
        let Some(progress) = self.progress(endpoint).filter(|progress| !progress.asking) else { return };
        let (number, began) = (usize::from(progress.campaign), progress.began);
        match (progress.stage, result) {
            (Stage::Delivering, _) => return,
            // A success before anything was installed is of an earlier update.
            (_, NO_RESULT) | (Stage::Downloading | Stage::Downloaded, SUCCESS) => {
                return self.look_again(endpoint, now);
            }
            (Stage::Updating, SUCCESS) => {
                let counters = &mut self.counters.campaigns[number].firmware;
                counters.succeeded += 1;
                counters.duration.record(now.since(began));
            }
            (_, result) => {
                let result = u8::try_from(result).unwrap_or(u8::MAX);
                *self.counters.campaigns[number].firmware.failed.entry(result).or_default() += 1;
            }
        }
        self.end_update(endpoint);
    }

    /// Has the device asked, on the way out of handling what it said.
    fn ask_for(&mut self, endpoint: Endpoint, step: Step, now: Instant) {
        if let Some(place) = self.registry.current(endpoint) {
            self.take_step(endpoint, place, step, now);
        }
    }

    fn look_again(&mut self, endpoint: Endpoint, now: Instant) {
        let Some(progress) = self.progress(endpoint) else { return };
        let number = usize::from(progress.campaign);
        let Action::Firmware(firmware) = &self.config.campaigns[number].action else { return };
        let at = now + firmware.poll.max(SHORTEST_POLL);
        if let Some(updates) = &mut self.updates {
            updates.wheel.arm(endpoint, at);
        }
    }

    fn refused(&mut self, endpoint: Endpoint) {
        let Some(number) = self.progress(endpoint).map(|progress| progress.campaign) else { return };
        self.counters.campaigns[usize::from(number)].firmware.refused += 1;
        self.end_update(endpoint);
    }

    fn progress(&mut self, endpoint: Endpoint) -> Option<&mut Progress> {
        self.updates.as_mut()?.under_way.get_mut(&endpoint)
    }

    fn end_update(&mut self, endpoint: Endpoint) {
        let Some(updates) = &mut self.updates else { return };
        updates.under_way.remove(&endpoint);
        updates.wheel.disarm(endpoint);
    }
}

/// The number that a value is, also of a resource whose type is not known here.
pub(super) fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Opaque(bytes) if (1..=8).contains(&bytes.len()) => {
            Some(bytes.iter().fold(0, |number, byte| number << 8 | i64::from(*byte)))
        }
        _ => value.as_integer().or_else(|| value.as_str()?.parse().ok()),
    }
}
