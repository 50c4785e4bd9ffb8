//! A fleet whose meters have keys or certificates of their own, and two servers that know them.

use super::pki::{TODAY, pki};
use super::*;
use crate::protocol::client::Provision;
use crate::protocol::coap::Transport;
use crate::protocol::server::{AccountKeys, Campaign};
use crate::secure::{
    self, Certificate, Identities, Identity, ListenerConfig, Options, Secret, ServerSecurity,
};
use crate::servers::secured::{Secured, listener_config, transport_of};

/// The names of the servers, where they have certificates.
pub(in super::super) const BOOTSTRAP_NAME: &str = "bootstrap.example.org";
pub(in super::super) const EMS_NAME: &str = "ems.example.org";

/// How everybody proves who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Mode {
    NoSec,
    Psk,
    X509,
}

/// The four ways there are.
pub(in super::super) const WAYS: [(Scheme, Mode); 4] = [
    (Scheme::Coaps, Mode::Psk),
    (Scheme::Coaps, Mode::X509),
    (Scheme::CoapTcp, Mode::NoSec),
    (Scheme::CoapsTcp, Mode::X509),
];

/// What is wrong with one meter's account of the Bootstrap-Server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Flaw {
    WrongKey,
    UnknownIdentity,
    /// It trusts an authority that is not the servers'.
    WrongAuthority,
    /// It expects a server of another name.
    WrongName,
    /// Its certificate is of an authority that no server trusts.
    ForeignCertificate,
    /// It has raw public keys, which no session has.
    RawPublicKey,
}

/// A whole world in the making.
#[derive(Clone)]
pub(in super::super) struct Kit {
    pub setup: Setup,
    pub scheme: Scheme,
    pub mode: Mode,
    /// What is wrong with which meters.
    pub flaws: Vec<(u32, Flaw)>,
    /// What time it is to the meters at the origin.
    pub epoch: u64,
    /// What both ends offer.
    pub version: secure::Version,
    /// By what name meters are told to find the EMS, where there are certificates.
    pub ems_name: &'static str,
    /// What the EMS does of its own accord.
    pub campaigns: Vec<Campaign>,
}

impl Kit {
    pub(in super::super) fn new((scheme, mode): (Scheme, Mode), setup: Setup) -> Self {
        Kit {
            setup,
            scheme,
            mode,
            flaws: Vec::new(),
            epoch: TODAY,
            version: secure::Version::default(),
            ems_name: EMS_NAME,
            campaigns: Vec::new(),
        }
    }

    /// A world with both servers, whose meters are switched on ten milliseconds apart.
    pub(in super::super) fn world(&self) -> World {
        self.world_of(&self.client_config())
    }

    /// The same whose meters are of this configuration.
    pub(in super::super) fn world_of(&self, config: &Arc<client::Config>) -> World {
        let mut world = World::new(WorldConfig { seed: Seed(self.setup.seed), link: self.setup.link });
        world.set_name(BOOTSTRAP_NAME, World::BOOTSTRAP.ip());
        world.set_name(self.ems_name, World::EMS.ip());
        world.set_options(Arc::new(Options { epoch: self.epoch, version: self.version }));
        world.set_secured_bootstrap_server(Some(self.bootstrap_server(Instant::ZERO)));
        world.set_secured_ems(Some(self.ems(Instant::ZERO)));
        for number in 0..self.setup.meters {
            let planned = Instant::from_millis(10 * u64::from(number));
            world.add_meter(config.clone(), &endpoint(number), planned);
        }
        world
    }

    pub(in super::super) fn client_config(&self) -> Arc<client::Config> {
        let mut config = Arc::into_inner(self.setup.client_config()).expect("nobody else has it");
        config.provision = Some(Arc::new(self.clone()));
        let factory = config.factory.iter().filter(|entry| entry.path.ids()[0] != 0).cloned();
        config.factory = Arc::new(factory.collect());
        Arc::new(config)
    }

    pub(in super::super) fn bootstrap_server(&self, now: Instant) -> Secured<BootstrapServer> {
        let config = BootstrapConfig {
            ems: self.uri(Role::Ems),
            keys: Some(Arc::new(self.clone())),
            transport: self.transport(),
            proven: self.scheme.is_secure(),
            ..self.setup.bootstrap_config()
        };
        let machine = BootstrapServer::new(config, Seed(self.setup.seed).child("bootstrap-server", 0));
        Secured::new(machine, self.listener(Role::Bootstrap), now)
    }

    pub(in super::super) fn ems(&self, now: Instant) -> Secured<Ems> {
        let mut config = self.setup.ems_config();
        config.transport = self.transport();
        config.proven = self.scheme.is_secure();
        config.campaigns = self.campaigns.clone();
        let machine = Ems::new(config, 0, Seed(self.setup.seed).child("ems", 0));
        Secured::new(machine, self.listener(Role::Ems), now)
    }

    fn transport(&self) -> Transport {
        transport_of(self.scheme)
    }

    fn listener(&self, role: Role) -> ListenerConfig {
        let certificate = (self.mode == Mode::X509).then(|| pki().servers.server(role.name()));
        let security = ServerSecurity {
            identities: Arc::new(Keys(role)),
            psk: self.mode == Mode::Psk,
            certificate,
            peers: vec![pki().meters.anchor().into()],
            intermediates: Vec::new(),
        };
        // The servers' clocks are right.
        let options = Arc::new(Options { epoch: TODAY, version: self.version });
        listener_config(self.scheme, Some(security), 1_000, options).expect("not plain datagrams")
    }

    fn uri(&self, role: Role) -> String {
        match self.mode {
            Mode::X509 => {
                let name = if role == Role::Ems { self.ems_name } else { role.name() };
                format!("{}://{name}:{}", self.scheme, role.address().port())
            }
            Mode::NoSec | Mode::Psk => ServerUri::at(self.scheme, role.address()).to_string(),
        }
    }

    /// What /0 says of keys in an account with this server.
    fn keys(&self, endpoint: &str, role: Role, flaw: Option<Flaw>) -> Vec<(u16, Value)> {
        let opaque = |bytes: Vec<u8>| Value::Opaque(bytes.into());
        if flaw == Some(Flaw::RawPublicKey) {
            let keys = [3, 4, 5].map(|id| (id, opaque(vec![1; 64])));
            return [(2, Value::Integer(1))].into_iter().chain(keys).collect();
        }
        match self.mode {
            Mode::NoSec => vec![(2, Value::Integer(3))],
            Mode::Psk => {
                let known = if flaw == Some(Flaw::UnknownIdentity) { "somebody-else" } else { endpoint };
                let mut key = role.key(endpoint);
                if flaw == Some(Flaw::WrongKey) {
                    key[0] ^= 1;
                }
                vec![(2, Value::Integer(0)), (3, opaque(role.identity(known))), (5, opaque(key))]
            }
            Mode::X509 => {
                let authority =
                    if flaw == Some(Flaw::ForeignCertificate) { &pki().strangers } else { &pki().meters };
                let Certificate { chain, key } = authority.meter(endpoint);
                let trusted =
                    if flaw == Some(Flaw::WrongAuthority) { &pki().strangers } else { &pki().servers };
                let mut keys = vec![
                    (2, Value::Integer(2)),
                    (3, opaque(chain[0].to_vec())),
                    (4, opaque(trusted.anchor())),
                    (5, opaque(key.expose().to_vec())),
                    (15, Value::Unsigned(2)),
                ];
                if flaw == Some(Flaw::WrongName) {
                    keys.push((14, Value::String("else.example.org".into())));
                }
                keys
            }
        }
    }
}

/// The endpoint name of a meter.
pub(in super::super) fn endpoint(number: u32) -> String {
    format!("urn:dev:os:meter-{number:07}")
}

/// One of the two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Role {
    Bootstrap,
    Ems,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Role::Bootstrap => BOOTSTRAP_NAME,
            Role::Ems => EMS_NAME,
        }
    }

    fn address(self) -> SocketAddr {
        match self {
            Role::Bootstrap => World::BOOTSTRAP,
            Role::Ems => World::EMS,
        }
    }

    fn identity(self, endpoint: &str) -> Vec<u8> {
        format!("{}:{endpoint}", self.name()).into_bytes()
    }

    /// The key of a meter with this server, which is no key with the other.
    pub(in super::super) fn key(self, endpoint: &str) -> Vec<u8> {
        let sum = endpoint.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(131) + u64::from(byte));
        let of_server = sum ^ u64::from(self.address().port()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        [of_server.to_be_bytes(), of_server.rotate_left(23).to_be_bytes()].concat()
    }
}

/// The keys one of the servers knows.
struct Keys(Role);

impl Identities for Keys {
    fn psk(&self, identity: &[u8]) -> Option<(Secret, Identity)> {
        let endpoint = str::from_utf8(identity).ok()?.strip_prefix(self.0.name())?.strip_prefix(':')?;
        endpoint.starts_with("urn:").then(|| (Secret::new(self.0.key(endpoint)), endpoint.into()))
    }
}

impl std::fmt::Debug for Kit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kit({}, {:?})", self.scheme, self.mode)
    }
}

impl AccountKeys for Kit {
    fn security(&self, endpoint: &str, _: u16) -> Option<Vec<(u16, Value)>> {
        Some(self.keys(endpoint, Role::Ems, None))
    }
}

impl Provision for Kit {
    fn own(&self, number: u32) -> Vec<Entry> {
        let flaw = self.flaws.iter().find(|(meter, _)| *meter == number).map(|(_, flaw)| *flaw);
        let uri = self.uri(Role::Bootstrap);
        let account = client::bootstrap_account(&uri, self.setup.hold_off);
        let own = account.into_iter().filter(|entry| entry.path.ids()[2] != 2);
        let keys = self.keys(&endpoint(number), Role::Bootstrap, flaw).into_iter();
        own.chain(keys.map(|(id, value)| Entry::new(Path::resource(0, 0, id), value))).collect()
    }
}
