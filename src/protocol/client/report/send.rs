//! Send: values that no server asked for (LwM2M Core §6.4.6, since 1.1).

use super::super::client::Client;
use super::super::event::{Event, Failure, Fate, Link, RequestKind, Stage};
use super::super::register;
use super::Reach;
use crate::base::Instant;
use crate::protocol::coap::{self, Code, Handle, Message};
use crate::protocol::content;
use crate::protocol::lwm2m::{Path, Version};

/// /1/x/23, Mute Send.
const MUTE: u16 = 23;

/// A Send on its way.
#[derive(Debug)]
pub(super) struct Sending {
    pub handle: Handle,
    /// When it was due: its latency counts from there.
    pub since: Instant,
}

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendRefused {
    /// The device is not registered with this server.
    #[error("the device is not registered with this server")]
    NotRegistered,
    /// LwM2M 1.0 has no Send.
    #[error("LwM2M 1.0 has no Send")]
    Version,
    /// /1/x/23 is true, or absent, which means the same.
    #[error("the server has muted Send (/1/x/23)")]
    Muted,
    /// The one before has not been answered.
    #[error("the Send before has not been answered")]
    Busy,
    /// None of the paths has a value for this server.
    #[error("there is nothing to send")]
    NoValues,
    /// The format cannot say these values.
    #[error("the format cannot carry these values")]
    Format,
}

impl Client {
    /// Sends `server` what is at and below `paths`, one Send at a time. What is not there, or not for this
    /// server, is left out.
    ///
    /// # Errors
    /// Why it was not sent; then nothing has happened.
    pub fn send(&mut self, server: u16, paths: &[Path], now: Instant) -> Result<(), SendRefused> {
        let sent = self.send_since(server, paths, now, now);
        self.drain(Link::Server(server), now);
        sent
    }

    fn send_since(
        &mut self,
        server: u16,
        paths: &[Path],
        since: Instant,
        now: Instant,
    ) -> Result<(), SendRefused> {
        if self.version(server) == Version::V1_0 {
            return Err(SendRefused::Version);
        }
        let registration = self.registered(server).ok_or(SendRefused::NotRegistered)?;
        if registration.reach() != Reach::Open {
            return Err(SendRefused::NotRegistered);
        }
        if registration.reporting.as_ref().is_some_and(|reporting| reporting.sending.is_some()) {
            return Err(SendRefused::Busy);
        }
        if self.server_flag(server, MUTE) != Some(false) {
            return Err(SendRefused::Muted);
        }
        let entries = self.values(server, paths, now);
        if entries.is_empty() {
            return Err(SendRefused::NoValues);
        }
        let format = self.config.report.send_format;
        let payload = content::encode(format, Path::ROOT, &entries).map_err(|_| SendRefused::Format)?;
        let request =
            Message::request(Code::POST).with_path(&["dp"]).with_content_format(format).with_payload(payload);
        let registration = self.registration(server).ok_or(SendRefused::NotRegistered)?;
        let handle = registration.exchange.request(request, now);
        registration.reporting.get_or_insert_default().sending = Some(Sending { handle, since });
        self.tell(Event::Request { kind: RequestKind::Send, fate: Fate::Sent });
        Ok(())
    }

    /// The Send of the plan is due. One that cannot be sent is left out: the server has muted it, or there
    /// is nothing to send.
    pub(super) fn send_planned(&mut self, server: u16, now: Instant) {
        let config = self.config.clone();
        let Some(plan) = &config.report.send else { return };
        let wait = plan.wait(&mut self.rng);
        let Some(reporting) =
            self.registration(server).and_then(|registration| registration.reporting.as_mut())
        else {
            return;
        };
        let due = std::mem::replace(&mut reporting.planned, now + wait);
        let _ = self.send_since(server, &plan.paths, due, now);
    }

    /// Takes the answer to a request if that was a Send.
    pub(in super::super) fn send_answered(&mut self, server: u16, handle: Handle, answer: &Message) -> bool {
        let Some(sending) = self.sent(server, handle) else { return false };
        self.tell(Event::Request { kind: RequestKind::Send, fate: Fate::Answered });
        if answer.code() == Code::CHANGED {
            self.tell(Event::Completed { stage: Stage::Send, since: sending.since });
        } else {
            self.tell(Event::Failed(Failure::Refused(RequestKind::Send, answer.code())));
        }
        true
    }

    /// Takes note that a request will not be answered if that was a Send. It is not repeated: the next one
    /// has newer values.
    pub(in super::super) fn send_failed(&mut self, server: u16, handle: Handle, why: coap::Failure) -> bool {
        if self.sent(server, handle).is_none() {
            return false;
        }
        let (fate, failure) = register::ended(RequestKind::Send, why);
        self.tell(Event::Request { kind: RequestKind::Send, fate });
        if why != coap::Failure::Abandoned {
            self.tell(Event::Failed(failure));
        }
        true
    }

    pub(super) fn send_abandoned(&mut self) {
        self.tell(Event::Request { kind: RequestKind::Send, fate: Fate::Abandoned });
    }

    /// The Send with this handle, which has ended.
    fn sent(&mut self, server: u16, handle: Handle) -> Option<Sending> {
        let registration = self.registration(server)?;
        let reporting = registration.reporting.as_mut()?;
        let sending = reporting.sending.take_if(|sending| sending.handle == handle)?;
        self.tidy_reporting(server);
        Some(sending)
    }
}

impl super::super::register::Registration {
    /// Whether a Send is on its way.
    pub(in super::super) fn is_sending(&self) -> bool {
        self.reporting.as_ref().is_some_and(|reporting| reporting.sending.is_some())
    }
}
