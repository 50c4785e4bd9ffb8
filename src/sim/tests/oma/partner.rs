//! The other end of the wire, played by a case.

use std::net::SocketAddr;

use super::*;
use crate::protocol::coap::{Event, Exchange, Handle, Output, Params, Received};

/// One server at an address of the world where none is, talking to meter 0.
pub(super) struct Partner {
    address: SocketAddr,
    pub exchange: Exchange,
    /// What the meter asked and nobody has answered.
    pub heard: Vec<Received>,
    answers: Vec<(Handle, Message)>,
    /// Notifications, and when each came.
    pub notified: Vec<(Instant, Handle, Message)>,
}

impl Partner {
    pub(super) fn new(address: SocketAddr) -> Self {
        let exchange = Exchange::new(Arc::new(Params::default()), Seed(77).rng());
        Partner { address, exchange, heard: Vec::new(), answers: Vec::new(), notified: Vec::new() }
    }

    pub(super) fn answer(&mut self, to: Received, answer: Message, now: Instant) {
        self.exchange.respond(to, answer, now);
    }

    pub(super) fn answered(&self, handle: Handle) -> bool {
        self.answers.iter().any(|(theirs, _)| *theirs == handle)
    }

    pub(super) fn take_answer(&mut self, handle: Handle) -> Option<Message> {
        let at = self.answers.iter().position(|(theirs, _)| *theirs == handle)?;
        Some(self.answers.remove(at).1)
    }

    /// When it has something to do by itself.
    pub(super) fn due(&self) -> Option<Instant> {
        self.exchange.poll_timeout().map(|(at, _)| at)
    }

    /// Takes what was sent here and sends what is to be sent.
    pub(super) fn settle(&mut self, world: &mut World) {
        let now = world.now();
        for bytes in world.take_strays(self.address) {
            self.exchange.handle_input(&bytes, now);
        }
        while let Some(output) = self.exchange.poll_output() {
            match output {
                Output::Send(bytes) => world.inject_to_meter(0, self.address, &bytes),
                Output::Event(Event::Request(received)) => self.heard.push(received),
                Output::Event(Event::Response { handle, message, .. }) => {
                    self.answers.push((handle, message));
                }
                Output::Event(Event::Notification { handle, message, .. }) => {
                    self.notified.push((now, handle, message));
                }
                Output::Event(_) => {}
            }
        }
    }
}
