//! The client's end of a TLS session.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::client::UnbufferedClientConnection;

use super::config;
use super::engine::{Engine, News, failure_of};
use super::judge::ClientJudge;
use crate::base::Instant;
use crate::secure::{Certificate, ClientSecurity, Closed, Failure, Options, Output, Trust, verify};

/// How long a handshake may take in all, at either end: a little longer than one over datagrams, which gives up after
/// 35 s or so.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(40);

/// A session of a client: see `Session` for how it is driven.
///
/// With TLS 1.3 a client is done before the server has judged its certificate (RFC 8446 §2): a refusal then
/// comes after `Connected`, as a session that failed by an alert.
pub(in crate::secure) struct Client {
    /// `None` once it is over.
    tls: Option<Tls>,
    out: VecDeque<Output>,
}

struct Tls {
    engine: Engine<UnbufferedClientConnection>,
    /// Both until the handshake is done.
    judge: Option<Arc<ClientJudge>>,
    deadline: Option<Instant>,
}

impl Client {
    /// Begins a handshake. Credentials that cannot be used, and pre-shared keys, which are for DTLS alone, end it at
    /// once with [`Failure::Credentials`].
    pub(in crate::secure) fn new(security: &ClientSecurity, options: &Options, now: Instant) -> Self {
        let tls = match security {
            ClientSecurity::Certificate { own, trust } => Tls::new(own, trust, options, now),
            // Plain ways have no session of this kind.
            ClientSecurity::Psk(_) | ClientSecurity::None => None,
        };
        let mut client = Client { tls, out: VecDeque::new() };
        match client.tls {
            Some(_) => client.handle_input(&[]),
            None => client.end(Closed::Failed(Failure::Credentials)),
        }
        client
    }

    pub(in crate::secure) fn handle_input(&mut self, bytes: &[u8]) {
        self.drive(|engine, news| engine.handle_input(bytes, news));
    }

    /// A session that was not ended first may have been cut short by anybody (RFC 5246 §7.2.1), and has failed.
    pub(in crate::secure) fn handle_end(&mut self) {
        if self.tls.is_some() {
            self.end(Closed::Failed(Failure::Protocol));
        }
    }

    pub(in crate::secure) fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.end(Closed::Failed(Failure::TimedOut));
        }
    }

    pub(in crate::secure) fn send(&mut self, bytes: &[u8]) {
        self.drive(|engine, news| engine.send(bytes, news));
    }

    /// By close_notify.
    pub(in crate::secure) fn close(&mut self) {
        self.drive(|engine, news| engine.close(news));
        self.tls = None;
        self.out.retain(|one| !matches!(one, Output::Closed(_)));
    }

    pub(in crate::secure) fn poll_output(&mut self) -> Option<Output> {
        let next = self.out.pop_front();
        if self.out.is_empty() {
            self.out = VecDeque::new();
        }
        next
    }

    pub(in crate::secure) fn poll_timeout(&self) -> Option<Instant> {
        self.tls.as_ref().and_then(|tls| tls.deadline)
    }

    fn end(&mut self, how: Closed) {
        self.tls = None;
        self.out.push_back(Output::Closed(how));
    }

    fn drive(&mut self, what: impl FnOnce(&mut Engine<UnbufferedClientConnection>, &mut dyn FnMut(News))) {
        let Client { tls: Some(tls), out } = self else { return };
        let mut ended = None;
        what(&mut tls.engine, &mut |news| match news {
            News::Transmit(bytes) => out.push_back(Output::Transmit(bytes)),
            News::Connected(handshake) => out.push_back(Output::Connected(handshake)),
            News::Received(bytes) => out.push_back(Output::Received(bytes)),
            News::Ended => ended = Some(Closed::Orderly),
            News::Broken(error) => ended = Some(Closed::Failed(failure_of(&error))),
        });
        if let Some(Closed::Failed(failure)) = &mut ended
            && let Some(fault) = tls.judge.as_ref().and_then(|judge| judge.fault())
        {
            *failure = Failure::Certificate(fault);
        }
        if tls.engine.handshake().is_none() {
            (tls.judge, tls.deadline) = (None, None);
        }
        if let Some(how) = ended {
            self.end(how);
        }
    }
}

impl Tls {
    fn new(own: &Certificate, trust: &Trust, options: &Options, now: Instant) -> Option<Self> {
        if !verify::can_be_met(trust) {
            return None;
        }
        let unix_now = Duration::from_secs(options.epoch) + now.since_origin();
        let judge = ClientJudge::new(trust.clone(), unix_now);
        let connection = config::client(own, judge.clone(), &trust.name, options.version)?;
        Some(Tls {
            engine: Engine::new(connection),
            judge: Some(judge),
            deadline: Some(now + HANDSHAKE_TIMEOUT),
        })
    }
}
