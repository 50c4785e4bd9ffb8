//! The asking half of observing (RFC 7641 §3): registering, taking notifications, cancelling.
//!
//! ```text
//! observe -> GET Observe 0 -> Response, with Observe -> Notification, again and again -> ObservationEnded |
//!                             Response | Failed                                          cancel | forget
//! ```
//!
//! The freshest state wins: a notification takes the place of an older one, or of the first answer, of
//! which blocks are still being fetched.

use super::event::{Event, Failure, Handle};
use super::exchange::Exchange;
use super::header::Token;
use super::message::Message;
use super::outgoing::{Outgoing, Purpose, Stage};
use super::relations::{self, Relations};
use super::transfer::{self, Step};
use crate::base::Instant;

/// An observation that the answer to a request of ours begins.
pub(super) struct Registration {
    token: Token,
    number: u32,
    request: Message,
}

impl Exchange {
    /// Sends a GET or FETCH as [`Exchange::request`] does, with Observe 0 (RFC 7641 §3.1).
    ///
    /// Ends as a request does. If that is an [`Event::Response`] of class 2 with
    /// [Observe](Message::observe), the handle stands for the observation from then on: each notification
    /// is an [`Event::Notification`], acknowledged if Confirmable and fetched to its end if in blocks
    /// (RFC 7959 §2.6), until [`Event::ObservationEnded`] or one of the two ways to end it from here.
    pub fn observe(&mut self, mut request: Message, now: Instant) -> Handle {
        request.set_observe(Some(0));
        self.ask(request, Purpose::Observe, true, now)
    }

    /// Asks the peer to end an observation: the same request, the same token, Observe 1 (RFC 7641 §3.6).
    ///
    /// Ends as a request does, and the observation with it, however it ends; until then there may be
    /// notifications. `None` if there is no such observation or it is being cancelled already.
    pub fn cancel_observation(&mut self, handle: Handle, now: Instant) -> Option<Handle> {
        let cancels = |request: &Outgoing| match request.purpose {
            Purpose::Cancel { observation, .. } => observation == handle,
            _ => false,
        };
        if self.requests.iter().any(cancels) {
            return None;
        }
        let watched = &self.relations.as_ref()?.watched;
        let token = watched.token(handle)?;
        let mut request = Message::decode(&watched.request(handle)?).ok()?;
        request.set_observe(Some(1));
        Some(self.ask(request, Purpose::Cancel { observation: handle, token }, true, now))
    }

    /// Ends an observation without a word: the next notification is reset, which tells the peer (RFC 7641
    /// §3.6). One that is still being fetched, or a first answer that is, ends as
    /// [abandoned](Failure::Abandoned).
    ///
    /// A stream knows no Reset, so there the peer is told by a GET with Observe 1 (RFC 8323 appendix A.4), which
    /// goes out with the next [`handle_timeout`](Exchange::handle_timeout), for which the deadline is set;
    /// nothing is heard of its answer.
    pub fn forget_observation(&mut self, handle: Handle) {
        if self.stream.is_some() {
            self.deregister(handle);
        }
        self.unwatch(handle);
        self.abandon(handle);
    }

    /// Observations that stand. While there are any, notifications may come though the exchange [is
    /// idle](Exchange::is_idle), and forgetting it would have them reset.
    pub fn observations(&self) -> usize {
        self.relations.as_ref().map_or(0, |relations| relations.watched.len())
    }

    /// The observation with this token.
    pub(super) fn observation_of(&self, token: Token) -> Option<Handle> {
        self.relations.as_ref()?.watched.with_token(token)
    }

    /// Takes a notification that was acknowledged and is no duplicate.
    pub(super) fn on_notification(&mut self, handle: Handle, message: Message, now: Instant) {
        let code = message.code();
        let Some(relations) = &mut self.relations else { return };
        let number = relations::begins(&message);
        // RFC 8323 appendix A.1: what comes in a stream comes in its order, whatever its number.
        let ordered = self.stream.is_some();
        if !number.is_none_or(|number| relations.watched.heard(handle, number, now) || ordered) {
            // Overtaken by a fresher one. Blocks of it could not be had any more.
            self.event(Event::Notification { handle, message, fresh: false });
            return;
        }
        let request = relations.watched.request(handle).unwrap_or_default();
        if number.is_none() {
            self.unwatch(handle);
        }
        let fetched = |request: &Outgoing| {
            request.handle == handle && matches!(request.purpose, Purpose::Observe | Purpose::Collect)
        };
        let fetched = self.requests.iter().position(fetched);
        if let Some(at) = fetched.filter(|at| self.requests[*at].purpose == Purpose::Observe) {
            // The answer that is still being fetched is of an older state: this one takes its place.
            let szx = self.largest_szx();
            let answer = &mut self.requests[at];
            answer.transfer = None;
            let step = transfer::advance(&mut answer.transfer, &request, message, szx, &self.params);
            return self.follow(at, step, now);
        }
        if let Some(at) = fetched {
            self.fail(at, Failure::Abandoned);
        }
        if code.is_success() {
            self.collect(handle, &request, message, now);
        }
        if number.is_none() {
            self.event(Event::ObservationEnded { handle, code });
        }
        self.start_queued(now);
    }

    /// Gives out a fresh notification, or begins to fetch the rest of it (RFC 7959 §2.6: by requests with
    /// tokens of their own).
    fn collect(&mut self, handle: Handle, request: &[u8], message: Message, now: Instant) {
        let mut transfer = None;
        match transfer::advance(&mut transfer, request, message, self.largest_szx(), &self.params) {
            Step::Done(message) => self.event(Event::Notification { handle, message, fresh: true }),
            Step::Broken(code) => {
                self.event(Event::NotificationLost { handle, why: Failure::Blockwise(code) });
            }
            Step::Next(next) => self.requests.push(Outgoing {
                handle,
                purpose: Purpose::Collect,
                confirmable: true,
                stage: Stage::Queued(next),
                first_sent: Some(now),
                transmissions: 0,
                transfer,
            }),
        }
    }

    /// The observation that `response` begins if it answers a request for one.
    pub(super) fn registration(request: &Outgoing, response: &Message) -> Option<Registration> {
        let number = relations::begins(response)?;
        let flight = request.flight()?;
        let uploaded = request.transfer.as_ref().and_then(|transfer| transfer.uploaded());
        let request = match uploaded {
            Some(request) => request,
            None => Message::decode(&flight.transmission.datagram).ok()?,
        };
        Some(Registration { token: flight.token, number, request })
    }

    /// Begins an observation.
    pub(super) fn watch(&mut self, handle: Handle, begun: Registration, now: Instant) {
        let Registration { token, number, request } = begun;
        let watched = &mut self.relations.get_or_insert_default().watched;
        watched.insert(handle, token, number, request, now);
    }

    /// Ends an observation, if it stands.
    pub(super) fn unwatch(&mut self, handle: Handle) -> bool {
        let Some(relations) = &mut self.relations else { return false };
        let stood = relations.watched.remove(handle);
        self.relations.take_if(|relations| Relations::is_empty(relations));
        stood
    }
}
