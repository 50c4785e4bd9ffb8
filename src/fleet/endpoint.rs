//! Endpoint names out of a template: `urn:dev:os:meter-{index:07}` names meter 42 `urn:dev:os:meter-0000042`.

use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::sync::Arc;

use rustc_hash::FxHashMap;

/// Longest endpoint name in bytes. It travels as the Uri-Query option `ep=<name>`, which holds at most
/// 255 bytes (RFC 7252 §5.10, table 4).
pub const MAX_ENDPOINT_BYTES: usize = 255 - "ep=".len();

/// A template of endpoint names; what `{index}` stands for is a meter's number, counted from 0.
///
/// `{index:07}` pads the number with zeros to at least seven digits. Single meters may have been given
/// names of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointTemplate {
    text: String,
    parts: Vec<Part>,
    /// The names of the first meters; empty where the template counts, and `None` where it does for all.
    listed: Option<Arc<[Box<str>]>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The meter's number, padded with zeros to this many digits.
    Index(usize),
}

/// Why a text is not a template of endpoint names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// A brace that does not belong to `{index}`.
    #[error("must hold no braces but `{{index}}` or a padded form such as `{{index:07}}`")]
    Placeholder,
    /// Nothing, or a character that no name should hold.
    #[error("must not be empty nor hold control characters")]
    Character,
    /// Names made of it would not fit the option they travel in.
    #[error("must make names of at most {MAX_ENDPOINT_BYTES} bytes")]
    Length,
}

impl EndpointTemplate {
    /// The name of a meter.
    pub fn name(&self, index: u32) -> String {
        if let Some(name) = self.listed(index) {
            return name.to_owned();
        }
        let mut name = String::with_capacity(self.text.len() + 8);
        for part in &self.parts {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Index(width) => {
                    write!(name, "{index:0width$}").expect("writing to a string cannot fail");
                }
            }
        }
        name
    }

    /// Gives the first meters these names; where one is empty, the template still counts.
    #[must_use]
    pub fn with_listed(self, names: Arc<[Box<str>]>) -> Self {
        EndpointTemplate { listed: (!names.is_empty()).then_some(names), ..self }
    }

    /// The name of a meter that was given one of its own.
    pub fn listed(&self, index: u32) -> Option<&str> {
        let name = self.listed.as_ref()?.get(index as usize)?;
        (!name.is_empty()).then_some(name)
    }

    /// Two of the first `meters` meters that have the same name, if there are any.
    pub fn first_shared(&self, meters: u32) -> Option<(u32, u32)> {
        if self.listed.is_none() && self.is_distinct() {
            return None;
        }
        let mut names: FxHashMap<String, u32> = FxHashMap::default();
        (0..meters).find_map(|index| names.insert(self.name(index), index).map(|other| (other, index)))
    }

    /// Whether the template gives every meter a name of its own.
    pub fn is_distinct(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Index(_)))
    }
}

impl FromStr for EndpointTemplate {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(EndpointError::Character);
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            if open > 0 {
                parts.push(Part::Text(rest[..open].to_owned()));
            }
            let (width, after) = placeholder(&rest[open..])?;
            parts.push(Part::Index(width));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        let template = EndpointTemplate { text: text.to_owned(), parts, listed: None };
        // No name is longer than the one with the most digits.
        if template.name(u32::MAX).len() > MAX_ENDPOINT_BYTES {
            return Err(EndpointError::Length);
        }
        Ok(template)
    }
}

/// Reads `{index}` or `{index:0N}` at the front of `text`: the width, and what follows.
fn placeholder(text: &str) -> Result<(usize, &str), EndpointError> {
    let rest = text.strip_prefix("{index").ok_or(EndpointError::Placeholder)?;
    let (format, after) = rest.split_once('}').ok_or(EndpointError::Placeholder)?;
    if format.is_empty() {
        return Ok((0, after));
    }
    let digits = format.strip_prefix(":0").ok_or(EndpointError::Placeholder)?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(EndpointError::Placeholder);
    }
    let width: usize = digits.parse().map_err(|_| EndpointError::Length)?;
    if width > MAX_ENDPOINT_BYTES { Err(EndpointError::Length) } else { Ok((width, after)) }
}

impl fmt::Display for EndpointTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn template(text: &str) -> EndpointTemplate {
        text.parse().expect(text)
    }

    #[test]
    fn names_are_made_of_the_number() {
        assert_eq!(template("urn:dev:os:meter-{index:07}").name(42), "urn:dev:os:meter-0000042");
        assert_eq!(template("m{index}").name(0), "m0");
        assert_eq!(template("{index:02}/{index}").name(123), "123/123");
        assert_eq!(template("the-one").name(9), "the-one");
    }

    #[test]
    fn what_cannot_name_a_meter_is_refused() {
        for text in
            ["m{idx}", "m{index", "m}", "m{index:7}", "m{index:0}", "m{index:0x}", "{index:0é}", "{{index}}"]
        {
            assert_eq!(text.parse::<EndpointTemplate>(), Err(EndpointError::Placeholder), "{text}");
        }
        for text in ["", "m\n{index}"] {
            assert_eq!(text.parse::<EndpointTemplate>(), Err(EndpointError::Character), "{text}");
        }
        let long = "x".repeat(MAX_ENDPOINT_BYTES - 10);
        assert!(format!("{long}{{index}}").parse::<EndpointTemplate>().is_ok());
        assert_eq!(format!("{long}x{{index}}").parse::<EndpointTemplate>(), Err(EndpointError::Length));
        assert_eq!("{index:0999999999999999999999}".parse::<EndpointTemplate>(), Err(EndpointError::Length));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_parses_prints_the_same(text in "[a{}:0index9é]{0,24}") {
            if let Ok(template) = text.parse::<EndpointTemplate>() {
                prop_assert_eq!(template.to_string(), text);
                prop_assert!(template.name(u32::MAX).len() <= MAX_ENDPOINT_BYTES);
            }
        }

        #[test]
        fn distinct_means_distinct(text in "[a1]{0,2}\\{index(:0[1-4])?\\}[a1]{0,2}(\\{index\\})?", start in 0..100_000_u32) {
            let template = template(&text);
            prop_assert!(template.is_distinct());
            let names: BTreeSet<_> = (0..200).chain(start..start + 200).map(|i| (i, template.name(i))).collect();
            let distinct: BTreeSet<_> = names.iter().map(|(_, name)| name).collect();
            prop_assert_eq!(names.len(), distinct.len());
        }
    }
}
