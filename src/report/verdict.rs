//! Whether a run passed, and why not.

use serde::Serialize;

use super::Balance;
use crate::base::text::{count, counted};
use crate::metrics::{Doubt, Snapshot};

/// What a run sets out to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Goal {
    /// So many meters registered at one time.
    pub registered: u64,
}

/// The verdict on a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// True if the goal was reached, every binding balance closes, and, in a strict run, nothing is
    /// doubtful.
    pub passed: bool,
    /// The goal in words.
    pub goal: String,
    /// Whether the goal was reached.
    pub goal_reached: bool,
    /// Why the run did not pass, one sentence each.
    pub reasons: Vec<String>,
    /// Whether the figures may be the generator's own.
    pub doubtful: bool,
    /// Why they may be.
    pub doubts: Vec<DoubtFigures>,
}

/// A doubt as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DoubtFigures {
    /// `late-starts`, `late-receipts` or `kernel-drops`.
    pub name: &'static str,
    /// What is wrong, with figures.
    pub message: String,
    /// What to do about it.
    pub advice: &'static str,
}

impl Verdict {
    /// Judges a run.
    pub(super) fn new(snapshot: &Snapshot, balances: &[Balance], goal: Goal, strict: bool) -> Self {
        let goal_reached = snapshot.registered_peak >= goal.registered;
        let mut reasons = Vec::new();
        if !goal_reached {
            reasons.push(format!(
                "At most {} of the {} meters of the goal were registered at one time.",
                count(snapshot.registered_peak),
                count(goal.registered)
            ));
        }
        let open = balances.iter().filter(|balance| balance.binding && !balance.ok);
        reasons.extend(open.map(|balance| {
            let Balance { name, left, right, explanation, .. } = balance;
            format!("The balance {name} does not close ({left} against {right}): {explanation}.")
        }));
        if strict && !snapshot.doubts.is_empty() {
            reasons.push("The run is doubtful, and it was to be judged strictly.".to_owned());
        }
        Verdict {
            passed: reasons.is_empty(),
            goal: if goal.registered == snapshot.meters {
                format!("all {} registered", counted(goal.registered, "meter"))
            } else {
                format!("{} of {} registered", count(goal.registered), counted(snapshot.meters, "meter"))
            },
            goal_reached,
            reasons,
            doubtful: !snapshot.doubts.is_empty(),
            doubts: snapshot.doubts.iter().copied().map(DoubtFigures::from).collect(),
        }
    }
}

impl From<Doubt> for DoubtFigures {
    fn from(doubt: Doubt) -> Self {
        DoubtFigures { name: doubt.name(), message: doubt.to_string(), advice: doubt.advice() }
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::RequestKind;
    use crate::report::{Goal, RunReport, fixture};

    #[test]
    fn the_first_reason_that_applies_is_the_exit_code() {
        let totals = fixture::totals();
        let sound = || fixture::inputs(&totals);
        assert_eq!(RunReport::new(sound()).exit_code(), 0);

        let mut missed = sound();
        missed.goal = Goal { registered: 21 };
        let report = RunReport::new(missed);
        assert_eq!((report.exit_code(), report.verdict.passed), (1, false));
        assert_eq!(
            report.verdict.reasons,
            ["At most 20 of the 21 meters of the goal were registered at one time."]
        );

        let mut both = sound();
        both.goal = Goal { registered: 21 };
        both.in_flight[RequestKind::Register.index()] = 3;
        let report = RunReport::new(both);
        assert_eq!(report.exit_code(), 4);
        assert_eq!(report.verdict.reasons.len(), 2);
    }

    #[test]
    fn an_open_balance_for_information_does_not_fail_a_run() {
        let totals = fixture::totals();
        let mut inputs = fixture::inputs(&totals);
        fixture::seen(&mut inputs, 0).received = 1_000_000;
        let report = RunReport::new(inputs);
        assert!(report.balances.entries().iter().any(|(_, balance)| !balance.ok));
        assert_eq!((report.exit_code(), report.verdict.passed), (0, true));
    }

    #[test]
    fn a_doubtful_run_fails_only_if_it_is_judged_strictly() {
        let totals = fixture::doubtful_totals();
        let report = RunReport::new(fixture::inputs(&totals));
        assert!(report.verdict.doubtful);
        assert_eq!((report.exit_code(), report.verdict.passed), (0, true));
        let mut inputs = fixture::inputs(&totals);
        inputs.strict = true;
        let report = RunReport::new(inputs);
        assert_eq!((report.exit_code(), report.verdict.passed), (1, false));
    }
}
