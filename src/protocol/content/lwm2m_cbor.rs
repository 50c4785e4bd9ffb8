//! LwM2M CBOR (Content-Format 11544; LwM2M Core TS 1.2, "LwM2M CBOR"): a map from identifiers to values or
//! to further maps.
//!
//! A key is one identifier or an array of several, and what is below it continues its path, so that the
//! same values have many forms: all of them are read. Written is one: definite lengths, identifiers in
//! order, every key as long as all values below it have in common, one identifier as a number and several
//! as an array. `{[3, 0]: {0: "ACME", [7, 0]: 3800}}` is an example. Paths start at the object, whatever
//! the path of the request.

use minicbor::data::Type;
use minicbor::{Decoder, Encoder};

use super::Error;
use super::cbor::{Items, Reader, Written, write_value};
use super::entries::Collector;
use super::instances::Instances;
use super::scalar::Scalar;
use crate::protocol::lwm2m::{Entry, Path, Value};

pub(super) fn encode(entries: &[Entry]) -> Vec<u8> {
    let items: Vec<Item<'_>> = entries.iter().map(|entry| (entry.path, Some(&entry.value))).collect();
    write(&items)
}

/// What to write at a path; None is a null.
pub(super) type Item<'a> = (Path, Option<&'a Value>);

/// Writes `items` that are in order, none at or below another.
pub(super) fn write(items: &[Item<'_>]) -> Vec<u8> {
    let likely = 8 + items.iter().map(|(_, value)| 12 + value.map_or(0, Value::byte_len)).sum::<usize>();
    let mut out = Encoder::new(Vec::with_capacity(likely));
    write_map(&mut out, 0, items).expect("a Vec takes all that is written");
    out.into_writer()
}

/// One map, for items that have their first `depth` identifiers in common. At most four deep.
fn write_map(out: &mut Encoder<Vec<u8>>, depth: usize, items: &[Item<'_>]) -> Written {
    let branches = || items.chunk_by(|(a, _), (b, _)| a.ids().get(depth) == b.ids().get(depth));
    out.map(branches().count() as u64)?;
    for branch in branches() {
        match *branch {
            [(path, value)] => {
                write_key(out, &path.ids()[depth..])?;
                match value {
                    Some(value) => write_value(out, value)?,
                    None => drop(out.null()?),
                }
            }
            [(first, _), .., (last, _)] => {
                let common = first.ids().iter().zip(last.ids()).take_while(|(a, b)| a == b).count();
                write_key(out, &first.ids()[depth..common])?;
                write_map(out, common, branch)?;
            }
            [] => {}
        }
    }
    Ok(())
}

fn write_key(out: &mut Encoder<Vec<u8>>, ids: &[u16]) -> Written {
    if ids.len() != 1 {
        out.array(ids.len() as u64)?;
    }
    ids.iter().try_for_each(|id| out.u16(*id).map(|_| ()))
}

/// Reads values, each at or below `base`.
pub(super) fn decode(base: Path, payload: &[u8]) -> Result<Vec<Entry>, Error> {
    let mut out = Collector::new(base, payload.len());
    read(payload, |path, scalar| {
        out.admit(path)?;
        out.push(Entry::new(path, scalar.typed(path)?));
        Ok(())
    })?;
    out.finish()
}

/// Reads the payload of a Create, in which object instance 65535 is the one the client assigns.
pub(super) fn decode_create(payload: &[u8], instances: &mut Instances) -> Result<Vec<Entry>, Error> {
    let mut out = Collector::new(instances.assigned.truncated(1), payload.len());
    Walk::new(payload, Some(instances)).all(&mut |path, scalar| {
        out.admit(path)?;
        out.push(Entry::new(path, scalar.typed(path)?));
        Ok(())
    })?;
    out.finish()
}

/// Reads what is at each path, nulls too.
pub(super) fn read(
    payload: &[u8],
    mut take: impl FnMut(Path, Scalar<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    Walk::new(payload, None).all(&mut take)
}

/// What is done with what is found at a path.
type Take<'t> = dyn FnMut(Path, Scalar<'_>) -> Result<(), Error> + 't;

/// Goes through the maps. A key adds an identifier at least and a path has four at most, so that is how
/// deep this nests.
struct Walk<'a, 'i> {
    reader: Reader<'a>,
    /// In a Create, what object instances become.
    instances: Option<&'i mut Instances>,
}

impl<'a, 'i> Walk<'a, 'i> {
    fn new(payload: &'a [u8], instances: Option<&'i mut Instances>) -> Self {
        Walk { reader: Reader::new(payload), instances }
    }

    fn all(mut self, take: &mut Take<'_>) -> Result<(), Error> {
        let fields = self.reader.map("the payload is a map")?;
        self.map(Path::ROOT, fields, take)?;
        self.reader.end()
    }

    fn map(&mut self, parent: Path, mut fields: Items, take: &mut Take<'_>) -> Result<(), Error> {
        while fields.another(&mut self.reader)? {
            let path = self.key(parent)?;
            let at = self.reader.at();
            match self.reader.next_type()? {
                Type::Map | Type::MapIndef if path.depth() == 4 => return Err(Error::Nesting { at }),
                Type::Map | Type::MapIndef => {
                    let fields = self.reader.map("this must be a map")?;
                    self.map(path, fields, take)?;
                }
                _ if path.depth() < 3 => {
                    return Err(Error::Malformed { at, what: "objects and their instances are maps" });
                }
                _ => take(path, self.reader.scalar()?)?,
            }
        }
        Ok(())
    }

    fn key(&mut self, parent: Path) -> Result<Path, Error> {
        let at = self.reader.at();
        if !matches!(self.reader.next_type()?, Type::Array | Type::ArrayIndef) {
            return self.id(parent);
        }
        let mut ids = self.reader.array("a key is a number or an array of numbers")?;
        let mut path = parent;
        while ids.another(&mut self.reader)? {
            path = self.id(path)?;
        }
        if path == parent {
            return Err(Error::Malformed { at, what: "a key has at least one identifier" });
        }
        Ok(path)
    }

    fn id(&mut self, parent: Path) -> Result<Path, Error> {
        const RULE: &str = "an identifier is a number of 0 to 65534";
        let at = self.reader.at();
        let id = self.reader.read(RULE, Decoder::u16)?;
        match &mut self.instances {
            Some(instances) if parent.depth() == 1 && parent == instances.assigned.truncated(1) => {
                Ok(instances.instance(id))
            }
            _ if parent.depth() == 4 => Err(Error::Nesting { at }),
            _ => parent.child(id).ok_or(Error::Malformed { at, what: RULE }),
        }
    }
}

#[cfg(test)]
mod tests;
