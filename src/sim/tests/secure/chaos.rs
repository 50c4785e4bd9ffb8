//! Everything at once, over every way: servers that go and come back without their memory, links that lose, streams
//! that are cut, meters that lose their power. When it is over, everybody is registered, and nothing went uncounted.

use super::super::bootstrapping::sent_and_ended;
use super::super::chaos::{notifications_sent_and_ended, pick};
use super::*;
use crate::base::Rng;
use crate::metrics::RequestKind;
use crate::protocol::client::{Backoff, Behaviour, UpdateTiming};
use crate::protocol::server::{Action, Campaign};
use crate::secure::Version as SessionVersion;
use crate::sim::{Cut, Direction, Pieces};

const METERS: u32 = 5;
/// Of trouble.
const TROUBLE: Duration = Duration::from_secs(3_600);

#[test]
fn whatever_happens_to_sessions_and_streams_nobody_is_lost() {
    for way in WAYS {
        for_seeds(0..6, |seed| Chaos::new(way, seed).run());
    }
}

struct Chaos {
    rng: Rng,
    kit: Kit,
    world: World,
    config: Arc<client::Config>,
    behaviour: Behaviour,
    /// What was under way at meters that lost their power: it has no end.
    unfinished: Unfinished,
}

#[derive(Default)]
struct Unfinished {
    requests: Vec<(RequestKind, usize)>,
    notifications: usize,
    handshakes: usize,
}

impl Chaos {
    fn new(way: (Scheme, Mode), seed: u64) -> Self {
        let mut rng = Seed(seed).child("secure-chaos", way.0 as u64 * 4 + way.1 as u64).rng();
        let setup = Setup { seed, meters: METERS, lifetime: Duration::from_secs(200), ..Setup::default() };
        let mut kit = Kit::new(way, setup);
        kit.campaigns = campaigns(&mut rng);
        kit.version = pick(&mut rng, &[SessionVersion::Only12, SessionVersion::Upto13]);
        let behaviour = pick(&mut rng, &[Behaviour::Spec, Behaviour::Leshan]);
        let mut config = Arc::into_inner(kit.client_config()).expect("nobody else has it");
        config.bootstrap.backoff =
            Backoff { initial: Duration::from_secs(1 + rng.below(5)), max: Duration::from_secs(120) };
        config.registration.behaviour = behaviour;
        config.registration.queue_mode = rng.chance(0.3);
        config.registration.update = pick(&mut rng, &[None, Some(UpdateTiming::Half)]);
        config.registration.keep_registration_over_reboot = rng.chance(0.5);
        let config = Arc::new(config);
        let world = kit.world_of(&config);
        Chaos { rng, kit, world, config, behaviour, unfinished: Unfinished::default() }
    }

    fn run(&mut self) {
        let end = Instant::ZERO + TROUBLE;
        while self.world.now() < end {
            self.trouble();
            let next = self.world.now() + Duration::from_millis(500 + self.rng.below(180_000));
            self.run_to(next);
        }
        self.heal();
        // The default of Disable Timeout (/1/x/5) and of the sequence delay (/1/x/19) is a day.
        let limit = self.world.now() + Duration::from_secs(200_000);
        assert!(self.world.run_until(limit, all_registered), "{}", self.stragglers());
        self.check();
        self.world.shutdown();
        let limit = self.world.now() + Duration::from_secs(1_000);
        self.world.run_to(limit);
        self.check();
        for (number, meter) in self.world.meters().enumerate() {
            let gone = [MeterState::Deregistered, MeterState::Stopped];
            assert!(gone.contains(&meter.state()), "{} {}", meter.endpoint(), self.stragglers());
            assert_eq!((meter.poll_timeout(), meter.in_flight()), (None, Default::default()));
            assert_eq!(self.world.streams_of(number as u32), 0);
        }
        self.nobody_is_left_at_the_servers();
    }

    /// What a server still holds: of streams nothing, of datagrams no more than one session for each meter.
    fn nobody_is_left_at_the_servers(&self) {
        let bootstrap = self.world.secured_bootstrap_server().and_then(|server| server.counters());
        let ems = self.world.secured_ems().and_then(|ems| ems.counters());
        for counters in [bootstrap, ems].into_iter().flatten() {
            assert_eq!(counters.sessions, 0, "{counters:?}");
        }
    }

    fn run_to(&mut self, limit: Instant) {
        while self.world.now() < limit {
            let minute = (self.world.now() + Duration::from_secs(60)).min(limit);
            let before = self.world.passed(Direction::ToServer);
            self.world.run_to(minute);
            let sent = self.world.passed(Direction::ToServer) - before;
            assert!(sent < u64::from(METERS) * 200, "{sent} datagrams in a minute, {}", self.stragglers());
            for server in [World::BOOTSTRAP, World::EMS] {
                self.world.take_strays(server);
            }
        }
        self.check();
    }

    // ----- what may happen ------------------------------------------------------------------------

    fn trouble(&mut self) {
        let now = self.world.now();
        if self.rng.chance(0.3) {
            let server = self.rng.chance(0.6).then(|| self.kit.bootstrap_server(now));
            self.world.set_secured_bootstrap_server(server);
        }
        if self.rng.chance(0.4) {
            let ems = self.rng.chance(0.6).then(|| self.kit.ems(now));
            self.world.set_secured_ems(ems);
        }
        if self.rng.chance(0.3) {
            let link = LinkFaults {
                loss: pick(&mut self.rng, &[0.0, 0.1, 0.3, 0.6]),
                duplicate: pick(&mut self.rng, &[0.0, 0.2]),
                reorder: pick(&mut self.rng, &[0.0, 0.2]),
                reorder_by: Duration::from_millis(900),
                delay: Duration::from_millis(pick(&mut self.rng, &[1, 50, 3_000])),
                jitter: Duration::from_millis(20),
            };
            self.world.set_link(link);
        }
        self.world.set_pieces(pick(&mut self.rng, &[Pieces::AsWritten, Pieces::Joined, Pieces::Random]));
        for meter in 0..METERS {
            if self.rng.chance(0.2) {
                let cut = pick(&mut self.rng, &[Cut::Reset, Cut::Orderly]);
                self.world.cut_streams(meter, cut);
            }
            if self.rng.chance(0.1) {
                self.lose_power(meter);
            }
        }
    }

    fn lose_power(&mut self, number: u32) {
        let meter = self.world.meter(number);
        let in_flight = meter.in_flight();
        let requests = RequestKind::ALL.map(|kind| (kind, in_flight.of(kind) as usize));
        self.unfinished.requests.extend(requests);
        self.unfinished.notifications += in_flight.notifications() as usize;
        self.unfinished.handshakes += in_flight.handshakes() as usize;
        self.world.restart_meter(number, self.config.clone());
    }

    fn heal(&mut self) {
        self.world.set_link(LinkFaults { delay: Duration::from_millis(5), ..LinkFaults::default() });
        self.kit.campaigns = Vec::new();
        let now = self.world.now();
        self.world.set_secured_bootstrap_server(Some(self.kit.bootstrap_server(now)));
        self.world.set_secured_ems(Some(self.kit.ems(now)));
    }

    // ----- what must hold at any time -------------------------------------------------------------

    fn check(&self) {
        let meters = || self.world.meters().map(|meter| meter.in_flight());
        for kind in RequestKind::ALL {
            let (sent, ended) = sent_and_ended(&self.world, kind);
            let lost = self.unfinished.requests.iter().filter(|(lost, _)| *lost == kind);
            let open = meters().map(|meter| meter.of(kind) as usize).sum::<usize>();
            let lost = lost.map(|(_, count)| count).sum::<usize>();
            assert_eq!(sent, ended + open + lost, "{kind:?} {}", self.stragglers());
        }
        let (sent, ended) = notifications_sent_and_ended(&self.world);
        let open = meters().map(|meter| meter.notifications() as usize).sum::<usize>();
        assert_eq!(sent, ended + open + self.unfinished.notifications, "notifications");
        let count = |wanted: fn(&Event) -> bool| {
            self.world.events().iter().filter(|(_, _, event)| wanted(event)).count()
        };
        let begun = count(|event| *event == Event::HandshakeBegun);
        let ended = count(|event| {
            let failed = matches!(event, Event::HandshakeFailed | Event::HandshakeAbandoned);
            failed || matches!(event, Event::Handshake { .. })
        });
        let open = meters().map(|meter| meter.handshakes() as usize).sum::<usize>();
        assert_eq!(begun, ended + open + self.unfinished.handshakes, "handshakes");
        for (number, meter) in self.world.meters().enumerate() {
            // A stream whose connection is under way has the network to end it.
            let connecting = self.world.streams_of(number as u32) > 0;
            let done = [MeterState::Planned, MeterState::Deregistered, MeterState::Stopped];
            let waits = meter.poll_timeout().is_some() || connecting || done.contains(&meter.state());
            assert!(waits, "nothing will happen to {number}: {}", self.stragglers());
            // No more ways than servers.
            assert!(self.world.streams_of(number as u32) <= 3);
        }
    }

    fn stragglers(&self) -> String {
        use std::fmt::Write as _;
        let mut text = format!(
            "{} {:?} {:?} at {:?}\n",
            self.kit.scheme,
            self.kit.mode,
            self.behaviour,
            self.world.now()
        );
        for (number, meter) in self.world.meters().enumerate() {
            let streams = self.world.streams_of(number as u32);
            let _ = writeln!(text, "{number} {:?} {:?} {streams}", meter.state(), meter.poll_timeout());
            if meter.state() != MeterState::Registered {
                let told = self.world.events().iter().filter(|(_, meter, _)| *meter == number as u32);
                for (at, _, event) in told.rev().take(14) {
                    let _ = writeln!(text, "    {at:?} {event:?}");
                }
            }
        }
        text
    }
}

fn campaigns(rng: &mut Rng) -> Vec<Campaign> {
    let actions = [
        Action::UpdateTrigger,
        Action::BootstrapTrigger,
        Action::Reboot,
        Action::Disable,
        Action::Observe(Path::object(3)),
    ];
    let campaign = |rng: &mut Rng| Campaign {
        action: pick(rng, &actions),
        start: Duration::from_secs(rng.below(100)),
        rate: "1/s".parse().expect("a rate"),
        share: None,
        repeat: Some(Duration::from_secs(pick(rng, &[60, 300]))),
    };
    (0..rng.below(3)).map(|_| campaign(rng)).collect()
}
