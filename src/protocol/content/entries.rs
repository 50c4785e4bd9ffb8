//! What all codecs of values ask of a set of entries.

use std::borrow::Cow;

use super::Error;
use crate::protocol::lwm2m::{Entry, Kind, Multiplicity, Path, objects};

/// Collects decoded entries and checks each against the path of the request, the definitions, and
/// the others.
pub(super) struct Collector {
    base: Path,
    entries: Vec<Entry>,
    in_order: bool,
}

impl Collector {
    /// For a payload of `payload` bytes, sent to `base`.
    pub(super) fn new(base: Path, payload: usize) -> Self {
        // A guess from what is really there; no length field has a say in it.
        let likely = (payload / 8).clamp(1, 16);
        Collector { base, entries: Vec::with_capacity(likely), in_order: true }
    }

    /// Whether a value may be at `path` in this payload.
    pub(super) fn admit(&self, path: Path) -> Result<(), Error> {
        admit(self.base, path)
    }

    /// Takes an admitted entry.
    pub(super) fn push(&mut self, entry: Entry) {
        self.in_order &= self.entries.last().is_none_or(|last| follows(entry.path, last.path));
        self.entries.push(entry);
    }

    /// All entries, if no two are for the same place.
    pub(super) fn finish(self) -> Result<Vec<Entry>, Error> {
        if !self.in_order {
            distinct(self.entries.iter().map(|entry| entry.path))?;
        }
        Ok(self.entries)
    }
}

/// Whether the resource or resource instance `path` may have a value in a payload for `base`.
pub(super) fn admit(base: Path, path: Path) -> Result<(), Error> {
    if !path.starts_with(&base) {
        return Err(Error::Outside { path, base });
    }
    let multiple = path.depth() == 4;
    match objects::resource(path) {
        Some(known) if multiple != (known.multiplicity == Multiplicity::Multiple) => {
            Err(Error::Multiplicity { path })
        }
        _ => Ok(()),
    }
}

/// Whether no two of the paths, in any order, are for the same place.
pub(super) fn distinct(paths: impl Iterator<Item = Path>) -> Result<(), Error> {
    let mut sorted: Vec<Path> = paths.collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| !follows(pair[1], pair[0])) {
        Some(pair) => Err(Error::Duplicate { path: pair[1] }),
        None => Ok(()),
    }
}

/// The type the definitions give to values at `path`. None for what they do not know and for
/// executable resources, which have no value of their own.
pub(super) fn kind(path: Path) -> Option<Kind> {
    objects::resource(path).map(|known| known.kind).filter(|&kind| kind != Kind::None)
}

/// The entries to encode in path order, after a check that they are values at or below `base` and no
/// two for the same place. Copies only if they are not in order.
pub(super) fn in_order(base: Path, entries: &[Entry]) -> Result<Cow<'_, [Entry]>, Error> {
    for Entry { path, .. } in entries {
        is_value_within(base, *path)?;
    }
    if entries.is_sorted_by(|a, b| follows(b.path, a.path)) {
        return Ok(Cow::Borrowed(entries));
    }
    distinct(entries.iter().map(|entry| entry.path))?;
    let mut sorted = entries.to_vec();
    sorted.sort_by_key(|entry| entry.path);
    Ok(Cow::Owned(sorted))
}

/// Whether a value can be written for `path` in a payload for `base`.
pub(super) fn is_value_within(base: Path, path: Path) -> Result<(), Error> {
    if path.depth() < 3 {
        return Err(Error::Unencodable { path, why: "only resources and their instances have values" });
    }
    if !path.starts_with(&base) {
        return Err(Error::Outside { path, base });
    }
    Ok(())
}

/// The one entry of a format that carries one value.
pub(super) fn only(base: Path, entries: &[Entry]) -> Result<&Entry, Error> {
    match entries {
        [entry] if entry.path == base => Ok(entry),
        _ => Err(Error::Unencodable {
            path: base,
            why: "this format carries exactly one value, at the path asked for",
        }),
    }
}

/// Whether `base` may have the value that a format of one value brings.
pub(super) fn admit_only(base: Path) -> Result<(), Error> {
    if base.depth() < 3 {
        return Err(Error::Unencodable {
            path: base,
            why: "this format carries the value of a resource only",
        });
    }
    admit(base, base)
}

/// Whether `b` comes after `a` and is not within it (a single resource that is multiple as well).
pub(super) fn follows(b: Path, a: Path) -> bool {
    a < b && !b.starts_with(&a)
}
