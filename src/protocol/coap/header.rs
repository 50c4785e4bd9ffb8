//! What stands in the first bytes of every message: type, code, message id and token (RFC 7252 §3).

use std::fmt;

/// The type of a message (RFC 7252 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// Confirmable: to be acknowledged, sent again until it is.
    Con,
    /// Non-confirmable: sent once.
    Non,
    /// Acknowledgement, possibly with the response in it.
    Ack,
    /// Reset: the message it names could not be processed.
    Rst,
}

impl Type {
    /// The type with these bits, the lower two of `bits`.
    pub(super) const fn of_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Type::Con,
            1 => Type::Non,
            2 => Type::Ack,
            _ => Type::Rst,
        }
    }

    /// The two bits on the wire.
    pub(super) const fn bits(self) -> u8 {
        match self {
            Type::Con => 0,
            Type::Non => 1,
            Type::Ack => 2,
            Type::Rst => 3,
        }
    }
}

/// A method or response code: class in the upper three bits, detail in the lower five (RFC 7252 §3).
///
/// Displayed as the RFCs write it: `2.05`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub u8);

impl Code {
    /// 0.00, a message without request or response.
    pub const EMPTY: Code = Code(0);
    /// 0.01
    pub const GET: Code = Code(1);
    /// 0.02
    pub const POST: Code = Code(2);
    /// 0.03
    pub const PUT: Code = Code(3);
    /// 0.04
    pub const DELETE: Code = Code(4);
    /// 0.05 (RFC 8132)
    pub const FETCH: Code = Code(5);
    /// 0.06 (RFC 8132)
    pub const PATCH: Code = Code(6);
    /// 0.07 (RFC 8132)
    pub const IPATCH: Code = Code(7);
    /// 2.01
    pub const CREATED: Code = Code(0x41);
    /// 2.02
    pub const DELETED: Code = Code(0x42);
    /// 2.03
    pub const VALID: Code = Code(0x43);
    /// 2.04
    pub const CHANGED: Code = Code(0x44);
    /// 2.05
    pub const CONTENT: Code = Code(0x45);
    /// 2.31 (RFC 7959)
    pub const CONTINUE: Code = Code(0x5f);
    /// 4.00
    pub const BAD_REQUEST: Code = Code(0x80);
    /// 4.01
    pub const UNAUTHORIZED: Code = Code(0x81);
    /// 4.02
    pub const BAD_OPTION: Code = Code(0x82);
    /// 4.03
    pub const FORBIDDEN: Code = Code(0x83);
    /// 4.04
    pub const NOT_FOUND: Code = Code(0x84);
    /// 4.05
    pub const METHOD_NOT_ALLOWED: Code = Code(0x85);
    /// 4.06
    pub const NOT_ACCEPTABLE: Code = Code(0x86);
    /// 4.08 (RFC 7959)
    pub const REQUEST_ENTITY_INCOMPLETE: Code = Code(0x88);
    /// 4.09
    pub const CONFLICT: Code = Code(0x89);
    /// 4.12
    pub const PRECONDITION_FAILED: Code = Code(0x8c);
    /// 4.13
    pub const REQUEST_ENTITY_TOO_LARGE: Code = Code(0x8d);
    /// 4.15
    pub const UNSUPPORTED_CONTENT_FORMAT: Code = Code(0x8f);
    /// 5.00
    pub const INTERNAL_SERVER_ERROR: Code = Code(0xa0);
    /// 5.01
    pub const NOT_IMPLEMENTED: Code = Code(0xa1);
    /// 5.03
    pub const SERVICE_UNAVAILABLE: Code = Code(0xa3);
    /// 7.01, Capabilities and Settings (RFC 8323 §5.3; streams only, as all of class 7)
    pub const CSM: Code = Code(0xe1);
    /// 7.02 (RFC 8323 §5.4)
    pub const PING: Code = Code(0xe2);
    /// 7.03 (RFC 8323 §5.4)
    pub const PONG: Code = Code(0xe3);
    /// 7.04 (RFC 8323 §5.5)
    pub const RELEASE: Code = Code(0xe4);
    /// 7.05 (RFC 8323 §5.6)
    pub const ABORT: Code = Code(0xe5);

    /// Whether this is a method (0.01 to 0.31), known or not.
    pub fn is_request(self) -> bool {
        self.0 >= 1 && self.0 < 32
    }

    /// Whether this is a response code (2.00 to 5.31), known or not.
    pub fn is_response(self) -> bool {
        (2..=5).contains(&(self.0 >> 5))
    }

    /// Whether this is the code of a signal between the ends of a stream (7.00 to 7.31), known or not.
    pub fn is_signal(self) -> bool {
        self.0 >> 5 == 7
    }

    /// Whether this is a response of class 2.
    pub fn is_success(self) -> bool {
        self.0 >> 5 == 2
    }

    /// Whether doing it twice is as good as once (RFC 7252 §5.1, RFC 8132 §2).
    pub(super) fn is_idempotent(self) -> bool {
        matches!(self, Code::GET | Code::PUT | Code::DELETE | Code::FETCH | Code::IPATCH)
    }

    /// Whether it only reads (RFC 7252 §5.1, RFC 8132 §2).
    pub(super) fn is_safe(self) -> bool {
        matches!(self, Code::GET | Code::FETCH)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 >> 5, self.0 & 31)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What ties a response to its request: 0 to 8 bytes (RFC 7252 §5.3.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Token {
    len: u8,
    bytes: [u8; 8],
}

impl Token {
    /// The token with these bytes; `None` if there are more than eight.
    pub fn new(bytes: &[u8]) -> Option<Token> {
        let mut token = Token { len: u8::try_from(bytes.len()).ok()?, bytes: [0; 8] };
        token.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(token)
    }

    /// Its bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The bits of a token of four bytes, as all of ours are.
    pub(super) fn short(&self) -> Option<u32> {
        self.as_slice().try_into().ok().map(u32::from_be_bytes)
    }

    /// The token of four bytes with these bits.
    pub(super) fn from_short(bits: u32) -> Token {
        Token::from_bits(u64::from(bits) << 32)
    }

    /// A token of four bytes out of random bits: the least RFC 7252 §5.3.1 allows facing the Internet.
    pub(super) fn from_bits(bits: u64) -> Token {
        let [a, b, c, d, ..] = bits.to_be_bytes();
        Token { len: 4, bytes: [a, b, c, d, 0, 0, 0, 0] }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// An Empty message (RFC 7252 §4.1): four bytes and nothing after them.
pub(super) fn empty(kind: Type, mid: u16) -> Vec<u8> {
    let [high, low] = mid.to_be_bytes();
    vec![0x40 | kind.bits() << 4, 0, high, low]
}

/// The MID of a Confirmable message of version 1, however broken the rest of it is.
///
/// Only these may be rejected with a Reset: RFC 7252 §3 has other versions ignored in silence, and §4.2
/// forbids to answer an Acknowledgement or a Reset with either.
pub(super) fn confirmable_mid(datagram: &[u8]) -> Option<u16> {
    match *datagram {
        [first, _, high, low, ..] if first >> 4 == 0x4 => Some(u16::from_be_bytes([high, low])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_know_their_class_and_are_written_as_in_the_rfcs() {
        assert_eq!(Code::CONTENT.to_string(), "2.05");
        assert_eq!(format!("{:?}", Code::REQUEST_ENTITY_TOO_LARGE), "4.13");
        assert!(Code::POST.is_request() && !Code::POST.is_response());
        assert!(!Code::EMPTY.is_request() && !Code::EMPTY.is_response());
        assert!(Code::CONTINUE.is_success() && !Code::NOT_FOUND.is_success());
        assert!(!Code(0x20).is_response() && !Code(0xc0).is_response());
    }

    #[test]
    fn a_token_has_at_most_eight_bytes() {
        assert_eq!(Token::new(&[1, 2, 3]).expect("short enough").as_slice(), [1, 2, 3]);
        assert!(Token::new(&[0; 8]).is_some());
        assert!(Token::new(&[0; 9]).is_none());
        assert!(Token::new(&[0; 300]).is_none());
    }
}
