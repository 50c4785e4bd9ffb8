//! What a server may ask of a registered device: the Device Management and Service Enablement interface
//! (LwM2M Core §6.3, Transport §6.4.3), in 1.0, 1.1 and 1.2.
//!
//! A request is an operation by its method, path and options ([`operation`]); [`serve`] carries it out on
//! what the device holds, and returns the answer. What else is to happen, once the answer is on its way,
//! is told as [`Effect`]s. An answer that is not success has changed nothing and has no effects.
//!
//! | code | where |
//! |---|---|
//! | 4.00 | a payload, query or argument that is wrong, no Content-Format, a mandatory resource missing |
//! | 4.01 | /0, /21, /23 always; what access control does not grant |
//! | 4.04 | nothing there, or the object has no such resource |
//! | 4.05 | no such path, no such operation there or in this version, resources that do not allow it |
//! | 4.06 | no such format for this answer |
//! | 4.15 | no such format for this request |
//!
//! 4.08 and 4.13 come from the exchange layer, which puts bodies together.

mod attributes;
mod composite;
mod create;
mod delete;
mod discover;
mod execute;
mod read;
mod target;
mod view;
mod write;

#[cfg(test)]
mod tests;

use smallvec::SmallVec;

use super::client::Client;
use super::config::Device;
use super::event::{Event, Link, ManagementOperation as Operation};
use super::firmware::Command;
use super::register::{Changed, Phase};
use crate::base::Instant;
use crate::protocol::coap::{self, Code, ContentFormat, Message};
use crate::protocol::content;
use crate::protocol::lwm2m::{AttributeSet, Multiplicity, Path, Tree, Version, objects};

pub(super) use composite::values as composite_values;
pub(super) use execute::Kept;
pub(super) use read::{content_of, told, values};
pub(super) use target::{Asker, is_hidden};
pub(super) use view::{CLOCK, View, given};

/// Content formats the device understands, for `ct` of its registration.
pub(super) fn formats(version: Version) -> &'static [ContentFormat] {
    content::listed(version)
}

/// What a request makes the device do, once it is answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Effect {
    /// A value at or below this path was written, or what is there came.
    Changed(Path),
    /// What was at and below this path is gone.
    Deleted(Path),
    /// Something of a registration changed.
    Registration(Changed),
    /// /1/x/4 of the account of this server.
    Disable(u16),
    /// /1/x/8 of the account of this server.
    UpdateTrigger(u16),
    /// /1/x/9.
    BootstrapTrigger,
    /// /3/0/4.
    Reboot,
    /// /3/0/5.
    FactoryReset(Kept),
    /// A package, or a command for one, on /5 or /9.
    Package(Command),
}

/// The effects of one request, in the order they are to be carried out.
type Effects = SmallVec<[Effect; 2]>;

/// What an operation works on.
struct Site<'a> {
    tree: &'a mut Tree,
    /// Those the asking server has attached.
    attributes: &'a mut AttributeSet,
    asker: Asker,
    device: Option<&'a dyn Device>,
    nature: u64,
    now: Instant,
}

impl Site<'_> {
    fn view(&self) -> View<'_> {
        View { tree: self.tree, device: self.device, nature: self.nature, now: self.now }
    }
}

/// Which operation a request is. None for methods that LwM2M has no use for.
fn operation(request: &Message) -> Option<Operation> {
    // RFC 7641 §2: of other values than 0 and 1 the option is ignored.
    let plain_or = |plain, begun| match request.observe() {
        Some(0) => begun,
        Some(1) => Operation::CancelObservation,
        _ => plain,
    };
    Some(match request.code() {
        Code::GET if request.accept() == Some(ContentFormat::LINK) => Operation::Discover,
        Code::GET => plain_or(Operation::Read, Operation::Observe),
        Code::FETCH => plain_or(Operation::ReadComposite, Operation::ObserveComposite),
        Code::IPATCH => Operation::WriteComposite,
        Code::PUT if is_about_attributes(request) => Operation::WriteAttributes,
        Code::PUT => Operation::WriteReplace,
        Code::POST => posted(request),
        Code::DELETE => Operation::Delete,
        _ => return None,
    })
}

/// Write-Attributes has a query and no payload, Write the other way round.
fn is_about_attributes(request: &Message) -> bool {
    request.payload().is_empty() && request.content_format().is_none() && request.queries().next().is_some()
}

/// Which operation a POST is: by its path, and on a resource by what that is.
fn posted(request: &Message) -> Operation {
    match request.path().count() {
        0 | 1 => Operation::Create,
        3 => match Path::from_segments(request.path()).and_then(objects::resource) {
            Some(known) if known.multiplicity == Multiplicity::Multiple => Operation::WritePartial,
            _ => Operation::Execute,
        },
        _ => Operation::WritePartial,
    }
}

/// Carries out an operation and makes its answer.
fn serve(
    site: &mut Site<'_>,
    operation: Option<Operation>,
    request: &Message,
    effects: &mut Effects,
) -> Message {
    let answer = match operation {
        Some(operation) => carry_out(site, operation, request, effects),
        None => Err(Code::METHOD_NOT_ALLOWED),
    };
    answer.unwrap_or_else(Message::response)
}

fn carry_out(
    site: &mut Site<'_>,
    operation: Operation,
    request: &Message,
    effects: &mut Effects,
) -> Result<Message, Code> {
    // LwM2M Transport §6.4: a path that is none of ours is a method not allowed there.
    let path = Path::from_segments(request.path()).ok_or(Code::METHOD_NOT_ALLOWED)?;
    if target::is_hidden(path) {
        return Err(Code::UNAUTHORIZED);
    }
    let composite = matches!(request.code(), Code::FETCH | Code::IPATCH);
    // Composites are asked of the root and nothing else is.
    if composite != (path == Path::ROOT) {
        return Err(Code::METHOD_NOT_ALLOWED);
    }
    // 1.0 has neither composites nor paths of resource instances.
    if site.asker.version == Version::V1_0 && (composite || path.depth() == 4) {
        return Err(Code::METHOD_NOT_ALLOWED);
    }
    match operation {
        Operation::Read | Operation::Observe | Operation::CancelObservation if !composite => {
            read::read(&site.view(), site.asker, path, request.accept())
        }
        Operation::Read
        | Operation::Observe
        | Operation::ReadComposite
        | Operation::ObserveComposite
        | Operation::CancelObservation => composite::read(&site.view(), site.asker, request),
        Operation::Discover => {
            discover::discover(site.tree, site.attributes, site.asker, path, request.query("depth"))
        }
        Operation::WriteReplace => write::replace(site, path, request, effects),
        Operation::WritePartial => write::update(site, path, request, effects),
        Operation::WriteAttributes => {
            attributes::write(site.tree, site.attributes, site.asker, path, request)
        }
        Operation::Execute => execute::execute(site, path, request, effects),
        Operation::Create => create::create(site, path, request, effects),
        Operation::Delete => delete::delete(site, path, effects),
        Operation::WriteComposite => composite::write(site, request, effects),
    }
}

/// How a device serves its servers.
impl Client {
    /// A request of a server the device has an account of.
    pub(super) fn server_request(&mut self, server: u16, received: coap::Received, now: Instant) {
        let Some(registration) = self.registration(server) else { return };
        match registration.phase {
            Phase::Registered(_) | Phase::Updating(_) | Phase::Deregistering(_) => {}
            // LwM2M Core §6.2.1: until Register is answered, requests of the server are ignored.
            Phase::Pending
            | Phase::Connecting
            | Phase::Registering(_)
            | Phase::Waiting(_)
            | Phase::Disabled(_)
            | Phase::Failed => {
                return registration.exchange.ignore(received);
            }
        }
        let operation = operation(&received.message);
        let mut effects = Effects::new();
        let answer = match operation {
            Some(Operation::Observe | Operation::ObserveComposite | Operation::CancelObservation) => {
                self.observe(server, &received.message, now)
            }
            _ => self.served(server, operation, &received.message, &mut effects, now),
        };
        if operation == Some(Operation::WriteAttributes) && answer.code().is_success() {
            self.attributes_changed(server, &received.message);
        }
        if let Some(operation) = operation.filter(|_| !received.repeated) {
            self.tell(Event::Served { operation, success: answer.code().is_success() });
        }
        if let Some(registration) = self.registration(server) {
            registration.exchange.respond(received, answer, now);
        }
        if !effects.is_empty() {
            // Some of them end the registration, and with it what was still to be sent.
            self.drain(Link::Server(server), now);
        }
        for effect in effects {
            self.carry_out(effect, now);
        }
    }

    /// What a request that carries Observe would be answered without it.
    pub(super) fn read_for(&mut self, server: u16, request: &Message, now: Instant) -> Message {
        self.served(server, operation(request), request, &mut Effects::new(), now)
    }

    /// The answer to a request of a server the device is registered with.
    fn served(
        &mut self,
        server: u16,
        operation: Option<Operation>,
        request: &Message,
        effects: &mut Effects,
        now: Instant,
    ) -> Message {
        let mut registrations = self.registrations.iter_mut();
        let registration = registrations.find(|registration| registration.account.short_server_id == server);
        let Some(registration) = registration else {
            return Message::response(Code::SERVICE_UNAVAILABLE);
        };
        let asker = Asker::new(&self.tree, server, registration.version);
        let mut site = Site {
            tree: &mut self.tree,
            attributes: &mut registration.attributes,
            asker,
            device: self.config.device.as_deref(),
            nature: self.nature,
            now,
        };
        serve(&mut site, operation, request, effects)
    }

    fn carry_out(&mut self, effect: Effect, now: Instant) {
        match effect {
            Effect::Changed(path) => self.changed(path, now),
            Effect::Deleted(path) => {
                self.registrations.iter_mut().for_each(|all| all.attributes.remove_below(path));
                self.changed(path, now);
            }
            Effect::Registration(what) => self.registration_changed(what, now),
            Effect::Disable(server) => self.disable(server, now),
            Effect::UpdateTrigger(server) => self.trigger_update(server, now),
            Effect::BootstrapTrigger => self.trigger_bootstrap(now),
            Effect::Reboot => self.reboot(now),
            Effect::FactoryReset(kept) => self.factory_reset(kept, now),
            Effect::Package(command) => self.package_command(command, now),
        }
    }
}
