//! The LwM2M data model: paths, values, the object definition tables, and the tree of values one
//! device holds.
//!
//! Nothing here knows how a value travels (that is `content`) or who may read it; this room only
//! says what there is.

mod definition;
pub mod objects;
mod path;
mod tree;
mod uri;
mod value;
mod version;

pub use definition::{Kind, Multiplicity, ObjectDef, Operations, Range, ResourceDef};
pub use path::{ParsePathError, Path};
pub use tree::Tree;
pub use uri::{Host, ServerUri, UriError};
pub use value::{Entry, Value};
pub use version::{ParseVersionError, Version};
