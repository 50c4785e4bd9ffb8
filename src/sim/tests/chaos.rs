//! Everything at once: meters of every kind, servers that come and go and command what they like, links that
//! lose datagrams. Whatever happens, nothing hangs, nothing goes uncounted, and in the end all is well.

use std::fmt::Write as _;

use super::bootstrapping::balanced;
use super::*;
use crate::base::Rng;
use crate::metrics::NotificationFate;
use crate::protocol::client::{
    Backoff, Behaviour, Card, NoFinish, Provision, ServerAccount, UpdateTiming, encode_card, server_account,
};
use crate::protocol::server::{Action, Campaign, Initiative, Interview};
use crate::sim::Direction;

/// Hours of trouble.
const TROUBLE: u64 = 3;
const METERS: u32 = 8;

#[test]
fn whatever_happens_nobody_is_lost() {
    for_seeds(0..12, |seed| Chaos::new(seed).run());
}

/// Three EMS at most, besides the Bootstrap-Server.
fn servers() -> [SocketAddr; 3] {
    [World::EMS, loopback(5_684), loopback(5_685)]
}

struct Chaos {
    rng: Rng,
    setup: Setup,
    world: World,
    /// How each meter was made, for who has to find out why one of them failed.
    made: Vec<Made>,
}

/// What of a meter's configuration explains where it ends.
#[derive(Debug)]
struct Made {
    behaviour: Behaviour,
    /// It has been fitted with accounts, on a card or not.
    fitted: Vec<Vec<(u16, Value)>>,
    /// Nobody knows the name of one of its servers.
    unknown_server: bool,
}

/// A card that is changed for another now and then, and does not always work.
#[derive(Debug)]
struct Slot {
    cards: Vec<Card>,
}

impl Provision for Slot {
    fn own(&self, _: u32) -> Vec<Entry> {
        Vec::new()
    }

    fn card(&self, _: u32, now: Instant) -> Card {
        self.cards[(now.since_origin().as_secs() / 1_700) as usize % self.cards.len()].clone()
    }
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let mut rng = Seed(seed).child("chaos", 0).rng();
        let link = LinkFaults {
            loss: pick(&mut rng, &[0.0, 0.1, 0.3, 0.5]),
            duplicate: pick(&mut rng, &[0.0, 0.2]),
            reorder: pick(&mut rng, &[0.0, 0.2]),
            reorder_by: Duration::from_millis(900),
            delay: Duration::from_millis(pick(&mut rng, &[1, 50, 4_000])),
            jitter: Duration::from_millis(20),
        };
        let setup = Setup { seed, link, lifetime: Duration::from_secs(200), ..Setup::default() };
        let world = World::new(WorldConfig { seed: Seed(seed), link });
        let mut chaos = Chaos { rng, setup, world, made: Vec::new() };
        for number in 0..METERS {
            let config = chaos.config();
            let planned = Instant::from_millis(chaos.rng.below(60_000));
            chaos.world.add_meter(Arc::new(config), &format!("meter-{number}"), planned);
        }
        chaos
    }

    fn run(&mut self) {
        let end = Instant::from_secs(TROUBLE * 3_600);
        while self.world.now() < end {
            self.change_servers();
            let next = self.world.now() + Duration::from_secs(20 + self.rng.below(600));
            self.run_to(next);
        }
        // Some are asked to leave in the middle of it.
        if self.rng.chance(0.8) {
            self.everybody_recovers();
        }
        self.everybody_leaves();
    }

    fn everybody_recovers(&mut self) {
        self.heal();
        let limit = self.world.now() + Duration::from_secs(50_000);
        let all = (0..METERS).zip(&self.made);
        let all_well =
            self.world.run_until(limit, |world| all.clone().all(|(meter, made)| well(made, world, meter)));
        assert!(all_well, "{}", self.stragglers());
        self.check();
    }

    fn everybody_leaves(&mut self) {
        self.world.shutdown();
        let limit = self.world.now() + Duration::from_secs(1_000);
        self.world.run_to(limit);
        self.check();
        for meter in self.world.meters() {
            let gone = [MeterState::Deregistered, MeterState::Stopped, MeterState::Failed];
            assert!(gone.contains(&meter.state()), "{} {:?}", meter.endpoint(), meter.state());
            assert_eq!(meter.poll_timeout().filter(|_| meter.state() != MeterState::Failed), None);
            assert_eq!(meter.in_flight(), Default::default());
        }
    }

    /// Lets it run, a minute at a time, and looks at what must hold at any time.
    fn run_to(&mut self, limit: Instant) {
        while self.world.now() < limit {
            let minute = (self.world.now() + Duration::from_secs(60)).min(limit);
            let before = self.world.passed(Direction::ToServer);
            self.world.run_to(minute);
            let sent = self.world.passed(Direction::ToServer) - before;
            assert!(sent < u64::from(METERS) * 120, "{sent} datagrams in a minute, {}", self.stragglers());
            for server in servers().into_iter().chain([World::BOOTSTRAP]) {
                self.world.take_strays(server);
            }
        }
        self.check();
    }

    fn check(&self) {
        balanced(&self.world);
        // No account here has a URI that is none, and the Bootstrap-Server's does not go while it is needed.
        assert_eq!(failures(&self.world, FailureKind::ServerUri), 0);
        for (at, meter, event) in self.world.events() {
            // Latencies count from the instant something was due.
            if let Event::Stage { stage: Stage::Update | Stage::Deregistration, latency } = event {
                assert!(*latency < Duration::from_secs(400), "{meter} {at:?} {event:?}");
            }
        }
        notifications_balance(&self.world);
        for (number, meter) in self.world.meters().enumerate() {
            let waits = meter.poll_timeout().is_some();
            let for_ever = lifetimes(&self.world, number as u32).any(|lifetime| lifetime == 0);
            let final_state = match meter.state() {
                MeterState::Planned | MeterState::Failed | MeterState::Deregistered | MeterState::Stopped => {
                    true
                }
                MeterState::Registered => for_ever,
                _ => false,
            };
            assert!(waits || final_state, "nothing will happen to {number}: {}", self.stragglers());
        }
    }

    // ----- what may happen ------------------------------------------------------------------------

    /// Each server may go, come back without its memory, or begin to ask for other things.
    fn change_servers(&mut self) {
        let bootstrap = self.rng.chance(0.7).then(|| {
            let initiative = Initiative { after: Duration::from_secs(60), rate: "1/s".parse().unwrap() };
            let initiative = self.rng.chance(0.3).then_some(initiative);
            let config = BootstrapConfig { initiative, ..self.bootstrap_config() };
            BootstrapServer::new(config, self.seed())
        });
        if self.rng.chance(0.5) {
            self.world.set_bootstrap_server(bootstrap);
        }
        for (index, address) in servers().into_iter().enumerate() {
            if self.rng.chance(0.4) {
                continue;
            }
            let here = self.rng.chance(0.6);
            let ems = here.then(|| self.ems(index as u16, true));
            self.set_ems(address, ems);
        }
    }

    fn bootstrap_config(&self) -> BootstrapConfig {
        // The default of /1/x/5 and /1/x/19 is a day: so long nobody waits here.
        let server = vec![(5, Value::Integer(300)), (19, Value::Unsigned(900))];
        let account = Account { server, ..Account::new(String::new(), 101, self.setup.lifetime) };
        BootstrapConfig { directory: Directory::of(Plan::new(account)), ..self.setup.bootstrap_config() }
    }

    fn heal(&mut self) {
        self.world.set_link(LinkFaults { delay: Duration::from_millis(5), ..LinkFaults::default() });
        let bootstrap = BootstrapServer::new(self.bootstrap_config(), self.seed());
        self.world.set_bootstrap_server(Some(bootstrap));
        for (index, address) in servers().into_iter().enumerate() {
            let ems = self.ems(index as u16, false);
            self.set_ems(address, Some(ems));
        }
    }

    fn set_ems(&mut self, address: SocketAddr, ems: Option<Ems>) {
        if address == World::EMS {
            self.world.set_ems(ems);
        } else {
            self.world.set_ems_at(address, ems);
        }
    }

    fn ems(&mut self, index: u16, demanding: bool) -> Ems {
        let lowest = pick(&mut self.rng, &[Version::V1_0, Version::V1_0, Version::V1_1]);
        let highest = pick(&mut self.rng, &[Version::V1_2, Version::V1_1]);
        let mut config = EmsConfig {
            short_server_id: 101 + index,
            profile_ids: self.rng.chance(0.5),
            ..self.setup.ems_config()
        };
        if demanding {
            config.versions = (lowest.min(highest), highest);
            config.interview =
                pick(&mut self.rng, &[Interview::Off, Interview::read(), Interview::observe()]);
            config.campaigns = (0..self.rng.below(4)).map(|_| self.campaign()).collect();
        }
        Ems::new(config, 0, self.seed())
    }

    fn campaign(&mut self) -> Campaign {
        let lifetime = Value::Integer(pick(&mut self.rng, &[0, 30, 120, 500, 3_000]));
        let actions = [
            Action::UpdateTrigger,
            Action::BootstrapTrigger,
            Action::Disable,
            Action::Reboot,
            Action::FactoryReset,
            Action::Write(Path::resource(1, pick(&mut self.rng, &[0, 1, 2]), 1), lifetime),
            Action::Observe(Path::object(3)),
        ];
        let repeat = Duration::from_secs(pick(&mut self.rng, &[7, 60, 300]));
        Campaign {
            action: pick(&mut self.rng, &actions),
            start: Duration::from_secs(self.rng.below(100)),
            rate: "1/s".parse().unwrap(),
            share: None,
            repeat: Some(repeat),
        }
    }

    // ----- what meters there are ------------------------------------------------------------------

    fn config(&mut self) -> client::Config {
        let rng = &mut self.rng;
        let behaviour = pick(rng, &Behaviour::ALL);
        let version = pick(rng, &[Version::V1_0, Version::V1_1, Version::V1_2]);
        let setup = Setup { version, hold_off: Duration::from_secs(rng.below(3) * 10), ..self.setup.clone() };
        let mut config = Arc::into_inner(setup.client_config()).expect("nobody else has it");
        let formats = [ContentFormat::TLV, ContentFormat::SENML_CBOR, ContentFormat::SENML_JSON];
        let seconds = |rng: &mut Rng, bound| Duration::from_secs(1 + rng.below(bound));
        config.bootstrap = BootstrapPolicy {
            formats: vec![pick(rng, &formats)],
            send_endpoint: true,
            pack: rng.chance(0.5),
            pack_retries: rng.below(2) as u8,
            no_finish: pick(
                rng,
                &[
                    None,
                    Some(NoFinish::PerCommand(Duration::from_secs(60))),
                    Some(NoFinish::Total(Duration::from_secs(90))),
                ],
            ),
            backoff: Backoff { initial: seconds(rng, 10), max: seconds(rng, 600) },
            server_initiated: rng.chance(0.3),
        };
        config.registration = RegistrationPolicy {
            send_endpoint: true,
            behaviour,
            update: pick(rng, &[None, Some(UpdateTiming::Half), Some(UpdateTiming::LifetimeLess10)]),
            refusal: None,
            honour_max_age: rng.chance(0.5),
            queue_mode: rng.chance(0.3),
            profile_id: rng.chance(0.5),
            update_with_objects: rng.chance(0.3),
            keep_registration_over_reboot: rng.chance(0.5),
            deregister_timeout: pick(rng, &[None, Some(Duration::from_secs(1))]),
        };
        let way = rng.below(4);
        let bootstrap_account = way != 1;
        let mut factory = Vec::clone(&config.factory);
        if !bootstrap_account {
            factory.retain(|entry| entry.path.ids()[0] != 0);
        } else if rng.chance(0.2) {
            factory.push(Entry::new(Path::resource(0, 0, 12), Value::Integer(500)));
        }
        let (mut fitted, mut unknown_server) = (Vec::new(), false);
        if way == 1 || way == 2 {
            for index in 0..1 + rng.below(3) as u16 {
                let terms = terms(rng);
                factory.extend(account(index, &terms));
                fitted.push(terms);
            }
            if rng.chance(0.3) {
                unknown_server = true;
                let index = 1 + rng.below(fitted.len() as u64) as u16;
                let uri = factory.iter_mut().find(|entry| entry.path == Path::resource(0, index, 0));
                uri.expect("it is in the account").value = Value::from("coap://nowhere.example");
            }
            factory.extend(access(fitted.len() as u16));
        }
        if way == 3 {
            let mut cards = vec![Card::Absent, Card::Unreadable, Card::Present([1, 2, 3].into())];
            cards.extend((0..2).map(|index| {
                let terms = terms(rng);
                let content = encode_card(&account(index, &terms)).expect("plain values");
                fitted.push(terms);
                Card::Present(content.into())
            }));
            let first = rng.below(cards.len() as u64) as usize;
            cards.rotate_left(first);
            config.provision = Some(Arc::new(Slot { cards }));
        }
        factory.sort_by_key(|entry| entry.path);
        config.factory = Arc::new(factory);
        self.made.push(Made { behaviour, fitted, unknown_server });
        config
    }

    fn seed(&mut self) -> Seed {
        Seed(self.rng.next_u64())
    }

    // ----- what is said when it goes wrong --------------------------------------------------------

    fn stragglers(&self) -> String {
        let mut text = format!("at {:?}\n", self.world.now());
        for (number, made) in self.made.iter().enumerate() {
            let meter = self.world.meter(number as u32);
            if !well(made, &self.world, number as u32) {
                let _ = writeln!(text, "{number} {:?} {:?} {made:?}", meter.state(), meter.poll_timeout());
                let told = self.world.events().iter().filter(|(_, meter, _)| *meter == number as u32);
                for (at, _, event) in told.rev().take(12) {
                    let _ = writeln!(text, "    {at:?} {event:?}");
                }
            }
        }
        text
    }
}

/// A meter is where it belongs when all servers are there.
fn well(made: &Made, world: &World, number: u32) -> bool {
    match world.meter(number).state() {
        MeterState::Registered => true,
        // It tries for ever, and the Bootstrap-Server is no help if /1/x/16 forbids to ask it.
        _ if made.unknown_server => true,
        // These give up by themselves, and there is the sequence delay that means never.
        MeterState::Failed => {
            let gives_up = !matches!(made.behaviour, Behaviour::Spec | Behaviour::Leshan);
            gives_up || made.fitted.iter().flatten().any(|(id, value)| *id == 19 && *value == never())
        }
        _ => false,
    }
}

/// What the account of a server, the one with this index, says of /1/x/13 to 20, each or not.
fn terms(rng: &mut Rng) -> Vec<(u16, Value)> {
    let choices: [(u16, Vec<Value>); 9] = [
        (5, numbers(&[30, 600])),
        (13, numbers(&[0, 1, 1, 7])),
        (14, numbers(&[0, 20])),
        (15, [true, false].map(Value::Boolean).to_vec()),
        (16, [true, false].map(Value::Boolean).to_vec()),
        (17, numbers(&[0, 1, 3])),
        (18, numbers(&[0, 1, 60])),
        (19, [numbers(&[0, 30, 2_000, 2_000]), vec![never()]].concat()),
        (20, numbers(&[0, 1, 3])),
    ];
    let mut terms = Vec::new();
    for (id, values) in choices {
        // As in what the Bootstrap-Server hands out.
        if [5, 19].contains(&id) || rng.chance(0.6) {
            terms.push((id, pick(rng, &values)));
        }
    }
    terms
}

fn numbers(values: &[u64]) -> Vec<Value> {
    values.iter().map(|value| Value::Unsigned(*value)).collect()
}

fn never() -> Value {
    Value::Unsigned(u32::MAX.into())
}

fn account(index: u16, terms: &[(u16, Value)]) -> Vec<Entry> {
    let mut entries = server_account(&ServerAccount {
        instance: index + 1,
        uri: ServerUri::coap(servers()[usize::from(index)]).to_string(),
        short_server_id: 101 + index,
        lifetime: Duration::from_secs(60 + 100 * u64::from(index)),
        binding: "U".to_owned(),
        credentials: client::Credentials::NoSec,
    });
    let server = |(id, value): &(u16, Value)| {
        let value = match value {
            Value::Unsigned(number) if *id == 5 => Value::Integer(*number as i64),
            value => value.clone(),
        };
        Entry::new(Path::resource(1, index + 1, *id), value)
    };
    entries.extend(terms.iter().map(server));
    entries
}

/// With several servers, all of them may do everything with /1/x and /3/0.
fn access(accounts: u16) -> Vec<Entry> {
    let objects = (1..=accounts).map(|instance| (1_u16, instance)).chain([(3, 0)]);
    let entries = objects.enumerate().flat_map(|(place, (object, instance))| {
        let at = |id| Path::resource(2, place as u16, id);
        [
            Entry::new(at(0), Value::Integer(object.into())),
            Entry::new(at(1), Value::Integer(instance.into())),
            Entry::new(Path::resource_instance(2, place as u16, 2, 0), Value::Integer(15)),
            Entry::new(at(3), Value::Integer(65_535)),
        ]
    });
    entries.collect()
}

fn lifetimes(world: &World, number: u32) -> impl Iterator<Item = i64> {
    let tree = world.meter(number).client().tree();
    tree.instances(1).filter_map(|instance| tree.get(Path::resource(1, instance, 1))?.as_integer())
}

/// Every Confirmable notification has one end, or is in flight.
fn notifications_balance(world: &World) {
    let (sent, ended) = notifications_sent_and_ended(world);
    let in_flight: usize = world.meters().map(|meter| meter.client().notifications_in_flight()).sum();
    assert_eq!(sent, ended + in_flight);
}

/// How many Confirmable notifications were sent, and how many of them have come to an end.
pub(super) fn notifications_sent_and_ended(world: &World) -> (usize, usize) {
    let with = |wanted: NotificationFate| {
        world.events().iter().filter(|(_, _, event)| *event == Event::Notification(wanted)).count()
    };
    let ended = [
        NotificationFate::Acknowledged,
        NotificationFate::Reset,
        NotificationFate::TimedOut,
        NotificationFate::Superseded,
        NotificationFate::Abandoned,
    ];
    (with(NotificationFate::SentConfirmable), ended.map(with).iter().sum())
}

pub(super) fn pick<T: Clone>(rng: &mut Rng, choices: &[T]) -> T {
    choices[rng.below(choices.len() as u64) as usize].clone()
}
