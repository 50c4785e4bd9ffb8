//! Values of resources as people write them, typed by the object definitions.
//!
//! | kind | in TOML | in CSV |
//! |---|---|---|
//! | string, CoRE link | a string | as it is |
//! | integer, unsigned integer | a whole number | a whole number |
//! | float | a number | a number |
//! | boolean | `true`, `false` | `true`, `false`, `1`, `0` |
//! | opaque | a string of hex digits | hex digits |
//! | time | seconds since 1970, a whole number | the same |
//! | object link | `"3:0"` | `3:0` |
//!
//! What the definitions do not know is taken as TOML has it, and as a string from CSV. No message here
//! shows a value: it may be a key.

use crate::protocol::lwm2m::{Entry, Kind, Multiplicity, Path, Range, ResourceDef, Value, objects};

/// A value as it was written.
#[derive(Clone, Copy)]
pub(super) enum Written<'a> {
    /// In TOML.
    Toml(&'a toml::Value),
    /// In CSV, or in a template after its placeholders were replaced.
    Text(&'a str),
}

/// The path of a resource or a resource instance that can be set, as it was written.
pub(super) fn path(text: &str) -> Result<Path, String> {
    let path: Path = text.parse().map_err(|error| format!("{error}"))?;
    let [object, _, resource, ..] = *path.ids() else {
        return Err("must be the path of a resource, such as /3/0/2".to_owned());
    };
    let Some(object) = objects::find(object) else { return Ok(path) };
    let Some(known) = object.resource(resource) else {
        return Err(format!("/{} {} has no resource {resource}", object.id, object.name));
    };
    match (known.multiplicity, path.depth()) {
        _ if known.kind == Kind::None => Err(format!("{} is executable and has no value", known.name)),
        (Multiplicity::Multiple, 3) => {
            Err(format!("{} has several instances: name one, such as {path}/0", known.name))
        }
        (Multiplicity::Single, 4) => Err(format!("{} has no instances", known.name)),
        _ => Ok(path),
    }
}

/// The entry that `written` makes at `path`.
pub(super) fn entry(path: Path, written: Written<'_>) -> Result<Entry, String> {
    value(objects::resource(path), written).map(|value| Entry::new(path, value))
}

/// The value of a resource of this definition.
pub(super) fn value(known: Option<&ResourceDef>, written: Written<'_>) -> Result<Value, String> {
    let Some(known) = known else {
        return natural(written).ok_or_else(|| "must be a string, a number, true or false".to_owned());
    };
    let value = typed(known.kind, written).ok_or_else(|| format!("must be {}", form(known.kind)))?;
    if known.accepts(&value) {
        return Ok(value);
    }
    let range = match known.range {
        Range::Any => String::new(),
        Range::Number(least, most) => format!(", {least} to {most}"),
        Range::Length(least, most) => format!(", {least} to {most} bytes"),
        Range::Lengths(lengths) => format!(", of which the lengths in bytes are {lengths:?}"),
    };
    Err(format!("is out of the range of {}{range}", known.name))
}

fn typed(kind: Kind, written: Written<'_>) -> Option<Value> {
    Some(match (kind, written) {
        (Kind::String, written) => Value::String(text(written)?.into()),
        (Kind::CoreLink, written) => Value::CoreLink(text(written)?.into()),
        (Kind::Opaque, written) => Value::Opaque(unhex(text(written)?)?.into()),
        (Kind::ObjectLink, written) => {
            let (object, instance) = text(written)?.split_once(':')?;
            Value::ObjectLink(object.trim().parse().ok()?, instance.trim().parse().ok()?)
        }
        (Kind::Integer, written) => Value::Integer(integer(written)?),
        (Kind::Time, written) => Value::Time(integer(written)?),
        (Kind::Unsigned, Written::Text(text)) => Value::Unsigned(text.trim().parse().ok()?),
        (Kind::Unsigned, written) => Value::Unsigned(u64::try_from(integer(written)?).ok()?),
        (Kind::Float, Written::Text(text)) => Value::Float(finite(text.trim().parse().ok()?)?),
        (Kind::Float, Written::Toml(toml::Value::Integer(number))) => Value::Float(*number as f64),
        (Kind::Float, Written::Toml(value)) => Value::Float(finite(value.as_float()?)?),
        (Kind::Boolean, Written::Text(text)) => Value::Boolean(match text.trim() {
            "true" | "1" => true,
            "false" | "0" => false,
            _ => return None,
        }),
        (Kind::Boolean, Written::Toml(value)) => Value::Boolean(value.as_bool()?),
        (Kind::None, _) => return None,
    })
}

fn natural(written: Written<'_>) -> Option<Value> {
    Some(match written {
        Written::Text(text) => Value::from(text),
        Written::Toml(toml::Value::String(text)) => Value::from(&**text),
        Written::Toml(toml::Value::Integer(number)) => Value::Integer(*number),
        Written::Toml(toml::Value::Float(number)) => Value::Float(finite(*number)?),
        Written::Toml(toml::Value::Boolean(truth)) => Value::Boolean(*truth),
        Written::Toml(_) => return None,
    })
}

fn text(written: Written<'_>) -> Option<&str> {
    match written {
        Written::Text(text) => Some(text),
        Written::Toml(value) => value.as_str(),
    }
}

fn integer(written: Written<'_>) -> Option<i64> {
    match written {
        Written::Text(text) => text.trim().parse().ok(),
        Written::Toml(value) => value.as_integer(),
    }
}

fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

fn form(kind: Kind) -> &'static str {
    match kind {
        Kind::String => "a string",
        Kind::CoreLink => "a string of CoRE links",
        Kind::Opaque => "an even number of hex digits",
        Kind::ObjectLink => "an object link, such as 3:0",
        Kind::Integer => "a whole number",
        Kind::Unsigned => "a whole number that is not negative",
        Kind::Time => "a time in whole seconds since 1970",
        Kind::Float => "a number",
        Kind::Boolean => "true or false",
        Kind::None => "left out: the resource has no value",
    }
}

/// The value as it is written in TOML; [`value`] reads it back.
pub(super) fn to_toml(value: &Value) -> toml::Value {
    match value {
        Value::String(text) | Value::CoreLink(text) => toml::Value::String(text.to_string()),
        Value::Integer(number) | Value::Time(number) => toml::Value::Integer(*number),
        Value::Unsigned(number) => toml::Value::Integer(i64::try_from(*number).unwrap_or(i64::MAX)),
        Value::Float(number) => toml::Value::Float(*number),
        Value::Boolean(truth) => toml::Value::Boolean(*truth),
        Value::Opaque(bytes) => toml::Value::String(hex(bytes)),
        Value::ObjectLink(object, instance) => toml::Value::String(format!("{object}:{instance}")),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let text = text.trim().as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn from_text(at: &str, text: &str) -> Result<Value, String> {
        entry(path(at)?, Written::Text(text)).map(|entry| entry.value)
    }

    #[test]
    fn values_have_the_type_of_their_resource() {
        assert_eq!(from_text("/3/0/2", "SN 7"), Ok(Value::from("SN 7")));
        assert_eq!(from_text("/0/0/11", "60"), Ok(Value::Integer(60)));
        assert_eq!(from_text("/0/0/5", "00fF"), Ok(Value::Opaque([0, 255].into())));
        assert_eq!(from_text("/1/1/6", "true"), Ok(Value::Boolean(true)));
        assert_eq!(from_text("/1/1/17", "5"), Ok(Value::Unsigned(5)));
        assert_eq!(from_text("/64999/0/2", "anything"), Ok(Value::from("anything")));
        for (at, text, problem) in [
            ("/0/0/5", "xyz", "hex digits"),
            ("/0/0/5", "0", "hex digits"),
            ("/0/0/11", "soon", "a whole number"),
            ("/1/0/0", "0", "out of the range of Short Server ID"),
            ("/3/0/4", "", "executable"),
            ("/3/0/11", "0", "several instances: name one, such as /3/0/11/0"),
            ("/3/0/2/0", "x", "has no instances"),
            ("/3/0/999", "x", "/3 Device has no resource 999"),
            ("/3/0", "x", "the path of a resource"),
        ] {
            let said = from_text(at, text).expect_err(at);
            assert!(said.contains(problem), "{at}: {said}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_as_toml_is_read_back(bytes: Vec<u8>, number: u32, text in ".{0,9}") {
            let values = [
                ("/0/0/3", Value::Opaque(bytes.into())),
                ("/1/1/17", Value::Unsigned(number.into())),
                ("/3/0/2", Value::from(&*text)),
            ];
            for (at, value) in values {
                let written = to_toml(&value);
                prop_assert_eq!(entry(path(at).unwrap(), Written::Toml(&written)).map(|entry| entry.value), Ok(value));
            }
        }

        #[test]
        fn any_path_and_text_is_an_entry_or_an_error(at in "(/[0-9]{1,5}){0,5}", text in ".{0,12}") {
            let _ = from_text(&at, &text);
        }
    }
}
