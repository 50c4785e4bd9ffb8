//! One shard: a thread with its own sockets, timer wheel, recorder and meters. Nothing on a datagram's
//! way crosses to another thread or takes a lock.
//!
//! Each turn of its loop, in this order: what the supervisor says, arrivals that are due, timers that
//! are due, datagrams and streams that came in; then the actors run, and what they wrote is sent in one
//! batch. With nothing left to do it sleeps on its sockets, a timerfd and the supervisor's channel.

use std::io;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::mpsc;

use super::feeder::Feeder;
use super::shared::{Resolved, ShardConfig, Shared};
use crate::base::Instant;
use crate::meter::{Command, Remains, Sabotage, StreamNews, Surroundings};
use crate::metrics::{Event, Interval};
use crate::transport::{
    MeterSockets, MeterStreams, StreamChange, TcpCounters, Timer, UdpCounters, resources::this_thread_cpu,
};

/// How often a shard hands over what it recorded: on the quarters of each second, so that no interval
/// spans two rows of the time series.
const REPORT_EVERY: Duration = Duration::from_millis(250);

/// How often a shard with nothing to do lets other threads run before it sleeps. Under load, the answers
/// of the server on the same core are there when it comes back, and nobody has to wake anybody.
const IDLE_TURNS: u32 = 2;

/// What the supervisor says to a shard.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    /// Let every meter de-register and stop, their requests spread over this long; meters that have not
    /// arrived stay away.
    Drain(Duration),
    /// Say what every meter is, and end.
    Finish,
}

/// What a shard says to the supervisor.
#[derive(Debug)]
pub(super) enum Notice {
    /// What it recorded since the last time.
    Interval(Box<Interval>, Box<Health>),
    /// What is left of its meters, one account for each slot that had any; its last word.
    Remains(Vec<(u32, Remains)>),
    /// It cannot go on: the reason, for people.
    Broken(String),
}

/// How the shard itself is doing, since it began.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Health {
    /// Processor time of its thread.
    pub cpu: Duration,
    /// Its sockets' counts.
    pub udp: UdpCounters,
    /// Its streams' counts.
    pub tcp: TcpCounters,
    /// Datagrams the kernel dropped at its sockets.
    pub kernel_drops: u64,
}

/// Runs a shard until it is told to finish. What goes wrong with a meter is that meter's business; what
/// goes wrong with the shard itself ends it with a notice.
pub(super) async fn run(
    config: ShardConfig,
    sockets: (MeterSockets, MeterStreams),
    orders: mpsc::UnboundedReceiver<Order>,
    mut voice: Voice,
) {
    let outcome = match Timer::new(&config.clock) {
        Ok(timer) => Shard::new(config, sockets, timer, orders, voice.notices.clone()).work().await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(remains) => voice.last_word(Notice::Remains(remains)),
        Err(error) => voice.last_word(Notice::Broken(error.to_string())),
    }
}

/// A shard's right to speak to the supervisor. Dropped before a last word, by a panic or with a thread that
/// never got to work, it says that the shard is broken: nobody waits for one that is gone.
pub(super) struct Voice {
    number: u32,
    notices: mpsc::UnboundedSender<(u32, Notice)>,
    done: bool,
}

impl Voice {
    pub(super) fn new(number: u32, notices: mpsc::UnboundedSender<(u32, Notice)>) -> Self {
        Voice { number, notices, done: false }
    }

    /// Says the last that is to be said.
    pub(super) fn last_word(&mut self, notice: Notice) {
        self.done = true;
        // A supervisor that is gone does not need it.
        let _ = self.notices.send((self.number, notice));
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        if !self.done {
            let why = format!("shard {} ended before its time, by a fault of the generator", self.number);
            self.last_word(Notice::Broken(why));
        }
    }
}

struct Shard {
    shared: Rc<Shared>,
    timer: Timer,
    orders: mpsc::UnboundedReceiver<Order>,
    resolved: mpsc::UnboundedReceiver<Resolved>,
    notices: mpsc::UnboundedSender<(u32, Notice)>,
    next_report: Instant,
    feeder: Feeder,
    drain: Option<Drain>,
    /// Slots whose timer has run out, used again by each turn.
    expired: Vec<u32>,
}

/// The fleet de-registers, slot after slot.
#[derive(Clone, Copy)]
struct Drain {
    from: Instant,
    over: Duration,
    next: u32,
}

impl Drain {
    /// When the next slot of `meters` is asked to leave.
    fn next_at(&self, meters: u32) -> Option<Instant> {
        let share = f64::from(self.next) / f64::from(meters);
        (self.next < meters).then(|| self.from + self.over.mul_f64(share))
    }
}

impl Shard {
    fn new(
        config: ShardConfig,
        sockets: (MeterSockets, MeterStreams),
        timer: Timer,
        orders: mpsc::UnboundedReceiver<Order>,
        notices: mpsc::UnboundedSender<(u32, Notice)>,
    ) -> Self {
        let feeder = Feeder::new(&config);
        let (resolver, resolved) = mpsc::unbounded_channel();
        let shared = Shared::new(config, sockets, resolver);
        let next_report = next_multiple(shared.now(), REPORT_EVERY);
        Shard {
            shared: Rc::new(shared),
            timer,
            orders,
            resolved,
            notices,
            next_report,
            feeder,
            drain: None,
            expired: Vec::new(),
        }
    }

    /// Works until it is told to finish; what is left of its meters.
    async fn work(&mut self) -> io::Result<Vec<(u32, Remains)>> {
        let mut order = None;
        let mut idle_turns = 0;
        loop {
            match order.take().or_else(|| self.orders.try_recv().ok()) {
                Some(Order::Drain(over)) => self.begin_drain(over),
                Some(Order::Finish) => return Ok(self.finish().await),
                None => {}
            }
            while let Ok(answer) = self.resolved.try_recv() {
                self.shared.resolved(answer);
            }
            let now = self.shared.now();
            self.start_arrivals(now).await;
            self.go_on_draining(now);
            self.fire_timers(now);
            let received = self.receive()?;
            self.let_actors_run().await;
            self.shared.replace_the_fallen();
            self.flush()?;
            self.report_if_due();
            if received > 0 || self.shared.is_busy() {
                idle_turns = 0;
            } else if idle_turns < IDLE_TURNS {
                idle_turns += 1;
                std::thread::yield_now();
            } else {
                order = self.sleep().await?;
            }
        }
    }

    async fn start_arrivals(&mut self, now: Instant) {
        // A burst is started in pieces, so that the answers to its first are not left lying.
        const AT_ONCE: usize = 64;
        for _ in 0..AT_ONCE {
            let Some((slot, planned)) = self.feeder.next(self.shared.onboarded(), now) else { break };
            assert!(!self.shared.sabotaged(slot, Sabotage::Arriving), "this shard was told to panic");
            if self.shared.retire(slot) {
                self.let_actors_run().await;
            }
            self.shared.arrive(slot, planned);
        }
    }

    fn begin_drain(&mut self, over: Duration) {
        let from = self.shared.now();
        self.feeder.stop(from);
        self.shared.leave();
        self.drain.get_or_insert(Drain { from, over, next: 0 });
    }

    fn go_on_draining(&mut self, now: Instant) {
        const AT_ONCE: usize = 64;
        let Some(drain) = &mut self.drain else { return };
        for _ in 0..AT_ONCE {
            if drain.next_at(self.shared.config.meters).is_none_or(|at| at > now) {
                return;
            }
            self.shared.tell(drain.next, Command::Shutdown);
            drain.next += 1;
        }
    }

    fn fire_timers(&mut self, now: Instant) {
        let mut expired = std::mem::take(&mut self.expired);
        expired.clear();
        self.shared.wheel.borrow_mut().expire(now, &mut expired);
        for &slot in &expired {
            self.shared.tell(slot, Command::Tick);
        }
        self.expired = expired;
    }

    fn receive(&self) -> io::Result<usize> {
        let shared = &*self.shared;
        let mut sockets = shared.sockets.borrow_mut();
        let received = sockets.recv(|datagram| {
            let bytes = datagram.bytes.into();
            shared.tell(datagram.slot, Command::Datagram { from: datagram.from, bytes, at: datagram.at });
        })?;
        while let Some(failure) = sockets.take_failure() {
            shared.tell(failure.slot, Command::Unsendable { to: failure.to });
        }
        Ok(received + self.receive_from_streams()?)
    }

    /// Where there is no stream, this asks the kernel nothing.
    fn receive_from_streams(&self) -> io::Result<usize> {
        let shared = &*self.shared;
        shared.streams.borrow_mut().recv(|event| {
            let at = shared.now();
            let news = match event.what {
                StreamChange::Opened => StreamNews::Connected,
                StreamChange::Data(bytes) => StreamNews::Data(bytes.into()),
                StreamChange::Ended => StreamNews::Ended,
                StreamChange::Broken => StreamNews::Broken,
            };
            shared.tell(event.slot, Command::Stream { stream: event.stream, news, at });
        })
    }

    /// Gives way until every actor has dealt with what it was told.
    async fn let_actors_run(&self) {
        while self.shared.is_busy() {
            give_way().await;
        }
    }

    fn flush(&self) -> io::Result<()> {
        self.shared.sockets.borrow_mut().flush();
        self.shared.streams.borrow_mut().flush();
        let mut starting = self.shared.starting.borrow_mut();
        if !starting.is_empty() {
            let sent = self.shared.now();
            let mut recorder = self.shared.recorder.borrow_mut();
            for planned in starting.drain(..) {
                recorder.record(Event::Started { late: sent.since(planned) });
            }
        }
        Ok(())
    }

    fn report_if_due(&mut self) {
        let now = self.shared.now();
        if now >= self.next_report {
            self.report(now);
            self.next_report = next_multiple(now, REPORT_EVERY);
        }
    }

    fn report(&self, now: Instant) {
        let mut recorder = self.shared.recorder.borrow_mut();
        recorder.set_due(self.feeder.due(now));
        let interval = recorder.take(now);
        let sockets = self.shared.sockets.borrow();
        let health = Health {
            cpu: this_thread_cpu(),
            udp: sockets.counters(),
            tcp: self.shared.streams.borrow().counters(),
            kernel_drops: sockets.kernel_drops().unwrap_or_default(),
        };
        self.say(Notice::Interval(Box::new(interval), Box::new(health)));
    }

    /// Waits for news or for the next deadline; an order that came meanwhile.
    #[expect(
        clippy::await_holding_refcell_ref,
        reason = "no actor runs while the loop sleeps: only the loop speaks to them"
    )]
    async fn sleep(&mut self) -> io::Result<Option<Order>> {
        let arrival = self.feeder.next_at();
        let drain = self.drain.and_then(|drain| drain.next_at(self.shared.config.meters));
        let timer = self.shared.wheel.borrow().next();
        let wake = [arrival, drain, timer].into_iter().flatten().fold(self.next_report, Instant::min);
        if wake <= self.shared.now() {
            return Ok(None);
        }
        self.timer.set(wake)?;
        let mut sockets = self.shared.sockets.borrow_mut();
        let mut streams = self.shared.streams.borrow_mut();
        tokio::select! {
            biased;
            ready = sockets.ready() => ready.map(|()| None),
            ready = streams.ready() => ready.map(|()| None),
            fired = self.timer.wait() => fired.map(|()| None),
            // A supervisor that is gone has nothing more to ask for.
            order = self.orders.recv() => Ok(Some(order.unwrap_or(Order::Finish))),
            Some(answer) = self.resolved.recv() => {
                drop((sockets, streams));
                self.shared.resolved(answer);
                Ok(None)
            }
        }
    }

    async fn finish(&mut self) -> Vec<(u32, Remains)> {
        self.shared.leave();
        // In pieces, so that the actors' mailboxes stay small.
        const AT_ONCE: u32 = 4_096;
        for first in (0..self.shared.config.meters).step_by(AT_ONCE as usize) {
            let last = first.saturating_add(AT_ONCE).min(self.shared.config.meters);
            for slot in first..last {
                self.shared.tell(slot, Command::Report);
            }
            self.let_actors_run().await;
        }
        self.shared.replace_the_fallen();
        self.report(self.shared.now());
        self.shared.take_remains()
    }

    fn say(&self, notice: Notice) {
        let _ = self.notices.send((self.shared.config.number, notice));
    }
}

/// Lets every task run that is ready by now. `tokio::task::yield_now` would ask the kernel for news each
/// time as well, which costs a system call per batch; the loop asks its sockets itself.
async fn give_way() {
    let mut gave_way = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut gave_way, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn next_multiple(now: Instant, every: Duration) -> Instant {
    let every = every.as_nanos() as u64;
    Instant::from_nanos((now.as_nanos() / every + 1) * every)
}
