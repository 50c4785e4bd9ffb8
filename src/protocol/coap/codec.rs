//! Messages to and from bytes, strictly.
//!
//! `coap-lite` parses the options. It also takes wrong versions, Empty messages with something in them
//! and a payload marker without payload; what it takes and the RFC does not is refused here.

use coap_lite::Packet;
use coap_lite::error::MessageError;
use thiserror::Error;

use super::header::{Code, Type};
use super::message::Message;
use super::options;

/// Why a datagram is not a CoAP message.
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
    /// A code of class 1, 6 or 7 (RFC 7252 §12.1; class 7 is for other transports).
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
        let packet = Packet::from_bytes(datagram).map_err(|error| match error {
            MessageError::InvalidTokenLength => Malformed::TokenLength,
            _ => Malformed::Options,
        })?;
        if packet.payload.is_empty() && ends_in_bare_marker(datagram) {
            return Err(Malformed::PayloadMarker);
        }
        let mut texts = packet.options().filter(|(number, _)| options::is_text(**number));
        if !texts.all(|(_, values)| values.iter().all(|value| std::str::from_utf8(value).is_ok())) {
            return Err(Malformed::Utf8);
        }
        let message = Message { packet };
        check_type(message.kind(), message.code())?;
        Ok(message)
    }

    /// Writes it as a datagram, however long.
    pub fn encode(&self) -> Vec<u8> {
        self.packet.to_bytes_unlimited().expect("the buffer is made to hold the header")
    }
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

/// Whether the last byte, 0xFF, is a payload marker and not the end of an option's value.
///
/// Without a marker the options still parse; without the end of a value they do not.
fn ends_in_bare_marker(datagram: &[u8]) -> bool {
    matches!(datagram, [rest @ .., 0xff] if Packet::from_bytes(rest).is_ok())
}
