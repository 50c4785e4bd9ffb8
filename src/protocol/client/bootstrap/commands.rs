//! What a Bootstrap-Server's commands do to the store (LwM2M Core §6.1.7, Transport §6.4.1).

use crate::base::Instant;
use crate::protocol::client::account;
use crate::protocol::client::event::Operation;
use crate::protocol::client::manage::{content_of, given};
use crate::protocol::coap::{Code, ContentFormat, Message};
use crate::protocol::content::{self, listing};
use crate::protocol::lwm2m::{Entry, Path, Tree, Version, access, objects};

const SECURITY: u16 = 0;
const SERVER: u16 = 1;
const ACCESS_CONTROL: u16 = 2;

/// Which command a request is; `None` for what is no command of the bootstrap interface.
pub(super) fn operation(request: &Message) -> Option<Operation> {
    match request.code() {
        Code::GET if request.accept() == Some(ContentFormat::LINK) => Some(Operation::Discover),
        Code::GET => Some(Operation::Read),
        Code::POST if request.path_is(&["bs"]) => Some(Operation::Finish),
        Code::PUT => Some(Operation::Write),
        Code::DELETE => Some(Operation::Delete),
        _ => None,
    }
}

/// Carries out a command and makes its answer. `saved` is the store as it was when the session began.
pub(super) fn execute(
    operation: Operation,
    request: &Message,
    tree: &mut Tree,
    saved: &Tree,
    version: Version,
    now: Instant,
) -> Message {
    if operation == Operation::Finish {
        let settled = settle(tree, saved);
        return Message::response(if settled { Code::CHANGED } else { Code::NOT_ACCEPTABLE });
    }
    let Some(path) = Path::from_segments(request.path()) else {
        return Message::response(Code::BAD_REQUEST);
    };
    match operation {
        Operation::Discover => discover(path, tree, version),
        Operation::Read => read(path, request.accept(), tree, version),
        Operation::Write => Message::response(write(path, request, tree, now)),
        Operation::Delete => Message::response(delete(path, tree)),
        Operation::Finish => unreachable!("handled above"),
    }
}

/// What Finish asks (LwM2M Core §6.1.7.7): that the accounts fit together, and that a Bootstrap-Server
/// Account that was written anew is complete. Servers that lost their account since `saved` then take
/// with them what was theirs; if it does not fit together, nothing changes.
pub(super) fn settle(tree: &mut Tree, saved: &Tree) -> bool {
    let mut removed = account::server_ids(saved);
    if !removed.is_empty() {
        let left = account::server_ids(tree);
        removed.retain(|ssid| !left.contains(ssid));
    }
    if removed.is_empty() {
        return fits_together(tree);
    }
    let mut settled = tree.clone();
    removed.iter().for_each(|&ssid| access::server_removed(&mut settled, ssid));
    let fits = fits_together(&settled);
    if fits {
        *tree = settled;
    }
    fits
}

/// The access control that several servers take (/2) is there in every device, so nothing hangs on it.
fn fits_together(tree: &Tree) -> bool {
    account::consistent(tree) && account::bootstrap_account_complete(tree)
}

/// Bootstrap-Discover on the root or on one object.
fn discover(path: Path, tree: &Tree, version: Version) -> Message {
    let wanted = match *path.ids() {
        [] => None,
        [object] => Some(object),
        // Only the root and objects can be discovered during a bootstrap.
        _ => return Message::response(Code::BAD_REQUEST),
    };
    if wanted.is_some_and(|object| !supported(tree, object)) {
        return Message::response(Code::NOT_FOUND);
    }
    Message::response(Code::CONTENT)
        .with_content_format(ContentFormat::LINK)
        .with_payload(listing::bootstrap_discover(tree, version, path))
}

/// Bootstrap-Read: /1 and /2 and their instances only, in TLV or a SenML (1.1 and later).
fn read(path: Path, accept: Option<ContentFormat>, tree: &Tree, version: Version) -> Message {
    let allowed = matches!(*path.ids(), [SERVER | ACCESS_CONTROL] | [SERVER | ACCESS_CONTROL, _]);
    if !allowed || version == Version::V1_0 {
        return Message::response(Code::METHOD_NOT_ALLOWED);
    }
    if path.ids().len() == 2 && !tree.has_instance(path.ids()[0], path.ids()[1]) {
        return Message::response(Code::NOT_FOUND);
    }
    content_of(tree, path, accept, |_| true)
}

/// Bootstrap-Write: stored whatever was there, whatever the access rights say. An instance of an account
/// or of access control that is written is replaced; of other objects, what is written is set.
fn write(path: Path, request: &Message, tree: &mut Tree, now: Instant) -> Code {
    let Some(format) = request.content_format() else { return Code::BAD_REQUEST };
    let Some(&object) = path.ids().first() else { return Code::BAD_REQUEST };
    // TS: the only error codes of Bootstrap-Write are 4.00 and 4.15.
    if objects::find(object).is_none() {
        return Code::BAD_REQUEST;
    }
    let entries = match content::decode(format, path, request.payload()) {
        Ok(entries) => entries.into_iter().map(|entry| given(entry, now)).collect(),
        Err(content::Error::Unsupported(_)) => return Code::UNSUPPORTED_CONTENT_FORMAT,
        Err(_) => return Code::BAD_REQUEST,
    };
    let stored = match (path.ids().len(), object) {
        (2, SECURITY..=ACCESS_CONTROL) => tree.replace(path, entries),
        (1, SECURITY..=ACCESS_CONTROL) => replace_instances(entries, tree),
        _ => tree.set_all(entries),
    };
    if stored { Code::CHANGED } else { Code::BAD_REQUEST }
}

/// Replaces each instance that the payload of a write to an object has something of.
fn replace_instances(mut entries: Vec<Entry>, tree: &mut Tree) -> bool {
    entries.sort_by_key(|entry| entry.path);
    let mut stored = true;
    while let Some(instance) = entries.last().map(|entry| entry.path.truncated(2)) {
        let first = entries.partition_point(|entry| entry.path < instance);
        stored &= tree.replace(instance, entries.split_off(first));
    }
    stored
}

/// Bootstrap-Delete: never the Bootstrap-Server Account with what it links to, never /3/0; of all there is,
/// nothing that is built in.
fn delete(path: Path, tree: &mut Tree) -> Code {
    match *path.ids() {
        [] => {
            tree.clear_except(&account::built_in(tree));
            Code::DELETED
        }
        [object] if supported(tree, object) => {
            delete_object(object, tree);
            Code::DELETED
        }
        [object, instance] if tree.has_instance(object, instance) => {
            if account::exempt(tree).contains(&path) {
                return Code::BAD_REQUEST;
            }
            tree.remove(path);
            Code::DELETED
        }
        // TS: the only error code of Bootstrap-Delete is 4.00.
        _ => Code::BAD_REQUEST,
    }
}

fn delete_object(object: u16, tree: &mut Tree) {
    let exempt = account::exempt(tree);
    let instances = tree.instances(object).filter_map(|instance| Path::ROOT.child(object)?.child(instance));
    let doomed: Vec<Path> = instances.filter(|instance| !exempt.contains(instance)).collect();
    for instance in doomed {
        tree.remove(instance);
    }
}

/// A device supports the objects it holds, and those of the accounts a bootstrap will fill.
fn supported(tree: &Tree, object: u16) -> bool {
    matches!(object, SECURITY | SERVER) || tree.objects().any(|held| held == object)
}
