//! stub: the LwM2M data model
mod definition;
pub mod objects;
mod path;
mod tree;
mod value;
pub use definition::{Kind, Multiplicity, ObjectDef, Operations, ResourceDef};
pub use path::Path;
pub use tree::Tree;
pub use value::{Entry, Value};

/// LwM2M version a client speaks
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    V1_0,
    V1_1,
    V1_2,
}
