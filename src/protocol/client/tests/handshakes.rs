//! Handshakes that fail, and what becomes of the way to the Bootstrap-Server.

use super::*;

const DTLS: &str = "coaps://127.0.0.1:2";
const BOOTSTRAP: &str = "coaps://127.0.0.1:1";
/// /1/x/11.
const ALERT: Path = Path::resource(1, 1, 11);

fn alert(alert: u8) -> Option<OpenFailed> {
    Some(OpenFailed::Handshake { alert: Some(alert) })
}

/// A device with this account only, whose Bootstrap-Server it knows by a key.
fn bootstrapping(uri: &'static str) -> Rig {
    let opaque = |bytes: &[u8]| Value::Opaque(bytes.into());
    Setup { uri: "", bootstrap_uri: Some(uri), ..Setup::default() }
        .with(Path::resource(0, 0, 2), Value::Integer(if uri.starts_with("coaps") { 0 } else { 3 }))
        .with(Path::resource(0, 0, 3), opaque(b"meter"))
        .with(Path::resource(0, 0, 5), opaque(&[7; 16]))
        .off()
}

fn on(mut rig: Rig) -> Rig {
    rig.client.power_on(rig.now, rig.now);
    rig.settle();
    rig
}

#[test]
fn an_alert_that_is_tried_again_is_a_failed_try() {
    for why in [alert(40), alert(30), alert(200), Some(OpenFailed::Handshake { alert: None })] {
        let mut rig = secure(DTLS).off();
        rig.fails = why;
        let mut rig = on(rig);
        assert_eq!((rig.client.state(), rig.failed(Failure::Handshake)), (State::RegistrationBackoff, 1));
        rig.run_to(899);
        assert_eq!(rig.opened(EMS), [0, 60, 180, 420]);
        rig.fails = None;
        rig.run_to(901);
        assert_eq!(rig.client.state(), State::Registered);
    }
}

#[test]
fn an_alert_that_is_final_uses_up_all_tries() {
    for code in [42, 43, 44, 45, 46, 48, 49, 112, 113, 114, 115] {
        let mut rig = secure(DTLS).off();
        rig.fails = alert(code);
        let mut rig = on(rig);
        assert_eq!(rig.failed(Failure::Handshake), 1);
        // No Bootstrap-Server: all begins anew after /1/x/19.
        rig.run_to(86_399);
        assert_eq!(rig.opened(EMS), [0], "{code}");
        rig.run_to(86_400);
        assert_eq!(rig.opened(EMS), [0, 86_400]);
    }
}

#[test]
fn an_alert_that_is_final_leads_to_a_bootstrap_where_the_account_wants_it() {
    for (wanted, led) in [(true, 1), (false, 0)] {
        let setup = Setup { bootstrap_uri: Some("coap://127.0.0.1:1"), ..secure(DTLS) };
        let mut rig = setup.with(Path::resource(1, 1, 16), Value::Boolean(wanted)).off();
        rig.fails = alert(49);
        let mut rig = on(rig);
        rig.fails = None;
        rig.run_to(20);
        assert_eq!(rig.opened(Link::Bootstrap).len(), led);
    }
}

#[test]
fn the_last_alert_can_be_read_in_the_account() {
    let mut rig = secure(DTLS).off();
    rig.fails = alert(40);
    let mut rig = on(rig);
    assert_eq!(rig.client.tree().get(ALERT), Some(&Value::Unsigned(40)));
    rig.fails = alert(71);
    rig.run_to(61);
    rig.fails = None;
    rig.run_to(200);
    let read = Message::request(Code::GET).with_path(&["1", "1", "11"]);
    assert_eq!(rig.command(EMS, read), Some(Code::CONTENT));
    assert_eq!(rig.client.tree().get(ALERT), Some(&Value::Unsigned(71)));
    // A session may end by one as well.
    rig.close(EMS, Closed::Broken { alert: Some(80) });
    assert_eq!(rig.client.tree().get(ALERT), Some(&Value::Unsigned(80)));
    // The resource came with 1.1.
    let mut old = Setup { version: Version::V1_0, ..secure(DTLS) }.off();
    old.fails = alert(40);
    assert_eq!(on(old).client.tree().get(ALERT), None);
}

#[test]
fn a_session_that_cannot_be_begun_again_costs_the_registration_only_if_that_is_final() {
    let registered = || {
        let mut rig = secure(DTLS).start();
        rig.run_to(10);
        rig.close(EMS, Closed::Orderly);
        rig
    };
    let mut rig = registered();
    rig.fails = alert(40);
    rig.run_to(151);
    // The Update, and the Register it leads to.
    assert_eq!((rig.opened(EMS), rig.client.state()), (vec![0, 150, 150], State::RegistrationBackoff));
    let mut rig = registered();
    rig.fails = alert(48);
    rig.run_to(151);
    assert_eq!(rig.opened(EMS), [0, 150]);
    rig.run_to(80_000);
    assert_eq!(rig.opened(EMS), [0, 150]);
}

#[test]
fn a_session_for_what_is_observed_that_cannot_be_begun_is_tried_ever_later() {
    let mut rig = secure(DTLS).start();
    let now = rig.now;
    rig.far(EMS).exchange.observe(Message::request(Code::GET).with_path(&["3", "0", "14"]), now);
    rig.settle();
    rig.run_to(1);
    rig.close(EMS, Closed::Orderly);
    rig.fails = Some(OpenFailed::Unreachable);
    let clock = Path::resource(3, 0, 14);
    rig.client.tree.set(clock, Value::from("+02:00"));
    rig.client.changed(clock, rig.now);
    // /1/x/18 is 60 s: twice that after the second failure in a row. The Update would come at 150 s.
    rig.run_to(149);
    let opened = rig.opened(EMS);
    assert!(opened.len() == 3 && opened[1] == 1 && opened[2] >= 121, "{opened:?}");
    assert_eq!((rig.failed(Failure::Unreachable), rig.client.state()), (2, State::Registered));
}

#[test]
fn a_bootstrap_without_a_session_is_tried_again_sooner_or_later() {
    // The policy: 10 s after the first failure, 600 s at the most, and half as much again.
    for (why, waits) in [(40, 10..=15), (115, 600..=900)] {
        let mut rig = bootstrapping(BOOTSTRAP);
        rig.fails = alert(why);
        let mut rig = on(rig);
        assert_eq!((rig.client.state(), rig.failed(Failure::Handshake)), (State::BootstrapBackoff, 1));
        rig.run_to(1_000);
        let opened = rig.opened(Link::Bootstrap);
        assert!(waits.contains(&opened[1]), "{opened:?}");
    }
}

#[test]
fn a_bootstrap_that_loses_its_way_has_failed() {
    for uri in [BOOTSTRAP, "coaps+tcp://127.0.0.1:1"] {
        let mut rig = bootstrapping(uri);
        rig.silent = true;
        let mut rig = on(rig);
        rig.run_to(1);
        rig.close(Link::Bootstrap, Closed::Orderly);
        let fate = Event::Request { kind: RequestKind::BootstrapRequest, fate: Fate::Abandoned };
        assert_eq!((rig.count(fate), rig.client.state()), (1, State::BootstrapBackoff));
        assert_eq!(rig.failed(Failure::Closed(RequestKind::BootstrapRequest)), 1);
        assert!(rig.hung_up.is_empty());
        rig.silent = false;
        rig.run_to(20);
        assert_eq!((rig.opened(Link::Bootstrap).len(), rig.client.state()), (2, State::Bootstrapping));
        // Also when the word is with the server.
        rig.close(Link::Bootstrap, Closed::Broken { alert: Some(80) });
        assert_eq!(rig.failed(Failure::Closed(RequestKind::BootstrapRequest)), 2);
    }
}

/// Writes an account of the EMS, with these keys, and finishes.
fn write_account(rig: &mut Rig, uri: &str, key: u8) {
    let account = ServerAccount {
        instance: 1,
        uri: uri.to_owned(),
        short_server_id: 101,
        lifetime: Duration::from_secs(300),
        binding: "U".to_owned(),
        credentials: Credentials::PreSharedKey { identity: b"ems".to_vec(), key: vec![key; 16] },
    };
    for object in ["0", "1"] {
        let entries: Vec<Entry> = server_account(&account)
            .into_iter()
            .filter(|entry| entry.path.ids()[0].to_string() == object)
            .collect();
        let format = coap::ContentFormat::TLV;
        let path = Path::instance(object.parse().unwrap(), 1);
        let payload = crate::protocol::content::encode(format, path, &entries).unwrap();
        let write = Message::request(Code::PUT)
            .with_path(&[object, "1"])
            .with_content_format(format)
            .with_payload(payload);
        assert_eq!(rig.command(Link::Bootstrap, write), Some(Code::CHANGED));
    }
    let finish = Message::request(Code::POST).with_path(&["bs"]);
    assert_eq!(rig.command(Link::Bootstrap, finish), Some(Code::CHANGED));
}

#[test]
fn the_keys_that_a_bootstrap_wrote_are_those_of_the_next_session() {
    let mut rig = on(bootstrapping(BOOTSTRAP));
    let key = |rig: &Rig| match rig.asked.last().and_then(|asked| asked.security.as_ref()) {
        Some(security) => match &security.credentials {
            Credentials::PreSharedKey { identity, key } => (identity.clone(), key[0]),
            other => panic!("{other:?}"),
        },
        None => panic!("a way without security"),
    };
    assert_eq!(key(&rig), (b"meter".to_vec(), 7));
    write_account(&mut rig, DTLS, 1);
    assert_eq!((rig.client.state(), key(&rig)), (State::Registered, (b"ems".to_vec(), 1)));
    rig.run_to(100);
    rig.client.trigger_bootstrap(rig.now);
    rig.settle();
    assert_eq!(key(&rig), (b"meter".to_vec(), 7));
    write_account(&mut rig, DTLS, 2);
    assert_eq!(key(&rig), (b"ems".to_vec(), 2));
    // The session of the old keys was closed before.
    assert!(rig.hung_up.contains(&(100, EMS)));
}

#[test]
fn the_session_with_the_bootstrap_server_is_held_for_a_repeated_finish_and_no_longer() {
    let mut rig = on(bootstrapping(BOOTSTRAP));
    write_account(&mut rig, DTLS, 1);
    rig.run_to(3);
    assert!(rig.hung_up.is_empty());
    rig.run_to(5);
    assert_eq!(rig.hung_up, [(4, Link::Bootstrap)]);
    // What arrives for sure is not waited for.
    let mut rig = on(bootstrapping("coaps+tcp://127.0.0.1:1"));
    write_account(&mut rig, DTLS, 1);
    assert_eq!(rig.hung_up, [(0, Link::Bootstrap)]);
    assert_eq!(rig.left, [Leave::Released { hold_off: Duration::ZERO }]);
    // And where there is but an address, nothing is closed.
    let mut rig = on(bootstrapping("coap://127.0.0.1:1"));
    write_account(&mut rig, DTLS, 1);
    rig.run_to(300);
    assert!(rig.hung_up.is_empty());
}

#[test]
fn a_bootstrap_server_that_goes_after_finish_is_not_missed() {
    let mut rig = on(bootstrapping(BOOTSTRAP));
    write_account(&mut rig, DTLS, 1);
    rig.close(Link::Bootstrap, Closed::Orderly);
    rig.run_to(100);
    assert_eq!((rig.client.state(), rig.client.tree().has_instance(0, 1)), (State::Registered, true));
    assert!(rig.hung_up.is_empty());
    assert!(!rig.events.iter().any(|event| matches!(event, Event::Failed(_))));
}

#[test]
fn nobody_reads_what_a_bootstrap_wrote_of_keys() {
    let mut rig = on(bootstrapping(BOOTSTRAP));
    for path in [&["0"][..], &["0", "0"], &["0", "0", "5"]] {
        let read = Message::request(Code::GET).with_path(path).with_accept(coap::ContentFormat::TLV);
        assert_eq!(rig.command(Link::Bootstrap, read), Some(Code::METHOD_NOT_ALLOWED), "{path:?}");
    }
    write_account(&mut rig, DTLS, 1);
    for path in [&["0"][..], &["0", "1"], &["0", "1", "5"]] {
        let read = Message::request(Code::GET).with_path(path);
        assert_eq!(rig.command(EMS, read), Some(Code::UNAUTHORIZED), "{path:?}");
    }
}
