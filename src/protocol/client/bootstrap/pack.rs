//! Bootstrap-Pack: the whole configuration in one answer (LwM2M 1.2 Core §6.1.7.2).

use smallvec::SmallVec;

use super::commands;
use crate::base::Instant;
use crate::protocol::client::account;
use crate::protocol::client::client::Client;
use crate::protocol::client::event::{Event, Failure, Fate, RequestKind};
use crate::protocol::client::manage::given;
use crate::protocol::coap::{self, Code, Message};
use crate::protocol::content;
use crate::protocol::lwm2m::{Entry, Path, Tree};

/// Replaces all instances of each object that `entries` has something of; other objects stay as they
/// are, and so does what is at or below one of `exempt`. False if a value could not be stored.
pub(super) fn replace_objects(tree: &mut Tree, entries: Vec<Entry>, exempt: &[Path]) -> bool {
    let mut objects: Vec<u16> =
        entries.iter().filter_map(|entry| entry.path.ids().first().copied()).collect();
    objects.sort_unstable();
    objects.dedup();
    for object in objects {
        let doomed: Vec<Path> = tree
            .instances(object)
            .filter_map(|instance| Path::ROOT.child(object)?.child(instance))
            .filter(|instance| !exempt.contains(instance))
            .collect();
        for instance in doomed {
            tree.remove(instance);
        }
    }
    tree.set_all(entries)
}

/// Brings a Pack into force. False, and the store is half changed, if it is none: if it cannot be read,
/// touches the Bootstrap-Server Account, or leaves accounts that do not fit together.
fn apply(pack: &Message, tree: &mut Tree, saved: &Tree, now: Instant) -> bool {
    let Some(format) = pack.content_format() else { return false };
    let Ok(entries) = content::decode(format, Path::ROOT, pack.payload()) else { return false };
    let account: SmallVec<[Path; 2]> = account::bootstrap_instances(tree);
    let touches = |entry: &Entry| account.iter().any(|instance| entry.path.starts_with(instance));
    if entries.iter().any(touches) {
        return false;
    }
    let exempt = account::exempt(tree);
    let entries = entries.into_iter().map(|entry| given(entry, now)).collect();
    replace_objects(tree, entries, &exempt) && commands::settle(tree, saved)
}

impl Client {
    pub(super) fn request_pack(&mut self, now: Instant) {
        let Some(session) = &mut self.bootstrap else { return };
        session.send_pack_request(&self.endpoint, &self.config, now);
        self.tell(Event::Request { kind: RequestKind::BootstrapPackRequest, fate: Fate::Sent });
    }

    /// A Pack needs no Finish. Whatever is wrong with it leads to a Bootstrap-Request.
    pub(super) fn pack_answered(&mut self, answer: &Message, now: Instant) {
        let Some(session) = &self.bootstrap else { return };
        if answer.code() != Code::CONTENT {
            let refused = Failure::Refused(RequestKind::BootstrapPackRequest, answer.code());
            return self.without_pack(refused, now);
        }
        if apply(answer, &mut self.tree, &session.saved, now) {
            return self.finished(now);
        }
        self.tree = session.saved.clone();
        self.without_pack(Failure::PackInvalid, now);
    }

    /// The Pack-Request will not be answered: after silence the device may ask again.
    pub(super) fn pack_request_failed(&mut self, why: coap::Failure, failure: Failure, now: Instant) {
        let patience = self.config.transmission.exchange_lifetime();
        let Some(session) = &mut self.bootstrap else { return };
        if why == coap::Failure::Timeout && session.asks_for_a_pack_again(&self.config) {
            // EXCHANGE_LIFETIME counts from the request.
            session.deadline = (session.answered + patience).max(now);
            session.pausing = true;
            return self.tell(Event::Failed(failure));
        }
        self.without_pack(failure, now);
    }

    fn without_pack(&mut self, why: Failure, now: Instant) {
        self.tell(Event::Failed(why));
        self.request_bootstrap(now);
    }
}
