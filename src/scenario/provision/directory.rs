//! The directory of the embedded Bootstrap-Server: what single endpoints are given, a row each.
//!
//! A row begins with what the scenario gives an endpoint of its name: the terms of the first plan that fits,
//! or else those of the server. Its columns change one account of them, which goes to instance 1 of /0 and /1,
//! and add to what is written besides:
//!
//! | column or key | sets |
//! |---|---|
//! | `endpoint` | which endpoint; every row names one |
//! | `uri` | /0/1/0 |
//! | `short_server_id` | the one account it gets; without, all of the plan, of which the first is changed |
//! | `lifetime` | /1/1/1, in whole seconds |
//! | `identity`, `key` | /0/1/3 as text and /0/1/5 in hex |
//! | `/0/1/r`, `/1/1/r` | another resource of the account |
//! | `/o/i/r`, `/o/i/r/ri` | what "write extra" writes |

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::protocol::lwm2m::{Entry, Host, Path, ServerUri, Value};
use crate::protocol::server::{self, Plan, Step};
use crate::scenario::error::ScenarioError;
use crate::scenario::resolved::Scenario;
use crate::scenario::resource::{self, Written};

use super::rows::{Cell, Column, Mistake, Sheet, modes};

/// The instance of /0 and /1 that the account of a row goes to.
const INSTANCE: u16 = 1;

const URI: Path = Path::resource(0, INSTANCE, 0);
const SHORT_SERVER_ID: Path = Path::resource(1, INSTANCE, 0);

/// More rows than this are refused: each may cost as much as a plan of its own, about a kibibyte.
const MOST_ROWS: usize = 1_000_000;

/// A directory file, typed and checked. Rows that say the same share what they say.
#[derive(Clone, PartialEq)]
pub struct DirectoryFile {
    /// What the rows give, each once.
    given: Vec<Given>,
    /// The endpoint names, with the place of what they are given in `given`.
    rows: Vec<(Box<str>, u32)>,
}

/// What the endpoints of equal rows are given.
#[derive(Clone, PartialEq)]
struct Given {
    /// The plan of the scenario it begins with; `None` for the server's own terms.
    plan: Option<usize>,
    /// What the row sets, in the order of the paths.
    entries: Vec<Entry>,
}

impl DirectoryFile {
    /// Reads a directory for this scenario: TOML if its name ends in `.toml`, else CSV.
    ///
    /// # Errors
    /// The first mistake, with file, line, column and the name of the column.
    pub(in crate::scenario) fn parse(
        scenario: &Scenario,
        file: &str,
        text: &str,
    ) -> Result<Self, ScenarioError> {
        let made = DirectoryFile { given: Vec::new(), rows: Vec::new() };
        let rows = Rows { scenario, made, known: FxHashMap::default(), taken: FxHashSet::default() };
        super::parse(rows, file, text)
    }

    /// How many endpoints have a row.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// How many different things they are given.
    pub fn different(&self) -> usize {
        self.given.len()
    }

    /// How many rows give an account with a Security Mode other than NoSec (3).
    pub fn secured(&self) -> usize {
        let mode =
            |entry: &Entry| entry.path == Path::resource(0, INSTANCE, 2) && entry.value != Value::Integer(3);
        let secured = |given: &u32| self.given[*given as usize].entries.iter().any(mode);
        self.rows.iter().filter(|(_, given)| secured(given)).count()
    }

    /// The pre-shared keys that rows give for the server with this Short Server ID: endpoint, identity and key.
    pub(in crate::scenario) fn keys<'a>(
        &'a self,
        scenario: &'a Scenario,
        short_server_id: u16,
    ) -> impl Iterator<Item = (&'a str, Box<[u8]>, Box<[u8]>)> {
        self.rows.iter().filter_map(move |(name, given)| {
            let given = &self.given[*given as usize];
            let bytes = |id: u16| match given.security(id)? {
                Value::Opaque(bytes) => Some(bytes.clone()),
                _ => None,
            };
            let psk = given.security(2) == Some(&Value::Integer(0));
            let here = psk && given.account_id(scenario) == Some(short_server_id);
            Some((&**name, bytes(3)?, bytes(5)?)).filter(|_| here)
        })
    }

    /// The accounts whose Security Mode rows set: endpoint and Short Server ID.
    pub(in crate::scenario) fn secured_accounts(
        &self,
        scenario: &Scenario,
    ) -> impl Iterator<Item = (Box<str>, u16)> {
        self.rows.iter().filter_map(|(name, given)| {
            let given = &self.given[*given as usize];
            given.security(2)?;
            Some((name.clone(), given.account_id(scenario)?))
        })
    }

    /// The servers that rows send endpoints to.
    pub(in crate::scenario) fn uris(&self) -> impl Iterator<Item = ServerUri> {
        let uris = self.given.iter().flat_map(|given| &given.entries).filter(|entry| entry.path == URI);
        uris.filter_map(|entry| entry.value.as_str()?.parse().ok())
    }

    /// The plan of each endpoint with a row; `ems` are the embedded EMSs, in the order of their accounts.
    pub(in crate::scenario) fn plans(
        &self,
        scenario: &Scenario,
        ems: &[ServerUri],
    ) -> FxHashMap<Box<str>, Arc<Plan>> {
        let plans: Vec<_> = self.given.iter().map(|given| Arc::new(given.plan(scenario, ems))).collect();
        self.rows.iter().map(|(name, given)| (name.clone(), plans[*given as usize].clone())).collect()
    }
}

impl fmt::Debug for DirectoryFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DirectoryFile({} rows, {} different)", self.rows.len(), self.given.len())
    }
}

impl Given {
    fn plan(&self, scenario: &Scenario, ems: &[ServerUri]) -> Plan {
        let server = &scenario.servers.bootstrap_server;
        let terms = self.plan.map_or(&server.terms, |index| &server.plans[index].terms);
        let mut plan = scenario.plan_of(terms, ems);
        if let Some(id) = self.short_server_id() {
            let mut all = scenario.written_accounts(ems);
            let known = all.iter().position(|account| account.short_server_id == id);
            let mut account = all.swap_remove(known.unwrap_or(0));
            account.short_server_id = id;
            plan.accounts = vec![account];
        }
        if let Some(account) = plan.accounts.first_mut()
            && self.entries.iter().any(of_account)
        {
            account.instance = Some(INSTANCE);
            self.entries.iter().for_each(|entry| change(account, entry));
        }
        let further = self.entries.iter().filter(|entry| !of_account(entry));
        plan.extra.retain(|entry| self.entries.iter().all(|set| set.path != entry.path));
        plan.with_extra(further.cloned().collect())
    }

    /// A resource of the Security half of its account.
    fn security(&self, id: u16) -> Option<&Value> {
        let path = Path::resource(0, INSTANCE, id);
        self.entries.iter().find(|entry| entry.path == path).map(|entry| &entry.value)
    }

    /// The Short Server ID of the account that it changes.
    fn account_id(&self, scenario: &Scenario) -> Option<u16> {
        let server = &scenario.servers.bootstrap_server;
        let terms = self.plan.map_or(&server.terms, |index| &server.plans[index].terms);
        self.short_server_id().or_else(|| terms.accounts.first().copied())
    }

    fn short_server_id(&self) -> Option<u16> {
        let entry = self.entries.iter().find(|entry| entry.path == SHORT_SERVER_ID)?;
        short_server_id(&entry.value)
    }
}

fn short_server_id(value: &Value) -> Option<u16> {
    if let Value::Integer(id) = value { u16::try_from(*id).ok() } else { None }
}

fn of_account(entry: &Entry) -> bool {
    matches!(entry.path.ids()[0], 0 | 1)
}

/// Puts a resource of a row in the place of what the account has.
fn change(account: &mut server::Account, entry: &Entry) {
    let (resources, id) = match *entry.path.ids() {
        [0, _, 0] => {
            account.uri = entry.value.as_str().unwrap_or_default().to_owned();
            return;
        }
        [1, _, 0] => return,
        [0, _, id] => (&mut account.security, id),
        [1, _, id] => (&mut account.server, id),
        _ => return,
    };
    resources.retain(|(other, _)| *other != id);
    resources.push((id, entry.value.clone()));
}

/// The rows read so far.
struct Rows<'a> {
    scenario: &'a Scenario,
    made: DirectoryFile,
    /// Where in `given` it is what rows of this plan and these cells give.
    known: FxHashMap<String, u32>,
    taken: FxHashSet<Box<str>>,
}

impl Sheet for Rows<'_> {
    type Made = DirectoryFile;
    const COLUMNS: &'static str = "columns are endpoint, uri, short_server_id, lifetime, identity, key and paths \
                                   of resources such as /1/1/7 or /3/0/15";
    const TABLES: &'static str = "[[meter]]";

    fn column(&self, name: &str) -> Result<Column, String> {
        Ok(match name.trim() {
            "endpoint" => Column::Endpoint,
            "uri" => Column::Resource(URI),
            "short_server_id" => Column::Resource(SHORT_SERVER_ID),
            "lifetime" => Column::Resource(Path::resource(1, INSTANCE, 1)),
            "identity" => Column::Identity(Path::resource(0, INSTANCE, 3)),
            "key" => Column::Resource(Path::resource(0, INSTANCE, 5)),
            path if path.starts_with('/') => {
                let path = resource::path(path)?;
                match *path.ids() {
                    [0, INSTANCE, 10, ..] => return Err("goes with the column short_server_id".to_owned()),
                    [0 | 1, instance, ..] if instance != INSTANCE => {
                        return Err("is not of the account: that is /0/1 and /1/1".to_owned());
                    }
                    _ => Column::Resource(path),
                }
            }
            _ => return Err("is no column of a directory".to_owned()),
        })
    }

    fn template(&mut self, at: (usize, usize), _cells: &[Cell<'_>]) -> Result<(), Mistake> {
        let problem = "is not for a directory: what all endpoints are given is in the scenario";
        Err(Mistake::new(at, "template", problem))
    }

    fn row(&mut self, at: (usize, usize), cells: &[Cell<'_>]) -> Result<(), Mistake> {
        let name = cells.iter().find(|cell| cell.column == Column::Endpoint);
        let name = name.ok_or_else(|| Mistake::new(at, "endpoint", "is missing in this row"))?;
        let endpoint = name.text().filter(|text| !text.is_empty());
        let endpoint = endpoint.ok_or_else(|| name.mistake("must be a name, which is a string"))?;
        if !self.taken.insert(endpoint.into()) {
            return Err(name.mistake("has a row already"));
        }
        if self.made.rows.len() == MOST_ROWS {
            return Err(Mistake::new(at, "", format!("is beyond the {MOST_ROWS} rows a directory may have")));
        }
        let plan = self.scenario.servers.bootstrap_server.plan_for(endpoint);
        let key = key(plan, cells);
        let given = match self.known.get(&key) {
            Some(given) => *given,
            None => {
                let given = self.given(plan, cells)?;
                let place = u32::try_from(self.made.given.len()).unwrap_or(u32::MAX);
                self.made.given.push(given);
                self.known.insert(key, place);
                place
            }
        };
        self.made.rows.push((endpoint.into(), given));
        Ok(())
    }

    fn finish(mut self) -> DirectoryFile {
        self.made.given.shrink_to_fit();
        self.made.rows.shrink_to_fit();
        self.made
    }
}

impl Rows<'_> {
    fn given(&self, plan: Option<usize>, cells: &[Cell<'_>]) -> Result<Given, Mistake> {
        let mut entries = Vec::new();
        for cell in cells {
            let Some(path) = cell.column.path() else { continue };
            let entry = cell.entry(path)?;
            self.check(plan, cell, &entry, cells)?;
            entries.push(entry);
        }
        let mut paths: Vec<Path> = entries.iter().map(|entry| entry.path).collect();
        entries.extend(modes(&mut paths, cells)?);
        entries.sort_by_key(|entry| entry.path);
        entries.shrink_to_fit();
        Ok(Given { plan, entries })
    }

    /// Whether the scenario can do what the cell says.
    fn check(
        &self,
        plan: Option<usize>,
        cell: &Cell<'_>,
        entry: &Entry,
        row: &[Cell<'_>],
    ) -> Result<(), Mistake> {
        let Scenario { servers, allow_remote, .. } = self.scenario;
        let server = &servers.bootstrap_server;
        let terms = plan.map_or(&server.terms, |index| &server.plans[index].terms);
        let has = |path: Path| row.iter().any(|cell| cell.column.path() == Some(path));
        if entry.path == URI {
            let uri: Option<ServerUri> = entry.value.as_str().and_then(|uri| uri.parse().ok());
            let away = |uri: &ServerUri| matches!(uri.host, Host::Ip(_)) && !uri.is_loopback();
            if uri.as_ref().is_some_and(away) && !allow_remote {
                return Err(cell.mistake("is not on this machine; allow_remote = true permits it"));
            }
        }
        if entry.path == SHORT_SERVER_ID {
            let id = short_server_id(&entry.value);
            let known = servers.accounts.iter().any(|account| Some(account.short_server_id) == id);
            if !known && !has(URI) {
                return Err(cell.mistake("is that of no account of the scenario, and the row has no uri"));
            }
        } else if of_account(entry) && terms.accounts.is_empty() && !has(SHORT_SERVER_ID) {
            return Err(cell.mistake("is of an account, and the plan of this endpoint has none"));
        }
        if !of_account(entry) && !terms.sequence.contains(&Step::WriteExtra) {
            return Err(cell.mistake("is never written: the sequence of this endpoint lacks \"write extra\""));
        }
        Ok(())
    }
}

/// The same for two rows that give the same, as far as they say it in the same words.
fn key(plan: Option<usize>, cells: &[Cell<'_>]) -> String {
    let mut key = format!("{plan:?}");
    for cell in cells.iter().filter(|cell| cell.column != Column::Endpoint) {
        // Writing to a string cannot fail; the length says where a text ends.
        let _ = match cell.written {
            Written::Text(text) => write!(key, "\n{} {} {text}", cell.name, text.len()),
            Written::Toml(value) => {
                let text = value.to_string();
                write!(key, "\n{} {} {text}", cell.name, text.len())
            }
        };
    }
    key
}

#[cfg(test)]
#[path = "directory_tests.rs"]
mod tests;
