//! Client-initiated bootstrap against a Bootstrap-Server that a test plays command by command.

use super::player::Player;
use super::*;
use crate::metrics::{RequestFate, RequestKind};
use crate::protocol::client::{Behaviour, NoFinish, ServerAccount, server_account};
use crate::protocol::coap::{Code, Message};
use crate::protocol::content;

const SSID: u16 = 101;

/// A world with an EMS, and one meter whose configuration is changed a little.
pub(super) fn world_with(change: impl FnOnce(&mut client::Config)) -> World {
    let setup = Setup::default();
    let mut config = Arc::into_inner(setup.client_config()).expect("nobody else has it");
    change(&mut config);
    let mut world = World::new(WorldConfig { seed: Seed(1), link: LinkFaults::default() });
    world.set_ems(Some(setup.ems()));
    world.add_meter(Arc::new(config), "urn:dev:os:meter-0000000", Instant::ZERO);
    world
}

/// An account of the EMS of the world, as instance 1 of /0 and /1.
pub(super) fn account_entries() -> Vec<Entry> {
    server_account(&ServerAccount {
        instance: 1,
        uri: ServerUri::coap(World::EMS).to_string(),
        short_server_id: SSID,
        lifetime: Duration::from_secs(300),
        binding: "U".to_owned(),
        credentials: client::Credentials::NoSec,
    })
}

pub(super) fn request(method: Code, path: &str) -> Message {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    Message::request(method).with_path(&segments)
}

fn write(path: &str, format: ContentFormat, payload: Vec<u8>) -> Message {
    request(Code::PUT, path).with_content_format(format).with_payload(payload)
}

/// Writes what `entries` has of the object.
pub(super) fn write_object(object: u16, entries: &[Entry]) -> Message {
    let own: Vec<Entry> = entries.iter().filter(|entry| entry.path.ids()[0] == object).cloned().collect();
    let payload = content::encode(ContentFormat::TLV, Path::object(object), &own).expect("plain values");
    write(&format!("/{object}"), ContentFormat::TLV, payload)
}

pub(super) fn finish() -> Message {
    request(Code::POST, "/bs")
}

/// A Bootstrap-Server whose 2.04 the meter has.
fn begun(world: &mut World) -> Player {
    let mut server = Player::new(World::BOOTSTRAP);
    server.serve(world, Message::response(Code::CHANGED));
    let now = world.now();
    world.run_to(now);
    server
}

/// Hands out the account of the EMS and sees the meter registered.
fn finished(server: &mut Player, world: &mut World) {
    let entries = account_entries();
    assert_eq!(server.code(world, write_object(0, &entries)), Code::CHANGED);
    assert_eq!(server.code(world, write_object(1, &entries)), Code::CHANGED);
    assert_eq!(server.code(world, finish()), Code::CHANGED);
    registered_soon(world);
}

pub(super) fn registered_soon(world: &mut World) {
    let limit = world.now() + Duration::from_secs(1);
    assert!(world.run_until(limit, all_registered), "{:?}", world.states());
    balanced(world);
}

/// Every request sent has one further fate or is in flight.
pub(super) fn balanced(world: &World) {
    for kind in RequestKind::ALL {
        let in_flight = world.meters().map(|meter| meter.in_flight().of(kind) as usize).sum::<usize>();
        let (sent, ended) = sent_and_ended(world, kind);
        assert_eq!(sent, ended + in_flight, "{kind:?}");
    }
}

/// How many requests of a kind were sent, and how many of them have come to an end.
pub(super) fn sent_and_ended(world: &World, kind: RequestKind) -> (usize, usize) {
    let with = |wanted: RequestFate| {
        let matches = |event: &Event| *event == Event::Request { kind, fate: wanted };
        world.events().iter().filter(|(_, _, event)| matches(event)).count()
    };
    let fates = [RequestFate::Answered, RequestFate::Reset, RequestFate::TimedOut, RequestFate::Abandoned];
    (with(RequestFate::Sent), fates.map(with).iter().sum())
}

fn sent(world: &World, kind: RequestKind) -> usize {
    let sent = Event::Request { kind, fate: RequestFate::Sent };
    world.events().iter().filter(|(_, _, event)| *event == sent).count()
}

// ----- the request --------------------------------------------------------------------------------

#[test]
fn formats_are_named_one_after_the_other_and_then_none() {
    let mut world = world_with(|config| {
        config.bootstrap.formats = vec![ContentFormat::SENML_CBOR, ContentFormat::TLV];
    });
    let mut server = Player::new(World::BOOTSTRAP);
    let refusal = || Message::response(Code::UNSUPPORTED_CONTENT_FORMAT);
    assert_eq!(server.serve(&mut world, refusal()).query("pct"), Some("112"));
    assert_eq!(server.serve(&mut world, refusal()).query("pct"), Some("11542"));
    let last = server.serve(&mut world, Message::response(Code::CHANGED));
    assert_eq!((last.query("ep"), last.query("pct")), (Some("urn:dev:os:meter-0000000"), None));
    finished(&mut server, &mut world);
    assert_eq!(sent(&world, RequestKind::BootstrapRequest), 3);
}

#[test]
fn a_format_that_is_refused_without_a_word_is_dropped_by_anjay() {
    for (behaviour, asks_again) in [(Behaviour::Anjay, true), (Behaviour::Spec, false)] {
        let mut world = world_with(|config| config.registration.behaviour = behaviour);
        let mut server = Player::new(World::BOOTSTRAP);
        let first = server.serve(&mut world, Message::response(Code::BAD_REQUEST));
        assert_eq!(first.query("pct"), Some("112"));
        let again = server.try_hear(&mut world, Duration::from_secs(5));
        assert_eq!(again.is_some(), asks_again);
        assert!(again.is_none_or(|again| again.message.query("pct").is_none()));
    }
}

#[test]
fn a_version_1_0_meter_names_no_format_and_lets_nothing_be_read() {
    let mut world = world_with(|config| config.version = Version::V1_0);
    let mut server = Player::new(World::BOOTSTRAP);
    let heard = server.serve(&mut world, Message::response(Code::CHANGED));
    assert_eq!(heard.query("pct"), None);
    assert_eq!(server.code(&mut world, request(Code::GET, "/1")), Code::METHOD_NOT_ALLOWED);
}

#[test]
fn the_name_is_left_out_where_the_security_identity_stands_for_it() {
    let mut world = world_with(|config| config.bootstrap.send_endpoint = false);
    let mut server = Player::new(World::BOOTSTRAP);
    let heard = server.serve(&mut world, Message::response(Code::CHANGED));
    assert_eq!((heard.query("ep"), heard.query("pct")), (None, Some("112")));
}

// ----- commands -----------------------------------------------------------------------------------

#[test]
fn a_write_to_bs_is_no_finish() {
    let mut world = world_with(|_| {});
    let mut server = begun(&mut world);
    assert_eq!(server.code(&mut world, request(Code::PUT, "/bs")), Code::BAD_REQUEST);
    assert_eq!(world.count(MeterState::Bootstrapping), 1);
    finished(&mut server, &mut world);
}

#[test]
fn a_finish_that_comes_too_early_can_be_made_good() {
    let mut world = world_with(|_| {});
    let mut server = begun(&mut world);
    assert_eq!(server.code(&mut world, finish()), Code::NOT_ACCEPTABLE);
    let entries = account_entries();
    assert_eq!(server.code(&mut world, write_object(0, &entries)), Code::CHANGED);
    assert_eq!(server.code(&mut world, finish()), Code::NOT_ACCEPTABLE);
    finished(&mut server, &mut world);
    assert_eq!(failures(&world, FailureKind::BootstrapInconsistent), 0);
}

#[test]
fn a_finish_that_is_never_made_good_fails_the_bootstrap() {
    let mut world = world_with(|_| {});
    let mut server = begun(&mut world);
    assert_eq!(server.code(&mut world, finish()), Code::NOT_ACCEPTABLE);
    world.run_to(Instant::from_secs(250));
    assert_eq!(failures(&world, FailureKind::BootstrapInconsistent), 1);
}

#[test]
fn two_accounts_of_one_number_or_two_bootstrap_servers_do_not_fit_together() {
    let mut world = world_with(|_| {});
    let mut server = begun(&mut world);
    let entries = account_entries();
    server.code(&mut world, write_object(0, &entries));
    server.code(&mut world, write_object(1, &entries));
    let twice = [Entry::new(Path::resource(1, 7, 0), Value::Integer(SSID.into()))];
    assert_eq!(server.code(&mut world, write_object(1, &twice)), Code::CHANGED);
    assert_eq!(server.code(&mut world, finish()), Code::NOT_ACCEPTABLE);
    assert_eq!(server.code(&mut world, request(Code::DELETE, "/1/7")), Code::DELETED);
    let second = [Entry::new(Path::resource(0, 7, 1), Value::Boolean(true))];
    server.code(&mut world, write_object(0, &second));
    assert_eq!(server.code(&mut world, finish()), Code::NOT_ACCEPTABLE);
    // Which of two the meter takes for its own is open, so the instance is replaced, not deleted.
    let other = server_account(&ServerAccount {
        instance: 7,
        uri: "coap://127.0.0.1:9".to_owned(),
        short_server_id: 102,
        lifetime: Duration::from_secs(60),
        binding: "U".to_owned(),
        credentials: client::Credentials::NoSec,
    });
    server.code(&mut world, write_object(0, &other));
    server.code(&mut world, write_object(1, &other));
    assert_eq!(server.code(&mut world, finish()), Code::CHANGED);
}

#[test]
fn a_server_whose_account_is_deleted_takes_with_it_what_was_its_own() {
    let second = server_account(&ServerAccount {
        instance: 2,
        uri: "coap://127.0.0.1:9".to_owned(),
        short_server_id: 102,
        lifetime: Duration::from_secs(60),
        binding: "U".to_owned(),
        credentials: client::Credentials::NoSec,
    });
    let mut world = world_with(|config| {
        config.bootstrap.server_initiated = true;
        let mut factory = Vec::clone(&config.factory);
        factory.extend(account_entries());
        factory.extend(second);
        config.factory = Arc::new(factory);
    });
    registered_soon(&mut world);
    let mut server = Player::new(World::BOOTSTRAP);
    assert_eq!(server.code(&mut world, request(Code::DELETE, "/0/2")), Code::DELETED);
    assert!(world.meter(0).client().tree().has_instance(1, 2));
    assert_eq!(server.code(&mut world, finish()), Code::CHANGED);
    assert!(!world.meter(0).client().tree().has_instance(1, 2));
    registered_soon(&mut world);
}

#[test]
fn a_bootstrap_account_written_anew_has_to_be_complete() {
    let mut world = world_with(|_| {});
    let mut server = begun(&mut world);
    let entries = account_entries();
    server.code(&mut world, write_object(0, &entries));
    server.code(&mut world, write_object(1, &entries));
    let own = |mode: i64| {
        let at = |id| Path::resource(0, 0, id);
        let uri = ServerUri::coap(World::BOOTSTRAP).to_string();
        let entries = vec![
            Entry::new(at(0), Value::String(uri.into())),
            Entry::new(at(1), Value::Boolean(true)),
            Entry::new(at(2), Value::Integer(mode)),
        ];
        write_object(0, &entries)
    };
    // Pre-shared keys, and none given.
    assert_eq!(server.code(&mut world, own(0)), Code::CHANGED);
    assert_eq!(server.code(&mut world, finish()), Code::NOT_ACCEPTABLE);
    assert_eq!(server.code(&mut world, own(3)), Code::CHANGED);
    assert_eq!(server.code(&mut world, finish()), Code::CHANGED);
    registered_soon(&mut world);
}

#[test]
fn accounts_and_access_control_can_be_read_and_nothing_else() {
    let mut world = world_with(|_| {});
    let mut server = begun(&mut world);
    server.code(&mut world, write_object(1, &account_entries()));
    for format in [ContentFormat::TLV, ContentFormat::SENML_JSON, ContentFormat::SENML_CBOR] {
        for path in ["/1", "/1/1"] {
            let read = server.command(&mut world, request(Code::GET, path).with_accept(format));
            assert_eq!((read.code(), read.content_format()), (Code::CONTENT, Some(format)), "{path}");
            let base = Path::from_segments(path.split('/').skip(1)).expect("a path");
            let values = content::decode(format, base, read.payload()).expect("it reads");
            assert!(values.iter().any(|entry| entry.path == Path::resource(1, 1, 1)), "{values:?}");
        }
    }
    let code = |world: &mut World, server: &mut Player, path| server.code(world, request(Code::GET, path));
    assert_eq!(code(&mut world, &mut server, "/1/9"), Code::NOT_FOUND);
    for path in ["/", "/0", "/0/0", "/3/0", "/1/1/1", "/3/0/0"] {
        assert_eq!(code(&mut world, &mut server, path), Code::METHOD_NOT_ALLOWED, "{path}");
    }
    let text = request(Code::GET, "/1").with_accept(ContentFormat::TEXT);
    assert_eq!(server.code(&mut world, text), Code::NOT_ACCEPTABLE);
}

#[test]
fn discover_is_for_the_root_and_objects() {
    let mut world = world_with(|_| {});
    let mut server = begun(&mut world);
    let discover = |path| request(Code::GET, path).with_accept(ContentFormat::LINK);
    let list = server.command(&mut world, discover("/"));
    let list = String::from_utf8(list.payload().to_vec()).expect("links are text");
    assert!(list.starts_with("</>;lwm2m=1.2,</0/0>,"), "{list}");
    assert_eq!(server.code(&mut world, discover("/3")), Code::CONTENT);
    assert_eq!(server.code(&mut world, discover("/3/0")), Code::BAD_REQUEST);
    assert_eq!(server.code(&mut world, discover("/9999")), Code::NOT_FOUND);
}

#[test]
fn deleting_everything_leaves_the_bootstrap_account_with_its_links_and_the_device() {
    let mut world = world_with(|config| {
        let mut factory = Vec::clone(&config.factory);
        factory.push(Entry::new(Path::resource(0, 0, 17), Value::ObjectLink(21, 5)));
        factory.push(Entry::new(Path::resource(21, 5, 0), Value::Opaque([1].into())));
        factory.push(Entry::new(Path::resource(21, 6, 0), Value::Opaque([2].into())));
        factory.extend(account_entries().into_iter().filter(|entry| entry.path.ids()[0] == 0));
        config.factory = Arc::new(factory);
    });
    let mut server = begun(&mut world);
    for path in ["/0/0", "/21/5", "/3/0", "/9", "/1/1/1"] {
        assert_eq!(server.code(&mut world, request(Code::DELETE, path)), Code::BAD_REQUEST, "{path}");
    }
    assert_eq!(server.code(&mut world, request(Code::DELETE, "/0")), Code::DELETED);
    let present =
        |world: &World, object, instance| world.meter(0).client().tree().has_instance(object, instance);
    assert!(present(&world, 0, 0) && !present(&world, 0, 1) && present(&world, 21, 6));
    assert_eq!(server.code(&mut world, request(Code::DELETE, "/")), Code::DELETED);
    assert!(present(&world, 0, 0) && present(&world, 21, 5) && present(&world, 3, 0));
    assert!(!present(&world, 21, 6));
    finished(&mut server, &mut world);
}

#[test]
fn writes_take_what_servers_send_and_refuse_what_cannot_be() {
    let mut world = world_with(|_| {});
    let mut server = begun(&mut world);
    // Leshan fills what it has nothing for: 3, 4, 5, 7 and 8 as empty opaque, 9 as an empty string.
    let mut filled = account_entries();
    for id in [3, 4, 5, 7, 8] {
        filled.push(Entry::new(Path::resource(0, 1, id), Value::Opaque([].into())));
    }
    filled.push(Entry::new(Path::resource(0, 1, 9), Value::String("".into())));
    // Resource 99 is not in anybody's table.
    filled.push(Entry::new(Path::resource(1, 1, 99), Value::Opaque([1].into())));
    filled.sort_by_key(|entry| entry.path);
    assert_eq!(server.code(&mut world, write_object(0, &filled)), Code::CHANGED);
    assert_eq!(server.code(&mut world, write_object(1, &filled)), Code::CHANGED);

    let refused =
        |payload: &[u8], path: &str, format: u16| write(path, ContentFormat(format), payload.to_vec());
    // A resource that does not say of which instance.
    let bare = refused(&[0b1100_0001, 1, 60], "/1", 11_542);
    assert_eq!(server.code(&mut world, bare), Code::BAD_REQUEST);
    assert_eq!(server.code(&mut world, refused(b"x", "/1/1", 11_999)), Code::UNSUPPORTED_CONTENT_FORMAT);
    assert_eq!(server.code(&mut world, refused(&[], "/9999", 11_542)), Code::BAD_REQUEST);
    assert_eq!(server.code(&mut world, refused(&[0xff], "/1/1", 11_542)), Code::BAD_REQUEST);
    assert_eq!(server.code(&mut world, request(Code::POST, "/1/1")), Code::METHOD_NOT_ALLOWED);
    assert_eq!(server.code(&mut world, finish()), Code::CHANGED);
    registered_soon(&mut world);
}

// ----- time ---------------------------------------------------------------------------------------

#[test]
fn the_wait_for_finish_is_for_each_command_or_in_all() {
    let span = Duration::from_secs;
    let spans = [
        (None, Behaviour::Spec, 80 + 247),
        (None, Behaviour::Leshan, 93),
        (None, Behaviour::Zephyr, 247),
        (Some(NoFinish::PerCommand(span(90))), Behaviour::Leshan, 80 + 90),
        (Some(NoFinish::Total(span(85))), Behaviour::Spec, 85),
    ];
    for (no_finish, behaviour, seconds) in spans {
        let mut world = world_with(|config| {
            config.bootstrap.no_finish = no_finish;
            config.registration.behaviour = behaviour;
        });
        let mut server = begun(&mut world);
        world.run_to(Instant::from_secs(80));
        assert_eq!(server.code(&mut world, request(Code::DELETE, "/")), Code::DELETED);
        let failed = |world: &World| failures(world, FailureKind::BootstrapNoFinish) == 1;
        assert!(world.run_until(Instant::from_secs(1_000), failed));
        assert_eq!(world.now(), Instant::from_secs(seconds), "{no_finish:?} {behaviour}");
        balanced(&world);
    }
}

#[test]
fn after_a_failure_every_kind_of_client_waits_in_its_own_way() {
    let refused = |behaviour| {
        let mut world = world_with(|config| config.registration.behaviour = behaviour);
        world.set_ems(None);
        let mut server = Player::new(World::BOOTSTRAP);
        let requests = if behaviour == Behaviour::Anjay { 2 } else { 1 };
        for _ in 0..requests {
            server.serve(&mut world, Message::response(Code::BAD_REQUEST));
        }
        let again = server.try_hear(&mut world, Duration::from_secs(2_000));
        (again.is_some(), world.now().since_origin().as_secs(), world.count(MeterState::Failed))
    };
    assert_eq!(refused(Behaviour::Leshan), (true, 600, 0));
    assert_eq!(refused(Behaviour::Anjay).2, 1);
    assert_eq!(refused(Behaviour::Zephyr).2, 1);
    let mut world = world_with(|config| config.registration.behaviour = Behaviour::Zephyr);
    assert!(world.run_until(Instant::from_secs(1_000), |world| world.count(MeterState::Failed) == 1));
    assert_eq!(sent(&world, RequestKind::BootstrapRequest), 6);
    balanced(&world);
}

#[test]
fn max_age_is_the_wait_before_the_next_bootstrap_where_it_is_honoured() {
    let again = |honour_max_age, behaviour| {
        let mut world = world_with(|config| {
            config.registration.honour_max_age = honour_max_age;
            config.registration.behaviour = behaviour;
        });
        let mut server = Player::new(World::BOOTSTRAP);
        let busy = Message::response(Code::SERVICE_UNAVAILABLE).with_max_age(77);
        server.serve(&mut world, busy.clone());
        server.serve(&mut world, busy);
        server.hear(&mut world);
        world.now().since_origin().as_secs()
    };
    for behaviour in [Behaviour::Spec, Behaviour::Leshan, Behaviour::Zephyr] {
        assert_eq!(again(true, behaviour), 2 * 77, "{behaviour}");
    }
    assert!(again(false, Behaviour::Spec) < 77);
}

#[test]
fn what_was_half_written_is_taken_back() {
    let mut world = world_with(|config| {
        let mut factory = Vec::clone(&config.factory);
        factory.extend(account_entries());
        factory.push(Entry::new(Path::resource(1, 1, 17), Value::Unsigned(1)));
        config.factory = Arc::new(factory);
    });
    // The EMS refuses, so that the meter turns to the Bootstrap-Server.
    world.set_ems(None);
    let mut ems = Player::new(World::EMS);
    ems.serve(&mut world, Message::response(Code::FORBIDDEN));
    let mut server = begun(&mut world);
    assert_eq!(server.code(&mut world, request(Code::DELETE, "/")), Code::DELETED);
    assert!(world.run_until(Instant::from_secs(500), |world| {
        failures(world, FailureKind::BootstrapNoFinish) == 1
    }));
    // The old account is there again, and tried.
    assert_eq!(world.count(MeterState::Registering), 1);
    ems.serve(&mut world, Message::response(Code::CREATED).with_location(&["rd", "1"]));
    registered_soon(&mut world);
}

// ----- Pack ---------------------------------------------------------------------------------------

fn pack(entries: &[Entry]) -> Message {
    let payload = content::encode(ContentFormat::SENML_CBOR, Path::ROOT, entries).expect("plain values");
    Message::response(Code::CONTENT).with_content_format(ContentFormat::SENML_CBOR).with_payload(payload)
}

fn world_with_packs() -> (World, Player) {
    (world_with(|config| config.bootstrap.pack = true), Player::new(World::BOOTSTRAP))
}

#[test]
fn a_pack_is_all_it_takes() {
    let (mut world, mut server) = world_with_packs();
    let asked = server.serve(&mut world, pack(&account_entries()));
    assert!(asked.code() == Code::GET && asked.path_is(&["bspack"]));
    assert_eq!(asked.accept(), Some(ContentFormat::SENML_CBOR));
    assert_eq!(asked.query("ep"), Some("urn:dev:os:meter-0000000"));
    assert_eq!(asked.query("acc"), Some("</0/0>"));
    registered_soon(&mut world);
    let tree = world.meter(0).client().tree();
    assert!(tree.has_instance(0, 0) && tree.has_instance(3, 0));
    assert_eq!(sent(&world, RequestKind::BootstrapRequest), 0);
    assert_eq!(latencies(&world, Stage::Bootstrap).len(), 1);
}

#[test]
fn a_pack_replaces_every_instance_of_what_it_has() {
    let mut world = world_with(|config| {
        config.bootstrap.pack = true;
        let mut factory = Vec::clone(&config.factory);
        factory.push(Entry::new(Path::resource(1, 9, 0), Value::Integer(9)));
        factory.push(Entry::new(Path::resource(4, 0, 0), Value::Integer(9)));
        config.factory = Arc::new(factory);
    });
    Player::new(World::BOOTSTRAP).serve(&mut world, pack(&account_entries()));
    registered_soon(&mut world);
    let tree = world.meter(0).client().tree();
    assert!(!tree.has_instance(1, 9) && tree.has_instance(4, 0));
}

#[test]
fn whatever_is_wrong_with_a_pack_leads_to_a_bootstrap_request() {
    let mut own = account_entries();
    own.push(Entry::new(Path::resource(0, 0, 0), Value::from("coap://127.0.0.9")));
    own.sort_by_key(|entry| entry.path);
    let half: Vec<Entry> = account_entries().into_iter().filter(|entry| entry.path.ids()[0] == 0).collect();
    let wrong = [
        (Message::response(Code::NOT_IMPLEMENTED), FailureKind::PackRefused(0xa1)),
        (Message::response(Code::NOT_FOUND), FailureKind::PackRefused(0x84)),
        (pack(&own), FailureKind::PackInvalid),
        (pack(&half), FailureKind::PackInvalid),
        (pack(&[]).with_payload(vec![0xff]), FailureKind::PackInvalid),
        (Message::response(Code::CONTENT), FailureKind::PackInvalid),
    ];
    for (answer, failure) in wrong {
        let (mut world, mut server) = world_with_packs();
        server.serve(&mut world, answer);
        let next = server.serve(&mut world, Message::response(Code::CHANGED));
        assert!(next.path_is(&["bs"]), "{next:?}");
        assert!(!world.meter(0).client().tree().has_instance(0, 1));
        finished(&mut server, &mut world);
        assert_eq!(failures(&world, failure), 1);
    }
}

#[test]
fn silence_after_a_pack_request_may_be_met_with_another() {
    let mut world = world_with(|config| {
        config.bootstrap.pack = true;
        config.bootstrap.pack_retries = 1;
    });
    let asked = |world: &World| sent(world, RequestKind::BootstrapPackRequest);
    assert!(world.run_until(Instant::from_secs(1_000), |world| asked(world) == 2));
    // EXCHANGE_LIFETIME after the first.
    assert_eq!(world.now(), Instant::from_secs(247));
    assert!(world.run_until(Instant::from_secs(1_000), |w| sent(w, RequestKind::BootstrapRequest) == 1));
    assert_eq!(failures(&world, FailureKind::PackTimeout), 2);
    balanced(&world);
}
