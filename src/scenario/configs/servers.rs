//! The configurations of the embedded servers.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::base::{Clock, Span};
use crate::credentials::Role;
use crate::protocol::lwm2m::ServerUri;
use crate::protocol::server::{BootstrapConfig, Directory, EmsConfig, Plan};
use crate::scenario::resolved::{Account, BootstrapTerms, ListenAt, Scenario};
use crate::servers::{EmbeddedConfig, Listen};

/// Peers and endpoint names an embedded server remembers beyond one for each meter: room for strangers.
const SPARE_PEERS: usize = 100_000;

impl Scenario {
    /// Which of the embedded servers a run needs.
    pub fn embedded_config(&self, clock: Clock) -> EmbeddedConfig {
        let both = self.both_servers(clock);
        EmbeddedConfig {
            bootstrap: both.bootstrap.filter(|_| self.servers.bootstrap.is_embedded()),
            ems: self.embedded_ems(self.servers.embedded_accounts()),
            pin: true,
            ..both
        }
    }

    /// The Bootstrap-Server and at least one EMS, whatever the scenario says of a run's.
    pub fn both_servers(&self, clock: Clock) -> EmbeddedConfig {
        let embedded = &self.servers.embedded;
        let mut ems = self.embedded_ems(self.servers.embedded_accounts());
        if ems.is_empty() {
            ems = self.embedded_ems(self.servers.accounts.iter().take(1));
        }
        let ListenAt { scheme, address } = embedded.bootstrap_listen;
        let bootstrap = self.listen(Role::Bootstrap, scheme, address);
        EmbeddedConfig {
            bootstrap: Some((bootstrap, self.bootstrap_config(&[]))),
            ems,
            workers: embedded.workers,
            pin: false,
            gate: self.gate(),
            seed: self.run.seed,
            clock,
            options: self.session_options(clock.origin_unix().as_secs()),
        }
    }

    /// The EMSs of these accounts, one after the other from where the first is to listen.
    fn embedded_ems<'a>(&self, accounts: impl Iterator<Item = &'a Account>) -> Vec<(Listen, EmsConfig)> {
        let ListenAt { scheme, address: first } = self.servers.embedded.ems_listen;
        let place = |(number, account): (u16, &Account)| {
            let port = if first.port() == 0 { 0 } else { first.port() + number };
            let role = Role::Server(account.short_server_id);
            (self.listen(role, scheme, SocketAddr::new(first.ip(), port)), self.ems_config(account))
        };
        (0..).zip(accounts).map(place).collect()
    }

    /// The embedded Bootstrap-Server, given where the embedded EMSs are, in the order of their accounts; the
    /// servers themselves fill in those that are missing.
    pub fn bootstrap_config(&self, ems: &[ServerUri]) -> BootstrapConfig {
        let server = &self.servers.bootstrap_server;
        let by_name = self.fitted.directory().map(|file| Arc::new(file.plans(self, ems)));
        let mut directory = Directory { by_name: by_name.unwrap_or_default(), ..Directory::default() };
        for plan in &server.plans {
            let terms = Arc::new(self.plan_of(&plan.terms, ems));
            let patterns = plan.endpoints.iter().map(|pattern| (pattern.clone(), terms.clone()));
            directory.by_pattern.extend(patterns);
        }
        let terms = Arc::new(self.plan_of(&server.terms, ems));
        let patterns = server.endpoints.iter().map(|pattern| (pattern.clone(), terms.clone()));
        directory.by_pattern.extend(patterns);
        BootstrapConfig {
            patience: server.patience,
            initiative: server.initiative,
            service: server.service.config(),
            max_peers: self.max_peers(),
            keys: self.account_keys(),
            ..BootstrapConfig::new(Arc::new(self.coap.params()), directory)
        }
    }

    pub(in crate::scenario) fn plan_of(&self, terms: &BootstrapTerms, ems: &[ServerUri]) -> Plan {
        let mut accounts = self.written_accounts(ems);
        accounts.retain(|account| terms.accounts.contains(&account.short_server_id));
        Plan {
            accounts,
            extra: terms.extra.clone(),
            sequence: terms.sequence.clone(),
            write_level: terms.write,
            format: terms.format,
            pack: terms.pack,
        }
    }

    /// The embedded EMS of an account.
    pub fn ems_config(&self, account: &Account) -> EmsConfig {
        let server = &self.servers.ems_server;
        let own = server.campaigns.iter().filter(|told| told.server == account.short_server_id);
        let transmission = Arc::new(self.coap.params());
        let awake = server.awake.map_or_else(|| transmission.max_transmit_wait(), Span::duration);
        EmsConfig {
            max_peers: self.max_peers(),
            max_endpoints: self.max_peers(),
            short_server_id: account.short_server_id,
            versions: server.versions,
            refused: server.refuse.clone(),
            profile_ids: server.profile_ids,
            interview: server.interview.clone(),
            awake,
            max_waiting: server.max_waiting as usize,
            campaigns: own.map(|told| told.campaign.clone()).collect(),
            service: server.service.config(),
            ..EmsConfig::new(transmission)
        }
    }

    fn max_peers(&self) -> usize {
        self.fleet.meters as usize + SPARE_PEERS
    }
}
