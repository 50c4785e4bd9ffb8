//! A scenario with every value in place and in its range.

mod bootstrap;
mod firmware;
mod security;
mod servers;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::base::{Percent, Seed, Span};
use crate::credentials;
use crate::fleet::arrivals::ArrivalsConfig;
use crate::fleet::endpoint::EndpointTemplate;
use crate::fleet::plan::{Addressing, Plan, PlanConfig, SessionKind};
use crate::meter::{ObjectSet, device_objects};
use crate::protocol::client::{RegistrationPolicy, ReportPolicy};
use crate::protocol::coap;
use crate::protocol::lwm2m::{Host, Scheme, ServerUri, Version};

use crate::protocol::server::{Action, PackAnswer};
use crate::secure;

use super::fitted::Fitted;

pub use bootstrap::{Bootstrap, CardTerms, Mode};
pub use firmware::Firmware;
pub use security::{ListenAt, Security, Source};
pub use servers::{
    Account, BootstrapServer, BootstrapTerms, Embedded, EmsCampaign, EmsServer, Manners, PlanFor,
    ServerChoice, Servers, Service,
};

/// What a run is to do. Made by [`super::load`] alone, which checks every range named here.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// What it is called in results.
    pub name: String,
    /// A sentence about it; may be empty.
    pub description: String,
    /// Whether datagrams may leave this machine.
    pub allow_remote: bool,
    /// The file with what single meters are fitted with, as it was named.
    pub provision: Option<String>,
    /// The meters.
    pub fleet: Fleet,
    /// How they come by their accounts.
    pub bootstrap: Bootstrap,
    /// What they tell servers that observe them, and by themselves.
    pub report: ReportPolicy,
    /// How they take new firmware and software.
    pub firmware: Firmware,
    /// When they start.
    pub arrivals: ArrivalsConfig,
    /// How the run goes.
    pub run: Run,
    /// What they talk to.
    pub servers: Servers,
    /// How they and the meters prove who they are.
    pub security: Security,
    /// How messages are sent, by the meters and by the embedded servers.
    pub coap: Coap,
    /// How failed attempts are repeated.
    pub retry: Retry,
    /// Where meters send from on a real network.
    pub local: Local,
    /// What was in the files that the scenario names; nothing before they were read.
    pub fitted: Fitted,
}

/// `[fleet]`: the meters.
#[derive(Clone, Debug, PartialEq)]
pub struct Fleet {
    /// How many, 1 to 16,000,000.
    pub meters: u32,
    /// What they are called; every meter has a name of its own.
    pub endpoint: EndpointTemplate,
    /// The version of LwM2M they speak.
    pub lwm2m: Version,
    /// The lifetime (/1/x/1) that the embedded Bootstrap-Server hands out; an external one hands out its
    /// own. Whole seconds, 1 s to 365 d.
    pub lifetime: Span,
    /// How long a meter waits between power-on and Bootstrap-Request (/0/x/11). Whole seconds, 0 s to 1 d.
    pub hold_off: Span,
    /// The objects they have besides those of their servers.
    pub objects: ObjectSet,
    /// How they register.
    pub registration: RegistrationPolicy,
}

impl Fleet {
    /// The version of LwM2M as it is written.
    pub fn version(&self) -> &'static str {
        match self.lwm2m {
            Version::V1_0 => "1.0",
            Version::V1_1 => "1.1",
            Version::V1_2 => "1.2",
        }
    }
}

/// `[run]`: how the run goes. After the last arrival the fleet stays on for `hold`, and for longer, up to
/// `settle`, while meters are still under way; then it is drained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    /// How long the fleet stays on after the last arrival, 0 s to 30 d.
    pub hold: Span,
    /// How long after the last arrival the run waits for meters that are still under way, 0 s to 60 d.
    pub settle: Span,
    /// How long meters have to de-register at the end, 0 s to 1 h.
    pub drain: Span,
    /// How many meters must have registered for the run to succeed.
    pub goal: Goal,
    /// Where all randomness of the run comes from, 0 to 2^63 - 1.
    pub seed: Seed,
    /// How many shards share the fleet, 1 to 1,024.
    pub shards: u32,
}

/// How many meters must have registered for the run to succeed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// Every one.
    All,
    /// At least this share of the fleet.
    Share(Percent),
}

impl Goal {
    /// How many of `meters` meters that is.
    pub fn needed(self, meters: u32) -> u32 {
        match self {
            Goal::All => meters,
            // Less a little, so that 99.9 % of 1,000 is 999 although 0.999 is no binary fraction.
            Goal::Share(share) => (f64::from(meters) * share.percent() / 100.0 - 1e-6).ceil() as u32,
        }
    }

    /// Whether `registered` of `meters` is enough.
    pub fn is_reached(self, registered: u32, meters: u32) -> bool {
        registered >= self.needed(meters)
    }
}

/// `[coap]`: transmission parameters (RFC 7252 §4.8) and the preferred block size (RFC 7959).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coap {
    /// ACK_TIMEOUT, 10 ms to 60 s.
    pub ack_timeout: Span,
    /// ACK_RANDOM_FACTOR, 1 to 10.
    pub ack_random_factor: f64,
    /// MAX_RETRANSMIT, 0 to 10.
    pub max_retransmit: u32,
    /// NSTART, 1 to 16.
    pub nstart: u32,
    /// Preferred size of a block in bytes: 16, 32, 64, 128, 256, 512 or 1,024.
    pub block_size: u16,
}

impl Coap {
    /// As the message layer takes them.
    pub fn params(&self) -> coap::Params {
        coap::Params {
            ack_timeout: self.ack_timeout.duration(),
            ack_random_factor: self.ack_random_factor,
            max_retransmit: self.max_retransmit,
            nstart: self.nstart,
            block_size: self.block_size,
            ..coap::Params::default()
        }
    }

    /// How long a sender waits for an answer before it gives up: MAX_TRANSMIT_WAIT (RFC 7252 §4.8.2).
    pub fn give_up_after(&self) -> Duration {
        let timeouts = 2.0_f64.powi(self.max_retransmit as i32 + 1) - 1.0;
        self.ack_timeout.duration().mul_f64(timeouts * self.ack_random_factor)
    }
}

/// `[retry]`: how failed attempts are repeated. The first four are handed out by the embedded
/// Bootstrap-Server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in a sequence of registrations, the first included (/1/x/17), 1 to 1,000.
    pub retry_count: u32,
    /// Wait after the first attempt, doubled after each further one (/1/x/18). Whole seconds, 1 s to 7 d.
    pub retry_timer: Span,
    /// Wait between two sequences (/1/x/19). Whole seconds, 1 s to 365 d.
    pub sequence_delay: Span,
    /// Sequences until registration has failed (/1/x/20), 1 to 1,000.
    pub sequence_count: u32,
    /// Wait after the first failed bootstrap, doubled after each further one; LwM2M leaves this to the
    /// client. 10 ms to 7 d.
    pub bootstrap_initial: Span,
    /// The longest such wait, at least `bootstrap_initial`, at most 7 d.
    pub bootstrap_max: Span,
}

/// `[local]`: where meters send from when the servers are not on loopback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// Addresses of this machine, all different; empty means that the kernel chooses one, and that each
    /// meter has a socket of its own.
    pub addresses: Vec<IpAddr>,
    /// Ports used on each of them.
    pub ports: PortRange,
}

/// A range of UDP ports, both ends included, never empty and without 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl PortRange {
    /// How many ports.
    pub fn count(self) -> u32 {
        u32::from(self.last) - u32::from(self.first) + 1
    }
}

impl Scenario {
    /// What the run will do and cost.
    pub fn plan(&self) -> Plan {
        let servers = &self.servers;
        let (streams, embedded_streams) = self.streams();
        let embedded = usize::from(servers.bootstrap.is_embedded()) + servers.embedded_accounts().count();
        Plan::new(PlanConfig {
            meters: self.fleet.meters,
            shards: self.run.shards,
            endpoint: self.fleet.endpoint.clone(),
            arrivals: self.arrivals,
            seed: self.run.seed,
            round_trips: self.round_trips(),
            updates: self.updates(),
            addressing: self.addressing(),
            embedded_servers: embedded as u32,
            server_workers: servers.embedded.workers,
            session_ends: self.session_ends(),
            streams,
            embedded_streams,
        })
    }

    /// Round trips until a meter is registered everywhere, as far as the scenario says how it goes: an
    /// external Bootstrap-Server is taken to do as the embedded one.
    fn round_trips(&self) -> u32 {
        let server = &self.servers.bootstrap_server;
        let bootstrap = match (self.bootstrap.mode, self.bootstrap.pack, server.terms.pack) {
            (Mode::Factory | Mode::Smartcard, ..) => 0,
            (_, true, PackAnswer::Pack) => 1,
            (_, pack, _) => u32::from(pack) + 1 + self.plan_of(&server.terms, &[]).round_trips() as u32,
        };
        bootstrap + server.terms.accounts.len() as u32 + self.questions() + self.handshakes()
    }

    /// Round trips of handshakes: three of DTLS with its cookie (RFC 6347 §4.2.1). A stream's are the kernel's.
    fn handshakes(&self) -> u32 {
        const DTLS: u32 = 3;
        let own = matches!(self.bootstrap.mode, Mode::Factory | Mode::Smartcard);
        let listen = self.servers.embedded.bootstrap_listen;
        let bootstrap = self.servers.bootstrap.scheme(listen).filter(|_| !own);
        let secured = bootstrap.into_iter().chain(self.registered_with().map(|(_, scheme)| scheme));
        DTLS * secured.filter(|scheme| *scheme == Scheme::Coaps).count() as u32
    }

    /// The servers that meters register with, and over what.
    fn registered_with(&self) -> impl Iterator<Item = (&ServerChoice, Scheme)> {
        let Servers { accounts, embedded, .. } = &self.servers;
        accounts
            .iter()
            .filter_map(|account| Some((&account.server, account.server.scheme(embedded.ems_listen)?)))
    }

    /// The sessions that each meter keeps with those it registers with; twice where the other end is embedded.
    fn session_ends(&self) -> Vec<SessionKind> {
        let kept = self.registered_with().filter_map(|(server, scheme)| {
            let kind = match (self.security.mode_over(scheme)?, self.security.version) {
                _ if scheme.is_stream() => SessionKind::Tls,
                (credentials::Mode::Psk, _) => SessionKind::DtlsKey,
                (credentials::Mode::X509, secure::Version::Only12) => SessionKind::DtlsCertificate,
                (credentials::Mode::X509, secure::Version::Upto13) => SessionKind::Dtls13,
            };
            Some(std::iter::repeat_n(kind, 1 + usize::from(server.is_embedded())))
        });
        kept.flatten().collect()
    }

    /// What embedded EMSs ask a meter that registers, as far as it has the objects.
    fn questions(&self) -> u32 {
        let questions = self.servers.ems_server.interview.questions();
        if questions.is_empty() {
            return 0;
        }
        let objects = device_objects(self.fleet.objects);
        // /1 is there with any account.
        let has = |object: u16| object == 1 || objects.iter().any(|entry| entry.path.ids()[0] == object);
        let asked = questions.iter().filter(|question| has(question.path.ids()[0])).count();
        (asked * self.servers.embedded_accounts().count()) as u32
    }

    /// Updates a second of one meter, at all its servers; `None` if an external Bootstrap-Server decides.
    fn updates(&self) -> Option<f64> {
        let own = matches!(self.bootstrap.mode, Mode::Factory | Mode::Smartcard);
        if !own && !self.servers.bootstrap.is_embedded() {
            return None;
        }
        let timing = self.fleet.registration.update_timing();
        let waits = self.servers.accounts.iter().filter_map(|account| {
            timing.wait(u32::try_from(account.lifetime.duration().as_secs()).unwrap_or(u32::MAX))
        });
        Some(waits.map(|wait| 1.0 / wait.as_secs_f64()).sum())
    }

    /// How meters tell themselves apart, as far as the configured servers show it. An external
    /// Bootstrap-Server may send the meters elsewhere, and a host name is taken to be on a real network. Streams
    /// are a socket each anyway.
    fn addressing(&self) -> Addressing {
        let servers = self.spoken_to().filter(|(_, _, scheme)| !scheme.is_stream());
        let targets: Vec<Option<IpAddr>> =
            servers.map(|(server, at, _)| target(server, at.address)).collect();
        let on_loopback = |target: &Option<IpAddr>| target.is_some_and(|ip| ip.to_canonical().is_loopback());
        if targets.iter().all(|target| on_loopback(target) && target.is_some_and(|ip| ip.is_ipv4())) {
            Addressing::SharedLoopback
        } else if self.local.addresses.is_empty() || targets.iter().all(on_loopback) {
            Addressing::SocketPerMeter
        } else {
            Addressing::Listed {
                addresses: self.local.addresses.len() as u32,
                ports: self.local.ports.count(),
            }
        }
    }

    /// The servers that meters speak to, where each listens if it is embedded, and over what.
    pub(super) fn spoken_to(&self) -> impl Iterator<Item = (&ServerChoice, ListenAt, Scheme)> {
        let Servers { bootstrap, accounts, embedded, .. } = &self.servers;
        let ems = accounts.iter().map(|account| (&account.server, embedded.ems_listen));
        let all = std::iter::once((bootstrap, embedded.bootstrap_listen)).chain(ems);
        all.filter_map(|(server, at)| Some((server, at, server.scheme(at)?)))
    }

    /// Servers that each meter has a stream to at a time, and how many of them are embedded. The stream to the
    /// Bootstrap-Server is closed before those to the EMSs are opened, unless meters listen on it or are sent back.
    pub fn streams(&self) -> (u32, u32) {
        let Servers { bootstrap, accounts, embedded, .. } = &self.servers;
        let over = |server: &ServerChoice, at| server.scheme(at).is_some_and(Scheme::is_stream);
        let count = |stream: bool, server: &ServerChoice| match (stream, server.is_embedded()) {
            (false, _) => (0, 0),
            (true, own) => (1, u32::from(own)),
        };
        let first = count(over(bootstrap, embedded.bootstrap_listen), bootstrap);
        let ems = accounts.iter().map(|account| {
            let server = &account.server;
            count(over(server, embedded.ems_listen), server)
        });
        let ems = ems.fold((0, 0), |(all, own), (one, its)| (all + one, own + its));
        match self.returns_to_bootstrap() {
            true => (first.0 + ems.0, first.1 + ems.1),
            false => (first.0.max(ems.0), first.1.max(ems.1)),
        }
    }

    /// Whether meters that are registered have to do with their Bootstrap-Server by plan.
    fn returns_to_bootstrap(&self) -> bool {
        let campaigns = &self.servers.ems_server.campaigns;
        self.bootstrap.mode == Mode::ServerInitiated
            || self.servers.bootstrap_server.initiative.is_some()
            || campaigns.iter().any(|one| one.campaign.action == Action::BootstrapTrigger)
    }
}

/// The address of a server, unless it has a name only. One that listens everywhere is met on loopback.
fn target(server: &ServerChoice, listen: SocketAddr) -> Option<IpAddr> {
    match server {
        ServerChoice::Nobody => None,
        ServerChoice::External(ServerUri { host: Host::Ip(ip), .. }) => Some(*ip),
        ServerChoice::External(ServerUri { host: Host::Name(_), .. }) => None,
        ServerChoice::Embedded if !listen.ip().is_unspecified() => Some(listen.ip()),
        ServerChoice::Embedded if listen.is_ipv4() => Some(std::net::Ipv4Addr::LOCALHOST.into()),
        ServerChoice::Embedded => Some(std::net::Ipv6Addr::LOCALHOST.into()),
    }
}
