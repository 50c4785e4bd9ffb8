//! The provisioning file: what an operator fits single meters with before they leave the store-room.
//!
//! One row a meter, in the order of their numbers, as CSV or TOML; in TOML also a template for all of them,
//! in whose strings `{index}` stands for a meter's number. What can be set:
//!
//! | column or key | resource |
//! |---|---|
//! | `endpoint` | the endpoint name |
//! | `bootstrap_uri` | /0/0/0, the Bootstrap-Server |
//! | `bootstrap_identity`, `bootstrap_key` | /0/0/3 as text and /0/0/5 in hex |
//! | `identity`, `key` | /0/1/3 as text and /0/1/5 in hex, of the first Server Account |
//! | `/o/i/r`, `/o/i/r/ri` | any other, typed by the object definitions |
//!
//! An identity and a key make the Security Mode (/0/x/2) 0, a pre-shared key, unless the file sets it; they take
//! the place of those the meter would have, and an embedded server knows it by them. What no engine can do (raw
//! public keys, EST, some cipher suites) is refused. No message from here shows a value.

mod csv;
mod directory;
mod rows;
mod table;

use std::fmt;
use std::sync::Arc;

use crate::fleet::endpoint::EndpointTemplate;
use crate::protocol::lwm2m::{Entry, Path, Scheme, ServerUri, Value};

use super::error::ScenarioError;
use super::resource::{self, Written};
use rows::{Rows, Sheet};

pub use directory::DirectoryFile;

/// What a provisioning file says, typed and checked.
#[derive(Clone, PartialEq)]
pub struct Provisioning {
    /// What every meter has, unless its row says otherwise.
    template: Vec<Pattern>,
    /// The endpoint names of the template.
    endpoint: Option<EndpointTemplate>,
    /// What the rows set, one after the other.
    entries: Vec<Entry>,
    /// Where each row ends in `entries`.
    ends: Vec<u32>,
    /// The endpoint names of the rows, empty where a row has none; no rows at all if none has.
    names: Arc<[Box<str>]>,
}

/// A resource of the template.
#[derive(Clone, PartialEq)]
enum Pattern {
    /// The same for all.
    Fixed(Entry),
    /// A text with the meter's number in it, to be typed for the resource.
    Numbered(Path, EndpointTemplate),
}

impl Pattern {
    fn path(&self) -> Path {
        match self {
            Pattern::Fixed(entry) => entry.path,
            Pattern::Numbered(path, _) => *path,
        }
    }

    fn entry(&self, number: u32) -> Result<Entry, String> {
        match self {
            Pattern::Fixed(entry) => Ok(entry.clone()),
            Pattern::Numbered(path, text) => resource::entry(*path, Written::Text(&text.name(number))),
        }
    }
}

impl Provisioning {
    /// Reads a provisioning file: TOML if its name ends in `.toml`, else CSV.
    ///
    /// # Errors
    /// The first mistake, with file, line, column and the name of the column.
    pub fn parse(file: &str, text: &str) -> Result<Self, ScenarioError> {
        parse(Rows::default(), file, text)
    }

    /// How many meters have a row; `None` if there is only a template, which is for any number.
    pub fn rows(&self) -> Option<usize> {
        (!self.ends.is_empty() || self.template.is_empty() && self.endpoint.is_none())
            .then_some(self.ends.len())
    }

    /// What the meter with this number holds, in the order of the paths.
    pub(super) fn own(&self, number: u32) -> Vec<Entry> {
        let row = self.row(number);
        // Every number in use was tried when the file was read.
        let template = self.template.iter().filter_map(|pattern| pattern.entry(number).ok());
        let mut own: Vec<Entry> =
            template.filter(|entry| row.iter().all(|set| set.path != entry.path)).collect();
        own.extend_from_slice(row);
        own.sort_by_key(|entry| entry.path);
        own
    }

    fn row(&self, number: u32) -> &[Entry] {
        let end = |row: usize| self.ends.get(row).map(|end| *end as usize);
        let row = number as usize;
        let begin = row.checked_sub(1).map_or(Some(0), end);
        begin.zip(end(row)).and_then(|(begin, end)| self.entries.get(begin..end)).unwrap_or_default()
    }

    /// The endpoint names: those of the rows, of the template, and `otherwise` in this order.
    pub(super) fn names(&self, otherwise: &EndpointTemplate) -> EndpointTemplate {
        let template = self.endpoint.as_ref().unwrap_or(otherwise).clone();
        template.with_listed(self.names.clone())
    }

    /// The first number below `meters` for which the template makes no good value: path and problem.
    pub(super) fn misfit(&self, meters: u32) -> Option<(u32, Path, String)> {
        let numbered: Vec<_> =
            self.template.iter().filter(|pattern| matches!(pattern, Pattern::Numbered(..))).collect();
        if numbered.is_empty() {
            return None;
        }
        (0..meters).find_map(|number| {
            let misfit = |pattern: &&Pattern| Some((number, pattern.path(), pattern.entry(number).err()?));
            numbered.iter().find_map(misfit)
        })
    }

    /// The Bootstrap-Server of a meter, if the file names it.
    fn bootstrap_uri(&self, number: u32) -> Option<ServerUri> {
        const URI: Path = Path::resource(0, 0, 0);
        let own = self.row(number).iter().find(|entry| entry.path == URI).cloned();
        let own = own.or_else(|| {
            let pattern = self.template.iter().find(|pattern| pattern.path() == URI)?;
            pattern.entry(number).ok()
        });
        own?.value.as_str()?.parse().ok()
    }

    /// The Bootstrap-Servers that the file names for the first `meters` meters, each once, in order.
    pub(super) fn bootstrap_uris(&self, meters: u32) -> Vec<ServerUri> {
        let mut uris: Vec<ServerUri> = Vec::new();
        for number in 0..meters {
            if let Some(uri) = self.bootstrap_uri(number).filter(|uri| !uris.contains(uri)) {
                uris.push(uri);
            }
        }
        uris
    }

    /// The pre-shared keys that the file gives the first `meters` meters for the account at this instance of /0:
    /// number, identity and key.
    pub(in crate::scenario) fn keys(
        &self,
        meters: u32,
        instance: u16,
    ) -> impl Iterator<Item = (u32, Box<[u8]>, Box<[u8]>)> {
        let meters = if self.names_resource(Path::resource(0, instance, 5)) { meters } else { 0 };
        (0..meters).filter_map(move |number| {
            let own = self.own(number);
            let has = |id: u16| own.iter().find(|entry| entry.path == Path::resource(0, instance, id));
            let bytes = |id: u16| match &has(id)?.value {
                Value::Opaque(bytes) => Some(bytes.clone()),
                _ => None,
            };
            let psk = has(2).is_some_and(|mode| mode.value == Value::Integer(0));
            Some((number, bytes(3)?, bytes(5)?)).filter(|_| psk)
        })
    }

    /// Whether the file gives each of the first `meters` meters a key for the account at this instance of /0.
    pub(in crate::scenario) fn secured_at(&self, meters: u32, instance: u16) -> bool {
        let key = Path::resource(0, instance, 5);
        let has = |number: u32| self.row(number).iter().any(|entry| entry.path == key);
        self.template.iter().any(|pattern| pattern.path() == key) || (0..meters).all(has)
    }

    /// Whether the file sets this resource of any meter.
    fn names_resource(&self, path: Path) -> bool {
        self.template.iter().any(|pattern| pattern.path() == path)
            || self.entries.iter().any(|entry| entry.path == path)
    }

    /// Of the first `meters` meters, how many have an account with a Security Mode that does not go with how its server
    /// is spoken to, which `scheme` says for an instance of /0 whose URI the file leaves open. They will not speak to it.
    pub fn at_odds(&self, meters: u32, scheme: impl Fn(u16) -> Option<Scheme>) -> u32 {
        let is_at_odds = |number: &u32| {
            let own = self.own(*number);
            let mut modes = own.iter().filter_map(|entry| match (entry.path.ids(), &entry.value) {
                ([0, instance, 2], Value::Integer(mode)) => Some((*instance, *mode)),
                _ => None,
            });
            modes.any(|(instance, mode)| {
                let uri = own.iter().find(|entry| entry.path == Path::resource(0, instance, 0));
                let given = uri.and_then(|uri| Scheme::of_uri(uri.value.as_str()?));
                given.or_else(|| scheme(instance)).is_some_and(|scheme| match mode {
                    // Pre-shared keys, certificates, NoSec.
                    0 => scheme != Scheme::Coaps,
                    2 => !scheme.is_secure(),
                    _ => scheme.is_secure(),
                })
            })
        };
        // Most files have nothing of the kind.
        let some = self.secured(meters) > 0;
        let count = (0..meters).filter(|number| some && is_at_odds(number)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Of the first `meters` meters, how many have an account with a Security Mode other than NoSec (3).
    pub fn secured(&self, meters: u32) -> u32 {
        let mode = |entry: &Entry| matches!(*entry.path.ids(), [0, _, 2]) && entry.value != Value::Integer(3);
        let by_template = self.template.iter().any(|pattern| match pattern {
            Pattern::Fixed(entry) => mode(entry),
            Pattern::Numbered(..) => false,
        });
        if by_template {
            return meters;
        }
        let secured = (0..meters).filter(|number| self.row(*number).iter().any(mode)).count();
        u32::try_from(secured).unwrap_or(u32::MAX)
    }
}

/// Reads a file with a row a meter.
fn parse<S: Sheet>(sheet: S, file: &str, text: &str) -> Result<S::Made, ScenarioError> {
    if file.ends_with(".toml") { table::parse(sheet, file, text) } else { csv::parse(sheet, file, text) }
}

impl fmt::Debug for Provisioning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Provisioning({} rows, {} in the template)", self.ends.len(), self.template.len())
    }
}

#[cfg(test)]
mod tests;
