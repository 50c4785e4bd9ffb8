//! Values with the time they were taken at, as Send and notifications about the past carry them (LwM2M
//! Core TS, "Send"; RFC 8428 §4.5.3).

use super::entries::{admit, follows, is_value_within};
use super::names::BaseName;
use super::senml::{self, Content, Form, Head, Line};
use super::{Error, decode, encode};
use crate::protocol::coap::ContentFormat;
use crate::protocol::lwm2m::{Entry, Path};

/// From here on, times count from 1970; below, from now (RFC 8428 §4.5.3).
const FIRST_ABSOLUTE: f64 = 268_435_456.0;

/// A value and when it was taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Timed {
    /// Seconds as in SenML: from 2^28 on since 1970-01-01 UTC, below relative to when the payload is made,
    /// negative for the past. None is now.
    pub time: Option<f64>,
    /// The value.
    pub entry: Entry,
}

impl Timed {
    /// A value as it is now.
    pub fn now(entry: Entry) -> Self {
        Timed { time: None, entry }
    }

    /// A value of `time`, in seconds since 1970-01-01 UTC, at least 2^28 (in July 1978).
    pub fn at(time: f64, entry: Entry) -> Self {
        Timed { time: Some(time), entry }
    }

    /// When the value was taken, in seconds since 1970-01-01 UTC, if it is `now` in such seconds.
    pub fn taken_at(&self, now: f64) -> f64 {
        match self.time {
            Some(time) if time >= FIRST_ABSOLUTE => time,
            relative => now + relative.unwrap_or(0.0),
        }
    }

    /// The time as a number; -0 is 0.
    fn seconds(&self) -> f64 {
        self.time.unwrap_or(0.0) + 0.0
    }
}

/// Writes `values`, each at or below `base`, in the order given.
///
/// Formats: SenML CBOR and SenML JSON; LwM2M CBOR if no value has a time, and then in the order of paths.
///
/// # Errors
/// [`Error::Unsupported`] for other formats; [`Error::Time`] for a time that is not finite;
/// [`Error::Duplicate`] for two values of one place and time; otherwise as of [`encode`].
pub fn encode_timed(format: ContentFormat, base: Path, values: &[Timed]) -> Result<Vec<u8>, Error> {
    let form = form(format)?;
    for Timed { entry, .. } in values {
        is_value_within(base, entry.path)?;
    }
    check_times(values)?;
    let Some(form) = form else {
        if let Some(timed) = values.iter().find(|timed| timed.time.is_some()) {
            return Err(Error::Unencodable { path: timed.entry.path, why: "this format has no times" });
        }
        let entries: Vec<Entry> = values.iter().map(|timed| timed.entry.clone()).collect();
        return encode(format, base, &entries);
    };
    let base_time = base_time(values);
    let lines = values.iter().map(|timed| Line {
        path: timed.entry.path,
        time: timed
            .time
            .map(|time| time - base_time.unwrap_or(0.0))
            .filter(|&t| t != 0.0 || base_time.is_none()),
        content: Content::Value(&timed.entry.value),
    });
    let names = BaseName::new(base, values.iter().map(|timed| timed.entry.path));
    senml::write(form, &Head { names: Some(names), time: base_time }, lines)
}

/// The first time, if all others can be told after it without loss.
fn base_time(values: &[Timed]) -> Option<f64> {
    let base = values.first()?.time?;
    let exact = |time: f64| base + (time - base) == time;
    values.iter().all(|timed| timed.time.is_some_and(exact)).then_some(base)
}

/// Reads values, each at or below `base`, with their times, in the payload's order and in the formats of
/// [`encode_timed`].
///
/// # Errors
/// As of [`encode_timed`] and [`decode`].
pub fn decode_timed(format: ContentFormat, base: Path, payload: &[u8]) -> Result<Vec<Timed>, Error> {
    let Some(form) = form(format)? else {
        return Ok(decode(format, base, payload)?.into_iter().map(Timed::now).collect());
    };
    let mut values = Vec::new();
    senml::read(form, payload, |record| {
        let path = record.resource()?;
        admit(base, path)?;
        values.push(Timed { time: record.time, entry: Entry::new(path, record.value(path)?) });
        Ok(())
    })?;
    check_times(&values)?;
    Ok(values)
}

/// Which SenML; None for LwM2M CBOR, which has no times.
fn form(format: ContentFormat) -> Result<Option<Form>, Error> {
    match format {
        ContentFormat::SENML_CBOR => Ok(Some(Form::Cbor)),
        ContentFormat::SENML_JSON => Ok(Some(Form::Json)),
        ContentFormat::LWM2M_CBOR => Ok(None),
        other => Err(Error::Unsupported(other.0)),
    }
}

/// Whether times are numbers, and one place has one value at a time.
fn check_times(values: &[Timed]) -> Result<(), Error> {
    if let Some(timed) = values.iter().find(|timed| !timed.seconds().is_finite()) {
        return Err(Error::Time { path: timed.entry.path });
    }
    let mut sorted: Vec<(f64, Path)> =
        values.iter().map(|timed| (timed.seconds(), timed.entry.path)).collect();
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    match sorted.windows(2).find(|pair| pair[0].0 == pair[1].0 && !follows(pair[1].1, pair[0].1)) {
        Some(pair) => Err(Error::Duplicate { path: pair[1].1 }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
