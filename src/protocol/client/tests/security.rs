//! The security that accounts ask for.

use super::*;
use crate::protocol::client::manage::Kept;

const SECURITY: u16 = 0;

fn security(credentials: Credentials, own: &[(u16, Value)]) -> Result<Option<Box<Security>>, Failure> {
    let uri = if credentials == Credentials::NoSec { "coap://127.0.0.1:2" } else { "coaps://127.0.0.1:2" };
    asked_at(uri, credentials, own)
}

/// What is asked for at this place, or why nothing is.
fn asked_at(
    uri: &'static str,
    credentials: Credentials,
    own: &[(u16, Value)],
) -> Result<Option<Box<Security>>, Failure> {
    let mut setup = Setup { uri, credentials, ..Setup::default() };
    for (id, value) in own {
        setup = setup.with(Path::resource(SECURITY, 1, *id), value.clone());
    }
    let mut rig = setup.start();
    match rig.asked.pop() {
        Some(asked) => Ok(asked.security),
        None => match rig
            .events
            .iter()
            .find_map(|event| if let Event::Failed(why) = event { Some(*why) } else { None })
        {
            Some(why) => {
                assert_eq!(rig.client.state(), State::Failed);
                Err(why)
            }
            None => panic!("nothing happened"),
        },
    }
}

fn every_mode() -> [Credentials; 4] {
    [
        psk(),
        Credentials::RawPublicKey { public: vec![1], private: vec![2], server: vec![3] },
        Credentials::Certificate {
            certificate: vec![1; 300],
            private: vec![2],
            server: vec![3],
            usage: None,
        },
        Credentials::Est { server: vec![3] },
    ]
}

#[test]
fn every_mode_is_asked_for_as_the_account_has_it() {
    for credentials in every_mode() {
        let asked = security(credentials.clone(), &[]).unwrap().unwrap();
        let plain =
            Security { credentials, server_name: None, matching_type: 0, cipher_suites: Default::default() };
        assert_eq!(*asked, plain);
    }
    assert_eq!(security(Credentials::NoSec, &[]), Ok(None));
}

#[test]
fn names_usages_and_suites_are_asked_for_too() {
    let [_, _, certificate, _] = every_mode();
    let own = [(13, Value::Unsigned(1)), (14, Value::from("ems.example.org")), (15, Value::Unsigned(2))];
    let asked = security(certificate, &own).unwrap().unwrap();
    assert_eq!((asked.matching_type, asked.server_name.as_deref()), (1, Some("ems.example.org")));
    assert!(matches!(asked.credentials, Credentials::Certificate { usage: Some(2), .. }));
    let suites = |numbers: &[u64]| {
        let mut setup = secure("coaps://127.0.0.1:2");
        for (at, number) in (0..).zip(numbers) {
            setup = setup.with(Path::resource(SECURITY, 1, 16).child(at).unwrap(), Value::Unsigned(*number));
        }
        setup.start().asked[0].security.as_ref().map(|security| security.cipher_suites.to_vec())
    };
    assert_eq!(suites(&[49_320, 70_000, 0xC0AE]), Some(vec![0xC0A8, 0xC0AE]));
}

#[test]
fn what_is_out_of_bounds_is_not_taken_for_a_default() {
    let [_, _, certificate, _] = every_mode();
    let asked =
        security(certificate, &[(13, Value::Integer(-1)), (15, Value::Integer(700))]).unwrap().unwrap();
    assert_eq!(asked.matching_type, 255);
    assert!(matches!(asked.credentials, Credentials::Certificate { usage: Some(255), .. }));
}

#[test]
fn a_scheme_and_a_mode_that_contradict_each_other_make_no_account() {
    for plain in ["coap://127.0.0.1:2", "coap+tcp://127.0.0.1:2"] {
        for credentials in every_mode() {
            assert_eq!(asked_at(plain, credentials, &[]), Err(Failure::SecurityMode), "{plain}");
        }
        assert_eq!(asked_at(plain, Credentials::NoSec, &[]), Ok(None));
    }
    for secure in ["coaps://127.0.0.1:2", "coaps+tcp://127.0.0.1:2"] {
        assert_eq!(asked_at(secure, Credentials::NoSec, &[]), Err(Failure::SecurityMode), "{secure}");
        assert!(asked_at(secure, psk(), &[]).is_ok_and(|security| security.is_some()));
        assert_eq!(asked_at(secure, psk(), &[(2, Value::Integer(9))]), Err(Failure::SecurityMode));
    }
}

#[test]
fn an_account_without_its_keys_makes_no_way() {
    let [_, _, certificate, _] = every_mode();
    let empty = Value::Opaque([].into());
    for id in [3, 5] {
        assert_eq!(security(psk(), &[(id, empty.clone())]), Err(Failure::SecurityMode), "{id}");
    }
    for id in [3, 4, 5] {
        assert_eq!(security(certificate.clone(), &[(id, empty.clone())]), Err(Failure::SecurityMode), "{id}");
    }
    // Leshan writes empty keys where the mode has none.
    assert_eq!(security(Credentials::NoSec, &[(3, empty.clone()), (5, empty)]), Ok(None));
}

#[test]
fn a_bootstrap_account_that_contradicts_itself_is_given_up() {
    let setup = Setup { uri: "", bootstrap_uri: Some("coaps://127.0.0.1:1"), ..Setup::default() };
    let rig = setup.start();
    assert_eq!((rig.asked.len(), rig.failed(Failure::SecurityMode)), (0, 1));
    assert_eq!(rig.client.state(), State::Failed);
}

#[test]
fn no_key_is_shown_by_what_is_asked_for() {
    let mut rig = secure("coaps://127.0.0.1:2").off();
    rig.client.power_on(rig.now, rig.now);
    let mut shown = String::new();
    while let Some(output) = rig.client.poll_output() {
        shown += &format!("{output:?}\n");
        rig.take(output);
    }
    assert!(shown.contains("/5: 16 B") && shown.contains("Send(Server(101), "), "{shown}");
    assert!(!shown.contains("7, 7") && !shown.contains("109, 101, 116"), "{shown}");
}

#[test]
fn a_factory_reset_keeps_the_keys_a_device_was_enrolled_for_if_it_is_told_to() {
    for (kept, key) in [(Kept::Initial, 7), (Kept::Enrolled, 9)] {
        let opaque = |bytes: &[u8]| Value::Opaque(bytes.into());
        let setup = Setup { bootstrap_uri: Some("coaps://127.0.0.1:1"), ..Setup::default() }
            .with(Path::resource(0, 0, 2), Value::Integer(0))
            .with(Path::resource(0, 0, 3), opaque(b"meter"))
            .with(Path::resource(0, 0, 5), opaque(&[7; 16]));
        let mut rig = setup.start();
        rig.client.tree.set(Path::resource(0, 0, 0), Value::from("coaps://127.0.0.1:77"));
        rig.client.tree.set(Path::resource(0, 0, 5), opaque(&[9; 16]));
        rig.client.factory_reset(kept, rig.now);
        rig.settle();
        let held = |id| rig.client.tree().get(Path::resource(0, 0, id)).cloned();
        assert_eq!(held(0), Some(Value::from("coaps://127.0.0.1:1")));
        assert_eq!(held(5), Some(opaque(&[key; 16])));
    }
}

#[test]
fn a_package_is_fetched_with_the_credentials_of_the_server_at_its_place() {
    let pulled = |uri: &str| {
        let setup = secure("coaps://127.0.0.1:2")
            .with(Path::resource(5, 0, 1), Value::from(""))
            .with(Path::resource(5, 0, 3), Value::Integer(0))
            .with(Path::resource(5, 0, 5), Value::Integer(0))
            .with(Path::resource(5, 0, 9), Value::Integer(2));
        let mut rig = setup.start();
        rig.silent = true;
        let write = Message::request(Code::PUT)
            .with_path(&["5", "0", "1"])
            .with_content_format(coap::ContentFormat::TEXT)
            .with_payload(uri.as_bytes().to_vec());
        assert_eq!(rig.command(EMS, write), Some(Code::CHANGED));
        let result = rig.client.tree().get(Path::resource(5, 0, 5)).and_then(Value::as_integer);
        let asked = rig.asked.iter().find(|asked| asked.link == Link::Package);
        (result, asked.map(|asked| (asked.uri.to_string(), asked.security.clone())))
    };
    let (_, Some((place, Some(security)))) = pulled("coaps://127.0.0.1:2/firmware") else {
        panic!("refused")
    };
    assert_eq!((&*place, security.credentials), ("coaps://127.0.0.1:2", psk()));
    for uri in ["coaps://127.0.0.1:3/f", "coaps+tcp://127.0.0.1:2/f", "coaps://ems/f"] {
        assert_eq!(pulled(uri), (Some(9), None), "{uri}");
    }
    assert_eq!(pulled("coap+tcp://127.0.0.1:3/f").1, Some(("coap+tcp://127.0.0.1:3".to_owned(), None)));
}

#[test]
fn a_download_goes_on_over_a_new_session() {
    let setup = secure("coaps+tcp://127.0.0.1:2")
        .with(Path::resource(5, 0, 1), Value::from(""))
        .with(Path::resource(5, 0, 3), Value::Integer(0))
        .with(Path::resource(5, 0, 5), Value::Integer(0));
    let mut rig = setup.start();
    rig.silent = true;
    let write = Message::request(Code::PUT)
        .with_path(&["5", "0", "1"])
        .with_content_format(coap::ContentFormat::TEXT)
        .with_payload(b"coaps+tcp://127.0.0.1:2/f".to_vec());
    rig.command(EMS, write);
    assert_eq!(rig.times("POST /f"), [0]);
    rig.run_to(1);
    rig.close(Link::Package, Closed::Orderly);
    assert_eq!(rig.failed(Failure::Closed(RequestKind::Download)), 1);
    rig.run_to(140);
    assert!(rig.opened(Link::Package).len() >= 2, "{:?}", rig.opened(Link::Package));
    assert_eq!(rig.opened(Link::Package).len(), rig.times("POST /f").len());
}
