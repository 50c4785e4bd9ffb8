//! A sheet as CSV (RFC 4180): a header with the names of the columns, and a row a meter.
//!
//! Empty cells set nothing, empty lines and lines that begin with `#` are passed over.

use crate::scenario::error::ScenarioError;
use crate::scenario::resource::Written;

use super::rows::{Cell, Column, Mistake, Sheet};

/// More columns than this have no use.
const MOST_COLUMNS: usize = 256;

pub(super) fn parse<S: Sheet>(sheet: S, file: &str, text: &str) -> Result<S::Made, ScenarioError> {
    rows(sheet, text.strip_prefix('\u{feff}').unwrap_or(text))
        .map_err(|mistake| mistake.in_file(file, S::COLUMNS))
}

fn rows<S: Sheet>(mut sheet: S, text: &str) -> Result<S::Made, Mistake> {
    let mut reader = Reader { rest: text, line: 1, column: 1 };
    let Some(header) = reader.record()? else {
        return Err(Mistake::new((1, 1), "", "has no header with the names of the columns"));
    };
    let columns = columns(&sheet, &header)?;
    while let Some(record) = reader.record()? {
        let at = record.first().map_or((reader.line, 1), |field| field.at);
        if record.len() != columns.len() {
            let problem = format!("the row has {} cells and not {}", record.len(), columns.len());
            return Err(Mistake::new(at, "", problem));
        }
        let cells = record.iter().zip(&columns).zip(&header).filter(|((field, _), _)| !field.text.is_empty());
        let cells: Vec<Cell<'_>> = cells
            .map(|((field, column), name)| Cell {
                at: field.at,
                name: &name.text,
                column: *column,
                written: Written::Text(&field.text),
            })
            .collect();
        sheet.row(at, &cells)?;
    }
    Ok(sheet.finish())
}

fn columns(sheet: &impl Sheet, header: &[Field]) -> Result<Vec<Column>, Mistake> {
    let mut columns: Vec<Column> = Vec::new();
    for field in header {
        let mistake = |problem: String| Mistake::new(field.at, &field.text, problem);
        let column = sheet.column(&field.text).map_err(mistake)?;
        let same =
            |other: &&Column| **other == column || column.path().is_some_and(|p| other.path() == Some(p));
        if columns.iter().any(|other| same(&other)) {
            return Err(mistake("is there twice".to_owned()));
        }
        if columns.len() == MOST_COLUMNS {
            return Err(mistake(format!("is beyond the {MOST_COLUMNS} columns a file may have")));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// One cell: its text without quotes, and where it begins.
struct Field {
    at: (usize, usize),
    text: String,
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    column: usize,
}

impl Reader<'_> {
    /// The next record that is neither empty nor a comment.
    fn record(&mut self) -> Result<Option<Vec<Field>>, Mistake> {
        loop {
            match self.rest.chars().next() {
                None => return Ok(None),
                Some('\n' | '\r') => _ = self.take(),
                Some('#') => while self.take().is_some_and(|c| c != '\n') {},
                Some(_) => break,
            }
        }
        let mut fields = Vec::new();
        loop {
            fields.push(self.field()?);
            match self.take() {
                Some(',') => {}
                Some('\r') if self.rest.starts_with('\n') => {
                    self.take();
                    return Ok(Some(fields));
                }
                _ => return Ok(Some(fields)),
            }
        }
    }

    /// A cell, up to the comma or the end of the line behind it.
    fn field(&mut self) -> Result<Field, Mistake> {
        let at = (self.line, self.column);
        let mut text = String::new();
        if !self.rest.starts_with('"') {
            while !self.at_end_of_field() {
                text.extend(self.take());
            }
            return Ok(Field { at, text: text.trim().to_owned() });
        }
        self.take();
        loop {
            match self.take() {
                None => return Err(Mistake::new(at, "", "the quotes that begin here are not closed")),
                Some('"') if self.rest.starts_with('"') => text.extend(self.take()),
                Some('"') => break,
                Some(other) => text.push(other),
            }
        }
        if !self.at_end_of_field() {
            let here = (self.line, self.column);
            return Err(Mistake::new(here, "", "a quoted cell goes on behind its quotes"));
        }
        Ok(Field { at, text })
    }

    fn at_end_of_field(&self) -> bool {
        let rest = self.rest;
        rest.is_empty() || rest.starts_with([',', '\n']) || rest.starts_with("\r\n")
    }

    fn take(&mut self) -> Option<char> {
        let next = self.rest.chars().next()?;
        self.rest = &self.rest[next.len_utf8()..];
        (self.line, self.column) =
            if next == '\n' { (self.line + 1, 1) } else { (self.line, self.column + 1) };
        Some(next)
    }
}
