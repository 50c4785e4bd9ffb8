//! Delete (LwM2M Core §6.3.7): an object instance, and from 1.1 on an instance of a resource.

use super::create::OF_BOOTSTRAP;
use super::{Effect, Effects, Site, target, write};
use crate::protocol::client::register::Changed;
use crate::protocol::coap::{Code, Message};
use crate::protocol::lwm2m::{Path, Rights, access};

const ACCESS_CONTROL: u16 = 2;
const DEVICE: u16 = 3;

/// Deletes what is at `path`.
///
/// # Errors
/// 4.04 where there is nothing, 4.01 where the server may not delete, 4.05 for other paths, for the
/// device itself, for what only a bootstrap deletes, and for instances of resources that servers do not
/// write or that would lose their last one though they are mandatory.
pub(super) fn delete(site: &mut Site<'_>, path: Path, effects: &mut Effects) -> Result<Message, Code> {
    match *path.ids() {
        [object, instance] => {
            site.asker.at_instance(site.tree, Rights::DELETE, object, instance)?;
            if object == DEVICE || OF_BOOTSTRAP.contains(&object) {
                return Err(Code::METHOD_NOT_ALLOWED);
            }
            site.tree.remove(path);
            effects.push(Effect::Deleted(path));
            if let Some(control) = access::control_of(site.tree, object, instance) {
                let control = Path::instance(ACCESS_CONTROL, control);
                site.tree.remove(control);
                effects.push(Effect::Deleted(control));
            }
            effects.push(Effect::Registration(Changed::Objects));
        }
        [object, instance, resource, _] => {
            site.asker.at_instance(site.tree, Rights::DELETE, object, instance)?;
            if !target::exists(site.tree, path, site.asker.version) {
                return Err(Code::NOT_FOUND);
            }
            write::writable(path, site.asker.version)?;
            removable(site, Path::resource(object, instance, resource), 1)?;
            site.tree.remove(path);
            effects.push(Effect::Deleted(path));
        }
        _ => return Err(Code::METHOD_NOT_ALLOWED),
    }
    Ok(Message::response(Code::DELETED))
}

/// Whether a resource may lose so many of its instances: a mandatory one keeps at least one.
pub(super) fn removable(site: &Site<'_>, resource: Path, instances: usize) -> Result<(), Code> {
    let mandatory = target::resource(resource, site.asker.version).is_some_and(|known| known.mandatory);
    if mandatory && site.tree.entries(resource).count() <= instances {
        return Err(Code::METHOD_NOT_ALLOWED);
    }
    Ok(())
}
