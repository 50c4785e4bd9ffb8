//! The LwM2M data model: paths, values, the object definition tables, the tree of values one device
//! holds, who may access it, the attributes that say when servers want to be notified, and the frame of
//! firmware packages.
//!
//! Nothing here knows how a value travels (that is `content`) or what a request is; this room only says
//! what there is.

pub mod access;
mod attributes;
mod definition;
pub mod objects;
pub mod package;
mod path;
mod tree;
mod uri;
mod value;
mod version;

pub use access::Rights;
pub use attributes::{AttributeChange, AttributeError, AttributeSet, Attributes};
pub use definition::{Kind, Multiplicity, ObjectDef, Operations, Range, ResourceDef};
pub use path::{ParsePathError, Path};
pub use tree::Tree;
pub use uri::{Host, Scheme, ServerUri, UriError};
pub use value::{Entry, Value};
pub use version::{ParseVersionError, Version};
