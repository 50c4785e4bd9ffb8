//! A certificate authority of a run's own, and the certificates it makes (RFC 5280; P-256).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::MakeError;
use crate::secure::{Certificate, Secret};

const DAY: u64 = 86_400;

/// From when to when certificates are valid, in seconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub not_before: u64,
    /// The last second.
    pub not_after: u64,
}

impl Validity {
    /// From the day before `now`, for clocks that are late, to ten years later.
    pub fn around(now: u64) -> Self {
        Validity { not_before: now.saturating_sub(DAY), not_after: now.saturating_add(3_652 * DAY) }
    }

    /// Over the day before the day before `now`.
    pub(super) fn over_before(now: u64) -> Self {
        Validity { not_before: now.saturating_sub(30 * DAY), not_after: now.saturating_sub(2 * DAY) }
    }

    /// Only from long after `now` on.
    pub(super) fn only_after(now: u64) -> Self {
        Validity { not_before: now.saturating_add(365 * DAY), not_after: now.saturating_add(3_652 * DAY) }
    }
}

/// Whose certificate it is, which decides what it may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Authority,
    Server,
    Client,
}

/// A certificate authority: its certificate, and the key it signs with.
pub struct Authority {
    certificate: Arc<[u8]>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes one of this name.
    ///
    /// # Errors
    /// That there is no randomness, or that the name cannot be put into a certificate.
    pub fn make(name: &str, validity: Validity) -> Result<Self, MakeError> {
        let failed = failed(name);
        let key = KeyPair::generate().map_err(&failed)?;
        let params = params(name, Purpose::Authority, validity);
        let certificate = params.self_signed(&key).map_err(&failed)?;
        Ok(Authority { certificate: certificate.der().as_ref().into(), issuer: Issuer::new(params, key) })
    }

    /// Takes one up again: its certificate (DER) and its private key (PKCS#8 or SEC 1, DER).
    ///
    /// # Errors
    /// That they cannot be read, or do not belong together.
    pub fn read(certificate: &[u8], key: &[u8]) -> Result<Self, MakeError> {
        let refuse = |problem: &str| MakeError::Authority(problem.to_owned());
        let key = checked_key(certificate, key).map_err(refuse)?;
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| refuse("is no certificate"))?;
        let name = parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
        let name = name.ok_or_else(|| refuse("the certificate names nobody"))?;
        // Of what is written here only the name goes into what it signs.
        let params = params(name, Purpose::Authority, Validity { not_before: 0, not_after: 0 });
        let key = KeyPair::try_from(key.expose()).map_err(|_| refuse("the key cannot be used"))?;
        Ok(Authority { certificate: certificate.into(), issuer: Issuer::new(params, key) })
    }

    /// Its certificate (DER): the trust anchor of those it made.
    pub fn certificate(&self) -> &Arc<[u8]> {
        &self.certificate
    }

    /// Its private key (PKCS#8, DER).
    pub fn key(&self) -> Secret {
        Secret::new(self.issuer.key().serialize_der())
    }

    /// A certificate for a server that is met under these names and addresses, which become subject alternative
    /// names (RFC 6125 §6.4); the first is also its common name.
    ///
    /// # Errors
    /// As [`Authority::make`].
    pub fn server(&self, names: &[String], validity: Validity) -> Result<Certificate, MakeError> {
        let first = names.first().map_or("localhost", String::as_str);
        let mut params = params(first, Purpose::Server, validity);
        let alternative = CertificateParams::new(names).map_err(failed(first))?;
        params.subject_alt_names = alternative.subject_alt_names;
        self.sign(first, &params)
    }

    /// A certificate for a meter: its common name is the endpoint name (LwM2M Transport §5.2.8.2).
    ///
    /// # Errors
    /// As [`Authority::make`].
    pub fn client(&self, endpoint: &str, validity: Validity) -> Result<Certificate, MakeError> {
        self.sign(endpoint, &params(endpoint, Purpose::Client, validity))
    }

    fn sign(&self, name: &str, params: &CertificateParams) -> Result<Certificate, MakeError> {
        let failed = failed(name);
        let key = KeyPair::generate().map_err(&failed)?;
        let made = params.signed_by(&key, &self.issuer).map_err(&failed)?;
        Ok(Certificate { chain: vec![made.der().as_ref().into()], key: Secret::new(key.serialize_der()) })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority(certificate {} B)", self.certificate.len())
    }
}

/// A certificate for a meter that nobody has signed but itself.
pub(super) fn self_signed(endpoint: &str, validity: Validity) -> Result<Certificate, MakeError> {
    let failed = failed(endpoint);
    let key = KeyPair::generate().map_err(&failed)?;
    let made = params(endpoint, Purpose::Client, validity).self_signed(&key).map_err(&failed)?;
    Ok(Certificate { chain: vec![made.der().as_ref().into()], key: Secret::new(key.serialize_der()) })
}

/// The private key (PKCS#8 or SEC 1, DER) as PKCS#8, if it is a P-256 key and that of the certificate.
pub(super) fn checked_key(certificate: &[u8], key: &[u8]) -> Result<Secret, &'static str> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| "is no certificate")?;
    let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let pair =
        EcdsaKeyPair::from_private_key_der(algorithm, key).map_err(|_| "is no private key of P-256")?;
    if *parsed.public_key().subject_public_key.data != *pair.public_key().as_ref() {
        return Err("is not the key of the certificate");
    }
    let pkcs8 = pair.to_pkcs8v1().map_err(|_| "cannot be written as PKCS#8")?;
    Ok(Secret::new(pkcs8.as_ref().to_vec()))
}

fn params(name: &str, purpose: Purpose, validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    params.distinguished_name = subject;
    let at = |seconds| date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
    params.not_before = at(validity.not_before);
    params.not_after = at(validity.not_after);
    match purpose {
        Purpose::Authority => {
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        }
        Purpose::Server | Purpose::Client => {
            let purpose = match purpose {
                Purpose::Server => ExtendedKeyUsagePurpose::ServerAuth,
                _ => ExtendedKeyUsagePurpose::ClientAuth,
            };
            params.is_ca = IsCa::ExplicitNoCa;
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages = vec![purpose];
            params.use_authority_key_identifier_extension = true;
        }
    }
    params
}

fn failed(name: &str) -> impl Fn(rcgen::Error) -> MakeError {
    let name = name.to_owned();
    move |error| MakeError::Certificate { name: name.clone(), problem: error.to_string() }
}

/// Whether the key of `anchor` has signed the certificate.
#[cfg(test)]
pub(super) fn signed(certificate: &X509Certificate<'_>, anchor: &X509Certificate<'_>) -> bool {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &*anchor.public_key().subject_public_key.data);
    key.verify(certificate.tbs_certificate.as_ref(), &certificate.signature_value.data).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn parsed(der: &[u8]) -> X509Certificate<'_> {
        X509Certificate::from_der(der).expect("a certificate").1
    }

    #[test]
    fn a_meters_certificate_names_it_and_is_the_authoritys() {
        let authority = Authority::make("fleet", Validity::around(NOW)).expect("an authority");
        let meter = authority.client("urn:dev:os:4711", Validity::around(NOW)).expect("a certificate");
        let own = parsed(&meter.chain[0]);
        let anchor = parsed(authority.certificate());
        assert!(signed(&own, &anchor));
        let names: Vec<_> = own.subject().iter_common_name().filter_map(|name| name.as_str().ok()).collect();
        assert_eq!(names, ["urn:dev:os:4711"]);
        let purpose = own.extended_key_usage().expect("readable").expect("there").value;
        assert!(purpose.client_auth && !purpose.server_auth);
        assert!(!own.is_ca() && anchor.is_ca());
        assert!(own.validity().not_before.timestamp() < NOW as i64);
        assert!(own.validity().not_after.timestamp() > NOW as i64);
        assert!(checked_key(&meter.chain[0], meter.key.expose()).is_ok());
        assert!(checked_key(authority.certificate(), meter.key.expose()).is_err());
    }

    #[test]
    fn a_servers_certificate_has_its_names_and_addresses() {
        let authority = Authority::make("fleet", Validity::around(NOW)).expect("an authority");
        let names = ["127.0.0.1", "::1", "ems.example.org"].map(str::to_owned);
        let server = authority.server(&names, Validity::around(NOW)).expect("a certificate");
        let own = parsed(&server.chain[0]);
        let alternative = own.subject_alternative_name().expect("readable").expect("there").value;
        assert_eq!(alternative.general_names.len(), 3);
        assert!(own.extended_key_usage().expect("readable").expect("there").value.server_auth);
    }

    #[test]
    fn an_authority_signs_on_when_it_was_put_away() {
        let authority = Authority::make("fleet", Validity::around(NOW)).expect("an authority");
        let again = Authority::read(authority.certificate(), authority.key().expose()).expect("the same");
        let meter = again.client("m", Validity::around(NOW)).expect("a certificate");
        let anchor = parsed(authority.certificate());
        let own = parsed(&meter.chain[0]);
        assert_eq!(own.issuer().to_string(), anchor.subject().to_string());
        assert!(signed(&own, &anchor));
        let other = Authority::make("other", Validity::around(NOW)).expect("an authority");
        assert!(Authority::read(authority.certificate(), other.key().expose()).is_err());
        assert!(Authority::read(b"x", b"y").is_err());
    }
}
