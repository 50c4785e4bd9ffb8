//! SenML JSON (Content-Format 110; RFC 8428 §5).

use std::io::Write;

use serde::de::{Error as _, IgnoredAny, MapAccess};

use super::{Content, Head, Line, Record, Scalar, VERSION};
use crate::protocol::content::Error;
use crate::protocol::content::base64::{self, Alphabet};
use crate::protocol::content::json::{self, Fields, Number, Object, Text, once, time};
use crate::protocol::content::names::as_text;
use crate::protocol::lwm2m::Value;

pub(super) fn write<'a>(
    head: &Head,
    lines: impl ExactSizeIterator<Item = Line<'a>> + Clone,
) -> Result<Vec<u8>, Error> {
    let mut likely = 32;
    for line in lines.clone() {
        if let Content::Value(value) = line.content {
            json::check(line.path, value)?;
        }
        likely += 32 + line.content.byte_len();
    }
    let mut out = Vec::with_capacity(likely);
    write_pack(&mut out, head, lines).expect("a Vec takes all that is written");
    Ok(out)
}

fn write_pack<'a>(
    out: &mut Vec<u8>,
    head: &Head,
    lines: impl Iterator<Item = Line<'a>>,
) -> std::io::Result<()> {
    out.push(b'[');
    for (index, line) in lines.enumerate() {
        out.extend_from_slice(if index == 0 { b"{" } else { b",{" });
        if let Some(base_name) = head.names.as_ref().filter(|_| index == 0) {
            write!(out, "\"bn\":\"{}\",", as_text(&base_name.text()))?;
        }
        if let Some(base_time) = head.time.filter(|_| index == 0) {
            write_time(out, "bt", base_time)?;
        }
        let name = head.name(line.path);
        if !name.is_empty() {
            write!(out, "\"n\":\"{}\",", as_text(&name))?;
        }
        write_content(out, line.content)?;
        if let Some(time) = line.time {
            write_time(out, "t", time)?;
        }
        // Every field above ends in a comma, and no record is without fields.
        out.pop();
        out.push(b'}');
    }
    out.push(b']');
    Ok(())
}

/// Times are mostly whole seconds, and shorter as such.
fn write_time(out: &mut Vec<u8>, label: &str, seconds: f64) -> std::io::Result<()> {
    write!(out, "\"{label}\":")?;
    match seconds as i64 {
        whole if whole as f64 == seconds => write!(out, "{whole}")?,
        _ => json::write_float(out, seconds)?,
    }
    out.push(b',');
    Ok(())
}

fn write_content(out: &mut Vec<u8>, content: Content<'_>) -> std::io::Result<()> {
    match content {
        Content::Nothing => return Ok(()),
        Content::Null => out.extend_from_slice(b"\"v\":null"),
        Content::Value(value) => write_value(out, value)?,
    }
    out.push(b',');
    Ok(())
}

fn write_value(out: &mut Vec<u8>, value: &Value) -> std::io::Result<()> {
    match value {
        Value::String(text) | Value::CoreLink(text) => {
            out.extend_from_slice(b"\"vs\":");
            json::write_text(out, text)
        }
        Value::Integer(number) | Value::Time(number) => write!(out, "\"v\":{number}"),
        Value::Unsigned(number) => write!(out, "\"v\":{number}"),
        Value::Float(number) => {
            out.extend_from_slice(b"\"v\":");
            json::write_float(out, *number)
        }
        Value::Boolean(truth) => write!(out, "\"vb\":{truth}"),
        Value::Opaque(bytes) => {
            out.extend_from_slice(b"\"vd\":\"");
            base64::encode(Alphabet::Url, bytes, out);
            out.push(b'"');
            Ok(())
        }
        Value::ObjectLink(object, instance) => {
            out.extend_from_slice(b"\"vlo\":");
            json::write_object_link(out, *object, *instance)
        }
    }
}

pub(super) fn read<'a>(
    payload: &'a [u8],
    take: impl FnMut(Record<'a>) -> Result<(), Error>,
) -> Result<(), Error> {
    let records: Vec<Object<Record<'a>>> = json::read(payload)?;
    records.into_iter().map(|Object(record)| record).try_for_each(take)
}

impl<'de> Fields<'de> for Record<'de> {
    const WHAT: &'static str = "a SenML record";

    fn field<A: MapAccess<'de>>(&mut self, label: &str, map: &mut A) -> Result<(), A::Error> {
        let value = match label {
            "bn" => return once(&mut self.base_name, label, map.next_value::<Text<'de>>()?.0),
            "n" => return once(&mut self.name, label, map.next_value::<Text<'de>>()?.0),
            "bt" => return once(&mut self.base_time, label, time(map)?),
            "t" => return once(&mut self.time, label, time(map)?),
            "v" => map.next_value::<Option<Number>>()?.map(|Number(number)| number),
            "vs" => map.next_value::<Option<Text<'de>>>()?.map(|Text(text)| Scalar::Text(text)),
            "vb" => map.next_value::<Option<bool>>()?.map(Scalar::Boolean),
            "vlo" => map.next_value::<Option<Text<'de>>>()?.map(|Text(text)| Scalar::ObjectLink(text)),
            "vd" => match map.next_value::<Option<Text<'de>>>()? {
                None => None,
                Some(Text(text)) => {
                    let bytes = base64::decode(Alphabet::Url, text.as_bytes())
                        .ok_or_else(|| A::Error::custom("\"vd\" is not base64url without padding"))?;
                    Some(Scalar::Bytes(bytes.into()))
                }
            },
            _ => return other_field(label, map),
        };
        // A null under any of these labels is the absence of a value (RFC 8790 §3.2).
        once(&mut self.value, label, value.unwrap_or(Scalar::Null))
    }
}

/// Fields that LwM2M makes no use of.
fn other_field<'de, A: MapAccess<'de>>(label: &str, map: &mut A) -> Result<(), A::Error> {
    match label {
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

#[cfg(test)]
mod tests;
