//! Where one server of the world is.

use std::net::SocketAddr;

use crate::base::Instant;
use crate::protocol::server::Server;
use crate::servers::secured::{Secured, SecuredOutput};

/// A server's place in the world, whether somebody is there or not.
pub(super) struct Site<S> {
    address: SocketAddr,
    host: Option<Box<Secured<S>>>,
    /// How many hosts there were before: of their streams, the present one knows nothing.
    life: u32,
    /// The timer that is armed; queued ones with another instant are stale.
    timer: Option<Instant>,
}

/// A site, whoever is there.
pub(super) trait Place {
    fn address(&self) -> SocketAddr;
    fn life(&self) -> u32;
    fn timer(&mut self) -> &mut Option<Instant>;
    /// Whether a server is there that takes datagrams, or streams.
    fn takes(&self, streams: bool) -> bool;
    fn handle(&mut self, what: Incoming<'_>, now: Instant);
    /// What the server wants sent or closed next.
    fn poll_output(&mut self, now: Instant) -> Option<SecuredOutput>;
    fn poll_timeout(&self) -> Option<Instant>;
}

/// What comes to a server.
pub(super) enum Incoming<'a> {
    /// Bytes of a peer: a datagram, or the next of its stream.
    Bytes(SocketAddr, &'a [u8]),
    /// A stream.
    Stream(SocketAddr),
    /// The end of a stream, or that it was torn down.
    End(SocketAddr, bool),
    /// The time has come that it waited for.
    Timeout,
}

impl<S: Server> Site<S> {
    /// A place where nobody is.
    pub(super) fn new(address: SocketAddr) -> Self {
        Site { address, host: None, life: 0, timer: None }
    }

    /// Puts somebody there, in place of whoever was.
    pub(super) fn set(&mut self, server: Option<Secured<S>>) {
        self.host = server.map(Box::new);
        self.life += 1;
    }

    /// Whoever is there, to look into.
    pub(super) fn host(&self) -> Option<&Secured<S>> {
        self.host.as_deref()
    }
}

impl<S: Server> Place for Site<S> {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn life(&self) -> u32 {
        self.life
    }

    fn timer(&mut self) -> &mut Option<Instant> {
        &mut self.timer
    }

    fn takes(&self, streams: bool) -> bool {
        self.host.as_ref().is_some_and(|server| server.is_stream() == streams)
    }

    fn handle(&mut self, what: Incoming<'_>, now: Instant) {
        let local = self.address.ip();
        let Some(server) = &mut self.host else { return };
        match what {
            Incoming::Bytes(peer, bytes) => server.handle_input(peer, local, bytes, now),
            Incoming::Stream(peer) => server.handle_accepted(peer, local, now),
            Incoming::End(peer, broken) => server.handle_end(peer, broken, now),
            Incoming::Timeout => server.handle_timeout(now),
        }
    }

    fn poll_output(&mut self, now: Instant) -> Option<SecuredOutput> {
        self.host.as_mut()?.poll_output(now)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.host.as_ref()?.poll_timeout()
    }
}
