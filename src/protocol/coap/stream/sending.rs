//! What goes out by a stream, and what its owner says about it.

use std::time::Duration;

use super::super::event::{Failure, Handle, Notified, Output};
use super::super::exchange::Exchange;
use super::super::header::{Code, Token, Type};
use super::super::message::Message;
use super::super::outgoing::{Flight, Outgoing, Purpose, Stage};
use super::super::transfer::Transfer;
use super::super::transmission::Transmission;
use super::frame;
use super::signal;
use super::{State, Stream};
use crate::base::Instant;

impl Exchange {
    /// The stream is connected: says what this end can do (CSM, RFC 8323 §5.3), and sends what waits to be sent;
    /// what is larger than any peer takes when the peer has said its part. Nothing on datagrams, or if it is
    /// connected already; one that was to be left counts as [lost](Exchange::lost) first.
    ///
    /// A peer whose CSM does not come within [`max_transmit_wait`](super::super::Params::max_transmit_wait) is
    /// left ([`Leave::Broken`](super::super::Leave::Broken)): for so long a peer is waited for on datagrams.
    pub fn connected(&mut self, now: Instant) {
        if self.stream.as_ref().is_some_and(|stream| stream.state == State::Left) {
            self.lost(now);
        }
        let patience = now + self.params.max_transmit_wait();
        let size = u32::try_from(self.params.max_stream_message()).unwrap_or(u32::MAX);
        let Some(stream) = self.stream.as_mut().filter(|stream| stream.state == State::Closed) else {
            return;
        };
        let life = stream.life.wrapping_add(1);
        **stream = Stream { state: State::Open, patience: Some(patience), ..Stream::numbered(life) };
        self.last_activity = now;
        self.send_signal(&signal::csm(size));
        self.start_queued(now);
    }

    /// The stream is gone: what was received of a message and what is not written yet is forgotten, and every
    /// request on its way fails with [`Failure::Lost`]. Those not sent yet wait for the
    /// next connection. Observations end with it in either role, without a word (RFC 8323 appendix A.4), and so
    /// does the transfer of bodies. Nothing on datagrams.
    pub fn lost(&mut self, now: Instant) {
        let Some(stream) = &mut self.stream else { return };
        **stream = Stream::numbered(stream.life);
        // What was meant for this connection must not begin the next.
        self.outputs.retain(|output| matches!(output, Output::Event(_)));
        self.last_activity = now;
        (self.bodies, self.relations) = (None, None);
        let belongs = |request: &Outgoing| {
            request.first_sent.is_some()
                || matches!(request.purpose, Purpose::Cancel { .. } | Purpose::Farewell(_))
        };
        while let Some(at) = self.requests.iter().position(belongs) {
            self.fail(at, Failure::Lost);
        }
    }

    /// Asks the peer whether it is there: by a Ping (RFC 8323 §5.4), or, on datagrams, an Empty Confirmable message
    /// (RFC 7252 §4.3). That it is shows in [`Exchange::last_activity`]; nothing else is told.
    ///
    /// A stream by which nothing comes within [`max_transmit_wait`](super::super::Params::max_transmit_wait) is left
    /// ([`Leave::Broken`](super::super::Leave::Broken)). Without a connection nothing is asked.
    pub fn ping(&mut self, now: Instant) {
        let patience = now + self.params.max_transmit_wait();
        if self.stream.is_none() {
            let handle = self.fresh_handle();
            self.enqueue(Outgoing {
                handle,
                purpose: Purpose::Ping,
                confirmable: true,
                stage: Stage::Queued(Message::request(Code::EMPTY)),
                first_sent: None,
                transmissions: 0,
                transfer: None,
            });
            return self.start_queued(now);
        }
        let token = self.fresh_token();
        let Some(stream) = self.stream.as_mut().filter(|stream| stream.state == State::Open) else { return };
        stream.patience.get_or_insert(patience);
        self.last_activity = now;
        self.send_signal(&signal::ping(token));
    }

    /// Tells the peer that this end is about to leave, and may be connected to again after `hold_off`, in seconds
    /// (RFC 8323 §5.5). Requests given from now on wait for the next connection. Nothing on datagrams or without a
    /// connection.
    pub fn release(&mut self, hold_off: Duration) {
        let Some(stream) = self.stream.as_mut().filter(|stream| stream.state == State::Open) else { return };
        stream.leaving = true;
        self.send_signal(&signal::release(hold_off));
    }

    /// Whether this is a stream that is connected and was not to be left yet. The peer must not be forgotten
    /// then: what comes next by its stream can only be understood here.
    pub fn is_connected(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.state == State::Open)
    }

    /// Leaves a peer that is not heard of in time.
    pub(in super::super) fn stop_waiting(&mut self, now: Instant) {
        let Some(stream) = &self.stream else { return };
        if stream.patience.is_some_and(|at| at <= now) {
            self.abort("nothing was heard in time", None);
        }
    }

    /// Sends what can be sent.
    pub(in super::super) fn start_in_stream(&mut self, now: Instant) {
        while let Some(at) = self.next_in_stream() {
            if self.is_too_large(&self.requests[at]) && !self.begin_upload(at) {
                self.fail(at, Failure::Blockwise(Code::REQUEST_ENTITY_TOO_LARGE));
                continue;
            }
            let token = match self.requests[at].token() {
                Some(token) => token,
                None => self.fresh_token(),
            };
            let silence = self.params.exchange_lifetime();
            let silence = if self.requests[at].confirmable { silence } else { self.params.max_rtt() };
            let request = &mut self.requests[at];
            let Stage::Queued(message) = &mut request.stage else { return };
            message.address(Type::Con, 0, token);
            let frame = frame::encode(message);
            // Kept as it would be on datagrams, for whoever has to read it back.
            let transmission = Transmission::once(message.encode(), now + silence);
            request.stage = Stage::Sent(Flight { token, acknowledged: true, transmission });
            request.first_sent.get_or_insert(now);
            request.transmissions += 1;
            self.last_activity = now;
            self.send(frame);
        }
    }

    /// The first queued request that can go out. One too large for any peer waits until this one has said what
    /// it takes; and an upload until no other body is on its way, for peers keep room for one.
    pub(in super::super) fn next_in_stream(&self) -> Option<usize> {
        let stream = self.stream.as_ref().filter(|stream| stream.is_ready())?;
        let transferring =
            || self.requests.iter().any(|request| request.first_sent.is_some() && request.transfer.is_some());
        self.requests.iter().position(|request| {
            request.flight().is_none()
                && (!self.is_too_large(request) || (stream.peer.is_some() && !transferring()))
        })
    }

    /// Whether a queued request has to be parted into blocks first.
    fn is_too_large(&self, request: &Outgoing) -> bool {
        match (&request.stage, &request.transfer) {
            (Stage::Queued(message), None) => message.payload().len() > self.room(message),
            _ => false,
        }
    }

    /// Parts a queued request into blocks; false if block numbers do not reach so far.
    fn begin_upload(&mut self, at: usize) -> bool {
        let Stage::Queued(message) = &mut self.requests[at].stage else { return false };
        let whole = std::mem::replace(message, Message::request(Code::EMPTY));
        let portion = self.portion(Some(&whole));
        let Some(transfer) = Transfer::uploading(whole, portion) else { return false };
        let Some(first) = transfer.block_to_send() else { return false };
        let request = &mut self.requests[at];
        request.stage = Stage::Queued(first);
        request.transfer = Some(Box::new(transfer));
        true
    }

    /// Sends a notification, and tells how it ended.
    pub(in super::super) fn notify_in_stream(
        &mut self,
        token: Token,
        notification: Message,
        handle: Handle,
        confirmable: bool,
        now: Instant,
    ) {
        if !self.is_connected() {
            return self.notified(handle, token, Notified::TimedOut);
        }
        let notification = self.first_block(token, notification, now);
        self.send_message(notification, token, now);
        if confirmable {
            self.notified(handle, token, Notified::Acknowledged);
        }
    }

    /// Has the peer told that an observation is forgotten here (RFC 8323 appendix A.4).
    pub(in super::super) fn deregister(&mut self, observation: Handle) {
        let Some(watched) = self.relations.as_ref().map(|relations| &relations.watched) else { return };
        let (Some(token), Some(request)) = (watched.token(observation), watched.request(observation)) else {
            return;
        };
        let Ok(mut request) = Message::decode(&request) else { return };
        request.set_observe(Some(1));
        let handle = self.fresh_handle();
        self.enqueue(Outgoing {
            handle,
            purpose: Purpose::Farewell(token),
            confirmable: true,
            stage: Stage::Queued(request),
            first_sent: None,
            transmissions: 0,
            transfer: None,
        });
    }

    /// Sends a response or notification.
    pub(in super::super) fn send_message(&mut self, mut message: Message, token: Token, now: Instant) {
        message.address(Type::Non, 0, token);
        self.last_activity = now;
        self.send(frame::encode(&message));
    }

    pub(super) fn send_signal(&mut self, signal: &Message) {
        self.send(frame::encode(signal));
    }
}
