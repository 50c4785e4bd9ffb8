//! stub: content formats
pub mod link;
use super::coap::ContentFormat;
use super::lwm2m::{Entry, Path};
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("todo")]
    Todo,
    #[error("unsupported content format {0}")]
    Unsupported(u16),
}
/// Writes `entries` (full paths of resources / resource instances, all below `base`).
pub fn encode(_format: ContentFormat, _base: Path, _entries: &[Entry]) -> Result<Vec<u8>, Error> {
    todo!()
}
/// Reads a payload sent to `base`; values are typed by the object definitions (unknown resources: opaque).
pub fn decode(_format: ContentFormat, _base: Path, _payload: &[u8]) -> Result<Vec<Entry>, Error> {
    todo!()
}
