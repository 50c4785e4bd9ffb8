//! What every table has: numbers, spans and names in their range, and the words for those that are not.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use crate::base::text::count;
use crate::base::{Percent, Span};

use super::super::error::Fault;

pub(super) const DAY: Span = Span::from_secs(86_400);
pub(super) const WEEK: Span = Span::from_secs(7 * 86_400);
pub(super) const MONTH: Span = Span::from_secs(30 * 86_400);
pub(super) const YEAR: Span = Span::from_secs(365 * 86_400);
pub(super) const NONE: Span = Span(Duration::ZERO);
pub(super) const SECOND: Span = Span::from_secs(1);

/// A whole number in its range; all ranges here fit 32 bits and have no negative end.
pub(super) fn whole(
    key: &str,
    value: Option<i64>,
    default: i64,
    range: RangeInclusive<i64>,
) -> Result<u32, Fault> {
    let value = value.unwrap_or(default);
    let fitting = range.contains(&value).then(|| u32::try_from(value).ok()).flatten();
    fitting.ok_or_else(|| {
        let [least, most] = [range.start(), range.end()].map(|end| count(end.unsigned_abs()));
        Fault::new(key, value, format!("must be between {least} and {most}"), format!("try {default}"))
    })
}

/// A span in its range.
pub(super) fn span(
    key: &str,
    value: Option<Span>,
    default: &str,
    range: RangeInclusive<Span>,
) -> Result<Span, Fault> {
    let value = value.unwrap_or_else(|| built_in(default));
    if range.contains(&value) {
        return Ok(value);
    }
    let problem = format!("must be between {} and {}", range.start(), range.end());
    let advice: Span = built_in(default);
    let advice = if range.contains(&advice) { quoted(default) } else { quoted(range.end()) };
    Err(Fault::new(key, quoted(value), problem, format!("try {advice}")))
}

/// A span that travels as an integer of seconds.
pub(super) fn seconds(
    key: &str,
    value: Option<Span>,
    default: &str,
    range: RangeInclusive<Span>,
) -> Result<Span, Fault> {
    let value = span(key, value, default, range)?;
    if value.duration().subsec_nanos() > 0 {
        let hint = format!("try {}", quoted(default));
        return Err(Fault::new(
            key,
            quoted(value),
            "must be whole seconds: LwM2M sends it as an integer",
            hint,
        ));
    }
    Ok(value)
}

pub(super) fn parsed<T: FromStr<Err: Display>>(key: &str, text: &str, hint: &str) -> Result<T, Fault> {
    text.parse().map_err(|why: T::Err| Fault::new(key, quoted(text), why.to_string(), hint))
}

/// A quantity written in this file.
pub(super) fn built_in<T: FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("defaults are written correctly")
}

pub(super) fn quoted(value: impl Display) -> String {
    toml::Value::String(value.to_string()).to_string()
}

/// A share; none at all where it is not given.
pub(super) fn share(value: Option<Percent>) -> Percent {
    value.unwrap_or_else(|| built_in("0%"))
}

/// One of several words.
pub(super) fn word<T: Copy>(key: &str, text: &str, words: &[(&str, T)]) -> Result<T, Fault> {
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let list: Vec<String> = words.iter().map(|(word, _)| quoted(word)).collect();
        let problem = match list.split_last() {
            Some((last, others)) if !others.is_empty() => {
                format!("must be {} or {last}", others.join(", "))
            }
            _ => format!("must be {}", list.concat()),
        };
        let hint = list.first().map(|first| format!("try {first}")).unwrap_or_default();
        Fault::new(key, quoted(text), problem, hint)
    })
}
