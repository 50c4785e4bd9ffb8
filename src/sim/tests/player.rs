//! A server played by a test: it hears what a meter says and answers as the test likes.

use super::*;
use crate::protocol::coap::{self, Exchange, Message, Received};

/// One server at an address of the world where none is, talking to meter 0.
pub(super) struct Player {
    address: SocketAddr,
    exchange: Exchange,
    heard: Vec<Received>,
    answers: Vec<Message>,
}

impl Player {
    /// A server at `address`, which is [`World::BOOTSTRAP`] or [`World::EMS`].
    pub(super) fn new(address: SocketAddr) -> Self {
        let exchange = Exchange::new(Arc::new(Params::default()), Seed(77).rng());
        Player { address, exchange, heard: Vec::new(), answers: Vec::new() }
    }

    /// Lets the world run until the meter asks something, for `patience` at the most.
    pub(super) fn try_hear(&mut self, world: &mut World, patience: Duration) -> Option<Received> {
        self.listen(world, patience, |player| !player.heard.is_empty());
        (!self.heard.is_empty()).then(|| self.heard.remove(0))
    }

    /// The same for a meter that is known to ask within ten minutes.
    pub(super) fn hear(&mut self, world: &mut World) -> Received {
        self.try_hear(world, Duration::from_secs(600)).expect("the meter has something to ask")
    }

    pub(super) fn answer(&mut self, world: &mut World, to: Received, answer: Message) {
        self.exchange.respond(to, answer, world.now());
        self.flush(world);
    }

    /// Hears and answers with `answer`; what was heard.
    pub(super) fn serve(&mut self, world: &mut World, answer: Message) -> Message {
        let heard = self.hear(world);
        let message = heard.message.clone();
        self.answer(world, heard, answer);
        message
    }

    /// Has the meter carry out a command; its answer.
    pub(super) fn command(&mut self, world: &mut World, command: Message) -> Message {
        self.exchange.request(command, world.now());
        self.flush(world);
        self.listen(world, Duration::from_secs(10), |player| !player.answers.is_empty());
        self.answers.pop().expect("the meter answers")
    }

    /// The same for the code of the answer.
    pub(super) fn code(&mut self, world: &mut World, command: Message) -> coap::Code {
        self.command(world, command).code()
    }

    fn listen(&mut self, world: &mut World, patience: Duration, done: impl Fn(&Player) -> bool) {
        let limit = world.now() + patience;
        loop {
            for bytes in world.take_strays(self.address) {
                self.exchange.handle_input(&bytes, world.now());
            }
            self.flush(world);
            if done(self) {
                return;
            }
            let now = world.now();
            world.run_until(now, |world| world.has_strays(self.address));
            if world.has_strays(self.address) {
                continue;
            }
            if !world.run_until(limit, |world| world.has_strays(self.address)) {
                return;
            }
        }
    }

    fn flush(&mut self, world: &mut World) {
        while let Some(output) = self.exchange.poll_output() {
            match output {
                coap::Output::Send(bytes) => world.inject_to_meter(0, self.address, &bytes),
                coap::Output::Event(coap::Event::Request(received)) => self.heard.push(received),
                coap::Output::Event(coap::Event::Response { message, .. }) => self.answers.push(message),
                coap::Output::Event(_) => {}
            }
        }
    }
}
