//! Every shipped scenario is loaded and run in small, in virtual time.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bootstorm::faults::LinkFaults;
use bootstorm::metrics::MeterState;
use bootstorm::scenario::{self, Overrides, Scenario};
use bootstorm::sim::{DryRunConfig, World, dry_run, ems_address};

/// The scenario as the simulation takes it; its own servers stand in for those elsewhere.
fn in_small(scenario: &Scenario) -> DryRunConfig {
    let scenario = scenario.clone().with_embedded_servers();
    let accounts: Vec<_> = scenario.servers.embedded_accounts().collect();
    let ems: Vec<SocketAddr> = (0..).map(ems_address).take(accounts.len()).collect();
    let places = scenario.places(Some(World::BOOTSTRAP), &ems);
    DryRunConfig {
        plan: scenario.plan(),
        bootstrap: scenario.bootstrap_config(&places.ems),
        ems: accounts.iter().map(|account| scenario.ems_config(account)).collect(),
        client: Arc::new(scenario.client_config(places)),
        seed: scenario.run.seed,
        link: LinkFaults { delay: Duration::from_millis(5), ..LinkFaults::default() },
        hold: scenario.run.hold.duration(),
        settle: scenario.run.settle.duration(),
        drain: scenario.run.drain.duration(),
    }
}

fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let entries = fs::read_dir(folder).expect("the folder of scenarios");
    let paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    assert!(paths.iter().any(|path| path.ends_with("quickstart.toml")), "{paths:?}");
    paths
}

#[test]
fn meters_of_every_scenario_come_stay_and_leave() {
    for path in shipped() {
        let name = path.display().to_string();
        let text = fs::read_to_string(&path).expect("a readable scenario");
        let scenario = scenario::load(&name, &text, &Overrides::default(), 2);
        let scenario = scenario.unwrap_or_else(|error| panic!("{error}"));

        let outcome = dry_run(in_small(&scenario));
        let meters = i64::from(outcome.meters);
        assert_eq!(meters, i64::from(scenario.fleet.meters.min(10)), "{name}");
        assert_eq!(outcome.held[MeterState::Registered], meters, "{name}: {outcome:?}");
        assert_eq!(outcome.ended[MeterState::Deregistered], meters, "{name}: {outcome:?}");
        assert_eq!(outcome.onboarding.len(), outcome.meters as usize, "{name}: {outcome:?}");
        assert!(outcome.failures.is_empty(), "{name}: {outcome:?}");
        // The same seed replays the same run.
        assert_eq!(dry_run(in_small(&scenario)), outcome, "{name}");
    }
}
