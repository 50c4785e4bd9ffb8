//! A fleet some of whose meters have bad credentials: the report tells what is wrong with whom at either end, and
//! the others are unharmed.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bootstorm::credentials::{Fault, Faults, Role};
use bootstorm::scenario::{self, Overrides};
use common::process::bootstorm;
use common::results::Report;

const EMS: Role = Role::Server(101);

/// How many meters have what wrong, of the shipped scenario with its own seed.
fn drawn(path: &Path) -> (u64, BTreeMap<&'static str, u64>) {
    let text = fs::read_to_string(path).expect("a readable scenario");
    let scenario = scenario::load("bad-credentials.toml", &text, &Overrides::default(), 2);
    let scenario = scenario.unwrap_or_else(|error| panic!("{error}"));
    let faults = Faults { shares: scenario.security.bad.clone(), seed: scenario.run.seed };
    let mut drawn = BTreeMap::new();
    for number in 0..scenario.fleet.meters {
        let fault = [Role::Bootstrap, EMS].into_iter().find_map(|role| faults.of(role, number));
        if let Some(fault) = fault {
            *drawn.entry(fault.name()).or_default() += 1;
        }
    }
    (scenario.fleet.meters.into(), drawn)
}

#[test]
fn the_report_tells_what_is_wrong_with_whom_and_the_others_are_unharmed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/bad-credentials.toml");
    let (meters, drawn) = drawn(&path);
    let of = |faults: &[Fault]| faults.iter().map(|fault| drawn[fault.name()]).sum::<u64>();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bad-credentials");
    // There only if the tests ran before.
    let _ = fs::remove_dir_all(&folder);
    let run = bootstorm("run").arg("--no-tui").arg(&path).set(&["arrivals.over=2s"]).out(&folder);
    run.finish().expect_code(0);
    let report = Report::read(&folder);

    // What the meters met.
    let keys = of(&[Fault::WrongKey, Fault::UnknownIdentity]);
    let expected = BTreeMap::from([
        ("handshake-timeout", keys),
        // unknown_ca
        ("handshake-alert-48", of(&[Fault::WrongAuthority, Fault::SelfSigned])),
        // certificate_expired, certificate_unknown
        ("handshake-alert-45", of(&[Fault::Expired])),
        ("handshake-alert-46", of(&[Fault::NotYetValid])),
        ("certificate-wrong-name", of(&[Fault::WrongName])),
    ]);
    let failures = report.at("/failures").as_object().expect("an object");
    let found: BTreeMap<&str, u64> =
        failures.iter().map(|(kind, count)| (kind.as_str(), count.as_u64().expect("a count"))).collect();
    assert_eq!(found, expected);

    // What the servers met.
    let at = |server: &str, key: &str| report.figure(&format!("/servers/{server}/seen/sessions/{key}"));
    let bad = drawn.values().sum::<u64>();
    assert_eq!(at("bootstrap", "completed"), meters - keys);
    assert_eq!(at("bootstrap", "timed_out"), of(&[Fault::WrongKey]));
    assert_eq!(at("bootstrap", "unknown_identities"), of(&[Fault::UnknownIdentity]));
    assert_eq!(at("ems", "completed"), meters - bad);
    for (kind, fault) in [
        ("unknown-issuer", Fault::WrongAuthority),
        ("self-signed", Fault::SelfSigned),
        ("expired", Fault::Expired),
        ("not-yet-valid", Fault::NotYetValid),
    ] {
        assert_eq!(at("ems", &format!("certificates_refused/{kind}")), of(&[fault]), "{kind}");
    }
    // Those who are met under a wrong name are told so.
    assert_eq!(at("ems", "failed"), of(&[Fault::WrongName]));

    // What the others did.
    let good = meters - bad;
    assert!(bad > 0 && drawn.len() == Fault::ALL.len(), "{drawn:?}");
    for count in ["/fleet/registered_peak", "/fleet/registered_end", "/fleet/states/deregistered"] {
        assert_eq!(report.figure(count), good, "{count}");
    }
    for stage in ["onboarding", "registration", "deregistration"] {
        assert_eq!(report.figure(&format!("/stages/{stage}/count")), good, "{stage}");
    }
    assert_eq!(report.figure("/servers/ems/seen/operations/registrations"), good);
    assert_eq!(report.figure("/handshakes/failed"), bad);
    report.expect_balanced();
}
