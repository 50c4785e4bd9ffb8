//! Create (LwM2M Core §6.3.6).

use smallvec::SmallVec;

use super::write::refusal;
use super::{Effect, Effects, Site, target};
use crate::protocol::client::firmware::{self, Command};
use crate::protocol::client::register::Changed;
use crate::protocol::coap::{Code, Message};
use crate::protocol::content::{self, Creation};
use crate::protocol::lwm2m::{
    Entry, Kind, Multiplicity, ObjectDef, Path, Range, ResourceDef, Value, Version, access, objects,
};

/// Objects whose instances only a bootstrap makes and deletes: Server and Access Control (Core tables
/// E.2-2 and E.3-2).
pub(super) const OF_BOOTSTRAP: [u16; 2] = [1, 2];

/// Makes an instance of the object at `path`. A device can have instances of every object it has a
/// definition of. Where the payload names none, it takes the lowest free identifier and tells it as
/// Location-Path.
///
/// Values may also be those of resources that servers only read: of many objects there would be nothing
/// to say otherwise. Mandatory ones that servers cannot write and that are not given start at zero.
///
/// # Errors
/// 4.04 for an unknown object, 4.05 for one of which servers make no (more) instances, 4.01 where the
/// server may not create, 4.15 for the format, 4.00 for the payload, for an instance that exists, and where
/// a mandatory resource is missing.
pub(super) fn create(
    site: &mut Site<'_>,
    path: Path,
    request: &Message,
    effects: &mut Effects,
) -> Result<Message, Code> {
    let &[object] = path.ids() else { return Err(Code::METHOD_NOT_ALLOWED) };
    let Some(known) = objects::find(object) else {
        let held = site.tree.instances(object).next().is_some();
        return Err(if held { Code::METHOD_NOT_ALLOWED } else { Code::NOT_FOUND });
    };
    if OF_BOOTSTRAP.contains(&object)
        || (known.multiplicity == Multiplicity::Single && site.tree.has_instance(object, 0))
    {
        return Err(Code::METHOD_NOT_ALLOWED);
    }
    let asker = site.asker;
    if !access::may_create(site.tree, asker.server, object, asker.servers) {
        return Err(Code::UNAUTHORIZED);
    }
    let free =
        (0..u16::MAX).find(|&id| !site.tree.has_instance(object, id)).ok_or(Code::METHOD_NOT_ALLOWED)?;
    let Creation { named, entries } = decode(request, Path::instance(object, free), asker.version)?;
    let instance = match named[..] {
        [] => free,
        [named] => named,
        // One Create makes one instance.
        _ => return Err(Code::BAD_REQUEST),
    };
    let second = known.multiplicity == Multiplicity::Single && instance != 0;
    if second || site.tree.has_instance(object, instance) {
        return Err(Code::BAD_REQUEST);
    }
    let created = Path::instance(object, instance);
    let entries = complete(known, created, entries, asker.version)?;
    let (packages, entries): (Vec<Entry>, Vec<Entry>) =
        entries.into_iter().partition(|entry| firmware::intercepts(entry.path));
    site.tree.replace(created, entries);
    effects.push(Effect::Changed(created));
    effects.extend(packages.into_iter().map(|entry| Effect::Package(Command::Write(entry))));
    if asker.servers > 1 {
        let control = access::created(site.tree, asker.server, object, instance);
        effects.extend(control.first().map(|entry| Effect::Changed(entry.path.truncated(2))));
        site.tree.set_all(control);
    }
    effects.push(Effect::Registration(Changed::Objects));
    Ok(answer(created, named.is_empty()))
}

fn decode(request: &Message, assigned: Path, version: Version) -> Result<Creation, Code> {
    let format = request.content_format().ok_or(Code::BAD_REQUEST)?;
    if !content::supports(version, format) {
        return Err(Code::UNSUPPORTED_CONTENT_FORMAT);
    }
    content::decode_create(format, assigned, request.payload()).map_err(|error| refusal(&error))
}

/// All the instance starts with, if what was given suits the object.
fn complete(
    known: &ObjectDef,
    instance: Path,
    mut entries: Vec<Entry>,
    version: Version,
) -> Result<Vec<Entry>, Code> {
    for entry in &entries {
        let resource = target::resource(entry.path, version).ok_or(Code::NOT_FOUND)?;
        if !resource.accepts(&entry.value) {
            return Err(Code::BAD_REQUEST);
        }
    }
    let mandatory = known
        .resources
        .iter()
        .filter(|resource| resource.mandatory && resource.since <= version && resource.kind != Kind::None);
    for resource in mandatory {
        let Some(at) = instance.child(resource.id) else { continue };
        if entries.iter().any(|entry| entry.path.starts_with(&at)) {
            continue;
        }
        if resource.operations.write {
            return Err(Code::BAD_REQUEST);
        }
        if resource.multiplicity == Multiplicity::Single {
            entries.extend(zero(resource).map(|value| Entry::new(at, value)));
        }
    }
    Ok(entries)
}

/// The value of a resource nothing has happened to.
fn zero(resource: &ResourceDef) -> Option<Value> {
    let number = match resource.range {
        Range::Number(min, max) => 0.clamp(min, max),
        _ => 0,
    };
    Some(match resource.kind {
        Kind::String => Value::from(""),
        Kind::Integer => Value::Integer(number),
        Kind::Unsigned => Value::Unsigned(number.unsigned_abs()),
        Kind::Float => Value::Float(number as f64),
        Kind::Boolean => Value::Boolean(false),
        Kind::Opaque => Value::Opaque(Box::default()),
        Kind::Time => Value::Time(number),
        Kind::ObjectLink => Value::ObjectLink(u16::MAX, u16::MAX),
        Kind::CoreLink => Value::CoreLink("".into()),
        Kind::None => return None,
    })
}

/// 2.01; with the instance's path if the server does not know it yet (Transport §6.4.3).
fn answer(created: Path, assigned: bool) -> Message {
    let answer = Message::response(Code::CREATED);
    if !assigned {
        return answer;
    }
    let ids: SmallVec<[String; 2]> = created.ids().iter().map(u16::to_string).collect();
    let segments: SmallVec<[&str; 2]> = ids.iter().map(String::as_str).collect();
    answer.with_location(&segments)
}
