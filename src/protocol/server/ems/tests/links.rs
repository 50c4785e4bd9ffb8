//! Devices that prove who they are, and whose sessions and streams come and go.

use super::*;
use crate::base::Rate;
use crate::protocol::coap::Transport;
use crate::protocol::lwm2m::Path;

const LIVES: [&str; 2] = ["lwm2m=1.1", "lt=300"];

impl Field {
    /// Devices that have to prove who they are.
    fn proven(config: EmsConfig) -> Self {
        Field::new(EmsConfig { proven: true, ..config })
    }

    /// The device's session is up: it has proven to be `identity`.
    fn connect(&mut self, device: usize, identity: Option<&str>) {
        let address = self.devices[device].address;
        self.ems.handle_connected(address, SERVER.ip(), identity.map(Arc::from), self.now);
        self.exchange_all();
    }

    fn disconnect(&mut self, device: usize) {
        self.ems.handle_disconnected(self.devices[device].address, self.now);
        self.exchange_all();
    }

    /// The device has a message layer of its own for each session, and may come from another port.
    fn reconnect(&mut self, device: usize, port: u16, identity: Option<&str>) {
        let seed = Seed(u64::from(port)).child("device", device as u64);
        self.devices[device].exchange = Exchange::new(Arc::default(), seed.rng());
        self.devices[device].address.set_port(port);
        self.devices[device].deaf = false;
        self.connect(device, identity);
    }

    /// A device more, with its session and its registration.
    fn admit(&mut self) -> (usize, Vec<String>) {
        let device = self.add();
        self.connect(device, Some(&format!("m{device}")));
        (device, self.register(device, &LIVES, OBJECTS))
    }

    fn asked(&mut self, device: usize) -> Vec<String> {
        std::mem::take(&mut self.devices[device].asked)
    }
}

/// Observes /3 of whoever registers.
fn observing() -> EmsConfig {
    EmsConfig { interview: Interview::Ask(vec![Question::observe(Path::object(3))]), ..config() }
}

/// Reads /3/0/9 of every device, 100 s after the first registration.
fn reading() -> EmsConfig {
    let rate: Rate = "1000/s".parse().unwrap();
    let action = Action::Read(Path::resource(3, 0, 9));
    let campaign = Campaign { action, start: secs(100), rate, share: None, repeat: None };
    EmsConfig { campaigns: vec![campaign], ..observing() }
}

#[test]
fn a_name_that_was_not_proven_is_refused() {
    // What was proven, the name given, and the answer.
    let cases = [
        (Some("a"), Some("ep=a"), Code::CREATED),
        (Some("a"), None, Code::CREATED),
        (Some("a"), Some("ep=b"), Code::BAD_REQUEST),
        (None, Some("ep=a"), Code::UNAUTHORIZED),
        (None, None, Code::UNAUTHORIZED),
    ];
    for (identity, given, code) in cases {
        let mut field = Field::proven(config());
        let device = field.add();
        field.connect(device, identity);
        let queries: Vec<&str> = given.into_iter().chain(LIVES).collect();
        let request = with(Message::request(Code::POST).with_path(&["rd"]), &queries, OBJECTS);
        assert_eq!(field.send(device, request), code, "{identity:?} {given:?}");
        let counters = field.counters();
        let refused = u64::from(code != Code::CREATED);
        assert_eq!((counters.refused, counters.identity_mismatch), (refused, refused));
        let accepted: Vec<(&str, u32)> = field.ems.accepted().collect();
        assert_eq!(accepted, if refused == 0 { vec![("a", 1)] } else { vec![] });
    }
}

#[test]
fn somebody_elses_registration_is_as_good_as_none() {
    let mut field = Field::proven(config());
    let (_, location) = field.admit();
    let (stranger, _) = field.admit();
    let path: Vec<&str> = location.iter().map(String::as_str).collect();
    assert_eq!(field.update(stranger, &location, &["lt=1"], ""), Code::NOT_FOUND);
    assert_eq!(field.send(stranger, Message::request(Code::DELETE).with_path(&path)), Code::NOT_FOUND);
    let counters = field.counters();
    assert_eq!((counters.identity_mismatch, counters.unknown_location, counters.registered), (2, 0, 2));
    assert_eq!(field.update(0, &location, &[], ""), Code::CHANGED);
}

#[test]
fn what_is_under_way_when_a_session_ends_has_failed_and_the_registration_stays() {
    let mut field = Field::proven(reading());
    let (device, _) = field.admit();
    assert_eq!(field.counters().observations.standing(), 1);
    field.devices[device].deaf = true;
    field.run_for(secs(101));
    assert_eq!(field.counters().campaigns[0].sent, 1);
    field.disconnect(device);
    let counters = field.counters();
    assert_eq!((counters.campaigns[0].broken, counters.registered), (1, 1));
    assert_eq!((counters.observations.standing(), counters.observations.dropped), (0, 1));
    // Nobody is there to be sent anything again.
    field.devices[device].deaf = false;
    field.asked(device);
    field.run_for(secs(100));
    assert_eq!(field.asked(device).len(), 0);
}

#[test]
fn questions_die_with_the_session() {
    let mut field = Field::proven(observing());
    let device = field.add();
    field.devices[device].answer = Box::new(|_| None);
    field.connect(device, Some("m0"));
    field.register(device, &LIVES, OBJECTS);
    field.disconnect(device);
    let interviews = field.counters().interviews;
    assert_eq!((interviews.begun, interviews.failed, interviews.cut_short), (1, 1, 0));
    assert_eq!(field.ems.pending(), Pending::default());
}

#[test]
fn what_waits_for_a_device_is_asked_when_it_shows_that_it_is_the_one() {
    for port in [5683, 7000] {
        let mut field = Field::proven(reading());
        let (device, location) = field.admit();
        field.disconnect(device);
        field.asked(device);
        field.run_for(secs(101));
        let counters = field.counters();
        assert_eq!((counters.campaigns[0].held, counters.queue.held), (1, 1), "from port {port}");
        field.reconnect(device, port, Some("m0"));
        field.run_for(secs(1));
        assert_eq!(field.asked(device).len(), 0, "it may have forgotten its registration");
        assert_eq!(field.update(device, &location, &[], ""), Code::CHANGED);
        let mut asked = field.asked(device);
        asked.sort();
        assert_eq!(asked, ["GET 3+", "GET 3/0/9"], "from port {port}");
        let counters = field.counters();
        assert_eq!((counters.campaigns[0].ok, counters.queue.released), (1, 1));
        assert_eq!((counters.observations.begun, counters.observations.standing()), (2, 1));
        assert_eq!((counters.registered, counters.registrations), (1, 1));
        assert_eq!(field.ems.known_peers(), 1);
    }
}

#[test]
fn a_send_shows_it_too_and_brings_the_registration_along() {
    let mut field = Field::proven(reading());
    let (device, _) = field.admit();
    field.disconnect(device);
    field.asked(device);
    field.run_for(secs(101));
    field.reconnect(device, 7000, Some("m0"));
    let send = Message::request(Code::POST)
        .with_path(&["dp"])
        .with_content_format(ContentFormat::SENML_JSON)
        .with_payload(br#"[{"n":"/3/0/9","v":1}]"#.to_vec());
    assert_eq!(field.send(device, send), Code::CHANGED);
    let mut asked = field.asked(device);
    asked.sort();
    assert_eq!(asked, ["GET 3+", "GET 3/0/9"]);
    assert_eq!(field.counters().sends.accepted, 1);
}

#[test]
fn a_device_that_registers_anew_begins_anew() {
    for port in [5683, 7000] {
        let mut field = Field::proven(reading());
        let (device, before) = field.admit();
        field.disconnect(device);
        field.run_for(secs(101));
        field.asked(device);
        field.reconnect(device, port, Some("m0"));
        let location = field.register(device, &LIVES, OBJECTS);
        assert_ne!(location, before);
        assert_eq!(field.asked(device), ["GET 3+"], "the interview, and nothing of the time before");
        let counters = field.counters();
        assert_eq!((counters.registered, counters.replaced, counters.campaigns[0].cancelled), (1, 1, 1));
        assert_eq!((counters.queue.held, counters.queue.dropped), (1, 1));
        let interviews = counters.interviews;
        assert_eq!((interviews.begun, interviews.completed), (2, 2));
    }
}

#[test]
fn a_device_started_again_without_a_word_begins_anew() {
    let mut field = Field::proven(observing());
    let (device, _) = field.admit();
    // A new session takes the place of the old one; message ids and tokens begin again.
    let seed = Seed(device as u64).child("device", 0);
    field.devices[device].exchange = Exchange::new(Arc::default(), seed.rng());
    field.connect(device, Some("m0"));
    field.register(device, &LIVES, OBJECTS);
    let counters = field.counters();
    assert_eq!((counters.registrations, counters.replaced, counters.registered), (2, 1, 1));
    assert_eq!(counters.observations.standing(), 1);
    assert_eq!(field.ems.traffic().duplicates, 0);
}

#[test]
fn an_address_that_is_somebody_elses_now_brings_him_nothing() {
    let mut field = Field::proven(reading());
    let (first, location) = field.admit();
    field.disconnect(first);
    field.asked(first);
    // Another device, at the address of the first.
    field.reconnect(first, 5683, Some("x"));
    assert_eq!(field.update(first, &location, &[], ""), Code::NOT_FOUND);
    let send = Message::request(Code::POST).with_path(&["dp"]);
    assert_eq!(field.send(first, send), Code::NOT_FOUND);
    field.run_for(secs(101));
    assert_eq!(field.asked(first).len(), 0);
    let counters = field.counters();
    assert_eq!((counters.campaigns[0].passed_over, counters.registered), (1, 1));
}

#[test]
fn registrations_expire_without_a_session_and_leave_nothing() {
    let mut field = Field::proven(reading());
    let (device, _) = field.admit();
    field.disconnect(device);
    field.run_for(secs(101));
    assert_eq!(field.ems.known_peers(), 1);
    field.run_for(secs(400));
    let counters = field.counters();
    assert_eq!((counters.expired, counters.registered, counters.campaigns[0].cancelled), (1, 0, 1));
    assert_eq!((field.ems.known_peers(), field.ems.parked.len()), (0, 0));
}

#[test]
fn devices_come_and_go_and_nothing_is_left_behind() {
    let mut field = Field::proven(observing());
    let (device, location) = field.admit();
    for port in 7000..7100 {
        field.disconnect(device);
        field.reconnect(device, port, Some("m0"));
        assert_eq!(field.update(device, &location, &[], ""), Code::CHANGED);
    }
    assert_eq!((field.ems.known_peers(), field.ems.parked.len()), (1, 0));
    let counters = field.counters();
    assert_eq!((counters.observations.begun, counters.observations.standing()), (101, 1));
    let interviews = counters.interviews;
    assert_eq!((interviews.begun, interviews.completed), (101, 101));
}

#[test]
fn registrations_go_over_streams_and_outlive_them() {
    let mut field = Field::new(EmsConfig { transport: Transport::Stream, ..observing() });
    let device = field.add();
    let over_stream = |field: &mut Field, port| {
        let exchange = Exchange::over(Transport::Stream, Arc::default(), Seed(u64::from(port)).rng());
        field.devices[device].exchange = exchange;
        field.devices[device].address.set_port(port);
        field.devices[device].exchange.connected(field.now);
        field.connect(device, None);
    };
    over_stream(&mut field, 7000);
    let location = field.register(device, &LIVES, OBJECTS);
    assert_eq!(field.asked(device), ["GET 3+"]);
    // It says that it leaves, and goes.
    field.devices[device].exchange.release(Duration::ZERO);
    field.exchange_all();
    assert_eq!(field.ems.poll_disconnect(), Some(field.devices[device].address));
    assert_eq!(field.ems.traffic().left, 1);
    field.disconnect(device);
    assert_eq!(field.counters().registered, 1);
    over_stream(&mut field, 7001);
    assert_eq!(field.asked(device).len(), 0);
    assert_eq!(field.update(device, &location, &[], ""), Code::CHANGED);
    assert_eq!(field.asked(device), ["GET 3+"]);
    let counters = field.counters();
    assert_eq!((counters.moved, counters.observations.standing()), (1, 1));
}
