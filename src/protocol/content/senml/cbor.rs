//! SenML CBOR (Content-Format 112; RFC 8428 §6): integer labels, records as maps.

use minicbor::Encoder;
use minicbor::data::Type;

use super::{Content, Head, Line, Record, Scalar, VERSION};
use crate::protocol::content::Error;
use crate::protocol::content::cbor::{Reader, Written, write_float, write_value};
use crate::protocol::content::names::as_text;
use crate::protocol::lwm2m::Value;

/// The labels of RFC 8428 table 4.
mod label {
    pub(super) const BASE_VERSION: i128 = -1;
    pub(super) const BASE_NAME: i128 = -2;
    pub(super) const BASE_TIME: i128 = -3;
    pub(super) const BASE_VALUE: i128 = -5;
    pub(super) const BASE_SUM: i128 = -6;
    pub(super) const NAME: i128 = 0;
    pub(super) const VALUE: i128 = 2;
    pub(super) const STRING: i128 = 3;
    pub(super) const BOOLEAN: i128 = 4;
    pub(super) const SUM: i128 = 5;
    pub(super) const TIME: i128 = 6;
    pub(super) const DATA: i128 = 8;
    /// LwM2M's own, for object links; it has no number.
    pub(super) const OBJECT_LINK: &str = "vlo";
}

pub(super) fn write<'a>(head: &Head, lines: impl ExactSizeIterator<Item = Line<'a>> + Clone) -> Vec<u8> {
    let likely = 32 + lines.clone().map(|line| 16 + line.content.byte_len()).sum::<usize>();
    let mut out = Encoder::new(Vec::with_capacity(likely));
    write_pack(&mut out, head, lines).expect("a Vec takes all that is written");
    out.into_writer()
}

fn write_pack<'a>(
    out: &mut Encoder<Vec<u8>>,
    head: &Head,
    lines: impl ExactSizeIterator<Item = Line<'a>>,
) -> Written {
    out.array(lines.len() as u64)?;
    for (index, line) in lines.enumerate() {
        let base_name = head.names.as_ref().filter(|_| index == 0);
        let base_time = head.time.filter(|_| index == 0);
        let name = head.name(line.path);
        let has_value = !matches!(line.content, Content::Nothing);
        let fields =
            [base_name.is_some(), base_time.is_some(), !name.is_empty(), has_value, line.time.is_some()];
        out.map(fields.into_iter().map(u64::from).sum())?;
        if let Some(base_name) = base_name {
            write_label(out, label::BASE_NAME)?;
            out.str(as_text(&base_name.text()))?;
        }
        if let Some(base_time) = base_time {
            write_label(out, label::BASE_TIME)?;
            write_time(out, base_time)?;
        }
        if !name.is_empty() {
            write_label(out, label::NAME)?;
            out.str(as_text(&name))?;
        }
        write_content(out, line.content)?;
        if let Some(time) = line.time {
            write_label(out, label::TIME)?;
            write_time(out, time)?;
        }
    }
    Ok(())
}

fn write_label(out: &mut Encoder<Vec<u8>>, label: i128) -> Written {
    out.i8(label as i8).map(|_| ())
}

/// Times are mostly whole seconds, and shorter as such.
fn write_time(out: &mut Encoder<Vec<u8>>, seconds: f64) -> Written {
    match seconds as i64 {
        whole if whole as f64 == seconds => out.i64(whole).map(|_| ()),
        _ => write_float(out, seconds),
    }
}

fn write_content(out: &mut Encoder<Vec<u8>>, content: Content<'_>) -> Written {
    let value = match content {
        Content::Nothing => return Ok(()),
        Content::Null => {
            write_label(out, label::VALUE)?;
            return out.null().map(|_| ());
        }
        Content::Value(value) => value,
    };
    match value {
        Value::String(_) | Value::CoreLink(_) => write_label(out, label::STRING)?,
        Value::Boolean(_) => write_label(out, label::BOOLEAN)?,
        Value::Opaque(_) => write_label(out, label::DATA)?,
        Value::ObjectLink(..) => drop(out.str(label::OBJECT_LINK)?),
        Value::Integer(_) | Value::Unsigned(_) | Value::Time(_) | Value::Float(_) => {
            write_label(out, label::VALUE)?;
        }
    }
    write_value(out, value)
}

pub(super) fn read<'a>(
    payload: &'a [u8],
    mut take: impl FnMut(Record<'a>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut reader = Reader::new(payload);
    let mut records = reader.array("a pack is an array of records")?;
    while records.another(&mut reader)? {
        take(record(&mut reader)?)?;
    }
    reader.end()
}

fn record<'a>(reader: &mut Reader<'a>) -> Result<Record<'a>, Error> {
    let mut record = Record::default();
    let mut fields = reader.map("a record is a map")?;
    while fields.another(reader)? {
        field(reader, &mut record)?;
    }
    Ok(record)
}

fn field<'a>(reader: &mut Reader<'a>, record: &mut Record<'a>) -> Result<(), Error> {
    let at = reader.at();
    let label = match reader.next_type()? {
        Type::String | Type::StringIndef => {
            let name = reader.text()?;
            return named_field(reader, at, &name, record);
        }
        _ => i128::from(reader.read("a label is an integer or a text", minicbor::Decoder::int)?),
    };
    match label {
        label::BASE_NAME => once(&mut record.base_name, at, reader.text()?),
        label::NAME => once(&mut record.name, at, reader.text()?),
        label::VALUE => {
            let number = nullable(reader, Reader::number)?;
            once(&mut record.value, at, number)
        }
        label::STRING => {
            let text = nullable(reader, |reader| reader.text().map(Scalar::Text))?;
            once(&mut record.value, at, text)
        }
        label::BOOLEAN => {
            let truth = nullable(reader, |reader| reader.boolean().map(Scalar::Boolean))?;
            once(&mut record.value, at, truth)
        }
        label::DATA => {
            let bytes = nullable(reader, |reader| reader.bytes().map(Scalar::Bytes))?;
            once(&mut record.value, at, bytes)
        }
        label::BASE_TIME => once(&mut record.base_time, at, time(reader)?),
        label::TIME => once(&mut record.time, at, time(reader)?),
        label::BASE_VERSION => {
            match reader.read("a version is a positive integer", minicbor::Decoder::u64)? {
                0..=VERSION => Ok(()),
                _ => Err(Error::Malformed { at, what: "this SenML is of a later version than 10" }),
            }
        }
        label::BASE_VALUE | label::BASE_SUM | label::SUM => {
            Err(Error::Malformed { at, what: "LwM2M has no base values and sums" })
        }
        _ => reader.skip(),
    }
}

/// RFC 8428 §4.4: unknown fields are ignored, but for those ending in an underscore.
fn named_field<'a>(
    reader: &mut Reader<'a>,
    at: usize,
    name: &str,
    record: &mut Record<'a>,
) -> Result<(), Error> {
    match name {
        label::OBJECT_LINK => {
            let link = nullable(reader, |reader| reader.text().map(Scalar::ObjectLink))?;
            once(&mut record.value, at, link)
        }
        _ if name.ends_with('_') => Err(Error::MustUnderstand(name.chars().take(40).collect())),
        _ => reader.skip(),
    }
}

/// A value, or the null that takes its place (RFC 8790 §3.2).
fn nullable<'a>(
    reader: &mut Reader<'a>,
    value: impl FnOnce(&mut Reader<'a>) -> Result<Scalar<'a>, Error>,
) -> Result<Scalar<'a>, Error> {
    if reader.null()? { Ok(Scalar::Null) } else { value(reader) }
}

fn time(reader: &mut Reader<'_>) -> Result<f64, Error> {
    let at = reader.at();
    let seconds = reader.number()?.float().filter(|seconds| seconds.is_finite());
    seconds.ok_or(Error::Malformed { at, what: "a time is a finite number" })
}

/// Fills a field that a record has once; of the value fields it has one.
fn once<T>(field: &mut Option<T>, at: usize, value: T) -> Result<(), Error> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::Malformed { at, what: "the record has this field, or a value, already" }),
    }
}

#[cfg(test)]
mod tests;
