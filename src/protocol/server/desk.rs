//! The desk of a server: every request passes it before it is looked at, and waits there as long as the
//! server's [`Service`] says.
//!
//! ```text
//! request -> drop | reset | error | 5.03     (manners)
//!         -> a worker is free ---------> busy for the time of service -> served, in the order they end
//!         -> the queue has room -> wait -^
//!         -> 5.03 with Max-Age           (pace)
//! ```
//!
//! A server without a pace and with good manners has none of this on its way.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use super::peers::{Leave, Peers, Slot};
use super::service::{Manners, Pace, Service, Share};
use crate::base::{Instant, Rng, Seed};
use crate::protocol::coap::{Code, Message, Received};

/// What becomes of a request at the desk.
enum Admission {
    /// It is to be served now.
    Serve(Job),
    /// It is to be answered with this, without being looked at.
    Refuse(Received, Message),
    /// It is to be treated as if it had never come.
    Ignore(Received),
    /// It is to be rejected with a Reset.
    Reset(Received),
    /// It waits; [`Desk::poll_due`] will give it out.
    Later,
}

/// A request that is to be served, or waits for it.
#[derive(Debug)]
pub(super) struct Job {
    /// Whose it is.
    pub slot: Slot,
    /// The number of the peer that had the slot when it came: by then it may be another's.
    pub peer: u32,
    pub received: Received,
    /// How its answer is to leave.
    pub leave: Leave,
}

/// What the desk did to requests, so that a run can tell its own doing from its devices' failures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeskCounters {
    /// Requests answered with 5.03 because the queue was full.
    pub overloaded: u64,
    /// The most requests that waited at the same time; of several workers, the sum of theirs.
    pub longest_queue: u64,
    /// Requests whose device was forgotten while they waited.
    pub orphaned: u64,
    /// Requests dropped on purpose.
    pub dropped: u64,
    /// Requests rejected with a Reset on purpose.
    pub reset: u64,
    /// Requests answered with an error on purpose.
    pub failed: u64,
    /// Requests answered with 5.03 on purpose.
    pub unavailable: u64,
    /// Answers delayed on purpose.
    pub delayed: u64,
    /// Answers sent twice on purpose.
    pub doubled: u64,
    /// Answers sent from another port on purpose.
    pub misplaced: u64,
}

impl DeskCounters {
    /// Adds another worker's counts.
    pub fn add(&mut self, other: &DeskCounters) {
        self.overloaded += other.overloaded;
        self.longest_queue += other.longest_queue;
        self.orphaned += other.orphaned;
        self.dropped += other.dropped;
        self.reset += other.reset;
        self.failed += other.failed;
        self.unavailable += other.unavailable;
        self.delayed += other.delayed;
        self.doubled += other.doubled;
        self.misplaced += other.misplaced;
    }
}

/// The desk of one server.
pub(super) struct Desk {
    pace: Option<Pace>,
    manners: Manners,
    /// Nothing ever waits or goes wrong here.
    open: bool,
    rng: Rng,
    waiting: VecDeque<Job>,
    /// What workers are busy with, and answers held back; the earliest first.
    busy: BinaryHeap<Reverse<Busy>>,
    /// How many of `busy` keep a worker.
    occupied: u32,
    /// Numbers what becomes busy: what began first ends first within one instant.
    begun: u64,
    pub counters: DeskCounters,
}

struct Busy {
    until: Instant,
    number: u64,
    /// Whether a worker is on it; without, the answer is only late.
    worker: bool,
    job: Job,
}

impl Desk {
    /// The desk of a server that serves like this; its peers have `sessions` or not.
    pub(super) fn new(mut service: Service, sessions: bool, seed: Seed) -> Self {
        if sessions {
            // What comes from another port belongs to no session.
            service.manners.other_port = Share::default();
        }
        let open = service.pace.is_none() && service.manners.is_good();
        Desk {
            pace: service.pace,
            manners: service.manners,
            open,
            rng: seed.rng(),
            waiting: VecDeque::new(),
            busy: BinaryHeap::new(),
            occupied: 0,
            begun: 0,
            counters: DeskCounters::default(),
        }
    }

    /// Takes a peer's request; it comes back if it is to be served now.
    pub(super) fn take<T: Default>(
        &mut self,
        peers: &mut Peers<T>,
        slot: Slot,
        received: Received,
        now: Instant,
    ) -> Option<Job> {
        let peer = peers.get(slot)?;
        if self.open {
            return Some(Job { slot, peer: peer.number, received, leave: Leave::default() });
        }
        match self.admit(slot, peer.number, received, now) {
            Admission::Serve(job) => return Some(job),
            Admission::Refuse(received, answer) => peer.exchange.respond(received, answer, now),
            Admission::Ignore(received) => peer.exchange.ignore(received),
            Admission::Reset(received) => peer.exchange.reset(received),
            Admission::Later => {}
        }
        None
    }

    fn admit(&mut self, slot: Slot, peer: u32, received: Received, now: Instant) -> Admission {
        if self.manners.drop.hits(&mut self.rng) {
            self.counters.dropped += 1;
            return Admission::Ignore(received);
        }
        if self.manners.reset.hits(&mut self.rng) {
            self.counters.reset += 1;
            return Admission::Reset(received);
        }
        if self.manners.error.hits(&mut self.rng) {
            self.counters.failed += 1;
            let code = self.manners.error_code.unwrap_or(Code::INTERNAL_SERVER_ERROR);
            return Admission::Refuse(received, Message::response(code));
        }
        if self.manners.unavailable.hits(&mut self.rng) {
            self.counters.unavailable += 1;
            return Admission::Refuse(received, unavailable(self.manners.max_age));
        }
        let leave = self.manner_of_leaving();
        self.queue(Job { slot, peer, received, leave }, now)
    }

    /// The next request whose time has come and whose device is still there.
    pub(super) fn poll_due<T: Default>(&mut self, peers: &mut Peers<T>, now: Instant) -> Option<Job> {
        loop {
            let job = self.next_due(now)?;
            if peers.get(job.slot).is_some_and(|peer| peer.number == job.peer) {
                return Some(job);
            }
            self.counters.orphaned += 1;
        }
    }

    fn next_due(&mut self, now: Instant) -> Option<Job> {
        loop {
            let next = self.busy.peek()?;
            if next.0.until > now {
                return None;
            }
            let Reverse(Busy { until, worker, job, .. }) = self.busy.pop()?;
            if !worker {
                return Some(job);
            }
            self.occupied -= 1;
            if let Some(next) = self.waiting.pop_front() {
                self.begin(next, until);
            }
            if !self.manners.late.hits(&mut self.rng) {
                return Some(job);
            }
            self.counters.delayed += 1;
            self.hold(job, until + self.manners.late_by, false);
        }
    }

    /// When [`Desk::poll_due`] next has something.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.busy.peek().map(|Reverse(next)| next.until)
    }

    fn queue(&mut self, job: Job, now: Instant) -> Admission {
        let Some(pace) = &self.pace else {
            if !self.manners.late.hits(&mut self.rng) {
                return Admission::Serve(job);
            }
            self.counters.delayed += 1;
            self.hold(job, now + self.manners.late_by, false);
            return Admission::Later;
        };
        if self.occupied < pace.workers.max(1) {
            self.begin(job, now);
        } else if self.waiting.len() < pace.queue as usize {
            self.waiting.push_back(job);
            self.counters.longest_queue = self.counters.longest_queue.max(self.waiting.len() as u64);
        } else {
            self.counters.overloaded += 1;
            return Admission::Refuse(job.received, unavailable(pace.max_age));
        }
        Admission::Later
    }

    fn begin(&mut self, job: Job, at: Instant) {
        let time = self.pace.as_ref().map_or(Duration::ZERO, |pace| pace.time.draw(&mut self.rng));
        self.occupied += 1;
        self.hold(job, at + time, true);
    }

    fn hold(&mut self, job: Job, until: Instant, worker: bool) {
        self.begun += 1;
        self.busy.push(Reverse(Busy { until, number: self.begun, worker, job }));
    }

    fn manner_of_leaving(&mut self) -> Leave {
        let twice = self.manners.duplicate.hits(&mut self.rng);
        let other_port = self.manners.other_port.hits(&mut self.rng);
        self.counters.doubled += u64::from(twice);
        self.counters.misplaced += u64::from(other_port);
        Leave { twice, other_port }
    }
}

/// 5.03, and when to come again.
fn unavailable(max_age: Duration) -> Message {
    let seconds = u32::try_from(max_age.as_secs()).unwrap_or(u32::MAX);
    Message::response(Code::SERVICE_UNAVAILABLE).with_max_age(seconds)
}

impl PartialEq for Busy {
    fn eq(&self, other: &Self) -> bool {
        (self.until, self.number) == (other.until, other.number)
    }
}

impl Eq for Busy {}

impl PartialOrd for Busy {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Busy {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.until, self.number).cmp(&(other.until, other.number))
    }
}
