//! The modes that are compared, with credentials for both ends.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};

use bootstorm::base::Instant;
use bootstorm::secure::{
    Certificate, ClientSecurity, Identities, Identity, Listener, ListenerConfig, Options, Psk, Secret,
    ServerSecurity, Session, Trust, Usage, Version,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    DtlsPsk,
    Dtls12Certificates,
    Dtls13Certificates,
    Tls12Certificates,
    Tls13Certificates,
}

/// Where the server is, as it knows itself.
pub const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

const KEY: &[u8] = b"sixteen bytes!!!";
const ENDPOINT: &str = "urn:dev:os:meter-0000000";

impl Mode {
    pub const ALL: [Mode; 5] = [
        Mode::DtlsPsk,
        Mode::Dtls12Certificates,
        Mode::Dtls13Certificates,
        Mode::Tls12Certificates,
        Mode::Tls13Certificates,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Mode::DtlsPsk => "DTLS 1.2, PSK",
            Mode::Dtls12Certificates => "DTLS 1.2, certificates",
            Mode::Dtls13Certificates => "DTLS 1.3, certificates",
            Mode::Tls12Certificates => "TLS 1.2, certificates",
            Mode::Tls13Certificates => "TLS 1.3, certificates",
        }
    }

    pub fn is_stream(self) -> bool {
        matches!(self, Mode::Tls12Certificates | Mode::Tls13Certificates)
    }

    fn options(self) -> Arc<Options> {
        let version = match self {
            Mode::Dtls13Certificates | Mode::Tls13Certificates => Version::Upto13,
            _ => Version::Only12,
        };
        // 2026: within the dates of the certificates.
        Arc::new(Options { version, epoch: 1_780_000_000 })
    }

    /// What a client proves itself with; made once, as provisioning does.
    pub fn client_security(self) -> ClientSecurity {
        match self {
            Mode::DtlsPsk => {
                ClientSecurity::Psk(Psk { identity: ENDPOINT.as_bytes().into(), key: Secret::new(KEY) })
            }
            _ => ClientSecurity::Certificate {
                own: FLEET.client.clone(),
                trust: Trust {
                    certificate: FLEET.anchor.clone(),
                    usage: Usage::TrustAnchor,
                    matching_type: 0,
                    name: "localhost".into(),
                },
            },
        }
    }

    pub fn client(self, security: &ClientSecurity, now: Instant) -> Session {
        let options = self.options();
        if self.is_stream() {
            Session::stream(security, &options, now)
        } else {
            Session::datagram(security, &options, now)
        }
    }

    pub fn listener(self, now: Instant) -> Listener {
        let security = ServerSecurity {
            identities: Arc::new(OneKey),
            psk: self == Mode::DtlsPsk,
            certificate: (self != Mode::DtlsPsk).then(|| FLEET.server.clone()),
            peers: vec![FLEET.anchor.clone()],
            intermediates: Vec::new(),
        };
        let config = ListenerConfig {
            stream: self.is_stream(),
            security: Some(security),
            max_sessions: 1 << 20,
            options: self.options(),
        };
        Listener::new(config, now)
    }
}

/// The address of the client with this number.
pub fn address(number: u32) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::from_bits(0x7f01_0000 + number).into(), 40_000)
}

struct OneKey;

impl Identities for OneKey {
    fn psk(&self, identity: &[u8]) -> Option<(Secret, Identity)> {
        (identity == ENDPOINT.as_bytes()).then(|| (Secret::new(KEY), ENDPOINT.into()))
    }
}

struct Fleet {
    anchor: Arc<[u8]>,
    server: Certificate,
    client: Certificate,
}

static FLEET: LazyLock<Fleet> = LazyLock::new(|| {
    let key = || KeyPair::generate().expect("the system has randomness");
    let mut authority = CertificateParams::new(Vec::new()).expect("no names");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "a bench's CA");
    let authority_key = key();
    let anchor = authority.self_signed(&authority_key).expect("a certificate");
    let issuer = Issuer::new(authority, authority_key);
    let signed = |names: Vec<String>, common_name: &str| {
        let mut params = CertificateParams::new(names).expect("good names");
        params.distinguished_name.push(DnType::CommonName, common_name);
        let key = key();
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        Certificate { chain: vec![certificate.der().as_ref().into()], key: Secret::new(key.serialize_der()) }
    };
    Fleet {
        anchor: anchor.der().as_ref().into(),
        server: signed(vec!["localhost".to_owned()], "localhost"),
        client: signed(Vec::new(), ENDPOINT),
    }
});
