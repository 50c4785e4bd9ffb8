//! Messages to and from bytes, strictly.
//!
//! Reading copies the options as they stand and the payload, and nothing else: a message of neither needs no
//! memory.

use thiserror::Error;

use super::header::{Code, Token, Type};
use super::message::Message;
use super::option_list::{OptionList, Options};
use super::options;

/// What separates the options from the payload (RFC 7252 §3). As an option it would have the reserved delta.
pub(super) const MARKER: u8 = 0xff;

/// Why a datagram, or what comes in a stream, is not a CoAP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Malformed {
    /// Shorter than the header of four bytes.
    #[error("shorter than a header")]
    TooShort,
    /// Longer than this endpoint accepts.
    #[error("longer than accepted")]
    TooLong,
    /// Not version 1 (RFC 7252 §3: to be ignored in silence).
    #[error("not version 1")]
    Version,
    /// A token length of 9 to 15, or a token that is cut off.
    #[error("impossible token length")]
    TokenLength,
    /// Code 0.00 with anything after the header, or in a Non-confirmable message (RFC 7252 §4.1, §4.3).
    #[error("an Empty message that is not empty, or not allowed to be")]
    Empty,
    /// A code of class 1 or 6, or, in a datagram, 7 (RFC 7252 §12.1; class 7 is for streams, RFC 8323 §5.1).
    #[error("reserved code class")]
    CodeClass,
    /// A request in an Acknowledgement, or a Reset that is not Empty (RFC 7252 §4.2).
    #[error("the type cannot carry such a code")]
    TypeMismatch,
    /// Option deltas or lengths that are reserved or lead out of the datagram (RFC 7252 §3.1).
    #[error("broken options")]
    Options,
    /// A payload marker with nothing after it (RFC 7252 §3).
    #[error("payload marker without payload")]
    PayloadMarker,
    /// A text option that is not UTF-8 (RFC 7252 §3.2).
    #[error("text option that is not UTF-8")]
    Utf8,
}

impl Message {
    /// Reads a datagram.
    ///
    /// # Errors
    /// The first rule of RFC 7252 that it breaks. Unknown critical options are no such error: see
    /// [`Message::unknown_critical`].
    pub fn decode(datagram: &[u8]) -> Result<Self, Malformed> {
        Message::decode_within(datagram, usize::MAX)
    }

    /// Reads a datagram of at most `limit` bytes.
    ///
    /// # Errors
    /// As [`Message::decode`], and [`Malformed::TooLong`].
    pub fn decode_within(datagram: &[u8], limit: usize) -> Result<Self, Malformed> {
        check_header(datagram)?;
        if datagram.len() > limit {
            return Err(Malformed::TooLong);
        }
        let [first, code, high, low, rest @ ..] = datagram else { return Err(Malformed::TooShort) };
        let (token, rest) = rest.split_at_checked(usize::from(first & 0x0f)).ok_or(Malformed::TokenLength)?;
        let token = Token::new(token).ok_or(Malformed::TokenLength)?;
        let (options, payload) = read_body(rest, options::is_text)?;
        let (kind, code) = (Type::of_bits(first >> 4), Code(*code));
        check_type(kind, code)?;
        Ok(Message {
            kind,
            code,
            mid: u16::from_be_bytes([*high, *low]),
            token,
            options: options.to_list(),
            payload: payload.to_vec(),
        })
    }

    /// Writes it as a datagram, however long.
    pub fn encode(&self) -> Vec<u8> {
        let (token, options, payload) = (self.token.as_slice(), self.options.as_bytes(), &*self.payload);
        let marker: &[u8] = if payload.is_empty() { &[] } else { &[MARKER] };
        let length = 4 + token.len() + options.len() + marker.len() + payload.len();
        let [high, low] = self.mid.to_be_bytes();
        let mut datagram = Vec::with_capacity(length);
        datagram.extend_from_slice(&[
            0x40 | self.kind.bits() << 4 | token.len() as u8,
            self.code.0,
            high,
            low,
        ]);
        for part in [token, options, marker, payload] {
            datagram.extend_from_slice(part);
        }
        datagram
    }
}

/// The options of a message as they stand on the wire.
pub(super) struct Written<'a> {
    bytes: &'a [u8],
    last: u16,
}

impl Written<'_> {
    pub fn to_list(&self) -> OptionList {
        OptionList::of_wire(self.bytes, self.last)
    }
}

/// Parts what follows the token of a message into options and payload. Which options hold text is told by
/// `is_text`.
#[inline]
pub(super) fn read_body(
    rest: &[u8],
    is_text: impl Fn(u16) -> bool,
) -> Result<(Written<'_>, &[u8]), Malformed> {
    let mut walk = Options::new(rest);
    // Whatever is wrong with the form of a message comes before what is wrong with its text.
    let mut readable = true;
    for (number, value) in walk.by_ref() {
        readable &= !is_text(number) || value.is_ascii() || std::str::from_utf8(value).is_ok();
    }
    let payload = match walk.rest() {
        [] => &[],
        [MARKER] => return Err(Malformed::PayloadMarker),
        [MARKER, payload @ ..] => payload,
        _ => return Err(Malformed::Options),
    };
    if !readable {
        return Err(Malformed::Utf8);
    }
    let bytes = &rest[..rest.len() - walk.rest().len()];
    Ok((Written { bytes, last: walk.last_number() }, payload))
}

/// The rules that need no options.
fn check_header(datagram: &[u8]) -> Result<(), Malformed> {
    let [first, code, _, _, rest @ ..] = datagram else { return Err(Malformed::TooShort) };
    if first >> 6 != 1 {
        return Err(Malformed::Version);
    }
    let token = usize::from(first & 0x0f);
    match code >> 5 {
        _ if *code == 0 && (token != 0 || !rest.is_empty()) => Err(Malformed::Empty),
        1 | 6 | 7 => Err(Malformed::CodeClass),
        _ if token > 8 || token > rest.len() => Err(Malformed::TokenLength),
        _ => Ok(()),
    }
}

/// Which codes a type can carry (RFC 7252 §4.2 and table 1 in §4.3).
fn check_type(kind: Type, code: Code) -> Result<(), Malformed> {
    match kind {
        Type::Non if code == Code::EMPTY => Err(Malformed::Empty),
        Type::Ack if code.is_request() => Err(Malformed::TypeMismatch),
        Type::Rst if code != Code::EMPTY => Err(Malformed::TypeMismatch),
        _ => Ok(()),
    }
}
