//! Read (LwM2M Core §6.3.1, Transport §6.4.3): an object, an object instance, a resource, or from 1.1 on a
//! resource instance.

use super::target::{self, Asker};
use super::view::View;
use crate::protocol::coap::{Code, ContentFormat, Message};
use crate::protocol::content;
use crate::protocol::lwm2m::{Entry, Path, Rights, Tree, Value, Version};

/// The answer to a Read of `path`.
///
/// # Errors
/// 4.04 where there is nothing, 4.01 where the server may not read, 4.05 for the root and what is not
/// readable, 4.06 for a format that there is not or that cannot carry what was asked for.
pub(in crate::protocol::client) fn read(
    view: &View<'_>,
    asker: Asker,
    path: Path,
    accept: Option<ContentFormat>,
) -> Result<Message, Code> {
    let entries = values(view, asker, path)?;
    let format = accept.unwrap_or_else(|| own_choice(path, &entries, asker.version));
    told(format, path, &entries, asker.version)
}

/// The values at and below `path` that the server may read, in path order. Of an object, the instances it
/// may not read are left out (Core §8.2.2).
///
/// # Errors
/// As of [`read`].
pub(in crate::protocol::client) fn values(
    view: &View<'_>,
    asker: Asker,
    path: Path,
) -> Result<Vec<Entry>, Code> {
    match *path.ids() {
        [] => return Err(Code::METHOD_NOT_ALLOWED),
        // Says itself whether it is there.
        [object, instance] => asker.at_instance(view.tree, Rights::READ, object, instance)?,
        _ if !target::exists(view.tree, path, asker.version) => return Err(Code::NOT_FOUND),
        [object] if asker.servers > 1 => return permitted(view, asker, object),
        [_] => {}
        [object, instance, ..] if !asker.may(view.tree, Rights::READ, object, instance) => {
            return Err(Code::UNAUTHORIZED);
        }
        [_, _, ..] => {}
    }
    if path.depth() >= 3 {
        if !target::is_readable(path) {
            return Err(Code::METHOD_NOT_ALLOWED);
        }
        if let Some(value) = view.get(path) {
            return Ok(vec![Entry::new(path, value.into_owned())]);
        }
    }
    // An object instance rarely has more: none of the reallocations of growing.
    let mut entries = Vec::with_capacity(16);
    entries.extend(readable(view, path));
    Ok(entries)
}

/// The values of those instances of an object that the server may read; 4.01 if it may read none.
fn permitted(view: &View<'_>, asker: Asker, object: u16) -> Result<Vec<Entry>, Code> {
    let instances = view.tree.instances(object);
    let mut permitted =
        instances.filter(|&instance| asker.may(view.tree, Rights::READ, object, instance)).peekable();
    if permitted.peek().is_none() {
        return Err(Code::UNAUTHORIZED);
    }
    Ok(permitted.flat_map(|instance| readable(view, Path::instance(object, instance))).collect())
}

fn readable(view: &View<'_>, path: Path) -> impl Iterator<Item = Entry> {
    let entries = view.entries(path).filter(|(path, _)| target::is_readable(*path));
    entries.map(|(path, value)| Entry::new(path, value.into_owned()))
}

/// The format of an answer to a request without Accept, which leaves the choice to the device: one value as
/// text or as its bytes; more as TLV, which every client of 1.0 has, and as SenML CBOR from 1.1 on.
fn own_choice(path: Path, entries: &[Entry], version: Version) -> ContentFormat {
    match entries {
        [single] if single.path == path => match single.value {
            Value::Opaque(_) => ContentFormat::OPAQUE,
            _ => ContentFormat::TEXT,
        },
        _ if version == Version::V1_0 => ContentFormat::TLV,
        _ => ContentFormat::SENML_CBOR,
    }
}

/// 2.05 with these values, which are at or below `base`.
///
/// # Errors
/// 4.06 if devices of `version` have no such format, or it cannot carry them.
pub(in crate::protocol::client) fn told(
    format: ContentFormat,
    base: Path,
    entries: &[Entry],
    version: Version,
) -> Result<Message, Code> {
    if !content::formats_of_values(version).contains(&format) {
        return Err(Code::NOT_ACCEPTABLE);
    }
    let payload = content::encode(format, base, entries).map_err(|_| Code::NOT_ACCEPTABLE)?;
    Ok(Message::response(Code::CONTENT).with_content_format(format).with_payload(payload))
}

/// The stored values at and below `path` that `shown` lets through, in the format asked for. Without an
/// Accept option: text for one value, TLV for more.
pub(in crate::protocol::client) fn content_of(
    tree: &Tree,
    path: Path,
    accept: Option<ContentFormat>,
    shown: impl Fn(Path) -> bool,
) -> Message {
    let entries: Vec<Entry> = tree
        .entries(path)
        .filter(|(path, _)| shown(*path))
        .map(|(path, value)| Entry::new(path, value.clone()))
        .collect();
    let single = entries.len() == 1 && entries[0].path == path;
    let format = accept.unwrap_or(if single { ContentFormat::TEXT } else { ContentFormat::TLV });
    match content::encode(format, path, &entries) {
        Ok(payload) => Message::response(Code::CONTENT).with_content_format(format).with_payload(payload),
        Err(_) => Message::response(Code::NOT_ACCEPTABLE),
    }
}
