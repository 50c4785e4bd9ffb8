//! stub: one CoAP message and its codec over coap-lite
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    Con,
    Non,
    Ack,
    Rst,
}

/// class << 5 | detail; Display "2.05", Debug the same
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub u8);
impl Code {
    pub const EMPTY: Code = Code(0);
    pub const GET: Code = Code(1);
    pub const POST: Code = Code(2);
    pub const PUT: Code = Code(3);
    pub const DELETE: Code = Code(4);
    pub const FETCH: Code = Code(5);
    pub const PATCH: Code = Code(6);
    pub const IPATCH: Code = Code(7);
    pub const CREATED: Code = Code(0x41);
    pub const DELETED: Code = Code(0x42);
    pub const VALID: Code = Code(0x43);
    pub const CHANGED: Code = Code(0x44);
    pub const CONTENT: Code = Code(0x45);
    pub const CONTINUE: Code = Code(0x5f);
    pub const BAD_REQUEST: Code = Code(0x80);
    pub const UNAUTHORIZED: Code = Code(0x81);
    pub const BAD_OPTION: Code = Code(0x82);
    pub const FORBIDDEN: Code = Code(0x83);
    pub const NOT_FOUND: Code = Code(0x84);
    pub const METHOD_NOT_ALLOWED: Code = Code(0x85);
    pub const NOT_ACCEPTABLE: Code = Code(0x86);
    pub const REQUEST_ENTITY_INCOMPLETE: Code = Code(0x88);
    pub const PRECONDITION_FAILED: Code = Code(0x8c);
    pub const REQUEST_ENTITY_TOO_LARGE: Code = Code(0x8d);
    pub const UNSUPPORTED_CONTENT_FORMAT: Code = Code(0x8f);
    pub const INTERNAL_SERVER_ERROR: Code = Code(0xa0);
    pub const NOT_IMPLEMENTED: Code = Code(0xa1);
    pub const SERVICE_UNAVAILABLE: Code = Code(0xa3);
    pub fn is_request(self) -> bool {
        self.0 >= 1 && self.0 < 32
    }
    pub fn is_response(self) -> bool {
        (2..=5).contains(&(self.0 >> 5))
    }
    pub fn is_success(self) -> bool {
        self.0 >> 5 == 2
    }
}
impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:02}", self.0 >> 5, self.0 & 31)
    }
}
impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:02}", self.0 >> 5, self.0 & 31)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ContentFormat(pub u16);
impl ContentFormat {
    pub const TEXT: Self = Self(0);
    pub const LINK: Self = Self(40);
    pub const OPAQUE: Self = Self(42);
    pub const SENML_JSON: Self = Self(110);
    pub const SENML_CBOR: Self = Self(112);
    pub const TLV: Self = Self(11542);
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Token {
    len: u8,
    bytes: [u8; 8],
}
impl Token {
    pub fn new(_b: &[u8]) -> Option<Token> {
        todo!()
    }
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Malformed {
    Todo,
}

#[derive(Clone, Debug)]
pub struct Message {}
impl Message {
    /// a CON request; type, mid, token are set by the exchange layer
    pub fn request(_code: Code) -> Self {
        todo!()
    }
    pub fn response(_code: Code) -> Self {
        todo!()
    }
    pub fn with_path(self, _segments: &[&str]) -> Self {
        todo!()
    }
    pub fn with_query(self, _query: &str) -> Self {
        todo!()
    }
    pub fn with_location(self, _segments: &[&str]) -> Self {
        todo!()
    }
    pub fn with_content_format(self, _f: ContentFormat) -> Self {
        todo!()
    }
    pub fn with_accept(self, _f: ContentFormat) -> Self {
        todo!()
    }
    pub fn with_max_age(self, _seconds: u32) -> Self {
        todo!()
    }
    pub fn with_payload(self, _payload: Vec<u8>) -> Self {
        todo!()
    }
    pub fn kind(&self) -> Type {
        todo!()
    }
    pub fn code(&self) -> Code {
        todo!()
    }
    pub fn mid(&self) -> u16 {
        todo!()
    }
    pub fn token(&self) -> Token {
        todo!()
    }
    /// Uri-Path segments that are valid UTF-8 (an invalid one makes the message malformed on decode)
    pub fn path(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }
    /// Uri-Query items
    pub fn queries(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }
    /// value of `key=value`; Some("") for a bare `key`
    pub fn query(&self, _key: &str) -> Option<&str> {
        todo!()
    }
    pub fn location(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }
    pub fn content_format(&self) -> Option<ContentFormat> {
        todo!()
    }
    pub fn accept(&self) -> Option<ContentFormat> {
        todo!()
    }
    pub fn max_age(&self) -> Option<u32> {
        todo!()
    }
    pub fn payload(&self) -> &[u8] {
        todo!()
    }
    pub fn decode(_datagram: &[u8]) -> Result<Self, Malformed> {
        todo!()
    }
    pub fn encode(&self) -> Vec<u8> {
        todo!()
    }
}
