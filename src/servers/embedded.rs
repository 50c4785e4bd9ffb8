//! Starting, watching and stopping the embedded servers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::counts::{BootstrapCounts, EmsCounts, ServerCounts};
use super::worker::{Published, Worker};
use crate::base::{Clock, Seed};
use crate::protocol::lwm2m::ServerUri;
use crate::protocol::server::{BootstrapConfig, BootstrapServer, Ems, EmsConfig, Server};
use crate::transport::{Gate, OpenError, ServerBinding, ServerConfig, Waker, cores, pin_current_thread};

/// Which servers to start, and how.
#[derive(Clone, Debug)]
pub struct EmbeddedConfig {
    /// Where the Bootstrap-Server listens, and how it goes about it; `None` if it is elsewhere. The URI
    /// of the account it hands out is filled in where the EMS is embedded too.
    pub bootstrap: Option<(SocketAddr, BootstrapConfig)>,
    /// Where the EMS listens, and how it goes about it; `None` if it is elsewhere.
    pub ems: Option<(SocketAddr, EmsConfig)>,
    /// Threads of each server. The kernel gives each of them its part of the peers.
    pub workers: u32,
    /// Whether each thread stays on a core: the n-th of each server on the n-th core, as the shards do.
    pub pin: bool,
    /// Which peers may be answered.
    pub gate: Gate,
    /// Draws everything random.
    pub seed: Seed,
    /// The run's clock.
    pub clock: Clock,
}

/// Why the servers could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ServersError {
    /// No socket where one of them was to listen.
    #[error("the embedded {server} cannot listen: {error}")]
    Listen {
        /// Which.
        server: &'static str,
        /// What the system said.
        error: OpenError,
    },
    /// No thread for one of them.
    #[error("the embedded {server} has no thread: {error}")]
    Thread {
        /// Which.
        server: &'static str,
        /// What the system said.
        error: std::io::Error,
    },
}

/// The embedded servers, running. Dropping them stops them.
pub struct Embedded {
    bootstrap: Option<Running<BootstrapServer, BootstrapCounts>>,
    ems: Option<Running<Ems, EmsCounts>>,
}

/// What is left of the servers after they stopped.
#[derive(Clone, Debug, Default)]
pub struct Final {
    /// Everything they counted.
    pub counts: ServerCounts,
    /// Registers accepted, by endpoint name; `None` if the EMS is elsewhere.
    pub accepted: Option<BTreeMap<String, u32>>,
}

impl Embedded {
    /// Starts the servers: the EMS first, since the Bootstrap-Server hands out its address.
    ///
    /// # Errors
    /// That a port cannot be had, or a thread.
    pub fn start(mut config: EmbeddedConfig) -> Result<Self, ServersError> {
        let common = Common {
            workers: config.workers.max(1),
            pin: config.pin,
            gate: config.gate,
            clock: config.clock,
        };
        let seed = config.seed.child("ems", 0);
        let ems = config.ems.take().map(|(listen, ems)| {
            let make = |worker| Ems::new(ems.clone(), seed.child("worker", worker));
            let count = |ems: &Ems| EmsCounts { counters: ems.counters(), traffic: ems.traffic().clone() };
            Running::start("EMS", listen, &common, make, count)
        });
        let ems = ems.transpose()?;
        let seed = config.seed.child("bootstrap-server", 0);
        let bootstrap = config.bootstrap.take().map(|(listen, mut bootstrap)| {
            if let Some(ems) = &ems {
                bootstrap.account.uri = ServerUri::coap(ems.address).to_string();
            }
            let make = |worker| BootstrapServer::new(bootstrap.clone(), seed.child("worker", worker));
            let count = |server: &BootstrapServer| BootstrapCounts {
                counters: server.counters().clone(),
                traffic: server.traffic().clone(),
            };
            Running::start("Bootstrap-Server", listen, &common, make, count)
        });
        Ok(Embedded { bootstrap: bootstrap.transpose()?, ems })
    }

    /// Where the Bootstrap-Server listens.
    pub fn bootstrap_address(&self) -> Option<SocketAddr> {
        self.bootstrap.as_ref().map(|server| server.address)
    }

    /// Where the EMS listens.
    pub fn ems_address(&self) -> Option<SocketAddr> {
        self.ems.as_ref().map(|server| server.address)
    }

    /// What they have counted, as of a quarter of a second ago at the most.
    pub fn counts(&self) -> ServerCounts {
        let mut counts = ServerCounts::default();
        if let Some(server) = &self.bootstrap {
            let sum = counts.bootstrap.insert(BootstrapCounts::default());
            server.each(|published| {
                sum.counters.add(&published.counts.counters);
                sum.traffic.add(&published.counts.traffic);
                counts.cpu += published.cpu;
                counts.lost += published.lost;
            });
        }
        if let Some(server) = &self.ems {
            let sum = counts.ems.insert(EmsCounts::default());
            server.each(|published| {
                sum.counters.add(&published.counts.counters);
                sum.traffic.add(&published.counts.traffic);
                counts.cpu += published.cpu;
                counts.lost += published.lost;
            });
        }
        counts
    }

    /// Stops them and takes everything they know.
    pub fn stop(mut self) -> Final {
        if let Some(server) = &mut self.bootstrap {
            server.stop();
        }
        let mut accepted = None;
        if let Some(server) = &mut self.ems {
            let sum = accepted.insert(BTreeMap::new());
            for ems in server.stop() {
                for (endpoint, times) in ems.accepted() {
                    *sum.entry(endpoint.to_owned()).or_default() += times;
                }
            }
        }
        Final { counts: self.counts(), accepted }
    }
}

/// What the workers of all servers have in common.
struct Common {
    workers: u32,
    pin: bool,
    gate: Gate,
    clock: Clock,
}

/// One server on its threads.
struct Running<S, C> {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    workers: Vec<Thread<S, C>>,
}

struct Thread<S, C> {
    handle: Option<JoinHandle<S>>,
    waker: Waker,
    published: Arc<Mutex<Published<C>>>,
}

impl<S: Server + Send + 'static, C: Clone + Default + Send + 'static> Running<S, C> {
    fn start(
        name: &'static str,
        listen: SocketAddr,
        common: &Common,
        make: impl Fn(u64) -> S,
        count: fn(&S) -> C,
    ) -> Result<Self, ServersError> {
        let config = ServerConfig {
            gate: common.gate,
            reuse_port: common.workers > 1,
            timestamps: false,
            ..ServerConfig::new(common.clock)
        };
        let stop = Arc::new(AtomicBool::new(false));
        let mut running = Running { address: listen, stop: stop.clone(), workers: Vec::new() };
        let mut bindings = Vec::new();
        for _ in 0..common.workers {
            // The first may be given a port; the others share it.
            let bound = ServerBinding::bind(running.address, config);
            let binding = bound.map_err(|error| ServersError::Listen { server: name, error })?;
            running.address = binding.local_address();
            bindings.push(binding);
        }
        if common.workers > 1 {
            // Where the kernel cannot, it divides the peers by a hash, and all works as well, only slower.
            let _ = bindings[0].divide_peers(common.workers);
        }
        let cores = if common.pin { cores() } else { Vec::new() };
        for (worker, binding) in bindings.into_iter().enumerate() {
            let waker = binding.waker();
            let published = Arc::new(Mutex::new(Published::default()));
            let server = make(worker as u64);
            let core = (!cores.is_empty()).then(|| cores[worker % cores.len()]);
            let (clock, stop, place) = (common.clock, stop.clone(), published.clone());
            let work = move || {
                core.map(pin_current_thread);
                Worker { server, socket: binding.serve(), clock, stop, published: place, count }.serve()
            };
            let thread = std::thread::Builder::new().name(format!("{name} {worker}"));
            let handle = thread.spawn(work).map_err(|error| ServersError::Thread { server: name, error })?;
            running.workers.push(Thread { handle: Some(handle), waker, published });
        }
        Ok(running)
    }

    fn each(&self, mut see: impl FnMut(&Published<C>)) {
        for worker in &self.workers {
            if let Ok(published) = worker.published.lock() {
                see(&published);
            }
        }
    }
}

impl<S, C> Running<S, C> {
    /// Stops the threads; the machines they served.
    fn stop(&mut self) -> Vec<S> {
        self.stop.store(true, Ordering::Release);
        self.workers.iter().for_each(|worker| worker.waker.wake());
        let handles: Vec<JoinHandle<S>> = self.workers.iter_mut().filter_map(|w| w.handle.take()).collect();
        handles.into_iter().filter_map(|handle| handle.join().ok()).collect()
    }
}

impl<S, C> Drop for Running<S, C> {
    fn drop(&mut self) {
        self.stop();
    }
}
