//! Each exit code, and that it comes with what happened and what to do. Wrong input (2) is in `cli.rs`.
#![expect(clippy::disallowed_methods, reason = "tests stand in the way of the servers' sockets")]

mod common;

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::Duration;

use bootstorm::protocol::coap::{Code, ContentFormat, Message};

use common::free_port;
use common::process::{Invocation, bootstorm, small_run};
use common::results::{Report, Serving};

/// Fails soon where nobody answers.
const IMPATIENT: [&str; 5] = [
    "fleet.meters=20",
    "arrivals.rate=1000/s",
    "coap.ack_timeout=50ms",
    "coap.max_retransmit=1",
    "run.settle=500ms",
];

#[test]
fn success_is_0_and_says_so_first() {
    let ended = small_run().set(&["fleet.meters=20"]).finish().expect_code(0);
    assert!(ended.stdout.starts_with("PASSED: 20 of 20 meters registered"), "{}", ended.stdout);
    assert!(!ended.stderr.contains("error:"), "{}", ended.stderr);
}

#[test]
fn a_goal_that_is_not_reached_is_1() {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let server = format!("servers.bootstrap=coap://{}", silent.local_addr().expect("it is bound"));
    let ended = small_run().set(&IMPATIENT).set(&[&server]).finish();
    let ended = ended.expect_error(1, &["At most 0 of the 20 meters of the goal"]);
    assert!(ended.stdout.starts_with("FAILED"), "{}", ended.stdout);
    // Whoever expects nothing is not disappointed.
    small_run().set(&IMPATIENT).set(&[&server, "run.goal=0%"]).finish().expect_code(0);
}

#[test]
fn a_port_in_use_is_3() {
    for server in ["bootstrap", "ems"] {
        let taken = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let address = taken.local_addr().expect("it is bound").to_string();
        let set = format!("servers.embedded.{server}_listen={address}");
        for invocation in [small_run(), bootstorm("serve")] {
            let ended = invocation.set(&[&set]).finish();
            let ended = ended.expect_error(3, &[&address, "servers.embedded", "port 0"]);
            assert_eq!(ended.stdout, "");
        }
    }
}

#[test]
fn a_port_that_other_servers_share_among_their_workers_is_in_use() {
    for workers in ["servers.embedded.workers=1", "servers.embedded.workers=2"] {
        let serving = Serving::start(&["servers.embedded.workers=2"]);
        for (server, address) in [("bootstrap", serving.bootstrap_address()), ("ems", serving.ems_address())]
        {
            let listen = format!("servers.embedded.{server}_listen={address}");
            let ended = bootstorm("serve").set(&[workers, &listen]).finish();
            ended.expect_error(3, &[address, "is in use"]);
        }
        serving.stop();
    }
}

#[test]
fn a_port_in_use_leaves_no_folder_behind() {
    let taken = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let set = format!("servers.embedded.ems_listen={}", taken.local_addr().expect("it is bound"));
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("results");
    small_run().set(&[set]).out(&out).finish().expect_code(3);
    assert!(!out.exists());
}

#[test]
fn a_folder_that_cannot_be_written_is_3_before_anything_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "mine").expect("writable");
    // No permission helps there, not even root's.
    for out in [file.join("below"), file.clone(), "/proc/bootstorm".into()] {
        let ended = small_run().out(&out).finish();
        let ended = ended.expect_error(3, &[&*out.to_string_lossy(), "--out"]);
        assert_eq!(ended.stdout, "");
        assert!(!ended.stderr.contains("arriving"), "{}", ended.stderr);
    }
    assert_eq!(fs::read_to_string(&file).expect("readable"), "mine");
}

#[test]
fn a_folder_that_holds_a_run_is_3_and_stays_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    small_run().set(&["fleet.meters=20"]).out(folder.path()).finish().expect_code(0);
    let report = folder.path().join("report.json");
    let before = fs::read(&report).expect("a report");
    let ended = small_run().out(folder.path()).finish();
    ended.expect_error(3, &["holds the results of an earlier run"]);
    assert_eq!(fs::read(&report).expect("a report"), before);
}

#[test]
fn a_full_disk_is_3_and_the_figures_are_shown() {
    let full = |name: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        symlink("/dev/full", folder.path().join(name)).expect("writable");
        let ended = small_run().set(&["fleet.meters=20"]).out(folder.path()).finish();
        ended.expect_error(3, &[name, "No space left"])
    };
    // While the run goes on, and after it.
    for name in ["histograms.hlog", "onboarding.hgrm"] {
        let ended = full(name);
        assert!(ended.stdout.starts_with("PASSED"), "{}", ended.stdout);
    }
    // Before it.
    assert_eq!(full("timeseries.csv").stdout, "");
}

#[test]
fn standard_output_that_cannot_be_written_is_3_and_a_reader_who_left_is_not() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("every Linux has it");
    let check = |out: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bootstorm"));
        command.arg("check").stdout(out).stderr(Stdio::piped()).output().expect("the binary starts")
    };
    let output = check(full.into());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.starts_with("error: cannot write to standard output"), "{said}");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    assert_eq!(check(writer.into()).status.code(), Some(0));
}

#[test]
fn too_few_descriptors_are_3_with_advice() {
    let limited = || Invocation::of("sh").args(&["-c", "ulimit -n 60; exec \"$@\"", "sh"]);
    // One socket for each meter there.
    let binary = env!("CARGO_BIN_EXE_bootstorm");
    let run = limited().args(&[binary, "run", "--set", "servers.bootstrap=coap://[::1]:5683"]);
    run.finish().expect_error(3, &["file descriptors and may have 60", "local.addresses"]);
}

#[test]
fn a_registration_that_no_meter_made_is_4() {
    let port = free_port();
    let folder = tempfile::tempdir().expect("a folder");
    let listen = format!("servers.embedded.ems_listen=127.0.0.1:{port}");
    let run = small_run().set(&[&listen, "run.hold=1h"]).out(folder.path());
    let mut run = run.start();
    run.await_phase("holding");

    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let register = Message::request(Code::POST)
        .with_path(&["rd"])
        .with_query("ep=stranger")
        .with_query("lwm2m=1.1")
        .with_content_format(ContentFormat::LINK)
        .with_payload(b"</1/0>,</3/0>".to_vec());
    stranger.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout above zero");
    stranger.send_to(&register.encode(), ("127.0.0.1", port)).expect("loopback takes it");
    let mut answer = [0; 64];
    stranger.recv(&mut answer).expect("an answer");
    assert_eq!(answer[1], Code::CREATED.0);

    run.signal(nix::sys::signal::Signal::SIGINT);
    let ended = run.finish();
    ended.expect_error(4, &["The balance registrations does not close", "do not trust the figures"]);
    let report = Report::read(folder.path());
    assert!(report.is("/verdict/goal_reached") && !report.is("/verdict/passed"));
    assert!(!report.is("/balances/registrations/ok"));
    assert_eq!(*report.at("/balances/registrations/endpoints/0"), "stranger: EMS 1, meter 0, unanswered 0");
}

#[test]
fn a_doubtful_run_fails_only_if_it_is_judged_strictly() {
    // All at one instant: the last start must wait for those before it.
    let burst = || small_run().set(&["fleet.meters=2000", "arrivals.rate=1000000/s"]);
    let ended = burst().finish().expect_code(0);
    assert!(ended.stdout.contains("DOUBTFUL"), "{}", ended.stdout);
    let folder = tempfile::tempdir().expect("a folder");
    let ended = burst().arg("--strict").out(folder.path()).finish();
    ended.expect_error(1, &["doubtful", "--strict"]);
    let report = Report::read(folder.path());
    assert!(report.is("/verdict/doubtful") && report.is("/verdict/goal_reached"));
    assert!(!report.is("/verdict/passed"));
    assert_eq!(*report.at("/verdict/doubts/0/name"), "late-starts");
}

#[test]
fn wrong_input_comes_before_a_failing_environment() {
    let taken = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let listen = format!("servers.embedded.ems_listen={}", taken.local_addr().expect("it is bound"));
    let ended = small_run().set(&[&listen, "fleet.meters=0"]).finish();
    ended.expect_error(2, &["--set: fleet.meters = 0"]);
}

#[test]
fn servers_that_are_told_to_stop_are_0() {
    let counts = Serving::start(&[]).stop();
    assert_eq!((counts.bootstrap("requests"), counts.ems("registered")), (0, 0));
}
