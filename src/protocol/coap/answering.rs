//! The answering half of [`Exchange`]: requests of the peer and our responses (RFC 7252 §4.5, §5.2,
//! RFC 7959).

use super::block::{Block, Portion};
use super::bodies::Asked;
use super::dedup::{Evicted, Key, Seen, Stage};
use super::event::{Event, Noise, Received, Stat};
use super::exchange::Exchange;
use super::header::{self, Code, Token, Type};
use super::message::Message;
use super::transmission::Transmission;
use crate::base::Instant;

/// Separate responses that may wait for their acknowledgement at the same time; those beyond it go out
/// as Non-confirmable, which RFC 7252 §5.2.2 leaves open, so that a mute peer cannot pile them up.
const MAX_RESPONSES: usize = 16;

impl Exchange {
    /// Answers a request: in the acknowledgement while there is none yet, on its own afterwards; a
    /// Non-confirmable request by a Non-confirmable response. In blocks if the payload is larger than
    /// [`Params::block_size`](super::Params::block_size), or than the peer asked for.
    ///
    /// Over a stream simply by a message with its token; in blocks if it is larger than the peer takes. To a
    /// request from a connection that is gone there is no answer (RFC 8323 §3.3: over the same connection):
    /// that is [`Stat::ResponseUnacknowledged`].
    pub fn respond(&mut self, to: Received, response: Message, now: Instant) {
        let request = to.message;
        if self.outlived(&request) {
            return self.stat(Stat::ResponseUnacknowledged);
        }
        let response = self.cut(&request, response, now);
        self.note_observer(&request, &response);
        self.answer(&request, response, None, now);
        self.settled(&request);
    }

    /// Lets a request go unanswered and forgets that it came: when the peer sends it again, it is given out
    /// again.
    pub fn ignore(&mut self, received: Received) {
        self.seen.disregard(Key::of(&received.message));
        self.settled(&received.message);
    }

    /// Answers a request with a Reset, as a peer does that cannot make sense of it (RFC 7252 §4.2, §4.3), and
    /// forgets that it came. Nothing is sent if an Empty acknowledgement went out already, nor over a stream,
    /// which knows no Reset: there it is [`Exchange::ignore`].
    pub fn reset(&mut self, received: Received) {
        if self.stream.is_some() {
            return self.ignore(received);
        }
        let request = received.message;
        let key = Key::of(&request);
        if request.kind() == Type::Non || self.seen.is_open(key) {
            self.send(header::empty(Type::Rst, request.mid()));
        }
        self.seen.disregard(key);
    }

    /// Takes a request out of a datagram.
    pub(super) fn on_request(&mut self, request: Message, now: Instant) {
        let key = Key::of(&request);
        let lifetime = self.params.exchange_lifetime();
        let mut repeated = false;
        if let Some((stage, cached)) = self.seen.find(key, now, lifetime) {
            let cached = cached.map(<[u8]>::to_vec);
            self.stat(Stat::Duplicate);
            repeated = stage == Stage::Again;
            if !repeated {
                self.replay(&request, stage, cached);
                return;
            }
        }
        self.on_new_request(request, key, repeated, now);
    }

    /// Takes a request that has to be looked at.
    pub(super) fn on_new_request(&mut self, request: Message, key: Key, repeated: bool, now: Instant) {
        if request.unknown_critical().is_some() {
            // RFC 7252 §5.4.1: 4.02 for a Confirmable request, silence for another.
            self.noise(Noise::CriticalOption);
            if request.kind() == Type::Con {
                self.refuse(&request, Code::BAD_OPTION, now);
            }
            return;
        }
        if self.largest_szx() < Block::BERT && request.has_reserved_block() {
            // RFC 7959 §2.2.
            self.refuse(&request, Code::BAD_REQUEST, now);
            return;
        }
        let Some(request) = self.assembled(request, now) else { return };
        if self.served(&request, now) {
            return;
        }
        let stage = if request.kind() == Type::Con { Stage::Open } else { Stage::Silent };
        self.remember(key, stage, None, now);
        self.opened();
        self.event(Event::Request(Received { message: request, repeated }));
    }

    /// Gives a duplicate what the first one got.
    fn replay(&mut self, request: &Message, stage: Stage, cached: Option<Vec<u8>>) {
        match stage {
            Stage::Acknowledged => self.send(header::empty(Type::Ack, request.mid())),
            Stage::Code(code) => {
                let mut response = Message::response(code);
                self.echo_block1(request, &mut response);
                response.address(Type::Ack, request.mid(), request.token());
                self.send(response.encode());
            }
            Stage::Cached => cached.into_iter().for_each(|datagram| self.send(datagram)),
            // The answer is on its way, or the message was Non-confirmable (RFC 7252 §4.3).
            Stage::Open | Stage::Silent | Stage::Again => {}
        }
    }

    /// The request with its whole body; `None` if this was a part of it, which is answered then.
    fn assembled(&mut self, mut request: Message, now: Instant) -> Option<Message> {
        let Some(block) = request.block1().filter(|block| block.num > 0 || block.more) else {
            return Some(request);
        };
        let bodies = self.bodies.get_or_insert_default();
        let answer = bodies.take(&mut request, block, &self.params, now);
        self.bodies.take_if(|bodies| bodies.is_empty());
        match answer {
            None => Some(request),
            Some(response) => {
                let stage = Stage::Code(response.code());
                self.answer_now(&request, response, stage, now);
                None
            }
        }
    }

    /// Whether the request asked for a further block of a body of ours, and got it.
    fn served(&mut self, request: &Message, now: Instant) -> bool {
        let Some(wanted) = request.block2().filter(|block| block.num > 0) else { return false };
        let portion = self.portion(None).limited(wanted.szx);
        let bodies = self.bodies.as_mut();
        let wanted = (wanted.offset(), portion);
        let block = bodies.and_then(|bodies| bodies.serve(request, wanted, &self.params, now));
        let response = match block {
            Some(block) => block,
            // Made anew by whoever answers requests; what is not safe must not be done again for it.
            None if request.code().is_safe() => return false,
            None => Message::response(Code::REQUEST_ENTITY_INCOMPLETE),
        };
        self.answer_now(request, response, Stage::Again, now);
        true
    }

    /// Fits a response to the block options of its request (RFC 7959 §2.3, §2.4).
    fn cut(&mut self, request: &Message, mut response: Message, now: Instant) -> Message {
        self.echo_block1(request, &mut response);
        let asked = request.block2();
        let offset = asked.map_or(0, Block::offset);
        let len = response.payload().len();
        let portion = match asked {
            Some(wanted) => self.portion(Some(&response)).limited(wanted.szx),
            None if len <= self.room(&response) => return response,
            None => self.portion(Some(&response)),
        };
        if offset == 0 && len <= portion.span() {
            if response.code().is_success() {
                response.set_block2(portion.at(0, len));
            }
            return response;
        }
        if !response.code().is_success() && len <= portion.span() {
            return response;
        }
        if !portion.reaches(len) {
            return Message::response(Code::INTERNAL_SERVER_ERROR);
        }
        let bodies = self.bodies.get_or_insert_default();
        bodies.hand_out(Asked::by(request), response, (offset, portion), &self.params, now)
    }

    /// Names in a success the block of the request's body that it answers, with the size we would rather
    /// have (RFC 7959 §2.3).
    fn echo_block1(&self, request: &Message, response: &mut Message) {
        if let (Some(block), true) = (request.block1(), response.code().is_success()) {
            let more = response.code() == Code::CONTINUE;
            response.set_block1(Block { num: block.num, more, szx: block.szx.min(self.largest_szx()) });
        }
    }

    /// The largest size exponent of a block that the peer may use, or that we ask for.
    pub(super) fn largest_szx(&self) -> u8 {
        if self.stream.is_some() { Block::BERT } else { self.params.szx() }
    }

    /// The largest payload that goes to the peer in one piece with the options of `message`.
    pub(super) fn room(&self, message: &Message) -> usize {
        match &self.stream {
            None => usize::from(self.params.block_size),
            Some(stream) => stream.room(message),
        }
    }

    /// How large bodies are parted that go to the peer with the options of `message`, or with some.
    pub(super) fn portion(&self, message: Option<&Message>) -> Portion {
        match &self.stream {
            None => Portion::block(self.params.szx()),
            Some(stream) => stream.portion(message),
        }
    }

    /// Answers a request with a bare code, without giving it out.
    fn refuse(&mut self, request: &Message, code: Code, now: Instant) {
        self.answer_now(request, Message::response(code), Stage::Code(code), now);
    }

    /// Answers a request that is not given out; a Confirmable one is remembered as `stage`.
    fn answer_now(&mut self, request: &Message, mut response: Message, stage: Stage, now: Instant) {
        self.echo_block1(request, &mut response);
        let open = if request.kind() == Type::Con { Stage::Open } else { Stage::Silent };
        self.remember(Key::of(request), open, None, now);
        self.answer(request, response, Some(stage), now);
    }

    /// Sends the answer to a request, and remembers it: as `stage`, or as what suits it.
    fn answer(&mut self, request: &Message, mut response: Message, stage: Option<Stage>, now: Instant) {
        self.last_activity = now;
        let (mid, token) = (request.mid(), request.token());
        if request.declines(response.code()) {
            return self.answer_in_silence(request);
        }
        if self.stream.is_some() {
            return self.send_message(response, token, now);
        }
        if request.kind() == Type::Non {
            let mid = self.fresh_mid();
            response.address(Type::Non, mid, token);
            self.send(response.encode());
            return;
        }
        let key = Key::of(request);
        if self.seen.is_open(key) {
            response.address(Type::Ack, mid, token);
            let datagram = response.encode();
            let (stage, cached) = match stage {
                Some(stage) => (stage, None),
                None => Seen::memory_of(request, &response, &datagram),
            };
            self.seen.answered(key, stage, cached);
            self.send(datagram);
        } else {
            // An Empty acknowledgement went out; the duplicates of the request get it again.
            self.separate(response, token, now);
        }
    }

    /// Sends no response, as the request wishes: only that it came, if it is Confirmable (RFC 7967 §2.1).
    fn answer_in_silence(&mut self, request: &Message) {
        if self.seen.answered(Key::of(request), Stage::Acknowledged, None) {
            self.send(header::empty(Type::Ack, request.mid()));
        }
    }

    /// Sends a response on its own (RFC 7252 §5.2.2).
    fn separate(&mut self, mut response: Message, token: Token, now: Instant) {
        let mid = self.fresh_mid();
        if self.responses.len() >= MAX_RESPONSES {
            response.address(Type::Non, mid, token);
            self.send(response.encode());
            return;
        }
        response.address(Type::Con, mid, token);
        let datagram = response.encode();
        let transmission = Transmission::start(mid, datagram.clone(), &self.params, &mut self.rng, now);
        self.responses.push(transmission);
        self.send(datagram);
    }

    /// Ends a separate response; false if there is none with this message id.
    pub(super) fn end_response(&mut self, mid: u16) -> bool {
        let Some(at) = self.responses.iter().position(|response| response.mid == mid) else { return false };
        self.remove_response(at);
        true
    }

    pub(super) fn remove_response(&mut self, at: usize) {
        self.responses.swap_remove(at);
        if self.responses.is_empty() {
            self.responses = Vec::new();
        }
    }

    pub(super) fn remember(&mut self, key: Key, stage: Stage, cached: Option<Vec<u8>>, now: Instant) {
        if self.stream.is_some() {
            // RFC 8323 §3.3: a stream neither loses nor doubles what it carries.
            return;
        }
        match self.seen.insert(key, stage, cached, now, self.params.exchange_lifetime()) {
            None => {}
            Some(Evicted::Answered) => self.stat(Stat::DedupEvicted),
            Some(Evicted::Open(mid)) => {
                self.send(header::empty(Type::Ack, mid));
                self.stat(Stat::DedupEvicted);
            }
        }
    }
}
