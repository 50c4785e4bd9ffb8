//! Who is on the list, and who is not any more.

use super::*;

#[test]
fn every_level_can_be_observed() {
    for (at, base) in [("/9", "/9"), ("/9/0", "/9/0"), ("/9/0/7", "/9/0/7"), ("/3/0/7/1", "/3/0/7/1")] {
        let mut pair = Setup::default().start();
        let (_, answer) = pair.observe(at, "", Some(ContentFormat::SENML_CBOR));
        assert!(answer.observe().is_some(), "{at}: {answer:?}");
        let changed = if at == "/3/0/7/1" { at } else { "/9/0/7" };
        pair.write_number(changed, 8);
        pair.write("/3/0/14", Value::String("Z".into()));
        pair.run_for(secs(1));
        assert_eq!(pair.told.len(), 1, "{at}");
        assert!(pair.told[0].entries(base).contains(&integer(changed, 8)), "{at}");
    }
}

#[test]
fn nothing_is_kept_of_a_device_nobody_observes() {
    let mut pair = Setup::default().start();
    assert!(!pair.reports());
    let (handle, _) = pair.observe("/3/0/14", "", None);
    assert!(pair.reports());
    pair.server.cancel_observation(handle, pair.now);
    pair.settle();
    pair.run_for(secs(1));
    assert!(!pair.reports());
    pair.write("/3/0/14", Value::String("Z".into()));
    pair.run_for(secs(1));
    assert!(pair.told.is_empty());
}

#[test]
fn observing_the_same_again_replaces_the_old_token() {
    let mut pair = Setup::default().start();
    let (_, first) = pair.observe("/9/0/7", "pmax=10", None);
    let (second, again) = pair.observe("/9/0/7", "pmax=20", None);
    assert_ne!(first.token(), again.token());
    assert_eq!(pair.observations(), 1);
    let since = pair.now;
    pair.run_for(secs(45));
    assert_eq!(pair.told_after(since), [20, 40]);
    assert!(pair.told.iter().all(|told| told.observation == second));
}

#[test]
fn a_reset_ends_the_observation() {
    for con in ["con=1", "con=0"] {
        let mut pair = Setup::default().start();
        let (handle, _) = pair.observe("/9/0/7", con, None);
        pair.observe("/9/1/7", con, None);
        pair.server.forget_observation(handle);
        pair.write_number("/9/0/7", 1);
        pair.write_number("/9/1/7", 1);
        pair.run_for(secs(1));
        assert_eq!(pair.observations(), 1, "{con}");
        let fates = (pair.fates(NotificationFate::Reset), pair.fates(NotificationFate::ResetNonConfirmable));
        assert_eq!(fates, if con == "con=1" { (1, 0) } else { (0, 1) });
        pair.write_number("/9/1/7", 2);
        pair.run_for(secs(1));
        assert_eq!(pair.told.len(), 2);
        pair.balance();
    }
}

#[test]
fn an_observer_who_never_acknowledges_is_taken_off_the_list() {
    let mut pair = Setup::default().start();
    pair.observe("/9/0/7", "con=1&pmax=10", None);
    pair.lost = Box::new(|_| true);
    pair.run_for(secs(200));
    assert_eq!(pair.observations(), 0);
    assert!(pair.fates(NotificationFate::TimedOut) >= 1);
    assert_eq!(pair.client.notifications_in_flight(), 0);
    assert!(!pair.reports());
    pair.balance();
}

#[test]
fn what_is_deleted_is_told_to_be_gone() {
    let mut pair = Setup::default().start();
    assert_eq!(pair.write_attributes("/9/1", "pmin=1"), Code::CHANGED);
    let (gone, _) = pair.observe("/9/1/7", "", None);
    let (whole, _) = pair.observe("/9", "", Some(ContentFormat::SENML_CBOR));
    pair.delete("/9/1");
    pair.run_for(secs(2));
    assert_eq!(pair.ended, [(gone, Code::NOT_FOUND)]);
    assert_eq!(pair.observations(), 1);
    assert_eq!(pair.told.iter().map(|told| told.observation).collect::<Vec<_>>(), [whole]);
    assert_eq!(pair.attributes("/9/1"), "");
}

#[test]
fn a_new_register_voids_observations_and_keeps_attributes() {
    let mut pair = Setup::default().with(integer("/1/0/1", 60)).start();
    assert_eq!(pair.write_attributes("/9", "pmin=1"), Code::CHANGED);
    pair.observe("/9/0/7", "con=1", None);
    pair.run_for(secs(20));
    pair.lost = Box::new(|_| true);
    pair.write_number("/9/0/7", 1);
    // The Update waits behind the notification (NSTART) until the lifetime has run out.
    pair.run_for(secs(35));
    assert_eq!((pair.client.state(), pair.client.notifications_in_flight()), (State::Updating, 1));
    let registers = |pair: &Pair| pair.asked.iter().filter(|(_, asked)| asked.path_is(&["rd"])).count();
    pair.run_for(secs(5));
    pair.lost = Box::new(|_| false);
    pair.run_for(secs(10));
    assert_eq!((registers(&pair), pair.client.state()), (2, State::Registered));
    assert_eq!((pair.observations(), pair.client.notifications_in_flight()), (0, 0));
    assert_eq!(pair.fates(NotificationFate::Abandoned), 1);
    assert_eq!(pair.attributes("/9"), "pmin=1");
    pair.balance();
}

#[test]
fn who_leaves_or_stops_accounts_for_what_was_on_its_way() {
    for leave in [Client::shutdown, |client: &mut Client, _| client.stop()] {
        let mut pair = Setup::default().start();
        pair.observe("/9/0/7", "con=1&pmax=5", None);
        pair.lost = Box::new(|_| true);
        pair.run_for(secs(6));
        assert_eq!(pair.client.notifications_in_flight(), 1);
        leave(&mut pair.client, pair.now);
        pair.settle();
        pair.run_for(secs(300));
        assert_eq!(pair.fates(NotificationFate::Abandoned), 1);
        pair.balance();
    }
}

#[test]
fn a_composite_is_observed_as_one() {
    let mut pair = Setup::measuring(50).start();
    assert_eq!(pair.write_attributes("/3/0/9", "st=10"), Code::CHANGED);
    let (handle, answer) = pair.ask_to_observe(fetch(&["/9/0/7", "/3/0/9", "/9/7", "/3/0/16"]));
    assert!(answer.observe().is_some());
    pair.measure(55);
    pair.run_for(secs(10));
    assert!(pair.told.is_empty(), "a step of 5 is none for this path");
    pair.write_number("/9/0/7", 4);
    pair.run_for(secs(1));
    assert_eq!(pair.told.len(), 1);
    let expected = [text("/3/0/16", "U"), integer("/9/0/7", 4)];
    let told = pair.told[0].entries("/");
    assert!(expected.iter().all(|entry| told.contains(entry)), "{told:?}");
    assert!(told.contains(&integer("/3/0/9", 55)), "whole, as the paths are observed together");
    // What is deleted is missing from then on, and the rest goes on.
    pair.delete("/9/0");
    pair.run_for(secs(1));
    assert_eq!(pair.told[1].entries("/").len(), 2);
    assert_eq!(pair.observations(), 1);
    pair.server.cancel_observation(handle, pair.now);
    pair.settle();
    pair.run_for(secs(1));
    assert_eq!(pair.observations(), 0);
}

#[test]
fn a_composite_with_thresholds_only_waits_for_them() {
    let mut pair = Setup::measuring(50).start();
    assert_eq!(pair.write_attributes("/3/0/9", "gt=80"), Code::CHANGED);
    pair.ask_to_observe(fetch(&["/3/0/9", "/3/0/16"]));
    for (level, told) in [(70, 0), (81, 1), (90, 1), (10, 2)] {
        pair.measure(level);
        pair.run_for(secs(3));
        assert_eq!(pair.told.len(), told, "{level}");
    }
}

#[test]
fn several_servers_rights_are_held_against_each() {
    // A second account, so that access control counts: this server may read /9/0 only.
    let mut pair = Setup::default()
        .with(text("/0/2/0", "coap://127.0.0.1:3"))
        .with(flag("/0/2/1", false))
        .with(integer("/0/2/10", 102))
        .with(integer("/1/1/0", 102))
        .with(integer("/2/0/0", 9))
        .with(integer("/2/0/1", 0))
        .with(integer("/2/0/2/101", 1))
        .with(integer("/2/0/3", 102))
        .start();
    let (_, denied) = pair.observe("/9/1/7", "", None);
    assert_eq!((denied.code(), denied.observe()), (Code::UNAUTHORIZED, None));
    let (_, object) = pair.observe("/9", "", Some(ContentFormat::SENML_CBOR));
    let entries = content::decode(ContentFormat::SENML_CBOR, path("/9"), object.payload()).unwrap();
    assert!(entries.iter().all(|entry| entry.path.starts_with(&path("/9/0"))), "{entries:?}");
    // The right is taken away: the observations go with it.
    pair.observe("/9/0/7", "", None);
    pair.write_number("/2/0/2/101", 0);
    pair.write_number("/9/0/7", 5);
    pair.run_for(secs(1));
    assert_eq!(pair.ended.iter().map(|(_, code)| *code).collect::<Vec<_>>(), [Code::UNAUTHORIZED; 2]);
}

#[test]
fn fifteen_observations_are_small() {
    let mut pair = Setup::default().start();
    for resource in 0..15 {
        let at = format!("/33000/0/{resource}");
        pair.client.tree.set(path(&at), Value::Integer(1));
        pair.observe(&at, "", None);
    }
    assert_eq!(pair.observations(), 15);
    let registration = pair.client.registered(SSID).unwrap();
    let size = registration.reporting.as_ref().unwrap().size();
    assert!(size <= size_of::<Reporting>() + 15 * 80, "{size}");
    assert!(size_of::<Reporting>() <= 160, "{}", size_of::<Reporting>());
}

#[test]
fn a_deadline_is_told_with_its_reason() {
    let mut pair = Setup::default().start();
    let since = pair.now;
    pair.observe("/9/0/7", "pmax=20", None);
    pair.run_for(secs(1));
    let due = pair.client.registered(SSID).unwrap().report_due().unwrap();
    assert_eq!(due.since(since).as_secs(), 20);
    assert!(!pair.client.wants_to_report(SSID, due - secs(1)));
    assert!(pair.client.wants_to_report(SSID, due));
}
