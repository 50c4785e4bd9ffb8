//! What servers are told to do beside the main job, and what a run says about it: interviews, a campaign, and
//! bad manners on purpose.

mod common;

use common::process::bootstorm;
use common::results::Report;
use serde_json::Value;

const METERS: u64 = 100;

/// Every other meter is read while all of them are registered, and a question goes to each before that.
const SCENARIO: &str = r#"
name = "told"

[fleet]
meters = 100
objects = "energy"

[arrivals]
rate = "400/s"

[run]
hold = "3s"
settle = "60s"
drain = "3s"

[coap]
ack_timeout = "500ms"

[servers.embedded]
workers = 1

[servers.ems_server]
interview = "observe"
questions = ["read /3/0/2"]

[[servers.ems_server.campaign]]
action = "read /3/0"
start = "1500ms"
rate = "200/s"
share = "50%"

[servers.bootstrap_server.manners]
drop = "10%"
duplicate = "30%"
"#;

fn figure(value: &Value, pointer: &str) -> u64 {
    let found = value.pointer(pointer).and_then(Value::as_u64);
    found.unwrap_or_else(|| panic!("no count {pointer} in {value:#}"))
}

#[test]
fn a_run_tells_what_its_servers_were_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = folder.path().join("told.toml");
    std::fs::write(&scenario, SCENARIO).expect("a scenario");
    let out = folder.path().join("results");
    let ended = bootstorm("run").arg(&scenario).arg("--no-tui").out(&out).finish().expect_code(0);
    let report = Report::read(&out);
    report.expect_balanced();
    assert_eq!(report.figure("/fleet/registered_peak"), METERS);

    // One Bootstrap-Request each is answered; those that were not are the ones lost on purpose.
    let desk = report.at("/servers/bootstrap/seen/desk");
    let (dropped, twice) = (figure(desk, "/drop/times"), figure(desk, "/duplicate/times"));
    assert!(dropped > 0 && twice > 0, "{desk:#}");
    assert_eq!(desk["drop"]["share"], 0.1);
    assert_eq!(figure(desk, "/reset/times"), 0);
    assert!(report.figure("/traffic/retransmitted") >= dropped);
    assert_eq!(report.figure("/servers/bootstrap/seen/operations/finished"), METERS);
    let ems = report.at("/servers/ems/seen/desk");
    assert_eq!(figure(ems, "/drop/times") + figure(ems, "/duplicate/times"), 0);

    // Everybody is interviewed, and each question costs a datagram there and one back.
    let managed = report.at("/servers/ems/seen/management");
    let asked = figure(managed, "/interviews/requests");
    assert_eq!(figure(managed, "/interviews/completed"), METERS);
    assert_eq!(figure(managed, "/interviews/ok"), asked);
    assert_eq!(asked % METERS, 0);
    assert_eq!(figure(managed, "/observations/begun"), report.figure("/management/observe/ok"));

    let cost = report.at("/registration_cost");
    for leg in ["bootstrap", "register", "interview"] {
        assert_eq!(figure(&cost[leg], "/count"), METERS, "{leg}: {cost:#}");
    }
    assert_eq!(cost["register"]["answers"], 1.0);
    assert_eq!(cost["interview"]["answers"].as_f64(), Some((asked / METERS) as f64));
    assert_eq!(figure(cost, "/interview_duration/count"), METERS);
    let sent = cost["bootstrap"]["sent"].as_f64().expect("a mean");
    let answered = cost["bootstrap"]["answers"].as_f64().expect("a mean");
    assert!(sent >= answered + dropped as f64 / METERS as f64 - 1e-9, "{cost:#}");

    // Half of the meters, once.
    let campaigns = managed["campaigns"].as_array().expect("a list");
    let [campaign] = campaigns.as_slice() else { panic!("{campaigns:#?}") };
    assert_eq!(campaign["action"], "read /3/0");
    let devices = figure(campaign, "/devices");
    // Who lost requests may have come too late for it.
    assert!((METERS / 4..=METERS / 2).contains(&devices), "{campaign:#}");
    for count in ["/requests", "/sent", "/ok", "/latency/count"] {
        assert_eq!(figure(campaign, count), devices, "{count}: {campaign:#}");
    }
    assert_eq!((figure(campaign, "/unregistered"), figure(campaign, "/rounds")), (0, 1), "{campaign:#}");
    // The meters were asked what the EMS asked them.
    assert_eq!(report.figure("/management/read/ok"), METERS + devices);

    let read =
        format!("campaign 1   read /3/0: {devices} devices; {devices} requests, {devices} answered well");
    for told in [
        "the Bootstrap-Server was told to drop 10% of requests",
        "interviews   100 begun, 100 completed",
        &read,
    ] {
        assert!(ended.stdout.contains(told), "no {told:?} in\n{}", ended.stdout);
    }
}
