use super::*;
use crate::credentials::authority::signed;
use crate::credentials::{Fault, Share};
use crate::protocol::lwm2m::Value;
use crate::secure::ServerSecurity;
use x509_parser::prelude::{FromDer as _, X509Certificate};

const EMS: Role = Role::Server(101);

fn server(role: Role, mode: Mode) -> WantedServer {
    WantedServer {
        role,
        mode,
        embedded: true,
        names: vec!["127.0.0.1".to_owned()],
        usage: Some(2),
        matching_type: 0,
        server_name: None,
    }
}

fn wanted(meters: u32, mode: Mode, shares: &[(Fault, &str)]) -> Wanted {
    let share = |(fault, share): &(Fault, &str)| Share {
        fault: *fault,
        at: EMS,
        share: share.parse().expect("a share"),
    };
    let shares = shares.iter().map(share).collect();
    Wanted {
        names: Names::new(meters, |number| format!("m{number}")),
        servers: vec![server(Role::Bootstrap, mode), server(EMS, mode)],
        faults: Some(Faults { shares, seed: crate::base::Seed(1) }),
        now: 1_800_000_000,
    }
}

fn bytes(resources: &[(u16, Value)], id: u16) -> &[u8] {
    let found = resources.iter().find(|(other, _)| *other == id);
    match found {
        Some((_, Value::Opaque(bytes))) => bytes,
        other => panic!("/0/x/{id} is {other:?}"),
    }
}

fn resources(store: &Store, role: Role, number: u32) -> Vec<(u16, Value)> {
    store.resources(role, number).expect("a meter and a server")
}

#[test]
fn a_server_knows_the_keys_of_its_fleet_and_no_other() {
    let store = Store::make(&wanted(3, Mode::Psk, &[])).expect("keys");
    let own = resources(&store, EMS, 2);
    assert_eq!(own[0], (2, Value::Integer(0)));
    let server = store.server(EMS).expect("a server");
    let (key, endpoint) = server.identities.psk(bytes(&own, 3)).expect("it is known");
    assert_eq!((key.expose(), &*endpoint), (bytes(&own, 5), "m2"));
    assert!(server.psk && server.certificate.is_none());
    assert!(server.identities.psk(b"m3").is_none() && server.identities.psk(b"\xff").is_none());
    // Another server has another key for it.
    let bootstrap = store.server(Role::Bootstrap).expect("a server");
    let (other, _) = bootstrap.identities.psk(bytes(&own, 3)).expect("the same identity");
    assert_ne!(other, key);
    assert_eq!(store.resources_of(EMS, "m2"), Some(own));
    assert_eq!(store.resources_of(EMS, "m3"), None);
    assert_eq!(store.resources(EMS, 3), None);
    assert_eq!(store.resources(Role::Server(9), 0), None);
}

#[test]
fn certificates_differ_by_server_and_lead_to_the_anchor() {
    let store = Store::make(&wanted(2, Mode::X509, &[])).expect("certificates");
    let [first, second] = [Role::Bootstrap, EMS].map(|role| resources(&store, role, 1));
    assert_ne!(bytes(&first, 3), bytes(&second, 3));
    assert_ne!(bytes(&first, 5), bytes(&second, 5));
    let ServerSecurity { peers, certificate, psk, .. } = store.server(EMS).expect("a server");
    assert!(!psk && certificate.is_some());
    let (_, anchor) = X509Certificate::from_der(&peers[0]).expect("an anchor");
    let (_, own) = X509Certificate::from_der(bytes(&second, 3)).expect("a certificate");
    assert!(signed(&own, &anchor));
    assert_eq!(bytes(&second, 4), &*peers[0]);
    assert!(second.contains(&(15, Value::Unsigned(2))));
}

#[test]
fn what_meters_know_a_server_by_follows_usage_and_matching_type() {
    let mut pinned = wanted(1, Mode::X509, &[]);
    for server in &mut pinned.servers {
        (server.usage, server.matching_type) = (Some(3), 1);
        server.server_name = Some("ems.example.org".into());
    }
    let store = Store::make(&pinned).expect("certificates");
    let own = resources(&store, EMS, 0);
    let certificate = store.server(EMS).and_then(|server| server.certificate).expect("a certificate");
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &certificate.chain[0]);
    assert_eq!(bytes(&own, 4), hash.as_ref());
    let rest: Vec<_> = own.into_iter().filter(|(id, _)| *id > 5).collect();
    let expected =
        [(13, Value::Unsigned(1)), (14, Value::String("ems.example.org".into())), (15, Value::Unsigned(3))];
    assert_eq!(rest, expected);
}

#[test]
fn faults_of_keys_are_the_meters_alone() {
    let all = |fault| Store::make(&wanted(2, Mode::Psk, &[(fault, "100%")])).expect("keys");
    let wrong = all(Fault::WrongKey);
    let own = resources(&wrong, EMS, 0);
    let (right, _) = wrong.server(EMS).and_then(|server| server.identities.psk(b"m0")).expect("known");
    assert_eq!(bytes(&own, 3), b"m0");
    assert_ne!(bytes(&own, 5), right.expose());
    let unknown = all(Fault::UnknownIdentity);
    let own = resources(&unknown, EMS, 0);
    assert!(unknown.server(EMS).expect("a server").identities.psk(bytes(&own, 3)).is_none());
    // At the other server nothing is wrong.
    let own = resources(&unknown, Role::Bootstrap, 0);
    assert!(unknown.server(Role::Bootstrap).expect("a server").identities.psk(bytes(&own, 3)).is_some());
}

#[test]
fn faults_of_certificates_are_what_they_are_called() {
    let now = 1_800_000_000;
    let seen = |fault| {
        let store = Store::make(&wanted(1, Mode::X509, &[(fault, "100%")])).expect("certificates");
        let own = resources(&store, EMS, 0);
        let anchors = store.server(EMS).expect("a server").peers;
        let (_, certificate) = X509Certificate::from_der(bytes(&own, 3)).expect("a certificate");
        let (_, anchor) = X509Certificate::from_der(&anchors[0]).expect("an anchor");
        let signed = signed(&certificate, &anchor);
        let valid = certificate.validity();
        let (from, until) = (valid.not_before.timestamp(), valid.not_after.timestamp());
        let own_issuer = certificate.issuer() == certificate.subject();
        let name = own.iter().find(|(id, _)| *id == 14).map(|(_, name)| name.clone());
        (signed, from < now, until > now, own_issuer, name.is_some())
    };
    assert_eq!(seen(Fault::WrongAuthority), (false, true, true, false, false));
    assert_eq!(seen(Fault::Expired), (true, true, false, false, false));
    assert_eq!(seen(Fault::NotYetValid), (true, false, true, false, false));
    assert_eq!(seen(Fault::SelfSigned), (false, true, true, true, false));
    assert_eq!(seen(Fault::WrongName), (true, true, true, false, true));
}

#[test]
fn debug_shows_no_key() {
    for mode in [Mode::Psk, Mode::X509] {
        let wanted = wanted(2, mode, &[(Fault::WrongKey, "50%")]);
        let store = Store::make(&wanted).expect("credentials");
        let shown = format!("{store:?} {wanted:?} {:?}", store.resources(EMS, 0));
        let key = bytes(&resources(&store, EMS, 0), 5).to_vec();
        assert!(!shown.contains(crate::credentials::master::hex(&key).as_str()), "{shown}");
        assert!(!shown.contains(&format!("{:?}", &key[..4]).replace(['[', ']'], "")), "{shown}");
    }
}

#[test]
fn roles_are_read_as_they_are_written() {
    for role in [Role::Bootstrap, EMS, Role::Server(65_534)] {
        assert_eq!(Role::parse(&role.to_string()), Some(role));
    }
    for text in ["", "0", "65535", "-1", "ems"] {
        assert_eq!(Role::parse(text), None, "{text}");
    }
}
