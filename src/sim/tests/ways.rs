//! The four ways of bootstrapping, and what decides among them.

use std::sync::Mutex;

use super::bootstrapping::{
    account_entries, balanced, finish, registered_soon, request, world_with, write_object,
};
use super::player::Player;
use super::*;
use crate::metrics::NoiseKind;
use crate::protocol::client::{Card, Provision, ServerAccount, encode_card, server_account};
use crate::protocol::coap::{Code, Message};
use crate::protocol::server::Initiative;

/// A card slot that a test puts cards into.
#[derive(Debug, Default)]
struct Slot {
    card: Mutex<Card>,
    own: Vec<Entry>,
}

impl Slot {
    fn with(card: Card) -> Arc<Slot> {
        Arc::new(Slot { card: Mutex::new(card), own: Vec::new() })
    }

    fn put(&self, card: Card) {
        *self.card.lock().expect("no test panicked with it") = card;
    }
}

impl Provision for Slot {
    fn own(&self, _: u32) -> Vec<Entry> {
        self.own.clone()
    }

    fn card(&self, _: u32, _: Instant) -> Card {
        self.card.lock().expect("no test panicked with it").clone()
    }
}

fn card(entries: &[Entry]) -> Card {
    Card::Present(encode_card(entries).expect("plain values").into())
}

fn world_with_slot(slot: &Arc<Slot>) -> World {
    let mut world = world_with(|config| config.provision = Some(slot.clone()));
    world.set_bootstrap_server(Some(Setup::default().bootstrap_server()));
    world
}

fn bootstraps(world: &World) -> u64 {
    world.bootstrap_server().map_or(0, |server| server.counters().requests)
}

fn registrations(world: &World) -> u64 {
    world.ems().map_or(0, |ems| ems.counters().registrations)
}

// ----- factory ------------------------------------------------------------------------------------

#[test]
fn a_meter_with_an_account_from_the_factory_registers_at_once() {
    let slot = Arc::new(Slot { own: account_entries(), ..Slot::default() });
    let mut world = world_with_slot(&slot);
    registered_soon(&mut world);
    assert_eq!((bootstraps(&world), registrations(&world)), (0, 1));
    assert_eq!(latencies(&world, Stage::Onboarding), [Duration::ZERO]);
}

// ----- smartcard ----------------------------------------------------------------------------------

#[test]
fn a_card_comes_before_everything_else() {
    let mut world = world_with_slot(&Slot::with(card(&account_entries())));
    registered_soon(&mut world);
    assert_eq!((bootstraps(&world), registrations(&world)), (0, 1));
    // The account of the Bootstrap-Server is not the card's, and stays.
    assert!(world.meter(0).client().has_bootstrap_account());
}

#[test]
fn a_card_may_bring_a_bootstrap_server_or_take_its_place() {
    let uri_of_own = |world: &World| {
        let tree = world.meter(0).client().tree();
        tree.get(Path::resource(0, 0, 0)).and_then(Value::as_str).map(str::to_owned)
    };
    let mut both = account_entries();
    both.extend(client::bootstrap_account("coap://127.0.0.9", Duration::ZERO));
    let mut world = world_with_slot(&Slot::with(card(&both)));
    registered_soon(&mut world);
    assert_eq!(uri_of_own(&world).as_deref(), Some("coap://127.0.0.9"));

    let in_its_place: Vec<Entry> = account_entries()
        .into_iter()
        .map(|Entry { path, value }| {
            let ids = path.ids();
            Entry::new(Path::resource(ids[0], if ids[0] == 0 { 0 } else { 1 }, ids[2]), value)
        })
        .collect();
    let mut world = world_with_slot(&Slot::with(card(&in_its_place)));
    registered_soon(&mut world);
    assert!(!world.meter(0).client().has_bootstrap_account());
}

#[test]
fn without_a_card_the_next_way_is_taken() {
    let mut world = world_with_slot(&Slot::with(Card::Absent));
    registered_soon(&mut world);
    assert_eq!(bootstraps(&world), 1);
}

#[test]
fn a_card_that_is_no_use_is_counted_once_and_the_next_way_is_taken() {
    let half: Vec<Entry> = account_entries().into_iter().filter(|entry| entry.path.ids()[0] == 1).collect();
    let useless = [
        (Card::Unreadable, FailureKind::CardUnreadable),
        (Card::Present([1, 2, 3].into()), FailureKind::CardInconsistent),
        (Card::Present([].into()), FailureKind::CardInconsistent),
        (card(&half), FailureKind::CardInconsistent),
    ];
    for (card, failure) in useless {
        let mut world = world_with_slot(&Slot::with(card));
        registered_soon(&mut world);
        // Updates look at it again, and see nothing new.
        world.run_to(Instant::from_secs(1_000));
        assert_eq!((bootstraps(&world), failures(&world, failure)), (1, 1), "{failure:?}");
        assert!(all_registered(&world));
    }
}

#[test]
fn another_card_is_seen_at_the_next_update() {
    let slot = Slot::with(card(&account_entries()));
    let mut world = world_with_slot(&slot);
    registered_soon(&mut world);
    let mut other = account_entries();
    for entry in &mut other {
        if matches!(*entry.path.ids(), [0, _, 10] | [1, _, 0]) {
            entry.value = Value::Integer(202);
        }
    }
    slot.put(card(&other));
    world.run_to(Instant::from_secs(149));
    assert_eq!(registrations(&world), 1);
    // Half of the lifetime of 300 s.
    world.run_to(Instant::from_secs(151));
    assert_eq!(registrations(&world), 2);
    registered_soon(&mut world);
    let tree = world.meter(0).client().tree();
    assert_eq!(tree.get(Path::resource(1, 1, 0)), Some(&Value::Integer(202)));
    assert_eq!(bootstraps(&world), 0);
}

#[test]
fn a_card_taken_out_or_broken_leaves_the_meter_what_it_has() {
    let told = [(Card::Absent, [0, 0]), (Card::Missing, [1, 0]), (Card::Unreadable, [0, 1])];
    for (gone, expected) in told {
        let slot = Slot::with(card(&account_entries()));
        let mut world = world_with_slot(&slot);
        registered_soon(&mut world);
        slot.put(gone);
        world.run_to(Instant::from_secs(1_000));
        assert!(all_registered(&world));
        assert_eq!((registrations(&world), bootstraps(&world)), (1, 0));
        let kinds = [FailureKind::CardMissing, FailureKind::CardUnreadable];
        assert_eq!(kinds.map(|kind| failures(&world, kind)), expected);
    }
}

#[test]
fn a_card_that_comes_while_registering_fails_is_taken() {
    let slot = Arc::new(Slot { own: account_entries(), ..Slot::default() });
    let mut world = world_with_slot(&slot);
    world.set_ems(None);
    // The Register at 0 is given up within 93 s, the next follows 60 s later.
    world.run_to(Instant::from_secs(100));
    slot.put(card(&account_entries()));
    world.set_ems(Some(Setup::default().ems()));
    assert!(world.run_until(Instant::from_secs(200), all_registered));
    balanced(&world);
}

// ----- server-initiated, by way of the EMS ----------------------------------------------------------

/// A world whose meter has an account from the factory and is registered with an EMS that a test plays.
fn registered_by_hand(change: impl FnOnce(&mut client::Config)) -> (World, Player) {
    let mut world = world_with(|config| {
        with_factory_account(config);
        change(config);
    });
    world.set_ems(None);
    let mut ems = Player::new(World::EMS);
    ems.serve(&mut world, created("1"));
    registered_soon(&mut world);
    (world, ems)
}

fn created(location: &str) -> Message {
    Message::response(Code::CREATED).with_location(&["rd", location])
}

#[test]
fn an_ems_makes_a_meter_bootstrap_again() {
    let (mut world, mut ems) = registered_by_hand(|_| {});
    world.set_bootstrap_server(Some(Setup::default().bootstrap_server()));
    assert_eq!(ems.code(&mut world, request(Code::POST, "/1/1/9")), Code::CHANGED);
    let again = ems.serve(&mut world, created("2"));
    assert!(again.path_is(&["rd"]) && again.query("ep") == Some("urn:dev:os:meter-0000000"));
    registered_soon(&mut world);
    assert_eq!((bootstraps(&world), latencies(&world, Stage::Bootstrap).len()), (1, 1));
    // The account is the one of the Bootstrap-Server now.
    assert!(world.meter(0).client().tree().has_instance(1, 0));
}

#[test]
fn a_meter_without_a_bootstrap_account_refuses_to() {
    let (mut world, mut ems) = registered_by_hand(|config| {
        let accounts = config.factory.iter().filter(|entry| !entry.path.starts_with(&Path::instance(0, 0)));
        config.factory = Arc::new(accounts.cloned().collect());
    });
    assert_eq!(ems.code(&mut world, request(Code::POST, "/1/1/9")), Code::METHOD_NOT_ALLOWED);
    assert!(all_registered(&world));
}

#[test]
fn a_factory_reset_is_answered_and_ends_in_a_new_registration() {
    let (mut world, mut ems) = registered_by_hand(|_| {});
    let lifetime = request(Code::PUT, "/1/1/1").with_content_format(ContentFormat::TEXT);
    assert_eq!(ems.code(&mut world, lifetime.with_payload(b"600".to_vec())), Code::CHANGED);
    assert_eq!(ems.serve(&mut world, Message::response(Code::CHANGED)).query("lt"), Some("600"));
    assert_eq!(ems.code(&mut world, request(Code::POST, "/3/0/5")), Code::CHANGED);
    assert_eq!(ems.serve(&mut world, created("2")).query("lt"), Some("300"));
    registered_soon(&mut world);
}

// ----- server-initiated, the way of 1.0 -----------------------------------------------------------

fn with_factory_account(config: &mut client::Config) {
    let mut factory = Vec::clone(&config.factory);
    factory.extend(account_entries());
    config.factory = Arc::new(factory);
}

#[test]
fn a_bootstrap_server_may_start_unasked_where_the_meter_listens() {
    let mut world = world_with(|config| {
        config.version = Version::V1_0;
        config.bootstrap.server_initiated = true;
        with_factory_account(config);
    });
    registered_soon(&mut world);
    let mut server = Player::new(World::BOOTSTRAP);
    world.run_to(Instant::from_secs(10));
    assert_eq!(server.code(&mut world, request(Code::DELETE, "/")), Code::DELETED);
    assert_eq!(world.count(MeterState::Bootstrapping), 1);
    let entries = account_entries();
    server.code(&mut world, write_object(0, &entries));
    server.code(&mut world, write_object(1, &entries));
    assert_eq!(server.code(&mut world, finish()), Code::CHANGED);
    registered_soon(&mut world);
    assert_eq!(registrations(&world), 2);
    assert_eq!(latencies(&world, Stage::Bootstrap), [Duration::ZERO]);
}

#[test]
fn a_meter_that_does_not_listen_takes_it_for_noise() {
    let mut world = world_with(with_factory_account);
    registered_soon(&mut world);
    world.inject_to_meter(0, World::BOOTSTRAP, &[0x40, Code::DELETE.0, 0, 1]);
    world.run_to(Instant::from_secs(10));
    assert!(all_registered(&world));
    assert!(world.meter(0).client().tree().has_instance(1, 1));
}

#[test]
fn a_bootstrap_server_that_falls_silent_changes_nothing() {
    let mut world = world_with(|config| {
        config.bootstrap.server_initiated = true;
        with_factory_account(config);
    });
    registered_soon(&mut world);
    let mut server = Player::new(World::BOOTSTRAP);
    assert_eq!(server.code(&mut world, request(Code::DELETE, "/")), Code::DELETED);
    // The registration is kept up meanwhile: lifetime 300 s, the wait for Finish 247 s.
    world.run_to(Instant::from_secs(1_000));
    assert_eq!(failures(&world, FailureKind::BootstrapNoFinish), 1);
    assert!(all_registered(&world));
    let ems = world.ems().map(|ems| ems.counters()).expect("it is there");
    assert_eq!((ems.registrations, ems.expired), (1, 0));
    balanced(&world);
}

/// How often a meter was told something by nobody it knows.
fn strangers(world: &World) -> usize {
    let unknown = Event::Noise(NoiseKind::UnknownSource);
    world.events().iter().filter(|(_, _, event)| *event == unknown).count()
}

/// A Confirmable Ping, which whoever is known may send.
const PING: [u8; 4] = [0x40, 0, 0x70, 0x01];

#[test]
fn a_server_whose_account_is_gone_is_a_stranger() {
    let mut world = world_with(|config| {
        config.bootstrap.server_initiated = true;
        with_factory_account(config);
    });
    registered_soon(&mut world);
    world.inject_to_meter(0, World::EMS, &PING);
    world.run_to(Instant::from_secs(10));
    assert_eq!(strangers(&world), 0);
    let other = loopback(5_900);
    let before = world.ems().map(|ems| ems.counters().registrations);
    world.set_ems_at(other, Some(Setup::default().ems()));
    let account = ServerAccount {
        instance: 1,
        uri: ServerUri::coap(other).to_string(),
        short_server_id: 102,
        lifetime: Duration::from_secs(300),
        binding: "U".to_owned(),
        credentials: client::Credentials::NoSec,
    };
    let mut server = Player::new(World::BOOTSTRAP);
    assert_eq!(server.code(&mut world, request(Code::DELETE, "/")), Code::DELETED);
    let entries = server_account(&account);
    server.code(&mut world, write_object(0, &entries));
    server.code(&mut world, write_object(1, &entries));
    assert_eq!(server.code(&mut world, finish()), Code::CHANGED);
    registered_soon(&mut world);
    let now = world.ems_at(other).map(|ems| ems.counters().registrations);
    assert_eq!((before, now), (Some(1), Some(1)));
    for (from, strange) in [(other, 0), (World::EMS, 1)] {
        world.inject_to_meter(0, from, &PING);
        let soon = world.now() + Duration::from_secs(1);
        world.run_to(soon);
        assert_eq!(strangers(&world), strange);
    }
}

#[test]
fn a_meter_that_leaves_in_the_middle_of_it_takes_its_registration_back() {
    let mut world = world_with(|config| {
        config.bootstrap.server_initiated = true;
        with_factory_account(config);
    });
    registered_soon(&mut world);
    let mut server = Player::new(World::BOOTSTRAP);
    server.code(&mut world, request(Code::DELETE, "/"));
    world.shutdown();
    world.run_to(Instant::from_secs(5));
    assert_eq!(world.count(MeterState::Deregistered), 1);
    balanced(&world);
}

// ----- the Bootstrap-Server Account ---------------------------------------------------------------

#[test]
fn a_bootstrap_account_with_a_timeout_is_gone_after_it() {
    let timeout = Duration::from_secs(40);
    let mut world = world_with(|config| {
        let mut factory = Vec::clone(&config.factory);
        factory.push(Entry::new(Path::resource(0, 0, 12), Value::Integer(timeout.as_secs() as i64)));
        config.factory = Arc::new(factory);
    });
    world.set_bootstrap_server(Some(Setup::default().bootstrap_server()));
    registered_soon(&mut world);
    let has = |world: &World| world.meter(0).client().has_bootstrap_account();
    world.run_to(Instant::from_secs(39));
    assert!(has(&world));
    world.run_to(Instant::from_secs(41));
    assert!(!has(&world) && all_registered(&world));
    // It may repeat its Finish for a while yet.
    for (second, strange) in [(200, 0), (400, 1)] {
        world.run_to(Instant::from_secs(second));
        world.inject_to_meter(0, World::BOOTSTRAP, &PING);
        world.run_to(Instant::from_secs(second + 1));
        assert_eq!(strangers(&world), strange);
    }
    // Now nothing leads back to the Bootstrap-Server.
    world.set_ems(None);
    world.run_to(Instant::from_secs(5_000));
    assert_eq!((world.count(MeterState::RegistrationBackoff), bootstraps(&world)), (1, 1));
    balanced(&world);
}

#[test]
fn a_bootstrap_server_that_does_not_come_back_is_not_forgotten() {
    // The purge is for after a Finish only.
    let mut world = world_with(|config| {
        let mut factory = Vec::clone(&config.factory);
        factory.push(Entry::new(Path::resource(0, 0, 12), Value::Integer(1)));
        config.factory = Arc::new(factory);
    });
    let mut server = Player::new(World::BOOTSTRAP);
    server.serve(&mut world, Message::response(Code::CHANGED));
    world.run_to(Instant::from_secs(500));
    assert!(world.meter(0).client().has_bootstrap_account());
}

// ----- against our own Bootstrap-Server ------------------------------------------------------------

#[test]
fn meters_take_packs_in_every_format() {
    let formats = [ContentFormat::SENML_CBOR, ContentFormat::SENML_JSON, ContentFormat::LWM2M_CBOR];
    for format in formats {
        let mut world = world_with(|config| {
            config.bootstrap.pack = true;
            config.bootstrap.formats = vec![format];
        });
        world.set_bootstrap_server(Some(Setup::default().bootstrap_server()));
        registered_soon(&mut world);
        let counters = world.bootstrap_server().map(|server| server.counters()).expect("it is there");
        assert_eq!((counters.packs, counters.requests, counters.writes), (1, 0, 0), "{format:?}");
        // Here a Pack takes one round trip, and the account is the one that Writes would have made.
        let tree = world.meter(0).client().tree();
        assert_eq!(tree.get(Path::resource(1, 0, 0)), Some(&Value::Integer(101)), "{format:?}");
    }
}

#[test]
fn our_bootstrap_server_takes_the_initiative() {
    let mut world = world_with(|config| {
        config.version = Version::V1_0;
        config.bootstrap.server_initiated = true;
    });
    let setup = Setup { format: None, version: Version::V1_0, ..Setup::default() };
    let initiative = Initiative { after: Duration::from_secs(60), rate: "1/s".parse().expect("a rate") };
    let config = BootstrapConfig { initiative: Some(initiative), ..setup.bootstrap_config() };
    world.set_bootstrap_server(Some(BootstrapServer::new(config, Seed(1))));
    registered_soon(&mut world);
    assert!(world.run_until(Instant::from_secs(70), |world| registrations(world) == 2));
    registered_soon(&mut world);
    let counters = world.bootstrap_server().map(|server| server.counters()).expect("it is there");
    assert_eq!((counters.requests, counters.initiated, counters.finished), (1, 1, 2));
}

#[test]
fn packs_and_unasked_bootstraps_get_through_over_a_link_that_loses_a_third() {
    for_seeds(0..4, |seed| {
        let link = LinkFaults { loss: 0.3, duplicate: 0.2, ..LinkFaults::default() };
        let setup = Setup { seed, link, ..Setup::default() };
        let mut world = World::new(WorldConfig { seed: Seed(seed), link });
        let initiative = Initiative { after: Duration::from_secs(60), rate: "1/s".parse().expect("a rate") };
        let config = BootstrapConfig { initiative: Some(initiative), ..setup.bootstrap_config() };
        world.set_bootstrap_server(Some(BootstrapServer::new(config, Seed(seed))));
        world.set_ems(Some(setup.ems()));
        let mut config = Arc::into_inner(setup.client_config()).expect("nobody else has it");
        // The server takes the initiative towards devices it has walked through its commands, not those it
        // gave a Pack.
        let pack = seed % 2 == 0;
        config.bootstrap.pack = pack;
        config.bootstrap.pack_retries = 1;
        config.bootstrap.server_initiated = true;
        let config = Arc::new(config);
        for number in 0..20 {
            world.add_meter(config.clone(), &format!("urn:dev:os:meter-{number:07}"), Instant::ZERO);
        }
        world.run_to(Instant::from_secs(600));
        assert!(world.run_until(Instant::from_secs(7_200), all_registered), "{:?}", world.states());
        let counters = world.bootstrap_server().map(|server| server.counters()).expect("it is there");
        assert_eq!((counters.packs > 0, counters.initiated > 0), (pack, !pack), "{counters:?}");
        balanced(&world);
    });
}
