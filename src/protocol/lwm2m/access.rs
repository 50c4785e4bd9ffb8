//! Who may do what, as the instances of /2 Access Control have it (LwM2M Core §8), and what becomes of
//! them when instances and servers come and go.
//!
//! Only devices with accounts of several servers have access control. What no right gives (/0, /21 and /23
//! belong to Bootstrap-Servers alone) and what needs none (Discover) is for the callers to say.

use super::{Entry, Path, Tree, Value};

const SERVER: u16 = 1;
const ACCESS_CONTROL: u16 = 2;

/// Objects whose instances never go because a server cannot access them any more: those of accounts and
/// keys, which a Bootstrap-Server deletes itself, access control, and /3/0.
const KEPT: [u16; 6] = [0, SERVER, ACCESS_CONTROL, 3, 21, 23];

/// Resources of /2.
const OBJECT_ID: u16 = 0;
const INSTANCE_ID: u16 = 1;
const ACL: u16 = 2;
const OWNER: u16 = 3;

/// As Object Instance ID: the object itself, for the right to create instances of it.
const WHOLE_OBJECT: u16 = u16::MAX;
/// The instance of [`ACL`] for servers without one of their own.
const DEFAULT: u16 = 0;

/// What a server may do with an object instance: the bits of /2/x/2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    /// Nothing.
    pub const NONE: Rights = Rights(0);
    /// Read, Observe, Write-Attributes.
    pub const READ: Rights = Rights(1);
    /// Write.
    pub const WRITE: Rights = Rights(2);
    /// Execute.
    pub const EXECUTE: Rights = Rights(4);
    /// Delete.
    pub const DELETE: Rights = Rights(8);
    /// Create: of use on an object only.
    pub const CREATE: Rights = Rights(16);
    /// Everything.
    pub const ALL: Rights = Rights(31);

    /// Whether all of `wanted` is among them.
    pub fn contains(self, wanted: Rights) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// These and those.
    pub const fn with(self, other: Rights) -> Rights {
        Rights(self.0 | other.0)
    }

    /// The rights both have.
    fn common(self, other: Rights) -> Rights {
        Rights(self.0 & other.0)
    }

    /// From a value of /2/x/2; bits the TS reserves count for nothing.
    fn of(value: &Value) -> Rights {
        let bits = value.as_integer().unwrap_or(0) & i64::from(Rights::ALL.0);
        Rights(u8::try_from(bits).unwrap_or(0))
    }
}

/// What the server with Short Server ID `ssid` may do with /object/instance. `servers` is how many Server
/// Accounts the device has: with one, that server may do everything and /2 is not looked at.
pub fn rights(tree: &Tree, ssid: u16, object: u16, instance: u16, servers: usize) -> Rights {
    if servers <= 1 {
        return Rights::ALL;
    }
    if object == ACCESS_CONTROL {
        return rights_to_control(tree, ssid, instance);
    }
    match control_of(tree, object, instance) {
        Some(control) => granted(tree, control, ssid),
        None => Rights::NONE,
    }
}

/// Whether the server may create instances of `object` (Core §8.1.2.1): what a Bootstrap-Server grants
/// in the /2 instance for the object as a whole, and else nobody may.
pub fn may_create(tree: &Tree, ssid: u16, object: u16, servers: usize) -> bool {
    rights(tree, ssid, object, WHOLE_OBJECT, servers).contains(Rights::CREATE)
}

/// The /2 instance for /object/instance, if there is one; `instance` 65535 asks for that of the object as
/// a whole. Of several, which no device should have, the first.
pub fn control_of(tree: &Tree, object: u16, instance: u16) -> Option<u16> {
    tree.instances(ACCESS_CONTROL).find(|&control| target(tree, control) == Some((object, instance)))
}

/// What a Create of /object/instance by server `ssid` adds (Core §6.3.6): a /2 instance, under the lowest
/// free ID, which that server owns and which lets it do everything. Nothing if no ID is free, or `ssid` is 0
/// or 65535, which no server has.
pub fn created(tree: &Tree, ssid: u16, object: u16, instance: u16) -> Vec<Entry> {
    // Create is left out: it is a right on objects, and this is an instance.
    const OWNERS: Rights = Rights::READ.with(Rights::WRITE).with(Rights::EXECUTE).with(Rights::DELETE);

    let free = (0..u16::MAX).find(|&control| !tree.has_instance(ACCESS_CONTROL, control));
    let control = free.and_then(|free| Path::object(ACCESS_CONTROL).child(free));
    let Some(control) = control.filter(|_| is_server(ssid)) else { return Vec::new() };
    let entry = |path: Option<Path>, number: u16| Some(Entry::new(path?, Value::Integer(number.into())));
    [
        entry(control.child(OBJECT_ID), object),
        entry(control.child(INSTANCE_ID), instance),
        entry(control.child(ACL).and_then(|acl| acl.child(ssid)), OWNERS.0.into()),
        entry(control.child(OWNER), ssid),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What follows when a Bootstrap-Server deletes the /0 instance of server `ssid` (Transport §5.2.5): its /1
/// instance goes, and so do its entries in access control, the instances only it could access, and their /2
/// instances; what it owned passes on. /3/0 and the accounts of others stay always. Its observations are
/// for the caller to end. `ssid` 0 and 65535, which no server has, change nothing.
pub fn server_removed(tree: &mut Tree, ssid: u16) {
    if !is_server(ssid) {
        return;
    }
    let mut others = Vec::new();
    let accounts: Vec<u16> = tree.instances(SERVER).collect();
    for account in accounts {
        match number(tree, Path::resource(SERVER, account, 0)) {
            Some(server) if server == ssid => {
                tree.remove(Path::instance(SERVER, account));
                if let Some(control) = control_of(tree, SERVER, account) {
                    tree.remove(Path::instance(ACCESS_CONTROL, control));
                }
            }
            other => others.extend(other),
        }
    }
    let controls: Vec<u16> = tree.instances(ACCESS_CONTROL).collect();
    for control in controls {
        take_from(tree, control, ssid, &others);
    }
}

/// Takes server `ssid` out of a /2 instance, for the good of the `others`.
fn take_from(tree: &mut Tree, control: u16, ssid: u16, others: &[u16]) {
    let owner = Path::resource(ACCESS_CONTROL, control, OWNER);
    let owned = number(tree, owner) == Some(ssid);
    let entry = Path::resource(ACCESS_CONTROL, control, ACL).child(ssid);
    let listed = entry.is_some_and(|entry| tree.get(entry).is_some());
    if !owned && !listed {
        return;
    }
    if let Some(entry) = entry {
        tree.remove(entry);
    }
    // Transport §5.2.5: the server with the highest sum of Write and Delete, which are 2 and 8. Of equals,
    // the lowest ID, so that a run is the same again from its seed.
    let weight = |server: u16| granted(tree, control, server).common(Rights::WRITE.with(Rights::DELETE)).0;
    let heir = others
        .iter()
        .copied()
        .filter(|&server| granted(tree, control, server) != Rights::NONE)
        .max_by_key(|&server| (weight(server), std::cmp::Reverse(server)));
    match heir {
        Some(heir) if owned => drop(tree.set(owner, Value::Integer(heir.into()))),
        Some(_) => {}
        None => remove_with_target(tree, control),
    }
}

/// Removes a /2 instance and what it controls, unless that is no server's to lose.
fn remove_with_target(tree: &mut Tree, control: u16) {
    if let Some((object, instance)) = target(tree, control)
        && !KEPT.contains(&object)
        && let Some(path) = Path::ROOT.child(object).and_then(|path| path.child(instance))
    {
        tree.remove(path);
    }
    tree.remove(Path::instance(ACCESS_CONTROL, control));
}

/// /2 has no /2 instances of its own: every server may read it, the owner of an instance also write it,
/// and only a bootstrap creates and deletes them (Core table E.3-2, "Access Control Owner").
fn rights_to_control(tree: &Tree, ssid: u16, instance: u16) -> Rights {
    let owner = Path::object(ACCESS_CONTROL).child(instance).and_then(|path| path.child(OWNER));
    match owner.and_then(|owner| number(tree, owner)) {
        Some(owner) if owner == ssid && is_server(ssid) => Rights::READ.with(Rights::WRITE),
        _ => Rights::READ,
    }
}

/// What a /2 instance grants to a server (Core §8.2.1): its own entry; if it has none but owns the
/// instance, everything; else the default entry; else nothing.
fn granted(tree: &Tree, control: u16, ssid: u16) -> Rights {
    let acl = Path::resource(ACCESS_CONTROL, control, ACL);
    let entry = |server: u16| acl.child(server).and_then(|path| tree.get(path)).map(Rights::of);
    // 0 is the default entry and 65535 the owner of what only a bootstrap writes: nobody's own.
    if !is_server(ssid) {
        return Rights::NONE;
    }
    if let Some(own) = entry(ssid) {
        return own;
    }
    if number(tree, Path::resource(ACCESS_CONTROL, control, OWNER)) == Some(ssid) {
        return Rights::ALL;
    }
    entry(DEFAULT).unwrap_or(Rights::NONE)
}

/// Whether a server can have this Short Server ID (Core table 7.3-1).
fn is_server(ssid: u16) -> bool {
    !matches!(ssid, DEFAULT | u16::MAX)
}

/// The object and the object instance a /2 instance is for.
fn target(tree: &Tree, control: u16) -> Option<(u16, u16)> {
    let id = |resource| number(tree, Path::resource(ACCESS_CONTROL, control, resource));
    Some((id(OBJECT_ID)?, id(INSTANCE_ID)?))
}

fn number(tree: &Tree, path: Path) -> Option<u16> {
    tree.get(path)?.as_integer()?.try_into().ok()
}

#[cfg(test)]
mod tests;
