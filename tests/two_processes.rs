//! A fleet in one process, servers in another: each combination, and servers that go away and come back.

mod common;

use std::net::ToSocketAddrs as _;

use nix::sys::signal::Signal;

use common::free_port;
use common::process::{bootstorm, small_run};
use common::results::{Counts, Report, Serving};

const METERS: u64 = 200;

/// Runs a small fleet that all registers; its report.
fn run(set: &[String]) -> Report {
    let folder = tempfile::tempdir().expect("a folder");
    small_run().set(set).out(folder.path()).finish().expect_code(0);
    let report = Report::read(folder.path());
    assert_eq!(report.figure("/fleet/registered_end"), METERS);
    assert_eq!(report.figure("/fleet/states/deregistered"), METERS);
    report.expect_balanced();
    report
}

fn skipped(report: &Report, balance: &str) -> bool {
    !report.at(&format!("/balances/{balance}/skipped")).is_null()
}

/// Requires that the EMS saw what the meters did: everybody came once and left.
fn expect_whole_fleet(counts: &Counts, report: &Report) {
    assert_eq!(counts.ems("registrations"), report.figure("/requests/register/answered"));
    assert_eq!(counts.ems("left"), report.figure("/requests/deregister/answered"));
    assert_eq!(counts.ems("updates"), report.figure("/requests/update/answered"));
    assert_eq!((counts.ems("registrations"), counts.ems("registered")), (METERS, 0));
}

#[test]
fn both_servers_elsewhere() {
    let servers = Serving::start(&["fleet.lifetime=2s"]);
    let ems = servers.ems.clone();
    let report = run(&[
        format!("servers.bootstrap={}", servers.bootstrap),
        format!("servers.ems={ems}"),
        "run.hold=2s".to_owned(),
    ]);
    let counts = servers.stop();
    expect_whole_fleet(&counts, &report);
    // The lifetime is the one that was handed out there, not the one of the fleet's own scenario.
    assert!(counts.ems("updates") >= METERS);
    assert_eq!(counts.bootstrap("finished"), METERS);
    assert_eq!(report.figure("/traffic/sent"), counts.bootstrap("in") + counts.ems("in"));
    assert_eq!(report.figure("/traffic/received"), counts.bootstrap("out") + counts.ems("out"));
    assert!(skipped(&report, "registrations") && skipped(&report, "datagrams-to-servers"));
    assert!(report.at("/servers/ems/seen").is_null());
    assert_eq!(*report.at("/servers/ems/uri"), *ems);
}

#[test]
fn the_bootstrap_server_elsewhere_sends_the_meters_to_an_ems_of_its_own() {
    let servers = Serving::start(&[]);
    // As the help has it: the EMS is nobody's business but the Bootstrap-Server's.
    let report = run(&[format!("servers.bootstrap={}", servers.bootstrap)]);
    let counts = servers.stop();
    expect_whole_fleet(&counts, &report);
    assert_eq!(report.figure("/servers/ems/seen/operations/registrations"), 0);
    assert!(skipped(&report, "registrations"));
}

#[test]
fn the_bootstrap_server_elsewhere_sends_the_meters_to_the_embedded_ems() {
    let ems = format!("127.0.0.1:{}", free_port());
    let servers = Serving::start(&[&format!("servers.ems=coap://{ems}")]);
    let report = run(&[
        format!("servers.bootstrap={}", servers.bootstrap),
        format!("servers.embedded.ems_listen={ems}"),
    ]);
    let counts = servers.stop();
    assert_eq!((counts.bootstrap("finished"), counts.ems("registrations")), (METERS, 0));
    assert_eq!(report.figure("/servers/ems/seen/operations/registrations"), METERS);
}

#[test]
fn the_embedded_bootstrap_server_sends_the_meters_to_an_ems_elsewhere() {
    let servers = Serving::start(&[]);
    let report = run(&[format!("servers.ems={}", servers.ems)]);
    let counts = servers.stop();
    expect_whole_fleet(&counts, &report);
    assert_eq!(counts.bootstrap("requests"), 0);
    assert_eq!(report.figure("/servers/bootstrap/seen/operations/finished"), METERS);
}

#[test]
fn servers_have_names_too() {
    // 127.0.0.1 or ::1, as this machine has it.
    let mut localhost = ("localhost", 0).to_socket_addrs().expect("every machine has that name");
    let listen = localhost.next().expect("an address");
    let servers = Serving::start(&[
        &format!("servers.embedded.bootstrap_listen={listen}"),
        &format!("servers.embedded.ems_listen={listen}"),
    ]);
    let named = |uri: &str| {
        let (_, port) = uri.rsplit_once(':').expect("a port");
        format!("coap://localhost:{port}")
    };
    let report = run(&[
        format!("servers.bootstrap={}", named(&servers.bootstrap)),
        format!("servers.ems={}", named(&servers.ems)),
    ]);
    expect_whole_fleet(&servers.stop(), &report);
}

#[test]
fn many_threads_serve_as_one() {
    let servers = Serving::start(&["servers.embedded.workers=3"]);
    let report = run(&[format!("servers.bootstrap={}", servers.bootstrap)]);
    expect_whole_fleet(&servers.stop(), &report);
}

#[test]
fn servers_that_are_killed_and_come_back_get_their_meters_back() {
    let lifetime = "fleet.lifetime=2s";
    let first = Serving::start(&[lifetime]);
    let listen = [
        lifetime.to_owned(),
        format!("servers.embedded.bootstrap_listen={}", first.bootstrap_address()),
        format!("servers.embedded.ems_listen={}", first.ems_address()),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let fleet = bootstorm("run").arg("--no-tui").out(folder.path());
    let mut fleet = fleet
        .set(&["fleet.meters=100", "arrivals.rate=400/s", "run.hold=1h", "run.drain=3s"])
        .set(&[format!("servers.bootstrap={}", first.bootstrap)])
        .start();
    fleet.await_line("registered fleet", |line| line.contains("; registered 100;"));

    first.process.signal(Signal::SIGKILL);
    assert_eq!(first.process.finish().code, None);
    let listen: Vec<&str> = listen.iter().map(String::as_str).collect();
    let mut second = Serving::start(&listen);
    // It knows nobody: each Update is answered with 4.04, and each meter registers again.
    second.await_counts("fleet that came back", |counts| counts.ems("registered") == 100);

    fleet.signal(Signal::SIGINT);
    fleet.finish().expect_code(0);
    let counts = second.stop();
    assert_eq!((counts.ems("registrations"), counts.ems("registered")), (100, 0));
    assert_eq!(counts.bootstrap("requests"), 0, "the accounts were still good");
    let report = Report::read(folder.path());
    assert_eq!(report.failures("update-refused-4.04"), 100);
    assert_eq!(report.figure("/fleet/registered_end"), 100);
    assert_eq!(report.figure("/requests/register/answered"), 200);
    assert_eq!(report.figure("/stages/onboarding/count"), 100, "a meter is onboarded once");
    report.expect_balanced();
}
