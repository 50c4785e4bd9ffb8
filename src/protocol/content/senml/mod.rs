//! SenML (RFC 8428) as LwM2M uses it: what its CBOR and JSON forms share.
//!
//! A pack is a list of records; a record's path is its name after the base name in force, and each
//! record carries one value. LwM2M has no use for base values and sums: they are refused, since
//! ignoring them would give wrong values.

pub(super) mod cbor;
pub(super) mod json;

use std::borrow::Cow;

use smallvec::SmallVec;

use super::Error;
use super::entries::{Collector, kind};
use super::text::object_link;
use crate::protocol::lwm2m::{Entry, Kind, Path, Value};

/// The newest `bver` there is (RFC 8428 §4.4: packs of later versions are to be refused).
const VERSION: u64 = 10;

/// A name, or a part of one: no path is longer than `/65534/65534/65534/65534`.
type Name = SmallVec<[u8; 24]>;

/// One record as it was read. What LwM2M does not use of it is gone.
#[derive(Default)]
struct Record<'a> {
    base_name: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    value: Option<Scalar<'a>>,
}

/// A value as the format tells it, before the definitions are asked.
enum Scalar<'a> {
    Integer(i64),
    /// One that is too big for the above.
    Unsigned(u64),
    Float(f64),
    Boolean(bool),
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    /// `vlo`
    ObjectLink(Cow<'a, str>),
}

/// Turns records into entries.
struct Pack {
    base_name: SmallVec<[u8; 24]>,
    entries: Collector,
}

impl Pack {
    fn new(base: Path, payload: usize) -> Self {
        Pack { base_name: SmallVec::new(), entries: Collector::new(base, payload) }
    }

    fn add(&mut self, record: Record<'_>) -> Result<(), Error> {
        if let Some(base_name) = record.base_name {
            self.base_name = SmallVec::from_slice(base_name.as_bytes());
        }
        let path = self.path(record.name.as_deref().unwrap_or(""))?;
        self.entries.admit(path)?;
        let value = record.value.ok_or(Error::NoValue { path })?;
        self.entries.push(Entry::new(path, value.typed(path)?));
        Ok(())
    }

    fn finish(self) -> Result<Vec<Entry>, Error> {
        self.entries.finish()
    }

    /// Base name and name are one text (RFC 8428 §4.1), so either may end within a number.
    fn path(&self, name: &str) -> Result<Path, Error> {
        let mut whole = self.base_name.clone();
        whole.extend_from_slice(name.as_bytes());
        let path = str::from_utf8(&whole).ok().and_then(|text| text.parse::<Path>().ok());
        path.filter(|path| path.depth() >= 3).ok_or_else(|| {
            // What cannot be a path is not worth quoting in full.
            whole.truncate(40);
            Error::Name(String::from_utf8_lossy(&whole).into_owned())
        })
    }
}

impl Scalar<'_> {
    /// The value the resource at `path` takes this for.
    fn typed(self, path: Path) -> Result<Value, Error> {
        let Some(expected) = kind(path) else { return self.natural(path) };
        let value = match expected {
            Kind::Integer => self.integer().map(Value::Integer),
            Kind::Time => self.integer().map(Value::Time),
            Kind::Unsigned => self.unsigned().map(Value::Unsigned),
            Kind::Float => self.float().map(Value::Float),
            Kind::CoreLink => match self {
                Scalar::Text(text) => Some(Value::CoreLink(text.into())),
                _ => None,
            },
            other => self.natural(path).ok().filter(|value| value.kind() == other),
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

    fn float(&self) -> Option<f64> {
        match *self {
            Scalar::Float(number) => Some(number),
            Scalar::Integer(number) => Some(number as f64),
            Scalar::Unsigned(number) => Some(number as f64),
            _ => None,
        }
    }
}

/// The base name to write: `base` and a slash, unless the only entry is `base` itself.
fn base_name(base: Path, entries: &[Entry]) -> Name {
    let mut name = Name::new();
    for id in base.ids() {
        name.push(b'/');
        push_decimal(&mut name, *id);
    }
    if !matches!(entries, [only] if only.path == base) {
        name.push(b'/');
    }
    name
}

/// The name to write below a base name from `base`: empty for `base` itself.
fn name_below(base: Path, path: Path) -> Name {
    let mut name = Name::new();
    for (at, id) in path.ids().iter().skip(base.depth()).enumerate() {
        if at > 0 {
            name.push(b'/');
        }
        push_decimal(&mut name, *id);
    }
    name
}

fn as_text(name: &Name) -> &str {
    str::from_utf8(name).expect("names are digits and slashes")
}

fn push_decimal(name: &mut Name, number: u16) {
    let mut place = 10_000;
    while place > 1 && number < place {
        place /= 10;
    }
    while place > 0 {
        name.push(b'0' + (number / place % 10) as u8);
        place /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_formatter_does() {
        for number in (0..=u16::MAX).step_by(7).chain([0, 9, 10, 99, 100, 10_000, u16::MAX]) {
            let mut name = Name::new();
            push_decimal(&mut name, number);
            assert_eq!(as_text(&name), number.to_string());
        }
    }
}
