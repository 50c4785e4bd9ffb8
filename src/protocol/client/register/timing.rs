//! When Updates are sent. The TS gives no formula, and each client has its own.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The wait from a registration or an Update to the next Update, by the lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum UpdateTiming {
    /// Half of the lifetime, as GEISA wants it.
    #[default]
    Half,
    /// The lifetime less MAX_TRANSMIT_WAIT, 93 s, but at least half of it (Anjay, Wakaama).
    LifetimeLess93,
    /// The lifetime less EXCHANGE_LIFETIME, 247 s; of one that is not longer, half (Leshan).
    LifetimeLess247,
    /// The lifetime less 10 s; of one that is not longer, half (Zephyr).
    LifetimeLess10,
    /// 250 s + (lifetime - 300 s) * 19/20, but at least half of the lifetime (Quectel BC66).
    Bc66,
}

impl UpdateTiming {
    /// All of them.
    pub const ALL: [UpdateTiming; 5] = [
        UpdateTiming::Half,
        UpdateTiming::LifetimeLess93,
        UpdateTiming::LifetimeLess247,
        UpdateTiming::LifetimeLess10,
        UpdateTiming::Bc66,
    ];

    /// The wait for a lifetime in seconds; `None` for the lifetime zero, which never ends (LwM2M 1.2) and
    /// so needs no heartbeat.
    pub fn wait(self, lifetime: u32) -> Option<Duration> {
        if lifetime == 0 {
            return None;
        }
        let whole = Duration::from_secs(lifetime.into());
        let half = whole / 2;
        let less = |seconds| whole.checked_sub(Duration::from_secs(seconds)).filter(|wait| !wait.is_zero());
        Some(match self {
            UpdateTiming::Half => half,
            UpdateTiming::LifetimeLess93 => less(93).map_or(half, |wait| wait.max(half)),
            UpdateTiming::LifetimeLess247 => less(247).unwrap_or(half),
            UpdateTiming::LifetimeLess10 => less(10).unwrap_or(half),
            // 250 - 300 * 19/20 = -35.
            UpdateTiming::Bc66 => (whole * 19 / 20).saturating_sub(Duration::from_secs(35)).max(half),
        })
    }

    fn name(self) -> &'static str {
        match self {
            UpdateTiming::Half => "half",
            UpdateTiming::LifetimeLess93 => "lt-93",
            UpdateTiming::LifetimeLess247 => "lt-247",
            UpdateTiming::LifetimeLess10 => "lt-10",
            UpdateTiming::Bc66 => "bc66",
        }
    }
}

impl fmt::Display for UpdateTiming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no way to time Updates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no update timing; known are \"half\", \"lt-93\", \"lt-247\", \"lt-10\" and \"bc66\"")]
pub struct ParseUpdateTimingError(String);

impl FromStr for UpdateTiming {
    type Err = ParseUpdateTimingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = UpdateTiming::ALL.into_iter().find(|timing| timing.name() == text);
        found.ok_or_else(|| ParseUpdateTimingError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_timing_has_its_formula_and_its_floor() {
        let waits =
            |lifetime| UpdateTiming::ALL.map(|timing| timing.wait(lifetime).map(|wait| wait.as_secs()));
        assert_eq!(waits(300), [150, 207, 53, 290, 250].map(Some));
        assert_eq!(waits(86_400), [43_200, 86_307, 86_153, 86_390, 82_045].map(Some));
        // Short ones: half at the least, never nothing.
        assert_eq!(waits(100), [50, 50, 50, 90, 60].map(Some));
        assert_eq!(waits(10), [5; 5].map(Some));
        assert_eq!(waits(0), [None; 5]);
    }

    #[test]
    fn every_timing_is_found_by_its_name() {
        for timing in UpdateTiming::ALL {
            assert_eq!(timing.to_string().parse(), Ok(timing));
        }
        let error = "lt-1".parse::<UpdateTiming>().unwrap_err();
        assert!(UpdateTiming::ALL.iter().all(|known| error.to_string().contains(known.name())), "{error}");
    }
}
