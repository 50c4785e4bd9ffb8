//! What is different where messages come one after the other in a stream (RFC 8323).
//!
//! ```text
//! connected -> CSM to the peer -> its CSM -> requests and responses by token -> Release -> Leave, once all is
//!              requests that fit whatever                                                  answered
//!              the CSM will say go out at once                            broken -> Abort, Leave
//! lost -> what was on its way fails; what was not sent waits for the next connection
//! ```
//!
//! The stream delivers each message once and in order. So nothing is acknowledged, repeated or recognised as
//! seen before, no message id is needed, and NSTART holds nothing back (§3.3). A request still ends by itself
//! if its answer never comes. A notification needs no acknowledgement to have arrived (appendix A.2).
//!
//! Bodies go whole in messages up to what the peer takes; larger ones in blocks of 1024 bytes, as many in each
//! message as go in, if the peer said it can take that (BERT, §6). A peer that did not say it knows blocks at all
//! leaves that open (§5.3.2), and is tried.
//!
//! This file holds the state; `receiving` and `sending` what the exchange does with it, `frame` and `signal` what
//! goes over the wire.

pub(super) mod frame;
mod receiving;
mod sending;
pub(super) mod signal;

use std::time::Duration;

use super::block::Portion;
use super::header::Token;
use super::message::Message;
use crate::base::Instant;

/// Max-Message-Size of a peer that did not say (§5.3.1).
const BASE_MESSAGE: usize = 1152;

/// What the options of a block, its ETag and sizes may add to those of the message.
const BLOCK_OPTIONS: usize = 32;

/// Options of a response that is not made yet: with the rest this leaves 128 bytes beside a block (RFC 7252 §4.6).
const SOME_OPTIONS: usize = 128 - frame::LONGEST_HEADER - 1 - BLOCK_OPTIONS;

/// The stream with one peer, or the want of one.
#[derive(Default)]
pub(super) struct Stream {
    /// The beginning of a message whose end has not come. No memory between messages.
    partial: Vec<u8>,
    /// Pings that wait for custody.
    custody: Vec<Token>,
    /// By when the peer must have been heard of.
    patience: Option<Instant>,
    /// The Hold-Off of the peer's Release.
    released: Option<Duration>,
    /// What the peer said in its CSM; `None` until then.
    peer: Option<Settings>,
    /// Requests of the peer that are given out and not answered.
    open: u32,
    /// Which connection this is, counted from anywhere. The requests that come by it have it for a message id.
    life: u16,
    state: State,
    /// Whether a Release was sent: what is asked from then on might not be heard any more (§5.5).
    leaving: bool,
}

/// What the peer can take.
#[derive(Clone, Copy)]
struct Settings {
    max_message: usize,
    block_wise: bool,
}

/// How far a stream is.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// There is no connection.
    #[default]
    Closed,
    Open,
    /// The owner was told to close it. Nothing is taken from it or written to it any more.
    Left,
}

impl Default for Settings {
    /// The base values (§5.3).
    fn default() -> Self {
        Settings { max_message: BASE_MESSAGE, block_wise: false }
    }
}

impl Stream {
    /// Not connected. Connections are counted from `life`, random so that what came by those of an exchange is
    /// not taken for what came by those of another in its place.
    pub fn numbered(life: u16) -> Self {
        Stream { life, ..Stream::default() }
    }

    /// When the owner must be told that the peer is not heard of.
    pub fn patience(&self) -> Option<Instant> {
        self.patience
    }

    /// Whether a message is coming in, or an answer going out.
    pub fn is_busy(&self) -> bool {
        !self.partial.is_empty() || self.open > 0
    }

    /// The largest payload the peer takes in one message with the options of `message`.
    pub fn room(&self, message: &Message) -> usize {
        self.largest().saturating_sub(frame::LONGEST_HEADER + message.options.as_bytes().len() + 1)
    }

    /// How bodies are parted for messages with the options of `message`: as many blocks of 1024 bytes at once as
    /// the peer takes, if it can take several (§6); else one.
    pub fn portion(&self, message: Option<&Message>) -> Portion {
        let options = message.map_or(SOME_OPTIONS, |message| message.options.as_bytes().len());
        let beside = frame::LONGEST_HEADER + options + 1 + BLOCK_OPTIONS;
        let room = self.largest().saturating_sub(beside);
        // §5.3.2: both options together say so.
        let several = self.peer.is_some_and(|peer| peer.block_wise && peer.max_message > BASE_MESSAGE);
        if several && room >= 1024 {
            return Portion::blocks_within(room);
        }
        // The largest block that goes in; none is smaller than 16 bytes.
        let szx = room.max(16).ilog2() - 4;
        Portion::block(szx.min(6) as u8)
    }

    fn largest(&self) -> usize {
        self.peer.unwrap_or_default().max_message
    }

    /// Whether requests can be written.
    fn is_ready(&self) -> bool {
        self.state == State::Open && !self.leaving && self.released.is_none()
    }

    /// Bytes on the heap, beyond what every stream costs.
    #[cfg(test)]
    pub fn heap(&self) -> usize {
        self.partial.capacity() + self.custody.capacity() * size_of::<Token>()
    }
}
