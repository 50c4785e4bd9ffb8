//! A run in small: a few meters of a plan go through all phases of a run in virtual time.
//!
//! What a dry run shows is that a configuration hangs together: that meters of this kind can bootstrap,
//! register and leave with these parameters and these servers. It says nothing about load.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{World, WorldConfig};
use crate::base::{Instant, Seed};
use crate::faults::LinkFaults;
use crate::fleet::plan::Plan;
use crate::metrics::{Event, FailureKind, Stage, States};
use crate::protocol::client;
use crate::protocol::lwm2m::{Scheme, ServerUri};
use crate::protocol::server::{
    BootstrapConfig, BootstrapCounters, BootstrapServer, Ems, EmsConfig, EmsCounters, Server,
};
use crate::secure::{Options, ServerSecurity};
use crate::servers::secured::{Secured, listener_config, transport_of};

/// The most meters that take part in a dry run.
pub const DRY_RUN_METERS: u32 = 10;

/// What a dry run is of. All servers are the world's own, whatever servers the plan was made for.
pub struct DryRunConfig {
    /// Who arrives, and when; the first [`DRY_RUN_METERS`] take part.
    pub plan: Plan,
    /// What the meters share; it names [`World::BOOTSTRAP`] as their Bootstrap-Server.
    pub client: Arc<client::Config>,
    /// The Bootstrap-Server; it hands out the addresses of the EMSs.
    pub bootstrap: (Way, BootstrapConfig),
    /// The EMSs, each at its [`ems_address`].
    pub ems: Vec<(Way, EmsConfig)>,
    /// What all sessions share.
    pub options: Arc<Options>,
    /// Draws everything random, the arrivals aside.
    pub seed: Seed,
    /// The links, both ways.
    pub link: LinkFaults,
    /// How long the meters stay on after the last arrival.
    pub hold: Duration,
    /// How long after the last arrival stragglers are waited for, if longer than `hold`.
    pub settle: Duration,
    /// How long de-registering may take.
    pub drain: Duration,
}

/// Over what a server is spoken to.
#[derive(Clone, Default)]
pub struct Way {
    /// By which scheme.
    pub scheme: Scheme,
    /// What the server proves itself with, and knows its meters by; needed where the scheme is
    /// [secure](Scheme::is_secure), and passed over elsewhere.
    pub security: Option<ServerSecurity>,
}

impl Way {
    fn host<S: Server>(self, machine: S, options: &Arc<Options>) -> Secured<S> {
        // A session for each meter, and room for those that come again.
        let sessions = 2 * DRY_RUN_METERS as usize;
        match listener_config(self.scheme, self.security, sessions, options.clone()) {
            Some(listener) => Secured::new(machine, listener, Instant::ZERO),
            None => Secured::plain(machine),
        }
    }
}

/// Where the EMS of this number, from 0, is in a dry run; the first is at [`World::EMS`].
pub fn ems_address(number: u16) -> SocketAddr {
    SocketAddr::new(World::EMS.ip(), World::EMS.port() + number)
}

/// What came of a dry run.
#[derive(Clone, Debug, PartialEq)]
pub struct DryRun {
    /// Meters that took part.
    pub meters: u32,
    /// They by state, before they were told to leave.
    pub held: States,
    /// They by state at the end.
    pub ended: States,
    /// From planned power-on to the first registration, in the order of the registrations.
    pub onboarding: Vec<Duration>,
    /// What failed, by kind.
    pub failures: BTreeMap<FailureKind, u64>,
    /// What the Bootstrap-Server did.
    pub bootstrap: BootstrapCounters,
    /// What the EMSs did, all together.
    pub ems: EmsCounters,
    /// How long it would have taken.
    pub took: Duration,
}

/// Runs the first few meters of a plan in virtual time: the same arrivals, hold, settling and drain as in
/// a live run, which takes no longer than the computing does.
pub fn dry_run(config: DryRunConfig) -> DryRun {
    let seed = config.seed;
    let mut world = World::new(WorldConfig { seed, link: config.link });
    let options = config.options;
    world.set_options(options.clone());
    let (way, bootstrap) = config.bootstrap;
    let (transport, proven) = (transport_of(way.scheme), way.scheme.is_secure());
    let bootstrap = BootstrapConfig { transport, proven, ..bootstrap };
    let bootstrap = BootstrapServer::new(bootstrap, seed.child("bootstrap-server", 0));
    world.set_secured_bootstrap_server(Some(way.host(bootstrap, &options)));
    let servers: Vec<SocketAddr> = (0..).map(ems_address).take(config.ems.len()).collect();
    for ((number, address), (way, ems)) in (0..).zip(&servers).zip(config.ems) {
        let mut ems =
            EmsConfig { transport: transport_of(way.scheme), proven: way.scheme.is_secure(), ..ems };
        if ems.uri.is_empty() {
            ems.uri = ServerUri::at(way.scheme, *address).to_string();
        }
        let ems = Some(way.host(Ems::new(ems, 0, seed.child("ems", number)), &options));
        if *address == World::EMS {
            world.set_secured_ems(ems);
        } else {
            world.set_secured_ems_at(*address, ems);
        }
    }
    let mut last_arrival = Instant::ZERO;
    for arrival in config.plan.schedule().iter().take(DRY_RUN_METERS as usize) {
        last_arrival = Instant::ZERO + arrival.due;
        world.add_meter(config.client.clone(), &config.plan.endpoint(arrival.meter), last_arrival);
    }

    world.run_to(last_arrival + config.hold);
    world.run_until(last_arrival + config.settle, |world| world.states().under_way() == 0);
    let held = world.states();
    world.shutdown();
    let bound = world.now() + config.drain;
    world.run_until(bound, |world| world.states().leaving() == 0);
    outcome(&world, held, &servers)
}

fn outcome(world: &World, held: States, servers: &[SocketAddr]) -> DryRun {
    let mut failures = BTreeMap::new();
    let mut onboarding = Vec::new();
    for (_, _, event) in world.events() {
        match event {
            Event::Failure(kind) => *failures.entry(*kind).or_default() += 1,
            Event::Stage { stage: Stage::Onboarding, latency } => onboarding.push(*latency),
            _ => {}
        }
    }
    let mut ems = world.ems().map(Ems::counters).unwrap_or_default();
    for other in servers.iter().filter_map(|address| world.ems_at(*address)) {
        ems.add(&other.counters());
    }
    DryRun {
        meters: world.meters().count() as u32,
        held,
        ended: world.states(),
        onboarding,
        failures,
        bootstrap: world.bootstrap_server().map(|server| server.counters().clone()).unwrap_or_default(),
        ems,
        took: world.now().since_origin(),
    }
}
