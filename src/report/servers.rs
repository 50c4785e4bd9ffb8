//! What the servers of a run saw and did, as the report says it. Given by whoever ran them, as plain
//! figures.

use std::collections::BTreeMap;

use serde::Serialize;

use super::StreamFigures;

/// A server of the run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerCounts {
    /// The key under `servers`, such as `bootstrap` or `ems`.
    #[serde(skip)]
    pub name: String,
    /// Where it listens.
    pub uri: String,
    /// What it saw; none if it is not embedded.
    pub seen: Option<Seen>,
}

/// What an embedded server counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Seen {
    /// Datagrams received; of streams, messages.
    pub received: u64,
    /// Bytes of UDP or TCP payload received.
    pub received_bytes: u64,
    /// Datagrams sent; of streams, messages.
    pub sent: u64,
    /// Bytes of UDP or TCP payload sent.
    pub sent_bytes: u64,
    /// Operations by name, and whatever else it counts.
    pub operations: BTreeMap<String, u64>,
    /// What its pace and its manners did to requests.
    pub desk: Desk,
    /// Its sessions; none if it speaks plain CoAP over UDP.
    pub sessions: Option<Sessions>,
    /// Its streams; none if it is spoken to by datagrams.
    pub streams: Option<StreamFigures>,
    /// What it asked and told devices, and what they told it; an EMS only.
    pub management: Option<Managed>,
}

/// The sessions of a server: DTLS, TLS, or plain TCP, whose handshake is nothing but the connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Sessions {
    /// Whether peers have to prove who they are.
    pub secure: bool,
    /// First hellos answered without keeping anything of the peer (DTLS).
    pub hellos: u64,
    /// Handshakes begun: for DTLS, by a peer whose address was verified.
    pub begun: u64,
    /// Of `begun`: came to a good end.
    pub completed: u64,
    /// Of `begun`: the peer's certificate was not accepted, by what is wrong with it.
    pub certificates_refused: BTreeMap<String, u64>,
    /// Of `begun`: named an identity nobody has.
    pub unknown_identities: u64,
    /// Of `begun`: the peer fell silent, as after a wrong key.
    pub timed_out: u64,
    /// Of `begun`: failed in any other way.
    pub failed: u64,
    /// Flights sent again.
    pub retransmissions: u64,
    /// Bytes of handshakes, received and sent.
    pub handshake_bytes: u64,
    /// Sessions ended by peers in good order.
    pub closed: u64,
    /// Sessions that broke.
    pub broken: u64,
    /// Sessions replaced by a new one from the same address.
    pub replaced: u64,
    /// Sessions that had to make room for others.
    pub evicted: u64,
    /// Datagrams or bytes that belong to no session, or were no records.
    pub noise: u64,
    /// The most sessions at a time; of several workers, the sum of theirs.
    pub peak: u64,
}

/// What a server was told to do to requests, and what it did. Each of its figures is a server's own doing, so
/// that nobody looks for it in the devices.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Desk {
    /// How fast it was to work, in words; none if at once.
    pub pace: Option<String>,
    /// Requests answered with 5.03 because the queue was full.
    pub overloaded: u64,
    /// The most requests that waited at the same time; of several workers, the sum of theirs.
    pub longest_queue: u64,
    /// Requests whose device was forgotten while they waited.
    pub orphaned: u64,
    /// Requests dropped.
    pub drop: Manner,
    /// Requests rejected with a Reset.
    pub reset: Manner,
    /// Requests answered with an error.
    pub error: Manner,
    /// Requests answered with 5.03.
    pub unavailable: Manner,
    /// Answers delayed.
    pub late: Manner,
    /// Answers sent twice.
    pub duplicate: Manner,
    /// Answers sent from another port.
    pub other_port: Manner,
}

impl Desk {
    /// Requests that were answered without having been looked at.
    pub(super) fn turned_away(&self) -> u64 {
        self.overloaded + self.error.times + self.unavailable.times
    }
}

/// One thing that a server was told to do wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Manner {
    /// To which share of requests, from 0 to 1.
    pub share: f64,
    /// How often it did.
    pub times: u64,
}

/// What an EMS asked and told devices, and what they told it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Managed {
    /// Requests to devices, of interviews and campaigns.
    pub requests: ServerRequests,
    /// What was asked at registrations.
    pub interviews: Interviews,
    /// What devices are observed for.
    pub observations: Observations,
    /// What devices sent by themselves.
    pub sends: Sends,
    /// Requests that waited for devices in queue mode.
    pub queue: QueueMode,
    /// Firmware packages that pulling devices asked for, whatever the number of blocks.
    pub firmware_requests: u64,
    /// The campaigns, in the order of the scenario.
    pub campaigns: Vec<CampaignFigures>,
}

/// Requests to devices. `sent` is the sum of `answered`, `failed`, `abandoned` and `in_flight`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ServerRequests {
    /// Sent for the first time.
    pub sent: u64,
    /// Answered, whatever the code.
    pub answered: u64,
    /// Never answered, reset, or broken off in the middle of a body.
    pub failed: u64,
    /// Given up with the registration, or with the address of the device.
    pub abandoned: u64,
    /// Outstanding when the run ended.
    pub in_flight: u64,
    /// Of `in_flight`: those of campaigns.
    pub in_flight_of_campaigns: u64,
    /// Of campaigns, not yet sent when the run ended.
    pub waiting: u64,
}

/// What interviews came to. `begun` is the sum of `completed`, `failed`, `cut_short` and `under_way`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Interviews {
    /// Begun.
    pub begun: u64,
    /// Ended with an answer to every question, good or bad.
    pub completed: u64,
    /// Ended by a question without an answer.
    pub failed: u64,
    /// Ended by a new registration, or by the end of the registration.
    pub cut_short: u64,
    /// Not at their end when the run ended.
    pub under_way: u64,
    /// Questions asked.
    pub requests: u64,
    /// Questions answered with a success.
    pub ok: u64,
    /// Questions answered with an error.
    pub errors: u64,
    /// Datagrams to devices while they were interviewed.
    pub sent: u64,
    /// Their bytes of UDP payload.
    pub sent_bytes: u64,
    /// Datagrams from devices while they were interviewed.
    pub received: u64,
    /// Their bytes of UDP payload.
    pub received_bytes: u64,
    /// From the 2.01 to the last answer, of those completed.
    pub duration: CoarseFigures,
}

/// What observations came to, as the EMS saw them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Observations {
    /// Agreed to by a device.
    pub begun: u64,
    /// Ended by the device.
    pub ended: u64,
    /// Ended by the EMS, or with the registration.
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sends {
    /// Answered with 2.04.
    pub accepted: u64,
    /// Answered with 4.04: the device is not registered.
    pub unregistered: u64,
    /// Answered with 4.15.
    pub unknown_format: u64,
    /// Answered with 4.00: the payload is not what its Content-Format says.
    pub undecodable: u64,
    /// Bytes of payload in those accepted.
    pub bytes: u64,
    /// Values in those accepted.
    pub values: u64,
}

impl Sends {
    /// Answered with an error.
    pub(super) fn refused(&self) -> u64 {
        self.unregistered + self.unknown_format + self.undecodable
    }
}

/// Requests that waited for devices in queue mode to wake up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QueueMode {
    /// Had to wait.
    pub held: u64,
    /// Of `held`: went on when the device was heard again.
    pub released: u64,
    /// Of `held`: given up with the registration.
    pub dropped: u64,
}

/// What one campaign came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CampaignFigures {
    /// What devices were told, such as `reboot` or `read /3/0/13`.
    pub action: String,
    /// Rounds ended.
    pub rounds: u64,
    /// Devices whose turn it was and who were registered.
    pub devices: u64,
    /// Devices whose turn it was but who were not registered.
    pub unregistered: u64,
    /// Requests that were due; each ends as one of those from `passed_over` on, or waits or is in flight.
    pub requests: u64,
    /// Of `requests`: sent.
    pub sent: u64,
    /// Of `requests`: had to wait for the device to wake up.
    pub held: u64,
    /// There was nothing to do, or no way to do it.
    pub passed_over: u64,
    /// Too many requests waited for the device already.
    pub overflowed: u64,
    /// Answered with a success.
    pub ok: u64,
    /// Answered with an error, by code.
    pub errors: BTreeMap<String, u64>,
    /// Never answered.
    pub timed_out: u64,
    /// Reset, or broken off in the middle of a body.
    pub broken: u64,
    /// Given up with the registration, or with the address of the device.
    pub cancelled: u64,
    /// First transmission to the answer, whatever it was.
    pub latency: CoarseFigures,
    /// The firmware updates, if that is what it does.
    pub firmware: Option<FirmwareFigures>,
}

impl CampaignFigures {
    /// Requests answered, whatever the code.
    pub fn answered(&self) -> u64 {
        self.ok + self.errors.values().sum::<u64>()
    }

    /// Requests that ended, well or not.
    pub(super) fn ended(&self) -> u64 {
        let unanswered = self.timed_out + self.broken + self.cancelled;
        self.answered() + unanswered + self.passed_over + self.overflowed
    }
}

/// What became of the firmware updates of one campaign.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FirmwareFigures {
    /// Begun.
    pub begun: u64,
    /// Of `begun`: the device has the whole package.
    pub downloaded: u64,
    /// Of `begun`: ended with the result 1.
    pub succeeded: u64,
    /// Of `begun`: ended with another result, by that (/5/0/5).
    pub failed: BTreeMap<String, u64>,
    /// Of `begun`: a request was refused, or never answered.
    pub refused: u64,
    /// Of `begun`: not at its end in time.
    pub gave_up: u64,
    /// First request to the result, of those that succeeded.
    pub duration: CoarseFigures,
}

/// Latencies as a server keeps them, in a few bytes: percentiles are at most twice too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct CoarseFigures {
    /// Values.
    pub count: u64,
    /// Mean, exact.
    pub mean_us: Option<f64>,
    /// Median.
    pub p50_us: Option<u64>,
    /// 99th percentile.
    pub p99_us: Option<u64>,
    /// Longest, exact.
    pub max_us: Option<u64>,
}
