//! The bodies of writes. They differ by plan, command, format and place only, so most are made once.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::account::Account;
use super::plan::{Command, Plan};
use crate::protocol::coap::ContentFormat;
use crate::protocol::content;
use crate::protocol::lwm2m::{Entry, Path};

/// Bodies kept at a time. A fleet of which every device has a plan of its own has no use for them.
const KEPT: usize = 1_024;

/// Bodies that were made before.
#[derive(Default)]
pub(super) struct Payloads {
    /// By plan (the address of one that the directory keeps), index of the command, format and the instance
    /// of the device's Bootstrap-Server Account.
    made: FxHashMap<(usize, u32, u16, u16), Vec<u8>>,
}

impl Payloads {
    /// The body of a write, the command of this index, for a device whose own account is at /0/`own`; `None`
    /// if the format cannot carry it.
    pub(super) fn of(
        &mut self,
        plan: &Arc<Plan>,
        (index, command): (u32, Command),
        format: ContentFormat,
        own: u16,
        ems: &str,
    ) -> Option<Vec<u8>> {
        let key = (Arc::as_ptr(plan).addr(), index, format.0, own);
        if let Some(made) = self.made.get(&key) {
            return Some(made.clone());
        }
        let target = target(plan, command, own)?;
        let payload = content::encode(format, target, &entries(plan, command, own, ems)).ok()?;
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

/// Everything a plan gives a device whose own account is at /0/`own`, for a Bootstrap-Pack.
pub(super) fn all(plan: &Plan, own: u16, ems: &str) -> Vec<Entry> {
    let mut all = entries(plan, Command::WriteSecurity(None), own, ems);
    all.extend(entries(plan, Command::WriteServer(None), own, ems));
    all.extend(plan.extra.iter().cloned());
    all.sort_by_key(|entry| entry.path);
    all
}

/// What a write writes.
fn entries(plan: &Plan, command: Command, own: u16, ems: &str) -> Vec<Entry> {
    let wanted = |only: Option<usize>| {
        let accounts = plan.accounts.iter().enumerate();
        accounts.filter(move |(number, _)| only.is_none_or(|only| only == *number))
    };
    match command {
        Command::WriteSecurity(only) => wanted(only)
            .flat_map(|(number, account)| account.security_entries(security_instance(plan, number, own), ems))
            .collect(),
        Command::WriteServer(only) => wanted(only)
            .flat_map(|(number, account)| account.server_entries(server_instance(plan, number)))
            .collect(),
        Command::WriteExtra(path) => {
            plan.extra.iter().filter(|entry| entry.path.starts_with(&path)).cloned().collect()
        }
        Command::Discover(_) | Command::Read(_) | Command::Delete(_) | Command::Finish => Vec::new(),
    }
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
