//! What is in a message beyond its line of words: paths and values where the content format is known, kinds
//! and lengths where keys travel.

use crate::base::text::counted;
use crate::protocol::coap::{Block, Code, ContentFormat, Message};
use crate::protocol::content;
use crate::protocol::lwm2m::{Entry, Path, Value, objects};

/// Objects whose resources are credentials or belong to them, of which names and lengths are shown only:
/// Security, OSCORE, COSE and MQTT Server.
const SECRET: [u16; 4] = [0, 21, 23, 24];

/// Bytes of an opaque value that are shown.
const SHOWN_BYTES: usize = 32;

/// Characters of a list that its line of words has room for.
const LIST_IN_A_LINE: usize = 120;

/// What `message` carries and its line of words does not show, a line for each value. `asked` is the path of
/// its request, where that is one of the data model.
pub(super) fn describe(message: &Message, asked: Option<Path>) -> Vec<String> {
    let payload = message.payload();
    let Some(format) = message.content_format().filter(|_| !payload.is_empty()) else { return Vec::new() };
    let secret = asked.is_some_and(is_secret);
    if format == ContentFormat::LINK {
        let long = payload.len() > LIST_IN_A_LINE && !secret;
        return if long { vec![String::from_utf8_lossy(payload).into_owned()] } else { Vec::new() };
    }
    // A part of a body cannot be read by itself, and a FETCH only names what it wants.
    if is_part(message) || message.code() == Code::FETCH {
        return Vec::new();
    }
    match content::decode(format, asked.unwrap_or(Path::ROOT), payload) {
        Ok(entries) => entries.iter().map(entry).collect(),
        Err(content::Error::Unsupported(_)) => Vec::new(),
        Err(error) if asked.is_some_and(|path| path != Path::ROOT && !secret) => {
            vec![format!("cannot be read: {error}")]
        }
        // What is wrong may be quoted, and be a key.
        Err(_) => vec!["cannot be read".to_owned()],
    }
}

/// Whether the payload is a block that is not the whole body (RFC 7959 §2.2).
fn is_part(message: &Message) -> bool {
    let block = if message.code().is_request() { message.block1() } else { message.block2() };
    block.is_some_and(|Block { num, more, .. }| num > 0 || more)
}

/// `/1/0/1 Lifetime = 300`
fn entry(Entry { path, value }: &Entry) -> String {
    let name = objects::resource(*path).map(|known| format!(" {}", known.name)).unwrap_or_default();
    let value = if is_secret(*path) { hidden(value) } else { shown(value) };
    format!("{path}{name} = {value}")
}

fn is_secret(path: Path) -> bool {
    path.ids().first().is_some_and(|object| SECRET.contains(object))
}

/// A value by its kind and length.
fn hidden(value: &Value) -> String {
    match value {
        Value::String(_) | Value::Opaque(_) | Value::CoreLink(_) => {
            format!("({}, {})", value.kind(), counted(value.byte_len() as u64, "byte"))
        }
        _ => format!("({})", value.kind()),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::CoreLink(link) => link.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Unsigned(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Time(seconds) => format!("{seconds} s since 1970"),
        Value::ObjectLink(object, instance) => format!("{object}:{instance}"),
        Value::Opaque(bytes) => {
            let hex: String = bytes.iter().take(SHOWN_BYTES).map(|byte| format!("{byte:02x}")).collect();
            match bytes.len() {
                0..=SHOWN_BYTES => hex,
                length => format!("{hex}.. ({})", counted(length as u64, "byte")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::coap::Code;

    fn write(path: Path, format: ContentFormat, payload: Vec<u8>) -> Vec<String> {
        let message = Message::request(Code::PUT).with_content_format(format).with_payload(payload);
        describe(&message, Some(path))
    }

    fn encoded(path: Path, format: ContentFormat, values: &[(u16, Value)]) -> Vec<u8> {
        let entry = |(id, value): &(u16, Value)| Entry::new(path.child(*id).expect("a path"), value.clone());
        let entries: Vec<Entry> = values.iter().map(entry).collect();
        content::encode(format, path, &entries).expect("it can be encoded")
    }

    #[test]
    fn values_are_shown_with_their_names() {
        let server = Path::instance(1, 0);
        let values = [(0, Value::Integer(123)), (1, Value::Integer(300)), (7, Value::from("U"))];
        for format in [ContentFormat::TLV, ContentFormat::SENML_CBOR, ContentFormat::SENML_JSON] {
            let lines = write(server, format, encoded(server, format, &values));
            assert_eq!(
                lines,
                ["/1/0/0 Short Server ID = 123", "/1/0/1 Lifetime = 300", "/1/0/7 Binding = \"U\""],
                "{format:?}"
            );
        }
    }

    #[test]
    fn keys_are_never_shown() {
        let security = Path::instance(0, 1);
        let values = [
            (0, Value::from("coap://hidden.example")),
            (1, Value::Boolean(false)),
            (5, Value::Opaque(Box::from(*b"hidden-hidden-16"))),
        ];
        for format in [ContentFormat::TLV, ContentFormat::SENML_CBOR, ContentFormat::SENML_JSON] {
            let payload = encoded(security, format, &values);
            let whole = write(security, format, payload.clone());
            assert_eq!(
                whole,
                [
                    "/0/1/0 LwM2M Server URI = (string, 21 bytes)",
                    "/0/1/1 Bootstrap-Server = (boolean)",
                    "/0/1/5 Secret Key = (opaque, 16 bytes)"
                ],
                "{format:?}"
            );
            // Nor where it is cut, or in a format that it is not in.
            let cut = payload[..payload.len() - 1].to_vec();
            for format in [format, ContentFormat::TEXT, ContentFormat::LINK, ContentFormat(11_544)] {
                for path in [security, Path::object(0)] {
                    let lines = write(path, format, cut.clone()).join("\n");
                    assert!(!lines.contains("hidden") && !lines.contains("68696464"), "{format:?}: {lines}");
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_read_says_why_or_nothing() {
        let device = Path::instance(3, 0);
        assert!(write(device, ContentFormat(60_000), vec![1, 2, 3]).is_empty(), "the line says the length");
        let broken = write(device, ContentFormat::TLV, vec![0xff]);
        assert!(broken[0].starts_with("cannot be read: the payload ends "), "{broken:?}");
        assert_eq!(write(Path::ROOT, ContentFormat::SENML_JSON, b"[\"key\"]".to_vec()), ["cannot be read"]);
        let message = Message::response(Code::BAD_REQUEST).with_payload(b"what is this?".to_vec());
        assert!(describe(&message, Some(device)).is_empty(), "the line says it");
    }

    #[test]
    fn lists_too_long_for_a_line_are_shown_whole() {
        let list = |links: usize| vec!["</3303/0>"; links].join(",");
        assert!(write(Path::ROOT, ContentFormat::LINK, list(3).into()).is_empty());
        assert_eq!(write(Path::ROOT, ContentFormat::LINK, list(30).into()), [list(30)]);
    }

    #[test]
    fn long_opaque_values_are_cut() {
        let path = Path::resource(5, 0, 0);
        let lines = write(path, ContentFormat::OPAQUE, vec![0xab; 100]);
        assert!(lines[0].ends_with(&format!(" = {}.. (100 bytes)", "ab".repeat(32))), "{lines:?}");
    }
}
