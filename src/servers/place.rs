//! One machine of a worker at its socket: datagrams or streams to the machine, and back.

use super::door::Door;
use super::secured::{Secured, SecuredOutput};
use super::worker::{Board, Part, Published, Seat};
use crate::base::Instant;
use crate::protocol::server::Server;
use crate::transport::{
    Awaited, ServerBinding, ServerSocket, ServerStreams, StreamChange, TcpCounters, UdpCounters, Waker,
};

/// A machine that is to be served at `door`.
pub(super) struct Place<S, C> {
    pub server: Secured<S>,
    pub door: Door,
    /// Another port of the same address, if the machine is to answer from one now and then.
    pub other: Option<ServerBinding>,
    pub board: Board<S, C>,
}

impl<S: Server + Send + 'static, C: Send + 'static> Seat for Place<S, C> {
    fn take(self: Box<Self>) -> Box<dyn Part> {
        let Place { server, door, other, board } = *self;
        match door {
            Door::Datagrams(binding) => {
                let other = other.map(ServerBinding::serve);
                Box::new(AtDatagrams { server, socket: binding.serve(), other, board })
            }
            Door::Streams(binding) => {
                Box::new(AtStreams { server, streams: binding.serve(), pending: Vec::new(), board })
            }
        }
    }

    fn waker(&self) -> Waker {
        self.door.waker()
    }
}

/// A machine at a socket of datagrams.
struct AtDatagrams<S, C> {
    server: Secured<S>,
    socket: ServerSocket,
    /// Another port, for answers that are to come from one.
    other: Option<ServerSocket>,
    board: Board<S, C>,
}

impl<S: Server, C> Part for AtDatagrams<S, C> {
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
        self.board.show(Published {
            counts: (self.board.count)(self.server.machine(), last),
            udp: self.socket.counters(),
            tcp: TcpCounters::default(),
            kernel_drops: self.socket.kernel_drops().unwrap_or_default(),
            sessions: self.server.counters().copied(),
        });
    }

    fn awaited(&self) -> &dyn Awaited {
        &self.socket
    }
}

/// A machine at streams.
struct AtStreams<S, C> {
    server: Secured<S>,
    streams: ServerStreams,
    /// What is to be written and closed at the end of the turn; empty in between.
    pending: Vec<SecuredOutput>,
    board: Board<S, C>,
}

impl<S: Server, C> Part for AtStreams<S, C> {
    fn turn(&mut self, now: Instant) -> usize {
        let AtStreams { server, streams, pending, .. } = self;
        let news = streams.recv(|event| {
            match event.what {
                StreamChange::Opened => {
                    // What there was for this address is for the stream before, which is gone.
                    pending.retain(|output| output.peer() != event.peer);
                    server.handle_accepted(event.peer, event.local, now);
                }
                StreamChange::Data(bytes) => server.handle_input(event.peer, event.local, bytes, now),
                StreamChange::Ended => server.handle_end(event.peer, false, now),
                StreamChange::Broken => server.handle_end(event.peer, true, now),
            }
            pending.extend(std::iter::from_fn(|| server.poll_output(now)));
        });
        if server.poll_timeout().is_some_and(|due| due <= now) {
            server.handle_timeout(now);
        }
        pending.extend(std::iter::from_fn(|| server.poll_output(now)));
        for output in pending.drain(..) {
            match output {
                SecuredOutput::Transmit(transmit) => streams.send(transmit.to, &transmit.bytes),
                SecuredOutput::Disconnect(peer) => streams.close(peer),
            }
        }
        streams.flush();
        news.unwrap_or_default()
    }

    fn due(&self) -> Option<Instant> {
        self.server.poll_timeout()
    }

    fn publish(&mut self, last: bool) {
        self.board.show(Published {
            counts: (self.board.count)(self.server.machine(), last),
            udp: UdpCounters::default(),
            tcp: self.streams.counters(),
            kernel_drops: 0,
            sessions: self.server.counters().copied(),
        });
    }

    fn awaited(&self) -> &dyn Awaited {
        &self.streams
    }
}
