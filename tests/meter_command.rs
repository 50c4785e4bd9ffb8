//! `bootstorm meter` from outside: one meter in the foreground against servers in another process.
#![expect(clippy::disallowed_methods, reason = "a test stands where nobody answers")]

mod common;

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use etherparse::{SlicedPacket, TransportSlice};
use nix::sys::signal::Signal;

use common::process::{Ended, Invocation, bootstorm};
use common::results::Serving;

/// A life as it should be.
const STATES: [&str; 5] = [
    "Planned -> Bootstrapping",
    "Bootstrapping -> Registering",
    "Registering -> Registered",
    "Registered -> Deregistering",
    "Deregistering -> Deregistered",
];

fn meter(bootstrap_server: &str) -> Invocation {
    bootstorm("meter").args(&["--bootstrap-server", bootstrap_server])
}

/// Lets it register, then interrupts it.
fn there_and_back(invocation: Invocation) -> Ended {
    let mut meter = invocation.start();
    meter.await_line("registration", |line| line.contains("state: Registering -> Registered"));
    meter.signal(Signal::SIGINT);
    meter.finish()
}

fn states(ended: &Ended) -> Vec<&str> {
    ended.stdout.lines().filter_map(|line| Some(line.split_once("  state: ")?.1)).collect()
}

/// The lines of messages, with the arrow first.
fn messages(ended: &Ended) -> Vec<&str> {
    let lines = ended.stdout.lines().filter_map(|line| Some(line.split_once("s  ")?.1));
    lines.filter(|line| line.starts_with("-> ") || line.starts_with("<- ")).collect()
}

#[test]
fn it_registers_says_so_and_leaves_on_ctrl_c() {
    let servers = Serving::start(&[]);
    let ended = there_and_back(meter(&servers.bootstrap)).expect_code(0);
    assert_eq!(states(&ended), STATES);
    for stage in ["bootstrap", "registration", "onboarding", "deregistration"] {
        assert!(ended.stdout.contains(&format!("  stage: {stage} took ")), "{stage}\n{}", ended.stdout);
    }
    assert!(messages(&ended).is_empty(), "nobody asked for them\n{}", ended.stdout);
    assert_eq!(ended.stderr, "");
    let counts = servers.stop();
    assert_eq!((counts.ems("registrations"), counts.ems("left"), counts.ems("registered")), (1, 1, 0));
}

#[test]
fn verbose_tells_every_message_and_what_is_in_it() {
    let servers = Serving::start(&["fleet.lifetime=77s"]);
    let endpoint = "urn:dev:os:the-one";
    let invocation = meter(&servers.bootstrap).args(&["--verbose", "--endpoint", endpoint, "--lwm2m", "1.1"]);
    let ended = there_and_back(invocation).expect_code(0);
    let (out, messages) = (&ended.stdout, messages(&ended));
    for (peer, parts) in [
        (servers.bootstrap_address(), vec!["bs", endpoint]),
        (servers.ems_address(), vec!["rd", endpoint, "lt=77", "lwm2m=1.1"]),
    ] {
        let asks = |line: &&str| {
            line.starts_with(&format!("-> {peer}  ")) && parts.iter().all(|part| line.contains(part))
        };
        assert!(messages.iter().any(asks), "{parts:?}\n{out}");
    }
    assert!(out.contains("/1/0/1 Lifetime = 77\n"), "{out}");
    // The account has no key here, and its object may have: nothing of it is shown.
    assert!(out.contains("LwM2M Server URI = (string, "), "{out}");
    assert!(!out.contains("= \"coap://"), "{out}");
    let counts = servers.stop();
    let datagrams = |way: &str| counts.bootstrap(way) + counts.ems(way);
    assert_eq!(messages.len() as u64, datagrams("in") + datagrams("out"));
}

#[test]
fn with_an_account_from_the_factory_it_registers_at_once() {
    let servers = Serving::start(&[]);
    let ems = format!("coap://{}", servers.ems_address());
    let invocation = bootstorm("meter").args(&["--server", &ems, "--lifetime", "77s", "--verbose"]);
    let ended = there_and_back(invocation).expect_code(0);
    assert_eq!(states(&ended)[0], "Planned -> Registering", "{}", ended.stdout);
    assert!(messages(&ended)[0].contains("lt=77"), "{}", ended.stdout);
    let counts = servers.stop();
    assert_eq!((counts.bootstrap("in"), counts.ems("registrations")), (0, 1));
}

#[test]
fn a_meter_of_version_1_0_names_no_format_and_is_written_tlv() {
    let servers = Serving::start(&[]);
    let invocation = meter(&servers.bootstrap).args(&["--verbose", "--lwm2m", "1.0"]);
    let ended = there_and_back(invocation).expect_code(0);
    let messages = messages(&ended);
    let with = |part: &str| messages.iter().filter(|line| line.contains(part)).count();
    assert_eq!((with("POST /bs?ep="), with("pct=")), (1, 0), "{}", ended.stdout);
    assert_eq!((with(" PUT /"), with(" tlv ")), (2, 2), "{}", ended.stdout);
    assert_eq!(with("lwm2m=1.0&"), 1, "{}", ended.stdout);
}

#[test]
fn the_capture_holds_every_message() {
    let (servers, folder) = (Serving::start(&[]), tempfile::tempdir().expect("a folder"));
    let path = folder.path().join("meter.pcap");
    let invocation = meter(&servers.bootstrap).arg("--verbose").arg("--pcap").arg(&path);
    let ended = there_and_back(invocation).expect_code(0);
    let messages = messages(&ended);
    let packets = packets(&path);
    assert_eq!(packets.len(), messages.len(), "{}", ended.stdout);
    for (packet, line) in packets.iter().zip(&messages) {
        let packet = SlicedPacket::from_ip(packet).expect("an IP packet");
        let Some(TransportSlice::Udp(udp)) = packet.transport else { panic!("no UDP: {packet:?}") };
        assert_eq!(usize::from(udp.length()), 8 + udp.payload().len());
        let peer = if line.starts_with("->") { udp.destination_port() } else { udp.source_port() };
        assert!(line[3..].starts_with(&format!("127.0.0.1:{peer}  ")), "{line}");
    }
    let mode = fs::metadata(&path).expect("the capture").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "keys travel in there");
    // Once it is there it stays as it is.
    let again = meter(&servers.bootstrap).arg("--pcap").arg(&path).finish();
    again.expect_error(3, &["meter.pcap", "holds something", "--pcap"]);
    assert_eq!(self::packets(&path).len(), messages.len());
}

/// The packets of a capture, with its head and lengths checked.
fn packets(path: &Path) -> Vec<Vec<u8>> {
    let file = fs::read(path).expect("the capture");
    let field = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes"));
    assert_eq!((field(0), field(20)), (0xa1b2_c3d4, 101), "microseconds, raw IP");
    let (mut at, mut packets) = (24, Vec::new());
    while at < file.len() {
        let length = field(at + 8);
        assert_eq!(field(at + 12), length, "nothing is cut");
        let begin = at + 16;
        at = begin + length as usize;
        packets.push(file[begin..at].to_vec());
    }
    packets
}

#[test]
fn it_leaves_by_itself_when_its_time_is_over() {
    let servers = Serving::start(&[]);
    // Ample to register in, also on a busy machine.
    let ended = meter(&servers.bootstrap).args(&["--for", "2s"]).finish().expect_code(0);
    assert_eq!(states(&ended), STATES);
    assert_eq!(servers.stop().ems("left"), 1);
}

#[test]
fn it_takes_its_settings_from_a_scenario() {
    let (servers, folder) = (Serving::start(&[]), tempfile::tempdir().expect("a folder"));
    let scenario = folder.path().join("one.toml");
    let text = format!(
        "fleet.endpoint = \"urn:dev:os:scenario-{{index}}\"\nservers.bootstrap = \"{}\"\n",
        servers.bootstrap
    );
    fs::write(&scenario, text).expect("a scenario");
    let invocation =
        bootstorm("meter").arg("--scenario").arg(&scenario).args(&["--verbose", "--for", "500ms"]);
    let ended = invocation.set(&["fleet.lwm2m=1.1"]).finish().expect_code(0);
    assert!(ended.stdout.contains("urn:dev:os:scenario-0"), "{}", ended.stdout);
    assert!(ended.stdout.contains("lwm2m=1.1"), "{}", ended.stdout);
}

#[test]
fn a_meter_that_never_registers_is_1() {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let server = format!("coap://{}", silent.local_addr().expect("it is bound"));
    let mut meter = meter(&server).set(&["coap.ack_timeout=20ms", "coap.max_retransmit=1"]).start();
    meter.await_line("failure", |line| line.contains("failure: bootstrap timeout"));
    meter.await_line("outlook", |line| line.contains("  next attempt in "));
    meter.signal(Signal::SIGTERM);
    let ended = meter.finish().expect_error(1, &["never registered", "--verbose"]);
    assert!(states(&ended).contains(&"Bootstrapping -> BootstrapBackoff"), "{}", ended.stdout);
}

#[test]
fn ctrl_c_twice_stops_at_once() {
    let servers = Serving::start(&[]);
    let mut meter = meter(&servers.bootstrap).set(&["run.drain=1h"]).start();
    meter.await_line("registration", |line| line.contains("state: Registering -> Registered"));
    // From now on nobody answers.
    servers.process.signal(Signal::SIGSTOP);
    meter.signal(Signal::SIGINT);
    meter.await_line("leave", |line| line.contains("state: Registered -> Deregistering"));
    meter.signal(Signal::SIGINT);
    let ended = meter.finish().expect_error(1, &["did not leave in good order"]);
    assert_eq!(states(&ended).last(), Some(&"Deregistering -> Stopped"));
}

#[test]
fn ctrl_c_once_while_it_leaves_anyway_changes_nothing() {
    let servers = Serving::start(&[]);
    let mut meter = meter(&servers.bootstrap).args(&["--for", "2s"]).start();
    meter.await_line("registration", |line| line.contains("state: Registering -> Registered"));
    servers.process.signal(Signal::SIGSTOP);
    meter.await_line("leave", |line| line.contains("state: Registered -> Deregistering"));
    meter.signal(Signal::SIGINT);
    servers.process.signal(Signal::SIGCONT);
    let ended = meter.finish().expect_code(0);
    assert_eq!(states(&ended), STATES);
}

#[test]
fn a_capture_without_room_fails_before_anything_starts() {
    let servers = Serving::start(&[]);
    // Opening it is no problem, and nothing has room on it.
    let ended = meter(&servers.bootstrap).args(&["--pcap", "/dev/full"]).finish();
    let ended = ended.expect_error(3, &["/dev/full"]);
    assert_eq!(ended.stdout, "");
}

#[test]
fn a_server_elsewhere_that_the_bootstrap_server_names_is_refused() {
    let servers = Serving::start(&["servers.ems=coap://192.0.2.1", "allow_remote=true"]);
    let mut meter = meter(&servers.bootstrap).start();
    meter.await_line("refusal", |line| line.contains("refused to send to 192.0.2.1:5683"));
    meter.await_line("failure", |line| line.contains("failure: destination refused"));
    meter.signal(Signal::SIGINT);
    meter.finish().expect_error(1, &["never registered"]);
}

#[test]
fn wrong_input_is_2_and_a_failing_environment_is_3() {
    let here = "coap://127.0.0.1:5783";
    meter("127.0.0.1:5783").finish().expect_error(2, &["--bootstrap-server 127.0.0.1:5783", "must be a URI"]);
    meter("coaps://127.0.0.1")
        .finish()
        .expect_error(2, &["coaps://127.0.0.1:5684", "no credentials for it are given"]);
    meter("coap://192.0.2.1").finish().expect_error(2, &["192.0.2.1:5683", "help: add --allow-remote"]);
    bootstorm("meter").finish().expect_error(2, &["no Bootstrap-Server", "--bootstrap-server"]);
    meter(here).args(&["--endpoint", ""]).finish().expect_error(2, &["--endpoint"]);
    meter(here).set(&["fleet.lwm2m=7"]).finish().expect_error(2, &["fleet.lwm2m"]);
    let nowhere = meter(here).args(&["--pcap", "/nowhere/meter.pcap"]).finish();
    nowhere.expect_error(3, &["/nowhere/meter.pcap", "--pcap"]);
    for refused in [["--lwm2m", "7"], ["--for", "soon"]] {
        assert_eq!(meter(here).args(&refused).finish().code, Some(2));
    }
}

#[test]
fn of_a_provisioning_file_it_takes_the_first_row() {
    let servers = Serving::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let rows = folder.path().join("meters.csv");
    fs::write(&rows, "endpoint\nthe-first\nthe-second\n").expect("a file");
    let ended = there_and_back(meter(&servers.bootstrap).arg("--verbose").arg("--provision").arg(&rows));
    assert!(ended.expect_code(0).stdout.contains("ep=the-first"));
}
