//! bootstorm drives fleets of simulated LwM2M smart meters, from one to a million, against a
//! Bootstrap-Server and an EMS, and tells the truth about what it saw. This is the library; the binary is
//! [`cli::main`] and nothing else, so that benches and tests use what people run.
//!
//! # Rooms
//!
//! Each module below is a room: a folder whose `mod.rs` says what it is for and what it never does. A
//! *shell* has side effects: it opens sockets and files, starts threads, reads the clock. Everything else
//! is pure and is told the time, its randomness and its bytes.
//!
//! | room | what lives there | shell |
//! |---|---|---|
//! | [`base`] | what everyone shares: instants and the one clock, seeds and their child generators, the timer wheel, quantities that are parsed once and valid ever after | the clock |
//! | [`protocol::coap`] | CoAP: strict message codec (our own: it holds a message as it stands on the wire, where `coap-lite`, which it is tested against, makes a tree of lists of its options), the exchange layer with one peer (retransmission, deduplication, separate responses), observations, block-wise transfer | |
//! | [`protocol::lwm2m`] | the data model: paths, values, versions, object definitions as tables, the tree of one device, who may access it and when whom to notify, packages, server URIs | |
//! | [`protocol::content`] | one codec per content format, to and from the values of the model; which version has which | |
//! | [`protocol::client`] | the meter's side: bootstrap in all four ways, registrations and the manners of known clients, management, notifications and Send, firmware and software, composed behind one poll interface | |
//! | [`protocol::server`] | the mirror image: who is given what in a bootstrap, and in which order; the registry of the EMS, its interviews and campaigns; the pace and the manners of both; one exchange layer per peer | |
//! | [`faults`] | what a bad link does to datagrams | |
//! | [`metrics`] | what is counted: events as closed enums, one recorder per shard, histograms with bounds, the snapshot that is all a reader sees | |
//! | [`secure`] | sessions between what is said and what is on the wire: none, DTLS and TLS behind one shape, both ends; certificates judged. The engines draw their keys from the operating system, and nothing else does | |
//! | [`credentials`] | keys and certificates of a fleet: derived or made, bad ones on purpose, read from lists, and in `files` written to folders and read back | `files` |
//! | [`meter`] | the protocol client, its network paths and the sessions on them as one meter; in `device` the objects it leaves the factory with, and what it measures; its actix actor | the actor |
//! | [`transport`] | UDP in batches with a source per meter, streams over TCP, the gate, timers, the kernel's counters | all |
//! | [`fleet`] | when each meter starts and what a run will cost; the supervisor and the shards that drive it | supervisor, shards |
//! | [`servers`] | the embedded servers: `protocol::server` machines behind sockets, on threads of their own; in [`servers::secured`], which is pure, a machine behind the sessions of its peers | all but `secured` |
//! | [`sim`] | the same meters, sessions and servers in virtual time, over links and streams that may be bad; the interoperability cases | |
//! | [`scenario`] | a TOML file as people write it, and resolved; what single meters are fitted with or given (provisioning, smartcards, the Bootstrap-Server's directory, credentials); from there to the rooms' own configurations | |
//! | [`report`] | one model of the results, many writers; balances and the verdict | the writers |
//! | [`cli`] | the command line, the exit codes, the progress of a run as text, one meter in the foreground | all |
//!
//! # Directions
//!
//! A room sees only what its arrows lead to; `tests/architecture.rs` holds the same list and fails on any
//! other import. Everybody may see `base`, which sees nobody.
//!
//! ```text
//! main -> cli -+-> report    -> metrics
//!              +-> scenario  -> the configurations of {protocol, secure, meter, fleet, servers, transport},
//!              |               credentials, protocol's words for them (URIs, versions)
//!              +-> credentials -> secure, protocol::lwm2m (accounts are resources of /0)
//!              +-> servers   -> protocol, secure, transport
//!              +-> fleet     -> meter, metrics, transport, protocol::client::Config, secure::Options
//!                               meter -> protocol, secure, metrics
//!                               transport
//!              +-> meter, protocol, secure, transport (the one meter of `bootstorm meter`)
//!              +-> metrics::Snapshot, protocol (URIs, counters), transport (what is looked at before a run)
//!
//!         sim -> fleet::{arrivals, endpoint, plan}, servers::secured, meter, protocol, secure, faults, metrics
//!
//! inside protocol:  client -> coap, content, lwm2m     content -> lwm2m, coap::ContentFormat
//!                   server -> coap, content, lwm2m     coap and lwm2m see nobody
//! ```
//!
//! - `protocol`, `secure`, `faults`, `metrics` and `transport` do not see each other. `meter` is where the
//!   protocol's words become those of the recorder and where what it says goes through a session; `servers::secured`
//!   is the same of servers; and `fleet` is where meters get sockets.
//! - `protocol::client` and `protocol::server` meet on the wire only.
//! - Nobody sees `cli` or `report`: a run is the same with the screen off. `report` sees no scenario and no
//!   server either; it is handed what it needs.
//! - `sim` and `fleet` are siblings: two ways of giving the same [`meter::Meter`], plan and arrivals a clock
//!   and a network. Whatever needs a socket to be tested is in the wrong room.
//! - `.clippy.toml` bans clocks, sockets, sleeping and unseeded hash tables everywhere; a shell opts out
//!   aloud, with `#[expect(.., reason = "..")]`.
//!
//! # The pure shape
//!
//! Every state machine has the same few verbs, and time is an argument:
//!
//! ```text
//! handle_input(bytes, now)     a datagram came in
//! handle_timeout(now)          poll_timeout's instant has come
//! poll_output() -> Option      what it wants sent or counted, until it is empty
//! poll_timeout() -> Option     when it wants to be woken, and what for
//! ```
//!
//! One mutation, then drain, then arm the one timer. Who calls is free to be a socket or a simulation.
//!
//! # A datagram's way, live
//!
//! ```text
//! kernel -> transport::MeterSockets (recvmmsg; which meter = the local address, or the socket)
//!        or transport::MeterStreams (read; which meter = the stream)
//!        -> the meter's actor -> Meter::handle_input or handle_stream
//!        -> [secure::Session, where the server is spoken to over DTLS, TCP or TLS]
//!        -> protocol::client -> protocol::coap -> [the session]
//!        -> outputs into the shard's outbox -> sendmmsg, or the stream's buffer and write -> kernel
//!        -> events into the shard's Recorder -> 4 times a second to Totals -> Snapshot -> cli, report
//! ```
//!
//! A server that is spoken to by `coap://` has no session at all: not a byte and not a branch of its own. The other
//! end is the mirror image: `transport::ServerSocket` or `ServerStreams` -> [`servers::secured::Secured`], which
//! is a [`secure::Listener`] and a machine of `protocol::server` -> the same socket.
//!
//! There is one shard for each core: a thread with its own sockets, timer wheel, recorder and meters.
//! Nothing on this way crosses to another thread or takes a lock. Each meter is an actix actor; one whose
//! code panics is counted and replaced, and the others do not notice. On loopback each meter has a source
//! address of its own out of 127.0.0.0/8, on a socket the shard's meters share; on a real network it has a
//! socket of its own, or an address and a port out of a configured list.
//!
//! Every destination, also one learnt in a bootstrap, passes the [`transport::Gate`]: what is not loopback is
//! refused and counted unless the scenario says `allow_remote = true`.
#![warn(missing_docs)]

pub mod base;
pub mod cli;
pub mod credentials;
pub mod faults;
pub mod fleet;
pub mod meter;
pub mod metrics;
pub mod protocol;
pub mod report;
pub mod scenario;
pub mod secure;
pub mod servers;
pub mod sim;
pub mod transport;

/// A meter's life is some dozens of small allocations on one thread; the system's allocator spends more
/// time on them than the protocol does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
