//! The states of a meter, and how many meters are in each.

use std::ops::{AddAssign, Index, IndexMut};

use super::closed::closed_enum;

closed_enum! {
    /// The one state a meter is in; the counts of all states add up to the fleet.
    pub enum MeterState {
        /// Not powered on yet.
        Planned = "planned",
        /// Powered on, waiting out the client hold-off time before its first bootstrap request.
        HoldOff = "hold-off",
        /// Between its bootstrap request and the Finish.
        Bootstrapping = "bootstrapping",
        /// Its bootstrap failed; it waits before it tries again.
        BootstrapBackoff = "bootstrap-backoff",
        /// Between its Register and the answer.
        Registering = "registering",
        /// Its registration failed, or its first one is to be delayed; it waits before it tries.
        RegistrationBackoff = "registration-backoff",
        /// Registered; an Update may be under way.
        Registered = "registered",
        /// Between its De-register and the answer.
        Deregistering = "deregistering",
        /// Told by its server to stay away for a while; it registers again afterwards.
        Disabled = "disabled",
        /// Left in good order.
        Deregistered = "deregistered",
        /// Gave up by the protocol's own rules; nothing will happen any more.
        Failed = "failed",
        /// Its actor panicked and was not replaced.
        Crashed = "crashed",
        /// Powered on, and stopped by the end of the run without de-registering.
        Stopped = "stopped",
    }
}

/// How many meters are in each state.
///
/// Signed, so that a transition out of an empty state shows as a negative count instead of hiding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct States([i64; MeterState::COUNT]);

impl States {
    /// A fleet of which every meter is still to be powered on.
    pub fn all_planned(meters: u32) -> Self {
        let mut states = States::default();
        states[MeterState::Planned] = i64::from(meters);
        states
    }

    /// Meters counted by [`MeterState::index`].
    pub fn of(counts: [i64; MeterState::COUNT]) -> Self {
        States(counts)
    }

    /// One meter goes from one state to another.
    pub(super) fn transition(&mut self, from: MeterState, to: MeterState) {
        self[from] -= 1;
        self[to] += 1;
    }

    /// Meters in all states together.
    pub fn total(&self) -> i64 {
        self.0.iter().sum()
    }

    /// Meters on the way to a registration, those included that wait for something before it.
    pub fn under_way(&self) -> i64 {
        use MeterState as S;
        let states = [
            S::Planned,
            S::HoldOff,
            S::Bootstrapping,
            S::BootstrapBackoff,
            S::Registering,
            S::RegistrationBackoff,
        ];
        states.into_iter().map(|state| self[state]).sum()
    }

    /// Meters that, once the fleet is told to leave, are still to do so: all that were switched on and have
    /// come to no end yet.
    pub fn leaving(&self) -> i64 {
        use MeterState as S;
        let ended = [S::Planned, S::Deregistered, S::Failed, S::Crashed, S::Stopped];
        self.total() - ended.into_iter().map(|state| self[state]).sum::<i64>()
    }

    /// Every state with its count, in the order of [`MeterState::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (MeterState, i64)> + '_ {
        MeterState::ALL.into_iter().map(|state| (state, self[state]))
    }
}

impl Index<MeterState> for States {
    type Output = i64;
    fn index(&self, state: MeterState) -> &i64 {
        &self.0[state.index()]
    }
}

impl IndexMut<MeterState> for States {
    fn index_mut(&mut self, state: MeterState) -> &mut i64 {
        &mut self.0[state.index()]
    }
}

impl AddAssign for States {
    fn add_assign(&mut self, other: States) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_that_waits_is_under_way_and_one_that_gave_up_is_not() {
        let only = |state: MeterState| {
            let mut states = States::default();
            states[state] = 1;
            (states.under_way(), states.leaving())
        };
        assert_eq!(only(MeterState::Planned), (1, 0));
        assert_eq!(only(MeterState::RegistrationBackoff), (1, 1));
        assert_eq!(only(MeterState::Registering), (1, 1));
        assert_eq!(only(MeterState::Registered), (0, 1));
        assert_eq!(only(MeterState::Disabled), (0, 1));
        assert_eq!(only(MeterState::Failed), (0, 0));
        assert_eq!(only(MeterState::Deregistered), (0, 0));
    }

    #[test]
    fn transitions_keep_the_total_and_show_a_wrong_origin() {
        let mut states = States::all_planned(2);
        states.transition(MeterState::Planned, MeterState::HoldOff);
        assert_eq!((states[MeterState::Planned], states[MeterState::HoldOff]), (1, 1));
        states.transition(MeterState::Registered, MeterState::Failed);
        assert_eq!(states[MeterState::Registered], -1);
        assert_eq!(states.total(), 2);
    }
}
