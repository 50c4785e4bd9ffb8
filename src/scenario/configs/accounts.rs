//! Server Accounts, as meters have them from the factory or on a card, and as a Bootstrap-Server writes them.

use crate::protocol::client::{self, Credentials};
use crate::protocol::lwm2m::{Entry, Path, Scheme, ServerUri, Value, Version};
use crate::protocol::server::{self, RetryTerms};
use crate::scenario::resolved::{Account, Scenario};

/// The first instance of /0 and /1 that accounts from the factory or on a card take: /0/0 is that of the
/// Bootstrap-Server Account.
pub(super) const FIRST: u16 = 1;

impl Scenario {
    /// The accounts with where each leads; the URIs of embedded EMSs come from `embedded`, in their order,
    /// and are missing where that is too short.
    fn located<'a>(
        &'a self,
        embedded: &'a [ServerUri],
    ) -> impl Iterator<Item = (&'a Account, Option<&'a ServerUri>)> {
        let mut embedded = embedded.iter();
        self.servers.accounts.iter().map(move |account| {
            let own = account.server.uri();
            (account, if account.server.is_embedded() { embedded.next() } else { own })
        })
    }

    /// The entries of all accounts.
    pub(super) fn account_entries(&self, embedded: &[ServerUri]) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (number, (account, uri)) in (FIRST..).zip(self.located(embedded)) {
            let whole = client::server_account(&client::ServerAccount {
                instance: number,
                uri: uri.map(ServerUri::to_string).unwrap_or_default(),
                short_server_id: account.short_server_id,
                lifetime: account.lifetime.duration(),
                binding: binding(self.scheme_of(account)).to_owned(),
                credentials: Credentials::NoSec,
            });
            let mut further = self.retry_resources();
            further.extend(self.further_resources(account));
            let further =
                further.into_iter().map(|(id, value)| Entry::new(Path::resource(1, number, id), value));
            let further: Vec<Entry> = further.collect();
            entries
                .extend(whole.into_iter().filter(|entry| further.iter().all(|set| set.path != entry.path)));
            entries.extend(further);
        }
        entries.sort_by_key(|entry| entry.path);
        entries
    }

    /// The accounts as the embedded Bootstrap-Server writes them.
    pub(in crate::scenario) fn written_accounts(&self, embedded: &[ServerUri]) -> Vec<server::Account> {
        let written = self.located(embedded).map(|(account, uri)| {
            let uri = uri.map(ServerUri::to_string).unwrap_or_default();
            let plain = server::Account::new(uri, account.short_server_id, account.lifetime.duration());
            server::Account {
                retry: self.knows_retries().then(|| self.retry_terms()),
                server: self.further_resources(account),
                ..plain
            }
        });
        written.collect()
    }

    /// Over what its server is spoken to.
    fn scheme_of(&self, account: &Account) -> Scheme {
        account.server.scheme(self.servers.embedded.ems_listen).unwrap_or_default()
    }

    /// What an account sets beside its ID, lifetime and retries.
    fn further_resources(&self, account: &Account) -> Vec<(u16, Value)> {
        let mut resources = Vec::new();
        let stream = self.scheme_of(account).is_stream();
        resources.extend(stream.then(|| (7, Value::String(binding(Scheme::CoapTcp).into()))));
        resources.extend(account.priority.map(|priority| (13, Value::Unsigned(priority.into()))));
        resources.extend(account.delay.map(|delay| (14, Value::Unsigned(delay.duration().as_secs()))));
        resources.extend(account.block.map(|block| (15, Value::Boolean(block))));
        resources.retain(|(id, _)| account.resources.iter().all(|(own, _)| own != id));
        resources.extend(account.resources.iter().cloned());
        // /1/x/23: as long as a server has it, or as long as it is absent, nothing is sent.
        const MUTE_SEND: u16 = 23;
        if self.report.send.is_some() && resources.iter().all(|(id, _)| *id != MUTE_SEND) {
            resources.push((MUTE_SEND, Value::Boolean(false)));
        }
        resources
    }

    /// /1/x/17-20 came with 1.1.
    fn knows_retries(&self) -> bool {
        self.fleet.lwm2m >= Version::V1_1
    }

    fn retry_terms(&self) -> RetryTerms {
        let retry = &self.retry;
        RetryTerms {
            count: retry.retry_count,
            timer: retry.retry_timer.duration(),
            sequence_delay: retry.sequence_delay.duration(),
            sequence_count: retry.sequence_count,
        }
    }

    fn retry_resources(&self) -> Vec<(u16, Value)> {
        if !self.knows_retries() {
            return Vec::new();
        }
        let RetryTerms { count, timer, sequence_delay, sequence_count } = self.retry_terms();
        vec![
            (17, Value::Unsigned(count.into())),
            (18, Value::Unsigned(timer.as_secs())),
            (19, Value::Unsigned(sequence_delay.as_secs())),
            (20, Value::Unsigned(sequence_count.into())),
        ]
    }
}

/// /1/x/7 over this scheme (LwM2M Transport §6.2.1.2): UDP or TCP.
fn binding(scheme: Scheme) -> &'static str {
    if scheme.is_stream() { "T" } else { "U" }
}
