//! How a device fetches the packages it was given URIs of: on a link of its own, one after the other.

use std::time::Duration;

use super::download::{Download, Step as Answer};
use super::installation::{Shown, Step};
use super::policy::PackageFailure;
use super::target::Target;
use super::{Client, Packages};
use crate::base::Instant;
use crate::protocol::client::account;
use crate::protocol::client::event::{Event, Failure, Fate, Link, OpenFailed, Output, RequestKind, Security};
use crate::protocol::client::register::ended;
use crate::protocol::coap::{self, Message};
use crate::protocol::lwm2m::ServerUri;

impl Client {
    /// Begins the download that waits the longest, unless another is under way.
    pub(super) fn next_download(&mut self, now: Instant) {
        let waits = |packages: &Packages| {
            packages.download.is_none()
                && packages.installations.iter().any(|one| matches!(one.step, Step::Waiting(_)))
        };
        if !self.packages.as_deref().is_some_and(waits) {
            return;
        }
        let rng = self.child_rng();
        let Some(packages) = &mut self.packages else { return };
        let waiting = packages.installations.iter_mut().find_map(|installation| {
            let Step::Waiting(uri) = &installation.step else { return None };
            Some((uri.clone(), installation))
        });
        let Some((uri, installation)) = waiting else { return };
        installation.step = Step::Downloading;
        let server = uri.server.clone();
        let target = installation.target;
        let Ok(security) = self.package_security(&server) else {
            return self.package_arrived(target, Shown::failed(PackageFailure::UnsupportedProtocol), now);
        };
        let config = &self.config;
        let mut download = Download::new(target, uri, &config.transmission, &config.firmware, rng);
        // To a server that the device is registered with as well, the message ids of both are of one space.
        let neighbour = self.registrations.iter().find(|registration| {
            let uri = account::uri(&self.tree, registration.account.security);
            uri.and_then(|uri| uri.parse::<ServerUri>().ok()).as_ref() == Some(&server)
        });
        if let Some(registration) = neighbour {
            download.exchange.keep_apart(&registration.exchange);
        }
        if let Some(packages) = &mut self.packages {
            packages.download = Some(Box::new(download));
            self.out.push_back(Output::Open { link: Link::Package, uri: server, security });
        }
    }

    /// How the way to a package is secured: as the one to the LwM2M server at the same place.
    ///
    /// # Errors
    /// The scheme wants security, and the device knows nobody there.
    fn package_security(&self, server: &ServerUri) -> Result<Option<Box<Security>>, ()> {
        match server.scheme.is_secure() {
            true => account::security_at(self.store(), server).map(Some).ok_or(()),
            false => Ok(None),
        }
    }

    /// The way to the package is open.
    pub(in crate::protocol::client) fn package_opened(&mut self, now: Instant) {
        let Some(download) = self.download() else { return };
        if !std::mem::replace(&mut download.open, true) {
            download.exchange.connected(now);
        }
        if !download.asking && download.resume.is_none() {
            download.ask(now);
            self.tell(Event::Request { kind: RequestKind::Download, fate: Fate::Sent });
        }
    }

    /// The way to the package cannot be opened, or leads nowhere.
    pub(in crate::protocol::client) fn package_open_failed(&mut self, why: OpenFailed, now: Instant) {
        if self.download().is_some() {
            self.tell(Event::Failed(match why {
                OpenFailed::Unreachable => Failure::Unreachable,
                OpenFailed::Handshake { .. } => Failure::Handshake,
            }));
            self.download_ended(Shown::failed(PackageFailure::ConnectionLost), Fate::Abandoned, now);
        }
    }

    /// The way to the package was closed by somebody else: the download goes on over another, as after any other
    /// break.
    pub(in crate::protocol::client) fn package_closed(&mut self, now: Instant) {
        let Some(download) = self.download() else { return };
        let opening = !std::mem::replace(&mut download.open, false) && download.resume.is_none();
        if opening {
            return self.package_open_failed(OpenFailed::Unreachable, now);
        }
        download.exchange.lost(now);
        download.exchange.abandon_all();
        self.drain(Link::Package, now);
    }

    /// A block came, or whatever the server has to say instead.
    pub(in crate::protocol::client) fn package_answered(&mut self, answer: &Message, now: Instant) {
        let config = self.config.clone();
        let policy = &config.firmware;
        let Some(packages) = self.packages.as_deref_mut() else { return };
        let Packages { installations, download: Some(download) } = packages else { return };
        let step = download.answered(answer);
        let mut installations = installations.iter_mut();
        let Some(installation) = installations.find(|one| one.target == download.target) else { return };
        let cut_short = installation.breaks(download.check.received(), download.total, policy);
        match (step, cut_short) {
            (Answer::More | Answer::Whole, Some(why)) => {
                self.download_ended(Shown::failed(why), Fate::Answered, now);
            }
            (Answer::More, None) => download.ask(now),
            (Answer::Whole, None) => {
                let shown = installation.received(&download.check, policy);
                self.download_ended(shown, Fate::Answered, now);
            }
            (Answer::Hopeless(why), _) => {
                self.tell(Event::Failed(Failure::Refused(RequestKind::Download, answer.code())));
                self.download_ended(Shown::failed(why), Fate::Answered, now);
            }
            (Answer::Broken(wait), _) => {
                let failure = Failure::Refused(RequestKind::Download, answer.code());
                self.download_broke_off(Fate::Answered, failure, wait, now);
            }
        }
    }

    /// The GET of a block will not be answered.
    pub(in crate::protocol::client) fn package_request_failed(&mut self, why: coap::Failure, now: Instant) {
        let (fate, failure) = ended(RequestKind::Download, why);
        self.download_broke_off(fate, failure, None, now);
    }

    fn download_broke_off(&mut self, fate: Fate, failure: Failure, wait: Option<Duration>, now: Instant) {
        let wait = wait.unwrap_or(self.config.firmware.resume_wait);
        let Some(download) = self.download() else { return };
        let goes_on = download.broke_off(now + wait);
        self.tell(Event::Failed(failure));
        if goes_on {
            self.tell(Event::Request { kind: RequestKind::Download, fate });
        } else {
            self.download_ended(Shown::failed(PackageFailure::ConnectionLost), fate, now);
        }
    }

    /// Takes a download up again that broke off, if it is time.
    pub(super) fn resume_download(&mut self, now: Instant) {
        let due = |one: &&mut Box<Download>| one.resume.is_some_and(|at| at <= now);
        let Some(download) = self.download().filter(due) else { return };
        if download.open {
            download.ask(now);
            self.tell(Event::Request { kind: RequestKind::Download, fate: Fate::Sent });
            return self.drain(Link::Package, now);
        }
        download.resume = None;
        let uri = download.server().clone();
        match self.package_security(&uri) {
            Ok(security) => self.out.push_back(Output::Open { link: Link::Package, uri, security }),
            Err(()) => {
                let shown = Shown::failed(PackageFailure::UnsupportedProtocol);
                self.download_ended(shown, Fate::Abandoned, now);
            }
        }
    }

    /// The download under way has come to its end, and so has its last request.
    fn download_ended(&mut self, shown: Shown, fate: Fate, now: Instant) {
        if let Some(target) = self.close_download(fate) {
            self.package_arrived(target, shown, now);
            self.next_download(now);
        }
    }

    /// Gives up the link of the download, if there is one; what it was for. A request that is under way has
    /// this fate.
    pub(super) fn close_download(&mut self, fate: Fate) -> Option<Target> {
        let download = self.packages.as_mut().and_then(|packages| packages.download.take())?;
        if download.asking {
            self.tell(Event::Request { kind: RequestKind::Download, fate });
        }
        self.out.push_back(Output::Close { link: Link::Package });
        Some(download.target)
    }

    fn download(&mut self) -> Option<&mut Box<Download>> {
        self.packages.as_mut().and_then(|packages| packages.download.as_mut())
    }
}
