//! Every shipped scenario is loaded and run in small, in virtual time.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bootstorm::credentials::{Fault, Role};
use bootstorm::faults::LinkFaults;
use bootstorm::metrics::{FailureKind, MeterState};
use bootstorm::scenario::{self, Account, ListenAt, Overrides, Part, Scenario};
use bootstorm::secure::Options;
use bootstorm::sim::{DRY_RUN_METERS, DryRun, DryRunConfig, Way, World, dry_run, ems_address};

/// The scenario as the simulation takes it; its own servers stand in for those elsewhere.
fn in_small(scenario: &Scenario) -> DryRunConfig {
    let scenario = scenario.clone().with_embedded_servers();
    let accounts: Vec<_> = scenario.servers.embedded_accounts().collect();
    let ems: Vec<SocketAddr> = (0..).map(ems_address).take(accounts.len()).collect();
    let places = scenario.places(Some(World::BOOTSTRAP), &ems);
    let listening = &scenario.servers.embedded;
    let way =
        |role, listen: ListenAt| Way { scheme: listen.scheme, security: scenario.server_security(role) };
    let ems_of = |account: &&Account| {
        let way = way(Role::Server(account.short_server_id), listening.ems_listen);
        (way, scenario.ems_config(account))
    };
    DryRunConfig {
        plan: scenario.plan(),
        bootstrap: (way(Role::Bootstrap, listening.bootstrap_listen), scenario.bootstrap_config(&places.ems)),
        ems: accounts.iter().map(ems_of).collect(),
        options: Arc::new(Options { version: scenario.security.version, epoch: TODAY }),
        client: Arc::new(scenario.client_config(places)),
        seed: scenario.run.seed,
        link: LinkFaults { delay: Duration::from_millis(5), ..LinkFaults::default() },
        hold: scenario.run.hold.duration(),
        settle: scenario.run.settle.duration(),
        drain: scenario.run.drain.duration(),
    }
}

/// When it is, in seconds since 1970-01-01 UTC, for those who look at certificates.
const TODAY: u64 = 1_800_000_000;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// A shipped scenario with the files it names, as `bootstorm run` reads them.
fn load(path: &Path) -> Scenario {
    let name = path.display().to_string();
    let text = fs::read_to_string(path).expect("a readable scenario");
    let scenario = scenario::load(&name, &text, &Overrides::default(), 2);
    let scenario = scenario.unwrap_or_else(|error| panic!("{error}"));
    let named = |file: &str| fs::read_to_string(folder().join(file)).expect("a readable file beside it");
    let scenario = match scenario.provision.clone() {
        Some(file) => scenario.provisioned(&file, &named(&file)).unwrap_or_else(|error| panic!("{error}")),
        None => scenario,
    };
    let scenario = match scenario.servers.bootstrap_server.directory.clone() {
        Some(file) => scenario.directed(&file, &named(&file)).unwrap_or_else(|error| panic!("{error}")),
        None => scenario,
    };
    equipped(scenario)
}

/// The scenario with credentials made for the few that run in small.
fn equipped(mut scenario: Scenario) -> Scenario {
    scenario.fleet.meters = scenario.fleet.meters.min(DRY_RUN_METERS);
    let equipped = scenario.with_embedded_servers().with_credentials_of_its_own(Part::Run, TODAY);
    equipped.unwrap_or_else(|error| panic!("{error}"))
}

fn run(name: &str) -> (Scenario, DryRun) {
    let scenario = load(&folder().join(name).with_extension("toml"));
    let outcome = dry_run(in_small(&scenario));
    (scenario, outcome)
}

#[test]
fn meters_of_every_scenario_come_stay_and_leave() {
    // Where things are to go wrong, other tests say how.
    let troubled = ["client-initiated.toml", "misbehaving-servers.toml", "smartcard.toml"];
    let entries = fs::read_dir(folder()).expect("the folder of scenarios");
    let paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    let is_scenario = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "toml");
    for path in paths.iter().filter(is_scenario) {
        let name = path.display().to_string();
        let mut scenario = load(path);
        // Those who cannot come have a test of their own.
        if !scenario.security.bad.is_empty() {
            scenario.security.bad.clear();
            scenario = equipped(scenario);
        }
        let outcome = dry_run(in_small(&scenario));
        let meters = i64::from(outcome.meters);
        assert_eq!(meters, i64::from(scenario.fleet.meters), "{name}");
        assert_eq!(outcome.held[MeterState::Registered], meters, "{name}: {outcome:?}");
        assert_eq!(outcome.ended[MeterState::Deregistered], meters, "{name}: {outcome:?}");
        assert_eq!(outcome.onboarding.len(), outcome.meters as usize, "{name}: {outcome:?}");
        if !troubled.iter().any(|troubled| path.ends_with(troubled)) {
            assert!(outcome.failures.is_empty(), "{name}: {outcome:?}");
        }
        // The same seed replays the same run, but for sessions.
        if !scenario.servers.embedded.ems_listen.scheme.is_secure() {
            assert_eq!(dry_run(in_small(&scenario)), outcome, "{name}");
        }
    }
}

#[test]
fn from_the_factory_meters_register_with_both_servers_and_never_bootstrap() {
    let (_, outcome) = run("factory");
    assert_eq!(outcome.bootstrap.requests, 0);
    assert_eq!((outcome.ems.registrations, outcome.ems.deregistrations), (20, 20));
}

#[test]
fn with_a_card_meters_register_at_once_and_again_when_it_is_exchanged() {
    let (mut scenario, _) = run("smartcard");
    scenario.bootstrap.card.missing = "0%".parse().expect("a share");
    scenario.bootstrap.card.unreadable = scenario.bootstrap.card.missing;
    scenario.bootstrap.card.inconsistent = scenario.bootstrap.card.missing;
    let outcome = dry_run(in_small(&scenario));
    assert_eq!((outcome.bootstrap.requests, outcome.ems.registrations), (0, 20), "{outcome:?}");
    assert!(outcome.failures.is_empty(), "{outcome:?}");
    // Without it they fall back on their Bootstrap-Server.
    for (share, kind) in [
        ("missing", Some("card-missing")),
        ("unreadable", Some("card-unreadable")),
        ("inconsistent", Some("card-inconsistent")),
    ] {
        let mut scenario = scenario.clone();
        let card = &mut scenario.bootstrap.card;
        let all = "100%".parse().expect("a share");
        match share {
            "missing" => card.missing = all,
            "unreadable" => card.unreadable = all,
            _ => card.inconsistent = all,
        }
        let outcome = dry_run(in_small(&scenario));
        assert_eq!(
            (outcome.bootstrap.requests, outcome.bootstrap.finished),
            (10, 10),
            "{share}: {outcome:?}"
        );
        assert_eq!(outcome.ended[MeterState::Deregistered], 10, "{share}: {outcome:?}");
        let kinds: Vec<_> = outcome.failures.keys().map(|kind| kind.name()).collect();
        assert_eq!(kinds, Vec::from_iter(kind), "{share}");
    }
}

#[test]
fn client_initiated_meters_are_given_what_is_planned_for_their_names() {
    let (_, outcome) = run("client-initiated");
    // Ten meters, of which five get one account by pattern and two by name.
    assert_eq!(outcome.ems.registrations, 13);
    assert_eq!((outcome.bootstrap.requests, outcome.bootstrap.finished), (10, 10));
    // One object or two instances or one, twice; and the extra.
    assert_eq!(outcome.bootstrap.writes, 5 * 2 + 3 * 5 + 2 * 3);
    assert!(outcome.onboarding.iter().all(|took| *took > Duration::from_secs(1)), "the hold-off");
}

#[test]
fn a_directory_gives_each_endpoint_what_its_row_says_and_strangers_are_refused() {
    let text = "fleet = { meters = 3, endpoint = \"m{index}\" }\nrun.hold = \"100s\"\n\
                servers.bootstrap_server.endpoints = []";
    let scenario = scenario::load("storm.toml", text, &Overrides::default(), 2).expect("a good scenario");
    let lone = dry_run(in_small(&scenario));
    assert_eq!((lone.bootstrap.finished, lone.held[MeterState::Registered]), (0, 0), "{lone:?}");
    let csv = "endpoint,lifetime\nm0,60\nm1,600\n";
    let toml = "[[meter]]\nendpoint = \"m0\"\nlifetime = 60\n[[meter]]\nendpoint = \"m1\"\nlifetime = 600\n";
    for (file, text) in [("rows.csv", csv), ("rows.toml", toml)] {
        let scenario = scenario.clone().directed(file, text).unwrap_or_else(|error| panic!("{error}"));
        let outcome = dry_run(in_small(&scenario));
        assert_eq!((outcome.bootstrap.finished, outcome.held[MeterState::Registered]), (2, 2), "{outcome:?}");
        assert!(outcome.bootstrap.refused > 0, "{outcome:?}");
        // m0 every 30 s, as long as the third meter is waited for; m1 not before 300 s.
        let stay = scenario.run.settle.duration();
        assert_eq!(outcome.ems.updates, stay.as_secs() / 30, "{outcome:?}");
    }
}

#[test]
fn a_bootstrap_server_of_1_0_begins_again_by_itself() {
    let (_, outcome) = run("server-initiated");
    assert_eq!((outcome.bootstrap.requests, outcome.bootstrap.initiated), (10, 10));
    assert_eq!((outcome.bootstrap.finished, outcome.ems.registrations), (20, 20), "{outcome:?}");
}

#[test]
fn provisioned_meters_are_what_their_rows_say() {
    let (scenario, outcome) = run("provisioned");
    let plan = scenario.plan();
    let names: Vec<_> = [0, 7, 8].map(|meter| plan.endpoint(meter)).to_vec();
    assert_eq!(names, ["urn:dev:os:A-1001", "urn:dev:os:B-2003", "urn:dev:os:spare-008"]);
    assert_eq!(outcome.bootstrap.refused, 0);
    let client = scenario.client_config(scenario.places(Some(World::BOOTSTRAP), &[]));
    let own = client.provision.expect("provisioned meters").own(0);
    let shown = |path: &str| {
        let entry = own.iter().find(|entry| entry.path.to_string() == path);
        entry.map(|entry| format!("{:?}", entry.value)).unwrap_or_default()
    };
    assert_eq!(shown("/3/0/2"), "String(\"SN-1001\")");
    assert_eq!((shown("/0/0/2"), shown("/0/0/5")), ("Integer(0)".to_owned(), "Opaque(16 B)".to_owned()));
    // A meter of another name is refused.
    let text = "endpoint\nstranger\n";
    let mut alone = scenario.clone();
    alone.fleet.meters = 1;
    let alone = equipped(alone.provisioned("one.csv", text).expect("a good file"));
    let outcome = dry_run(in_small(&alone));
    assert!(outcome.bootstrap.refused > 0 && outcome.bootstrap.finished == 0, "{outcome:?}");
}

#[test]
fn managed_meters_are_asked_and_told() {
    let (_, outcome) = run("management");
    let interviews = &outcome.ems.interviews;
    assert!(interviews.completed >= 10 && interviews.ok > 0, "{outcome:?}");
    assert!(outcome.ems.observations.fresh > 0, "{outcome:?}");
    let campaigns = &outcome.ems.campaigns;
    let ok: Vec<u64> = campaigns.iter().map(|campaign| campaign.ok).collect();
    assert!(ok[0] >= 20 && ok[1] == 5 && ok[2] == 2 && ok[3] == 1, "{campaigns:?}");
    assert_eq!(outcome.bootstrap.requests, 11, "one was sent back");
    assert!(outcome.ems.sends.accepted >= 20, "{outcome:?}");
}

#[test]
fn a_firmware_wave_ends_well_or_badly_for_every_meter() {
    let (mut scenario, outcome) = run("firmware-wave");
    let [pushed, pulled] = &outcome.ems.campaigns[..] else { panic!("{outcome:?}") };
    for campaign in [pushed, pulled] {
        assert_eq!((campaign.firmware.begun, campaign.firmware.gave_up), (5, 0), "{campaign:?}");
    }
    scenario.firmware.failures.clear();
    let outcome = dry_run(in_small(&scenario));
    let succeeded: u64 = outcome.ems.campaigns.iter().map(|campaign| campaign.firmware.succeeded).sum();
    assert_eq!(succeeded, 10, "{outcome:?}");
    let packages = outcome.ems.campaigns.iter().map(|campaign| campaign.firmware.begun);
    assert_eq!(packages.sum::<u64>(), 10);
}

#[test]
fn misbehaving_servers_misbehave_and_meters_get_there() {
    let (mut scenario, _) = run("misbehaving-servers");
    // With ten meters everything has to happen more often to be seen.
    let manners = &mut scenario.servers.ems_server.service.manners;
    let often = "20%".parse().expect("a share");
    (manners.drop, manners.unavailable, manners.late) = (often, often, often);
    let outcome = dry_run(in_small(&scenario));
    assert_eq!(outcome.held[MeterState::Registered], 10, "{outcome:?}");
    let desk = &outcome.ems.desk;
    assert!(desk.dropped > 0 && desk.unavailable > 0 && desk.delayed > 0, "{desk:?}");
}

/// A scenario whose meters all have this one thing wrong.
fn all_wrong(fault: Fault) -> DryRun {
    let mut scenario = load(&folder().join("bad-credentials.toml"));
    let share = scenario.security.bad.iter().find(|share| share.fault == fault).copied();
    let mut share = share.unwrap_or_else(|| panic!("{} is not in it", fault.name()));
    share.share = "100%".parse().expect("a share");
    scenario.security.bad = vec![share];
    dry_run(in_small(&equipped(scenario)))
}

#[test]
fn each_thing_that_is_wrong_has_its_failure() {
    const UNKNOWN_CA: FailureKind = FailureKind::HandshakeAlert(48);
    for (fault, kind, bootstraps) in [
        (Fault::WrongKey, FailureKind::HandshakeTimeout, 0),
        (Fault::UnknownIdentity, FailureKind::HandshakeTimeout, 0),
        (Fault::WrongAuthority, UNKNOWN_CA, 10),
        (Fault::SelfSigned, UNKNOWN_CA, 10),
        (Fault::Expired, FailureKind::HandshakeAlert(45), 10),
        (Fault::NotYetValid, FailureKind::HandshakeAlert(46), 10),
        (Fault::WrongName, FailureKind::CertificateWrongName, 10),
    ] {
        let outcome = all_wrong(fault);
        let name = fault.name();
        assert_eq!(Vec::from_iter(outcome.failures.clone()), [(kind, 10)], "{name}: {outcome:?}");
        assert_eq!(outcome.held[MeterState::Registered], 0, "{name}: {outcome:?}");
        assert_eq!(outcome.bootstrap.finished, bootstraps, "{name}: {outcome:?}");
        assert_eq!(outcome.ems.registrations, 0, "{name}: {outcome:?}");
    }
}
