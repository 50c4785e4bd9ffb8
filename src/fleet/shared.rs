//! What the actors of a shard see of it: the clock, the sockets, the wheel, the recorder.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, Addr};
use rustc_hash::FxHashMap;
use tokio::sync::mpsc;

use super::arrivals::{Arrival, Arrivals};
use super::endpoint::EndpointTemplate;
use crate::base::{Clock, Instant, Seed, Wheel};
use crate::meter::{Command, Meter, MeterActor, Remains, Surroundings, Unreachable};
use crate::metrics::{Event, MeterState, NoiseKind, Recorder};
use crate::protocol::client::{self, Link};
use crate::transport::{MeterSockets, SendError, resolve};

/// A meter whose code panicked this often is not put back again.
const MAX_REPLACEMENTS: u8 = 3;

/// What one shard is given.
pub(super) struct ShardConfig {
    /// Its number, from 0.
    pub number: u32,
    /// How many there are: meter `slot * shards + number` lives in `slot`.
    pub shards: u32,
    /// How many meters are its own.
    pub meters: u32,
    /// When they are switched on, after `start`.
    pub arrivals: Arrivals,
    /// When the arrivals begin.
    pub start: Instant,
    /// What the meters share.
    pub client: Arc<client::Config>,
    /// What they are called.
    pub endpoint: EndpointTemplate,
    /// The run's seed.
    pub seed: Seed,
    /// The run's clock.
    pub clock: Clock,
    /// Meters that panic at their first datagram, by index: to show what happens then.
    pub sabotage: Arc<[u32]>,
}

/// The answer to a look-up of a name, with whom it is for.
pub(super) struct Resolved {
    name: (Box<str>, u16),
    address: Option<SocketAddr>,
}

/// Names being looked up, with the meters that wait for each, and which path of theirs it is for.
type Lookups = FxHashMap<(Box<str>, u16), Vec<(u32, Link)>>;

pub(super) struct Shared {
    pub config: ShardConfig,
    pub sockets: RefCell<MeterSockets>,
    pub wheel: RefCell<Wheel>,
    pub recorder: RefCell<Recorder>,
    /// The actors, by slot; `None` before arrival and after a crash that was the last.
    actors: RefCell<Vec<Option<Addr<MeterActor<Shared>>>>>,
    /// Messages and starts that actors have not dealt with yet.
    pending: Cell<usize>,
    /// Planned instants of meters whose first datagram waits to be sent.
    pub starting: RefCell<Vec<Instant>>,
    /// Slots whose actor panicked, with the state it was in.
    fallen: RefCell<Vec<(u32, MeterState)>>,
    remains: RefCell<Vec<(u32, Remains)>>,
    replaced: RefCell<FxHashMap<u32, u8>>,
    lookups: RefCell<Lookups>,
    resolved: mpsc::UnboundedSender<Resolved>,
    sabotaged: RefCell<Vec<u32>>,
}

impl Shared {
    pub(super) fn new(
        config: ShardConfig,
        sockets: MeterSockets,
        resolved: mpsc::UnboundedSender<Resolved>,
    ) -> Self {
        let own = |meter: &&u32| *meter % config.shards == config.number;
        let sabotaged = config.sabotage.iter().filter(own).map(|meter| meter / config.shards).collect();
        Shared {
            sockets: RefCell::new(sockets),
            wheel: RefCell::new(Wheel::new(config.clock.now())),
            recorder: RefCell::new(Recorder::new(config.number as u16, config.meters, config.seed)),
            actors: RefCell::new((0..config.meters).map(|_| None).collect()),
            pending: Cell::new(0),
            starting: RefCell::default(),
            fallen: RefCell::default(),
            remains: RefCell::default(),
            replaced: RefCell::default(),
            lookups: RefCell::default(),
            resolved,
            sabotaged: RefCell::new(sabotaged),
            config,
        }
    }

    /// Puts a meter into its slot and starts its actor.
    pub(super) fn spawn(self: &Rc<Self>, slot: u32, planned: Instant) {
        let meter = self.meter_of(slot);
        let endpoint = self.config.endpoint.name(meter).into();
        let seed = self.config.seed.child("meter", meter.into());
        let meter = Meter::new(self.config.client.clone(), endpoint, seed);
        self.pending.set(self.pending.get() + 1);
        let actor = MeterActor::new(meter, slot, planned, self.clone()).start();
        self.actors.borrow_mut()[slot as usize] = Some(actor);
    }

    /// Says something to the meter in a slot; nothing where there is none.
    pub(super) fn tell(&self, slot: u32, command: Command) {
        if let Some(Some(actor)) = self.actors.borrow().get(slot as usize) {
            self.pending.set(self.pending.get() + 1);
            actor.do_send(command);
        } else if matches!(command, Command::Datagram { .. }) {
            self.record(slot, Event::Noise(NoiseKind::Unexpected));
        }
    }

    /// Whether actors still have something to do.
    pub(super) fn is_busy(&self) -> bool {
        self.pending.get() > 0
    }

    /// Puts meters back whose code panicked, switched on now. One that keeps doing it stays away.
    pub(super) fn replace_the_fallen(self: &Rc<Self>) {
        let fallen = std::mem::take(&mut *self.fallen.borrow_mut());
        for (slot, from) in fallen {
            let times = {
                let mut replaced = self.replaced.borrow_mut();
                let times = replaced.entry(slot).or_default();
                *times += 1;
                *times
            };
            let again = times <= MAX_REPLACEMENTS;
            let to = if again { MeterState::Planned } else { MeterState::Crashed };
            self.record(slot, Event::State { from, to });
            self.actors.borrow_mut()[slot as usize] = None;
            if again {
                self.spawn(slot, self.now());
            }
        }
    }

    /// Tells those who wait for a name what came of it.
    pub(super) fn resolved(&self, answer: Resolved) {
        let waiting = self.lookups.borrow_mut().remove(&answer.name).unwrap_or_default();
        for (slot, link) in waiting {
            self.tell(slot, Command::Resolved { link, address: answer.address });
        }
    }

    /// What the actors have reported, by slot.
    pub(super) fn take_remains(&self) -> Vec<(u32, Remains)> {
        std::mem::take(&mut *self.remains.borrow_mut())
    }

    /// How many arrivals from `next` on are due by `now`.
    pub(super) fn overdue(&self, next: Option<Arrival>, behind: &Arrivals, now: Instant) -> u64 {
        let start = self.config.start;
        let coming = next.into_iter().chain(behind.clone());
        coming.take_while(|arrival| start + arrival.due <= now).count() as u64
    }

    fn meter_of(&self, slot: u32) -> u32 {
        slot * self.config.shards + self.config.number
    }
}

impl Surroundings for Shared {
    fn now(&self) -> Instant {
        self.config.clock.now()
    }

    fn send(&self, slot: u32, to: SocketAddr, bytes: &[u8]) -> Result<(), Unreachable> {
        match self.sockets.borrow_mut().send(slot, to, bytes) {
            Ok(()) => Ok(()),
            Err(SendError::Refused(_)) => Err(Unreachable::Refused),
            Err(SendError::Open(error)) => {
                tracing::warn!(%to, %error, "no socket for a meter");
                Err(Unreachable::SendError)
            }
            // As on a full network: the message layer sends it again.
            Err(SendError::QueueFull) => Ok(()),
        }
    }

    fn resolve(&self, slot: u32, link: Link, host: Box<str>, port: u16) {
        let name = (host, port);
        let mut lookups = self.lookups.borrow_mut();
        let waiting = lookups.entry(name.clone()).or_default();
        waiting.push((slot, link));
        if waiting.len() > 1 {
            return;
        }
        let resolved = self.resolved.clone();
        actix::spawn(async move {
            let wanted = name.clone();
            let found = tokio::task::spawn_blocking(move || resolve(&wanted.0, wanted.1)).await;
            let address = found.ok().and_then(Result::ok).and_then(|found| found.first().copied());
            let _ = resolved.send(Resolved { name, address });
        });
    }

    fn record(&self, slot: u32, event: Event) {
        self.recorder.borrow_mut().record_of(self.meter_of(slot), event);
    }

    fn arm(&self, slot: u32, when: Option<Instant>) {
        self.wheel.borrow_mut().arm(slot, when.unwrap_or(Instant::FAR));
    }

    fn started(&self, _slot: u32, planned: Instant) {
        self.starting.borrow_mut().push(planned);
    }

    fn handled(&self, _slot: u32) {
        self.pending.set(self.pending.get().saturating_sub(1));
    }

    fn crashed(&self, slot: u32, remains: Remains) {
        self.fallen.borrow_mut().push((slot, remains.state));
        self.remains.borrow_mut().push((slot, remains));
    }

    fn report(&self, slot: u32, remains: Remains) {
        self.remains.borrow_mut().push((slot, remains));
    }

    fn sabotaged(&self, slot: u32) -> bool {
        let mut sabotaged = self.sabotaged.borrow_mut();
        match sabotaged.iter().position(|&victim| victim == slot) {
            Some(at) => {
                sabotaged.swap_remove(at);
                true
            }
            None => false,
        }
    }
}
