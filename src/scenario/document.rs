//! The text of a scenario with the command line laid over it, and where each key was written.

use std::collections::BTreeMap;

use serde::Deserialize as _;
use toml::Value;
use toml::de::{DeTable, DeValue};

use super::error::{Fault, ScenarioError, shorten};
use super::raw::Raw;
use super::reader::{Reader, join};

/// What the command line says about a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `path.to.key=value` each; the value is TOML, or else a plain string. A later one wins.
    pub set: Vec<String>,
    /// The seed of the run; wins over a `run.seed=` in `set`.
    pub seed: Option<u64>,
}

/// Keys of which at most one may be given: whichever `--set` names displaces the file's other one.
const EXCLUSIVE: [(&str, &str, &str); 1] = [("arrivals", "rate", "over")];

/// Every key of a scenario is explained there.
const HELP: &str = "scenarios/reference.toml explains every key";

/// A scenario as written.
pub(super) struct Document {
    file: String,
    root: Value,
    /// Line of each key in the file, from 1.
    lines: BTreeMap<String, usize>,
    /// What was typed on the command line, by key.
    typed: BTreeMap<String, String>,
    /// The option each such key came from.
    options: BTreeMap<String, &'static str>,
}

impl Document {
    /// Parses `text` and overlays the command line.
    pub fn parse(file: &str, text: &str, overrides: &Overrides) -> Result<Self, ScenarioError> {
        let syntax = |error: toml::de::Error| {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            let problem = error.message().lines().collect::<Vec<_>>().join(", ");
            plain_error(format!("{file}:{line}"), format!("is not TOML: {problem}"), HELP)
        };
        let spanned = DeTable::parse(text).map_err(syntax)?;
        let mut lines = BTreeMap::new();
        note_lines(spanned.get_ref(), "", text, &mut lines);
        let root = Value::Table(text.parse().map_err(syntax)?);
        let (typed, options) = (BTreeMap::new(), BTreeMap::new());
        let mut document = Document { file: file.to_owned(), root, lines, typed, options };
        for set in &overrides.set {
            document.set(set, "--set")?;
        }
        if let Some(seed) = overrides.seed {
            document.set(&format!("run.seed={seed}"), "--seed")?;
        }
        document.displace();
        Ok(document)
    }

    /// Reads the types of all values; ranges are none of its business.
    pub fn read(&self) -> Result<Raw, Fault> {
        Raw::deserialize(Reader { value: &self.root, path: String::new(), typed: &self.typed })
    }

    /// Says where a mistake was made.
    pub fn blame(&self, fault: Fault) -> ScenarioError {
        // A list of the command line has no keys of its own in `options`.
        let inside = |path: &str| fault.key.strip_prefix(path).is_some_and(|rest| rest.starts_with('['));
        let option = self.options.get(&fault.key);
        let option =
            option.or_else(|| self.options.iter().find(|(path, _)| inside(path)).map(|found| found.1));
        let origin = match (option, self.lines.get(&fault.key)) {
            (Some(option), _) => (*option).to_owned(),
            (None, Some(line)) => format!("{}:{line}", self.file),
            (None, None) => self.file.clone(),
        };
        let hint = fault.hint.unwrap_or_else(|| HELP.to_owned());
        // As it was written, `"90s"`, rather than as it was understood, `"1m30s"`; not at all where the fault has none,
        // as of a key nobody knows: what it was meant for may be a secret.
        let mut keys = fault.key.split('.');
        let written = keys.try_fold(&self.root, |table, key| table.get(key));
        let value = fault.value.map(|value| written.map_or(value, |value| shorten(&value.to_string())));
        ScenarioError { origin, key: fault.key, value, problem: fault.problem, hint }
    }

    /// Overlays one `path.to.key=value`.
    fn set(&mut self, assignment: &str, option: &'static str) -> Result<(), ScenarioError> {
        let refuse = |problem: &str, hint: &str| {
            Err(plain_error(option.to_owned(), format!("`{assignment}` {problem}"), hint))
        };
        let form = "write --set path.to.key=value, for example --set fleet.meters=100";
        let Some((path, text)) = assignment.split_once('=') else {
            return refuse("has no value", form);
        };
        let (path, text) = (path.trim(), text.trim());
        if path.split('.').any(|key| key.trim().is_empty()) {
            return refuse("names no key", form);
        }
        let value = value_of(text);
        if value.is_table() {
            return refuse("sets a whole table", "set its keys one by one");
        }
        let Some(table) = self.root.as_table_mut() else { return refuse("has no table to go to", form) };
        let mut keys: Vec<&str> = path.split('.').map(str::trim).collect();
        let last = keys.pop().unwrap_or_default();
        let mut table = table;
        for key in keys {
            let entry = table.entry(key).or_insert_with(|| Value::Table(toml::Table::new()));
            match entry {
                Value::Table(inner) => table = inner,
                _ => return refuse(&format!("goes through `{key}`, which is a value and not a table"), HELP),
            }
        }
        table.insert(last.to_owned(), value);
        self.typed.insert(path.to_owned(), text.to_owned());
        self.options.insert(path.to_owned(), option);
        Ok(())
    }

    /// The command line wins over the file also where the file uses the other of two exclusive keys.
    fn displace(&mut self) {
        for (table, one, other) in EXCLUSIVE {
            let given = |key| self.options.contains_key(&join(table, key));
            let loser = match (given(one), given(other)) {
                (true, false) => other,
                (false, true) => one,
                _ => continue,
            };
            if let Some(Value::Table(table)) = self.root.get_mut(table) {
                table.remove(loser);
            }
        }
    }
}

/// A TOML value, or else the text itself: nobody likes to quote twice for a shell.
fn value_of(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<toml::Table>();
    // More than one key means that the text broke out of its line.
    let only = parsed.ok().filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    only.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn plain_error(origin: String, problem: String, hint: &str) -> ScenarioError {
    ScenarioError { origin, key: String::new(), value: None, problem, hint: hint.to_owned() }
}

fn note_lines(table: &DeTable<'_>, path: &str, text: &str, lines: &mut BTreeMap<String, usize>) {
    for (key, value) in table {
        let path = join(path, key.get_ref());
        lines.insert(path.clone(), line_of(text, key.span().start));
        match value.get_ref() {
            DeValue::Table(table) => note_lines(table, &path, text, lines),
            DeValue::Array(values) => {
                for (index, value) in values.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    lines.insert(path.clone(), line_of(text, value.span().start));
                    if let DeValue::Table(table) = value.get_ref() {
                        note_lines(table, &path, text, lines);
                    }
                }
            }
            _ => {}
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}
