//! The thread of one server: datagrams in, datagrams out, and a look at the clock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::base::{Clock, Instant};
use crate::protocol::server::Server;
use crate::transport::{ServerSocket, resources::this_thread_cpu};

/// How often a worker publishes what it has counted.
const PUBLISH_EVERY: Duration = Duration::from_millis(250);

/// How often a worker with nothing to do lets others run before it sleeps. Under load the next datagrams
/// are there when it comes back: they arrive in larger batches, and nobody has to wake it.
const IDLE_TURNS: u32 = 2;

/// A server machine, its socket, and where it publishes its counts.
pub(super) struct Worker<S, C> {
    pub server: S,
    pub socket: ServerSocket,
    pub clock: Clock,
    pub stop: Arc<AtomicBool>,
    pub published: Arc<Mutex<Published<C>>>,
    /// Takes the counts out of the machine.
    pub count: fn(&S) -> C,
}

/// What a worker publishes a few times a second.
#[derive(Clone, Debug, Default)]
pub(super) struct Published<C> {
    pub counts: C,
    pub cpu: Duration,
    /// Datagrams the kernel dropped at its socket, or would not send.
    pub lost: u64,
}

impl<S: Server, C> Worker<S, C> {
    /// Serves until told to stop; gives the machine back.
    pub(super) fn serve(mut self) -> S {
        let mut publish_at = Instant::ZERO;
        let mut idle_turns = 0;
        loop {
            let now = self.clock.now();
            let received = self.turn(now);
            if now >= publish_at {
                self.publish();
                publish_at = now + PUBLISH_EVERY;
            }
            if self.stop.load(Ordering::Acquire) {
                self.publish();
                return self.server;
            }
            if received > 0 {
                idle_turns = 0;
            } else if idle_turns < IDLE_TURNS {
                idle_turns += 1;
                std::thread::yield_now();
            } else {
                let wake = self.server.poll_timeout().unwrap_or(publish_at).min(publish_at);
                // What cannot be waited for is met again at the next turn.
                let _ = self.socket.wait(Some(wake.since(self.clock.now())));
            }
        }
    }

    fn turn(&mut self, now: Instant) -> usize {
        let server = &mut self.server;
        let received = self.socket.recv(|datagram| {
            server.handle_input(datagram.peer, datagram.local, datagram.bytes, now);
        });
        if server.poll_timeout().is_some_and(|due| due <= now) {
            server.handle_timeout(now);
        }
        while let Some(transmit) = server.poll_output() {
            // A full queue is counted by the socket.
            let _ = self.socket.send(transmit.to, transmit.from, &transmit.bytes);
        }
        self.socket.flush();
        received.unwrap_or_default()
    }

    fn publish(&self) {
        let counters = self.socket.counters();
        let lost = self.socket.kernel_drops().unwrap_or_default() + counters.queue_dropped;
        let published = Published { counts: (self.count)(&self.server), cpu: this_thread_cpu(), lost };
        if let Ok(mut place) = self.published.lock() {
            *place = published;
        }
    }
}
