//! JSON as far as SenML and OMA's own JSON have it in common.

use std::borrow::Cow;
use std::fmt;
use std::io::Write;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use super::Error;
use super::scalar::Scalar;
use crate::protocol::lwm2m::{Path, Value};

/// Reads the whole payload as one JSON value.
pub(super) fn read<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(payload).map_err(|error| Error::Json(error.to_string()))
}

/// Refuses what JSON has no numbers for.
pub(super) fn check(path: Path, value: &Value) -> Result<(), Error> {
    match value {
        Value::Float(number) if !number.is_finite() => {
            Err(Error::Unencodable { path, why: "JSON has no infinity and no NaN" })
        }
        _ => Ok(()),
    }
}

/// Writes a text in quotes.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) -> std::io::Result<()> {
    Ok(serde_json::to_writer(out, text)?)
}

/// Writes a finite number.
pub(super) fn write_float(out: &mut Vec<u8>, number: f64) -> std::io::Result<()> {
    Ok(serde_json::to_writer(out, &number)?)
}

/// Writes an object link as the text `"66:0"`.
pub(super) fn write_object_link(out: &mut Vec<u8>, object: u16, instance: u16) -> std::io::Result<()> {
    write!(out, "\"{object}:{instance}\"")
}

/// What is read from the fields of a JSON object.
pub(super) trait Fields<'de>: Default {
    /// What the object is, for messages.
    const WHAT: &'static str;

    /// Takes the value of the field `label`.
    fn field<A: MapAccess<'de>>(&mut self, label: &str, map: &mut A) -> Result<(), A::Error>;
}

/// A JSON object and nothing else.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Fields<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);
        impl<'de, T: Fields<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::WHAT)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = T::default();
                while let Some(Text(label)) = map.next_key()? {
                    fields.field(&label, &mut map)?;
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

/// Fills a field that an object has once; of the value fields it has one.
pub(super) fn once<T, E: serde::de::Error>(field: &mut Option<T>, label: &str, value: T) -> Result<(), E> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::custom(format_args!("{label:?}: the record has this field, or a value, already"))),
    }
}

/// The number of a time.
pub(super) fn time<'de, A: MapAccess<'de>>(map: &mut A) -> Result<f64, A::Error> {
    let Number(number) = map.next_value()?;
    number.float().ok_or_else(|| A::Error::custom("a time is a number"))
}

/// Text, borrowed from the payload unless it has escapes in it.
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

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

/// A number of any size.
pub(super) struct Number(pub(super) Scalar<'static>);

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
