//! Messages in words, a line each, for people who follow what goes over the wire.
//!
//! Keys travel in payloads. Only texts that cannot hold one are shown: where in doubt, it is the length.

use std::fmt::{self, Display, Write as _};

use super::block::Block;
use super::codec::Malformed;
use super::header::{Code, Type};
use super::message::{ContentFormat, Message};
use crate::base::text;

mod stream;

pub use stream::StreamWords;

/// Characters of a payload that are shown.
const SHOWN: usize = 120;

/// Objects whose instances hold keys: Security, OSCORE, COSE, MQTT server.
const SECRET_OBJECTS: [u32; 4] = [0, 21, 23, 24];

impl Message {
    /// The message in a line: `CON 4242 POST /rd?ep=m01&lt=300 [token 0a1b] link-format 63 B: </1/0>,</3/0>`.
    ///
    /// The payload is cut after 120 characters, control characters are escaped. It is shown only if it is
    /// a text that holds no key: a link-format list, a value written to an object other than those that
    /// hold keys, JSON that names only such objects, the diagnostics of an error.
    pub fn in_words(&self) -> impl Display {
        InWords { message: self, in_stream: false }
    }
}

/// Any datagram in a line: as [`Message::in_words`], or `not CoAP: version 0, 12 bytes`.
pub fn datagram_in_words(datagram: &[u8]) -> String {
    let length = text::counted(datagram.len() as u64, "byte");
    match (Message::decode(datagram), datagram.first()) {
        (Ok(message), _) => message.in_words().to_string(),
        (Err(Malformed::Version), Some(first)) => format!("not CoAP: version {}, {length}", first >> 6),
        (Err(why), _) => format!("not CoAP: {why}, {length}"),
    }
}

struct InWords<'a> {
    message: &'a Message,
    /// Whether it has neither type nor message id.
    in_stream: bool,
}

impl Display for InWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InWords { message, in_stream } = *self;
        let (kind, code) = (message.kind(), message.code());
        if in_stream {
            if code == Code::EMPTY {
                return f.write_str("empty");
            }
            if code.is_signal() {
                return stream::write_signal(f, message);
            }
        } else {
            write!(f, "{} {}", type_name(kind), message.mid())?;
            if code == Code::EMPTY {
                return f.write_str(if kind == Type::Con { " ping" } else { "" });
            }
            f.write_char(' ')?;
        }
        match (code.is_request(), code_name(code)) {
            (true, Some(method)) => f.write_str(method)?,
            (false, Some(name)) => write!(f, "{code} {name}")?,
            (_, None) => write!(f, "{code}")?,
        }
        if code.is_request() {
            write_resource(f, message)?;
        }
        // What is in an acknowledgement is tied to its request by the message id.
        let token = message.token();
        if kind != Type::Ack && !token.as_slice().is_empty() {
            write!(f, " [token {token:?}]")?;
        }
        write_options(f, message)?;
        write_payload(f, message)
    }
}

/// The path and query of a request.
fn write_resource(f: &mut fmt::Formatter<'_>, message: &Message) -> fmt::Result {
    f.write_char(' ')?;
    write_path(f, message.path())?;
    for (at, query) in message.queries().enumerate() {
        f.write_char(if at == 0 { '?' } else { '&' })?;
        write_escaped(f, query)?;
    }
    Ok(())
}

fn write_path<'a>(f: &mut fmt::Formatter<'_>, segments: impl Iterator<Item = &'a str>) -> fmt::Result {
    let mut empty = true;
    for segment in segments {
        empty = false;
        f.write_char('/')?;
        write_escaped(f, segment)?;
    }
    if empty { f.write_char('/') } else { Ok(()) }
}

fn write_options(f: &mut fmt::Formatter<'_>, message: &Message) -> fmt::Result {
    if message.location().next().is_some() {
        f.write_str(" Location ")?;
        write_path(f, message.location())?;
    }
    for (name, value) in [
        ("Observe", message.observe()),
        ("Max-Age", message.max_age()),
        ("No-Response", message.no_response().map(u32::from)),
    ] {
        if let Some(value) = value {
            write!(f, " {name} {value}")?;
        }
    }
    if let Some(format) = message.accept() {
        write!(f, " Accept {}", FormatName(format))?;
    }
    for (name, block) in [("Block1", message.block1()), ("Block2", message.block2())] {
        if let Some(block @ Block { num, more, .. }) = block {
            write!(f, " {name} {num}/{}/", u8::from(more))?;
            match block.szx {
                Block::BERT => f.write_str("BERT")?,
                _ => write!(f, "{}", block.size())?,
            }
        }
    }
    Ok(())
}

fn write_payload(f: &mut fmt::Formatter<'_>, message: &Message) -> fmt::Result {
    let payload = message.payload();
    if payload.is_empty() {
        return Ok(());
    }
    if let Some(format) = message.content_format() {
        write!(f, " {}", FormatName(format))?;
    }
    write!(f, " {} B", payload.len())?;
    let Some(text) = std::str::from_utf8(payload).ok().filter(|text| may_be_shown(message, text)) else {
        return Ok(());
    };
    f.write_str(": ")?;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => {
            write_escaped(f, &text[..end])?;
            f.write_str("...")
        }
        None => write_escaped(f, text),
    }
}

/// Whether a payload that is text can hold no key.
fn may_be_shown(message: &Message, text: &str) -> bool {
    let code = message.code();
    // The object a request is about, in whatever directory it lies.
    let object = message.path().find_map(|segment| segment.parse().ok());
    if object.is_some_and(is_secret) {
        return false;
    }
    match message.content_format() {
        // Names and attributes, never values.
        Some(ContentFormat::LINK) => true,
        Some(ContentFormat::TEXT) | None if code.is_request() => object.is_some(),
        Some(JSON | ContentFormat::SENML_JSON | SENML_ETCH_JSON | LWM2M_JSON) => names_no_secret(text),
        // RFC 7252 §5.5.2: what a human may want to know of an error.
        None => !code.is_success(),
        _ => false,
    }
}

/// Whether JSON names objects, and none that holds keys: looks at each string that begins with a slash.
fn names_no_secret(json: &str) -> bool {
    let mut paths = json.split("\"/").skip(1).peekable();
    let open = |path: &str| {
        let digits = path.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        digits.parse().is_ok_and(|object| !is_secret(object))
    };
    // An escaped slash would not be seen.
    paths.peek().is_some() && paths.all(open) && !json.contains('\\')
}

fn is_secret(object: u32) -> bool {
    SECRET_OBJECTS.contains(&object)
}

/// Text with its control characters, and those that change the direction of the rest, escaped.
fn write_escaped(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    text.chars().try_for_each(|c| {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns { write!(f, "{}", c.escape_default()) } else { f.write_char(c) }
    })
}

fn type_name(kind: Type) -> &'static str {
    match kind {
        Type::Con => "CON",
        Type::Non => "NON",
        Type::Ack => "ACK",
        Type::Rst => "RST",
    }
}

/// The registered name of a method or response code.
fn code_name(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::GET => "GET",
        Code::POST => "POST",
        Code::PUT => "PUT",
        Code::DELETE => "DELETE",
        Code::FETCH => "FETCH",
        Code::PATCH => "PATCH",
        Code::IPATCH => "iPATCH",
        Code::CREATED => "Created",
        Code::DELETED => "Deleted",
        Code::VALID => "Valid",
        Code::CHANGED => "Changed",
        Code::CONTENT => "Content",
        Code::CONTINUE => "Continue",
        Code::BAD_REQUEST => "Bad Request",
        Code::UNAUTHORIZED => "Unauthorized",
        Code::BAD_OPTION => "Bad Option",
        Code::FORBIDDEN => "Forbidden",
        Code::NOT_FOUND => "Not Found",
        Code::METHOD_NOT_ALLOWED => "Method Not Allowed",
        Code::NOT_ACCEPTABLE => "Not Acceptable",
        Code::REQUEST_ENTITY_INCOMPLETE => "Request Entity Incomplete",
        Code::CONFLICT => "Conflict",
        Code::PRECONDITION_FAILED => "Precondition Failed",
        Code::REQUEST_ENTITY_TOO_LARGE => "Request Entity Too Large",
        Code::UNSUPPORTED_CONTENT_FORMAT => "Unsupported Content-Format",
        Code::INTERNAL_SERVER_ERROR => "Internal Server Error",
        Code::NOT_IMPLEMENTED => "Not Implemented",
        Code::SERVICE_UNAVAILABLE => "Service Unavailable",
        Code::CSM => "CSM",
        Code::PING => "Ping",
        Code::PONG => "Pong",
        Code::RELEASE => "Release",
        Code::ABORT => "Abort",
        _ => return None,
    })
}

const JSON: ContentFormat = ContentFormat(50);
const SENML_ETCH_JSON: ContentFormat = ContentFormat(320);
const LWM2M_JSON: ContentFormat = ContentFormat(11543);

/// A content format by a short name, or `format 9` by its number.
struct FormatName(ContentFormat);

impl Display for FormatName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.0 {
            0 => "text",
            40 => "link-format",
            42 => "opaque",
            50 => "json",
            60 => "cbor",
            110 => "senml+json",
            112 => "senml+cbor",
            320 => "senml-etch+json",
            322 => "senml-etch+cbor",
            11542 => "tlv",
            11543 => "lwm2m+json",
            11544 => "lwm2m+cbor",
            other => return write!(f, "format {other}"),
        })
    }
}

#[cfg(test)]
mod tests;
