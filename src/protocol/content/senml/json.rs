//! SenML JSON (Content-Format 110; RFC 8428 §5).

use std::borrow::Cow;
use std::fmt;
use std::io::Write;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::{Pack, Record, Scalar, VERSION, as_text, base_name, name_below};
use crate::protocol::content::Error;
use crate::protocol::content::base64::{self, Alphabet};
use crate::protocol::lwm2m::{Entry, Path, Value};

pub(in super::super) fn encode(base: Path, entries: &[Entry]) -> Result<Vec<u8>, Error> {
    for Entry { path, value } in entries {
        if matches!(value, Value::Float(number) if !number.is_finite()) {
            return Err(Error::Unencodable { path: *path, why: "JSON has no infinity and no NaN" });
        }
    }
    let likely = 32 + entries.iter().map(|entry| 32 + entry.value.byte_len()).sum::<usize>();
    let mut out = Vec::with_capacity(likely);
    write_pack(&mut out, base, entries).expect("a Vec takes all that is written");
    Ok(out)
}

fn write_pack(out: &mut Vec<u8>, base: Path, entries: &[Entry]) -> std::io::Result<()> {
    out.push(b'[');
    for (index, entry) in entries.iter().enumerate() {
        out.push(if index == 0 { b'{' } else { b',' });
        if index == 0 {
            write!(out, "\"bn\":\"{}\",", as_text(&base_name(base, entries)))?;
        } else {
            out.push(b'{');
        }
        let name = name_below(base, entry.path);
        if !name.is_empty() {
            write!(out, "\"n\":\"{}\",", as_text(&name))?;
        }
        write_value(out, &entry.value)?;
        out.push(b'}');
    }
    out.push(b']');
    Ok(())
}

fn write_value(out: &mut Vec<u8>, value: &Value) -> std::io::Result<()> {
    match value {
        Value::String(text) | Value::CoreLink(text) => {
            out.extend_from_slice(b"\"vs\":");
            serde_json::to_writer(out, text)?;
        }
        Value::Integer(number) | Value::Time(number) => write!(out, "\"v\":{number}")?,
        Value::Unsigned(number) => write!(out, "\"v\":{number}")?,
        Value::Float(number) => {
            out.extend_from_slice(b"\"v\":");
            serde_json::to_writer(out, number)?;
        }
        Value::Boolean(truth) => write!(out, "\"vb\":{truth}")?,
        Value::Opaque(bytes) => {
            out.extend_from_slice(b"\"vd\":\"");
            base64::encode(Alphabet::Url, bytes, out);
            out.push(b'"');
        }
        Value::ObjectLink(object, instance) => write!(out, "\"vlo\":\"{object}:{instance}\"")?,
    }
    Ok(())
}

pub(in super::super) fn decode(base: Path, payload: &[u8]) -> Result<Vec<Entry>, Error> {
    let records: Vec<Record<'_>> =
        serde_json::from_slice(payload).map_err(|error| Error::Json(error.to_string()))?;
    let mut pack = Pack::new(base, payload.len());
    for record in records {
        pack.add(record)?;
    }
    pack.finish()
}

impl<'de> Deserialize<'de> for Record<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RecordVisitor)
    }
}

struct RecordVisitor;

impl<'de> Visitor<'de> for RecordVisitor {
    type Value = Record<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a SenML record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut record = Record::default();
        while let Some(Text(label)) = map.next_key()? {
            read_field(&label, &mut map, &mut record)?;
        }
        Ok(record)
    }
}

fn read_field<'de, A: MapAccess<'de>>(
    label: &str,
    map: &mut A,
    record: &mut Record<'de>,
) -> Result<(), A::Error> {
    fn once<T, E: serde::de::Error>(field: &mut Option<T>, label: &str, value: T) -> Result<(), E> {
        match field.replace(value) {
            None => Ok(()),
            Some(_) => {
                Err(E::custom(format_args!("{label:?}: the record has this field, or a value, already")))
            }
        }
    }
    match label {
        "bn" => once(&mut record.base_name, label, map.next_value::<Text<'de>>()?.0),
        "n" => once(&mut record.name, label, map.next_value::<Text<'de>>()?.0),
        "v" => once(&mut record.value, label, map.next_value::<Number>()?.0),
        "vs" => once(&mut record.value, label, Scalar::Text(map.next_value::<Text<'de>>()?.0)),
        "vb" => once(&mut record.value, label, Scalar::Boolean(map.next_value()?)),
        "vlo" => once(&mut record.value, label, Scalar::ObjectLink(map.next_value::<Text<'de>>()?.0)),
        "vd" => {
            let text = map.next_value::<Text<'de>>()?.0;
            let bytes = base64::decode(Alphabet::Url, text.as_bytes())
                .ok_or_else(|| A::Error::custom("\"vd\" is not base64url without padding"))?;
            once(&mut record.value, label, Scalar::Bytes(bytes.into()))
        }
        "bt" | "t" => map.next_value::<Number>().map(drop),
        "bver" => match map.next_value::<u64>()? {
            0..=VERSION => Ok(()),
            _ => Err(A::Error::custom("this SenML is of a later version than 10")),
        },
        "bv" | "bs" | "s" => Err(A::Error::custom("LwM2M has no base values and sums")),
        // RFC 8428 §4.4: unknown fields are ignored, but for those ending in an underscore.
        _ if label.ends_with('_') => {
            Err(A::Error::custom(format_args!("field {label:?} must be understood, but is unknown")))
        }
        _ => map.next_value::<IgnoredAny>().map(drop),
    }
}

/// Text, borrowed from the payload unless it has escapes in it.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(text.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(text.to_owned().into()))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

struct Number(Scalar<'static>);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl Visitor<'_> for NumberVisitor {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Number(Scalar::Integer(number)))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Number(i64::try_from(number).map_or(Scalar::Unsigned(number), Scalar::Integer)))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
                Ok(Number(Scalar::Float(number)))
            }
        }
        deserializer.deserialize_any(NumberVisitor)
    }
}

#[cfg(test)]
mod tests;
