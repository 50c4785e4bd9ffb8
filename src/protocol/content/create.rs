//! Payloads of Create, which may leave the identifier of the new object instance to the client (LwM2M
//! Core TS, "Create").

use super::entries::Collector;
use super::formats::current;
use super::instances::{Creation, Instances};
use super::senml::{self, Form};
use super::{Error, lwm2m_cbor, oma_json, tlv};
use crate::protocol::coap::ContentFormat;
use crate::protocol::lwm2m::{Entry, Path};

/// Reads the payload of a Create on an object; `assigned` is the object instance to make if the payload
/// names none.
///
/// Formats: TLV, where an instance is named by its wrapper; LwM2M CBOR, SenML CBOR, SenML JSON and OMA
/// JSON, where it is in the paths. There, instance 65535 leaves the choice to the client, and so does in
/// names a path that lacks it, such as `/3303/5700` (`/3303//5700` is taken for the same). A path of three
/// identifiers always names an instance: it cannot be a resource instance of an unnamed one.
///
/// # Errors
/// [`Error::Unsupported`] for other formats; [`Error::HalfNamed`]; [`Error::Unencodable`] if `assigned`
/// is no object instance; otherwise as of [`decode`](super::decode).
pub fn decode_create(format: ContentFormat, assigned: Path, payload: &[u8]) -> Result<Creation, Error> {
    if assigned.depth() != 2 {
        return Err(Error::Unencodable { path: assigned, why: "what is created is an object instance" });
    }
    let mut instances = Instances::new(assigned);
    let entries = match current(format) {
        ContentFormat::TLV => tlv::decode_create(payload, &mut instances)?,
        ContentFormat::LWM2M_CBOR => lwm2m_cbor::decode_create(payload, &mut instances)?,
        ContentFormat::SENML_CBOR => from_senml(Form::Cbor, payload, &mut instances)?,
        ContentFormat::SENML_JSON => from_senml(Form::Json, payload, &mut instances)?,
        ContentFormat::OMA_JSON => oma_json::decode_create(payload, &mut instances)?,
        other => return Err(Error::Unsupported(other.0)),
    };
    instances.finish(entries)
}

fn from_senml(form: Form, payload: &[u8], instances: &mut Instances) -> Result<Vec<Entry>, Error> {
    let mut out = Collector::new(instances.assigned.truncated(1), payload.len());
    senml::read(form, payload, |record| {
        let path = instances.path(&record.name)?;
        out.admit(path)?;
        out.push(Entry::new(path, record.value(path)?));
        Ok(())
    })?;
    out.finish()
}

#[cfg(test)]
mod tests;
