//! The state machines, both ends in one test, on the virtual clock.
//!
//! A test that draws its numbers from a seed prints the seed when it fails; set `BOOTSTORM_SEED` to
//! run it with that one alone.

mod bad_luck;
mod bootstrapping;
mod capture;
mod chaos;
mod desk;
mod devices;
mod dry_run;
mod ems;
mod firmware;
mod hostile;
mod oma;
mod onboarding;
mod player;
mod registration;
mod secure;
mod telling;
mod ways;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{World, WorldConfig};
use crate::base::{Instant, Seed};
use crate::faults::LinkFaults;
use crate::metrics::{Event, FailureKind, MeterState, Stage};
use crate::protocol::client::{self, BootstrapPolicy, FirmwarePolicy, RegistrationPolicy, ReportPolicy};
use crate::protocol::coap::{ContentFormat, Params};
use crate::protocol::lwm2m::{Entry, Path, ServerUri, Value, Version};
use crate::protocol::server::{
    Account, BootstrapConfig, BootstrapServer, Directory, Ems, EmsConfig, Plan, RetryTerms, WriteLevel,
};

/// What a test may want different.
#[derive(Clone)]
struct Setup {
    seed: u64,
    meters: u32,
    link: LinkFaults,
    version: Version,
    format: Option<ContentFormat>,
    write_level: WriteLevel,
    hold_off: Duration,
    lifetime: Duration,
    retry: Option<RetryTerms>,
    params: Params,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            seed: 1,
            meters: 1,
            link: LinkFaults::default(),
            version: Version::V1_2,
            format: Some(ContentFormat::SENML_CBOR),
            write_level: WriteLevel::Instance,
            hold_off: Duration::ZERO,
            lifetime: Duration::from_secs(300),
            retry: None,
            params: Params::default(),
        }
    }
}

impl Setup {
    fn client_config(&self) -> Arc<client::Config> {
        let uri = ServerUri::coap(World::BOOTSTRAP).to_string();
        let mut factory = client::bootstrap_account(&uri, self.hold_off);
        factory.push(Entry::new(Path::resource(3, 0, 0), Value::String("bootstorm".into())));
        factory.push(Entry::new(Path::resource(3, 0, 16), Value::String("U".into())));
        factory.push(Entry::new(Path::resource_instance(3, 0, 11, 0), Value::Integer(0)));
        Arc::new(client::Config {
            version: self.version,
            transmission: Arc::new(self.params.clone()),
            bootstrap: BootstrapPolicy {
                formats: self.format.into_iter().collect(),
                ..BootstrapPolicy::default()
            },
            registration: RegistrationPolicy::default(),
            firmware: FirmwarePolicy::default(),
            report: ReportPolicy::default(),
            provision: None,
            device: None,
            factory: Arc::new(factory),
        })
    }

    fn bootstrap_config(&self) -> BootstrapConfig {
        let ems = ServerUri::coap(World::EMS).to_string();
        let account = Account { retry: self.retry, ..Account::new(String::new(), 101, self.lifetime) };
        let plan = Plan { write_level: self.write_level, ..Plan::new(account) };
        let transmission = Arc::new(self.params.clone());
        BootstrapConfig { ems, ..BootstrapConfig::new(transmission, Directory::of(plan)) }
    }

    fn bootstrap_server(&self) -> BootstrapServer {
        BootstrapServer::new(self.bootstrap_config(), Seed(self.seed).child("bootstrap-server", 0))
    }

    fn ems_config(&self) -> EmsConfig {
        EmsConfig::new(Arc::new(self.params.clone()))
    }

    fn ems(&self) -> Ems {
        Ems::new(self.ems_config(), 0, Seed(self.seed).child("ems", 0))
    }

    /// A world with both servers, whose meters are switched on ten milliseconds apart.
    fn world(&self) -> World {
        let mut world = self.deserted();
        world.set_bootstrap_server(Some(self.bootstrap_server()));
        world.set_ems(Some(self.ems()));
        world
    }

    /// The same without servers.
    fn deserted(&self) -> World {
        let mut world = World::new(WorldConfig { seed: Seed(self.seed), link: self.link });
        let config = self.client_config();
        for number in 0..self.meters {
            let planned = Instant::from_millis(10 * u64::from(number));
            world.add_meter(config.clone(), &format!("urn:dev:os:meter-{number:07}"), planned);
        }
        world
    }
}

/// Everybody is registered.
fn all_registered(world: &World) -> bool {
    world.count(MeterState::Registered) == world.meters().count()
}

/// How often something of this kind failed.
fn failures(world: &World, kind: FailureKind) -> usize {
    world.events().iter().filter(|(_, _, event)| *event == Event::Failure(kind)).count()
}

/// The latencies measured of a stage.
fn latencies(world: &World, wanted: Stage) -> Vec<Duration> {
    let of_stage = |(_, _, event): &(Instant, u32, Event)| match event {
        Event::Stage { stage, latency } if *stage == wanted => Some(*latency),
        _ => None,
    };
    world.events().iter().filter_map(of_stage).collect()
}

/// Runs `test` for each seed, or for the one of the environment; a failing one is named.
fn for_seeds(seeds: std::ops::Range<u64>, test: impl Fn(u64) + std::panic::RefUnwindSafe) {
    let wanted = std::env::var("BOOTSTORM_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds: Vec<u64> = wanted.map_or_else(|| seeds.collect(), |seed| vec![seed]);
    for seed in seeds {
        let run = std::panic::catch_unwind(|| test(seed));
        if let Err(panic) = run {
            eprintln!("failed with seed {seed}; replay it with BOOTSTORM_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
