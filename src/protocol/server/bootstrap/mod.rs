//! The Bootstrap-Server (LwM2M Core §6.1): walks each device through a sequence of commands, one
//! confirmable request at a time.
//!
//! ```text
//! POST /bs -> 2.04 -> Discover / -> Delete / -> Write /0 -> Write /1 -> Finish -> done
//! GET /bspack -> 2.05 with all of it at once (LwM2M 1.2)
//! ```
//!
//! Which commands, in which form, and what they write is the [`Plan`] its [`Directory`] has for the device;
//! a device it has none for is refused. A command answered with an error does not end the sequence, a command
//! never answered does. A Finish that is taken ends it too, and one that is refused if there is nothing behind
//! it to put things right. A new Bootstrap-Request of the same device, by address or by name, starts over.

mod account;
mod initiative;
mod payload;
mod plan;
mod session;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::desk::{Desk, Job};
use super::peers::{Peers, Slot};
use super::service::Service;
use super::{BootstrapCounters, Server, Traffic, Transmit, earliest};
use crate::base::{Instant, Seed};
use crate::protocol::coap::{self, Code, ContentFormat, Message, Params, Received};
use initiative::{Candidate, Candidates};
use payload::Payloads;
use session::Session;

pub use account::{Account, AccountKeys, RetryTerms};
pub use initiative::Initiative;
pub use plan::{Directory, PackAnswer, Patience, Plan, Step, WriteLevel};

/// How a Bootstrap-Server goes about it.
#[derive(Clone, Debug)]
pub struct BootstrapConfig {
    /// Transmission parameters towards every device.
    pub transmission: Arc<Params>,
    /// What each device is given.
    pub directory: Directory,
    /// The URI of accounts that have none: that of the EMS that was started with this server.
    pub ems: String,
    /// How long it waits.
    pub patience: Patience,
    /// Bootstraps that it begins itself.
    pub initiative: Option<Initiative>,
    /// How well it serves.
    pub service: Service,
    /// Devices remembered at a time; of more, some that are silent are forgotten.
    pub max_peers: usize,
    /// The keys of single devices for their accounts, if they have any of their own.
    pub keys: Option<Arc<dyn AccountKeys>>,
    /// What devices speak over.
    pub transport: coap::Transport,
    /// Whether every device has to prove who it is: then it may go by no other name.
    pub proven: bool,
}

impl BootstrapConfig {
    /// A server of this directory with room for 100,000 devices, that asks nothing of its own accord.
    pub fn new(transmission: Arc<Params>, directory: Directory) -> Self {
        BootstrapConfig {
            transmission,
            directory,
            ems: String::new(),
            patience: Patience::default(),
            initiative: None,
            service: Service::default(),
            max_peers: 100_000,
            keys: None,
            transport: coap::Transport::Datagram,
            proven: false,
        }
    }
}

/// A Bootstrap-Server and all its devices.
pub struct BootstrapServer {
    config: BootstrapConfig,
    peers: Peers<Session>,
    desk: Desk,
    counters: BootstrapCounters,
    payloads: Payloads,
    /// Whose session is where, by a hash of the endpoint name.
    running: FxHashMap<u64, Slot>,
    /// Devices to be begun with again.
    candidates: Candidates,
}

impl BootstrapServer {
    /// A server that knows no device yet.
    pub fn new(config: BootstrapConfig, seed: Seed) -> Self {
        let over = (config.transport, config.proven);
        let peers = Peers::new(config.transmission.clone(), over, config.max_peers, seed);
        BootstrapServer {
            desk: Desk::new(config.service.clone(), peers.have_sessions(), seed.child("desk", 0)),
            peers,
            counters: BootstrapCounters::default(),
            payloads: Payloads::default(),
            running: FxHashMap::default(),
            candidates: Candidates::default(),
            config,
        }
    }

    /// What it did so far.
    pub fn counters(&self) -> BootstrapCounters {
        BootstrapCounters { desk: self.desk.counters.clone(), ..self.counters.clone() }
    }

    /// Begins a bootstrap of a device that did not ask for one (server-initiated, LwM2M 1.0): the server just
    /// starts with its commands. False if it has no plan for the device, or no session with it where it needs one.
    pub fn initiate(&mut self, device: SocketAddr, from: IpAddr, endpoint: &str, now: Instant) -> bool {
        let Some(plan) = self.config.directory.find(endpoint).cloned() else { return false };
        let Some(slot) = self.reach(device, from, endpoint) else { return false };
        let format = plan.format.unwrap_or(ContentFormat::TLV);
        self.counters.initiated += 1;
        self.start(slot, Session::new(endpoint, plan, format), now);
        self.command(slot, now);
        self.drain(slot, now);
        true
    }

    /// The peer that is the device of this name; a new one where no session is needed.
    fn reach(&mut self, device: SocketAddr, from: IpAddr, endpoint: &str) -> Option<Slot> {
        if !self.peers.have_sessions() {
            let slot = self.peers.open(device, from);
            self.made_room();
            return Some(slot);
        }
        let slot = self.peers.find(device)?;
        self.peers.get(slot)?.may_be(endpoint, self.config.proven).then_some(slot)
    }

    fn drain(&mut self, slot: Slot, now: Instant) {
        while let Some(event) = self.peers.poll_event(slot) {
            match event {
                coap::Event::Request(received) => self.requested(slot, received, now),
                coap::Event::Response { message, .. } => self.answered(slot, &message, now),
                // It belonged to a sequence that was started over.
                coap::Event::Failed { why: coap::Failure::Abandoned, .. } => {}
                coap::Event::Failed { .. } => self.failed(slot),
                coap::Event::Leave(why) => self.peers.part_with(slot, why),
                // A Bootstrap-Server observes nothing and notifies nobody.
                _ => {}
            }
        }
        self.peers.settle(slot, now);
    }

    fn requested(&mut self, slot: Slot, received: Received, now: Instant) {
        if let Some(job) = self.desk.take(&mut self.peers, slot, received, now) {
            self.serve(job, now);
        }
    }

    /// Serves what has waited its time.
    fn serve_due(&mut self, now: Instant) {
        while let Some(job) = self.desk.poll_due(&mut self.peers, now) {
            let slot = job.slot;
            self.serve(job, now);
            self.drain(slot, now);
        }
    }

    fn serve(&mut self, job: Job, now: Instant) {
        let Job { slot, received, leave, .. } = job;
        let request = &received.message;
        let (answer, begun) = match (request.code(), request.path_is(&["bs"])) {
            (Code::POST, true) => self.begin(slot, request, now),
            _ if request.path_is(&["bspack"]) => (self.pack(slot, request), false),
            _ => (other_resource(request), false),
        };
        self.peers.let_leave(leave);
        let Some(peer) = self.peers.get(slot) else { return };
        peer.exchange.respond(received, answer, now);
        if begun {
            self.command(slot, now);
        }
    }

    /// What has outlasted the server's patience.
    fn give_up(&mut self, slot: Slot, now: Instant) {
        let Some(peer) = self.peers.get(slot) else { return };
        if peer.deadline <= now {
            self.counters.timed_out += 1;
            peer.exchange.abandon_all();
            self.failed(slot);
        }
    }

    /// Begins with those devices again that are due.
    fn take_initiative(&mut self, now: Instant) {
        let Some(initiative) = self.config.initiative else { return };
        while let Some(Candidate { address, local, endpoint }) = self.candidates.take(initiative, now) {
            let begun = self.initiate(address, local, &endpoint, now);
            self.counters.left_alone += u64::from(!begun);
        }
    }

    fn next_initiative(&self) -> Option<Instant> {
        self.candidates.next(self.config.initiative?)
    }

    /// The session of a peer that had to make room for another has failed.
    fn made_room(&mut self) {
        if let Some(session) = self.peers.take_evicted().filter(Session::is_running) {
            self.running.remove(&session.key());
            self.counters.failed += 1;
        }
    }
}

fn other_resource(request: &Message) -> Message {
    if request.code() == Code::GET && request.path_is(&[".well-known", "core"]) {
        return Message::response(Code::CONTENT)
            .with_content_format(ContentFormat::LINK)
            .with_payload(b"</bs>;rt=\"core.bs\"".to_vec());
    }
    let known = request.path_is(&["bs"]);
    Message::response(if known { Code::METHOD_NOT_ALLOWED } else { Code::NOT_FOUND })
}

impl Server for BootstrapServer {
    fn handle_connected(&mut self, peer: SocketAddr, to: IpAddr, identity: Option<Arc<str>>, now: Instant) {
        if let Some(slot) = self.peers.find(peer) {
            self.lose(slot);
        }
        let slot = self.peers.connect(peer, to, identity, now);
        self.made_room();
        self.drain(slot, now);
    }

    fn handle_disconnected(&mut self, peer: SocketAddr, now: Instant) {
        if let Some(slot) = self.peers.find(peer) {
            self.lose(slot);
            self.peers.settle(slot, now);
        }
    }

    fn poll_disconnect(&mut self) -> Option<SocketAddr> {
        self.peers.poll_disconnect()
    }

    fn handle_input(&mut self, from: SocketAddr, to: IpAddr, datagram: &[u8], now: Instant) {
        let slot = self.peers.handle_input(from, to, datagram, now);
        self.made_room();
        if let Some(slot) = slot {
            self.drain(slot, now);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let due = self.peers.handle_timeout(now);
        for &slot in &due {
            self.give_up(slot, now);
            self.drain(slot, now);
        }
        self.peers.done(due);
        self.serve_due(now);
        self.take_initiative(now);
    }

    fn poll_output(&mut self) -> Option<Transmit> {
        self.peers.poll_output()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let own = earliest(self.desk.poll_timeout(), self.next_initiative());
        earliest(self.peers.poll_timeout(), own)
    }

    fn traffic(&self) -> &Traffic {
        &self.peers.traffic
    }
}

#[cfg(test)]
mod tests;
