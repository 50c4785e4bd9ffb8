//! Paths from a certificate to one that is trusted, and what is found wrong on the way.

use std::time::Duration;

use tokio_rustls::rustls::pki_types::{
    CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime,
};
use webpki::aws_lc_rs::{ECDSA_P256_SHA256, ECDSA_P256_SHA384, ECDSA_P384_SHA256, ECDSA_P384_SHA384};
use webpki::{EndEntityCert, Error, KeyUsage};

use super::CertificateFault;

/// How certificates may be signed.
pub(super) static ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 4] =
    [ECDSA_P256_SHA256, ECDSA_P384_SHA384, ECDSA_P256_SHA384, ECDSA_P384_SHA256];

/// Whether a certificate leads to one of these roots, is of today, and for this purpose: one that names
/// no purpose is for all (RFC 5280 §4.2.1.12).
pub(super) fn leads_to(
    own: &EndEntityCert<'_>,
    roots: &[TrustAnchor<'_>],
    between: &[CertificateDer<'_>],
    unix_now: Duration,
    purpose: KeyUsage,
) -> Result<(), CertificateFault> {
    let now = UnixTime::since_unix_epoch(unix_now);
    match own.verify_for_usage(&ALGORITHMS, roots, between, now, purpose, None, None) {
        Ok(_) => Ok(()),
        Err(error) => Err(fault_of(&error)),
    }
}

/// As [`leads_to`], but whoever issued it.
pub(super) fn stands_alone(
    own: &EndEntityCert<'_>,
    unix_now: Duration,
    purpose: KeyUsage,
) -> Result<(), CertificateFault> {
    // Its own properties are looked at first, so that without any root to lead to, an unknown issuer is all
    // that is left to be found.
    match leads_to(own, &[], &[], unix_now, purpose) {
        Err(CertificateFault::UnknownIssuer) => Ok(()),
        judged => judged,
    }
}

fn fault_of(error: &Error) -> CertificateFault {
    match error {
        Error::CertExpired { .. } => CertificateFault::Expired,
        Error::CertNotValidYet { .. } => CertificateFault::NotYetValid,
        // A signature that is not the trusted authority's was made by another of the same name; so was one
        // that its kind of key could not have made. And who may not issue is no issuer.
        Error::UnknownIssuer
        | Error::InvalidSignatureForPublicKey
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
        | Error::EndEntityUsedAsCa
        | Error::NameConstraintViolation
        | Error::PathLenConstraintViolated
        | Error::MaximumNameConstraintComparisonsExceeded
        | Error::MaximumPathBuildCallsExceeded
        | Error::MaximumPathDepthExceeded
        | Error::MaximumSignatureChecksExceeded => CertificateFault::UnknownIssuer,
        _ => CertificateFault::Unusable,
    }
}
