//! Content formats: one codec per file, to and from the values of the data model.
//!
//! A codec sees bytes and paths, and the object definitions where a format does not carry types. It
//! knows nothing of access rights, of which values make sense, or of the message around it.
//!
//! [`encode`] and [`decode`] are the door for values. Some payloads are more or less than values, and have
//! doors of their own: [`decode_create`] for those that may leave an identifier open, [`decode_paths`] and
//! [`decode_patch`] for composite operations, [`decode_timed`] for values of the past, [`link`] for lists of
//! paths.
//!
//! Decoders take what anybody may send. They never panic, never believe a length before the bytes
//! are there, hold no more than a fixed multiple of the payload, and say of bad input what is wrong and
//! where.

mod base64;
mod cbor;
mod composite;
mod create;
mod entries;
mod error;
mod formats;
mod instances;
mod json;
pub mod link;
pub mod listing;
mod lwm2m_cbor;
mod names;
mod oma_json;
mod opaque;
mod plain_cbor;
mod scalar;
mod senml;
mod text;
mod timed;
mod tlv;

use super::coap::ContentFormat;
use super::lwm2m::{Entry, Path};
use senml::Form;

pub use composite::{Patch, decode_patch, decode_paths, encode_patch, encode_paths};
pub use create::decode_create;
pub use error::Error;
pub use formats::{formats_of_values, listed, supports};
pub use instances::Creation;
pub use timed::{Timed, decode_timed, encode_timed};

/// Writes `entries`: full paths of resources or resource instances, each at or below `base`, which
/// is the path of the request.
///
/// Formats: TLV (not at the root, which it cannot name), SenML CBOR, SenML JSON, LwM2M CBOR and OMA JSON;
/// text, opaque and CBOR for exactly one entry at `base`. Link-format carries no values: see [`link`].
/// SenML-ETCH does not tell what is, but what to change: see [`encode_patch`].
///
/// # Errors
/// [`Error::Unsupported`] for other formats; [`Error::Outside`], [`Error::Duplicate`] and
/// [`Error::Unencodable`] if the entries do not suit `base` or the format.
pub fn encode(format: ContentFormat, base: Path, entries: &[Entry]) -> Result<Vec<u8>, Error> {
    let entries = entries::in_order(base, entries)?;
    match format {
        ContentFormat::TLV => tlv::encode(base, &entries),
        ContentFormat::SENML_CBOR => senml::encode(Form::Cbor, base, &entries),
        ContentFormat::SENML_JSON => senml::encode(Form::Json, base, &entries),
        ContentFormat::LWM2M_CBOR => Ok(lwm2m_cbor::encode(&entries)),
        ContentFormat::OMA_JSON => oma_json::encode(base, &entries),
        ContentFormat::TEXT => text::encode(base, &entries),
        ContentFormat::OPAQUE => opaque::encode(base, &entries),
        ContentFormat::CBOR => plain_cbor::encode(base, &entries),
        other => Err(Error::Unsupported(other.0)),
    }
}

/// Reads a payload sent to `base`, entries in the payload's order.
///
/// The object definitions give values their types. Resources unknown to them are opaque in TLV,
/// strings in text, and what they look like in the other formats. An object instance or a multiple
/// resource without content yields no entry. Times in SenML and OMA JSON are checked, but entries have no
/// room for them: see [`decode_timed`]. Also the numbers that text, TLV and OMA JSON had before they
/// were registered (1541, 1542, 1543) are read.
///
/// # Errors
/// [`Error::Unsupported`] for other formats than those of [`encode`]; otherwise what is wrong with
/// the payload, and where.
pub fn decode(format: ContentFormat, base: Path, payload: &[u8]) -> Result<Vec<Entry>, Error> {
    match formats::current(format) {
        ContentFormat::TLV => tlv::decode(base, payload),
        ContentFormat::SENML_CBOR => senml::decode(Form::Cbor, base, payload),
        ContentFormat::SENML_JSON => senml::decode(Form::Json, base, payload),
        ContentFormat::LWM2M_CBOR => lwm2m_cbor::decode(base, payload),
        ContentFormat::OMA_JSON => oma_json::decode(base, payload),
        ContentFormat::TEXT => text::decode(base, payload),
        ContentFormat::OPAQUE => opaque::decode(base, payload),
        ContentFormat::CBOR => plain_cbor::decode(base, payload),
        other => Err(Error::Unsupported(other.0)),
    }
}

#[cfg(test)]
mod tests;
