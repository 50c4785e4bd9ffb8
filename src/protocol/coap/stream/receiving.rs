//! What comes in by a stream: bytes in any pieces, messages, signals.

use super::super::codec::Malformed;
use super::super::dedup::Key;
use super::super::event::{Event, Leave, Noise};
use super::super::exchange::Exchange;
use super::super::header::Code;
use super::super::message::Message;
use super::frame::{self, Measured};
use super::signal::{self, Signal};
use super::{Settings, State};
use crate::base::Instant;

/// Pings of the peer that wait for custody at the same time; more are answered at once, without it.
const MAX_CUSTODY: usize = 4;

impl Exchange {
    /// Takes the bytes that came next.
    pub(in super::super) fn handle_stream(&mut self, bytes: &[u8], now: Instant) {
        let Some(stream) = &mut self.stream else { return };
        if stream.state == State::Closed {
            // Bytes are as good a sign as any.
            self.connected(now);
        }
        let limit = self.params.max_stream_message();
        let Some(mut rest) = self.complete(bytes, limit, now) else { return };
        while self.is_connected() && !rest.is_empty() {
            match frame::measure(rest, limit) {
                Ok(Measured::Whole(total)) => {
                    let (whole, after) = rest.split_at(total);
                    rest = after;
                    self.take_frame(whole, now);
                }
                Ok(Measured::Missing(_)) => {
                    if let Some(stream) = &mut self.stream {
                        stream.partial = rest.to_vec();
                    }
                    return;
                }
                Err(why) => return self.refuse_frame(why),
            }
        }
    }

    /// Completes the message that had begun before; what is left of `bytes` then, `None` if nothing can be made
    /// of it.
    fn complete<'a>(&mut self, bytes: &'a [u8], limit: usize, now: Instant) -> Option<&'a [u8]> {
        let stream = self.stream.as_mut()?;
        if stream.partial.is_empty() || stream.state == State::Left {
            return Some(bytes);
        }
        let mut rest = bytes;
        let partial = &mut stream.partial;
        loop {
            match frame::measure(partial, limit) {
                Ok(Measured::Whole(_)) => break,
                Ok(Measured::Missing(_)) if rest.is_empty() => return None,
                Ok(Measured::Missing(missing)) => {
                    let (next, after) = rest.split_at(missing.min(rest.len()));
                    partial.extend_from_slice(next);
                    rest = after;
                }
                Err(why) => {
                    self.refuse_frame(why);
                    return None;
                }
            }
        }
        let whole = std::mem::take(partial);
        self.take_frame(&whole, now);
        Some(rest)
    }

    fn take_frame(&mut self, frame: &[u8], now: Instant) {
        match frame::decode(frame) {
            Ok(message) => self.take_message(message, now),
            Err(why) => self.refuse_frame(why),
        }
    }

    fn take_message(&mut self, mut message: Message, now: Instant) {
        self.last_activity = now;
        let code = message.code;
        let Some(stream) = &mut self.stream else { return };
        if code == Code::EMPTY {
            // RFC 8323 §3.4: can always be sent, and is ignored.
            return;
        }
        if stream.peer.is_none() && !matches!(code, Code::CSM | Code::ABORT) {
            // §3.3: a missing CSM is an error of the connection.
            return self.abort("the first message is no CSM", None);
        }
        // Whatever it is, the peer is there.
        stream.patience = None;
        if code.is_request() {
            message.mid = stream.life;
            let key = Key::of(&message);
            self.on_new_request(message, key, false, now);
        } else if code.is_response() {
            self.take_response(message, now);
        } else {
            self.take_signal(&message, now);
        }
    }

    /// Takes a response or notification, by its token alone.
    fn take_response(&mut self, response: Message, now: Instant) {
        let matched = self.requests.iter().position(|request| request.is_answered_by(&response));
        if response.unknown_critical().is_some() {
            // RFC 7252 §5.4.1: not to be used. What waits for it goes on waiting, as on datagrams.
            return self.noise(Noise::CriticalOption);
        }
        match (matched, self.observation_of(response.token())) {
            (Some(at), _) => self.answered(at, response, now),
            (None, Some(handle)) => self.on_notification(handle, response, now),
            (None, None) => self.noise(Noise::UnmatchedResponse),
        }
    }

    fn take_signal(&mut self, message: &Message, now: Instant) {
        let signal = match Signal::read(message) {
            Ok(signal) => signal,
            Err(number) => {
                // RFC 8323 §5.2; only of a CSM the option is named (§5.6.1).
                let of_csm = (message.code == Code::CSM).then_some(number);
                return self.abort("a critical option is not understood", of_csm);
            }
        };
        let Some(stream) = &mut self.stream else { return };
        match signal {
            Signal::Csm { max_message, block_wise } => {
                // §5.3: what was said before holds until it is said anew.
                let settings = stream.peer.get_or_insert(Settings::default());
                settings.block_wise |= block_wise;
                if let Some(size) = max_message {
                    settings.max_message = usize::try_from(size).unwrap_or(usize::MAX);
                }
                self.start_queued(now);
            }
            Signal::Ping { custody: true } if stream.open > 0 && stream.custody.len() < MAX_CUSTODY => {
                stream.custody.push(message.token);
            }
            Signal::Ping { custody } => {
                let custody = custody && stream.open == 0;
                self.send_signal(&signal::pong(message.token, custody));
            }
            Signal::Release { hold_off } => {
                stream.released = Some(hold_off);
                self.leave_if_released();
            }
            Signal::Abort { .. } => self.leave(Leave::Aborted),
            // §5.4: the Pong told that the peer is there. Codes that are not assigned ask for nothing.
            Signal::Pong { .. } | Signal::Unknown => {}
        }
    }

    /// Takes note of a request that is given out.
    pub(in super::super) fn opened(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.open += 1;
        }
    }

    /// Takes note of a request that is dealt with, and of what waited for that.
    pub(in super::super) fn settled(&mut self, request: &Message) {
        let Some(stream) = &mut self.stream else { return };
        if stream.life != request.mid || stream.state != State::Open {
            return;
        }
        stream.open = stream.open.saturating_sub(1);
        if stream.open > 0 {
            return;
        }
        // §5.4.1: all that came before these Pings is dealt with. It may be more than that, and so later than
        // could be, but never too early.
        for token in std::mem::take(&mut stream.custody) {
            self.send_signal(&signal::pong(token, true));
        }
        self.leave_if_released();
    }

    /// Whether a request came by a connection that cannot carry its answer any more.
    pub(in super::super) fn outlived(&self, request: &Message) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.life != request.mid || stream.state != State::Open)
    }

    /// §5.5: the stream should not be closed before what was asked by it is answered.
    fn leave_if_released(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        if let (Some(hold_off), 0) = (stream.released, stream.open) {
            self.leave(Leave::Released { hold_off });
        }
    }

    /// Gives up the stream because of what came in by it (§5.6).
    fn refuse_frame(&mut self, why: Malformed) {
        self.noise(Noise::Malformed(why));
        self.abort(&why.to_string(), None);
    }

    /// Sends an Abort and has the stream closed.
    pub(super) fn abort(&mut self, why: &str, bad_option: Option<u16>) {
        self.send_signal(&signal::abort(why, bad_option));
        self.leave(Leave::Broken);
    }

    /// Has the stream closed.
    fn leave(&mut self, why: Leave) {
        let Some(stream) = &mut self.stream else { return };
        stream.state = State::Left;
        stream.patience = None;
        (stream.partial, stream.custody) = (Vec::new(), Vec::new());
        self.event(Event::Leave(why));
    }
}
