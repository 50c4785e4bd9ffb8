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
        if !path.starts_with(&self.base) {
            return Err(Error::Outside { path, base: self.base });
        }
        let multiple = path.depth() == 4;
        match objects::resource(path) {
            Some(known) if multiple != (known.multiplicity == Multiplicity::Multiple) => {
                Err(Error::Multiplicity { path })
            }
            _ => Ok(()),
        }
    }

    /// Takes an admitted entry.
    pub(super) fn push(&mut self, entry: Entry) {
        self.in_order &= self.entries.last().is_none_or(|last| follows(&entry, last));
        self.entries.push(entry);
    }

    /// All entries, if no two are for the same place.
    pub(super) fn finish(self) -> Result<Vec<Entry>, Error> {
        if !self.in_order {
            let mut sorted: Vec<&Entry> = self.entries.iter().collect();
            sorted.sort_unstable_by_key(|entry| entry.path);
            refuse_duplicates(sorted.windows(2).map(|pair| (pair[0], pair[1])))?;
        }
        Ok(self.entries)
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
        if path.depth() < 3 {
            return Err(Error::Unencodable {
                path: *path,
                why: "only resources and their instances have values",
            });
        }
        if !path.starts_with(&base) {
            return Err(Error::Outside { path: *path, base });
        }
    }
    if entries.is_sorted_by(|a, b| follows(b, a)) {
        return Ok(Cow::Borrowed(entries));
    }
    let mut sorted = entries.to_vec();
    sorted.sort_by_key(|entry| entry.path);
    refuse_duplicates(sorted.windows(2).map(|pair| (&pair[0], &pair[1])))?;
    Ok(Cow::Owned(sorted))
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

fn refuse_duplicates<'a>(neighbours: impl Iterator<Item = (&'a Entry, &'a Entry)>) -> Result<(), Error> {
    for (first, second) in neighbours {
        if !follows(second, first) {
            return Err(Error::Duplicate { path: second.path });
        }
    }
    Ok(())
}

/// Whether `b` comes after `a` and is not within it (a single resource that is multiple as well).
fn follows(b: &Entry, a: &Entry) -> bool {
    a.path < b.path && !b.path.starts_with(&a.path)
}
