//! Write (LwM2M Core §6.3.3): replace (PUT) and partial update (POST).
//!
//! Everything is checked first and then changed, so that a refused request leaves no trace.

use super::{Effect, Effects, Site, given, target};
use crate::protocol::client::account;
use crate::protocol::client::firmware::{self, Command};
use crate::protocol::client::register::Changed;
use crate::protocol::coap::{Code, Message};
use crate::protocol::content;
use crate::protocol::lwm2m::{Entry, Multiplicity, ObjectDef, Path, Rights, Tree, Version, objects};

/// One step of a write that has been checked.
#[derive(Debug)]
pub(super) enum Change {
    /// Sets a resource or a resource instance.
    Set(Entry),
    /// Removes a resource or a resource instance.
    Remove(Path),
}

/// PUT: what is at `path` (an object instance, a resource, a resource instance) is as the payload says
/// afterwards. Of an instance, what is missing in the payload goes, unless servers cannot write it; a
/// resource or a resource instance that was not there comes.
///
/// # Errors
/// 4.04 where there is nothing or the object has no such resource, 4.01 where the server may not write,
/// 4.05 for what is not writable, 4.15 for the format, 4.00 for the payload or if it lacks a mandatory
/// resource.
pub(super) fn replace(
    site: &mut Site<'_>,
    path: Path,
    request: &Message,
    effects: &mut Effects,
) -> Result<Message, Code> {
    let entries = requested(site, path, request)?;
    let mut changes = match *path.ids() {
        [object, _] => {
            let known = objects::find(object).ok_or(Code::METHOD_NOT_ALLOWED)?;
            missing_of_instance(site, known, path, &entries)?
        }
        [_, _, _] => missing_of_resource(site, path, &entries)?,
        _ => Vec::new(),
    };
    changes.extend(entries.into_iter().map(Change::Set));
    commit(site, changes, effects);
    effects.push(Effect::Changed(path));
    Ok(Message::response(Code::CHANGED))
}

/// POST: the resources and resource instances in the payload are set, all others stay. `path` is an object
/// instance or a multiple resource.
///
/// # Errors
/// As of [`replace`].
pub(super) fn update(
    site: &mut Site<'_>,
    path: Path,
    request: &Message,
    effects: &mut Effects,
) -> Result<Message, Code> {
    if !matches!(path.depth(), 2 | 3) {
        return Err(Code::METHOD_NOT_ALLOWED);
    }
    let entries = requested(site, path, request)?;
    commit(site, entries.into_iter().map(Change::Set).collect(), effects);
    effects.push(Effect::Changed(path));
    Ok(Message::response(Code::CHANGED))
}

/// The values of a request to `path`, if the server may write each of them there.
fn requested(site: &Site<'_>, path: Path, request: &Message) -> Result<Vec<Entry>, Code> {
    let &[object, instance, ..] = path.ids() else { return Err(Code::METHOD_NOT_ALLOWED) };
    site.asker.at_instance(site.tree, Rights::WRITE, object, instance)?;
    if path.depth() > 2 {
        writable(path, site.asker.version)?;
    }
    let entries = decode(request, path, site.asker.version)?;
    for entry in &entries {
        admit(site.tree, entry, site.asker.version)?;
    }
    Ok(entries)
}

/// The values in a payload sent to `path`: 4.00 without a Content-Format, 4.15 for one that devices of
/// this version do not read, or not here.
fn decode(request: &Message, path: Path, version: Version) -> Result<Vec<Entry>, Code> {
    let format = request.content_format().ok_or(Code::BAD_REQUEST)?;
    if !content::supports(version, format) {
        return Err(Code::UNSUPPORTED_CONTENT_FORMAT);
    }
    content::decode(format, path, request.payload()).map_err(|error| refusal(&error))
}

/// The code for a payload that cannot be read.
pub(super) fn refusal(error: &content::Error) -> Code {
    match error {
        content::Error::Unsupported(_) => Code::UNSUPPORTED_CONTENT_FORMAT,
        _ => Code::BAD_REQUEST,
    }
}

/// Whether the resource `path`, or is an instance of, is one that servers write: 4.04 and 4.05 if it is
/// not, 4.04 also for an instance of a single resource.
pub(super) fn writable(path: Path, version: Version) -> Result<(), Code> {
    let known = target::operable(path, version)?;
    if path.depth() == 4 && known.multiplicity == Multiplicity::Single {
        return Err(Code::NOT_FOUND);
    }
    if known.operations.write { Ok(()) } else { Err(Code::METHOD_NOT_ALLOWED) }
}

/// Whether a value may be written where it is meant for.
pub(super) fn admit(tree: &Tree, entry: &Entry, version: Version) -> Result<(), Code> {
    writable(entry.path, version)?;
    if !objects::resource(entry.path).is_some_and(|known| known.accepts(&entry.value)) {
        return Err(Code::BAD_REQUEST);
    }
    firmware::admit(tree, entry.path, Some(&entry.value))
}

/// What a replace takes away from an object instance: what servers can write, need not be there, and is
/// not in the payload; and what multiple resources in the payload have too many.
///
/// # Errors
/// 4.00 if a mandatory resource that servers can write and read is not in the payload.
fn missing_of_instance(
    site: &Site<'_>,
    known: &ObjectDef,
    path: Path,
    entries: &[Entry],
) -> Result<Vec<Change>, Code> {
    let mut changes = Vec::new();
    let version = site.asker.version;
    for resource in known.resources.iter().filter(|known| known.operations.write && known.since <= version) {
        let Some(at) = path.child(resource.id) else { continue };
        let given = entries.iter().any(|entry| entry.path.starts_with(&at));
        let held = || site.tree.entries(at).next().is_some();
        match (given, resource.multiplicity) {
            (true, Multiplicity::Multiple) => changes.extend(superfluous(site.tree, at, entries)),
            (true, Multiplicity::Single) => {}
            // What can only be written has no value that would be missed.
            (false, _) if resource.mandatory && resource.operations.read => return Err(Code::BAD_REQUEST),
            (false, _) if held() => changes.push(Change::Remove(at)),
            (false, _) => {}
        }
    }
    Ok(changes)
}

/// What a replace takes away from a resource: the instances that are not in the payload.
fn missing_of_resource(site: &Site<'_>, path: Path, entries: &[Entry]) -> Result<Vec<Change>, Code> {
    let known = objects::resource(path);
    let may_be_empty =
        known.is_some_and(|known| known.multiplicity == Multiplicity::Multiple && !known.mandatory);
    if entries.is_empty() && !may_be_empty {
        return Err(Code::BAD_REQUEST);
    }
    Ok(superfluous(site.tree, path, entries).collect())
}

fn superfluous(tree: &Tree, resource: Path, entries: &[Entry]) -> impl Iterator<Item = Change> {
    let held = tree.entries(resource).map(|(path, _)| path);
    held.filter(|held| !entries.iter().any(|entry| entry.path == *held)).map(Change::Remove)
}

/// Makes changes that have been checked, and adds what follows from each.
pub(super) fn commit(site: &mut Site<'_>, changes: Vec<Change>, effects: &mut Effects) {
    let (tree, now) = (&mut *site.tree, site.now);
    for change in changes {
        match change {
            Change::Remove(path) => drop(tree.remove(path)),
            Change::Set(entry) if firmware::intercepts(entry.path) => {
                effects.push(Effect::Package(Command::Write(entry)));
            }
            Change::Set(entry) => {
                let Entry { path, value } = given(entry, now);
                tree.set(path, value);
                effects.extend(of_account(tree, path).map(Effect::Registration));
            }
        }
    }
}

/// What a write at `path` changes of a registration.
fn of_account(tree: &Tree, path: Path) -> Option<Changed> {
    const SERVER: u16 = 1;
    let &[SERVER, instance, resource @ (1 | 7)] = path.ids() else { return None };
    let ssid = u16::try_from(account::server_ssid(tree, instance)?).ok()?;
    Some(if resource == 1 { Changed::Lifetime(ssid) } else { Changed::Binding(ssid) })
}
