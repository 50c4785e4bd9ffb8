//! Whom a certificate is about.

use tokio_rustls::rustls::pki_types::ServerName;
use webpki::{EndEntityCert, Error};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::chain::ALGORITHMS;

/// Whether a server's certificate carries this name: a DNS name or an address, which may stand in brackets as in
/// a URI.
pub(super) fn carries(own: &EndEntityCert<'_>, der: &[u8], name: &str) -> bool {
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    let Ok(expected) = ServerName::try_from(bare) else { return false };
    match own.verify_is_valid_for_subject_name(&expected) {
        Ok(()) => true,
        // LwM2M Transport §5.2.8.7 has the name in the alternative names or in the common name. RFC 6125 §6.4.4: the
        // latter counts as a last resort, where there are no others; and it is no place for an address.
        Err(Error::CertNotValidForName(found)) => {
            matches!(expected, ServerName::DnsName(_))
                && found.presented.is_empty()
                && own.valid_uri_names().next().is_none()
                && common_name(der).is_some_and(|common| common.eq_ignore_ascii_case(bare))
        }
        Err(_) => false,
    }
}

/// The name a client's certificate gives it.
pub(super) fn name_of(own: &EndEntityCert<'_>, der: &[u8]) -> Option<String> {
    let alternative = || own.valid_dns_names().chain(own.valid_uri_names()).next().map(str::to_owned);
    common_name(der).or_else(alternative)
}

/// Whether it was signed with its own key, and says so.
pub(super) fn has_signed_itself(der: &[u8]) -> bool {
    let Ok((_, read)) = X509Certificate::from_der(der) else { return false };
    let key = &read.subject_pki.subject_public_key.data;
    let said = read.tbs_certificate.as_ref();
    let verifies =
        || ALGORITHMS.iter().any(|one| one.verify_signature(key, said, &read.signature_value.data).is_ok());
    read.subject == read.issuer && verifies()
}

/// The first common name of the subject that is text and not empty.
fn common_name(der: &[u8]) -> Option<String> {
    let (_, read) = X509Certificate::from_der(der).ok()?;
    let text = |one: &x509_parser::x509::AttributeTypeAndValue<'_>| one.as_str().ok().map(str::to_owned);
    read.subject().iter_common_name().filter_map(text).find(|name| !name.is_empty())
}
