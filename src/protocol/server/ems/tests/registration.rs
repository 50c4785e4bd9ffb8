//! Register, Update, De-register and Send, as they are answered.

use super::*;
use crate::protocol::content;
use crate::protocol::lwm2m::{Entry, Path, Value, Version};
use crate::protocol::server::EndpointPattern;

const BAD_FORMAT: Code = Code::UNSUPPORTED_CONTENT_FORMAT;

#[test]
fn registers_are_refused_for_what_is_wrong_with_them() {
    let refused = vec![EndpointPattern::new("*2")];
    let versions = (Version::V1_0, Version::V1_1);
    let mut field = Field::new(EmsConfig { refused, versions, ..config() });
    for _ in 0..3 {
        field.add();
    }
    for (device, queries, objects, code) in [
        (0, &["lwm2m=1.1"][..], OBJECTS, Code::CREATED),
        (1, &["lwm2m=1.2"], OBJECTS, Code::PRECONDITION_FAILED),
        (1, &["lwm2m=9"], OBJECTS, Code::PRECONDITION_FAILED),
        (1, &[], OBJECTS, Code::BAD_REQUEST),
        (1, &["lwm2m=1.0", "lt=soon"], OBJECTS, Code::BAD_REQUEST),
        (1, &["lwm2m=1.0"], "no list", Code::BAD_REQUEST),
        (2, &["lwm2m=1.0"], OBJECTS, Code::FORBIDDEN),
        (1, &["lwm2m=1.0", "b=UQ", "sms=123", "x=y"], OBJECTS, Code::CREATED),
    ] {
        assert_eq!(field.send(device, registration(device, queries, objects)), code, "{queries:?}");
    }
    assert_eq!((field.counters().registrations, field.counters().refused), (2, 6));
}

#[test]
fn a_profile_is_known_after_it_was_registered_in_full() {
    let mut field = Field::new(EmsConfig { profile_ids: true, interview: Interview::read(), ..config() });
    let (first, second) = (field.add(), field.add());
    let queries = ["lwm2m=1.2", "pid=6:27354b9a"];
    assert_eq!(field.send(first, registration(first, &queries, "")), Code(0x89));
    field.register(first, &queries, OBJECTS);
    field.register(second, &queries, "");
    assert_eq!(field.devices[1].asked, field.devices[0].asked);
    assert_eq!(field.counters().unknown_profile, 1);
}

#[test]
fn a_server_without_profiles_wants_every_list() {
    let mut field = Field::new(config());
    let device = field.add();
    let queries = ["lwm2m=1.2", "pid=6:27354b9a"];
    field.register(device, &queries, OBJECTS);
    assert_eq!(field.send(device, registration(device, &queries, "")), Code(0x89));
}

#[test]
fn an_update_restarts_the_lifetime_and_may_change_it() {
    let mut field = Field::new(config());
    let device = field.add();
    let location = field.register(device, &["lwm2m=1.2", "lt=60"], OBJECTS);
    for _ in 0..5 {
        field.run_for(secs(50));
        assert_eq!(field.update(device, &location, &[], ""), Code::CHANGED);
    }
    assert_eq!(field.update(device, &location, &["lt=1000"], ""), Code::CHANGED);
    assert_eq!(field.update(device, &location, &["lt=ten"], ""), Code::BAD_REQUEST);
    assert_eq!(field.update(device, &location, &[], "no list"), Code::BAD_REQUEST);
    field.run_for(secs(1_000));
    assert_eq!(field.counters().registered, 1);
    field.run_for(secs(100));
    let counters = field.counters();
    assert_eq!((counters.registered, counters.expired, counters.updates), (0, 1, 6));
    assert_eq!(counters.bad_updates, 2);
    assert_eq!(field.update(device, &location, &[], ""), Code::NOT_FOUND);
}

#[test]
fn sends_are_taken_from_registered_devices_only() {
    let mut field = Field::new(config());
    let device = field.add();
    let path = Path::resource(3, 0, 9);
    let entries = [Entry::new(path, Value::Integer(95))];
    let payload = content::encode(ContentFormat::SENML_CBOR, Path::ROOT, &entries).unwrap();
    let send = |format, payload: &[u8]| {
        Message::request(Code::POST)
            .with_path(&["dp"])
            .with_content_format(format)
            .with_payload(payload.to_vec())
    };
    let good = send(ContentFormat::SENML_CBOR, &payload);
    assert_eq!(field.send(device, good.clone()), Code::NOT_FOUND);
    let location = field.register(device, &["lwm2m=1.1", "lt=3600"], OBJECTS);
    assert_eq!(field.send(device, good.clone()), Code::CHANGED);
    assert_eq!(field.send(device, send(ContentFormat::TEXT, b"95")), BAD_FORMAT);
    assert_eq!(field.send(device, send(ContentFormat::SENML_CBOR, b"95")), Code::BAD_REQUEST);
    // Its peer is forgotten after a while, its registration is not.
    field.run_for(secs(500));
    assert_eq!(field.ems.known_peers(), 0);
    assert_eq!(field.send(device, good.clone()), Code::CHANGED);
    field.run_for(secs(500));
    let path: Vec<&str> = location.iter().map(String::as_str).collect();
    assert_eq!(field.send(device, Message::request(Code::DELETE).with_path(&path)), Code::DELETED);
    assert_eq!(field.send(device, good), Code::NOT_FOUND);
    let SendCounters { accepted, unregistered, unknown_format, undecodable, values, .. } =
        field.counters().sends;
    assert_eq!((accepted, unregistered, unknown_format, undecodable, values), (2, 2, 1, 1, 2));
    assert!(field.ems.parked.is_empty());
}

#[test]
fn more_devices_than_peers_are_registered_all_the_same() {
    let mut field = Field::new(EmsConfig { max_peers: 3, interview: Interview::observe(), ..config() });
    field.register_all(10);
    let counters = field.counters();
    assert_eq!((counters.registered, field.ems.known_peers()), (10, 3));
    assert_eq!((counters.observations.begun, counters.observations.standing()), (40, 12));
}
