//! What the path of a request leads to, and who may do what there.

use crate::protocol::coap::Code;
use crate::protocol::lwm2m::{Path, ResourceDef, Rights, Tree, Version, access, objects};

/// Objects for Bootstrap-Servers alone: Security, OSCORE, COSE (LwM2M Core §8.1).
const HIDDEN: [u16; 3] = [0, 21, 23];

/// Which server asks, and of what kind of device: what an operation is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol::client) struct Asker {
    /// Its Short Server ID.
    pub server: u16,
    /// How many Server Accounts the device has: with one, there is no access control.
    pub servers: usize,
    /// The LwM2M version the device is registered with there.
    pub version: Version,
}

impl Asker {
    /// The server `server` of a device that holds `tree` and is registered there with `version`.
    pub(in crate::protocol::client) fn new(tree: &Tree, server: u16, version: Version) -> Self {
        const SERVER: u16 = 1;
        Asker { server, servers: tree.instances(SERVER).count(), version }
    }

    /// Whether /2 lets it do this with an object instance.
    pub(super) fn may(self, tree: &Tree, right: Rights, object: u16, instance: u16) -> bool {
        access::rights(tree, self.server, object, instance, self.servers).contains(right)
    }

    /// 4.04 for an object instance that is not there, 4.01 for one the server may not do this with.
    pub(super) fn at_instance(
        self,
        tree: &Tree,
        right: Rights,
        object: u16,
        instance: u16,
    ) -> Result<(), Code> {
        if !tree.has_instance(object, instance) {
            return Err(Code::NOT_FOUND);
        }
        if self.may(tree, right, object, instance) { Ok(()) } else { Err(Code::UNAUTHORIZED) }
    }
}

/// Whether only Bootstrap-Servers have to do with what is at `path`.
pub(in crate::protocol::client) fn is_hidden(path: Path) -> bool {
    path.ids().first().is_some_and(|object| HIDDEN.contains(object))
}

/// The definition of the resource that `path` is, or is an instance of, as devices of `version` have it.
pub(super) fn resource(path: Path, version: Version) -> Option<&'static ResourceDef> {
    objects::resource(path).filter(|known| known.since <= version)
}

/// The definition of the resource a server wants to write or execute: 4.04 if the object has no such
/// resource, 4.05 if nothing is known of the object, so that it can only be read.
pub(super) fn operable(path: Path, version: Version) -> Result<&'static ResourceDef, Code> {
    if path.ids().first().and_then(|&object| objects::find(object)).is_none() {
        return Err(Code::METHOD_NOT_ALLOWED);
    }
    resource(path, version).ok_or(Code::NOT_FOUND)
}

/// Whether there is something at `path`; an object is there while it has instances.
pub(super) fn exists(tree: &Tree, path: Path, version: Version) -> bool {
    match *path.ids() {
        [] => true,
        [object] => tree.instances(object).next().is_some(),
        [object, instance] => tree.has_instance(object, instance),
        [object, instance, ..] if !tree.has_instance(object, instance) => false,
        [_, _, _] if resource(path, version).is_some_and(is_without_value) => true,
        _ => tree.entries(path).next().is_some(),
    }
}

/// Whether every instance of the object has this resource though nothing can be read there: what is
/// executed, and what has to be there to be written.
pub(super) fn is_without_value(known: &ResourceDef) -> bool {
    let operations = known.operations;
    operations.execute || (operations.write && !operations.read && known.mandatory)
}

/// Whether the object's definition lets a server read this resource; what has no definition may be read.
pub(super) fn is_readable(path: Path) -> bool {
    objects::resource(path).is_none_or(|known| known.operations.read)
}
