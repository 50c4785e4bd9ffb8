//! One session with the Bootstrap-Server, and what is kept after it.

use super::policy::NoFinish;
use crate::base::Instant;
use crate::protocol::client::account;
use crate::protocol::client::config::Config;
use crate::protocol::client::event::{Reason, RequestKind};
use crate::protocol::client::register::{BootstrapLimit, Patience};
use crate::protocol::coap::{Code, ContentFormat, Exchange, Message};
use crate::protocol::lwm2m::{Tree, Version};

/// A bootstrap under way.
pub(in crate::protocol::client) struct Session {
    pub exchange: Exchange,
    /// The device's own request, until it is answered.
    pub request: Option<RequestKind>,
    /// When the first Bootstrap-Request was sent.
    pub requested: Option<Instant>,
    /// Whether a command has come.
    pub commanded: bool,
    /// Whether the last command was a Finish that was answered with 4.06.
    pub inconsistent: bool,
    /// When the device last gave the word to the Bootstrap-Server: a command's latency counts from here.
    pub answered: Instant,
    /// Without a further command until here, the bootstrap has failed; in a pause, it is over.
    pub deadline: Instant,
    /// Whether the device waits to make its Pack-Request again.
    pub pausing: bool,
    /// Pack-Requests made.
    packs: u8,
    /// Which of the policy's formats is asked for; none behind the last.
    format: u8,
    /// The store as it was, to go back to if the bootstrap fails.
    pub saved: Tree,
}

impl Session {
    pub(in crate::protocol::client) fn new(exchange: Exchange, saved: Tree, now: Instant) -> Self {
        Session {
            exchange,
            request: None,
            requested: None,
            commanded: false,
            inconsistent: false,
            answered: now,
            deadline: Instant::FAR,
            pausing: false,
            packs: 0,
            format: 0,
            saved,
        }
    }

    /// Whether the device has said or heard anything yet.
    pub(super) fn begun(&self) -> bool {
        self.commanded || self.packs > 0 || self.requested.is_some()
    }

    /// Sends `POST /bs?ep=&pct=`. Servers exist that want `ep` first and nothing behind `pct`.
    pub(super) fn send_request(&mut self, endpoint: &str, config: &Config, now: Instant) {
        let mut request = Message::request(Code::POST).with_path(&["bs"]);
        if config.bootstrap.send_endpoint {
            request = request.with_parameter("ep", endpoint);
        }
        if let Some(format) = self.preferred_format(config) {
            request = request.with_parameter("pct", format.0);
        }
        self.requested.get_or_insert(now);
        self.ask(RequestKind::BootstrapRequest, request, now);
    }

    /// Sends `GET /bspack?ep=&acc=` (LwM2M Core §6.1.7.2). `acc` names the instances of the
    /// Bootstrap-Server Account, so that the Pack leaves room for them.
    pub(super) fn send_pack_request(&mut self, endpoint: &str, config: &Config, now: Instant) {
        let mut request = Message::request(Code::GET).with_path(&["bspack"]);
        if config.bootstrap.send_endpoint {
            request = request.with_parameter("ep", endpoint);
        }
        let account: Vec<String> =
            account::bootstrap_instances(&self.saved).iter().map(|path| format!("<{path}>")).collect();
        if !account.is_empty() {
            request = request.with_parameter("acc", account.join(","));
        }
        self.packs += 1;
        self.ask(RequestKind::BootstrapPackRequest, request.with_accept(pack_format(config)), now);
    }

    fn ask(&mut self, kind: RequestKind, request: Message, now: Instant) {
        self.exchange.request(request, now);
        self.request = Some(kind);
        self.answered = now;
        self.deadline = Instant::FAR;
        self.pausing = false;
    }

    /// Whether a Pack that met with silence is to be asked for again.
    pub(super) fn asks_for_a_pack_again(&self, config: &Config) -> bool {
        self.packs <= config.bootstrap.pack_retries
    }

    /// The format that the next Bootstrap-Request names.
    fn preferred_format(&self, config: &Config) -> Option<ContentFormat> {
        // `pct` came with 1.1.
        let formats = if config.version == Version::V1_0 { &[] } else { &*config.bootstrap.formats };
        formats.get(usize::from(self.format)).copied()
    }

    /// Whether a Bootstrap-Request that was refused with `code` may be made again, naming another format
    /// or none; takes note of it.
    pub(super) fn other_format(&mut self, code: Code, config: &Config) -> bool {
        if self.preferred_format(config).is_none() {
            return false;
        }
        let row = config.registration.behaviour.row();
        match code {
            Code::UNSUPPORTED_CONTENT_FORMAT => self.format += 1,
            Code(code) if code >> 5 == 4 && row.drops_refused_format => self.format = u8::MAX,
            _ => return false,
        }
        true
    }

    /// The Bootstrap-Server gave a sign of life.
    pub(super) fn heard(&mut self, config: &Config, now: Instant) {
        self.deadline = match no_finish(config) {
            NoFinish::Total(_) if self.deadline < Instant::FAR && !self.pausing => self.deadline,
            NoFinish::PerCommand(span) | NoFinish::Total(span) => now + span,
        };
        self.pausing = false;
    }

    /// When the session wants to be woken by itself, and what for.
    pub(in crate::protocol::client) fn due(&self) -> Option<(Instant, Reason)> {
        let reason = if self.pausing { Reason::BootstrapRetry } else { Reason::NoFinish };
        (self.deadline < Instant::FAR).then_some((self.deadline, reason))
    }
}

/// The store that registrations go by. During a bootstrap it is the one from before: the new one is half
/// written, and lacks what was deleted to be written anew.
pub(in crate::protocol::client) fn in_force<'a>(
    session: &'a Option<Box<Session>>,
    tree: &'a Tree,
) -> &'a Tree {
    session.as_ref().map_or(tree, |session| &session.saved)
}

/// How long the device waits for Finish: by its policy, else by its behaviour.
fn no_finish(config: &Config) -> NoFinish {
    let row = config.registration.behaviour.row();
    let span = || match row.bootstrap_patience {
        Patience::ExchangeLifetime => config.transmission.exchange_lifetime(),
        Patience::MaxTransmitWait => config.transmission.max_transmit_wait(),
    };
    config.bootstrap.no_finish.unwrap_or_else(|| match row.bootstrap_limit {
        BootstrapLimit::PerCommand => NoFinish::PerCommand(span()),
        BootstrapLimit::Total => NoFinish::Total(span()),
    })
}

/// The format a Pack is asked for in: what the device likes best of those a Pack can come in, else SenML
/// CBOR.
fn pack_format(config: &Config) -> ContentFormat {
    const PACKS: [ContentFormat; 3] =
        [ContentFormat::SENML_CBOR, ContentFormat::SENML_JSON, ContentFormat::LWM2M_CBOR];
    let mut liked = config.bootstrap.formats.iter().copied();
    liked.find(|format| PACKS.contains(format)).unwrap_or(PACKS[0])
}

/// The answer to Finish, kept for a Bootstrap-Server that did not get it: all that is left of a
/// session, since a whole exchange layer in each idle meter would cost more than the meter.
pub(in crate::protocol::client) struct Farewell {
    /// The answer as it was sent.
    pub answer: Box<[u8]>,
    /// EXCHANGE_LIFETIME after Finish nobody asks again.
    pub until: Instant,
}

impl Farewell {
    /// Whether `datagram` is the Finish that `answer` answered: a confirmable POST with the same message ID
    /// (RFC 7252 §4.5).
    pub(in crate::protocol::client) fn answers(&self, datagram: &[u8]) -> bool {
        const TYPE: u8 = 0b0011_0000;
        match (datagram, &*self.answer) {
            ([first, code, id @ ..], [_, _, answered @ ..]) => {
                first & TYPE == 0
                    && *code == Code::POST.0
                    && id.len() >= 2
                    && id.get(..2) == answered.get(..2)
            }
            _ => false,
        }
    }
}
