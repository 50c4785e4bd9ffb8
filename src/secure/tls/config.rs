//! What rustls is told: versions, suites, certificates.

use std::sync::Arc;

use tokio_rustls::rustls;

use rustls::client::{ClientConfig, Resumption, UnbufferedClientConnection};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{SupportedProtocolVersion, version};

use super::judge::{ClientJudge, FixedTime, ServerJudge};
use super::provider::provider;
use crate::secure::{Certificate, Version};

/// RFC 8323 §8.2.
const ALPN: &[u8] = b"coap";

/// A client's connection that has not begun. `None` if its credentials cannot be used.
pub(super) fn client(
    own: &Certificate,
    judge: Arc<ClientJudge>,
    name: &str,
    version: Version,
) -> Option<UnbufferedClientConnection> {
    let mut config = client_config(own, judge, version)?;
    // RFC 6066 §3: only DNS names are indicated; LwM2M Transport §5.2.8: the name is the URI's host or /0/x/14.
    // Whether the server's certificate carries it is the judge's to say, so that any other will do here.
    let name = ServerName::try_from(name.to_owned()).ok();
    config.enable_sni = matches!(name, Some(ServerName::DnsName(_)));
    let name = name.unwrap_or(ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into()));
    UnbufferedClientConnection::new(Arc::new(config), name).ok()
}

pub(super) fn client_config(
    own: &Certificate,
    judge: Arc<ClientJudge>,
    version: Version,
) -> Option<ClientConfig> {
    let time = judge.time();
    let mut config = ClientConfig::builder_with_details(provider().clone(), time)
        .with_protocol_versions(versions(version))
        .ok()?
        .dangerous()
        .with_custom_certificate_verifier(judge)
        .with_client_cert_resolver(certified(own)?);
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Some(config)
}

/// What all sessions of a server share. `None` if its credentials cannot be used.
pub(super) fn server(
    own: &Certificate,
    judge: Arc<ServerJudge>,
    time: Arc<FixedTime>,
    version: Version,
) -> Option<Arc<ServerConfig>> {
    let mut config = ServerConfig::builder_with_details(provider().clone(), time)
        .with_protocol_versions(versions(version))
        .ok()?
        .with_client_cert_verifier(judge)
        .with_cert_resolver(certified(own)?);
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Some(Arc::new(config))
}

fn certified(own: &Certificate) -> Option<Arc<SingleCertAndKey>> {
    let chain = own.chain.iter().map(|one| CertificateDer::from(one.to_vec())).collect();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.key.expose().to_vec()));
    let certified = CertifiedKey::from_der(chain, key, provider()).ok()?;
    Some(Arc::new(SingleCertAndKey::from(certified)))
}

fn versions(version: Version) -> &'static [&'static SupportedProtocolVersion] {
    static FROM_THE_NEWEST: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
    match version {
        Version::Only12 => &FROM_THE_NEWEST[1..],
        Version::Upto13 => &FROM_THE_NEWEST,
    }
}
