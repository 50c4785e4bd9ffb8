use super::*;
use crate::protocol::lwm2m::Value;

const OBJECT: u16 = 1;
const ASSIGNED: Path = Path::instance(OBJECT, 7);

const TLV: ContentFormat = ContentFormat::TLV;
const LWM2M_CBOR: ContentFormat = ContentFormat::LWM2M_CBOR;
const SENML_JSON: ContentFormat = ContentFormat::SENML_JSON;
const SENML_CBOR: ContentFormat = ContentFormat::SENML_CBOR;
const OMA_JSON: ContentFormat = ContentFormat::OMA_JSON;

/// A lifetime and a list of what nobody defined, for one instance.
fn values(instance: u16) -> Vec<Entry> {
    vec![
        Entry::new(Path::resource(OBJECT, instance, 0), Value::Integer(101)),
        Entry::new(Path::resource(OBJECT, instance, 1), Value::Integer(60)),
    ]
}

fn read(format: ContentFormat, payload: &[u8]) -> Result<Creation, Error> {
    decode_create(format, ASSIGNED, payload)
}

#[test]
fn without_an_instance_the_values_are_those_of_the_assigned_one() {
    let assigned = Ok(Creation { named: vec![], entries: values(7) });
    for (format, payload) in [
        (TLV, &b"\xc1\x00\x65\xc1\x01\x3c"[..]),
        (TLV, b"\x26\xff\xff\xc1\x00\x65\xc1\x01\x3c"),
        // {[1, 65535]: {0: 101, 1: 60}}, also nested
        (LWM2M_CBOR, b"\xa1\x82\x01\x19\xff\xff\xa2\x00\x18\x65\x01\x18\x3c"),
        (LWM2M_CBOR, b"\xa1\x01\xa1\x19\xff\xff\xa2\x00\x18\x65\x01\x18\x3c"),
        (SENML_JSON, br#"[{"bn":"/1/","n":"0","v":101},{"n":"1","v":60}]"#),
        (SENML_JSON, br#"[{"bn":"/1/65535/","n":"0","v":101},{"n":"1","v":60}]"#),
        (SENML_JSON, br#"[{"bn":"/1//","n":"0","v":101},{"n":"1","v":60}]"#),
        (SENML_CBOR, b"\x82\xa2\x00\x64/1/0\x02\x18\x65\xa2\x00\x64/1/1\x02\x18\x3c"),
        (OMA_JSON, br#"{"e":[{"n":"0","v":101},{"n":"1","v":60}]}"#),
        (OMA_JSON, br#"{"bn":"/1/","e":[{"n":"0","v":101},{"n":"1","v":60}]}"#),
        (ContentFormat(1542), b"\xc1\x00\x65\xc1\x01\x3c"),
    ] {
        assert_eq!(read(format, payload), assigned, "{format:?} {payload:?}");
    }
    let multiple = Entry::new(Path::resource_instance(OBJECT, 7, 40, 3), Value::Integer(1));
    let read_one = |payload: &[u8]| read(SENML_JSON, payload).unwrap().entries;
    assert_eq!(read_one(br#"[{"n":"/1/65535/40/3","v":1}]"#), [multiple]);
}

#[test]
fn an_instance_may_be_named() {
    let base = Path::object(OBJECT);
    for format in [TLV, LWM2M_CBOR, SENML_JSON, SENML_CBOR, OMA_JSON] {
        let payload = crate::protocol::content::encode(format, base, &values(3)).unwrap();
        assert_eq!(read(format, &payload), Ok(Creation { named: vec![3], entries: values(3) }), "{format:?}");
        let both = [values(2), values(3)].concat();
        let payload = crate::protocol::content::encode(format, base, &both).unwrap();
        assert_eq!(read(format, &payload), Ok(Creation { named: vec![2, 3], entries: both }), "{format:?}");
    }
}

#[test]
fn an_instance_may_be_empty() {
    for (format, payload) in [(TLV, &b"\x00\x03"[..]), (LWM2M_CBOR, b"\xa1\x82\x01\x03\xa0")] {
        assert_eq!(read(format, payload), Ok(Creation { named: vec![3], entries: vec![] }));
    }
    for (format, payload) in
        [(TLV, &b""[..]), (LWM2M_CBOR, b"\xa0"), (SENML_JSON, b"[]"), (SENML_CBOR, b"\x80")]
    {
        assert_eq!(read(format, payload), Ok(Creation { named: vec![], entries: vec![] }));
    }
}

#[test]
fn a_payload_names_the_instance_of_all_its_values_or_of_none() {
    for (format, payload) in [
        (TLV, &b"\xc1\x00\x65\x03\x03\xc1\x01\x3c"[..]),
        (LWM2M_CBOR, b"\xa1\x01\xa2\x19\xff\xff\xa1\x00\x18\x65\x03\xa1\x01\x18\x3c"),
        (SENML_JSON, br#"[{"n":"/1/0","v":101},{"n":"/1/3/1","v":60}]"#),
        (OMA_JSON, br#"{"e":[{"n":"0","v":101},{"n":"3/1","v":60}]}"#),
    ] {
        assert_eq!(read(format, payload), Err(Error::HalfNamed), "{format:?}");
    }
}

#[test]
fn what_belongs_elsewhere_is_refused() {
    let base = Path::object(OBJECT);
    for name in ["/3/0/9", "/3/9", "/3/65535/9", "/3//9"] {
        let payload = format!(r#"[{{"n":"{name}","v":1}}]"#);
        let refused = read(SENML_JSON, payload.as_bytes());
        assert!(matches!(refused, Err(Error::Outside { base: b, .. }) if b == base), "{name} {refused:?}");
    }
    let foreign = read(LWM2M_CBOR, b"\xa1\x83\x03\x00\x09\x01");
    assert_eq!(foreign, Err(Error::Outside { path: Path::resource(3, 0, 9), base }));
    assert!(matches!(read(LWM2M_CBOR, b"\xa1\x83\x03\x19\xff\xff\x09\x01"), Err(Error::Malformed { .. })));
    for name in [
        "",
        "/",
        "1",
        "/1",
        "/1/",
        "/1//",
        "/1/65535",
        "/1/3/",
        "/1/03/1",
        "/1/+3/1",
        "/1/3/1/0/0",
        "/1/3/65535",
    ] {
        let payload = format!(r#"[{{"n":"{name}","v":1}}]"#);
        assert_eq!(read(SENML_JSON, payload.as_bytes()), Err(Error::Name(name.to_owned())), "{name}");
    }
}

#[test]
fn mistakes_are_those_of_any_payload() {
    let duplicate = Err(Error::Duplicate { path: Path::resource(OBJECT, 7, 1) });
    assert_eq!(read(SENML_JSON, br#"[{"n":"/1/1","v":60},{"n":"/1/65535/1","v":60}]"#), duplicate);
    assert_eq!(read(TLV, b"\xc1\x01\x3c\xc1\x01\x3c"), duplicate);
    assert_eq!(read(TLV, b"\x41\x00\x00"), Err(Error::Nesting { at: 0 }));
    let no_value = Err(Error::NoValue { path: Path::resource(OBJECT, 7, 1) });
    assert_eq!(read(SENML_JSON, br#"[{"n":"/1/1"}]"#), no_value);
    assert_eq!(read(ContentFormat::TEXT, b"60"), Err(Error::Unsupported(0)));
    assert!(matches!(decode_create(TLV, Path::object(1), b""), Err(Error::Unencodable { .. })));
}
