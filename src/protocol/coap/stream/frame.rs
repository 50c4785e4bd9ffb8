//! Messages in a stream (RFC 8323 §3.2): a length in front, and neither type nor message id.
//!
//! ```text
//! Len TKL | extended length | code | token | options, marker, payload
//! 4   4   | 0, 1, 2, 4 B    | 1 B  | TKL B | Len B
//! ```

use super::super::codec::{MARKER, Malformed, read_body};
use super::super::header::{Code, Token, Type};
use super::super::message::Message;
use super::super::options;

/// The longest header: lengths, code and token.
pub(in super::super) const LONGEST_HEADER: usize = 1 + 4 + 1 + 8;

/// What the first bytes of a frame tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Measured {
    /// So many bytes more tell more; at least one.
    Missing(usize),
    /// The frame has so many bytes.
    Whole(usize),
}

/// Where the frame that begins with `bytes` ends, if it has at most `limit` bytes.
///
/// # Errors
/// A token length of 9 to 15, or a longer frame: as soon as the bytes tell.
pub(in super::super) fn measure(bytes: &[u8], limit: usize) -> Result<Measured, Malformed> {
    let Some((first, rest)) = bytes.split_first() else { return Ok(Measured::Missing(1)) };
    let token = usize::from(first & 0x0f);
    if token > 8 {
        return Err(Malformed::TokenLength);
    }
    let (extended, base) = extension(first >> 4);
    let Some(length) = rest.get(..extended) else { return Ok(Measured::Missing(extended - rest.len())) };
    let length = length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
    // Base and length are below 2^33, so this holds even where a usize has 32 bits.
    let total = length.saturating_add(base + 1 + extended + 1 + token);
    if total > limit {
        return Err(Malformed::TooLong);
    }
    Ok(if total <= bytes.len() { Measured::Whole(total) } else { Measured::Missing(total - bytes.len()) })
}

/// Reads one whole frame. A request is read as a Confirmable message, everything else as a Non-confirmable one:
/// nothing of either is acknowledged here.
///
/// # Errors
/// The first rule that it breaks.
pub(in super::super) fn decode(frame: &[u8]) -> Result<Message, Malformed> {
    let (first, rest) = frame.split_first().ok_or(Malformed::TooShort)?;
    let (extended, _) = extension(first >> 4);
    let [code, rest @ ..] = rest.get(extended..).unwrap_or_default() else {
        return Err(Malformed::TooShort);
    };
    let code = Code(*code);
    if matches!(code.0 >> 5, 1 | 6) {
        return Err(Malformed::CodeClass);
    }
    let (token, rest) = rest.split_at_checked(usize::from(first & 0x0f)).ok_or(Malformed::TokenLength)?;
    let token = Token::new(token).ok_or(Malformed::TokenLength)?;
    // RFC 8323 §5.2: the options of signals have numbers of their own.
    let is_text = |number| !code.is_signal() && options::is_text(number);
    let (options, payload) = read_body(rest, is_text)?;
    Ok(Message {
        kind: if code.is_request() { Type::Con } else { Type::Non },
        code,
        mid: 0,
        token,
        options: options.to_list(),
        payload: payload.to_vec(),
    })
}

/// Writes a message as a frame. Type and message id stay behind.
pub(in super::super) fn encode(message: &Message) -> Vec<u8> {
    let (token, options, payload) = (message.token.as_slice(), message.options.as_bytes(), &*message.payload);
    let marker: &[u8] = if payload.is_empty() { &[] } else { &[MARKER] };
    let length = options.len() + marker.len() + payload.len();
    let mut frame = Vec::with_capacity(LONGEST_HEADER + length);
    let tkl = token.len() as u8;
    match length {
        0..13 => frame.push((length as u8) << 4 | tkl),
        13..269 => frame.extend_from_slice(&[0xd0 | tkl, (length - 13) as u8]),
        269..65_805 => {
            frame.push(0xe0 | tkl);
            frame.extend_from_slice(&((length - 269) as u16).to_be_bytes());
        }
        _ => {
            frame.push(0xf0 | tkl);
            // A body is at most 16 MiB.
            frame.extend_from_slice(&((length - 65_805) as u32).to_be_bytes());
        }
    }
    frame.push(message.code.0);
    for part in [token, options, marker, payload] {
        frame.extend_from_slice(part);
    }
    frame
}

/// For the first four bits: how many bytes of length follow the first byte, and what is added to them.
fn extension(nibble: u8) -> (usize, usize) {
    match nibble {
        13 => (1, 13),
        14 => (2, 269),
        15 => (4, 65_805),
        length => (0, length.into()),
    }
}
