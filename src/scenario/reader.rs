//! From TOML values to serde types, with errors that know the path of their key.
//!
//! The `toml` crate's own deserializer gives unknown fields and wrong types as prose; this one keeps
//! them apart, and lets `--set fleet.lwm2m=1.2` mean the string `"1.2"` where a string belongs.

use std::collections::BTreeMap;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use toml::Value;

use super::error::Fault;

/// Reads one value.
pub(super) struct Reader<'a> {
    pub value: &'a Value,
    /// Path of its key; empty for the whole document.
    pub path: String,
    /// What was typed after `--set path=`, by path.
    pub typed: &'a BTreeMap<String, String>,
}

impl<'a> Reader<'a> {
    fn text(&self) -> Option<&'a str> {
        self.value.as_str().or_else(|| self.typed.get(&self.path).map(String::as_str))
    }
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.value {
            Value::String(text) => visitor.visit_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Boolean(truth) => visitor.visit_bool(*truth),
            Value::Datetime(date) => visitor.visit_string(date.to_string()),
            Value::Array(values) => {
                visitor.visit_seq(List { values: values.iter().enumerate(), reader: &self })
            }
            Value::Table(table) => {
                visitor.visit_map(Entries { entries: table.iter(), value: None, reader: &self })
            }
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.text() {
            Some(text) => visitor.visit_str(text),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct List<'a> {
    values: std::iter::Enumerate<std::slice::Iter<'a, Value>>,
    reader: &'a Reader<'a>,
}

impl<'de> SeqAccess<'de> for List<'_> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let Some((index, value)) = self.values.next() else { return Ok(None) };
        let path = format!("{}[{index}]", self.reader.path);
        let reader = Reader { value, path: path.clone(), typed: self.reader.typed };
        seed.deserialize(reader).map(Some).map_err(|fault| fault.at(&path, value))
    }
}

struct Entries<'a> {
    entries: toml::map::Iter<'a, String, Value>,
    value: Option<(String, &'a Value)>,
    reader: &'a Reader<'a>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        let path = join(&self.reader.path, key);
        self.value = Some((path.clone(), value));
        let key: StrDeserializer<'_, Fault> = String::as_str(key).into_deserializer();
        // The key is the innermost place there is: whatever is wrong with it is wrong here. Of what stands at a key
        // nobody knows, numbers are shown, and texts are not: one may be a secret.
        seed.deserialize(key).map(Some).map_err(|fault| {
            let fault = Fault { key: String::new(), ..fault }.at(&path, value);
            Fault { value: fault.value.filter(|_| !has_text(value)), ..fault }
        })
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let (path, value) = self.value.take().expect("serde asks for a value after its key");
        let reader = Reader { value, path: path.clone(), typed: self.reader.typed };
        seed.deserialize(reader).map_err(|fault| fault.at(&path, value))
    }
}

/// Whether there is a text in it.
fn has_text(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::Array(values) => values.iter().any(has_text),
        Value::Table(table) => table.iter().any(|(_, value)| has_text(value)),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => false,
    }
}

/// The path of `key` in the table at `path`.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
