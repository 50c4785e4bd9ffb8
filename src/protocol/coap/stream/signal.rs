//! Signals: what the two ends of a stream tell each other about the stream itself (RFC 8323 §5).

use std::time::Duration;

use super::super::header::{Code, Token};
use super::super::message::Message;
use super::super::options::uint_value;

/// The numbers of options, for each signal its own.
mod number {
    pub const MAX_MESSAGE_SIZE: u16 = 2;
    pub const BLOCK_WISE_TRANSFER: u16 = 4;
    pub const CUSTODY: u16 = 2;
    pub const ALTERNATIVE_ADDRESS: u16 = 2;
    pub const HOLD_OFF: u16 = 4;
    pub const BAD_CSM_OPTION: u16 = 2;
}

/// The longest Hold-Off: three bytes of seconds.
const LONGEST_HOLD_OFF: u64 = 0xff_ffff;

/// A signal from the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Signal {
    /// Capabilities and Settings (§5.3). What is not said stays as it was.
    Csm { max_message: Option<u32>, block_wise: bool },
    /// Ping (§5.4).
    Ping { custody: bool },
    /// Pong (§5.4).
    Pong { custody: bool },
    /// Release (§5.5).
    Release { hold_off: Duration },
    /// Abort (§5.6); the CSM option that the peer cannot process.
    Abort { bad_option: Option<u16> },
    /// A code that is not assigned.
    Unknown,
}

impl Signal {
    /// Reads a message of class 7. Options that are elective (RFC 7252 §5.4.1) and not known here, or of a wrong
    /// length, are passed over.
    ///
    /// # Errors
    /// The number of the first critical option; none is assigned so far.
    pub fn read(message: &Message) -> Result<Signal, u16> {
        if let Some((critical, _)) = message.options.iter().find(|(number, _)| number % 2 == 1) {
            return Err(critical);
        }
        let uint = |number, longest| {
            let value = message.options.values(number).find(|value| value.len() <= longest)?;
            Some(value.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)))
        };
        let is_set = |number| message.options.values(number).any(<[u8]>::is_empty);
        Ok(match message.code {
            Code::CSM => Signal::Csm {
                max_message: uint(number::MAX_MESSAGE_SIZE, 4),
                block_wise: is_set(number::BLOCK_WISE_TRANSFER),
            },
            Code::PING => Signal::Ping { custody: is_set(number::CUSTODY) },
            Code::PONG => Signal::Pong { custody: is_set(number::CUSTODY) },
            Code::RELEASE => Signal::Release {
                hold_off: Duration::from_secs(uint(number::HOLD_OFF, 3).unwrap_or_default().into()),
            },
            Code::ABORT => Signal::Abort {
                bad_option: uint(number::BAD_CSM_OPTION, 2).and_then(|number| u16::try_from(number).ok()),
            },
            _ => Signal::Unknown,
        })
    }
}

/// The other addresses that a Release names (§5.5), those that are text.
pub(in super::super) fn alternative_addresses(release: &Message) -> impl Iterator<Item = &str> {
    let values = release.options.values(number::ALTERNATIVE_ADDRESS);
    values.filter_map(|value| std::str::from_utf8(value).ok())
}

/// Our Capabilities and Settings: messages of that size, and blocks (§5.3).
pub(super) fn csm(max_message: u32) -> Message {
    let mut csm = Message::response(Code::CSM);
    csm.options.add(number::MAX_MESSAGE_SIZE, uint_value(&max_message.to_be_bytes()));
    csm.options.add(number::BLOCK_WISE_TRANSFER, &[]);
    csm
}

/// A Ping that does not ask for custody (§5.4).
pub(super) fn ping(token: Token) -> Message {
    signal(Code::PING, token)
}

/// The answer to a Ping with this token (§5.4); `custody` says that all that came before it is dealt with.
pub(super) fn pong(token: Token, custody: bool) -> Message {
    let mut pong = signal(Code::PONG, token);
    if custody {
        pong.options.add(number::CUSTODY, &[]);
    }
    pong
}

/// A Release (§5.5). Hold-Off in whole seconds, begun ones included; none if it is zero.
pub(super) fn release(hold_off: Duration) -> Message {
    let mut release = signal(Code::RELEASE, Token::default());
    let begun = u64::from(hold_off.subsec_nanos() > 0);
    let seconds = hold_off.as_secs().saturating_add(begun).min(LONGEST_HOLD_OFF);
    if seconds > 0 {
        release.options.add(number::HOLD_OFF, uint_value(&(seconds as u32).to_be_bytes()));
    }
    release
}

/// An Abort that says why (§5.6), and which option of a CSM was the matter (§5.6.1).
pub(super) fn abort(why: &str, bad_option: Option<u16>) -> Message {
    let mut abort = signal(Code::ABORT, Token::default()).with_payload(why.into());
    if let Some(number) = bad_option {
        abort.options.add(number::BAD_CSM_OPTION, uint_value(&u32::from(number).to_be_bytes()));
    }
    abort
}

fn signal(code: Code, token: Token) -> Message {
    let mut signal = Message::response(code);
    signal.token = token;
    signal
}
