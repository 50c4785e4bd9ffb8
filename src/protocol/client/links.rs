//! The ways from a device to its servers: which of them a datagram came by, and who in the device is to know
//! what the exchange layer of each makes of it.

use super::client::Client;
use super::closing::Ending;
use super::event::{Closed, Event, Link, OpenFailed, Output};
use super::register::{Registration, find};
use crate::base::Instant;
use crate::protocol::coap::{self, Exchange, Noise};

/// How a device hears of its servers.
impl Client {
    /// The link that was asked for is open.
    pub fn handle_opened(&mut self, link: Link, now: Instant) {
        match link {
            Link::Bootstrap => self.bootstrap_opened(now),
            Link::Server(server) => self.server_opened(server, now),
            Link::Package => self.package_opened(now),
        }
        self.drain(link, now);
    }

    /// The link that was asked for cannot be opened, or turned out to lead nowhere. There is nothing of it left
    /// that would have to be closed.
    pub fn handle_open_failed(&mut self, link: Link, why: OpenFailed, now: Instant) {
        match link {
            Link::Bootstrap => self.bootstrap_open_failed(why, now),
            Link::Package => self.package_open_failed(why, now),
            Link::Server(server) => {
                self.server_open_failed(server, why, now);
                self.drain(link, now);
            }
        }
    }

    /// The way is no more, though the device did not close it. What was under way on it has failed; whether and
    /// when it is opened again says the table in `closing`.
    pub fn handle_closed(&mut self, link: Link, how: Closed, now: Instant) {
        let how = match how {
            Closed::Orderly => Ending::Orderly,
            Closed::Broken { alert } => Ending::Broken(alert),
        };
        self.way_ended(link, how, now);
    }

    fn way_ended(&mut self, link: Link, how: Ending, now: Instant) {
        match link {
            Link::Bootstrap => self.bootstrap_closed(how, now),
            Link::Package => self.package_closed(now),
            Link::Server(server) => self.server_closed(server, how, now),
        }
    }

    /// Whether a way to there is of any use: there is something that would be said on it, or listened to.
    pub fn uses(&self, link: Link) -> bool {
        match link {
            Link::Bootstrap => self.bootstrap.is_some() || self.has_bootstrap_account(),
            Link::Server(server) => {
                let mut registrations = self.registrations.iter();
                registrations.any(|registration| registration.account.short_server_id == server)
            }
            Link::Package => self.packages.as_ref().is_some_and(|packages| packages.is_downloading()),
        }
    }

    /// Whether what goes to and fro on this link is about a registration that is not in force yet.
    pub fn registers_on(&self, link: Link) -> bool {
        let Link::Server(server) = link else { return false };
        let mut registrations = self.registrations.iter();
        registrations.any(|registration| {
            registration.account.short_server_id == server && registration.phase.is_on_the_way()
        })
    }

    /// Which of these links, that lead to the same address, a datagram belongs to: the download's that waits
    /// for it; the Bootstrap-Server's while a session is on; else that of the server whose answer it is, or of
    /// the first there is. It is always one of `candidates`, unless there are none.
    pub fn link_of(&self, candidates: &[Link], datagram: &[u8]) -> Link {
        if candidates.contains(&Link::Package)
            && self.packages.as_ref().is_some_and(|packages| packages.awaits(datagram))
        {
            return Link::Package;
        }
        let bootstrap = self.bootstrap.is_some()
            || self.farewell.as_ref().is_some_and(|farewell| farewell.answers(datagram));
        if bootstrap && candidates.contains(&Link::Bootstrap) {
            return Link::Bootstrap;
        }
        let link = |registration: &Registration| Link::Server(registration.account.short_server_id);
        let mut servers =
            self.registrations.iter().filter(|registration| candidates.contains(&link(registration)));
        let awaited = servers.clone().find(|registration| registration.exchange.awaits(datagram));
        let known = awaited.or_else(|| servers.next()).map(|registration| link(registration));
        // What comes from where only servers of the past were is not the Bootstrap-Server's.
        let nobody = || candidates.iter().copied().find(|link| *link == Link::Bootstrap);
        known.or_else(nobody).or(candidates.first().copied()).unwrap_or(Link::Bootstrap)
    }

    /// A datagram came in on `link`.
    pub fn handle_input(&mut self, link: Link, datagram: &[u8], now: Instant) {
        if link == Link::Bootstrap && self.begins_session(datagram) {
            self.begin_unasked(now);
        }
        match link {
            Link::Bootstrap => match (&mut self.bootstrap, &self.farewell) {
                (Some(session), _) => session.exchange.handle_input(datagram, now),
                (None, Some(farewell)) if farewell.answers(datagram) => {
                    let bytes = farewell.answer.to_vec();
                    self.tell(Event::Stat(coap::Stat::Duplicate));
                    self.out.push_back(Output::Send { link, bytes });
                    return;
                }
                (None, _) => return self.tell(Event::Noise(Noise::UnmatchedResponse)),
            },
            Link::Package => match self.exchange(link) {
                Some(exchange) => exchange.handle_input(datagram, now),
                None => return self.tell(Event::Noise(Noise::UnmatchedResponse)),
            },
            Link::Server(server) => match find(&mut self.registrations, server) {
                // What comes over a connection is kept for the device until it wakes.
                Some(registration)
                    if !registration.scheme.is_stream()
                        && registration.is_asleep(&self.config.transmission, now) =>
                {
                    return self.tell(Event::Asleep);
                }
                Some(registration) => registration.exchange.handle_input(datagram, now),
                None => return self.tell(Event::Noise(Noise::UnmatchedResponse)),
            },
        }
        self.drain(link, now);
    }

    /// Passes on what the exchange layer of `link` has to say, until it is silent.
    pub(super) fn drain(&mut self, link: Link, now: Instant) {
        while let Some(output) = self.exchange(link).and_then(Exchange::poll_output) {
            match output {
                coap::Output::Send(bytes) if self.is_open(link) => {
                    self.out.push_back(Output::Send { link, bytes });
                }
                // Sent again until it is acknowledged, which over a way that is gone it never is.
                coap::Output::Send(_) => {}
                coap::Output::Event(event) => self.exchange_event(link, event, now),
            }
        }
    }

    /// Whether something can be said on this link.
    fn is_open(&self, link: Link) -> bool {
        match link {
            // A session does not outlive the way it is held on.
            Link::Bootstrap => true,
            Link::Server(server) => {
                let mut registrations = self.registrations.iter();
                registrations.any(|registration| {
                    registration.account.short_server_id == server && registration.is_open()
                })
            }
            Link::Package => self.packages.as_ref().is_some_and(|packages| packages.is_open()),
        }
    }

    fn exchange(&mut self, link: Link) -> Option<&mut Exchange> {
        match link {
            Link::Bootstrap => self.bootstrap.as_mut().map(|session| &mut session.exchange),
            Link::Server(server) => self.registration(server).map(|registration| &mut registration.exchange),
            Link::Package => self.packages.as_mut().and_then(|packages| packages.exchange()),
        }
    }

    fn exchange_event(&mut self, link: Link, event: coap::Event, now: Instant) {
        match (event, link) {
            (coap::Event::Leave(why), _) => {
                self.out.push_back(Output::Close { link });
                self.way_ended(link, why.into(), now);
            }
            (coap::Event::Request(received), Link::Bootstrap) => self.bootstrap_command(received, now),
            (coap::Event::Request(received), Link::Server(server)) => {
                self.hear_server(server, received, now);
            }
            (coap::Event::Response { message, .. }, Link::Bootstrap) => {
                self.bootstrap_answered(&message, now)
            }
            (coap::Event::Response { handle, message, .. }, Link::Server(server)) => {
                if !self.send_answered(server, handle, &message) {
                    self.server_answered(server, handle, &message, now);
                }
            }
            (coap::Event::Failed { why, .. }, Link::Bootstrap) => self.bootstrap_request_failed(why, now),
            (coap::Event::Failed { handle, why }, Link::Server(server)) => {
                let why = self.why_given_up(link, why);
                if !self.send_failed(server, handle, why) {
                    self.server_request_failed(server, handle, why, now);
                }
            }
            (coap::Event::Notified { handle, token, outcome }, Link::Server(server)) => {
                self.notified(server, handle, token, outcome);
            }
            // Where packages are, nobody has anything to ask of a device.
            (coap::Event::Request(received), Link::Package) => {
                if let Some(exchange) = self.exchange(link) {
                    exchange.ignore(received);
                }
            }
            (coap::Event::Response { message, .. }, Link::Package) => self.package_answered(&message, now),
            (coap::Event::Failed { why, .. }, Link::Package) => {
                let why = self.why_given_up(link, why);
                self.package_request_failed(why, now);
            }
            (coap::Event::Noise(noise), _) => self.tell(Event::Noise(noise)),
            (coap::Event::Stat(stat), _) => self.tell(Event::Stat(stat)),
            // This device observes nothing, and only its servers observe it.
            (
                coap::Event::Notification { .. }
                | coap::Event::NotificationLost { .. }
                | coap::Event::ObservationEnded { .. }
                | coap::Event::Notified { .. },
                _,
            ) => {}
        }
    }

    /// A request is given up because its way leads nowhere, or because that is closed.
    fn why_given_up(&self, link: Link, why: coap::Failure) -> coap::Failure {
        match why {
            coap::Failure::Abandoned if !self.is_open(link) => coap::Failure::Lost,
            why => why,
        }
    }

    fn hear_server(&mut self, server: u16, received: coap::Received, now: Instant) {
        if self.bootstrap.is_none() {
            return self.server_request(server, received, now);
        }
        // LwM2M Core §6.1.7: during a bootstrap, requests of others may be ignored; the store is half
        // written.
        if let Some(registration) = self.registration(server) {
            registration.exchange.ignore(received);
        }
    }
}
