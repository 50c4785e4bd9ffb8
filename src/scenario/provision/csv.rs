//! A sheet as CSV (RFC 4180): a header with the names of the columns, and a row a meter.
//!
//! Empty cells set nothing, empty lines and lines that begin with `#` are passed over.

use crate::base::csv::{Field, Reader, Unreadable};
use crate::scenario::error::ScenarioError;
use crate::scenario::resource::Written;

use super::rows::{Cell, Column, Mistake, Sheet};

/// More columns than this have no use.
const MOST_COLUMNS: usize = 256;

pub(super) fn parse<S: Sheet>(sheet: S, file: &str, text: &str) -> Result<S::Made, ScenarioError> {
    rows(sheet, text).map_err(|mistake| mistake.in_file(file, S::COLUMNS))
}

fn rows<S: Sheet>(mut sheet: S, text: &str) -> Result<S::Made, Mistake> {
    let mut reader = Reader::new(text);
    let Some(header) = reader.record()? else {
        return Err(Mistake::new((1, 1), "", "has no header with the names of the columns"));
    };
    let columns = columns(&sheet, &header)?;
    while let Some(record) = reader.record()? {
        let at = record.first().map_or((1, 1), |field| field.at);
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

impl From<Unreadable> for Mistake {
    fn from(unreadable: Unreadable) -> Self {
        Mistake::new(unreadable.at, "", unreadable.problem)
    }
}
