//! Starting, watching and stopping the embedded servers.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::counts::{BootstrapCounts, EmsCounts, ServerCounts};
use super::door::Door;
use super::place::Place;
use super::secured::{Secured, listener_config, transport_of};
use super::worker::{self, Board, Published, Seat, Shared};
use crate::base::{Clock, Seed};
use crate::protocol::lwm2m::{Scheme, ServerUri};
use crate::protocol::server::{
    BootstrapConfig, BootstrapServer, Ems, EmsConfig, EmsCounters, Pending, Server,
};
use crate::secure::{ListenerCounters, Options, ServerSecurity};
use crate::transport::{Gate, OpenError, ServerBinding, ServerConfig, Waker, cores, pin_current_thread};

/// Where a server listens, and over what it is spoken to.
#[derive(Clone)]
pub struct Listen {
    /// Over what.
    pub scheme: Scheme,
    /// Where; port 0 is a free one.
    pub address: SocketAddr,
    /// What it proves itself with, and knows its peers by: needed for a scheme that is
    /// [secure](Scheme::is_secure), and passed over for others.
    pub security: Option<ServerSecurity>,
}

impl Listen {
    /// Plain CoAP over UDP, at this address.
    pub fn coap(address: SocketAddr) -> Self {
        Listen { scheme: Scheme::Coap, address, security: None }
    }
}

impl fmt::Debug for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Listen({}, secured {})", ServerUri::at(self.scheme, self.address), self.security.is_some())
    }
}

/// Which servers to start, and how. What their machines are told of transport and proof is what the schemes say.
#[derive(Clone, Debug)]
pub struct EmbeddedConfig {
    /// Where the Bootstrap-Server listens, and how it goes about it; `None` if it is elsewhere. The URIs of
    /// accounts that have none are those of the EMSs with their Short Server IDs.
    pub bootstrap: Option<(Listen, BootstrapConfig)>,
    /// Where each EMS listens, and how it goes about it.
    pub ems: Vec<(Listen, EmsConfig)>,
    /// Threads of each server. The kernel gives each of them its part of the peers.
    pub workers: u32,
    /// Whether each thread stays on a core, the n-th on the n-th, as the shards do, if there are enough.
    pub pin: bool,
    /// Which peers may be answered.
    pub gate: Gate,
    /// Draws everything random.
    pub seed: Seed,
    /// The run's clock. It also says how late it is for certificates.
    pub clock: Clock,
    /// What all sessions share, but for the epoch.
    pub options: Arc<Options>,
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
    /// Nothing to prove itself with.
    #[error("the embedded {server} cannot listen by {scheme}: it has neither keys nor a certificate")]
    Insecure {
        /// Which.
        server: &'static str,
        /// By what it is to be spoken to.
        scheme: Scheme,
    },
    /// No thread for them.
    #[error("the embedded servers have no thread: {0}")]
    Thread(std::io::Error),
}

/// The embedded servers, running. Dropping them stops them.
pub struct Embedded {
    bootstrap: Option<Running<BootstrapCounts>>,
    ems: Vec<Running<EmsCounts>>,
    threads: Vec<Thread>,
}

/// What is left of the servers after they stopped.
#[derive(Clone, Debug, Default)]
pub struct Final {
    /// Everything they counted.
    pub counts: ServerCounts,
    /// Registers accepted, by endpoint name; `None` if no EMS is embedded.
    pub accepted: Option<BTreeMap<String, u32>>,
}

impl Embedded {
    /// Starts the servers: the EMSs first, since the Bootstrap-Server hands out their addresses.
    ///
    /// # Errors
    /// That a port cannot be had, or a thread.
    pub fn start(config: EmbeddedConfig) -> Result<Self, ServersError> {
        let EmbeddedConfig { bootstrap, ems, seed, .. } = &config;
        let epoch = config.clock.origin_unix().as_secs();
        let options = Arc::new(Options { epoch, ..Options::clone(&config.options) });
        let start = Start { config: &config, options: &options };
        let mut crews: Vec<Vec<Box<dyn Seat>>> = (0..config.workers.max(1)).map(|_| Vec::new()).collect();
        let start_ems = |(number, (listen, ems)): (usize, &(Listen, EmsConfig))| {
            let seed = seed.child("ems", number as u64);
            let ems = EmsConfig {
                workers: config.workers.max(1),
                transport: transport_of(listen.scheme),
                proven: listen.scheme.is_secure(),
                ..ems.clone()
            };
            let make = |worker, address| {
                let mut ems = ems.clone();
                if ems.uri.is_empty() {
                    ems.uri = ServerUri::at(listen.scheme, address).to_string();
                }
                Ems::new(ems, worker as u8, seed.child("worker", worker))
            };
            let terms = Terms {
                name: "EMS",
                other_port: ems.service.manners.uses_other_port(),
                max_peers: ems.max_peers,
            };
            start.bind(terms, listen, make, count_ems, &mut crews)
        };
        let running = ems.iter().enumerate().map(start_ems).collect::<Result<Vec<_>, _>>()?;
        let bootstrap = bootstrap.as_ref().map(|(listen, bootstrap)| {
            let seed = seed.child("bootstrap-server", 0);
            let mut bootstrap = BootstrapConfig {
                transport: transport_of(listen.scheme),
                proven: listen.scheme.is_secure(),
                ..bootstrap.clone()
            };
            let uri = |server: &Running<EmsCounts>| server.uri().to_string();
            let places = ems.iter().zip(&running);
            let uris: Vec<(u16, String)> =
                places.map(|((_, ems), server)| (ems.short_server_id, uri(server))).collect();
            bootstrap.directory.locate(&uris);
            let make = |worker, _| BootstrapServer::new(bootstrap.clone(), seed.child("worker", worker));
            let other_port = bootstrap.service.manners.uses_other_port();
            let terms = Terms { name: "Bootstrap-Server", other_port, max_peers: bootstrap.max_peers };
            start.bind(terms, listen, make, count_bootstrap, &mut crews)
        });
        let mut embedded = Embedded { bootstrap: bootstrap.transpose()?, ems: running, threads: Vec::new() };
        for (number, crew) in crews.into_iter().enumerate().filter(|(_, crew)| !crew.is_empty()) {
            embedded.threads.push(Thread::start(number, crew, &config)?);
        }
        Ok(embedded)
    }

    /// Where the Bootstrap-Server listens.
    pub fn bootstrap_address(&self) -> Option<SocketAddr> {
        self.bootstrap.as_ref().map(|server| server.address)
    }

    /// Where the EMSs listen, in the order of the configuration.
    pub fn ems_addresses(&self) -> Vec<SocketAddr> {
        self.ems.iter().map(|server| server.address).collect()
    }

    /// The URI of the Bootstrap-Server.
    pub fn bootstrap_uri(&self) -> Option<ServerUri> {
        self.bootstrap.as_ref().map(Running::uri)
    }

    /// The URIs of the EMSs, in the order of the configuration.
    pub fn ems_uris(&self) -> Vec<ServerUri> {
        self.ems.iter().map(Running::uri).collect()
    }

    /// What they have counted, as of a quarter of a second ago at the most.
    pub fn counts(&self) -> ServerCounts {
        let mut kernel_drops = 0;
        let bootstrap = self.bootstrap.as_ref().map(|server| {
            let mut sum = BootstrapCounts::default();
            server.each(|published| {
                sum.counters.add(&published.counts.counters);
                sum.traffic.add(&published.counts.traffic);
                sum.udp.add(&published.udp);
                sum.tcp.add(&published.tcp);
                add_sessions(&mut sum.sessions, published.sessions);
                kernel_drops += published.kernel_drops;
            });
            sum
        });
        let mut sum = EmsCounts::default();
        for server in &self.ems {
            let mut counters = EmsCounters::default();
            server.each(|published| {
                counters.add(&published.counts.counters);
                sum.pending.add(&published.counts.pending);
                sum.traffic.add(&published.counts.traffic);
                sum.udp.add(&published.udp);
                sum.tcp.add(&published.tcp);
                add_sessions(&mut sum.sessions, published.sessions);
                kernel_drops += published.kernel_drops;
            });
            // Workers share their campaigns; EMSs have their own.
            let campaigns = std::mem::take(&mut counters.campaigns);
            sum.counters.add(&counters);
            sum.counters.campaigns.extend(campaigns);
        }
        let ems = (!self.ems.is_empty()).then_some(sum);
        let cpu = self.threads.iter().map(|thread| thread.shared.cpu.load(Ordering::Acquire)).sum();
        ServerCounts { bootstrap, ems, cpu: Duration::from_nanos(cpu), kernel_drops }
    }

    /// Stops them and takes everything they know.
    pub fn stop(mut self) -> Final {
        self.end();
        let mut sum = BTreeMap::new();
        for server in &self.ems {
            server.each(|published| {
                for (endpoint, times) in &published.counts.accepted {
                    *sum.entry(endpoint.clone()).or_default() += times;
                }
            });
        }
        let accepted = (!self.ems.is_empty()).then_some(sum);
        Final { counts: self.counts(), accepted }
    }

    fn end(&mut self) {
        for thread in &self.threads {
            thread.shared.stop.store(true, Ordering::Release);
            thread.waker.wake();
        }
        for thread in &mut self.threads {
            if let Some(handle) = thread.handle.take() {
                // A thread that panicked has said so; what it published stays.
                let _ = handle.join();
            }
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.end();
    }
}

fn count_bootstrap(server: &BootstrapServer, _last: bool) -> BootstrapCounts {
    let (counters, traffic) = (server.counters().clone(), server.traffic().clone());
    BootstrapCounts { counters, traffic, ..BootstrapCounts::default() }
}

fn count_ems(ems: &Ems, last: bool) -> EmsCounts {
    let accepted = || ems.accepted().map(|(endpoint, times)| (endpoint.to_owned(), times)).collect();
    EmsCounts {
        counters: ems.counters(),
        traffic: ems.traffic().clone(),
        accepted: if last { accepted() } else { Vec::new() },
        pending: if last { ems.pending() } else { Pending::default() },
        ..EmsCounts::default()
    }
}

/// Adds the sessions of a worker.
fn add_sessions(sum: &mut Option<ListenerCounters>, of: Option<ListenerCounters>) {
    if let Some(of) = of {
        sum.get_or_insert_default().add(&of);
    }
}

/// One server: where it is, and where its workers publish.
struct Running<C> {
    scheme: Scheme,
    address: SocketAddr,
    workers: Vec<Arc<Mutex<Published<C>>>>,
}

/// What all servers are started with.
struct Start<'a> {
    config: &'a EmbeddedConfig,
    options: &'a Arc<Options>,
}

/// How one server is started.
struct Terms {
    /// Which it is, for those who read errors.
    name: &'static str,
    /// Whether each worker has a second socket, to answer from when it misbehaves.
    other_port: bool,
    /// Peers, and so sessions, that each worker has at a time.
    max_peers: usize,
}

impl Start<'_> {
    /// Binds a socket for each worker and seats a machine at it, one in each of the `crews`.
    fn bind<S: Server + Send + 'static, C: Default + Send + 'static>(
        &self,
        terms: Terms,
        listen: &Listen,
        make: impl Fn(u64, SocketAddr) -> S,
        count: fn(&S, bool) -> C,
        crews: &mut [Vec<Box<dyn Seat>>],
    ) -> Result<Running<C>, ServersError> {
        let Terms { name, other_port, max_peers } = terms;
        let &Listen { scheme, address, ref security } = listen;
        if scheme.is_secure() && security.is_none() {
            return Err(ServersError::Insecure { server: name, scheme });
        }
        let config = self.config;
        let secure = |machine| {
            let options = self.options.clone();
            match listener_config(scheme, security.clone(), max_peers, options) {
                Some(listener) => Secured::new(machine, listener, config.clock.now()),
                None => Secured::plain(machine),
            }
        };
        let refused = |error| ServersError::Listen { server: name, error };
        let over = (config.gate, config.clock);
        let doors = Door::bind_all(scheme.is_stream(), address, over, crews.len()).map_err(refused)?;
        let address = doors.first().map_or(address, Door::address);
        let mut running = Running { scheme, address, workers: Vec::new() };
        for ((worker, door), crew) in (0..).zip(doors).zip(crews) {
            let published = Arc::new(Mutex::new(Published::default()));
            running.workers.push(published.clone());
            let other = match other_port && scheme == Scheme::Coap {
                true => {
                    let socket = ServerConfig { gate: config.gate, ..ServerConfig::new(config.clock) };
                    let address = SocketAddr::new(address.ip(), 0);
                    Some(ServerBinding::bind(address, socket).map_err(refused)?)
                }
                false => None,
            };
            let server = secure(make(worker, address));
            let board = Board { published, count };
            crew.push(Box::new(Place { server, door, other, board }));
        }
        Ok(running)
    }
}

impl<C> Running<C> {
    fn uri(&self) -> ServerUri {
        ServerUri::at(self.scheme, self.address)
    }

    /// Shows what each worker published.
    fn each(&self, mut see: impl FnMut(&Published<C>)) {
        for worker in &self.workers {
            if let Ok(published) = worker.lock() {
                see(&published);
            }
        }
    }
}

/// One thread with its machines.
struct Thread {
    handle: Option<JoinHandle<()>>,
    waker: Waker,
    shared: Arc<Shared>,
}

impl Thread {
    fn start(number: usize, crew: Vec<Box<dyn Seat>>, config: &EmbeddedConfig) -> Result<Self, ServersError> {
        let shared = Arc::new(Shared::default());
        let waker = crew[0].waker();
        let cores = cores();
        let core =
            cores.get(number).copied().filter(|_| config.pin && config.workers as usize <= cores.len());
        let (clock, own) = (config.clock, shared.clone());
        let work = move || {
            core.map(pin_current_thread);
            worker::serve(crew, clock, &own);
        };
        let thread = std::thread::Builder::new().name(format!("servers {number}"));
        let handle = thread.spawn(work).map_err(ServersError::Thread)?;
        Ok(Thread { handle: Some(handle), waker, shared })
    }
}
