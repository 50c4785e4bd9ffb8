//! What a run will do and cost, worked out before anything starts: `bootstorm check` prints it, and a
//! run refuses early what the machine cannot carry.

use crate::base::Seed;

use super::arrivals::{ArrivalsConfig, Schedule, share};
use super::endpoint::EndpointTemplate;

/// Datagrams in a round trip without loss: a confirmable request and its piggybacked response
/// (RFC 7252 §5.2.1).
pub const DATAGRAMS_PER_ROUND_TRIP: u32 = 2;

/// Resident memory of an idle registered meter, in bytes: the bound that `cargo bench --bench limits` checks.
pub const BYTES_PER_METER: u64 = 2_560;

/// Resident memory an embedded server keeps for one client, in bytes: its entry in a table, its endpoint
/// name, its address and what deduplication remembers.
pub const BYTES_PER_CLIENT: u64 = 768;

/// User and kernel memory of a UDP socket of a meter's own, in bytes (measured on Linux).
pub const BYTES_PER_SOCKET: u64 = 3_100;

/// What a session is, as far as its weight goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// DTLS 1.2 with a pre-shared key.
    DtlsKey,
    /// DTLS 1.2 with certificates.
    DtlsCertificate,
    /// DTLS 1.3, which is with certificates.
    Dtls13,
    /// TLS, of either version.
    Tls,
}

impl SessionKind {
    /// Resident memory of one end of an idle session, in bytes: the larger end's (measured by `cargo bench --bench
    /// handshakes`).
    pub const fn bytes(self) -> u64 {
        match self {
            SessionKind::DtlsKey => 7_600,
            SessionKind::DtlsCertificate => 12_200,
            SessionKind::Dtls13 => 17_600,
            SessionKind::Tls => 6_600,
        }
    }
}

/// User and kernel memory of one end of an idle stream over TCP, in bytes (measured on Linux).
pub const BYTES_PER_STREAM: u64 = 5_200;

/// Memory of a shard before its first meter, in bytes: about a dozen HdrHistograms of 86 to 172 KB each,
/// twice (total and interval), and the buffers of one batch.
pub const BYTES_PER_SHARD: u64 = 4 << 20;

/// Memory of the program itself, in bytes.
pub const BYTES_OF_PROGRAM: u64 = 16 << 20;

/// Descriptors of the program itself: standard streams, signals, the four result files.
const DESCRIPTORS_OF_PROGRAM: u64 = 24;

/// Descriptors of a shard or of a server's thread: its event loop, its waker, its timer and its socket.
const DESCRIPTORS_PER_THREAD: u64 = 8;

/// How meters tell themselves apart on the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// IPv4 loopback: a source address each out of 127.0.0.0/8, all on one socket per shard.
    SharedLoopback,
    /// ::1, or a real network without a list: a socket, and so a port, each.
    SocketPerMeter,
    /// A list of local addresses times a range of ports; a socket per port in use carries one meter of
    /// each address.
    Listed {
        /// How many addresses.
        addresses: u32,
        /// How many ports on each.
        ports: u32,
    },
}

/// What a plan is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanConfig {
    /// How many meters, at least 1.
    pub meters: u32,
    /// How many shards share them, at least 1.
    pub shards: u32,
    /// What they are called.
    pub endpoint: EndpointTemplate,
    /// When they start.
    pub arrivals: ArrivalsConfig,
    /// Seed of the run.
    pub seed: Seed,
    /// Round trips until a meter is registered: those of its bootstrap, and its Registers.
    pub round_trips: u32,
    /// Updates a meter sends in a second; `None` if an external Bootstrap-Server decides by the lifetime.
    pub updates: Option<f64>,
    /// How they tell themselves apart.
    pub addressing: Addressing,
    /// How many embedded servers there are.
    pub embedded_servers: u32,
    /// Threads of each embedded server.
    pub server_workers: u32,
    /// The sessions that each meter keeps: one for each end that is in this process, which is both where the server
    /// is embedded.
    pub session_ends: Vec<SessionKind>,
    /// Servers that each meter has a stream to, at the most at a time.
    pub streams: u32,
    /// How many of these are embedded, so that the other ends of the streams are here as well.
    pub embedded_streams: u32,
}

/// The plan of a run; see [`PlanConfig`].
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    config: PlanConfig,
    schedule: Schedule,
}

impl Plan {
    /// Works the plan out.
    pub fn new(config: PlanConfig) -> Self {
        let schedule = Schedule::new(&config.arrivals, config.meters, config.seed);
        Plan { config, schedule }
    }

    /// When the meters start.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// How many shards.
    pub fn shards(&self) -> u32 {
        self.config.shards
    }

    /// How many meters in all.
    pub fn meters(&self) -> u32 {
        self.config.meters
    }

    /// How many meters a shard has: meter `i` belongs to shard `i % shards`.
    pub fn meters_of(&self, shard: u32) -> u32 {
        share(self.config.meters, shard, self.config.shards)
    }

    /// What meters are called.
    pub fn endpoint_template(&self) -> &EndpointTemplate {
        &self.config.endpoint
    }

    /// The endpoint name of a meter.
    pub fn endpoint(&self, meter: u32) -> String {
        self.config.endpoint.name(meter)
    }

    /// Datagrams a second, both ways together, while meters arrive and nothing is lost; `None` if all
    /// arrive at once.
    pub fn packets_per_second(&self) -> Option<f64> {
        let per_session = f64::from(self.config.round_trips * DATAGRAMS_PER_ROUND_TRIP);
        self.schedule.mean_rate().map(|rate| rate * per_session)
    }

    /// Round trips until a meter is registered.
    pub fn round_trips(&self) -> u32 {
        self.config.round_trips
    }

    /// Datagrams a second, both ways together, that keep the whole fleet registered. `None` if an external
    /// Bootstrap-Server chooses the lifetime.
    pub fn update_packets_per_second(&self) -> Option<f64> {
        let updates = self.config.updates?;
        Some(f64::from(self.config.meters) * updates * f64::from(DATAGRAMS_PER_ROUND_TRIP))
    }

    /// Memory the run will take, in bytes; an estimate by the constants above.
    pub fn memory_bytes(&self) -> u64 {
        let per_meter = BYTES_PER_METER + u64::from(self.config.embedded_servers) * BYTES_PER_CLIENT;
        BYTES_OF_PROGRAM
            + u64::from(self.config.shards) * BYTES_PER_SHARD
            + u64::from(self.config.meters) * per_meter
            + self.meter_sockets() * BYTES_PER_SOCKET
            + self.stream_ends() * BYTES_PER_STREAM
            + u64::from(self.config.meters) * self.bytes_of_sessions()
    }

    /// Descriptors the run will hold open at once; an upper estimate.
    pub fn descriptors(&self) -> u64 {
        let threads = self.config.shards + self.config.embedded_servers * self.config.server_workers;
        DESCRIPTORS_OF_PROGRAM
            + u64::from(threads) * DESCRIPTORS_PER_THREAD
            + self.meter_sockets()
            + self.stream_ends()
    }

    /// Ends of streams that are in this process.
    fn stream_ends(&self) -> u64 {
        u64::from(self.config.meters) * u64::from(self.config.streams + self.config.embedded_streams)
    }

    /// Those of one meter, both ends where both are in this process.
    fn bytes_of_sessions(&self) -> u64 {
        self.config.session_ends.iter().map(|kind| kind.bytes()).sum()
    }

    /// Sockets beyond the one of each shard.
    fn meter_sockets(&self) -> u64 {
        match self.config.addressing {
            Addressing::SharedLoopback => 0,
            Addressing::SocketPerMeter => u64::from(self.config.meters),
            Addressing::Listed { addresses, .. } => u64::from(self.config.meters.div_ceil(addresses.max(1))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::arrivals::{Pace, Process};

    fn plan(meters: u32, addressing: Addressing) -> Plan {
        let pace = Pace::Rate("500/s".parse().expect("a rate"));
        Plan::new(PlanConfig {
            meters,
            shards: 3,
            endpoint: "m{index:03}".parse().expect("a template"),
            arrivals: ArrivalsConfig { pace, process: Process::Steady },
            seed: Seed(1),
            round_trips: 7,
            updates: Some(1.0 / 50.0),
            addressing,
            embedded_servers: 2,
            server_workers: 1,
            session_ends: Vec::new(),
            streams: 0,
            embedded_streams: 0,
        })
    }

    #[test]
    fn shards_share_the_fleet_and_meters_have_names() {
        let plan = plan(10, Addressing::SharedLoopback);
        assert_eq!((0..3).map(|shard| plan.meters_of(shard)).collect::<Vec<_>>(), [4, 3, 3]);
        assert_eq!(plan.endpoint(7), "m007");
    }

    #[test]
    fn traffic_follows_from_the_rate_and_the_lifetime() {
        let plan = plan(2_000, Addressing::SharedLoopback);
        assert_eq!(plan.packets_per_second(), Some(7_000.0));
        assert_eq!(plan.update_packets_per_second(), Some(80.0));
    }

    #[test]
    fn only_sockets_of_their_own_cost_descriptors() {
        let shared = plan(9_000, Addressing::SharedLoopback);
        let own = plan(9_000, Addressing::SocketPerMeter);
        let listed = plan(9_000, Addressing::Listed { addresses: 9, ports: 1_000 });
        assert_eq!(own.descriptors() - shared.descriptors(), 9_000);
        assert_eq!(listed.descriptors() - shared.descriptors(), 1_000);
        assert!(own.memory_bytes() > shared.memory_bytes());
    }

    #[test]
    fn each_end_of_a_stream_is_a_descriptor() {
        let none = plan(9_000, Addressing::SharedLoopback);
        let streams = |streams, embedded_streams| {
            Plan::new(PlanConfig { streams, embedded_streams, ..none.config.clone() })
        };
        assert_eq!(streams(1, 0).descriptors() - none.descriptors(), 9_000);
        assert_eq!(streams(2, 1).descriptors() - none.descriptors(), 27_000);
        assert!(streams(1, 0).memory_bytes() > none.memory_bytes());
        let session_ends = vec![SessionKind::DtlsKey, SessionKind::Tls];
        let sessions = Plan::new(PlanConfig { session_ends, ..none.config.clone() });
        assert_eq!(sessions.memory_bytes() - none.memory_bytes(), 9_000 * (7_600 + 6_600));
        assert_eq!(sessions.descriptors(), none.descriptors());
    }
}
