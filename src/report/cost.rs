//! What a registration costs: the way from a meter without anything to one the EMS knows.

use serde::Serialize;

use super::{CoarseFigures, Inputs};
use crate::metrics::{Leg, RequestFate, RequestKind, Snapshot, Stage};

/// What a registration costs on average, leg by leg, as seen from the meter.
///
/// Bootstrap and Register are measured at the meters: all their datagrams of that leg, those of failed
/// attempts and retransmissions among them, divided by how often the leg came to its end. The interview is
/// measured at the EMS, and divided by the interviews begun.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RegistrationCost {
    /// Power-on, or a new bootstrap, to the Finish.
    pub bootstrap: Option<Cost>,
    /// Register to 2.01.
    pub register: Option<Cost>,
    /// The Reads and Observes that follow; none if the EMS is not embedded, or asks nothing.
    pub interview: Option<Cost>,
    /// From the 2.01 to the last answer, of the interviews completed.
    pub interview_duration: Option<CoarseFigures>,
}

/// Means of one leg.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// How often the leg was gone: what the means are over.
    pub count: u64,
    /// Requests answered, of either side.
    pub answers: f64,
    /// Datagrams sent by the meter.
    pub sent: f64,
    /// Their bytes of UDP payload.
    pub sent_bytes: f64,
    /// Datagrams received by the meter.
    pub received: f64,
    /// Their bytes of UDP payload.
    pub received_bytes: f64,
}

/// Commands of a Bootstrap-Server, by the stage that ends with each.
const COMMANDS: [Stage; 5] = [
    Stage::BootstrapDiscover,
    Stage::BootstrapRead,
    Stage::BootstrapWrite,
    Stage::BootstrapDelete,
    Stage::BootstrapFinish,
];

impl RegistrationCost {
    pub(super) fn new(snapshot: &Snapshot, inputs: &Inputs<'_>) -> Self {
        let answered = |kind: RequestKind| snapshot.requests[kind.index()].of(RequestFate::Answered);
        let commands: u64 = COMMANDS.iter().map(|stage| snapshot.stage(*stage).count).sum();
        let asked = answered(RequestKind::BootstrapRequest) + answered(RequestKind::BootstrapPackRequest);
        let leg = |leg: Leg, times: Stage, answers: u64| {
            let traffic = snapshot.legs[leg.index()];
            let sums = [answers, traffic.sent, traffic.sent_bytes, traffic.received, traffic.received_bytes];
            Cost::mean(snapshot.stage(times).count, sums)
        };
        let interviews = inputs.managed().map(|managed| &managed.interviews);
        RegistrationCost {
            bootstrap: leg(Leg::Bootstrap, Stage::Bootstrap, asked + commands),
            register: leg(Leg::Register, Stage::Registration, answered(RequestKind::Register)),
            // What the EMS received, the meters sent.
            interview: interviews.and_then(|all| {
                let answers = all.ok + all.errors;
                let sums = [answers, all.received, all.received_bytes, all.sent, all.sent_bytes];
                Cost::mean(all.begun, sums)
            }),
            interview_duration: interviews.filter(|all| all.begun > 0).map(|all| all.duration),
        }
    }

    /// The legs that were gone, by name.
    pub(super) fn legs(&self) -> impl Iterator<Item = (&'static str, &Cost)> {
        let legs =
            [("bootstrap", &self.bootstrap), ("register", &self.register), ("interview", &self.interview)];
        legs.into_iter().filter_map(|(name, cost)| Some((name, cost.as_ref()?)))
    }
}

impl Cost {
    fn mean(count: u64, sums: [u64; 5]) -> Option<Self> {
        let [answers, sent, sent_bytes, received, received_bytes] =
            sums.map(|sum| sum as f64 / count.max(1) as f64);
        (count > 0).then_some(Cost { count, answers, sent, sent_bytes, received, received_bytes })
    }

    /// The means alone, in the order they are shown in.
    pub(super) fn means(&self) -> [f64; 5] {
        [self.answers, self.sent, self.sent_bytes, self.received, self.received_bytes]
    }
}

#[cfg(test)]
mod tests {
    use crate::report::{RunReport, fixture};

    #[test]
    fn a_registration_costs_what_its_legs_do() {
        let totals = fixture::managed_totals();
        let cost = RunReport::new(fixture::managed(&totals)).registration_cost;
        // Of 24 Registers of 70 bytes, which made 20 registrations, 23 were answered with 30 bytes.
        let register = cost.register.expect("meters registered");
        assert_eq!((register.count, register.answers), (20, 23.0 / 20.0));
        assert_eq!((register.sent, register.sent_bytes), (24.0 / 20.0, 84.0));
        assert_eq!((register.received, register.received_bytes), (23.0 / 20.0, 34.5));
        // The Bootstrap-Request, a Write and the Finish.
        assert_eq!(cost.bootstrap.map(|cost| (cost.count, cost.answers, cost.sent)), Some((20, 3.0, 1.0)));
        // The EMS received what the meters sent.
        let interview = cost.interview.expect("the EMS asked");
        assert_eq!((interview.count, interview.answers, interview.sent_bytes), (20, 12.95, 1_300.0));
        assert_eq!(cost.interview_duration.and_then(|took| took.max_us), Some(9_876));
    }

    #[test]
    fn what_was_not_measured_costs_nothing_known() {
        let totals = crate::metrics::Totals::new(1, 0);
        let cost = RunReport::new(fixture::inputs(&totals)).registration_cost;
        assert_eq!((cost.bootstrap, cost.register, cost.interview), (None, None, None));
        assert_eq!(cost.legs().count(), 0);
    }

    #[test]
    fn without_an_ems_of_ours_its_part_is_not_known() {
        let totals = fixture::managed_totals();
        let mut inputs = fixture::managed(&totals);
        inputs.servers[1].seen = None;
        let cost = RunReport::new(inputs).registration_cost;
        assert!(cost.register.is_some() && cost.interview.is_none() && cost.interview_duration.is_none());
    }
}
