//! SenML (RFC 8428) as LwM2M uses it: what its CBOR and JSON forms share.
//!
//! A pack is a list of records; a record's path is its name after the base name in force, and each
//! record carries one value. LwM2M has no use for base values and sums: they are refused, since
//! ignoring them would give wrong values.
//!
//! The same records without values ask for paths, and with a null remove something (RFC 8790).

mod cbor;
mod json;

use std::borrow::Cow;

use super::Error;
use super::entries::Collector;
use super::names::{self, BaseName, Name};
use super::scalar::Scalar;
use crate::protocol::lwm2m::{Entry, Path, Value};

/// The newest `bver` there is (RFC 8428 §4.4: packs of later versions are to be refused).
const VERSION: u64 = 10;

/// Which SenML.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Cbor,
    Json,
}

/// Writes values, each at or below `base`.
pub(super) fn encode(form: Form, base: Path, entries: &[Entry]) -> Result<Vec<u8>, Error> {
    let names = BaseName::new(base, entries.iter().map(|entry| entry.path));
    let lines = entries.iter().map(|entry| Line {
        path: entry.path,
        time: None,
        content: Content::Value(&entry.value),
    });
    write(form, &Head { names: Some(names), time: None }, lines)
}

/// Reads values, each at or below `base`.
pub(super) fn decode(form: Form, base: Path, payload: &[u8]) -> Result<Vec<Entry>, Error> {
    let mut out = Collector::new(base, payload.len());
    read(form, payload, |record| {
        let path = record.resource()?;
        out.admit(path)?;
        out.push(Entry::new(path, record.value(path)?));
        Ok(())
    })?;
    out.finish()
}

/// What a pack says in its first record for all others.
pub(super) struct Head {
    /// None: every record has its whole path for a name.
    pub(super) names: Option<BaseName>,
    /// Base time.
    pub(super) time: Option<f64>,
}

impl Head {
    fn name(&self, path: Path) -> Name {
        self.names.as_ref().map_or_else(|| names::whole(path), |names| names.below(path))
    }
}

/// One record to write.
pub(super) struct Line<'a> {
    pub(super) path: Path,
    /// Time after the base time; finite.
    pub(super) time: Option<f64>,
    pub(super) content: Content<'a>,
}

/// What a record to write carries.
pub(super) enum Content<'a> {
    Value(&'a Value),
    Null,
    Nothing,
}

impl Content<'_> {
    fn byte_len(&self) -> usize {
        match self {
            Content::Value(value) => value.byte_len(),
            Content::Null | Content::Nothing => 0,
        }
    }
}

/// Writes a pack.
pub(super) fn write<'a>(
    form: Form,
    head: &Head,
    lines: impl ExactSizeIterator<Item = Line<'a>> + Clone,
) -> Result<Vec<u8>, Error> {
    match form {
        Form::Cbor => Ok(cbor::write(head, lines)),
        Form::Json => json::write(head, lines),
    }
}

/// One record as it was read. What LwM2M does not use of it is gone.
#[derive(Default)]
struct Record<'a> {
    base_name: Option<Cow<'a, str>>,
    base_time: Option<f64>,
    name: Option<Cow<'a, str>>,
    time: Option<f64>,
    value: Option<Scalar<'a>>,
}

/// A record with what the records before it say for all (RFC 8428 §4.6).
pub(super) struct Resolved<'a> {
    /// Base name and name.
    pub(super) name: Name,
    /// Base time and time; None if neither was ever given.
    pub(super) time: Option<f64>,
    /// None if there is no field with a value.
    pub(super) value: Option<Scalar<'a>>,
}

impl Resolved<'_> {
    /// The path of the resource or resource instance this is about.
    pub(super) fn resource(&self) -> Result<Path, Error> {
        names::resource(&self.name)
    }

    /// The value, of the type the resource at `path` has.
    pub(super) fn value(self, path: Path) -> Result<Value, Error> {
        self.value.ok_or(Error::NoValue { path })?.typed(path)
    }
}

/// Reads a pack, record by record.
pub(super) fn read(
    form: Form,
    payload: &[u8],
    mut take: impl FnMut(Resolved<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut base = Base { name: Name::new(), time: None };
    let resolve = |record: Record<'_>| take(base.resolve(record));
    match form {
        Form::Cbor => cbor::read(payload, resolve),
        Form::Json => json::read(payload, resolve),
    }
}

/// The base fields in force.
struct Base {
    name: Name,
    time: Option<f64>,
}

impl Base {
    fn resolve<'a>(&mut self, record: Record<'a>) -> Resolved<'a> {
        if let Some(name) = record.base_name {
            self.name = Name::from_slice(name.as_bytes());
        }
        self.time = record.base_time.or(self.time);
        // §4.1: base name and name are one text, so either may end within a number.
        let mut name = Name::from_slice(&self.name);
        name.extend_from_slice(record.name.as_deref().unwrap_or("").as_bytes());
        let time = match (self.time, record.time) {
            (None, None) => None,
            (base, own) => Some(base.unwrap_or(0.0) + own.unwrap_or(0.0)),
        };
        Resolved { name, time, value: record.value }
    }
}
