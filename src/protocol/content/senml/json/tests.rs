use super::*;
use crate::protocol::content::senml::{self, Form};
use crate::protocol::lwm2m::{Entry, Path};

fn encode(base: Path, entries: &[Entry]) -> Result<Vec<u8>, Error> {
    senml::encode(Form::Json, base, entries)
}

fn decode(base: Path, payload: &[u8]) -> Result<Vec<Entry>, Error> {
    senml::decode(Form::Json, base, payload)
}

fn entry(path: &str, value: Value) -> Entry {
    Entry::new(path.parse().unwrap(), value)
}

fn read(base: &str, payload: &str) -> Result<Vec<Entry>, Error> {
    decode(base.parse().unwrap(), payload.as_bytes())
}

#[test]
fn device_values_under_a_base_name() {
    let payload = r#"[{"bn":"/3/0/","n":"0","vs":"ACME"},{"n":"9","v":95},{"n":"7/0","v":3800}]"#;
    let entries = [
        entry("/3/0/0", Value::from("ACME")),
        entry("/3/0/9", Value::Integer(95)),
        entry("/3/0/7/0", Value::Integer(3800)),
    ];
    assert_eq!(read("/3/0", payload).as_deref(), Ok(&entries[..]));
    let written = encode(Path::instance(3, 0), &entries).unwrap();
    assert_eq!(str::from_utf8(&written), Ok(payload));
}

/// Sent by Wakaama's bootstrap server.
#[test]
fn bootstrap_writes_as_seen_on_the_wire() {
    let security = r#"[{"bn":"/0/123/","n":"0","vs":"coap://127.0.0.1:5783"},{"n":"1","vb":false},{"n":"10","v":123},{"n":"2","v":3}]"#;
    let entries = [
        entry("/0/123/0", Value::from("coap://127.0.0.1:5783")),
        entry("/0/123/1", Value::Boolean(false)),
        entry("/0/123/10", Value::Integer(123)),
        entry("/0/123/2", Value::Integer(3)),
    ];
    assert_eq!(read("/0/123", security).as_deref(), Ok(&entries[..]));
}

#[test]
fn values_of_every_kind() {
    let payload = r#"[{"bn":"/0/0/","n":"3","vd":"AQI_"},{"n":"17","vlo":"21:65535"},{"n":"14","vs":"a\"\u00e9"},{"n":"11","v":2.0}]"#;
    let entries = [
        entry("/0/0/3", Value::Opaque([1, 2, 63].into())),
        entry("/0/0/17", Value::ObjectLink(21, 65535)),
        entry("/0/0/14", Value::from("a\"é")),
        entry("/0/0/11", Value::Integer(2)),
    ];
    assert_eq!(read("/0/0", payload).as_deref(), Ok(&entries[..]));
}

#[test]
fn unknown_fields_are_passed_over_unless_they_must_be_understood() {
    let known = r#"[{"bt":1.5e9,"t":-3,"bver":10,"x":{"y":[1,{}]},"n":"/1/0/1","v":60,"u":"s"}]"#;
    assert_eq!(read("/1", known).as_deref(), Ok(&[entry("/1/0/1", Value::Integer(60))][..]));
    for bad in [r#"[{"x_":1}]"#, r#"[{"bver":11}]"#, r#"[{"bv":1}]"#, r#"[{"s":1}]"#] {
        assert!(matches!(read("/1", bad), Err(Error::Json(_))), "{bad}");
    }
}

#[test]
fn bad_json_is_refused_with_a_place() {
    let message = read("/1", r#"[{"n":"/1/0/1","v":60}"#).unwrap_err().to_string();
    assert!(message.contains("line 1 column 22"), "{message}");
    for bad in [
        "",
        "{}",
        "[1]",
        "[{}] x",
        r#"[{"n":"/1/0/1","v":"60"}]"#,
        r#"[{"n":"/1/0/1","v":6,"vb":true}]"#,
        r#"[{"n":"/1/0/1","v":null}]"#,
        r#"[{"n":"/1/0/1","v":1e999}]"#,
        r#"[{"n":"/0/0/3","vd":"AQI="}]"#,
    ] {
        assert!(read("/", bad).is_err(), "{bad}");
    }
    let deep = "[".repeat(100_000);
    assert!(matches!(read("/", &format!(r#"[{{"x":{deep}"#)), Err(Error::Json(_))));
}

#[test]
fn json_has_no_infinity() {
    let value = entry("/9999/0/1", Value::Float(f64::INFINITY));
    assert!(matches!(encode(Path::ROOT, &[value]), Err(Error::Unencodable { .. })));
}
