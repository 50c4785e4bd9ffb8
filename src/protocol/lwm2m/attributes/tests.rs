use proptest::prelude::*;

use super::*;

fn parse(query: &str, version: Version) -> Result<AttributeChange, AttributeError> {
    AttributeChange::parse(query.split('&').filter(|part| !part.is_empty()), version)
}

/// The attributes a 1.2 client has after this query, starting from none.
fn attributes(query: &str) -> Attributes {
    parse(query, Version::V1_2).unwrap().apply(&Attributes::default())
}

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

prop_compose! {
    fn any_attributes()(
        counts in prop::collection::vec(prop::option::of(any::<u32>()), 5),
        numbers in prop::collection::vec(prop::option::of(-1e12..1e12), 3),
        flags in prop::collection::vec(any::<Option<bool>>(), 2),
    ) -> Attributes {
        Attributes {
            pmin: counts[0],
            pmax: counts[1],
            epmin: counts[2],
            epmax: counts[3],
            gt: numbers[0],
            lt: numbers[1],
            st: numbers[2].map(f64::abs),
            edge: flags[0],
            con: flags[1],
            hqmax: counts[4],
        }
    }
}

proptest! {
    #[test]
    fn a_query_round_trips(wanted in any_attributes()) {
        prop_assert_eq!(attributes(&wanted.to_string()), wanted);
    }

    #[test]
    fn no_query_panics_and_what_is_read_prints_as_it_was_read(
        query in "((pm(in|ax)|epm(in|ax)|gt|lt|st|edge|con|hqmax)?=?[-0-9.e+inf]{0,4}&?){0,4}"
    ) {
        if let Ok(change) = parse(&query, Version::V1_2) {
            let read = change.apply(&Attributes::default());
            prop_assert_eq!(attributes(&read.to_string()), read);
            let _ = read.check();
        }
    }

    #[test]
    fn any_text_is_a_change_or_an_error(segments in prop::collection::vec(any::<String>(), 0..4)) {
        let _ = AttributeChange::parse(segments.iter().map(String::as_str), Version::V1_2);
    }

    #[test]
    fn a_set_is_a_map(steps in prop::collection::vec((0..3u16, 0..3u16, prop::option::of(0..3u16)), 0..20)) {
        let mut set = AttributeSet::default();
        let mut model = std::collections::BTreeMap::new();
        for (object, instance, pmin) in steps {
            let path = Path::instance(object, instance);
            let attached = Attributes { pmin: pmin.map(u32::from), ..Attributes::default() };
            set.set(path, attached);
            match pmin {
                Some(_) => drop(model.insert(path, attached)),
                None => drop(model.remove(&path)),
            }
            for path in (0..9).map(|id| Path::instance(id / 3, id % 3)) {
                prop_assert_eq!(set.get(path), model.get(&path));
            }
            prop_assert_eq!(set.is_empty(), model.is_empty());
        }
    }
}

#[test]
fn a_name_with_a_value_sets_and_without_one_unsets() {
    let before = Attributes { pmin: Some(5), pmax: Some(60), ..Attributes::default() };
    let change = parse("pmin&gt=2.5", Version::V1_0).unwrap();
    let after = change.apply(&before);
    assert_eq!(after, Attributes { pmax: Some(60), gt: Some(2.5), ..Attributes::default() });
    assert_eq!(parse("", Version::V1_2), Ok(AttributeChange::default()));
    assert_ne!(parse("con", Version::V1_2), Ok(AttributeChange::default()));
}

#[test]
fn a_client_knows_the_attributes_of_its_version_only() {
    for (query, first) in [("epmax=3", Version::V1_1), ("con=1", Version::V1_2), ("hqmax=9", Version::V1_2)] {
        for version in [Version::V1_0, Version::V1_1, Version::V1_2] {
            assert_eq!(parse(query, version).is_ok(), version >= first, "{query} in {version}");
        }
    }
}

#[test]
fn what_is_no_value_is_refused_by_name() {
    let bad = [
        "pmin=",
        "pmin=-1",
        "pmin=+1",
        "pmin=1.5",
        "pmax=4294967296",
        "gt=",
        "gt=inf",
        "gt=nan",
        "gt=1e999",
        "st=-1",
        "edge=2",
        "con=true",
        "=1",
        "dim=3",
        "ver=1.1",
        "pmin=1&pmin=2",
        "pmin&pmin",
        "PMIN=1",
    ];
    for query in bad {
        assert!(parse(query, Version::V1_2).is_err(), "{query}");
    }
    let error = parse("con=true", Version::V1_2).unwrap_err();
    assert_eq!(error.to_string(), "con=\"true\": 0 or 1 is needed");
}

#[test]
fn attributes_attached_together_have_to_agree() {
    let agreeing =
        ["pmin=10&pmax=10", "pmin=10&pmax=0", "lt=1&gt=2", "lt=-10&gt=10&st=9.9", "epmin=1&epmax=2", "st=7"];
    for query in agreeing {
        assert_eq!(attributes(query).check(), Ok(()), "{query}");
    }
    let bad = ["pmin=10&pmax=9", "lt=2&gt=2", "lt=3&gt=2", "lt=-10&gt=10&st=10", "epmin=2&epmax=2"];
    for query in bad {
        assert!(attributes(query).check().is_err(), "{query}");
    }
}

/// A period attached to an object and one attached to its resource never met in one request.
#[test]
fn a_maximum_below_an_inherited_minimum_is_ignored() {
    let mut set = AttributeSet::default();
    set.set(path("/3"), attributes("pmin=60"));
    set.set(path("/3/0/9"), attributes("pmax=30"));
    set.set(path("/3/0/7"), attributes("pmax=0"));
    assert_eq!(set.effective(path("/3/0/9")).max_period(), None);
    assert_eq!(set.effective(path("/3/0/7")).max_period(), None);
    assert_eq!(attributes("pmax=30").max_period(), Some(30));
}

#[test]
fn the_lowest_level_wins() {
    let mut set = AttributeSet::default();
    set.set(path("/3"), attributes("pmin=1&pmax=300&con=1"));
    set.set(path("/3/0"), attributes("pmin=2"));
    set.set(path("/3/0/7"), attributes("pmin=3&st=100"));
    set.set(path("/3/0/7/1"), attributes("con=0"));
    assert_eq!(set.effective(path("/3/0/7/1")).to_string(), "pmin=3&pmax=300&st=100&con=0");
    assert_eq!(set.effective(path("/3/0/8")).to_string(), "pmin=2&pmax=300&con=1");
    assert_eq!(set.effective(path("/4")), Attributes::default());
    assert_eq!(set.get(path("/3/0/8")), None);
}

#[test]
fn what_was_attached_goes_with_what_it_was_attached_to() {
    let mut set = AttributeSet::default();
    for at in ["/11", "/11/1", "/11/1/4", "/11/10", "/12"] {
        set.set(path(at), attributes("pmin=1"));
    }
    set.remove_below(path("/11/1"));
    assert!(set.get(path("/11/1")).is_none() && set.get(path("/11/1/4")).is_none());
    assert!(set.get(path("/11")).is_some() && set.get(path("/11/10")).is_some());
    set.remove_below(Path::ROOT);
    assert!(set.is_empty());
    assert_eq!(set.attached.capacity(), 0);
}

#[test]
fn thresholds_are_for_numbers_and_edges_for_booleans() {
    let allowed = |query, at| attributes(query).allowed_at(path(at));
    assert!(allowed("st=1", "/3/0/9") && allowed("gt=1", "/3/0/7/0") && allowed("lt=0", "/6/0/0"));
    assert!(!allowed("st=1", "/3/0") && !allowed("gt=1", "/3") && !allowed("gt=1", "/3/0/0"));
    assert!(!allowed("lt=1", "/3/0/4"), "an executable");
    assert!(allowed("edge=1", "/9/0/12") && !allowed("edge=1", "/3/0/9") && !allowed("edge=1", "/9/0"));
    assert!(allowed("gt=1", "/65000/0/1"), "unknown here");
    assert!(allowed("pmin=1&hqmax=3&con=1", "/3") && !allowed("pmin=1", "/"));
}
