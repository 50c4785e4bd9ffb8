//! All CoAP exchanges with one peer (RFC 7252 §4 and §5), in both roles at once.
//!
//! ```text
//! asking     request -> queued (NSTART) -> sent -> [Empty ACK -> waiting] -> Response | Failed
//!                                          ^  | no acknowledgement: again, twice as late
//!                                          +--+
//! answering  datagram -> seen before? -> block of a body? -> Request -> respond -> in the ACK, or,
//!                        the same again   2.31, or the next             if an Empty ACK went out before:
//!                                         block of ours                 CON, sent until acknowledged
//! observing  observe -> Response with Observe -> Notification, again and again -> ended by either side
//! notifying  notify -> queued (NSTART) -> sent -> Notified; a newer state takes over from an older
//! ```
//!
//! One mutation (`handle_input`, `handle_timeout`, `request`, `respond`, `notify`, ..), then `poll_output`
//! until it is `None`, then arm one timer for `poll_timeout`.
//!
//! What a peer can make this remember is bounded: sixteen messages, one body each way, sixteen separate
//! responses, sixteen observers of large bodies. Messages nobody asked for leave no trace but a count.
//!
//! Over a stream (RFC 8323) there is less of all this: see `stream`.
//!
//! This file holds the state and the four verbs; `asking` and `answering` hold the two roles, `observing` and
//! `notifying` the same for observations.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use super::bodies::Bodies;
use super::codec::Malformed;
use super::dedup::Seen;
use super::event::{Event, Failure, Noise, Output, Reason, Stat};
use super::header::{self, Token, Type};
use super::message::Message;
use super::outgoing::{self, Outgoing};
use super::params::Params;
use super::relations::Relations;
use super::stream::Stream;
use super::transmission::Transmission;
use crate::base::{Instant, Rng};

/// All CoAP exchanges with one peer.
///
/// Its `Debug` counts what is under way; messages may hold keys and are not shown.
pub struct Exchange {
    pub(super) params: Arc<Params>,
    pub(super) rng: Rng,
    /// What `poll_output` has not given out yet. Its memory goes back when it is empty.
    pub(super) outputs: VecDeque<Output>,
    /// Our requests and Confirmable notifications, in the order they were given.
    pub(super) requests: Vec<Outgoing>,
    /// Our separate responses that the peer has not acknowledged.
    pub(super) responses: Vec<Transmission>,
    /// The peer's messages of late.
    pub(super) seen: Seen,
    /// Bodies in blocks that we receive or hand out.
    pub(super) bodies: Option<Box<Bodies>>,
    /// Observations, in either role.
    pub(super) relations: Option<Box<Relations>>,
    /// What is needed where messages come in a stream; `None` on datagrams.
    pub(super) stream: Option<Box<Stream>>,
    pub(super) last_activity: Instant,
    pub(super) next_handle: u32,
    pub(super) next_mid: u16,
}

/// What messages are carried by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// UDP or DTLS: a message a datagram (RFC 7252).
    #[default]
    Datagram,
    /// TCP or TLS: messages one after the other in a stream (RFC 8323).
    Stream,
}

impl Exchange {
    /// Exchanges with a peer nothing was heard of yet, over this transport.
    pub fn over(transport: Transport, params: Arc<Params>, rng: Rng) -> Self {
        let mut exchange = Exchange::new(params, rng);
        if transport == Transport::Stream {
            exchange.stream = Some(Box::new(Stream::numbered(exchange.next_mid)));
        }
        exchange
    }

    /// Exchanges with a peer nothing was heard of yet. Draws the first message id from `rng`.
    pub fn new(params: Arc<Params>, mut rng: Rng) -> Self {
        // RFC 7252 §4.4 strongly recommends a random first message id.
        let next_mid = rng.next_u16();
        Exchange {
            params,
            rng,
            outputs: VecDeque::new(),
            requests: Vec::new(),
            responses: Vec::new(),
            seen: Seen::default(),
            bodies: None,
            relations: None,
            stream: None,
            last_activity: Instant::ZERO,
            next_handle: 0,
            next_mid,
        }
    }

    /// Takes a datagram from the peer; or, of a stream, the bytes that came next, however many.
    pub fn handle_input(&mut self, datagram: &[u8], now: Instant) {
        if self.stream.is_some() {
            return self.handle_stream(datagram, now);
        }
        let message = match Message::decode_within(datagram, self.params.max_message()) {
            Ok(message) => message,
            Err(why) => return self.reject(datagram, why),
        };
        self.last_activity = now;
        match (message.kind(), message.code()) {
            (_, code) if code.is_request() => self.on_request(message, now),
            (_, code) if code.is_response() => self.on_response(message, now),
            (Type::Ack, _) => self.on_ack(message.mid(), now),
            (Type::Rst, _) => self.on_reset(message.mid(), now),
            // Decoding let no Empty Non-confirmable message pass, so this is a ping.
            (Type::Con | Type::Non, _) => {
                self.send(header::empty(Type::Rst, message.mid()));
                self.noise(Noise::Ping);
            }
        }
    }

    /// Does what is due by now. Harmless if called early.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.repeat_requests(now);
        self.repeat_responses(now);
        while let Some(mid) = self.seen.acknowledge_due(self.params.separate_ack_delay(), now) {
            self.send(header::empty(Type::Ack, mid));
        }
        self.seen.forget(now, self.params.exchange_lifetime());
        self.bodies.take_if(|bodies| {
            bodies.expire(now);
            bodies.is_empty()
        });
        self.relations.take_if(|relations| {
            relations.forget(now);
            relations.is_empty()
        });
        self.stop_waiting(now);
        self.start_queued(now);
    }

    /// What is to be done next: datagrams and events in the order they came about.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if output.is_none() && self.outputs.capacity() > 0 {
            // Most of a million exchanges are idle most of the time.
            self.outputs = VecDeque::new();
        }
        output
    }

    /// When `handle_timeout` is to be called, and what for.
    pub fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        let params = &*self.params;
        let requests = self.requests.iter().filter_map(|request| {
            let flight = request.flight()?;
            let silent = flight.acknowledged || !request.confirmable;
            let reason = if silent { Reason::AwaitResponse } else { Reason::Retransmit };
            Some((flight.transmission.due, reason))
        });
        let responses = self.responses.iter().map(|response| (response.due, Reason::Retransmit));
        let acks = self.seen.next_ack(params.separate_ack_delay()).map(|at| (at, Reason::SeparateAck));
        let seen = self.seen.forgotten_at(params.exchange_lifetime());
        let bodies = self.bodies.as_ref().and_then(|bodies| bodies.next_expiry());
        let notified = self.relations.as_ref().and_then(|relations| relations.forgotten_at());
        let forget = seen.into_iter().chain(bodies).chain(notified).map(|at| (at, Reason::Forget));
        let start = self.may_start().then_some((self.last_activity, Reason::Start));
        let silent = self.stream.as_ref().and_then(|stream| stream.patience());
        let silent = silent.map(|at| (at, Reason::AwaitResponse));
        let waits = requests.chain(responses).chain(acks).chain(silent);
        waits.chain(forget).chain(start).min_by_key(|(at, _)| *at)
    }

    /// Nothing under way: a peer that may be forgotten once [`Params::exchange_lifetime`] has passed
    /// since [`Exchange::last_activity`], unless [it is observed](Exchange::observations) or [its stream is
    /// connected](Exchange::is_connected).
    pub fn is_idle(&self) -> bool {
        self.outputs.is_empty()
            && self.requests.is_empty()
            && self.responses.is_empty()
            && !self.seen.any_open()
            && !self.bodies.as_ref().is_some_and(|bodies| bodies.is_assembling())
            && !self.stream.as_ref().is_some_and(|stream| stream.is_busy())
    }

    /// When a message was last received or sent, or a stream connected or lost; the origin of the run if there
    /// was none.
    pub fn last_activity(&self) -> Instant {
        self.last_activity
    }

    /// Sends again, or gives up, the requests that are due.
    fn repeat_requests(&mut self, now: Instant) {
        let mut at = 0;
        while at < self.requests.len() {
            if self.requests[at].flight().is_some_and(|flight| flight.transmission.due <= now)
                && (self.hand_over(at, now) || self.stop_expecting(at, now))
            {
                at += 1;
                continue;
            }
            let request = &mut self.requests[at];
            let transmissions = &mut request.transmissions;
            let flight = match &mut request.stage {
                outgoing::Stage::Sent(flight) if flight.transmission.due <= now => flight,
                _ => {
                    at += 1;
                    continue;
                }
            };
            let again = if flight.acknowledged { None } else { flight.transmission.again(&self.params, now) };
            match again {
                Some(datagram) => {
                    *transmissions += 1;
                    at += 1;
                    self.retransmit(datagram, now);
                }
                None => self.fail(at, Failure::Timeout),
            }
        }
    }

    /// Sends again, or gives up, the separate responses that are due.
    fn repeat_responses(&mut self, now: Instant) {
        let mut at = 0;
        while at < self.responses.len() {
            if self.responses[at].due > now {
                at += 1;
                continue;
            }
            match self.responses[at].again(&self.params, now) {
                Some(datagram) => {
                    at += 1;
                    self.retransmit(datagram, now);
                }
                None => {
                    self.remove_response(at);
                    self.stat(Stat::ResponseUnacknowledged);
                }
            }
        }
    }

    fn retransmit(&mut self, datagram: Vec<u8>, now: Instant) {
        self.last_activity = now;
        self.stat(Stat::Retransmitted);
        self.send(datagram);
    }

    /// Drops what is not a message.
    fn reject(&mut self, datagram: &[u8], why: Malformed) {
        if let Some(mid) = header::confirmable_mid(datagram) {
            // RFC 7252 §4.2: a Confirmable message that cannot be processed is rejected.
            self.send(header::empty(Type::Rst, mid));
        }
        self.noise(Noise::Malformed(why));
    }

    /// The next message id that none of our unacknowledged messages uses (RFC 7252 §4.4).
    pub(super) fn fresh_mid(&mut self) -> u16 {
        // Bounded, should all of them be taken.
        for _ in 0..u16::MAX {
            let flights = self.requests.iter().filter_map(Outgoing::flight);
            let mut used = flights.map(|flight| &flight.transmission).chain(&self.responses);
            if !used.any(|transmission| transmission.mid == self.next_mid) {
                break;
            }
            self.next_mid = self.next_mid.wrapping_add(1);
        }
        let mid = self.next_mid;
        self.next_mid = mid.wrapping_add(1);
        mid
    }

    /// A token that none of our requests under way and observations uses (RFC 7252 §5.3.1).
    pub(super) fn fresh_token(&mut self) -> Token {
        loop {
            let token = Token::from_bits(self.rng.next_u64());
            let in_flight =
                self.requests.iter().filter_map(Outgoing::flight).any(|flight| flight.token == token);
            if !in_flight && self.observation_of(token).is_none() {
                return token;
            }
        }
    }

    pub(super) fn send(&mut self, datagram: Vec<u8>) {
        self.outputs.push_back(Output::Send(datagram));
    }

    pub(super) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(super) fn noise(&mut self, noise: Noise) {
        self.event(Event::Noise(noise));
    }

    pub(super) fn stat(&mut self, stat: Stat) {
        self.event(Event::Stat(stat));
    }
}

#[cfg(test)]
impl Exchange {
    /// Bytes kept on the heap for the observations that stand.
    pub(super) fn standing_heap(&self) -> usize {
        self.relations.as_ref().map_or(0, |relations| relations.standing_heap())
    }

    /// Bytes kept on the heap for the peer's sake, leaving out requests of ours and observations.
    pub(super) fn heap(&self) -> usize {
        let responses: usize = self.responses.iter().map(|response| response.datagram.capacity()).sum();
        self.outputs.capacity() * size_of::<Output>()
            + self.responses.capacity() * size_of::<Transmission>()
            + responses
            + self.seen.heap()
            + self.relations.as_ref().map_or(0, |relations| relations.passing_heap())
            + self.bodies.as_ref().map_or(0, |bodies| size_of::<Bodies>() + bodies.heap())
            + self.stream.as_ref().map_or(0, |stream| stream.heap())
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("requests", &self.requests.len())
            .field("responses", &self.responses.len())
            .field("observations", &self.observations())
            .field("last_activity", &self.last_activity)
            .field("next", &self.poll_timeout())
            .finish_non_exhaustive()
    }
}
