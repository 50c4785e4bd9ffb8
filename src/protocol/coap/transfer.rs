//! The requesting side of a block-wise transfer (RFC 7959): a request's body goes up by Block1, a
//! response's body comes down by Block2. One request and one response as far as the caller can see.
//!
//! ```text
//! Upload: block 0 -> 2.31 -> block 1 -> 2.31 -> .. -> last block -> the response, whole or
//! Fetch:                                              its first block -> ask for 1 -> .. -> last block
//! ```

use super::block::{Block, Portion, size_of_szx};
use super::header::Code;
use super::message::Message;
use super::params::Params;

/// What a response leads to.
#[derive(Debug)]
pub(super) enum Step {
    /// The exchange is over with this response, whole.
    Done(Message),
    /// This is the next request to send.
    Next(Message),
    /// The transfer cannot go on; the code of the response that ended it, or 4.13 if the body is larger
    /// than accepted here.
    Broken(Code),
}

/// A request that takes, or a response that took, more than one block.
pub(super) struct Transfer {
    /// The request without what belongs to a single block.
    request: Message,
    upload: Option<Upload>,
    fetch: Option<Fetch>,
}

/// A body on its way up.
struct Upload {
    body: Vec<u8>,
    /// Where the block under way begins.
    offset: usize,
    portion: Portion,
    /// Whether the peer lost its part once already.
    restarted: bool,
}

/// A body on its way down.
struct Fetch {
    /// The first response, which speaks for all.
    head: Message,
    body: Vec<u8>,
}

/// Takes a response to the request that was sent as `datagram`, and tells what comes next.
///
/// `slot` is filled when the response turns out to be the first of several blocks. `szx` is the largest size
/// exponent to ask for; [`Block::BERT`] is none that the peer may use unless it is that.
pub(super) fn advance(
    slot: &mut Option<Box<Transfer>>,
    datagram: &[u8],
    response: Message,
    szx: u8,
    params: &Params,
) -> Step {
    if szx < Block::BERT && response.has_reserved_block() {
        return Step::Broken(response.code());
    }
    let transfer = match slot {
        Some(transfer) => transfer,
        // By far the most common: no blocks at all.
        None if is_whole(&response) => return Step::Done(response),
        None => match Message::decode(datagram) {
            // The caller deals with blocks itself.
            Ok(request) if request.block2().is_some() => return Step::Done(response),
            // Our own request read back: cheaper than a copy of every request that is under way.
            Ok(request) => slot.insert(Box::new(Transfer::fetching(request))),
            Err(_) => return Step::Broken(response.code()),
        },
    };
    transfer.advance(response, szx, params)
}

/// Whether a response is all there is: no block option, the only block, or not worth a transfer.
fn is_whole(response: &Message) -> bool {
    !response.code().is_success() || response.block2().is_none_or(|block| block.num == 0 && !block.more)
}

impl Transfer {
    /// For a request whose body is larger than a block; `None` if block numbers do not reach so far.
    pub fn uploading(mut request: Message, portion: Portion) -> Option<Transfer> {
        let body = request.take_payload();
        let upload = Upload { offset: 0, portion, restarted: false, body };
        portion.reaches(upload.body.len()).then_some(Transfer { request, upload: Some(upload), fetch: None })
    }

    /// For a request that was sent whole.
    fn fetching(mut request: Message) -> Transfer {
        request.clear_block_options();
        if request.code() != Code::FETCH {
            // RFC 7959 §3.3: the body went with the first request. A FETCH is asked by its body (RFC 8132
            // §2.1), so there it goes with every one.
            request.take_payload();
        }
        Transfer { request, upload: None, fetch: None }
    }

    /// The request whole again, while its body is on its way up.
    pub fn uploaded(&self) -> Option<Message> {
        let Upload { body, .. } = self.upload.as_ref()?;
        let mut request = self.request.clone();
        request.set_payload(body.clone());
        Some(request)
    }

    /// Whether the request's body is on its way up.
    pub fn is_uploading(&self) -> bool {
        self.upload.is_some()
    }

    /// The block of the request's body that is to be sent now.
    pub fn block_to_send(&self) -> Option<Message> {
        let Upload { body, offset, portion, .. } = self.upload.as_ref()?;
        let block = portion.at(*offset, body.len());
        let end = body.len().min(offset + portion.span());
        let mut request = self.request.clone();
        request.set_block1(block);
        if *offset == 0 {
            request.set_size1(body.len());
        }
        request.set_payload(body[*offset..end].to_vec());
        Some(request)
    }

    fn advance(&mut self, response: Message, szx: u8, params: &Params) -> Step {
        let Some(upload) = &mut self.upload else { return self.fetch(response, szx, params) };
        match upload.advance(&response) {
            Progress::Send => match self.block_to_send() {
                Some(request) => Step::Next(request),
                None => Step::Broken(response.code()),
            },
            Progress::Broken => Step::Broken(response.code()),
            Progress::Over => {
                self.upload = None;
                // RFC 7959 §2.6: further blocks are asked for without Observe.
                self.request.set_observe(None);
                if is_whole(&response) { Step::Done(response) } else { self.fetch(response, szx, params) }
            }
        }
    }

    /// Takes a block of the response's body and asks for the next.
    fn fetch(&mut self, mut response: Message, szx: u8, params: &Params) -> Step {
        let code = response.code();
        if !code.is_success() {
            return Step::Done(response);
        }
        let Some(block) = response.block2() else { return Step::Broken(code) };
        let payload = response.take_payload();
        let body = match &mut self.fetch {
            None if block.num == 0 => {
                // The head of a notification keeps its place among the others.
                let observe = response.observe();
                response.clear_block_options();
                response.set_observe(observe);
                &mut self.fetch.insert(Fetch { head: response, body: Vec::new() }).body
            }
            // RFC 7959 §2.4: blocks with different ETags are of different bodies.
            Some(fetch) if block.offset() == fetch.body.len() && response.etag() == fetch.head.etag() => {
                &mut fetch.body
            }
            _ => return Step::Broken(code),
        };
        if body.len() + payload.len() > params.max_body {
            return Step::Broken(Code::REQUEST_ENTITY_TOO_LARGE);
        }
        if block.more && !block.is_filled_by(payload.len()) {
            return Step::Broken(code);
        }
        body.extend_from_slice(&payload);
        if block.more {
            // §2.4: the size may shrink on the way, with the number counted in the new size.
            let szx = block.szx.min(szx);
            let num = (body.len() / size_of_szx(szx)) as u32;
            let mut request = self.request.clone();
            request.set_block2(Block { num, more: false, szx });
            return Step::Next(request);
        }
        match self.fetch.take() {
            Some(Fetch { mut head, body }) => {
                head.set_payload(body);
                Step::Done(head)
            }
            None => Step::Broken(code),
        }
    }
}

/// What the answer to one block of an upload means.
enum Progress {
    /// Send the block at the new offset.
    Send,
    /// The upload is over, well or not, and this is its response.
    Over,
    /// The peer does not follow the protocol, or lost the body twice.
    Broken,
}

impl Upload {
    fn advance(&mut self, response: &Message) -> Progress {
        let sent = self.portion.at(self.offset, self.body.len());
        let acked = response.block1();
        match response.code() {
            // RFC 7959 §2.9.2: the peer misses blocks: start over, but not for ever.
            Code::REQUEST_ENTITY_INCOMPLETE if self.restarted => Progress::Broken,
            Code::REQUEST_ENTITY_INCOMPLETE => {
                self.restarted = true;
                self.offset = 0;
                Progress::Send
            }
            // §2.9.3: too large, but smaller blocks would do: start over with those.
            Code::REQUEST_ENTITY_TOO_LARGE if sent.num == 0 && acked.is_some_and(|b| b.szx < sent.szx) => {
                self.shrink(acked);
                Progress::Send
            }
            Code::CONTINUE if !sent.more => Progress::Broken,
            // §2.3: 2.31, or any success that names a block: this one was taken, and more are awaited.
            code if code.is_success() && sent.more => {
                if acked.is_none_or(|block| block.num != sent.num) {
                    return Progress::Broken;
                }
                self.offset += self.portion.span();
                self.shrink(acked);
                Progress::Send
            }
            _ => Progress::Over,
        }
    }

    /// Takes over a smaller size the peer asks for, if block numbers still reach.
    fn shrink(&mut self, asked: Option<Block>) {
        let portion = asked.map_or(self.portion, |block| self.portion.limited(block.szx));
        if portion.reaches(self.body.len()) {
            self.portion = portion;
        }
    }
}
