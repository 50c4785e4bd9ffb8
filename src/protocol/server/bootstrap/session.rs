//! One device's way through its plan.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::BootstrapServer;
use super::initiative::Candidate;
use super::payload::{self, Recipient, target};
use super::plan::{Command, PackAnswer, Plan};
use crate::base::Instant;
use crate::protocol::coap::{Code, ContentFormat, Message};
use crate::protocol::content::{self, link};
use crate::protocol::lwm2m::Path;
use crate::protocol::server::identity;
use crate::protocol::server::peers::Slot;

/// A device's place in its sequence; the default is "in none".
pub(super) struct Session {
    pub endpoint: Box<str>,
    /// What it is given; none while no session runs.
    plan: Option<Arc<Plan>>,
    /// The format of writes.
    pub format: ContentFormat,
    /// The command that is on its way, as an index into the sequence.
    pub index: u32,
    /// The instance of /0 that is the device's Bootstrap-Server Account. Without an intelligible answer to a
    /// Discover, /0/0 is taken to be it, as factories have it.
    pub own_instance: u16,
    /// When it is to be over.
    until: Instant,
}

impl Default for Session {
    fn default() -> Self {
        let endpoint = Box::default();
        Session {
            endpoint,
            plan: None,
            format: ContentFormat::TLV,
            index: 0,
            own_instance: 0,
            until: Instant::FAR,
        }
    }
}

impl Session {
    pub(super) fn new(endpoint: &str, plan: Arc<Plan>, format: ContentFormat) -> Self {
        Session {
            endpoint: endpoint.into(),
            plan: Some(plan),
            format,
            index: 0,
            own_instance: 0,
            until: Instant::FAR,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.plan.is_some()
    }

    fn at(&self) -> Option<Command> {
        self.plan.as_ref()?.command(self.index as usize)
    }

    /// Whether there is a command behind the one it is at.
    fn has_more(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.command(self.index as usize + 1).is_some())
    }

    /// What it is found by.
    pub(super) fn key(&self) -> u64 {
        FxBuildHasher.hash_one(&*self.endpoint)
    }
}

/// How the server leads a device through its sequence.
impl BootstrapServer {
    /// Takes a Bootstrap-Request up, or says why not; whether a session begins.
    pub(super) fn begin(&mut self, slot: Slot, request: &Message, now: Instant) -> (Message, bool) {
        match self.accept(slot, request) {
            Ok(session) => {
                self.counters.requests += 1;
                self.start(slot, session, now);
                (Message::response(Code::CHANGED), true)
            }
            Err(refusal) => {
                self.counters.refused += 1;
                (Message::response(refusal), false)
            }
        }
    }

    /// The session a Bootstrap-Request asks for, or the code that refuses it.
    fn accept(&mut self, slot: Slot, request: &Message) -> Result<Session, Code> {
        let identity = self.peers.get(slot).and_then(|peer| peer.identity.clone());
        let endpoint = self.endpoint(request, identity.as_deref())?;
        // LwM2M Core §6.1.6: 4.00 for an endpoint the server has nothing for.
        let plan = self.config.directory.find(endpoint).ok_or(Code::BAD_REQUEST)?;
        let preferred = match request.query("pct").map(str::parse::<u16>) {
            // Without a preference: the format every 1.0 device must read.
            None => ContentFormat::TLV,
            Some(Ok(number)) => ContentFormat(number),
            Some(Err(_)) => return Err(Code::UNSUPPORTED_CONTENT_FORMAT),
        };
        let format = plan.format.unwrap_or(preferred);
        if !can_write(format) {
            return Err(Code::UNSUPPORTED_CONTENT_FORMAT);
        }
        Ok(Session::new(endpoint, plan.clone(), format))
    }

    /// The name of the device that says this.
    fn endpoint<'a>(&mut self, request: &'a Message, identity: Option<&'a str>) -> Result<&'a str, Code> {
        identity::endpoint(request.query("ep"), identity, self.config.proven).map_err(|why| {
            self.counters.identity_mismatch += u64::from(why.is_mismatch());
            why.code()
        })
    }

    /// Puts a session in the place of the one the device had, here or at another address.
    pub(super) fn start(&mut self, slot: Slot, session: Session, now: Instant) {
        self.cut_short(slot);
        let key = session.key();
        if let Some(other) = self.running.get(&key).copied() {
            let of_same_name =
                self.peers.get(other).is_some_and(|peer| peer.app.endpoint == session.endpoint);
            if of_same_name && self.cut_short(other) {
                self.drain(other, now);
            }
        }
        let patience = self.config.patience;
        let Some(peer) = self.peers.get(slot) else { return };
        peer.app = session;
        peer.app.until = patience.session.map_or(Instant::FAR, |patience| now + patience);
        peer.deadline = peer.app.until;
        self.running.insert(key, slot);
    }

    /// Ends a session for the sake of a new one; whether there was any.
    fn cut_short(&mut self, slot: Slot) -> bool {
        let Some(peer) = self.peers.get(slot).filter(|peer| peer.app.is_running()) else { return false };
        peer.exchange.abandon_all();
        self.counters.restarted += 1;
        self.end(slot);
        true
    }

    /// Sends the command the session is at, or ends the session behind the last.
    pub(super) fn command(&mut self, slot: Slot, now: Instant) {
        let Some(session) = self.peers.get(slot).map(|peer| &peer.app) else { return };
        let Some(plan) = &session.plan else { return };
        let Some(command) = session.at() else {
            self.counters.unfinished += 1;
            return self.end(slot);
        };
        let request = match command {
            Command::Discover(path) => {
                Some(to(Message::request(Code::GET), path).with_accept(ContentFormat::LINK))
            }
            Command::Read(path) => Some(to(Message::request(Code::GET), path).with_accept(session.format)),
            Command::Delete(path) => Some(to(Message::request(Code::DELETE), path)),
            Command::Finish => Some(Message::request(Code::POST).with_path(&["bs"])),
            Command::WriteSecurity(_) | Command::WriteServer(_) | Command::WriteExtra(_) => {
                let (numbered, own) = ((session.index, command), session.own_instance);
                let (ems, keys) = (&*self.config.ems, self.config.keys.as_deref());
                let recipient = Recipient { endpoint: &session.endpoint, own, ems, keys };
                let payload = self.payloads.of(plan, numbered, session.format, recipient);
                let target = target(plan, command, own);
                payload.zip(target).map(|(payload, target)| {
                    to(Message::request(Code::PUT), target)
                        .with_content_format(session.format)
                        .with_payload(payload)
                })
            }
        };
        let Some(request) = request else {
            // The format cannot say what is to be written: nothing the device could put right.
            self.counters.unencodable += 1;
            return self.failed(slot);
        };
        let patience = self.config.patience.command;
        if let Some(peer) = self.peers.get(slot) {
            peer.exchange.request(request, now);
            let until = peer.app.until;
            peer.deadline = patience.map_or(until, |patience| until.min(now + patience));
        }
    }

    pub(super) fn answered(&mut self, slot: Slot, answer: &Message, now: Instant) {
        let Some(session) = self.peers.get(slot).map(|peer| &mut peer.app) else { return };
        // An answer to a command of a session that was started over.
        let Some(command) = session.at() else { return };
        let success = answer.code().is_success();
        match command {
            Command::Discover(_) => {
                session.own_instance = own_instance(answer.payload());
                self.counters.discovers += 1;
            }
            Command::Read(_) => self.counters.reads += 1,
            Command::Delete(_) => self.counters.deletes += 1,
            Command::WriteSecurity(_) | Command::WriteServer(_) | Command::WriteExtra(_) => {
                self.counters.writes += 1;
            }
            Command::Finish if success => return self.finished(slot, now),
            // LwM2M Core §6.1.7.6: what was inconsistent may be put right, and Finish said again.
            Command::Finish if session.has_more() => {}
            Command::Finish => return self.failed(slot),
        }
        session.index = session.index.saturating_add(1);
        if !success {
            self.counters.command_errors += 1;
        }
        self.command(slot, now);
    }

    fn finished(&mut self, slot: Slot, now: Instant) {
        self.counters.finished += 1;
        if self.config.initiative.is_some()
            && let Some(peer) = self.peers.get(slot)
        {
            let endpoint = peer.app.endpoint.clone();
            let device = Candidate { address: peer.address, local: peer.local, endpoint };
            let added = self.candidates.add(device, self.config.max_peers, now);
            self.counters.left_alone += u64::from(!added);
        }
        self.end(slot);
    }

    pub(super) fn failed(&mut self, slot: Slot) {
        let Some(peer) = self.peers.get(slot) else { return };
        if peer.app.is_running() {
            tracing::debug!(endpoint = %peer.app.endpoint, "bootstrap failed");
            self.counters.failed += 1;
            self.end(slot);
        }
    }

    /// A device's session or stream is over, and so is all that was under way with it.
    pub(super) fn lose(&mut self, slot: Slot) {
        if self.peers.get(slot).is_some_and(|peer| peer.app.is_running()) {
            self.counters.lost += 1;
            self.failed(slot);
        }
        self.peers.cut(slot);
    }

    fn end(&mut self, slot: Slot) {
        if let Some(peer) = self.peers.get(slot) {
            let session = std::mem::take(&mut peer.app);
            peer.deadline = Instant::FAR;
            let key = session.key();
            if self.running.get(&key) == Some(&slot) {
                self.running.remove(&key);
            }
        }
    }

    /// Answers a Bootstrap-Pack-Request (LwM2M 1.2 Core §6.1.7.7): everything at once, and no Finish.
    pub(super) fn pack(&mut self, slot: Slot, request: &Message) -> Message {
        let answer = self.packed(slot, request).unwrap_or_else(Message::response);
        if answer.code().is_success() {
            self.counters.packs += 1;
        } else {
            self.counters.packs_refused += 1;
        }
        answer
    }

    fn packed(&mut self, slot: Slot, request: &Message) -> Result<Message, Code> {
        if request.code() != Code::GET {
            return Err(Code::METHOD_NOT_ALLOWED);
        }
        let identity = self.peers.get(slot).and_then(|peer| peer.identity.clone());
        let endpoint = self.endpoint(request, identity.as_deref())?;
        let plan = self.config.directory.find(endpoint).ok_or(Code::BAD_REQUEST)?;
        if let PackAnswer::Refusal(code) = plan.pack {
            return Err(code);
        }
        let format = request.accept().unwrap_or(ContentFormat::SENML_CBOR);
        if !matches!(
            format,
            ContentFormat::SENML_CBOR | ContentFormat::SENML_JSON | ContentFormat::LWM2M_CBOR
        ) {
            return Err(Code::NOT_ACCEPTABLE);
        }
        // `acc` lists the instances of the device's own account (1.2.1).
        let own = request.query("acc").map_or(0, |list| own_instance(list.as_bytes()));
        let (ems, keys) = (&*self.config.ems, self.config.keys.as_deref());
        let recipient = Recipient { endpoint, own, ems, keys };
        let payload = content::encode(format, Path::ROOT, &payload::all(plan, recipient))
            .map_err(|_| Code::INTERNAL_SERVER_ERROR)?;
        Ok(Message::response(Code::CONTENT).with_content_format(format).with_payload(payload))
    }
}

/// The formats a write can be made in.
fn can_write(format: ContentFormat) -> bool {
    matches!(
        format,
        ContentFormat::TLV
            | ContentFormat::SENML_CBOR
            | ContentFormat::SENML_JSON
            | ContentFormat::LWM2M_CBOR
    )
}

/// Addresses a request to a path of the device's.
fn to(request: Message, path: Path) -> Message {
    let segments: smallvec::SmallVec<[String; 4]> = path.ids().iter().map(u16::to_string).collect();
    let segments: smallvec::SmallVec<[&str; 4]> = segments.iter().map(String::as_str).collect();
    request.with_path(&segments)
}

/// The instance of /0 that is the device's Bootstrap-Server Account: the one that is listed without `ssid`.
fn own_instance(discovered: &[u8]) -> u16 {
    let own = link::links(discovered).ok().and_then(|mut links| {
        links.find_map(|link| {
            let link = link.ok()?;
            match *link.path()?.ids() {
                [0, instance] if link.attribute("ssid").is_none() => Some(instance),
                _ => None,
            }
        })
    });
    own.unwrap_or(0)
}
