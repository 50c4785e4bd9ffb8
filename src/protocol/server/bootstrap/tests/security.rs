//! Devices that prove who they are, get keys of their own, and have sessions that come and go.

use super::*;
use crate::protocol::coap::Transport;

/// Keys of devices whose names begin with `k`: the name, and the account.
#[derive(Debug)]
struct Keys;

impl AccountKeys for Keys {
    fn security(&self, endpoint: &str, short_server_id: u16) -> Option<Vec<(u16, Value)>> {
        let own =
            |what: &str| Value::Opaque(format!("{what} of {endpoint} {short_server_id}").into_bytes().into());
        endpoint.starts_with('k').then(|| vec![(2, Value::Integer(0)), (3, own("id")), (5, own("key"))])
    }
}

fn config(plan: Plan) -> BootstrapConfig {
    let ems = "coaps://127.0.0.1:5684".to_owned();
    BootstrapConfig { ems, ..BootstrapConfig::new(Arc::new(Params::default()), Directory::of(plan)) }
}

/// A server that knows its devices by what they prove.
fn proven(plan: Plan) -> BootstrapServer {
    BootstrapServer::new(BootstrapConfig { proven: true, ..config(plan) }, Seed(1))
}

fn connect(server: &mut BootstrapServer, device: &Device, identity: Option<&str>) {
    server.handle_connected(device.address, SERVER, identity.map(Arc::from), Instant::ZERO);
}

fn pack_request(query: &[&str]) -> Message {
    let request = Message::request(Code::GET).with_path(&["bspack"]).with_accept(ContentFormat::SENML_CBOR);
    query.iter().fold(request, |request, query| request.with_query(query))
}

#[test]
fn a_name_that_was_not_proven_is_refused() {
    const OK: Code = Code::CHANGED;
    // The identity, the name given, the answer, and whether it counts as a mismatch.
    let cases: [(Option<&str>, &[&str], Code, u64); 5] = [
        (Some("a"), &["ep=a"], OK, 0),
        (Some("a"), &[], OK, 0),
        (Some("a"), &["ep=b"], Code::BAD_REQUEST, 1),
        (None, &["ep=a"], Code::UNAUTHORIZED, 1),
        (None, &[], Code::UNAUTHORIZED, 1),
    ];
    for (identity, query, code, mismatches) in cases {
        let mut server = proven(Plan::new(account(1)));
        let mut device = Device::new(1);
        connect(&mut server, &device, identity);
        assert_eq!(device.bootstrap(&mut server, query, Instant::ZERO), code, "{identity:?} {query:?}");
        let pack = device.ask(&mut server, pack_request(query), Instant::ZERO).code();
        assert_eq!(pack, if code == OK { Code::CONTENT } else { code }, "{identity:?} {query:?}");
        let counters = server.counters();
        assert_eq!(counters.identity_mismatch, 2 * mismatches);
        assert_eq!((counters.refused, counters.packs_refused), (mismatches, mismatches));
        assert_eq!(counters.finished, u64::from(code == OK));
    }
}

#[test]
fn without_proof_a_name_is_needed_and_believed() {
    let mut server = server(Plan::new(account(1)));
    let mut device = Device::new(1);
    assert_eq!(device.bootstrap(&mut server, &[], Instant::ZERO), Code::BAD_REQUEST);
    assert_eq!(device.bootstrap(&mut server, &["ep=whoever"], Instant::ZERO), Code::CHANGED);
    assert_eq!(server.counters().identity_mismatch, 0);
}

#[test]
fn strangers_without_a_session_leave_nothing_behind() {
    let mut server = proven(Plan::new(account(1)));
    let mut stranger = Exchange::new(Arc::default(), Seed(1).rng());
    let request = Message::request(Code::POST).with_path(&["bs"]).with_query("ep=a");
    stranger.request(request, Instant::ZERO);
    let Some(coap::Output::Send(bytes)) = stranger.poll_output() else { panic!("it says something") };
    server.handle_input(SocketAddr::new(SERVER, 9), SERVER, &bytes, Instant::ZERO);
    assert_eq!(server.poll_output(), None);
    assert_eq!((server.peers.len(), server.traffic().noise), (0, 1));
}

/// What was written to /0, by path.
fn written(device: &Device) -> Vec<Entry> {
    let bodies = device.bodies.iter().filter(|(_, path, _)| path.starts_with(&Path::object(0)));
    bodies
        .flat_map(|(format, path, body)| content::decode(*format, *path, body).expect("it can be read"))
        .collect()
}

fn value(entries: &[Entry], instance: u16, resource: u16) -> Option<Value> {
    let at = Path::resource(0, instance, resource);
    entries.iter().find(|entry| entry.path == at).map(|entry| entry.value.clone())
}

/// Whether these entries hold the keys of this device for both its accounts, and nothing of another's.
fn assert_keys(entries: &[Entry], endpoint: &str, what: &str) {
    for (instance, short_server_id) in [(1, 1_u16), (2, 2)] {
        let own = |name: &str| format!("{name} of {endpoint} {short_server_id}").into_bytes();
        assert_eq!(value(entries, instance, 2), Some(Value::Integer(0)), "{what}");
        assert_eq!(value(entries, instance, 3), Some(Value::Opaque(own("id").into())), "{what}");
        assert_eq!(value(entries, instance, 5), Some(Value::Opaque(own("key").into())), "{what}");
        assert_eq!(value(entries, instance, 4), None, "the plan's certificate is gone: {what}");
    }
}

/// Two accounts, with keys of the plan's own.
fn keyed_plan(write_level: WriteLevel) -> Plan {
    let shared = vec![(2, Value::Integer(2)), (4, Value::Opaque(b"certificate".to_vec().into()))];
    let keyed = |short_server_id| Account { security: shared.clone(), ..account(short_server_id) };
    Plan { accounts: vec![keyed(1), keyed(2)], write_level, ..Plan::new(account(1)) }
}

#[test]
fn each_device_is_written_its_own_keys_in_every_form() {
    for level in [WriteLevel::Object, WriteLevel::Instance] {
        for format in [
            ContentFormat::TLV,
            ContentFormat::SENML_CBOR,
            ContentFormat::SENML_JSON,
            ContentFormat::LWM2M_CBOR,
        ] {
            let mut config = config(keyed_plan(level));
            config.keys = Some(Arc::new(Keys));
            let mut server = BootstrapServer::new(config, Seed(1));
            // Twice round, so that whatever is kept of one would show up at another.
            for (port, endpoint) in [(1, "k1"), (2, "k2"), (3, "other"), (4, "k1"), (5, "k2"), (6, "other")] {
                let mut device = Device::new(port);
                let (ep, pct) = (format!("ep={endpoint}"), format!("pct={}", format.0));
                device.bootstrap(&mut server, &[&ep, &pct], Instant::ZERO);
                let entries = written(&device);
                let what = format!("{level:?} {format:?} {endpoint}");
                if endpoint == "other" {
                    assert_eq!(value(&entries, 1, 2), Some(Value::Integer(2)), "{what}");
                    assert_eq!(value(&entries, 1, 3), None, "{what}");
                    assert!(value(&entries, 1, 4).is_some(), "{what}");
                } else {
                    assert_keys(&entries, endpoint, &what);
                }
            }
        }
    }
}

#[test]
fn packs_hold_the_keys_of_their_device() {
    let mut config = config(keyed_plan(WriteLevel::Instance));
    config.keys = Some(Arc::new(Keys));
    let mut server = BootstrapServer::new(config, Seed(1));
    for (port, endpoint) in [(1, "k1"), (2, "k2")] {
        let request = pack_request(&[&format!("ep={endpoint}")]);
        let pack = Device::new(port).ask(&mut server, request, Instant::ZERO);
        let entries = content::decode(ContentFormat::SENML_CBOR, Path::ROOT, pack.payload()).expect("a pack");
        assert_keys(&entries, endpoint, "pack");
    }
}

#[test]
fn keys_are_not_shown() {
    let mut config = config(Plan::new(account(1)));
    let security = vec![(5, Value::Opaque(b"very secret".to_vec().into()))];
    config.directory = Directory::of(Plan::new(Account { security, ..account(1) }));
    let mut server = BootstrapServer::new(config.clone(), Seed(1));
    let mut device = Device::new(1);
    device.bootstrap(&mut server, &["ep=a"], Instant::ZERO);
    let (_, _, body) = &device.bodies[0];
    let to = device.address;
    let transmit = Transmit { to, from: SERVER, other_port: false, bytes: body.clone() };
    let shown = format!("{config:?} {transmit:?}");
    let bytes = format!("{:?}", b"very secret");
    assert!(!shown.contains("very secret") && !shown.contains(bytes.trim_matches(['[', ']'])), "{shown}");
}

#[test]
fn accounts_reached_over_streams_are_bound_to_tcp() {
    for (uri, binding) in [
        ("coap://[::1]", "U"),
        ("coaps://[::1]", "U"),
        ("coap+tcp://[::1]", "T"),
        ("coaps+tcp://[::1]", "T"),
        ("", "U"),
    ] {
        let mut server =
            BootstrapServer::new(config(Plan::new(Account { uri: uri.into(), ..account(1) })), Seed(1));
        let mut device = Device::new(1);
        device.bootstrap(&mut server, &["ep=a"], Instant::ZERO);
        let (format, path, body) = &device.bodies[1];
        let entries = content::decode(*format, *path, body).expect("it can be read");
        let bound =
            entries.iter().find(|entry| entry.path == Path::resource(1, 0, 7)).map(|entry| &entry.value);
        assert_eq!(bound, Some(&Value::String(binding.into())), "{uri}");
    }
}

/// The device asks for a bootstrap, and says nothing after it.
fn knock_once(server: &mut BootstrapServer, device: &mut Device) {
    let request = Message::request(Code::POST).with_path(&["bs"]).with_query("ep=a");
    device.exchange.request(request, Instant::ZERO);
    while let Some(output) = device.exchange.poll_output() {
        if let coap::Output::Send(bytes) = output {
            server.handle_input(device.address, SERVER, &bytes, Instant::ZERO);
        }
    }
    while server.poll_output().is_some() {}
}

#[test]
fn a_session_that_ends_takes_the_bootstrap_with_it() {
    let mut server = proven(Plan::new(account(1)));
    let mut device = Device::new(1);
    connect(&mut server, &device, Some("a"));
    knock_once(&mut server, &mut device);
    server.handle_disconnected(device.address, Instant::ZERO);
    let counters = server.counters();
    assert_eq!((counters.requests, counters.failed, counters.lost), (1, 1, 1));
    assert_eq!((server.peers.len(), server.running.len()), (0, 0));
    // What is said without a session any more, or ends twice, is nothing.
    server.handle_disconnected(device.address, Instant::ZERO);
    server.handle_timeout(Instant::from_secs(1_000));
    assert_eq!(server.poll_output(), None);
    assert_eq!(server.counters().failed, 1);
}

#[test]
fn a_device_started_again_at_its_address_begins_afresh() {
    let mut server = proven(Plan::new(account(1)));
    let mut device = Device::new(1);
    connect(&mut server, &device, Some("a"));
    knock_once(&mut server, &mut device);
    // It was started again: the same message ids and tokens, in a session of their own.
    let mut device = Device::new(1);
    connect(&mut server, &device, Some("a"));
    assert_eq!(device.bootstrap(&mut server, &[], Instant::ZERO), Code::CHANGED);
    let counters = server.counters();
    assert_eq!((counters.requests, counters.finished, counters.lost, counters.restarted), (2, 1, 1, 0));
    assert_eq!(server.traffic().duplicates, 0);
}

#[test]
fn a_session_is_remembered_however_long_it_is_silent() {
    let mut server = proven(Plan::new(account(1)));
    let mut device = Device::new(1);
    connect(&mut server, &device, Some("a"));
    let later = Instant::from_secs(86_400);
    server.handle_timeout(later);
    assert_eq!(device.bootstrap(&mut server, &[], later), Code::CHANGED);
}

#[test]
fn sessions_that_must_make_room_are_closed() {
    let config = BootstrapConfig { proven: true, max_peers: 1, ..config(Plan::new(account(1))) };
    let mut server = BootstrapServer::new(config, Seed(1));
    let devices = [1, 2].map(Device::new);
    for device in &devices {
        connect(&mut server, device, Some("a"));
    }
    assert_eq!(server.poll_disconnect(), Some(devices[0].address));
    assert_eq!((server.poll_disconnect(), server.traffic().evicted_peers), (None, 1));
}

/// A server and a device over a stream; neither has said anything yet.
fn over_stream() -> (BootstrapServer, Device) {
    let config = BootstrapConfig { transport: Transport::Stream, ..config(Plan::new(account(1))) };
    let mut device = Device::new(1);
    device.exchange = Exchange::over(Transport::Stream, Arc::default(), Seed(1).rng());
    (BootstrapServer::new(config, Seed(1)), device)
}

#[test]
fn bootstraps_go_over_streams_in_whatever_pieces() {
    for piece in [1, 3, 7, 1_000] {
        let (mut server, mut device) = over_stream();
        let now = Instant::ZERO;
        connect(&mut server, &device, None);
        device.exchange.connected(now);
        device.exchange.request(Message::request(Code::POST).with_path(&["bs"]).with_query("ep=a"), now);
        loop {
            let mut bytes = Vec::new();
            while let Some(output) = device.exchange.poll_output() {
                match output {
                    coap::Output::Send(more) => bytes.extend(more),
                    coap::Output::Event(coap::Event::Request(received)) => {
                        let answer = device.answer(&received.message);
                        device.exchange.respond(received, answer, now);
                    }
                    coap::Output::Event(_) => {}
                }
            }
            for piece in bytes.chunks(piece) {
                server.handle_input(device.address, SERVER, piece, now);
            }
            let sent: Vec<u8> =
                std::iter::from_fn(|| server.poll_output()).flat_map(|out| out.bytes).collect();
            if sent.is_empty() && bytes.is_empty() {
                break;
            }
            for piece in sent.chunks(piece) {
                device.exchange.handle_input(piece, now);
            }
        }
        assert_eq!(device.asked.last().map(String::as_str), Some("finish /"), "in pieces of {piece}");
        assert_eq!(server.counters().finished, 1);
    }
}

#[test]
fn a_peer_that_breaks_the_framing_is_disconnected() {
    let (mut server, device) = over_stream();
    connect(&mut server, &device, None);
    // A token length of 9 (RFC 8323 §3.2 and RFC 7252 §3): nothing after it can be made out.
    server.handle_input(device.address, SERVER, &[0x09, 0xe1, 0, 0, 0, 0, 0, 0, 0, 0, 0], Instant::ZERO);
    assert_eq!(server.poll_disconnect(), Some(device.address));
    assert_eq!((server.traffic().broken, server.traffic().left), (1, 0));
}
