//! Values of resources.

use std::fmt;

use super::{Kind, Path};

/// A value of a resource or a resource instance.
///
/// `Debug` shows the length of opaque values only: they may be keys.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// UTF-8 text.
    String(Box<str>),
    /// A signed integer.
    Integer(i64),
    /// An unsigned integer (LwM2M 1.1).
    Unsigned(u64),
    /// A floating point number.
    Float(f64),
    /// True or false.
    Boolean(bool),
    /// Bytes.
    Opaque(Box<[u8]>),
    /// Seconds since 1970-01-01 UTC.
    Time(i64),
    /// Object and object instance another instance is linked to; 65535:65535 is the null link.
    ObjectLink(u16, u16),
    /// A CoRE link (RFC 6690; LwM2M 1.1).
    CoreLink(Box<str>),
}

impl Value {
    /// What kind of value this is.
    pub fn kind(&self) -> Kind {
        match self {
            Value::String(_) => Kind::String,
            Value::Integer(_) => Kind::Integer,
            Value::Unsigned(_) => Kind::Unsigned,
            Value::Float(_) => Kind::Float,
            Value::Boolean(_) => Kind::Boolean,
            Value::Opaque(_) => Kind::Opaque,
            Value::Time(_) => Kind::Time,
            Value::ObjectLink(..) => Kind::ObjectLink,
            Value::CoreLink(_) => Kind::CoreLink,
        }
    }

    /// The text of a string or a CoRE link.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) | Value::CoreLink(text) => Some(text),
            _ => None,
        }
    }

    /// The number in an integer, an unsigned integer that fits, or a time.
    pub fn as_integer(&self) -> Option<i64> {
        match *self {
            Value::Integer(number) | Value::Time(number) => Some(number),
            Value::Unsigned(number) => i64::try_from(number).ok(),
            _ => None,
        }
    }

    /// The truth value of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match *self {
            Value::Boolean(truth) => Some(truth),
            _ => None,
        }
    }

    /// Bytes of a text or an opaque value, which is also what the value holds on the heap; 0 for
    /// every other kind.
    pub fn byte_len(&self) -> usize {
        match self {
            Value::String(text) | Value::CoreLink(text) => text.len(),
            Value::Opaque(bytes) => bytes.len(),
            _ => 0,
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::String(text) => write!(f, "String({text:?})"),
            Value::Integer(number) => write!(f, "Integer({number})"),
            Value::Unsigned(number) => write!(f, "Unsigned({number})"),
            Value::Float(number) => write!(f, "Float({number:?})"),
            Value::Boolean(truth) => write!(f, "Boolean({truth})"),
            Value::Opaque(bytes) => write!(f, "Opaque({} B)", bytes.len()),
            Value::Time(seconds) => write!(f, "Time({seconds})"),
            Value::ObjectLink(object, instance) => write!(f, "ObjectLink({object}:{instance})"),
            Value::CoreLink(link) => write!(f, "CoreLink({link:?})"),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::String(text.into())
    }
}

/// A value and where it belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The resource or resource instance.
    pub path: Path,
    /// Its value.
    pub value: Value,
}

impl Entry {
    /// `value` at `path`.
    pub fn new(path: Path, value: Value) -> Self {
        Entry { path, value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_small() {
        assert_eq!(size_of::<Value>(), 24);
        assert_eq!(size_of::<Entry>(), 32);
    }

    #[test]
    fn debug_does_not_show_secrets() {
        let key = Value::Opaque(Box::from(*b"\x01secret"));
        assert_eq!(format!("{key:?}"), "Opaque(7 B)");
    }

    #[test]
    fn numbers_that_do_not_fit_are_none() {
        assert_eq!(Value::Unsigned(u64::MAX).as_integer(), None);
        assert_eq!(Value::Unsigned(7).as_integer(), Some(7));
        assert_eq!(Value::Float(7.0).as_integer(), None);
    }
}
