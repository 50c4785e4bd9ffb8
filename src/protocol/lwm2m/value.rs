//! stub
use super::Path;
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    String(Box<str>),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    Boolean(bool),
    Opaque(Box<[u8]>),
    Time(i64),
    ObjectLink(u16, u16),
    CoreLink(Box<str>),
}
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub path: Path,
    pub value: Value,
}
impl Entry {
    pub fn new(path: Path, value: Value) -> Self {
        Entry { path, value }
    }
}
