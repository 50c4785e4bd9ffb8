//! `histograms.hlog`: an HdrHistogram interval log, V2, compressed; one tagged line for each series
//! and second. Every latency figure of the report can be computed from it again: see [`recompute`].
//!
//! Values are microseconds. A value outside the bounds of the histograms stands at the bound; how
//! many there were, and the largest, is told by a comment line that other readers skip:
//! `#[OutOfRange: Tag=onboarding,below=0,above=2,largest_us=4200000000]`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::serialization::interval_log::{
    IntervalLogHistogram, IntervalLogIterator, IntervalLogWriterBuilder, IntervalLogWriterError, LogEntry,
    LogIteratorError, Tag,
};
use hdrhistogram::serialization::{Deserializer, V2DeflateSerializer};

use crate::metrics::{LatencyHistogram, OutOfRange, Second};

const OUT_OF_RANGE: &str = "#[OutOfRange: Tag=";

/// Writes the head of a log whose run began `started_at` after 1970-01-01 UTC.
pub(super) fn write_header(out: &mut impl Write, version: &str, started_at: Duration) -> io::Result<()> {
    let origin = UNIX_EPOCH + started_at;
    IntervalLogWriterBuilder::new()
        .add_comment(&format!("[Logged by bootstorm {version}; values in microseconds]"))
        .add_comment("[Histogram log format version 1.3]")
        .with_start_time(origin)
        .with_base_time(origin)
        .begin_log_with(out, &mut V2DeflateSerializer::new())?;
    writeln!(out, "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"")
}

/// Writes the histograms of one second.
pub(super) fn write_second(out: &mut impl Write, second: &Second) -> io::Result<()> {
    let mut serializer = V2DeflateSerializer::new();
    let length = second.row.elapsed.saturating_sub(second.start);
    for (series, histogram) in second.histograms() {
        IntervalLogWriterBuilder::new()
            .begin_log_with(out, &mut serializer)?
            .write_histogram(histogram.raw(), second.start, length, Tag::new(series.name()))
            .map_err(|error| match error {
                IntervalLogWriterError::IoError(error) => error,
                IntervalLogWriterError::SerializeError(error) => io::Error::other(error),
            })?;
        let OutOfRange { below, above, largest_us } = histogram.out_of_range();
        if !histogram.out_of_range().is_empty() {
            let tag = series.name();
            writeln!(out, "{OUT_OF_RANGE}{tag},below={below},above={above},largest_us={largest_us}]")?;
        }
    }
    Ok(())
}

/// Why a log could not be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HlogError {
    /// It is not an interval log.
    #[error("not an interval log: cannot read what begins at byte {offset}")]
    Syntax {
        /// Where reading failed, in bytes from the beginning.
        offset: usize,
    },
    /// A histogram in it is damaged, or does not fit the bounds of this program's histograms.
    #[error("the histogram of `{tag}` at {at:?} cannot be read: {reason}")]
    Histogram {
        /// Its tag; empty if it has none.
        tag: String,
        /// Where its interval begins.
        at: Duration,
        /// What is wrong with it.
        reason: String,
    },
    /// A comment about values outside the bounds is damaged.
    #[error("cannot read the comment `{line}`")]
    OutOfRange {
        /// The whole line.
        line: String,
    },
}

/// Merges the histograms of a log by tag, which is the name of a stage or of a lag of the generator.
///
/// # Errors
/// If the log is damaged: nothing is skipped.
pub fn recompute(log: &[u8]) -> Result<BTreeMap<String, LatencyHistogram>, HlogError> {
    let mut series: BTreeMap<String, LatencyHistogram> = BTreeMap::new();
    for entry in IntervalLogIterator::new(log) {
        match entry {
            Ok(LogEntry::Interval(interval)) => merge(&mut series, &interval)?,
            Ok(LogEntry::StartTime(_) | LogEntry::BaseTime(_)) => {}
            Err(LogIteratorError::ParseError { offset }) => return Err(HlogError::Syntax { offset }),
        }
    }
    for line in String::from_utf8_lossy(log).lines() {
        if let Some(comment) = line.strip_prefix(OUT_OF_RANGE) {
            let (tag, counts) =
                parse_out_of_range(comment).ok_or_else(|| HlogError::OutOfRange { line: line.to_owned() })?;
            series.entry(tag.to_owned()).or_default().merge_out_of_range(counts);
        }
    }
    Ok(series)
}

fn merge(
    series: &mut BTreeMap<String, LatencyHistogram>,
    interval: &IntervalLogHistogram<'_>,
) -> Result<(), HlogError> {
    let tag = interval.tag().map_or("", |tag| tag.as_str());
    let fail =
        |reason: String| HlogError::Histogram { tag: tag.to_owned(), at: interval.start_timestamp(), reason };
    let bytes = BASE64.decode(interval.encoded_histogram()).map_err(|error| fail(error.to_string()))?;
    let histogram =
        Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(|error| fail(error.to_string()))?;
    let known = series.entry(tag.to_owned()).or_default();
    known.merge_raw(&histogram).map_err(|error| fail(error.to_string()))
}

/// `onboarding,below=0,above=2,largest_us=4200000000]`
fn parse_out_of_range(comment: &str) -> Option<(&str, OutOfRange)> {
    let mut fields = comment.strip_suffix(']')?.split(',');
    let tag = fields.next()?;
    let mut figure = |name: &str| fields.next()?.strip_prefix(name)?.strip_prefix('=')?.parse().ok();
    let counts =
        OutOfRange { below: figure("below")?, above: figure("above")?, largest_us: figure("largest_us")? };
    fields.next().is_none().then_some((tag, counts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Instant, Seed};
    use crate::metrics::{Event, Phase, Recorder, Series, Stage, Totals};
    use crate::report::fixture;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    fn log_of(totals: &mut Totals) -> Vec<u8> {
        let mut log = Vec::new();
        write_header(&mut log, "0.1.0", Duration::from_secs(1_767_323_045)).expect("memory takes every byte");
        for second in totals.take_finished() {
            write_second(&mut log, &second).expect("memory takes every byte");
        }
        log
    }

    #[test]
    fn every_figure_can_be_computed_again() {
        let mut totals = fixture::totals();
        let series = recompute(&log_of(&mut totals)).expect("our own log");
        for known in Series::all() {
            let original = totals.histogram(known).map(LatencyHistogram::summary);
            assert_eq!(series.get(known.name()).map(LatencyHistogram::summary), original, "{}", known.name());
        }
        assert!(series.contains_key("onboarding") && series.contains_key("generator-lag-receipt"));
    }

    #[test]
    fn values_outside_the_bounds_survive() {
        let mut totals = Totals::new(1, 1);
        let mut recorder = Recorder::new(0, 1, Seed(1));
        for second in 1..=2 {
            for latency in [Duration::ZERO, Duration::from_millis(5), Duration::from_secs(4000 + second)] {
                recorder.record(Event::Stage { stage: Stage::Update, latency });
            }
            totals.absorb(recorder.take(Instant::from_secs(second)));
        }
        totals.set_phase(Phase::Finished);
        let series = recompute(&log_of(&mut totals)).expect("our own log");
        let again = series["update"].summary();
        assert_eq!(again, totals.snapshot().stage(Stage::Update));
        assert_eq!((again.out_of_range.below, again.out_of_range.above, again.max_us), (2, 2, 4_002_000_000));
    }

    #[test]
    fn the_log_reads_as_others_write_theirs() {
        let log = String::from_utf8(log_of(&mut fixture::totals())).expect("it is text");
        let mut lines = log.lines().skip(1);
        assert_eq!(lines.next(), Some("#[Histogram log format version 1.3]"));
        assert_eq!(lines.next(), Some("#[StartTime: 1767323045.000 (seconds since epoch)]"));
        assert_eq!(lines.next(), Some("#[BaseTime: 1767323045.000 (seconds since epoch)]"));
        assert!(lines.next().is_some_and(|legend| legend.starts_with("\"StartTimestamp\"")));
        let first = lines.next().expect("a first interval");
        // HISTF: how a compressed histogram begins in base64.
        assert!(first.starts_with("Tag=onboarding,0.000,1.000,") && first.contains(",HISTF"), "{first}");
    }

    #[test]
    fn damage_is_named() {
        let log = b"Tag=update,0.000,1.000,5.000,HISTFAAAAA==\n";
        let error = recompute(log).expect_err("too short for a histogram");
        assert!(matches!(&error, HlogError::Histogram { tag, .. } if tag == "update"), "{error}");
        assert_eq!(recompute(b"what is this\n").expect_err("no log"), HlogError::Syntax { offset: 0 });
        let comment = format!("{OUT_OF_RANGE}update,below=1]");
        assert_eq!(
            recompute(format!("{comment}\n").as_bytes()).expect_err("too short"),
            HlogError::OutOfRange { line: comment }
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = recompute(&bytes);
            let line = format!("Tag=x,0.000,1.000,5.000,{}\n", BASE64.encode(&bytes));
            let _ = recompute(line.as_bytes());
        }

        #[test]
        fn a_flipped_byte_does_not_make_it_panic(place in 0_usize..4000, byte: u8) {
            static LOG: LazyLock<Vec<u8>> = LazyLock::new(|| log_of(&mut fixture::totals()));
            let mut log = LOG.clone();
            let place = place % log.len();
            log[place] = byte;
            let _ = recompute(&log);
        }
    }
}
