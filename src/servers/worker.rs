//! The threads of the servers: datagrams in, datagrams out, and a look at the clock.
//!
//! A thread may serve several machines, each behind its own socket: the Bootstrap-Server's worker and the
//! EMS's of one core share a thread, since waking a second one for a single Register costs more than
//! answering it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::secured::{Secured, SecuredOutput};
use crate::base::{Clock, Instant};
use crate::protocol::server::Server;
use crate::secure::ListenerCounters;
use crate::transport::resources::this_thread_cpu;
use crate::transport::{ServerBinding, ServerSocket, UdpCounters, Waker};

/// How often a thread publishes what it has counted.
const PUBLISH_EVERY: Duration = Duration::from_millis(250);

/// How often a thread with nothing to do lets others run before it sleeps. Under load the next datagrams
/// are there when it comes back: they arrive in larger batches, and nobody has to wake it.
const IDLE_TURNS: u32 = 2;

/// What a machine publishes a few times a second.
#[derive(Clone, Debug, Default)]
pub(super) struct Published<C> {
    pub counts: C,
    /// What its socket counted.
    pub udp: UdpCounters,
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
    /// One turn: how many datagrams came in.
    fn turn(&mut self, now: Instant) -> usize;
    /// When it wants a turn though nothing comes in.
    fn due(&self) -> Option<Instant>;
    /// Publishes what it has counted; `last` says that no turn will follow.
    fn publish(&mut self, last: bool);
    /// Its socket.
    fn socket(&self) -> &ServerSocket;
}

/// A machine that is to be served at `binding`.
pub(super) struct Place<S, C> {
    pub server: Secured<S>,
    pub binding: ServerBinding,
    /// Another port of the same address, if the machine is to answer from one now and then.
    pub other: Option<ServerBinding>,
    pub published: Arc<Mutex<Published<C>>>,
    /// Takes the counts out of the machine; what takes long only the last time.
    pub count: fn(&S, bool) -> C,
}

impl<S: Server + Send + 'static, C: Send + 'static> Seat for Place<S, C> {
    fn take(self: Box<Self>) -> Box<dyn Part> {
        let Place { server, binding, other, published, count } = *self;
        let other = other.map(ServerBinding::serve);
        Box::new(Served { server, socket: binding.serve(), other, published, count })
    }

    fn waker(&self) -> Waker {
        self.binding.waker()
    }
}

struct Served<S, C> {
    server: Secured<S>,
    socket: ServerSocket,
    /// Another port, for answers that are to come from one.
    other: Option<ServerSocket>,
    published: Arc<Mutex<Published<C>>>,
    count: fn(&S, bool) -> C,
}

impl<S: Server, C> Part for Served<S, C> {
    fn turn(&mut self, now: Instant) -> usize {
        let server = &mut self.server;
        let received = self.socket.recv(|datagram| {
            server.handle_input(datagram.peer, datagram.local, datagram.bytes, now);
        });
        if server.poll_timeout().is_some_and(|due| due <= now) {
            server.handle_timeout(now);
        }
        while let Some(output) = server.poll_output(now) {
            // Datagrams have no streams to be closed.
            let SecuredOutput::Transmit(transmit) = output else { continue };
            let socket = match &mut self.other {
                Some(other) if transmit.other_port => other,
                _ => &mut self.socket,
            };
            // A full queue is counted by the socket.
            let _ = socket.send(transmit.to, transmit.from, &transmit.bytes);
        }
        self.socket.flush();
        if let Some(other) = &mut self.other {
            // Whatever is sent there is read and forgotten: nobody serves this port.
            let _ = other.recv(|_| {});
            other.flush();
        }
        received.unwrap_or_default()
    }

    fn due(&self) -> Option<Instant> {
        self.server.poll_timeout()
    }

    fn publish(&mut self, last: bool) {
        let published = Published {
            counts: (self.count)(self.server.machine(), last),
            sessions: self.server.counters().copied(),
            udp: self.socket.counters(),
            kernel_drops: self.socket.kernel_drops().unwrap_or_default(),
        };
        if let Ok(mut place) = self.published.lock() {
            *place = published;
        }
    }

    fn socket(&self) -> &ServerSocket {
        &self.socket
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
            let sockets: Vec<&ServerSocket> = parts.iter().map(|part| part.socket()).collect();
            // What cannot be waited for is met again at the next turn.
            let _ = ServerSocket::wait_any(&sockets, Some(due.since(clock.now())));
        }
    }
}
