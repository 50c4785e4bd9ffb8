//! The way to the Bootstrap-Server. What hangs on it beyond an address, a session or a connection, is held for a
//! bootstrap and no longer: a million meters could not hold two of them each.

use super::Stay;
use crate::base::Instant;
use crate::protocol::client::alerts::{Reaction, reaction};
use crate::protocol::client::client::Client;
use crate::protocol::client::closing::Ending;
use crate::protocol::client::event::{Event, Failure, Link, OpenFailed, Output, RequestKind, Security};
use crate::protocol::lwm2m::{Scheme, ServerUri};

impl Client {
    /// Asks for the way to the Bootstrap-Server, in the place of the one there may be.
    pub(super) fn open_bootstrap(&mut self, uri: ServerUri, security: Option<Box<Security>>) {
        self.cut_bootstrap();
        self.bootstrap_way = Some(uri.scheme).filter(|scheme| *scheme != Scheme::Coap);
        self.out.push_back(Output::Open { link: Link::Bootstrap, uri, security });
    }

    /// The way to the Bootstrap-Server cannot be opened, or turned out to lead nowhere.
    pub(in crate::protocol::client) fn bootstrap_open_failed(&mut self, why: OpenFailed, now: Instant) {
        self.bootstrap_way = None;
        let (failure, stay) = match why {
            OpenFailed::Unreachable => (Failure::Unreachable, Stay::Usual),
            OpenFailed::Handshake { alert } if reaction(alert) == Reaction::Fail => {
                (Failure::Handshake, Stay::Longest)
            }
            OpenFailed::Handshake { .. } => (Failure::Handshake, Stay::Usual),
        };
        match self.bootstrap.is_some() {
            true => self.bootstrap_ended(failure, stay, now),
            // It was to listen on, or to repeat the answer to Finish: nothing waits for it.
            false => self.tell(Event::Failed(failure)),
        }
    }

    /// The way to the Bootstrap-Server was closed by somebody else. A session does not outlive it. Without one
    /// nothing is lost: a server that has its answer to Finish may go.
    pub(in crate::protocol::client) fn bootstrap_closed(&mut self, how: Ending, now: Instant) {
        self.bootstrap_way = None;
        self.farewell = None;
        if let Some(session) = &self.bootstrap {
            let kind = session.request.unwrap_or(RequestKind::BootstrapRequest);
            // From version 1.3 on a server judges a certificate when the handshake is over for the device already.
            let stay = match how {
                Ending::Broken(alert) if reaction(alert) == Reaction::Fail => Stay::Longest,
                _ => Stay::Usual,
            };
            self.bootstrap_ended(Failure::Closed(kind), stay, now);
        }
    }

    /// Nobody will repeat the last Finish any more.
    pub(in crate::protocol::client) fn end_farewell(&mut self) {
        if self.farewell.take().is_some() {
            self.close_bootstrap();
        }
    }

    /// Gives up the way to the Bootstrap-Server if nothing leads back to it, or more hangs on it than an address,
    /// and it cannot miss an answer.
    pub(super) fn close_bootstrap(&mut self) {
        if self.farewell.is_some() {
            return;
        }
        if !self.uses(Link::Bootstrap) {
            self.bootstrap_way = None;
            return self.out.push_back(Output::Close { link: Link::Bootstrap });
        }
        self.hang_up_bootstrap();
    }

    /// Closes the way to the Bootstrap-Server where more hangs on it than an address, unless the device listens
    /// there.
    pub(in crate::protocol::client) fn hang_up_bootstrap(&mut self) {
        let listens = self.config.bootstrap.server_initiated && !self.leaving;
        if self.bootstrap_way.is_some_and(|scheme| scheme.is_stream() || !listens) {
            self.cut_bootstrap();
        }
    }

    /// The same, whoever may listen.
    pub(in crate::protocol::client) fn cut_bootstrap(&mut self) {
        if self.bootstrap_way.take().is_some() {
            self.out.push_back(Output::Close { link: Link::Bootstrap });
        }
    }
}
