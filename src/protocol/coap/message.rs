//! One CoAP message (RFC 7252 §3): built by its parts, read by its parts.
//!
//! How it is held inside is this file's and `codec`'s secret.

use std::fmt;
use std::hash::Hasher as _;

use rustc_hash::FxHasher;
use smallvec::SmallVec;

use super::block::Block;
use super::header::{Code, Token, Type};
use super::option_list::OptionList;
use super::options::{self, number};

/// The number of a media type in the CoAP Content-Formats registry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ContentFormat(pub u16);

impl ContentFormat {
    /// `text/plain; charset=utf-8`
    pub const TEXT: Self = Self(0);
    /// `application/link-format`
    pub const LINK: Self = Self(40);
    /// `application/octet-stream`
    pub const OPAQUE: Self = Self(42);
    /// `application/cbor`
    pub const CBOR: Self = Self(60);
    /// `application/senml+json`
    pub const SENML_JSON: Self = Self(110);
    /// `application/senml+cbor`
    pub const SENML_CBOR: Self = Self(112);
    /// `application/senml-etch+json`
    pub const SENML_ETCH_JSON: Self = Self(320);
    /// `application/senml-etch+cbor`
    pub const SENML_ETCH_CBOR: Self = Self(322);
    /// `application/vnd.oma.lwm2m+tlv`
    pub const TLV: Self = Self(11542);
    /// `application/vnd.oma.lwm2m+json`
    pub const OMA_JSON: Self = Self(11543);
    /// `application/vnd.oma.lwm2m+cbor`
    pub const LWM2M_CBOR: Self = Self(11544);
}

/// One CoAP message.
///
/// Type, message id and token of a message that is built here are set by the exchange layer when it is
/// sent; of a received one they are as received. Its `Debug` tells the length of the payload, never the
/// bytes: keys travel in there.
#[derive(Clone)]
pub struct Message {
    pub(super) kind: Type,
    pub(super) code: Code,
    pub(super) mid: u16,
    pub(super) token: Token,
    pub(super) options: OptionList,
    pub(super) payload: Vec<u8>,
}

/// Building.
impl Message {
    /// A Confirmable request with the method `code`.
    pub fn request(code: Code) -> Self {
        Message {
            kind: Type::Con,
            code,
            mid: 0,
            token: Token::default(),
            options: OptionList::default(),
            payload: Vec::new(),
        }
    }

    /// A response with `code`; whether it goes out in an acknowledgement is up to the exchange layer.
    pub fn response(code: Code) -> Self {
        Message::request(code)
    }

    /// With these Uri-Path segments after those it has; each at most 255 bytes (RFC 7252 §5.10).
    pub fn with_path(mut self, segments: &[&str]) -> Self {
        for segment in segments {
            self.add(number::URI_PATH, segment.as_bytes());
        }
        self
    }

    /// With one more Uri-Query item, `key=value` or a bare `key`; at most 255 bytes (RFC 7252 §5.10).
    pub fn with_query(mut self, query: &str) -> Self {
        self.add(number::URI_QUERY, query.as_bytes());
        self
    }

    /// With one more Uri-Query item `key=value`; at most 255 bytes (RFC 7252 §5.10).
    pub fn with_parameter(mut self, key: &str, value: impl fmt::Display) -> Self {
        use fmt::Write as _;
        let mut item = Item::default();
        item.0.extend_from_slice(key.as_bytes());
        item.0.push(b'=');
        // Writing to memory does not fail.
        let _ = write!(item, "{value}");
        self.add(number::URI_QUERY, &item.0);
        self
    }

    /// With these Location-Path segments after those it has; each at most 255 bytes (RFC 7252 §5.10).
    pub fn with_location(mut self, segments: &[&str]) -> Self {
        for segment in segments {
            self.add(number::LOCATION_PATH, segment.as_bytes());
        }
        self
    }

    /// With this Content-Format.
    pub fn with_content_format(mut self, format: ContentFormat) -> Self {
        self.set_uint(number::CONTENT_FORMAT, u32::from(format.0));
        self
    }

    /// With this Accept.
    pub fn with_accept(mut self, format: ContentFormat) -> Self {
        self.set_uint(number::ACCEPT, u32::from(format.0));
        self
    }

    /// With this Max-Age, in seconds.
    pub fn with_max_age(mut self, seconds: u32) -> Self {
        self.set_uint(number::MAX_AGE, seconds);
        self
    }

    /// With this Observe (RFC 7641 §2), of which 24 bits count: in a notification its place among the others,
    /// rising by less than 2^23 from one to the next; requests get theirs from the exchange layer.
    pub fn with_observe(mut self, value: u32) -> Self {
        self.set_uint(number::OBSERVE, value & 0xff_ffff);
        self
    }

    /// With this No-Response (RFC 7967 §2.1): no response is wanted of class 2 (bit 2), 4 (8) or 5 (16).
    pub fn with_no_response(mut self, classes: u8) -> Self {
        self.set_uint(number::NO_RESPONSE, u32::from(classes));
        self
    }

    /// Asks for this block of the response alone (Block2 in a request, RFC 7959 §2.3): whoever sends it gets
    /// that block as it comes, and puts the body together, or does without it.
    pub fn with_block2(mut self, block: Block) -> Self {
        self.set_block2(block);
        self
    }

    /// With this payload, whatever its length: the exchange layer cuts it into blocks.
    pub fn with_payload(mut self, payload: Vec<u8>) -> Self {
        self.payload = payload;
        self
    }
}

/// Reading.
impl Message {
    /// Its type. In a stream there is none: a request counts as Confirmable, all else as Non-confirmable.
    pub fn kind(&self) -> Type {
        self.kind
    }

    /// Its method or response code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Its message id. In a stream there is none, and this means nothing.
    pub fn mid(&self) -> u16 {
        self.mid
    }

    /// Its token.
    pub fn token(&self) -> Token {
        self.token
    }

    /// The Uri-Path segments.
    pub fn path(&self) -> impl Iterator<Item = &str> {
        self.texts(number::URI_PATH)
    }

    /// Whether the Uri-Path has exactly these segments.
    pub fn path_is(&self, segments: &[&str]) -> bool {
        self.values(number::URI_PATH).eq(segments.iter().map(|segment| segment.as_bytes()))
    }

    /// The Uri-Query items.
    pub fn queries(&self) -> impl Iterator<Item = &str> {
        self.texts(number::URI_QUERY)
    }

    /// The value of the first Uri-Query item `key=value`; `Some("")` for a bare `key`.
    pub fn query(&self, key: &str) -> Option<&str> {
        let value =
            self.values(number::URI_QUERY).find_map(|item| match item.strip_prefix(key.as_bytes())? {
                [] => Some(&[][..]),
                [b'=', value @ ..] => Some(value),
                _ => None,
            });
        // Decoding refused what is not UTF-8.
        value.and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The Location-Path segments.
    pub fn location(&self) -> impl Iterator<Item = &str> {
        self.texts(number::LOCATION_PATH)
    }

    /// The Content-Format.
    pub fn content_format(&self) -> Option<ContentFormat> {
        self.short(number::CONTENT_FORMAT).map(ContentFormat)
    }

    /// The Accept.
    pub fn accept(&self) -> Option<ContentFormat> {
        self.short(number::ACCEPT).map(ContentFormat)
    }

    /// The Max-Age in seconds; where it is missing the RFC's default of 60 is meant.
    pub fn max_age(&self) -> Option<u32> {
        self.uint(number::MAX_AGE)
    }

    /// The Observe value (RFC 7641 §2): 0 registers and 1 deregisters, in a response a sequence number.
    pub fn observe(&self) -> Option<u32> {
        self.uint(number::OBSERVE)
    }

    /// The No-Response value (RFC 7967 §2.1): the classes of responses that are not wanted.
    pub fn no_response(&self) -> Option<u8> {
        self.uint(number::NO_RESPONSE).and_then(|classes| u8::try_from(classes).ok())
    }

    /// The Block1 value: which part of the request's body this is.
    pub fn block1(&self) -> Option<Block> {
        self.uint(number::BLOCK1).map(Block::from_uint)
    }

    /// The Block2 value: which part of the response's body this is, or is wanted.
    pub fn block2(&self) -> Option<Block> {
        self.uint(number::BLOCK2).map(Block::from_uint)
    }

    /// The Size1 value: bytes in the whole body of the request (RFC 7959 §4).
    pub fn size1(&self) -> Option<u32> {
        self.uint(number::SIZE1)
    }

    /// The Size2 value: bytes in the whole body of the response (RFC 7959 §4).
    pub fn size2(&self) -> Option<u32> {
        self.uint(number::SIZE2)
    }

    /// The payload; of a message that the exchange layer put together, the whole body.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The number of the first critical option this endpoint does not recognise (RFC 7252 §5.4.1),
    /// options of a wrong length and supernumerary ones included. The exchange layer has already refused
    /// such messages.
    pub fn unknown_critical(&self) -> Option<u16> {
        options::unknown_critical(&self.options)
    }
}

/// For the exchange layer.
impl Message {
    /// Sets what the exchange layer decides.
    pub(super) fn address(&mut self, kind: Type, mid: u16, token: Token) {
        (self.kind, self.mid, self.token) = (kind, mid, token);
    }

    /// Whether a response with `code` to this request is one that No-Response declines (RFC 7967 §2.1).
    pub(super) fn declines(&self, code: Code) -> bool {
        let bit = u32::from(code.0 >> 5).saturating_sub(1);
        // Not an answer but part of the transfer: without it the next block is not sent.
        code != Code::CONTINUE && self.no_response().is_some_and(|classes| u32::from(classes) >> bit & 1 == 1)
    }

    /// Sets Observe, or removes it.
    pub(super) fn set_observe(&mut self, value: Option<u32>) {
        match value {
            Some(value) => self.set_uint(number::OBSERVE, value & 0xff_ffff),
            None => self.options.remove(|number| number == number::OBSERVE),
        }
    }

    /// Whether a Block option has size 7, which is reserved on datagrams (RFC 7959 §2.2: to be answered with
    /// 4.00).
    pub(super) fn has_reserved_block(&self) -> bool {
        [self.block1(), self.block2()].into_iter().flatten().any(|block| block.szx == Block::BERT)
    }

    pub(super) fn set_block1(&mut self, block: Block) {
        self.set_uint(number::BLOCK1, block.to_uint());
    }

    pub(super) fn set_block2(&mut self, block: Block) {
        self.set_uint(number::BLOCK2, block.to_uint());
    }

    /// Sets Size1; a body beyond 32 bits goes without.
    pub(super) fn set_size1(&mut self, bytes: usize) {
        if let Ok(bytes) = u32::try_from(bytes) {
            self.set_uint(number::SIZE1, bytes);
        }
    }

    /// Sets Size2; a body beyond 32 bits goes without.
    pub(super) fn set_size2(&mut self, bytes: usize) {
        if let Ok(bytes) = u32::try_from(bytes) {
            self.set_uint(number::SIZE2, bytes);
        }
    }

    /// The ETag: what tells this body from others of the same resource (RFC 7252 §5.10.6).
    pub fn etag(&self) -> Option<&[u8]> {
        self.values(number::ETAG).next()
    }

    pub(super) fn set_etag(&mut self, etag: &[u8]) {
        self.options.set(number::ETAG, etag);
    }

    /// Removes what belongs to a single block, or to an observation, and not to the body.
    pub(super) fn clear_block_options(&mut self) {
        self.options.remove(|number| PER_BLOCK.contains(&number));
    }

    /// The hash of the payload.
    pub(super) fn payload_key(&self) -> u64 {
        let mut hasher = FxHasher::default();
        hasher.write(self.payload());
        hasher.finish()
    }

    pub(super) fn take_payload(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.payload)
    }

    pub(super) fn set_payload(&mut self, payload: Vec<u8>) {
        self.payload = payload;
    }

    /// Whether it is nothing but a code (and an echo of Block1, which its request tells anyway).
    pub(super) fn is_bare(&self) -> bool {
        self.payload.is_empty() && self.options.iter().all(|(number, _)| number == number::BLOCK1)
    }

    /// The same for all blocks of one body: method and options without those of the single block.
    pub(super) fn body_key(&self) -> u64 {
        let mut hasher = FxHasher::default();
        hasher.write_u8(self.code().0);
        for (number, value) in self.options.iter().filter(|(number, _)| !PER_BLOCK.contains(number)) {
            hasher.write_u16(number);
            hasher.write_usize(value.len());
            hasher.write(value);
        }
        hasher.finish()
    }

    fn values(&self, number: u16) -> impl Iterator<Item = &[u8]> {
        self.options.values(number)
    }

    /// Text values. Decoding refused what is not UTF-8, so none is left out here.
    fn texts(&self, number: u16) -> impl Iterator<Item = &str> {
        self.values(number).filter_map(|value| std::str::from_utf8(value).ok())
    }

    fn uint(&self, number: u16) -> Option<u32> {
        options::uint(number, self.values(number).next()?)
    }

    fn short(&self, number: u16) -> Option<u16> {
        self.uint(number).and_then(|value| u16::try_from(value).ok())
    }

    fn add(&mut self, number: u16, value: &[u8]) {
        self.options.add(number, value);
    }

    fn set_uint(&mut self, number: u16, value: u32) {
        self.options.set(number, options::uint_value(&value.to_be_bytes()));
    }
}

/// The value of an option in the making: on the stack if it is as short as they are.
#[derive(Default)]
struct Item(SmallVec<[u8; 64]>);

impl fmt::Write for Item {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Options of a single block (RFC 7959 §2.1, §4), and Observe, which only the first request of a
/// block-wise transfer carries (RFC 7959 §2.6).
const PER_BLOCK: [u16; 5] = [number::OBSERVE, number::BLOCK2, number::BLOCK1, number::SIZE2, number::SIZE1];

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} mid {:04x} token {:?}", self.kind(), self.code(), self.mid(), self.token())?;
        self.path().try_for_each(|segment| write!(f, " /{segment}"))?;
        self.queries().try_for_each(|query| write!(f, " ?{query}"))?;
        self.location().try_for_each(|segment| write!(f, " location /{segment}"))?;
        if let Some(format) = self.content_format() {
            write!(f, " format {}", format.0)?;
        }
        for (name, block) in [("block1", self.block1()), ("block2", self.block2())] {
            if let Some(Block { num, more, .. }) = block {
                write!(f, " {name} {num}/{}/{}", u8::from(more), block.map_or(0, Block::size))?;
            }
        }
        write!(f, " payload {} B", self.payload().len())
    }
}
