//! stub: all CoAP exchanges with one peer
use super::{Code, Malformed, Message, Params};
use crate::base::{Instant, Rng};
use std::sync::Arc;

pub struct Exchange {}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handle(pub u32);
/// A request from the peer, whole (blocks already put together), to be answered by `respond`.
#[derive(Debug)]
pub struct Received {
    pub message: Message,
}
#[derive(Debug)]
pub enum Output {
    Send(Vec<u8>),
    Event(Event),
}
#[derive(Debug)]
pub enum Event {
    /// Answer it with `respond(received, ..)`, now or later (an Empty ACK goes out by itself if it is not answered within the processing delay).
    Request(Received),
    Response {
        handle: Handle,
        message: Message,
        sent: Instant,
        transmissions: u32,
    },
    Failed {
        handle: Handle,
        why: Failure,
    },
    Noise(Noise),
    Stat(Stat),
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    Timeout,
    Reset,
    Abandoned,
    Blockwise(Code),
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Noise {
    Malformed(Malformed),
    UnmatchedAck,
    UnmatchedResponse,
    UnmatchedReset,
    Ping,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stat {
    Retransmitted,
    Duplicate,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Retransmit,
    AwaitResponse,
    SeparateAck,
    Forget,
}
impl Exchange {
    pub fn new(_params: Arc<Params>, _rng: Rng) -> Self {
        todo!()
    }
    pub fn request(&mut self, _request: Message, _now: Instant) -> Handle {
        todo!()
    }
    pub fn respond(&mut self, _to: Received, _response: Message, _now: Instant) {
        todo!()
    }
    /// Give up one request: its answer, should it come, is reset/ignored. Emits Failed{Abandoned}.
    pub fn abandon(&mut self, _handle: Handle) {
        todo!()
    }
    pub fn abandon_all(&mut self) {
        todo!()
    }
    pub fn handle_input(&mut self, _datagram: &[u8], _now: Instant) {
        todo!()
    }
    pub fn handle_timeout(&mut self, _now: Instant) {
        todo!()
    }
    pub fn poll_output(&mut self) -> Option<Output> {
        todo!()
    }
    pub fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        todo!()
    }
    /// Requests begun and not yet answered, failed or abandoned (queued ones under NSTART included).
    pub fn in_flight(&self) -> usize {
        todo!()
    }
    /// Nothing under way: a peer that may be forgotten once `exchange_lifetime` has passed since the last message.
    pub fn is_idle(&self) -> bool {
        todo!()
    }
    pub fn last_activity(&self) -> Instant {
        todo!()
    }
}
