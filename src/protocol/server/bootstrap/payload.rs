//! The bodies of writes. They differ by plan, command, format and place only, so most are made once; not those
//! that hold a device's own keys.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::account::{Account, AccountKeys};
use super::plan::{Command, Plan};
use crate::protocol::coap::ContentFormat;
use crate::protocol::content;
use crate::protocol::lwm2m::{Entry, Path, Value};

/// Bodies kept at a time. A fleet of which every device has a plan of its own has no use for them.
const KEPT: usize = 1_024;

/// For whom a body is made.
#[derive(Clone, Copy)]
pub(super) struct Recipient<'a> {
    pub endpoint: &'a str,
    /// Its own account is at /0/`own`.
    pub own: u16,
    /// The URI of accounts that have none.
    pub ems: &'a str,
    /// Where its own keys are to be found, if devices have any.
    pub keys: Option<&'a dyn AccountKeys>,
}

impl Recipient<'_> {
    /// Its own keys for an account.
    fn keys_of(&self, account: &Account) -> Option<Vec<(u16, Value)>> {
        self.keys?.security(self.endpoint, account.short_server_id)
    }

    /// Whether this command writes keys of its own.
    fn has_keys_in(&self, plan: &Plan, command: Command) -> bool {
        let Command::WriteSecurity(only) = command else { return false };
        self.keys.is_some() && wanted(plan, only).any(|(_, account)| self.keys_of(account).is_some())
    }
}

/// Bodies that were made before.
#[derive(Default)]
pub(super) struct Payloads {
    /// By plan (the address of one that the directory keeps), index of the command, format and the instance
    /// of the device's Bootstrap-Server Account.
    made: FxHashMap<(usize, u32, u16, u16), Vec<u8>>,
}

impl Payloads {
    /// The body of a write, the command of this index; `None` if the format cannot carry it.
    pub(super) fn of(
        &mut self,
        plan: &Arc<Plan>,
        (index, command): (u32, Command),
        format: ContentFormat,
        recipient: Recipient<'_>,
    ) -> Option<Vec<u8>> {
        let target = || target(plan, command, recipient.own);
        let make = |target| content::encode(format, target, &entries(plan, command, recipient)).ok();
        if recipient.has_keys_in(plan, command) {
            return make(target()?);
        }
        let key = (Arc::as_ptr(plan).addr(), index, format.0, recipient.own);
        if let Some(made) = self.made.get(&key) {
            return Some(made.clone());
        }
        let payload = make(target()?)?;
        if self.made.len() >= KEPT {
            self.made.clear();
        }
        self.made.insert(key, payload.clone());
        Some(payload)
    }
}

/// Where a write goes; `None` for what is no write.
pub(super) fn target(plan: &Plan, command: Command, own: u16) -> Option<Path> {
    match command {
        Command::WriteSecurity(None) => Some(Path::object(0)),
        Command::WriteServer(None) => Some(Path::object(1)),
        Command::WriteSecurity(Some(account)) => Path::object(0).child(security_instance(plan, account, own)),
        Command::WriteServer(Some(account)) => Path::object(1).child(server_instance(plan, account)),
        Command::WriteExtra(path) => Some(path),
        Command::Discover(_) | Command::Read(_) | Command::Delete(_) | Command::Finish => None,
    }
}

/// Everything a plan gives a device, for a Bootstrap-Pack.
pub(super) fn all(plan: &Plan, recipient: Recipient<'_>) -> Vec<Entry> {
    let mut all = entries(plan, Command::WriteSecurity(None), recipient);
    all.extend(entries(plan, Command::WriteServer(None), recipient));
    all.extend(plan.extra.iter().cloned());
    all.sort_by_key(|entry| entry.path);
    all
}

/// What a write writes.
fn entries(plan: &Plan, command: Command, recipient: Recipient<'_>) -> Vec<Entry> {
    let Recipient { own, ems, .. } = recipient;
    match command {
        Command::WriteSecurity(only) => wanted(plan, only)
            .flat_map(|(number, account)| {
                let keys = recipient.keys_of(account);
                account.security_entries(security_instance(plan, number, own), ems, keys.as_deref())
            })
            .collect(),
        Command::WriteServer(only) => wanted(plan, only)
            .flat_map(|(number, account)| account.server_entries(server_instance(plan, number), ems))
            .collect(),
        Command::WriteExtra(path) => {
            plan.extra.iter().filter(|entry| entry.path.starts_with(&path)).cloned().collect()
        }
        Command::Discover(_) | Command::Read(_) | Command::Delete(_) | Command::Finish => Vec::new(),
    }
}

/// The account of this number, or all.
fn wanted(plan: &Plan, only: Option<usize>) -> impl Iterator<Item = (usize, &Account)> {
    let accounts = plan.accounts.iter().enumerate();
    accounts.filter(move |(number, _)| only.is_none_or(|only| only == *number))
}

/// The instance of /0 an account goes to, which is never the device's Bootstrap-Server Account.
fn security_instance(plan: &Plan, account: usize, own: u16) -> u16 {
    instance(plan, account, Some(own))
}

fn server_instance(plan: &Plan, account: usize) -> u16 {
    instance(plan, account, None)
}

/// The instance an account names, or the first that is free of those named and of the ones before it.
fn instance(plan: &Plan, account: usize, taken: Option<u16>) -> u16 {
    let named = |account: &Account| account.instance.filter(|named| Some(*named) != taken);
    if let Some(named) = named(&plan.accounts[account]) {
        return named;
    }
    let is_free = |instance: &u16| {
        Some(*instance) != taken && plan.accounts.iter().all(|other| named(other) != Some(*instance))
    };
    let before = plan.accounts[..account].iter().filter(|account| named(account).is_none()).count();
    // More accounts than instances there are IDs for: what is written then is no use to anyone.
    (0..u16::MAX).filter(is_free).nth(before).unwrap_or(0)
}
