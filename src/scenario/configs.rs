//! From a scenario to the rooms' own configurations.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use super::resolved::{PortRange, Scenario, ServerChoice};
use crate::base::{Clock, Seed};
use crate::fleet::{FleetConfig, Load};
use crate::meter::{self, ObjectSet};
use crate::protocol::client::{
    self, Backoff, BootstrapPolicy, FirmwarePolicy, RegistrationPolicy, ReportPolicy,
};
use crate::protocol::coap::ContentFormat;
use crate::protocol::lwm2m::{ServerUri, Version};
use crate::protocol::server::{Account, BootstrapConfig, Directory, EmsConfig, Plan, RetryTerms};
use crate::servers::EmbeddedConfig;
use crate::transport::{Gate, LocalAddresses};

/// Peers and endpoint names an embedded server remembers beyond one for each meter: room for strangers.
const SPARE_PEERS: usize = 100_000;

impl Scenario {
    /// What all meters share, given where their Bootstrap-Server is.
    pub fn client_config(&self, bootstrap_server: &ServerUri) -> client::Config {
        let version = self.fleet.lwm2m;
        client::Config {
            version,
            transmission: Arc::new(self.coap.params()),
            bootstrap: BootstrapPolicy {
                // `pct` came with 1.1; without it, Bootstrap-Servers write TLV.
                formats: Vec::from_iter((version >= Version::V1_1).then_some(ContentFormat::SENML_CBOR)),
                backoff: Backoff {
                    initial: self.retry.bootstrap_initial.duration(),
                    max: self.retry.bootstrap_max.duration(),
                },
                ..BootstrapPolicy::default()
            },
            registration: RegistrationPolicy::default(),
            firmware: FirmwarePolicy::default(),
            report: ReportPolicy::default(),
            provision: None,
            device: None,
            factory: meter::factory(
                &bootstrap_server.to_string(),
                self.fleet.hold_off.duration(),
                ObjectSet::Minimal,
            ),
        }
    }

    /// Which of the embedded servers a run needs.
    pub fn embedded_config(&self, clock: Clock) -> EmbeddedConfig {
        let both = self.both_servers(clock);
        EmbeddedConfig {
            bootstrap: both.bootstrap.filter(|_| self.servers.bootstrap.is_embedded()),
            ems: both.ems.filter(|_| self.servers.ems.is_embedded()),
            pin: true,
            ..both
        }
    }

    /// Both embedded servers, whatever the scenario says of a run's.
    pub fn both_servers(&self, clock: Clock) -> EmbeddedConfig {
        let embedded = &self.servers.embedded;
        let bootstrap = self.bootstrap_config(self.servers.ems.uri());
        EmbeddedConfig {
            bootstrap: Some((embedded.bootstrap_listen, bootstrap)),
            ems: Some((embedded.ems_listen, self.ems_config())),
            workers: embedded.workers,
            pin: false,
            gate: self.gate(),
            seed: self.run.seed,
            clock,
        }
    }

    /// The embedded Bootstrap-Server, given the EMS whose account it hands out. Without one the servers
    /// themselves fill in where the embedded EMS listens.
    pub fn bootstrap_config(&self, ems: Option<&ServerUri>) -> BootstrapConfig {
        let retry = &self.retry;
        let mut account = Account::new(
            String::new(),
            self.servers.embedded.short_server_id,
            self.fleet.lifetime.duration(),
        );
        // /1/x/17-20 came with 1.1.
        account.retry = (self.fleet.lwm2m >= Version::V1_1).then_some(RetryTerms {
            count: retry.retry_count,
            timer: retry.retry_timer.duration(),
            sequence_delay: retry.sequence_delay.duration(),
            sequence_count: retry.sequence_count,
        });
        BootstrapConfig {
            ems: ems.map(ServerUri::to_string).unwrap_or_default(),
            max_peers: self.max_peers(),
            ..BootstrapConfig::new(Arc::new(self.coap.params()), Directory::of(Plan::new(account)))
        }
    }

    /// The embedded EMS.
    pub fn ems_config(&self) -> EmsConfig {
        EmsConfig {
            max_peers: self.max_peers(),
            max_endpoints: self.max_peers(),
            short_server_id: self.servers.embedded.short_server_id,
            ..EmsConfig::new(Arc::new(self.coap.params()))
        }
    }

    fn max_peers(&self) -> usize {
        self.fleet.meters as usize + SPARE_PEERS
    }

    /// The fleet, given where its Bootstrap-Server is and which addresses are known beforehand.
    pub fn fleet_config(
        &self,
        bootstrap_server: &ServerUri,
        targets: Vec<SocketAddr>,
        clock: Clock,
    ) -> FleetConfig {
        let PortRange { first, last } = self.local.ports;
        let local = LocalAddresses { addresses: self.local.addresses.clone(), ports: first..=last };
        let seed: Seed = self.run.seed;
        FleetConfig {
            plan: self.plan(),
            client: Arc::new(self.client_config(bootstrap_server)),
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
    /// The URI meters use: the configured one, or where the embedded server listens.
    pub fn uri_or(&self, embedded: Option<SocketAddr>) -> Option<ServerUri> {
        self.uri().cloned().or_else(|| embedded.map(|address| ServerUri::coap(reachable(address))))
    }
}

/// Where a server that listens at `address` is met on this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
