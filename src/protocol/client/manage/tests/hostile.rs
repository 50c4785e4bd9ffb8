//! Whatever a server sends.

use proptest::prelude::*;

use super::*;

const FORMATS: [u16; 14] = [0, 40, 42, 60, 110, 112, 320, 322, 1541, 1542, 11542, 11543, 11544, 9];

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        30 => prop::sample::select(vec!["0", "1", "2", "3", "4", "5", "8", "9", "11", "13", "14", "21", "10243"])
            .prop_map(str::to_owned),
        1 => any::<u16>().prop_map(|id| id.to_string()),
        1 => "[ -~]{0,4}",
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::Integer),
        (0..300_i64).prop_map(Value::Integer),
        "[ -~]{0,12}".prop_map(|text| Value::from(text.as_str())),
        any::<bool>().prop_map(Value::Boolean),
        prop::collection::vec(any::<u8>(), 0..12).prop_map(|bytes| Value::Opaque(bytes.into())),
        any::<f64>().prop_map(Value::Float),
        any::<i32>().prop_map(|seconds| Value::Time(seconds.into())),
    ]
}

/// Resources and resource instances, many of which the device has or could have.
fn target() -> impl Strategy<Value = Path> {
    let of = (
        prop::sample::select(vec![0, 1, 2, 3, 5, 9, 11, 10243]),
        0..3_u16,
        prop_oneof![0..17_u16, 0..30_u16],
        prop::option::of(0..3_u16),
    );
    of.prop_map(|(object, instance, resource, of)| {
        let path = Path::resource(object, instance, resource);
        of.and_then(|id| path.child(id)).unwrap_or(path)
    })
}

/// Resources and resource instances of the device that servers write, with values they take.
fn writable() -> impl Strategy<Value = (Path, Value)> {
    let text = "[ -~]{0,12}".prop_map(|text| Value::from(text.as_str()));
    let texts =
        prop::sample::select(vec!["/3/0/14", "/3/0/15", "/11/0/1", "/11/0/5", "/11/0/8/0", "/11/0/8/7"]);
    let flags = prop::sample::select(vec!["/1/0/6", "/1/0/23", "/11/0/3"]);
    prop_oneof![
        (texts, text),
        (flags, any::<bool>().prop_map(Value::Boolean)),
        (Just("/1/0/1"), (0..100_i64).prop_map(Value::Integer)),
    ]
    .prop_map(|(path, value)| (at(path), value))
}

/// Bytes, and payloads that can be read.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let written = |entries: Vec<(Path, Value)>, format: u16| {
        let entries: Vec<Entry> = entries.into_iter().map(|(path, value)| Entry::new(path, value)).collect();
        content::encode(ContentFormat(format), Path::ROOT, &entries).unwrap_or_default()
    };
    let values = prop::collection::vec((target(), value()), 1..4);
    prop_oneof![
        2 => prop::collection::vec(any::<u8>(), 0..60),
        2 => "[0-9a-z=',.]{0,12}".prop_map(String::into_bytes),
        6 => (values, prop::sample::select(vec![110_u16, 112, 11544]))
            .prop_map(move |(entries, format)| written(entries, format)),
        2 => prop::collection::vec(target(), 1..4)
            .prop_map(|paths| content::encode_paths(ContentFormat::SENML_CBOR, &paths).unwrap_or_default()),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let method = prop_oneof![9 => 1..8_u8, 1 => any::<u8>()];
    let path = prop::collection::vec(segment(), 0..6);
    let format = || {
        prop::option::of(prop_oneof![
            9 => prop::sample::select(FORMATS.to_vec()),
            1 => any::<u16>(),
        ])
    };
    let query = prop::sample::select(vec!["pmin=1", "pmax", "gt=2.5", "depth=1", "depth=7", "lt=x", "con=1"]);
    let queries = prop::collection::vec(query, 0..3);
    let observe = prop::option::of(0..3_u32);
    (method, path, format(), format(), queries, observe, payload()).prop_map(
        |(method, path, content, accept, queries, observe, payload)| {
            let segments: Vec<&str> = path.iter().map(String::as_str).collect();
            let mut message = Message::request(Code(method)).with_path(&segments).with_payload(payload);
            message = queries.into_iter().fold(message, Message::with_query);
            if let Some(format) = content {
                message = message.with_content_format(ContentFormat(format));
            }
            if let Some(format) = accept {
                message = message.with_accept(ContentFormat(format));
            }
            match observe {
                Some(value) => message.with_observe(value),
                None => message,
            }
        },
    )
}

proptest! {
    #[test]
    fn what_is_refused_leaves_no_trace(
        version in prop::sample::select(ALL.to_vec()),
        messages in prop::collection::vec(message(), 1..12),
    ) {
        let mut bench = Bench::new(version);
        let accounts: Vec<Value> = bench.tree.entries(at("/0")).map(|(_, value)| value.clone()).collect();
        for message in messages {
            let before = bench.state();
            let asked = format!("{message:?}");
            let reads = matches!(message.code(), Code::GET | Code::FETCH);
            let answer = bench.ask(message);
            prop_assert!(answer.code().is_response());
            if reads || !answer.code().is_success() {
                prop_assert_eq!(bench.state(), before, "{} {}", asked, answer.code());
                prop_assert!(bench.effects.is_empty(), "{}", asked);
            }
        }
        let after: Vec<Value> = bench.tree.entries(at("/0")).map(|(_, value)| value.clone()).collect();
        prop_assert_eq!(after, accounts);
        prop_assert!(bench.tree.has_instance(3, 0) && bench.tree.has_instance(1, 0));
    }

    /// A Write-Composite does what its parts would do one by one, if all of them would; else nothing.
    #[test]
    fn a_composite_write_does_all_of_its_parts_or_none(
        entries in prop::collection::vec(prop_oneof![6 => writable(), 1 => (target(), value())], 1..5),
    ) {
        let entries: std::collections::BTreeMap<Path, Value> = entries.into_iter().collect();
        let entries: Vec<Entry> = entries.into_iter().map(|(path, value)| Entry::new(path, value)).collect();
        let asked = |entries: &[Entry]| {
            let payload = content::encode(ContentFormat::SENML_CBOR, Path::ROOT, entries).ok()?;
            Some(request("IPATCH /").with_content_format(ContentFormat::SENML_CBOR).with_payload(payload))
        };
        let Some(whole) = asked(&entries) else { return Ok(()) };
        let mut bench = Bench::new(Version::V1_2);
        let before = bench.state();
        let done = bench.ask(whole).code() == Code::CHANGED;

        let mut apart = Bench::new(Version::V1_2);
        let mut each = true;
        for entry in &entries {
            let part = asked(std::slice::from_ref(entry)).expect("a part of what could be encoded");
            each &= Bench::new(Version::V1_2).ask(part.clone()).code() == Code::CHANGED;
            apart.ask(part);
        }
        prop_assert_eq!(done, each);
        prop_assert_eq!(bench.state(), if done { apart.state() } else { before });
    }
}
