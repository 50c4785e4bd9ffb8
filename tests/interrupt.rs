//! Ctrl-C once and twice, and SIGTERM: meters leave, results are written, and they say what they are.

mod common;

use std::path::Path;

use nix::sys::signal::Signal;

use common::process::{Ended, Invocation, Process, small_run};
use common::results::{Report, Serving};

/// A fleet that stays for hours once it is there.
fn staying(servers: &Serving, folder: &Path) -> Invocation {
    let server = format!("servers.bootstrap={}", servers.bootstrap);
    small_run().set(&["run.hold=6h", &server]).out(folder)
}

/// The report of a run that was cut short, and the EMS's last count of registrations, with what both must
/// agree on checked.
fn cut_short(ended: &Ended, folder: &Path) -> Report {
    assert!(ended.stdout.contains("INCOMPLETE"), "{}", ended.stdout);
    let report = Report::read(folder);
    assert!(!report.is("/run/complete"));
    report.expect_balanced();
    report
}

#[test]
fn once_before_the_goal_drains_and_fails() {
    let (servers, folder) = (Serving::start(&[]), tempfile::tempdir().expect("a folder"));
    let mut run = staying(&servers, folder.path()).set(&["fleet.meters=4000", "arrivals.rate=40/s"]).start();
    run.await_line("registered meter", |line| line.contains(", registered "));
    run.signal(Signal::SIGINT);
    let ended = run.finish().expect_error(1, &["meters of the goal"]);
    let report = cut_short(&ended, folder.path());
    let (started, left) = (report.figure("/arrivals/started"), report.figure("/fleet/states/deregistered"));
    assert!((1..4000).contains(&started) && left > 0, "{started} started, {left} left");
    assert_eq!(report.figure("/fleet/states/planned"), 4000 - started, "nobody arrives during the drain");
    assert_eq!(report.figure("/fleet/states/registered"), 0);
    let counts = servers.stop();
    assert_eq!((counts.ems("registered"), counts.ems("left")), (0, left));
}

fn interrupted_while_holding(signal: Signal) {
    let (servers, folder) = (Serving::start(&[]), tempfile::tempdir().expect("a folder"));
    let mut run = staying(&servers, folder.path()).start();
    run.await_phase("holding");
    run.signal(signal);
    // All had registered: the goal was reached, whatever was cut short after it.
    let ended = run.finish().expect_code(0);
    assert!(ended.stdout.starts_with("PASSED"), "{}", ended.stdout);
    let report = cut_short(&ended, folder.path());
    assert_eq!(report.figure("/fleet/states/deregistered"), 200);
    let counts = servers.stop();
    assert_eq!((counts.ems("registered"), counts.ems("left")), (0, 200));
}

#[test]
fn once_after_the_goal_drains_and_passes() {
    interrupted_while_holding(Signal::SIGINT);
}

#[test]
fn sigterm_is_as_good_as_ctrl_c() {
    interrupted_while_holding(Signal::SIGTERM);
}

#[test]
fn once_while_everybody_leaves_anyway_changes_nothing() {
    let (servers, folder) = (Serving::start(&[]), tempfile::tempdir().expect("a folder"));
    // De-registers take half of it.
    let set = ["run.hold=0s", "run.drain=4s"];
    let mut run = staying(&servers, folder.path()).set(&set).start();
    run.await_phase("draining");
    run.signal(Signal::SIGINT);
    let ended = run.finish().expect_code(0);
    assert!(!ended.stdout.contains("INCOMPLETE"), "{}", ended.stdout);
    let report = Report::read(folder.path());
    assert!(report.is("/run/complete"));
    report.expect_balanced();
    assert_eq!(report.figure("/fleet/states/deregistered"), 200);
    assert_eq!(servers.stop().ems("left"), 200);
}

/// Interrupts twice: once while the fleet holds, and again while it drains.
fn twice(mut run: Process, second: Signal) -> Ended {
    run.await_phase("holding");
    run.signal(Signal::SIGINT);
    run.await_phase("draining");
    run.signal(second);
    run.finish().expect_code(0)
}

#[test]
fn twice_stops_at_once_and_still_writes_the_results() {
    for second in [Signal::SIGINT, Signal::SIGTERM] {
        let (servers, folder) = (Serving::start(&[]), tempfile::tempdir().expect("a folder"));
        // Half an hour for the De-registers: who waits for them does not end in time for this test.
        let ended = twice(staying(&servers, folder.path()).set(&["run.drain=1h"]).start(), second);
        let report = cut_short(&ended, folder.path());
        let left = report.figure("/fleet/states/deregistered");
        let stayed = report.figure("/fleet/states/registered");
        assert!(left < 20 && stayed > 180, "{left} left, {stayed} stayed");
        assert_eq!(report.figure("/fleet/registered_end"), 200);
        // The EMS may have answered a De-register that was in flight when the meters stopped.
        let counts = servers.stop();
        assert!(counts.ems("registered") <= stayed && counts.ems("registered") > 180);
    }
}

#[test]
fn a_drain_that_nobody_answers_ends_at_its_bound() {
    let (servers, folder) = (Serving::start(&[]), tempfile::tempdir().expect("a folder"));
    let mut run = staying(&servers, folder.path()).set(&["run.drain=1s"]).start();
    run.await_phase("holding");
    servers.process.signal(Signal::SIGKILL);
    assert_eq!(servers.process.finish().code, None);
    run.signal(Signal::SIGINT);
    let report = cut_short(&run.finish().expect_code(0), folder.path());
    assert_eq!(report.figure("/fleet/states/deregistered"), 0);
    assert_eq!(report.figure("/fleet/states/deregistering"), 200);
    assert_eq!(report.figure("/requests/deregister/in_flight"), 200);
}
