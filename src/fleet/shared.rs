//! What the actors of a shard see of it: the clock, the sockets, the wheel, the recorder.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, Addr};
use rustc_hash::FxHashMap;
use tokio::sync::mpsc;

use super::arrivals::Arrivals;
use super::endpoint::EndpointTemplate;
use crate::base::{Clock, Instant, Seed, Wheel};
use crate::meter::{
    Command, Meter, MeterActor, Remains, Sabotage, Sending, StreamNews, Surroundings, Unreachable,
};
use crate::metrics::{Event, InFlight, MeterState, NoiseKind, Recorder, Stage};
use crate::protocol::client::{self, Link};
use crate::secure;
use crate::transport::{MeterSockets, MeterStreams, SendError, resolve};

/// A meter whose code panicked this often is not put back again.
const MAX_REPLACEMENTS: u32 = 3;

/// What one shard is given.
pub(super) struct ShardConfig {
    /// Its number, from 0.
    pub number: u32,
    /// How many there are: meter `slot * shards + number` lives in `slot`.
    pub shards: u32,
    /// How many meters are its own.
    pub meters: u32,
    /// When they are switched on.
    pub feed: Feed,
    /// When the arrivals begin.
    pub start: Instant,
    /// What the meters share.
    pub client: Arc<client::Config>,
    /// What their sessions share.
    pub sessions: Arc<secure::Options>,
    /// What they are called.
    pub endpoint: EndpointTemplate,
    /// The run's seed.
    pub seed: Seed,
    /// The run's clock.
    pub clock: Clock,
    /// Meters that are to panic, by index, and when: to show what happens then.
    pub sabotage: Vec<(u32, Sabotage)>,
}

/// When a shard switches its meters on.
#[derive(Clone)]
pub(super) enum Feed {
    /// At planned instants after the start.
    Open(Arrivals),
    /// Whenever fewer than `in_flight` are under way, until `left` more were switched on; the slots take
    /// turns, and a meter whose turn comes again starts over as if fresh from the factory.
    Closed {
        /// Meters under way at a time.
        in_flight: u32,
        /// Switch-ons still to come.
        left: u64,
    },
}

/// The answer to a look-up of a name, with whom it is for.
pub(super) struct Resolved {
    name: (Box<str>, u16),
    addresses: Vec<SocketAddr>,
}

/// Names being looked up, with the meters that wait for each, and which path of theirs it is for.
type Lookups = FxHashMap<(Box<str>, u16), Vec<(u32, Link, u16)>>;

/// The meters a slot had before the present one.
#[derive(Default)]
struct Past {
    /// How many there were.
    lives: u32,
    /// How many of them panicked.
    falls: u32,
    /// The last panicked, and none was put in its place.
    crashed: bool,
    /// Their Registers answered with 2.01.
    confirmed: u32,
    /// Their Registers whose answer they never saw.
    unconfirmed: u32,
}

pub(super) struct Shared {
    pub config: ShardConfig,
    pub sockets: RefCell<MeterSockets>,
    pub streams: RefCell<MeterStreams>,
    pub wheel: RefCell<Wheel>,
    pub recorder: RefCell<Recorder>,
    /// The actors, by slot; `None` before arrival and after a crash that was the last.
    actors: RefCell<Vec<Option<Addr<MeterActor<Shared>>>>>,
    /// Messages and starts that actors have not dealt with yet.
    pending: Cell<usize>,
    /// Planned instants of meters whose first datagram waits to be sent.
    pub starting: RefCell<Vec<Instant>>,
    /// Slots whose actor panicked, with what it left.
    fallen: RefCell<Vec<(u32, Remains)>>,
    /// What actors that were asked have reported.
    reported: RefCell<Vec<(u32, Remains)>>,
    /// What slots have had before the present meter, where that is anything.
    past: RefCell<FxHashMap<u32, Past>>,
    /// Meters leave: who falls now is not put back, as nobody would tell its successor to leave.
    leaving: Cell<bool>,
    /// Meters that got their first 2.01.
    onboarded: Cell<u64>,
    lookups: RefCell<Lookups>,
    resolved: mpsc::UnboundedSender<Resolved>,
    /// Slots that are to panic, each once for each entry.
    sabotage: RefCell<Vec<(u32, Sabotage)>>,
}

impl Shared {
    pub(super) fn new(
        config: ShardConfig,
        (sockets, streams): (MeterSockets, MeterStreams),
        resolved: mpsc::UnboundedSender<Resolved>,
    ) -> Self {
        let own = config.sabotage.iter().filter(|(meter, _)| *meter % config.shards == config.number);
        let sabotage = own.map(|&(meter, moment)| (meter / config.shards, moment)).collect();
        Shared {
            sockets: RefCell::new(sockets),
            streams: RefCell::new(streams),
            wheel: RefCell::new(Wheel::new(config.clock.now())),
            recorder: RefCell::new(Recorder::new(config.number as u16, config.meters, config.seed)),
            actors: RefCell::new((0..config.meters).map(|_| None).collect()),
            pending: Cell::new(0),
            starting: RefCell::default(),
            fallen: RefCell::default(),
            reported: RefCell::default(),
            past: RefCell::default(),
            leaving: Cell::new(false),
            onboarded: Cell::new(0),
            lookups: RefCell::default(),
            resolved,
            sabotage: RefCell::new(sabotage),
            config,
        }
    }

    /// Puts a meter into its slot and starts its actor.
    fn spawn(self: &Rc<Self>, slot: u32, planned: Instant) {
        let meter = self.meter_of(slot);
        let endpoint = self.config.endpoint.name(meter).into();
        // Another life draws other tokens and message IDs: with the same ones, servers would take it for
        // an echo of the one before.
        let life = self.past.borrow().get(&slot).map_or(0, |past| past.lives);
        let seed = self.config.seed.child("meter", meter.into()).child("life", life.into());
        let meter = Meter::new(self.config.client.clone(), endpoint, meter, seed)
            .with_options(self.config.sessions.clone());
        self.pending.set(self.pending.get() + 1);
        let actor = MeterActor::new(meter, slot, planned, self.clone()).start();
        self.actors.borrow_mut()[slot as usize] = Some(actor);
    }

    /// Says something to the meter in a slot; nothing where there is none.
    pub(super) fn tell(&self, slot: u32, command: Command) {
        if let Some(Some(actor)) = self.actors.borrow().get(slot as usize) {
            self.pending.set(self.pending.get() + 1);
            actor.do_send(command);
        } else if matches!(
            command,
            Command::Datagram { .. } | Command::Stream { news: StreamNews::Data(_), .. }
        ) {
            self.record(slot, Event::Noise(NoiseKind::Unexpected));
        }
    }

    /// Whether actors still have something to do.
    pub(super) fn is_busy(&self) -> bool {
        self.pending.get() > 0
    }

    /// Puts meters back whose code panicked, switched on now. One that keeps doing it stays away, and when
    /// the fleet leaves, all do.
    pub(super) fn replace_the_fallen(self: &Rc<Self>) {
        let fallen = std::mem::take(&mut *self.fallen.borrow_mut());
        for (slot, remains) in fallen {
            let again = self.bury(slot, remains, |past| {
                past.falls += 1;
                past.crashed = past.falls > MAX_REPLACEMENTS || self.leaving.get();
                !past.crashed
            });
            let to = if again { MeterState::Planned } else { MeterState::Crashed };
            self.record(slot, Event::State { from: remains.state, to });
            if again {
                self.spawn(slot, self.now());
            }
        }
    }

    /// From now on nobody is put back.
    pub(super) fn leave(&self) {
        self.leaving.set(true);
    }

    /// Tells the meter of a slot, if there is one, to stop and make room for the next. Let the actors run
    /// before that [arrives](Shared::arrive).
    pub(super) fn retire(&self, slot: u32) -> bool {
        let occupied = self.actors.borrow()[slot as usize].is_some();
        if occupied {
            self.tell(slot, Command::Retire);
        }
        occupied
    }

    /// Switches the meter of a slot on, as if fresh from the factory: an arrival, which a meter put in the
    /// place of one that fell is not.
    pub(super) fn arrive(self: &Rc<Self>, slot: u32, planned: Instant) {
        if let Some(from) = self.vacate(slot) {
            self.record(slot, Event::State { from, to: MeterState::Planned });
        }
        self.starting.borrow_mut().push(planned);
        self.spawn(slot, planned);
    }

    /// The state in which the meter before left this slot, if there was one.
    fn vacate(&self, slot: u32) -> Option<MeterState> {
        let of = |list: &RefCell<Vec<(u32, Remains)>>| {
            let mut list = list.borrow_mut();
            let at = list.iter().position(|(whose, _)| *whose == slot)?;
            Some(list.swap_remove(at).1)
        };
        if let Some(remains) = of(&self.reported).or_else(|| of(&self.fallen)) {
            self.bury(slot, remains, |_| ());
            return Some(remains.state);
        }
        let mut past = self.past.borrow_mut();
        let crashed = &mut past.get_mut(&slot)?.crashed;
        std::mem::take(crashed).then_some(MeterState::Crashed)
    }

    /// Lets go of a meter that has ended, and keeps what counts of it.
    fn bury<T>(&self, slot: u32, remains: Remains, note: impl FnOnce(&mut Past) -> T) -> T {
        // Its successor numbers its streams anew, and is not to hear of these.
        self.streams.borrow_mut().close_slot(slot);
        self.actors.borrow_mut()[slot as usize] = None;
        let mut past = self.past.borrow_mut();
        let past = past.entry(slot).or_default();
        past.lives += 1;
        past.confirmed += remains.confirmed;
        past.unconfirmed += remains.unconfirmed;
        note(past)
    }

    /// Meters that got their first 2.01 so far.
    pub(super) fn onboarded(&self) -> u64 {
        self.onboarded.get()
    }

    /// Tells those who wait for a name what came of it.
    pub(super) fn resolved(&self, answer: Resolved) {
        let waiting = self.lookups.borrow_mut().remove(&answer.name).unwrap_or_default();
        for (slot, link, failures) in waiting {
            // After an attempt that failed, the next address of the name takes its turn.
            let turn = usize::from(failures) % answer.addresses.len().max(1);
            self.tell(slot, Command::Resolved { link, address: answer.addresses.get(turn).copied() });
        }
    }

    /// What is left of each slot that ever had a meter: the state of the last, and the Registers of all.
    pub(super) fn take_remains(&self) -> Vec<(u32, Remains)> {
        let mut remains = std::mem::take(&mut *self.reported.borrow_mut());
        let past = std::mem::take(&mut *self.past.borrow_mut());
        for (slot, remains) in &mut remains {
            if let Some(past) = past.get(slot) {
                remains.confirmed += past.confirmed;
                remains.unconfirmed += past.unconfirmed;
            }
        }
        let crashed = past.into_iter().filter(|(_, past)| past.crashed);
        remains.extend(crashed.map(|(slot, Past { confirmed, unconfirmed, .. })| {
            (
                slot,
                Remains {
                    state: MeterState::Crashed,
                    in_flight: InFlight::default(),
                    confirmed,
                    unconfirmed,
                },
            )
        }));
        remains
    }

    fn meter_of(&self, slot: u32) -> u32 {
        slot * self.config.shards + self.config.number
    }
}

impl Surroundings for Shared {
    fn now(&self) -> Instant {
        self.config.clock.now()
    }

    fn send(&self, slot: u32, to: SocketAddr, bytes: &[u8]) -> Result<Sending, Unreachable> {
        match self.sockets.borrow_mut().send(slot, to, bytes) {
            Ok(()) => Ok(Sending::Queued),
            Err(SendError::QueueFull) => Ok(Sending::Dropped),
            Err(error) => Err(unreachable(to, &error)),
        }
    }

    fn connect(&self, slot: u32, stream: u32, to: SocketAddr) {
        let connected = self.streams.borrow_mut().connect(slot, stream, to);
        if let Err(error) = connected {
            let why = unreachable(to, &error);
            self.tell(slot, Command::Stream { stream, news: StreamNews::Refused(why), at: self.now() });
        }
    }

    fn write(&self, slot: u32, stream: u32, bytes: &[u8]) {
        self.streams.borrow_mut().write(slot, stream, bytes);
    }

    fn disconnect(&self, slot: u32, stream: u32) {
        self.streams.borrow_mut().close(slot, stream);
    }

    fn resolve(&self, slot: u32, link: Link, name: (Box<str>, u16), failures: u16) {
        let mut lookups = self.lookups.borrow_mut();
        let waiting = lookups.entry(name.clone()).or_default();
        waiting.push((slot, link, failures));
        if waiting.len() > 1 {
            return;
        }
        let resolved = self.resolved.clone();
        actix::spawn(async move {
            let wanted = name.clone();
            let found = tokio::task::spawn_blocking(move || resolve(&wanted.0, wanted.1)).await;
            let addresses = found.ok().and_then(Result::ok).unwrap_or_default();
            let _ = resolved.send(Resolved { name, addresses });
        });
    }

    fn record(&self, slot: u32, event: Event) {
        if let Event::Stage { stage: Stage::Onboarding, .. } = event {
            self.onboarded.set(self.onboarded.get() + 1);
        }
        self.recorder.borrow_mut().record_of(self.meter_of(slot), event);
    }

    fn arm(&self, slot: u32, when: Option<Instant>) {
        self.wheel.borrow_mut().arm(slot, when.unwrap_or(Instant::FAR));
    }

    fn handled(&self) {
        self.pending.set(self.pending.get().saturating_sub(1));
    }

    fn crashed(&self, slot: u32, remains: Remains) {
        self.fallen.borrow_mut().push((slot, remains));
    }

    fn report(&self, slot: u32, remains: Remains) {
        self.reported.borrow_mut().push((slot, remains));
    }

    fn sabotaged(&self, slot: u32, moment: Sabotage) -> bool {
        let mut sabotage = self.sabotage.borrow_mut();
        let found = sabotage.iter().position(|&planned| planned == (slot, moment));
        found.map(|at| sabotage.swap_remove(at)).is_some()
    }
}

/// Why nothing can be sent to `to`, in the meter's words.
fn unreachable(to: SocketAddr, error: &SendError) -> Unreachable {
    match error {
        SendError::Refused(_) => Unreachable::Refused,
        SendError::Open(_) | SendError::QueueFull => {
            tracing::warn!(%to, %error, "no socket for a meter");
            Unreachable::SendError
        }
    }
}
