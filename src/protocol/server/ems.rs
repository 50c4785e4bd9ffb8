//! The EMS as devices see it: the registration interface of a LwM2M server (LwM2M Core §6.2).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::peers::{Peers, Slot};
use super::registry::Registry;
use super::{EmsCounters, Server, Traffic, Transmit};
use crate::base::{Instant, Seed};
use crate::protocol::coap::{self, Code, ContentFormat, Message, Params, Received};
use crate::protocol::content::link;
use crate::protocol::lwm2m::Version;

/// How an EMS goes about it.
#[derive(Clone, Debug)]
pub struct EmsConfig {
    /// Transmission parameters towards every device.
    pub transmission: Arc<Params>,
    /// Devices whose messages are remembered at a time; registrations are not bounded by it.
    pub max_peers: usize,
    /// Endpoint names remembered for the account of registrations; a Register with one more is answered
    /// with 5.03.
    pub max_endpoints: usize,
}

/// An EMS and all its devices.
pub struct Ems {
    peers: Peers<()>,
    registry: Registry,
    counters: EmsCounters,
}

/// LwM2M Core §6.2.1: what a server takes the lifetime to be where a device does not say.
const DEFAULT_LIFETIME: u32 = 86_400;

/// How many registrations a look-up lists at the most.
const LOOKUP_LIMIT: usize = 1_000;

impl Ems {
    /// A server with an empty registry. `worker` tells it from others behind the same port: the locations
    /// it hands out lead nowhere at them.
    pub fn new(config: EmsConfig, worker: u8, seed: Seed) -> Self {
        Ems {
            peers: Peers::new(config.transmission, config.max_peers, seed),
            registry: Registry::new(config.max_endpoints, worker, seed.child("registry", 0)),
            counters: EmsCounters::default(),
        }
    }

    /// What it did so far.
    pub fn counters(&self) -> EmsCounters {
        EmsCounters { registered: self.registry.len() as u64, ..self.counters.clone() }
    }

    /// Registers accepted, by endpoint name, in the order of their first Register.
    pub fn accepted(&self) -> impl Iterator<Item = (&str, u32)> {
        self.registry.accepted()
    }

    /// Devices whose messages are remembered at present.
    pub fn known_peers(&self) -> usize {
        self.peers.len()
    }

    fn drain(&mut self, slot: Slot, now: Instant) {
        while let Some(event) = self.peers.poll_event(slot) {
            if let coap::Event::Request(received) = event {
                self.requested(slot, received, now);
            }
        }
        self.peers.settle(slot, now);
    }

    fn requested(&mut self, slot: Slot, received: Received, now: Instant) {
        let answer = self.answer(&received.message, now);
        if let Some(peer) = self.peers.get(slot) {
            peer.exchange.respond(received, answer, now);
        }
    }

    fn answer(&mut self, request: &Message, now: Instant) -> Message {
        let path: smallvec::SmallVec<[&str; 4]> = request.path().collect();
        match (request.code(), path.as_slice()) {
            (Code::POST, ["rd"]) => self.register(request, now),
            (Code::POST, ["rd", id]) => self.update(id, request, now),
            (Code::DELETE, ["rd", id]) => self.deregister(id),
            (Code::GET, [".well-known", "core"]) => {
                links(b"</rd>;rt=\"core.rd\";ct=40,</rd-lookup/ep>;rt=\"core.rd-lookup-ep\";ct=40".to_vec())
            }
            (Code::GET, ["rd-lookup", "ep"]) => self.look_up(),
            (_, ["rd"] | ["rd", _] | ["rd-lookup", "ep"]) => Message::response(Code::METHOD_NOT_ALLOWED),
            _ => Message::response(Code::NOT_FOUND),
        }
    }

    fn register(&mut self, request: &Message, now: Instant) -> Message {
        match self.check_registration(request) {
            Err(code) => {
                self.counters.refused += 1;
                Message::response(code)
            }
            Ok((endpoint, lifetime)) => match self.registry.register(endpoint, lifetime, now) {
                Some((id, replaced)) => {
                    self.counters.registrations += 1;
                    self.counters.replaced += u64::from(replaced);
                    Message::response(Code::CREATED).with_location(&["rd", &id])
                }
                None => {
                    self.counters.refused += 1;
                    Message::response(Code::SERVICE_UNAVAILABLE)
                }
            },
        }
    }

    /// The endpoint name and lifetime of an acceptable Register, or the code that refuses it.
    fn check_registration<'a>(&self, request: &'a Message) -> Result<(&'a str, u32), Code> {
        let endpoint = request.query("ep").filter(|ep| !ep.is_empty()).ok_or(Code::BAD_REQUEST)?;
        let version = request.query("lwm2m").ok_or(Code::BAD_REQUEST)?;
        // 4.12: a version this server does not speak (LwM2M Core §6.2.1).
        version.parse::<Version>().map_err(|_| Code::PRECONDITION_FAILED)?;
        let lifetime = match request.query("lt") {
            None => DEFAULT_LIFETIME,
            Some(text) => text.parse().map_err(|_| Code::BAD_REQUEST)?,
        };
        match request.content_format() {
            Some(ContentFormat::LINK) => {}
            // Devices exist that leave the format out.
            None => {}
            Some(_) => return Err(Code::UNSUPPORTED_CONTENT_FORMAT),
        }
        let mut objects = link::links(request.payload()).map_err(|_| Code::BAD_REQUEST)?;
        if objects.any(|object| object.is_err()) {
            return Err(Code::BAD_REQUEST);
        }
        Ok((endpoint, lifetime))
    }

    fn update(&mut self, id: &str, request: &Message, now: Instant) -> Message {
        let lifetime = match request.query("lt").map(str::parse::<u32>) {
            None => None,
            Some(Ok(seconds)) => Some(seconds),
            Some(Err(_)) => return Message::response(Code::BAD_REQUEST),
        };
        if self.registry.update(id, lifetime, now) {
            self.counters.updates += 1;
            Message::response(Code::CHANGED)
        } else {
            self.counters.unknown_location += 1;
            Message::response(Code::NOT_FOUND)
        }
    }

    fn deregister(&mut self, id: &str) -> Message {
        if self.registry.deregister(id) {
            self.counters.deregistrations += 1;
            Message::response(Code::DELETED)
        } else {
            self.counters.unknown_location += 1;
            Message::response(Code::NOT_FOUND)
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
}

fn links(payload: Vec<u8>) -> Message {
    Message::response(Code::CONTENT).with_content_format(ContentFormat::LINK).with_payload(payload)
}

impl Server for Ems {
    fn handle_input(&mut self, from: SocketAddr, to: IpAddr, datagram: &[u8], now: Instant) {
        if let Some(slot) = self.peers.handle_input(from, to, datagram, now) {
            self.drain(slot, now);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.counters.expired += self.registry.expire(now);
        let due = self.peers.handle_timeout(now);
        for &slot in &due {
            self.drain(slot, now);
        }
        self.peers.done(due);
    }

    fn poll_output(&mut self) -> Option<Transmit> {
        self.peers.poll_output()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        super::earliest(self.peers.poll_timeout(), self.registry.next_expiry())
    }

    fn traffic(&self) -> &Traffic {
        &self.peers.traffic
    }
}
