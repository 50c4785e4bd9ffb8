//! Certificates made for one test run: an authority for servers, one for meters, and one nobody trusts.

use std::sync::{Arc, OnceLock};

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, SanType, date_time_ymd,
};

use crate::secure::{Certificate, Secret};

/// 2026-01-02 in seconds since 1970: in the middle of what certificates are valid for.
pub(super) const TODAY: u64 = 1_767_312_000;
/// Years before and after.
pub(super) const LONG_AGO: u64 = TODAY - 10 * 365 * 86_400;
pub(super) const LONG_AFTER: u64 = TODAY + 10 * 365 * 86_400;

/// An authority.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

pub(super) struct Pki {
    pub servers: Authority,
    pub meters: Authority,
    /// Whom nobody trusts.
    pub strangers: Authority,
}

/// The one of this test run: keys take their time.
pub(super) fn pki() -> &'static Pki {
    static PKI: OnceLock<Pki> = OnceLock::new();
    PKI.get_or_init(|| Pki {
        servers: Authority::new("servers"),
        meters: Authority::new("meters"),
        strangers: Authority::new("strangers"),
    })
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Authority(CertifiedIssuer::self_signed(params, key).expect("a root"))
    }

    /// Its own certificate.
    pub(super) fn anchor(&self) -> Vec<u8> {
        self.0.der().to_vec()
    }

    /// A certificate for a server of this name.
    pub(super) fn server(&self, name: &str) -> Certificate {
        let mut params = params(name);
        params.subject_alt_names = vec![SanType::DnsName(Ia5String::try_from(name).expect("ASCII"))];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.signed(&params)
    }

    /// A certificate for a meter of this endpoint name.
    pub(super) fn meter(&self, endpoint: &str) -> Certificate {
        let mut params = params(endpoint);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.signed(&params)
    }

    fn signed(&self, params: &CertificateParams) -> Certificate {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Certificate { chain: vec![Arc::from(&**certificate.der())], key: Secret::new(key.serialize_der()) }
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2025, 12, 31);
    params.not_after = date_time_ymd(2027, 1, 1);
    params
}
