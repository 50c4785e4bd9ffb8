//! From a scenario to the rooms' own configurations.

mod accounts;
mod security;
mod servers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::fitted::{Cards, Fitting};
use super::resolved::{ListenAt, Mode, PortRange, Scenario, ServerChoice};
use crate::base::{Clock, Seed};
use crate::fleet::{FleetConfig, Load};
use crate::meter::{self, MeterDevice, ObjectSet};
use crate::protocol::client::{self, Backoff, BootstrapPolicy, Device, encode_card};
use crate::protocol::lwm2m::{Entry, Path, ServerUri, Value};
use crate::transport::{Gate, LocalAddresses};

use security::reachable;

pub(super) use security::Held;
pub use security::Part;

/// Where the servers of a run are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The Bootstrap-Server, wherever it is; `None` for meters that have none.
    pub bootstrap: Option<ServerUri>,
    /// The embedded EMSs, in the order of their accounts.
    pub ems: Vec<ServerUri>,
}

impl From<&ServerUri> for Places {
    /// A Bootstrap-Server for meters that learn the rest from it.
    fn from(bootstrap: &ServerUri) -> Self {
        Places { bootstrap: Some(bootstrap.clone()), ems: Vec::new() }
    }
}

impl Scenario {
    /// Where the servers of a run are, given where the embedded ones listen.
    pub fn places(&self, bootstrap: Option<SocketAddr>, ems: &[SocketAddr]) -> Places {
        Places {
            bootstrap: self.servers.bootstrap.uri_or(bootstrap, self.servers.embedded.bootstrap_listen),
            ems: ems.iter().map(|address| self.servers.embedded.ems_listen.uri(*address)).collect(),
        }
    }

    /// The same scenario with embedded servers in place of all others.
    #[must_use]
    pub fn with_embedded_servers(mut self) -> Self {
        let servers = &mut self.servers;
        let ems = servers.accounts.iter_mut().map(|account| &mut account.server);
        for server in ems.chain([&mut servers.bootstrap, &mut servers.ems]) {
            if matches!(server, ServerChoice::External(_)) {
                *server = ServerChoice::Embedded;
            }
        }
        self
    }

    /// What all meters share, given where their servers are; their clocks stand at a fixed date.
    pub fn client_config(&self, places: impl Into<Places>) -> client::Config {
        self.client_with(places.into(), MeterDevice::default())
    }

    fn client_with(&self, places: Places, device: MeterDevice) -> client::Config {
        let bootstrap = &self.bootstrap;
        client::Config {
            version: self.fleet.lwm2m,
            transmission: Arc::new(self.coap.params()),
            bootstrap: BootstrapPolicy {
                formats: bootstrap.formats.clone(),
                send_endpoint: bootstrap.send_endpoint,
                pack: bootstrap.pack,
                pack_retries: bootstrap.pack_retries,
                no_finish: bootstrap.no_finish,
                backoff: Backoff {
                    initial: self.retry.bootstrap_initial.duration(),
                    max: self.retry.bootstrap_max.duration(),
                },
                server_initiated: bootstrap.mode == Mode::ServerInitiated,
            },
            registration: self.fleet.registration.clone(),
            report: self.report.clone(),
            firmware: self.firmware.policy(),
            provision: Fitting::of(
                &self.fitted,
                self.held(bootstrap.mode == Mode::Factory),
                self.cards(&places),
            ),
            // The values of the minimal objects are as they are stored.
            device: (self.fleet.objects != ObjectSet::Minimal).then(|| Arc::new(device) as Arc<dyn Device>),
            factory: self.factory(&places),
        }
    }

    /// What every meter holds when it leaves the factory.
    fn factory(&self, places: &Places) -> Arc<Vec<Entry>> {
        let uri = places.bootstrap.as_ref().map(ServerUri::to_string);
        let (hold_off, objects) = (self.fleet.hold_off.duration(), self.fleet.objects);
        let mut entries = meter::factory(uri.as_deref().unwrap_or_default(), hold_off, objects).to_vec();
        if uri.is_none() {
            entries.retain(|entry| entry.path.ids()[0] != 0);
        } else if let Some(timeout) = self.bootstrap.account_timeout {
            entries.push(Entry::new(Path::resource(0, 0, 12), seconds(timeout.duration())));
        }
        if self.bootstrap.mode == Mode::Factory {
            entries.extend(self.account_entries(&places.ems));
        }
        entries.sort_by_key(|entry| entry.path);
        Arc::new(entries)
    }

    /// The cards, of meters that have any: those out of files, or one for all with the accounts.
    fn cards(&self, places: &Places) -> Option<Cards> {
        if self.bootstrap.mode != Mode::Smartcard {
            return None;
        }
        if let Some(files) = self.fitted.card_files() {
            return Some(Cards::new(&self.bootstrap.card, self.run.seed, files.clone()));
        }
        let accounts = self.account_entries(&places.ems);
        // At most 16 accounts, each some hundreds of bytes.
        let card = encode_card(&accounts).unwrap_or_default();
        let cards = Cards::new(&self.bootstrap.card, self.run.seed, Arc::from([Arc::from(card)]));
        Some(match self.held(true) {
            Some(held) => cards.with_keys(accounts, held),
            None => cards,
        })
    }

    /// The fleet, given where its servers are and which addresses are known beforehand.
    pub fn fleet_config(
        &self,
        places: impl Into<Places>,
        targets: Vec<SocketAddr>,
        clock: Clock,
    ) -> FleetConfig {
        let PortRange { first, last } = self.local.ports;
        let local = LocalAddresses { addresses: self.local.addresses.clone(), ports: first..=last };
        let seed: Seed = self.run.seed;
        let mut targets = targets;
        targets.extend(self.fitted.addresses(self.fleet.meters));
        let sessions = self.session_options(clock.origin_unix().as_secs());
        let epoch = i64::try_from(sessions.epoch).unwrap_or(i64::MAX);
        let device = MeterDevice { epoch, ..MeterDevice::default() };
        FleetConfig {
            plan: self.plan(),
            client: Arc::new(self.client_with(places.into(), device)),
            sessions,
            seed,
            clock,
            gate: self.gate(),
            pin: true,
            local: (!local.addresses.is_empty()).then_some(local),
            targets,
            load: Load::Open,
            hold: self.run.hold.duration(),
            settle: self.run.settle.duration(),
            drain: self.run.drain.duration(),
            sabotage: Vec::new(),
        }
    }

    /// Which destinations are allowed.
    pub fn gate(&self) -> Gate {
        Gate { allow_remote: self.allow_remote }
    }
}

impl ServerChoice {
    /// The URI meters use: the configured one, or where the embedded server, which was to `listen`, does so.
    pub fn uri_or(&self, embedded: Option<SocketAddr>, listen: ListenAt) -> Option<ServerUri> {
        match self {
            ServerChoice::External(uri) => Some(uri.clone()),
            ServerChoice::Embedded => embedded.map(|address| listen.uri(address)),
            ServerChoice::Nobody => None,
        }
    }
}

fn seconds(span: Duration) -> Value {
    Value::Integer(i64::try_from(span.as_secs()).unwrap_or(i64::MAX))
}

impl ListenAt {
    /// The URI under which meters reach the server, which was given this address.
    fn uri(&self, address: SocketAddr) -> ServerUri {
        ServerUri::at(self.scheme, reachable(address))
    }
}
