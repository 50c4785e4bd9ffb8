//! Tables as text (RFC 4180): records with the place of each cell, so that a mistake can be shown.

/// One cell.
pub struct Field {
    /// Line and column where it begins, both from 1.
    pub at: (usize, usize),
    /// What it holds, without quotes.
    pub text: String,
}

/// Why a text is no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Line and column of the text, both from 1.
    pub at: (usize, usize),
    /// What is wrong there.
    pub problem: &'static str,
}

/// Reads records one after the other. Empty lines and lines that begin with `#` are passed over.
pub struct Reader<'a> {
    rest: &'a str,
    line: usize,
    column: usize,
}

impl<'a> Reader<'a> {
    /// Begins at the first record. A byte order mark in front of it is passed over.
    pub fn new(text: &'a str) -> Self {
        Reader { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1, column: 1 }
    }

    /// The next record that is neither empty nor a comment.
    ///
    /// # Errors
    /// Quotes that are not closed, or that something follows.
    pub fn record(&mut self) -> Result<Option<Vec<Field>>, Unreadable> {
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
    fn field(&mut self) -> Result<Field, Unreadable> {
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
                None => return Err(Unreadable { at, problem: "the quotes that begin here are not closed" }),
                Some('"') if self.rest.starts_with('"') => text.extend(self.take()),
                Some('"') => break,
                Some(other) => text.push(other),
            }
        }
        if !self.at_end_of_field() {
            let at = (self.line, self.column);
            return Err(Unreadable { at, problem: "a quoted cell goes on behind its quotes" });
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records(text: &str) -> Result<Vec<Vec<String>>, Unreadable> {
        let mut reader = Reader::new(text);
        let mut records = Vec::new();
        while let Some(record) = reader.record()? {
            records.push(record.into_iter().map(|field| field.text).collect());
        }
        Ok(records)
    }

    #[test]
    fn cells_may_be_quoted_and_lines_left_out() {
        let text = "\u{feff}a, b ,\"c,\"\"d\"\"\n\"\r\n\r\n# no\n,\n";
        let expected = [vec!["a", "b", "c,\"d\"\n"], vec!["", ""]];
        assert_eq!(records(text).expect("a table"), expected);
        assert_eq!(records("a,\"b\nc").expect_err("open").at, (1, 3));
        assert_eq!(records("a\nb,\"c\"d").expect_err("goes on").at, (2, 6));
    }

    proptest! {
        #[test]
        fn what_another_writer_writes_is_read(
            table in proptest::collection::vec(proptest::collection::vec("[^# ]{1,9}[^ ]", 2..5), 0..5)
        ) {
            let mut builder = ::csv::WriterBuilder::new();
            let builder = builder.flexible(true).quote_style(::csv::QuoteStyle::Always);
            let mut writer = builder.from_writer(Vec::new());
            table.iter().for_each(|record| writer.write_record(record).expect("memory"));
            let text = String::from_utf8(writer.into_inner().expect("memory")).expect("text");
            prop_assert_eq!(records(&text), Ok(table));
        }

        #[test]
        fn no_text_panics(text in "([a-z]|[\",\r\n# ]|é){0,40}") {
            let _ = records(&text);
        }
    }
}
