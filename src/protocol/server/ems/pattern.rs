//! Patterns of endpoint names.

/// Whether `pattern`, in which each `*` stands for any text, fits all of `name`.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        // The first place a part fits leaves the most to those after it.
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, fitting, others) in [
            ("meter-1", &["meter-1"][..], &["meter-", "meter-12", ""][..]),
            ("*", &["", "anything"], &[]),
            ("meter-*", &["meter-", "meter-7"], &["meter", "a-meter-7"]),
            ("*-7", &["meter-7", "-7"], &["7", "meter-77x"]),
            ("a*b*c", &["abc", "a-b-b-c"], &["ac", "acb", "abcd"]),
            ("ab*ba", &["abba", "ab-ba"], &["aba"]),
        ] {
            assert!(fitting.iter().all(|name| fits(pattern, name)), "{pattern}");
            assert!(!others.iter().any(|name| fits(pattern, name)), "{pattern}");
        }
    }
}
