//! stub
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    String,
    Integer,
    Unsigned,
    Float,
    Boolean,
    Opaque,
    Time,
    ObjectLink,
    CoreLink,
    None,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Multiplicity {
    Single,
    Multiple,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operations {
    pub read: bool,
    pub write: bool,
    pub execute: bool,
}
#[derive(Debug)]
pub struct ResourceDef {
    pub id: u16,
    pub name: &'static str,
    pub operations: Operations,
    pub kind: Kind,
    pub multiplicity: Multiplicity,
    pub mandatory: bool,
}
#[derive(Debug)]
pub struct ObjectDef {
    pub id: u16,
    pub name: &'static str,
    pub version: (u8, u8),
    pub multiplicity: Multiplicity,
    pub resources: &'static [ResourceDef],
}
impl ObjectDef {
    pub fn resource(&self, _id: u16) -> Option<&ResourceDef> {
        todo!()
    }
}
