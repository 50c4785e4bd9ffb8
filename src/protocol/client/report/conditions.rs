//! When an observer is to be told: what the attributes in force make of a value told and a value seen
//! (LwM2M Core 1.2.2 §7.3.2).

use std::time::Duration;

use crate::base::Instant;
use crate::protocol::lwm2m::{Attributes, Value};

/// The shortest wait between two looks at values that the device measures: attributes count in whole
/// seconds, and a Minimum Period of 0 is not to become a busy loop.
const SHORTEST: Duration = Duration::from_secs(1);

/// What was seen at one place, in the form in which it is kept until the next look: 64 bits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Seen {
    /// A number, integers beyond 2^53 rounded.
    Number(f64),
    /// A boolean.
    Flag(bool),
    /// The hash of anything else, such as all values of an instance.
    Digest(u64),
}

impl Seen {
    /// A single value.
    pub fn of(value: &Value) -> Option<Seen> {
        match *value {
            Value::Integer(number) => Some(Seen::Number(number as f64)),
            Value::Unsigned(number) => Some(Seen::Number(number as f64)),
            Value::Float(number) => Some(Seen::Number(number)),
            Value::Boolean(truth) => Some(Seen::Flag(truth)),
            _ => None,
        }
    }

    /// In the form it is kept.
    pub fn bits(self) -> u64 {
        match self {
            Seen::Number(number) => number.to_bits(),
            Seen::Flag(truth) => truth.into(),
            Seen::Digest(hash) => hash,
        }
    }

    /// Whether this, after what was kept before, is news under these attributes.
    ///
    /// Without thresholds and edges every change is. `gt` and `lt` are crossed in either direction; `st` is
    /// reached, by a change at all, when it lies between the two.
    pub fn is_news(self, before: u64, attributes: &Attributes) -> bool {
        let differs = self.bits() != before;
        match self {
            Seen::Number(now) => {
                let before = f64::from_bits(before);
                let thresholds = [attributes.gt, attributes.lt, attributes.st];
                // What is not a number lies on no side of anything.
                if thresholds == [None; 3] || now.is_nan() || before.is_nan() {
                    return differs;
                }
                let over = attributes.gt.is_some_and(|gt| (before > gt) != (now > gt));
                let under = attributes.lt.is_some_and(|lt| (before < lt) != (now < lt));
                let step = attributes.st.is_some_and(|st| differs && (now - before).abs() >= st);
                over || under || step
            }
            Seen::Flag(now) => differs && attributes.edge.is_none_or(|edge| edge == now),
            Seen::Digest(_) => differs,
        }
    }

    /// Whether the next look is to be compared with this one though the observer was not told: an edge is
    /// one of the value, not of what was told.
    pub fn is_baseline(self, attributes: &Attributes) -> bool {
        matches!(self, Seen::Flag(_)) && attributes.edge.is_some()
    }
}

/// The attributes in force for all that one observation is of.
///
/// Of a composite one whose paths differ: the longest Minimum Periods and the shortest Maximum Periods, so
/// that nothing is told more often than its path allows, nor less often where that can be; Confirmable if
/// one is.
pub(super) fn together(all: impl Iterator<Item = Attributes>) -> Attributes {
    fn least(a: Option<u32>, b: Option<u32>) -> Option<u32> {
        a.into_iter().chain(b).min()
    }
    // A Maximum Period of 0 is none at all.
    let bounded = |pmax: Option<u32>| pmax.filter(|&pmax| pmax != 0);
    let merge = |a: Attributes, b: Attributes| Attributes {
        pmin: a.pmin.max(b.pmin),
        pmax: least(bounded(a.pmax), bounded(b.pmax)),
        epmin: a.epmin.max(b.epmin),
        epmax: least(a.epmax, b.epmax),
        gt: a.gt.or(b.gt),
        lt: a.lt.or(b.lt),
        st: a.st.or(b.st),
        edge: a.edge.or(b.edge),
        con: a.con.max(b.con),
        hqmax: a.hqmax.max(b.hqmax),
    };
    all.reduce(merge).unwrap_or_default()
}

/// The periods of an observation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Periods {
    pmin: Duration,
    pmax: Option<Duration>,
    /// From one look at measured values to the next.
    look: Duration,
}

impl Periods {
    /// Those that `attributes` set; `sampling` is how often measured values are looked at if none of them
    /// says.
    ///
    /// `epmin` and `epmax` bound the time between looks; within them it is the Minimum Period, or a second
    /// where thresholds have to be watched without one.
    pub fn of(attributes: &Attributes, sampling: Duration) -> Self {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let pmin = attributes.pmin.map_or(Duration::ZERO, seconds);
        let watches = attributes.gt.is_some()
            || attributes.lt.is_some()
            || attributes.st.is_some()
            || attributes.edge.is_some();
        let natural = if attributes.pmin.is_some() || watches { pmin } else { sampling };
        let at_least = attributes.epmin.map_or(SHORTEST, seconds).max(SHORTEST);
        let at_most = attributes.epmax.map_or(Duration::MAX, seconds).max(at_least);
        let pmax = attributes.max_period().map(seconds);
        Periods { pmin, pmax, look: natural.clamp(at_least, at_most) }
    }

    /// Whether a notification is to go out now, the last one having gone out at `told`.
    pub fn is_due(&self, told: Instant, news: bool, now: Instant) -> bool {
        let longest = self.pmax.is_some_and(|pmax| told + pmax <= now);
        longest || (news && told + self.pmin <= now)
    }

    /// When to look again, if that has just been done: at the end of the Minimum Period if there is news
    /// that waits for it, else by the Maximum Period, else when measured values are to be looked at.
    pub fn next(&self, told: Instant, news: bool, measured: bool, now: Instant) -> Instant {
        let longest = self.pmax.map_or(Instant::FAR, |pmax| told + pmax);
        if news {
            return longest.min(told + self.pmin);
        }
        let look = if measured { now + self.look } else { Instant::FAR };
        longest.min(look)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(query: &str) -> Attributes {
        use crate::protocol::lwm2m::{AttributeChange, Version};
        let change = AttributeChange::parse(query.split('&').filter(|part| !part.is_empty()), Version::V1_2);
        change.unwrap().apply(&Attributes::default())
    }

    fn news(query: &str, before: f64, now: f64) -> bool {
        Seen::Number(now).is_news(Seen::Number(before).bits(), &attributes(query))
    }

    #[test]
    fn a_threshold_is_crossed_in_both_directions() {
        assert!(news("gt=10", 9.0, 11.0) && news("gt=10", 11.0, 10.0));
        assert!(!news("gt=10", 9.0, 10.0) && !news("gt=10", 11.0, 99.0));
        assert!(news("lt=10", 10.0, 9.0) && news("lt=10", 9.0, 10.0));
        assert!(!news("lt=10", 10.0, 11.0) && !news("lt=10", 9.0, 1.0));
    }

    #[test]
    fn a_step_is_a_change_of_that_much_or_more() {
        assert!(news("st=2", 5.0, 7.0) && news("st=2", 5.0, 3.0) && !news("st=2", 5.0, 6.9));
        assert!(!news("st=0", 5.0, 5.0) && news("st=0", 5.0, 5.1));
        assert!(news("st=100&gt=6", 5.0, 7.0), "one of them is enough");
    }

    #[test]
    fn without_thresholds_every_change_is_news_and_nothing_else() {
        assert!(news("pmin=1", 5.0, 5.1) && !news("pmin=1", 5.0, 5.0));
        assert!(!news("", f64::NAN, f64::NAN) && news("gt=1", f64::NAN, 1.0));
    }

    #[test]
    fn an_edge_is_one_direction_of_a_boolean() {
        let news = |query: &str, before: bool, now: bool| {
            Seen::Flag(now).is_news(Seen::Flag(before).bits(), &attributes(query))
        };
        assert!(news("edge=1", false, true) && !news("edge=1", true, false) && !news("edge=1", true, true));
        assert!(news("edge=0", true, false) && !news("edge=0", false, true));
        assert!(news("", true, false) && news("", false, true));
    }

    #[test]
    fn evaluation_periods_bound_how_often_values_are_looked_at() {
        let look = |query| Periods::of(&attributes(query), Duration::from_secs(60)).look.as_secs();
        assert_eq!(look(""), 60);
        assert_eq!(look("pmax=300"), 60);
        assert_eq!(look("pmin=0"), 1);
        assert_eq!(look("st=1"), 1);
        assert_eq!(look("pmin=30&st=1"), 30);
        assert_eq!(look("pmin=30&epmax=5"), 5);
        assert_eq!(look("st=1&epmin=20&epmax=40"), 20);
        assert_eq!(look("epmin=90"), 90);
    }

    #[test]
    fn a_composite_is_told_no_more_often_than_any_of_its_paths_allows() {
        let all = ["pmin=10&pmax=100", "pmin=20&pmax=0&con=1", "pmax=50"].map(attributes);
        assert_eq!(together(all.into_iter()).to_string(), "pmin=20&pmax=50&con=1");
        assert_eq!(together(std::iter::empty()), Attributes::default());
    }
}
