//! Memory of the messages a peer sent, to recognise duplicates (RFC 7252 §4.5) within a fixed bound.
//!
//! One entry per message of the peer that did something: requests, and responses outside of
//! acknowledgements. An answer that is just a code is kept as that code; other answers are kept in full
//! only where making them anew would do harm.

use std::time::Duration;

use super::header::{Code, Type};
use super::message::Message;
use crate::base::Instant;

/// Messages remembered per peer.
pub(super) const CAPACITY: usize = 16;

/// What identifies a message of one peer.
///
/// RFC 7252 §4.5 has the message id alone. The mark, out of token and code, keeps the first request of a
/// peer that restarted from being taken for a duplicate when its new random message ids happen to meet
/// its old ones; a true duplicate is byte for byte the same (§4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    mid: u16,
    mark: u16,
}

impl Key {
    pub fn of(message: &Message) -> Key {
        // FNV-1a: a handful of bytes.
        let step = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        let hash = message.token().as_slice().iter().fold(step(0x811c_9dc5, &message.code().0), step);
        Key { mid: message.mid(), mark: (hash >> 16 ^ hash) as u16 }
    }
}

/// How far a message was dealt with, and so what a duplicate gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// A Confirmable request, neither acknowledged nor answered: nothing, the answer is being made.
    Open,
    /// Acknowledged by an Empty message: that again.
    Acknowledged,
    /// A Non-confirmable message: nothing (§4.3).
    Silent,
    /// Answered by a bare code: that again, with the duplicate's own token.
    Code(Code),
    /// Answered by the datagram kept beside: that again.
    Cached,
    /// Answered by something that may as well be made anew.
    Again,
}

/// One remembered message.
struct Entry {
    at: Instant,
    key: Key,
    stage: Stage,
    cached: Option<Box<Cached>>,
}

/// An answer kept in full; a type of its own so that the entry holds one thin pointer.
struct Cached(Vec<u8>);

/// What had to go to make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evicted {
    /// A message whose duplicate would no longer be recognised.
    Answered,
    /// A request that was not acknowledged yet; to be acknowledged now, by this message id.
    Open(u16),
}

/// The messages of one peer that are remembered, oldest first.
#[derive(Default)]
pub(super) struct Seen {
    entries: Vec<Entry>,
}

impl Seen {
    /// What became of the message with this key, and the datagram that answered it if that was kept.
    pub fn find(&self, key: Key, now: Instant, lifetime: Duration) -> Option<(Stage, Option<&[u8]>)> {
        let entry = self.entries.iter().find(|entry| entry.key == key && entry.at + lifetime > now)?;
        Some((entry.stage, entry.cached.as_deref().map(|cached| cached.0.as_slice())))
    }

    /// Remembers a message, or a new stage of one as if it arrived now.
    pub fn insert(
        &mut self,
        key: Key,
        stage: Stage,
        cached: Option<Vec<u8>>,
        now: Instant,
        lifetime: Duration,
    ) -> Option<Evicted> {
        // A message with the same id and another mark is of an earlier life of the peer: it goes too.
        self.entries.retain(|entry| entry.key.mid != key.mid && entry.at + lifetime > now);
        let evicted = (self.entries.len() >= CAPACITY).then(|| self.evict());
        let cached = cached.map(|datagram| Box::new(Cached(datagram)));
        self.entries.push(Entry { at: now, key, stage, cached });
        evicted
    }

    /// Drops the oldest entry that is not needed to answer properly; if all are, the oldest of all.
    fn evict(&mut self) -> Evicted {
        let oldest = self.entries.iter().position(|entry| entry.stage != Stage::Open).unwrap_or(0);
        let entry = self.entries.remove(oldest);
        if entry.stage == Stage::Open { Evicted::Open(entry.key.mid) } else { Evicted::Answered }
    }

    /// Marks an open request as answered; false if it is not open (any more).
    pub fn answered(&mut self, key: Key, stage: Stage, cached: Option<Vec<u8>>) -> bool {
        let open = |entry: &&mut Entry| entry.key == key && entry.stage == Stage::Open;
        let Some(entry) = self.entries.iter_mut().find(open) else { return false };
        entry.stage = stage;
        entry.cached = cached.map(|datagram| Box::new(Cached(datagram)));
        true
    }

    /// Forgets an open request, as if it had not come.
    pub fn disregard(&mut self, key: Key) {
        self.entries.retain(|entry| entry.key != key || entry.stage != Stage::Open);
    }

    /// Whether this request waits for an answer and no acknowledgement went out.
    pub fn is_open(&self, key: Key) -> bool {
        self.entries.iter().any(|entry| entry.key == key && entry.stage == Stage::Open)
    }

    /// Whether any request is [open](Stage::Open).
    pub fn any_open(&self) -> bool {
        self.entries.iter().any(|entry| entry.stage == Stage::Open)
    }

    /// When the next open request must be acknowledged, if acknowledgements may take `delay`.
    pub fn next_ack(&self, delay: Duration) -> Option<Instant> {
        let open = self.entries.iter().filter(|entry| entry.stage == Stage::Open);
        open.map(|entry| entry.at + delay).min()
    }

    /// Turns one request that must be acknowledged by now into an acknowledged one; its message id.
    pub fn acknowledge_due(&mut self, delay: Duration, now: Instant) -> Option<u16> {
        let due = |entry: &&mut Entry| entry.stage == Stage::Open && entry.at + delay <= now;
        let entry = self.entries.iter_mut().find(due)?;
        entry.stage = Stage::Acknowledged;
        Some(entry.key.mid)
    }

    /// When nothing of all this needs to be remembered any more.
    pub fn forgotten_at(&self, lifetime: Duration) -> Option<Instant> {
        self.entries.last().map(|entry| entry.at + lifetime)
    }

    /// Gives the memory back once nothing needs to be remembered.
    pub fn forget(&mut self, now: Instant, lifetime: Duration) {
        if self.forgotten_at(lifetime).is_some_and(|at| at <= now) {
            self.entries = Vec::new();
        }
    }

    /// How to remember that `request` was answered by `response`, which was written as `datagram`.
    pub fn memory_of(request: &Message, response: &Message, datagram: &[u8]) -> (Stage, Option<Vec<u8>>) {
        if request.kind() == Type::Non {
            (Stage::Silent, None)
        } else if response.is_bare() {
            (Stage::Code(response.code()), None)
        } else if request.code().is_idempotent() && request.block1().is_none() {
            // §4.5: an idempotent request may be handled again. Not so if its body came in blocks, which
            // are gone.
            (Stage::Again, None)
        } else {
            (Stage::Cached, Some(datagram.to_vec()))
        }
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub fn heap(&self) -> usize {
        let cached = self.entries.iter().filter_map(|entry| entry.cached.as_ref());
        self.entries.capacity() * size_of::<Entry>()
            + cached.map(|cached| size_of::<Cached>() + cached.0.capacity()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(247);

    fn key(mid: u16) -> Key {
        Key { mid, mark: 7 }
    }

    #[test]
    fn an_entry_has_24_bytes() {
        assert_eq!(size_of::<Entry>(), 24);
    }

    #[test]
    fn the_oldest_answered_goes_first_and_an_open_one_is_acknowledged() {
        let mut seen = Seen::default();
        let now = Instant::ZERO;
        for mid in 0..CAPACITY as u16 {
            let stage = if mid == 1 { Stage::Silent } else { Stage::Open };
            assert_eq!(seen.insert(key(mid), stage, None, now, LIFETIME), None);
        }
        assert_eq!(seen.insert(key(100), Stage::Open, None, now, LIFETIME), Some(Evicted::Answered));
        assert_eq!(seen.insert(key(101), Stage::Open, None, now, LIFETIME), Some(Evicted::Open(0)));
        assert!(seen.is_open(key(2)) && !seen.is_open(key(0)));
        assert!(seen.heap() <= 400);
    }

    #[test]
    fn what_expired_is_not_found_and_makes_room_unnoticed() {
        let mut seen = Seen::default();
        for mid in 0..CAPACITY as u16 {
            seen.insert(key(mid), Stage::Silent, None, Instant::ZERO, LIFETIME);
        }
        let later = Instant::ZERO + LIFETIME;
        assert!(seen.find(key(3), later, LIFETIME).is_none());
        assert_eq!(seen.insert(key(100), Stage::Silent, None, later, LIFETIME), None);
        seen.forget(later + LIFETIME, LIFETIME);
        assert_eq!(seen.heap(), 0);
    }

    #[test]
    fn the_same_id_with_another_token_is_another_message() {
        let mut seen = Seen::default();
        seen.insert(key(1), Stage::Silent, None, Instant::ZERO, LIFETIME);
        let reborn = Key { mid: 1, mark: 8 };
        assert!(seen.find(reborn, Instant::ZERO, LIFETIME).is_none());
        seen.insert(reborn, Stage::Open, None, Instant::ZERO, LIFETIME);
        assert!(seen.find(key(1), Instant::ZERO, LIFETIME).is_none());
    }
}
