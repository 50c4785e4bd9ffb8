//! The asking half of [`Exchange`]: requests of ours and their responses (RFC 7252 §4.2, §4.7, §5.2).

use super::dedup::{Key, Stage};
use super::event::{Event, Failure, Handle, Noise, Notified, Progress, Stat};
use super::exchange::Exchange;
use super::header::{self, Code, Type};
use super::message::Message;
use super::outgoing::{self, Outgoing, Purpose};
use super::transfer::{self, Step, Transfer};
use crate::base::Instant;

impl Exchange {
    /// Sends a Confirmable request, at once or when NSTART allows, in blocks if its payload is larger
    /// than [`Params::block_size`](super::Params::block_size) (and then one after another).
    ///
    /// Over a stream at once, or as soon as it is connected, whole if the peer takes messages of that size.
    /// NSTART does not hold it back: congestion is the stream's business (RFC 8323 §3.3). It waits for its
    /// answer no longer than [EXCHANGE_LIFETIME](super::Params::exchange_lifetime), which is ours to choose: what
    /// a datagram that was acknowledged waits.
    ///
    /// Ends in exactly one [`Event::Response`] or [`Event::Failed`].
    pub fn request(&mut self, request: Message, now: Instant) -> Handle {
        self.ask(request, Purpose::Ask, true, now)
    }

    /// Sends a Non-confirmable request: once, and what comes with its token within MAX_RTT (RFC 7252 §4.8.2)
    /// is its response. It ends as other requests do, so in [`Failure::Timeout`] if its request or response
    /// is lost, or none is wanted ([`Message::with_no_response`]).
    ///
    /// It holds back others by NSTART for no longer than a Confirmable request waits before it is sent again:
    /// RFC 7252 §4.7 leaves open for how long an answer to it is expected. A request that does not fit one
    /// block is sent as Confirmable, and so are the requests for further blocks of its response: a body of
    /// which a part may be lost is none.
    pub fn request_non(&mut self, request: Message, now: Instant) -> Handle {
        self.ask(request, Purpose::Ask, false, now)
    }

    /// Sends a request, at once or in its turn.
    pub(super) fn ask(
        &mut self,
        request: Message,
        purpose: Purpose,
        confirmable: bool,
        now: Instant,
    ) -> Handle {
        let handle = self.fresh_handle();
        let (first, transfer) = if self.stream.is_none() && request.payload().len() > self.room(&request) {
            let transfer = Transfer::uploading(request, self.portion(None)).map(Box::new);
            (transfer.as_ref().and_then(|transfer| transfer.block_to_send()), transfer)
        } else {
            (Some(request), None)
        };
        let Some(first) = first else {
            self.failed(handle, Failure::Blockwise(Code::REQUEST_ENTITY_TOO_LARGE));
            return handle;
        };
        self.enqueue(Outgoing {
            handle,
            purpose,
            confirmable: confirmable || transfer.is_some(),
            stage: outgoing::Stage::Queued(first),
            first_sent: None,
            transmissions: 0,
            transfer,
        });
        self.start_queued(now);
        handle
    }

    pub(super) fn fresh_handle(&mut self) -> Handle {
        let handle = Handle(self.next_handle);
        self.next_handle = self.next_handle.wrapping_add(1);
        handle
    }

    pub(super) fn enqueue(&mut self, request: Outgoing) {
        if self.requests.is_empty() {
            // One at a time is the rule (NSTART), so do not let the list begin with room for four.
            self.requests.reserve_exact(1);
        }
        self.requests.push(request);
    }

    /// Gives up one request: its answer, should it come, is noise (and reset if Confirmable). Ends in
    /// [`Failure::Abandoned`]; nothing happens if the request has ended already. Likewise a Confirmable
    /// notification, or what is being fetched of one.
    ///
    /// A queued request that can start now does so in `handle_timeout`, for which the deadline is set.
    pub fn abandon(&mut self, handle: Handle) {
        if let Some(at) = self.requests.iter().position(|request| request.handle == handle) {
            self.fail(at, Failure::Abandoned);
        }
    }

    /// Gives up all requests and Confirmable notifications, in their order.
    pub fn abandon_all(&mut self) {
        while !self.requests.is_empty() {
            self.fail(0, Failure::Abandoned);
        }
    }

    /// Whether a datagram answers something of ours that is under way: which of several exchanges with one
    /// address it is for. No exchange over a stream awaits any: its stream is its own.
    pub fn awaits(&self, datagram: &[u8]) -> bool {
        if self.stream.is_some() {
            return false;
        }
        let Ok(message) = Message::decode_within(datagram, self.params.max_message()) else { return false };
        let mut flights = self.requests.iter().filter_map(Outgoing::flight);
        match message.code().is_response() {
            true => flights.any(|flight| flight.token == message.token()),
            false => {
                matches!(message.kind(), Type::Ack | Type::Rst)
                    && (flights.any(|flight| flight.transmission.mid == message.mid())
                        || self.responses.iter().any(|response| response.mid == message.mid()))
            }
        }
    }

    /// Moves the next message id as far away as can be from those of `other`, an exchange with the same peer
    /// from the same address: to the peer, they are of one space (RFC 7252 §4.4). Of no effect on streams.
    pub fn keep_apart(&mut self, other: &Exchange) {
        self.next_mid = other.next_mid.wrapping_add(1 << 15);
    }

    /// Requests begun and not yet answered, failed or abandoned (queued ones under NSTART included).
    pub fn in_flight(&self) -> usize {
        self.requests.iter().filter(|request| request.purpose.is_asked_for()).count()
    }

    /// How a request or Confirmable notification is getting on; `None` once it has ended.
    pub fn progress(&self, handle: Handle) -> Option<Progress> {
        let request = self.requests.iter().find(|request| request.handle == handle)?;
        let flight = request.flight();
        Some(Progress {
            transmissions: request.transmissions,
            next: flight.map(|flight| flight.transmission.due),
            acknowledged: self.stream.is_none()
                && request.confirmable
                && flight.is_some_and(|flight| flight.acknowledged),
        })
    }

    /// Whether a request waits for nothing but being sent.
    pub(super) fn may_start(&self) -> bool {
        self.next_to_start().is_some()
    }

    /// Sends what is queued as far as NSTART allows (RFC 7252 §4.7).
    pub(super) fn start_queued(&mut self, now: Instant) {
        if self.stream.is_some() {
            return self.start_in_stream(now);
        }
        while let Some(at) = self.next_to_start() {
            let request = &mut self.requests[at];
            if let (Purpose::Notify(token), outgoing::Stage::Queued(whole)) =
                (request.purpose, &mut request.stage)
            {
                let whole = std::mem::replace(whole, Message::response(Code::EMPTY));
                let first = self.first_block(token, whole, now);
                self.requests[at].stage = outgoing::Stage::Queued(first);
            }
            let mid = self.fresh_mid();
            let token = match self.requests[at].token() {
                Some(token) => token,
                None => self.fresh_token(),
            };
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
        if self.stream.is_some() {
            return self.next_in_stream();
        }
        // RFC 7641 §4.5.1: one notification at a time for each observer; the next waits for it, others do not.
        let held = |request: &Outgoing| match request.purpose {
            Purpose::Notify(token) => self.notification_in_flight(token),
            _ => false,
        };
        let queued = self.requests.iter().position(|request| request.flight().is_none() && !held(request))?;
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
        let meant = |request: &Outgoing| {
            request.confirmable && request.flight().is_some_and(|flight| flight.transmission.mid == mid)
        };
        if let Some(at) = self.requests.iter().position(meant) {
            let request = &mut self.requests[at];
            if let Purpose::Notify(token) = request.purpose {
                let handle = self.remove_request(at).handle;
                self.notified(handle, token, Notified::Acknowledged);
            } else if let Some(flight) = request.flight_mut() {
                if flight.acknowledged {
                    return self.stat(Stat::Duplicate);
                }
                flight.acknowledged = true;
                flight.transmission.due = patience;
            }
            // RFC 7252 §4.7: an acknowledged request no longer counts against NSTART.
            self.start_queued(now);
        } else if !self.end_response(mid) {
            self.noise(Noise::UnmatchedAck);
        }
    }

    /// Takes a Reset.
    pub(super) fn on_reset(&mut self, mid: u16, now: Instant) {
        let reset = |request: &Outgoing| {
            request.flight().is_some_and(|flight| {
                flight.transmission.mid == mid && !(flight.acknowledged && request.confirmable)
            })
        };
        if let Some(at) = self.requests.iter().position(reset) {
            self.fail(at, Failure::Reset);
            self.start_queued(now);
        } else if self.end_response(mid) {
            self.stat(Stat::ResponseReset);
        } else if !self.unconfirmed_reset(mid, now) {
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
        let matched = self.requests.iter().position(|request| request.is_answered_by(&response));
        let observation = match matched {
            None if kind != Type::Ack => self.observation_of(response.token()),
            _ => None,
        };
        let critical = response.unknown_critical().is_some();
        if critical || (matched.is_none() && observation.is_none()) {
            return self.reject_response(&response, critical, observation);
        }
        match kind {
            Type::Con => {
                self.send(header::empty(Type::Ack, mid));
                self.remember(key, Stage::Acknowledged, None, now);
            }
            Type::Non => self.remember(key, Stage::Silent, None, now),
            Type::Ack | Type::Rst => {}
        }
        match (matched, observation) {
            (Some(at), _) => self.answered(at, response, now),
            (None, Some(handle)) => self.on_notification(handle, response, now),
            (None, None) => {}
        }
    }

    /// Drops a response that nobody waits for, or that cannot be understood.
    fn reject_response(&mut self, response: &Message, critical: bool, observation: Option<Handle>) {
        // RFC 7252 §5.4.1, §4.2: rejected with a Reset if Confirmable, in silence otherwise; but RFC 7641 §3.6
        // has unwanted notifications reset in any case, or they never end.
        let (kind, mid) = (response.kind(), response.mid());
        let reset = kind == Type::Con || (kind == Type::Non && response.observe().is_some());
        if reset {
            self.send(header::empty(Type::Rst, mid));
        }
        self.noise(match (critical, kind) {
            (true, _) => Noise::CriticalOption,
            (false, Type::Ack) => Noise::UnmatchedAck,
            (false, _) => Noise::UnmatchedResponse,
        });
        if let Some(handle) = observation.filter(|handle| reset && self.unwatch(*handle)) {
            self.event(Event::ObservationEnded { handle, code: response.code() });
        }
    }

    /// Ends the request at `at` with this response, or sends its next block.
    pub(super) fn answered(&mut self, at: usize, response: Message, now: Instant) {
        let szx = self.largest_szx();
        let request = &mut self.requests[at];
        let outgoing::Stage::Sent(flight) = &request.stage else { return };
        let begun = match request.purpose {
            Purpose::Observe => Exchange::registration(request, &response),
            _ => None,
        };
        let handle = request.handle;
        let datagram = &flight.transmission.datagram;
        let step = transfer::advance(&mut request.transfer, datagram, response, szx, &self.params);
        let uploading = request.transfer.as_ref().is_some_and(|transfer| transfer.is_uploading());
        if let Some(begun) = begun.filter(|_| !uploading) {
            self.watch(handle, begun, now);
        }
        self.follow(at, step, now);
    }

    /// Goes on with the request at `at`, or ends it.
    pub(super) fn follow(&mut self, at: usize, step: Step, now: Instant) {
        match step {
            Step::Done(message) => self.done(at, message, now),
            Step::Next(message) => {
                let request = &mut self.requests[at];
                request.stage = outgoing::Stage::Queued(message);
                request.confirmable = true;
            }
            Step::Broken(code) => self.fail(at, Failure::Blockwise(code)),
        }
        self.start_queued(now);
    }

    /// Ends the request at `at` with its whole response.
    fn done(&mut self, at: usize, message: Message, now: Instant) {
        let Outgoing { handle, purpose, first_sent, transmissions, .. } = self.remove_request(at);
        let sent = first_sent.unwrap_or(now);
        let code = message.code();
        match purpose {
            Purpose::Collect if code.is_success() => {
                return self.event(Event::Notification { handle, message, fresh: true });
            }
            Purpose::Collect => {
                return self.event(Event::NotificationLost { handle, why: Failure::Blockwise(code) });
            }
            // Of an answer in blocks, the first may have begun what a later one spoils.
            Purpose::Observe if !code.is_success() => self.unwatch(handle),
            Purpose::Cancel { observation, .. } => self.unwatch(observation),
            Purpose::Farewell(_) => return,
            Purpose::Ask | Purpose::Observe | Purpose::Notify(_) | Purpose::Ping => false,
        };
        self.event(Event::Response { handle, message, sent, transmissions });
    }

    /// Ends the request or notification at `at` without what it was for.
    pub(super) fn fail(&mut self, at: usize, why: Failure) {
        let Outgoing { handle, purpose, .. } = self.remove_request(at);
        match purpose {
            Purpose::Ask => {}
            // Nobody waits for their end.
            Purpose::Farewell(_) | Purpose::Ping => return,
            Purpose::Observe => _ = self.unwatch(handle),
            Purpose::Cancel { observation, .. } => _ = self.unwatch(observation),
            Purpose::Collect => return self.event(Event::NotificationLost { handle, why }),
            Purpose::Notify(token) => return self.notification_failed(handle, token, why),
        }
        self.failed(handle, why);
    }

    /// Once a Non-confirmable request is silent for a while, it no longer holds back others. False if that
    /// was so already, or is not for this one.
    pub(super) fn stop_expecting(&mut self, at: usize, now: Instant) -> bool {
        let patience = self.params.max_rtt();
        let request = &mut self.requests[at];
        if request.confirmable {
            return false;
        }
        let first_sent = request.first_sent.unwrap_or(now);
        match request.flight_mut() {
            Some(flight) if !flight.acknowledged => {
                flight.acknowledged = true;
                flight.transmission.due = first_sent + patience;
                true
            }
            _ => false,
        }
    }

    fn failed(&mut self, handle: Handle, why: Failure) {
        self.event(Event::Failed { handle, why });
    }

    pub(super) fn remove_request(&mut self, at: usize) -> Outgoing {
        let request = self.requests.remove(at);
        if self.requests.is_empty() {
            self.requests = Vec::new();
        }
        request
    }
}
