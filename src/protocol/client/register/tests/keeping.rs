//! Keeping a registration: Updates, sleep, disabling, reboots, leaving.

use super::*;

fn one(script: impl FnMut(&Seen) -> Reply + 'static) -> Bench {
    Bench::with_one(RegistrationPolicy::default(), &[], script)
}

#[test]
fn an_update_says_only_what_has_changed() {
    let mut bench = one(obliging);
    bench.run_to(10);
    bench.set(Path::resource(1, 1, 1), Value::Integer(600));
    bench.with(|client, now| client.registration_changed(Changed::Lifetime(1), now));
    bench.run_to(20);
    bench.set(Path::resource(1, 1, 7), Value::from("UT"));
    bench.with(|client, now| client.registration_changed(Changed::Binding(1), now));
    bench.run_to(30);
    bench.set(Path::resource(7, 0, 6), Value::Integer(1));
    bench.with(|client, now| client.registration_changed(Changed::Objects, now));
    bench.run_to(40);
    assert_eq!(
        bench.log(),
        ["0 1 POST /rd", "10 1 POST /rd/7?lt=600", "20 1 POST /rd/7?b=UT", "30 1 POST /rd/7"]
    );
    assert_eq!(bench.seen[1].list, "");
    assert!(bench.seen[3].list.contains("</3/0>,</7/0>"), "{}", bench.seen[3].list);
    // The new lifetime is the one that counts.
    bench.run_to(330);
    assert_eq!(bench.times("/rd/7"), [10, 20, 30, 330]);
    assert_eq!(bench.last().list, "");
}

#[test]
fn what_was_written_anew_and_is_the_same_is_no_change() {
    let mut bench = one(obliging);
    bench.with(|client, now| {
        client.registration_changed(Changed::Lifetime(1), now);
        client.registration_changed(Changed::Binding(1), now);
    });
    bench.run_to(100);
    assert_eq!(bench.times("/rd/7"), [0; 0]);
}

#[test]
fn several_triggers_make_one_update() {
    let mut bench = one(obliging);
    bench.set(Path::resource(1, 1, 1), Value::Integer(600));
    bench.with(|client, now| {
        client.trigger_update(1, now);
        client.registration_changed(Changed::Lifetime(1), now);
        client.trigger_update(1, now);
        client.registration_changed(Changed::Objects, now);
    });
    bench.run_to(1);
    assert_eq!(bench.log()[1..], ["0 1 POST /rd/7?lt=600"]);
    assert!(bench.last().list.contains("</3/0>"));
}

#[test]
fn what_comes_about_during_an_update_waits_for_its_end() {
    let mut bench = one(|seen| if seen.target == "/rd/7" { Reply::Silence } else { obliging(seen) });
    bench.with(|client, now| client.trigger_update(1, now));
    bench.run_to(1);
    bench.set(Path::resource(1, 1, 1), Value::Integer(600));
    bench.with(|client, now| client.registration_changed(Changed::Lifetime(1), now));
    bench.with(|client, now| client.trigger_update(1, now));
    bench.run_to(20);
    assert_eq!(bench.times("/rd/7"), [0]);
    // The first Update got lost on the way and is repeated: now it is answered, and the next goes out.
    bench.mids.clear();
    bench.script = Box::new(obliging);
    bench.run_to(60);
    let updates: Vec<&str> = bench.seen[1..].iter().map(|seen| seen.target.as_str()).collect();
    assert_eq!(updates, ["/rd/7", "/rd/7", "/rd/7?lt=600"]);
}

#[test]
fn a_trigger_before_the_device_is_registered_is_answered_by_the_register() {
    let mut bench = one(|_| Reply::Silence);
    bench.set(Path::resource(1, 1, 1), Value::Integer(600));
    bench.script = Box::new(obliging);
    bench.run_to(1_000);
    assert_eq!(bench.times("/rd").len(), 2);
    assert!(bench.seen[1].target.contains("lt=600"));
}

#[test]
fn a_lifetime_that_ends_before_the_answer_leads_to_a_register() {
    let mut bench = one(|seen| if seen.target == "/rd/7" { Reply::Silence } else { obliging(seen) });
    bench.set(Path::resource(1, 1, 1), Value::Integer(40));
    bench.with(|client, now| client.registration_changed(Changed::Lifetime(1), now));
    bench.run_to(39);
    // Half of the lifetime: an Update that nobody answers, and would be given up after 60 s and more.
    assert_eq!(bench.log()[2..], ["20 1 POST /rd/7"]);
    bench.run_to(45);
    assert_eq!(bench.log()[3..], ["40 1 POST /rd"]);
    assert_eq!(bench.count(Event::Request { kind: RequestKind::Update, fate: Fate::Abandoned }), 1);
}

#[test]
fn updates_keep_to_the_timing_they_are_given() {
    for (timing, at) in [("half", 150), ("lt-93", 207), ("lt-247", 53), ("lt-10", 290), ("bc66", 250)] {
        let policy = RegistrationPolicy { update: timing.parse().ok(), ..RegistrationPolicy::default() };
        let mut bench = Bench::with_one(policy, &[], obliging);
        bench.run_to(300);
        assert_eq!(bench.times("/rd/7").first(), Some(&at), "{timing}");
    }
}

#[test]
fn every_update_may_carry_the_list() {
    let policy = RegistrationPolicy { update_with_objects: true, ..RegistrationPolicy::default() };
    let mut bench = Bench::with_one(policy, &[], obliging);
    bench.run_to(150);
    assert_eq!(bench.last().target, "/rd/7");
    assert!(bench.last().list.contains("</3/0>"));
}

/// A GET of /3/0/0, as a server sends it.
fn ask(bench: &mut Bench, mid: u16) {
    let [high, low] = mid.to_be_bytes();
    let request = [0x40, 1, high, low, 0xb1, b'3', 1, b'0', 1, b'0'];
    bench.client.handle_input(Link::Server(1), &request, bench.now);
}

#[test]
fn a_device_in_queue_mode_is_deaf_from_93_seconds_after_its_last_message() {
    let policy = RegistrationPolicy { queue_mode: true, ..RegistrationPolicy::default() };
    let accounts = vec![account(1, &[])];
    let mut bench = Bench::made_of(Version::V1_2, Params::default(), policy, accounts, Box::new(obliging));
    assert_eq!(bench.last().target, "/rd?ep=meter&lt=300&lwm2m=1.2&b=U&Q");
    let hears = |bench: &mut Bench, mid| {
        let missed = bench.count(Event::Asleep);
        ask(bench, mid);
        bench.settle();
        bench.count(Event::Asleep) == missed
    };
    bench.run_to(92);
    assert!(hears(&mut bench, 1));
    // That was a message, too.
    bench.run_to(92 + 92);
    assert!(hears(&mut bench, 2));
    // The Update at 150 s was the last that was not an answer.
    bench.run_to(184 + 93);
    assert!(!hears(&mut bench, 3));
    assert_eq!((bench.count(Event::Asleep), bench.state()), (1, State::Registered));
    // Something to tell wakes it.
    bench.with(|client, now| client.trigger_update(1, now));
    bench.run_to(278);
    assert_eq!(bench.times("/rd/7"), [150, 277]);
    assert!(hears(&mut bench, 4));
}

#[test]
fn queue_mode_is_part_of_the_binding_in_1_0() {
    let policy = RegistrationPolicy { queue_mode: true, ..RegistrationPolicy::default() };
    let bench = Bench::of(Version::V1_0, policy, vec![account(1, &[])], obliging);
    assert_eq!(bench.last().target, "/rd?ep=meter&lt=300&lwm2m=1.0&b=UQ");
    // An account of 1.0 may ask for it; from 1.1 on it is a flag.
    let queue = [(7, Value::from("UQ"))];
    let bench = Bench::with_one(RegistrationPolicy::default(), &queue, obliging);
    assert_eq!(bench.last().target, "/rd?ep=meter&lt=300&lwm2m=1.2&b=U&Q");
}

#[test]
fn a_disabled_device_leaves_and_comes_back() {
    let mut bench = Bench::with_one(RegistrationPolicy::default(), &[(5, Value::Integer(100))], obliging);
    bench.run_to(10);
    bench.with(|client, now| client.disable(1, now));
    assert_eq!((bench.last().code, bench.state()), (Code::DELETE, State::Disabled));
    bench.run_to(109);
    assert_eq!(bench.log().len(), 2);
    bench.run_to(111);
    assert_eq!(
        (bench.log()[2..].join(", "), bench.state()),
        ("110 1 POST /rd".to_owned(), State::Registered)
    );
    // And it stays, this time.
    bench.run_to(250);
    assert_eq!(bench.state(), State::Registered);
}

#[test]
fn a_disabled_server_is_left_alone_for_a_day_unless_it_says_otherwise() {
    let mut bench = one(obliging);
    bench.with(|client, now| client.disable(1, now));
    bench.run_to(90_000);
    assert_eq!(bench.times("/rd"), [0, 86_400]);
}

#[test]
fn disabling_waits_for_the_update_that_is_on_its_way() {
    let mut bench = one(|seen| if seen.target == "/rd/7" { Reply::Silence } else { obliging(seen) });
    bench.with(|client, now| client.trigger_update(1, now));
    bench.run_to(1);
    bench.with(|client, now| client.disable(1, now));
    assert_eq!(bench.state(), State::Updating);
    bench.mids.clear();
    bench.script = Box::new(obliging);
    bench.run_to(10);
    assert_eq!((bench.last().code, bench.state()), (Code::DELETE, State::Disabled));
}

#[test]
fn a_device_with_another_server_is_not_disabled_as_a_whole() {
    let accounts = vec![bootstrap_account(), account(1, &[]), account(2, &[])];
    let mut bench = Bench::new(RegistrationPolicy::default(), accounts, obliging);
    bench.with(|client, now| client.disable(1, now));
    assert_eq!(bench.state(), State::Registered);
    bench.with(|client, now| client.disable(2, now));
    assert_eq!(bench.state(), State::Disabled);
    // To be sent away is no failure.
    bench.run_to(1_000);
    assert_eq!(bench.times("/bs"), [0; 0]);
    bench.with(|client, now| client.shutdown(now));
    assert_eq!(bench.state(), State::Stopped);
}

#[test]
fn a_reboot_forgets_the_registration_unless_it_is_kept() {
    let reboot = |keep_registration_over_reboot, at| {
        let policy = RegistrationPolicy { keep_registration_over_reboot, ..RegistrationPolicy::default() };
        let mut bench = Bench::with_one(policy, &[], obliging);
        bench.run_to(at);
        bench.with(|client, now| client.reboot(now));
        assert_eq!(bench.state(), State::Registered);
        bench.run_to(at + 1);
        bench.log()[1..].to_vec()
    };
    assert_eq!(reboot(false, 50), ["50 1 POST /rd"]);
    assert_eq!(reboot(true, 50), ["50 1 POST /rd/7"]);
}

#[test]
fn a_kept_registration_that_the_server_forgot_is_made_anew() {
    let policy = RegistrationPolicy { keep_registration_over_reboot: true, ..RegistrationPolicy::default() };
    let mut bench = Bench::with_one(policy, &[], obliging);
    bench.script = Box::new(|seen| match seen.target.as_str() {
        "/rd/7" => refuse(Code::NOT_FOUND),
        _ => obliging(seen),
    });
    bench.with(|client, now| client.reboot(now));
    assert_eq!(bench.log()[1..], ["0 1 POST /rd/7", "0 1 POST /rd"]);
    assert_eq!(bench.state(), State::Registered);
}

#[test]
fn a_reboot_in_the_middle_of_an_update_ends_it() {
    let mut bench = one(|seen| if seen.target == "/rd/7" { Reply::Silence } else { obliging(seen) });
    bench.with(|client, now| client.trigger_update(1, now));
    bench.run_to(1);
    assert_eq!(bench.client.in_flight().collect::<Vec<_>>(), [RequestKind::Update]);
    bench.with(|client, now| client.reboot(now));
    assert_eq!(bench.count(Event::Request { kind: RequestKind::Update, fate: Fate::Abandoned }), 1);
    assert_eq!(bench.state(), State::Registered);
}

#[test]
fn the_answer_to_a_reboot_still_goes_out() {
    let mut bench = one(obliging);
    ask(&mut bench, 9);
    // What the device has to say is not fetched yet when it starts anew.
    bench.client.reboot(bench.now);
    let sent = |output: &Output| matches!(output, Output::Send { bytes, .. } if bytes[2..4] == [0, 9]);
    assert!(std::iter::from_fn(|| bench.client.poll_output()).any(|output| sent(&output)));
}

#[test]
fn the_answer_to_a_deregister_is_waited_for_as_long_as_the_policy_says() {
    let policy = RegistrationPolicy { deregister_timeout: Some(SECOND), ..RegistrationPolicy::default() };
    let mut bench = Bench::with_one(policy, &[], |seen| match seen.code {
        Code::DELETE => Reply::Silence,
        _ => obliging(seen),
    });
    bench.run_to(5);
    bench.with(|client, now| client.shutdown(now));
    assert_eq!(bench.state(), State::Deregistering);
    bench.run_to(6);
    assert_eq!(bench.state(), State::Deregistered);
    assert_eq!(bench.count(Event::Failed(Failure::TimedOut(RequestKind::Deregister))), 1);
}
