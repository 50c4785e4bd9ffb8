//! Both ends of an exchange in one test, on virtual time and over a link that does what the test says.

mod blockwise;
mod codec;
mod exchanges;
mod hostile;
mod kinds;
mod limits;
mod lossy;
mod notifying;
mod observing;
mod retransmission;
mod streams;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::base::{Instant, Seed};

const A: usize = 0;
const B: usize = 1;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn exchange(params: &Params, name: &str) -> Exchange {
    Exchange::new(Arc::new(params.clone()), Seed(7).child(name, 0).rng())
}

/// Everything an exchange has to give.
fn drain(exchange: &mut Exchange) -> (Vec<Vec<u8>>, Vec<Event>) {
    let (mut datagrams, mut events) = (Vec::new(), Vec::new());
    while let Some(output) = exchange.poll_output() {
        match output {
            Output::Send(datagram) => datagrams.push(datagram),
            Output::Event(event) => events.push(event),
        }
    }
    (datagrams, events)
}

/// The datagrams an exchange has to give, read.
fn sent(exchange: &mut Exchange) -> Vec<Message> {
    drain(exchange)
        .0
        .iter()
        .map(|datagram| Message::decode(datagram).expect("we send what we accept"))
        .collect()
}

/// A datagram that was sent.
struct Sent {
    at: Instant,
    from: usize,
    message: Message,
}

/// Delays of the copies that arrive of the n-th datagram; none if it is lost.
type Fate = Box<dyn FnMut(usize) -> Vec<Duration>>;
/// How long an answer takes, and the answer.
type Answer = Box<dyn FnMut(&Received) -> (Duration, Message)>;

/// Two exchanges and the link between them. Each end answers requests by `answer`.
struct Pair {
    now: Instant,
    ends: [Exchange; 2],
    fate: Fate,
    answer: Answer,
    /// Under way: when it arrives, at whom, and the bytes.
    wire: Vec<(Instant, usize, Vec<u8>)>,
    /// Being answered: when, by whom.
    thinking: Vec<(Instant, usize, Received, Message)>,
    /// All that was ever sent.
    log: Vec<Sent>,
    /// All that ever happened, without requests.
    events: Vec<(Instant, usize, Event)>,
    /// Requests that were handed out, repeated ones included, as method and path.
    handled: Vec<String>,
}

/// How long a datagram takes unless the test says otherwise.
const LATENCY: Duration = Duration::from_millis(10);

impl Pair {
    fn new(params: Params) -> Self {
        Pair::between(params.clone(), params)
    }

    fn between(a: Params, b: Params) -> Self {
        Pair {
            now: Instant::from_secs(1),
            ends: [exchange(&a, "a"), exchange(&b, "b")],
            fate: Box::new(|_| vec![LATENCY]),
            answer: Box::new(|_| (Duration::ZERO, Message::response(Code::CHANGED))),
            wire: Vec::new(),
            thinking: Vec::new(),
            log: Vec::new(),
            events: Vec::new(),
            handled: Vec::new(),
        }
    }

    fn answering(mut self, answer: impl FnMut(&Received) -> (Duration, Message) + 'static) -> Self {
        self.answer = Box::new(answer);
        self
    }

    fn over(mut self, fate: impl FnMut(usize) -> Vec<Duration> + 'static) -> Self {
        self.fate = Box::new(fate);
        self
    }

    fn losing(self, lost: usize) -> Self {
        self.over(move |nth| if nth == lost { vec![] } else { vec![LATENCY] })
    }

    fn request(&mut self, request: Message) -> Handle {
        let handle = self.ends[A].request(request, self.now);
        self.settle();
        handle
    }

    /// Gives out all outputs.
    fn settle(&mut self) {
        for from in [A, B] {
            while let Some(output) = self.ends[from].poll_output() {
                match output {
                    Output::Send(datagram) => self.transmit(from, datagram),
                    Output::Event(Event::Request(received)) => {
                        let path: Vec<&str> = received.message.path().collect();
                        self.handled.push(format!("{} /{}", received.message.code(), path.join("/")));
                        let (after, response) = (self.answer)(&received);
                        self.thinking.push((self.now + after, from, received, response));
                    }
                    Output::Event(event) => self.events.push((self.now, from, event)),
                }
            }
        }
    }

    fn transmit(&mut self, from: usize, datagram: Vec<u8>) {
        let message = Message::decode(&datagram).expect("an exchange sends only what is well-formed");
        for delay in (self.fate)(self.log.len()) {
            self.wire.push((self.now + delay, 1 - from, datagram.clone()));
        }
        self.log.push(Sent { at: self.now, from, message });
    }

    /// When something comes next.
    fn next(&self) -> Option<Instant> {
        let timers = self.ends.iter().filter_map(Exchange::poll_timeout).map(|(at, _)| at);
        let arrivals = self.wire.iter().map(|(at, ..)| *at);
        let answers = self.thinking.iter().map(|(at, ..)| *at);
        timers.chain(arrivals).chain(answers).min()
    }

    /// Lets so much time pass.
    fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        while self.next().is_some_and(|next| next <= until) {
            self.step();
        }
        self.now = self.now.max(until);
    }

    /// Goes on to whatever comes next; false if nothing does.
    fn step(&mut self) -> bool {
        let Some(next) = self.next() else { return false };
        self.now = self.now.max(next);
        let now = self.now;
        if let Some(at) = self.thinking.iter().position(|(at, ..)| *at <= now) {
            let (_, by, received, response) = self.thinking.remove(at);
            self.ends[by].respond(received, response, now);
        } else if let Some(at) = self.wire.iter().position(|(at, ..)| *at <= now) {
            let (_, to, datagram) = self.wire.remove(at);
            self.ends[to].handle_input(&datagram, now);
        } else {
            self.ends.iter_mut().for_each(|end| end.handle_timeout(now));
        }
        self.settle();
        true
    }

    /// Until nothing is left to do, and everything is forgotten.
    fn run(&mut self) {
        let steps = (0..100_000).take_while(|_| self.step()).count();
        assert!(steps < 100_000, "this never ends");
        assert!(self.ends.iter().all(|end| end.is_idle() && end.heap() == 0));
    }

    /// How the requests of `A` ended, in order.
    fn outcomes(&self) -> Vec<(Handle, Result<&Message, Failure>)> {
        self.events
            .iter()
            .filter_map(|(_, end, event)| match event {
                Event::Response { handle, message, .. } if *end == A => Some((*handle, Ok(message))),
                Event::Failed { handle, why } if *end == A => Some((*handle, Err(*why))),
                _ => None,
            })
            .collect()
    }

    /// The one response there must be.
    fn response(&self) -> &Message {
        match self.outcomes()[..] {
            [(_, Ok(message))] => message,
            ref other => panic!("not one response but {other:?}"),
        }
    }

    fn count(&self, wanted: Stat) -> usize {
        self.events
            .iter()
            .filter(|(_, _, event)| matches!(event, Event::Stat(stat) if *stat == wanted))
            .count()
    }

    fn noises(&self) -> Vec<Noise> {
        let noise = |(_, _, event): &(Instant, usize, Event)| match event {
            Event::Noise(noise) => Some(*noise),
            _ => None,
        };
        self.events.iter().filter_map(noise).collect()
    }

    /// What went over the wire, as `A CON 0.02`.
    fn trace(&self) -> Vec<String> {
        let name = |from: usize| if from == A { "A" } else { "B" };
        let line =
            |sent: &Sent| format!("{} {:?} {}", name(sent.from), sent.message.kind(), sent.message.code());
        self.log.iter().map(line).collect()
    }
}

fn post() -> Message {
    Message::request(Code::POST).with_path(&["rd"])
}

fn get() -> Message {
    Message::request(Code::GET).with_path(&["3", "0"])
}

/// A body in which every place can be told from every other.
fn body(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at ^ (at >> 8) ^ (at >> 3)) as u8).collect()
}
