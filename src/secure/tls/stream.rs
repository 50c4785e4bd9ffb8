//! The client's end of one stream.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::client::UnbufferedClientConnection;

use super::config;
use super::engine::{Engine, News, failure_of};
use super::judge::ClientJudge;
use crate::base::Instant;
use crate::secure::{Certificate, ClientSecurity, Closed, Failure, Handshake, Options, Output, Trust};

/// How long a handshake may take in all, unless told otherwise: as long as one over datagrams takes to give up.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(40);

/// A client's session over a connected stream, plain or TLS: the verbs of [`crate::secure::Session`].
///
/// With TLS 1.3 a client is done before the server has judged its certificate (RFC 8446 §2): a refusal then
/// comes after `Connected`, as a session that failed by an alert.
pub struct Stream {
    out: VecDeque<Output>,
    kind: Kind,
}

enum Kind {
    Plain,
    Tls(Box<Tls>),
    Over,
}

struct Tls {
    engine: Engine<UnbufferedClientConnection>,
    /// Both until the handshake is done.
    judge: Option<Arc<ClientJudge>>,
    deadline: Option<Instant>,
}

impl Stream {
    /// Begins at once; a plain one is connected at once. Credentials that cannot be used, and pre-shared
    /// keys, which are for DTLS alone, end it at once with [`Failure::Credentials`].
    pub fn new(security: &ClientSecurity, options: &Options, now: Instant) -> Self {
        match security {
            ClientSecurity::None => {
                Stream { out: VecDeque::from([Output::Connected(Handshake::default())]), kind: Kind::Plain }
            }
            ClientSecurity::Psk(_) => Stream::refused(),
            ClientSecurity::Certificate { own, trust } => {
                Stream::tls(own, trust, options, now).unwrap_or_else(Stream::refused)
            }
        }
    }

    fn refused() -> Self {
        let failed = Output::Closed(Closed::Failed(Failure::Credentials));
        Stream { out: VecDeque::from([failed]), kind: Kind::Over }
    }

    fn tls(own: &Certificate, trust: &Trust, options: &Options, now: Instant) -> Option<Self> {
        if !crate::secure::verify::can_be_met(trust) {
            return None;
        }
        let unix_now = Duration::from_secs(options.epoch) + now.since_origin();
        let judge = ClientJudge::new(trust.clone(), unix_now);
        let connection = config::client(own, judge.clone(), &trust.name, options.version)?;
        let tls = Tls {
            engine: Engine::new(connection),
            judge: Some(judge),
            deadline: Some(now + HANDSHAKE_TIMEOUT),
        };
        let mut stream = Stream { out: VecDeque::new(), kind: Kind::Tls(Box::new(tls)) };
        stream.handle_input(&[], now);
        Some(stream)
    }

    /// The next bytes of the stream came in, in any pieces.
    pub fn handle_input(&mut self, bytes: &[u8], _: Instant) {
        match &self.kind {
            Kind::Plain => self.out.push_back(Output::Received(bytes.to_vec())),
            Kind::Tls(_) => self.drive(|engine, news| engine.handle_input(bytes, news)),
            Kind::Over => {}
        }
    }

    /// The peer will send no more. A TLS session that was not ended first may have been cut short by
    /// anybody (RFC 5246 §7.2.1), and has failed.
    pub fn handle_end(&mut self, _: Instant) {
        match self.kind {
            Kind::Plain => self.end(Closed::Orderly),
            Kind::Tls(_) => self.end(Closed::Failed(Failure::Protocol)),
            Kind::Over => {}
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.end(Closed::Failed(Failure::TimedOut));
        }
    }

    /// Says this to the peer. Only to be called once it is connected.
    pub fn send(&mut self, bytes: Vec<u8>, _: Instant) {
        match &self.kind {
            Kind::Plain => self.out.push_back(Output::Transmit(bytes)),
            Kind::Tls(_) => self.drive(|engine, news| engine.send(&bytes, news)),
            Kind::Over => {}
        }
    }

    /// Ends it in good order: the peer is told by close_notify. No `Closed` follows.
    pub fn close(&mut self, _: Instant) {
        if let Kind::Tls(_) = self.kind {
            self.drive(|engine, news| engine.close(news));
            self.out.retain(|one| !matches!(one, Output::Closed(_)));
        }
        self.kind = Kind::Over;
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        let next = self.out.pop_front();
        if self.out.is_empty() {
            self.out = VecDeque::new();
        }
        next
    }

    /// When to call `handle_timeout`.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.kind {
            Kind::Tls(tls) => tls.deadline,
            Kind::Plain | Kind::Over => None,
        }
    }

    fn end(&mut self, how: Closed) {
        self.kind = Kind::Over;
        self.out.push_back(Output::Closed(how));
    }

    fn drive(&mut self, what: impl FnOnce(&mut Engine<UnbufferedClientConnection>, &mut dyn FnMut(News))) {
        let Kind::Tls(tls) = &mut self.kind else { return };
        let out = &mut self.out;
        let mut connected = false;
        let mut ended = None;
        what(&mut tls.engine, &mut |news| match news {
            News::Transmit(bytes) => out.push_back(Output::Transmit(bytes)),
            News::Connected(handshake) => {
                connected = true;
                out.push_back(Output::Connected(handshake));
            }
            News::Received(bytes) => out.push_back(Output::Received(bytes)),
            News::Ended => ended = Some(Closed::Orderly),
            News::Broken(error) => ended = Some(Closed::Failed(failure_of(&error))),
        });
        if let Some(Closed::Failed(_)) = ended
            && let Some(fault) = tls.judge.as_ref().and_then(|judge| judge.fault())
        {
            ended = Some(Closed::Failed(Failure::Certificate(fault)));
        }
        if connected {
            (tls.judge, tls.deadline) = (None, None);
        }
        if let Some(how) = ended {
            self.end(how);
        }
    }
}
