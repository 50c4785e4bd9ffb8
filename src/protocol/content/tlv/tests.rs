use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn entry(path: &str, value: Value) -> Entry {
    Entry::new(path.parse().unwrap(), value)
}

/// Both ways.
fn assert_vector(base: &str, entries: &[Entry], payload: &[u8]) {
    let base = base.parse().unwrap();
    assert_eq!(decode(base, payload).as_deref(), Ok(entries));
    assert_eq!(encode(base, entries).as_deref(), Ok(payload));
}

#[test]
fn access_control_at_object_level() {
    let entries = [
        entry("/2/0/0", Value::Integer(1)),
        entry("/2/0/1", Value::Integer(0)),
        entry("/2/0/2/127", Value::Integer(7)),
        entry("/2/0/3", Value::Integer(127)),
        entry("/2/2/0", Value::Integer(3)),
        entry("/2/2/1", Value::Integer(0)),
        entry("/2/2/2/127", Value::Integer(7)),
        entry("/2/2/2/310", Value::Integer(1)),
        entry("/2/2/3", Value::Integer(127)),
    ];
    let payload =
        hex("08000E C10001 C10100 83 02 417F07 C1037F 080212 C10003 C10100 87 02 417F07 610136 01 C1037F");
    assert_eq!(payload.len(), 38);
    assert_vector("/2", &entries, &payload);
}

#[test]
fn a_bootstrap_write_to_server() {
    let entries = [
        entry("/1/0/0", Value::Integer(1)),
        entry("/1/0/1", Value::Integer(86400)),
        entry("/1/0/6", Value::Boolean(true)),
        entry("/1/0/7", Value::from("U")),
    ];
    assert_vector("/1", &entries, &hex("08000F C10001 C40100015180 C10601 C10755"));
}

#[test]
fn a_bootstrap_write_to_a_security_instance() {
    let entries = [
        entry("/0/0/0", Value::from("coaps://ems.example:5684")),
        entry("/0/0/1", Value::Boolean(false)),
        entry("/0/0/2", Value::Integer(4)),
        entry("/0/0/10", Value::Integer(123)),
    ];
    let uri = "636F6170733A2F2F656D732E6578616D706C653A35363834";
    assert_vector("/0/0", &entries, &hex(&format!("C80018 {uri} C10100 C10204 C10A7B")));
}

#[test]
fn multiple_object_links() {
    let entries =
        [entry("/3/0/22/0", Value::ObjectLink(66, 0)), entry("/3/0/22/1", Value::ObjectLink(66, 1))];
    assert_vector("/3/0", &entries, &hex("88160C 440000420000 440100420001"));
    // The same for an object nobody defined: bytes.
    let unknown = decode(Path::instance(65, 0), &hex("88000C 440000420000 440100420001")).unwrap();
    assert_eq!(unknown[1], entry("/65/0/0/1", Value::Opaque([0, 66, 0, 1].into())));
}

#[test]
fn integers_take_the_fewest_bytes() {
    for (number, value) in [
        (127, "C1017F"),
        (128, "C2010080"),
        (-128, "C10180"),
        (-129, "C201FF7F"),
        (32768, "C40100008000"),
        (i64::from(i32::MAX) + 1, "C801080000000080000000"),
        (i64::MIN, "C801088000000000000000"),
    ] {
        assert_vector("/1/0", &[entry("/1/0/1", Value::Integer(number))], &hex(value));
    }
    assert_vector("/0/0/16", &[entry("/0/0/16/0", Value::Unsigned(49320))], &hex("8410 4200C0A8"));
}

#[test]
fn long_values_have_long_lengths() {
    for (length, header) in [(255, "C803FF"), (256, "D0030100"), (65536, "D803010000")] {
        let value = Value::Opaque(vec![7; length].into());
        let mut payload = hex(header);
        payload.resize(payload.len() + length, 7);
        assert_vector("/0/0", &[entry("/0/0/3", value)], &payload);
    }
}

#[test]
fn wrappers_are_tolerated_where_peers_send_them() {
    let lifetime = [entry("/1/0/1", Value::Integer(60))];
    assert_eq!(decode(Path::instance(1, 0), &hex("0300 C1013C")).as_deref(), Ok(&lifetime[..]));
    assert_eq!(decode(Path::resource(1, 0, 1), &hex("C1013C")).as_deref(), Ok(&lifetime[..]));
    let battery = [entry("/3/0/9", Value::Integer(60))];
    assert_eq!(decode(Path::object(3), &hex("C1093C")).as_deref(), Ok(&battery[..]));
    let error = [entry("/3/0/11/0", Value::Integer(0))];
    for payload in ["830B 410000", "410000"] {
        assert_eq!(decode(Path::resource(3, 0, 11), &hex(payload)).as_deref(), Ok(&error[..]), "{payload}");
        let base = Path::resource_instance(3, 0, 11, 0);
        assert_eq!(decode(base, &hex(payload)).as_deref(), Ok(&error[..]), "{payload}");
    }
}

#[test]
fn errors_say_what_and_where() {
    let read = |base: &str, payload: &str| decode(base.parse().unwrap(), &hex(payload)).unwrap_err();
    assert_eq!(read("/1", "08000F C10001 C4010001"), Error::Truncated { at: 0 });
    assert_eq!(read("/1/0", "C1013C C40100"), Error::Truncated { at: 3 });
    assert_eq!(read("/1/0", "C1013C 00"), Error::Truncated { at: 3 });
    assert_eq!(read("/1", "0302 C1013C C1013C"), Error::Nesting { at: 5 });
    assert_eq!(read("/1", "0502 0300 C10100"), Error::Nesting { at: 2 });
    assert_eq!(read("/3/0", "850B 8300 410000"), Error::Nesting { at: 2 });
    assert_eq!(read("/3/0", "410B00"), Error::Nesting { at: 0 });
    let duplicate = Error::Duplicate { path: Path::resource(1, 0, 1) };
    assert_eq!(read("/1/0", "C1013C C1013C"), duplicate);
    assert_eq!(read("/1/0", "C1013C C10001 C1013D"), duplicate);
    assert_eq!(
        read("/1/0", "0301 C1013C"),
        Error::Outside { path: Path::instance(1, 1), base: Path::instance(1, 0) }
    );
    assert_eq!(
        read("/1/0/1", "C10001"),
        Error::Outside { path: Path::resource(1, 0, 0), base: Path::resource(1, 0, 1) }
    );
    assert_eq!(
        read("/1/0", "C301000001"),
        Error::Length { path: Path::resource(1, 0, 1), length: 3, expected: Kind::Integer }
    );
    assert_eq!(
        read("/1/0", "C001"),
        Error::Length { path: Path::resource(1, 0, 1), length: 0, expected: Kind::Integer }
    );
    assert_eq!(
        read("/1/0", "C2060001"),
        Error::Length { path: Path::resource(1, 0, 6), length: 2, expected: Kind::Boolean }
    );
    assert_eq!(
        read("/1/0", "C10602"),
        Error::Type { path: Path::resource(1, 0, 6), expected: Kind::Boolean }
    );
    assert_eq!(read("/1/0", "C10780"), Error::Malformed { at: 2, what: "this is not UTF-8" });
    assert!(matches!(read("/1", "23FFFF C10100"), Error::Malformed { at: 0, .. }));
    assert_eq!(read("/3/0", "C10601"), Error::Multiplicity { path: Path::resource(3, 0, 6) });
    assert!(matches!(read("/", "C10601"), Error::Unencodable { .. }));
}

#[test]
fn a_length_the_payload_does_not_back_is_only_a_number() {
    assert_eq!(decode(Path::instance(0, 0), &hex("D803FFFFFF 00")), Err(Error::Truncated { at: 0 }));
}
