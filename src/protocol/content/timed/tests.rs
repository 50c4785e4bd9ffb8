use proptest::prelude::*;

use super::*;
use crate::protocol::lwm2m::Value;

const JSON: ContentFormat = ContentFormat::SENML_JSON;
const CBOR: ContentFormat = ContentFormat::SENML_CBOR;

fn timed(path: &str, time: Option<f64>, value: Value) -> Timed {
    Timed { time, entry: Entry::new(path.parse().unwrap(), value) }
}

fn times() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        Just(None),
        (1.6e9..1.8e9f64).prop_map(Some),
        (1_600_000_000..1_700_000_000i64).prop_map(|seconds| Some(seconds as f64)),
        (-1000..=0i64).prop_map(|seconds| Some(seconds as f64)),
        prop::num::f64::NORMAL.prop_map(Some),
    ]
}

/// A history: no place twice at a time.
fn history() -> impl Strategy<Value = Vec<Timed>> {
    prop::collection::vec((times(), 0..3u16, any::<i64>()), 0..12).prop_map(|values| {
        let mut history: Vec<Timed> = Vec::new();
        for (time, resource, number) in values {
            let path = Path::resource(9999, 0, resource);
            let value = Timed { time, entry: Entry::new(path, Value::Integer(number)) };
            if !history.iter().any(|old| old.seconds() == value.seconds() && old.entry.path == path) {
                history.push(value);
            }
        }
        history
    })
}

proptest! {
    #[test]
    fn histories_round_trip(history in history(), base in 0..=3usize) {
        let base = Path::resource(9999, 0, 1).truncated(base);
        let within: Vec<Timed> =
            history.into_iter().filter(|value| value.entry.path.starts_with(&base)).collect();
        for format in [JSON, CBOR] {
            let payload = encode_timed(format, base, &within).unwrap();
            prop_assert_eq!(decode_timed(format, base, &payload), Ok(within.clone()), "{:?}", format);
        }
    }

    #[test]
    fn damaged_histories_are_read_or_refused(
        history in history(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for format in [JSON, CBOR] {
            let mut payload = encode_timed(format, Path::ROOT, &history).unwrap();
            for (at, byte) in &damage {
                let at = at.index(payload.len());
                payload[at] = *byte;
            }
            if let Ok(history) = decode_timed(format, Path::ROOT, &payload) {
                prop_assert!(history.iter().all(|value| value.taken_at(1.7e9).is_finite()));
            }
        }
    }
}

#[test]
fn a_history_of_one_resource() {
    let values = [
        timed("/3/0/9", Some(1_700_000_000.0), Value::Integer(95)),
        timed("/3/0/9", Some(1_700_000_060.0), Value::Integer(94)),
        timed("/3/0/9", Some(1_700_000_120.5), Value::Integer(93)),
    ];
    let json = r#"[{"bn":"/3/0/9","bt":1700000000,"v":95},{"v":94,"t":60},{"v":93,"t":120.5}]"#;
    let base = Path::resource(3, 0, 9);
    assert_eq!(encode_timed(JSON, base, &values).as_deref(), Ok(json.as_bytes()));
    assert_eq!(decode_timed(JSON, base, json.as_bytes()).as_deref(), Ok(&values[..]));
    let cbor = b"\x83\xa3\x21\x66/3/0/9\x22\x1a\x65\x53\xf1\x00\x02\x18\x5f\
                 \xa2\x02\x18\x5e\x06\x18\x3c\xa2\x02\x18\x5d\x06\xfa\x42\xf1\x00\x00";
    assert_eq!(encode_timed(CBOR, base, &values).as_deref(), Ok(&cbor[..]));
    assert_eq!(decode_timed(CBOR, base, cbor).as_deref(), Ok(&values[..]));
}

#[test]
fn a_base_time_is_not_forced_on_values_of_now() {
    let values = [
        timed("/3/0/9", Some(-60.0), Value::Integer(95)),
        timed("/3/0/13", None, Value::Time(1_700_000_000)),
    ];
    let json = r#"[{"bn":"/3/0/","n":"9","v":95,"t":-60},{"n":"13","v":1700000000}]"#;
    assert_eq!(encode_timed(JSON, Path::instance(3, 0), &values).as_deref(), Ok(json.as_bytes()));
    assert_eq!(decode_timed(JSON, Path::instance(3, 0), json.as_bytes()).as_deref(), Ok(&values[..]));
}

/// RFC 8428 §4.5.3.
#[test]
fn small_times_count_from_now() {
    let taken_at = |time| timed("/3/0/9", time, Value::Integer(0)).taken_at(1.7e9);
    assert_eq!(taken_at(None), 1.7e9);
    assert_eq!(taken_at(Some(0.0)), 1.7e9);
    assert_eq!(taken_at(Some(-60.0)), 1.7e9 - 60.0);
    assert_eq!(taken_at(Some(268_435_455.0)), 1.7e9 + 268_435_455.0);
    assert_eq!(taken_at(Some(268_435_456.0)), 268_435_456.0);
    // Base time and time count as their sum.
    let json = br#"[{"bn":"/3/0/9","bt":268435400,"t":100,"v":1}]"#;
    let read = decode_timed(JSON, Path::ROOT, json).unwrap();
    assert_eq!(read[0].taken_at(1.7e9), 268_435_500.0);
}

#[test]
fn one_place_has_one_value_at_a_time() {
    let base = Path::object(3);
    let duplicate = Error::Duplicate { path: Path::resource(3, 0, 9) };
    for (first, second) in [(None, None), (None, Some(0.0)), (Some(7.0), Some(7.0)), (Some(-0.0), Some(0.0))]
    {
        let values = [first, second].map(|time| timed("/3/0/9", time, Value::Integer(0)));
        assert_eq!(encode_timed(JSON, base, &values), Err(duplicate.clone()));
    }
    let json = br#"[{"bn":"/3/0/9","bt":5,"v":1},{"v":2,"t":1},{"v":1,"t":0}]"#;
    assert_eq!(decode_timed(JSON, base, json), Err(duplicate));
}

#[test]
fn times_are_finite() {
    let base = Path::object(3);
    for time in [f64::NAN, f64::INFINITY] {
        let values = [timed("/3/0/9", Some(time), Value::Integer(0))];
        assert_eq!(encode_timed(CBOR, base, &values), Err(Error::Time { path: Path::resource(3, 0, 9) }));
    }
    let sum = br#"[{"bn":"/3/0/9","bt":1.7e308,"t":1.7e308,"v":1}]"#;
    assert_eq!(decode_timed(JSON, base, sum), Err(Error::Time { path: Path::resource(3, 0, 9) }));
    let nan = b"\x81\xa3\x21\x66/3/0/9\x06\xf9\x7e\x00\x02\x00";
    assert!(matches!(decode_timed(CBOR, base, nan), Err(Error::Malformed { at: 11, .. })));
    let text = br#"[{"bn":"/3/0/9","t":"0","v":1}]"#;
    assert!(matches!(decode_timed(JSON, base, text), Err(Error::Json(_))));
}

#[test]
fn lwm2m_cbor_has_no_times() {
    let format = ContentFormat::LWM2M_CBOR;
    let base = Path::object(3);
    let now = [Timed::now(Entry::new(Path::resource(3, 0, 9), Value::Integer(95)))];
    let payload = encode_timed(format, base, &now).unwrap();
    assert_eq!(decode_timed(format, base, &payload).as_deref(), Ok(&now[..]));
    let past = [Timed::at(1.7e9, now[0].entry.clone())];
    assert!(matches!(encode_timed(format, base, &past), Err(Error::Unencodable { .. })));
    assert_eq!(encode_timed(ContentFormat::TLV, base, &now), Err(Error::Unsupported(11542)));
    assert_eq!(decode_timed(ContentFormat::TEXT, base, b""), Err(Error::Unsupported(0)));
}
