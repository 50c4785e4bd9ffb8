//! Read-Composite and Write-Composite (LwM2M Core §6.3.8 and §6.3.9, from 1.1 on).

use super::target::{self, Asker};
use super::view::View;
use super::write::{self, Change, refusal};
use super::{Effect, Effects, Site, delete, read};
use crate::protocol::coap::{Code, ContentFormat, Message};
use crate::protocol::content::{self, Patch};
use crate::protocol::lwm2m::{Entry, Path, Rights, Version};

/// The answer to a Read-Composite: everything it asks for that is there and that the server may read.
///
/// # Errors
/// 4.00 and 4.15 for the payload, 4.06 for the format of the answer.
pub(in crate::protocol::client) fn read(
    view: &View<'_>,
    asker: Asker,
    request: &Message,
) -> Result<Message, Code> {
    let asked = format_of(request, asker.version)?;
    let paths = content::decode_paths(asked, request.payload()).map_err(|error| refusal(&error))?;
    let format = request.accept().unwrap_or_else(|| like(asked));
    read::told(format, Path::ROOT, &values(view, asker, &paths), asker.version)
}

/// The values at and below any of `paths` that are there and that the server may read, each once, in path
/// order. The root stands for every object that servers may see.
pub(in crate::protocol::client) fn values(view: &View<'_>, asker: Asker, paths: &[Path]) -> Vec<Entry> {
    let whole = paths.contains(&Path::ROOT).then(|| view.tree.objects());
    let objects = whole.into_iter().flatten().filter_map(|object| Path::ROOT.child(object));
    let permitted = paths.iter().copied().chain(objects).filter(|path| !target::is_hidden(*path));
    let mut entries: Vec<Entry> =
        permitted.filter_map(|path| read::values(view, asker, path).ok()).flatten().collect();
    // A path may lie below another.
    entries.sort_by_key(|entry| entry.path);
    entries.dedup_by_key(|entry| entry.path);
    entries
}

/// The format for the values that a request in `asked` asks for.
fn like(asked: ContentFormat) -> ContentFormat {
    match asked {
        ContentFormat::SENML_JSON | ContentFormat::SENML_ETCH_JSON => ContentFormat::SENML_JSON,
        _ => ContentFormat::SENML_CBOR,
    }
}

fn format_of(request: &Message, version: Version) -> Result<ContentFormat, Code> {
    let format = request.content_format().ok_or(Code::BAD_REQUEST)?;
    if content::supports(version, format) { Ok(format) } else { Err(Code::UNSUPPORTED_CONTENT_FORMAT) }
}

/// Write-Composite: all of it, or nothing.
///
/// # Errors
/// As of a Write to each of the resources and resource instances in it, and as of a Delete of those it
/// removes.
pub(super) fn write(site: &mut Site<'_>, request: &Message, effects: &mut Effects) -> Result<Message, Code> {
    let format = format_of(request, site.asker.version)?;
    let patches = content::decode_patch(format, request.payload()).map_err(|error| refusal(&error))?;
    for patch in &patches {
        admit(site, patch, &patches)?;
    }
    let changed: Vec<Path> = patches.iter().map(Patch::path).collect();
    let changes = patches.into_iter().map(|patch| match patch {
        Patch::Set(entry) => Change::Set(entry),
        Patch::Delete(path) => Change::Remove(path),
    });
    write::commit(site.tree, changes.collect(), effects);
    effects.extend(changed.into_iter().map(Effect::Changed));
    Ok(Message::response(Code::CHANGED))
}

/// Whether one of `all` the steps of a Write-Composite may be made.
fn admit(site: &Site<'_>, patch: &Patch, all: &[Patch]) -> Result<(), Code> {
    let path = patch.path();
    if target::is_hidden(path) {
        return Err(Code::UNAUTHORIZED);
    }
    let &[object, instance, resource, ..] = path.ids() else { return Err(Code::BAD_REQUEST) };
    match patch {
        Patch::Set(entry) => {
            site.asker.at_instance(site.tree, Rights::WRITE, object, instance)?;
            write::admit(site.tree, entry, site.asker.version)
        }
        Patch::Delete(_) => {
            site.asker.at_instance(site.tree, Rights::DELETE, object, instance)?;
            if !target::exists(site.tree, path, site.asker.version) {
                return Err(Code::NOT_FOUND);
            }
            write::writable(path, site.asker.version)?;
            let resource = Path::resource(object, instance, resource);
            let also_deleted =
                |other: &&Patch| matches!(other, Patch::Delete(at) if at.starts_with(&resource));
            delete::removable(site, resource, all.iter().filter(also_deleted).count())
        }
    }
}
