//! Both ends of a stream in one test (RFC 8323), on virtual time and in pieces of any size.

mod bodies;
mod connections;
mod framing;
mod hostile;
mod signals;

use super::super::stream::frame;
use super::*;

fn over_stream(params: &Params, name: &str) -> Exchange {
    Exchange::over(Transport::Stream, Arc::new(params.clone()), Seed(7).child(name, 0).rng())
}

/// The frames an exchange has to give, read, and what it tells.
fn given(exchange: &mut Exchange) -> (Vec<Message>, Vec<Event>) {
    let (frames, events) = drain(exchange);
    (frames.iter().map(|frame| frame::decode(frame).expect("a whole frame")).collect(), events)
}

/// A connected exchange whose peer is played by the test; the CSM of each has been told.
fn connected(params: &Params, csm: &[u8]) -> Exchange {
    let mut exchange = over_stream(params, "a");
    exchange.connected(NOW);
    exchange.handle_input(csm, NOW);
    let (messages, events) = given(&mut exchange);
    assert_eq!((messages.len(), messages[0].code(), events.len()), (1, Code::CSM, 0));
    exchange
}

const NOW: Instant = Instant::from_secs(1);

/// The CSM of a peer that says nothing of itself.
const PLAIN: &[u8] = &[0x00, 0xe1];
/// The base values, and blocks.
const BASE: &[u8] = &[0x40, 0xe1, 0x22, 0x04, 0x80, 0x20];

fn with_token(mut message: Message, token: Token) -> Vec<u8> {
    message.address(Type::Non, 0, token);
    frame::encode(&message)
}

/// A request of the peer.
fn asked(request: Message, token: u8) -> Vec<u8> {
    with_token(request, Token::new(&[token]).expect("short"))
}

/// The requests among these events.
fn requests(events: Vec<Event>) -> Vec<Received> {
    let request = |event| match event {
        Event::Request(received) => Some(received),
        _ => None,
    };
    events.into_iter().filter_map(request).collect()
}

/// Two ends and the stream between them. `B` answers by `answer`.
struct Stream {
    now: Instant,
    ends: [Exchange; 2],
    /// Bytes under way to each end.
    wire: [Vec<u8>; 2],
    /// How many of them arrive next.
    piece: Box<dyn FnMut() -> usize>,
    answer: Box<dyn FnMut(&Received) -> Message>,
    log: Vec<(usize, Message)>,
    events: Vec<(usize, Event)>,
}

impl Stream {
    fn new(params: &Params, answer: impl FnMut(&Received) -> Message + 'static) -> Self {
        Stream {
            now: NOW,
            ends: [over_stream(params, "a"), over_stream(params, "b")],
            wire: [Vec::new(), Vec::new()],
            piece: Box::new(|| usize::MAX),
            answer: Box::new(answer),
            log: Vec::new(),
            events: Vec::new(),
        }
    }

    fn connect(&mut self) {
        self.ends.iter_mut().for_each(|end| end.connected(self.now));
    }

    fn lose(&mut self) {
        self.wire.iter_mut().for_each(Vec::clear);
        self.ends.iter_mut().for_each(|end| end.lost(self.now));
    }

    /// Until nothing is under way.
    fn run(&mut self) {
        loop {
            for from in [A, B] {
                while let Some(output) = self.ends[from].poll_output() {
                    match output {
                        Output::Send(bytes) => {
                            self.log.push((from, frame::decode(&bytes).expect("a whole frame")));
                            self.wire[1 - from].extend(bytes);
                        }
                        Output::Event(Event::Request(received)) => {
                            let response = (self.answer)(&received);
                            self.ends[from].respond(received, response, self.now);
                        }
                        Output::Event(event) => self.events.push((from, event)),
                    }
                }
            }
            let Some(to) = [A, B].into_iter().find(|to| !self.wire[*to].is_empty()) else {
                if self.ends.iter().any(|end| end.poll_timeout().is_some_and(|(_, why)| why == Reason::Start))
                {
                    self.ends.iter_mut().for_each(|end| end.handle_timeout(self.now));
                    continue;
                }
                return;
            };
            let piece = (self.piece)().clamp(1, self.wire[to].len());
            let bytes: Vec<u8> = self.wire[to].drain(..piece).collect();
            self.ends[to].handle_input(&bytes, self.now);
        }
    }

    /// The token of the first GET.
    fn token_asked(&self) -> Token {
        self.log.iter().find(|(_, message)| message.code() == Code::GET).expect("asked").1.token()
    }

    /// How the requests of `A` ended, in order.
    fn outcomes(&self) -> Vec<Result<&Message, Failure>> {
        self.events
            .iter()
            .filter_map(|(end, event)| match event {
                Event::Response { message, .. } if *end == A => Some(Ok(message)),
                Event::Failed { why, .. } if *end == A => Some(Err(*why)),
                _ => None,
            })
            .collect()
    }
}
