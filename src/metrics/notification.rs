//! What meters tell of their own accord to whoever observes them, and what becomes of it.

use super::closed::closed_enum;

closed_enum! {
    /// What became of a notification. Each `SentConfirmable` is followed by exactly one of `Acknowledged`,
    /// `Reset`, `TimedOut`, `Superseded` and `Abandoned`, or the notification is in flight when the run ends.
    pub enum NotificationFate {
        /// Sent for the first time, or to be sent when its turn comes: to be acknowledged.
        SentConfirmable = "sent-confirmable",
        /// Sent once.
        SentNonConfirmable = "sent-non-confirmable",
        /// The observer has a confirmable one.
        Acknowledged = "acknowledged",
        /// The observer reset a confirmable one.
        Reset = "reset",
        /// The observer reset a non-confirmable one.
        ResetNonConfirmable = "reset-non-confirmable",
        /// A confirmable one was not acknowledged within the time the protocol allows.
        TimedOut = "timed-out",
        /// A newer one took the place of a confirmable one.
        Superseded = "superseded",
        /// The meter itself gave a confirmable one up.
        Abandoned = "abandoned",
        /// The server could not be reached: kept for later.
        Stored = "stored",
        /// The server could not be reached: neither told nor kept.
        Dropped = "dropped",
    }
}

impl NotificationFate {
    /// Whether a confirmable notification ends in this.
    pub const fn ends_confirmable(self) -> bool {
        use NotificationFate::{Abandoned, Acknowledged, Reset, Superseded, TimedOut};
        matches!(self, Acknowledged | Reset | TimedOut | Superseded | Abandoned)
    }
}

/// How many notifications met which fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotificationCounts([u64; NotificationFate::COUNT]);

impl NotificationCounts {
    /// Notifications that met this fate.
    pub fn of(&self, fate: NotificationFate) -> u64 {
        self.0[fate.index()]
    }

    pub(super) fn count(&mut self, fate: NotificationFate) {
        self.0[fate.index()] += 1;
    }

    pub(super) fn merge(&mut self, other: &NotificationCounts) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine += theirs);
    }
}
