//! The smartcards of a fleet, and what is wrong with some of them.

use std::fmt;
use std::sync::Arc;

use crate::base::{Instant, Seed};
use crate::credentials::Role;
use crate::protocol::client::{Card, decode_card, encode_card};
use crate::protocol::lwm2m::{Entry, Path};
use crate::scenario::configs::Held;
use crate::scenario::resolved::CardTerms;

/// Added to the instances of a card's accounts to make the card it is exchanged for.
const EXCHANGED: u16 = 100;

/// The cards of a run.
pub(in crate::scenario) struct Cards {
    terms: CardTerms,
    seed: Seed,
    /// By meter; the last one counts for all further meters.
    contents: Arc<[Arc<[u8]>]>,
    /// What cards are made of where each has keys of its own: their accounts, and the keys.
    keyed: Option<(Vec<Entry>, Arc<Held>)>,
}

impl Cards {
    pub(in crate::scenario) fn new(terms: &CardTerms, seed: Seed, contents: Arc<[Arc<[u8]>]>) -> Self {
        Cards { terms: terms.clone(), seed: seed.child("card", 0), contents, keyed: None }
    }

    /// Cards that hold keys of their own beside these accounts.
    pub(in crate::scenario) fn with_keys(self, accounts: Vec<Entry>, held: Arc<Held>) -> Self {
        Cards { keyed: Some((accounts, held)), ..self }
    }

    /// What is on the meter's card; the Bootstrap-Server's account is not.
    fn content(&self, number: u32) -> Option<Arc<[u8]>> {
        let Some((accounts, held)) = &self.keyed else {
            return self.contents.get(number as usize).or_else(|| self.contents.last()).cloned();
        };
        let keys = held.entries(number, |role, _| role != Role::Bootstrap);
        let other = |entry: &&Entry| keys.iter().all(|key| key.path != entry.path);
        let mut entries: Vec<Entry> = accounts.iter().filter(other).cloned().collect();
        entries.extend(keys);
        entries.sort_by_key(|entry| entry.path);
        encode_card(&entries).ok().map(Arc::from)
    }

    /// What the meter finds in its slot.
    pub(super) fn card(&self, number: u32, now: Instant) -> Card {
        let Some(content) = self.content(number) else { return Card::Absent };
        let content = &content;
        let CardTerms { missing, unreadable, inconsistent, .. } = &self.terms;
        let mut drawn = self.seed.child("meter", number.into()).rng().unit();
        let mut hits = |share: f64| {
            drawn -= share;
            drawn < 0.0
        };
        if hits(missing.fraction()) {
            Card::Missing
        } else if hits(unreadable.fraction()) {
            Card::Unreadable
        } else if hits(inconsistent.fraction()) {
            Card::Present(changed(content, halved))
        } else if self.terms.exchanged_at.is_some_and(|at| now.since_origin() >= at.duration()) {
            Card::Present(changed(content, exchanged))
        } else {
            Card::Present(content.clone())
        }
    }
}

impl fmt::Debug for Cards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Cards({} of {} B in all)",
            self.contents.len(),
            self.contents.iter().map(|c| c.len()).sum::<usize>()
        )
    }
}

/// What is wrong with a content, if something is.
pub(super) fn check(content: &[u8]) -> Result<(), String> {
    decode_card(content).map(|_| ()).map_err(|error| format!("is no card: {error}"))
}

/// The same card with other entries.
fn changed(content: &Arc<[u8]>, change: fn(Vec<Entry>) -> Vec<Entry>) -> Arc<[u8]> {
    let entries = decode_card(content).map(change);
    entries.and_then(|entries| encode_card(&entries)).map_or_else(|_| content.clone(), Arc::from)
}

/// Without the Server objects.
fn halved(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.retain(|entry| entry.path.ids()[0] != 1);
    entries
}

/// The same accounts in other instances, as another card of the same operator has them.
fn exchanged(mut entries: Vec<Entry>) -> Vec<Entry> {
    for entry in &mut entries {
        if let [object @ (0 | 1), instance, below @ ..] = entry.path.ids() {
            let instance = instance.checked_add(EXCHANGED).filter(|instance| *instance < u16::MAX);
            let ids = [*object, instance.unwrap_or_default()];
            let path = ids.iter().chain(below).try_fold(Path::ROOT, |path, id| path.child(*id));
            entry.path = path.unwrap_or(entry.path);
        }
    }
    entries
}
