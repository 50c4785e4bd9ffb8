//! The asking half of [`Exchange`]: requests of ours and their responses (RFC 7252 §4.2, §4.7, §5.2).

use super::dedup::{Key, Stage};
use super::event::{Event, Failure, Handle, Noise, Progress, Stat};
use super::exchange::Exchange;
use super::header::{self, Code, Type};
use super::message::Message;
use super::outgoing::{self, Outgoing};
use super::transfer::{self, Step, Transfer};
use crate::base::Instant;

impl Exchange {
    /// Sends a Confirmable request, at once or when NSTART allows, in blocks if its payload is larger
    /// than [`Params::block_size`](super::Params::block_size) (and then one after another).
    ///
    /// Ends in exactly one [`Event::Response`] or [`Event::Failed`].
    pub fn request(&mut self, request: Message, now: Instant) -> Handle {
        let handle = Handle(self.next_handle);
        self.next_handle = self.next_handle.wrapping_add(1);
        let (first, transfer) = if request.payload().len() > usize::from(self.params.block_size) {
            let transfer = Transfer::uploading(request, self.params.szx()).map(Box::new);
            (transfer.as_ref().and_then(|transfer| transfer.block_to_send()), transfer)
        } else {
            (Some(request), None)
        };
        let Some(first) = first else {
            self.failed(handle, Failure::Blockwise(Code::REQUEST_ENTITY_TOO_LARGE));
            return handle;
        };
        if self.requests.is_empty() {
            // One at a time is the rule (NSTART), so do not let the list begin with room for four.
            self.requests.reserve_exact(1);
        }
        self.requests.push(Outgoing {
            handle,
            stage: outgoing::Stage::Queued(first),
            first_sent: None,
            transmissions: 0,
            transfer,
        });
        self.start_queued(now);
        handle
    }

    /// Gives up one request: its answer, should it come, is noise (and reset if Confirmable). Ends in
    /// [`Failure::Abandoned`]; nothing happens if the request has ended already.
    ///
    /// A queued request that can start now does so in `handle_timeout`, for which the deadline is set.
    pub fn abandon(&mut self, handle: Handle) {
        if let Some(at) = self.requests.iter().position(|request| request.handle == handle) {
            self.fail(at, Failure::Abandoned);
        }
    }

    /// Gives up all requests, in their order.
    pub fn abandon_all(&mut self) {
        while !self.requests.is_empty() {
            self.fail(0, Failure::Abandoned);
        }
    }

    /// Requests begun and not yet answered, failed or abandoned (queued ones under NSTART included).
    pub fn in_flight(&self) -> usize {
        self.requests.len()
    }

    /// How a request is getting on; `None` once it has ended.
    pub fn progress(&self, handle: Handle) -> Option<Progress> {
        let request = self.requests.iter().find(|request| request.handle == handle)?;
        let flight = request.flight();
        Some(Progress {
            transmissions: request.transmissions,
            next: flight.map(|flight| flight.transmission.due),
            acknowledged: flight.is_some_and(|flight| flight.acknowledged),
        })
    }

    /// Whether a request waits for nothing but being sent.
    pub(super) fn may_start(&self) -> bool {
        self.next_to_start().is_some()
    }

    /// Sends what is queued as far as NSTART allows (RFC 7252 §4.7).
    pub(super) fn start_queued(&mut self, now: Instant) {
        while let Some(at) = self.next_to_start() {
            let mid = self.fresh_mid();
            let token = self.fresh_token();
            let Some(datagram) = self.requests[at].start(mid, token, &self.params, &mut self.rng, now) else {
                return;
            };
            self.last_activity = now;
            self.send(datagram);
        }
    }

    /// The first queued request, if NSTART allows one more.
    ///
    /// An upload waits until no other body is on its way: peers keep room for one (as `bodies` does),
    /// and RFC 7959 §2.5 has them forget the first when a second begins at the same resource.
    fn next_to_start(&self) -> Option<usize> {
        let queued = self.requests.iter().position(|request| request.flight().is_none())?;
        let next = &self.requests[queued];
        let mut begun = self.requests.iter().filter(|request| request.first_sent.is_some());
        if next.first_sent.is_none()
            && next.transfer.is_some()
            && begun.any(|request| request.transfer.is_some())
        {
            return None;
        }
        let outstanding = self.requests.iter().filter(|request| request.is_outstanding()).count();
        (outstanding < self.params.nstart.max(1) as usize).then_some(queued)
    }

    /// Takes an Empty acknowledgement.
    pub(super) fn on_ack(&mut self, mid: u16, now: Instant) {
        let patience = now + self.params.exchange_lifetime();
        let mut flights = self.requests.iter_mut().filter_map(Outgoing::flight_mut);
        if let Some(flight) = flights.find(|flight| flight.transmission.mid == mid) {
            if flight.acknowledged {
                return self.stat(Stat::Duplicate);
            }
            flight.acknowledged = true;
            flight.transmission.due = patience;
            // RFC 7252 §4.7: an acknowledged request no longer counts against NSTART.
            self.start_queued(now);
        } else if !self.end_response(mid) {
            self.noise(Noise::UnmatchedAck);
        }
    }

    /// Takes a Reset.
    pub(super) fn on_reset(&mut self, mid: u16, now: Instant) {
        let reset = |request: &Outgoing| {
            request.flight().is_some_and(|flight| flight.transmission.mid == mid && !flight.acknowledged)
        };
        if let Some(at) = self.requests.iter().position(reset) {
            self.fail(at, Failure::Reset);
            self.start_queued(now);
        } else if self.end_response(mid) {
            self.stat(Stat::ResponseReset);
        } else {
            self.noise(Noise::UnmatchedReset);
        }
    }

    /// Takes a response, in an acknowledgement or on its own.
    pub(super) fn on_response(&mut self, response: Message, now: Instant) {
        let (kind, mid, key) = (response.kind(), response.mid(), Key::of(&response));
        let lifetime = self.params.exchange_lifetime();
        if kind != Type::Ack && self.seen.find(key, now, lifetime).is_some() {
            self.stat(Stat::Duplicate);
            if kind == Type::Con {
                // RFC 7252 §4.5: every copy of a Confirmable message is acknowledged.
                self.send(header::empty(Type::Ack, mid));
            }
            return;
        }
        let token = response.token();
        // §5.3.2: the token must match, and for a piggybacked response the message id as well.
        let asked = |request: &Outgoing| {
            request.flight().is_some_and(|flight| {
                flight.token == token && (kind != Type::Ack || flight.transmission.mid == mid)
            })
        };
        let matched = self.requests.iter().position(asked);
        let critical = response.unknown_critical().is_some();
        let (Some(at), false) = (matched, critical) else {
            // §5.4.1, §4.2: rejected with a Reset if Confirmable, in silence otherwise.
            if kind == Type::Con {
                self.send(header::empty(Type::Rst, mid));
            }
            self.noise(match (critical, kind) {
                (true, _) => Noise::CriticalOption,
                (false, Type::Ack) => Noise::UnmatchedAck,
                (false, _) => Noise::UnmatchedResponse,
            });
            return;
        };
        match kind {
            Type::Con => {
                self.send(header::empty(Type::Ack, mid));
                self.remember(key, Stage::Acknowledged, None, now);
            }
            Type::Non => self.remember(key, Stage::Silent, None, now),
            Type::Ack | Type::Rst => {}
        }
        self.answered(at, response, now);
    }

    /// Ends the request at `at` with this response, or sends its next block.
    fn answered(&mut self, at: usize, response: Message, now: Instant) {
        let request = &mut self.requests[at];
        let outgoing::Stage::Sent(flight) = &request.stage else { return };
        let sent = request.first_sent.unwrap_or(now);
        match transfer::advance(&mut request.transfer, &flight.transmission.datagram, response, &self.params)
        {
            Step::Done(message) => {
                let (handle, transmissions) = (request.handle, request.transmissions);
                self.remove_request(at);
                self.event(Event::Response { handle, message, sent, transmissions });
            }
            Step::Next(message) => request.stage = outgoing::Stage::Queued(message),
            Step::Broken(code) => self.fail(at, Failure::Blockwise(code)),
        }
        self.start_queued(now);
    }

    pub(super) fn fail(&mut self, at: usize, why: Failure) {
        let handle = self.requests[at].handle;
        self.remove_request(at);
        self.failed(handle, why);
    }

    fn failed(&mut self, handle: Handle, why: Failure) {
        self.event(Event::Failed { handle, why });
    }

    fn remove_request(&mut self, at: usize) {
        self.requests.remove(at);
        if self.requests.is_empty() {
            self.requests = Vec::new();
        }
    }
}
