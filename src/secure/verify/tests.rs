//! Each fault by its kind, each usage and matching type; and bytes that are no certificates.

use std::sync::Arc;

use proptest::prelude::*;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    SanType, date_time_ymd,
};

use super::*;
use CertificateFault::{Expired, NotYetValid, SelfSigned, UnknownIssuer, Unusable, WrongName};

/// 2026-01-02, in the middle of what `params` makes valid.
const NOW: Duration = Duration::from_secs(1_767_312_000);

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    if !common_name.is_empty() {
        params.distinguished_name.push(DnType::CommonName, common_name);
    }
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params
}

fn authority_params(common_name: &str) -> CertificateParams {
    let mut params = params(common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn authority(common_name: &str) -> Issuer {
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(authority_params(common_name), key).expect("a root")
}

fn signed(params: &CertificateParams, issuer: &Issuer) -> Vec<u8> {
    let key = KeyPair::generate().expect("a key");
    params.signed_by(&key, issuer).expect("a certificate").der().to_vec()
}

fn self_signed(params: &CertificateParams) -> Vec<u8> {
    params.self_signed(&KeyPair::generate().expect("a key")).expect("a certificate").der().to_vec()
}

/// What a server at `meters.example` has.
fn server_params() -> CertificateParams {
    let mut params = params("a server");
    params.subject_alt_names = vec![
        SanType::DnsName(Ia5String::try_from("meters.example").expect("ASCII")),
        SanType::DnsName(Ia5String::try_from("*.wild.example").expect("ASCII")),
        SanType::IpAddress("192.0.2.7".parse().expect("an address")),
        SanType::IpAddress("2001:db8::7".parse().expect("an address")),
    ];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn trust(certificate: &[u8], usage: Usage) -> Trust {
    Trust { certificate: certificate.into(), usage, matching_type: 0, name: "meters.example".into() }
}

fn hash_of(certificate: &[u8], matching_type: u8) -> Arc<[u8]> {
    let algorithm = match matching_type {
        1 => &digest::SHA256,
        2 => &digest::SHA384,
        _ => &digest::SHA512,
    };
    digest::digest(algorithm, certificate).as_ref().into()
}

#[test]
fn a_chain_to_the_anchor_with_the_right_name_is_believed() {
    let root = authority("root");
    let leaf = signed(&server_params(), &root);
    for usage in [Usage::CaConstraint, Usage::TrustAnchor] {
        assert_eq!(server(&[&leaf], &trust(root.der(), usage), NOW), Ok(()));
        assert_eq!(server(&[&leaf, root.der()], &trust(root.der(), usage), NOW), Ok(()));
    }
}

#[test]
fn certificates_between_are_needed_and_used() {
    let root = authority("root");
    let key = KeyPair::generate().expect("a key");
    let middle = CertifiedIssuer::signed_by(authority_params("middle"), key, &root).expect("an issuer");
    let leaf = signed(&server_params(), &middle);
    let trusted = trust(root.der(), Usage::TrustAnchor);
    assert_eq!(server(&[&leaf, middle.der()], &trusted, NOW), Ok(()));
    assert_eq!(server(&[&leaf], &trusted, NOW), Err(UnknownIssuer));
    // An anchor need not be a root.
    assert_eq!(server(&[&leaf], &trust(middle.der(), Usage::TrustAnchor), NOW), Ok(()));

    let mut of_a_client = params("meter-1");
    of_a_client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let leaf = signed(&of_a_client, &middle);
    assert_eq!(client(&leaf, &[middle.der()], &[root.der()], NOW).as_deref(), Ok("meter-1"));
    assert_eq!(client(&leaf, &[root.der()], &[root.der()], NOW), Err(UnknownIssuer));
}

#[test]
fn each_fault_of_a_server_has_its_kind() {
    let root = authority("root");
    let at = |params: CertificateParams| {
        server(&[&signed(&params, &root)], &trust(root.der(), Usage::TrustAnchor), NOW)
    };
    let with = |change: fn(&mut CertificateParams)| {
        let mut params = server_params();
        change(&mut params);
        at(params)
    };
    assert_eq!(with(|_| ()), Ok(()));
    assert_eq!(
        with(|params| params.not_after = date_time_ymd(2026, 1, 2)),
        Ok(()),
        "valid until the very second"
    );
    assert_eq!(with(|params| params.not_after = date_time_ymd(2026, 1, 1)), Err(Expired));
    assert_eq!(with(|params| params.not_before = date_time_ymd(2026, 1, 3)), Err(NotYetValid));
    assert_eq!(with(|params| drop(params.subject_alt_names.remove(0))), Err(WrongName));
    let of_clients = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    assert_eq!(with(of_clients), Err(Unusable));
    assert_eq!(with(|params| params.extended_key_usages.clear()), Ok(()), "for all purposes");
    assert_eq!(with(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)), Err(Unusable));
}

#[test]
fn another_authority_is_an_unknown_issuer_whatever_its_name_and_kind_of_key() {
    let root = authority("root");
    let leaf = signed(&server_params(), &root);
    for (name, algorithm) in [
        ("another", &rcgen::PKCS_ECDSA_P256_SHA256),
        ("root", &rcgen::PKCS_ECDSA_P256_SHA256),
        ("root", &rcgen::PKCS_ECDSA_P384_SHA384),
        ("root", &rcgen::PKCS_ED25519),
    ] {
        let key = KeyPair::generate_for(algorithm).expect("a key");
        let wrong = CertifiedIssuer::self_signed(authority_params(name), key).expect("a root");
        for usage in [Usage::CaConstraint, Usage::ServiceConstraint, Usage::TrustAnchor, Usage::DomainIssued]
        {
            assert_eq!(
                server(&[&leaf], &trust(wrong.der(), usage), NOW),
                Err(UnknownIssuer),
                "{name} {usage:?}"
            );
            let sent = [&leaf[..], root.der()];
            assert_eq!(
                server(&sent, &trust(wrong.der(), usage), NOW),
                Err(UnknownIssuer),
                "{name} {usage:?}"
            );
        }
        assert_eq!(
            client(&leaf_of("meter-1", &root), &[root.der()], &[wrong.der()], NOW),
            Err(UnknownIssuer)
        );
    }
    // One who was never allowed to issue.
    let key = KeyPair::generate().expect("a key");
    let nobody = CertifiedIssuer::signed_by(params("middle"), key, &root).expect("an issuer");
    let leaf = signed(&server_params(), &nobody);
    let trusted = trust(root.der(), Usage::TrustAnchor);
    assert_eq!(server(&[&leaf, nobody.der()], &trusted, NOW), Err(UnknownIssuer));
}

#[test]
fn p384_is_as_good_as_p256() {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("a key");
    let root = CertifiedIssuer::self_signed(authority_params("root"), key).expect("a root");
    assert_eq!(
        server(&[&signed(&server_params(), &root)], &trust(root.der(), Usage::TrustAnchor), NOW),
        Ok(())
    );
}

#[test]
fn who_has_signed_himself_is_told_apart_unless_he_is_the_one_expected() {
    let root = authority("root");
    let leaf = self_signed(&server_params());
    for usage in [Usage::CaConstraint, Usage::ServiceConstraint, Usage::TrustAnchor, Usage::DomainIssued] {
        assert_eq!(server(&[&leaf], &trust(root.der(), usage), NOW), Err(SelfSigned), "{usage:?}");
        assert_eq!(server(&[&leaf], &trust(&leaf, usage), NOW), Ok(()), "{usage:?}");
    }
    // Before its dates, and even if it calls itself an authority, as OpenSSL's do by default.
    let mut old = server_params();
    old.not_after = date_time_ymd(2026, 1, 1);
    old.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    assert_eq!(server(&[&self_signed(&old)], &trust(root.der(), Usage::TrustAnchor), NOW), Err(SelfSigned));
    // Who only calls himself his own issuer has not signed himself.
    let named_alike = authority("a server");
    let leaf = signed(&server_params(), &named_alike);
    assert_eq!(server(&[&leaf], &trust(root.der(), Usage::TrustAnchor), NOW), Err(UnknownIssuer));

    assert_eq!(client(&self_signed(&params("meter-1")), &NONE, &[root.der()], NOW), Err(SelfSigned));
    let own = self_signed(&params("meter-1"));
    assert_eq!(client(&own, &NONE, &[&own], NOW).as_deref(), Ok("meter-1"));
}

#[test]
fn the_very_certificate_is_believed_whatever_its_name_and_dates() {
    let mut params = server_params();
    params.not_after = date_time_ymd(2026, 1, 1);
    params.subject_alt_names.clear();
    let leaf = signed(&params, &authority("root"));
    assert_eq!(server(&[&leaf], &trust(&leaf, Usage::DomainIssued), NOW), Ok(()));
    // Not so with usage 1.
    assert_eq!(server(&[&leaf], &trust(&leaf, Usage::ServiceConstraint), NOW), Err(Expired));
    params.not_after = date_time_ymd(2027, 1, 1);
    let leaf = signed(&params, &authority("root"));
    assert_eq!(server(&[&leaf], &trust(&leaf, Usage::ServiceConstraint), NOW), Err(WrongName));
    let right = signed(&server_params(), &authority("root"));
    assert_eq!(server(&[&right], &trust(&right, Usage::ServiceConstraint), NOW), Ok(()));
}

#[test]
fn hashes_match_like_the_certificate_itself() {
    let root = authority("root");
    let leaf = signed(&server_params(), &root);
    let chain = [&leaf[..], root.der()];
    for matching_type in 1..=3 {
        for usage in [Usage::DomainIssued, Usage::ServiceConstraint] {
            let hashed =
                Trust { certificate: hash_of(&leaf, matching_type), matching_type, ..trust(&[], usage) };
            assert!(can_be_met(&hashed));
            assert_eq!(server(&chain, &hashed, NOW), Ok(()), "{matching_type} {usage:?}");
            let other = Trust { certificate: hash_of(root.der(), matching_type), ..hashed };
            assert_eq!(server(&chain, &other, NOW), Err(UnknownIssuer), "{matching_type} {usage:?}");
        }
        let anchor = Trust {
            certificate: hash_of(root.der(), matching_type),
            matching_type,
            ..trust(&[], Usage::TrustAnchor)
        };
        assert_eq!(server(&chain, &anchor, NOW), Ok(()), "{matching_type}");
        assert_eq!(server(&chain[..1], &anchor, NOW), Err(UnknownIssuer), "the anchor was not sent");
    }
}

#[test]
fn what_no_server_can_satisfy_is_known_beforehand() {
    let root = authority("root");
    assert!(can_be_met(&trust(root.der(), Usage::TrustAnchor)));
    assert!(!can_be_met(&trust(b"no certificate", Usage::TrustAnchor)));
    for matching_type in 1..=4 {
        assert!(!can_be_met(&Trust { matching_type, ..trust(root.der(), Usage::TrustAnchor) }));
    }
    let leaf = signed(&server_params(), &root);
    let unheard_of = Trust { matching_type: 4, ..trust(&leaf, Usage::DomainIssued) };
    assert_eq!(server(&[&leaf], &unheard_of, NOW), Err(UnknownIssuer));
}

#[test]
fn names_are_dns_names_addresses_and_as_a_last_resort_the_common_name() {
    let root = authority("root");
    let ask = |leaf: &[u8], name: &str| {
        server(&[leaf], &Trust { name: name.into(), ..trust(root.der(), Usage::TrustAnchor) }, NOW)
    };
    let leaf = signed(&server_params(), &root);
    for name in
        ["meters.example", "METERS.example", "a.wild.example", "192.0.2.7", "2001:db8::7", "[2001:db8::7]"]
    {
        assert_eq!(ask(&leaf, name), Ok(()), "{name}");
    }
    for name in
        ["example", "a.meters.example", "a.b.wild.example", "192.0.2.8", "[2001:db8::8]", "a server", ""]
    {
        assert_eq!(ask(&leaf, name), Err(WrongName), "{name}");
    }
    let by_common_name = signed(&params("meters.example"), &root);
    assert_eq!(ask(&by_common_name, "Meters.Example"), Ok(()));
    assert_eq!(ask(&by_common_name, "other.example"), Err(WrongName));
    assert_eq!(ask(&signed(&params("192.0.2.7"), &root), "192.0.2.7"), Err(WrongName));
    // With other names there it says nothing.
    let mut both = params("meters.example");
    both.subject_alt_names = vec![SanType::DnsName(Ia5String::try_from("other.example").expect("ASCII"))];
    assert_eq!(ask(&signed(&both, &root), "meters.example"), Err(WrongName));
}

#[test]
fn of_several_faults_the_first_of_the_list_is_told() {
    let root = authority("root");
    let another = authority("another");
    let mut params = server_params();
    params.subject_alt_names.clear();
    let ask = |params: &CertificateParams| {
        server(&[&signed(params, &another)], &trust(root.der(), Usage::TrustAnchor), NOW)
    };
    assert_eq!(ask(&params), Err(UnknownIssuer));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    assert_eq!(ask(&params), Err(Unusable));
    params.not_after = date_time_ymd(2026, 1, 1);
    assert_eq!(ask(&params), Err(Expired));
}

#[test]
fn an_authority_between_has_dates_too() {
    let root = authority("root");
    let mut old = authority_params("middle");
    old.not_after = date_time_ymd(2026, 1, 1);
    let middle =
        CertifiedIssuer::signed_by(old, KeyPair::generate().expect("a key"), &root).expect("an issuer");
    let leaf = signed(&server_params(), &middle);
    let chain = [&leaf[..], middle.der()];
    assert_eq!(server(&chain, &trust(root.der(), Usage::TrustAnchor), NOW), Err(Expired));
    assert_eq!(server(&chain, &trust(middle.der(), Usage::TrustAnchor), NOW), Ok(()), "an anchor has none");
}

#[test]
fn each_fault_of_a_client_has_its_kind() {
    let root = authority("root");
    let with = |change: fn(&mut CertificateParams)| {
        let mut params = params("meter-1");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        client(&signed(&params, &root), &NONE, &[root.der()], NOW)
    };
    assert_eq!(with(|_| ()).as_deref(), Ok("meter-1"));
    assert_eq!(with(|params| params.extended_key_usages.clear()).as_deref(), Ok("meter-1"));
    assert_eq!(with(|params| params.not_after = date_time_ymd(2026, 1, 1)), Err(Expired));
    assert_eq!(with(|params| params.not_before = date_time_ymd(2026, 1, 3)), Err(NotYetValid));
    let of_servers = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    assert_eq!(with(of_servers), Err(Unusable));
    assert_eq!(client(b"", &NONE, &[root.der()], NOW), Err(Unusable));
    assert_eq!(client(&leaf_of("meter-1", &root), &NONE, &NONE, NOW), Err(UnknownIssuer));
    assert_eq!(client(&leaf_of("meter-1", &root), &NONE, &[b"no certificate"], NOW), Err(UnknownIssuer));
}

#[test]
fn a_client_is_named_by_its_common_name_or_by_an_alternative() {
    let root = authority("root");
    let named = |names: Vec<SanType>, common_name: &str| {
        let mut params = params(common_name);
        params.subject_alt_names = names;
        let leaf = signed(&params, &root);
        assert_eq!(client(&leaf, &NONE, &[root.der()], NOW).ok(), subject(&leaf));
        subject(&leaf)
    };
    let urn = || SanType::URI(Ia5String::try_from("urn:dev:os:32473-1").expect("ASCII"));
    let dns = || SanType::DnsName(Ia5String::try_from("meter-1.example").expect("ASCII"));
    assert_eq!(
        named(vec![dns()], "urn:dev:mac:0024befffe804ff1").as_deref(),
        Some("urn:dev:mac:0024befffe804ff1")
    );
    assert_eq!(named(vec![urn()], "").as_deref(), Some("urn:dev:os:32473-1"));
    assert_eq!(named(vec![urn(), dns()], "").as_deref(), Some("meter-1.example"));
    assert_eq!(named(vec![], ""), None);
    assert_eq!(client(&leaf_of("", &root), &NONE, &[root.der()], NOW), Err(Unusable));
}

const NONE: [&[u8]; 0] = [];

fn leaf_of(common_name: &str, issuer: &Issuer) -> Vec<u8> {
    signed(&params(common_name), issuer)
}

proptest! {
    #[test]
    fn bytes_that_are_no_certificate_are_unusable(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let root = authority("root");
        for usage in [Usage::CaConstraint, Usage::ServiceConstraint, Usage::TrustAnchor, Usage::DomainIssued] {
            prop_assert_eq!(server(&[&bytes], &trust(root.der(), usage), NOW), Err(Unusable));
            let _ = server(&[root.der(), &bytes], &trust(&bytes, usage), NOW);
        }
        prop_assert_eq!(client(&bytes, &[&bytes], &[&bytes], NOW), Err(Unusable));
        prop_assert_eq!(subject(&bytes), None);
    }

    #[test]
    fn a_certificate_with_bytes_changed_is_never_believed(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), 1u8..), 1..4),
        between in any::<bool>(),
    ) {
        let root = authority("root");
        let whole = signed(&server_params(), &root);
        let mut bytes = whole.clone();
        for (at, change) in changes {
            let at = at.index(bytes.len());
            bytes[at] ^= change;
        }
        prop_assume!(bytes != whole);
        let chain: &[&[u8]] = if between { &[&whole, &bytes] } else { &[&bytes] };
        for usage in [Usage::ServiceConstraint, Usage::DomainIssued, Usage::TrustAnchor] {
            let anchor = if usage == Usage::TrustAnchor { &root.der()[..] } else { &whole };
            let judged = server(chain, &trust(anchor, usage), NOW);
            prop_assert_eq!(judged.is_ok(), between);
        }
        let _ = (client(&bytes, &[&bytes], &[&bytes], NOW), subject(&bytes));
    }
}
