//! Quantities as people write them: a rate (`"500/s"`), a share (`"99.9%"`), a span of time (`"1m30s"`).
//!
//! Parsed once; a value of these types is never invalid afterwards. They print in a form that parses
//! back to the same value, and serde sees them as those strings.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Events per second: above zero and finite. Written `"500/s"`, `"30/min"` or `"2.5/h"`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Rate(f64);

/// A share of a whole, 0 % to 100 %. Written `"30%"` or `"99.9%"`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Percent(f64);

/// A span of time. Written `"10s"`, `"1m30s"`, `"250ms"`, `"2h"`, `"1d"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(pub Duration);

/// Why a text is not a quantity; the message says what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseQuantityError(String);

impl Rate {
    /// How many in a second.
    pub fn per_second(self) -> f64 {
        self.0
    }
}

impl Percent {
    /// As people say it, 0.0 to 100.0.
    pub fn percent(self) -> f64 {
        self.0
    }

    /// As a fraction, 0.0 to 1.0.
    pub fn fraction(self) -> f64 {
        self.0 / 100.0
    }
}

impl Span {
    /// A span of whole seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Span(Duration::from_secs(secs))
    }

    /// The same as the standard library has it.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Rate {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong =
            || refuse("must be a rate above zero with its unit, such as \"500/s\", \"30/min\" or \"2.5/h\"");
        let (number, unit) = text.split_once('/').ok_or_else(wrong)?;
        let seconds = match unit.trim() {
            "s" | "sec" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            _ => return Err(wrong()),
        };
        let rate = decimal(number).ok_or_else(wrong)? / seconds;
        if rate > 0.0 && rate.is_finite() { Ok(Rate(rate)) } else { Err(wrong()) }
    }
}

impl FromStr for Percent {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || refuse("must be a share between \"0%\" and \"100%\", such as \"99.9%\"");
        let percent = text.trim().strip_suffix('%').and_then(decimal).ok_or_else(wrong)?;
        if (0.0..=100.0).contains(&percent) { Ok(Percent(percent)) } else { Err(wrong()) }
    }
}

impl FromStr for Span {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Months and years have no fixed length, and their letters are easily mistaken for minutes.
        let unit_is_vague =
            |word: &str| word.starts_with('M') || word.starts_with("month") || word.starts_with('y');
        let vague = text.split(|c: char| !c.is_alphabetic()).any(unit_is_vague);
        match humantime::parse_duration(text) {
            Ok(span) if !vague => Ok(Span(span)),
            _ => Err(refuse(
                "must be a span of time with its unit, such as \"250ms\", \"10s\", \"1m30s\" or \"2h\"",
            )),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.0)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, nanos) = (self.0.as_secs(), self.0.subsec_nanos());
        if self.0.is_zero() {
            return f.write_str("0s");
        }
        let parts = [
            (secs / 86_400, "d"),
            (secs / 3600 % 24, "h"),
            (secs / 60 % 60, "m"),
            (secs % 60, "s"),
            (u64::from(nanos / 1_000_000), "ms"),
            (u64::from(nanos / 1000 % 1000), "us"),
            (u64::from(nanos % 1000), "ns"),
        ];
        parts.iter().filter(|(count, _)| *count > 0).try_for_each(|(count, unit)| write!(f, "{count}{unit}"))
    }
}

/// A plain decimal number: digits and at most one point; no sign, no exponent, no `inf`.
fn decimal(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if plain { text.parse().ok() } else { None }
}

fn refuse(message: &str) -> ParseQuantityError {
    ParseQuantityError(message.to_owned())
}

macro_rules! serde_as_string {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl de::Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        // The parser knows best what would be right; an empty text makes it say so.
                        let why = "".parse::<$type>().map_or_else(|why| why.0, |_| String::new());
                        f.write_str(why.strip_prefix("must be ").unwrap_or(&why))
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    )*};
}

serde_as_string!(Rate, Percent, Span);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantities_are_read_as_people_write_them() {
        assert_eq!("500/s".parse::<Rate>().map(Rate::per_second), Ok(500.0));
        assert_eq!("30/min".parse::<Rate>().map(Rate::per_second), Ok(0.5));
        assert_eq!(" 2.5 / s ".parse::<Rate>().map(Rate::per_second), Ok(2.5));
        assert_eq!("99.9%".parse::<Percent>().map(Percent::percent), Ok(99.9));
        assert_eq!("30%".parse::<Percent>().map(Percent::fraction), Ok(0.3));
        assert_eq!("1m30s".parse::<Span>(), Ok(Span::from_secs(90)));
        assert_eq!("250ms".parse::<Span>(), Ok(Span(Duration::from_millis(250))));
        assert_eq!("0s".parse::<Span>(), Ok(Span::from_secs(0)));
        assert_eq!("1h 5min".parse::<Span>(), Ok(Span::from_secs(3900)));
    }

    #[test]
    fn what_is_not_a_quantity_is_refused_with_an_example() {
        for text in ["", "500", "0/s", "-1/s", "inf/s", "1e3/s", "500/fortnight", "/s", "1..2/s"] {
            let why = text.parse::<Rate>().expect_err(text).to_string();
            assert!(why.contains("\"500/s\""), "{text}: {why}");
        }
        for text in ["", "30", "101%", "-1%", "NaN%", "%"] {
            assert!(text.parse::<Percent>().expect_err(text).to_string().contains("\"99.9%\""));
        }
        for text in ["", "10", "-1s", "ten", "1M", "2months", "1y", "10 parsecs"] {
            assert!(text.parse::<Span>().expect_err(text).to_string().contains("\"10s\""));
        }
    }

    #[test]
    fn a_number_where_a_string_belongs_is_told_what_to_write() {
        let why = serde_json::from_str::<Span>("10").expect_err("a bare number").to_string();
        assert!(why.contains("a span of time with its unit"), "{why}");
    }

    proptest! {
        #[test]
        fn a_rate_prints_as_it_parses(rate in f64::MIN_POSITIVE..f64::MAX) {
            prop_assert_eq!(Rate(rate).to_string().parse(), Ok(Rate(rate)));
        }

        #[test]
        fn a_percent_prints_as_it_parses(percent in 0.0..=100.0_f64) {
            prop_assert_eq!(Percent(percent).to_string().parse(), Ok(Percent(percent)));
        }

        #[test]
        fn a_span_prints_as_it_parses(secs in 0..10_000_000_000_u64, nanos in 0..1_000_000_000_u32) {
            let span = Span(Duration::new(secs, nanos));
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = (text.parse::<Rate>().is_ok(), text.parse::<Percent>().is_ok(), text.parse::<Span>().is_ok());
        }
    }
}
