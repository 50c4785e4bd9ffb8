//! What files with a row a meter have in common, in CSV and in TOML: columns, rows, and where a mistake is;
//! and the rows of a provisioning file.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::fleet::endpoint::EndpointTemplate;
use crate::protocol::lwm2m::{Entry, Path, ServerUri, Value};
use crate::scenario::error::ScenarioError;
use crate::scenario::resource::{self, Written};

use super::{Pattern, Provisioning};

/// What a file with a row a meter is about, and what its rows are made into.
pub(super) trait Sheet {
    type Made;
    /// The columns there are, for whoever wrote another.
    const COLUMNS: &'static str;
    /// The tables there are in TOML.
    const TABLES: &'static str;

    /// What the column of this name sets.
    fn column(&self, name: &str) -> Result<Column, String>;

    /// Takes what all meters have.
    fn template(&mut self, at: (usize, usize), cells: &[Cell<'_>]) -> Result<(), Mistake>;

    /// Takes the row of the next meter.
    fn row(&mut self, at: (usize, usize), cells: &[Cell<'_>]) -> Result<(), Mistake>;

    fn finish(self) -> Self::Made;
}

/// What a column or a key sets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Column {
    Endpoint,
    /// A resource, in the form of its kind.
    Resource(Path),
    /// An identity: an opaque resource, written as text.
    Identity(Path),
}

impl Column {
    /// The resource it sets, if it sets one.
    pub(super) fn path(self) -> Option<Path> {
        match self {
            Column::Endpoint => None,
            Column::Resource(path) | Column::Identity(path) => Some(path),
        }
    }
}

/// A mistake, before it is known in which file.
#[derive(Debug)]
pub(super) struct Mistake {
    /// Line and column of the text, both from 1.
    pub at: (usize, usize),
    /// The column or key it is about; may be empty.
    pub name: String,
    pub problem: String,
}

impl Mistake {
    pub(super) fn new(at: (usize, usize), name: &str, problem: impl Into<String>) -> Self {
        Mistake { at, name: name.to_owned(), problem: problem.into() }
    }

    pub(super) fn in_file(self, file: &str, columns: &str) -> ScenarioError {
        let (line, column) = self.at;
        ScenarioError {
            origin: format!("{file}:{line}:{column}"),
            key: self.name,
            value: None,
            problem: self.problem,
            hint: columns.to_owned(),
        }
    }
}

/// One column's value in one row.
pub(super) struct Cell<'a> {
    pub at: (usize, usize),
    pub name: &'a str,
    pub column: Column,
    pub written: Written<'a>,
}

impl Cell<'_> {
    pub(super) fn mistake(&self, problem: impl Into<String>) -> Mistake {
        Mistake::new(self.at, self.name, problem)
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self.written {
            Written::Text(text) => Some(text),
            Written::Toml(value) => value.as_str(),
        }
    }

    pub(super) fn entry(&self, path: Path) -> Result<Entry, Mistake> {
        let value = match (self.column, self.text()) {
            (Column::Identity(_), Some(text)) => Value::Opaque(text.as_bytes().into()),
            (Column::Identity(_), None) => return Err(self.mistake("must be a string")),
            _ => resource::entry(path, self.written).map_err(|problem| self.mistake(problem))?.value,
        };
        if matches!(*path.ids(), [0, _, 0]) {
            let uri: Result<ServerUri, _> = value.as_str().unwrap_or_default().parse();
            uri.map_err(|error| self.mistake(error.to_string()))?;
        }
        if let Some(problem) = impossible(path, &value) {
            return Err(self.mistake(problem));
        }
        Ok(Entry::new(path, value))
    }

    fn name(&self) -> Result<EndpointTemplate, Mistake> {
        let text = self.text().ok_or_else(|| self.mistake("must be a string"))?;
        text.parse().map_err(|error| self.mistake(format!("{error}")))
    }
}

/// What no engine can do: Security Modes, and cipher suites (/0/x/16, by their IANA numbers).
fn impossible(path: Path, value: &Value) -> Option<&'static str> {
    // AES-128-CCM-8 with pre-shared keys; AES-GCM and ChaCha20 with certificates, and those of 1.3.
    const SUITES: [u64; 7] = [0xc0a8, 0xc02b, 0xc02c, 0xcca9, 0x1301, 0x1302, 0x1303];
    match (path.ids(), value) {
        ([0, _, 2], Value::Integer(1)) => Some("is for raw public keys, which the engines do not have"),
        ([0, _, 2], Value::Integer(4)) => {
            Some("is for certificates enrolled for by EST, which is not supported")
        }
        ([0, _, 16, ..], Value::Unsigned(suite)) if !SUITES.contains(suite) => Some(
            "is a cipher suite the engines do not have: they know 49320 for pre-shared keys, 49195, 49196 and 52393 \
             for certificates, and 4865 to 4867 of version 1.3",
        ),
        _ => None,
    }
}

/// The rows read so far.
#[derive(Default)]
pub(super) struct Rows {
    template: Vec<Pattern>,
    endpoint: Option<EndpointTemplate>,
    entries: Vec<Entry>,
    ends: Vec<u32>,
    names: Vec<Box<str>>,
    taken: FxHashSet<Box<str>>,
}

impl Sheet for Rows {
    type Made = Provisioning;
    const COLUMNS: &'static str = "columns are endpoint, bootstrap_uri, bootstrap_identity, bootstrap_key, \
                                   identity, key and paths of resources such as /3/0/2";
    const TABLES: &'static str = "[template] and [[meter]]";

    fn column(&self, name: &str) -> Result<Column, String> {
        Ok(match name.trim() {
            "endpoint" => Column::Endpoint,
            "bootstrap_uri" => Column::Resource(Path::resource(0, 0, 0)),
            "bootstrap_identity" => Column::Identity(Path::resource(0, 0, 3)),
            "bootstrap_key" => Column::Resource(Path::resource(0, 0, 5)),
            "identity" => Column::Identity(Path::resource(0, 1, 3)),
            "key" => Column::Resource(Path::resource(0, 1, 5)),
            path if path.starts_with('/') => Column::Resource(resource::path(path)?),
            _ => return Err("is no column of a provisioning file".to_owned()),
        })
    }

    fn template(&mut self, _at: (usize, usize), cells: &[Cell<'_>]) -> Result<(), Mistake> {
        for cell in cells {
            let numbered = cell.text().filter(|text| text.contains(['{', '}']));
            match (cell.column.path(), numbered) {
                (None, _) => self.endpoint = Some(cell.name()?),
                (Some(path), None) => self.template.push(Pattern::Fixed(cell.entry(path)?)),
                (Some(_), Some(_)) if matches!(cell.column, Column::Identity(_)) => {
                    return Err(cell.mistake("cannot hold {index}: write the path, and hex digits"));
                }
                (Some(path), Some(_)) => self.template.push(Pattern::Numbered(path, cell.name()?)),
            }
        }
        let mut paths: Vec<Path> = self.template.iter().map(Pattern::path).collect();
        for mode in modes(&mut paths, cells)? {
            self.template.push(Pattern::Fixed(mode));
        }
        Ok(())
    }

    fn row(&mut self, at: (usize, usize), cells: &[Cell<'_>]) -> Result<(), Mistake> {
        let mut name = None;
        let begin = self.entries.len();
        for cell in cells {
            match cell.column.path() {
                None => name = Some((cell, cell.name()?)),
                Some(path) => self.entries.push(cell.entry(path)?),
            }
        }
        let mut paths: Vec<Path> = self.entries[begin..].iter().map(|entry| entry.path).collect();
        self.entries.extend(modes(&mut paths, cells)?);
        let too_long = |_| Mistake::new(at, "", "is more than a provisioning file can hold");
        self.ends.push(u32::try_from(self.entries.len()).map_err(too_long)?);
        if let Some((cell, name)) = name {
            let name: Box<str> = name.name(0).into();
            if !self.taken.insert(name.clone()) {
                return Err(cell.mistake("is the name of another meter"));
            }
            self.names.resize(self.ends.len() - 1, Box::default());
            self.names.push(name);
        }
        Ok(())
    }

    fn finish(mut self) -> Provisioning {
        self.entries.shrink_to_fit();
        self.ends.shrink_to_fit();
        Provisioning {
            template: self.template,
            endpoint: self.endpoint,
            entries: self.entries,
            ends: self.ends,
            names: Arc::from(self.names),
        }
    }
}

/// The Security Modes that go without saying: 0 for each account with an identity and a key.
pub(super) fn modes(paths: &mut Vec<Path>, cells: &[Cell<'_>]) -> Result<Vec<Entry>, Mistake> {
    let mut modes = Vec::new();
    for cell in cells {
        let Some(&[0, instance, resource @ (3 | 5)]) = cell.column.path().as_ref().map(Path::ids) else {
            continue;
        };
        let has = |id: u16| paths.contains(&Path::resource(0, instance, id));
        if has(2) {
            continue;
        }
        if !has(if resource == 3 { 5 } else { 3 }) {
            let other = if resource == 3 { "the key" } else { "the identity" };
            return Err(cell.mistake(format!("is there without {other} of the account")));
        }
        let mode = Path::resource(0, instance, 2);
        paths.push(mode);
        modes.push(Entry::new(mode, Value::Integer(0)));
    }
    Ok(modes)
}
