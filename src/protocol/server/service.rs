//! How well a server is told to serve: how long a request takes it, how much it can take, and how it
//! misbehaves. Both servers have it, so that overload and bad manners can be produced on purpose.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::base::{Percent, Rng, Span};
use crate::protocol::coap::Code;

/// A server's pace and manners. The default answers everything at once and well.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Service {
    /// How fast it works; none is "at once, whatever comes".
    pub pace: Option<Pace>,
    /// What it does wrong.
    pub manners: Manners,
}

/// How fast a server works: so many requests at a time, each for some time, the rest in a queue. A server
/// that runs on several threads works at this pace on each of them, for its part of the devices.
#[derive(Clone, Debug, PartialEq)]
pub struct Pace {
    /// Requests worked on at the same time; at least 1.
    pub workers: u32,
    /// How long one of them takes.
    pub time: ServiceTime,
    /// Requests that may wait for a worker; one more is answered with 5.03.
    pub queue: u32,
    /// Max-Age of that 5.03: when the device may come again (RFC 7252 §5.9.3.4). Whole seconds.
    pub max_age: Duration,
}

/// How long a request takes a worker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ServiceTime {
    /// Always as long.
    Fixed(Duration),
    /// Anything from the first to the second, each as likely.
    Uniform(Duration, Duration),
    /// Exponentially distributed around this mean: short ones most often, long ones now and then.
    Exponential(Duration),
}

impl ServiceTime {
    /// Draws one.
    pub(super) fn draw(self, rng: &mut Rng) -> Duration {
        match self {
            ServiceTime::Fixed(time) => time,
            ServiceTime::Uniform(least, most) => least + most.saturating_sub(least).mul_f64(rng.unit()),
            // The inverse of the distribution function; 1 - unit is never zero.
            ServiceTime::Exponential(mean) => {
                let factor = -(1.0 - rng.unit()).ln();
                Duration::try_from_secs_f64(mean.as_secs_f64() * factor).unwrap_or(Duration::MAX)
            }
        }
    }

    /// Its mean.
    pub fn mean(self) -> Duration {
        match self {
            ServiceTime::Fixed(time) | ServiceTime::Exponential(time) => time,
            ServiceTime::Uniform(least, most) => least.saturating_add(most) / 2,
        }
    }
}

/// What a server does wrong, each thing to this share of the requests that reach it, drawn one by one.
///
/// A request suffers at most one of `drop`, `reset`, `error` and `unavailable`, tried in this order; what it
/// is answered with may then be late, sent twice, or come from another port.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manners {
    /// Not answered, and not acknowledged: as if it had been lost. Sent again, it is drawn for again.
    pub drop: Share,
    /// Rejected with a Reset.
    pub reset: Share,
    /// Answered with [`Manners::error_code`].
    pub error: Share,
    /// The error, 4.xx or 5.xx; [`Code::INTERNAL_SERVER_ERROR`] where there is none.
    pub error_code: Option<Code>,
    /// Answered with 5.03 and [`Manners::max_age`].
    pub unavailable: Share,
    /// Max-Age of that 5.03, whole seconds.
    pub max_age: Duration,
    /// Answered later than it would be, by [`Manners::late_by`]: beyond some seconds the answer comes
    /// separately, after an Empty acknowledgement (RFC 7252 §5.2.2).
    pub late: Share,
    /// How much later.
    pub late_by: Duration,
    /// Answered twice with the same datagram.
    pub duplicate: Share,
    /// Answered from another port than the one asked, which no device can take for an answer. Plain datagrams only:
    /// a session or a stream has no other port.
    pub other_port: Share,
}

impl Manners {
    /// Whether some answers are to come from another port.
    pub fn uses_other_port(&self) -> bool {
        self.other_port.0 > 0.0
    }

    /// Whether there is nothing to be said against it.
    pub fn is_good(&self) -> bool {
        let shares =
            [self.drop, self.reset, self.error, self.unavailable, self.late, self.duplicate, self.other_port];
        shares.iter().all(|share| share.0 == 0.0)
    }
}

/// A share of requests, from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share(f64);

impl Share {
    /// From 0 to 1.
    pub fn fraction(self) -> f64 {
        self.0
    }

    pub(super) fn hits(self, rng: &mut Rng) -> bool {
        // Good manners draw nothing: what else is drawn stays as it was.
        self.0 > 0.0 && rng.chance(self.0)
    }
}

impl From<Percent> for Share {
    fn from(percent: Percent) -> Self {
        Share(percent.fraction())
    }
}

/// The text is no time of service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time of service: write \"5ms\", \"2ms..20ms\" or \"exponential 5ms\"")]
pub struct ParseServiceTimeError(String);

impl FromStr for ServiceTime {
    type Err = ParseServiceTimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseServiceTimeError(text.to_owned());
        let time = |text: &str| text.trim().parse::<Span>().map(Span::duration).map_err(|_| wrong());
        if let Some(mean) = text.trim().strip_prefix("exponential ") {
            return Ok(ServiceTime::Exponential(time(mean)?));
        }
        match text.split_once("..") {
            None => Ok(ServiceTime::Fixed(time(text)?)),
            Some((least, most)) => {
                let (least, most) = (time(least)?, time(most)?);
                if least <= most { Ok(ServiceTime::Uniform(least, most)) } else { Err(wrong()) }
            }
        }
    }
}

impl fmt::Display for ServiceTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            ServiceTime::Fixed(time) => write!(f, "{}", Span(time)),
            ServiceTime::Uniform(least, most) => write!(f, "{}..{}", Span(least), Span(most)),
            ServiceTime::Exponential(mean) => write!(f, "exponential {}", Span(mean)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::Seed;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn times_are_written_as_people_write_them() {
        assert_eq!("5ms".parse(), Ok(ServiceTime::Fixed(5 * MS)));
        assert_eq!("2ms..20ms".parse(), Ok(ServiceTime::Uniform(2 * MS, 20 * MS)));
        assert_eq!("exponential 5ms".parse(), Ok(ServiceTime::Exponential(5 * MS)));
        for text in ["", "5", "20ms..2ms", "exponential", "5ms..", "often"] {
            assert!(text.parse::<ServiceTime>().is_err(), "{text:?}");
        }
        for text in ["5ms", "2ms..20ms", "exponential 5ms"] {
            assert_eq!(text.parse::<ServiceTime>().map(|time| time.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn times_have_the_mean_they_say() {
        let mut rng = Seed(1).rng();
        for time in ["5ms", "2ms..20ms", "exponential 5ms"] {
            let time: ServiceTime = time.parse().expect("a time");
            let drawn: Duration = (0..20_000).map(|_| time.draw(&mut rng)).sum();
            let ratio = drawn.as_secs_f64() / 20_000.0 / time.mean().as_secs_f64();
            assert!((0.97..1.03).contains(&ratio), "{time}: {ratio}");
        }
    }

    #[test]
    fn times_without_end_can_be_drawn() {
        let mut rng = Seed(1).rng();
        for time in [
            ServiceTime::Fixed(Duration::MAX),
            ServiceTime::Uniform(Duration::ZERO, Duration::MAX),
            ServiceTime::Exponential(Duration::MAX),
        ] {
            assert!((0..100).any(|_| time.draw(&mut rng) > time.mean() / 2));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_time_or_an_error(text in ".{0,24}") {
            if let Ok(time) = text.parse::<ServiceTime>() {
                let _ = (time.mean(), time.draw(&mut Seed(1).rng()));
                prop_assert_eq!(time.to_string().parse(), Ok(time));
            }
        }
    }
}
