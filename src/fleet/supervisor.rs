//! Starts the shards, gathers what they record, leads the run through its phases, and ends it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix::{Arbiter, System};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::plan::Plan;
use super::shard::{self, Health, Notice, Order, Voice};
use super::shared::{Feed, ShardConfig};
use crate::base::{Clock, Instant, Seed};
use crate::meter::{Remains, Sabotage};
use crate::metrics::{MeterState, Phase, RequestKind, States, Totals};
use crate::protocol::client;
use crate::secure;
use crate::transport::{
    Gate, LocalAddresses, MeterSockets, MeterSocketsConfig, MeterStreams, MeterStreamsConfig, Numbering,
    TcpCounters, UdpCounters, cores, pin_current_thread,
};

/// Between the shards' start and the first arrival, so that the first is not late.
const HEAD_START: Duration = Duration::from_millis(100);

/// How often the supervisor looks whether a phase is over.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Which part of the drain's bound the De-registers are spread over; the rest is for their answers.
const DRAIN_SPREAD: f64 = 0.5;

/// What a fleet is.
#[derive(Clone)]
pub struct FleetConfig {
    /// How many meters, when, on how many shards, called what.
    pub plan: Plan,
    /// What the meters share.
    pub client: Arc<client::Config>,
    /// What their sessions share.
    pub sessions: Arc<secure::Options>,
    /// Draws everything random.
    pub seed: Seed,
    /// The run's clock.
    pub clock: Clock,
    /// Which destinations are allowed.
    pub gate: Gate,
    /// Whether each shard stays on a core of its own, if there are enough.
    pub pin: bool,
    /// Where meters send from on a real network.
    pub local: Option<LocalAddresses>,
    /// Servers of datagrams that are known beforehand: sockets towards them are opened before the run, so
    /// that it fails early where they cannot be. Streams are a descriptor each, which the plan counts.
    pub targets: Vec<SocketAddr>,
    /// How the meters are switched on.
    pub load: Load,
    /// How long the fleet stays on after the last arrival.
    pub hold: Duration,
    /// How long after the last arrival stragglers are waited for, if longer than `hold`.
    pub settle: Duration,
    /// How long de-registering may take.
    pub drain: Duration,
    /// Meters, by index, whose code is made to panic, once for each entry. Empty but in tests.
    pub sabotage: Vec<(u32, Sabotage)>,
}

/// How the meters of a fleet are switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// At the instants of the plan, whatever the servers do: open loop.
    Open,
    /// One whenever another got its first 2.01, so that `in_flight` are under way, `sessions` times in
    /// all; meters take turns and start over. Closed loop: it measures how fast everything goes at its own
    /// pace, and says nothing of latency under a given load.
    Closed {
        /// Meters under way at a time.
        in_flight: u32,
        /// Switch-ons in all.
        sessions: u64,
    },
}

/// What a person, or a program, may do to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// End it in good order: meters de-register, within the bound.
    Drain,
    /// End it now.
    Abort,
}

/// How the generator itself is doing, over all shards.
#[derive(Clone, Copy, Debug, Default)]
pub struct FleetHealth {
    /// Processor time of the shards' threads so far.
    pub cpu: Duration,
    /// Their sockets' counts so far.
    pub udp: UdpCounters,
    /// Their streams' counts so far.
    pub tcp: TcpCounters,
    /// Datagrams the kernel dropped at their sockets so far.
    pub kernel_drops: u64,
}

/// What is left of a fleet.
pub struct FleetOutcome {
    /// Everything recorded.
    pub totals: Totals,
    /// How the generator did.
    pub health: FleetHealth,
    /// The meters by state, counted by asking each; what the recorders say must agree.
    pub census: States,
    /// Requests on their way at the end, by [`RequestKind::index`], counted by asking each meter.
    pub in_flight: [u64; RequestKind::COUNT],
    /// Confirmable notifications on their way at the end, counted likewise.
    pub notifications_in_flight: u64,
    /// Handshakes under way at the end.
    pub handshakes_in_flight: u64,
    /// Of each meter that arrived, by index: Registers answered with 2.01, and those whose answer it
    /// never saw.
    pub registrations: BTreeMap<u32, (u32, u32)>,
    /// False if the run was cut short.
    pub complete: bool,
}

/// Why a fleet could not run.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The system would not let it.
    #[error("{0}")]
    Environment(String),
}

/// Runs a fleet on threads of its own until all phases are over, SIGINT or SIGTERM says so (the first:
/// drain, if it does not yet; the second: stop), or a command does. `observe` is called a few times a second, and at the end.
///
/// # Errors
/// That sockets, timers or threads could not be had.
pub fn run(
    config: FleetConfig,
    commands: mpsc::UnboundedReceiver<Command>,
    observe: impl FnMut(&mut Totals, &FleetHealth),
) -> Result<FleetOutcome, FleetError> {
    let system = System::new();
    let outcome = system.block_on(Supervisor::start(config, commands, observe)?.lead());
    System::current().stop();
    outcome
}

struct Supervisor<F> {
    config: FleetConfig,
    totals: Totals,
    observe: F,
    arbiters: Vec<Arbiter>,
    orders: Vec<mpsc::UnboundedSender<Order>>,
    notices: mpsc::UnboundedReceiver<(u32, Notice)>,
    commands: mpsc::UnboundedReceiver<Command>,
    health: Vec<Health>,
    remains: BTreeMap<u32, Vec<(u32, Remains)>>,
    /// When the last meter is to arrive.
    last_arrival: Instant,
    phase: Phase,
    /// A shard that is not there any more to take an order.
    unreachable: Option<u32>,
    /// Signals to end the run so far.
    interrupts: u32,
    /// When the fleet was told to leave.
    drained_from: Instant,
    /// When that is over at the latest.
    drained_at: Option<Instant>,
    complete: bool,
}

impl<F: FnMut(&mut Totals, &FleetHealth)> Supervisor<F> {
    fn start(
        config: FleetConfig,
        commands: mpsc::UnboundedReceiver<Command>,
        observe: F,
    ) -> Result<Self, FleetError> {
        let shards = config.plan.shards();
        let start = config.clock.now() + HEAD_START;
        let last = match config.load {
            Load::Open => config.plan.schedule().iter().last().map_or(Duration::ZERO, |arrival| arrival.due),
            Load::Closed { .. } => Duration::ZERO,
        };
        let (sender, notices) = mpsc::unbounded_channel();
        let mut supervisor = Supervisor {
            totals: Totals::new(shards as u16, config.plan.meters().into()),
            observe,
            arbiters: Vec::new(),
            orders: Vec::new(),
            notices,
            commands,
            health: vec![Health::default(); shards as usize],
            remains: BTreeMap::new(),
            last_arrival: start + last,
            phase: Phase::Arriving,
            unreachable: None,
            interrupts: 0,
            drained_from: Instant::FAR,
            drained_at: None,
            complete: true,
            config,
        };
        for number in 0..shards {
            supervisor.start_shard(number, start, sender.clone())?;
        }
        supervisor.totals.set_phase(Phase::Arriving);
        Ok(supervisor)
    }

    fn start_shard(
        &mut self,
        number: u32,
        start: Instant,
        notices: mpsc::UnboundedSender<(u32, Notice)>,
    ) -> Result<(), FleetError> {
        let FleetConfig { plan, client, sessions, seed, clock, targets, .. } = &self.config;
        let shard = ShardConfig {
            number,
            shards: plan.shards(),
            meters: plan.meters_of(number),
            feed: self.feed_of(number),
            start,
            client: client.clone(),
            sessions: sessions.clone(),
            endpoint: plan.endpoint_template().clone(),
            seed: *seed,
            clock: *clock,
            sabotage: self.config.sabotage.clone(),
        };
        let sockets = MeterSocketsConfig {
            gate: self.config.gate,
            numbering: Numbering { first: number, step: plan.shards() },
            local: self.config.local.as_ref().map(|local| local.share(number as u16, plan.shards() as u16)),
            ..MeterSocketsConfig::new(*clock)
        };
        let targets = targets.clone();
        let cores = cores();
        let core = cores
            .get(number as usize)
            .copied()
            .filter(|_| self.config.pin && plan.shards() as usize <= cores.len());
        let (orders, inbox) = mpsc::unbounded_channel();
        let arbiter = Arbiter::new();
        let mut voice = Voice::new(number, notices);
        let begun = arbiter.spawn_fn(move || {
            core.map(pin_current_thread);
            let streams = MeterStreams::new(MeterStreamsConfig::beside(sockets.clone()));
            let mut sockets = MeterSockets::new(sockets);
            let opened = targets.iter().try_for_each(|target| sockets.open(0, *target));
            if let Err(error) = opened {
                return voice.last_word(Notice::Broken(error.to_string()));
            }
            actix::spawn(shard::run(shard, (sockets, streams), inbox, voice));
        });
        if !begun {
            return Err(FleetError::Environment("a shard's thread ended before it began".to_owned()));
        }
        self.arbiters.push(arbiter);
        self.orders.push(orders);
        Ok(())
    }

    fn feed_of(&self, shard: u32) -> Feed {
        let plan = &self.config.plan;
        match self.config.load {
            Load::Open => Feed::Open(plan.schedule().for_shard(shard, plan.shards())),
            Load::Closed { in_flight, sessions } => Feed::Closed {
                in_flight: in_flight.div_ceil(plan.shards()),
                left: sessions / u64::from(plan.shards()),
            },
        }
    }

    async fn lead(mut self) -> Result<FleetOutcome, FleetError> {
        let failed =
            |error: std::io::Error| FleetError::Environment(format!("cannot watch for signals: {error}"));
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut look = tokio::time::interval(LOOK_EVERY);
        while self.remains.len() < self.orders.len() {
            tokio::select! {
                Some((shard, notice)) = self.notices.recv() => self.heard(shard, notice)?,
                Some(command) = self.commands.recv() => self.obey(command),
                _ = interrupt.recv() => self.interrupted(),
                _ = terminate.recv() => self.interrupted(),
                _ = look.tick() => self.look(),
            }
            if let Some(shard) = self.unreachable.take() {
                return Err(self.why_gone(shard));
            }
        }
        Ok(self.conclude())
    }

    /// Why a shard takes no orders any more: what it said, if it said anything.
    fn why_gone(&mut self, shard: u32) -> FleetError {
        while let Ok((shard, notice)) = self.notices.try_recv() {
            if let Err(error) = self.heard(shard, notice) {
                return error;
            }
        }
        FleetError::Environment(format!("shard {shard} takes no orders any more"))
    }

    fn heard(&mut self, shard: u32, notice: Notice) -> Result<(), FleetError> {
        match notice {
            Notice::Interval(interval, health) => {
                self.totals.absorb(*interval);
                self.health[shard as usize] = *health;
            }
            Notice::Remains(remains) => {
                self.totals.retire(shard as u16);
                self.remains.insert(shard, remains);
            }
            Notice::Broken(why) => return Err(FleetError::Environment(why)),
        }
        Ok(())
    }

    /// The first time, the fleet may leave in good order; whether it was about to anyway, nobody who
    /// presses Ctrl-C can know.
    fn interrupted(&mut self) {
        self.interrupts += 1;
        self.obey(if self.interrupts == 1 { Command::Drain } else { Command::Abort });
    }

    fn obey(&mut self, command: Command) {
        match command {
            // There is nothing left to cut short.
            _ if self.phase == Phase::Finished => {}
            Command::Drain if self.phase == Phase::Draining => {}
            Command::Drain => {
                // Meters were still to come, or were not to leave yet.
                self.complete = false;
                self.drain();
            }
            Command::Abort => {
                self.complete = false;
                self.finish();
            }
        }
    }

    /// Moves on to the next phase when this one is over.
    fn look(&mut self) {
        let now = self.config.clock.now();
        let snapshot = self.totals.snapshot();
        // Older news do not tell that a phase is over: a shard that was not heard yet seems to have no meters.
        let heard = self.totals.heard_up_to();
        match self.phase {
            Phase::Arriving if now >= self.last_arrival => self.enter(Phase::Holding),
            Phase::Holding => {
                let held = now >= self.last_arrival + self.config.hold;
                let waited = now >= self.last_arrival + self.config.settle;
                let settled = heard >= self.last_arrival && snapshot.states.under_way() == 0;
                if held && (waited || settled) {
                    self.drain();
                }
            }
            Phase::Draining => {
                let over = self.drained_at.is_some_and(|at| now >= at);
                let left = heard >= self.drained_from && snapshot.states.leaving() == 0;
                if over || left {
                    self.finish();
                }
            }
            _ => {}
        }
        let health = self.health();
        (self.observe)(&mut self.totals, &health);
    }

    fn drain(&mut self) {
        self.enter(Phase::Draining);
        self.drained_from = self.config.clock.now();
        self.drained_at = Some(self.drained_from + self.config.drain);
        self.order(Order::Drain(self.config.drain.mul_f64(DRAIN_SPREAD)));
    }

    fn finish(&mut self) {
        if self.phase != Phase::Finished {
            self.phase = Phase::Finished;
            self.order(Order::Finish);
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.totals.set_phase(phase);
    }

    fn order(&mut self, order: Order) {
        for (number, shard) in (0..).zip(&self.orders) {
            if shard.send(order).is_err() {
                self.unreachable = Some(number);
            }
        }
    }

    fn health(&self) -> FleetHealth {
        let mut all = FleetHealth::default();
        for shard in &self.health {
            all.cpu += shard.cpu;
            all.udp.add(&shard.udp);
            all.tcp.add(&shard.tcp);
            all.kernel_drops += shard.kernel_drops;
        }
        all
    }

    fn conclude(mut self) -> FleetOutcome {
        let plan = &self.config.plan;
        let mut states = [0_i64; MeterState::COUNT];
        let mut in_flight = [0_u64; RequestKind::COUNT];
        let mut notifications_in_flight = 0;
        let mut handshakes_in_flight = 0;
        let mut registrations = BTreeMap::new();
        for (shard, remains) in &self.remains {
            for (slot, remains) in remains {
                let meter = slot * plan.shards() + shard;
                registrations.insert(meter, (remains.confirmed, remains.unconfirmed));
                states[remains.state.index()] += 1;
                notifications_in_flight += u64::from(remains.in_flight.notifications());
                handshakes_in_flight += u64::from(remains.in_flight.handshakes());
                for kind in remains.in_flight.iter() {
                    in_flight[kind.index()] += 1;
                }
            }
        }
        // Who never arrived was not asked.
        let arrived: i64 = states.iter().sum();
        states[MeterState::Planned.index()] += i64::from(plan.meters()) - arrived;
        self.totals.set_phase(Phase::Finished);
        let health = self.health();
        (self.observe)(&mut self.totals, &health);
        for arbiter in self.arbiters.drain(..) {
            arbiter.stop();
            let _ = arbiter.join();
        }
        FleetOutcome {
            census: States::of(states),
            totals: self.totals,
            health,
            in_flight,
            notifications_in_flight,
            handshakes_in_flight,
            registrations,
            complete: self.complete,
        }
    }
}
