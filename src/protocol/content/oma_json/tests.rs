use super::*;

fn entry(path: &str, value: Value) -> Entry {
    Entry::new(path.parse().unwrap(), value)
}

fn read(base: &str, payload: &str) -> Result<Vec<Entry>, Error> {
    decode(base.parse().unwrap(), payload.as_bytes())
}

fn written(base: &str, entries: &[Entry]) -> String {
    String::from_utf8(encode(base.parse().unwrap(), entries).unwrap()).unwrap()
}

#[test]
fn values_of_every_kind() {
    let payload = concat!(
        r#"{"bn":"/3/0/","e":[{"n":"0","sv":"AC\"ME"},{"n":"7/0","v":3800},"#,
        r#"{"n":"13","v":1700000000},{"n":"22/0","ov":"66:0"}]}"#
    );
    let entries = [
        entry("/3/0/0", Value::from("AC\"ME")),
        entry("/3/0/7/0", Value::Integer(3800)),
        entry("/3/0/13", Value::Time(1_700_000_000)),
        entry("/3/0/22/0", Value::ObjectLink(66, 0)),
    ];
    assert_eq!(read("/3/0", payload).as_deref(), Ok(&entries[..]));
    assert_eq!(written("/3/0", &entries), payload);

    let payload = r#"{"bn":"/0/0/","e":[{"n":"1","bv":true},{"n":"5","sv":"+/8="}]}"#;
    let entries =
        [entry("/0/0/1", Value::Boolean(true)), entry("/0/0/5", Value::Opaque([0xfb, 0xff].into()))];
    assert_eq!(read("/0", payload).as_deref(), Ok(&entries[..]));
    assert_eq!(written("/0/0", &entries), payload);
}

#[test]
fn one_value_at_its_own_path() {
    let battery = [entry("/3/0/9", Value::Integer(95))];
    assert_eq!(written("/3/0/9", &battery), r#"{"bn":"/3/0/9","e":[{"v":95}]}"#);
    for payload in [
        r#"{"bn":"/3/0/9","e":[{"v":95}]}"#,
        r#"{"bn":"/3/0/9","e":[{"n":"","v":95.0}]}"#,
        r#"{"e":[{"v":95}],"bn":"/3/0/9","bt":25462634,"x":[{}]}"#,
        r#"{"bn":"/","e":[{"n":"3/0/9","v":95,"t":-5}]}"#,
        // Without a base name, names are below what was asked for.
        r#"{"e":[{"v":95}]}"#,
        r#"{"e":[{"n":"","v":95}]}"#,
        r#"{"e":[{"n":"/3/0/9","v":95}]}"#,
    ] {
        assert_eq!(read("/3/0/9", payload).as_deref(), Ok(&battery[..]), "{payload}");
    }
    assert_eq!(read("/3/0", r#"{"e":[{"n":"9","v":95}]}"#).as_deref(), Ok(&battery[..]));
    assert_eq!(read("/3", r#"{"e":[{"n":"0/9","v":95}]}"#).as_deref(), Ok(&battery[..]));
}

#[test]
fn nothing_is_an_empty_list() {
    assert_eq!(written("/3/0", &[]), r#"{"bn":"/3/0/","e":[]}"#);
    assert_eq!(read("/3/0", r#"{"bn":"/3/0/","e":[]}"#), Ok(vec![]));
}

#[test]
fn what_is_wrong_is_refused() {
    for bad in [
        "",
        "[]",
        "{}",
        r#"{"e":{}}"#,
        r#"{"e":[1]}"#,
        r#"{"e":[["9",95]]}"#,
        r#"{"e":[]} x"#,
        r#"{"e":[],"e":[]}"#,
        r#"{"bn":"/3/0/","bn":"/3/0/","e":[]}"#,
        r#"{"bt":"now","e":[]}"#,
        r#"{"e":[{"n":"9","n":"9","v":1}]}"#,
        r#"{"e":[{"n":"9","v":1,"sv":"1"}]}"#,
        r#"{"e":[{"n":"9","v":null}]}"#,
        r#"{"e":[{"n":"9","v":1e999}]}"#,
        r#"{"e":[{"n":"9","bv":1}]}"#,
    ] {
        assert!(matches!(read("/3/0", bad), Err(Error::Json(_))), "{bad}");
    }
    let of_type = |path: &str, expected| Err(Error::Type { path: path.parse().unwrap(), expected });
    assert_eq!(read("/3/0", r#"{"e":[{"n":"9","sv":"1"}]}"#), of_type("/3/0/9", Kind::Integer));
    assert_eq!(read("/0/0", r#"{"e":[{"n":"5","sv":"A"}]}"#), of_type("/0/0/5", Kind::Opaque));
    assert_eq!(read("/3/0", r#"{"e":[{"n":"22/0","ov":"66"}]}"#), of_type("/3/0/22/0", Kind::ObjectLink));
    let no_value = Err(Error::NoValue { path: Path::resource(3, 0, 9) });
    assert_eq!(read("/3/0", r#"{"e":[{"n":"9"}]}"#), no_value);
    assert!(matches!(read("/3/0", r#"{"bn":"/3/0","e":[{"n":"9","v":1}]}"#), Err(Error::Name(_))));
    assert!(matches!(read("/3/0", r#"{"bn":"/3/1/","e":[{"n":"9","v":1}]}"#), Err(Error::Outside { .. })));
    let twice = r#"{"e":[{"n":"9","v":1,"t":-1},{"n":"9","v":2}]}"#;
    assert_eq!(read("/3/0", twice), Err(Error::Duplicate { path: Path::resource(3, 0, 9) }));
    let deep = format!(r#"{{"x":{}"#, "[".repeat(100_000));
    assert!(matches!(read("/3/0", &deep), Err(Error::Json(_))));
}

#[test]
fn json_has_no_infinity() {
    let value = entry("/9999/0/1", Value::Float(f64::NAN));
    assert!(matches!(encode(Path::ROOT, &[value]), Err(Error::Unencodable { .. })));
}
