//! The threads of the servers: bytes in, bytes out, and a look at the clock.
//!
//! A thread may serve several machines, each behind its own socket: the Bootstrap-Server's worker and the
//! EMS's of one core share a thread, since waking a second one for a single Register costs more than
//! answering it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::base::{Clock, Instant};
use crate::secure::ListenerCounters;
use crate::transport::resources::this_thread_cpu;
use crate::transport::{Awaited, TcpCounters, UdpCounters, Waker, wait_any};

/// How often a thread publishes what it has counted.
const PUBLISH_EVERY: Duration = Duration::from_millis(250);

/// How often a thread with nothing to do lets others run before it sleeps. Under load the next datagrams
/// are there when it comes back: they arrive in larger batches, and nobody has to wake it.
const IDLE_TURNS: u32 = 2;

/// What a machine publishes a few times a second.
#[derive(Clone, Debug, Default)]
pub(super) struct Published<C> {
    pub counts: C,
    /// What its sockets counted, if it has datagrams.
    pub udp: UdpCounters,
    /// What its streams counted, if it has any.
    pub tcp: TcpCounters,
    /// Datagrams the kernel dropped at its socket.
    pub kernel_drops: u64,
    /// The sessions of its peers, if they have any.
    pub sessions: Option<ListenerCounters>,
}

/// What a thread and those who started it share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Set to end the thread.
    pub stop: AtomicBool,
    /// Processor time of the thread so far, in nanoseconds.
    pub cpu: AtomicU64,
}

/// One machine of a thread, before the thread runs.
pub(super) trait Seat: Send {
    /// The machine behind its socket, on the thread that is to serve it.
    fn take(self: Box<Self>) -> Box<dyn Part>;
    /// Wakes that thread.
    fn waker(&self) -> Waker;
}

/// One machine of a thread.
pub(super) trait Part {
    /// One turn: how many datagrams, or news of streams, came in.
    fn turn(&mut self, now: Instant) -> usize;
    /// When it wants a turn though nothing comes in.
    fn due(&self) -> Option<Instant>;
    /// Publishes what it has counted; `last` says that no turn will follow.
    fn publish(&mut self, last: bool);
    /// What it waits for.
    fn awaited(&self) -> &dyn Awaited;
}

/// Where a machine publishes.
pub(super) struct Board<S, C> {
    pub published: Arc<Mutex<Published<C>>>,
    /// Takes the counts out of the machine; what takes long only the last time.
    pub count: fn(&S, bool) -> C,
}

impl<S, C> Board<S, C> {
    /// Shows this to whoever looks.
    pub(super) fn show(&self, published: Published<C>) {
        if let Ok(mut place) = self.published.lock() {
            *place = published;
        }
    }
}

/// Serves until told to stop.
pub(super) fn serve(seats: Vec<Box<dyn Seat>>, clock: Clock, shared: &Shared) {
    let mut parts: Vec<Box<dyn Part>> = seats.into_iter().map(Seat::take).collect();
    let mut publish_at = Instant::ZERO;
    let mut idle_turns = 0;
    loop {
        let now = clock.now();
        let received: usize = parts.iter_mut().map(|part| part.turn(now)).sum();
        let stop = shared.stop.load(Ordering::Acquire);
        if now >= publish_at || stop {
            parts.iter_mut().for_each(|part| part.publish(stop));
            shared.cpu.store(this_thread_cpu().as_nanos() as u64, Ordering::Release);
            publish_at = now + PUBLISH_EVERY;
        }
        if stop {
            return;
        }
        if received > 0 {
            idle_turns = 0;
        } else if idle_turns < IDLE_TURNS {
            idle_turns += 1;
            std::thread::yield_now();
        } else {
            let due = parts.iter().filter_map(|part| part.due()).fold(publish_at, Instant::min);
            let awaited: Vec<&dyn Awaited> = parts.iter().map(|part| part.awaited()).collect();
            // What cannot be waited for is met again at the next turn.
            let _ = wait_any(&awaited, Some(due.since(clock.now())));
        }
    }
}
