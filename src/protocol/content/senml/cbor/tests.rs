use super::*;
use crate::protocol::content::senml::{self, Form};
use crate::protocol::lwm2m::{Entry, Kind, Path};

fn encode(base: Path, entries: &[Entry]) -> Vec<u8> {
    senml::encode(Form::Cbor, base, entries).unwrap()
}

fn decode(base: Path, payload: &[u8]) -> Result<Vec<Entry>, Error> {
    senml::decode(Form::Cbor, base, payload)
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn entry(path: &str, value: Value) -> Entry {
    Entry::new(path.parse().unwrap(), value)
}

fn read(base: &str, payload: &str) -> Result<Vec<Entry>, Error> {
    decode(base.parse().unwrap(), &hex(payload))
}

/// The value of one record for /1/0/1, or for `name`.
fn read_field(name: &str, field: &str) -> Result<Value, Error> {
    let mut payload = hex("81 A2 00");
    payload.push(0x60 + name.len() as u8);
    payload.extend_from_slice(name.as_bytes());
    payload.extend(hex(field));
    decode(Path::ROOT, &payload).map(|entries| entries.into_iter().next().unwrap().value)
}

#[test]
fn device_values_under_a_base_name() {
    let payload = "84 A3 21 65 2F332F302F 00 6130 03 6441434D45 A2 00 6139 02 185F \
                   A2 00 623133 02 1A6553F100 A2 00 63372F30 02 190ED8";
    assert_eq!(hex(payload).len(), 46);
    let entries = [
        entry("/3/0/0", Value::from("ACME")),
        entry("/3/0/9", Value::Integer(95)),
        entry("/3/0/13", Value::Time(1_700_000_000)),
        entry("/3/0/7/0", Value::Integer(3800)),
    ];
    assert_eq!(read("/3/0", payload).as_deref(), Ok(&entries[..]));
    assert_eq!(encode(Path::instance(3, 0), &entries), hex(payload));
}

#[test]
fn a_write_composite() {
    let payload = "83 A3 21 612F 00 65312F302F32 02 1865 A2 00 65312F302F36 04 F5 A2 00 66332F302F3133 02 00";
    let entries = [
        entry("/1/0/2", Value::Integer(101)),
        entry("/1/0/6", Value::Boolean(true)),
        entry("/3/0/13", Value::Time(0)),
    ];
    assert_eq!(read("/", payload).as_deref(), Ok(&entries[..]));
    assert_eq!(encode(Path::ROOT, &entries), hex(payload));
}

#[test]
fn one_value_at_its_own_path() {
    let lifetime = [entry("/1/0/1", Value::Integer(60))];
    let payload = hex("81 A2 21 66 2F312F302F31 02 183C");
    assert_eq!(encode(Path::resource(1, 0, 1), &lifetime), payload);
    assert_eq!(decode(Path::resource(1, 0, 1), &payload).as_deref(), Ok(&lifetime[..]));
}

#[test]
fn indefinite_lengths_and_changing_base_names() {
    // [_ {_ bn: "/1/0/", n: "1", v: 60}, {bn: "/3/0/1", n: "3", v: 7}]
    let payload = "9F BF 21 65 2F312F302F 00 6131 02 183C FF A3 21 66 2F332F302F31 00 6133 02 07 FF";
    let entries = [entry("/1/0/1", Value::Integer(60)), entry("/3/0/13", Value::Time(7))];
    assert_eq!(read("/", payload).as_deref(), Ok(&entries[..]));
}

#[test]
fn numbers_of_every_size_fit_the_type_of_the_resource() {
    assert_eq!(read_field("/1/0/1", "02 F93C00"), Ok(Value::Integer(1)), "half float");
    assert_eq!(read_field("/1/0/1", "02 FA40000000"), Ok(Value::Integer(2)), "single float");
    assert_eq!(read_field("/1/0/1", "02 20"), Ok(Value::Integer(-1)));
    assert_eq!(read_field("/9999/0/1", "02 FB3FF199999999999A"), Ok(Value::Float(1.1)));
    assert_eq!(read_field("/9999/0/1", "02 1BFFFFFFFFFFFFFFFF"), Ok(Value::Unsigned(u64::MAX)));
    assert_eq!(read_field("/1/0/17", "02 1BFFFFFFFFFFFFFFFF"), Ok(Value::Unsigned(u64::MAX)));
    let of_type = |expected| Err(Error::Type { path: Path::resource(1, 0, 1), expected });
    assert_eq!(read_field("/1/0/1", "02 F93E00"), of_type(Kind::Integer), "1.5");
    assert_eq!(read_field("/1/0/1", "02 1BFFFFFFFFFFFFFFFF"), of_type(Kind::Integer));
    assert_eq!(read_field("/1/0/1", "03 6131"), of_type(Kind::Integer), "text");
    assert!(matches!(read_field("/1/0/17", "02 20"), Err(Error::Type { expected: Kind::Unsigned, .. })));
    assert!(matches!(read_field("/1/0/1", "02 3BFFFFFFFFFFFFFFFF"), Err(Error::Malformed { .. })));
}

#[test]
fn object_links_have_a_label_of_their_own() {
    let link = [entry("/1/0/10", Value::ObjectLink(11, 0))];
    let payload = hex("81 A3 21 65 2F312F302F 00 623130 63 766C6F 64 31313A30");
    assert_eq!(encode(Path::instance(1, 0), &link), payload);
    assert_eq!(decode(Path::instance(1, 0), &payload).as_deref(), Ok(&link[..]));
    assert!(matches!(read_field("/1/0/10", "63 766C6F 62 3131"), Err(Error::Type { .. })));
}

#[test]
fn times_units_and_unknown_fields_are_passed_over() {
    // bver 10, bt 1.7e9, u "s", ut 1, -20: {1: [1, 2]}, "x": h'00', n, v
    let payload =
        "81 A8 20 0A 22 1A6553F100 01 6173 07 01 33 A1018201 02 6178 4100 00 66 2F312F302F31 02 183C";
    assert_eq!(read("/", payload).as_deref(), Ok(&[entry("/1/0/1", Value::Integer(60))][..]));
}

#[test]
fn what_must_be_understood_is_refused() {
    assert_eq!(read("/", "81 A1 62785F 00"), Err(Error::MustUnderstand("x_".to_owned())));
    assert!(matches!(read("/", "81 A1 20 0B"), Err(Error::Malformed { at: 2, .. })), "version 11");
    assert!(matches!(read("/", "81 A1 24 01"), Err(Error::Malformed { at: 2, .. })), "base value");
    assert!(matches!(read("/", "81 A1 05 01"), Err(Error::Malformed { at: 2, .. })), "sum");
}

#[test]
fn errors_say_what_and_where() {
    assert_eq!(read("/", ""), Err(Error::Truncated { at: 0 }));
    assert_eq!(read("/", "A0"), Err(Error::Malformed { at: 0, what: "a pack is an array of records" }));
    assert_eq!(read("/", "81 01"), Err(Error::Malformed { at: 1, what: "a record is a map" }));
    assert_eq!(read("/", "81 A1 00"), Err(Error::Truncated { at: 3 }));
    assert_eq!(read("/", "80 00"), Err(Error::Trailing { at: 1 }));
    assert_eq!(read("/", "80"), Ok(vec![]));
    let no_value = Err(Error::NoValue { path: Path::resource(1, 0, 1) });
    assert_eq!(read("/", "81 A1 00 66 2F312F302F31"), no_value);
    assert_eq!(read("/", "81 A1 02 00"), Err(Error::Name(String::new())));
    assert_eq!(read("/", "81 A2 00 64 2F312F30 02 00"), Err(Error::Name("/1/0".to_owned())));
    assert_eq!(
        read("/3", "81 A2 00 66 2F312F302F31 02 00"),
        Err(Error::Outside { path: Path::resource(1, 0, 1), base: Path::object(3) })
    );
    assert_eq!(
        read("/", "82 A2 00 66 2F312F302F31 02 00 A2 00 66 2F312F302F31 02 01"),
        Err(Error::Duplicate { path: Path::resource(1, 0, 1) })
    );
    assert!(matches!(read_field("/1/0/1", "00 6131"), Err(Error::Malformed { at: 10, .. })), "name twice");
}

#[test]
fn nesting_is_followed_to_a_bound() {
    let mut payload = hex("81 A1 6178");
    payload.extend([0x81; 100_000]);
    assert!(matches!(decode(Path::ROOT, &payload), Err(Error::Nesting { .. })));
}

#[test]
fn a_length_the_payload_does_not_back_is_only_a_number() {
    assert_eq!(read("/", "9BFFFFFFFFFFFFFFFF"), Err(Error::Truncated { at: 9 }));
    assert_eq!(read("/", "81 A1 03 7BFFFFFFFFFFFFFFFE"), Err(Error::Truncated { at: 3 }));
    assert_eq!(read("/", "81 A1 6178 BBFFFFFFFFFFFFFFFF"), Err(Error::Truncated { at: 13 }));
}
