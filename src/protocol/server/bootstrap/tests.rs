//! A Bootstrap-Server and a device that answers what it is told to.

mod security;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::*;
use crate::protocol::coap::Exchange;
use crate::protocol::content;
use crate::protocol::lwm2m::{Entry, Path, Value};
use crate::protocol::server::{EndpointPattern, Manners, Share, behind};

const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn account(short_server_id: u16) -> Account {
    Account::new(String::new(), short_server_id, Duration::from_secs(300))
}

fn server_of(directory: Directory) -> BootstrapServer {
    let ems = "coap://127.0.0.1:5683".to_owned();
    let config = BootstrapConfig { ems, ..BootstrapConfig::new(Arc::new(Params::default()), directory) };
    BootstrapServer::new(config, Seed(1))
}

fn server(plan: Plan) -> BootstrapServer {
    server_of(Directory::of(plan))
}

/// A device by hand: it says what it is told, and writes down what it is asked.
struct Device {
    address: SocketAddr,
    discovered: &'static str,
    /// What it answers Finishes with, in turn; 2.04 afterwards.
    finishes: Vec<Code>,
    asked: Vec<String>,
    bodies: Vec<(ContentFormat, Path, Vec<u8>)>,
    exchange: Exchange,
}

impl Device {
    fn new(port: u16) -> Self {
        Device {
            address: SocketAddr::new(SERVER, port),
            discovered: "</>;lwm2m=1.1,</0/0>,</1>,</3/0>",
            finishes: Vec::new(),
            asked: Vec::new(),
            bodies: Vec::new(),
            exchange: Exchange::new(Arc::new(Params::default()), Seed(port.into()).rng()),
        }
    }

    /// Sends a request, and does what follows until both are silent; the answer to the request.
    fn ask(&mut self, server: &mut BootstrapServer, request: Message, now: Instant) -> Message {
        self.exchange.request(request, now);
        let mut answer = None;
        loop {
            while let Some(output) = self.exchange.poll_output() {
                match output {
                    coap::Output::Send(bytes) => server.handle_input(self.address, SERVER, &bytes, now),
                    coap::Output::Event(coap::Event::Response { message, .. }) => answer = Some(message),
                    coap::Output::Event(coap::Event::Request(received)) => {
                        let answer = self.answer(&received.message);
                        self.exchange.respond(received, answer, now);
                    }
                    coap::Output::Event(_) => {}
                }
            }
            match server.poll_output() {
                Some(transmit) => self.exchange.handle_input(&transmit.bytes, now),
                None => return answer.expect("every request is answered"),
            }
        }
    }

    fn bootstrap(&mut self, server: &mut BootstrapServer, query: &[&str], now: Instant) -> Code {
        let request = Message::request(Code::POST).with_path(&["bs"]);
        let request = query.iter().fold(request, |request, query| request.with_query(query));
        self.ask(server, request, now).code()
    }

    fn answer(&mut self, command: &Message) -> Message {
        let path = Path::from_segments(command.path()).unwrap_or(Path::ROOT);
        let (name, answer) = match (command.code(), command.path_is(&["bs"])) {
            (Code::POST, true) => {
                let code = if self.finishes.is_empty() { Code::CHANGED } else { self.finishes.remove(0) };
                ("finish", Message::response(code))
            }
            (Code::GET, _) if command.accept() == Some(ContentFormat::LINK) => (
                "discover",
                Message::response(Code::CONTENT).with_payload(self.discovered.as_bytes().to_vec()),
            ),
            (Code::GET, _) => ("read", Message::response(Code::METHOD_NOT_ALLOWED)),
            (Code::DELETE, _) => ("delete", Message::response(Code::DELETED)),
            _ => {
                let format = command.content_format().expect("a write has a format");
                self.bodies.push((format, path, command.payload().to_vec()));
                ("write", Message::response(Code::CHANGED))
            }
        };
        self.asked.push(format!("{name} {path}"));
        answer
    }
}

#[test]
fn every_account_goes_where_the_device_has_room() {
    let plan = Plan { accounts: vec![account(1), account(2)], ..Plan::new(account(1)) };
    let mut server = server(plan);
    let mut device = Device::new(1);
    device.discovered = "</>;lwm2m=1.1,</0/0>;ssid=7;uri=\"coap://a\",</0/1>,</1/0>;ssid=7";
    assert_eq!(device.bootstrap(&mut server, &["ep=a"], Instant::ZERO), Code::CHANGED);
    let asked =
        ["discover /", "delete /", "write /0/0", "write /0/2", "write /1/0", "write /1/1", "finish /"];
    assert_eq!(device.asked, asked);
    assert!(device.bodies.iter().all(|(format, ..)| *format == ContentFormat::TLV));
    let counters = server.counters();
    assert_eq!((counters.requests, counters.writes, counters.finished, counters.failed), (1, 4, 1, 0));
}

#[test]
fn writes_to_objects_name_their_instances_in_every_format() {
    for format in
        [ContentFormat::TLV, ContentFormat::SENML_CBOR, ContentFormat::SENML_JSON, ContentFormat::LWM2M_CBOR]
    {
        let accounts = vec![account(1), account(2)];
        let plan = Plan { accounts, write_level: WriteLevel::Object, ..Plan::new(account(1)) };
        let mut server = server(plan);
        let mut device = Device::new(1);
        let pct = format!("pct={}", format.0);
        assert_eq!(device.bootstrap(&mut server, &["ep=a", &pct], Instant::ZERO), Code::CHANGED);
        assert_eq!(device.asked, ["discover /", "delete /", "write /0", "write /1", "finish /"]);
        let (written, path, body) = &device.bodies[0];
        assert_eq!((*written, *path), (format, Path::object(0)));
        let entries = content::decode(format, *path, body).expect("it can be read");
        let ssid = |instance| {
            let at = Path::resource(0, instance, 10);
            entries.iter().find(|entry| entry.path == at).map(|entry| entry.value.clone())
        };
        assert_eq!((ssid(1), ssid(2)), (Some(Value::Integer(1)), Some(Value::Integer(2))), "{format:?}");
    }
}

#[test]
fn the_sequence_may_be_any_and_the_accounts_where_they_are_told() {
    let mut only = account(123);
    only.instance = Some(123);
    let plan = Plan {
        sequence: vec![
            Step::Delete(Path::object(0)),
            Step::Delete(Path::object(1)),
            Step::WriteSecurity,
            Step::WriteServer,
            Step::Discover(Path::ROOT),
            Step::Read(Path::object(1)),
            Step::WriteExtra,
            Step::Finish,
        ],
        format: Some(ContentFormat::SENML_JSON),
        ..Plan::new(only)
    };
    let control = |id, value| Entry::new(Path::resource(2, 5, id), Value::Integer(value));
    let plan = plan.with_extra(vec![control(3, 123), control(0, 3), control(1, 0)]);
    let mut server = server(plan);
    let mut device = Device::new(1);
    device.bootstrap(&mut server, &["ep=a", "pct=112"], Instant::ZERO);
    let asked = [
        "delete /0",
        "delete /1",
        "write /0/123",
        "write /1/123",
        "discover /",
        "read /1",
        "write /2/5",
        "finish /",
    ];
    assert_eq!(device.asked, asked);
    assert!(device.bodies.iter().all(|(format, ..)| *format == ContentFormat::SENML_JSON), "the plan's own");
    // The Read was refused, and the sequence went on.
    let counters = server.counters();
    assert_eq!((counters.reads, counters.command_errors, counters.finished), (1, 1, 1));
}

#[test]
fn who_is_in_no_directory_is_refused() {
    let by_name = [("gate-1".into(), Arc::new(Plan::new(account(9))))];
    let by_pattern = vec![(EndpointPattern::new("meter-*"), Arc::new(Plan::new(account(1))))];
    let directory = Directory { by_name: Arc::new(FxHashMap::from_iter(by_name)), by_pattern };
    let mut server = server_of(directory);
    let mut ask = |port, endpoint| Device::new(port).bootstrap(&mut server, &[endpoint], Instant::ZERO);
    assert_eq!([ask(1, "ep=meter-7"), ask(2, "ep=gate-1")], [Code::CHANGED; 2]);
    assert_eq!([ask(3, "ep=gate-2"), ask(4, "ep="), ask(5, "x=y")], [Code::BAD_REQUEST; 3]);
    assert_eq!(ask(6, "ep=meter-1&pct=9"), Code::CHANGED, "a query of that name, not two");
    assert_eq!(server.counters().refused, 3);
}

#[test]
fn a_format_it_cannot_write_is_refused() {
    let mut server = server(Plan::new(account(1)));
    for pct in ["pct=0", "pct=60", "pct=x"] {
        let code = Device::new(1).bootstrap(&mut server, &["ep=a", pct], Instant::ZERO);
        assert_eq!(code, Code::UNSUPPORTED_CONTENT_FORMAT, "{pct}");
    }
}

#[test]
fn a_pack_has_all_of_it_and_stays_off_the_devices_own_account() {
    let mut server = server(
        Plan::new(account(1)).with_extra(vec![Entry::new(Path::resource(4, 0, 0), Value::Integer(41))]),
    );
    let request = |accept: ContentFormat| {
        Message::request(Code::GET).with_path(&["bspack"]).with_query("ep=a").with_accept(accept)
    };
    for format in [ContentFormat::SENML_CBOR, ContentFormat::SENML_JSON, ContentFormat::LWM2M_CBOR] {
        let asked = request(format).with_query("acc=</0/0>,</21/0>");
        let answer = Device::new(1).ask(&mut server, asked, Instant::ZERO);
        assert_eq!((answer.code(), answer.content_format()), (Code::CONTENT, Some(format)));
        let entries = content::decode(format, Path::ROOT, answer.payload()).expect("it can be read");
        assert!(entries.iter().all(|entry| !entry.path.starts_with(&Path::instance(0, 0))));
        assert!(
            [Path::resource(0, 1, 0), Path::resource(1, 0, 0), Path::resource(4, 0, 0)]
                .iter()
                .all(|wanted| entries.iter().any(|entry| entry.path == *wanted))
        );
    }
    let answer = Device::new(1).ask(&mut server, request(ContentFormat::TLV), Instant::ZERO);
    assert_eq!(answer.code(), Code::NOT_ACCEPTABLE);
    assert_eq!((server.counters().packs, server.counters().packs_refused), (3, 1));
}

#[test]
fn a_server_may_have_no_packs() {
    let pack = PackAnswer::Refusal(Code::NOT_IMPLEMENTED);
    let mut server = server(Plan { pack, ..Plan::new(account(1)) });
    let request = Message::request(Code::GET).with_path(&["bspack"]).with_query("ep=a");
    assert_eq!(Device::new(1).ask(&mut server, request, Instant::ZERO).code(), Code::NOT_IMPLEMENTED);
}

#[test]
fn a_server_out_of_patience_ends_the_session() {
    for (patience, expected) in [
        (Patience { command: Some(Duration::from_secs(10)), session: None }, 10),
        (Patience { command: Some(Duration::from_secs(10)), session: Some(Duration::from_secs(7)) }, 7),
    ] {
        let directory = Directory::of(Plan::new(account(1)));
        let config =
            BootstrapConfig { patience, ..BootstrapConfig::new(Arc::new(Params::default()), directory) };
        let mut server = BootstrapServer::new(config, Seed(1));
        let request = Message::request(Code::POST).with_path(&["bs"]).with_query("ep=a").encode();
        server.handle_input(SocketAddr::new(SERVER, 1), SERVER, &request, Instant::ZERO);
        let mut now = Instant::ZERO;
        while server.counters().failed == 0 {
            now = server.poll_timeout().expect("it waits for something");
            server.handle_timeout(now);
        }
        assert_eq!(now.since_origin().as_secs(), expected);
        assert_eq!(server.counters().timed_out, 1);
    }
}

#[test]
fn a_finish_that_is_refused_ends_the_session() {
    let mut server = server(Plan::new(account(1)));
    let mut device = Device::new(1);
    device.finishes = vec![Code::NOT_ACCEPTABLE];
    device.bootstrap(&mut server, &["ep=a"], Instant::ZERO);
    assert_eq!((server.counters().finished, server.counters().failed), (0, 1));
}

#[test]
fn a_server_with_initiative_begins_again_at_its_rate() {
    let initiative = Initiative { after: Duration::from_secs(60), rate: "2/s".parse().expect("a rate") };
    let directory = Directory::of(Plan::new(account(1)));
    let config = BootstrapConfig {
        initiative: Some(initiative),
        ..BootstrapConfig::new(Arc::new(Params::default()), directory)
    };
    let mut server = BootstrapServer::new(config, Seed(1));
    let mut devices = [1, 2, 3].map(Device::new);
    for device in &mut devices {
        device.bootstrap(&mut server, &["ep=a"], Instant::ZERO);
        device.asked.clear();
    }
    assert_eq!(behind(1, f64::MIN_POSITIVE), Duration::MAX, "a rate of next to nothing");
    let mut begun = Vec::new();
    while server.counters().initiated < 3 {
        let now = server.poll_timeout().expect("there is more to begin");
        server.handle_timeout(now);
        for transmit in std::iter::from_fn(|| server.poll_output()) {
            begun.push((now.since_origin().as_millis(), transmit.to.port()));
        }
    }
    assert_eq!(begun.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [60_000, 60_500, 61_000]);
    assert_eq!(begun.iter().map(|(_, port)| *port).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_session_that_has_to_make_room_has_failed() {
    let directory = Directory::of(Plan::new(account(1)));
    let config =
        BootstrapConfig { max_peers: 1, ..BootstrapConfig::new(Arc::new(Params::default()), directory) };
    let mut server = BootstrapServer::new(config, Seed(1));
    let request = Message::request(Code::POST).with_path(&["bs"]).with_query("ep=a").encode();
    for port in 1..=3 {
        let from = SocketAddr::from(([127, 0, 0, 1], port));
        server.handle_input(from, from.ip(), &request, Instant::ZERO);
    }
    let BootstrapCounters { requests, failed, .. } = server.counters();
    assert_eq!((requests, failed, server.traffic().evicted_peers), (3, 2, 2));
}

#[test]
fn a_plan_may_have_more_commands_than_anyone_would_count() {
    let control = |instance| Entry::new(Path::resource(2, instance, 0), Value::Integer(3));
    let mut server = server(Plan::new(account(1)).with_extra((0..300).map(control).collect()));
    let mut device = Device::new(1);
    device.bootstrap(&mut server, &["ep=a"], Instant::ZERO);
    assert_eq!(device.asked.last().map(String::as_str), Some("finish /"));
    assert_eq!((server.counters().writes, server.counters().finished), (302, 1));
}

#[test]
fn what_was_inconsistent_can_be_put_right_behind_a_finish() {
    let sequence = vec![Step::WriteSecurity, Step::Finish, Step::WriteServer, Step::Finish];
    let mut server = server(Plan { sequence, ..Plan::new(account(1)) });
    let mut device = Device::new(1);
    device.finishes = vec![Code::NOT_ACCEPTABLE];
    device.bootstrap(&mut server, &["ep=a"], Instant::ZERO);
    assert_eq!(device.asked, ["write /0/1", "finish /", "write /1/0", "finish /"]);
    let BootstrapCounters { finished, failed, command_errors, .. } = server.counters();
    assert_eq!((finished, failed, command_errors), (1, 0, 1));
    // Another device is content at once.
    let mut device = Device::new(2);
    device.bootstrap(&mut server, &["ep=b"], Instant::ZERO);
    assert_eq!(device.asked, ["write /0/1", "finish /"]);
}

#[test]
fn a_sequence_without_finish_is_counted_for_itself() {
    let mut server = server(Plan { sequence: vec![Step::WriteSecurity], ..Plan::new(account(1)) });
    Device::new(1).bootstrap(&mut server, &["ep=a"], Instant::ZERO);
    let BootstrapCounters { requests, finished, failed, unfinished, .. } = server.counters();
    assert_eq!((requests, finished, failed, unfinished), (1, 0, 0, 1));
    assert!(server.running.is_empty());
}

/// A Bootstrap-Request of the device of this name, from this port.
fn knock(server: &mut BootstrapServer, port: u16, endpoint: &str, mid: u16, now: Instant) -> Vec<Transmit> {
    let request = Message::request(Code::POST).with_path(&["bs"]).with_parameter("ep", endpoint);
    let mut request = request.encode();
    request[2..4].copy_from_slice(&mid.to_be_bytes());
    server.handle_input(SocketAddr::new(SERVER, port), SERVER, &request, now);
    std::iter::from_fn(|| server.poll_output()).collect()
}

#[test]
fn a_repeated_request_cancels_the_session_that_was_running_wherever_it_comes_from() {
    for port in [1, 2] {
        let mut server = server(Plan::new(account(1)));
        assert_eq!(knock(&mut server, 1, "a", 1, Instant::ZERO).len(), 2, "an answer and a command");
        assert_eq!(knock(&mut server, 3, "b", 1, Instant::ZERO).len(), 2);
        assert_eq!(knock(&mut server, port, "a", 2, Instant::from_secs(1)).len(), 2);
        let BootstrapCounters { requests, restarted, failed, .. } = server.counters();
        assert_eq!((requests, restarted, failed), (3, 1, 0));
        // Of the session before, nothing is said again, and it does not fail as well.
        let mut said = Vec::new();
        while let Some(due) = server.poll_timeout() {
            server.handle_timeout(due);
            said.extend(std::iter::from_fn(|| server.poll_output()).map(|transmit| transmit.to.port()));
        }
        assert!(!said.is_empty() && said.iter().all(|to| [port, 3].contains(to)), "{said:?}");
        assert_eq!((server.counters().failed, server.running.len()), (2, 0));
    }
}

#[test]
fn a_flood_of_devices_leaves_no_more_behind_than_there_is_room_for() {
    let initiative = Initiative { after: Duration::from_secs(60), rate: "1/h".parse().expect("a rate") };
    let plan = Plan { sequence: vec![Step::Finish], ..Plan::new(account(1)) };
    let config = BootstrapConfig {
        initiative: Some(initiative),
        max_peers: 10,
        ..BootstrapConfig::new(Arc::new(Params::default()), Directory::of(plan))
    };
    let mut server = BootstrapServer::new(config, Seed(1));
    for port in 1..=1_000 {
        let endpoint = format!("ep=m{port}");
        if port % 2 == 0 {
            Device::new(port).bootstrap(&mut server, &[&endpoint], Instant::ZERO);
        } else {
            knock(&mut server, port, &endpoint, 1, Instant::ZERO);
        }
    }
    let BootstrapCounters { requests, finished, failed, left_alone, .. } = server.counters();
    assert_eq!((requests, finished, left_alone), (1_000, 500, 490));
    assert!(server.running.len() as u64 == 500 - failed && server.running.len() <= 10);
}

#[test]
fn a_misplaced_or_doubled_answer_takes_no_command_with_it() {
    let all = "100%".parse::<crate::base::Percent>().expect("a share").into();
    for manners in
        [Manners { other_port: all, ..Manners::default() }, Manners { duplicate: all, ..Manners::default() }]
    {
        let twice = manners.other_port == Share::default();
        let service = Service { manners, ..Service::default() };
        let directory = Directory::of(Plan::new(account(1)));
        let config =
            BootstrapConfig { service, ..BootstrapConfig::new(Arc::new(Params::default()), directory) };
        let mut server = BootstrapServer::new(config, Seed(1));
        let sent: Vec<bool> =
            knock(&mut server, 1, "a", 1, Instant::ZERO).iter().map(|transmit| transmit.other_port).collect();
        assert_eq!(sent, if twice { vec![false, false, false] } else { vec![true, false] });
    }
}

#[test]
fn accounts_without_a_place_of_their_own_keep_off_those_that_have_one() {
    let placed = |ssid, instance| Account { instance, ..account(ssid) };
    let accounts = vec![placed(1, None), placed(2, Some(1)), placed(3, None), placed(4, Some(0))];
    let mut server = server(Plan { accounts, ..Plan::new(account(1)) });
    let mut device = Device::new(1);
    device.bootstrap(&mut server, &["ep=a"], Instant::ZERO);
    let written: Vec<&str> = device.asked.iter().filter_map(|asked| asked.strip_prefix("write ")).collect();
    // /0/0 is the device's own account.
    assert_eq!(written, ["/0/2", "/0/1", "/0/3", "/0/4", "/1/2", "/1/1", "/1/3", "/1/0"]);
}
