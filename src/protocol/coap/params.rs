//! Transmission parameters: the table of RFC 7252 §4.8 and what follows from it.

use std::time::Duration;

use thiserror::Error;

/// MAX_LATENCY (RFC 7252 §4.8.2): the longest a datagram is assumed to be under way. A constant of the RFC.
const MAX_LATENCY: Duration = Duration::from_secs(100);

/// Block numbers have 20 bits (RFC 7959 §2.2), and the smallest block has 16 bytes.
const LARGEST_BODY: usize = 16 << 20;

/// How one endpoint paces, repeats and sizes its messages.
///
/// The fields are open so that a configuration can be read field by field; [`Params::validated`] is the
/// gate it then passes. The exchange layer stays sane (if useless) even with values that did not pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Params {
    /// ACK_TIMEOUT: the shortest wait before the first retransmission. Above zero, at most a day.
    pub ack_timeout: Duration,
    /// ACK_RANDOM_FACTOR: the first wait is drawn between `ack_timeout` and this many times that. 1 to 10.
    pub ack_random_factor: f64,
    /// MAX_RETRANSMIT: how often a Confirmable message is sent again. 0 to 20.
    pub max_retransmit: u32,
    /// NSTART: requests to one peer that may wait for an acknowledgement at the same time. At least 1. Streams
    /// have no such limit (RFC 8323 §3.3).
    pub nstart: u32,
    /// Preferred block size in bytes: a power of two from 16 to 1024 (RFC 7959 §2.2). Not for streams, whose
    /// messages are as large as the peer takes them (RFC 8323 §6).
    pub block_size: u16,
    /// Largest body in bytes accepted in a block-wise transfer: at least `block_size`, at most 16 MiB.
    pub max_body: usize,
}

impl Default for Params {
    /// The defaults of RFC 7252 §4.8, blocks of 1024 bytes and bodies of up to 1 MiB: what a
    /// device takes in one piece at the most is new firmware.
    fn default() -> Self {
        Params {
            ack_timeout: Duration::from_secs(2),
            ack_random_factor: 1.5,
            max_retransmit: 4,
            nstart: 1,
            block_size: 1024,
            max_body: 1 << 20,
        }
    }
}

/// A parameter that cannot be used, and what would be right.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ParamsError {
    /// `ack_timeout` is zero or absurdly long.
    #[error("ack_timeout is {0:?}: must be above zero and at most one day")]
    AckTimeout(Duration),
    /// `ack_random_factor` is out of range or not a number.
    #[error("ack_random_factor is {0}: must be from 1.0 to 10.0")]
    AckRandomFactor(f64),
    /// `max_retransmit` would make an exchange outlive every run.
    #[error("max_retransmit is {0}: must be from 0 to 20")]
    MaxRetransmit(u32),
    /// With `nstart` zero nothing would ever be sent.
    #[error("nstart is {0}: must be at least 1")]
    Nstart(u32),
    /// `block_size` cannot be written in a Block option.
    #[error("block_size is {0}: must be 16, 32, 64, 128, 256, 512 or 1024")]
    BlockSize(u16),
    /// `max_body` is smaller than a block, or larger than block numbers reach.
    #[error("max_body is {0}: must be from block_size to {LARGEST_BODY} bytes")]
    MaxBody(usize),
}

impl Params {
    /// These parameters, if every one of them is in its range.
    ///
    /// # Errors
    /// The first field, in the order of declaration, that is not.
    pub fn validated(self) -> Result<Self, ParamsError> {
        if self.ack_timeout.is_zero() || self.ack_timeout > Duration::from_secs(86_400) {
            return Err(ParamsError::AckTimeout(self.ack_timeout));
        }
        if !(1.0..=10.0).contains(&self.ack_random_factor) {
            return Err(ParamsError::AckRandomFactor(self.ack_random_factor));
        }
        if self.max_retransmit > 20 {
            return Err(ParamsError::MaxRetransmit(self.max_retransmit));
        }
        if self.nstart == 0 {
            return Err(ParamsError::Nstart(self.nstart));
        }
        if !self.block_size.is_power_of_two() || !(16..=1024).contains(&self.block_size) {
            return Err(ParamsError::BlockSize(self.block_size));
        }
        if !(usize::from(self.block_size)..=LARGEST_BODY).contains(&self.max_body) {
            return Err(ParamsError::MaxBody(self.max_body));
        }
        Ok(self)
    }

    /// MAX_TRANSMIT_SPAN (RFC 7252 §4.8.2): from the first transmission to the last at the latest.
    pub fn max_transmit_span(&self) -> Duration {
        self.stretched(self.max_retransmit)
    }

    /// MAX_TRANSMIT_WAIT (RFC 7252 §4.8.2): from the first transmission to giving up at the latest.
    pub fn max_transmit_wait(&self) -> Duration {
        self.stretched(self.max_retransmit.saturating_add(1))
    }

    /// MAX_LATENCY (RFC 7252 §4.8.2): the longest a datagram is assumed to be under way, 100 s.
    pub fn max_latency(&self) -> Duration {
        MAX_LATENCY
    }

    /// PROCESSING_DELAY (RFC 7252 §4.8.2): from receiving a Confirmable message to acknowledging it.
    pub fn processing_delay(&self) -> Duration {
        self.ack_timeout
    }

    /// MAX_RTT (RFC 7252 §4.8.2): the longest round trip that is assumed possible.
    pub fn max_rtt(&self) -> Duration {
        (2 * MAX_LATENCY).saturating_add(self.processing_delay())
    }

    /// EXCHANGE_LIFETIME (RFC 7252 §4.8.2): how long a MID must stay unused after a Confirmable message.
    pub fn exchange_lifetime(&self) -> Duration {
        self.max_transmit_span().saturating_add(self.max_rtt())
    }

    /// NON_LIFETIME (RFC 7252 §4.8.2): how long a MID must stay unused after a Non-confirmable message.
    pub fn non_lifetime(&self) -> Duration {
        self.max_transmit_span().saturating_add(MAX_LATENCY)
    }

    /// How long a Confirmable request may stay unanswered before an Empty acknowledgement goes out.
    ///
    /// Half of ACK_TIMEOUT: the requester repeats itself after ACK_TIMEOUT at the earliest, which leaves
    /// the other half to the network (RFC 7252 §5.2.2 only asks for "in time").
    pub fn separate_ack_delay(&self) -> Duration {
        self.ack_timeout / 2
    }

    /// The largest datagram taken: what is accepted in blocks is accepted in one piece, plus the 128 bytes
    /// that RFC 7252 §4.6 leaves for header and options (1152 against 1024).
    pub fn max_message(&self) -> usize {
        self.max_body.saturating_add(128)
    }

    /// Max-Message-Size (RFC 8323 §5.3.1): the largest message taken from a stream. Eight blocks of 1024 bytes
    /// at once (§6) and the 128 bytes above, or what [`Params::max_body`] comes to if that is less; but never
    /// below the base value, 1152 bytes.
    ///
    /// Eight, because a message is held in memory until it is whole, of every peer at the same time.
    pub fn max_stream_message(&self) -> usize {
        self.max_message().clamp(1152, 8 * 1024 + 128)
    }

    /// The first wait for an acknowledgement; `unit` in `0.0 .. 1.0` picks it out of its interval.
    pub(super) fn first_timeout(&self, unit: f64) -> Duration {
        scaled(self.ack_timeout, 1.0 + unit * (self.ack_random_factor - 1.0))
    }

    /// The preferred block size as it is written in a Block option (RFC 7959 §2.2).
    pub(super) fn szx(&self) -> u8 {
        // At most 10 - 4, so it fits.
        (self.block_size.clamp(16, 1024).ilog2() - 4) as u8
    }

    /// ACK_TIMEOUT * (2 ** doublings - 1) * ACK_RANDOM_FACTOR
    fn stretched(&self, doublings: u32) -> Duration {
        let waits = 1_u64.checked_shl(doublings).map_or(u64::MAX, |power| power - 1);
        scaled(self.ack_timeout, waits as f64 * self.ack_random_factor)
    }
}

/// `span` times `factor`, or a very long time where that cannot be told.
///
/// In nanoseconds and without a detour: every message asks for EXCHANGE_LIFETIME.
fn scaled(span: Duration, factor: f64) -> Duration {
    let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX) as f64 * factor;
    if nanos < u64::MAX as f64 { Duration::from_nanos((nanos + 0.5) as u64) } else { Duration::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_give_the_table_of_the_rfc() {
        let params = Params::default().validated().expect("the defaults are valid");
        let secs = Duration::from_secs;
        assert_eq!(params.max_transmit_span(), secs(45));
        assert_eq!(params.max_transmit_wait(), secs(93));
        assert_eq!(params.max_latency(), secs(100));
        assert_eq!(params.processing_delay(), secs(2));
        assert_eq!(params.max_rtt(), secs(202));
        assert_eq!(params.exchange_lifetime(), secs(247));
        assert_eq!(params.non_lifetime(), secs(145));
        assert_eq!(params.separate_ack_delay(), secs(1));
        assert_eq!(params.szx(), 6);
    }

    #[test]
    fn each_wrong_parameter_is_named_with_what_would_be_right() {
        let good = Params::default();
        let wrong = [
            (
                Params { ack_timeout: Duration::ZERO, ..good.clone() },
                "ack_timeout is 0ns: must be above zero",
            ),
            (Params { ack_random_factor: 0.9, ..good.clone() }, "ack_random_factor is 0.9: must be from 1.0"),
            (Params { ack_random_factor: f64::NAN, ..good.clone() }, "ack_random_factor is NaN: must be"),
            (Params { max_retransmit: 21, ..good.clone() }, "max_retransmit is 21: must be from 0 to 20"),
            (Params { nstart: 0, ..good.clone() }, "nstart is 0: must be at least 1"),
            (Params { block_size: 100, ..good.clone() }, "block_size is 100: must be 16, 32"),
            (Params { block_size: 2048, ..good.clone() }, "block_size is 2048: must be 16, 32"),
            (Params { max_body: 1000, ..good.clone() }, "max_body is 1000: must be from block_size"),
            (Params { max_body: LARGEST_BODY + 1, ..good }, "max_body is 16777217: must be from block_size"),
        ];
        for (params, said) in wrong {
            let error = params.validated().expect_err(said).to_string();
            assert!(error.starts_with(said), "{error}");
        }
    }

    #[test]
    fn nonsense_that_was_never_validated_does_not_panic() {
        let params = Params {
            ack_random_factor: f64::NAN,
            max_retransmit: u32::MAX,
            block_size: 0,
            max_body: usize::MAX,
            ..Params::default()
        };
        assert_eq!(params.exchange_lifetime(), Duration::MAX);
        assert_eq!(params.first_timeout(0.5), Duration::MAX);
        assert_eq!(params.szx(), 0);
        assert_eq!(params.max_message(), usize::MAX);
    }
}
