//! CBOR (RFC 8949) as far as SenML, LwM2M CBOR and plain CBOR have it in common.

use std::borrow::Cow;
use std::convert::Infallible;

use minicbor::data::{Int, Tag, Type};
use minicbor::{Decoder, Encoder};

use super::Error;
use super::scalar::Scalar;
use crate::protocol::lwm2m::Value;

/// Values nobody asked for are skipped to this depth.
const MAX_DEPTH: u32 = 8;

/// What a writer returns; writing to a `Vec` does not fail.
pub(super) type Written = Result<(), minicbor::encode::Error<Infallible>>;

/// Writes a value in its shortest form (RFC 8949 §4.2.1, but floats no shorter than 32 bits), times as
/// untagged integers and object links as text.
pub(super) fn write_value(out: &mut Encoder<Vec<u8>>, value: &Value) -> Written {
    match value {
        Value::String(text) | Value::CoreLink(text) => out.str(text)?,
        Value::Boolean(truth) => out.bool(*truth)?,
        Value::Opaque(bytes) => out.bytes(bytes)?,
        Value::Integer(number) | Value::Time(number) => out.i64(*number)?,
        Value::Unsigned(number) => out.u64(*number)?,
        Value::Float(number) => return write_float(out, *number),
        Value::ObjectLink(object, instance) => out.str(&format!("{object}:{instance}"))?,
    };
    Ok(())
}

/// Writes a float in 32 bits if those hold it exactly, otherwise in 64.
pub(super) fn write_float(out: &mut Encoder<Vec<u8>>, number: f64) -> Written {
    match number as f32 {
        short if f64::from(short).to_bits() == number.to_bits() => out.f32(short)?,
        _ => out.f64(number)?,
    };
    Ok(())
}

/// How many items of an array or a map are still to come; None until a break.
pub(super) struct Items(Option<u64>);

impl Items {
    /// Steps to the next item, if there is one.
    pub(super) fn another(&mut self, reader: &mut Reader<'_>) -> Result<bool, Error> {
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

/// Reads token by token. Lengths are believed only as far as there are bytes.
pub(super) struct Reader<'a> {
    tokens: Decoder<'a>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(payload: &'a [u8]) -> Self {
        Reader { tokens: Decoder::new(payload) }
    }

    /// Offset of the next token.
    pub(super) fn at(&self) -> usize {
        self.tokens.position()
    }

    /// Whether everything was read.
    pub(super) fn end(&self) -> Result<(), Error> {
        match self.at() {
            end if end == self.tokens.input().len() => Ok(()),
            at => Err(Error::Trailing { at }),
        }
    }

    /// One token; `rule` says what it has to be.
    pub(super) fn read<T>(
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

    /// What comes next, without taking it.
    pub(super) fn next_type(&mut self) -> Result<Type, Error> {
        self.read("this is no CBOR", |tokens| tokens.datatype())
    }

    pub(super) fn array(&mut self, rule: &'static str) -> Result<Items, Error> {
        self.read(rule, Decoder::array).map(Items)
    }

    pub(super) fn map(&mut self, rule: &'static str) -> Result<Items, Error> {
        self.read(rule, Decoder::map).map(Items)
    }

    /// A text, copied only if it comes in pieces.
    pub(super) fn text(&mut self) -> Result<Cow<'a, str>, Error> {
        const RULE: &str = "this must be a UTF-8 text";
        match self.next_type()? {
            Type::StringIndef => {
                self.read(RULE, |tokens| tokens.str_iter()?.collect::<Result<String, _>>()).map(Cow::Owned)
            }
            _ => self.read(RULE, Decoder::str).map(Cow::Borrowed),
        }
    }

    /// A byte string, copied only if it comes in pieces.
    pub(super) fn bytes(&mut self) -> Result<Cow<'a, [u8]>, Error> {
        const RULE: &str = "this must be a byte string";
        match self.next_type()? {
            Type::BytesIndef => self
                .read(RULE, |tokens| {
                    let mut whole = Vec::new();
                    for piece in tokens.bytes_iter()? {
                        whole.extend_from_slice(piece?);
                    }
                    Ok(whole)
                })
                .map(Cow::Owned),
            _ => self.read(RULE, Decoder::bytes).map(Cow::Borrowed),
        }
    }

    /// A number, or a time in either of its tagged forms, which is a number of seconds since 1970: LwM2M Core
    /// TS 1.1 wants times as text, 1.2 as text or integers.
    pub(super) fn number(&mut self) -> Result<Scalar<'a>, Error> {
        const RULE: &str = "this must be a number or a tagged time";
        /// RFC 8949 §3.4.1.
        const TIME_AS_TEXT: Tag = Tag::new(0);
        /// RFC 8949 §3.4.2.
        const TIME_AS_NUMBER: Tag = Tag::new(1);
        let at = self.at();
        if self.next_type()? == Type::Tag {
            match self.read(RULE, Decoder::tag)? {
                TIME_AS_TEXT => {
                    let seconds = seconds_since_1970(&self.text()?);
                    return seconds
                        .ok_or(Error::Malformed { at, what: "this is no date and time since 1970" });
                }
                TIME_AS_NUMBER => {}
                _ => return Err(Error::Malformed { at, what: RULE }),
            }
        }
        let number = match self.next_type()? {
            Type::F16 | Type::F32 | Type::F64 => return self.read(RULE, Decoder::f64).map(Scalar::Float),
            _ => self.read::<Int>(RULE, Decoder::int)?,
        };
        if let Ok(number) = i64::try_from(number) {
            return Ok(Scalar::Integer(number));
        }
        u64::try_from(number)
            .map(Scalar::Unsigned)
            .map_err(|_| Error::Malformed { at, what: "this integer is too small for 64 bits" })
    }

    /// Takes a null, if that is what comes next.
    pub(super) fn null(&mut self) -> Result<bool, Error> {
        let null = self.next_type()? == Type::Null;
        if null {
            self.read("this must be null", Decoder::null)?;
        }
        Ok(null)
    }

    /// A value of any type that a resource can have.
    pub(super) fn scalar(&mut self) -> Result<Scalar<'a>, Error> {
        Ok(match self.next_type()? {
            Type::Null => self.read("this must be null", Decoder::null).map(|()| Scalar::Null)?,
            Type::Bool => Scalar::Boolean(self.boolean()?),
            Type::String | Type::StringIndef => Scalar::Text(self.text()?),
            Type::Bytes | Type::BytesIndef => Scalar::Bytes(self.bytes()?),
            _ => self.number()?,
        })
    }

    pub(super) fn boolean(&mut self) -> Result<bool, Error> {
        self.read("this must be true or false", Decoder::bool)
    }

    /// Passes over one value of any kind.
    pub(super) fn skip(&mut self) -> Result<(), Error> {
        self.skip_at(0)
    }

    fn skip_at(&mut self, depth: u32) -> Result<(), Error> {
        let at = self.at();
        if depth == MAX_DEPTH {
            return Err(Error::Nesting { at });
        }
        const RULE: &str = "this is no CBOR";
        match self.next_type()? {
            Type::Array | Type::ArrayIndef => {
                let mut items = self.array(RULE)?;
                while items.another(self)? {
                    self.skip_at(depth + 1)?;
                }
                Ok(())
            }
            Type::Map | Type::MapIndef => {
                let mut items = self.map(RULE)?;
                while items.another(self)? {
                    self.skip_at(depth + 1)?;
                    self.skip_at(depth + 1)?;
                }
                Ok(())
            }
            Type::Tag => {
                self.read(RULE, Decoder::tag)?;
                self.skip_at(depth + 1)
            }
            Type::Break => Err(Error::Malformed { at, what: "there is nothing to end here" }),
            _ => self.read(RULE, Decoder::skip),
        }
    }
}

/// The moment behind `2026-02-28T12:34:56Z`; not of other time zones.
fn seconds_since_1970(text: &str) -> Option<Scalar<'static>> {
    let since = humantime::parse_rfc3339(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    match since.subsec_nanos() {
        0 => i64::try_from(since.as_secs()).ok().map(Scalar::Integer),
        _ => Some(Scalar::Float(since.as_secs_f64())),
    }
}
