//! Sums that must come out even, or the run's figures contradict each other.

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{Inputs, Seen, handshakes, managed};
use crate::metrics::{MeterState, NotificationFate, RequestFate, RequestKind, Snapshot, States};

/// How many endpoints a balance lists at most; the rest are only counted.
pub const LISTED: usize = 100;

/// One balance: two figures that were counted in different places and must agree.
#[derive(Clone, Debug, PartialEq)]
pub struct Balance {
    /// The key under `balances` in report.json.
    pub name: String,
    /// Whether it closes; true if it was skipped.
    pub ok: bool,
    /// Whether the run fails if it does not close. The others are for information.
    pub binding: bool,
    /// One side.
    pub left: i64,
    /// The other side.
    pub right: i64,
    /// What the sides are, and what is wrong if they do not agree.
    pub explanation: String,
    /// Why it could not be drawn up.
    pub skipped: Option<String>,
    /// Endpoints it is about.
    pub listed: Listed,
}

/// A list that stops at [`LISTED`] and goes on counting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// The first entries.
    pub shown: Vec<String>,
    /// How many there are.
    pub total: u64,
}

impl Listed {
    /// Adds an entry, which is only made if there is room.
    pub(super) fn push(&mut self, entry: impl FnOnce() -> String) {
        self.total += 1;
        if self.shown.len() < LISTED {
            self.shown.push(entry());
        }
    }
}

impl Balance {
    /// A balance that cannot be drawn up.
    pub(super) fn skipped(name: &str, reason: &str) -> Self {
        Balance { skipped: Some(reason.to_owned()), ok: true, ..Balance::of(name, 0, 0, "") }
    }

    pub(super) fn of(name: &str, left: i64, right: i64, explanation: &str) -> Self {
        Balance {
            name: name.to_owned(),
            ok: left == right,
            binding: true,
            left,
            right,
            explanation: explanation.to_owned(),
            skipped: None,
            listed: Listed::default(),
        }
    }

    pub(super) fn at_most(name: &str, left: u64, right: u64, explanation: &str) -> Self {
        let (left, right) = (signed(left), signed(right));
        Balance { ok: left <= right, binding: false, ..Balance::of(name, left, right, explanation) }
    }

    /// Two counts of the same things by two sides. Each may miss at most so many of what the other has, its
    /// second figure; what it does miss is added to it and named as `missed` in the explanation.
    /// For information: the network lies between them.
    pub(super) fn between(
        name: &str,
        (left, left_may_miss): (u64, u64),
        (right, right_may_miss): (u64, u64),
        explanation: &str,
        missed: &str,
    ) -> Self {
        let explained_left = right.saturating_sub(left).min(left_may_miss);
        let explained_right = left.saturating_sub(right).min(right_may_miss);
        let mut explanation = explanation.to_owned();
        if explained_right > 0 {
            explanation += &format!(" + {explained_right} {missed}");
        }
        let sides = (signed(left + explained_left), signed(right + explained_right));
        Balance { binding: false, ..Balance::of(name, sides.0, sides.1, &explanation) }
    }
}

impl Serialize for Balance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Balance", 8)?;
        object.serialize_field("ok", &self.ok)?;
        object.serialize_field("binding", &self.binding)?;
        object.serialize_field("left", &self.left)?;
        object.serialize_field("right", &self.right)?;
        object.serialize_field("explanation", &self.explanation)?;
        object.serialize_field("skipped", &self.skipped)?;
        object.serialize_field("endpoints", &self.listed.shown)?;
        object.serialize_field("endpoints_total", &self.listed.total)?;
        object.end()
    }
}

/// Draws up every balance of a run.
pub(super) fn all(snapshot: &Snapshot, inputs: &Inputs<'_>) -> Vec<Balance> {
    let mut balances = vec![states(snapshot), census(snapshot, inputs.census)];
    balances.extend(RequestKind::ALL.map(|kind| requests(snapshot, kind, inputs.in_flight[kind.index()])));
    balances.push(notifications(snapshot, inputs.notifications_in_flight));
    balances.extend(handshakes::balances(snapshot, inputs));
    balances.push(inputs.registrations.balance());
    balances.extend(managed::balances(snapshot, inputs));
    balances.extend(datagrams(snapshot, inputs));
    balances
}

/// Every meter is in exactly one state, and the states add up to the fleet.
fn states(snapshot: &Snapshot) -> Balance {
    let mut balance = Balance::of(
        "states",
        snapshot.states.total(),
        signed(snapshot.meters),
        "meters in all states = size of the fleet",
    );
    let negative: Vec<_> = snapshot.states.iter().filter(|&(_, count)| count < 0).collect();
    if let Some((state, count)) = negative.first() {
        balance.ok = false;
        balance.explanation =
            format!("the state {state} holds {count} meters: a transition was reported twice");
    }
    balance
}

/// Transitions as they were reported lead to the states the meters say they are in.
fn census(snapshot: &Snapshot, census: Option<States>) -> Balance {
    let Some(census) = census else {
        return Balance::skipped("census", "the meters were not asked for their states");
    };
    let differing = |state: &MeterState| census[*state] != snapshot.states[*state];
    let Some(state) = MeterState::ALL.into_iter().find(differing) else {
        let agreed = "meters counted at the end = meters by the transitions they reported";
        return Balance::of("census", census.total(), snapshot.states.total(), agreed);
    };
    let explanation = format!(
        "meters counted in the state {state} at the end = meters there by the transitions they reported"
    );
    Balance::of("census", census[state], snapshot.states[state], &explanation)
}

/// Every request sent met one fate, or is in flight at the end.
fn requests(snapshot: &Snapshot, kind: RequestKind, in_flight: u64) -> Balance {
    let counts = snapshot.requests[kind.index()];
    let settled = [RequestFate::Answered, RequestFate::Reset, RequestFate::TimedOut, RequestFate::Abandoned];
    let ended: u64 = settled.into_iter().map(|fate| counts.of(fate)).sum();
    Balance::of(
        &format!("requests-{kind}"),
        signed(counts.of(RequestFate::Sent)),
        signed(ended.saturating_add(in_flight)),
        &format!("{kind} requests sent = answered + reset + timed out + abandoned + in flight"),
    )
}

/// Every confirmable notification met one fate, or is in flight at the end.
fn notifications(snapshot: &Snapshot, in_flight: u64) -> Balance {
    let counts = snapshot.notifications;
    let ended: u64 = NotificationFate::ALL
        .into_iter()
        .filter(|fate| fate.ends_confirmable())
        .map(|fate| counts.of(fate))
        .sum();
    Balance::of(
        "notifications",
        signed(counts.of(NotificationFate::SentConfirmable)),
        signed(ended.saturating_add(in_flight)),
        "confirmable notifications sent = acknowledged + reset + timed out + superseded + abandoned + in flight",
    )
}

/// Nobody receives more than was sent. For information: strangers may send as well.
fn datagrams(snapshot: &Snapshot, inputs: &Inputs<'_>) -> [Balance; 2] {
    let names = ["datagrams-to-servers", "datagrams-to-meters"];
    // A server without a URI is none at all: meters that hold their accounts need no Bootstrap-Server.
    let servers = inputs.servers.iter().filter(|server| !server.uri.is_empty());
    let seen: Option<Vec<_>> = servers.map(|server| server.seen.as_ref()).collect();
    let Some(seen) = seen else {
        return names.map(|name| {
            let skipped = Balance::skipped(name, "a server is external, so what it saw is not known");
            Balance { binding: false, ..skipped }
        });
    };
    if seen.iter().any(|seen| seen.streams.is_some()) {
        return bytes(names, snapshot, &seen);
    }
    let received = seen.iter().map(|seen| seen.received).sum();
    let sent = seen.iter().map(|seen| seen.sent).sum();
    [
        Balance::at_most(
            names[0],
            received,
            snapshot.traffic.sent,
            "datagrams received by the servers <= sent by the meters",
        ),
        Balance::at_most(
            names[1],
            snapshot.traffic.received,
            sent,
            "datagrams received by the meters <= sent by the servers",
        ),
    ]
}

/// The same in bytes, where streams have no datagrams.
fn bytes(names: [&str; 2], snapshot: &Snapshot, seen: &[&Seen]) -> [Balance; 2] {
    let received = seen.iter().map(|seen| seen.received_bytes).sum();
    let sent = seen.iter().map(|seen| seen.sent_bytes).sum();
    let traffic = &snapshot.traffic;
    [
        Balance::at_most(
            names[0],
            received,
            traffic.sent_bytes,
            "bytes received by the servers <= sent by the meters",
        ),
        Balance::at_most(
            names[1],
            traffic.received_bytes,
            sent,
            "bytes received by the meters <= sent by the servers",
        ),
    ]
}

pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn balances(change: impl FnOnce(&mut Snapshot, &mut Inputs<'_>)) -> Vec<Balance> {
        let totals = fixture::totals();
        let mut inputs = fixture::inputs(&totals);
        let mut snapshot = totals.snapshot();
        change(&mut snapshot, &mut inputs);
        all(&snapshot, &inputs)
    }

    /// The names of the balances that do not close.
    fn open(balances: &[Balance]) -> Vec<&str> {
        balances.iter().filter(|balance| !balance.ok).map(|balance| balance.name.as_str()).collect()
    }

    #[test]
    fn a_sound_run_closes_every_balance() {
        let balances = balances(|_, _| {});
        assert_eq!(open(&balances), [""; 0]);
        assert!(balances.iter().all(|balance| balance.skipped.is_none()), "{balances:#?}");
    }

    #[test]
    fn a_meter_too_few_breaks_the_states() {
        let balances = balances(|snapshot, _| snapshot.meters += 1);
        assert_eq!(open(&balances), ["states"]);
        assert!(balances[0].binding);
    }

    #[test]
    fn a_negative_state_breaks_the_states_though_the_sum_is_right() {
        let balances = balances(|snapshot, inputs| {
            snapshot.states[MeterState::Planned] -= 1;
            snapshot.states[MeterState::Failed] += 1;
            inputs.census = None;
        });
        assert_eq!(open(&balances), ["states"]);
        assert!(balances[0].explanation.contains("planned holds -1"), "{}", balances[0].explanation);
    }

    #[test]
    fn a_transition_that_was_not_reported_breaks_the_census() {
        let balances = balances(|snapshot, _| {
            snapshot.states[MeterState::Registered] += 1;
            snapshot.states[MeterState::Deregistered] -= 1;
        });
        assert_eq!(open(&balances), ["census"]);
    }

    #[test]
    fn a_request_without_a_fate_breaks_its_kind_only() {
        let balances = balances(|_, inputs| inputs.in_flight[RequestKind::Update.index()] += 1);
        assert_eq!(open(&balances), ["requests-update"]);
    }

    #[test]
    fn a_notification_without_a_fate_breaks_their_balance() {
        let balances = balances(|_, inputs| inputs.notifications_in_flight = 0);
        assert_eq!(open(&balances), ["notifications"]);
    }

    #[test]
    fn a_datagram_out_of_nowhere_is_told_and_does_not_fail_the_run() {
        let balances = balances(|_, inputs| fixture::seen(inputs, 0).received += 1_000_000);
        assert_eq!(open(&balances), ["datagrams-to-servers"]);
        assert!(balances.iter().all(|balance| balance.ok || !balance.binding));
    }

    #[test]
    fn a_server_that_there_is_not_is_no_external_one() {
        let balances = balances(|_, inputs| {
            inputs.servers[0].seen = None;
            inputs.servers[0].uri.clear();
        });
        assert!(balances.iter().all(|balance| balance.skipped.is_none()), "{balances:#?}");
    }

    #[test]
    fn external_servers_are_a_reason_to_skip_the_datagrams() {
        let balances = balances(|_, inputs| inputs.servers[0].seen = None);
        let skipped: Vec<_> =
            balances.iter().filter(|b| b.skipped.is_some()).map(|b| b.name.as_str()).collect();
        assert_eq!(skipped, ["datagrams-to-servers", "datagrams-to-meters"]);
    }
}
