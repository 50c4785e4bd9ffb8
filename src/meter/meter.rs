//! The meter: a protocol client and the network paths it uses.

use std::net::SocketAddr;
use std::sync::Arc;

use smallvec::SmallVec;

use super::map;
use crate::base::{Instant, Seed};
use crate::metrics::{Event, FailureKind, InFlight, MeterState, NoiseKind, RequestFate, RequestKind, Stage};
use crate::protocol::client::{self, Client, Config, Link, OpenFailed, Reason};
use crate::protocol::lwm2m::{Host, ServerUri};

/// What a meter wants done or counted, in order.
#[derive(Debug)]
pub enum Output {
    /// Send this datagram.
    Transmit {
        /// The server it goes to.
        to: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// Connect a stream.
    Connect {
        /// The meter's own number for it, never used twice by one meter.
        stream: u32,
        /// The server it is to lead to.
        to: SocketAddr,
    },
    /// Write this to a stream that is connected.
    Write {
        /// Which.
        stream: u32,
        /// The next bytes.
        bytes: Vec<u8>,
    },
    /// Close a stream, once what was written to it is out. Nothing of it is heard any more.
    Disconnect {
        /// Which.
        stream: u32,
    },
    /// Find the address of this host, then call `handle_resolved`.
    Resolve {
        /// The path it is for.
        link: Link,
        /// The name.
        host: Box<str>,
        /// The port of the address wanted.
        port: u16,
        /// Attempts that failed before this one: another address of the name may do better.
        failures: u16,
    },
    /// Count this.
    Event(Event),
}

/// Why a server cannot be reached at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Unreachable {
    /// The transport's gate refuses the address.
    #[default]
    Refused,
    /// Its name has no address.
    Unresolved,
    /// The kernel would not send to it.
    SendError,
}

/// News of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamNews {
    /// It is connected.
    Connected,
    /// The next bytes came in.
    Data(Box<[u8]>),
    /// The peer will send no more.
    Ended,
    /// It could not be connected, or was torn down. Nothing of it is heard any more.
    Broken,
    /// The destination is not allowed, or the kernel has no socket for it. Nothing of it is heard any more.
    Refused(Unreachable),
}

/// One simulated meter, sans-IO: after each `handle_…`, call [`Meter::poll_output`] until it is empty,
/// then arm one timer for [`Meter::poll_timeout`].
pub struct Meter {
    client: Client,
    /// Where each path leads, in the order they were opened first.
    ways: SmallVec<[(Link, SocketAddr); 2]>,
    unreachable: Unreachable,
    /// Registers answered with 2.01.
    confirmed: u16,
    /// Registers that ended in any other way than with an answer.
    unconfirmed: u16,
}

impl Meter {
    /// A meter fresh from the factory, switched off; `number` is its place in the fleet.
    pub fn new(config: Arc<Config>, endpoint: Box<str>, number: u32, seed: Seed) -> Self {
        Meter {
            client: Client::new(config, endpoint, number, seed),
            ways: SmallVec::new(),
            unreachable: Unreachable::default(),
            confirmed: 0,
            unconfirmed: 0,
        }
    }

    /// The endpoint name.
    pub fn endpoint(&self) -> &str {
        self.client.endpoint()
    }

    /// The state it is in.
    pub fn state(&self) -> MeterState {
        map::state(self.client.state())
    }

    /// The requests and notifications on their way.
    pub fn in_flight(&self) -> InFlight {
        let requests: InFlight = self.client.in_flight().map(map::request_kind).collect();
        requests.with_notifications(self.client.notifications_in_flight())
    }

    /// How many Registers were answered with 2.01, and how many never got an answer: what an EMS has
    /// accepted lies between the first and the sum of both.
    pub fn registrations(&self) -> (u32, u32) {
        (self.confirmed.into(), self.unconfirmed.into())
    }

    /// Whether a Bootstrap-Server is at this address, and nobody else.
    pub(super) fn only_bootstraps_at(&self, address: SocketAddr) -> bool {
        let mut links = self.ways.iter().filter(|(_, to)| *to == address).map(|(link, _)| *link);
        links.next() == Some(Link::Bootstrap) && links.next().is_none()
    }

    /// Whether a server is at this address that the meter is about to register with.
    pub(super) fn registers_at(&self, address: SocketAddr) -> bool {
        self.ways.iter().any(|(link, to)| *to == address && self.client.registers_on(*link))
    }

    /// The protocol client, to look into.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Switches the meter on; latencies count from `planned`.
    pub fn power_on(&mut self, planned: Instant, now: Instant) {
        self.client.power_on(planned, now);
    }

    /// Asks the meter to de-register, if it is registered, and to stop.
    pub fn shutdown(&mut self, now: Instant) {
        self.client.shutdown(now);
    }

    /// Stops the meter where it stands.
    pub fn stop(&mut self) {
        self.client.stop();
    }

    /// A datagram came in.
    pub fn handle_input(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) -> Option<NoiseKind> {
        let Some(link) = self.link_at(from, datagram) else { return Some(NoiseKind::UnknownSource) };
        self.client.handle_input(link, datagram, now);
        None
    }

    /// News of a stream; of one that was closed meanwhile, nobody wants any.
    pub fn handle_stream(&mut self, stream: u32, news: StreamNews, now: Instant) {
        let _ = (stream, news, now);
    }

    /// A name has an address now. It may have taken so long that nobody wants it any more.
    pub fn handle_resolved(&mut self, link: Link, address: SocketAddr, now: Instant) {
        if self.client.uses(link) {
            self.open(link, address, now);
        }
    }

    /// The server behind `link` cannot be reached at all.
    pub fn handle_unreachable(&mut self, link: Link, why: Unreachable, now: Instant) {
        self.unreachable = why;
        self.client.handle_open_failed(link, OpenFailed::Unreachable, now);
    }

    /// Nothing can be sent to this address.
    pub fn handle_unsendable(&mut self, to: SocketAddr, why: Unreachable, now: Instant) {
        if let Some(link) = self.link_at(to, &[]) {
            self.handle_unreachable(link, why, now);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.client.handle_timeout(now);
    }

    /// The next thing to be done or counted; `now` is the time of the `handle_…` before.
    pub fn poll_output(&mut self, now: Instant) -> Option<Output> {
        loop {
            match self.client.poll_output()? {
                client::Output::Open { link, uri, .. } => {
                    if let Some(resolve) = self.way_to(link, uri, now) {
                        return Some(resolve);
                    }
                }
                client::Output::Close { link } => {
                    self.ways.retain(|(theirs, _)| *theirs != link);
                    self.ways.shrink_to_fit();
                }
                client::Output::Send { link, bytes } => {
                    let to = self.ways.iter().find(|(theirs, _)| *theirs == link).map(|(_, to)| *to);
                    let to = to.expect("a client sends on links that were opened only");
                    return Some(Output::Transmit { to, bytes });
                }
                client::Output::Event(event) => {
                    let event = map::event(event, self.unreachable, now);
                    self.count_registration(event);
                    return Some(Output::Event(event));
                }
            }
        }
    }

    /// When to call `handle_timeout`, and what for.
    pub fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        self.client.poll_timeout()
    }

    /// The path that leads to this address; of several, the one the client says this datagram is for.
    fn link_at(&self, address: SocketAddr, datagram: &[u8]) -> Option<Link> {
        let links = self.ways.iter().filter(|(_, to)| *to == address).map(|(link, _)| *link);
        let links: SmallVec<[Link; 4]> = links.collect();
        match *links {
            [] => None,
            [only] => Some(only),
            _ => Some(self.client.link_of(&links, datagram)),
        }
    }

    fn count_registration(&mut self, event: Event) {
        match event {
            Event::Stage { stage: Stage::Registration, .. } => {
                self.confirmed = self.confirmed.saturating_add(1);
            }
            // A 2.01 without a location is as good as no answer.
            Event::Failure(FailureKind::RegistrationNoLocation)
            | Event::Request {
                kind: RequestKind::Register,
                fate: RequestFate::Reset | RequestFate::TimedOut | RequestFate::Abandoned,
            } => self.unconfirmed = self.unconfirmed.saturating_add(1),
            _ => {}
        }
    }

    fn way_to(&mut self, link: Link, uri: ServerUri, now: Instant) -> Option<Output> {
        match uri.host {
            Host::Ip(ip) => {
                self.open(link, SocketAddr::new(ip, uri.port), now);
                None
            }
            Host::Name(host) => Some(Output::Resolve {
                link,
                host: host.into(),
                port: uri.port,
                failures: self.client.failures(),
            }),
        }
    }

    fn open(&mut self, link: Link, address: SocketAddr, now: Instant) {
        match self.ways.iter_mut().find(|(theirs, _)| *theirs == link) {
            Some((_, to)) => *to = address,
            None => self.ways.push((link, address)),
        }
        self.client.handle_opened(link, now);
    }
}
