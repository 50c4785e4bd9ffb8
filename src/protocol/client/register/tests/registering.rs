//! Coming to a registration: the Register, retries, versions, profile IDs.

use super::*;

fn integer(id: u16, n: u64) -> (u16, Value) {
    (id, Value::Unsigned(n))
}

fn no_bootstrap() -> (u16, Value) {
    (16, Value::Boolean(false))
}

#[test]
fn a_register_says_what_the_account_has() {
    let bench = Bench::with_one(RegistrationPolicy::default(), &[], obliging);
    assert_eq!(bench.last().target, "/rd?ep=meter&lt=300&lwm2m=1.2&b=U");
    assert!(bench.last().list.starts_with("</>;rt=\"oma.lwm2m\""), "{}", bench.last().list);
    assert_eq!(bench.state(), State::Registered);
}

#[test]
fn tries_follow_the_resources_of_the_server() {
    // Three tries, the waits 10 and 20 s; a hundred seconds to the second and last sequence. Then the same
    // again, as nobody is there to bootstrap from.
    let own = [integer(17, 3), integer(18, 10), integer(19, 100), integer(20, 2)];
    let mut bench = Bench::with_one(RegistrationPolicy::default(), &own, |_| refuse(Code::FORBIDDEN));
    bench.run_to(300);
    assert_eq!(bench.times("/rd"), [0, 10, 30, 130, 140, 160, 260, 270, 290]);
    assert_eq!(bench.state(), State::RegistrationBackoff);
}

#[test]
fn the_defaults_are_five_tries_and_a_day() {
    let mut bench = Bench::with_one(RegistrationPolicy::default(), &[], |_| refuse(Code::FORBIDDEN));
    bench.run_to(90_000);
    assert_eq!(bench.times("/rd"), [0, 60, 180, 420, 900, 87_300, 87_360, 87_480, 87_720, 88_200]);
}

#[test]
fn the_largest_sequence_delay_means_never_again() {
    let own = [integer(17, 2), integer(18, 10), integer(19, u32::MAX.into()), integer(20, 3)];
    let accounts = vec![bootstrap_account(), account(1, &own)];
    let mut bench = Bench::new(RegistrationPolicy::default(), accounts, |_| refuse(Code::FORBIDDEN));
    bench.run_to(1_000_000);
    assert_eq!(bench.log(), ["0 1 POST /rd", "10 1 POST /rd"]);
    assert_eq!(bench.state(), State::Failed);
}

#[test]
fn used_up_tries_lead_to_a_bootstrap_only_where_resource_16_and_an_account_allow_it() {
    let bootstraps = |accounts: Vec<Vec<Entry>>| {
        let mut bench = Bench::new(RegistrationPolicy::default(), accounts, |_| refuse(Code::FORBIDDEN));
        bench.run_to(3_000);
        !bench.times("/bs").is_empty()
    };
    let short = [integer(17, 1)];
    assert!(bootstraps(vec![bootstrap_account(), account(1, &short)]));
    assert!(!bootstraps(vec![bootstrap_account(), account(1, &[integer(17, 1), no_bootstrap()])]));
    assert!(!bootstraps(vec![account(1, &short)]));
}

#[test]
fn a_refusal_may_end_the_tries_at_once() {
    let policy = RegistrationPolicy { refusal: Some(Refusal::Final), ..RegistrationPolicy::default() };
    let accounts = || vec![bootstrap_account(), account(1, &[])];
    let mut refused = Bench::new(policy.clone(), accounts(), servers_refuse(Code::FORBIDDEN));
    refused.run_to(16);
    assert_eq!((refused.times("/rd"), refused.times("/bs").len()), (vec![0], 1));
    // Silence is no refusal.
    let mut unanswered = Bench::new(policy, accounts(), |_| Reply::Silence);
    unanswered.run_to(200);
    assert_eq!((unanswered.times("/rd").len(), unanswered.times("/bs").len()), (2, 0));
}

#[test]
fn a_device_of_1_0_goes_straight_to_its_bootstrap_server() {
    let accounts = vec![bootstrap_account(), account(1, &[integer(17, 5)])];
    let refusing = servers_refuse(Code::FORBIDDEN);
    let mut bench = Bench::of(Version::V1_0, RegistrationPolicy::default(), accounts, refusing);
    bench.run_to(16);
    assert_eq!((bench.times("/rd"), bench.times("/bs").len()), (vec![0], 1));
}

#[test]
fn a_server_that_cannot_be_reached_is_reached_for_again() {
    let mut bench = Bench::with_one(RegistrationPolicy::default(), &[integer(18, 10)], |_| Reply::Reset);
    bench.closed.push(Link::Server(1));
    bench.run_to(30);
    // The first found a way, and an RST; the next two tries did not even find that.
    assert_eq!((bench.times("/rd"), bench.opened.len()), (vec![0], 3));
    bench.closed.clear();
    bench.script = Box::new(obliging);
    bench.run_to(71);
    assert_eq!((bench.times("/rd"), bench.state()), (vec![0, 70], State::Registered));
}

#[test]
fn the_version_is_lowered_step_by_step_and_stays_so() {
    let old_server = |seen: &Seen| match seen.target.contains("lwm2m=1.0") || !seen.target.starts_with("/rd?")
    {
        true => obliging(seen),
        false => refuse(Code::PRECONDITION_FAILED),
    };
    let mut bench = Bench::with_one(RegistrationPolicy::default(), &[], old_server);
    let versions = |bench: &Bench| -> Vec<String> {
        bench
            .seen
            .iter()
            .filter_map(|seen| seen.target.split("lwm2m=").nth(1))
            .map(|v| v[..3].to_owned())
            .collect()
    };
    assert_eq!(versions(&bench), ["1.2", "1.1", "1.0"]);
    assert_eq!((bench.state(), bench.now), (State::Registered, Instant::ZERO));
    // The list speaks the language of the version.
    assert!(!bench.last().list.contains("ver="), "{}", bench.last().list);
    assert!(bench.last().list.contains("11542"), "{}", bench.last().list);
    bench.script = Box::new(move |seen| match seen.target.as_str() {
        "/rd/7" => refuse(Code::NOT_FOUND),
        _ => old_server(seen),
    });
    bench.run_to(151);
    assert_eq!(versions(&bench)[3..], ["1.0"]);
    // A server that wants none of them is one that refuses.
    let mut bench =
        Bench::with_one(RegistrationPolicy::default(), &[], |_| refuse(Code::PRECONDITION_FAILED));
    bench.run_to(60);
    assert_eq!(versions(&bench), ["1.2", "1.1", "1.0", "1.0"]);
}

#[test]
fn max_age_is_the_retry_delay_where_it_is_honoured() {
    let busy = |seen: &Seen| match seen.at < Instant::from_secs(40) {
        true => Reply::Answer(Message::response(Code::SERVICE_UNAVAILABLE).with_max_age(25)),
        false => obliging(seen),
    };
    let times = |honour_max_age| {
        let policy = RegistrationPolicy { honour_max_age, ..RegistrationPolicy::default() };
        let mut bench = Bench::with_one(policy, &[integer(17, 2)], busy);
        bench.run_to(70);
        bench.times("/rd")
    };
    // Honoured, it uses up no try.
    assert_eq!(times(true), [0, 25, 50]);
    assert_eq!(times(false), [0, 60]);
}

#[test]
fn max_age_holds_an_update_back_too() {
    let policy = RegistrationPolicy { honour_max_age: true, ..RegistrationPolicy::default() };
    let mut bench = Bench::with_one(policy, &[], |seen| match (seen.target.as_str(), seen.at) {
        ("/rd/7?lt=400", at) if at < Instant::from_secs(15) => {
            Reply::Answer(Message::response(Code::SERVICE_UNAVAILABLE).with_max_age(10))
        }
        _ => obliging(seen),
    });
    bench.set(Path::resource(1, 1, 1), Value::Integer(400));
    bench.run_to(9);
    bench.with(|client, now| client.registration_changed(Changed::Lifetime(1), now));
    bench.run_to(30);
    // What was to be told is told again.
    assert_eq!(bench.log(), ["0 1 POST /rd", "9 1 POST /rd/7?lt=400", "19 1 POST /rd/7?lt=400"]);
}

#[test]
fn a_profile_id_stands_for_the_list_until_the_server_asks_for_it() {
    let policy = RegistrationPolicy { profile_id: true, ..RegistrationPolicy::default() };
    let bench = Bench::with_one(policy.clone(), &[], obliging);
    let pid = bench.last().target.split("pid=").nth(1).expect("it has one").to_owned();
    assert!(pid.starts_with("6:") && pid.len() == 10, "{pid}");
    assert_eq!(bench.last().list, "");

    let forgetful = |seen: &Seen| match seen.list.is_empty() {
        true => refuse(Code::CONFLICT),
        false => obliging(seen),
    };
    let mut bench = Bench::with_one(policy.clone(), &[], forgetful);
    assert_eq!((bench.times("/rd"), bench.state()), (vec![0, 0], State::Registered));
    assert!(bench.last().list.contains("</3/0>") && bench.last().target.contains(&pid), "{:?}", bench.last());
    // Another list has another ID, and a server that does not know it gets a full Register.
    bench.set(Path::resource(7, 0, 6), Value::Integer(1));
    bench.script = Box::new(move |seen| match seen.target.starts_with("/rd/7") {
        true => refuse(Code::CONFLICT),
        false => forgetful(seen),
    });
    bench.with(|client, now| client.registration_changed(Changed::Objects, now));
    bench.run_to(1);
    assert_eq!(bench.times("/rd/7").len(), 1);
    assert!(
        bench.last().list.contains("</7/0>") && !bench.last().target.contains(&pid),
        "{:?}",
        bench.last()
    );
    // Before 1.2 there is no such thing.
    let bench = Bench::of(Version::V1_1, policy, vec![account(1, &[])], obliging);
    assert!(!bench.last().target.contains("pid"));
}

#[test]
fn a_server_that_will_have_no_profile_and_no_list_is_not_stormed() {
    let policy = RegistrationPolicy { profile_id: true, ..RegistrationPolicy::default() };
    let mut bench = Bench::with_one(policy, &[], |_| refuse(Code::CONFLICT));
    bench.run_to(10);
    assert_eq!(bench.times("/rd"), [0, 0]);
}

#[test]
fn a_location_is_echoed_with_its_empty_segments() {
    let mut bench =
        Bench::with_one(RegistrationPolicy::default(), &[], |seen| match seen.target.starts_with("/rd?") {
            true => Reply::Answer(Message::response(Code::CREATED).with_location(&["reg", "1", ""])),
            false => obliging(seen),
        });
    bench.run_to(150);
    assert_eq!(bench.last().target, "/reg/1/");
    bench.with(|client, now| client.shutdown(now));
    assert_eq!((bench.last().code, bench.last().target.as_str()), (Code::DELETE, "/reg/1/"));
}
