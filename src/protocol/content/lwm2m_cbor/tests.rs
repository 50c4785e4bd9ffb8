use super::*;
use crate::protocol::lwm2m::Kind;

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

/// "Open Mobile Alliance"
const OMA: &str = "4F70656E204D6F62696C6520416C6C69616E6365";

#[test]
fn one_value_in_both_forms() {
    let name = [entry("/3/0/0", Value::from("Open Mobile Alliance"))];
    let compact = format!("A1 83030000 74 {OMA}");
    assert_eq!(hex(&compact).len(), 26);
    assert_eq!(read("/3/0/0", &compact).as_deref(), Ok(&name[..]));
    assert_eq!(encode(&name), hex(&compact));
    let nested = format!("A1 03 A1 00 A1 00 74 {OMA}");
    assert_eq!(hex(&nested).len(), 27);
    assert_eq!(read("/3/0", &nested).as_deref(), Ok(&name[..]));
}

#[test]
fn a_multiple_resource() {
    let sources = [entry("/3/0/6/0", Value::Integer(1)), entry("/3/0/6/1", Value::Integer(5))];
    let payload = "A1 83030006 A2 0001 0105";
    assert_eq!(read("/3/0/6", payload).as_deref(), Ok(&sources[..]));
    assert_eq!(encode(&sources), hex(payload));
}

#[test]
fn values_of_two_objects() {
    let payload = format!("A2 820300 A2 00 74 {OMA} 09 1864 83010001 1A00015180");
    let mut entries = vec![
        entry("/3/0/0", Value::from("Open Mobile Alliance")),
        entry("/3/0/9", Value::Integer(100)),
        entry("/1/0/1", Value::Integer(86400)),
    ];
    assert_eq!(read("/", &payload), Ok(entries.clone()));
    // The same in the order of the paths, which is how it is written.
    entries.rotate_right(1);
    let in_order = format!("A2 83010001 1A00015180 820300 A2 00 74 {OMA} 09 1864");
    assert_eq!(encode(&entries), hex(&in_order));
}

#[test]
fn keys_of_several_identifiers_within() {
    let entries = [
        entry("/2/5/0", Value::Integer(5)),
        entry("/2/5/1", Value::Integer(0)),
        entry("/2/5/2/102", Value::Integer(0)),
        entry("/2/5/3", Value::Integer(101)),
    ];
    let payload = "A1 820205 A4 0005 0100 82021866 00 03 1865";
    assert_eq!(read("/2/5", payload).as_deref(), Ok(&entries[..]));
    assert_eq!(encode(&entries), hex(payload));
}

#[test]
fn lengths_may_be_indefinite() {
    // {_ [_ 3, 0]: {_ 0: (_ "AC", "ME"), [_ 6]: {_ 1: 5}}}
    let payload = "BF 9F0300FF BF 00 7F 624143 624D45 FF 9F06FF BF 0105 FF FF FF";
    let entries = [entry("/3/0/0", Value::from("ACME")), entry("/3/0/6/1", Value::Integer(5))];
    assert_eq!(read("/3", payload).as_deref(), Ok(&entries[..]));
}

#[test]
fn values_are_of_the_type_of_the_resource() {
    let link = [entry("/3/0/22/0", Value::ObjectLink(66, 0))];
    assert_eq!(encode(&link), hex("A1 8403001600 64 36363A30"));
    assert_eq!(read("/3", "A1 8403001600 64 36363A30").as_deref(), Ok(&link[..]));
    let time = [entry("/3/0/13", Value::Time(1_700_000_000))];
    assert_eq!(encode(&time), hex("A1 8303000D 1A6553F100"));
    for value in ["1A6553F100", "C1 1A6553F100", "C1 FB41D954FC40000000"] {
        assert_eq!(read("/3", &format!("A1 8303000D {value}")).as_deref(), Ok(&time[..]), "{value}");
    }
    let of_type = |path: &str, expected| Err(Error::Type { path: path.parse().unwrap(), expected });
    assert_eq!(read("/3", "A1 8403001600 62 3636"), of_type("/3/0/22/0", Kind::ObjectLink));
    assert_eq!(read("/1", "A1 83010001 6131"), of_type("/1/0/1", Kind::Integer));
    let read_value = |value: &str| read("/9999", &format!("A1 8319270F0000 {value}"));
    assert_eq!(read_value("F5"), Ok(vec![entry("/9999/0/0", Value::Boolean(true))]));
    assert_eq!(read_value("42 0102"), Ok(vec![entry("/9999/0/0", Value::Opaque([1, 2].into()))]));
    assert_eq!(read_value("FA 3FC00000"), Ok(vec![entry("/9999/0/0", Value::Float(1.5))]));
}

#[test]
fn what_holds_nothing_yields_nothing() {
    assert_eq!(encode(&[]), hex("A0"));
    for payload in ["A0", "BFFF", "A1 03 A0", "A1 8303000B A0"] {
        assert_eq!(read("/3", payload), Ok(vec![]), "{payload}");
    }
}

#[test]
fn errors_say_what_and_where() {
    assert_eq!(read("/", ""), Err(Error::Truncated { at: 0 }));
    assert_eq!(read("/", "80"), Err(Error::Malformed { at: 0, what: "the payload is a map" }));
    assert_eq!(read("/", "A0 00"), Err(Error::Trailing { at: 1 }));
    assert_eq!(read("/", "A1 83010001"), Err(Error::Truncated { at: 5 }));
    assert!(matches!(read("/", "A1 80 00"), Err(Error::Malformed { at: 1, .. })), "an empty key");
    assert!(matches!(read("/", "A1 6131 00"), Err(Error::Malformed { at: 1, .. })), "a key of text");
    assert!(matches!(read("/", "A1 20 A0"), Err(Error::Malformed { at: 1, .. })), "a negative key");
    assert!(matches!(read("/", "A1 81 81 01 A0"), Err(Error::Malformed { at: 2, .. })), "nested arrays");
    assert!(matches!(read("/", "A1 1A00010000 A0"), Err(Error::Malformed { at: 1, .. })), "65536");
    assert!(matches!(read("/", "A1 820119FFFF A0"), Err(Error::Malformed { at: 3, .. })), "65535");
    assert!(matches!(read("/", "A1 820100 01"), Err(Error::Malformed { at: 4, .. })), "no resource");
    assert!(matches!(read("/", "A1 83010001 80"), Err(Error::Malformed { at: 5, .. })), "an array");
    assert!(matches!(read("/", "A1 83010001 F7"), Err(Error::Malformed { at: 5, .. })), "undefined");
    assert_eq!(read("/", "A1 83010001 F6"), Err(Error::NoValue { path: Path::resource(1, 0, 1) }));
    assert_eq!(read("/", "A1 850300060001 00"), Err(Error::Nesting { at: 6 }), "five identifiers");
    assert_eq!(read("/", "A1 8403000600 A1 00 00"), Err(Error::Nesting { at: 6 }), "a map below all");
    assert_eq!(read("/", "A1 83030006 01"), Err(Error::Multiplicity { path: Path::resource(3, 0, 6) }));
    assert_eq!(
        read("/3", "A1 83010001 00"),
        Err(Error::Outside { path: Path::resource(1, 0, 1), base: Path::object(3) })
    );
}

#[test]
fn one_place_has_one_value_in_whatever_form() {
    let duplicate = Err(Error::Duplicate { path: Path::resource(1, 0, 1) });
    assert_eq!(read("/1", "A1 820100 A2 01 183C 01 183D"), duplicate);
    assert_eq!(read("/1", "A2 83010001 183C 01 A1 00 A1 01 183C"), duplicate);
}

#[test]
fn nesting_and_lengths_are_bounded() {
    for opening in [0xA1, 0x81, 0xBF, 0x9F, 0xC1, 0x7F] {
        assert!(decode(Path::ROOT, &[opening; 100_000]).is_err(), "{opening:#x}");
    }
    // Maps below maps: {0: {0: ...
    assert!(matches!(decode(Path::ROOT, &hex("A100").repeat(50_000)), Err(Error::Nesting { .. })));
    assert_eq!(read("/", "BBFFFFFFFFFFFFFFFF"), Err(Error::Truncated { at: 9 }));
    assert_eq!(read("/", "A1 9BFFFFFFFFFFFFFFFF"), Err(Error::Truncated { at: 10 }));
    assert_eq!(read("/", "A1 83000000 7BFFFFFFFFFFFFFFFE"), Err(Error::Truncated { at: 5 }));
}
