//! A meter whose network is the test's own.

use std::time::Duration;

use super::*;
use crate::meter::{ObjectSet, factory};
use crate::protocol::client::{Backoff, BootstrapPolicy, FirmwarePolicy, RegistrationPolicy, ReportPolicy};
use crate::protocol::coap::Params;
use crate::protocol::lwm2m::{Entry, Path, Value, Version};

const NOW: Instant = Instant::from_secs(1);

/// A client that tries again every second, with this in its store.
pub(in crate::meter) fn config(factory: Arc<Vec<Entry>>) -> Arc<Config> {
    let second = Duration::from_secs(1);
    Arc::new(Config {
        version: Version::V1_1,
        transmission: Arc::new(Params::default()),
        bootstrap: BootstrapPolicy {
            backoff: Backoff { initial: second, max: second },
            ..BootstrapPolicy::default()
        },
        registration: RegistrationPolicy::default(),
        firmware: FirmwarePolicy::default(),
        report: ReportPolicy::default(),
        provision: None,
        device: None,
        factory,
    })
}

/// A meter with an account of the Bootstrap-Server at this URI and these further resources of it, switched on.
fn switched_on(uri: &str, security: &[(u16, Value)]) -> Meter {
    let mut entries = Vec::clone(&factory(uri, Duration::ZERO, ObjectSet::Minimal));
    for (id, value) in security {
        let path = Path::resource(0, 0, *id);
        entries.retain(|entry| entry.path != path);
        entries.push(Entry::new(path, value.clone()));
    }
    let mut meter = Meter::new(config(Arc::new(entries)), "meter".into(), 0, Seed(1));
    meter.power_on(NOW, NOW);
    meter
}

fn psk() -> [(u16, Value); 3] {
    let opaque = |bytes: &[u8]| Value::Opaque(bytes.into());
    [(2, Value::Integer(0)), (3, opaque(b"meter")), (5, opaque(&[7; 16]))]
}

fn outputs(meter: &mut Meter) -> Vec<Output> {
    std::iter::from_fn(|| meter.poll_output(NOW)).collect()
}

fn failure(outputs: &[Output]) -> Option<FailureKind> {
    outputs.iter().find_map(|output| match output {
        Output::Event(Event::Failure(kind)) => Some(*kind),
        _ => None,
    })
}

fn sends(outputs: &[Output]) -> usize {
    let sent = |output: &&Output| {
        matches!(output, Output::Transmit { .. } | Output::Connect { .. } | Output::Write { .. })
    };
    outputs.iter().filter(sent).count()
}

const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 1)), 5783);

#[test]
fn what_hangs_on_sessions_costs_meters_without_any_next_to_nothing() {
    // A pointer to the channels, one to what sessions share, and a number a way.
    assert!(size_of::<Meter>() <= size_of::<Client>() + 128, "{}", size_of::<Meter>());
    assert!(size_of::<Way>() <= 40);
    let mut meter = switched_on("coap://127.0.0.1:5783", &[]);
    assert_eq!(sends(&outputs(&mut meter)), 1);
    assert!(meter.channels.is_none());
}

#[test]
fn nothing_is_sent_where_credentials_cannot_be_used() {
    let raw = [3, 4, 5].map(|id| (id, Value::Opaque(vec![1; 64].into())));
    let raw: Vec<(u16, Value)> = [(2, Value::Integer(1))].into_iter().chain(raw).collect();
    let mut meter = switched_on("coaps://127.0.0.1:5783", &raw);
    let told = outputs(&mut meter);
    assert_eq!((failure(&told), sends(&told)), (Some(FailureKind::Credentials), 0), "{told:?}");

    let suites = psk().into_iter().chain([(16, Value::Unsigned(0xc0a4))]);
    let mut meter = switched_on("coaps+tcp://127.0.0.1:5783", &suites.collect::<Vec<_>>());
    let told = outputs(&mut meter);
    assert_eq!((failure(&told), sends(&told)), (Some(FailureKind::Credentials), 0), "{told:?}");
}

#[test]
fn what_comes_in_plain_on_a_way_that_is_to_be_secure_is_not_the_servers() {
    let mut meter = switched_on("coaps://127.0.0.1:5783", &psk());
    assert!(
        outputs(&mut meter)
            .iter()
            .any(|output| matches!(output, Output::Transmit { to, .. } if *to == SERVER))
    );
    // An answer 2.04, and a Bootstrap-Finish.
    for plain in [&[0x60, 0x44, 0, 1][..], &[0x41, 2, 0, 1, 7, 0xb2, b'b', b's']] {
        meter.handle_input(SERVER, plain, NOW);
        assert_eq!(sends(&outputs(&mut meter)), 0);
    }
    let elsewhere = SocketAddr::new(SERVER.ip(), 1);
    assert_eq!(meter.handle_input(elsewhere, &[0x40, 0, 0, 1], NOW), Some(NoiseKind::UnknownSource));
}

#[test]
fn a_name_that_resolves_late_still_leads_to_a_session() {
    let mut meter = switched_on("coaps://bootstrap.example.org:5783", &psk());
    let told = outputs(&mut meter);
    assert!(told.iter().any(|output| matches!(output, Output::Resolve { port: 5783, .. })), "{told:?}");
    assert_eq!(sends(&told), 0);
    meter.handle_resolved(Link::Bootstrap, SERVER, NOW);
    let told = outputs(&mut meter);
    // Content type 22, handshake (RFC 6347 §4.1): never a plain message.
    let plain = |output: &Output| matches!(output, Output::Transmit { bytes, .. } if bytes[0] != 22);
    assert!(sends(&told) > 0 && !told.iter().any(plain), "{told:?}");
}

#[test]
fn a_server_that_cannot_be_sent_to_ends_the_handshake() {
    let mut meter = switched_on("coaps://127.0.0.1:5783", &psk());
    outputs(&mut meter);
    assert_eq!(meter.poll_timeout().map(|(_, what)| what), Some(Wake::Session));
    meter.handle_unsendable(SERVER, Unreachable::SendError, NOW);
    assert_eq!(failure(&outputs(&mut meter)), Some(FailureKind::SendError));
    assert!(!matches!(meter.poll_timeout(), Some((_, Wake::Session))));
}

#[test]
fn streams_are_numbered_anew_and_each_end_is_told_by_its_kind() {
    let connected = |outputs: &[Output]| {
        outputs.iter().find_map(|output| match output {
            Output::Connect { stream, to } if *to == SERVER => Some(*stream),
            _ => None,
        })
    };
    let ends = [
        (StreamNews::Broken, FailureKind::ConnectionRefused, false),
        (StreamNews::Refused(Unreachable::Refused), FailureKind::DestinationRefused, false),
        (StreamNews::Ended, FailureKind::ConnectionRefused, true),
    ];
    let mut meter = switched_on("coap+tcp://127.0.0.1:5783", &[]);
    let mut last = 0;
    for (news, kind, closes) in ends {
        let told = outputs(&mut meter);
        let stream = connected(&told).expect("it connects");
        assert!(stream > last);
        last = stream;
        meter.handle_stream(stream, news, NOW);
        let told = outputs(&mut meter);
        assert_eq!(failure(&told), Some(kind));
        let closed = told.iter().any(|output| matches!(output, Output::Disconnect { .. }));
        assert_eq!(closed, closes, "{told:?}");
        // Of what is over nobody wants any news.
        meter.handle_stream(stream, StreamNews::Connected, NOW);
        assert!(outputs(&mut meter).is_empty());
        let (at, _) = meter.poll_timeout().expect("it tries again");
        meter.handle_timeout(at);
    }
}

#[test]
fn a_meter_that_is_stopped_gives_its_streams_back_and_says_nothing() {
    let mut meter = switched_on("coap+tcp://127.0.0.1:5783", &[]);
    outputs(&mut meter);
    meter.handle_stream(1, StreamNews::Connected, NOW);
    assert!(sends(&outputs(&mut meter)) > 0);
    meter.stop();
    let told = outputs(&mut meter);
    assert!(told.iter().any(|output| matches!(output, Output::Disconnect { stream: 1 })), "{told:?}");
    assert_eq!(sends(&told), 0);
}

#[test]
fn what_is_said_and_heard_is_shown_to_those_who_ask() {
    let mut meter = switched_on("coap+tcp://127.0.0.1:5783", &[]);
    meter.set_tap(true);
    outputs(&mut meter);
    meter.handle_stream(1, StreamNews::Connected, NOW);
    let told = outputs(&mut meter);
    let written: Vec<&[u8]> = told
        .iter()
        .filter_map(|output| match output {
            Output::Write { bytes, .. } => Some(&bytes[..]),
            _ => None,
        })
        .collect();
    let shown = told.iter().filter_map(|output| match output {
        Output::Plain {
            direction: Direction::Sent,
            link: Link::Bootstrap,
            server: SERVER,
            channel: Some(1),
            bytes,
        } => Some(&bytes[..]),
        _ => None,
    });
    assert!(!written.is_empty());
    assert_eq!(shown.collect::<Vec<_>>(), written);
    meter.handle_stream(1, StreamNews::Data([0x00, 0xe1].into()), NOW);
    let heard = |output: &Output| matches!(output, Output::Plain { direction: Direction::Received, .. });
    assert!(outputs(&mut meter).iter().any(heard));
    meter.set_tap(false);
    meter.handle_stream(1, StreamNews::Data([0x00, 0xe2].into()), NOW);
    assert!(!outputs(&mut meter).iter().any(heard));
}
