//! What a Bootstrap-Server gives to which devices, and in which order.

use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::account::Account;
use crate::protocol::coap::{Code, ContentFormat};
use crate::protocol::lwm2m::{Entry, Path};
use crate::protocol::server::EndpointPattern;

/// What one device is given.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The Server Accounts, in the order of their instances.
    pub accounts: Vec<Account>,
    /// What else is written, in the order of its paths: see [`Plan::with_extra`].
    pub extra: Vec<Entry>,
    /// The commands, in order.
    pub sequence: Vec<Step>,
    /// Whether a write addresses the object or one instance of it.
    pub write_level: WriteLevel,
    /// The format of writes; where none is given, the one the device prefers (`pct`), or TLV.
    pub format: Option<ContentFormat>,
    /// What a Bootstrap-Pack-Request is answered with.
    pub pack: PackAnswer,
}

impl Plan {
    /// Discover, Delete, Write /0, Write /1, what else there is to write, Finish.
    pub const SEQUENCE: [Step; 6] = [
        Step::Discover(Path::ROOT),
        Step::Delete(Path::ROOT),
        Step::WriteSecurity,
        Step::WriteServer,
        Step::WriteExtra,
        Step::Finish,
    ];

    /// One account, written instance by instance in the format the device prefers; Bootstrap-Packs as well.
    pub fn new(account: Account) -> Self {
        Plan {
            accounts: vec![account],
            extra: Vec::new(),
            sequence: Self::SEQUENCE.to_vec(),
            write_level: WriteLevel::Instance,
            format: None,
            pack: PackAnswer::Pack,
        }
    }

    /// How many requests the sequence comes to.
    pub fn round_trips(&self) -> usize {
        self.sequence.iter().map(|step| self.requests(*step)).sum()
    }

    /// The request of this index in the sequence; `None` behind the last.
    pub(super) fn command(&self, mut index: usize) -> Option<Command> {
        for step in &self.sequence {
            let count = self.requests(*step);
            if index < count {
                return self.request(*step, index);
            }
            index -= count;
        }
        None
    }

    /// How many requests a step comes to.
    fn requests(&self, step: Step) -> usize {
        match (step, self.write_level) {
            (Step::Discover(_) | Step::Read(_) | Step::Delete(_) | Step::Finish, _) => 1,
            (Step::WriteSecurity | Step::WriteServer, WriteLevel::Object) => self.accounts.len().min(1),
            (Step::WriteSecurity | Step::WriteServer, WriteLevel::Instance) => self.accounts.len(),
            (Step::WriteExtra, _) => self.targets().count(),
        }
    }

    fn request(&self, step: Step, index: usize) -> Option<Command> {
        let account = (self.write_level == WriteLevel::Instance).then_some(index);
        Some(match step {
            Step::Discover(path) => Command::Discover(path),
            Step::Read(path) => Command::Read(path),
            Step::Delete(path) => Command::Delete(path),
            Step::WriteSecurity => Command::WriteSecurity(account),
            Step::WriteServer => Command::WriteServer(account),
            Step::WriteExtra => Command::WriteExtra(self.targets().nth(index)?),
            Step::Finish => Command::Finish,
        })
    }

    /// The objects or instances that what else there is to write is in, each once.
    fn targets(&self) -> impl Iterator<Item = Path> {
        let depth = if self.write_level == WriteLevel::Object { 1 } else { 2 };
        let mut last = Path::ROOT;
        self.extra.iter().map(move |entry| entry.path.truncated(depth)).filter(move |target| {
            let fresh = *target != last;
            last = *target;
            fresh
        })
    }

    /// The same with the URIs of accounts that have none, as far as their Short Server IDs are known.
    fn located(&self, uris: &[(u16, String)]) -> Self {
        let mut plan = self.clone();
        for account in plan.accounts.iter_mut().filter(|account| account.uri.is_empty()) {
            if let Some((_, uri)) = uris.iter().find(|(id, _)| *id == account.short_server_id) {
                account.uri.clone_from(uri);
            }
        }
        plan
    }

    /// Adds what else is to be written.
    #[must_use]
    pub fn with_extra(mut self, extra: Vec<Entry>) -> Self {
        self.extra.extend(extra);
        self.extra.sort_by_key(|entry| entry.path);
        self
    }
}

/// One step of a sequence, as people order them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Bootstrap-Discover of the root or an object, to learn where the device keeps its Bootstrap-Server
    /// Account.
    Discover(Path),
    /// Bootstrap-Read of /1, /2 or one of their instances (1.1).
    Read(Path),
    /// Bootstrap-Delete of the root, an object or an instance.
    Delete(Path),
    /// The Security halves of the accounts.
    WriteSecurity,
    /// The Server halves of the accounts.
    WriteServer,
    /// Whatever else there is to write.
    WriteExtra,
    /// Bootstrap-Finish.
    Finish,
}

/// One request of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Discover(Path),
    Read(Path),
    Delete(Path),
    /// The Security half of one account, or of all.
    WriteSecurity(Option<usize>),
    /// The Server half of one account, or of all.
    WriteServer(Option<usize>),
    /// The entries at and below this object or instance.
    WriteExtra(Path),
    Finish,
}

/// What a write addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteLevel {
    /// `PUT /1`, the payload naming the instances.
    Object,
    /// `PUT /1/0`.
    Instance,
}

/// What a Bootstrap-Pack-Request is answered with (LwM2M 1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackAnswer {
    /// 2.05 and the Pack.
    Pack,
    /// This code: 5.01 where packs are not implemented, 4.05 where this device is to use `/bs`.
    Refusal(Code),
}

/// Which device is given what.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// Single devices by endpoint name; they come first.
    pub by_name: Arc<FxHashMap<Box<str>, Arc<Plan>>>,
    /// The others by pattern; the first that fits counts. A name that none fits is unknown.
    pub by_pattern: Vec<(EndpointPattern, Arc<Plan>)>,
}

impl Directory {
    /// The same for every device.
    pub fn of(plan: Plan) -> Self {
        let by_pattern = vec![(EndpointPattern::any(), Arc::new(plan))];
        Directory { by_name: Arc::default(), by_pattern }
    }

    /// Fills in the URIs of accounts that have none, by their Short Server IDs.
    pub fn locate(&mut self, uris: &[(u16, String)]) {
        // What was done to the plans so far, by their addresses, so that those that are shared stay shared; with
        // the plans themselves, lest others come to lie there.
        let mut done: FxHashMap<usize, (Arc<Plan>, Arc<Plan>)> = FxHashMap::default();
        let named = Arc::make_mut(&mut self.by_name).values_mut();
        for plan in self.by_pattern.iter_mut().map(|(_, plan)| plan).chain(named) {
            if plan.accounts.iter().all(|account| !account.uri.is_empty()) {
                continue;
            }
            let located = done
                .entry(Arc::as_ptr(plan).addr())
                .or_insert_with(|| (plan.clone(), Arc::new(plan.located(uris))));
            *plan = located.1.clone();
        }
    }

    /// What the device of this name is given; `None` if it is unknown.
    pub(super) fn find(&self, endpoint: &str) -> Option<&Arc<Plan>> {
        let by_pattern =
            || self.by_pattern.iter().find(|(pattern, _)| pattern.fits(endpoint)).map(|(_, plan)| plan);
        self.by_name.get(endpoint).or_else(by_pattern)
    }
}

/// How long a Bootstrap-Server waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patience {
    /// For the answer to one command; by default as long as the message layer does (MAX_TRANSMIT_WAIT, or
    /// EXCHANGE_LIFETIME once the command was acknowledged).
    pub command: Option<Duration>,
    /// For the end of a session, from its Bootstrap-Request; by default as long as it takes.
    pub session: Option<Duration>,
}
