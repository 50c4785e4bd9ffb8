//! What goes together in `[security]`, what the engines cannot do, and where credentials end up.

use std::net::SocketAddr;
use std::sync::Arc;

use super::*;
use crate::base::{Clock, Instant};
use crate::credentials::{Mode as Proof, Role};
use crate::protocol::client::{Card, decode_card};
use crate::protocol::lwm2m::{Entry, Path, Scheme, ServerUri, Value};

const SECURE: &str = "servers.embedded = { bootstrap_listen = \"coaps://127.0.0.1:0\", ems_listen = \"coaps://127.0.0.1:0\" }\n";
const NOW: u64 = 1_800_000_000;

fn with(text: &str, set: &[&str]) -> Result<Scenario, ScenarioError> {
    let set = set.iter().map(ToString::to_string).collect();
    load("storm.toml", text, &Overrides { set, seed: None }, 2)
}

fn good(text: &str, set: &[&str]) -> Scenario {
    with(text, set).unwrap_or_else(|error| panic!("{error}"))
}

fn equipped(text: &str, set: &[&str]) -> Scenario {
    let scenario = good(text, set).with_credentials_of_its_own(Part::Run, NOW);
    scenario.unwrap_or_else(|error| panic!("{error}"))
}

fn places(scenario: &Scenario) -> Places {
    let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
    scenario.places(Some(at(5684)), &[at(5694)])
}

fn own(scenario: &Scenario, meter: u32) -> Vec<Entry> {
    let config = scenario.client_config(places(scenario));
    config.provision.map(|provision| provision.own(meter)).unwrap_or_default()
}

fn value(entries: &[Entry], instance: u16, id: u16) -> Option<&Value> {
    let path = Path::resource(0, instance, id);
    entries.iter().find(|entry| entry.path == path).map(|entry| &entry.value)
}

fn bytes(entries: &[Entry], instance: u16, id: u16) -> Vec<u8> {
    match value(entries, instance, id) {
        Some(Value::Opaque(bytes)) => bytes.to_vec(),
        other => panic!("/0/{instance}/{id} is {other:?}"),
    }
}

#[test]
fn what_the_engines_cannot_do_is_refused_with_a_sentence() {
    let cases: [(&[&str], &str); 25] = [
        (
            &["security.mode=rpk"],
            "security.mode = \"rpk\": is Security Mode 1, raw public keys: the engines have none",
        ),
        (&["security.mode=est"], "is Security Mode 4, certificates enrolled for by EST: it is not supported"),
        (&["security.mode=magic"], "must be \"none\", \"psk\" or \"x509\""),
        (&["security.mode=none"], "does not go with coaps:// of servers.embedded.bootstrap_listen"),
        (
            &["security.mode=psk", "servers.embedded.ems_listen=coaps+tcp://127.0.0.1:0"],
            "is not supported over TLS, which servers.embedded.ems_listen asks for",
        ),
        (&["security.connection_id=true"], "the engine has no connection IDs"),
        (&["security.resumption=true"], "the engine makes a full handshake every time"),
        (&["security.send_chain=true"], "the engine sends one certificate"),
        (&["security.dtls=1.3"], "is for certificates: pre-shared keys are spoken by DTLS 1.2 alone"),
        (&["security.dtls=1.1"], "must be \"1.2\" or \"1.3\""),
        (&["security.usage=2"], "security.usage = 2: is for certificates; set security.mode = \"x509\""),
        (&["security.mode=x509", "security.usage=4"], "must be between 0 and 3"),
        (&["security.mode=x509", "fleet.lwm2m=1.0", "security.usage=2"], "came with LwM2M 1.1"),
        (&["security.mode=x509", "security.matching_type=1"], "is a hash of an authority with usage 2"),
        (&["security.mode=x509", "security.server_name=127.0.0.1"], "must be the name of a host"),
        (
            &["security.credentials=a", "security.import=b"],
            "cannot be given together with security.credentials",
        ),
        (&["security.trust=ca.pem", "security.credentials=a"], "is for a list"),
        (&["security.bad.expired=1%"], "is for certificates, and server bootstrap has mode \"psk\""),
        (&["security.mode=x509", "security.bad.wrong_key=1%"], "is for pre-shared keys"),
        (&["security.bad.at=7"], "security.bad.at = 7: is no server that is spoken to in security"),
        (&["security.bad.at=ems"], "is no server that is spoken to in security; try \"bootstrap\""),
        (
            &["security.bad.wrong_key=60%", "security.bad.unknown_identity=50%"],
            "security.bad.unknown_identity = \"50%\": makes 110.0% of the meters",
        ),
        (
            &["security.mode=x509", "security.usage=3", "security.bad.wrong_name=1%"],
            "is never looked at with usage 3",
        ),
        (
            &["servers.bootstrap_server.manners.other_port=1%"],
            "is for coap://: over coaps:// no other port belongs to the session",
        ),
        (&["fleet.lwm2m=1.0", "servers.embedded.ems_listen=coap+tcp://127.0.0.1:0"], "came with LwM2M 1.1"),
    ];
    for (set, message) in cases {
        let said = with(SECURE, set).expect_err(&set.join(" ")).to_string();
        assert!(said.contains(message), "{set:?} said\n  {said}\nand not\n  {message}");
    }
    for set in
        ["security.mode=psk", "security.credentials=a", "security.dtls=1.3", "security.bad.wrong_ca=1%"]
    {
        let said = with("", &[set]).expect_err(set).to_string();
        assert!(said.contains("means nothing where no server is spoken to by coaps://"), "{said}");
    }
    assert!(with("", &["security.mode=none"]).is_ok());
    let long = format!("fleet.endpoint={}{{index}}", "x".repeat(125));
    assert!(
        with(SECURE, &[&long]).expect_err("too long").to_string().contains("no identity of a pre-shared key")
    );
}

#[test]
fn listening_addresses_are_addresses_or_uris() {
    let at = |text: &str| {
        let scenario = good("", &[&format!("servers.embedded.ems_listen={text}")]);
        let ListenAt { scheme, address } = scenario.servers.embedded.ems_listen;
        (scheme, address.to_string())
    };
    assert_eq!(at("[::1]:7"), (Scheme::Coap, "[::1]:7".to_owned()));
    assert_eq!(at("coap://127.0.0.1:0"), (Scheme::Coap, "127.0.0.1:0".to_owned()));
    assert_eq!(at("coaps://127.0.0.1"), (Scheme::Coaps, "127.0.0.1:5684".to_owned()));
    assert_eq!(at("coaps+tcp://[::1]"), (Scheme::CoapsTcp, "[::1]:5684".to_owned()));
    for text in ["http://127.0.0.1:1", "coaps://localhost:1", "coaps://", "coaps://127.0.0.1:x"] {
        let said = with("", &[&format!("servers.embedded.ems_listen={text}")]).expect_err(text).to_string();
        assert!(said.contains("must be an address and a port"), "{said}");
    }
    // UDP and TCP have ports of their own.
    let ports = [
        "servers.embedded.ems_listen=coap+tcp://127.0.0.1:7",
        "servers.embedded.bootstrap_listen=127.0.0.1:7",
    ];
    assert!(with("", &ports).is_ok());
}

#[test]
fn a_resolved_security_loads_as_itself() {
    let set = [
        "security.mode=x509",
        "security.dtls=1.3",
        "security.usage=3",
        "security.matching_type=2",
        "security.server_name=ems.example.org",
        "security.import=keys.csv",
        "security.trust=ca.pem",
        "security.bad.at=\"101\"",
        "security.bad.self_signed=3%",
    ];
    let scenario = good(SECURE, &set);
    assert_eq!(load("other.toml", &scenario.to_toml(), &Overrides::default(), 7), Ok(scenario));
    let folder = good(SECURE, &["security.credentials=keys"]);
    assert_eq!(load("other.toml", &folder.to_toml(), &Overrides::default(), 7), Ok(folder));
}

#[test]
fn keys_reach_meters_and_the_servers_that_know_them() {
    let scenario = equipped(SECURE, &["fleet.meters=3"]);
    let entries = own(&scenario, 1);
    assert_eq!(value(&entries, 0, 2), Some(&Value::Integer(0)));
    assert!(value(&entries, 1, 2).is_none(), "the EMS's key comes in the bootstrap");
    let config = scenario.embedded_config(Clock::start());
    let (listen, bootstrap) = config.bootstrap.expect("it is embedded");
    assert_eq!(listen.scheme, Scheme::Coaps);
    let known = |security: Option<crate::secure::ServerSecurity>, identity: &[u8]| {
        let (key, endpoint) = security.expect("secured").identities.psk(identity).expect("known");
        (key.expose().to_vec(), endpoint)
    };
    let (key, endpoint) = known(listen.security, &bytes(&entries, 0, 3));
    assert_eq!((key, &*endpoint), (bytes(&entries, 0, 5), scenario.fleet.endpoint.name(1).as_str()));
    // What the Bootstrap-Server writes for the EMS is what the EMS knows, and another key.
    let written = bootstrap.keys.expect("keys").security(&endpoint, 101).expect("an account");
    let written: Vec<Entry> =
        written.into_iter().map(|(id, value)| Entry::new(Path::resource(0, 1, id), value)).collect();
    let (ems, _) = known(config.ems[0].0.security.clone(), &bytes(&written, 1, 3));
    assert_eq!(ems, bytes(&written, 1, 5));
    assert_ne!(ems, bytes(&entries, 0, 5));
    assert_eq!(places(&scenario).ems[0], "coaps://127.0.0.1:5694".parse::<ServerUri>().expect("a URI"));
}

#[test]
fn meters_from_the_factory_and_their_cards_hold_the_keys_of_the_ems() {
    let factory = equipped(SECURE, &["fleet.meters=2", "bootstrap.mode=factory"]);
    let entries = own(&factory, 0);
    assert_ne!(bytes(&entries, 0, 5), bytes(&entries, 1, 5));
    let card = equipped(SECURE, &["fleet.meters=2", "bootstrap.mode=smartcard"]);
    let provision = card.client_config(places(&card)).provision.expect("cards");
    let Card::Present(content) = provision.card(1, Instant::ZERO) else { panic!("no card") };
    let on_card = decode_card(&content).expect("a card");
    assert_eq!(bytes(&on_card, 1, 3), card.fleet.endpoint.name(1).into_bytes());
    assert!(value(&provision.own(1), 0, 5).is_some() && value(&provision.own(1), 1, 5).is_none());
    assert!(value(&on_card, 0, 5).is_none(), "the Bootstrap-Server's account is not on it");
}

#[test]
fn streams_have_certificates_another_binding_and_descriptors() {
    let text = "servers.embedded = { bootstrap_listen = \"coaps://127.0.0.1:0\", ems_listen = \"coaps+tcp://127.0.0.1:0\" }";
    let scenario = equipped(text, &["fleet.meters=3", "bootstrap.mode=factory"]);
    let store = scenario.fitted.credentials().expect("credentials");
    let modes: Vec<_> = store.servers().collect();
    assert_eq!(modes, [(Role::Bootstrap, Proof::Psk), (Role::Server(101), Proof::X509)]);
    let config = scenario.client_config(places(&scenario));
    let binding = config.factory.iter().find(|entry| entry.path == Path::resource(1, 1, 7));
    assert_eq!(binding.map(|entry| entry.value.clone()), Some(Value::String("T".into())));
    let uri = config.factory.iter().find(|entry| entry.path == Path::resource(0, 1, 0));
    assert_eq!(
        uri.and_then(|entry| entry.value.as_str().map(str::to_owned)).as_deref(),
        Some("coaps+tcp://127.0.0.1:5694")
    );
    assert_eq!(value(&own(&scenario, 2), 1, 15), Some(&Value::Unsigned(2)));
    let plain = good("", &["fleet.meters=5000"]).plan().descriptors();
    let streams = good(text, &["fleet.meters=5000"]).plan().descriptors();
    assert_eq!(streams - plain, 10_000);
    // That to the Bootstrap-Server is closed by then, unless meters go back to it.
    let both = "servers.embedded = { bootstrap_listen = \"coap+tcp://127.0.0.1:0\", ems_listen = \"coap+tcp://127.0.0.1:0\" }";
    assert_eq!(good(both, &[]).streams(), (1, 1));
    let back =
        "servers.ems_server.campaign = [{ action = \"bootstrap-trigger\", start = \"1s\", rate = \"1/s\" }]";
    assert_eq!(good(&format!("{both}\n{back}"), &[]).streams(), (2, 2));
}

#[test]
fn files_with_keys_come_before_what_is_made() {
    let rows = "endpoint,bootstrap_identity,bootstrap_key\na,me,00112233445566778899aabbccddeeff\nb,,\n";
    let scenario = good(SECURE, &["fleet.meters=2"]).provisioned("rows.csv", rows).expect("rows");
    let scenario = scenario
        .directed("dir.csv", "endpoint,identity,key\nb,it,ffeeddccbbaa99887766554433221100\n")
        .expect("a directory")
        .with_credentials_of_its_own(Part::Run, NOW)
        .expect("credentials");
    assert_eq!(bytes(&own(&scenario, 0), 0, 3), b"me");
    assert_eq!(bytes(&own(&scenario, 1), 0, 3), b"b");
    let bootstrap = scenario.server_security(Role::Bootstrap).expect("secured").identities;
    assert_eq!(bootstrap.psk(b"me").map(|(_, endpoint)| endpoint), Some(Arc::from("a")));
    assert_eq!(bootstrap.psk(b"b").map(|(_, endpoint)| endpoint), Some(Arc::from("b")));
    let ems = scenario.server_security(Role::Server(101)).expect("secured").identities;
    assert_eq!(ems.psk(b"it").map(|(_, endpoint)| endpoint), Some(Arc::from("b")));
    let keys = scenario.bootstrap_config(&[]).keys.expect("keys");
    assert!(keys.security("a", 101).is_some() && keys.security("b", 101).is_none());
    assert!(!format!("{keys:?}").contains("ffee"));
}

#[test]
fn a_server_of_somebody_else_needs_credentials_of_its_own() {
    let scenario = good("servers.bootstrap = \"coaps://127.0.0.1:5684\"", &[]);
    let said =
        scenario.clone().with_credentials_of_its_own(Part::Run, NOW).expect_err("nobody's").to_string();
    assert!(said.contains("is somebody else's, and no credentials for it are given"), "{said}");
    let trusting = good(SECURE, &["security.trust=ca.pem"]).with_credentials_of_its_own(Part::Run, NOW);
    assert!(trusting.expect_err("no list").to_string().contains("is for a list of credentials"));
    // A file may have them for each meter.
    let rows = "endpoint,bootstrap_identity,bootstrap_key\na,me,00112233445566778899aabbccddeeff\n";
    let fitted = good("servers.bootstrap = \"coaps://127.0.0.1:5684\"", &["fleet.meters=1"])
        .provisioned("rows.csv", rows)
        .expect("rows");
    assert!(fitted.with_credentials_of_its_own(Part::Run, NOW).is_ok());
    // What it hands out is its own business; those who only listen need no more than that.
    let wanted =
        good(SECURE, &["servers.bootstrap=coap://127.0.0.1:5683"]).wanted_credentials(Part::Servers, NOW);
    let roles: Vec<_> =
        wanted.expect("wanted").expect("some").servers.iter().map(|server| server.role).collect();
    assert_eq!(roles, [Role::Bootstrap, Role::Server(101)]);
}

#[test]
fn files_cannot_ask_for_what_no_engine_has() {
    let said = |rows: &str| {
        let scenario = good(SECURE, &["fleet.meters=1"]);
        scenario.provisioned("rows.csv", rows).expect_err(rows).to_string()
    };
    assert!(said("/0/0/2\n1\n").contains("rows.csv:2:1: /0/0/2: is for raw public keys"));
    assert!(said("/0/0/2\n4\n").contains("by EST"));
    // TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256 and TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8.
    for suite in ["49187", "49326"] {
        assert!(said(&format!("/0/0/16/0\n{suite}\n")).contains("is a cipher suite the engines do not have"));
    }
}
