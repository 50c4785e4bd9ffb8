//! The client's end of a DTLS session.

use std::collections::VecDeque;
use std::time::Duration;

use super::super::session::Output;
use super::super::{CertificateFault, ClientSecurity, Closed, Failure, Options, Trust, verify};
use super::dimpl_engine;
use super::end::{Batch, End};
use super::engine::Fault;
use crate::base::Instant;

/// A session of a client: see `Session` for how it is driven.
pub(in crate::secure) struct Client {
    /// `None` once it is over.
    end: Option<End>,
    /// What the server's certificate is to be held against, until it has been.
    judge: Option<Box<Judge>>,
    out: VecDeque<Output>,
}

/// What a server's certificate is held against.
struct Judge {
    trust: Trust,
    /// The origin of the run since 1970.
    epoch: Duration,
}

impl Client {
    /// Begins a handshake.
    pub(in crate::secure) fn new(security: &ClientSecurity, options: &Options, now: Instant) -> Self {
        let mut client = Client { end: None, judge: None, out: VecDeque::new() };
        let engine = match security {
            // Plain ways have no session of this kind.
            ClientSecurity::None => Err(Failure::Credentials),
            ClientSecurity::Psk(psk) => dimpl_engine::psk_client(psk, now),
            ClientSecurity::Certificate { own, trust } => {
                let epoch = Duration::from_secs(options.epoch);
                client.judge = Some(Box::new(Judge { trust: trust.clone(), epoch }));
                dimpl_engine::certificate_client(own, options.version, now)
            }
        };
        match engine {
            Ok(engine) => {
                client.end = Some(End::new(Box::new(engine), 0));
                client.handle_timeout(now);
            }
            Err(failure) => client.out.push_back(Output::Closed(Closed::Failed(failure))),
        }
        client
    }

    pub(in crate::secure) fn handle_input(&mut self, datagram: &[u8], now: Instant) {
        self.call(now, |end| end.handle_input(datagram, now));
    }

    pub(in crate::secure) fn handle_timeout(&mut self, now: Instant) {
        self.call(now, |end| end.handle_timeout(now));
    }

    /// Before it is connected there is nobody to say it to, and it is not said.
    pub(in crate::secure) fn send(&mut self, bytes: &[u8], now: Instant) {
        if self.end.as_ref().is_some_and(End::is_connected) {
            self.call(now, |end| end.send(bytes));
        }
    }

    pub(in crate::secure) fn close(&mut self) {
        if let Some(mut end) = self.end.take() {
            self.out.extend(end.close().transmit.into_iter().map(Output::Transmit));
        }
    }

    pub(in crate::secure) fn poll_output(&mut self) -> Option<Output> {
        let output = self.out.pop_front();
        if output.is_none() {
            // A queue that was needed once is not kept by a million meters.
            self.out = VecDeque::new();
        }
        output
    }

    pub(in crate::secure) fn poll_timeout(&self) -> Option<Instant> {
        self.end.as_ref().and_then(End::deadline)
    }

    fn call(&mut self, now: Instant, call: impl FnOnce(&mut End) -> Batch) {
        let Some(end) = &mut self.end else { return };
        let batch = call(end);
        let judged = match (&batch.certificate, self.judge.take()) {
            (Some(der), Some(judge)) => {
                verify::server(&[der], &judge.trust, judge.epoch + now.since_origin())
            }
            // What was never shown cannot be believed.
            (None, Some(_)) if batch.connected => Err(CertificateFault::Unusable),
            (_, judge) => {
                self.judge = judge;
                Ok(())
            }
        };
        if let Err(fault) = judged {
            return self.fail(Failure::Certificate(fault));
        }
        if batch.resent {
            self.out.push_back(Output::Retransmitted);
        }
        self.out.extend(batch.transmit.into_iter().map(Output::Transmit));
        if batch.connected {
            self.out.push_back(Output::Connected(end.cost()));
        }
        self.out.extend(batch.received.into_iter().map(Output::Received));
        if let Some(fault) = batch.fault {
            match fault {
                Fault::Failure(failure) => self.fail(failure),
                Fault::OtherKeys => self.fail(Failure::Protocol),
                Fault::Said(failure) => self.over(Closed::Failed(failure)),
            }
        } else if batch.close_notify {
            // RFC 5246 §7.2.1: answered, if the engine has not done so already.
            self.close();
            self.over(Closed::Orderly);
        }
    }

    fn fail(&mut self, failure: Failure) {
        let alert = self.end.as_ref().and_then(|end| end.farewell(failure));
        self.out.extend(alert.map(Output::Transmit));
        self.over(Closed::Failed(failure));
    }

    fn over(&mut self, how: Closed) {
        (self.end, self.judge) = (None, None);
        self.out.push_back(Output::Closed(how));
    }
}
