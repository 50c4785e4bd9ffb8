//! Messages in words, a line each, for people who follow what goes over the wire.
//!
//! Keys travel in payloads. Only texts that cannot hold one are shown: where in doubt, it is the length.

use std::fmt::{self, Display, Write as _};

use super::block::Block;
use super::codec::Malformed;
use super::header::{Code, Type};
use super::message::{ContentFormat, Message};
use super::stream::frame::{self, Measured};
use super::stream::signal::{self, Signal};
use crate::base::text;

/// Characters of a payload that are shown.
const SHOWN: usize = 120;

/// The longest message of a stream in words: beyond what any of ours takes.
const LONGEST_IN_WORDS: usize = 32 << 20;

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

/// The messages of one direction of a stream (RFC 8323) in words, whatever the pieces they come in.
#[derive(Default)]
pub struct StreamWords {
    /// The beginning of a message whose end has not come.
    partial: Vec<u8>,
    /// Whether there was something that is no message: where the next begins cannot be told.
    lost: bool,
}

impl StreamWords {
    /// Takes the bytes that came next: a line for each message that ends with them, as [`Message::in_words`] but
    /// without type and message id, and signals by their names: `CSM Max-Message-Size 8320 Block-Wise-Transfer`.
    ///
    /// What is no message gets one last line, `not CoAP: ..`; after that there are none.
    pub fn lines(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        if self.lost {
            return lines;
        }
        self.partial.extend_from_slice(bytes);
        let mut rest = &*self.partial;
        while !rest.is_empty() {
            match frame::measure(rest, LONGEST_IN_WORDS) {
                Ok(Measured::Whole(total)) => {
                    let (whole, after) = rest.split_at(total);
                    rest = after;
                    lines.push(frame_in_words(whole));
                }
                Ok(Measured::Missing(_)) => break,
                Err(why) => {
                    lines.push(format!("not CoAP: {why}"));
                    (self.lost, rest) = (true, &[]);
                }
            }
        }
        self.partial = rest.to_vec();
        lines
    }
}

fn frame_in_words(frame: &[u8]) -> String {
    match frame::decode(frame) {
        Ok(message) => InWords { message: &message, in_stream: true }.to_string(),
        Err(why) => format!("not CoAP: {why}, {}", text::counted(frame.len() as u64, "byte")),
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
                return write_signal(f, message);
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

/// A signal: its name, what its options say, and why, if it says so (RFC 8323 §5).
fn write_signal(f: &mut fmt::Formatter<'_>, message: &Message) -> fmt::Result {
    match code_name(message.code()) {
        Some(name) => f.write_str(name)?,
        None => write!(f, "{}", message.code())?,
    }
    if !message.token().as_slice().is_empty() {
        write!(f, " [token {:?}]", message.token())?;
    }
    match Signal::read(message) {
        Ok(Signal::Csm { max_message, block_wise }) => {
            max_message.map_or(Ok(()), |size| write!(f, " Max-Message-Size {size}"))?;
            f.write_str(if block_wise { " Block-Wise-Transfer" } else { "" })?;
        }
        Ok(Signal::Ping { custody } | Signal::Pong { custody }) => {
            f.write_str(if custody { " Custody" } else { "" })?;
        }
        Ok(Signal::Release { hold_off }) => {
            for address in signal::alternative_addresses(message) {
                f.write_str(" Alternative-Address ")?;
                write_escaped(f, address)?;
            }
            if !hold_off.is_zero() {
                write!(f, " Hold-Off {}", hold_off.as_secs())?;
            }
        }
        Ok(Signal::Abort { bad_option }) => {
            bad_option.map_or(Ok(()), |number| write!(f, " Bad-CSM-Option {number}"))?;
        }
        Ok(Signal::Unknown) => {}
        Err(critical) => write!(f, " critical option {critical}")?,
    }
    // §5.1: a payload says why, for people.
    write_payload(f, message)
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::coap::Token;

    fn words(mut message: Message, kind: Type) -> String {
        message.address(kind, 4242, Token::new(&[0x0a, 0x1b]).expect("short"));
        message.in_words().to_string()
    }

    fn put(path: &[&str], format: ContentFormat, payload: &str) -> String {
        let put = Message::request(Code::PUT).with_path(path).with_content_format(format);
        words(put.with_payload(payload.into()), Type::Con)
    }

    #[test]
    fn a_line_says_what_a_message_is() {
        let register = Message::request(Code::POST)
            .with_path(&["rd"])
            .with_query("ep=m01")
            .with_query("lt=300")
            .with_content_format(ContentFormat::LINK)
            .with_payload(b"</1/0>,</3/0>".to_vec());
        assert_eq!(
            words(register, Type::Con),
            "CON 4242 POST /rd?ep=m01&lt=300 [token 0a1b] link-format 13 B: </1/0>,</3/0>"
        );
        let created = Message::response(Code::CREATED).with_location(&["rd", "5a3f"]);
        assert_eq!(words(created, Type::Ack), "ACK 4242 2.01 Created Location /rd/5a3f");
        let observe = Message::request(Code::FETCH).with_observe(0).with_accept(ContentFormat::SENML_CBOR);
        assert_eq!(words(observe, Type::Con), "CON 4242 FETCH / [token 0a1b] Observe 0 Accept senml+cbor");
        let mut block =
            Message::response(Code::CONTENT).with_observe(7).with_max_age(9).with_payload(vec![0; 64]);
        block.set_block2(Block { num: 0, more: true, szx: 2 });
        assert_eq!(
            words(block, Type::Non),
            "NON 4242 2.05 Content [token 0a1b] Observe 7 Max-Age 9 Block2 0/1/64 64 B"
        );
        let unknown = Message::request(Code(9)).with_no_response(26);
        assert_eq!(words(unknown, Type::Non), "NON 4242 0.09 / [token 0a1b] No-Response 26");
    }

    #[test]
    fn datagrams_of_every_kind_have_words() {
        for (datagram, said) in [
            (&[0x70, 0, 0, 17][..], "RST 17"),
            (&[0x60, 0, 0, 17], "ACK 17"),
            (&[0x40, 0, 0, 17], "CON 17 ping"),
            (&[0x16; 12], "not CoAP: version 0, 12 bytes"),
            (&[0x40], "not CoAP: shorter than a header, 1 byte"),
            (&[0x49, 1, 0, 1], "not CoAP: impossible token length, 4 bytes"),
        ] {
            assert_eq!(datagram_in_words(datagram), said);
        }
    }

    #[test]
    fn texts_are_cut_and_cannot_harm_a_terminal() {
        let name = put(&["3", "0", "14"], ContentFormat::TEXT, "+01\x1b[2J\n\u{202e}");
        assert!(name.ends_with(r"text 11 B: +01\u{1b}[2J\n\u{202e}"), "{name}");
        let long = put(&["3", "0", "14"], ContentFormat::TEXT, &"ä".repeat(121));
        assert!(long.ends_with(&format!("242 B: {}...", "ä".repeat(120))), "{long}");
        let odd = Message::request(Code::GET).with_path(&["a\nb"]);
        assert_eq!(words(odd, Type::Con), r"CON 4242 GET /a\nb [token 0a1b]");
    }

    #[test]
    fn what_may_hold_a_key_is_shown_by_its_length() {
        let key = "c2VjcmV0";
        let secret = |line: &str| assert!(!line.contains(key), "{line}");
        for object in ["0", "21", "23", "24"] {
            secret(&put(&[object, "0", "5"], ContentFormat::TEXT, key));
            secret(&put(&["lwm2m", object, "0"], ContentFormat::TEXT, key));
            let record = format!(r#"[{{"bn":"/{object}/0/","n":"5","vd":"{key}"}}]"#);
            secret(&put(&[], ContentFormat::SENML_JSON, &record));
        }
        let response = |format: ContentFormat, payload: &str| {
            let content = Message::response(Code::CONTENT).with_content_format(format);
            words(content.with_payload(payload.into()), Type::Ack)
        };
        secret(&response(ContentFormat::TEXT, key));
        secret(&response(ContentFormat::OPAQUE, key));
        secret(&response(ContentFormat::SENML_JSON, &format!(r#"[{{"bn":"/","n":"0/0/5","vd":"{key}"}}]"#)));
        secret(&response(ContentFormat::SENML_JSON, &format!(r#"[{{"n":"0/0/5","vd":"{key}"}}]"#)));
        secret(&response(
            ContentFormat::SENML_JSON,
            &format!(r#"[{{"n":"/3/0/1"}},{{"n":"\/0\/0\/5","vd":"{key}"}}]"#),
        ));
        secret(&put(&["3", "0"], ContentFormat::OPAQUE, key));
        secret(&put(&["3", "0"], ContentFormat::TLV, key));
        // What cannot hold one is shown.
        assert!(put(&["1", "0", "1"], ContentFormat::TEXT, "300").ends_with("text 3 B: 300"));
        assert!(
            response(ContentFormat::SENML_JSON, r#"[{"bn":"/3/0/","n":"9","v":1}]"#).ends_with(r#""v":1}]"#)
        );
        let refusal = Message::response(Code::BAD_REQUEST).with_payload(b"no ep".to_vec());
        assert_eq!(words(refusal, Type::Ack), "ACK 4242 4.00 Bad Request 5 B: no ep");
    }

    proptest! {
        #[test]
        fn any_datagram_has_a_line_of_printable_characters(
            datagram in proptest::collection::vec(any::<u8>(), 0..200), version: bool,
        ) {
            let mut datagram = datagram;
            if let (Some(first), true) = (datagram.first_mut(), version) {
                *first = 0x40 | *first & 0x32;
            }
            let line = datagram_in_words(&datagram);
            prop_assert!(!line.is_empty() && !line.chars().any(char::is_control), "{line:?}");
        }
    }
}
