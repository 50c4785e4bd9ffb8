//! A run in small.

use super::*;
use crate::fleet::arrivals::{ArrivalsConfig, Pace, Process};
use crate::fleet::plan::{Addressing, Plan, PlanConfig};
use crate::sim::{DryRunConfig, Way, dry_run};

fn config(setup: &Setup, meters: u32) -> DryRunConfig {
    let seed = Seed(setup.seed);
    let plan = Plan::new(PlanConfig {
        meters,
        shards: 2,
        endpoint: "m{index}".parse().expect("a template"),
        arrivals: ArrivalsConfig {
            pace: Pace::Rate("2/s".parse().expect("a rate")),
            process: Process::Steady,
        },
        seed,
        round_trips: 7,
        updates: None,
        addressing: Addressing::SharedLoopback,
        embedded_servers: 2,
        server_workers: 1,
        session_ends: Vec::new(),
        streams: 0,
        embedded_streams: 0,
    });
    DryRunConfig {
        plan,
        client: setup.client_config(),
        bootstrap: (Way::default(), setup.bootstrap_config()),
        ems: vec![(Way::default(), setup.ems_config())],
        options: Arc::default(),
        seed,
        link: LinkFaults { delay: Duration::from_millis(5), ..setup.link },
        hold: Duration::from_secs(3),
        settle: Duration::from_secs(60),
        drain: Duration::from_secs(10),
    }
}

#[test]
fn ten_meters_of_a_plan_come_stay_and_leave() {
    let outcome = dry_run(config(&Setup::default(), 1_000_000));
    assert_eq!((outcome.meters, outcome.held[MeterState::Registered]), (10, 10));
    assert_eq!(outcome.ended[MeterState::Deregistered], 10);
    assert_eq!(
        (outcome.bootstrap.finished, outcome.ems.registrations, outcome.ems.deregistrations),
        (10, 10, 10)
    );
    assert_eq!(outcome.onboarding, [Duration::from_millis(60); 10]);
    assert!(outcome.failures.is_empty());
    // The tenth arrives after 4.5 s; then the hold, and one round trip.
    assert_eq!(outcome.took, Duration::from_millis(7_510));
    assert_eq!(dry_run(config(&Setup::default(), 3)).meters, 3);
}

#[test]
fn what_does_not_hang_together_shows() {
    // Nobody is at the address that is handed out.
    let mut config = config(&Setup::default(), 4);
    config.bootstrap.1.ems = "coap://127.0.0.9:1".to_owned();
    config.settle = Duration::from_secs(100);
    let outcome = dry_run(config);
    assert_eq!((outcome.held[MeterState::Registered], outcome.onboarding.len()), (0, 0));
    assert_eq!(outcome.failures.get(&FailureKind::RegistrationTimeout), Some(&4));
    assert_eq!((outcome.ended.total(), outcome.ems.registrations), (4, 0));
    // It waits for the stragglers as long as it may.
    assert!(outcome.took >= Duration::from_millis(101_500), "{:?}", outcome.took);
}
