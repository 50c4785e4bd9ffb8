//! Content formats: one codec per file, to and from the values of the data model.
//!
//! A codec sees bytes and paths, and the object definitions where a format does not carry types. It
//! knows nothing of access rights, of which values make sense, or of the message around it.
//!
//! Decoders take what anybody may send. They never panic, never believe a length before the bytes
//! are there, and say of bad input what is wrong and where.

mod base64;
mod entries;
mod error;
pub mod link;
pub mod listing;
mod opaque;
mod senml;
mod text;
mod tlv;

use super::coap::ContentFormat;
use super::lwm2m::{Entry, Path};

pub use error::Error;

/// Writes `entries`: full paths of resources or resource instances, each at or below `base`, which
/// is the path of the request.
///
/// Formats: TLV (not at the root, which it cannot name), SenML CBOR and SenML JSON; text and
/// opaque for exactly one entry at `base`. Link-format carries no values: see [`link`].
///
/// # Errors
/// [`Error::Unsupported`] for other formats; [`Error::Outside`], [`Error::Duplicate`] and
/// [`Error::Unencodable`] if the entries do not suit `base` or the format.
pub fn encode(format: ContentFormat, base: Path, entries: &[Entry]) -> Result<Vec<u8>, Error> {
    let entries = entries::in_order(base, entries)?;
    match format {
        ContentFormat::TLV => tlv::encode(base, &entries),
        ContentFormat::SENML_CBOR => Ok(senml::cbor::encode(base, &entries)),
        ContentFormat::SENML_JSON => senml::json::encode(base, &entries),
        ContentFormat::TEXT => text::encode(base, &entries),
        ContentFormat::OPAQUE => opaque::encode(base, &entries),
        other => Err(Error::Unsupported(other.0)),
    }
}

/// Reads a payload sent to `base`, entries in the payload's order.
///
/// The object definitions give values their types. Resources unknown to them are opaque in TLV,
/// strings in text, and what they look like in SenML. An object instance or a multiple resource
/// without content yields no entry. Times (`t`, `bt`) in SenML are checked, but entries have no room
/// for them.
///
/// # Errors
/// [`Error::Unsupported`] for other formats than those of [`encode`]; otherwise what is wrong with
/// the payload, and where.
pub fn decode(format: ContentFormat, base: Path, payload: &[u8]) -> Result<Vec<Entry>, Error> {
    match format {
        ContentFormat::TLV => tlv::decode(base, payload),
        ContentFormat::SENML_CBOR => senml::cbor::decode(base, payload),
        ContentFormat::SENML_JSON => senml::json::decode(base, payload),
        ContentFormat::TEXT => text::decode(base, payload),
        ContentFormat::OPAQUE => opaque::decode(base, payload),
        other => Err(Error::Unsupported(other.0)),
    }
}

#[cfg(test)]
mod tests;
