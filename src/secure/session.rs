//! The client's end of one way.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{ClientSecurity, Closed, dtls, tls};
use crate::base::Instant;

/// Which versions of DTLS and TLS are offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// 1.2 and nothing else.
    #[default]
    Only12,
    /// 1.3 where the peer has it, for certificates; else 1.2.
    Upto13,
}

/// What all sessions of a run share.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which versions are offered.
    pub version: Version,
    /// The origin of the run in seconds since 1970-01-01 UTC: the dates of certificates are held against it.
    pub epoch: u64,
}

/// What a handshake cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handshake {
    /// Flights sent, those sent again not counted.
    pub flights: u16,
    /// Flights sent again.
    pub retransmissions: u16,
    /// Bytes sent and received, as UDP or TCP payload.
    pub bytes: u32,
}

/// What a session wants done or known, in order.
pub enum Output {
    /// Send this: a datagram, or the next bytes of the stream.
    Transmit(Vec<u8>),
    /// The peer said this: a datagram, or the next bytes of the stream.
    Received(Vec<u8>),
    /// The peer is who it has to be: from now on it can be spoken to.
    Connected(Handshake),
    /// A flight was sent again; the datagrams follow.
    Retransmitted,
    /// It is over. Nothing follows.
    Closed(Closed),
}

/// One session of a client, sans-IO: after each call, [`Session::poll_output`] until it is empty, then arm one
/// timer for [`Session::poll_timeout`].
pub struct Session {
    engine: Engine,
}

/// What is behind it.
enum Engine {
    /// Nothing: what is said is what is sent.
    Plain(VecDeque<Output>),
    /// DTLS. In a box, as both it and what it replaces are kept by a million meters.
    Dtls(Box<dtls::Client>),
    /// TLS; in a box likewise.
    Tls(Box<tls::Client>),
}

impl Session {
    /// A session over datagrams. It begins at once; a plain one is connected at once.
    pub fn datagram(security: &ClientSecurity, options: &Arc<Options>, now: Instant) -> Self {
        let engine = match security {
            ClientSecurity::None => Engine::plain(),
            _ => Engine::Dtls(Box::new(dtls::Client::new(security, options, now))),
        };
        Session { engine }
    }

    /// A session over a connected stream. It begins at once; a plain one is connected at once.
    pub fn stream(security: &ClientSecurity, options: &Arc<Options>, now: Instant) -> Self {
        let engine = match security {
            ClientSecurity::None => Engine::plain(),
            _ => Engine::Tls(Box::new(tls::Client::new(security, options, now))),
        };
        Session { engine }
    }

    /// Bytes came in: a datagram, or the next of the stream.
    pub fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        match &mut self.engine {
            Engine::Plain(out) => out.push_back(Output::Received(bytes.to_vec())),
            Engine::Dtls(client) => client.handle_input(bytes, now),
            Engine::Tls(client) => client.handle_input(bytes),
        }
    }

    /// The stream has ended: the peer will send no more. Datagrams have no end.
    pub fn handle_end(&mut self, now: Instant) {
        let _ = now;
        match &mut self.engine {
            Engine::Plain(out) => out.push_back(Output::Closed(Closed::Orderly)),
            Engine::Dtls(_) => {}
            Engine::Tls(client) => client.handle_end(),
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.engine {
            Engine::Plain(_) => {}
            Engine::Dtls(client) => client.handle_timeout(now),
            Engine::Tls(client) => client.handle_timeout(now),
        }
    }

    /// Says this to the peer. Only to be called once it is connected: before, a secure session does not send it.
    /// A message of more than 16 KiB, which fits into no record of DTLS, ends the session as
    /// [`Failure::Protocol`](super::Failure::Protocol).
    pub fn send(&mut self, bytes: Vec<u8>, now: Instant) {
        match &mut self.engine {
            Engine::Plain(out) => out.push_back(Output::Transmit(bytes)),
            Engine::Dtls(client) => client.send(&bytes, now),
            Engine::Tls(client) => client.send(&bytes),
        }
    }

    /// Ends it in good order: tells the peer, if there is a way to. No `Closed` follows.
    pub fn close(&mut self, now: Instant) {
        let _ = now;
        match &mut self.engine {
            Engine::Plain(_) => {}
            Engine::Dtls(client) => client.close(),
            Engine::Tls(client) => client.close(),
        }
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        match &mut self.engine {
            Engine::Plain(out) => out.pop_front(),
            Engine::Dtls(client) => client.poll_output(),
            Engine::Tls(client) => client.poll_output(),
        }
    }

    /// When to call `handle_timeout`.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.engine {
            Engine::Plain(_) => None,
            Engine::Dtls(client) => client.poll_timeout(),
            Engine::Tls(client) => client.poll_timeout(),
        }
    }
}

impl Engine {
    fn plain() -> Self {
        Engine::Plain(VecDeque::from([Output::Connected(Handshake::default())]))
    }
}
