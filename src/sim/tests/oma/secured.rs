//! Cases about what carries messages: keys, certificates and connections. Meter and servers are as in a run,
//! each server with credentials of its own.

use super::super::secure::kit::{EMS_NAME, Kit, Mode, endpoint};
use super::*;
use crate::metrics::{Event, FailureKind};
use crate::protocol::lwm2m::Scheme;
use crate::protocol::server::{Action, Campaign};

/// A world of one meter of `version` whose EMS reads /3/0 as soon as it is registered.
fn kit(version: Version, scheme: Scheme, mode: Mode) -> Kit {
    let format = Some(if version == Version::V1_0 { ContentFormat::TLV } else { ContentFormat::SENML_CBOR });
    let setup = Setup { version, format, ..Setup::default() };
    let rate = "1/s".parse().expect("a rate");
    let campaign =
        Campaign { action: Action::Read(at("/3/0")), start: SOON, rate, share: None, repeat: None };
    Kit { campaigns: vec![campaign], ..Kit::new((scheme, mode), setup) }
}

/// The meter bootstraps, registers, and answers the Read.
fn passes(kit: &Kit) -> World {
    let mut world = kit.world();
    world.record();
    world.run_to(Instant::from_secs(30));
    let bootstrap = world.bootstrap_server().expect("it is there").counters();
    assert_eq!((bootstrap.finished, bootstrap.failed), (1, 0), "{:?}", world.events());
    let ems = world.ems().expect("it is there").counters();
    assert_eq!((ems.registrations, ems.campaigns[0].ok), (1, 1), "{:?}", world.events());
    assert_eq!(world.count(MeterState::Registered), 1);
    // Nothing of what was said can be read where something secures it.
    let readable = world.recorded().iter().any(|bytes| contains(bytes, b"lwm2m="));
    assert_eq!(readable, !kit.scheme.is_secure());
    world
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|part| part == text)
}

/// /0/1/2 of the meter: how it proves who it is to the EMS.
fn mode_of(world: &World) -> Option<&Value> {
    world.meter(0).client().tree().get(at("/0/1/2"))
}

#[test]
fn int_1_client_initiated_bootstrap_full_with_psk() {
    for version in ALL {
        let world = passes(&kit(version, Scheme::Coaps, Mode::Psk));
        let tree = world.meter(0).client().tree();
        assert_eq!(mode_of(&world), Some(&Value::Integer(0)));
        // What it was given is another key than the one it came with.
        assert_ne!(tree.get(at("/0/0/5")), tree.get(at("/0/1/5")));
    }
}

#[test]
fn int_2_client_initiated_bootstrap_full_with_certificates() {
    for version in ALL {
        let world = passes(&kit(version, Scheme::Coaps, Mode::X509));
        assert_eq!(mode_of(&world), Some(&Value::Integer(2)));
    }
}

#[test]
fn int_106_tcp_binding() {
    for version in LATER {
        let world = passes(&kit(version, Scheme::CoapTcp, Mode::NoSec));
        // RFC 8323 §5.3: the first message of both ends of each connection is a CSM (7.01), which has no token.
        let is_csm = |bytes: &&Vec<u8>| bytes.get(1) == Some(&0xe1) && bytes[0] & 0x0f == 0;
        let of_messages = world.recorded();
        assert!(is_csm(&&of_messages[0]), "{:?}", of_messages[0]);
        assert_eq!(of_messages.iter().filter(is_csm).count(), 4, "both ends, twice");
        let register = of_messages.iter().find(|bytes| contains(bytes, b"b=T")).expect("a Register");
        for wanted in [&b"lt=300"[..], b"lwm2m=", b"</3/0>", endpoint(0).as_bytes()] {
            assert!(contains(register, wanted), "{wanted:?}");
        }
        assert!(!contains(register, b"</0/") && !contains(register, b"</21"));
    }
}

#[test]
fn int_401_udp_channel_security_psk_mode() {
    for version in ALL {
        let world = passes(&kit(version, Scheme::Coaps, Mode::Psk));
        let uri = world.meter(0).client().tree().get(at("/0/1/0"));
        assert_eq!(uri, Some(&"coaps://127.0.0.1:5683".into()));
        let sessions = world.secured_ems().and_then(|ems| ems.counters()).expect("it has sessions");
        assert_eq!((sessions.completed, sessions.sessions), (1, 1));
    }
}

#[test]
fn int_402_udp_channel_security_certificate_mode() {
    for version in ALL {
        let world = passes(&kit(version, Scheme::Coaps, Mode::X509));
        let uri = world.meter(0).client().tree().get(at("/0/1/0"));
        assert_eq!(uri, Some(&format!("coaps://{EMS_NAME}:5683").as_str().into()));
        let sessions = world.secured_ems().and_then(|ems| ems.counters()).expect("it has sessions");
        assert_eq!((sessions.completed, sessions.sessions), (1, 1));
    }
}

#[test]
fn int_403_certificate_mode_with_another_server_name() {
    for scheme in [Scheme::Coaps, Scheme::CoapsTcp] {
        let kit = Kit { ems_name: "server-fail.example.com", ..kit(Version::V1_1, scheme, Mode::X509) };
        let mut world = kit.world();
        world.run_to(Instant::from_secs(30));
        let failure = Event::Failure(FailureKind::CertificateWrongName);
        assert!(world.events().iter().any(|(_, _, event)| *event == failure), "{:?}", world.events());
        assert_eq!(world.ems().expect("it is there").counters().registrations, 0);
        // It was the EMS's name alone: the Bootstrap-Server was believed.
        assert!(world.bootstrap_server().expect("it is there").counters().finished > 0);
    }
}

#[test]
fn int_404_tcp_channel_security_certificate_mode() {
    for version in LATER {
        let world = passes(&kit(version, Scheme::CoapsTcp, Mode::X509));
        assert_eq!(mode_of(&world), Some(&Value::Integer(2)));
        assert_eq!(world.streams_of(0), 1);
    }
}
