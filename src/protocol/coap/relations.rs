//! What outlives single requests: the observations we have with the peer, the observers among the peer's
//! requests whose answers are large, and our Non-confirmable notifications of late (RFC 7641).
//!
//! A server keeps a dozen observations for each of many thousand devices, so an observation is 24 bytes
//! here and, packed behind one another, what its request says.

use std::time::Duration;

use super::bodies::Asked;
use super::event::Handle;
use super::header::{Code, Token, Type};
use super::message::Message;
use crate::base::Instant;

/// Observers, and Non-confirmable notifications, that are remembered at the same time.
const CAPACITY: usize = 16;

/// After this long a notification is fresh whatever its number (RFC 7641 §3.4).
const NUMBERS_HOLD: Duration = Duration::from_secs(128);

/// All relations with one peer.
#[derive(Default)]
pub(super) struct Relations {
    /// What we observe.
    pub watched: Watched,
    observers: Vec<Observer>,
    unconfirmed: Vec<Unconfirmed>,
}

/// The observations of ours that stand.
#[derive(Default)]
pub(super) struct Watched {
    list: Vec<Observation>,
    /// The requests of all, in the order of the list: of each its code and what follows its token.
    requests: Vec<u8>,
}

/// One observation of ours.
struct Observation {
    /// When the freshest notification came.
    at: Instant,
    token: u32,
    handle: Handle,
    /// The number of the freshest notification.
    number: u32,
    /// Bytes of its request.
    request: u32,
}

/// An observer whose notifications may come in blocks.
struct Observer {
    token: Token,
    szx: u8,
    asked: Asked,
}

/// A Non-confirmable notification that may still be reset.
struct Unconfirmed {
    until: Instant,
    handle: Handle,
    mid: u16,
    token: Token,
}

impl Relations {
    pub fn is_empty(&self) -> bool {
        self.watched.list.is_empty() && self.observers.is_empty() && self.unconfirmed.is_empty()
    }

    /// Remembers what an observer asked for, so that further blocks of notifications are recognised as his.
    pub fn add_observer(&mut self, token: Token, asked: Asked, szx: u8) {
        self.remove_observer(token);
        if self.observers.len() >= CAPACITY {
            // The caller answers for further blocks of his instead.
            self.observers.remove(0);
        }
        self.observers.reserve_exact(1);
        self.observers.push(Observer { token, szx, asked });
    }

    pub fn remove_observer(&mut self, token: Token) {
        self.observers.retain(|observer| observer.token != token);
        self.observers.shrink_to_fit();
    }

    /// What an observer asked for, and the size exponent of the blocks he wants.
    pub fn observer(&self, token: Token) -> Option<(Asked, u8)> {
        let observer = self.observers.iter().find(|observer| observer.token == token)?;
        Some((observer.asked, observer.szx))
    }

    /// Remembers a Non-confirmable notification until then, in place of the oldest if there are too many.
    pub fn add_unconfirmed(&mut self, mid: u16, token: Token, handle: Handle, until: Instant) {
        if self.unconfirmed.len() >= CAPACITY {
            self.unconfirmed.remove(0);
        }
        self.unconfirmed.push(Unconfirmed { until, handle, mid, token });
    }

    /// The Non-confirmable notification that a Reset with this message id means, and its token; it is
    /// forgotten.
    pub fn take_unconfirmed(&mut self, mid: u16, now: Instant) -> Option<(Handle, Token)> {
        let means = |sent: &Unconfirmed| sent.mid == mid && sent.until > now;
        let at = self.unconfirmed.iter().position(means)?;
        let Unconfirmed { handle, token, .. } = self.unconfirmed.remove(at);
        if self.unconfirmed.is_empty() {
            self.unconfirmed = Vec::new();
        }
        Some((handle, token))
    }

    /// When nothing sent needs to be remembered any more.
    pub fn forgotten_at(&self) -> Option<Instant> {
        self.unconfirmed.last().map(|sent| sent.until)
    }

    /// Gives the memory back once nothing sent needs to be remembered.
    pub fn forget(&mut self, now: Instant) {
        if self.forgotten_at().is_none_or(|at| at <= now) {
            self.unconfirmed = Vec::new();
        }
    }

    /// Bytes on the heap that go back by themselves.
    #[cfg(test)]
    pub fn passing_heap(&self) -> usize {
        self.unconfirmed.capacity() * size_of::<Unconfirmed>()
    }

    /// Bytes on the heap that stay as long as the observations do.
    #[cfg(test)]
    pub fn standing_heap(&self) -> usize {
        size_of::<Relations>()
            + self.observers.capacity() * size_of::<Observer>()
            + self.watched.list.capacity() * size_of::<Observation>()
            + self.watched.requests.capacity()
    }
}

impl Watched {
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Which observation has this token.
    pub fn with_token(&self, token: Token) -> Option<Handle> {
        let token = token.short()?;
        self.list.iter().find(|observation| observation.token == token).map(|found| found.handle)
    }

    pub fn contains(&self, handle: Handle) -> bool {
        self.position(handle).is_some()
    }

    /// A new observation, begun by `request` and the first answer with this number.
    pub fn insert(&mut self, handle: Handle, token: Token, number: u32, mut request: Message, now: Instant) {
        let (Some(token), false) = (token.short(), self.contains(handle)) else { return };
        request.clear_block_options();
        request.address(Type::Con, 0, Token::default());
        let datagram = request.encode();
        let kept = &datagram[4..];
        let Ok(len) = u32::try_from(kept.len() + 1) else { return };
        self.requests.reserve_exact(kept.len() + 1);
        self.requests.push(request.code().0);
        self.requests.extend_from_slice(kept);
        self.list.reserve_exact(1);
        self.list.push(Observation { at: now, token, handle, number, request: len });
    }

    /// Ends an observation; false if there is none.
    pub fn remove(&mut self, handle: Handle) -> bool {
        let Some(at) = self.position(handle) else { return false };
        let range = self.range(at);
        self.requests.drain(range);
        self.requests.shrink_to_fit();
        self.list.remove(at);
        self.list.shrink_to_fit();
        true
    }

    /// Takes the number of a notification; whether it is fresher than all before (RFC 7641 §3.4).
    pub fn heard(&mut self, handle: Handle, number: u32, now: Instant) -> bool {
        let Some(at) = self.position(handle) else { return false };
        let last = &mut self.list[at];
        let fresh = is_newer(number, last.number) || now > last.at + NUMBERS_HOLD;
        if fresh {
            (last.number, last.at) = (number, now);
        }
        fresh
    }

    /// The token of an observation.
    pub fn token(&self, handle: Handle) -> Option<Token> {
        self.position(handle).map(|at| Token::from_short(self.list[at].token))
    }

    /// The request that began an observation, without Observe, token and message id, as a datagram.
    pub fn request(&self, handle: Handle) -> Option<Vec<u8>> {
        let at = self.position(handle)?;
        let (code, kept) = self.requests[self.range(at)].split_first()?;
        Some([&[0x40, *code, 0, 0], kept].concat())
    }

    fn position(&self, handle: Handle) -> Option<usize> {
        self.list.iter().position(|observation| observation.handle == handle)
    }

    /// Where the request of the observation at `at` lies.
    fn range(&self, at: usize) -> std::ops::Range<usize> {
        let len = |observation: &Observation| observation.request as usize;
        let start: usize = self.list[..at].iter().map(len).sum();
        start..start + len(&self.list[at])
    }
}

/// Whether `number` comes after `last`, both of 24 bits (RFC 7641 §3.4).
fn is_newer(number: u32, last: u32) -> bool {
    const HALF: u32 = 1 << 23;
    (last < number && number - last < HALF) || (last > number && last - number > HALF)
}

/// Whether a response can begin an observation: a success that is an answer and carries Observe.
pub(super) fn begins(response: &Message) -> Option<u32> {
    let code = response.code();
    if code.is_success() && code != Code::CONTINUE { response.observe() } else { None }
}
