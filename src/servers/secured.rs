//! A server's machine behind the sessions of its peers: what sockets and the simulated world have in common.
//!
//! ```text
//! bytes -> Listener -> Connected, Received, Closed -> machine
//! bytes <- Listener <- Transmit <-------------------- machine
//! ```
//!
//! The machine hears of a peer when its session is up, not before. Pure.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::base::Instant;
use crate::protocol::coap::Transport;
use crate::protocol::lwm2m::Scheme;
use crate::protocol::server::{Server, Transmit};
use crate::secure::{Listener, ListenerConfig, ListenerCounters, ListenerOutput, Options, ServerSecurity};

/// A server's machine, and the sessions of its peers if there are any: plain datagrams go to the machine as they
/// are.
///
/// After each `handle_…`, [`Secured::poll_output`] until it is empty, then arm one timer for
/// [`Secured::poll_timeout`].
pub struct Secured<S> {
    machine: S,
    listener: Option<Box<Listener>>,
    stream: bool,
}

/// What a server wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecuredOutput {
    /// Send this: a datagram, or the next bytes of the peer's stream.
    Transmit(Transmit),
    /// Close this peer's stream once what was sent before is out. If it is closed already, there is nothing to do.
    Disconnect(SocketAddr),
}

impl SecuredOutput {
    /// Whom it is for.
    pub fn peer(&self) -> SocketAddr {
        match self {
            SecuredOutput::Transmit(transmit) => transmit.to,
            SecuredOutput::Disconnect(peer) => *peer,
        }
    }
}

impl<S: Server> Secured<S> {
    /// A machine behind sessions or streams nobody has opened yet.
    pub fn new(machine: S, config: ListenerConfig, now: Instant) -> Self {
        let stream = config.stream;
        Secured { machine, listener: Some(Box::new(Listener::new(config, now))), stream }
    }

    /// A machine that plain datagrams go to.
    pub fn plain(machine: S) -> Self {
        Secured { machine, listener: None, stream: false }
    }

    /// The machine, to look into.
    pub fn machine(&self) -> &S {
        &self.machine
    }

    /// Whether its ways are streams.
    pub fn is_stream(&self) -> bool {
        self.stream
    }

    /// What the sessions counted; `None` where there are none.
    pub fn counters(&self) -> Option<&ListenerCounters> {
        self.listener.as_deref().map(Listener::counters)
    }

    /// A stream was accepted.
    pub fn handle_accepted(&mut self, peer: SocketAddr, local: IpAddr, now: Instant) {
        if let Some(listener) = &mut self.listener {
            listener.handle_accepted(peer, local, now);
        }
    }

    /// Bytes came in: a datagram, or the next of this peer's stream.
    pub fn handle_input(&mut self, peer: SocketAddr, local: IpAddr, bytes: &[u8], now: Instant) {
        match &mut self.listener {
            None => self.machine.handle_input(peer, local, bytes, now),
            Some(listener) => {
                listener.handle_input(peer, local, bytes, now);
            }
        }
    }

    /// A stream has ended: `broken` if it was torn down.
    pub fn handle_end(&mut self, peer: SocketAddr, broken: bool, now: Instant) {
        if let Some(listener) = &mut self.listener {
            listener.handle_end(peer, broken, now);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(listener) = &mut self.listener
            && listener.poll_timeout().is_some_and(|due| due <= now)
        {
            listener.handle_timeout(now);
        }
        if self.machine.poll_timeout().is_some_and(|due| due <= now) {
            self.machine.handle_timeout(now);
        }
    }

    /// What is to be done next.
    pub fn poll_output(&mut self, now: Instant) -> Option<SecuredOutput> {
        let Secured { machine, listener, .. } = self;
        let Some(listener) = listener else { return machine.poll_output().map(SecuredOutput::Transmit) };
        loop {
            while let Some(Transmit { to, from, bytes, .. }) = machine.poll_output() {
                listener.send(to, from, bytes, now);
            }
            while let Some(peer) = machine.poll_disconnect() {
                listener.close(peer, now);
                machine.handle_disconnected(peer, now);
            }
            match listener.poll_output()? {
                ListenerOutput::Transmit { to, from, bytes } => {
                    return Some(SecuredOutput::Transmit(Transmit { to, from, other_port: false, bytes }));
                }
                ListenerOutput::Connected { peer, local, identity, .. } => {
                    machine.handle_connected(peer, local, identity, now);
                }
                ListenerOutput::Received { peer, local, bytes } => {
                    machine.handle_input(peer, local, &bytes, now);
                }
                ListenerOutput::Closed { peer, .. } => machine.handle_disconnected(peer, now),
                ListenerOutput::Disconnect { peer } => return Some(SecuredOutput::Disconnect(peer)),
            }
        }
    }

    /// When to call `handle_timeout`.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let listener = self.listener.as_ref().and_then(|listener| listener.poll_timeout());
        listener.into_iter().chain(self.machine.poll_timeout()).min()
    }
}

/// What stands before a server that is spoken to by this scheme; nothing before one of plain datagrams.
pub fn listener_config(
    scheme: Scheme,
    security: Option<ServerSecurity>,
    max_sessions: usize,
    options: Arc<Options>,
) -> Option<ListenerConfig> {
    if scheme == Scheme::Coap {
        return None;
    }
    let security = security.filter(|_| scheme.is_secure());
    Some(ListenerConfig { stream: scheme.is_stream(), security, max_sessions, options })
}

/// What the messages of this scheme are carried by.
pub fn transport_of(scheme: Scheme) -> Transport {
    if scheme.is_stream() { Transport::Stream } else { Transport::Datagram }
}

#[cfg(test)]
mod tests;
