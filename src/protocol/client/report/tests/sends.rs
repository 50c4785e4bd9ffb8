//! Send, once and by plan.

use super::*;
use crate::protocol::client::{Fate, RequestKind, Stage};

fn unmuted() -> Setup {
    Setup::measuring(50).with(flag("/1/0/23", false))
}

fn sends(pair: &Pair) -> Vec<&Message> {
    pair.asked.iter().map(|(_, message)| message).filter(|message| message.path_is(&["dp"])).collect()
}

fn ended(pair: &Pair, fate: Fate) -> usize {
    let wanted = Event::Request { kind: RequestKind::Send, fate };
    pair.events.iter().filter(|(_, event)| *event == wanted).count()
}

#[test]
fn a_send_carries_what_there_is_of_its_paths() {
    let mut pair = unmuted().start();
    let sent = pair.client.send(SSID, &[MEASURED, path("/9/0/7"), path("/5/0"), path("/0/1/0")], pair.now);
    assert_eq!(sent, Ok(()));
    pair.settle();
    pair.run_for(secs(1));
    let [send] = sends(&pair)[..] else { panic!("one Send, not {:?}", sends(&pair)) };
    assert_eq!(send.content_format(), Some(ContentFormat::SENML_CBOR));
    let entries = content::decode(ContentFormat::SENML_CBOR, Path::ROOT, send.payload()).unwrap();
    assert_eq!(entries, [integer("/3/0/9", 50), integer("/9/0/7", 0)]);
    assert_eq!((ended(&pair, Fate::Sent), ended(&pair, Fate::Answered)), (1, 1));
    let completed = |event: &Event| matches!(event, Event::Completed { stage: Stage::Send, .. });
    assert!(pair.events.iter().any(|(_, event)| completed(event)));
    assert!(!pair.reports());
}

#[test]
fn a_send_is_refused_where_it_may_not_be() {
    let refused = |setup: Setup, paths: &[Path]| {
        let mut pair = setup.start();
        let refused = pair.client.send(SSID, paths, pair.now).unwrap_err();
        pair.run_for(secs(1));
        assert!(sends(&pair).is_empty());
        refused
    };
    assert_eq!(refused(Setup::default(), &[MEASURED]), SendRefused::Muted, "absent is muted");
    assert_eq!(refused(Setup::default().with(flag("/1/0/23", true)), &[MEASURED]), SendRefused::Muted);
    assert_eq!(refused(Setup { version: Version::V1_0, ..unmuted() }, &[MEASURED]), SendRefused::Version);
    assert_eq!(refused(unmuted(), &[path("/5/0")]), SendRefused::NoValues);
    assert_eq!(refused(unmuted(), &[]), SendRefused::NoValues);
    let mut pair = unmuted().start();
    assert_eq!(pair.client.send(7, &[MEASURED], pair.now), Err(SendRefused::NotRegistered));
    assert_eq!(pair.client.send(SSID, &[MEASURED], pair.now), Ok(()));
    assert_eq!(pair.client.send(SSID, &[MEASURED], pair.now), Err(SendRefused::Busy));
}

#[test]
fn a_refused_send_is_a_failure_and_not_repeated() {
    let mut pair = unmuted().start();
    pair.send_code = Code::NOT_FOUND;
    pair.client.send(SSID, &[MEASURED], pair.now).unwrap();
    pair.settle();
    pair.run_for(secs(500));
    assert_eq!((sends(&pair).len(), ended(&pair, Fate::Answered)), (1, 1));
    let refused = crate::protocol::client::Failure::Refused(RequestKind::Send, Code::NOT_FOUND);
    assert!(pair.events.iter().any(|(_, event)| *event == Event::Failed(refused)));
    assert_eq!(pair.client.state(), State::Registered);
}

#[test]
fn a_send_nobody_answers_times_out_and_harms_nothing_else() {
    let mut pair = unmuted().start();
    pair.lost = Box::new(|_| true);
    pair.client.send(SSID, &[MEASURED], pair.now).unwrap();
    assert_eq!(pair.client.in_flight().collect::<Vec<_>>(), [RequestKind::Send]);
    pair.settle();
    pair.run_for(secs(100));
    assert_eq!((ended(&pair, Fate::Sent), ended(&pair, Fate::TimedOut)), (1, 1));
    assert_eq!((pair.client.in_flight().count(), pair.client.state()), (0, State::Registered));
}

#[test]
fn a_plan_sends_again_and_again() {
    let plan = SendPlan { every: secs(60), jitter: secs(10), paths: vec![MEASURED] };
    let policy = ReportPolicy { send: Some(plan), ..ReportPolicy::default() };
    let mut pair = Setup { policy, ..unmuted() }.start();
    let since = pair.now;
    pair.run_for(secs(3600));
    let instants: Vec<Instant> =
        pair.asked.iter().filter(|(_, message)| message.path_is(&["dp"])).map(|(at, _)| *at).collect();
    assert!((51..=60).contains(&instants.len()), "{}", instants.len());
    let all: Vec<Instant> = std::iter::once(since - secs(1)).chain(instants).collect();
    for two in all.windows(2) {
        assert!((secs(60)..secs(71)).contains(&two[1].since(two[0])), "{two:?}");
    }
    // A Send in flight when the meter is stopped is accounted for.
    pair.lost = Box::new(|_| true);
    pair.run_for(secs(71));
    pair.client.stop();
    pair.settle();
    let ends: usize = [Fate::Answered, Fate::TimedOut, Fate::Reset, Fate::Abandoned]
        .map(|fate| ended(&pair, fate))
        .iter()
        .sum();
    assert_eq!((ended(&pair, Fate::Sent), ended(&pair, Fate::Abandoned)), (ends, 1));
}

#[test]
fn a_planned_send_waits_for_the_one_before_and_counts_from_when_it_was_due() {
    let plan = SendPlan { every: secs(10), jitter: Duration::ZERO, paths: vec![MEASURED] };
    let policy = ReportPolicy { send: Some(plan), ..ReportPolicy::default() };
    let mut pair = Setup { policy, ..unmuted() }.start();
    let since = pair.now;
    pair.run_for(secs(11));
    assert_eq!(sends(&pair).len(), 1);
    pair.lost = Box::new(|_| true);
    pair.run_for(secs(14));
    assert_eq!(ended(&pair, Fate::Sent), 2);
    pair.lost = Box::new(|_| false);
    pair.run_for(secs(60));
    let late = |(at, event): &(Instant, Event)| match event {
        Event::Completed { stage: Stage::Send, since } => Some(at.since(*since)),
        _ => None,
    };
    let latest = pair.events.iter().filter_map(late).max().unwrap();
    assert!(latest > secs(4), "{latest:?} since {since:?}");
    assert_eq!(ended(&pair, Fate::TimedOut), 0);
}

#[test]
fn a_muted_plan_sends_nothing_and_does_not_spin() {
    let plan = SendPlan { every: secs(10), jitter: Duration::ZERO, paths: vec![MEASURED] };
    let policy = ReportPolicy { send: Some(plan), ..ReportPolicy::default() };
    let mut pair = Setup { policy, ..Setup::measuring(1) }.start();
    pair.run_for(secs(100));
    assert!(sends(&pair).is_empty());
    pair.write("/1/0/23", Value::Boolean(false));
    pair.run_for(secs(11));
    assert_eq!(sends(&pair).len(), 1);
}
