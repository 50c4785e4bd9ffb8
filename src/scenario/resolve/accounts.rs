//! `[[servers.account]]`: the servers meters register with.

use crate::base::Span;
use crate::protocol::lwm2m::{Value, objects};

use super::super::error::{Fault, shorten};
use super::super::raw::{RawAccount, Resources};
use super::super::resolved::{Account, Fleet, ServerChoice};
use super::super::resource::{self, Written};
use super::servers::{server, short_server_id};
use super::values::{MONTH, NONE, SECOND, YEAR, seconds, whole};

/// More servers than this no meter has.
const MOST: usize = 16;

/// The accounts as written, or one for `servers.ems`.
pub(super) fn accounts(
    raw: &[RawAccount],
    ems: &ServerChoice,
    first_id: u16,
    fleet: &Fleet,
    allow_remote: bool,
) -> Result<Vec<Account>, Fault> {
    if raw.is_empty() {
        return Ok(vec![Account {
            server: ems.clone(),
            short_server_id: first_id,
            lifetime: fleet.lifetime,
            priority: None,
            delay: None,
            block: None,
            resources: Vec::new(),
        }]);
    }
    let mut accounts: Vec<Account> = Vec::new();
    for (index, raw) in raw.iter().enumerate() {
        let table = format!("servers.account[{index}]");
        if index == MOST {
            let problem = format!("is one too many: a meter has at most {MOST} servers");
            return Err(Fault::new(&table, "{ .. }", problem, "leave it out"));
        }
        let account = account(&table, raw, ems, i64::from(first_id) + index as i64, fleet, allow_remote)?;
        if accounts.iter().any(|other| other.short_server_id == account.short_server_id) {
            let key = format!("{table}.short_server_id");
            let problem = "is that of another account";
            return Err(Fault::new(&key, account.short_server_id, problem, "give each server its own"));
        }
        accounts.push(account);
    }
    Ok(accounts)
}

fn account(
    table: &str,
    raw: &RawAccount,
    ems: &ServerChoice,
    default_id: i64,
    fleet: &Fleet,
    allow_remote: bool,
) -> Result<Account, Fault> {
    let key = |name: &str| format!("{table}.{name}");
    let server = match raw.server.as_deref() {
        None => ems.clone(),
        text => server(&key("server"), text, allow_remote)?,
    };
    let short_server_id = short_server_id(table, raw.short_server_id, default_id.min(65_534))?;
    let lifetime = seconds(&key("lifetime"), raw.lifetime.or(Some(fleet.lifetime)), "300s", SECOND..=YEAR)?;
    let priority = raw.priority;
    let priority =
        priority.map(|_| whole(&key("priority"), priority, 1, 0..=i64::from(u32::MAX))).transpose()?;
    let delay: Option<Span> =
        raw.delay.map(|_| seconds(&key("delay"), raw.delay, "0s", NONE..=MONTH)).transpose()?;
    let resources = server_resources(&key("resources"), &raw.resources)?;
    Ok(Account { server, short_server_id, lifetime, priority, delay, block: raw.block, resources })
}

/// Further resources of the Server object (/1), by their IDs.
fn server_resources(table: &str, raw: &Resources) -> Result<Vec<(u16, Value)>, Fault> {
    /// Those that have keys of their own.
    const NAMED: [u16; 5] = [0, 1, 13, 14, 15];
    let one = |(name, value): (&String, &toml::Value)| {
        let fault = |problem: String| {
            let hint = "name a resource of the Server object (/1), such as \"5\" = 86400";
            Fault::new(&format!("{table}.{name}"), shorten(&value.to_string()), problem, hint)
        };
        let id: u16 = name.parse().map_err(|_| fault("is not the ID of a resource".to_owned()))?;
        if NAMED.contains(&id) {
            return Err(fault(format!("/1/x/{id} has a key of its own in the account")));
        }
        let known = objects::find(1).and_then(|object| object.resource(id));
        let Some(known) = known else {
            return Err(fault("the Server object has no such resource".to_owned()));
        };
        let value = resource::value(Some(known), Written::Toml(value)).map_err(fault)?;
        Ok((id, value))
    };
    let mut resources: Vec<_> = raw.iter().map(one).collect::<Result<_, Fault>>()?;
    resources.sort_by_key(|(id, _)| *id);
    Ok(resources)
}
