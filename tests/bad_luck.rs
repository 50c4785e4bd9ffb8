//! Servers that refuse, keep silent or are shouted at, and a meter whose code panics: everything is
//! counted, and whoever can register does.
#![expect(clippy::disallowed_methods, reason = "tests send noise and keep silent on sockets of their own")]

mod common;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use bootstorm::base::{Clock, Seed};
use bootstorm::fleet::{self, FleetConfig, FleetError, FleetOutcome, Load, Sabotage};
use bootstorm::metrics::{FailureKind, MeterState, RequestFate, RequestKind, Snapshot, Stage};
use bootstorm::protocol::coap::{Code, Message};
use bootstorm::protocol::lwm2m::ServerUri;
use bootstorm::scenario::{self, Overrides};
use bootstorm::servers::{Embedded, Final};
use tokio::sync::mpsc;

use common::process::small_run;
use common::responder::Responder;
use common::results::{Report, Serving};

const LOOPBACK: std::net::IpAddr = std::net::IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Runs 50 meters that may try again soon, and requires the exit code.
fn run(set: &[&str], code: i32) -> Report {
    let folder = tempfile::tempdir().expect("a folder");
    let quick = ["fleet.meters=50", "retry.bootstrap_initial=200ms", "retry.retry_timer=1s"];
    let ended = small_run().set(&quick).set(set).out(folder.path()).finish().expect_code(code);
    let report = Report::read(folder.path());
    report.expect_balanced();
    assert_eq!(ended.stdout.starts_with("PASSED"), code == 0, "{}", ended.stdout);
    report
}

#[test]
fn a_bootstrap_server_that_refuses_is_asked_again_and_counted() {
    let server = Responder::start(LOOPBACK, |_, request| {
        let is_bootstrap = request.path_is(&["bs"]) && request.query("ep").is_some();
        Message::response(if is_bootstrap { Code::FORBIDDEN } else { Code::NOT_FOUND })
    });
    let report = run(&[&format!("servers.bootstrap={}", server.uri()), "run.settle=2s"], 1);
    let heard = server.stop();
    let refused = report.failures("bootstrap-refused-4.03");
    assert!(refused >= 100, "each of 50 meters at least twice: {refused}");
    assert_eq!(refused, report.figure("/requests/bootstrap-request/answered"));
    assert_eq!(refused, heard.requests as u64);
    assert_eq!(report.figure("/fleet/registered_peak"), 0);
    assert!(report.at("/failure_samples/bootstrap-refused-4.03/0").is_string());
    // Each meter has an address of its own.
    let addresses: BTreeSet<_> = heard.peers.iter().map(SocketAddr::ip).collect();
    assert_eq!(addresses.len(), 50);
    assert!(addresses.iter().all(|address| address.is_loopback()));
}

#[test]
fn an_ems_that_is_overloaded_at_first_gets_everybody_in_the_end() {
    let mut seen = BTreeSet::new();
    let ems = Responder::start(LOOPBACK, move |peer, request| match request.code() {
        Code::POST if request.path_is(&["rd"]) && seen.insert(peer) => {
            Message::response(Code::SERVICE_UNAVAILABLE)
        }
        Code::POST if request.path_is(&["rd"]) => {
            Message::response(Code::CREATED).with_location(&["rd", &peer.port().to_string()])
        }
        Code::DELETE => Message::response(Code::DELETED),
        _ => Message::response(Code::CHANGED),
    });
    let report = run(&[&format!("servers.ems={}", ems.uri())], 0);
    assert_eq!(report.failures("registration-refused-5.03"), 50);
    assert_eq!(report.figure("/fleet/registered_end"), 50);
    assert_eq!(report.figure("/requests/register/answered"), 100);
    assert_eq!(report.figure("/fleet/states/deregistered"), 50);
    // From power-on: the wait of a second after the refusal is part of it.
    assert!(report.figure("/stages/onboarding/min_us") >= 1_000_000);
    assert_eq!(ems.stop().requests, 150);
}

#[test]
fn an_answer_without_a_location_is_a_failure() {
    let ems = Responder::start(LOOPBACK, |_, _| Message::response(Code::CREATED));
    let report = run(&[&format!("servers.ems={}", ems.uri()), "run.settle=500ms"], 1);
    assert!(report.failures("registration-no-location") >= 50);
    assert_eq!(report.figure("/fleet/registered_peak"), 0);
}

#[test]
fn a_silent_server_times_out() {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let uri = format!("coap://{}", silent.local_addr().expect("it is bound"));
    let quick = ["coap.ack_timeout=50ms", "coap.max_retransmit=1", "run.settle=2s"];
    for (key, failure) in [("bootstrap", "bootstrap-timeout"), ("ems", "registration-timeout")] {
        let server = format!("servers.{key}={uri}");
        let report = run(&[&quick[..], &[&server]].concat(), 1);
        assert!(report.failures(failure) >= 50, "{failure}: {}", report.at("/failures"));
        let kind = if key == "ems" { "register" } else { "bootstrap-request" };
        let timed_out = report.figure(&format!("/requests/{kind}/timed_out"));
        assert_eq!(timed_out, report.failures(failure));
        // MAX_RETRANSMIT is 1.
        assert!(report.figure("/traffic/retransmitted") >= timed_out);
        assert_eq!(report.figure("/fleet/registered_peak"), 0);
    }
}

#[test]
fn a_datagram_too_long_for_a_server_is_told() {
    let servers = Serving::start(&[]);
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    stranger.send_to(&[0x40; 30_000], servers.ems_address()).expect("loopback takes it");
    // The answer to a request behind it says that it was read: GET /x.
    stranger.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout above zero");
    stranger.send_to(&[0x40, 1, 0, 1, 0xb1, b'x'], servers.ems_address()).expect("loopback takes it");
    stranger.recv(&mut [0; 64]).expect("an answer");
    assert_eq!(servers.stop().ems("too long"), 1);
}

#[test]
fn an_answer_from_another_port_is_taken_for_noise() {
    // What is sent again is answered from the right port.
    let report = run(&["servers.ems_server.manners.other_port=100%", "coap.ack_timeout=200ms"], 0);
    let misplaced = report.figure("/servers/ems/seen/desk/other_port/times");
    assert_eq!(misplaced, 100, "a Register and a De-register of each of 50 meters");
    assert_eq!(report.figure("/noise/unknown-source"), misplaced);
    assert_eq!(report.figure("/fleet/registered_end"), 50);
    assert!(report.figure("/traffic/retransmitted") >= misplaced);
    assert!(report.figure("/stages/registration/min_us") >= 200_000);
}

#[test]
fn noise_at_the_servers_is_counted_and_hurts_nobody() {
    // Neither of these is a CoAP message (RFC 7252 §3).
    let malformed: [&[u8]; 6] = [
        b"",
        b"\x40",
        b"\x00\x01\x00\x01",
        b"\x4f\x02\x00\x02 a token of 15 bytes",
        b"\x40\x02\x00\x03\xff",
        b"\x40\x21\x00\x04 a reserved class",
    ];
    const TIMES: u64 = 50;
    let servers = Serving::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let server = format!("servers.bootstrap={}", servers.bootstrap);
    let run = small_run().set(&["run.hold=500ms", &server]).out(folder.path()).start();
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let mut rng = Seed(7).rng();
    for round in 0..TIMES {
        let length = 1 + (round as usize * 31) % 1400;
        let random: Vec<u8> = (0..length).map(|_| rng.below(256) as u8).collect();
        for datagram in malformed.into_iter().chain([&*random]) {
            for target in [servers.bootstrap_address(), servers.ems_address()] {
                stranger.send_to(datagram, target).expect("loopback takes it");
            }
        }
    }
    run.finish().expect_code(0);
    let report = Report::read(folder.path());
    assert_eq!(report.figure("/fleet/registered_end"), 200);
    assert_eq!(report.at("/failures").as_object().map(serde_json::Map::len), Some(0));
    report.expect_balanced();
    let counts = servers.stop();
    let shouted = TIMES * malformed.len() as u64;
    // Some of the random ones may make sense by chance.
    assert!((shouted..=shouted + TIMES).contains(&counts.bootstrap("noise")), "{counts:?}");
    assert!((shouted..=shouted + TIMES).contains(&counts.ems("noise")), "{counts:?}");
    assert_eq!((counts.bootstrap("finished"), counts.ems("registrations")), (200, 200));
}

/// A fleet with meters in it that are made to panic, and what is left of it.
struct Ruin {
    outcome: FleetOutcome,
    left: Final,
}

impl Ruin {
    /// Runs 40 meters on two shards; `change` makes of them what the test needs.
    fn of(change: impl FnOnce(&mut FleetConfig)) -> Self {
        Self::try_of(change).unwrap_or_else(|error| panic!("{error}"))
    }

    fn try_of(change: impl FnOnce(&mut FleetConfig)) -> Result<Self, FleetError> {
        let text = "[fleet]\nmeters = 40\n[arrivals]\nrate = \"400/s\"\n\
                    [run]\nhold = \"0s\"\nsettle = \"20s\"\nshards = 2\n";
        let scenario = scenario::load("panic.toml", text, &Overrides::default(), 2);
        let scenario = scenario.unwrap_or_else(|error| panic!("{error}"));
        let clock = Clock::start();
        let servers = Embedded::start(scenario.embedded_config(clock)).expect("free ports");
        let bootstrap = servers.bootstrap_address().expect("it is embedded");
        let mut config = scenario.fleet_config(&ServerUri::coap(bootstrap), vec![bootstrap], clock);
        change(&mut config);
        let (_keep, commands) = mpsc::unbounded_channel();
        let outcome = fleet::run(config, commands, |_, _| {})?;
        Ok(Ruin { outcome, left: servers.stop() })
    }

    fn snapshot(&self) -> Snapshot {
        self.outcome.totals.snapshot()
    }

    /// Requires that what was counted in different places agrees.
    fn expect_balanced(&self) {
        let (snapshot, outcome) = (self.snapshot(), &self.outcome);
        assert_eq!(outcome.census, snapshot.states);
        assert_eq!(snapshot.states.total(), 40);
        assert!(snapshot.states.iter().all(|(_, count)| count >= 0), "{:?}", snapshot.states);
        for kind in RequestKind::ALL {
            let counts = snapshot.requests[kind.index()];
            let ended =
                [RequestFate::Answered, RequestFate::Reset, RequestFate::TimedOut, RequestFate::Abandoned];
            let ended: u64 = ended.into_iter().map(|fate| counts.of(fate)).sum();
            assert_eq!(counts.of(RequestFate::Sent), ended + outcome.in_flight[kind.index()], "{kind}");
        }
        let accepted = self.left.accepted.as_ref().expect("the EMS is embedded");
        for (meter, (confirmed, unconfirmed)) in &outcome.registrations {
            let times = accepted.iter().find(|(name, _)| number_of(name) == *meter);
            let times = times.map_or(0, |(_, times)| *times);
            assert!((*confirmed..=confirmed + unconfirmed).contains(&times), "{meter}: {times}");
        }
    }

    fn failures(&self) -> Vec<(FailureKind, u64)> {
        self.snapshot().failures.iter().map(|failure| (failure.kind, failure.count)).collect()
    }
}

/// The number at the end of an endpoint name: its meter.
fn number_of(endpoint: &str) -> u32 {
    let digits = endpoint.rsplit(|letter: char| !letter.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().unwrap_or_else(|_| panic!("no number in {endpoint}"))
}

#[test]
fn a_panicking_meter_is_counted_and_replaced_and_the_others_never_know() {
    let ruin =
        Ruin::of(|config| config.sabotage = [3, 8, 39].map(|meter| (meter, Sabotage::Received)).into());
    let snapshot = ruin.snapshot();
    assert_eq!(ruin.failures(), [(FailureKind::ActorPanicked, 3)]);
    assert_eq!((snapshot.started, snapshot.due), (40, 40), "who is put back does not arrive again");
    assert_eq!(snapshot.registered_peak, 40, "those that were replaced register too");
    assert_eq!(snapshot.states[MeterState::Deregistered], 40);
    ruin.expect_balanced();
    assert!(ruin.outcome.complete);
    // To the Bootstrap-Server they are devices that start over before they were through.
    let bootstrap = &ruin.left.counts.bootstrap.as_ref().expect("it is embedded").counters;
    assert_eq!((bootstrap.restarted, bootstrap.finished, bootstrap.failed), (3, 40, 0));
    let accepted = ruin.left.accepted.as_ref().expect("the EMS is embedded");
    assert_eq!(accepted.len(), 40);
    assert!(accepted.values().all(|&times| times == 1), "{accepted:?}");
}

#[test]
fn a_meter_that_panics_before_it_can_tell_what_it_did_leaves_the_balances_whole() {
    let ruin = Ruin::of(|config| {
        config.sabotage = vec![
            // The answer to its Bootstrap-Request is lost in it.
            (4, Sabotage::Handled),
            (5, Sabotage::Entered(MeterState::Registering)),
            // The EMS has it, and it never says so.
            (6, Sabotage::Entered(MeterState::Registered)),
        ];
    });
    assert_eq!(ruin.failures(), [(FailureKind::ActorPanicked, 3)]);
    assert_eq!(ruin.snapshot().states[MeterState::Deregistered], 40);
    assert_eq!(ruin.outcome.registrations[&6], (1, 1), "one seen, one lost");
    ruin.expect_balanced();
}

#[test]
fn a_meter_that_panics_again_and_again_stays_away() {
    let ruin = Ruin::of(|config| config.sabotage = vec![(7, Sabotage::Received); 4]);
    assert_eq!(ruin.failures(), [(FailureKind::ActorPanicked, 4)]);
    let snapshot = ruin.snapshot();
    assert_eq!((snapshot.states[MeterState::Crashed], snapshot.states[MeterState::Deregistered]), (1, 39));
    assert_eq!(snapshot.started, 40);
    ruin.expect_balanced();
}

#[test]
fn a_meter_that_panics_while_the_fleet_leaves_is_not_put_back() {
    let ruin = Ruin::of(|config| {
        config.drain = Duration::from_secs(10);
        config.sabotage = vec![
            (0, Sabotage::Entered(MeterState::Deregistering)),
            (1, Sabotage::Entered(MeterState::Deregistered)),
        ];
    });
    assert_eq!(ruin.failures(), [(FailureKind::ActorPanicked, 2)]);
    let snapshot = ruin.snapshot();
    assert_eq!((snapshot.states[MeterState::Crashed], snapshot.states[MeterState::Deregistered]), (2, 38));
    assert_eq!(snapshot.stage(Stage::Onboarding).count, 40, "nobody is onboarded anew");
    ruin.expect_balanced();
}

#[test]
fn meters_that_take_turns_leave_nothing_uncounted() {
    let ruin = Ruin::of(|config| {
        config.load = Load::Closed { in_flight: 8, sessions: 400 };
        // One is replaced, and the balances hold all the same.
        config.sabotage = vec![(11, Sabotage::Handled)];
    });
    assert_eq!(ruin.failures(), [(FailureKind::ActorPanicked, 1)]);
    let snapshot = ruin.snapshot();
    assert_eq!((snapshot.started, snapshot.stage(Stage::Onboarding).count), (400, 400));
    assert_eq!(snapshot.states[MeterState::Deregistered], 40);
    let registered: u32 = ruin.outcome.registrations.values().map(|(confirmed, _)| confirmed).sum();
    assert_eq!(registered, 400, "of meters that are no more as well");
    ruin.expect_balanced();
}

#[test]
fn a_meter_whose_turn_comes_too_early_abandons_its_request() {
    let ruin = Ruin::of(|config| {
        // More under way than there are meters.
        config.load = Load::Closed { in_flight: 60, sessions: 200 };
        config.settle = Duration::from_millis(500);
    });
    let abandoned = |kind: &RequestKind| ruin.snapshot().requests[kind.index()].of(RequestFate::Abandoned);
    assert!(RequestKind::ALL.iter().map(abandoned).sum::<u64>() > 0);
    ruin.expect_balanced();
}

#[test]
fn a_shard_that_panics_ends_the_run_with_an_error() {
    let broken = Ruin::try_of(|config| config.sabotage = vec![(9, Sabotage::Arriving)]);
    let FleetError::Environment(why) = broken.err().expect("half of the fleet is gone");
    assert!(why.contains("shard 1 "), "{why}");
}
