use proptest::prelude::*;

use super::*;

fn list(text: &str) -> List {
    List::parse("keys.csv", text).unwrap_or_else(|error| panic!("{error}"))
}

fn mistake(text: &str) -> String {
    List::parse("keys.csv", text).expect_err(text).to_string()
}

#[test]
fn keys_are_hex_or_base64_and_servers_have_their_own() {
    let list = list(
        "# a comment\nendpoint,server,mode,identity,key\n\
         m1,,psk,one,00010203\nm1,101,psk,,base64:AAECAw==\nm2,bootstrap,,,AAECAwQ=\n",
    );
    assert_eq!(list.endpoints(), ["m1".into(), "m2".into()]);
    let key = |number, role| match list.get(number, role) {
        Some(Listed::Psk(psk)) => (psk.identity.to_vec(), psk.key.expose().to_vec()),
        other => panic!("{other:?}"),
    };
    assert_eq!(key(0, Role::Bootstrap), (b"one".to_vec(), vec![0, 1, 2, 3]));
    assert_eq!(key(0, Role::Server(101)), (b"m1".to_vec(), vec![0, 1, 2, 3]));
    assert_eq!(key(1, Role::Bootstrap), (b"m2".to_vec(), vec![0, 1, 2, 3, 4]));
    assert_eq!(list.get(1, Role::Server(101)), None);
    assert_eq!((list.mode(Role::Bootstrap), list.mode(Role::Server(7))), (Some(Mode::Psk), None));
    assert!(list.holds_keys());
}

#[test]
fn certificates_are_files_or_sections_of_bundles() {
    let list = list("endpoint,certificate,certificate_key\nm1,m1.pem,m1.key\nm2,all.pem#7,keys/all.pem#7\n");
    let Some(Listed::Certificate { certificate, key }) = list.get(1, Role::Bootstrap) else { panic!() };
    assert_eq!(
        (certificate.file.as_str(), certificate.section, certificate.at),
        ("all.pem", Some(7), (3, 4))
    );
    assert_eq!((key.file.as_str(), key.section), ("keys/all.pem", Some(7)));
    assert!(!list.holds_keys() && list.mode(Role::Bootstrap) == Some(Mode::X509));
}

#[test]
fn mistakes_have_a_place_and_show_no_key() {
    let secret = "c0ffee00c0ffee00c0ffee00c0ffee0";
    let cases = [
        (String::new(), "keys.csv:1:1: has no header"),
        ("name,key\n".to_owned(), "keys.csv:1:1: a column has a name that is none of endpoint,"),
        ("key\n".to_owned(), "keys.csv:1:1: endpoint: is no column of this list"),
        ("endpoint,key,key\n".to_owned(), "keys.csv:1:14: key: is there twice"),
        (format!("endpoint,key\nm1,{secret}\n"), "keys.csv:2:4: key: must be hex digits or base64"),
        (format!("endpoint,key\n,{secret}0\n"), "keys.csv:2:1: endpoint: is missing in this row"),
        (format!("endpoint,key\nm1,{secret}0,x\n"), "keys.csv:2:1: the row has 3 cells and not 2"),
        (format!("endpoint,key\nm1,\"{secret}\n"), "keys.csv:2:4: the quotes that begin here are not closed"),
        (
            format!("endpoint,key\nm1,hex:{}\n", secret.repeat(6)),
            "keys.csv:2:4: key: must have 1 to 64 bytes",
        ),
        (
            format!("endpoint,key\nm1,{secret}0\nm1,{secret}0\n"),
            "keys.csv:3:1: identity: is that of another meter",
        ),
        (
            format!("endpoint,identity,key\nm1,a,{secret}0\nm2,a,{secret}0\n"),
            "keys.csv:3:4: identity: is that of another meter",
        ),
        (
            format!("endpoint,identity,key\nm1,a,{secret}0\nm1,b,{secret}0\n"),
            "keys.csv:3:1: endpoint: has a row for this server already",
        ),
        (
            format!("endpoint,server,key\nm1,ems,{secret}0\n"),
            "keys.csv:2:4: server: must be \"bootstrap\" or a Short Server ID",
        ),
        (
            format!("endpoint,mode,key\nm1,rpk,{secret}0\n"),
            "keys.csv:2:4: mode: must be \"psk\" or \"x509\": raw public keys",
        ),
        (
            format!("endpoint,mode,key\nm1,x509,{secret}0\n"),
            "keys.csv:2:9: key: is not for the mode \"x509\"",
        ),
        (
            format!("endpoint,mode,key,certificate\nm1,psk,{secret}0,c.pem\n"),
            "certificate: is not for the mode \"psk\"",
        ),
        (
            "endpoint,certificate,certificate_key\nm1,c.pem,\n".to_owned(),
            "keys.csv:2:10: certificate_key: is missing",
        ),
        (
            "endpoint,certificate,certificate_key\nm1,c.pem#x,k\n".to_owned(),
            "keys.csv:2:4: certificate: must name the section",
        ),
        (
            format!("endpoint,identity,key\nm1,{},{secret}0\n", "i".repeat(129)),
            "identity: is longer than the 128 bytes",
        ),
    ];
    for (text, message) in cases {
        let said = mistake(&text);
        assert!(
            said.starts_with("keys.csv:") && said.contains(message),
            "{text:?} said\n  {said}\nand not\n  {message}"
        );
        assert!(!said.contains("c0ffee"), "{said}");
    }
}

proptest! {
    #[test]
    fn no_list_panics_or_shows_its_keys(
        header in proptest::sample::subsequence(COLUMNS.to_vec(), 1..=7),
        rows in proptest::collection::vec("[a-z0-9,#\"\n]{0,30}", 0..6),
    ) {
        let text = format!("{}\nm,deadbeefdeadbeef\n{}", header.join(","), rows.join("\n"));
        if let Err(error) = List::parse("keys.csv", &text) {
            prop_assert!(!error.to_string().contains("deadbeef"), "{}", error);
        }
    }

    #[test]
    fn keys_are_read_in_both_forms(key in proptest::collection::vec(any::<u8>(), 1..64)) {
        use base64::Engine as _;
        let hex = crate::credentials::master::hex(&key);
        prop_assert_eq!(bytes(&hex).map(|bytes| bytes.to_vec()), Some(key.clone()));
        let text = format!("base64:{}", STANDARD.encode(&key));
        prop_assert_eq!(bytes(&text).map(|bytes| bytes.to_vec()), Some(key));
    }
}
