//! The form that object instances are filled in on.

use crate::protocol::lwm2m::{Entry, Path, Value};

/// Entries as they are written down, in any order.
#[derive(Default)]
pub(super) struct Sheet(Vec<Entry>);

impl Sheet {
    /// The instance to fill in.
    pub(super) fn instance(&mut self, object: u16, instance: u16) -> Page<'_> {
        Page { sheet: self, object, instance }
    }

    /// All entries, in path order.
    pub(super) fn finish(mut self) -> Vec<Entry> {
        self.0.sort_by_key(|entry| entry.path);
        self.0
    }
}

/// One object instance.
pub(super) struct Page<'a> {
    sheet: &'a mut Sheet,
    object: u16,
    instance: u16,
}

impl Page<'_> {
    pub(super) fn put(&mut self, id: u16, value: Value) -> &mut Self {
        self.sheet.0.push(Entry::new(Path::resource(self.object, self.instance, id), value));
        self
    }

    /// The instances of a multiple resource, numbered from 0.
    pub(super) fn several(&mut self, id: u16, values: impl IntoIterator<Item = Value>) -> &mut Self {
        for (index, value) in (0..).zip(values) {
            let path = Path::resource_instance(self.object, self.instance, id, index);
            self.sheet.0.push(Entry::new(path, value));
        }
        self
    }

    pub(super) fn text(&mut self, id: u16, text: &str) -> &mut Self {
        self.put(id, text.into())
    }

    pub(super) fn integer(&mut self, id: u16, number: i64) -> &mut Self {
        self.put(id, Value::Integer(number))
    }

    pub(super) fn unsigned(&mut self, id: u16, number: u64) -> &mut Self {
        self.put(id, Value::Unsigned(number))
    }

    pub(super) fn float(&mut self, id: u16, number: f64) -> &mut Self {
        self.put(id, Value::Float(number))
    }

    pub(super) fn boolean(&mut self, id: u16, truth: bool) -> &mut Self {
        self.put(id, Value::Boolean(truth))
    }

    pub(super) fn opaque(&mut self, id: u16, bytes: &[u8]) -> &mut Self {
        self.put(id, Value::Opaque(bytes.into()))
    }

    /// A time that the device tells.
    pub(super) fn time(&mut self, id: u16) -> &mut Self {
        self.put(id, Value::Time(0))
    }

    /// Unsigned integers, one for each ID.
    pub(super) fn counts(&mut self, counts: &[(u16, u64)]) -> &mut Self {
        for &(id, count) in counts {
            self.unsigned(id, count);
        }
        self
    }

    /// States and types: integers, one for each ID.
    pub(super) fn codes(&mut self, codes: &[(u16, i64)]) -> &mut Self {
        for &(id, code) in codes {
            self.integer(id, code);
        }
        self
    }

    /// Times that the device tells, one for each ID.
    pub(super) fn times(&mut self, ids: &[u16]) -> &mut Self {
        for &id in ids {
            self.time(id);
        }
        self
    }
}
