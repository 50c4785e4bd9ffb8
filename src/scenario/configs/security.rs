//! Who needs which credentials, and handing them to where they belong: meters, their cards, and the embedded
//! servers.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::accounts::FIRST;
use crate::credentials::{Faults, Names, Role, Store, Wanted, WantedServer};
use crate::protocol::lwm2m::{Entry, Host, Path, Scheme, Value};
use crate::protocol::server::AccountKeys;
use crate::scenario::ScenarioError;
use crate::scenario::resolved::{Account, Mode, Scenario, ServerChoice, Source};
use crate::secure::{Identities, Identity, Options, Secret, ServerSecurity};
use crate::servers::Listen;

/// What the credentials of a scenario are needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Meters, and the embedded servers they need.
    Run,
    /// Both embedded servers, for meters elsewhere.
    Servers,
    /// Meters alone: all servers are somebody else's.
    Meters,
}

/// The names under which a server on this machine is met.
const HERE: [&str; 3] = ["127.0.0.1", "::1", "localhost"];

impl Scenario {
    /// The credentials that are needed for this part of the scenario; `None` where all is without security. `now` is
    /// in seconds since 1970-01-01 UTC.
    ///
    /// # Errors
    /// That a server outside the program would be met with keys that nobody has given.
    pub fn wanted_credentials(&self, part: Part, now: u64) -> Result<Option<Wanted>, ScenarioError> {
        if self.security.trust.is_some() && self.security.source == Source::RunLocal {
            let problem = "security.trust is for a list of credentials, and there is none";
            return Err(self.refuse(problem.to_owned(), "name one with security.import or --credentials"));
        }
        let mut servers = Vec::new();
        for (role, choice, scheme) in self.roles(part) {
            let Some(mode) = self.security.mode_over(scheme) else { continue };
            let embedded = choice.is_embedded();
            if !embedded && self.security.source == Source::RunLocal {
                if self.are_given(role) {
                    continue;
                }
                return Err(self.keys_of_nobody(role, &choice));
            }
            servers.push(WantedServer {
                role,
                mode,
                embedded,
                names: self.names_of(role, &choice),
                usage: self.security.usage,
                matching_type: self.security.matching_type,
                server_name: self.security.server_name.clone(),
            });
        }
        if servers.is_empty() {
            return Ok(None);
        }
        let faults = Faults { shares: self.security.bad.clone(), seed: self.run.seed };
        let endpoint = self.fleet.endpoint.clone();
        Ok(Some(Wanted {
            names: Names::new(self.fleet.meters, move |number| endpoint.name(number)),
            servers,
            faults: (!faults.shares.is_empty()).then_some(faults),
            now,
        }))
    }

    /// Gives meters and servers their credentials.
    #[must_use]
    pub fn with_credentials(mut self, store: Store) -> Self {
        self.fitted.credentials = Some(store);
        self
    }

    /// Makes credentials of the run's own, one after the other, if any are needed: for small fleets and for tests.
    ///
    /// # Errors
    /// As [`Scenario::wanted_credentials`], or that they cannot be made.
    pub fn with_credentials_of_its_own(self, part: Part, now: u64) -> Result<Self, ScenarioError> {
        let Some(wanted) = self.wanted_credentials(part, now)? else { return Ok(self) };
        let store = Store::make(&wanted).map_err(|error| self.refuse(error.to_string(), "see [security]"))?;
        Ok(self.with_credentials(store))
    }

    /// The servers that this part has to do with, where they are and over what they are spoken to.
    fn roles(&self, part: Part) -> Vec<(Role, ServerChoice, Scheme)> {
        let servers = &self.servers;
        let embedded = &servers.embedded;
        let mut roles = Vec::new();
        let bootstrap = match part {
            Part::Servers => &ServerChoice::Embedded,
            Part::Run | Part::Meters => &servers.bootstrap,
        };
        roles.extend(
            bootstrap
                .scheme(embedded.bootstrap_listen)
                .map(|scheme| (Role::Bootstrap, bootstrap.clone(), scheme)),
        );
        // The meters' own accounts, and those that an embedded Bootstrap-Server writes.
        let own = matches!(self.bootstrap.mode, Mode::Factory | Mode::Smartcard);
        let none_embedded = servers.embedded_accounts().next().is_none();
        for (index, account) in servers.accounts.iter().enumerate() {
            let choice = match part {
                Part::Servers if none_embedded && index == 0 => &ServerChoice::Embedded,
                _ => &account.server,
            };
            let known = choice.is_embedded() && part != Part::Meters
                || own && part != Part::Servers
                || bootstrap.is_embedded() && part != Part::Meters;
            if let Some(scheme) = choice.scheme(embedded.ems_listen).filter(|_| known) {
                roles.push((Role::Server(account.short_server_id), choice.clone(), scheme));
            }
        }
        roles
    }

    /// Whether files give meters their keys for this server.
    fn are_given(&self, role: Role) -> bool {
        let provisioned = self
            .fitted
            .provisioning()
            .zip(self.instance(role))
            .is_some_and(|(file, instance)| file.secured_at(self.fleet.meters, instance));
        provisioned
            || role != Role::Bootstrap && self.fitted.directory().is_some_and(|file| file.secured() > 0)
    }

    /// The instance of /0 that meters have from the factory for this server.
    fn instance(&self, role: Role) -> Option<u16> {
        match role {
            Role::Bootstrap => Some(0),
            Role::Server(id) => {
                let place = self.servers.accounts.iter().position(|account| account.short_server_id == id)?;
                Some(FIRST + u16::try_from(place).ok()?)
            }
        }
    }

    fn keys_of_nobody(&self, role: Role, choice: &ServerChoice) -> ScenarioError {
        let uri = choice.uri().map(ToString::to_string).unwrap_or_default();
        let what =
            if role == Role::Bootstrap { "the Bootstrap-Server".to_owned() } else { format!("EMS {role}") };
        self.refuse(
            format!("{what} at {uri} is somebody else's, and no credentials for it are given"),
            "name a folder of `bootstorm provision` with --credentials or security.credentials, or a list with \
             security.import",
        )
    }

    fn refuse(&self, problem: String, hint: &str) -> ScenarioError {
        ScenarioError {
            origin: self.name.clone(),
            key: String::new(),
            value: None,
            problem,
            hint: hint.to_owned(),
        }
    }

    /// The names and addresses in the certificate of a server.
    fn names_of(&self, role: Role, choice: &ServerChoice) -> Vec<String> {
        let listen = match role {
            Role::Bootstrap => self.servers.embedded.bootstrap_listen,
            Role::Server(_) => self.servers.embedded.ems_listen,
        };
        let mut names = Vec::new();
        names.extend(self.security.server_name.as_deref().map(str::to_owned));
        names.extend(choice.uri().map(|uri| match &uri.host {
            Host::Ip(ip) => ip.to_string(),
            Host::Name(name) => name.clone(),
        }));
        if choice.is_embedded() && !listen.address.ip().is_unspecified() {
            names.push(listen.address.ip().to_string());
        }
        names.extend(HERE.map(str::to_owned));
        let mut seen = FxHashSet::default();
        names.retain(|name| seen.insert(name.clone()));
        names
    }

    /// What all sessions of a run share, for a run that begins at this second since 1970-01-01 UTC.
    pub(super) fn session_options(&self, epoch: u64) -> Arc<Options> {
        Arc::new(Options { version: self.security.version, epoch })
    }

    /// Where an embedded server listens, and what it knows its meters by.
    pub(super) fn listen(&self, role: Role, scheme: Scheme, address: SocketAddr) -> Listen {
        Listen { scheme, address, security: self.server_security(role).filter(|_| scheme.is_secure()) }
    }

    /// What an embedded server proves itself with, and knows its meters by: those of the credentials, and those that
    /// files have given keys of their own. `None` before there are credentials.
    pub fn server_security(&self, role: Role) -> Option<ServerSecurity> {
        let mut security = self.fitted.credentials.as_ref()?.server(role)?;
        let given = self.given_keys(role);
        if !given.is_empty() {
            let made = security.identities;
            security.identities = Arc::new(Given { given, made });
            security.psk = true;
        }
        Some(security)
    }

    /// The keys that files give meters for this server, by identity.
    fn given_keys(&self, role: Role) -> FxHashMap<Box<[u8]>, (Secret, Identity)> {
        let mut given = FxHashMap::default();
        if let Some((file, instance)) = self.fitted.provisioning().zip(self.instance(role)) {
            for (number, identity, key) in file.keys(self.fleet.meters, instance) {
                let endpoint = self.fleet.endpoint.name(number).into();
                given.insert(identity, (Secret::new(key), endpoint));
            }
        }
        if let (Role::Server(id), Some(file)) = (role, self.fitted.directory()) {
            for (endpoint, identity, key) in file.keys(self, id) {
                given.insert(identity, (Secret::new(key), endpoint.into()));
            }
        }
        given
    }

    /// The keys that the embedded Bootstrap-Server writes.
    pub(super) fn account_keys(&self) -> Option<Arc<dyn AccountKeys>> {
        let store = self.fitted.credentials.clone()?;
        let own: FxHashSet<(Box<str>, u16)> =
            self.fitted.directory().map(|file| file.secured_accounts(self).collect()).unwrap_or_default();
        Some(Arc::new(Written { store, own }))
    }

    /// What meters hold of the security of their accounts: of the Bootstrap-Server's, and with `accounts` of all
    /// others as well.
    pub(super) fn held(&self, accounts: bool) -> Option<Arc<Held>> {
        let store = self.fitted.credentials.clone()?;
        let listed =
            self.servers.accounts.iter().map(|account: &Account| Role::Server(account.short_server_id));
        let roles = std::iter::once(Role::Bootstrap).chain(listed.filter(|_| accounts));
        let places: Vec<(Role, u16)> = roles.filter_map(|role| Some((role, self.instance(role)?))).collect();
        let known = |(role, _): &(Role, u16)| store.servers().any(|(one, _)| one == *role);
        let places: Vec<_> = places.into_iter().filter(known).collect();
        (!places.is_empty()).then(|| Arc::new(Held { store, places }))
    }
}

/// What meters hold of the security of their accounts.
#[derive(Debug)]
pub(in crate::scenario) struct Held {
    store: Store,
    /// The servers, and the instance of /0 each has.
    places: Vec<(Role, u16)>,
}

impl Held {
    /// The entries of one meter that `keeps` lets through, by server and instance.
    pub(in crate::scenario) fn entries(&self, number: u32, keeps: impl Fn(Role, u16) -> bool) -> Vec<Entry> {
        let places = self.places.iter().filter(|(role, instance)| keeps(*role, *instance));
        let of = |(role, instance): &(Role, u16)| {
            let resources = self.store.resources(*role, number).unwrap_or_default();
            let instance = *instance;
            resources.into_iter().map(move |(id, value)| Entry::new(Path::resource(0, instance, id), value))
        };
        places.flat_map(of).collect()
    }
}

/// The keys that the embedded Bootstrap-Server writes: those of the credentials, unless its directory has others.
struct Written {
    store: Store,
    /// Accounts whose security the directory says: endpoint and Short Server ID.
    own: FxHashSet<(Box<str>, u16)>,
}

impl AccountKeys for Written {
    fn security(&self, endpoint: &str, short_server_id: u16) -> Option<Vec<(u16, Value)>> {
        if !self.own.is_empty() && self.own.contains(&(endpoint.into(), short_server_id)) {
            return None;
        }
        self.store.resources_of(Role::Server(short_server_id), endpoint)
    }
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Written({:?}, {} others)", self.store, self.own.len())
    }
}

/// Keys that files have given, and before them those of the credentials.
struct Given {
    given: FxHashMap<Box<[u8]>, (Secret, Identity)>,
    made: Arc<dyn Identities>,
}

impl Identities for Given {
    fn psk(&self, identity: &[u8]) -> Option<(Secret, Identity)> {
        self.given.get(identity).cloned().or_else(|| self.made.psk(identity))
    }

    fn endpoint_of_subject(&self, common_name: &str) -> Option<Identity> {
        self.made.endpoint_of_subject(common_name)
    }
}

/// Where a server that listens at `address` is met on this machine.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
