//! One client and one server, the bytes between them, and certificates for both.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair, SanType,
    date_time_ymd,
};
use tokio_rustls::rustls;

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;

use super::super::engine::{Engine, News, failure_of};
use super::super::{config, judge};
use crate::base::Instant;
use crate::secure::{
    Certificate, ClientSecurity, Closed, Handshake, Identities, Identity, Listener, ListenerConfig,
    ListenerOutput, Options, Output, Secret, ServerSecurity, Session, Trust, Usage, Version,
};

/// 2026-01-02.
pub(super) const EPOCH: u64 = 1_767_312_000;

pub(super) const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

pub(super) fn peer(number: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 100 + number], 40_000))
}

/// An authority, and who has certificates of it.
pub(super) struct Pki {
    root: CertifiedIssuer<'static, KeyPair>,
    server: Certificate,
    client: Certificate,
}

/// One that tests share which ask for nothing special.
pub(super) fn shared() -> &'static Pki {
    static PKI: LazyLock<Pki> = LazyLock::new(Pki::new);
    &PKI
}

impl Pki {
    pub(super) fn new() -> Self {
        let root = CertifiedIssuer::self_signed(authority("root"), key()).expect("a root");
        let server = signed(&server_params("meters.example"), &root);
        let client = signed(&params("meter-1"), &root);
        Pki { root, server, client }
    }

    /// Everything as it should be.
    pub(super) fn setup(&self) -> Setup {
        let trust = Trust {
            certificate: self.root.der()[..].into(),
            usage: Usage::TrustAnchor,
            matching_type: 0,
            name: "meters.example".into(),
        };
        Setup {
            server: self.server.clone(),
            client: self.client.clone(),
            anchors: vec![self.root.der()[..].into()],
            intermediates: Vec::new(),
            trust,
            known: "meter-1",
            version: Version::Only12,
            server_version: None,
        }
    }

    pub(super) fn with_server(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Setup {
        let mut params = server_params(name);
        change(&mut params);
        Setup { server: signed(&params, &self.root), ..self.setup() }
    }

    pub(super) fn with_client(&self, change: impl FnOnce(&mut CertificateParams)) -> Setup {
        let mut params = params("meter-1");
        change(&mut params);
        Setup { client: signed(&params, &self.root), ..self.setup() }
    }

    pub(super) fn self_signed(&self, name: &str) -> Certificate {
        let key = key();
        let own = server_params(name).self_signed(&key).expect("a certificate");
        certificate(own.der(), &key)
    }

    /// One whose issuer has its certificate from the authority, and that issuer's.
    pub(super) fn behind_another(&self, name: &str) -> (Certificate, Arc<[u8]>) {
        let middle = CertifiedIssuer::signed_by(authority("middle"), key(), &self.root).expect("an issuer");
        (signed(&params(name), &middle), middle.der()[..].into())
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params
}

fn server_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    if let Ok(name) = Ia5String::try_from(name) {
        params.subject_alt_names = vec![SanType::DnsName(name)];
    }
    params
}

fn authority(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn signed(params: &CertificateParams, issuer: &CertifiedIssuer<'_, KeyPair>) -> Certificate {
    let key = key();
    certificate(params.signed_by(&key, issuer).expect("a certificate").der(), &key)
}

fn certificate(der: &[u8], key: &KeyPair) -> Certificate {
    Certificate { chain: vec![der.into()], key: Secret::new(key.serialize_der()) }
}

/// Who proves what to whom.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) server: Certificate,
    pub(super) client: Certificate,
    pub(super) anchors: Vec<Arc<[u8]>>,
    pub(super) intermediates: Vec<Arc<[u8]>>,
    pub(super) trust: Trust,
    /// The one subject the server knows.
    pub(super) known: &'static str,
    pub(super) version: Version,
    /// Where the server's is another.
    pub(super) server_version: Option<Version>,
}

struct Known(&'static str);

impl Identities for Known {
    fn psk(&self, _: &[u8]) -> Option<(Secret, Identity)> {
        None
    }

    fn endpoint_of_subject(&self, common_name: &str) -> Option<Identity> {
        (common_name == self.0).then(|| common_name.into())
    }
}

impl Setup {
    pub(super) fn listener(&self, max_sessions: usize) -> ListenerConfig {
        let security = ServerSecurity {
            identities: Arc::new(Known(self.known)),
            psk: false,
            certificate: Some(self.server.clone()),
            peers: self.anchors.clone(),
            intermediates: self.intermediates.clone(),
        };
        let version = self.server_version.unwrap_or(self.version);
        let options = Arc::new(Options { version, epoch: EPOCH });
        ListenerConfig { stream: true, security: Some(security), max_sessions, options }
    }
}

pub(super) fn plain(max_sessions: usize) -> ListenerConfig {
    ListenerConfig { stream: true, security: None, max_sessions, options: Arc::default() }
}

/// What the server said of a client that connected.
#[derive(Clone, Debug)]
pub(super) struct Connected {
    pub(super) identity: Option<Identity>,
    pub(super) handshake: Handshake,
}

pub(super) struct Pair {
    pub(super) client: Session,
    pub(super) server: Listener,
    pub(super) now: Instant,
    /// How many bytes are handed over at a time.
    pub(super) piece: usize,
    to_server: VecDeque<u8>,
    to_client: VecDeque<u8>,
    /// A byte to change on its way: to the server or not, after how many, by what.
    change: Option<(bool, usize, u8)>,
    pub(super) at_client: Vec<u8>,
    pub(super) at_server: Vec<u8>,
    client_connected: bool,
    server_connected: Option<Connected>,
    pub(super) client_closed: Option<Closed>,
    pub(super) server_closed: Option<Closed>,
    pub(super) disconnected: bool,
}

impl Pair {
    pub(super) fn new(setup: &Setup) -> Self {
        Pair::of(setup, 8)
    }

    pub(super) fn of(setup: &Setup, max_sessions: usize) -> Self {
        Pair::at(setup, max_sessions, Instant::from_secs(5))
    }

    pub(super) fn at(setup: &Setup, max_sessions: usize, now: Instant) -> Self {
        let security = ClientSecurity::Certificate { own: setup.client.clone(), trust: setup.trust.clone() };
        let options = Arc::new(Options { version: setup.version, epoch: EPOCH });
        let mut server = Listener::new(setup.listener(max_sessions), Instant::ZERO);
        server.handle_accepted(peer(1), LOCAL, now);
        Pair {
            client: Session::stream(&security, &options, now),
            server,
            now,
            piece: 1 << 20,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            change: None,
            at_client: Vec::new(),
            at_server: Vec::new(),
            client_connected: false,
            server_connected: None,
            client_closed: None,
            server_closed: None,
            disconnected: false,
        }
    }

    /// What the server said of the client, which must be connected too, as must nobody be closed.
    pub(super) fn connected(&self) -> Connected {
        assert_eq!((self.client_closed, self.server_closed), (None, None));
        assert!(self.client_connected);
        self.server_connected.clone().expect("the server is connected")
    }

    pub(super) fn change(&mut self, to_server: bool, at: usize, by: u8) {
        self.change = Some((to_server, at, by));
    }

    /// Whether the byte to be changed has not been sent.
    pub(super) fn changes_left(&self) -> bool {
        self.change.is_some()
    }

    /// Until nobody has anything more to say.
    pub(super) fn run(&mut self) {
        while self.step() {}
    }

    /// One piece each way.
    pub(super) fn step(&mut self) -> bool {
        self.drain();
        let to_server = self.take(true);
        let to_client = self.take(false);
        if !to_server.is_empty() {
            self.server.handle_input(peer(1), LOCAL, &to_server, self.now);
        }
        if !to_client.is_empty() {
            self.client.handle_input(&to_client, self.now);
        }
        self.drain();
        !(to_server.is_empty() && to_client.is_empty())
    }

    fn take(&mut self, of_client: bool) -> Vec<u8> {
        let queue = if of_client { &mut self.to_server } else { &mut self.to_client };
        let mut bytes: Vec<u8> = queue.drain(..self.piece.min(queue.len())).collect();
        if let Some((to_server, at, by)) = &mut self.change
            && *to_server == of_client
        {
            match bytes.get_mut(*at) {
                Some(byte) => {
                    *byte ^= *by;
                    self.change = None;
                }
                None => *at -= bytes.len(),
            }
        }
        bytes
    }

    fn drain(&mut self) {
        while let Some(output) = self.client.poll_output() {
            assert!(self.client_closed.is_none(), "nothing follows the end");
            match output {
                Output::Transmit(bytes) => self.to_server.extend(bytes),
                Output::Received(bytes) => {
                    assert!(self.client_connected);
                    self.at_client.extend(bytes);
                }
                Output::Connected(_) => self.client_connected = true,
                Output::Retransmitted => panic!("streams send nothing again"),
                Output::Closed(how) => self.client_closed = Some(how),
            }
        }
        while let Some(output) = self.server.poll_output() {
            match output {
                ListenerOutput::Transmit { bytes, .. } => self.to_client.extend(bytes),
                ListenerOutput::Connected { identity, handshake, .. } => {
                    self.server_connected = Some(Connected { identity, handshake });
                }
                ListenerOutput::Received { bytes, .. } => {
                    assert!(self.server_connected.is_some());
                    self.at_server.extend(bytes);
                }
                ListenerOutput::Closed { how, .. } => self.server_closed = Some(how),
                ListenerOutput::Disconnect { .. } => self.disconnected = true,
            }
        }
    }

    /// Puts a client that offers this protocol in the place of ours, or one that offers none; how it ended.
    pub(super) fn with_foreign_client(&mut self, setup: &Setup, offered: &[u8]) -> Option<Closed> {
        let unix_now = std::time::Duration::from_secs(EPOCH);
        let judge = judge::ClientJudge::new(setup.trust.clone(), unix_now);
        let config = config::client_config(&setup.client, judge, setup.version).expect("good credentials");
        let name = "meters.example".try_into().expect("a name");
        let protocols = if offered.is_empty() { vec![] } else { vec![offered.to_vec()] };
        let connection =
            UnbufferedClientConnection::new_with_alpn(Arc::new(config), name, protocols).expect("a client");
        let mut engine = Engine::new(connection);
        let mut ended = None;
        let mut incoming = Vec::new();
        loop {
            let mut outgoing = Vec::new();
            engine.handle_input(&incoming, &mut |news| match news {
                News::Transmit(bytes) => outgoing.extend(bytes),
                News::Broken(error) => ended = Some(Closed::Failed(failure_of(&error))),
                News::Ended => ended = Some(Closed::Orderly),
                News::Connected(_) | News::Received(_) => {}
            });
            if outgoing.is_empty() || ended.is_some() {
                return ended;
            }
            self.server.handle_input(peer(1), LOCAL, &outgoing, self.now);
            self.drain();
            incoming = self.to_client.drain(..).collect();
        }
    }

    /// Puts a server that speaks this protocol alone in the place of ours, or one that does not negotiate.
    pub(super) fn with_foreign_server(&mut self, setup: &Setup, spoken: &[u8]) {
        let security = setup.listener(1).security.expect("there is");
        let judge = judge::ServerJudge::new(&security);
        let time = Arc::new(judge::FixedTime::default());
        time.set(std::time::Duration::from_secs(EPOCH));
        let config = config::server(&setup.server, judge, time, setup.version).expect("good credentials");
        let mut config = rustls::ServerConfig::clone(&config);
        config.alpn_protocols = if spoken.is_empty() { vec![] } else { vec![spoken.to_vec()] };
        let mut engine = Engine::new(UnbufferedServerConnection::new(Arc::new(config)).expect("a server"));
        loop {
            self.drain();
            if self.to_server.is_empty() {
                return;
            }
            let incoming: Vec<u8> = self.to_server.drain(..).collect();
            let mut outgoing = Vec::new();
            engine.handle_input(&incoming, &mut |news| {
                if let News::Transmit(bytes) = news {
                    outgoing.extend(bytes);
                }
            });
            self.client.handle_input(&outgoing, self.now);
        }
    }
}

/// Whose streams are to be closed; what else there was to do is forgotten.
pub(super) fn disconnected(server: &mut Listener) -> Vec<SocketAddr> {
    std::iter::from_fn(|| server.poll_output())
        .filter_map(|output| match output {
            ListenerOutput::Disconnect { peer } => Some(peer),
            _ => None,
        })
        .collect()
}
