//! The meter: a protocol client and the network paths it uses.

use std::net::SocketAddr;
use std::sync::Arc;

use smallvec::SmallVec;

use super::channels::{ChannelId, Channels, News, Over, Wanted};
use super::credentials::client_security;
use super::map;
use super::output::{Direction, Output, StreamNews, Unreachable, Wake};
use crate::base::{Instant, Seed};
use crate::metrics::{Event, FailureKind, InFlight, MeterState, NoiseKind, RequestFate, RequestKind, Stage};
use crate::protocol::client::{self, Client, Config, Link, OpenFailed, Security};
use crate::protocol::lwm2m::{Host, ServerUri};
use crate::secure::{ClientSecurity, Options};

/// One simulated meter, sans-IO: after each `handle_…`, call [`Meter::poll_output`] until it is empty,
/// then arm one timer for [`Meter::poll_timeout`].
pub struct Meter {
    client: Client,
    /// Where each path leads, in the order they were opened first.
    ways: SmallVec<[Way; 2]>,
    /// Sessions and streams; a meter that speaks plain CoAP over UDP alone has none.
    channels: Option<Box<Channels>>,
    /// What sessions are made with.
    options: Option<Arc<Options>>,
    /// Why the last way that could not be opened could not.
    obstacle: FailureKind,
    /// How a way that was open was last lost.
    loss: FailureKind,
    /// Registers answered with 2.01.
    confirmed: u16,
    /// Registers that ended in any other way than with an answer.
    unconfirmed: u16,
}

/// Where a path leads.
struct Way {
    link: Link,
    address: SocketAddr,
    /// What it goes through; nothing is plain CoAP over UDP.
    channel: Option<ChannelId>,
}

impl Meter {
    /// A meter fresh from the factory, switched off; `number` is its place in the fleet.
    pub fn new(config: Arc<Config>, endpoint: Box<str>, number: u32, seed: Seed) -> Self {
        Meter {
            client: Client::new(config, endpoint, number, seed),
            ways: SmallVec::new(),
            channels: None,
            options: None,
            obstacle: FailureKind::DestinationRefused,
            loss: FailureKind::ConnectionLost,
            confirmed: 0,
            unconfirmed: 0,
        }
    }

    /// The same with what the sessions of a run share. Without, they offer version 1.2, and to them time begins
    /// in 1970, when no certificate is valid.
    #[must_use]
    pub fn with_options(mut self, options: Arc<Options>) -> Self {
        self.options = Some(options);
        self
    }

    /// Has every message that is said or heard shown as [`Output::Plain`], or no longer.
    pub fn set_tap(&mut self, on: bool) {
        if on || self.channels.is_some() {
            self.channels().set_tap(on);
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

    /// The requests, notifications and handshakes on their way.
    pub fn in_flight(&self) -> InFlight {
        let requests: InFlight = self.client.in_flight().map(map::request_kind).collect();
        let handshakes = self.channels.as_ref().map_or(0, |channels| channels.handshaking());
        requests.with_notifications(self.client.notifications_in_flight()).with_handshakes(handshakes)
    }

    /// How many Registers were answered with 2.01, and how many never got an answer: what an EMS has
    /// accepted lies between the first and the sum of both.
    pub fn registrations(&self) -> (u32, u32) {
        (self.confirmed.into(), self.unconfirmed.into())
    }

    /// Whether a Bootstrap-Server is at this address, and nobody else.
    pub(super) fn only_bootstraps_at(&self, address: SocketAddr) -> bool {
        let mut links = self.ways.iter().filter(|way| way.address == address).map(|way| way.link);
        links.next() == Some(Link::Bootstrap) && links.next().is_none()
    }

    /// Whether a server is at this address that the meter is about to register with.
    pub(super) fn registers_at(&self, address: SocketAddr) -> bool {
        self.ways.iter().any(|way| way.address == address && self.client.registers_on(way.link))
    }

    /// Where a stream leads; `None` of one whose way is no more.
    pub(super) fn end_of(&self, stream: u32) -> Option<SocketAddr> {
        let channel = ChannelId::new(stream)?;
        self.ways.iter().find(|way| way.channel == Some(channel)).map(|way| way.address)
    }

    /// The protocol client, to look into.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Switches the meter on; latencies count from `planned`.
    pub fn power_on(&mut self, planned: Instant, now: Instant) {
        self.client.power_on(planned, now);
    }

    /// Asks the meter to de-register, if it is registered, and to stop. Its sessions are closed in good order.
    pub fn shutdown(&mut self, now: Instant) {
        self.client.shutdown(now);
    }

    /// Stops the meter where it stands: no session is closed, as when the power is cut; streams are given back.
    pub fn stop(&mut self) {
        self.client.stop();
        if let Some(channels) = &mut self.channels {
            channels.abandon();
        }
    }

    /// A datagram came in.
    pub fn handle_input(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) -> Option<NoiseKind> {
        if let Some(channels) = &mut self.channels
            && let Some(meant_something) = channels.handle_datagram(from, datagram, now)
        {
            // A record that was heard before, that nobody can read, or that is none.
            return (!meant_something).then_some(NoiseKind::Unexpected);
        }
        // Never by a way that is to be secure: what comes there in plain is not the server's.
        let Some(link) = self.link_at(from, None, datagram) else {
            return (!self.is_late_record(datagram)).then_some(NoiseKind::UnknownSource);
        };
        self.show(Direction::Received, link, from, datagram);
        self.client.handle_input(link, datagram, now);
        None
    }

    /// Whether a datagram from nowhere is the rest of a session that was closed: the server answers a close_notify
    /// by its own, which nobody has to wait for (RFC 5246 §7.2.1). Records begin as no CoAP message does (RFC 7983).
    fn is_late_record(&self, datagram: &[u8]) -> bool {
        self.channels.is_some() && matches!(datagram.first(), Some(20..=63))
    }

    /// News of a stream; of one that was closed meanwhile, nobody wants any.
    pub fn handle_stream(&mut self, stream: u32, news: StreamNews, now: Instant) {
        if let Some(channels) = &mut self.channels {
            channels.handle_stream(stream, news, now);
        }
    }

    /// A name has an address now. It may have taken so long that nobody wants it any more.
    pub fn handle_resolved(&mut self, link: Link, address: SocketAddr, now: Instant) {
        let wanted = self.channels.as_mut().and_then(|channels| channels.named(link));
        if self.client.uses(link) {
            self.open(link, wanted, address, now);
        }
    }

    /// The server behind `link` cannot be reached at all.
    pub fn handle_unreachable(&mut self, link: Link, why: Unreachable, now: Instant) {
        if let Some(channels) = &mut self.channels {
            channels.forget_name(link);
        }
        self.obstacle = map::unreachable(why);
        self.client.handle_open_failed(link, OpenFailed::Unreachable, now);
    }

    /// Nothing can be sent to this address.
    pub fn handle_unsendable(&mut self, to: SocketAddr, why: Unreachable, now: Instant) {
        if let Some(channels) = &mut self.channels
            && channels.handle_unsendable(to, map::unreachable(why))
        {
            return;
        }
        let datagrams = self.ways.iter().find(|way| way.address == to);
        let channel = datagrams.and_then(|way| way.channel);
        if let Some(link) = self.link_at(to, channel, &[]) {
            self.handle_unreachable(link, why, now);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(channels) = &mut self.channels {
            channels.handle_timeout(now);
        }
        self.client.handle_timeout(now);
    }

    /// The next thing to be done or counted; `now` is the time of the `handle_…` before.
    pub fn poll_output(&mut self, now: Instant) -> Option<Output> {
        loop {
            if let Some(channels) = &mut self.channels
                && let Some(shown) = channels.poll_shown()
            {
                return Some(shown);
            }
            let output = match self.client.poll_output() {
                Some(said) => self.carry_out(said, now),
                None => {
                    let news = self.channels.as_mut()?.poll_news()?;
                    self.pass_on(news, now)
                }
            };
            if output.is_some() {
                return output;
            }
        }
    }

    /// When to call `handle_timeout`, and what for.
    pub fn poll_timeout(&self) -> Option<(Instant, Wake)> {
        let client = self.client.poll_timeout().map(|(at, reason)| (at, Wake::Client(reason)));
        let session = self.channels.as_ref().and_then(|channels| channels.poll_timeout());
        match (client, session) {
            (Some((due, _)), Some(at)) if due <= at => client,
            (_, Some(at)) => Some((at, Wake::Session)),
            (client, None) => client,
        }
    }

    // ----- what the client wants -----------------------------------------------------------------------

    fn carry_out(&mut self, said: client::Output, now: Instant) -> Option<Output> {
        match said {
            client::Output::Open { link, uri, security } => self.way_to(link, uri, security, now),
            client::Output::Close { link } => {
                self.close(link, now);
                None
            }
            client::Output::Send { link, bytes } => self.send(link, bytes, now),
            client::Output::Event(event) => {
                let event = map::event(event, (self.obstacle, self.loss), now);
                self.count_registration(event);
                Some(Output::Event(event))
            }
        }
    }

    fn send(&mut self, link: Link, bytes: Vec<u8>, now: Instant) -> Option<Output> {
        let way = self.ways.iter().find(|way| way.link == link);
        // One that was open may have ended a moment ago; the client is about to hear of it.
        let Way { address, channel, .. } = *way?;
        self.show(Direction::Sent, link, address, &bytes);
        match (channel, &mut self.channels) {
            (Some(channel), Some(channels)) => {
                channels.send(channel, bytes, now);
                None
            }
            _ => Some(Output::Transmit { to: address, bytes }),
        }
    }

    fn way_to(
        &mut self,
        link: Link,
        uri: ServerUri,
        security: Option<Box<Security>>,
        now: Instant,
    ) -> Option<Output> {
        let Ok(security) = client_security(&uri, security) else {
            self.close(link, now);
            self.channels().refuse(link);
            return None;
        };
        let plain = security == ClientSecurity::None && !uri.scheme.is_stream();
        let wanted = (!plain).then_some(Wanted { scheme: uri.scheme, security });
        match uri.host {
            Host::Ip(ip) => {
                self.open(link, wanted, SocketAddr::new(ip, uri.port), now);
                None
            }
            Host::Name(host) => {
                match wanted {
                    Some(wanted) => self.channels().await_name(link, wanted),
                    None => self.channels.iter_mut().for_each(|channels| channels.forget_name(link)),
                }
                let failures = self.client.failures();
                Some(Output::Resolve { link, host: host.into(), port: uri.port, failures })
            }
        }
    }

    /// Has a link lead to this address. One that is open already begins anew, with a new session unless others
    /// use the one there is: its server may have forgotten it.
    fn open(&mut self, link: Link, wanted: Option<Wanted>, address: SocketAddr, now: Instant) {
        self.leave_channel(link, now);
        let channel = wanted.map(|wanted| self.channels().open(link, wanted, address, now));
        match self.ways.iter_mut().find(|way| way.link == link) {
            Some(way) => *way = Way { link, address, channel },
            None => self.ways.push(Way { link, address, channel }),
        }
        let open = channel.is_none_or(|channel| self.channels().is_announced(channel));
        if open {
            self.client.handle_opened(link, now);
        }
    }

    fn close(&mut self, link: Link, now: Instant) {
        self.leave_channel(link, now);
        self.ways.retain(|way| way.link != link || way.channel.is_some());
        self.ways.shrink_to_fit();
    }

    /// Takes a link off its channel, which is closed if that was the last of its links. The way of the last
    /// one stays until the channel's last bytes are out.
    fn leave_channel(&mut self, link: Link, now: Instant) {
        let way = self.ways.iter().find(|way| way.link == link);
        let Some(channel) = way.and_then(|way| way.channel) else { return };
        if self.ways.iter().any(|way| way.channel == Some(channel) && way.link != link) {
            self.ways.retain(|way| way.link != link);
        } else {
            self.channels().close(channel, now);
        }
    }

    // ----- what the channels tell ----------------------------------------------------------------------

    fn pass_on(&mut self, news: News, now: Instant) -> Option<Output> {
        match news {
            News::Output(output) => return Some(output),
            News::Up(channel) => {
                for link in self.links_on(channel) {
                    self.client.handle_opened(link, now);
                }
            }
            News::Said(channel, bytes) => {
                let server = self.ways.iter().find(|way| way.channel == Some(channel)).map(|way| way.address);
                if let Some(server) = server
                    && let Some(link) = self.link_at(server, Some(channel), &bytes)
                {
                    self.show(Direction::Received, link, server, &bytes);
                    self.client.handle_input(link, &bytes, now);
                }
            }
            News::Down(channel, over) => {
                let links = self.links_on(channel);
                self.forget_ways(channel);
                for link in links {
                    match over {
                        Over::Failed(kind, why) => {
                            self.obstacle = kind;
                            self.client.handle_open_failed(link, why, now);
                        }
                        Over::Closed(how) => {
                            self.loss = map::loss(how);
                            self.client.handle_closed(link, how, now);
                        }
                    }
                }
            }
            News::Gone(channel) => self.forget_ways(channel),
            News::Unusable(link) => {
                self.obstacle = FailureKind::Credentials;
                self.client.handle_open_failed(link, OpenFailed::Handshake { alert: None }, now);
            }
        }
        None
    }

    fn links_on(&self, channel: ChannelId) -> SmallVec<[Link; 2]> {
        self.ways.iter().filter(|way| way.channel == Some(channel)).map(|way| way.link).collect()
    }

    fn forget_ways(&mut self, channel: ChannelId) {
        self.ways.retain(|way| way.channel != Some(channel));
        self.ways.shrink_to_fit();
    }

    /// The path that leads to this address through this channel; of several, the one the client says this
    /// message is for.
    fn link_at(&self, address: SocketAddr, channel: Option<ChannelId>, message: &[u8]) -> Option<Link> {
        let ways = self.ways.iter().filter(|way| way.address == address && way.channel == channel);
        let links: SmallVec<[Link; 4]> = ways.map(|way| way.link).collect();
        match *links {
            [] => None,
            [only] => Some(only),
            _ => Some(self.client.link_of(&links, message)),
        }
    }

    fn channels(&mut self) -> &mut Channels {
        let options = &self.options;
        self.channels.get_or_insert_with(|| Box::new(Channels::new(options.clone().unwrap_or_default())))
    }

    fn show(&mut self, direction: Direction, link: Link, server: SocketAddr, bytes: &[u8]) {
        if let Some(channels) = &mut self.channels
            && channels.is_tapped()
        {
            let way = self.ways.iter().find(|way| way.link == link);
            let channel = way.and_then(|way| way.channel).map(ChannelId::get);
            channels.show(Output::Plain { direction, link, server, channel, bytes: bytes.to_vec() });
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
}

#[cfg(test)]
#[path = "meter_tests.rs"]
pub(super) mod tests;
