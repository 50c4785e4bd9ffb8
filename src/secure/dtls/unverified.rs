//! Handshakes of DTLS 1.3 by peers that have not shown yet that they are where they say they are.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::super::Failure;
use super::dimpl_engine::{Servers, Way};
use super::end::{Batch, Datagrams, End};
use super::wire::Hello;
use crate::base::Instant;

/// Held at a time; of more, the oldest goes.
const MOST: usize = 256;
/// How long each is held.
const HELD: Duration = Duration::from_secs(10);

/// Servers that have asked for their cookie back, and wait.
///
/// In DTLS 1.3 the first hello is part of what the handshake proves (RFC 9147 §5.1, RFC 8446 §4.4.1), and the engine
/// takes the hash of it from nowhere but its own memory. So it has to be kept, which a flood of hellos from false
/// addresses can make use of: it fills these places, and pushes out honest peers in their first round trip, who then
/// begin anew. It reaches no session, and costs no more memory than these places take (about 3 MB). Nothing is sent
/// from here but answers, one for each hello and never longer than that.
#[derive(Default)]
pub(super) struct Unverified {
    held: FxHashMap<SocketAddr, Held>,
    /// Whom to let go of when; of those that have come again since, there may be older entries.
    order: VecDeque<(Instant, SocketAddr)>,
}

struct Held {
    end: Box<End>,
    random: [u8; 32],
    since: Instant,
}

/// What a hello came to.
pub(super) enum Step {
    /// These go back; the peer is not verified.
    Answer(Datagrams),
    /// The cookie has come back: a session begins, and this is what it wants first.
    Verified(Box<End>, Batch),
    /// It belongs to nothing that is held.
    Noise,
}

impl Unverified {
    pub(super) fn handle_hello(
        &mut self,
        peer: SocketAddr,
        hello: &Hello<'_>,
        servers: &Servers,
        now: Instant,
    ) -> Step {
        self.expire(now);
        let known = self.held.get(&peer).is_some_and(|held| held.random == *hello.random);
        if !known && (hello.message != 0 || !self.hold(peer, hello, servers, now)) {
            return Step::Noise;
        }
        let Some(held) = self.held.get_mut(&peer) else { return Step::Noise };
        let batch = held.end.handle_input(hello.bytes(), now);
        match hello.message {
            0 if batch.fault.is_none() => {
                let length: usize = batch.transmit.iter().map(Vec::len).sum();
                let fits = length <= hello.bytes().len();
                Step::Answer(if fits { batch.transmit } else { Datagrams::new() })
            }
            _ if batch.fault.is_some() => match self.held.remove(&peer) {
                // Nothing in common, which the first hello shows. An answer too, and the shortest.
                Some(held) if hello.message == 0 => {
                    Step::Answer(held.end.farewell(Failure::Protocol).into_iter().collect())
                }
                _ => Step::Noise,
            },
            // It answers a second hello only if it is the right one.
            _ if batch.transmit.is_empty() => Step::Noise,
            _ => match self.held.remove(&peer) {
                Some(held) => Step::Verified(held.end, batch),
                None => Step::Noise,
            },
        }
    }

    /// Lets go of those whose time is over.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some(&(since, peer)) = self.order.front() {
            if now.since(since) < HELD {
                break;
            }
            self.order.pop_front();
            self.let_go(peer, since);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.order.front().map(|(since, _)| *since + HELD)
    }

    fn hold(&mut self, peer: SocketAddr, hello: &Hello<'_>, servers: &Servers, now: Instant) -> bool {
        let Ok(engine) = servers.end(Way::Certificate13, hello, None, now) else { return false };
        let end = Box::new(End::new(Box::new(engine), 0));
        if self.order.len() >= MOST
            && let Some((since, oldest)) = self.order.pop_front()
        {
            self.let_go(oldest, since);
        }
        self.held.insert(peer, Held { end, random: *hello.random, since: now });
        self.order.push_back((now, peer));
        true
    }

    fn let_go(&mut self, peer: SocketAddr, since: Instant) {
        if self.held.get(&peer).is_some_and(|held| held.since == since) {
            self.held.remove(&peer);
        }
    }
}
