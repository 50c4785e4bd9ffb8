//! Ways that are closed, by either side: the table of `closing` as a server sees it.

use super::*;

const TLS: &str = "coaps+tcp://127.0.0.1:2";
const DTLS: &str = "coaps://127.0.0.1:2";
const BROKEN: Closed = Closed::Broken { alert: None };

fn registered(setup: Setup) -> Rig {
    let rig = setup.start();
    assert_eq!(rig.client.state(), State::Registered);
    rig
}

fn closed(kind: RequestKind) -> Failure {
    Failure::Closed(kind)
}

#[test]
fn a_session_that_ended_is_begun_again_with_the_next_update() {
    for how in [Closed::Orderly, BROKEN] {
        let mut rig = registered(secure(DTLS));
        rig.run_to(100);
        rig.close(EMS, how);
        assert_eq!(rig.client.state(), State::Registered);
        rig.run_to(149);
        assert_eq!(rig.opened(EMS), [0]);
        rig.run_to(160);
        assert_eq!((rig.opened(EMS), rig.times("POST /rd/7")), (vec![0, 150], vec![150]));
        assert_eq!(rig.times("POST /rd"), [0]);
    }
}

#[test]
fn a_session_that_ended_is_begun_again_for_what_is_observed() {
    let mut rig = registered(secure(DTLS));
    let now = rig.now;
    rig.far(EMS).exchange.observe(Message::request(Code::GET).with_path(&["3", "0", "14"]), now);
    rig.settle();
    assert_eq!(rig.answers, [Code::CONTENT]);
    rig.run_to(10);
    rig.close(EMS, Closed::Orderly);
    // Whatever the server wants stored of what happens while a device is offline: this one is not.
    rig.client.tree.set(Path::resource(1, 1, 6), Value::Boolean(false));
    rig.run_to(20);
    let clock = Path::resource(3, 0, 14);
    rig.client.tree.set(clock, Value::from("+02:00"));
    rig.client.changed(clock, rig.now);
    rig.run_to(25);
    assert_eq!((rig.opened(EMS), rig.notifications), (vec![0, 20], 1));
    assert!(rig.times("POST /rd/7").is_empty(), "a session is nothing the server has to be told of");
}

#[test]
fn a_session_that_ended_is_begun_again_for_a_planned_send() {
    let plan = SendPlan {
        every: Duration::from_secs(60),
        jitter: Duration::ZERO,
        paths: vec![Path::resource(3, 0, 14)],
    };
    let report = ReportPolicy { send: Some(plan), ..ReportPolicy::default() };
    let setup = Setup { report, ..secure(DTLS) }.with(Path::resource(1, 1, 23), Value::Boolean(false));
    let mut rig = registered(setup);
    rig.run_to(10);
    rig.close(EMS, Closed::Orderly);
    rig.run_to(70);
    assert_eq!((rig.opened(EMS).len(), rig.times("POST /dp").len()), (2, 1));
}

#[test]
fn a_session_that_is_closed_for_each_message_does_not_make_a_device_storm() {
    let mut rig = registered(secure(DTLS).with(Path::resource(1, 1, 26), Value::Integer(1)));
    let now = rig.now;
    rig.far(EMS).exchange.observe(Message::request(Code::GET).with_path(&["3", "0", "14"]), now);
    rig.settle();
    let clock = Path::resource(3, 0, 14);
    rig.client.tree.set(clock, Value::from("+02:00"));
    rig.client.changed(clock, rig.now);
    let mut closings = 0;
    for second in 1..3_600 {
        rig.run_to(second);
        if rig.far(EMS).open {
            closings += 1;
            rig.close(EMS, Closed::Orderly);
        }
    }
    assert!((5..40).contains(&closings), "{closings}");
}

#[test]
fn a_session_on_which_an_update_is_not_answered_is_not_registered_on() {
    for uri in [DTLS, TLS] {
        let mut rig = registered(secure(uri));
        rig.run_to(149);
        // A server that was restarted knows nothing of the session, and hears nothing that is said on it.
        rig.silent = true;
        rig.run_to(200);
        rig.silent = false;
        rig.run_to(310);
        let opened = rig.opened(EMS);
        assert_eq!(opened.len(), 2, "{opened:?}");
        assert_eq!(rig.times("POST /rd"), [0, opened[1]]);
        assert_eq!(rig.hung_up, [(opened[1], EMS)]);
        assert_eq!(rig.client.state(), State::Registered);
    }
}

#[test]
fn a_connection_that_ended_is_made_again_and_the_server_told_so() {
    let mut rig = registered(secure(TLS));
    rig.run_to(20);
    rig.close(EMS, Closed::Orderly);
    assert_eq!(rig.client.state(), State::Registered);
    rig.run_to(31);
    let opened = rig.opened(EMS);
    assert!(opened.len() == 2 && (21..=30).contains(&opened[1]), "{opened:?}");
    assert_eq!(rig.times("POST /rd/7"), [opened[1]]);
    assert_eq!(rig.client.state(), State::Registered);
}

#[test]
fn a_connection_that_broke_is_made_again_by_the_terms_of_the_account() {
    let mut rig = registered(secure(TLS).with(Path::resource(1, 1, 18), Value::Integer(20)));
    rig.run_to(10);
    rig.close(EMS, BROKEN);
    rig.run_to(29);
    assert_eq!(rig.opened(EMS), [0]);
    rig.run_to(41);
    assert_eq!((rig.opened(EMS).len(), rig.times("POST /rd/7").len()), (2, 1));
}

#[test]
fn a_hold_off_is_kept_to() {
    let mut rig = registered(secure(TLS));
    rig.run_to(10);
    rig.far(EMS).exchange.release(Duration::from_secs(100));
    rig.settle();
    assert_eq!(rig.hung_up, [(10, EMS)]);
    rig.run_to(109);
    assert_eq!(rig.opened(EMS), [0]);
    rig.run_to(111);
    assert_eq!((rig.opened(EMS), rig.times("POST /rd/7")), (vec![0, 110], vec![110]));
}

#[test]
fn a_hold_off_is_kept_to_by_what_was_under_way() {
    let mut rig = registered(secure(TLS));
    rig.silent = true;
    rig.run_to(151);
    assert_eq!(rig.times("POST /rd/7"), [150]);
    rig.silent = false;
    rig.far(EMS).exchange.release(Duration::from_secs(30));
    rig.settle();
    assert_eq!(rig.failed(closed(RequestKind::Update)), 1);
    rig.run_to(180);
    assert_eq!(rig.opened(EMS), [0]);
    rig.run_to(182);
    assert_eq!((rig.opened(EMS), rig.times("POST /rd")), (vec![0, 181], vec![0, 181]));
}

#[test]
fn what_was_observed_by_a_connection_ends_with_it() {
    let mut rig = registered(secure(TLS));
    let now = rig.now;
    rig.far(EMS).exchange.observe(Message::request(Code::GET).with_path(&["3", "0", "14"]), now);
    rig.settle();
    rig.run_to(5);
    rig.close(EMS, Closed::Orderly);
    assert!(rig.client.registrations[0].reporting.is_none());
}

#[test]
fn a_sleeping_device_makes_no_connection_before_it_has_something_to_say() {
    let registration = RegistrationPolicy { queue_mode: true, ..RegistrationPolicy::default() };
    let mut rig = registered(Setup { registration, ..secure(TLS) });
    rig.run_to(100);
    rig.close(EMS, Closed::Orderly);
    rig.run_to(149);
    assert_eq!(rig.opened(EMS), [0]);
    rig.run_to(151);
    assert_eq!((rig.opened(EMS), rig.times("POST /rd/7")), (vec![0, 150], vec![150]));
    // Awake, it is to be reached.
    rig.run_to(305);
    rig.close(EMS, Closed::Orderly);
    rig.run_to(316);
    assert_eq!(rig.opened(EMS).len(), 3);
}

#[test]
fn a_disabled_device_closes_its_way_and_opens_none() {
    for uri in [TLS, DTLS] {
        let mut rig = registered(secure(uri).with(Path::resource(1, 1, 5), Value::Integer(50)));
        rig.run_to(10);
        let disable = Message::request(Code::POST).with_path(&["1", "1", "4"]);
        assert_eq!(rig.command(EMS, disable), Some(Code::CHANGED));
        assert_eq!((rig.client.state(), rig.times("DELETE /rd/7")), (State::Disabled, vec![10]));
        assert_eq!(rig.hung_up, [(10, EMS)]);
        let farewell = [Leave::Released { hold_off: Duration::ZERO }];
        assert_eq!(rig.left, if uri == TLS { &farewell[..] } else { &[] });
        rig.run_to(59);
        assert_eq!(rig.opened(EMS), [0]);
        rig.run_to(61);
        assert_eq!((rig.opened(EMS), rig.times("POST /rd")), (vec![0, 60], vec![0, 60]));
    }
}

#[test]
fn a_register_that_goes_down_with_its_way_is_a_failed_try() {
    for uri in [TLS, DTLS] {
        let mut rig = secure(uri).off();
        rig.silent = true;
        rig.client.power_on(rig.now, rig.now);
        rig.settle();
        rig.run_to(1);
        rig.close(EMS, Closed::Orderly);
        let fate = Event::Request { kind: RequestKind::Register, fate: Fate::Abandoned };
        assert_eq!((rig.count(fate), rig.failed(closed(RequestKind::Register))), (1, 1));
        assert_eq!(rig.client.state(), State::RegistrationBackoff);
        rig.silent = false;
        rig.run_to(60);
        assert_eq!(rig.opened(EMS), [0]);
        rig.run_to(62);
        assert_eq!((rig.opened(EMS), rig.client.state()), (vec![0, 61], State::Registered));
    }
}

/// From version 1.3 on, a server judges a certificate when the device takes the handshake for done.
#[test]
fn a_verdict_that_comes_after_the_handshake_uses_up_all_tries() {
    for uri in [TLS, DTLS] {
        let mut rig = secure(uri).off();
        rig.silent = true;
        rig.client.power_on(rig.now, rig.now);
        rig.settle();
        rig.run_to(1);
        rig.close(EMS, Closed::Broken { alert: Some(48) });
        let fate = Event::Request { kind: RequestKind::Register, fate: Fate::Abandoned };
        assert_eq!((rig.count(fate), rig.failed(closed(RequestKind::Register))), (1, 1));
        // No Bootstrap-Server: all begins anew after /1/x/19.
        rig.run_to(86_399);
        assert_eq!(rig.opened(EMS), [0]);
    }
}

#[test]
fn an_update_that_goes_down_with_its_way_leads_to_a_register() {
    let mut rig = registered(secure(DTLS));
    rig.silent = true;
    rig.run_to(151);
    rig.silent = false;
    rig.close(EMS, BROKEN);
    assert_eq!(rig.failed(closed(RequestKind::Update)), 1);
    assert_eq!((rig.opened(EMS), rig.times("POST /rd")), (vec![0, 151], vec![0, 151]));
    assert_eq!(rig.client.state(), State::Registered);
}

#[test]
fn connections_that_are_closed_at_once_are_made_ever_later() {
    for how in [Closed::Orderly, BROKEN] {
        let mut rig = registered(secure(TLS));
        let mut closings = 0;
        for second in 1..7_200 {
            rig.run_to(second);
            if rig.far(EMS).open {
                closings += 1;
                rig.close(EMS, how);
            }
        }
        assert!((8..25).contains(&closings), "{closings}");
        // One that lasts ends the mistrust.
        rig.run_to(20_000);
        let before = rig.opened(EMS).len();
        rig.close(EMS, Closed::Orderly);
        rig.run_to(20_011);
        assert_eq!(rig.opened(EMS).len(), before + 1);
    }
}

#[test]
fn a_server_that_does_not_come_back_is_registered_with_by_the_retry_policy() {
    let mut rig = registered(secure(TLS));
    rig.run_to(10);
    rig.fails = Some(OpenFailed::Unreachable);
    rig.close(EMS, Closed::Orderly);
    rig.run_to(1_000);
    // The Update's, and five tries at /1/x/17 and 18.
    assert_eq!(rig.opened(EMS).len(), 1 + 1 + 5);
    assert_eq!(rig.failed(Failure::Unreachable), 6);
    assert_eq!(rig.client.state(), State::RegistrationBackoff);
}

#[test]
fn a_device_that_leaves_says_so_over_a_new_session() {
    let mut rig = registered(secure(DTLS));
    rig.run_to(10);
    rig.close(EMS, Closed::Orderly);
    rig.client.shutdown(rig.now);
    rig.settle();
    assert_eq!((rig.opened(EMS), rig.times("DELETE /rd/7")), (vec![0, 10], vec![10]));
    assert_eq!((rig.client.state(), &rig.hung_up[..]), (State::Deregistered, &[(10, EMS)][..]));
    // Not to one that asked to be left alone.
    let mut rig = registered(secure(TLS));
    rig.far(EMS).exchange.release(Duration::from_secs(100));
    rig.settle();
    rig.client.shutdown(rig.now);
    rig.settle();
    assert_eq!((rig.opened(EMS), rig.client.state()), (vec![0], State::Stopped));
}

#[test]
fn a_device_without_power_leaves_no_way_open() {
    let mut rig = registered(secure(TLS));
    rig.client.stop();
    rig.settle();
    assert_eq!(rig.hung_up, [(0, EMS)]);
    let mut plain = registered(Setup::default());
    plain.client.stop();
    plain.settle();
    assert!(plain.hung_up.is_empty());
}

#[test]
fn a_reboot_begins_with_new_sessions() {
    let registration =
        RegistrationPolicy { keep_registration_over_reboot: true, ..RegistrationPolicy::default() };
    for uri in [TLS, DTLS] {
        let mut rig = registered(Setup { registration: registration.clone(), ..secure(uri) });
        rig.run_to(10);
        rig.client.reboot(rig.now);
        rig.settle();
        assert_eq!((&rig.hung_up[..], rig.opened(EMS)), (&[(10, EMS)][..], vec![0, 10]));
        assert_eq!(rig.times("POST /rd/7"), [10]);
    }
}

#[test]
fn a_connection_says_so_in_the_binding() {
    let line = |version, uri| {
        let rig = registered(Setup { version, ..secure(uri) });
        let (_, _, line) = &rig.requests[0];
        line.split('&').find(|part| part.starts_with("b=")).map(str::to_owned)
    };
    assert_eq!(line(Version::V1_2, TLS).as_deref(), Some("b=UT"));
    assert_eq!(line(Version::V1_1, TLS).as_deref(), Some("b=UT"));
    assert_eq!(line(Version::V1_0, TLS).as_deref(), Some("b=U"));
    assert_eq!(line(Version::V1_2, DTLS).as_deref(), Some("b=U"));
    let mut rig = registered(secure(TLS));
    rig.client.tree.remove(Path::resource(1, 1, 7));
    rig.client.reboot(rig.now);
    rig.settle();
    assert!(rig.requests.last().is_some_and(|(_, _, line)| line.contains("&b=T")), "{:?}", rig.requests);
}

#[test]
fn the_identity_of_a_session_may_stand_for_the_name() {
    let registration = RegistrationPolicy { send_endpoint: false, ..RegistrationPolicy::default() };
    let rig = registered(Setup { registration, ..secure(DTLS) });
    assert!(rig.requests[0].2.starts_with("POST /rd?lt=300&lwm2m=1.2"), "{:?}", rig.requests);
}
