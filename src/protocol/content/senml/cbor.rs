//! SenML CBOR (Content-Format 112; RFC 8428 §6): integer labels, records as maps.

use std::convert::Infallible;

use minicbor::data::{Int, Type};
use minicbor::{Decoder, Encoder};

use super::{Pack, Record, Scalar, VERSION, as_text, base_name, name_below};
use crate::protocol::content::Error;
use crate::protocol::lwm2m::{Entry, Path, Value};

/// Values of unknown fields are skipped to this depth.
const MAX_DEPTH: u32 = 8;

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

pub(in super::super) fn encode(base: Path, entries: &[Entry]) -> Vec<u8> {
    let likely = 32 + entries.iter().map(|entry| 16 + entry.value.byte_len()).sum::<usize>();
    let mut out = Encoder::new(Vec::with_capacity(likely));
    write_pack(&mut out, base, entries).expect("a Vec takes all that is written");
    out.into_writer()
}

type Written = Result<(), minicbor::encode::Error<Infallible>>;

fn write_pack(out: &mut Encoder<Vec<u8>>, base: Path, entries: &[Entry]) -> Written {
    out.array(entries.len() as u64)?;
    for (index, entry) in entries.iter().enumerate() {
        let name = name_below(base, entry.path);
        out.map(1 + u64::from(index == 0) + u64::from(!name.is_empty()))?;
        if index == 0 {
            write_label(out, label::BASE_NAME)?;
            out.str(as_text(&base_name(base, entries)))?;
        }
        if !name.is_empty() {
            write_label(out, label::NAME)?;
            out.str(as_text(&name))?;
        }
        write_value(out, &entry.value)?;
    }
    Ok(())
}

fn write_label(out: &mut Encoder<Vec<u8>>, label: i128) -> Written {
    out.i8(label as i8).map(|_| ())
}

fn write_value(out: &mut Encoder<Vec<u8>>, value: &Value) -> Written {
    let label = match value {
        Value::String(_) | Value::CoreLink(_) => label::STRING,
        Value::Boolean(_) => label::BOOLEAN,
        Value::Opaque(_) => label::DATA,
        Value::ObjectLink(object, instance) => {
            out.str(label::OBJECT_LINK)?.str(&format!("{object}:{instance}"))?;
            return Ok(());
        }
        Value::Integer(_) | Value::Unsigned(_) | Value::Time(_) | Value::Float(_) => label::VALUE,
    };
    write_label(out, label)?;
    match value {
        Value::String(text) | Value::CoreLink(text) => out.str(text)?,
        Value::Boolean(truth) => out.bool(*truth)?,
        Value::Opaque(bytes) => out.bytes(bytes)?,
        Value::Integer(number) | Value::Time(number) => out.i64(*number)?,
        Value::Unsigned(number) => out.u64(*number)?,
        Value::Float(number) => match *number as f32 {
            short if f64::from(short).to_bits() == number.to_bits() => out.f32(short)?,
            _ => out.f64(*number)?,
        },
        Value::ObjectLink(..) => out,
    };
    Ok(())
}

pub(in super::super) fn decode(base: Path, payload: &[u8]) -> Result<Vec<Entry>, Error> {
    let mut reader = Reader { tokens: Decoder::new(payload) };
    let mut pack = Pack::new(base, payload.len());
    let mut records = Items(reader.read("a pack is an array of records", Decoder::array)?);
    while records.another(&mut reader)? {
        pack.add(reader.record()?)?;
    }
    match reader.at() {
        end if end == payload.len() => pack.finish(),
        at => Err(Error::Trailing { at }),
    }
}

/// How many items of an array or a map are still to come; None until a break.
struct Items(Option<u64>);

impl Items {
    fn another(&mut self, reader: &mut Reader<'_>) -> Result<bool, Error> {
        match &mut self.0 {
            Some(0) => Ok(false),
            Some(left) => {
                *left -= 1;
                Ok(true)
            }
            None if reader.next_type()? == Type::Break => {
                reader.tokens.set_position(reader.at() + 1);
                Ok(false)
            }
            None => Ok(true),
        }
    }
}

struct Reader<'a> {
    tokens: Decoder<'a>,
}

impl<'a> Reader<'a> {
    fn at(&self) -> usize {
        self.tokens.position()
    }

    /// One token; `rule` says what it has to be.
    fn read<T>(
        &mut self,
        rule: &'static str,
        token: impl FnOnce(&mut Decoder<'a>) -> Result<T, minicbor::decode::Error>,
    ) -> Result<T, Error> {
        let at = self.at();
        token(&mut self.tokens).map_err(|error| match error.is_end_of_input() {
            true => Error::Truncated { at },
            false => Error::Malformed { at, what: rule },
        })
    }

    fn next_type(&mut self) -> Result<Type, Error> {
        self.read("this is no CBOR", |tokens| tokens.datatype())
    }

    fn record(&mut self) -> Result<Record<'a>, Error> {
        let mut record = Record::default();
        let mut fields = Items(self.read("a record is a map", Decoder::map)?);
        while fields.another(self)? {
            self.field(&mut record)?;
        }
        Ok(record)
    }

    fn field(&mut self, record: &mut Record<'a>) -> Result<(), Error> {
        let at = self.at();
        let label = match self.next_type()? {
            Type::String => {
                let name = self.text()?;
                return self.named_field(at, name, record);
            }
            _ => i128::from(self.read("a label is an integer or a text", Decoder::int)?),
        };
        match label {
            label::BASE_NAME => once(&mut record.base_name, at, self.text()?.into()),
            label::NAME => once(&mut record.name, at, self.text()?.into()),
            label::VALUE => once(&mut record.value, at, self.number()?),
            label::STRING => once(&mut record.value, at, Scalar::Text(self.text()?.into())),
            label::BOOLEAN => {
                let truth = self.read("this must be true or false", Decoder::bool)?;
                once(&mut record.value, at, Scalar::Boolean(truth))
            }
            label::DATA => {
                let bytes = self.read("this must be a byte string of definite length", Decoder::bytes)?;
                once(&mut record.value, at, Scalar::Bytes(bytes.into()))
            }
            label::BASE_TIME | label::TIME => self.number().map(drop),
            label::BASE_VERSION => match self.read("a version is a positive integer", Decoder::u64)? {
                0..=VERSION => Ok(()),
                _ => Err(Error::Malformed { at, what: "this SenML is of a later version than 10" }),
            },
            label::BASE_VALUE | label::BASE_SUM | label::SUM => {
                Err(Error::Malformed { at, what: "LwM2M has no base values and sums" })
            }
            _ => self.skip(0),
        }
    }

    /// RFC 8428 §4.4: unknown fields are ignored, but for those ending in an underscore.
    fn named_field(&mut self, at: usize, name: &str, record: &mut Record<'a>) -> Result<(), Error> {
        match name {
            label::OBJECT_LINK => once(&mut record.value, at, Scalar::ObjectLink(self.text()?.into())),
            _ if name.ends_with('_') => Err(Error::MustUnderstand(name.chars().take(40).collect())),
            _ => self.skip(0),
        }
    }

    fn text(&mut self) -> Result<&'a str, Error> {
        self.read("this must be a UTF-8 text of definite length", Decoder::str)
    }

    fn number(&mut self) -> Result<Scalar<'a>, Error> {
        let at = self.at();
        let number = match self.next_type()? {
            Type::F16 | Type::F32 | Type::F64 => {
                return self.read("this must be a number", Decoder::f64).map(Scalar::Float);
            }
            _ => self.read::<Int>("this must be a number", Decoder::int)?,
        };
        if let Ok(number) = i64::try_from(number) {
            return Ok(Scalar::Integer(number));
        }
        u64::try_from(number)
            .map(Scalar::Unsigned)
            .map_err(|_| Error::Malformed { at, what: "this integer is too small for 64 bits" })
    }

    /// Passes over one value of any kind.
    fn skip(&mut self, depth: u32) -> Result<(), Error> {
        let at = self.at();
        if depth == MAX_DEPTH {
            return Err(Error::Nesting { at });
        }
        const RULE: &str = "this is no CBOR";
        match self.next_type()? {
            Type::Array | Type::ArrayIndef => {
                let mut items = Items(self.read(RULE, Decoder::array)?);
                while items.another(self)? {
                    self.skip(depth + 1)?;
                }
                Ok(())
            }
            Type::Map | Type::MapIndef => {
                let mut items = Items(self.read(RULE, Decoder::map)?);
                while items.another(self)? {
                    self.skip(depth + 1)?;
                    self.skip(depth + 1)?;
                }
                Ok(())
            }
            Type::Tag => {
                self.read(RULE, Decoder::tag)?;
                self.skip(depth + 1)
            }
            Type::Break => Err(Error::Malformed { at, what: "there is nothing to end here" }),
            _ => self.read(RULE, Decoder::skip),
        }
    }
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
