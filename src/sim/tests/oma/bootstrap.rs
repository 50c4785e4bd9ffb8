//! The bootstrap interface: cases 0 to 12.

use std::sync::Mutex;

use super::*;
use crate::protocol::client::{Card, Provision, encode_card};

const DAY: Duration = Duration::from_secs(86_400);

/// A meter that has nothing but the account of the Bootstrap-Server.
fn bare(version: Version) -> Rig {
    Rig::new(version, [bootstrap_account(), device()].concat())
}

/// What the meter holds at `path`.
fn held(rig: &Rig, path: &str) -> Vec<Entry> {
    let tree = rig.world.meter(0).client().tree();
    tree.entries(at(path)).map(|(path, value)| Entry::new(path, value.clone())).collect()
}

fn link<'a>(links: &'a [String], path: &str) -> Option<&'a str> {
    links.iter().map(String::as_str).find(|link| link.split(';').next() == Some(path))
}

/// The list of a meter that has an account of the Bootstrap-Server, and no other.
fn is_without_account(links: &[String]) -> bool {
    link(links, "</0/1>").is_some() && link(links, "</0/0>").is_none() && link(links, "</1/0>").is_none()
}

#[test]
fn int_0_client_initiated_bootstrap() {
    for version in LATER {
        for format in [ContentFormat::TLV, ContentFormat::SENML_JSON, ContentFormat::SENML_CBOR] {
            let mut rig = bare(version);
            rig.expect_bootstrap_request();
            assert_eq!(rig.bootstrap_write("/0", format, &handed_out()), Code::CHANGED);
            assert_eq!(rig.bootstrap_write("/1", format, &handed_out()), Code::CHANGED);
            let links = rig.bootstrap_discover();
            assert_eq!(links[0], format!("</>;lwm2m={version}"));
            let server = link(&links, "</0/0>").expect("what was written");
            assert!(server.contains(";ssid=1") && server.contains(r#";uri="coap://127.0.0.1:5683""#));
            // The account of the Bootstrap-Server has no number.
            assert!(link(&links, "</0/1>").is_some_and(|own| !own.contains("ssid")), "{links:?}");
            assert_eq!(link(&links, "</1/0>"), Some("</1/0>;ssid=1"));
            assert_eq!(link(&links, "</3/0>"), Some("</3/0>"));
            assert_eq!(rig.finish(), Code::CHANGED);
            rig.expect_register();
        }
    }
}

/// A slot for cards.
#[derive(Debug, Default)]
struct Slot(Mutex<Card>);

impl Slot {
    fn put(&self, card: &[Entry]) {
        let card = Card::Present(encode_card(card).expect("plain values").into());
        *self.0.lock().expect("no case panicked with it") = card;
    }
}

impl Provision for Slot {
    fn own(&self, _: u32) -> Vec<Entry> {
        Vec::new()
    }

    fn card(&self, _: u32, _: Instant) -> Card {
        self.0.lock().expect("no case panicked with it").clone()
    }
}

/// The account of another server, where otherwise the Bootstrap-Server is, with half the lifetime.
fn other_account() -> Vec<Entry> {
    let mut entries = handed_out();
    for entry in &mut entries {
        match entry.path.ids() {
            [0, 0, 0] => entry.value = "coap://127.0.0.1:5783".into(),
            [1, 0, 1] => entry.value = Value::Integer(LIFETIME / 2),
            _ => {}
        }
    }
    entries
}

/// A meter with an account from the factory, and a slot for a card.
fn with_slot(slot: &Arc<Slot>) -> Rig {
    let slot = slot.clone();
    Rig::with(Version::V1_1, [account(), device()].concat(), |config| config.provision = Some(slot))
}

#[test]
fn int_3_simple_bootstrap_from_smartcard() {
    let slot = Arc::new(Slot::default());
    let mut rig = with_slot(&slot);
    rig.expect_register();
    assert_eq!(rig.value("/1/0/1"), Value::Integer(LIFETIME));
    // The card is put in while the meter is off.
    slot.put(&other_account());
    assert_eq!(rig.execute("/3/0/4"), Code::CHANGED);
    rig.wait(Duration::ZERO);
    assert!(rig.server.heard.is_empty());
    std::mem::swap(&mut rig.server, &mut rig.bootstrap);
    let register = rig.expect_register();
    assert_eq!(register.query("lt"), Some("43200"));
    assert_eq!(rig.value("/1/0/1"), Value::Integer(LIFETIME / 2));
}

#[test]
fn int_4_bootstrap_delete() {
    for version in LATER {
        let mut rig = bare(version);
        rig.expect_bootstrap_request();
        rig.bootstrap_write("/0", ContentFormat::TLV, &handed_out());
        rig.bootstrap_write("/1", ContentFormat::TLV, &handed_out());
        assert!(link(&rig.bootstrap_discover(), "</1/0>").is_some());
        let read = rig.bootstrap_read("/1");
        holds(&composite_values(&read, ContentFormat::SENML_CBOR), &handed_out()[4..]);
        let own = held(&rig, "/0/1");
        assert_eq!(rig.bootstrap_delete("/0"), Code::DELETED);
        assert_eq!(rig.bootstrap_delete("/1"), Code::DELETED);
        let links = rig.bootstrap_discover();
        assert!(is_without_account(&links), "{links:?}");
        assert_eq!(held(&rig, "/0"), own);
        assert!(held(&rig, "/1").is_empty());
        let read = rig.bootstrap_read("/1");
        assert!(read.code() == Code::NOT_FOUND || read.payload() == [0x80], "{read:?}");
        rig.bootstrap_in_full();
    }
}

#[test]
fn int_5_server_initiated_bootstrap() {
    for version in LATER {
        let mut rig = Rig::registered(version);
        assert_eq!(rig.execute("/1/0/9"), Code::CHANGED);
        rig.expect_bootstrap_request();
        rig.bootstrap_in_full();
    }
    // 1.0 has no such resource; there, the Bootstrap-Server starts writing.
    let mut rig = Rig::registered(Version::V1_0);
    assert_eq!(rig.execute("/1/0/9"), Code::NOT_FOUND);
    let mut rig = Rig::with(Version::V1_0, [account(), device()].concat(), |config| {
        config.bootstrap.server_initiated = true;
    });
    rig.expect_register();
    rig.bootstrap_in_full();
}

#[test]
fn int_6_bootstrap_sequence() {
    // A card comes first, ...
    let slot = Arc::new(Slot::default());
    let mut from_card = handed_out();
    for entry in &mut from_card {
        if *entry.path.ids() == [1, 0, 1] {
            entry.value = Value::Integer(3600);
        }
    }
    slot.put(&from_card);
    let mut rig = with_slot(&slot);
    assert_eq!(rig.expect_register().query("lt"), Some("3600"));
    // ... then what the factory has put in, ...
    let mut rig = with_slot(&Arc::default());
    assert_eq!(rig.expect_register().query("lt"), Some("86400"));
    assert!(rig.bootstrap.heard.is_empty());
    // ... then the Bootstrap-Server, if there is no account, ...
    let mut rig = bare(Version::V1_1);
    rig.expect_bootstrap_request();
    rig.bootstrap_in_full();
    // ... but not again while there is one, ...
    assert_eq!(rig.execute("/3/0/4"), Code::CHANGED);
    rig.expect_register();
    assert!(rig.bootstrap.heard.is_empty());
    // ... unless the server wants it, and the account of the Bootstrap-Server has been kept.
    assert_eq!(rig.execute("/1/0/9"), Code::CHANGED);
    rig.expect_bootstrap_request();
    let mut rig = Rig::new(Version::V1_1, [security_object(), server_object(), device()].concat());
    rig.expect_register();
    assert_eq!(rig.execute("/1/0/9"), Code::METHOD_NOT_ALLOWED);
    rig.expect_silence(Duration::from_secs(600));
}

#[test]
fn int_7_fallback_to_bootstrap() {
    for version in LATER {
        let mut store = [account(), device()].concat();
        // Nobody is there.
        store[0].value = "coap://127.0.0.9:5683".into();
        let mut rig = Rig::new(version, store);
        rig.expect_bootstrap_request_within(DAY);
        let tried = rig.world.events().iter().filter(|(_, _, event)| {
            matches!(event, crate::metrics::Event::Failure(crate::metrics::FailureKind::RegistrationTimeout))
        });
        assert_eq!(tried.count(), 5);
        rig.bootstrap_in_full();
    }
}

#[test]
fn int_8_bootstrap_read() {
    let access =
        [integer("/2/0/0", 3), integer("/2/0/1", 0), integer("/2/0/2/0", 31), integer("/2/0/3", 65_535)];
    for version in LATER {
        let mut rig = bare(version);
        rig.expect_bootstrap_request();
        rig.bootstrap_write("/0", ContentFormat::TLV, &handed_out());
        rig.bootstrap_write("/1", ContentFormat::TLV, &handed_out());
        assert_eq!(rig.bootstrap_write("/2", ContentFormat::TLV, &access), Code::CHANGED);
        let read = rig.bootstrap_read("/1");
        assert_eq!(composite_values(&read, ContentFormat::SENML_CBOR), handed_out()[4..]);
        let read = rig.bootstrap_read("/2");
        holds(&composite_values(&read, ContentFormat::SENML_CBOR), &access);
        // There is nothing else that may be read.
        assert_eq!(rig.bootstrap_read("/0").code(), Code::METHOD_NOT_ALLOWED);
        assert_eq!(rig.bootstrap_read("/3").code(), Code::METHOD_NOT_ALLOWED);
        assert_eq!(rig.finish(), Code::CHANGED);
        rig.expect_register();
    }
}

#[test]
fn int_9_bootstrap_and_configuration_consistency() {
    for version in LATER {
        let mut rig = bare(version);
        rig.expect_bootstrap_request();
        let setting = [integer("/1/0/5", 86_400)];
        assert_eq!(rig.bootstrap_write("/1/0/5", ContentFormat::TLV, &setting), Code::CHANGED);
        assert_eq!(rig.finish(), Code::NOT_ACCEPTABLE);
        rig.expect_silence(SOON);
        // The session goes on, and what is missing can be written.
        rig.bootstrap_in_full();
    }
}

#[test]
fn int_12_bootstrap_via_bootstrap_pack_request() {
    let with_pack = |store| Rig::with(Version::V1_2, store, |config| config.bootstrap.pack = true);
    for format in [ContentFormat::SENML_CBOR, ContentFormat::SENML_JSON, ContentFormat::LWM2M_CBOR] {
        let mut rig = with_pack([bootstrap_account(), device()].concat());
        let payload = content::encode(format, Path::ROOT, &handed_out()).expect("plain values");
        let pack = Message::response(Code::CONTENT).with_content_format(format).with_payload(payload);
        let request = rig.serve_bootstrap(SOON, pack);
        assert_eq!(request.code(), Code::GET);
        assert!(request.path_is(&["bspack"]), "{request:?}");
        assert_eq!((request.query("ep"), request.query("acc")), (Some(ENDPOINT), Some("</0/1>")));
        rig.expect_register();
        assert_eq!(held(&rig, "/1"), handed_out()[4..]);
    }
    // A server without Packs, and a Pack that does not fit together.
    let half = content::encode(ContentFormat::SENML_CBOR, Path::ROOT, &handed_out()[4..]);
    let half = Message::response(Code::CONTENT)
        .with_content_format(ContentFormat::SENML_CBOR)
        .with_payload(half.expect("plain values"));
    for refusal in [Message::response(Code::NOT_IMPLEMENTED), half] {
        let mut rig = with_pack([bootstrap_account(), device()].concat());
        rig.serve_bootstrap(SOON, refusal);
        rig.expect_bootstrap_request();
        rig.bootstrap_in_full();
    }
}
