//! Sums of what an EMS asks and tells devices, on its side and between both sides.

use super::balances::{Balance, signed};
use super::{CampaignFigures, Inputs, Managed, Registrations};
use crate::metrics::{NotificationFate, RequestFate, RequestKind, Snapshot};

const OWN: [&str; 3] = ["ems-interviews", "ems-requests", "ems-campaigns"];
const BOTH: [&str; 3] = ["management", "sends", "notifications-taken"];

/// Draws up all of them.
pub(super) fn balances(snapshot: &Snapshot, inputs: &Inputs<'_>) -> Vec<Balance> {
    let Some(managed) = inputs.managed() else {
        let reason = "the EMS is not embedded, so what it asked and took is not known";
        return OWN.into_iter().chain(BOTH).map(|name| Balance::skipped(name, reason)).collect();
    };
    let mut balances = vec![interviews(managed), requests(managed), campaigns(managed)];
    match &inputs.registrations {
        Registrations::Known { .. } => {
            let desk = inputs.servers.iter().filter_map(|server| server.seen.as_ref());
            let desk = desk.filter(|seen| seen.management.is_some()).map(|seen| seen.desk.turned_away());
            balances.push(answers(snapshot, managed));
            balances.push(sends(snapshot, managed, desk.sum()));
            balances.push(notifications(snapshot, managed));
        }
        Registrations::Unknown { reason } => {
            balances.extend(BOTH.map(|name| Balance::skipped(name, reason)));
        }
    }
    balances
}

/// Every interview ends in one way, or is under way at the end.
fn interviews(managed: &Managed) -> Balance {
    let all = &managed.interviews;
    Balance::of(
        OWN[0],
        signed(all.begun),
        signed(all.completed + all.failed + all.cut_short + all.under_way),
        "interviews begun = completed + failed + cut short + under way",
    )
}

/// Every request to a device ends in one way, or is in flight at the end.
fn requests(managed: &Managed) -> Balance {
    let all = managed.requests;
    Balance::of(
        OWN[1],
        signed(all.sent),
        signed(all.answered + all.failed + all.abandoned + all.in_flight),
        "requests of the EMS sent = answered + failed + abandoned + in flight",
    )
}

/// Every request that was due in a campaign ends in one way, waits, or is in flight at the end.
fn campaigns(managed: &Managed) -> Balance {
    let sum = |of: fn(&CampaignFigures) -> u64| managed.campaigns.iter().map(of).sum::<u64>();
    let open = managed.requests.waiting + managed.requests.in_flight_of_campaigns;
    Balance::of(
        OWN[2],
        signed(sum(|campaign| campaign.requests)),
        signed(sum(CampaignFigures::ended) + open),
        "requests of campaigns due = answered + unanswered + cancelled + passed over + waiting + in flight",
    )
}

/// What the meters answered, the EMS has, except for answers that were lost on the way or came too late.
///
/// For information: a meter that has just lost its registration answers as well, and need not count that as
/// management.
fn answers(snapshot: &Snapshot, managed: &Managed) -> Balance {
    let served: u64 = snapshot.management.iter().map(|counts| counts.ok + counts.error).sum();
    let all = managed.requests;
    Balance::between(
        BOTH[0],
        (served, 0),
        (all.answered, all.failed + all.abandoned + all.in_flight),
        "requests answered by the meters = answers the EMS has",
        "that the EMS has no answer to",
    )
}

/// The Sends that meters had answered, the EMS answered; where an answer was lost, it took more.
///
/// For information: a Send that comes twice after the EMS forgot the first is taken twice.
fn sends(snapshot: &Snapshot, managed: &Managed, turned_away: u64) -> Balance {
    let sends = snapshot.requests[RequestKind::Send.index()];
    let answered = sends.of(RequestFate::Answered);
    let taken = managed.sends.accepted + managed.sends.refused();
    Balance::between(
        BOTH[1],
        (taken, turned_away),
        (answered, sends.of(RequestFate::Sent).saturating_sub(answered)),
        "Sends accepted or refused by the EMS = answered, as the meters saw it",
        "that have no answer",
    )
}

/// Nobody takes more notifications than were sent. For information: strangers may send as well.
fn notifications(snapshot: &Snapshot, managed: &Managed) -> Balance {
    let all = &managed.observations;
    let sent = [NotificationFate::SentConfirmable, NotificationFate::SentNonConfirmable];
    Balance::at_most(
        BOTH[2],
        all.fresh + all.stale + all.lost,
        sent.iter().map(|fate| snapshot.notifications.of(*fate)).sum(),
        "notifications taken by the EMS <= sent by the meters",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::ManagementKind;
    use crate::report::{RunReport, fixture};

    fn drawn_up(change: impl FnOnce(&mut Snapshot, &mut Inputs<'_>)) -> Vec<Balance> {
        let totals = fixture::managed_totals();
        let mut inputs = fixture::managed(&totals);
        let mut snapshot = totals.snapshot();
        change(&mut snapshot, &mut inputs);
        balances(&snapshot, &inputs)
    }

    fn open(balances: &[Balance]) -> Vec<&str> {
        balances.iter().filter(|balance| !balance.ok).map(|balance| balance.name.as_str()).collect()
    }

    fn of<'a>(inputs: &'a mut Inputs<'_>) -> &'a mut Managed {
        fixture::seen(inputs, 1).management.as_mut().expect("the second is the EMS")
    }

    #[test]
    fn a_sound_run_closes_all_of_them() {
        let balances = drawn_up(|_, _| {});
        assert_eq!(open(&balances), [""; 0], "{balances:#?}");
        assert!(balances.iter().all(|balance| balance.skipped.is_none()));
    }

    #[test]
    fn an_interview_without_an_end_breaks_theirs() {
        assert_eq!(open(&drawn_up(|_, inputs| of(inputs).interviews.cut_short -= 1)), ["ems-interviews"]);
    }

    #[test]
    fn a_request_of_the_ems_without_a_fate_breaks_theirs() {
        let balances = drawn_up(|_, inputs| of(inputs).requests.abandoned += 1);
        assert_eq!(open(&balances), ["ems-requests"]);
        assert!(balances[1].binding);
    }

    #[test]
    fn a_request_of_a_campaign_that_is_nowhere_breaks_theirs() {
        let balances = drawn_up(|_, inputs| of(inputs).requests.waiting += 1);
        assert_eq!(open(&balances), ["ems-campaigns"]);
        let balances = drawn_up(|_, inputs| of(inputs).campaigns[0].passed_over += 1);
        assert_eq!(open(&balances), ["ems-campaigns"]);
    }

    #[test]
    fn answers_may_be_lost_but_not_come_from_nowhere() {
        let read = ManagementKind::Read.index();
        let balances = drawn_up(|snapshot, _| snapshot.management[read].ok += 1);
        assert_eq!(open(&balances), [""; 0]);
        assert!(balances[3].explanation.contains("+ 1 that the EMS has no answer to"), "{balances:#?}");
        // Two requests failed, one was abandoned and one is in flight: a fifth is one too many.
        assert_eq!(open(&drawn_up(|snapshot, _| snapshot.management[read].ok += 5)), ["management"]);
        let balances = drawn_up(|snapshot, _| snapshot.management[read].ok -= 1);
        assert_eq!(open(&balances), ["management"]);
        assert!(!balances[3].binding);
    }

    #[test]
    fn a_send_that_nobody_took_breaks_theirs_unless_the_desk_had_it() {
        assert_eq!(open(&drawn_up(|_, inputs| of(inputs).sends.accepted -= 1)), ["sends"]);
        let desk = |_: &mut Snapshot, inputs: &mut Inputs<'_>| {
            of(inputs).sends.accepted -= 1;
            fixture::seen(inputs, 1).desk.unavailable.times += 1;
        };
        assert_eq!(open(&drawn_up(desk)), [""; 0]);
        // One of the fixture's was never answered: one more may have been taken than was answered.
        assert_eq!(open(&drawn_up(|_, inputs| of(inputs).sends.unregistered += 1)), [""; 0]);
        assert_eq!(open(&drawn_up(|_, inputs| of(inputs).sends.unregistered += 2)), ["sends"]);
    }

    #[test]
    fn a_notification_that_nobody_sent_breaks_theirs() {
        assert_eq!(open(&drawn_up(|_, inputs| of(inputs).observations.fresh += 3)), ["notifications-taken"]);
    }

    #[test]
    fn what_only_one_side_knows_is_not_drawn_up() {
        let skipped = |balances: Vec<Balance>| balances.iter().filter(|one| one.skipped.is_some()).count();
        assert_eq!(skipped(drawn_up(|_, inputs| inputs.servers[1].seen = None)), 6);
        let elsewhere = Registrations::Unknown { reason: "meters may go elsewhere".to_owned() };
        assert_eq!(skipped(drawn_up(|_, inputs| inputs.registrations = elsewhere)), 3);
    }

    #[test]
    fn a_run_with_bad_manners_is_neither_doubtful_nor_out_of_balance() {
        let totals = fixture::managed_totals();
        let report = RunReport::new(fixture::managed(&totals));
        assert!(report.verdict.passed && !report.verdict.doubtful, "{:?}", report.verdict);
    }
}
