//! Mistakes in a scenario, said so that they can be mended.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

/// A mistake in a scenario.
///
/// Prints as `storm.toml:7: fleet.lifetime = "0s": must be between 1s and 365d; try "300s"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioError {
    /// Where it is: file and line, or the option of the command line.
    pub origin: String,
    /// Path of the key, `fleet.lifetime`; empty if the text is not TOML at all.
    pub key: String,
    /// The value as written, if there is one.
    pub value: Option<String>,
    /// What is wrong with it.
    pub problem: String,
    /// What would be right.
    pub hint: String,
}

impl ScenarioError {
    /// All but the hint, on one line.
    pub fn message(&self) -> String {
        let ScenarioError { origin, key, value, problem, .. } = self;
        match value {
            Some(value) => format!("{origin}: {key} = {value}: {problem}"),
            None if key.is_empty() => format!("{origin}: {problem}"),
            None => format!("{origin}: {key}: {problem}"),
        }
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message(), self.hint)
    }
}

impl std::error::Error for ScenarioError {}

/// A mistake at a key, before it is known where the key was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Path of the key; empty as long as nobody has said.
    pub key: String,
    pub value: Option<String>,
    pub problem: String,
    pub hint: Option<String>,
}

impl Fault {
    /// `value` is shown as given, so strings come with their quotes.
    pub fn new(
        key: &str,
        value: impl fmt::Display,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let value = Some(shorten(&value.to_string()));
        Fault { key: key.to_owned(), value, problem: problem.into(), hint: Some(hint.into()) }
    }

    /// Says where it is, unless that was said nearer to it.
    pub fn at(mut self, key: &str, value: &toml::Value) -> Self {
        if self.key.is_empty() {
            key.clone_into(&mut self.key);
            self.value = Some(shorten(&value.to_string()));
        }
        self
    }

    fn bare(problem: String, hint: Option<String>) -> Self {
        Fault { key: String::new(), value: None, problem, hint }
    }
}

/// A value on one line, cut where nobody reads on.
pub(super) fn shorten(value: &str) -> String {
    const ENOUGH: usize = 80;
    let line = value.replace('\n', " ");
    match line.char_indices().nth(ENOUGH) {
        Some((cut, _)) => format!("{}...", &line[..cut]),
        None => line,
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Fault::bare(message.to_string(), None)
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = expected.to_string();
        let number =
            matches!(unexpected, Unexpected::Signed(_) | Unexpected::Unsigned(_) | Unexpected::Float(_));
        let (what, hint) = match expected.as_str() {
            "i64" | "u64" => ("a whole number", None),
            "f64" => ("a number", None),
            "a boolean" => ("true or false", None),
            "a string" if number => ("a string", Some("write it in quotes".to_owned())),
            "a sequence" => ("a list", Some("write it in brackets, [\"like\", \"this\"]".to_owned())),
            table if table.starts_with("struct ") => ("a table of keys, not a value", None),
            other => (other, None),
        };
        Fault::bare(format!("must be {what}"), hint)
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        let hint = match closest(field, known) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("known keys here are {}", known.join(", ")),
        };
        // The reader puts the table's path in front.
        Fault {
            key: field.to_owned(),
            value: None,
            problem: "is not a known key".to_owned(),
            hint: Some(hint),
        }
    }
}

/// The known word that a slip of the finger may have turned into `word`.
fn closest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let tolerance = (word.chars().count() / 3).max(1);
    let near = known.iter().map(|known| (distance(word, known), *known));
    near.filter(|(slips, _)| *slips <= tolerance).min().map(|(_, known)| known)
}

/// Levenshtein distance: insertions, deletions and replacements of a character.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_the_word() {
        let known = ["meters", "endpoint", "lifetime", "lwm2m"];
        assert_eq!(closest("metres", &known), Some("meters"));
        assert_eq!(closest("Meters", &known), Some("meters"));
        assert_eq!(closest("endpiont", &known), Some("endpoint"));
        assert_eq!(closest("speed", &known), None);
        assert_eq!(closest("", &known), None);
    }

    #[test]
    fn long_values_are_cut_at_a_character() {
        let fault = Fault::new("k", "é".repeat(200), "is long", "cut it");
        assert_eq!(fault.value, Some(format!("{}...", "é".repeat(80))));
    }
}
