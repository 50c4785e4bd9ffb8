//! The Bootstrap-Server (LwM2M Core §6.1): walks each device through a sequence of commands, one
//! confirmable request at a time.
//!
//! ```text
//! POST /bs -> 2.04 -> Discover / -> Delete / -> Write /0 -> Write /1 -> Finish -> done
//! ```
//!
//! A command answered with an error does not end the sequence (Finish does), a command never answered
//! does; a new Bootstrap-Request of the same device starts over.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::peers::{Peers, Slot};
use super::{BootstrapCounters, Server, Traffic, Transmit};
use crate::base::{Instant, Seed};
use crate::protocol::coap::{self, Code, ContentFormat, Message, Params, Received};
use crate::protocol::content::{self, link};
use crate::protocol::lwm2m::{Entry, Path, Value};

/// How a Bootstrap-Server goes about it.
#[derive(Clone, Debug)]
pub struct BootstrapConfig {
    /// Transmission parameters towards every device.
    pub transmission: Arc<Params>,
    /// The account every device is given.
    pub account: Account,
    /// The commands, in order.
    pub sequence: Vec<Step>,
    /// Whether a write addresses the object or one instance of it.
    pub write_level: WriteLevel,
    /// Devices remembered at a time; of more, some that are silent are forgotten.
    pub max_peers: usize,
}

impl BootstrapConfig {
    /// Discover, Delete, Write /0, Write /1, Finish.
    pub const SEQUENCE: [Step; 5] =
        [Step::Discover, Step::Delete, Step::WriteSecurity, Step::WriteServer, Step::Finish];
}

/// One command of the sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `GET /`, to learn where the device keeps its Bootstrap-Server Account.
    Discover,
    /// `DELETE /`.
    Delete,
    /// `PUT /0…` with the Security half of the account.
    WriteSecurity,
    /// `PUT /1…` with the Server half of the account.
    WriteServer,
    /// `POST /bs`.
    Finish,
}

/// What a write addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteLevel {
    /// `PUT /1`, the payload naming the instance.
    Object,
    /// `PUT /1/0`.
    Instance,
}

/// A Server Account as the Bootstrap-Server writes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// /0/x/0.
    pub uri: String,
    /// /0/x/10 and /1/x/0.
    pub short_server_id: u16,
    /// /1/x/1, whole seconds.
    pub lifetime: Duration,
    /// /1/x/17-20, where the server sets them.
    pub retry: Option<RetryTerms>,
}

/// How often and how long apart a device tries to register (/1/x/17-20).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryTerms {
    /// /1/x/17: tries in one sequence.
    pub count: u32,
    /// /1/x/18: wait after the first try, doubling; whole seconds.
    pub timer: Duration,
    /// /1/x/19: wait between sequences; whole seconds.
    pub sequence_delay: Duration,
    /// /1/x/20: how many sequences.
    pub sequence_count: u32,
}

/// A device's place in the sequence.
#[derive(Default)]
struct Session {
    endpoint: Box<str>,
    format: Option<ContentFormat>,
    /// The command that is on its way, as an index into the sequence.
    step: Option<u8>,
    /// The instance of /0 that is not the device's Bootstrap-Server Account.
    free_instance: u16,
}

/// A Bootstrap-Server and all its devices.
pub struct BootstrapServer {
    config: BootstrapConfig,
    peers: Peers<Session>,
    counters: BootstrapCounters,
    /// Payloads made once: they differ only by format and place.
    written: Vec<(ContentFormat, Path, Vec<u8>)>,
}

impl BootstrapServer {
    /// A server that knows no device yet.
    pub fn new(config: BootstrapConfig, seed: Seed) -> Self {
        let peers = Peers::new(config.transmission.clone(), config.max_peers, seed);
        BootstrapServer { config, peers, counters: BootstrapCounters::default(), written: Vec::new() }
    }

    /// What it did so far.
    pub fn counters(&self) -> &BootstrapCounters {
        &self.counters
    }

    fn drain(&mut self, slot: Slot, now: Instant) {
        while let Some(event) = self.peers.poll_event(slot) {
            match event {
                coap::Event::Request(received) => self.requested(slot, received, now),
                coap::Event::Response { message, .. } => self.answered(slot, &message, now),
                // It belonged to a sequence that was started over.
                coap::Event::Failed { why: coap::Failure::Abandoned, .. } => {}
                coap::Event::Failed { .. } => self.failed(slot),
                coap::Event::Noise(_) | coap::Event::Stat(_) => {}
                // It observes nothing, and nothing of it is observed.
                coap::Event::Notification { .. }
                | coap::Event::NotificationLost { .. }
                | coap::Event::ObservationEnded { .. }
                | coap::Event::Notified { .. } => {}
            }
        }
        self.peers.settle(slot, now);
    }

    fn requested(&mut self, slot: Slot, received: Received, now: Instant) {
        let request = &received.message;
        let is_bootstrap = request.code() == Code::POST && request.path_is(&["bs"]);
        let answer = match is_bootstrap {
            true => self.begin(slot, &received.message),
            false => other_resource(request),
        };
        let begun = is_bootstrap && answer.code() == Code::CHANGED;
        let Some(peer) = self.peers.get(slot) else { return };
        peer.exchange.respond(received, answer, now);
        if begun {
            self.command(slot, 0, now);
        }
    }

    /// Takes a Bootstrap-Request up, or says why not.
    fn begin(&mut self, slot: Slot, request: &Message) -> Message {
        let endpoint = request.query("ep").filter(|ep| !ep.is_empty());
        let format = match request.query("pct").map(str::parse::<u16>) {
            // Without a preference: the format every 1.0 device must read.
            None => Some(ContentFormat::TLV),
            Some(Ok(number)) => Some(ContentFormat(number)).filter(|format| can_write(*format)),
            Some(Err(_)) => None,
        };
        let (Some(endpoint), Some(format)) = (endpoint, format) else {
            self.counters.refused += 1;
            let refusal =
                if endpoint.is_none() { Code::BAD_REQUEST } else { Code::UNSUPPORTED_CONTENT_FORMAT };
            return Message::response(refusal);
        };
        let Some(peer) = self.peers.get(slot) else { return Message::response(Code::INTERNAL_SERVER_ERROR) };
        if peer.app.step.is_some() {
            self.counters.restarted += 1;
            peer.exchange.abandon_all();
        }
        peer.app = Session { endpoint: endpoint.into(), format: Some(format), step: None, free_instance: 1 };
        self.counters.requests += 1;
        Message::response(Code::CHANGED)
    }

    /// Sends the command with this index, or ends the session behind the last.
    fn command(&mut self, slot: Slot, index: u8, now: Instant) {
        let Some(step) = self.config.sequence.get(usize::from(index)).copied() else {
            return self.end(slot);
        };
        let Some(session) = self.peers.get(slot).map(|peer| &mut peer.app) else { return };
        session.step = Some(index);
        let (format, instance) = (session.format.unwrap_or(ContentFormat::TLV), session.free_instance);
        let request = match step {
            Step::Discover => Message::request(Code::GET).with_accept(ContentFormat::LINK),
            Step::Delete => Message::request(Code::DELETE),
            Step::WriteSecurity => self.write(Path::instance(0, instance), format),
            Step::WriteServer => self.write(Path::instance(1, 0), format),
            Step::Finish => Message::request(Code::POST).with_path(&["bs"]),
        };
        if let Some(peer) = self.peers.get(slot) {
            peer.exchange.request(request, now);
        }
    }

    fn answered(&mut self, slot: Slot, answer: &Message, now: Instant) {
        let Some(session) = self.peers.get(slot).map(|peer| &mut peer.app) else { return };
        // An answer to a command of a session that was started over.
        let Some(index) = session.step else { return };
        let Some(step) = self.config.sequence.get(usize::from(index)).copied() else { return };
        let success = answer.code().is_success();
        match step {
            Step::Discover => {
                session.free_instance = free_instance(answer.payload());
                self.counters.discovers += 1;
            }
            Step::Delete => self.counters.deletes += 1,
            Step::WriteSecurity | Step::WriteServer => self.counters.writes += 1,
            Step::Finish if success => self.counters.finished += 1,
            Step::Finish => return self.failed(slot),
        }
        if !success {
            self.counters.command_errors += 1;
        }
        self.command(slot, index + 1, now);
    }

    fn failed(&mut self, slot: Slot) {
        let Some(peer) = self.peers.get(slot) else { return };
        if peer.app.step.is_some() {
            tracing::debug!(endpoint = %peer.app.endpoint, "bootstrap failed");
            self.counters.failed += 1;
            self.end(slot);
        }
    }

    fn end(&mut self, slot: Slot) {
        if let Some(peer) = self.peers.get(slot) {
            peer.app = Session::default();
        }
    }

    /// The write of one half of the account to `instance`.
    fn write(&mut self, instance: Path, format: ContentFormat) -> Message {
        let target = match self.config.write_level {
            WriteLevel::Object => Path::object(instance.ids()[0]),
            WriteLevel::Instance => instance,
        };
        let made = self.written.iter().position(|(f, path, _)| *f == format && *path == instance);
        let made = made.unwrap_or_else(|| {
            let entries = match instance.ids()[0] {
                0 => self.config.account.security_entries(instance),
                _ => self.config.account.server_entries(instance),
            };
            let payload = content::encode(format, target, &entries)
                .expect("account entries are plain values of known resources in a format begin() accepted");
            self.written.push((format, instance, payload));
            self.written.len() - 1
        });
        let segments: smallvec::SmallVec<[String; 2]> = target.ids().iter().map(u16::to_string).collect();
        let segments: smallvec::SmallVec<[&str; 2]> = segments.iter().map(String::as_str).collect();
        Message::request(Code::PUT)
            .with_path(&segments)
            .with_content_format(format)
            .with_payload(self.written[made].2.clone())
    }
}

impl Account {
    fn security_entries(&self, instance: Path) -> Vec<Entry> {
        const NO_SEC: i64 = 3;
        let at = |id| Path::resource(0, instance.ids()[1], id);
        vec![
            Entry::new(at(0), Value::String(self.uri.as_str().into())),
            Entry::new(at(1), Value::Boolean(false)),
            Entry::new(at(2), Value::Integer(NO_SEC)),
            Entry::new(at(10), Value::Integer(self.short_server_id.into())),
        ]
    }

    fn server_entries(&self, instance: Path) -> Vec<Entry> {
        let at = |id| Path::resource(1, instance.ids()[1], id);
        let seconds = |span: Duration| Value::Integer(i64::try_from(span.as_secs()).unwrap_or(i64::MAX));
        let unsigned = |span: Duration| Value::Unsigned(span.as_secs());
        let mut entries = vec![
            Entry::new(at(0), Value::Integer(self.short_server_id.into())),
            Entry::new(at(1), seconds(self.lifetime)),
            Entry::new(at(6), Value::Boolean(true)),
            Entry::new(at(7), Value::String("U".into())),
        ];
        if let Some(retry) = self.retry {
            entries.push(Entry::new(at(17), Value::Unsigned(retry.count.into())));
            entries.push(Entry::new(at(18), unsigned(retry.timer)));
            entries.push(Entry::new(at(19), unsigned(retry.sequence_delay)));
            entries.push(Entry::new(at(20), Value::Unsigned(retry.sequence_count.into())));
        }
        entries
    }
}

/// The formats a write can be made in.
fn can_write(format: ContentFormat) -> bool {
    matches!(format, ContentFormat::TLV | ContentFormat::SENML_CBOR | ContentFormat::SENML_JSON)
}

/// Where the new account may go: the first instance of /0 that is not the device's Bootstrap-Server
/// Account, which a Bootstrap-Discover shows as the one without `ssid`. Without an intelligible answer,
/// /0/0 is taken to be it, as factories have it.
fn free_instance(discovered: &[u8]) -> u16 {
    let own = link::links(discovered).ok().and_then(|mut links| {
        links.find_map(|link| {
            let link = link.ok()?;
            match *link.path()?.ids() {
                [0, instance] if link.attribute("ssid").is_none() => Some(instance),
                _ => None,
            }
        })
    });
    u16::from(own.unwrap_or(0) == 0)
}

fn other_resource(request: &Message) -> Message {
    if request.code() == Code::GET && request.path_is(&[".well-known", "core"]) {
        return Message::response(Code::CONTENT)
            .with_content_format(ContentFormat::LINK)
            .with_payload(b"</bs>;rt=\"core.bs\"".to_vec());
    }
    let known = request.path_is(&["bs"]);
    Message::response(if known { Code::METHOD_NOT_ALLOWED } else { Code::NOT_FOUND })
}

impl Server for BootstrapServer {
    fn handle_input(&mut self, from: SocketAddr, to: IpAddr, datagram: &[u8], now: Instant) {
        let slot = self.peers.handle_input(from, to, datagram, now);
        if self.peers.take_evicted().is_some_and(|session| session.step.is_some()) {
            self.counters.failed += 1;
        }
        if let Some(slot) = slot {
            self.drain(slot, now);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let due = self.peers.handle_timeout(now);
        for &slot in &due {
            self.drain(slot, now);
        }
        self.peers.done(due);
    }

    fn poll_output(&mut self) -> Option<Transmit> {
        self.peers.poll_output()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.peers.poll_timeout()
    }

    fn traffic(&self) -> &Traffic {
        &self.peers.traffic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_has_to_make_room_has_failed() {
        let account = Account {
            uri: "coap://127.0.0.1".to_owned(),
            short_server_id: 1,
            lifetime: Duration::ZERO,
            retry: None,
        };
        let config = BootstrapConfig {
            transmission: Arc::new(Params::default()),
            account,
            sequence: BootstrapConfig::SEQUENCE.to_vec(),
            write_level: WriteLevel::Instance,
            max_peers: 1,
        };
        let mut server = BootstrapServer::new(config, Seed(1));
        let request = Message::request(Code::POST).with_path(&["bs"]).with_query("ep=a").encode();
        for port in 1..=3 {
            let from = SocketAddr::from(([127, 0, 0, 1], port));
            server.handle_input(from, from.ip(), &request, Instant::ZERO);
        }
        let BootstrapCounters { requests, failed, .. } = *server.counters();
        assert_eq!((requests, failed, server.traffic().evicted_peers), (3, 2, 2));
    }
}
