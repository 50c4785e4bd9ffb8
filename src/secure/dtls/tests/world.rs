//! Clients and a server in virtual time, with a link between them that loses, repeats and reorders.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::base::{Instant, Rng, Seed};
use crate::secure::{
    Certificate, ClientSecurity, Closed, Handshake, Identities, Identity, Listener, ListenerConfig,
    ListenerOutput, Options, Output, Psk, Secret, ServerSecurity, Session, Trust, Usage, Version,
};

pub const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// In 2027.
pub const EPOCH: u64 = 1_800_000_000;

/// What a link does to datagrams.
#[derive(Clone, Copy, Default)]
pub struct Link {
    /// Shares of 1. Of three in a row and one way, one at least comes through.
    pub loss: f64,
    pub duplicates: f64,
    /// Delays are up to this long, so datagrams overtake each other.
    pub jitter: Duration,
}

pub struct World {
    pub now: Instant,
    pub listener: Listener,
    pub clients: Vec<Client>,
    pub link: Link,
    /// What the server said, in order.
    pub heard: Vec<Heard>,
    /// Bytes the server sent, by the address.
    pub sent_to: BTreeMap<SocketAddr, usize>,
    /// Datagrams on their way; the direction is to the server or to a client.
    flying: BTreeMap<(Instant, u64), (bool, SocketAddr, Vec<u8>)>,
    lost_in_a_row: [u8; 2],
    number: u64,
    rng: Rng,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    Connected(SocketAddr, Option<Identity>),
    Said(SocketAddr, Vec<u8>),
    Closed(SocketAddr, Closed),
}

pub struct Client {
    pub address: SocketAddr,
    pub session: Session,
    pub cost: Option<Handshake>,
    pub said: Vec<Vec<u8>>,
    pub closed: Option<Closed>,
    pub retransmitted: u16,
    pub sent: Vec<Vec<u8>>,
}

impl World {
    pub fn new(seed: u64, config: ListenerConfig) -> Self {
        World {
            now: Instant::from_secs(1),
            listener: Listener::new(config, Instant::ZERO),
            clients: Vec::new(),
            link: Link::default(),
            heard: Vec::new(),
            sent_to: BTreeMap::new(),
            flying: BTreeMap::new(),
            lost_in_a_row: [0; 2],
            number: 0,
            rng: Seed(seed).child("link", 0).rng(),
        }
    }

    /// A client at this port; one that was there before is gone without a word.
    pub fn open(&mut self, port: u16, security: &ClientSecurity, version: Version) {
        let address = address(port);
        let options = Arc::new(Options { version, epoch: EPOCH });
        let session = Session::datagram(security, &options, self.now);
        self.clients.retain(|client| client.address != address);
        self.clients.push(Client {
            address,
            session,
            cost: None,
            said: Vec::new(),
            closed: None,
            retransmitted: 0,
            sent: Vec::new(),
        });
        self.drain();
    }

    pub fn client(&mut self, port: u16) -> &mut Client {
        self.clients.iter_mut().find(|client| client.address == address(port)).expect("a client")
    }

    pub fn say(&mut self, port: u16, bytes: &[u8]) {
        let now = self.now;
        self.client(port).session.send(bytes.to_vec(), now);
        self.drain();
    }

    pub fn answer(&mut self, port: u16, bytes: &[u8]) {
        self.listener.send(address(port), LOCAL, bytes.to_vec(), self.now);
        self.drain();
    }

    /// A datagram that somebody sends from this port, or says it is from there.
    pub fn forge(&mut self, port: u16, bytes: &[u8]) {
        self.listener.handle_input(address(port), LOCAL, bytes, self.now);
        self.drain();
    }

    /// A datagram that somebody sends to this port, as if it were the server.
    pub fn forge_to(&mut self, port: u16, bytes: &[u8]) {
        let now = self.now;
        self.client(port).session.handle_input(bytes, now);
        self.drain();
    }

    /// Runs for this long, or until nothing more will happen.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(next) = self.next().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.step();
        }
        self.now = end;
    }

    fn next(&self) -> Option<Instant> {
        let flying = self.flying.first_key_value().map(|((at, _), _)| *at);
        let clients = self.clients.iter().filter_map(|client| client.session.poll_timeout());
        clients.chain(flying).chain(self.listener.poll_timeout()).min()
    }

    fn step(&mut self) {
        while let Some(entry) = self.flying.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (to_server, peer, bytes) = entry.remove();
            if to_server {
                self.listener.handle_input(peer, LOCAL, &bytes, self.now);
            } else if let Some(client) = self.clients.iter_mut().find(|client| client.address == peer) {
                client.session.handle_input(&bytes, self.now);
            }
            self.drain();
        }
        for client in &mut self.clients {
            if client.session.poll_timeout().is_some_and(|at| at <= self.now) {
                client.session.handle_timeout(self.now);
            }
        }
        if self.listener.poll_timeout().is_some_and(|at| at <= self.now) {
            self.listener.handle_timeout(self.now);
        }
        self.drain();
    }

    fn drain(&mut self) {
        let mut out = Vec::new();
        for client in &mut self.clients {
            while let Some(output) = client.session.poll_output() {
                assert!(client.closed.is_none(), "nothing follows the end");
                match output {
                    Output::Transmit(bytes) => {
                        client.sent.push(bytes.clone());
                        out.push((true, client.address, bytes));
                    }
                    Output::Received(bytes) => client.said.push(bytes),
                    Output::Connected(cost) => assert!(client.cost.replace(cost).is_none()),
                    Output::Retransmitted => client.retransmitted += 1,
                    Output::Closed(how) => client.closed = Some(how),
                }
            }
        }
        while let Some(output) = self.listener.poll_output() {
            match output {
                ListenerOutput::Transmit { to, bytes, .. } => {
                    *self.sent_to.entry(to).or_default() += bytes.len();
                    out.push((false, to, bytes));
                }
                ListenerOutput::Connected { peer, identity, .. } => {
                    self.heard.push(Heard::Connected(peer, identity))
                }
                ListenerOutput::Received { peer, bytes, .. } => self.heard.push(Heard::Said(peer, bytes)),
                ListenerOutput::Closed { peer, how } => self.heard.push(Heard::Closed(peer, how)),
                ListenerOutput::Disconnect { .. } => panic!("there are no streams"),
            }
        }
        for (to_server, peer, bytes) in out {
            self.throw(to_server, peer, bytes);
        }
    }

    fn throw(&mut self, to_server: bool, peer: SocketAddr, bytes: Vec<u8>) {
        let lost = &mut self.lost_in_a_row[usize::from(to_server)];
        if *lost < 2 && self.rng.chance(self.link.loss) {
            *lost += 1;
            return;
        }
        *lost = 0;
        let copies = 1 + u64::from(self.rng.chance(self.link.duplicates));
        for _ in 0..copies {
            self.number += 1;
            let delay = Duration::from_millis(10) + self.link.jitter.mul_f64(self.rng.unit());
            self.flying.insert((self.now + delay, self.number), (to_server, peer, bytes.clone()));
        }
    }
}

pub fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 7], port))
}

/// Meter `n` has the key `key of meter-n`; certificates stand for who they name, but for `stranger`.
pub struct Meters;

impl Identities for Meters {
    fn psk(&self, identity: &[u8]) -> Option<(Secret, Identity)> {
        let name = std::str::from_utf8(identity).ok()?.strip_prefix("id-")?;
        Some((Secret::new(format!("key of {name}").into_bytes()), name.into()))
    }

    fn endpoint_of_subject(&self, common_name: &str) -> Option<Identity> {
        (common_name != "stranger").then(|| common_name.into())
    }
}

pub fn psk(name: &str) -> ClientSecurity {
    keyed(&format!("id-{name}"), &format!("key of {name}"))
}

pub fn keyed(identity: &str, key: &str) -> ClientSecurity {
    ClientSecurity::Psk(Psk { identity: identity.as_bytes().into(), key: Secret::new(key.as_bytes()) })
}

/// An authority and who it vouches for.
pub struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pub certificate: Arc<[u8]>,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().to_vec().into();
        Authority { issuer: rcgen::Issuer::new(params, key), certificate }
    }

    pub fn issue(&self, name: &str) -> Certificate {
        self.issue_with(name, |_| {})
    }

    pub fn issue_with(&self, name: &str, change: impl FnOnce(&mut rcgen::CertificateParams)) -> Certificate {
        let mut params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        change(&mut params);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Certificate { chain: vec![certificate.der().to_vec().into()], key: Secret::new(key.serialize_der()) }
    }

    /// A client that trusts this authority and expects the server `server.example`.
    pub fn client(&self, own: Certificate) -> ClientSecurity {
        let trust = Trust {
            certificate: Arc::clone(&self.certificate),
            usage: Usage::TrustAnchor,
            matching_type: 0,
            name: "server.example".into(),
        };
        ClientSecurity::Certificate { own, trust }
    }
}

/// A server with keys, and with a certificate if there is an authority.
pub fn server(authority: Option<&Authority>, version: Version) -> ListenerConfig {
    let security = ServerSecurity {
        identities: Arc::new(Meters),
        psk: true,
        certificate: authority.map(|authority| authority.issue("server.example")),
        peers: authority.map(|authority| Arc::clone(&authority.certificate)).into_iter().collect(),
        intermediates: Vec::new(),
    };
    ListenerConfig {
        stream: false,
        security: Some(security),
        max_sessions: 100,
        options: Arc::new(Options { version, epoch: EPOCH }),
    }
}
