//! Opaque (Content-Format 42): the bytes of one opaque value and nothing else.

use super::Error;
use super::entries::{admit_only, kind, only};
use crate::protocol::lwm2m::{Entry, Kind, Path, Value};

pub(super) fn encode(base: Path, entries: &[Entry]) -> Result<Vec<u8>, Error> {
    match &only(base, entries)?.value {
        Value::Opaque(bytes) => Ok(bytes.to_vec()),
        _ => Err(Error::Unencodable { path: base, why: "only opaque values go into this format" }),
    }
}

pub(super) fn decode(base: Path, payload: &[u8]) -> Result<Vec<Entry>, Error> {
    admit_only(base)?;
    match kind(base) {
        Some(expected) if expected != Kind::Opaque => Err(Error::Type { path: base, expected }),
        _ => Ok(vec![Entry::new(base, Value::Opaque(payload.into()))]),
    }
}
