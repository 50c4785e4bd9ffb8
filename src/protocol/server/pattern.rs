//! Patterns of endpoint names: which devices something is meant for.

use std::fmt;

/// A pattern such as `urn:dev:os:meter-*`: `*` stands for any characters or none, `?` for one (of those
/// outside ASCII, which are several bytes, for one byte).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointPattern(Box<str>);

impl EndpointPattern {
    /// The pattern that every name fits.
    pub fn any() -> Self {
        EndpointPattern("*".into())
    }

    /// The pattern as written; every text is one.
    pub fn new(text: &str) -> Self {
        EndpointPattern(text.into())
    }

    /// Whether the name fits.
    pub fn fits(&self, name: &str) -> bool {
        if &*self.0 == "*" {
            return true;
        }
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut p, mut n) = (0, 0);
        // Where the last star was, and how far into the name it had been stretched.
        let mut star: Option<(usize, usize)> = None;
        while n < name.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    star = Some((p, n));
                    p += 1;
                }
                Some(&byte) if byte == b'?' || byte == name[n] => {
                    p += 1;
                    n += 1;
                }
                _ => match &mut star {
                    Some((at, stretched)) => {
                        *stretched += 1;
                        (p, n) = (*at + 1, *stretched);
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|byte| *byte == b'*')
    }
}

impl fmt::Display for EndpointPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stars_and_question_marks() {
        let fits = |pattern: &str, name: &str| EndpointPattern::new(pattern).fits(name);
        assert!(fits("*", "") && fits("*", "anything"));
        assert!(fits("meter-*", "meter-") && fits("meter-*", "meter-7") && !fits("meter-*", "gate-7"));
        assert!(fits("meter-?", "meter-7") && !fits("meter-?", "meter-17"));
        assert!(fits("*-7", "meter-17-7") && fits("a*b*c", "a-b-b-c") && !fits("a*b*c", "a-c"));
        assert!(!fits("", "a") && fits("", ""));
    }

    proptest! {
        #[test]
        fn a_name_fits_itself_and_its_parts_between_stars(name in "[a-c]{0,8}", at in 0usize..8) {
            prop_assert!(EndpointPattern::new(&name).fits(&name));
            let at = at.min(name.len());
            let (head, tail) = name.split_at(at);
            let pattern = format!("*{head}*{tail}*");
            prop_assert!(EndpointPattern::new(&pattern).fits(&name));
            let longer = format!("{name}d");
            prop_assert!(!EndpointPattern::new(&name).fits(&longer));
        }
    }
}
