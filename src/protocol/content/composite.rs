//! Bodies of the composite operations (LwM2M Core TS 1.1, "Read-Composite", "Write-Composite"): what
//! FETCH asks for, and what iPATCH sets and deletes (RFC 8132, RFC 8790).
//!
//! Their paths start at the root, which is the path of these requests.

use super::entries::{self, admit, distinct};
use super::names;
use super::scalar::Scalar;
use super::senml::{self, Content, Form, Head, Line};
use super::{Error, lwm2m_cbor};
use crate::protocol::coap::ContentFormat;
use crate::protocol::lwm2m::{Entry, Path, Value};

/// The paths in the body of a Read-Composite or Observe-Composite, in the body's order.
///
/// Formats: SenML and SenML-ETCH in JSON and CBOR, records with names only. A path may be of any depth, also
/// `/`, and may lie below another.
///
/// # Errors
/// [`Error::Unsupported`] for other formats; [`Error::Value`] for a record with a value;
/// [`Error::Duplicate`] for a path asked for twice; otherwise what is wrong with the payload.
pub fn decode_paths(format: ContentFormat, payload: &[u8]) -> Result<Vec<Path>, Error> {
    let (form, _) = senml_form(format).ok_or(Error::Unsupported(format.0))?;
    let mut paths = Vec::new();
    senml::read(form, payload, |record| {
        let path = names::path(&record.name)?;
        if record.value.is_some() {
            return Err(Error::Value { path });
        }
        paths.push(path);
        Ok(())
    })?;
    refuse_repeats(&paths)?;
    Ok(paths)
}

/// Writes the body of a Read-Composite or Observe-Composite, in the formats of [`decode_paths`].
///
/// # Errors
/// [`Error::Unsupported`] for other formats; [`Error::Duplicate`].
pub fn encode_paths(format: ContentFormat, paths: &[Path]) -> Result<Vec<u8>, Error> {
    let (form, _) = senml_form(format).ok_or(Error::Unsupported(format.0))?;
    refuse_repeats(paths)?;
    let lines = paths.iter().map(|path| Line { path: *path, time: None, content: Content::Nothing });
    senml::write(form, &Head { names: None, time: None }, lines)
}

/// One step of a Write-Composite.
#[derive(Clone, Debug, PartialEq)]
pub enum Patch {
    /// Sets a resource or a resource instance.
    Set(Entry),
    /// Removes a resource instance.
    Delete(Path),
}

impl Patch {
    /// The resource or resource instance this changes.
    pub fn path(&self) -> Path {
        match self {
            Patch::Set(entry) => entry.path,
            Patch::Delete(path) => *path,
        }
    }

    fn value(&self) -> Option<&Value> {
        match self {
            Patch::Set(entry) => Some(&entry.value),
            Patch::Delete(_) => None,
        }
    }
}

/// The steps in the body of a Write-Composite, in the body's order.
///
/// Formats: SenML in JSON and CBOR, which only sets; SenML-ETCH in JSON and CBOR and LwM2M CBOR, where a
/// null deletes a resource instance. A record without any value is refused in all of them: it may be
/// meant for a Read-Composite.
///
/// # Errors
/// [`Error::Unsupported`] for other formats; [`Error::NoValue`] for a null where it deletes nothing;
/// otherwise as of [`decode`](super::decode).
pub fn decode_patch(format: ContentFormat, payload: &[u8]) -> Result<Vec<Patch>, Error> {
    let mut patches = Vec::new();
    match senml_form(format) {
        Some((form, nulls)) => senml::read(form, payload, |record| {
            let path = record.resource()?;
            let value = record.value.ok_or(Error::NoValue { path })?;
            patches.push(patch(path, value, nulls)?);
            Ok(())
        })?,
        None if format == ContentFormat::LWM2M_CBOR => lwm2m_cbor::read(payload, |path, value| {
            patches.push(patch(path, value, true)?);
            Ok(())
        })?,
        None => return Err(Error::Unsupported(format.0)),
    }
    distinct(patches.iter().map(Patch::path))?;
    Ok(patches)
}

fn patch(path: Path, value: Scalar<'_>, nulls: bool) -> Result<Patch, Error> {
    admit(Path::ROOT, path)?;
    match value {
        // Resources are mandatory or not, and only their instances come and go (LwM2M Core TS, "Delete").
        Scalar::Null if nulls && path.depth() == 4 => Ok(Patch::Delete(path)),
        value => Ok(Patch::Set(Entry::new(path, value.typed(path)?))),
    }
}

/// Writes the body of a Write-Composite, in the formats of [`decode_patch`]: SenML in the order given,
/// LwM2M CBOR in that of the paths.
///
/// # Errors
/// [`Error::Unsupported`] for other formats; [`Error::Unencodable`] for what is no value or no resource
/// instance, and for deletions in formats that have none; [`Error::Duplicate`].
pub fn encode_patch(format: ContentFormat, patches: &[Patch]) -> Result<Vec<u8>, Error> {
    let form = senml_form(format);
    if form.is_none() && format != ContentFormat::LWM2M_CBOR {
        return Err(Error::Unsupported(format.0));
    }
    let deletes = form.is_none_or(|(_, nulls)| nulls);
    for patch in patches {
        entries::is_value_within(Path::ROOT, patch.path())?;
        match patch {
            Patch::Delete(path) if path.depth() != 4 => {
                return Err(Error::Unencodable {
                    path: *path,
                    why: "only resource instances can be deleted so",
                });
            }
            Patch::Delete(path) if !deletes => {
                return Err(Error::Unencodable { path: *path, why: "this format sets values only" });
            }
            _ => {}
        }
    }
    distinct(patches.iter().map(Patch::path))?;
    let Some((form, _)) = form else {
        let mut items: Vec<_> = patches.iter().map(|patch| (patch.path(), patch.value())).collect();
        items.sort_unstable_by_key(|(path, _)| *path);
        return Ok(lwm2m_cbor::write(&items));
    };
    let lines = patches.iter().map(|patch| Line {
        path: patch.path(),
        time: None,
        content: patch.value().map_or(Content::Null, Content::Value),
    });
    let names = names::BaseName::new(Path::ROOT, patches.iter().map(Patch::path));
    senml::write(form, &Head { names: Some(names), time: None }, lines)
}

/// Which SenML a format is, and whether nulls mean something in it.
fn senml_form(format: ContentFormat) -> Option<(Form, bool)> {
    Some(match format {
        ContentFormat::SENML_JSON => (Form::Json, false),
        ContentFormat::SENML_CBOR => (Form::Cbor, false),
        ContentFormat::SENML_ETCH_JSON => (Form::Json, true),
        ContentFormat::SENML_ETCH_CBOR => (Form::Cbor, true),
        _ => return None,
    })
}

/// Asking for `/3` and for `/3/0` is allowed, asking for one of them twice is not.
fn refuse_repeats(paths: &[Path]) -> Result<(), Error> {
    let mut sorted = paths.to_vec();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Error::Duplicate { path: pair[0] }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
