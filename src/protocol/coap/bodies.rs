//! The answering side of a block-wise transfer (RFC 7959): request bodies that come in by Block1 are put
//! together, response bodies too large for one datagram are handed out by Block2.
//!
//! One body each way and per peer is kept, for a while after it was last touched; a peer cannot make it
//! more.

use std::hash::Hasher as _;

use rustc_hash::FxHasher;

use super::block::{Block, Portion};
use super::header::Code;
use super::message::Message;
use super::params::Params;
use crate::base::Instant;

/// The bodies of one peer. Boxed where it is kept, since most peers never need it.
#[derive(Default)]
pub(super) struct Bodies {
    assembly: Option<Assembly>,
    serving: Option<Serving>,
}

/// Which request a body answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    /// Its method and options.
    key: u64,
    /// Of a FETCH with a payload: what that is, for it is part of the question (RFC 8132 §2.1).
    payload: Option<u64>,
    /// Whether the request may be handled again should the body be gone.
    safe: bool,
}

impl Asked {
    pub fn by(request: &Message) -> Asked {
        let asks = request.code() == Code::FETCH && !request.payload().is_empty();
        Asked {
            key: request.body_key(),
            payload: asks.then(|| request.payload_key()),
            safe: request.code().is_safe(),
        }
    }

    /// Whether a request for a further block means the same body. The payload of a FETCH that came in
    /// blocks itself does not come again.
    fn continued_by(self, request: Asked) -> bool {
        self.key == request.key && (request.payload.is_none() || self.payload == request.payload)
    }
}

/// A request body that is coming in.
struct Assembly {
    /// Of which request.
    key: u64,
    body: Vec<u8>,
    until: Instant,
}

/// A response body that is being fetched.
struct Serving {
    asked: Asked,
    /// The response without its body.
    head: Message,
    body: Vec<u8>,
    until: Instant,
}

impl Bodies {
    /// Takes one block of a request's body. `None` when that makes the request whole; otherwise what to
    /// answer, and the request is left without payload.
    pub fn take(
        &mut self,
        request: &mut Message,
        block: Block,
        params: &Params,
        now: Instant,
    ) -> Option<Message> {
        let key = request.body_key();
        let payload = request.take_payload();
        if block.more && !block.is_filled_by(payload.len()) {
            // RFC 7959 §2.3: only the last block may be short.
            return Some(Message::response(Code::BAD_REQUEST));
        }
        if request.size1().is_some_and(|size| size as usize > params.max_body) {
            return Some(too_large(params));
        }
        let mut assembly = match self.assembly.take() {
            // §2.5: number 0 begins anew, whatever came before.
            _ if block.num == 0 => Assembly { key, body: Vec::new(), until: now },
            Some(assembly) if assembly.key == key && assembly.body.len() == block.offset() => assembly,
            // §2.9.2: not the block that follows. What was collected so far stays as it is.
            other => {
                self.assembly = other;
                return Some(Message::response(Code::REQUEST_ENTITY_INCOMPLETE));
            }
        };
        if assembly.body.len() + payload.len() > params.max_body {
            return Some(too_large(params));
        }
        assembly.body.extend_from_slice(&payload);
        if block.more {
            assembly.until = now + params.exchange_lifetime();
            self.assembly = Some(assembly);
            return Some(Message::response(Code::CONTINUE));
        }
        request.set_payload(assembly.body);
        None
    }

    /// The portion at `offset` that `request` asks for, if it is of the body being handed out.
    pub fn serve(
        &mut self,
        request: &Message,
        (offset, portion): (usize, Portion),
        params: &Params,
        now: Instant,
    ) -> Option<Message> {
        let asked = Asked::by(request);
        let serving = self.serving.as_mut().filter(|serving| serving.asked.continued_by(asked))?;
        serving.until = now + params.exchange_lifetime();
        Some(serving.block(offset, portion))
    }

    /// Begins to hand out the body of `response`, with the portion at this offset.
    pub fn hand_out(
        &mut self,
        asked: Asked,
        response: Message,
        (offset, portion): (usize, Portion),
        params: &Params,
        now: Instant,
    ) -> Message {
        let serving = Serving::new(asked, response, now + params.exchange_lifetime());
        let first = serving.block(offset, portion);
        // A body that can be made anew, block by block if need be, does not push out one that cannot.
        if !asked.safe || self.serving.as_ref().is_none_or(|kept| kept.asked.safe || kept.asked == asked) {
            self.serving = Some(serving);
        }
        first
    }

    /// When something kept here can go.
    pub fn next_expiry(&self) -> Option<Instant> {
        let assembly = self.assembly.as_ref().map(|assembly| assembly.until);
        let serving = self.serving.as_ref().map(|serving| serving.until);
        assembly.into_iter().chain(serving).min()
    }

    /// Drops what nobody touched for long enough.
    pub fn expire(&mut self, now: Instant) {
        self.assembly.take_if(|assembly| assembly.until <= now);
        self.serving.take_if(|serving| serving.until <= now);
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.assembly.is_none() && self.serving.is_none()
    }

    /// Bytes in the bodies.
    #[cfg(test)]
    pub fn heap(&self) -> usize {
        self.assembly.as_ref().map_or(0, |assembly| assembly.body.capacity())
            + self.serving.as_ref().map_or(0, |serving| serving.body.capacity())
    }

    /// Whether a request body is coming in.
    pub fn is_assembling(&self) -> bool {
        self.assembly.is_some()
    }
}

/// The first block of a body that is not kept.
pub(super) fn first_block(response: Message, portion: Portion) -> Message {
    let asked = Asked { key: 0, payload: None, safe: true };
    Serving::new(asked, response, Instant::ZERO).block(0, portion)
}

impl Serving {
    fn new(asked: Asked, mut response: Message, until: Instant) -> Serving {
        let body = response.take_payload();
        if response.etag().is_none() {
            // RFC 7959 §2.4: tells the blocks of this body from those of one made anew later.
            let mut hasher = FxHasher::default();
            hasher.write(&body);
            response.set_etag(&hasher.finish().to_be_bytes()[..4]);
        }
        Serving { asked, head: response, body, until }
    }

    fn block(&self, offset: usize, portion: Portion) -> Message {
        if offset >= self.body.len() {
            return Message::response(Code::BAD_REQUEST);
        }
        let block = portion.at(offset, self.body.len());
        let end = self.body.len().min(offset + portion.span());
        let mut response = self.head.clone();
        if block.num > 0 {
            // RFC 7959 §3.3, §2.6: the echo of Block1 and Observe come with the first block only.
            response.clear_block_options();
        }
        response.set_block2(block);
        if block.num == 0 {
            response.set_size2(self.body.len());
        }
        response.set_payload(self.body[offset..end].to_vec());
        response
    }
}

/// 4.13 with the largest size that would do (RFC 7959 §2.9.3).
fn too_large(params: &Params) -> Message {
    let mut response = Message::response(Code::REQUEST_ENTITY_TOO_LARGE);
    response.set_size1(params.max_body);
    response
}
