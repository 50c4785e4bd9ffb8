//! What comes in a stream in words (RFC 8323): it comes in pieces, and signals are among it.

use std::fmt;

use super::super::message::Message;
use super::super::stream::frame::{self, Measured};
use super::super::stream::signal::{self, Signal};
use super::{InWords, code_name, write_escaped, write_payload};

/// The longest message of a stream in words: beyond what any of ours takes.
const LONGEST_IN_WORDS: usize = 32 << 20;

/// The messages of one direction of a stream (RFC 8323) in words, whatever the pieces they come in.
#[derive(Default)]
pub struct StreamWords {
    /// The beginning of a message whose end has not come.
    partial: Vec<u8>,
    /// Whether there was something that is no message: where the next begins cannot be told.
    lost: bool,
}

impl StreamWords {
    /// Takes the bytes that came next: a line for each message that ends with them, as [`Message::in_words`] but
    /// without type and message id, and signals by their names: `CSM Max-Message-Size 8320 Block-Wise-Transfer`.
    /// With it the message itself, whose type and message id mean nothing.
    ///
    /// What is no message gets one last line, `not CoAP: ..`, and no message; after that there are none.
    pub fn read(&mut self, bytes: &[u8]) -> Vec<(String, Option<Message>)> {
        let mut read = Vec::new();
        if self.lost {
            return read;
        }
        self.partial.extend_from_slice(bytes);
        let mut rest = &*self.partial;
        while !rest.is_empty() {
            let message = match frame::measure(rest, LONGEST_IN_WORDS) {
                Ok(Measured::Missing(_)) => break,
                Ok(Measured::Whole(total)) => {
                    let (whole, after) = rest.split_at(total);
                    rest = after;
                    frame::decode(whole)
                }
                Err(why) => Err(why),
            };
            match message {
                Ok(message) => {
                    let words = InWords { message: &message, in_stream: true }.to_string();
                    read.push((words, Some(message)));
                }
                Err(why) => {
                    read.push((format!("not CoAP: {why}"), None));
                    (self.lost, rest) = (true, &[]);
                }
            }
        }
        self.partial = rest.to_vec();
        read
    }
}

/// A signal: its name, what its options say, and why, if it says so (RFC 8323 §5).
pub(super) fn write_signal(f: &mut fmt::Formatter<'_>, message: &Message) -> fmt::Result {
    match code_name(message.code()) {
        Some(name) => f.write_str(name)?,
        None => write!(f, "{}", message.code())?,
    }
    if !message.token().as_slice().is_empty() {
        write!(f, " [token {:?}]", message.token())?;
    }
    match Signal::read(message) {
        Ok(Signal::Csm { max_message, block_wise }) => {
            max_message.map_or(Ok(()), |size| write!(f, " Max-Message-Size {size}"))?;
            f.write_str(if block_wise { " Block-Wise-Transfer" } else { "" })?;
        }
        Ok(Signal::Ping { custody } | Signal::Pong { custody }) => {
            f.write_str(if custody { " Custody" } else { "" })?;
        }
        Ok(Signal::Release { hold_off }) => {
            for address in signal::alternative_addresses(message) {
                f.write_str(" Alternative-Address ")?;
                write_escaped(f, address)?;
            }
            if !hold_off.is_zero() {
                write!(f, " Hold-Off {}", hold_off.as_secs())?;
            }
        }
        Ok(Signal::Abort { bad_option }) => {
            bad_option.map_or(Ok(()), |number| write!(f, " Bad-CSM-Option {number}"))?;
        }
        Ok(Signal::Unknown) => {}
        Err(critical) => write!(f, " critical option {critical}")?,
    }
    // §5.1: a payload says why, for people.
    write_payload(f, message)
}
