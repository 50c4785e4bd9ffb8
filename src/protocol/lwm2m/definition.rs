//! The shape of object definitions, and the words their tables are written in.

use std::fmt;

use super::{Value, Version};

/// The type of a resource's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8 text.
    String,
    /// Signed integer of up to 64 bits.
    Integer,
    /// Unsigned integer of up to 64 bits (LwM2M 1.1).
    Unsigned,
    /// IEEE 754 number of 32 or 64 bits.
    Float,
    /// True or false.
    Boolean,
    /// Bytes.
    Opaque,
    /// Seconds since 1970-01-01 UTC.
    Time,
    /// A link to an object instance.
    ObjectLink,
    /// CoRE link-format (LwM2M 1.1).
    CoreLink,
    /// No value: an executable resource.
    None,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::String => "string",
            Kind::Integer => "integer",
            Kind::Unsigned => "unsigned integer",
            Kind::Float => "float",
            Kind::Boolean => "boolean",
            Kind::Opaque => "opaque",
            Kind::Time => "time",
            Kind::ObjectLink => "object link",
            Kind::CoreLink => "CoRE link",
            Kind::None => "no value",
        })
    }
}

/// How many instances an object or a resource may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Multiplicity {
    /// One; of an object, instance 0.
    Single,
    /// Any number, each with its own identifier.
    Multiple,
}

/// What a server may do with a resource outside bootstrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operations {
    /// Read, observe.
    pub read: bool,
    /// Write.
    pub write: bool,
    /// Execute.
    pub execute: bool,
}

impl Operations {
    /// None: only a Bootstrap-Server writes it, or only a Send tells it.
    pub(super) const NONE: Self = Self { read: false, write: false, execute: false };
    pub(super) const R: Self = Self { read: true, ..Self::NONE };
    pub(super) const W: Self = Self { write: true, ..Self::NONE };
    pub(super) const RW: Self = Self { read: true, write: true, execute: false };
    pub(super) const E: Self = Self { execute: true, ..Self::NONE };
}

/// What the definition says about a value beyond its kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Range {
    /// Nothing.
    Any,
    /// A number between both, inclusive.
    Number(i64, i64),
    /// A string or opaque value of so many bytes, inclusive.
    Length(u32, u32),
    /// A string or opaque value of one of these lengths in bytes.
    Lengths(&'static [u32]),
}

/// One resource of an object.
#[derive(Debug)]
pub struct ResourceDef {
    /// Resource ID.
    pub id: u16,
    /// Its name in the registry.
    pub name: &'static str,
    /// What servers may do with it.
    pub operations: Operations,
    /// The type of its value.
    pub kind: Kind,
    /// Whether it has resource instances.
    pub multiplicity: Multiplicity,
    /// Whether every object instance has it.
    pub mandatory: bool,
    /// What values it takes.
    pub range: Range,
    /// The LwM2M version whose object first had it.
    pub since: Version,
}

/// One object, resources in order of their IDs.
#[derive(Debug)]
pub struct ObjectDef {
    /// Object ID.
    pub id: u16,
    /// Its name in the registry.
    pub name: &'static str,
    /// The newest version described here, `(major, minor)`.
    pub version: (u8, u8),
    /// Whether it has more than one instance.
    pub multiplicity: Multiplicity,
    /// Its resources, sorted by ID.
    pub resources: &'static [ResourceDef],
}

impl ObjectDef {
    /// The definition of resource `id`.
    pub fn resource(&self, id: u16) -> Option<&ResourceDef> {
        // Most objects number their resources from 0 without gaps.
        match self.resources.get(usize::from(id)) {
            Some(guess) if guess.id == id => Some(guess),
            _ => {
                let at = self.resources.binary_search_by_key(&id, |resource| resource.id).ok()?;
                Some(&self.resources[at])
            }
        }
    }
}

impl ResourceDef {
    /// An optional single resource of LwM2M 1.0 with any value of `kind`: what the methods below
    /// do not change.
    pub(super) const fn new(id: u16, name: &'static str, operations: Operations, kind: Kind) -> Self {
        ResourceDef {
            id,
            name,
            operations,
            kind,
            multiplicity: Multiplicity::Single,
            mandatory: false,
            range: Range::Any,
            since: Version::V1_0,
        }
    }

    pub(super) const fn mandatory(self) -> Self {
        ResourceDef { mandatory: true, ..self }
    }

    pub(super) const fn multiple(self) -> Self {
        ResourceDef { multiplicity: Multiplicity::Multiple, ..self }
    }

    pub(super) const fn range(self, range: Range) -> Self {
        ResourceDef { range, ..self }
    }

    pub(super) const fn since(self, since: Version) -> Self {
        ResourceDef { since, ..self }
    }

    /// Whether `value` has the kind and lies in the range of this resource.
    ///
    /// An empty string or opaque value is within every range of lengths: servers write it to
    /// resources they leave unset.
    pub fn accepts(&self, value: &Value) -> bool {
        if value.kind() != self.kind {
            return false;
        }
        match (self.range, value) {
            (Range::Number(min, max), Value::Float(number)) => (min as f64..=max as f64).contains(number),
            (Range::Number(min, max), Value::Unsigned(number)) => {
                i64::try_from(*number).is_ok_and(|number| (min..=max).contains(&number))
            }
            (Range::Number(min, max), Value::Integer(number) | Value::Time(number)) => {
                (min..=max).contains(number)
            }
            (Range::Length(..) | Range::Lengths(_), value) => {
                let length = value.byte_len();
                length == 0 || self.range.takes_length(length)
            }
            _ => true,
        }
    }
}

impl Range {
    fn takes_length(&self, length: usize) -> bool {
        let Ok(length) = u32::try_from(length) else { return false };
        match self {
            Range::Length(min, max) => (min..=max).contains(&&length),
            Range::Lengths(lengths) => lengths.contains(&length),
            Range::Any | Range::Number(..) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORT: ResourceDef =
        ResourceDef::new(5, "Port", Operations::RW, Kind::Integer).range(Range::Number(0, 15));
    const KEY: ResourceDef =
        ResourceDef::new(8, "Key", Operations::RW, Kind::Opaque).range(Range::Lengths(&[16, 32]));

    #[test]
    fn kind_and_range_are_checked() {
        assert!(PORT.accepts(&Value::Integer(15)));
        assert!(!PORT.accepts(&Value::Integer(16)));
        assert!(!PORT.accepts(&Value::Integer(-1)));
        assert!(!PORT.accepts(&Value::Unsigned(3)), "of another kind");
        assert!(KEY.accepts(&Value::Opaque([1; 16].into())));
        assert!(!KEY.accepts(&Value::Opaque([1; 17].into())));
    }

    #[test]
    fn an_empty_value_means_unset() {
        assert!(KEY.accepts(&Value::Opaque([].into())));
    }
}
