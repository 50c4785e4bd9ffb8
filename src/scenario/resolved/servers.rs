//! `[servers]` with every value in place.

use crate::base::{Percent, Span};
use crate::protocol::coap::{Code, ContentFormat};
use crate::protocol::lwm2m::{Entry, Scheme, ServerUri, Value, Version};
use crate::protocol::server::{
    self, Campaign, EndpointPattern, Initiative, Interview, Pace, PackAnswer, Patience, Plan, Step,
    WriteLevel,
};
use crate::scenario::resolve::FORMATS;

use super::ListenAt;

/// `[servers]`: what the meters talk to.
#[derive(Clone, Debug, PartialEq)]
pub struct Servers {
    /// The Bootstrap-Server.
    pub bootstrap: ServerChoice,
    /// The EMS of accounts that name none, and of the one account there is where none is listed.
    pub ems: ServerChoice,
    /// The servers meters register with, 1 to 16: what an embedded Bootstrap-Server hands out, and what
    /// meters have that need none. An external one hands out what it likes.
    pub accounts: Vec<Account>,
    /// The embedded servers, also those that only `bootstorm serve` starts.
    pub embedded: Embedded,
    /// What the embedded Bootstrap-Server does.
    pub bootstrap_server: BootstrapServer,
    /// What the embedded EMSs do.
    pub ems_server: EmsServer,
}

impl Servers {
    /// The accounts at embedded EMSs, in the order of those.
    pub fn embedded_accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.iter().filter(|account| account.server.is_embedded())
    }

    /// Whether there is any server outside the program.
    pub fn any_external(&self) -> bool {
        let ems = self.accounts.iter().map(|account| &account.server);
        ems.chain([&self.bootstrap]).any(|server| server.uri().is_some())
    }
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerChoice {
    /// Started by the program itself.
    Embedded,
    /// Somebody else's. A literal address is loopback, or the scenario says `allow_remote`; a name is
    /// resolved at the start, and every address passes the gate in `transport`.
    External(ServerUri),
    /// There is none: of Bootstrap-Servers only, for meters that have their accounts from elsewhere.
    Nobody,
}

impl ServerChoice {
    /// Whether the program starts it.
    pub fn is_embedded(&self) -> bool {
        *self == ServerChoice::Embedded
    }

    /// Its URI, if it is somebody else's.
    pub fn uri(&self) -> Option<&ServerUri> {
        match self {
            ServerChoice::Embedded | ServerChoice::Nobody => None,
            ServerChoice::External(uri) => Some(uri),
        }
    }

    /// Over what it is spoken to, if there is one; an embedded one listens `at`.
    pub fn scheme(&self, at: ListenAt) -> Option<Scheme> {
        match self {
            ServerChoice::Embedded => Some(at.scheme),
            ServerChoice::External(uri) => Some(uri.scheme),
            ServerChoice::Nobody => None,
        }
    }
}

/// `[servers.embedded]`: the servers the program starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Embedded {
    /// Where the Bootstrap-Server listens; port 0 means a free one. Loopback unless `allow_remote`.
    pub bootstrap_listen: ListenAt,
    /// Where the first EMS listens, further ones at the next ports; port 0 means a free one for each.
    /// Loopback unless `allow_remote`, and a definite address unless no account is at an embedded EMS.
    pub ems_listen: ListenAt,
    /// The short server id (/0/x/10, /1/x/0) of the first account that says nothing else, 1 to 65,534;
    /// further ones count up from it.
    pub short_server_id: u16,
    /// Threads of each server, 1 to 64; 1 if a server has a pace.
    pub workers: u32,
}

/// `[[servers.account]]`: one server that meters register with.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// Where it is. Each account at an embedded server has an EMS of its own.
    pub server: ServerChoice,
    /// /0/x/10 and /1/x/0, 1 to 65,534; no two accounts have the same.
    pub short_server_id: u16,
    /// /1/x/1, whole seconds, 1 s to 365 d.
    pub lifetime: Span,
    /// /1/x/13, the place in the order of registrations.
    pub priority: Option<u32>,
    /// /1/x/14, the wait before the first registration: whole seconds, 0 s to 30 d.
    pub delay: Option<Span>,
    /// /1/x/15, whether the servers behind it wait while registering with it fails.
    pub block: Option<bool>,
    /// Further resources of its Server object, by ID.
    pub resources: Vec<(u16, Value)>,
}

/// `[servers.bootstrap_server]`: what the embedded Bootstrap-Server does.
#[derive(Clone, Debug, PartialEq)]
pub struct BootstrapServer {
    /// The endpoint names it serves besides those of `plans`; others are refused.
    pub endpoints: Vec<EndpointPattern>,
    /// What they are given.
    pub terms: BootstrapTerms,
    /// What others are given; these come first.
    pub plans: Vec<PlanFor>,
    /// A file with a row for each of single endpoints, which comes before all of them.
    pub directory: Option<String>,
    /// How long it waits.
    pub patience: Patience,
    /// Bootstraps that it begins itself.
    pub initiative: Option<Initiative>,
    /// How well it serves.
    pub service: Service,
}

impl BootstrapServer {
    /// Which of `plans` the endpoint of this name is in; `None` for none.
    pub(in crate::scenario) fn plan_for(&self, endpoint: &str) -> Option<usize> {
        let fits = |plan: &PlanFor| plan.endpoints.iter().any(|pattern| pattern.fits(endpoint));
        self.plans.iter().position(fits)
    }
}

/// `[[servers.bootstrap_server.plan]]`: what the endpoints of some names are given.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanFor {
    /// Their names.
    pub endpoints: Vec<EndpointPattern>,
    /// What they are given.
    pub terms: BootstrapTerms,
}

/// What a meter is given in a bootstrap, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct BootstrapTerms {
    /// The accounts, by their short server ids.
    pub accounts: Vec<u16>,
    /// The commands, in order.
    pub sequence: Vec<Step>,
    /// Whether a write addresses the object or one instance of it.
    pub write: WriteLevel,
    /// The format of writes; `None` for the one the meter names, or TLV.
    pub format: Option<ContentFormat>,
    /// What a Bootstrap-Pack-Request is answered with.
    pub pack: PackAnswer,
    /// What else is written, in the order of its paths; nothing of /0 and /1.
    pub extra: Vec<Entry>,
}

impl BootstrapTerms {
    /// The format of writes as scenarios call it; none if it is the one the meter names.
    pub fn format_name(&self) -> Option<&'static str> {
        let format = self.format?;
        FORMATS.iter().find(|(_, one)| *one == format).map(|(name, _)| *name)
    }

    /// These accounts in the usual way.
    pub(in crate::scenario) fn new(accounts: impl Iterator<Item = u16>) -> Self {
        BootstrapTerms {
            accounts: accounts.collect(),
            sequence: Plan::SEQUENCE.to_vec(),
            write: WriteLevel::Instance,
            format: None,
            pack: PackAnswer::Pack,
            extra: Vec::new(),
        }
    }
}

/// `[servers.ems_server]`: what the embedded EMSs do.
#[derive(Clone, Debug, PartialEq)]
pub struct EmsServer {
    /// The lowest and the highest version they accept.
    pub versions: (Version, Version),
    /// The endpoint names they refuse.
    pub refuse: Vec<EndpointPattern>,
    /// Whether they keep object lists by their profile IDs.
    pub profile_ids: bool,
    /// What they ask a meter when it registers.
    pub interview: Interview,
    /// How long a meter in queue mode is awake, 0 s to 1 d; `None` is MAX_TRANSMIT_WAIT.
    pub awake: Option<Span>,
    /// Requests that may wait for one meter, 0 to 100,000.
    pub max_waiting: u32,
    /// What they tell meters, and when.
    pub campaigns: Vec<EmsCampaign>,
    /// How well each of them serves.
    pub service: Service,
}

/// `[[servers.ems_server.campaign]]`: what one embedded EMS tells many meters.
#[derive(Clone, Debug, PartialEq)]
pub struct EmsCampaign {
    /// The short server id of the EMS.
    pub server: u16,
    /// What, when and how fast.
    pub campaign: Campaign,
}

/// `service` and `manners` of an embedded server.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// How fast it works; `None` is at once, whatever comes.
    pub pace: Option<Pace>,
    /// What it does wrong.
    pub manners: Manners,
}

impl Service {
    /// As the server takes it.
    pub(in crate::scenario) fn config(&self) -> server::Service {
        let manners = &self.manners;
        server::Service {
            pace: self.pace.clone(),
            manners: server::Manners {
                drop: manners.drop.into(),
                reset: manners.reset.into(),
                error: manners.error.into(),
                error_code: Some(manners.error_code),
                unavailable: manners.unavailable.into(),
                max_age: manners.max_age.duration(),
                late: manners.late.into(),
                late_by: manners.late_by.duration(),
                duplicate: manners.duplicate.into(),
                other_port: manners.other_port.into(),
            },
        }
    }
}

/// What an embedded server does wrong, each thing to this share of the requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Manners {
    /// Not answered at all.
    pub drop: Percent,
    /// Rejected with a Reset.
    pub reset: Percent,
    /// Answered with `error_code`.
    pub error: Percent,
    /// The error, 4.00 to 5.31.
    pub error_code: Code,
    /// Answered with 5.03 and `max_age`.
    pub unavailable: Percent,
    /// Max-Age of that 5.03: whole seconds, 1 s to 1 d.
    pub max_age: Span,
    /// Answered late.
    pub late: Percent,
    /// By how much, 0 s to 1 h.
    pub late_by: Span,
    /// Answered twice.
    pub duplicate: Percent,
    /// Answered from another port.
    pub other_port: Percent,
}
