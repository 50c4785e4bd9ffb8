//! A sheet as TOML: `[template]` for all meters, and `[[meter]]` for one after the other.

use toml::Value;
use toml::de::{DeTable, DeValue};

use crate::scenario::error::ScenarioError;
use crate::scenario::resource::Written;

use super::rows::{Cell, Mistake, Sheet};

pub(super) fn parse<S: Sheet>(sheet: S, file: &str, text: &str) -> Result<S::Made, ScenarioError> {
    rows(sheet, text).map_err(|mistake| mistake.in_file(file, S::COLUMNS))
}

fn rows<S: Sheet>(mut sheet: S, text: &str) -> Result<S::Made, Mistake> {
    let lines = Lines::of(text);
    let syntax = |error: toml::de::Error| {
        let at = error.span().map_or((1, 1), |span| lines.place(span.start));
        // What the parser says may show the text it stumbled over, which may be a key.
        Mistake::new(at, "", "is not TOML")
    };
    let spanned = DeTable::parse(text).map_err(syntax)?;
    let root: toml::Table = text.parse().map_err(syntax)?;
    for (key, value) in spanned.get_ref() {
        let (name, at) = (key.get_ref().as_ref(), lines.place(key.span().start));
        match (name, value.get_ref(), root.get(name)) {
            ("template", DeValue::Table(places), Some(Value::Table(values))) => {
                sheet.template(at, &cells(&sheet, places, values, &lines)?)?;
            }
            ("meter", DeValue::Array(places), Some(Value::Array(values))) => {
                for (place, value) in places.iter().zip(values) {
                    let at = lines.place(place.span().start);
                    let (DeValue::Table(places), Value::Table(values)) = (place.get_ref(), value) else {
                        return Err(Mistake::new(at, name, "must be a table"));
                    };
                    sheet.row(at, &cells(&sheet, places, values, &lines)?)?;
                }
            }
            _ => {
                return Err(Mistake::new(at, name, format!("is not known: there may be {}", S::TABLES)));
            }
        }
    }
    Ok(sheet.finish())
}

fn cells<'a>(
    sheet: &impl Sheet,
    places: &DeTable<'_>,
    values: &'a toml::Table,
    lines: &Lines,
) -> Result<Vec<Cell<'a>>, Mistake> {
    let mut cells: Vec<Cell<'a>> = Vec::new();
    for ((key, _), (name, value)) in places.iter().zip(values) {
        let at = lines.place(key.span().start);
        let column = sheet.column(name).map_err(|problem| Mistake::new(at, name, problem))?;
        if cells.iter().any(|other| column.path().is_some() && other.column.path() == column.path()) {
            return Err(Mistake::new(at, name, "is there twice"));
        }
        cells.push(Cell { at, name, column, written: Written::Toml(value) });
    }
    Ok(cells)
}

/// Where each line begins.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let behind = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Lines(std::iter::once(0).chain(behind).collect())
    }

    /// Line and column of an offset in bytes, both from 1.
    fn place(&self, offset: usize) -> (usize, usize) {
        let line = self.0.partition_point(|begin| *begin <= offset).max(1);
        (line, offset - self.0[line - 1] + 1)
    }
}
