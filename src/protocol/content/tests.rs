//! What all codecs of values have in common.

use proptest::prelude::*;

use super::*;
use crate::protocol::lwm2m::{Kind, Multiplicity, Value, objects};

/// Those for any number of values.
const FORMATS: [ContentFormat; 5] = [
    ContentFormat::TLV,
    ContentFormat::SENML_CBOR,
    ContentFormat::SENML_JSON,
    ContentFormat::LWM2M_CBOR,
    ContentFormat::OMA_JSON,
];

/// Every format with a codec, the numbers some had before they were registered, and one that is none.
const ALL: [u16; 15] = [0, 40, 42, 60, 110, 112, 320, 322, 1541, 1542, 1543, 11542, 11543, 11544, 65535];

fn value_of(kind: Kind) -> BoxedStrategy<Value> {
    match kind {
        Kind::String => ".{0,12}".prop_map(|text| Value::from(&*text)).boxed(),
        Kind::CoreLink => ".{0,12}".prop_map(|text| Value::CoreLink(text.into())).boxed(),
        Kind::Integer => integer().prop_map(Value::Integer).boxed(),
        Kind::Time => integer().prop_map(Value::Time).boxed(),
        Kind::Unsigned => prop_oneof![any::<u64>(), 0..70_000u64].prop_map(Value::Unsigned).boxed(),
        Kind::Float => (prop::num::f64::NORMAL | prop::num::f64::ZERO).prop_map(Value::Float).boxed(),
        Kind::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        Kind::Opaque | Kind::None => {
            prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| Value::Opaque(bytes.into())).boxed()
        }
        Kind::ObjectLink => any::<(u16, u16)>().prop_map(|(o, i)| Value::ObjectLink(o, i)).boxed(),
    }
}

fn integer() -> impl Strategy<Value = i64> {
    prop_oneof![any::<i64>(), -200..200i64, -70_000..70_000i64, any::<i32>().prop_map(i64::from)]
}

/// A value at a resource that the definitions know, or at one they do not.
fn entry(object: u16) -> impl Strategy<Value = Entry> {
    (prop_oneof![0..3u16, 0..65_535u16], 0..40u16, prop_oneof![0..3u16, 0..65_535u16]).prop_flat_map(
        move |(instance, resource, resource_instance)| {
            let path = Path::resource(object, instance, resource);
            let known = objects::resource(path);
            let multiple =
                known.map_or(resource % 2 == 0, |known| known.multiplicity == Multiplicity::Multiple);
            let path = if multiple { path.child(resource_instance).expect("a plain id") } else { path };
            value_of(known.map_or(Kind::Opaque, |known| known.kind))
                .prop_map(move |value| Entry::new(path, value))
        },
    )
}

/// Entries of one object, no path twice, in any order.
fn entries() -> impl Strategy<Value = Vec<Entry>> {
    prop_oneof![0..4u16, Just(64_000u16)]
        .prop_flat_map(|object| prop::collection::vec(entry(object), 1..12))
        .prop_map(|mut entries| {
            let mut seen = std::collections::BTreeSet::new();
            entries.retain(|entry| seen.insert(entry.path));
            entries
        })
}

/// Entries of an object nobody defined, of whatever kind.
fn undefined() -> impl Strategy<Value = Vec<Entry>> {
    use Kind::*;
    let kind = prop::sample::select(vec![
        String, Integer, Unsigned, Float, Boolean, Opaque, Time, ObjectLink, CoreLink,
    ]);
    let value = kind.prop_flat_map(value_of);
    prop::collection::btree_map((0..3u16, 0..20u16), value, 0..10).prop_map(|values| {
        let at = |(instance, resource)| Path::resource(64_000, instance, resource);
        values.into_iter().map(|(place, value)| Entry::new(at(place), value)).collect()
    })
}

/// What a format that tells types makes of a value without a definition. None if it cannot carry it.
fn as_it_looks(format: ContentFormat, value: &Value) -> Option<Value> {
    Some(match value {
        Value::Time(seconds) => Value::Integer(*seconds),
        Value::Unsigned(number) => i64::try_from(*number).map_or(Value::Unsigned(*number), Value::Integer),
        Value::CoreLink(text) => Value::String(text.clone()),
        Value::ObjectLink(object, instance) if format == ContentFormat::LWM2M_CBOR => {
            Value::from(&*format!("{object}:{instance}"))
        }
        Value::Opaque(_) if format == ContentFormat::OMA_JSON => return None,
        other => other.clone(),
    })
}

/// Whether the definitions say of what type the entry is.
fn is_defined(entry: &Entry) -> bool {
    entries::kind(entry.path).is_some()
}

fn sorted(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by_key(|entry| entry.path);
    entries
}

proptest! {
    #[test]
    fn entries_round_trip_at_every_base(entries in entries()) {
        for format in FORMATS {
            for depth in 0..=4 {
                let base = entries[0].path.truncated(depth);
                if base == Path::ROOT && format == ContentFormat::TLV {
                    continue;
                }
                let within: Vec<Entry> = entries
                    .iter()
                    .filter(|entry| entry.path.starts_with(&base))
                    .filter(|entry| format != ContentFormat::OMA_JSON || is_defined(entry))
                    .cloned()
                    .collect();
                let payload = encode(format, base, &within).unwrap();
                prop_assert_eq!(decode(format, base, &payload), Ok(sorted(within)), "{:?} {}", format, base);
            }
        }
    }

    #[test]
    fn values_without_a_definition_are_what_they_look_like(entries in undefined()) {
        for format in FORMATS.into_iter().filter(|&format| format != ContentFormat::TLV) {
            let (written, expected): (Vec<Entry>, Vec<Entry>) = entries
                .iter()
                .filter_map(|entry| Some((entry, as_it_looks(format, &entry.value)?)))
                .map(|(entry, seen)| (entry.clone(), Entry::new(entry.path, seen)))
                .unzip();
            let payload = encode(format, Path::object(64_000), &written).unwrap();
            prop_assert_eq!(decode(format, Path::object(64_000), &payload), Ok(expected), "{:?}", format);
        }
    }

    #[test]
    fn single_values_round_trip(entry in prop_oneof![entry(0), entry(1), entry(3)]) {
        let known = objects::resource(entry.path).map(|known| known.kind);
        for format in [ContentFormat::TEXT, ContentFormat::CBOR] {
            if known.is_some_and(|kind| kind != Kind::None) {
                let payload = encode(format, entry.path, std::slice::from_ref(&entry)).unwrap();
                prop_assert_eq!(decode(format, entry.path, &payload), Ok(vec![entry.clone()]));
            }
        }
        let payload = encode(ContentFormat::OPAQUE, entry.path, std::slice::from_ref(&entry));
        match &entry.value {
            Value::Opaque(bytes) => {
                prop_assert_eq!(payload.as_deref(), Ok(&**bytes));
                prop_assert_eq!(decode(ContentFormat::OPAQUE, entry.path, bytes), Ok(vec![entry.clone()]));
            }
            _ => prop_assert!(payload.is_err()),
        }
    }

    #[test]
    fn a_cut_payload_is_never_the_whole(entries in entries(), cut in any::<prop::sample::Index>()) {
        let base = entries[0].path.truncated(1);
        for format in FORMATS {
            let payload = encode(format, base, &entries).unwrap();
            let part = &payload[..cut.index(payload.len())];
            // JSON and CBOR are whole or nothing; TLV has no end of its own.
            match format {
                ContentFormat::TLV => {
                    prop_assert_ne!(decode(format, base, part), Ok(sorted(entries.clone())));
                }
                _ => prop_assert!(decode(format, base, part).is_err(), "{:?}", format),
            }
        }
    }

    #[test]
    fn any_bytes_are_entries_or_an_error(
        payload in prop::collection::vec(any::<u8>(), 0..80),
        base in (0..=4usize, 0..5u16).prop_map(|(depth, object)| Path::resource_instance(object, 0, 0, 0).truncated(depth)),
    ) {
        for format in ALL.map(ContentFormat) {
            let _ = decode(format, base, &payload);
            let _ = decode_create(format, Path::instance(3, 1), &payload);
            let _ = decode_paths(format, &payload);
            let _ = decode_patch(format, &payload);
            let _ = decode_timed(format, base, &payload);
        }
    }

    /// Damage close to the real thing reaches deeper than noise does.
    #[test]
    fn damaged_payloads_are_entries_or_an_error(
        entries in entries(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let base = entries[0].path.truncated(1);
        for format in FORMATS {
            let mut payload = encode(format, base, &entries).unwrap();
            for (at, byte) in &damage {
                let at = at.index(payload.len());
                payload[at] = *byte;
            }
            if let Ok(entries) = decode(format, base, &payload) {
                prop_assert!(entries.iter().all(|entry| entry.path.starts_with(&base)));
            }
            if let Ok(creation) = decode_create(format, base.child(7).unwrap(), &payload) {
                prop_assert!(creation.entries.iter().all(|entry| entry.path.starts_with(&base)));
            }
        }
    }
}

#[test]
fn entries_that_do_not_fit_are_refused() {
    let lifetime = Entry::new(Path::resource(1, 0, 1), Value::Integer(300));
    let within = Entry::new(Path::resource_instance(1, 0, 1, 0), Value::Integer(300));
    let instance = Entry::new(Path::instance(1, 0), Value::Integer(300));
    for format in FORMATS {
        let refused = |base, entries: &[&Entry]| {
            let entries: Vec<Entry> = entries.iter().copied().cloned().collect();
            encode(format, base, &entries).unwrap_err()
        };
        assert!(matches!(refused(Path::object(3), &[&lifetime]), Error::Outside { .. }));
        assert!(matches!(refused(Path::object(1), &[&lifetime, &lifetime]), Error::Duplicate { .. }));
        assert!(matches!(refused(Path::object(1), &[&within, &lifetime]), Error::Duplicate { .. }));
        assert!(matches!(refused(Path::object(1), &[&instance]), Error::Unencodable { .. }));
    }
}

#[test]
fn link_format_and_foreign_formats_carry_no_values() {
    for format in [40, 320, 322, 65535] {
        assert_eq!(decode(ContentFormat(format), Path::object(1), b""), Err(Error::Unsupported(format)));
        assert_eq!(encode(ContentFormat(format), Path::object(1), &[]), Err(Error::Unsupported(format)));
    }
}

#[test]
fn numbers_of_before_the_registration_are_read_and_not_written() {
    let name = Path::resource(3, 0, 0);
    let acme = [Entry::new(name, Value::from("ACME"))];
    for (old, new) in [(1541, 0), (1542, 11542), (1543, 11543)] {
        let payload = encode(ContentFormat(new), name, &acme).unwrap();
        assert_eq!(decode(ContentFormat(old), name, &payload).as_deref(), Ok(&acme[..]), "{old}");
        assert_eq!(encode(ContentFormat(old), name, &acme), Err(Error::Unsupported(old)));
    }
}

/// As Leshan's bootstrap server writes an instance of Security: resources that are not set come empty.
#[test]
fn empty_resources_are_read_as_such() {
    let instance = Path::instance(0, 1);
    let empty = |resource| Entry::new(instance.child(resource).unwrap(), Value::Opaque(Box::default()));
    let entries = [
        Entry::new(Path::resource(0, 1, 0), Value::from("coap://127.0.0.1:5683")),
        Entry::new(Path::resource(0, 1, 1), Value::Boolean(false)),
        Entry::new(Path::resource(0, 1, 2), Value::Integer(3)),
        empty(3),
        empty(4),
        empty(5),
        empty(7),
        empty(8),
        Entry::new(Path::resource(0, 1, 9), Value::from("")),
    ];
    for format in FORMATS {
        let payload = encode(format, instance, &entries).unwrap();
        assert_eq!(decode(format, instance, &payload).as_deref(), Ok(&entries[..]), "{format:?}");
    }
    // From a server that takes the one for the other.
    let confused = br#"[{"bn":"/0/1/","n":"3","vs":""},{"n":"9","vd":""}]"#;
    let read = decode(ContentFormat::SENML_JSON, instance, confused);
    assert_eq!(read, Ok(vec![empty(3), Entry::new(Path::resource(0, 1, 9), Value::from(""))]));
}
