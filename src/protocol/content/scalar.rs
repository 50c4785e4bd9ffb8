//! A value as a self-describing format tells it, and the type the definitions make of it.

use std::borrow::Cow;

use super::Error;
use super::entries::kind;
use super::text::object_link;
use crate::protocol::lwm2m::{Kind, Path, Value};

/// A value before the definitions are asked.
pub(super) enum Scalar<'a> {
    Integer(i64),
    /// One that is too big for the above.
    Unsigned(u64),
    Float(f64),
    Boolean(bool),
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    /// A text that the format marks as an object link.
    ObjectLink(Cow<'a, str>),
    /// Explicitly none, which in a patch removes what is there.
    Null,
}

impl Scalar<'_> {
    /// The value the resource at `path` takes this for.
    pub(super) fn typed(self, path: Path) -> Result<Value, Error> {
        let Some(expected) = kind(path) else { return self.natural(path) };
        let value = match (expected, self) {
            (_, Scalar::Null) => return Err(Error::NoValue { path }),
            (Kind::Integer, number) => number.integer().map(Value::Integer),
            (Kind::Time, number) => number.integer().map(Value::Time),
            (Kind::Unsigned, number) => number.unsigned().map(Value::Unsigned),
            (Kind::Float, number) => number.float().map(Value::Float),
            (Kind::CoreLink, Scalar::Text(text)) => Some(Value::CoreLink(text.into())),
            (Kind::ObjectLink, Scalar::Text(text)) => object_link(&text),
            // Writers that do not know a resource's type send an unset one as either kind of nothing.
            (Kind::Opaque, Scalar::Text(text)) if text.is_empty() => Some(Value::Opaque(Box::default())),
            (Kind::String, Scalar::Bytes(bytes)) if bytes.is_empty() => Some(Value::from("")),
            (other, value) => value.natural(path).ok().filter(|value| value.kind() == other),
        };
        value.ok_or(Error::Type { path, expected })
    }

    /// The value this is if nobody says otherwise.
    fn natural(self, path: Path) -> Result<Value, Error> {
        Ok(match self {
            Scalar::Integer(number) => Value::Integer(number),
            Scalar::Unsigned(number) => Value::Unsigned(number),
            Scalar::Float(number) => Value::Float(number),
            Scalar::Boolean(truth) => Value::Boolean(truth),
            Scalar::Text(text) => Value::String(text.into()),
            Scalar::Bytes(bytes) => Value::Opaque(bytes.into()),
            Scalar::ObjectLink(text) => {
                object_link(&text).ok_or(Error::Type { path, expected: Kind::ObjectLink })?
            }
            Scalar::Null => return Err(Error::NoValue { path }),
        })
    }

    fn integer(&self) -> Option<i64> {
        match *self {
            Scalar::Integer(number) => Some(number),
            // Some writers put every number as a float; up to 2^53 it is exactly the integer meant.
            Scalar::Float(number) if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 => {
                Some(number as i64)
            }
            _ => None,
        }
    }

    fn unsigned(&self) -> Option<u64> {
        match *self {
            Scalar::Unsigned(number) => Some(number),
            _ => u64::try_from(self.integer()?).ok(),
        }
    }

    /// The number in this, rounded to a float if it is not one.
    pub(super) fn float(&self) -> Option<f64> {
        match *self {
            Scalar::Float(number) => Some(number),
            Scalar::Integer(number) => Some(number as f64),
            Scalar::Unsigned(number) => Some(number as f64),
            _ => None,
        }
    }
}
