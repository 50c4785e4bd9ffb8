//! What single meters are fitted with, out of the files a scenario names: provisioning, smartcards, and the
//! directory of the embedded Bootstrap-Server.

mod cards;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::base::text::counted;
use crate::credentials::Store;
use crate::protocol::client::{Card, Provision};
use crate::protocol::lwm2m::{Entry, Host, ServerUri};

use super::configs::Held;
use super::error::ScenarioError;
use super::provision::{DirectoryFile, Provisioning};
use super::resolved::Scenario;
use crate::base::Instant;

pub(super) use cards::Cards;

/// What was in the files that a scenario names. Its `Debug` shows no card, as there are keys on them.
#[derive(Clone, Default, PartialEq)]
pub struct Fitted {
    provisioning: Option<Arc<Provisioning>>,
    /// The cards, in the order of the meters; one if all have the same.
    cards: Option<Arc<[Arc<[u8]>]>>,
    directory: Option<Arc<DirectoryFile>>,
    pub(super) credentials: Option<Store>,
}

impl fmt::Debug for Fitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fitted { provisioning, cards, directory, credentials } = self;
        f.debug_struct("Fitted")
            .field("provisioning", provisioning)
            .field("cards", &cards.as_ref().map(|cards| cards.len()))
            .field("directory", directory)
            .field("credentials", credentials)
            .finish()
    }
}

impl Fitted {
    /// What the provisioning file says.
    pub fn provisioning(&self) -> Option<&Provisioning> {
        self.provisioning.as_deref()
    }

    /// The credentials of the fleet.
    pub fn credentials(&self) -> Option<&Store> {
        self.credentials.as_ref()
    }

    /// What the directory of the embedded Bootstrap-Server says.
    pub fn directory(&self) -> Option<&DirectoryFile> {
        self.directory.as_deref()
    }

    pub(super) fn card_files(&self) -> Option<&Arc<[Arc<[u8]>]>> {
        self.cards.as_ref()
    }

    /// The addresses of further servers that single meters have or are given, and speak to by datagrams, as far as
    /// they have no names.
    pub(super) fn addresses(&self, meters: u32) -> Vec<SocketAddr> {
        let uris = self.provisioning.as_ref().map(|file| file.bootstrap_uris(meters));
        let given = self.directory.iter().flat_map(|file| file.uris());
        let all = uris.into_iter().flatten().chain(given).filter(|uri| !uri.scheme.is_stream());
        let mut addresses: Vec<_> = all.filter_map(|uri| uri.address()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }
}

impl Scenario {
    /// Fits the meters with what the text of the provisioning file says; `file` is what errors call it.
    ///
    /// # Errors
    /// The first mistake in the text, fewer rows than meters, two meters of one name, or a Bootstrap-Server
    /// that is not on this machine without `allow_remote`.
    pub fn provisioned(mut self, file: &str, text: &str) -> Result<Self, ScenarioError> {
        let provisioning = Provisioning::parse(file, text)?;
        let meters = self.fleet.meters;
        let refuse = |problem: String, hint: &str| ScenarioError {
            origin: file.to_owned(),
            key: String::new(),
            value: None,
            problem,
            hint: hint.to_owned(),
        };
        if let Some(rows) = provisioning.rows().filter(|rows| *rows < meters as usize) {
            let problem = format!("has {} for {}", counted(rows as u64, "row"), counted(meters, "meter"));
            return Err(refuse(problem, &format!("set fleet.meters = {rows}, or add rows")));
        }
        if let Some((number, path, problem)) = provisioning.misfit(meters) {
            let problem = format!("the template's {path} of meter {number} {problem}");
            return Err(refuse(problem, "see what {index} makes of it: pad it, as in {index:08}"));
        }
        let uris = provisioning.bootstrap_uris(meters);
        let away = |uri: &&ServerUri| matches!(uri.host, Host::Ip(_)) && !uri.is_loopback();
        if let Some(uri) = uris.iter().find(away).filter(|_| !self.allow_remote) {
            let hint = "allow_remote = true permits it; without it no datagram leaves this machine";
            return Err(refuse(format!("{uri} is not on this machine"), hint));
        }
        let names = provisioning.names(&self.fleet.endpoint);
        if let Some((one, other)) = names.first_shared(meters) {
            let problem = format!("meters {one} and {other} have the same endpoint name");
            return Err(refuse(problem, "give each a name of its own, or leave the names out"));
        }
        self.fleet.endpoint = names;
        self.fitted.provisioning = Some(Arc::new(provisioning));
        Ok(self)
    }

    /// Gives the embedded Bootstrap-Server its directory, what single endpoints are given; `file` is what errors
    /// call the text.
    ///
    /// # Errors
    /// The first mistake in the text, two rows of one endpoint, or what the scenario cannot do: an account it has
    /// not, an EMS that is not on this machine without `allow_remote`, a resource no step writes.
    pub fn directed(mut self, file: &str, text: &str) -> Result<Self, ScenarioError> {
        let directory = DirectoryFile::parse(&self, file, text)?;
        self.fitted.directory = Some(Arc::new(directory));
        Ok(self)
    }

    /// The names of the card files, in the order of the meters: one if all have the same, none if the
    /// scenario names no file.
    pub fn card_files(&self) -> Vec<String> {
        let Some(file) = &self.bootstrap.card.file else { return Vec::new() };
        let files = if file.is_distinct() { self.fleet.meters } else { 1 };
        (0..files).map(|number| file.name(number)).collect()
    }

    /// Gives the meters the contents of [`Scenario::card_files`], in their order.
    ///
    /// # Errors
    /// The first that is no card; `bootstrap.card` has the keys for cards that are to be bad.
    pub fn carded(mut self, contents: Vec<Vec<u8>>) -> Result<Self, ScenarioError> {
        for (file, content) in self.card_files().into_iter().zip(&contents) {
            cards::check(content).map_err(|problem| ScenarioError {
                origin: file,
                key: String::new(),
                value: None,
                problem,
                hint: "bootstrap.card.unreadable and .inconsistent make cards bad on purpose".to_owned(),
            })?;
        }
        self.fitted.cards = Some(contents.into_iter().map(Arc::from).collect());
        Ok(self)
    }
}

/// What the meters of a run are fitted with, each by its number.
#[derive(Debug)]
pub(super) struct Fitting {
    pub rows: Option<Arc<Provisioning>>,
    pub held: Option<Arc<Held>>,
    pub cards: Option<Cards>,
}

impl Fitting {
    pub(super) fn of(
        fitted: &Fitted,
        held: Option<Arc<Held>>,
        cards: Option<Cards>,
    ) -> Option<Arc<dyn Provision>> {
        let rows = fitted.provisioning.clone();
        if rows.is_none() && held.is_none() && cards.is_none() {
            return None;
        }
        Some(Arc::new(Fitting { rows, held, cards }))
    }
}

impl Provision for Fitting {
    fn own(&self, number: u32) -> Vec<Entry> {
        let rows = self.rows.as_ref().map(|rows| rows.own(number)).unwrap_or_default();
        let Some(held) = &self.held else { return rows };
        // What a file says of an account's security, it says all of.
        let keyed = |instance: u16| {
            rows.iter().any(|entry| matches!(*entry.path.ids(), [0, one, 2..=5] if one == instance))
        };
        let mut own = held.entries(number, |_, instance| !keyed(instance));
        own.retain(|entry| rows.iter().all(|row| row.path != entry.path));
        own.extend(rows);
        own.sort_by_key(|entry| entry.path);
        own
    }

    fn card(&self, number: u32, now: Instant) -> Card {
        self.cards.as_ref().map_or(Card::Absent, |cards| cards.card(number, now))
    }
}
