//! What a server may ask of a registered device (LwM2M Core §6.3): Read and Discover so far.

use super::client::Client;
use super::firmware::Command;
use super::register::{Changed, Phase};
use crate::base::Instant;
use crate::protocol::coap::{self, Code, ContentFormat, Message};
use crate::protocol::content::{self, link};
use crate::protocol::lwm2m::{Entry, Path, Tree, Version, objects};

const SECURITY: u16 = 0;

/// Answers a request of the server the device is registered with.
pub(super) fn answer(request: &Message, tree: &Tree) -> Message {
    let Some(path) = Path::from_segments(request.path()) else {
        // LwM2M Transport §6.4: a path that is none of ours is a method not allowed there.
        return Message::response(Code::METHOD_NOT_ALLOWED);
    };
    // The Security object is for the Bootstrap-Server alone (LwM2M Core §8.1).
    if path.ids().first() == Some(&SECURITY) {
        return Message::response(Code::UNAUTHORIZED);
    }
    match request.code() {
        Code::GET if path == Path::ROOT => Message::response(Code::METHOD_NOT_ALLOWED),
        Code::GET if !exists(tree, path) => Message::response(Code::NOT_FOUND),
        Code::GET if request.accept() == Some(ContentFormat::LINK) => discover(path, tree),
        Code::GET => read(path, request.accept(), tree),
        _ => Message::response(Code::METHOD_NOT_ALLOWED),
    }
}

fn exists(tree: &Tree, path: Path) -> bool {
    match *path.ids() {
        [object] => tree.instances(object).next().is_some(),
        [object, instance] => tree.has_instance(object, instance),
        [object, instance, ..] if !tree.has_instance(object, instance) => false,
        _ => tree.entries(path).next().is_some() || declared_executable(path),
    }
}

/// An executable resource has no value, yet it is there.
fn declared_executable(path: Path) -> bool {
    match *path.ids() {
        [object, _, resource] => objects::find(object)
            .and_then(|definition| definition.resource(resource))
            .is_some_and(|definition| definition.operations.execute),
        _ => false,
    }
}

fn read(path: Path, accept: Option<ContentFormat>, tree: &Tree) -> Message {
    if path.ids().len() >= 3 && !readable(path) {
        return Message::response(Code::METHOD_NOT_ALLOWED);
    }
    content_of(tree, path, accept, readable)
}

/// Whether the object's definition lets a server read this resource; what has no definition may be read.
fn readable(path: Path) -> bool {
    match *path.ids() {
        [object, _, resource, ..] => objects::find(object)
            .and_then(|definition| definition.resource(resource))
            .is_none_or(|definition| definition.operations.read),
        _ => true,
    }
}

/// The values at and below `path` that `shown` lets through, in the format asked for. Without an
/// Accept option the device chooses: text for one value, TLV for more (LwM2M Core §7.4).
pub(super) fn content_of(
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

/// Discover: the object, its instances and their resources down from `path` (LwM2M Core §6.3.2).
fn discover(path: Path, tree: &Tree) -> Message {
    let mut links = Vec::new();
    let object = path.ids()[0];
    if path.ids().len() == 1 {
        links.push(link::Link::new(path.to_string()));
    }
    let instances = tree.instances(object).filter(|i| path.ids().get(1).is_none_or(|wanted| wanted == i));
    for instance in instances {
        if path.ids().len() <= 2 {
            links.push(link::Link::new(Path::instance(object, instance).to_string()));
        }
        resources(tree, object, instance, path, &mut links);
    }
    Message::response(Code::CONTENT)
        .with_content_format(ContentFormat::LINK)
        .with_payload(link::encode(&links))
}

/// The resources of one instance; a multiple one is shown once with `dim`.
fn resources(tree: &Tree, object: u16, instance: u16, within: Path, links: &mut Vec<link::Link>) {
    let mut entries = tree.entries(Path::instance(object, instance)).map(|(path, _)| path).peekable();
    while let Some(entry) = entries.next() {
        let resource = Path::resource(object, instance, entry.ids()[2]);
        if within.ids().len() == 3 && within != resource {
            continue;
        }
        let shown = link::Link::new(resource.to_string());
        if entry == resource {
            links.push(shown);
            continue;
        }
        let mut dimension = 1;
        while entries.next_if(|next| next.starts_with(&resource)).is_some() {
            dimension += 1;
        }
        links.push(shown.with("dim", dimension.to_string()));
    }
}

/// Content formats the device understands, for `ct` of its registration.
pub(super) fn formats(version: Version) -> &'static [ContentFormat] {
    match version {
        Version::V1_0 => &[ContentFormat::TLV],
        Version::V1_1 | Version::V1_2 => &[
            ContentFormat::TEXT,
            ContentFormat::LINK,
            ContentFormat::OPAQUE,
            ContentFormat::SENML_JSON,
            ContentFormat::SENML_CBOR,
            ContentFormat::TLV,
        ],
    }
}

/// What a request makes the device do, once it is answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Effect {
    /// A value at or below this path was written, or what is there came or went.
    Changed(Path),
    /// Something of a registration changed.
    Registration(Changed),
    /// /1/x/4.
    Disable,
    /// /1/x/8.
    UpdateTrigger,
    /// /1/x/9.
    BootstrapTrigger,
    /// /3/0/4.
    Reboot,
    /// /3/0/5.
    FactoryReset,
    /// A package, or a command for one, on /5 or /9.
    Package(Command),
}

/// How a device serves its servers.
impl Client {
    /// A request of a server the device has an account of.
    pub(super) fn server_request(&mut self, server: u16, received: coap::Received, now: Instant) {
        let Some(registration) = self.registration(server) else { return };
        match registration.phase {
            Phase::Registered(_) | Phase::Updating(_) | Phase::Deregistering(_) => {}
            // LwM2M Core §6.2.1: until Register is answered, requests of the server are ignored.
            Phase::Connecting | Phase::Registering(_) | Phase::Waiting(_) => {
                return registration.exchange.ignore(received);
            }
        }
        let effects: Vec<Effect> = Vec::new();
        let answer = answer(&received.message, &self.tree);
        if let Some(registration) = self.registration(server) {
            registration.exchange.respond(received, answer, now);
        }
        for effect in effects {
            self.carry_out(server, effect, now);
        }
    }

    fn carry_out(&mut self, server: u16, effect: Effect, now: Instant) {
        match effect {
            Effect::Changed(path) => self.changed(path, now),
            Effect::Registration(what) => self.registration_changed(what, now),
            Effect::Disable => self.disable(server, now),
            Effect::UpdateTrigger => self.trigger_update(server, now),
            Effect::BootstrapTrigger => self.trigger_bootstrap(now),
            Effect::Reboot => self.reboot(now),
            Effect::FactoryReset => self.factory_reset(now),
            Effect::Package(command) => self.package_command(command, now),
        }
    }
}
