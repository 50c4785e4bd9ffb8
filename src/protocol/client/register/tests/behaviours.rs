//! The table of behaviours, row by row.

use super::*;

/// What a device with that behaviour does at its server and when, in seconds, up to its first bootstrap or
/// `until`. No wait of the message layer is drawn in a bench, so that a request is given up after 62 s.
fn deeds(
    behaviour: Behaviour,
    bootstraps: bool,
    until: u64,
    script: impl FnMut(&Seen) -> Reply + 'static,
) -> String {
    let policy =
        RegistrationPolicy { behaviour, update: Some(UpdateTiming::Half), ..RegistrationPolicy::default() };
    let mut accounts = vec![account(1, &[])];
    if bootstraps {
        accounts.push(bootstrap_account());
    }
    let mut script: Script = Box::new(script);
    let mut bench = Bench::new(policy, accounts, move |seen| match seen.link {
        Link::Bootstrap => Reply::Silence,
        _ => script(seen),
    });
    bench.run_to(until);
    let mut deeds = Vec::new();
    let mut before = Instant::ZERO;
    for seen in &bench.seen {
        let at = seen.at.since_origin().as_secs();
        match (seen.link, seen.target.split('?').next()) {
            // The wait of the bootstrap policy is drawn.
            (Link::Bootstrap, _) if seen.at == before => deeds.push("bootstrap at once".to_owned()),
            (Link::Bootstrap, _) => deeds.push("bootstrap".to_owned()),
            (_, Some("/rd")) => deeds.push(format!("{at} register")),
            _ => deeds.push(format!("{at} update")),
        }
        if seen.link == Link::Bootstrap {
            break;
        }
        before = seen.at;
    }
    deeds.join(", ")
}

/// Answers as an obliging server does, but Updates with this, until one Register more has come.
fn spoil_updates(reply: fn() -> Reply) -> impl FnMut(&Seen) -> Reply + 'static {
    let mut registers = 0;
    move |seen| {
        registers += u32::from(seen.target.starts_with("/rd?"));
        if seen.target == "/rd/7" && registers == 1 { reply() } else { obliging(seen) }
    }
}

fn busy() -> Reply {
    Reply::Answer(Message::response(Code::SERVICE_UNAVAILABLE).with_max_age(5))
}

/// A case: what it is, the seconds looked at, the server, and what is expected of each behaviour.
type Case = (&'static str, u64, fn() -> Script, [&'static str; 5]);

#[test]
fn each_behaviour_reacts_as_its_row_says() {
    let tries = "0 register, 60 register, 180 register, 420 register";
    // A try takes 62 s, and the waits of /1/x/18 come on top.
    let slow_tries = "0 register, 122 register, 304 register, 606 register";
    let cases: [Case; 6] = [
        (
            "Register refused with 4.03",
            500,
            || Box::new(|_| refuse(Code::FORBIDDEN)),
            [tries, tries, tries, "0 register, bootstrap at once", "0 register, bootstrap"],
        ),
        (
            "Register refused with 5.03 and a Max-Age of 5 s",
            500,
            || Box::new(|_| busy()),
            [tries, tries, tries, "0 register, bootstrap at once", "0 register, bootstrap"],
        ),
        (
            "Register not answered",
            650,
            || Box::new(|_| Reply::Silence),
            [
                slow_tries,
                slow_tries,
                slow_tries,
                "0 register, 62 register, bootstrap",
                "0 register, 63 register, 127 register, 193 register, 263 register, 341 register, bootstrap",
            ],
        ),
        (
            "Update refused with 4.04",
            250,
            || Box::new(spoil_updates(|| refuse(Code::NOT_FOUND))),
            [
                "0 register, 150 update, 150 register",
                "0 register, 150 update, 150 register",
                "0 register, 150 update, bootstrap",
                "0 register, 150 update, 150 register",
                "0 register, 150 update, 150 register",
            ],
        ),
        (
            "Update not answered",
            350,
            || Box::new(spoil_updates(|| Reply::Silence)),
            [
                "0 register, 150 update, 212 register",
                "0 register, 150 update, 212 register",
                "0 register, 150 update, bootstrap",
                "0 register, 150 update, 212 update, 274 register",
                "0 register, 150 update, 212 register",
            ],
        ),
        (
            "Update answered with an RST",
            153,
            || Box::new(spoil_updates(|| Reply::Reset)),
            [
                "0 register, 150 update, 150 register",
                "0 register, 150 update",
                "0 register, 150 update, 150 register",
                "0 register, 150 update, 150 update, 150 register",
                "0 register, 150 update, 151 update, 152 update, 153 update",
            ],
        ),
    ];
    for (what, until, script, expected) in cases {
        for (behaviour, expected) in Behaviour::ALL.into_iter().zip(expected) {
            assert_eq!(deeds(behaviour, true, until, script()), expected, "{what}, {behaviour}");
        }
    }
}

#[test]
fn each_behaviour_has_its_own_end_of_tries_without_a_bootstrap_server() {
    let once = |behaviour| deeds(behaviour, false, 1_300, |_| refuse(Code::FORBIDDEN));
    let five = "0 register, 60 register, 180 register, 420 register, 900 register";
    assert_eq!([once(Behaviour::Anjay), once(Behaviour::Wakaama)], [five, five]);
    assert_eq!(once(Behaviour::Leshan), "0 register, 600 register, 1200 register");
    assert_eq!(once(Behaviour::Zephyr), "0 register, 1235 register");
    // In a day all is forgotten by those who do not stay lost.
    let later = |behaviour| deeds(behaviour, false, 87_300, |_| refuse(Code::FORBIDDEN));
    assert_eq!(later(Behaviour::Spec), format!("{five}, 87300 register"));
    assert_eq!([later(Behaviour::Anjay), later(Behaviour::Wakaama)], [five, five]);
}

#[test]
fn anjay_bootstraps_when_an_update_is_reset_and_no_other_server_is_up() {
    let bootstraps = |servers: &[u16]| {
        let policy = RegistrationPolicy { behaviour: Behaviour::Anjay, ..RegistrationPolicy::default() };
        let mut accounts: Vec<_> = servers.iter().map(|&server| account(server, &[])).collect();
        accounts.push(bootstrap_account());
        let mut bench = Bench::new(policy, accounts, |seen| match (seen.link, seen.target.as_str()) {
            (Link::Server(1), "/rd/7") => Reply::Reset,
            _ => obliging(seen),
        });
        bench.with(|client, now| client.trigger_update(1, now));
        bench.run_to(30);
        !bench.times("/bs").is_empty()
    };
    assert!(bootstraps(&[1]));
    assert!(!bootstraps(&[1, 2]));
}

#[test]
fn a_client_that_cannot_lower_its_version_takes_4_12_for_a_refusal() {
    let versions = |behaviour| {
        let policy = RegistrationPolicy { behaviour, ..RegistrationPolicy::default() };
        let bench = Bench::with_one(policy, &[], |_| refuse(Code::PRECONDITION_FAILED));
        bench.seen.len()
    };
    assert_eq!(Behaviour::ALL.map(versions), [3, 3, 1, 1, 1]);
}
