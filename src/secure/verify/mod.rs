//! Whether a certificate is believed: the server's by what a client was told of it, a client's by who issued it.
//!
//! Pure, and the same for both engines: the time is an argument, and nothing but the bytes is looked at. Paths are
//! built by `rustls-webpki`, from signatures by ECDSA over P-256 and P-384 (LwM2M Transport §5.2.8: the
//! curves of its cipher suites); revocation is not looked at, as nothing in LwM2M carries it.
//!
//! Where several things are wrong with a certificate, the fault is the first of these, so that a report does not
//! depend on chance:
//!
//! 1. `Unusable`: it cannot be read (which includes X.509 before version 3).
//! 2. `SelfSigned`: it has signed itself and is not the certificate that was to be expected.
//! 3. `Expired` or `NotYetValid`: its own dates.
//! 4. `Unusable`: it is an authority's, or not for this purpose, or signed in a way that is not known.
//! 5. `UnknownIssuer` and faults of the certificates between: of the latter, dates come first.
//! 6. `WrongName`.

mod chain;
mod subject;

#[cfg(test)]
mod tests;

use std::time::Duration;

use aws_lc_rs::digest;
use tokio_rustls::rustls::pki_types::{CertificateDer, TrustAnchor};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::{CertificateFault, Trust, Usage};

/// Judges a server's certificates (DER, its own first) by what the client knows of it: certificate usage
/// and matching type as in RFC 6698 §2.1, which LwM2M Transport §5.2.8 takes them from.
///
/// A device is meant to have a store of roots besides /0/x/4 for usages 0 and 1. There is none here: with
/// usage 0 the certificate given is itself the root, as with usage 2; with usage 1 the server's certificate must be
/// the one given, and whose it is need not be proven any further. Of usage 1, unlike 3, dates, purpose and
/// name are still asked for.
pub fn server(chain: &[&[u8]], trust: &Trust, unix_now: Duration) -> Result<(), CertificateFault> {
    let (leaf, rest) = chain.split_first().ok_or(CertificateFault::Unusable)?;
    let der = CertificateDer::from(*leaf);
    let own = EndEntityCert::try_from(&der).map_err(|_| CertificateFault::Unusable)?;
    let expected = is_meant(leaf, trust);
    let proven = match trust.usage {
        // RFC 7671 §5.1: of a certificate that is itself the expected one, neither dates nor names nor the chain
        // count; LwM2M Transport §5.2.8.7 says of the name that it is matched "unless the certificate itself is
        // in /0/x/4".
        Usage::DomainIssued if expected => return Ok(()),
        Usage::DomainIssued => Err(CertificateFault::UnknownIssuer),
        Usage::ServiceConstraint => match chain::stands_alone(&own, unix_now, KeyUsage::server_auth()) {
            Ok(()) if !expected => Err(CertificateFault::UnknownIssuer),
            judged => judged,
        },
        Usage::CaConstraint | Usage::TrustAnchor => to_the_anchor(&own, chain, rest, trust, unix_now),
    };
    proven.map_err(|fault| match !expected && subject::has_signed_itself(leaf) {
        true => CertificateFault::SelfSigned,
        false => fault,
    })?;
    match subject::carries(&own, leaf, &trust.name) {
        true => Ok(()),
        false => Err(CertificateFault::WrongName),
    }
}

/// Judges a client's certificate (DER) by the authorities a server trusts (DER), and tells whose it is: the common
/// name of its subject, which is the endpoint name (LwM2M Transport §5.2.8.2); where there is none, the first DNS
/// name or URI among its alternative names. A certificate that names nobody is `Unusable`.
///
/// `intermediates` may come from the peer or from the server's own files; order and surplus do not matter.
/// An anchor that cannot be read vouches for nobody.
pub fn client(
    leaf: &[u8],
    intermediates: &[impl AsRef<[u8]>],
    anchors: &[impl AsRef<[u8]>],
    unix_now: Duration,
) -> Result<String, CertificateFault> {
    let der = CertificateDer::from(leaf);
    let own = EndEntityCert::try_from(&der).map_err(|_| CertificateFault::Unusable)?;
    let between: Vec<_> = intermediates.iter().map(|one| CertificateDer::from(one.as_ref())).collect();
    let trusted: Vec<_> = anchors.iter().map(|one| CertificateDer::from(one.as_ref())).collect();
    let roots: Vec<_> = trusted.iter().filter_map(|one| anchor_from_trusted_cert(one).ok()).collect();
    let expected = trusted.contains(&der);
    chain::leads_to(&own, &roots, &between, unix_now, KeyUsage::client_auth()).map_err(|fault| {
        match !expected && subject::has_signed_itself(leaf) {
            true => CertificateFault::SelfSigned,
            false => fault,
        }
    })?;
    subject::name_of(&own, leaf).ok_or(CertificateFault::Unusable)
}

/// Whom a certificate (DER) is about, as [`client`] tells it; `None` if it cannot be read or names nobody.
pub fn subject(leaf: &[u8]) -> Option<String> {
    let der = CertificateDer::from(leaf);
    let own = EndEntityCert::try_from(&der).ok()?;
    subject::name_of(&own, leaf)
}

/// Whether any server at all could satisfy this: a certificate that can be read, or a hash as long as
/// its matching type says.
pub fn can_be_met(trust: &Trust) -> bool {
    match trust.matching_type {
        0 => anchor_from_trusted_cert(&CertificateDer::from(&trust.certificate[..])).is_ok(),
        1 => trust.certificate.len() == digest::SHA256_OUTPUT_LEN,
        2 => trust.certificate.len() == digest::SHA384_OUTPUT_LEN,
        3 => trust.certificate.len() == digest::SHA512_OUTPUT_LEN,
        _ => false,
    }
}

/// Whether this is the certificate of /0/x/4 (RFC 6698 §2.1.3). No certificate has a matching type that is none.
fn is_meant(certificate: &[u8], trust: &Trust) -> bool {
    let hashed = |algorithm| digest::digest(algorithm, certificate).as_ref() == &trust.certificate[..];
    match trust.matching_type {
        0 => certificate == &trust.certificate[..],
        1 => hashed(&digest::SHA256),
        2 => hashed(&digest::SHA384),
        3 => hashed(&digest::SHA512),
        _ => false,
    }
}

/// Whether the chain leads to the certificate of /0/x/4. One given whole need not be sent by the server; one
/// given as a hash can only be found in what it sends (RFC 7671 §5.2.1). The anchor's own dates do not count
/// (RFC 5280 §6.1.1 (d)): it is trusted because it was given.
fn to_the_anchor(
    own: &EndEntityCert<'_>,
    chain: &[&[u8]],
    rest: &[&[u8]],
    trust: &Trust,
    unix_now: Duration,
) -> Result<(), CertificateFault> {
    let whole = [&trust.certificate[..]];
    let meant = match trust.matching_type {
        0 => whole.to_vec(),
        _ => chain.iter().copied().filter(|one| is_meant(one, trust)).collect(),
    };
    let meant: Vec<_> = meant.into_iter().map(CertificateDer::from).collect();
    let roots: Vec<TrustAnchor<'_>> =
        meant.iter().filter_map(|one| anchor_from_trusted_cert(one).ok()).collect();
    let between: Vec<_> = rest.iter().map(|one| CertificateDer::from(*one)).collect();
    chain::leads_to(own, &roots, &between, unix_now, KeyUsage::server_auth())
}
