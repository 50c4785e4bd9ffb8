//! OMA TLV (Content-Format 11542; LwM2M Core TS, "TLV").
//!
//! Type byte: bits 7-6 what it is, bit 5 a 16-bit identifier, bits 4-3 how many bytes the length
//! has (0: it is in bits 2-0); then identifier, length, value. Values have no types of their own:
//! the object definitions know them.

use super::Error;
use super::entries::{Collector, kind};
use super::instances::Instances;
use crate::protocol::lwm2m::{Entry, Kind, Multiplicity, Path, Value, objects};

/// What an element is: bits 7-6 of its type byte.
#[derive(Clone, Copy, PartialEq)]
enum Element {
    ObjectInstance = 0b00,
    ResourceInstance = 0b01,
    MultipleResource = 0b10,
    Resource = 0b11,
}

// Writing: elements are wrapped in object instances only if the path of the request names none.

pub(super) fn encode(base: Path, entries: &[Entry]) -> Result<Vec<u8>, Error> {
    if base == Path::ROOT {
        return Err(Error::Unencodable { path: base, why: "TLV cannot name objects" });
    }
    let likely = entries.iter().map(|entry| 12 + entry.value.byte_len()).sum();
    let mut out = Vec::with_capacity(likely);
    if base.depth() >= 2 {
        write_resources(&mut out, entries)?;
        return Ok(out);
    }
    for instance in entries.chunk_by(|a, b| b.path.starts_with(&a.path.truncated(2))) {
        let start = out.len();
        write_resources(&mut out, instance)?;
        wrap(&mut out, start, Element::ObjectInstance, instance[0].path.truncated(2))?;
    }
    Ok(out)
}

/// `entries` are those of one object instance.
fn write_resources(out: &mut Vec<u8>, entries: &[Entry]) -> Result<(), Error> {
    for resource in entries.chunk_by(|a, b| b.path.starts_with(&a.path.truncated(3))) {
        let path = resource[0].path.truncated(3);
        if let [single] = resource
            && single.path == path
        {
            write_value(out, Element::Resource, single)?;
            continue;
        }
        let start = out.len();
        for instance in resource {
            write_value(out, Element::ResourceInstance, instance)?;
        }
        wrap(out, start, Element::MultipleResource, path)?;
    }
    Ok(())
}

fn write_value(out: &mut Vec<u8>, element: Element, entry: &Entry) -> Result<(), Error> {
    let mut number = [0; 8];
    let bytes = match &entry.value {
        Value::String(text) | Value::CoreLink(text) => text.as_bytes(),
        Value::Opaque(bytes) => bytes,
        Value::Boolean(truth) => {
            number[0] = u8::from(*truth);
            &number[..1]
        }
        Value::ObjectLink(object, instance) => {
            number[..2].copy_from_slice(&object.to_be_bytes());
            number[2..4].copy_from_slice(&instance.to_be_bytes());
            &number[..4]
        }
        Value::Float(float) => match *float as f32 {
            short if f64::from(short).to_bits() == float.to_bits() => {
                number[..4].copy_from_slice(&short.to_be_bytes());
                &number[..4]
            }
            _ => {
                number = float.to_be_bytes();
                &number[..]
            }
        },
        Value::Integer(integer) | Value::Time(integer) => {
            number = integer.to_be_bytes();
            &number[8 - signed_size(*integer)..]
        }
        Value::Unsigned(integer) => {
            number = integer.to_be_bytes();
            &number[8 - unsigned_size(*integer)..]
        }
    };
    let header = Header::new(element, entry.path, bytes.len())?;
    out.extend_from_slice(header.as_slice());
    out.extend_from_slice(bytes);
    Ok(())
}

/// Puts a header before everything from `start` on. The content is moved by a few bytes, which is
/// cheaper than measuring it first.
fn wrap(out: &mut Vec<u8>, start: usize, element: Element, path: Path) -> Result<(), Error> {
    let header = Header::new(element, path, out.len() - start)?;
    let size = header.as_slice().len();
    out.extend_from_slice(header.as_slice());
    out[start..].rotate_right(size);
    Ok(())
}

/// Integers take 1, 2, 4 or 8 bytes, the fewest that hold them.
fn signed_size(number: i64) -> usize {
    if i8::try_from(number).is_ok() {
        1
    } else if i16::try_from(number).is_ok() {
        2
    } else if i32::try_from(number).is_ok() {
        4
    } else {
        8
    }
}

fn unsigned_size(number: u64) -> usize {
    if u8::try_from(number).is_ok() {
        1
    } else if u16::try_from(number).is_ok() {
        2
    } else if u32::try_from(number).is_ok() {
        4
    } else {
        8
    }
}

/// Type byte, identifier and length: at most six bytes.
struct Header {
    bytes: [u8; 6],
    size: usize,
}

impl Header {
    /// Fails for lengths that do not fit into 24 bits.
    fn new(element: Element, path: Path, length: usize) -> Result<Self, Error> {
        let too_long = Error::Unencodable { path, why: "TLV has no room for more than 16 MiB" };
        let Ok([0, l2, l1, l0]) = u32::try_from(length).map(u32::to_be_bytes) else { return Err(too_long) };
        let [i1, i0] = path.ids().last().copied().unwrap_or_default().to_be_bytes();
        let mut header = Header { bytes: [0; 6], size: 1 };
        let mut kind = (element as u8) << 6;
        if i1 == 0 {
            header.push(&[i0]);
        } else {
            kind |= 1 << 5;
            header.push(&[i1, i0]);
        }
        match (l2, l1) {
            (0, 0) if l0 < 8 => kind |= l0,
            (0, 0) => {
                kind |= 1 << 3;
                header.push(&[l0]);
            }
            (0, _) => {
                kind |= 2 << 3;
                header.push(&[l1, l0]);
            }
            _ => {
                kind |= 3 << 3;
                header.push(&[l2, l1, l0]);
            }
        }
        header.bytes[0] = kind;
        Ok(header)
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.size..][..bytes.len()].copy_from_slice(bytes);
        self.size += bytes.len();
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.size]
    }
}

// Reading: the levels are three functions, so nothing nests deeper than they do.

pub(super) fn decode(base: Path, payload: &[u8]) -> Result<Vec<Entry>, Error> {
    let mut out = Collector::new(base, payload.len());
    let top = Elements { bytes: payload, at: 0 };
    match base.depth() {
        0 => return Err(Error::Unencodable { path: base, why: "TLV cannot name objects" }),
        1 => read_object(base, top, &mut out)?,
        2 => read_top_of_instance(base, top, &mut out)?,
        _ => read_top_of_resource(base.truncated(3), top, &mut out)?,
    }
    out.finish()
}

/// Reads the payload of a Create. Without its wrapper, or with the reserved identifier in it, an object
/// instance is the one the client assigns.
pub(super) fn decode_create(payload: &[u8], instances: &mut Instances) -> Result<Vec<Entry>, Error> {
    let assigned = instances.assigned;
    let mut out = Collector::new(assigned.truncated(1), payload.len());
    for tlv in (Elements { bytes: payload, at: 0 }) {
        let tlv = tlv?;
        match tlv.element {
            Element::ObjectInstance => {
                let instance = instances.instance(tlv.id);
                read_instance(instance, tlv.content(), &mut out)?;
            }
            _ => {
                instances.open();
                read_resource(assigned, tlv, &mut out)?;
            }
        }
    }
    out.finish()
}

fn read_object(object: Path, elements: Elements<'_>, out: &mut Collector) -> Result<(), Error> {
    let single = object.ids().first().and_then(|&id| objects::find(id)).map(|known| known.multiplicity);
    for tlv in elements {
        let tlv = tlv?;
        match tlv.element {
            Element::ObjectInstance => read_instance(tlv.path_below(object)?, tlv.content(), out)?,
            // An object of one instance may leave out that instance's wrapper.
            Element::Resource | Element::MultipleResource if single == Some(Multiplicity::Single) => {
                read_resource(object.child(0).ok_or(Error::Nesting { at: tlv.at })?, tlv, out)?;
            }
            _ => return Err(Error::Nesting { at: tlv.at }),
        }
    }
    Ok(())
}

/// At the top of a request for an instance, some peers send the instance's wrapper all the same.
fn read_top_of_instance(instance: Path, elements: Elements<'_>, out: &mut Collector) -> Result<(), Error> {
    for tlv in elements {
        let tlv = tlv?;
        match tlv.element {
            Element::ObjectInstance => {
                let path = tlv.path_below(instance.truncated(1))?;
                if path != instance {
                    return Err(Error::Outside { path, base: instance });
                }
                read_instance(path, tlv.content(), out)?;
            }
            _ => read_resource(instance, tlv, out)?,
        }
    }
    Ok(())
}

/// At the top of a request for a resource, its instances may come without the wrapper.
fn read_top_of_resource(resource: Path, elements: Elements<'_>, out: &mut Collector) -> Result<(), Error> {
    for tlv in elements {
        let tlv = tlv?;
        match tlv.element {
            Element::ResourceInstance => read_value(tlv.path_below(resource)?, &tlv, out)?,
            _ => read_resource(resource.truncated(2), tlv, out)?,
        }
    }
    Ok(())
}

fn read_instance(instance: Path, elements: Elements<'_>, out: &mut Collector) -> Result<(), Error> {
    for tlv in elements {
        read_resource(instance, tlv?, out)?;
    }
    Ok(())
}

fn read_resource(instance: Path, tlv: Tlv<'_>, out: &mut Collector) -> Result<(), Error> {
    match tlv.element {
        Element::Resource => read_value(tlv.path_below(instance)?, &tlv, out),
        Element::MultipleResource => {
            let resource = tlv.path_below(instance)?;
            for inner in tlv.content() {
                let inner = inner?;
                if inner.element != Element::ResourceInstance {
                    return Err(Error::Nesting { at: inner.at });
                }
                read_value(inner.path_below(resource)?, &inner, out)?;
            }
            Ok(())
        }
        Element::ObjectInstance | Element::ResourceInstance => Err(Error::Nesting { at: tlv.at }),
    }
}

fn read_value(path: Path, tlv: &Tlv<'_>, out: &mut Collector) -> Result<(), Error> {
    out.admit(path)?;
    let kind = kind(path).unwrap_or(Kind::Opaque);
    out.push(Entry::new(path, value(kind, tlv, path)?));
    Ok(())
}

fn value(kind: Kind, tlv: &Tlv<'_>, path: Path) -> Result<Value, Error> {
    let bytes = tlv.value;
    let wrong_length = Error::Length { path, length: bytes.len(), expected: kind };
    Ok(match kind {
        Kind::Opaque | Kind::None => Value::Opaque(bytes.into()),
        Kind::String => Value::String(tlv.text()?.into()),
        Kind::CoreLink => Value::CoreLink(tlv.text()?.into()),
        Kind::Integer => Value::Integer(signed(bytes).ok_or(wrong_length)?),
        Kind::Time => Value::Time(signed(bytes).ok_or(wrong_length)?),
        Kind::Unsigned => Value::Unsigned(unsigned(bytes).ok_or(wrong_length)?),
        Kind::Float => Value::Float(match *bytes {
            [a, b, c, d] => f64::from(f32::from_be_bytes([a, b, c, d])),
            [a, b, c, d, e, f, g, h] => f64::from_be_bytes([a, b, c, d, e, f, g, h]),
            _ => return Err(wrong_length),
        }),
        Kind::Boolean => match *bytes {
            [0] => Value::Boolean(false),
            [1] => Value::Boolean(true),
            [_] => return Err(Error::Type { path, expected: kind }),
            _ => return Err(wrong_length),
        },
        Kind::ObjectLink => match *bytes {
            [a, b, c, d] => Value::ObjectLink(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])),
            _ => return Err(wrong_length),
        },
    })
}

fn signed(bytes: &[u8]) -> Option<i64> {
    let number = unsigned(bytes)?;
    // Move the sign bit to the top and back, which copies it into the bytes that were not sent.
    let unsent = 64 - 8 * bytes.len() as u32;
    Some((number << unsent).cast_signed() >> unsent)
}

fn unsigned(bytes: &[u8]) -> Option<u64> {
    if !matches!(bytes.len(), 1 | 2 | 4 | 8) {
        return None;
    }
    Some(bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

/// One element.
struct Tlv<'a> {
    element: Element,
    id: u16,
    value: &'a [u8],
    /// Offset of the type byte in the payload.
    at: usize,
    /// Offset of the value in the payload.
    value_at: usize,
}

impl<'a> Tlv<'a> {
    fn path_below(&self, parent: Path) -> Result<Path, Error> {
        parent.child(self.id).ok_or(Error::Malformed { at: self.at, what: "identifier 65535 is reserved" })
    }

    fn content(&self) -> Elements<'a> {
        Elements { bytes: self.value, at: self.value_at }
    }

    fn text(&self) -> Result<&'a str, Error> {
        str::from_utf8(self.value).map_err(|error| Error::Malformed {
            at: self.value_at + error.valid_up_to(),
            what: "this is not UTF-8",
        })
    }
}

/// Elements side by side; after an error, no more.
struct Elements<'a> {
    bytes: &'a [u8],
    /// Offset of `bytes` in the payload.
    at: usize,
}

impl<'a> Elements<'a> {
    /// None if the bytes end within the element.
    fn read(&mut self) -> Option<Tlv<'a>> {
        let at = self.at;
        let kind = *self.take(1)?.first()?;
        let element = match kind >> 6 {
            0b00 => Element::ObjectInstance,
            0b01 => Element::ResourceInstance,
            0b10 => Element::MultipleResource,
            _ => Element::Resource,
        };
        let id = self.number(1 + usize::from(kind >> 5 & 1))?;
        let length = match usize::from(kind >> 3 & 3) {
            0 => usize::from(kind & 7),
            size => self.number(size)?,
        };
        let value_at = self.at;
        let value = self.take(length)?;
        Some(Tlv { element, id: u16::try_from(id).ok()?, value, at, value_at })
    }

    fn number(&mut self, size: usize) -> Option<usize> {
        Some(self.take(size)?.iter().fold(0, |number, &byte| number << 8 | usize::from(byte)))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        self.at += length;
        Some(taken)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Tlv<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let at = self.at;
        let tlv = self.read();
        if tlv.is_none() {
            self.bytes = &[];
        }
        Some(tlv.ok_or(Error::Truncated { at }))
    }
}

#[cfg(test)]
mod tests;
