//! The table in the docs names every case there is, and no other.

use std::collections::BTreeSet;

const DOCUMENT: &str = include_str!("../../../../docs/interoperability.md");
const SOURCES: [&str; 7] = [
    include_str!("bootstrap.rs"),
    include_str!("composites.rs"),
    include_str!("management.rs"),
    include_str!("ours.rs"),
    include_str!("registration.rs"),
    include_str!("reporting.rs"),
    include_str!("secured.rs"),
];

/// The test functions of cases in the sources.
fn functions() -> BTreeSet<&'static str> {
    let lines = SOURCES.into_iter().flat_map(|source| source.split("#[test]\nfn ").skip(1));
    lines.filter_map(|line| line.split('(').next()).filter(|name| name.starts_with("int_")).collect()
}

/// The functions a line of the table names, in backquotes.
fn named(line: &'static str) -> impl Iterator<Item = &'static str> {
    line.split('`').skip(1).step_by(2).filter(|name| name.starts_with("int_"))
}

#[test]
fn the_table_names_every_case_and_no_other() {
    let listed: Vec<&str> = DOCUMENT.lines().flat_map(named).collect();
    let distinct: BTreeSet<&str> = listed.iter().copied().collect();
    assert_eq!(distinct.len(), listed.len(), "a function is named twice");
    assert_eq!(distinct, functions());
}

#[test]
fn a_row_of_the_table_names_functions_of_its_number() {
    for line in DOCUMENT.lines().filter(|line| line.contains("`int_")) {
        let number = line.trim_start_matches("| ").split(' ').next().unwrap_or_default();
        let number = number.rsplit('-').next().unwrap_or_default();
        for name in named(line) {
            assert_eq!(name.split('_').nth(1), Some(number), "{line}");
        }
    }
}
