//! stub: the values one device holds
use super::{Entry, Path, Value};
/// A template shared by all meters plus what this meter holds of its own.
pub struct Tree {}
impl Tree {
    pub fn new(_template: std::sync::Arc<Vec<Entry>>) -> Self {
        todo!()
    }
    pub fn get(&self, _path: Path) -> Option<&Value> {
        todo!()
    }
    pub fn set(&mut self, _path: Path, _value: Value) {
        todo!()
    }
    pub fn create_instance(&mut self, _object: u16, _instance: u16) {
        todo!()
    }
    pub fn has_instance(&self, _object: u16, _instance: u16) -> bool {
        todo!()
    }
    /// removes everything at and below `path`; true if there was something
    pub fn remove(&mut self, _path: Path) -> bool {
        todo!()
    }
    pub fn objects(&self) -> impl Iterator<Item = u16> {
        std::iter::empty()
    }
    pub fn instances(&self, _object: u16) -> impl Iterator<Item = u16> {
        std::iter::empty()
    }
    /// all values at and below `path` in path order
    pub fn entries(&self, _path: Path) -> impl Iterator<Item = (Path, &Value)> {
        std::iter::empty()
    }
    pub fn heap_bytes(&self) -> usize {
        todo!()
    }
}
