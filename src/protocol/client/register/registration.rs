//! One registration: what it holds, and the requests it makes.

use std::time::Duration;

use smallvec::SmallVec;

use super::super::account::{self, Account};
use super::super::client::Client;
use super::super::closing::CALM;
use super::super::config::Config;
use super::super::event::{Reason, RequestKind};
use super::super::manage;
use super::super::report::Reporting;
use super::binding::Binding;
use super::profile;
use super::way::Way;
use crate::base::Instant;
use crate::protocol::coap::{Code, ContentFormat, Exchange, Handle, Message};
use crate::protocol::content::listing;
use crate::protocol::lwm2m::{AttributeSet, Scheme, Tree, Version};

/// One registration, from the account it is made from to the location the server gave it.
pub(in crate::protocol::client) struct Registration {
    pub account: Account,
    pub exchange: Exchange,
    pub phase: Phase,
    /// Over what the server is spoken to: as long as there is this registration, its account stays as it is.
    pub scheme: Scheme,
    /// Whether it can be spoken to.
    pub way: Way,
    /// The instant the present request was due: latencies count from here.
    pub due: Instant,
    /// The version spoken with this server: the device's, or a lower one after 4.12.
    pub version: Version,
    /// What this server has attached to say when it wants to be notified.
    pub attributes: AttributeSet,
    /// No registration has succeeded since the last bootstrap: /1/x/14 still counts.
    pub(super) fresh: bool,
    /// It was told that the device sleeps.
    pub(super) queue: bool,
    /// The server does not know the object list behind the profile ID (4.09).
    pub(super) list_wanted: bool,
    /// What the server is to be told by the next Update.
    pub(super) changes: Changes,
    /// What the Update on its way tells.
    sent: Changes,
    /// The binding as registered.
    pub(super) binding: Binding,
    /// The segments of the Location-Path, joined with '/'. A segment may be empty (some servers end
    /// their location with one), and is echoed as it came.
    location: Option<Box<str>>,
    /// /1/x/1 as registered, in seconds.
    lifetime: u32,
    /// When the server forgets the device unless it hears of it.
    pub(super) expires: Instant,
    /// What the server observes, and what else it is told; none where there is nothing.
    pub reporting: Option<Box<Reporting>>,
    /// What few registrations need, and only for a while.
    rare: Option<Box<Rare>>,
}

/// Where a registration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol::client) enum Phase {
    /// Its turn has not come: others in the order of /1/x/13 go first.
    Pending,
    /// The way to the server is being opened: for a Register, or with a location for an Update.
    Connecting,
    /// Register sent.
    Registering(Handle),
    /// To register at this instant: the last Register failed, or the first is delayed.
    Waiting(Instant),
    /// Known to the server; Update at this instant.
    Registered(Instant),
    /// Update sent.
    Updating(Handle),
    /// De-register sent.
    Deregistering(Handle),
    /// Left at the server's wish (/1/x/4), until this instant.
    Disabled(Instant),
    /// Given up.
    Failed,
}

impl Phase {
    /// The request that is on its way in this phase.
    pub(in crate::protocol::client) fn request(self) -> Option<RequestKind> {
        match self {
            Phase::Registering(_) => Some(RequestKind::Register),
            Phase::Updating(_) => Some(RequestKind::Update),
            Phase::Deregistering(_) => Some(RequestKind::Deregister),
            _ => None,
        }
    }

    /// A Register is on its way, or about to be.
    pub(in crate::protocol::client) fn is_on_the_way(self) -> bool {
        matches!(self, Phase::Pending | Phase::Connecting | Phase::Registering(_) | Phase::Waiting(_))
    }

    pub(super) fn handle(self) -> Option<Handle> {
        match self {
            Phase::Registering(handle) | Phase::Updating(handle) | Phase::Deregistering(handle) => {
                Some(handle)
            }
            _ => None,
        }
    }

    /// The server knows the device.
    pub(super) fn is_up(self) -> bool {
        matches!(self, Phase::Registered(_) | Phase::Updating(_))
    }
}

/// What of a registration is to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub lifetime: bool,
    pub binding: bool,
    pub objects: bool,
    /// An Update was asked for (/1/x/8), whatever there is to tell.
    pub asked: bool,
}

impl Changes {
    fn any(self) -> bool {
        self.lifetime || self.binding || self.objects || self.asked
    }

    fn and(self, other: Changes) -> Changes {
        Changes {
            lifetime: self.lifetime || other.lifetime,
            binding: self.binding || other.binding,
            objects: self.objects || other.objects,
            asked: self.asked || other.asked,
        }
    }
}

#[derive(Default)]
pub(super) struct Rare {
    /// Tries made in the running sequence.
    pub attempts: u32,
    /// Sequences used up.
    pub sequences: u32,
    /// All tries were used up once, since the server last knew the device.
    pub exhausted: bool,
    /// A bootstrap is to take its place if no other server is up.
    pub wants_bootstrap: bool,
    /// The Update that failed was sent once more.
    pub repeated: bool,
    /// /1/x/4 was executed: how long the device stays away.
    pub away: Option<Duration>,
    /// When the answer to the De-register is no longer waited for.
    pub deregister_by: Option<Instant>,
    /// How often in a row the way was closed by others.
    pub closings: u32,
    /// A way that was closed is not opened before.
    pub opens_from: Instant,
}

impl Registration {
    pub(super) fn new(account: Account, scheme: Scheme, exchange: Exchange, version: Version) -> Self {
        Registration {
            account,
            exchange,
            phase: Phase::Pending,
            scheme,
            way: Way::default(),
            due: Instant::ZERO,
            version,
            attributes: AttributeSet::default(),
            fresh: true,
            queue: false,
            list_wanted: false,
            changes: Changes::default(),
            sent: Changes::default(),
            binding: Binding::default(),
            location: None,
            lifetime: 0,
            expires: Instant::ZERO,
            reporting: None,
            rare: None,
        }
    }

    /// The same after a reboot: what is kept in memory that survives it, and nothing of the session.
    pub(super) fn resumed(self: Box<Self>, exchange: Exchange) -> Self {
        let fresh = Registration::new(self.account, self.scheme, exchange, self.version);
        Registration {
            fresh: false,
            queue: self.queue,
            binding: self.binding,
            location: self.location,
            lifetime: self.lifetime,
            expires: self.expires,
            changes: self.changes.and(self.sent),
            ..fresh
        }
    }

    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    pub(super) fn peek(&self) -> Option<&Rare> {
        self.rare.as_deref()
    }

    /// All tries were used up, and nothing has succeeded since.
    pub(super) fn is_exhausted(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.exhausted)
    }

    /// Whether something may still become of it by itself, other than to begin anew.
    pub(in crate::protocol::client) fn is_alive(&self) -> bool {
        match self.phase {
            Phase::Pending | Phase::Failed => false,
            Phase::Connecting | Phase::Registering(_) | Phase::Waiting(_) => !self.is_exhausted(),
            Phase::Registered(_) | Phase::Updating(_) | Phase::Deregistering(_) | Phase::Disabled(_) => true,
        }
    }

    /// Whether the server gave it a location that it has not outlived.
    pub(in crate::protocol::client) fn has_location(&self) -> bool {
        self.location.is_some()
    }

    /// The server does not know the device any more.
    pub(super) fn drop_location(&mut self) {
        self.location = None;
    }

    /// Sends the Register: `POST /rd?ep=&lt=&lwm2m=&b=&Q&pid=` (LwM2M Core §6.2.1).
    pub(super) fn register(&mut self, endpoint: &str, tree: &Tree, config: &Config, now: Instant) {
        let policy = &config.registration;
        self.location = None;
        self.changes = Changes::default();
        self.lifetime = account::lifetime(tree, self.account.server);
        let request = Message::request(Code::POST).with_path(&["rd"]);
        let request = match policy.send_endpoint {
            true => request.with_parameter("ep", endpoint),
            false => request,
        };
        let request = request.with_parameter("lt", self.lifetime).with_parameter("lwm2m", self.version);
        let request = self.with_binding(request, tree, policy.queue_mode);
        let list = listing::registration(tree, self.version, manage::formats(self.version));
        let profile = (policy.profile_id && self.version >= Version::V1_2)
            .then(|| profile::id(account::hash_suite(tree, self.account.server), &list))
            .flatten();
        let request = match profile {
            Some(id) if !self.list_wanted => request.with_parameter("pid", id),
            Some(id) => with_list(request.with_parameter("pid", id), list),
            None => with_list(request, list),
        };
        self.phase = Phase::Registering(self.exchange.request(request, now));
    }

    /// Takes the location out of a 2.01. `false` where there is none to take.
    pub(super) fn registered(&mut self, answer: &Message, config: &Config, now: Instant) -> bool {
        let mut segments = answer.location().peekable();
        if segments.peek().is_none() {
            return false;
        }
        let mut location = String::new();
        for (index, segment) in segments.enumerate() {
            if index > 0 {
                location.push('/');
            }
            location.push_str(segment);
        }
        self.location = Some(location.into());
        self.refreshed(config, now);
        true
    }

    /// The server has answered: the lifetime begins anew, all trouble is forgotten, and the next Update is
    /// due in its time, or at once if there is something to tell.
    pub(super) fn refreshed(&mut self, config: &Config, now: Instant) {
        // A device that was told to stay away goes all the same, and a server that closes every way is not
        // taken at its word.
        let lasting =
            |rare: &Rare| rare.away.is_some() || rare.closings > 0 && now.since(rare.opens_from) <= CALM;
        self.rare = self.rare.take().filter(|rare| lasting(rare)).map(|rare| {
            let Rare { away, closings, opens_from, .. } = *rare;
            Box::new(Rare { away, closings, opens_from, ..Rare::default() })
        });
        self.fresh = false;
        self.list_wanted = false;
        self.sent = Changes::default();
        // Zero never ends (LwM2M 1.2).
        self.expires = match self.lifetime {
            0 => Instant::FAR,
            seconds => now + Duration::from_secs(seconds.into()),
        };
        let wait = config.registration.update_timing().wait(self.lifetime);
        self.phase = match wait {
            _ if self.changes.any() => Phase::Registered(now),
            Some(wait) => Phase::Registered(now + wait),
            None => Phase::Registered(Instant::FAR),
        };
    }

    /// Notes what has changed, as far as it has. Whether there is something to tell.
    pub(super) fn note(&mut self, what: super::Changed, tree: &Tree) -> bool {
        let server = self.account.server;
        match what {
            super::Changed::Objects => self.changes.objects = true,
            super::Changed::Lifetime(_) if account::lifetime(tree, server) != self.lifetime => {
                self.changes.lifetime = true;
            }
            super::Changed::Binding(_) if Binding::of(&self.binding_by(tree)) != self.binding => {
                self.changes.binding = true;
            }
            super::Changed::Lifetime(_) | super::Changed::Binding(_) => {}
        }
        self.changes.any()
    }

    /// Has the next Update sent as soon as may be: at once, or behind the one that is on its way. What
    /// comes about in the same instant travels together.
    pub(super) fn hurry(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Registered(_)) {
            self.phase = Phase::Registered(now);
        }
    }

    /// Sends an Update with what has changed and nothing else (LwM2M Core §6.2.2).
    pub(super) fn update(&mut self, due: Instant, tree: &Tree, config: &Config, now: Instant) {
        let policy = &config.registration;
        self.due = due;
        self.sent = std::mem::take(&mut self.changes);
        let mut request = self.to_location(Code::POST);
        if self.sent.lifetime {
            self.lifetime = account::lifetime(tree, self.account.server);
            request = request.with_parameter("lt", self.lifetime);
        }
        if self.sent.binding {
            request = self.with_binding(request, tree, policy.queue_mode);
        }
        if self.sent.objects || policy.update_with_objects {
            let list = listing::registration(tree, self.version, manage::formats(self.version));
            let profile = (policy.profile_id && self.version >= Version::V1_2)
                .then(|| profile::id(account::hash_suite(tree, self.account.server), &list))
                .flatten();
            request = match profile {
                Some(id) if !policy.update_with_objects => request.with_parameter("pid", id),
                Some(id) => with_list(request.with_parameter("pid", id), list),
                None => with_list(request, list),
            };
        }
        self.phase = Phase::Updating(self.exchange.request(request, now));
    }

    /// What the last Update told has not arrived: the next one tells it again.
    pub(super) fn take_back(&mut self) {
        self.changes = self.changes.and(std::mem::take(&mut self.sent));
    }

    /// Sends the De-register.
    pub(super) fn deregister(&mut self, patience: Option<Duration>, now: Instant) {
        self.due = now;
        let request = self.to_location(Code::DELETE);
        if let Some(patience) = patience {
            self.rare().deregister_by = Some(now + patience);
        }
        self.phase = Phase::Deregistering(self.exchange.request(request, now));
    }

    fn to_location(&self, method: Code) -> Message {
        let location = self.location.as_deref().unwrap_or_default();
        let segments: SmallVec<[&str; 4]> = location.split('/').collect();
        Message::request(method).with_path(&segments)
    }

    /// When this registration next wants to do something by itself, and what.
    pub(in crate::protocol::client) fn deadline(&self) -> Option<(Instant, Reason)> {
        let (at, reason) = match self.phase {
            Phase::Waiting(at) => (at, Reason::RegistrationRetry),
            Phase::Registered(at) if self.is_shut() => {
                (at.min(self.expires).max(self.opens_from()), Reason::Update)
            }
            Phase::Registered(at) => (at.min(self.expires), Reason::Update),
            Phase::Updating(_) => (self.expires, Reason::LifetimeEnd),
            Phase::Deregistering(_) => (self.rare.as_ref()?.deregister_by?, Reason::DeregisterEnd),
            Phase::Disabled(at) => (at, Reason::DisableEnd),
            Phase::Pending | Phase::Connecting | Phase::Registering(_) | Phase::Failed => return None,
        };
        (at < Instant::FAR).then_some((at, reason))
    }
}

fn with_list(request: Message, list: Vec<u8>) -> Message {
    request.with_content_format(ContentFormat::LINK).with_payload(list)
}

/// The registration with the server of this Short Server ID, while the rest of the device stays at hand.
pub(in crate::protocol::client) fn find(
    registrations: &mut [Box<Registration>],
    server: u16,
) -> Option<&mut Registration> {
    let mut registrations = registrations.iter_mut();
    registrations
        .find(|registration| registration.account.short_server_id == server)
        .map(|found| &mut **found)
}

/// Looking registrations up.
impl Client {
    /// The registration with the server of this Short Server ID.
    pub(in crate::protocol::client) fn registration(&mut self, server: u16) -> Option<&mut Registration> {
        find(&mut self.registrations, server)
    }

    /// The Short Server IDs of all registrations.
    pub(in crate::protocol::client) fn servers(&self) -> SmallVec<[u16; 4]> {
        self.registrations.iter().map(|registration| registration.account.short_server_id).collect()
    }
}
