//! Credentials that do not fit: each is told apart, and nobody else is harmed.

use super::pki::{LONG_AFTER, LONG_AGO};
use super::*;

/// What the meters of a kit with these flaws fail of first, the first meter being without any.
fn first_failures(way: (Scheme, Mode), flaws: &[Flaw]) -> Vec<FailureKind> {
    let meters = flaws.len() as u32 + 1;
    let flawed = (1..).zip(flaws.iter().copied()).collect();
    let kit = Kit { flaws: flawed, ..Kit::new(way, Setup { meters, ..Setup::default() }) };
    let mut world = kit.world();
    world.run_to(Instant::from_secs(50));
    assert_eq!(world.meter(0).state(), MeterState::Registered, "{way:?}");
    assert_eq!(world.count(MeterState::Registered), 1, "{way:?} {:?}", world.states());
    let of = |meter| {
        world.events().iter().find_map(|(_, whose, event)| match event {
            Event::Failure(kind) if *whose == meter => Some(*kind),
            _ => None,
        })
    };
    assert_eq!(of(0), None, "{way:?}");
    (1..meters).map(|meter| of(meter).expect("it fails")).collect()
}

#[test]
fn keys_that_do_not_fit_are_told_apart() {
    let flaws = [Flaw::WrongKey, Flaw::UnknownIdentity, Flaw::RawPublicKey];
    let failures = first_failures((Scheme::Coaps, Mode::Psk), &flaws);
    assert_eq!(
        failures,
        [FailureKind::HandshakeTimeout, FailureKind::HandshakeTimeout, FailureKind::Credentials]
    );
}

#[test]
fn certificates_that_do_not_fit_are_told_apart() {
    const UNKNOWN_CA: u8 = 48;
    let flaws = [Flaw::WrongAuthority, Flaw::WrongName, Flaw::ForeignCertificate, Flaw::RawPublicKey];
    for scheme in [Scheme::Coaps, Scheme::CoapsTcp] {
        assert_eq!(
            first_failures((scheme, Mode::X509), &flaws),
            [
                FailureKind::CertificateUnknownIssuer,
                FailureKind::CertificateWrongName,
                FailureKind::HandshakeAlert(UNKNOWN_CA),
                FailureKind::Credentials,
            ],
            "{scheme}"
        );
    }
}

#[test]
fn certificates_count_while_they_are_valid() {
    let times =
        [(LONG_AGO, FailureKind::CertificateNotYetValid), (LONG_AFTER, FailureKind::CertificateExpired)];
    for scheme in [Scheme::Coaps, Scheme::CoapsTcp] {
        for (epoch, kind) in times {
            let kit = Kit { epoch, ..Kit::new((scheme, Mode::X509), Setup::default()) };
            let mut world = kit.world();
            world.run_to(Instant::from_secs(10));
            assert!(failures(&world, kind) > 0, "{scheme} {kind}: {:?}", world.events());
            assert_eq!(world.count(MeterState::Registered), 0);
        }
    }
}
