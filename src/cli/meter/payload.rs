//! What is in a message: paths and values where the content format is known, lengths where keys travel.

use crate::base::text::counted;
use crate::protocol::coap::{Block, ContentFormat, Message};
use crate::protocol::content;
use crate::protocol::lwm2m::{Entry, Path, Value, objects};

/// Objects whose resources are credentials or belong to them, of which names and lengths are shown only:
/// Security, OSCORE, COSE and MQTT Server.
const SECRET: [u16; 4] = [0, 21, 23, 24];

/// Bytes of an opaque value that are shown.
const SHOWN_BYTES: usize = 32;

/// What `message` carries, a line for each value. `asked` is the path of its request, where that is one of
/// the data model.
pub(super) fn describe(message: &Message, asked: Option<Path>) -> Vec<String> {
    let payload = message.payload();
    if payload.is_empty() {
        return Vec::new();
    }
    let secret = asked.is_some_and(is_secret);
    let (size, part) = (counted(payload.len() as u64, "byte"), part_of_a_body(message));
    match message.content_format() {
        // RFC 7252 §5.5.2: a diagnostic payload is text without a format.
        None if is_refusal(message) && !secret => vec![text(payload)],
        None => vec![format!("{size} without a content format")],
        // A part of a list can be read as well as the whole.
        Some(ContentFormat::LINK) if !secret => vec![text(payload)],
        Some(format) if part => vec![format!("{size} of {}, a part of the whole", name(format))],
        Some(format) => match content::decode(format, asked.unwrap_or(Path::ROOT), payload) {
            Ok(entries) if entries.is_empty() => vec![format!("no values in {size} of {}", name(format))],
            Ok(entries) => entries.iter().map(entry).collect(),
            Err(error) if asked.is_some_and(|path| path != Path::ROOT && !secret) => {
                vec![format!("{size} of {}: {error}", name(format))]
            }
            // What is wrong may be quoted, and be a key.
            Err(_) => vec![format!("{size} of {}, which cannot be read", name(format))],
        },
    }
}

fn is_refusal(message: &Message) -> bool {
    message.code().is_response() && !message.code().is_success()
}

/// Whether the payload is a block that is not the whole body (RFC 7959 §2.2).
fn part_of_a_body(message: &Message) -> bool {
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

fn text(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload).into_owned()
}

/// What a content format is called in the registry.
fn name(format: ContentFormat) -> String {
    match format {
        ContentFormat::TEXT => "text".to_owned(),
        ContentFormat::LINK => "link-format".to_owned(),
        ContentFormat::OPAQUE => "octet-stream".to_owned(),
        ContentFormat::SENML_JSON => "SenML JSON".to_owned(),
        ContentFormat::SENML_CBOR => "SenML CBOR".to_owned(),
        ContentFormat::TLV => "TLV".to_owned(),
        ContentFormat(number) => format!("content format {number}"),
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
    fn what_cannot_be_read_is_told_by_its_length() {
        let device = Path::instance(3, 0);
        let unknown = write(device, ContentFormat(60_000), vec![1, 2, 3]);
        assert!(unknown[0].starts_with("3 bytes of content format 60000: "), "{unknown:?}");
        let broken = write(device, ContentFormat::TLV, vec![0xff]);
        assert!(broken[0].starts_with("1 byte of TLV: "), "{broken:?}");
        let refused = Message::response(Code::BAD_REQUEST).with_payload(b"what is this?".to_vec());
        assert_eq!(describe(&refused, Some(device)), ["what is this?"]);
        assert!(describe(&Message::response(Code::CHANGED), Some(device)).is_empty());
    }

    #[test]
    fn long_opaque_values_are_cut() {
        let path = Path::resource(5, 0, 0);
        let lines = write(path, ContentFormat::OPAQUE, vec![0xab; 100]);
        assert!(lines[0].ends_with(&format!(" = {}.. (100 bytes)", "ab".repeat(32))), "{lines:?}");
    }
}
