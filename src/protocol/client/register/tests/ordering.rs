//! Several servers: who is registered with when, and what the device is meanwhile.

use super::*;

fn priority(place: u64) -> (u16, Value) {
    (13, Value::Unsigned(place))
}

/// Answers only those servers that are listed, and refuses the others.
fn only(open: &'static [u16]) -> impl Fn(&Seen) -> Reply + 'static {
    move |seen| match seen.link {
        Link::Server(server) if open.contains(&server) => obliging(seen),
        Link::Bootstrap => Reply::Silence,
        _ => refuse(Code::FORBIDDEN),
    }
}

#[test]
fn servers_with_a_priority_go_one_after_another_and_the_others_at_once() {
    let accounts = vec![
        account(1, &[]),
        account(2, &[priority(9)]),
        account(3, &[priority(5), (18, Value::Unsigned(10))]),
    ];
    // The first of the order answers at its second try.
    let mut bench = Bench::new(RegistrationPolicy::default(), accounts, |seen| {
        match seen.link == Link::Server(3) && seen.at < Instant::from_secs(5) {
            true => refuse(Code::FORBIDDEN),
            false => obliging(seen),
        }
    });
    bench.run_to(20);
    assert_eq!(bench.log(), ["0 3 POST /rd", "0 1 POST /rd", "10 3 POST /rd", "10 2 POST /rd"]);
}

#[test]
fn one_registered_server_makes_a_registered_device() {
    let accounts = vec![account(1, &[(18, Value::Unsigned(10))]), account(2, &[])];
    let mut bench = Bench::new(RegistrationPolicy::default(), accounts, only(&[2]));
    bench.run_to(5);
    assert_eq!((bench.times("/rd").len(), bench.state()), (2, State::Registered));
    // And is registered from the first 2.01 on, once.
    let onboarded = Event::Completed { stage: Stage::Onboarding, since: Instant::ZERO };
    bench.script = Box::new(obliging);
    bench.run_to(15);
    assert_eq!(bench.count(onboarded), 1);
    assert_eq!(
        bench.count(Event::Completed { stage: Stage::Registration, since: Instant::from_secs(10) }),
        1
    );
}

#[test]
fn a_delay_counts_from_the_server_before_and_until_the_first_success_only() {
    let delayed = [priority(2), (14, Value::Unsigned(30))];
    let accounts = vec![account(1, &[priority(1)]), account(2, &delayed)];
    let slow = |seen: &Seen| match seen.at < Instant::from_secs(60) {
        true => refuse(Code::FORBIDDEN),
        false => obliging(seen),
    };
    let mut bench = Bench::new(RegistrationPolicy::default(), accounts, slow);
    bench.run_to(100);
    assert_eq!(bench.log(), ["0 1 POST /rd", "60 1 POST /rd", "90 2 POST /rd"]);
    bench.with(|client, now| client.reboot(now));
    assert_eq!(bench.log()[3..], ["100 1 POST /rd", "100 2 POST /rd"]);
}

#[test]
fn a_failing_server_holds_the_next_back_only_where_resource_15_says_so() {
    let tries = |blocks| {
        let first = [priority(1), (15, Value::Boolean(blocks)), (17, Value::Unsigned(2))];
        let accounts = vec![account(1, &first), account(2, &[priority(2)])];
        let mut bench = Bench::new(RegistrationPolicy::default(), accounts, only(&[2]));
        bench.run_to(3_000);
        (bench.log(), bench.state())
    };
    let (log, state) = tries(false);
    assert_eq!(
        (log[..3].join(", "), state),
        ("0 1 POST /rd, 60 1 POST /rd, 60 2 POST /rd".to_owned(), State::Registered)
    );
    let (log, state) = tries(true);
    assert_eq!((log.len(), state), (2, State::RegistrationBackoff));
}

#[test]
fn a_server_that_was_held_back_goes_on_when_the_one_before_it_answers() {
    let first =
        [priority(1), (15, Value::Boolean(true)), (17, Value::Unsigned(1)), (19, Value::Unsigned(50))];
    let accounts = vec![account(1, &first), account(2, &[priority(2)])];
    let mut bench = Bench::new(RegistrationPolicy::default(), accounts, only(&[2]));
    bench.run_to(20);
    bench.script = Box::new(obliging);
    bench.run_to(60);
    assert_eq!(bench.log(), ["0 1 POST /rd", "50 1 POST /rd", "50 2 POST /rd"]);
}

#[test]
fn a_bootstrap_comes_only_when_every_server_has_failed() {
    let short = |wait| [(17, Value::Unsigned(1)), (19, Value::Unsigned(wait))];
    let accounts = || vec![bootstrap_account(), account(1, &short(20)), account(2, &short(30))];
    let mut bench = Bench::new(RegistrationPolicy::default(), accounts(), only(&[2]));
    bench.run_to(100);
    assert_eq!((bench.times("/bs").len(), bench.state()), (0, State::Registered));
    // The one that was up goes too.
    bench.script = Box::new(only(&[]));
    bench.run_to(300);
    assert!(!bench.times("/bs").is_empty());

    // Both fail from the start: the first does not wait for the other's second chance.
    let mut bench = Bench::new(RegistrationPolicy::default(), accounts(), only(&[]));
    bench.run_to(19);
    assert_eq!((bench.times("/rd"), bench.times("/bs").len()), (vec![0, 0], 1));
}

#[test]
fn leaving_takes_back_every_registration() {
    let accounts = vec![account(1, &[]), account(2, &[]), account(3, &[])];
    let mut bench =
        Bench::new(RegistrationPolicy::default(), accounts, |seen| match (seen.link, seen.code) {
            // One never was, one is slow.
            (Link::Server(3), _) => refuse(Code::FORBIDDEN),
            (Link::Server(2), Code::DELETE) => Reply::Silence,
            _ => obliging(seen),
        });
    bench.with(|client, now| client.shutdown(now));
    assert_eq!(bench.log()[3..], ["0 1 DELETE /rd/7", "0 2 DELETE /rd/7"]);
    assert_eq!(bench.state(), State::Deregistering);
    bench.run_to(100);
    assert_eq!(bench.state(), State::Deregistered);
}

#[test]
fn a_server_whose_uri_is_none_does_not_stop_the_others() {
    let mut broken = account(1, &[priority(1)]);
    broken[0].value = Value::from("http://127.0.0.1");
    let bench =
        Bench::new(RegistrationPolicy::default(), vec![broken.clone(), account(2, &[priority(2)])], obliging);
    assert_eq!((bench.log(), bench.state()), (vec!["0 2 POST /rd".to_owned()], State::Registered));
    let alone = Bench::new(RegistrationPolicy::default(), vec![broken], obliging);
    assert_eq!((alone.log().len(), alone.state()), (0, State::Failed));
}

#[test]
fn anjay_ignores_the_order_and_zephyr_keeps_to_one_server() {
    let accounts = || vec![account(1, &[priority(2)]), account(2, &[priority(1), (17, Value::Unsigned(1))])];
    let policy = |behaviour| RegistrationPolicy { behaviour, ..RegistrationPolicy::default() };
    let bench = Bench::new(policy(Behaviour::Anjay), accounts(), |_| Reply::Silence);
    assert_eq!(bench.log(), ["0 1 POST /rd", "0 2 POST /rd"]);
    let bench = Bench::new(policy(Behaviour::Zephyr), accounts(), obliging);
    assert_eq!(bench.log(), ["0 2 POST /rd"]);
    let mut bench = Bench::new(policy(Behaviour::Zephyr), accounts(), only(&[1]));
    bench.run_to(5_000);
    assert_eq!(bench.log()[..2], ["0 2 POST /rd", "0 1 POST /rd"]);
    // The first is not tried again while the second knows the device.
    assert_eq!(bench.times("/rd").len(), 2);
}
