//! What an EMS counts.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::protocol::coap::{Code, Failure};
use crate::protocol::server::{DeskCounters, Latencies};

/// Adds the named fields of another of the same kind.
macro_rules! add {
    ($self:ident, $other:ident: $($field:ident),+ $(,)?) => {
        $($self.$field += $other.$field;)+
    };
}

/// What an EMS did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmsCounters {
    /// Registers answered with 2.01.
    pub registrations: u64,
    /// Of `registrations`: the device was registered already, and is so anew.
    pub replaced: u64,
    /// Updates answered with 2.04.
    pub updates: u64,
    /// Of `updates`: from another address than the message before.
    pub moved: u64,
    /// Of `updates`: with a new list of objects.
    pub relisted: u64,
    /// De-registers answered with 2.02.
    pub deregistrations: u64,
    /// Registrations whose lifetime ran out.
    pub expired: u64,
    /// Registers answered with an error.
    pub refused: u64,
    /// Of `refused`: with 4.09, for a profile ID that is not known.
    pub unknown_profile: u64,
    /// Of `refused`: under a name that the device has not proven to have. Also Updates and De-registers of somebody
    /// else's registration, answered with 4.04.
    pub identity_mismatch: u64,
    /// Updates and De-registers for a location nobody has.
    pub unknown_location: u64,
    /// Updates answered with another error.
    pub bad_updates: u64,
    /// Registrations in force.
    pub registered: u64,
    /// What was asked at registrations, and what it cost.
    pub interviews: InterviewCounters,
    /// Observations of devices.
    pub observations: ObservationCounters,
    /// What devices sent by themselves (`/dp`).
    pub sends: SendCounters,
    /// Requests that waited for devices in queue mode.
    pub queue: QueueCounters,
    /// Requests to devices given up after they were sent: with the registration, or because the device was at
    /// another address.
    pub abandoned: u64,
    /// Firmware packages that pulling devices asked for. Blocks beyond the first are the message layer's, and
    /// count only where it has forgotten the package meanwhile.
    pub firmware_requests: u64,
    /// What the server did to requests on purpose, or for want of capacity.
    pub desk: DeskCounters,
    /// The campaigns, in the order of the configuration.
    pub campaigns: Vec<CampaignCounters>,
}

/// What interviews came to. One begins with the first question after a 2.01, after an Update that lists new
/// objects, or after one from another address, where observations begin again; all that began end as
/// `completed`, `failed` or `cut_short`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterviewCounters {
    /// Interviews begun.
    pub begun: u64,
    /// Ended with an answer to every question, good or bad.
    pub completed: u64,
    /// Ended by a question without an answer; the rest was not asked.
    pub failed: u64,
    /// Ended by a new registration, by the end of the registration, or for want of room.
    pub cut_short: u64,
    /// Questions asked.
    pub requests: u64,
    /// Questions answered with a success.
    pub ok: u64,
    /// Questions answered with an error.
    pub errors: u64,
    /// Datagrams to devices while they were interviewed, the answer to the Register not among them.
    pub sent: u64,
    /// Their bytes, from the CoAP header on.
    pub sent_bytes: u64,
    /// Datagrams from devices while they were interviewed.
    pub received: u64,
    /// Their bytes, from the CoAP header on.
    pub received_bytes: u64,
    /// From the 2.01 (or the 2.04) to the last answer, of those completed.
    pub duration: Latencies,
}

/// Observations of devices and what came of them. Payloads of answers to any Read or Observe are counted
/// here too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservationCounters {
    /// Observations that a device agreed to.
    pub begun: u64,
    /// Ended by the device, by an error or by a notification without Observe.
    pub ended: u64,
    /// Ended here: cancelled, replaced, or void after the end of the registration or of the device's session.
    pub dropped: u64,
    /// Notifications newer than all before.
    pub fresh: u64,
    /// Notifications overtaken on the way.
    pub stale: u64,
    /// Notifications whose further blocks could not be had.
    pub lost: u64,
    /// Bytes of payload in fresh notifications.
    pub bytes: u64,
    /// Values in fresh notifications.
    pub values: u64,
    /// Answers and notifications with a payload that is not what its Content-Format says.
    pub undecodable: u64,
}

/// What devices sent by themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SendCounters {
    /// Sends answered with 2.04.
    pub accepted: u64,
    /// Sends of devices that are not registered, answered with 4.04.
    pub unregistered: u64,
    /// Sends answered with 4.15.
    pub unknown_format: u64,
    /// Sends answered with 4.00: the payload is not what its Content-Format says.
    pub undecodable: u64,
    /// Bytes of payload in those accepted.
    pub bytes: u64,
    /// Values in those accepted.
    pub values: u64,
}

/// Requests that waited for devices in queue mode to wake up, or for devices whose sessions or streams were over to
/// come back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueCounters {
    /// Requests that had to wait.
    pub held: u64,
    /// Of `held`: the device was heard again, and they went on.
    pub released: u64,
    /// Of `held`: given up with the registration.
    pub dropped: u64,
}

/// Requests to devices that have not ended yet, so that what was begun can be held against what ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// Interviews under way.
    pub interviews: u64,
    /// Requests sent, of interviews and campaigns.
    pub sent: u64,
    /// Of `sent`: those of campaigns.
    pub sent_of_campaigns: u64,
    /// Requests of campaigns that wait for their turn, or for the device to wake up.
    pub waiting: u64,
}

impl Pending {
    /// Adds another worker's.
    pub fn add(&mut self, other: &Pending) {
        add!(self, other: interviews, sent, sent_of_campaigns, waiting);
    }
}

/// What one campaign came to. Every one of `requests` ends as one of `ok`, `errors`, `timed_out`, `broken`,
/// `cancelled`, `passed_over` and `overflowed`, if the run leaves it the time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CampaignCounters {
    /// Rounds ended.
    pub rounds: u64,
    /// Devices whose turn it was and who were registered.
    pub devices: u64,
    /// Devices whose turn it was but who were not registered.
    pub unregistered: u64,
    /// Requests that were due: one for each of `devices`; several for a firmware update, and two where the
    /// device had to be asked first which account is the server's.
    pub requests: u64,
    /// Of `requests`: given to the message layer.
    pub sent: u64,
    /// Of `requests`: had to wait for the device to wake up or come back.
    pub held: u64,
    /// Nothing to do or no way to do it: no such observation, no account of this server's, a firmware
    /// update under way, or a value that the device's format cannot carry.
    pub passed_over: u64,
    /// As many requests as may were waiting for the device already.
    pub overflowed: u64,
    /// Answered with a success.
    pub ok: u64,
    /// Answered with an error, by code.
    pub errors: BTreeMap<Code, u64>,
    /// Never answered.
    pub timed_out: u64,
    /// Reset, or broken off in the middle of a body or by the end of the session.
    pub broken: u64,
    /// Given up with the registration, before they were sent or after; or the device was at another address
    /// before the answer came.
    pub cancelled: u64,
    /// From the first transmission to the answer, whatever it was.
    pub latency: Latencies,
    /// Firmware updates.
    pub firmware: FirmwareCounters,
}

/// What became of the firmware updates of one campaign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirmwareCounters {
    /// Begun.
    pub begun: u64,
    /// Of `begun`: the device has the whole package.
    pub downloaded: u64,
    /// Of `begun`: ended with the result 1.
    pub succeeded: u64,
    /// Of `begun`: ended with another result, by that (/5/0/5).
    pub failed: BTreeMap<u8, u64>,
    /// Of `begun`: a request was refused, or unanswered where repeating it would be wrong.
    pub refused: u64,
    /// Of `begun`: not at its end within the limit.
    pub gave_up: u64,
    /// From the first request to the result, of those that succeeded.
    pub duration: Latencies,
}

impl EmsCounters {
    /// Adds another worker's counts.
    pub fn add(&mut self, other: &EmsCounters) {
        add!(self, other: registrations, replaced, updates, moved, relisted, deregistrations, expired, refused,
            unknown_profile, identity_mismatch, unknown_location, bad_updates, registered, abandoned,
            firmware_requests);
        self.interviews.add(&other.interviews);
        self.observations.add(&other.observations);
        self.sends.add(&other.sends);
        self.queue.add(&other.queue);
        self.desk.add(&other.desk);
        if self.campaigns.len() < other.campaigns.len() {
            self.campaigns.resize_with(other.campaigns.len(), CampaignCounters::default);
        }
        for (campaign, others) in self.campaigns.iter_mut().zip(&other.campaigns) {
            campaign.add(others);
        }
    }
}

impl InterviewCounters {
    fn add(&mut self, other: &InterviewCounters) {
        add!(self, other: begun, completed, failed, cut_short, requests, ok, errors, sent, sent_bytes, received,
            received_bytes);
        self.duration.add(&other.duration);
    }
}

impl ObservationCounters {
    /// Observations that stand.
    pub fn standing(&self) -> u64 {
        self.begun.saturating_sub(self.ended + self.dropped)
    }

    fn add(&mut self, other: &ObservationCounters) {
        add!(self, other: begun, ended, dropped, fresh, stale, lost, bytes, values, undecodable);
    }
}

impl SendCounters {
    fn add(&mut self, other: &SendCounters) {
        add!(self, other: accepted, unregistered, unknown_format, undecodable, bytes, values);
    }
}

impl QueueCounters {
    fn add(&mut self, other: &QueueCounters) {
        add!(self, other: held, released, dropped);
    }
}

impl CampaignCounters {
    pub(super) fn answered(&mut self, code: Code, latency: Duration) {
        self.latency.record(latency);
        if code.is_success() {
            self.ok += 1;
        } else {
            *self.errors.entry(code).or_default() += 1;
        }
    }

    pub(super) fn failed(&mut self, why: Failure) {
        match why {
            Failure::Timeout => self.timed_out += 1,
            Failure::Reset | Failure::Lost | Failure::Blockwise(_) => self.broken += 1,
            Failure::Abandoned => self.cancelled += 1,
        }
    }

    fn add(&mut self, other: &CampaignCounters) {
        // Each worker goes round its own devices; a round of all ends with the last of them.
        self.rounds = self.rounds.max(other.rounds);
        add!(self, other: devices, unregistered, requests, sent, held, passed_over, overflowed, ok,
            timed_out, broken, cancelled);
        for (code, count) in &other.errors {
            *self.errors.entry(*code).or_default() += count;
        }
        self.latency.add(&other.latency);
        self.firmware.add(&other.firmware);
    }
}

impl FirmwareCounters {
    fn add(&mut self, other: &FirmwareCounters) {
        add!(self, other: begun, downloaded, succeeded, refused, gave_up);
        for (result, count) in &other.failed {
            *self.failed.entry(*result).or_default() += count;
        }
        self.duration.add(&other.duration);
    }
}
