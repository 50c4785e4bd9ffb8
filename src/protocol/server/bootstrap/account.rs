//! Server Accounts as a Bootstrap-Server writes them (LwM2M Core §5.2.2).

use std::fmt;
use std::time::Duration;

use crate::protocol::lwm2m::{Entry, Path, ServerUri, Value};

/// Resources of /0 that say who is who: the security mode and its keys, and what goes with them.
const KEYED: [u16; 8] = [2, 3, 4, 5, 13, 14, 15, 16];

/// What single devices are given as keys, which no two of them share.
pub trait AccountKeys: Send + Sync + fmt::Debug {
    /// Resources of /0, by ID, of this endpoint's account with this server: the mode (2) with its keys (3, 4, 5),
    /// and what goes with them (13 to 16). They take the place of those the plan says; `None` leaves the plan's.
    fn security(&self, endpoint: &str, short_server_id: u16) -> Option<Vec<(u16, Value)>>;
}

/// A Server Account as the Bootstrap-Server writes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// /0/x/0; where it is empty, the URI the server was started with.
    pub uri: String,
    /// /0/x/10 and /1/x/0.
    pub short_server_id: u16,
    /// /1/x/1, whole seconds.
    pub lifetime: Duration,
    /// /1/x/17-20, where the server sets them.
    pub retry: Option<RetryTerms>,
    /// The instance of both halves; where there is none, the first that is free.
    pub instance: Option<u16>,
    /// Further resources of /0, or instead of those above, by resource ID.
    pub security: Vec<(u16, Value)>,
    /// Further resources of /1, or instead of those above, by resource ID.
    pub server: Vec<(u16, Value)>,
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

impl Account {
    /// An account without security and with the device's own terms.
    pub fn new(uri: String, short_server_id: u16, lifetime: Duration) -> Self {
        let (security, server) = (Vec::new(), Vec::new());
        Account { uri, short_server_id, lifetime, retry: None, instance: None, security, server }
    }

    /// Its URI; `ems` where it names none.
    fn uri<'a>(&'a self, ems: &'a str) -> &'a str {
        if self.uri.is_empty() { ems } else { &self.uri }
    }

    /// The Security half at this instance of /0; `ems` is the URI of an account that names none, and `keys` what
    /// this device has of its own.
    pub(super) fn security_entries(
        &self,
        instance: u16,
        ems: &str,
        keys: Option<&[(u16, Value)]>,
    ) -> Vec<Entry> {
        const NO_SEC: i64 = 3;
        let mut resources = vec![
            (0, Value::String(self.uri(ems).into())),
            (1, Value::Boolean(false)),
            (2, Value::Integer(NO_SEC)),
            (10, Value::Integer(self.short_server_id.into())),
        ];
        overlay(&mut resources, &self.security);
        if let Some(keys) = keys {
            // Of the plan's keys nothing may be left beside the device's own.
            resources.retain(|(id, _)| *id == 2 || !KEYED.contains(id));
            overlay(&mut resources, keys);
        }
        entries(0, instance, resources)
    }

    /// The Server half at this instance of /1; `ems` is the URI of an account that names none.
    pub(super) fn server_entries(&self, instance: u16, ems: &str) -> Vec<Entry> {
        // /1/x/7: what its URI is spoken to over, TCP or UDP.
        let stream = self.uri(ems).parse::<ServerUri>().is_ok_and(|uri| uri.scheme.is_stream());
        let binding = if stream { "T" } else { "U" };
        let seconds = |span: Duration| Value::Integer(i64::try_from(span.as_secs()).unwrap_or(i64::MAX));
        let unsigned = |span: Duration| Value::Unsigned(span.as_secs());
        let mut resources = vec![
            (0, Value::Integer(self.short_server_id.into())),
            (1, seconds(self.lifetime)),
            (6, Value::Boolean(true)),
            (7, Value::String(binding.into())),
        ];
        if let Some(retry) = self.retry {
            resources.push((17, Value::Unsigned(retry.count.into())));
            resources.push((18, unsigned(retry.timer)));
            resources.push((19, unsigned(retry.sequence_delay)));
            resources.push((20, Value::Unsigned(retry.sequence_count.into())));
        }
        overlay(&mut resources, &self.server);
        entries(1, instance, resources)
    }
}

/// Puts further resources in, in place of those of the same ID.
fn overlay(resources: &mut Vec<(u16, Value)>, further: &[(u16, Value)]) {
    resources.retain(|(id, _)| further.iter().all(|(theirs, _)| theirs != id));
    resources.extend(further.iter().cloned());
    resources.sort_by_key(|(id, _)| *id);
}

fn entries(object: u16, instance: u16, resources: Vec<(u16, Value)>) -> Vec<Entry> {
    let entry = |(id, value)| Entry::new(Path::resource(object, instance, id), value);
    resources.into_iter().map(entry).collect()
}
