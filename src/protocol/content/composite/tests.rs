use proptest::prelude::*;

use super::*;

const PATHS: [ContentFormat; 4] = [
    ContentFormat::SENML_JSON,
    ContentFormat::SENML_CBOR,
    ContentFormat::SENML_ETCH_JSON,
    ContentFormat::SENML_ETCH_CBOR,
];

/// Those that can delete.
const PATCHES: [ContentFormat; 3] =
    [ContentFormat::SENML_ETCH_JSON, ContentFormat::SENML_ETCH_CBOR, ContentFormat::LWM2M_CBOR];

const JSON: ContentFormat = ContentFormat::SENML_ETCH_JSON;

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

fn set(at: &str, value: Value) -> Patch {
    Patch::Set(Entry::new(path(at), value))
}

/// Patches of resources that nobody defined, so that each is of the type it looks like.
fn patches() -> impl Strategy<Value = Vec<Patch>> {
    let step = prop_oneof![
        any::<i64>().prop_map(|number| Some(Value::Integer(number))),
        any::<bool>().prop_map(|truth| Some(Value::Boolean(truth))),
        "[a-z]{0,5}".prop_map(|text| Some(Value::from(&*text))),
        Just(None),
    ];
    prop::collection::btree_map((0..2u16, 0..9u16, 0..3u16), step, 0..12).prop_map(|steps| {
        let patch = |((instance, resource, place), value)| {
            let path = Path::resource_instance(9999, instance, resource, place);
            match value {
                Some(value) => Patch::Set(Entry::new(path, value)),
                None => Patch::Delete(path),
            }
        };
        steps.into_iter().map(patch).collect()
    })
}

proptest! {
    #[test]
    fn paths_round_trip(
        ids in prop::collection::btree_set(prop::collection::vec(0..65535u16, 0..=4), 0..8),
    ) {
        let paths: Vec<Path> = ids
            .iter()
            .map(|ids| ids.iter().fold(Path::ROOT, |path, id| path.child(*id).expect("a plain id")))
            .collect();
        for format in PATHS {
            let payload = encode_paths(format, &paths).unwrap();
            prop_assert_eq!(decode_paths(format, &payload), Ok(paths.clone()), "{:?}", format);
        }
    }

    #[test]
    fn patches_round_trip(patches in patches()) {
        for format in PATCHES {
            let payload = encode_patch(format, &patches).unwrap();
            prop_assert_eq!(decode_patch(format, &payload), Ok(patches.clone()), "{:?}", format);
        }
    }

    #[test]
    fn damaged_bodies_are_read_or_refused(
        patches in patches(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for format in PATCHES {
            let mut payload = encode_patch(format, &patches).unwrap();
            for (at, byte) in &damage {
                let at = at.index(payload.len());
                payload[at] = *byte;
            }
            let _ = decode_paths(format, &payload);
            if let Ok(patches) = decode_patch(format, &payload) {
                for patch in patches {
                    prop_assert!(matches!(patch, Patch::Set(_)) || patch.path().depth() == 4);
                }
            }
        }
    }
}

#[test]
fn a_read_composite() {
    let paths = [path("/3/0/0"), path("/1"), path("/3/0/7/0")];
    let json = r#"[{"n":"/3/0/0"},{"n":"/1"},{"n":"/3/0/7/0"}]"#;
    let cbor = b"\x83\xa1\x00\x66/3/0/0\xa1\x00\x62/1\xa1\x00\x68/3/0/7/0";
    for format in [ContentFormat::SENML_JSON, ContentFormat::SENML_ETCH_JSON] {
        assert_eq!(encode_paths(format, &paths).as_deref(), Ok(json.as_bytes()));
        assert_eq!(decode_paths(format, json.as_bytes()).as_deref(), Ok(&paths[..]));
    }
    for format in [ContentFormat::SENML_CBOR, ContentFormat::SENML_ETCH_CBOR] {
        assert_eq!(encode_paths(format, &paths).as_deref(), Ok(&cbor[..]));
        assert_eq!(decode_paths(format, cbor).as_deref(), Ok(&paths[..]));
    }
    let with_base = r#"[{"bn":"/3/0/","n":"0"},{"bn":"/1"},{"bn":"/3/0/7/","n":"0"}]"#;
    assert_eq!(decode_paths(JSON, with_base.as_bytes()).as_deref(), Ok(&paths[..]));
}

#[test]
fn what_is_asked_for_may_overlap_but_not_repeat() {
    let overlapping = [Path::ROOT, path("/3"), path("/3/0")];
    let payload = encode_paths(JSON, &overlapping).unwrap();
    assert_eq!(decode_paths(JSON, &payload).as_deref(), Ok(&overlapping[..]));
    let duplicate = Error::Duplicate { path: path("/3") };
    assert_eq!(encode_paths(JSON, &[path("/3"), path("/1"), path("/3")]), Err(duplicate.clone()));
    assert_eq!(decode_paths(JSON, br#"[{"n":"/3"},{"n":"/1"},{"n":"/3"}]"#), Err(duplicate));
}

#[test]
fn paths_come_without_values() {
    let value = Err(Error::Value { path: path("/3/0/9") });
    assert_eq!(decode_paths(JSON, br#"[{"n":"/3/0/9","v":95}]"#), value);
    assert_eq!(decode_paths(JSON, br#"[{"n":"/3/0/9","v":null}]"#), value);
    assert!(matches!(decode_paths(JSON, br#"[{"u":"s"}]"#), Err(Error::Name(_))));
    for format in [ContentFormat::LWM2M_CBOR, ContentFormat::TLV, ContentFormat::LINK] {
        assert_eq!(decode_paths(format, b"\xa0"), Err(Error::Unsupported(format.0)));
        assert_eq!(encode_paths(format, &[]), Err(Error::Unsupported(format.0)));
    }
}

#[test]
fn a_write_composite() {
    let patches = [
        set("/1/0/2", Value::Integer(101)),
        set("/1/0/6", Value::Boolean(true)),
        set("/3/0/13", Value::Time(0)),
    ];
    let senml =
        b"\x83\xa3\x21\x61/\x00\x651/0/2\x02\x18\x65\xa2\x00\x651/0/6\x04\xf5\xa2\x00\x663/0/13\x02\x00";
    for format in [ContentFormat::SENML_CBOR, ContentFormat::SENML_ETCH_CBOR] {
        assert_eq!(decode_patch(format, senml).as_deref(), Ok(&patches[..]));
        assert_eq!(encode_patch(format, &patches).as_deref(), Ok(&senml[..]));
    }
    // {[1, 0]: {2: 101, 6: true}, [3, 0, 13]: 0}
    let cbor = b"\xa2\x82\x01\x00\xa2\x02\x18\x65\x06\xf5\x83\x03\x00\x0d\x00";
    assert_eq!(encode_patch(ContentFormat::LWM2M_CBOR, &patches).as_deref(), Ok(&cbor[..]));
    assert_eq!(decode_patch(ContentFormat::LWM2M_CBOR, cbor).as_deref(), Ok(&patches[..]));
}

#[test]
fn a_null_deletes_a_resource_instance() {
    let patches = [set("/2/0/2/101", Value::Integer(7)), Patch::Delete(path("/2/0/2/102"))];
    let json = br#"[{"bn":"/","n":"2/0/2/101","v":7},{"n":"2/0/2/102","v":null}]"#;
    assert_eq!(encode_patch(JSON, &patches).as_deref(), Ok(&json[..]));
    for label in ["v", "vs", "vb", "vd", "vlo"] {
        let record = format!(r#"[{{"n":"/2/0/2/102","{label}":null}}]"#);
        assert_eq!(decode_patch(JSON, record.as_bytes()).as_deref(), Ok(&patches[1..]), "{label}");
    }
    for label in [&[2u8][..], &[3], &[4], &[8], b"\x63vlo"] {
        let record = [b"\x81\xa2\x00\x6a/2/0/2/102", label, b"\xf6"].concat();
        let read = decode_patch(ContentFormat::SENML_ETCH_CBOR, &record);
        assert_eq!(read.as_deref(), Ok(&patches[1..]), "{label:?}");
    }
    let cbor = b"\xa1\x83\x02\x00\x02\xa2\x18\x65\x07\x18\x66\xf6";
    assert_eq!(encode_patch(ContentFormat::LWM2M_CBOR, &patches).as_deref(), Ok(&cbor[..]));
    assert_eq!(decode_patch(ContentFormat::LWM2M_CBOR, cbor).as_deref(), Ok(&patches[..]));
}

#[test]
fn nothing_else_is_deleted() {
    let no_value = |at: &str| Err(Error::NoValue { path: path(at) });
    assert_eq!(decode_patch(JSON, br#"[{"n":"/1/0/1","v":null}]"#), no_value("/1/0/1"));
    // Not in SenML without ETCH, and not by a record that may be meant for a Read-Composite.
    let record = br#"[{"n":"/2/0/2/102","v":null}]"#;
    assert_eq!(decode_patch(ContentFormat::SENML_JSON, record), no_value("/2/0/2/102"));
    assert_eq!(decode_patch(JSON, br#"[{"n":"/2/0/2/102"}]"#), no_value("/2/0/2/102"));
    let delete = [Patch::Delete(path("/2/0/2/102"))];
    assert!(matches!(encode_patch(ContentFormat::SENML_CBOR, &delete), Err(Error::Unencodable { .. })));
    let too_much = [Patch::Delete(path("/1/0/1"))];
    assert!(matches!(encode_patch(JSON, &too_much), Err(Error::Unencodable { .. })));
}

#[test]
fn one_place_is_changed_once() {
    let duplicate = Error::Duplicate { path: path("/2/0/2/102") };
    let both = [set("/2/0/2/102", Value::Integer(7)), Patch::Delete(path("/2/0/2/102"))];
    for format in PATCHES {
        assert_eq!(encode_patch(format, &both), Err(duplicate.clone()));
    }
    let json = br#"[{"n":"/2/0/2/102","v":null},{"n":"/1/0/1","v":60},{"n":"/2/0/2/102","v":7}]"#;
    assert_eq!(decode_patch(JSON, json), Err(duplicate));
    assert_eq!(decode_patch(ContentFormat::TLV, b""), Err(Error::Unsupported(11542)));
    assert_eq!(encode_patch(ContentFormat::TLV, &[]), Err(Error::Unsupported(11542)));
}
