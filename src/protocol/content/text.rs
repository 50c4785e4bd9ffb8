//! Plain text (Content-Format 0): one value in decimal, as text, or in base64 (LwM2M Core TS,
//! "Plain Text" and the data types appendix).

use std::fmt::Display;
use std::str::FromStr;

use super::Error;
use super::base64::{self, Alphabet};
use super::entries::{admit_only, kind, only};
use crate::protocol::lwm2m::{Entry, Kind, Path, Value};

pub(super) fn encode(base: Path, entries: &[Entry]) -> Result<Vec<u8>, Error> {
    fn decimal(number: impl Display) -> Vec<u8> {
        number.to_string().into_bytes()
    }
    Ok(match &only(base, entries)?.value {
        Value::String(text) | Value::CoreLink(text) => text.as_bytes().to_vec(),
        Value::Integer(number) | Value::Time(number) => decimal(number),
        Value::Unsigned(number) => decimal(number),
        Value::Float(number) if number.is_finite() => decimal(number),
        Value::Float(_) => {
            return Err(Error::Unencodable { path: base, why: "text has no infinity and no NaN" });
        }
        Value::Boolean(truth) => decimal(u8::from(*truth)),
        Value::Opaque(bytes) => {
            let mut out = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
            base64::encode(Alphabet::Standard, bytes, &mut out);
            out
        }
        Value::ObjectLink(object, instance) => format!("{object}:{instance}").into_bytes(),
    })
}

pub(super) fn decode(base: Path, payload: &[u8]) -> Result<Vec<Entry>, Error> {
    admit_only(base)?;
    let text = str::from_utf8(payload)
        .map_err(|error| Error::Malformed { at: error.valid_up_to(), what: "this is not UTF-8" })?;
    let expected = kind(base).unwrap_or(Kind::String);
    let value = value(expected, text).ok_or(Error::Type { path: base, expected })?;
    Ok(vec![Entry::new(base, value)])
}

fn value(kind: Kind, text: &str) -> Option<Value> {
    Some(match kind {
        Kind::String | Kind::None => Value::String(text.into()),
        Kind::CoreLink => Value::CoreLink(text.into()),
        Kind::Integer => Value::Integer(number(text)?),
        Kind::Unsigned => Value::Unsigned(number(text)?),
        Kind::Time => Value::Time(number(text)?),
        Kind::Float => Value::Float(number(text).filter(|number: &f64| number.is_finite())?),
        Kind::Boolean => match text {
            "0" => Value::Boolean(false),
            "1" => Value::Boolean(true),
            _ => return None,
        },
        Kind::Opaque => Value::Opaque(base64::decode(Alphabet::Standard, text.as_bytes())?.into()),
        Kind::ObjectLink => object_link(text)?,
    })
}

/// `66:0`.
pub(super) fn object_link(text: &str) -> Option<Value> {
    let (object, instance) = text.split_once(':')?;
    Some(Value::ObjectLink(number(object)?, number(instance)?))
}

/// A decimal number without the leading `+` that Rust would take.
fn number<T: FromStr>(text: &str) -> Option<T> {
    if text.starts_with('+') { None } else { text.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: Path, text: &str) -> Result<Value, Error> {
        decode(path, text.as_bytes()).map(|entries| entries.into_iter().next().unwrap().value)
    }

    #[test]
    fn values_are_typed_by_the_definitions() {
        assert_eq!(read(Path::resource(1, 0, 1), "86400"), Ok(Value::Integer(86400)));
        assert_eq!(read(Path::resource(1, 0, 6), "1"), Ok(Value::Boolean(true)));
        assert_eq!(read(Path::resource(1, 0, 7), "U"), Ok(Value::from("U")));
        assert_eq!(read(Path::resource(0, 0, 5), "AQID"), Ok(Value::Opaque([1, 2, 3].into())));
        assert_eq!(read(Path::resource_instance(3, 0, 22, 0), "66:0"), Ok(Value::ObjectLink(66, 0)));
        assert_eq!(read(Path::resource(3, 0, 13), "1700000000"), Ok(Value::Time(1_700_000_000)));
        assert_eq!(read(Path::resource(64000, 0, 1), "12"), Ok(Value::from("12")));
    }

    #[test]
    fn what_is_not_of_the_type_is_refused() {
        for (path, text) in [
            (Path::resource(1, 0, 1), "86400s"),
            (Path::resource(1, 0, 1), "+1"),
            (Path::resource(1, 0, 1), ""),
            (Path::resource(1, 0, 6), "true"),
            (Path::resource(1, 0, 17), "-1"),
            (Path::resource(0, 0, 5), "AQ"),
            (Path::resource(0, 0, 17), "66"),
            (Path::resource(0, 0, 17), "66:70000"),
        ] {
            assert!(matches!(read(path, text), Err(Error::Type { .. })), "{path} {text:?}");
        }
        assert_eq!(value(Kind::Float, "inf"), None);
        assert!(matches!(decode(Path::resource(1, 0, 7), b"U\xff"), Err(Error::Malformed { at: 1, .. })));
        assert!(matches!(read(Path::resource(3, 0, 6), "1"), Err(Error::Multiplicity { .. })));
        assert!(matches!(read(Path::instance(1, 0), "1"), Err(Error::Unencodable { .. })));
    }
}
