//! The EMS as devices see it: the registration interface of a LwM2M server (LwM2M Core §6.2), and what it
//! asks and tells devices on its own account.
//!
//! ```text
//! Register -> 2.01 -> interview -> observations, notifications ...
//! campaign -> waits for its turn, and for the device to be awake -> request -> answer, counted
//! ```
//!
//! Where devices have sessions or streams, a registration outlives them: what waits for a device then waits until
//! it is back, and shows by an Update, a Send or a Register that it is the one that was registered (`links`).
//!
//! One request at a time goes to a device (NSTART); the others wait here. What is known of a device is its
//! registration, in the registry, and a peer of its own with what is under way, which is forgotten when
//! nothing is and nothing has been heard for a while.
//!
//! A registration takes 80 bytes beside the device's name, and lists of objects are kept once for all who
//! have the same. A peer takes 296 bytes and, as long as something was heard of it lately, what its message
//! layer remembers. A peer that is observed stays, since a notification that is not recognised would be
//! reset: with 15 objects observed a device came to 1.8 kB resident in all, and without to 1.1 kB (40,000
//! devices, just registered).

mod campaign;
mod campaigns;
mod config;
mod counters;
mod device;
mod firmware;
mod interview;
mod links;
mod manage;
mod objects;
mod observations;
mod registration;
mod registry;
mod reports;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use self::campaigns::Running;
use self::device::Device;
use self::firmware::Updates;
use self::objects::{ObjectList, ObjectLists};
use self::registry::{Place, Registry};
use super::desk::{Desk, Job};
use super::peers::{Peers, Slot};
use super::{Server, Traffic, Transmit};
use crate::base::{Instant, Seed};
use crate::protocol::coap::{Code, ContentFormat, Event, Message, Received};
use crate::protocol::content::link;

pub use self::campaign::{Action, Campaign, Delivery, Firmware};
pub use self::config::{Ask, EmsConfig, Interview, Question};
pub use self::counters::{
    CampaignCounters, EmsCounters, FirmwareCounters, InterviewCounters, ObservationCounters, Pending,
    QueueCounters, SendCounters,
};

/// How many registrations a look-up lists at the most.
const LOOKUP_LIMIT: usize = 1_000;

/// An EMS and all its devices.
pub struct Ems {
    config: Arc<EmsConfig>,
    peers: Peers<Device>,
    desk: Desk,
    registry: Registry,
    /// Registrations whose peer was forgotten, by the address of the device.
    parked: FxHashMap<SocketAddr, Place>,
    lists: ObjectLists,
    /// Lists by profile ID.
    profiles: FxHashMap<Box<str>, Arc<ObjectList>>,
    /// In the order of the configuration.
    campaigns: Vec<Running>,
    /// Firmware packages by the number of their campaign; empty for campaigns of other kinds.
    packages: Vec<Vec<u8>>,
    updates: Option<Box<Updates>>,
    counters: EmsCounters,
    /// What `handle_timeout` collects; empty in between.
    expired: Vec<Place>,
}

impl Ems {
    /// A server with an empty registry. `worker` tells it from others behind the same port: the locations
    /// it hands out lead nowhere at them.
    pub fn new(config: EmsConfig, worker: u8, seed: Seed) -> Self {
        let over = (config.transport, config.proven);
        let peers = Peers::new(config.transmission.clone(), over, config.max_peers, seed);
        let counters =
            EmsCounters { campaigns: vec![Default::default(); config.campaigns.len()], ..Default::default() };
        Ems {
            desk: Desk::new(config.service.clone(), peers.have_sessions(), seed.child("desk", 0)),
            peers,
            registry: Registry::new(config.max_endpoints, worker, seed.child("registry", 0)),
            parked: FxHashMap::default(),
            lists: ObjectLists::default(),
            profiles: FxHashMap::default(),
            campaigns: config.campaigns.iter().map(|_| Running::default()).collect(),
            packages: packages(&config.campaigns),
            updates: None,
            config: Arc::new(config),
            counters,
            expired: Vec::new(),
        }
    }

    /// What it did so far.
    pub fn counters(&self) -> EmsCounters {
        EmsCounters {
            registered: self.registry.len() as u64,
            desk: self.desk.counters.clone(),
            ..self.counters.clone()
        }
    }

    /// What is under way with all its devices, counted by looking at each of them.
    pub fn pending(&self) -> Pending {
        let mut pending = Pending::default();
        for work in self.peers.iter().filter_map(|device| device.work.as_deref()) {
            let of_campaign = |job: &&device::Job| matches!(job, device::Job::Campaign(..));
            let current = work.current.as_ref().map(|(_, job)| job);
            pending.interviews += u64::from(work.interview.is_some());
            pending.sent += u64::from(current.is_some());
            pending.sent_of_campaigns += current.iter().filter(|job| of_campaign(job)).count() as u64;
            pending.waiting += work.jobs.iter().filter(of_campaign).count() as u64;
        }
        pending
    }

    /// Registers accepted, by endpoint name, in the order of their first Register.
    pub fn accepted(&self) -> impl Iterator<Item = (&str, u32)> {
        self.registry.accepted()
    }

    /// Devices whose messages are remembered at present.
    pub fn known_peers(&self) -> usize {
        self.peers.len()
    }

    /// Handles what a device's message layer has to say, and gives it what can be asked now.
    fn drain(&mut self, slot: Slot, now: Instant) {
        loop {
            let (sent, bytes) = (self.peers.traffic.sent, self.peers.traffic.sent_bytes);
            let interviewed = self.is_interviewed(slot);
            while let Some(event) = self.peers.poll_event(slot) {
                match event {
                    Event::Request(received) => self.requested(slot, received, now),
                    Event::Leave(why) => self.peers.part_with(slot, why),
                    event => self.managed(slot, event, now),
                }
            }
            if interviewed {
                self.counters.interviews.sent += self.peers.traffic.sent - sent;
                self.counters.interviews.sent_bytes += self.peers.traffic.sent_bytes - bytes;
            }
            if !self.advance(slot, now) {
                break;
            }
        }
        self.settle(slot, now);
    }

    /// Arms a peer's timer, or lets go of it.
    fn settle(&mut self, slot: Slot, now: Instant) {
        if let Some(device) = self.peers.settle(slot, now) {
            self.forgotten(device);
        }
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
        let answer = self.answer(slot, &received.message, now);
        self.peers.let_leave(leave);
        if let Some(peer) = self.peers.get(slot) {
            peer.exchange.respond(received, answer, now);
        }
    }

    fn answer(&mut self, slot: Slot, request: &Message, now: Instant) -> Message {
        let path: smallvec::SmallVec<[&str; 4]> = request.path().collect();
        match (request.code(), path.as_slice()) {
            (Code::POST, ["rd"]) => self.register(slot, request, now),
            (Code::POST, ["rd", id]) => self.update(slot, id, request, now),
            (Code::DELETE, ["rd", id]) => self.deregister(slot, id, now),
            (Code::POST, ["dp"]) => self.take_report(slot, request, now),
            (Code::GET, ["firmware", number]) => self.package(number),
            (Code::GET, [".well-known", "core"]) => {
                links(b"</rd>;rt=\"core.rd\";ct=40,</rd-lookup/ep>;rt=\"core.rd-lookup-ep\";ct=40".to_vec())
            }
            (Code::GET, ["rd-lookup", "ep"]) => self.look_up(),
            (_, ["rd"] | ["rd", _] | ["rd-lookup", "ep"] | ["dp"] | ["firmware", _]) => {
                Message::response(Code::METHOD_NOT_ALLOWED)
            }
            _ => Message::response(Code::NOT_FOUND),
        }
    }

    /// The registrations in force (RFC 9176 §6), for people and tests to look at.
    fn look_up(&self) -> Message {
        let listed: Vec<link::Link> = self
            .registry
            .iter()
            .take(LOOKUP_LIMIT)
            .map(|(id, endpoint, lifetime)| {
                link::Link::new(format!("/rd/{id}")).with("ep", endpoint).with("lt", lifetime.to_string())
            })
            .collect();
        links(link::encode(&listed))
    }

    fn package(&mut self, number: &str) -> Message {
        let package = number.parse().ok().and_then(|number: usize| self.packages.get(number));
        match package.filter(|package| !package.is_empty()) {
            Some(package) => {
                self.counters.firmware_requests += 1;
                Message::response(Code::CONTENT)
                    .with_content_format(ContentFormat::OPAQUE)
                    .with_payload(package.clone())
            }
            None => Message::response(Code::NOT_FOUND),
        }
    }
}

/// The firmware packages of those campaigns that have one.
fn packages(campaigns: &[Campaign]) -> Vec<Vec<u8>> {
    let package = |(number, campaign): (usize, &Campaign)| match &campaign.action {
        Action::Firmware(firmware) => firmware.package(number),
        _ => Vec::new(),
    };
    campaigns.iter().enumerate().map(package).collect()
}

fn links(payload: Vec<u8>) -> Message {
    Message::response(Code::CONTENT).with_content_format(ContentFormat::LINK).with_payload(payload)
}

impl Server for Ems {
    fn handle_connected(&mut self, peer: SocketAddr, to: IpAddr, identity: Option<Arc<str>>, now: Instant) {
        self.connected(peer, to, identity, now);
    }

    fn handle_disconnected(&mut self, peer: SocketAddr, now: Instant) {
        if let Some(slot) = self.peers.find(peer) {
            self.cut(slot, now);
            self.settle(slot, now);
        }
    }

    fn poll_disconnect(&mut self) -> Option<SocketAddr> {
        self.peers.poll_disconnect()
    }

    fn handle_input(&mut self, from: SocketAddr, to: IpAddr, datagram: &[u8], now: Instant) {
        let Some(slot) = self.peers.handle_input(from, to, datagram, now) else { return };
        self.made_room();
        self.heard(slot, datagram.len(), now);
        self.drain(slot, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.expire(now);
        let due = self.peers.handle_timeout(now);
        for &slot in &due {
            self.drain(slot, now);
        }
        self.peers.done(due);
        self.serve_due(now);
        self.run_campaigns(now);
        self.follow_updates(now);
    }

    fn poll_output(&mut self) -> Option<Transmit> {
        self.peers.poll_output()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let peers = self.peers.poll_timeout();
        let updates = self.updates.as_ref().and_then(|updates| updates.next());
        let campaigns = self.next_turn();
        [peers, self.desk.poll_timeout(), self.registry.next_expiry(), updates, campaigns]
            .into_iter()
            .flatten()
            .min()
    }

    fn traffic(&self) -> &Traffic {
        &self.peers.traffic
    }
}
