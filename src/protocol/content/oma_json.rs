//! OMA's own JSON (Content-Format 11543; LwM2M TS 1.0 §6.4.4), which LwM2M 1.1 replaced by SenML.
//!
//! `{"bn":"/3/0/","e":[{"n":"0","sv":"ACME"},{"n":"9","v":95}]}`: `sv` is a string, or an opaque value in
//! base64, `v` a number or a time, `bv` a boolean, `ov` an object link. Opaque values of resources that
//! the definitions do not know are told as the strings they look like.

use std::borrow::Cow;
use std::io::Write;

use serde::de::{IgnoredAny, MapAccess};

use super::Error;
use super::base64::{self, Alphabet};
use super::entries::{Collector, kind};
use super::instances::Instances;
use super::json::{self, Fields, Number, Object, Text, once, time};
use super::names::{self, BaseName, Name, as_text};
use super::scalar::Scalar;
use crate::protocol::lwm2m::{Entry, Kind, Path, Value};

pub(super) fn encode(base: Path, entries: &[Entry]) -> Result<Vec<u8>, Error> {
    for Entry { path, value } in entries {
        json::check(*path, value)?;
    }
    let likely = 32 + entries.iter().map(|entry| 32 + entry.value.byte_len() / 3 * 4).sum::<usize>();
    let mut out = Vec::with_capacity(likely);
    write_pack(&mut out, base, entries).expect("a Vec takes all that is written");
    Ok(out)
}

fn write_pack(out: &mut Vec<u8>, base: Path, entries: &[Entry]) -> std::io::Result<()> {
    let names = BaseName::new(base, entries.iter().map(|entry| entry.path));
    write!(out, "{{\"bn\":\"{}\",\"e\":[", as_text(&names.text()))?;
    for (index, entry) in entries.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"{" } else { b",{" });
        let name = names.below(entry.path);
        if !name.is_empty() {
            write!(out, "\"n\":\"{}\",", as_text(&name))?;
        }
        write_value(out, &entry.value)?;
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    Ok(())
}

fn write_value(out: &mut Vec<u8>, value: &Value) -> std::io::Result<()> {
    match value {
        Value::String(text) | Value::CoreLink(text) => {
            out.extend_from_slice(b"\"sv\":");
            json::write_text(out, text)
        }
        Value::Opaque(bytes) => {
            out.extend_from_slice(b"\"sv\":\"");
            base64::encode(Alphabet::Standard, bytes, out);
            out.push(b'"');
            Ok(())
        }
        Value::Integer(number) | Value::Time(number) => write!(out, "\"v\":{number}"),
        Value::Unsigned(number) => write!(out, "\"v\":{number}"),
        Value::Float(number) => {
            out.extend_from_slice(b"\"v\":");
            json::write_float(out, *number)
        }
        Value::Boolean(truth) => write!(out, "\"bv\":{truth}"),
        Value::ObjectLink(object, instance) => {
            out.extend_from_slice(b"\"ov\":");
            json::write_object_link(out, *object, *instance)
        }
    }
}

pub(super) fn decode(base: Path, payload: &[u8]) -> Result<Vec<Entry>, Error> {
    read(base, payload, names::resource)
}

/// Reads the payload of a Create, whose names may lack the object instance.
pub(super) fn decode_create(payload: &[u8], instances: &mut Instances) -> Result<Vec<Entry>, Error> {
    read(instances.assigned.truncated(1), payload, |name| instances.path(name))
}

fn read(
    base: Path,
    payload: &[u8],
    mut path: impl FnMut(&[u8]) -> Result<Path, Error>,
) -> Result<Vec<Entry>, Error> {
    let Object(pack): Object<Pack<'_>> = json::read(payload)?;
    let elements =
        pack.elements.ok_or_else(|| Error::Json("the list of elements, \"e\", is missing".to_owned()))?;
    let mut out = Collector::new(base, payload.len());
    for Object(element) in elements {
        let name = element.name.as_deref().unwrap_or("");
        let path = path(&whole_name(base, pack.base_name.as_deref(), name))?;
        out.admit(path)?;
        let value = element.value.ok_or(Error::NoValue { path })?;
        out.push(Entry::new(path, typed(value, path)?));
    }
    out.finish()
}

/// Base name and name are one text. Without a base name, a name is below the path of the request unless it
/// begins with a slash.
fn whole_name(base: Path, base_name: Option<&str>, name: &str) -> Name {
    let mut whole = match base_name {
        Some(base_name) => Name::from_slice(base_name.as_bytes()),
        None if name.starts_with('/') => Name::new(),
        None => BaseName::new(base, name.is_empty().then_some(base).into_iter()).text(),
    };
    whole.extend_from_slice(name.as_bytes());
    whole
}

/// The value the resource at `path` takes this for.
fn typed(value: Scalar<'_>, path: Path) -> Result<Value, Error> {
    match (kind(path), value) {
        (Some(expected @ Kind::Opaque), Scalar::Text(text)) => {
            base64::decode(Alphabet::Standard, text.as_bytes())
                .map(|bytes| Value::Opaque(bytes.into()))
                .ok_or(Error::Type { path, expected })
        }
        (_, value) => value.typed(path),
    }
}

#[derive(Default)]
struct Pack<'a> {
    base_name: Option<Cow<'a, str>>,
    base_time: Option<f64>,
    elements: Option<Vec<Object<Element<'a>>>>,
}

impl<'de> Fields<'de> for Pack<'de> {
    const WHAT: &'static str = "an object with the elements in \"e\"";

    fn field<A: MapAccess<'de>>(&mut self, label: &str, map: &mut A) -> Result<(), A::Error> {
        match label {
            "bn" => once(&mut self.base_name, label, map.next_value::<Text<'de>>()?.0),
            "bt" => once(&mut self.base_time, label, time(map)?),
            "e" => once(&mut self.elements, label, map.next_value()?),
            _ => map.next_value::<IgnoredAny>().map(drop),
        }
    }
}

#[derive(Default)]
struct Element<'a> {
    name: Option<Cow<'a, str>>,
    time: Option<f64>,
    value: Option<Scalar<'a>>,
}

impl<'de> Fields<'de> for Element<'de> {
    const WHAT: &'static str = "an element, which is an object";

    fn field<A: MapAccess<'de>>(&mut self, label: &str, map: &mut A) -> Result<(), A::Error> {
        let value = match label {
            "n" => return once(&mut self.name, label, map.next_value::<Text<'de>>()?.0),
            "t" => return once(&mut self.time, label, time(map)?),
            "v" => map.next_value::<Number>()?.0,
            "sv" => Scalar::Text(map.next_value::<Text<'de>>()?.0),
            "bv" => Scalar::Boolean(map.next_value()?),
            "ov" => Scalar::ObjectLink(map.next_value::<Text<'de>>()?.0),
            _ => return map.next_value::<IgnoredAny>().map(drop),
        };
        once(&mut self.value, label, value)
    }
}

#[cfg(test)]
mod tests;
