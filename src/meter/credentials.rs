//! From what an account says of security to what a session is made of.

use sha2::{Digest, Sha256};

use crate::protocol::client::{Credentials, Security};
use crate::protocol::lwm2m::{Host, Scheme, ServerUri};
use crate::secure::{Certificate, ClientSecurity, Psk, Secret, Trust, Usage};

/// TLS_PSK_WITH_AES_128_CCM_8 (RFC 6655), which LwM2M Transport §5.2.8.1 wants of every client with keys.
const PSK_SUITE: u16 = 0xc0a8;
/// TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 (RFC 5289), the one suite for certificates that all engines have.
const CERTIFICATE_SUITE: u16 = 0xc02b;

/// The account asks for what no session of ours can do, or its keys are none: a server must not be spoken to
/// in any weaker way than the account says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unusable;

/// How the meter and the server at `uri` are to prove who they are.
///
/// # Errors
/// Where the scheme and the Security Mode do not go together, for modes 1 (raw public keys) and 4 (EST), for
/// pre-shared keys over TLS, for a list of cipher suites (/0/x/16) without the one the engines have, and for
/// keys and certificates that are none.
pub(super) fn client_security(
    uri: &ServerUri,
    security: Option<Box<Security>>,
) -> Result<ClientSecurity, Unusable> {
    let Some(security) = security.filter(|security| security.credentials != Credentials::NoSec) else {
        return if uri.scheme.is_secure() { Err(Unusable) } else { Ok(ClientSecurity::None) };
    };
    let Security { credentials, server_name, matching_type, cipher_suites } = *security;
    let allows = |suite| cipher_suites.is_empty() || cipher_suites.contains(&suite);
    match credentials {
        _ if !uri.scheme.is_secure() => Err(Unusable),
        Credentials::PreSharedKey { identity, key }
            if uri.scheme == Scheme::Coaps
                && allows(PSK_SUITE)
                && !identity.is_empty()
                && !key.is_empty() =>
        {
            Ok(ClientSecurity::Psk(Psk { identity: identity.into(), key: Secret::new(key) }))
        }
        Credentials::Certificate { certificate, private, server, usage }
            if allows(CERTIFICATE_SUITE) && !private.is_empty() && !server.is_empty() =>
        {
            let chain = certificates(&certificate).ok_or(Unusable)?;
            let usage = usage_of(usage).ok_or(Unusable)?;
            if matching_type > 3 {
                return Err(Unusable);
            }
            // LwM2M Core §E.1: where /0/x/14 is present, it and not the URI names the server.
            let name = server_name.unwrap_or_else(|| name_of(&uri.host));
            let trust = Trust { certificate: server.into(), usage, matching_type, name };
            let own = Certificate { chain, key: Secret::new(private) };
            Ok(ClientSecurity::Certificate { own, trust })
        }
        _ => Err(Unusable),
    }
}

/// What tells credentials apart without keeping them: two sessions to one address are one if these are equal.
pub(super) fn fingerprint(security: &ClientSecurity) -> u64 {
    let mut hash = Sha256::new();
    // Each part with its length, so that no two lists of parts read the same.
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    match security {
        ClientSecurity::None => {}
        ClientSecurity::Psk(psk) => {
            part(&psk.identity);
            part(psk.key.expose());
        }
        ClientSecurity::Certificate { own, trust } => {
            own.chain.iter().for_each(|certificate| part(certificate));
            part(own.key.expose());
            part(&trust.certificate);
            part(&[trust.usage as u8, trust.matching_type]);
            part(trust.name.as_bytes());
        }
    }
    let digest = hash.finalize();
    digest.iter().take(8).fold(0, |all, byte| all << 8 | u64::from(*byte))
}

/// /0/x/15; where it is absent, the certificate is the server's own (LwM2M Core §E.1).
fn usage_of(usage: Option<u8>) -> Option<Usage> {
    Some(match usage {
        Some(0) => Usage::CaConstraint,
        Some(1) => Usage::ServiceConstraint,
        Some(2) => Usage::TrustAnchor,
        Some(3) | None => Usage::DomainIssued,
        Some(_) => return None,
    })
}

/// A host as certificates name it: an IPv6 address without brackets.
fn name_of(host: &Host) -> Box<str> {
    match host {
        Host::Ip(ip) => ip.to_string().into(),
        Host::Name(name) => name.as_str().into(),
    }
}

/// The certificates (DER) that /0/x/3 holds one after the other; `None` if it is anything else.
fn certificates(mut bytes: &[u8]) -> Option<Vec<std::sync::Arc<[u8]>>> {
    let mut chain = Vec::new();
    while !bytes.is_empty() {
        let (certificate, rest) = bytes.split_at_checked(sequence_len(bytes)?)?;
        chain.push(certificate.into());
        bytes = rest;
    }
    (!chain.is_empty()).then_some(chain)
}

/// How long the SEQUENCE is that these bytes begin with, its header included (X.690 §8.1.3, §8.9).
fn sequence_len(bytes: &[u8]) -> Option<usize> {
    const SEQUENCE: u8 = 0x30;
    let (&[tag, first], rest) = bytes.split_first_chunk()?;
    if tag != SEQUENCE {
        return None;
    }
    let (header, content) = match first {
        0..=0x7f => (2, usize::from(first)),
        // A length in two bytes is 64 KiB at the most, which no certificate in a resource exceeds.
        0x81 => (3, usize::from(*rest.first()?)),
        0x82 => (4, usize::from(u16::from_be_bytes(*rest.first_chunk()?))),
        _ => return None,
    };
    Some(header + content)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use smallvec::{SmallVec, smallvec};

    use super::*;

    fn uri(text: &str) -> ServerUri {
        text.parse().expect("a URI")
    }

    fn psk() -> Credentials {
        Credentials::PreSharedKey { identity: b"meter".to_vec(), key: vec![7; 16] }
    }

    fn x509(usage: Option<u8>) -> Credentials {
        let certificate = vec![0x30, 1, 5, 0x30, 2, 6, 7];
        Credentials::Certificate { certificate, private: vec![1], server: vec![2, 3], usage }
    }

    fn security(credentials: Credentials) -> Option<Box<Security>> {
        let cipher_suites = SmallVec::new();
        Some(Box::new(Security { credentials, server_name: None, matching_type: 0, cipher_suites }))
    }

    fn of(text: &str, credentials: Credentials) -> Result<ClientSecurity, Unusable> {
        client_security(&uri(text), security(credentials))
    }

    #[test]
    fn a_scheme_and_a_mode_have_to_go_together() {
        assert_eq!(client_security(&uri("coap://[::1]"), None), Ok(ClientSecurity::None));
        assert_eq!(client_security(&uri("coap+tcp://[::1]"), None), Ok(ClientSecurity::None));
        assert_eq!(of("coap://[::1]", Credentials::NoSec), Ok(ClientSecurity::None));
        for insecure in ["coap://[::1]", "coap+tcp://[::1]"] {
            assert_eq!(of(insecure, psk()), Err(Unusable), "{insecure}");
            assert_eq!(of(insecure, x509(None)), Err(Unusable), "{insecure}");
        }
        for secure in ["coaps://[::1]", "coaps+tcp://[::1]"] {
            assert_eq!(client_security(&uri(secure), None), Err(Unusable), "{secure}");
            assert_eq!(of(secure, Credentials::NoSec), Err(Unusable), "{secure}");
            assert!(of(secure, x509(None)).is_ok(), "{secure}");
        }
        assert!(matches!(of("coaps://[::1]", psk()), Ok(ClientSecurity::Psk(_))));
        // No engine has it.
        assert_eq!(of("coaps+tcp://[::1]", psk()), Err(Unusable));
    }

    #[test]
    fn modes_without_an_engine_are_never_something_else() {
        let raw = Credentials::RawPublicKey { public: vec![1], private: vec![2], server: vec![3] };
        let est = Credentials::Est { server: vec![1] };
        for credentials in [raw, est] {
            for scheme in Scheme::ALL {
                let uri = format!("{scheme}://127.0.0.1");
                assert_eq!(of(&uri, credentials.clone()), Err(Unusable), "{uri}");
            }
        }
    }

    #[test]
    fn a_list_of_cipher_suites_has_to_have_ours() {
        let with = |credentials, cipher_suites| {
            let security = Security { credentials, server_name: None, matching_type: 0, cipher_suites };
            client_security(&uri("coaps://[::1]"), Some(Box::new(security))).is_ok()
        };
        assert!(with(psk(), smallvec![0x00a8, 0xc0a8]) && !with(psk(), smallvec![0x00a8, 0xc02b]));
        assert!(with(x509(None), smallvec![0xc02b]) && !with(x509(None), smallvec![0xc0ae]));
    }

    #[test]
    fn a_chain_is_taken_apart() {
        let Ok(ClientSecurity::Certificate { own, trust }) = of("coaps://[fd00::5]", x509(Some(2))) else {
            panic!("a certificate");
        };
        let chain: Vec<&[u8]> = own.chain.iter().map(|certificate| &**certificate).collect();
        assert_eq!(chain, [&[0x30, 1, 5][..], &[0x30, 2, 6, 7]]);
        assert_eq!((trust.usage, &*trust.name), (Usage::TrustAnchor, "fd00::5"));
    }

    #[test]
    fn the_name_of_the_account_takes_the_place_of_the_hosts() {
        let named = |text: &str, server_name: Option<&str>| {
            let server_name = server_name.map(Into::into);
            let security = Security {
                credentials: x509(None),
                server_name,
                matching_type: 0,
                cipher_suites: SmallVec::new(),
            };
            match client_security(&uri(text), Some(Box::new(security))) {
                Ok(ClientSecurity::Certificate { trust, .. }) => trust.name,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(&*named("coaps://EMS.example.org", None), "ems.example.org");
        assert_eq!(&*named("coaps://127.0.0.1", Some("ems.example.org")), "ems.example.org");
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        assert_eq!(of("coaps://[::1]", x509(Some(4))), Err(Unusable));
        let certificate = |bytes: &[u8]| Credentials::Certificate {
            certificate: bytes.to_vec(),
            private: vec![1],
            server: vec![2],
            usage: None,
        };
        for bytes in [&[][..], &[0x30], &[0x30, 2, 1], &[0x31, 0], &[0x30, 0x80, 0, 0], &[0x30, 0, 0x30]] {
            assert_eq!(of("coaps://[::1]", certificate(bytes)), Err(Unusable), "{bytes:?}");
        }
        let keyless = Credentials::PreSharedKey { identity: b"meter".to_vec(), key: Vec::new() };
        assert_eq!(of("coaps://[::1]", keyless), Err(Unusable));
    }

    #[test]
    fn other_credentials_have_another_fingerprint() {
        let of = |credentials| fingerprint(&of("coaps://[::1]", credentials).expect("usable"));
        assert_eq!(of(psk()), of(psk()));
        let others = [
            Credentials::PreSharedKey { identity: b"meter".to_vec(), key: vec![8; 16] },
            Credentials::PreSharedKey { identity: b"mete".to_vec(), key: b"r\x07".to_vec() },
            x509(None),
            x509(Some(2)),
        ];
        let mut all: Vec<u64> = others.into_iter().chain([psk()]).map(of).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 5);
    }

    proptest! {
        #[test]
        fn certificates_come_apart_into_what_they_were_put_together_from(
            contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 1..4)
        ) {
            let der = |content: &Vec<u8>| {
                let len = content.len();
                let header = match len {
                    0..0x80 => vec![0x30, len as u8],
                    0x80..0x100 => vec![0x30, 0x81, len as u8],
                    _ => vec![0x30, 0x82, (len >> 8) as u8, len as u8],
                };
                [header, content.clone()].concat()
            };
            let parts: Vec<Vec<u8>> = contents.iter().map(der).collect();
            let found = certificates(&parts.concat()).expect("certificates");
            prop_assert_eq!(found.iter().map(|part| part.to_vec()).collect::<Vec<_>>(), parts);
        }

        #[test]
        fn no_bytes_panic_and_nothing_is_lost(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Some(chain) = certificates(&bytes) {
                prop_assert_eq!(chain.concat(), bytes);
            }
        }
    }
}
