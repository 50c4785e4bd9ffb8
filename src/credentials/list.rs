//! A list of credentials that exist already, as CSV: a row for each meter and server.
//!
//! | column | holds |
//! |---|---|
//! | `endpoint` | the meter |
//! | `server` | `bootstrap`, which it is where the column is empty or missing, or a Short Server ID |
//! | `mode` | `psk` or `x509`; empty or missing, what the other columns say |
//! | `identity` | of a pre-shared key, as text; the endpoint name where it is empty |
//! | `key` | the pre-shared key, in hex or base64: what is an even number of hex digits is hex, unless `base64:` stands in front of it |
//! | `certificate` | the file of the meter's certificate (PEM or DER), from the list's folder; `#n` behind the name is the n-th section of a PEM bundle, from 0 |
//! | `certificate_key` | the file of its private key, likewise |
//!
//! The meters are numbered as they first appear. No message shows a value, for it may be a key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustc_hash::{FxHashMap, FxHashSet};
use zeroize::{Zeroize as _, Zeroizing};

use super::master::unhex;
use super::{ListError, Mode, Role};
use crate::base::csv::{Field, Reader, Unreadable};
use crate::secure::{Psk, Secret};

/// The columns of a list.
const COLUMNS: [&str; 7] =
    ["endpoint", "server", "mode", "identity", "key", "certificate", "certificate_key"];
/// Where each of them is in [`COLUMNS`].
const ENDPOINT: usize = 0;
const SERVER: usize = 1;
const MODE: usize = 2;
const IDENTITY: usize = 3;
const KEY: usize = 4;
const CERTIFICATE: usize = 5;
const CERTIFICATE_KEY: usize = 6;

/// LwM2M Transport §5.2.9.1: an identity has at most 128 bytes, a key at most 64.
const LONGEST_IDENTITY: usize = 128;
const LONGEST_KEY: usize = 64;
/// Endpoint names travel in an option of at most 255 bytes, behind `ep=` (RFC 7252 §5.10).
const LONGEST_ENDPOINT: usize = 252;

/// A list of credentials, read and typed.
#[derive(Clone, Debug, Default)]
pub struct List {
    endpoints: Vec<Box<str>>,
    rows: FxHashMap<(u32, Role), Listed>,
}

/// What a list has for one meter and one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// A pre-shared key.
    Psk(Psk),
    /// A certificate with its private key, in files.
    Certificate {
        /// Where the certificate is.
        certificate: Reference,
        /// Where its key is.
        key: Reference,
    },
}

/// A file, or a section of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The file, from the list's folder.
    pub file: String,
    /// The section of a PEM bundle, from 0; the first where it is not given.
    pub section: Option<usize>,
    /// Line and column of the list where this stands, both from 1.
    pub at: (usize, usize),
}

impl List {
    /// Reads a list; `file` is what errors call it.
    ///
    /// # Errors
    /// The first mistake.
    pub fn parse(file: &str, text: &str) -> Result<Self, ListError> {
        Rows::default().read(text).map_err(|Mistake { at: (line, column), name, problem }| ListError {
            file: file.to_owned(),
            line,
            column,
            name: name.to_owned(),
            problem,
        })
    }

    /// A list of one meter's pre-shared key for one server.
    pub fn of_one(endpoint: &str, role: Role, psk: Psk) -> Self {
        let rows = [((0, role), Listed::Psk(psk))].into_iter().collect();
        List { endpoints: vec![endpoint.into()], rows }
    }

    /// The meters, as they first appear.
    pub fn endpoints(&self) -> &[Box<str>] {
        &self.endpoints
    }

    /// What it has for a meter, by its place in [`List::endpoints`], and a server.
    pub fn get(&self, number: u32, role: Role) -> Option<&Listed> {
        self.rows.get(&(number, role))
    }

    /// How meters prove themselves to a server, by the first meter that is listed for it.
    pub fn mode(&self, role: Role) -> Option<Mode> {
        let mut numbers = 0..u32::try_from(self.endpoints.len()).unwrap_or(u32::MAX);
        numbers.find_map(|number| {
            Some(match self.get(number, role)? {
                Listed::Psk(_) => Mode::Psk,
                Listed::Certificate { .. } => Mode::X509,
            })
        })
    }

    /// Whether it holds keys itself, and not only the names of files that do.
    pub fn holds_keys(&self) -> bool {
        self.rows.values().any(|listed| matches!(listed, Listed::Psk(_)))
    }
}

/// A mistake, before it is known in which file.
struct Mistake {
    at: (usize, usize),
    name: &'static str,
    problem: String,
}

impl Mistake {
    fn new(at: (usize, usize), name: &'static str, problem: impl Into<String>) -> Self {
        Mistake { at, name, problem: problem.into() }
    }
}

impl From<Unreadable> for Mistake {
    fn from(Unreadable { at, problem }: Unreadable) -> Self {
        Mistake::new(at, "", problem)
    }
}

/// The rows read so far.
#[derive(Default)]
struct Rows {
    list: List,
    numbers: FxHashMap<Box<str>, u32>,
    identities: FxHashSet<(Role, Box<[u8]>)>,
}

/// The cells of one row by column, and where the row begins.
struct Row<'a> {
    at: (usize, usize),
    cells: [Option<&'a Field>; 7],
}

impl<'a> Row<'a> {
    /// A cell that is not empty.
    fn cell(&self, column: usize) -> Option<&'a Field> {
        self.cells[column].filter(|cell| !cell.text.is_empty())
    }

    fn mistake(&self, column: usize, problem: impl Into<String>) -> Mistake {
        let at = self.cells[column].map_or(self.at, |cell| cell.at);
        Mistake::new(at, COLUMNS[column], problem)
    }
}

impl Rows {
    fn read(mut self, text: &str) -> Result<List, Mistake> {
        let mut reader = Reader::new(text);
        let header = reader.record()?;
        let header =
            header.ok_or_else(|| Mistake::new((1, 1), "", "has no header with the names of the columns"))?;
        let columns = columns(&header)?;
        while let Some(mut record) = reader.record()? {
            let at = record.first().map_or((1, 1), |field| field.at);
            if record.len() != columns.len() {
                let problem = format!("the row has {} cells and not {}", record.len(), columns.len());
                return Err(Mistake::new(at, "", problem));
            }
            let mut row = Row { at, cells: [None; 7] };
            columns.iter().zip(&record).for_each(|(column, field)| row.cells[*column] = Some(field));
            self.row(&row)?;
            record.iter_mut().for_each(|field| field.text.zeroize());
        }
        Ok(self.list)
    }

    fn row(&mut self, row: &Row<'_>) -> Result<(), Mistake> {
        let endpoint = row.cell(ENDPOINT).ok_or_else(|| row.mistake(ENDPOINT, "is missing in this row"))?;
        if endpoint.text.len() > LONGEST_ENDPOINT || endpoint.text.chars().any(char::is_control) {
            let problem = format!("must be at most {LONGEST_ENDPOINT} bytes without control characters");
            return Err(row.mistake(ENDPOINT, problem));
        }
        let role = row.cell(SERVER).map_or(Some(Role::Bootstrap), |cell| Role::parse(&cell.text));
        let role = role
            .ok_or_else(|| row.mistake(SERVER, "must be \"bootstrap\" or a Short Server ID, 1 to 65,534"))?;
        let listed = match self.mode(row)? {
            Mode::Psk => Listed::Psk(self.psk(row, role, &endpoint.text)?),
            Mode::X509 => certificate(row)?,
        };
        let next = u32::try_from(self.list.endpoints.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(endpoint.text.as_str().into()).or_insert(next);
        if number == next {
            self.list.endpoints.push(endpoint.text.as_str().into());
        }
        if self.list.rows.insert((number, role), listed).is_some() {
            return Err(row.mistake(ENDPOINT, "has a row for this server already"));
        }
        Ok(())
    }

    /// The mode that the row says, or means.
    fn mode(&self, row: &Row<'_>) -> Result<Mode, Mistake> {
        let of_files = row.cell(CERTIFICATE).or(row.cell(CERTIFICATE_KEY)).is_some();
        let mode = match row.cell(MODE).map(|cell| cell.text.as_str()) {
            Some("psk") => Mode::Psk,
            Some("x509") => Mode::X509,
            None if of_files => Mode::X509,
            None => Mode::Psk,
            Some(_) => {
                let problem = "must be \"psk\" or \"x509\": raw public keys and EST are not supported";
                return Err(row.mistake(MODE, problem));
            }
        };
        let strange = match mode {
            Mode::Psk => [CERTIFICATE, CERTIFICATE_KEY],
            Mode::X509 => [KEY, KEY],
        };
        match strange.into_iter().find(|column| row.cell(*column).is_some()) {
            Some(column) => Err(row.mistake(column, format!("is not for the mode \"{}\"", mode.name()))),
            None => Ok(mode),
        }
    }

    fn psk(&mut self, row: &Row<'_>, role: Role, endpoint: &str) -> Result<Psk, Mistake> {
        let identity = row.cell(IDENTITY).map_or(endpoint, |cell| &cell.text);
        let identity: Box<[u8]> = identity.as_bytes().into();
        if identity.len() > LONGEST_IDENTITY {
            return Err(
                row.mistake(IDENTITY, format!("is longer than the {LONGEST_IDENTITY} bytes it may have"))
            );
        }
        let key = row.cell(KEY).ok_or_else(|| row.mistake(KEY, "is missing in this row"))?;
        let key = bytes(&key.text).ok_or_else(|| row.mistake(KEY, "must be hex digits or base64"))?;
        if !(1..=LONGEST_KEY).contains(&key.len()) {
            return Err(row.mistake(KEY, format!("must have 1 to {LONGEST_KEY} bytes")));
        }
        if !self.identities.insert((role, identity.clone())) {
            return Err(row.mistake(IDENTITY, "is that of another meter of this server"));
        }
        Ok(Psk { identity, key: Secret::new(key.as_slice()) })
    }
}

fn certificate(row: &Row<'_>) -> Result<Listed, Mistake> {
    let reference = |column: usize| -> Result<Reference, Mistake> {
        let cell = row.cell(column).ok_or_else(|| row.mistake(column, "is missing in this row"))?;
        let (file, section) = match cell.text.rsplit_once('#') {
            None => (cell.text.as_str(), None),
            Some((file, section)) => {
                let problem = "must name the section of a bundle with a number behind the #";
                (file, Some(section.parse().map_err(|_| row.mistake(column, problem))?))
            }
        };
        Ok(Reference { file: file.to_owned(), section, at: cell.at })
    };
    Ok(Listed::Certificate { certificate: reference(CERTIFICATE)?, key: reference(CERTIFICATE_KEY)? })
}

fn columns(header: &[Field]) -> Result<Vec<usize>, Mistake> {
    let mut columns: Vec<usize> = Vec::new();
    for field in header {
        let Some(column) = COLUMNS.iter().position(|name| *name == field.text) else {
            let problem = format!("a column has a name that is none of {}", COLUMNS.join(", "));
            return Err(Mistake::new(field.at, "", problem));
        };
        if columns.contains(&column) {
            return Err(Mistake::new(field.at, COLUMNS[column], "is there twice"));
        }
        columns.push(column);
    }
    match columns.contains(&ENDPOINT) {
        true => Ok(columns),
        false => Err(Mistake::new((1, 1), COLUMNS[ENDPOINT], "is no column of this list")),
    }
}

/// A key as people write it.
pub(super) fn bytes(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let base64 = |text: &str| STANDARD.decode(text).ok();
    let bytes = match text.trim().split_once(':') {
        Some(("hex", digits)) => unhex(digits),
        Some(("base64", letters)) => base64(letters),
        Some(_) => None,
        None => unhex(text.trim()).or_else(|| base64(text.trim())),
    };
    bytes.map(Zeroizing::new)
}

#[cfg(test)]
mod tests;
