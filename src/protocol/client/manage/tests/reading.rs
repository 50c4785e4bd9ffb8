//! Read, Discover, Write-Attributes, Read-Composite.

use super::*;

fn accepting(target: &str, format: ContentFormat) -> Message {
    request(target).with_accept(format)
}

#[test]
fn reads_are_answered_or_refused() {
    let later = &ALL[1..];
    let latest = &ALL[2..];
    check(&[
        (&ALL, request("GET /3"), "2.05"),
        (&ALL, request("GET /3/0"), "2.05"),
        (&ALL, request("GET /3/0/0"), "2.05"),
        (&ALL, request("GET /3/0/6"), "2.05"),
        (&ALL, request("GET /26241/0/0"), "2.05"),
        (&ALL, request("GET /4"), "4.04"),
        (&ALL, request("GET /3/1"), "4.04"),
        (&ALL, request("GET /3/0/1"), "4.04"),
        (&ALL, request("GET /3/0/99"), "4.04"),
        (later, request("GET /3/0/6/7"), "4.04"),
        (&ALL, request("GET /3/0/4"), "4.05"),
        (&ALL, request("GET /5/0/0"), "4.05"),
        (&ALL, accepting("GET /3", ContentFormat::TLV), "2.05"),
        (&ALL, accepting("GET /3/0/0", ContentFormat::TEXT), "2.05"),
        (&ALL, accepting("GET /3", ContentFormat::TEXT), "4.06"),
        (&ALL, accepting("GET /3", ContentFormat(65000)), "4.06"),
        (later, accepting("GET /3", ContentFormat::SENML_JSON), "2.05"),
        (&ALL[..1], accepting("GET /3", ContentFormat::SENML_JSON), "4.06"),
        (latest, accepting("GET /3", ContentFormat::LWM2M_CBOR), "2.05"),
        (&ALL[..2], accepting("GET /3", ContentFormat::LWM2M_CBOR), "4.06"),
        (later, accepting("GET /3", ContentFormat::OMA_JSON), "4.06"),
    ]);
}

#[test]
fn without_accept_the_device_chooses() {
    for (version, target, expected) in [
        (Version::V1_0, "GET /3/0/0", ContentFormat::TEXT),
        (Version::V1_0, "GET /3/0/6", ContentFormat::TLV),
        (Version::V1_0, "GET /20/0/4014", ContentFormat::OPAQUE),
        (Version::V1_1, "GET /3/0/6/0", ContentFormat::TEXT),
        (Version::V1_1, "GET /3/0", ContentFormat::SENML_CBOR),
        (Version::V1_2, "GET /3", ContentFormat::SENML_CBOR),
    ] {
        let answer = Bench::new(version).ask(request(target));
        assert_eq!(answer.content_format(), Some(expected), "{version} {target}");
    }
}

#[test]
fn a_read_tells_what_is_readable() {
    let mut bench = Bench::new(Version::V1_1);
    bench.tree.set(at("/5/0/0"), Value::Opaque([9; 4].into()));
    let text = bench.text(accepting("GET /5/0", ContentFormat::SENML_JSON));
    assert_eq!(text, r#"[{"bn":"/5/0/","n":"1","vs":""},{"n":"3","v":0},{"n":"5","v":0},{"n":"9","v":2}]"#);
}

#[derive(Debug)]
struct Thermometer;

impl Device for Thermometer {
    fn value(&self, path: Path, nature: u64, now: Instant) -> Option<Value> {
        assert_eq!(nature, 7);
        let seconds = (now.as_nanos() / 1_000_000_000) as f64;
        (path == at("/10243/0/4")).then_some(Value::Float(230.0 + seconds))
    }
}

#[test]
fn what_the_device_measures_is_told_unless_somebody_set_it() {
    let mut bench = Bench::new(Version::V1_1);
    bench.device = Some(Box::new(Thermometer));
    assert_eq!(bench.text(request("GET /10243/0/4")), "290");
    assert_eq!(bench.text(request("GET /10243/0/5")), "1.5");
    let composite = r#"[{"n":"/10243/0/4"}]"#;
    assert_eq!(bench.text(with_json("FETCH /", composite)), r#"[{"bn":"/","n":"10243/0/4","v":290.0}]"#);
    bench.tree.set(at("/10243/0/4"), Value::Float(1.0));
    assert_eq!(bench.text(request("GET /10243/0/4")), "1");
}

#[test]
fn discover_lists_what_there_is() {
    let discover = |version, target| Bench::new(version).text(accepting(target, ContentFormat::LINK));
    let resources = "</3/0/0>,</3/0/4>,</3/0/5>,</3/0/6>;dim=2,</3/0/11>;dim=2,</3/0/12>,</3/0/13>,\
                     </3/0/14>,</3/0/16>";
    for version in ALL {
        assert_eq!(discover(version, "GET /3"), format!("</3>,</3/0>,{resources}"));
        assert_eq!(discover(version, "GET /3/0"), format!("</3/0>,{resources}"));
        assert_eq!(discover(version, "GET /3/0/4"), "</3/0/4>");
    }
    assert_eq!(discover(Version::V1_0, "GET /3/0/6"), "</3/0/6>;dim=2");
    assert_eq!(discover(Version::V1_1, "GET /3/0/6"), "</3/0/6>;dim=2,</3/0/6/0>,</3/0/6/1>");
    // The version of an object is told where that of LwM2M does not imply it.
    assert_eq!(discover(Version::V1_2, "GET /5?depth=1"), "</5>;ver=1.2,</5/0>");
    assert_eq!(discover(Version::V1_2, "GET /26241"), "</26241>,</26241/0>,</26241/0/0>");
}

#[test]
fn discover_goes_as_deep_as_it_is_asked_to() {
    let mut bench = Bench::new(Version::V1_2);
    let mut discover = |target| bench.text(accepting(target, ContentFormat::LINK));
    assert_eq!(discover("GET /3?depth=0"), "</3>");
    assert_eq!(discover("GET /3?depth=1"), "</3>,</3/0>");
    assert!(discover("GET /3?depth=3").contains("</3/0/6>;dim=2,</3/0/6/0>,</3/0/6/1>,"));
    assert_eq!(discover("GET /3/0/6?depth=0"), "</3/0/6>;dim=2");
    let refused = |target| (&ALL[2..], accepting(target, ContentFormat::LINK), "4.00");
    check(&[
        refused("GET /3?depth=4"),
        refused("GET /3?depth"),
        (&ALL[..2], accepting("GET /3?depth=9", ContentFormat::LINK), "2.05"),
        (&ALL, accepting("GET /4", ContentFormat::LINK), "4.04"),
        (&ALL, accepting("GET /3/0/7", ContentFormat::LINK), "4.04"),
        (&ALL[1..], accepting("GET /3/0/6/0", ContentFormat::LINK), "4.05"),
        (&ALL, accepting("GET /", ContentFormat::LINK), "4.05"),
    ]);
}

#[test]
fn attributes_are_told_with_what_they_inherit_where_they_are_asked_for() {
    let mut bench = Bench::new(Version::V1_2);
    for target in ["PUT /10243?pmin=10", "PUT /10243/0?pmax=60", "PUT /10243/0/4?gt=-250.5&st=2"] {
        assert_eq!(bench.code(request(target)), "2.04", "{target}");
    }
    let mut discover = |target| bench.text(accepting(target, ContentFormat::LINK));
    assert_eq!(
        discover("GET /10243"),
        "</10243>;ver=2.0;pmin=10,</10243/0>;pmax=60,</10243/0/4>,</10243/0/5>"
    );
    assert_eq!(
        discover("GET /10243/0"),
        "</10243/0>;pmin=10;pmax=60,</10243/0/4>;gt=-250.5;st=2,</10243/0/5>"
    );
    assert_eq!(discover("GET /10243/0/4"), "</10243/0/4>;pmin=10;pmax=60;gt=-250.5;st=2");
    assert!(discover("GET /10243?depth=2").contains("</10243/0/4>;gt=-250.5;st=2"));
}

#[test]
fn attributes_are_checked_before_they_are_attached() {
    let latest = &ALL[2..];
    check(&[
        (&ALL, request("PUT /3/0/0?pmin=1&pmax=10"), "2.04"),
        (&ALL, request("PUT /3/0/4?pmin=1"), "2.04"),
        (&ALL, request("PUT /3?pmin=10&pmax=5"), "4.00"),
        (&ALL, request("PUT /3?pmin=ten"), "4.00"),
        (&ALL, request("PUT /3?colour=1"), "4.00"),
        (&ALL, request("PUT /3?gt=1"), "4.00"),
        (&ALL, request("PUT /10243/0/4?lt=5&gt=3"), "4.00"),
        (&ALL, request("PUT /10243/0/4?lt=1&gt=3&st=1"), "4.00"),
        (latest, request("PUT /10243/0/4?con=1"), "2.04"),
        (&ALL[..2], request("PUT /10243/0/4?con=1"), "4.00"),
        (&ALL, request("PUT /4?pmin=1"), "4.04"),
        (&ALL, request("PUT /3/0/1?pmin=1"), "4.04"),
        (&ALL[1..], request("PUT /3/0/6/0?gt=1"), "2.04"),
        (&ALL, request("PUT /0/0?pmin=1"), "4.01"),
        (&ALL, request("PUT /?pmin=1"), "4.05"),
    ]);
    // They are checked together with those attached before, and unset by their bare names.
    let mut bench = Bench::new(Version::V1_2);
    assert_eq!(bench.code(request("PUT /3?pmin=10")), "2.04");
    assert_eq!(bench.code(request("PUT /3?pmax=5")), "4.00");
    assert_eq!(bench.code(request("PUT /3?pmax=5&pmin")), "2.04");
    assert_eq!(bench.attributes.get(at("/3")).map(ToString::to_string), Some("pmax=5".to_owned()));
}

#[test]
fn a_composite_read_leaves_out_what_is_not_there() {
    let mut bench = Bench::new(Version::V1_2);
    let asked =
        r#"[{"n":"/3/0/14"},{"n":"/4"},{"n":"/0/0/0"},{"n":"/3/0/4"},{"n":"/3/0/6"},{"n":"/3/0/6/1"}]"#;
    assert_eq!(
        bench.text(with_json("FETCH /", asked)),
        r#"[{"bn":"/","n":"3/0/6/0","v":1},{"n":"3/0/6/1","v":5},{"n":"3/0/14","vs":"+01:00"}]"#
    );
    assert_eq!(bench.text(with_json("FETCH /", r#"[{"n":"/4"},{"n":"/0"}]"#)), "[]");
    // The root is every object but those for Bootstrap-Servers.
    let whole = bench.text(with_json("FETCH /", r#"[{"n":"/"}]"#));
    assert!(whole.starts_with(r#"[{"bn":"/","n":"1/0/0","v":101},"#), "{whole}");
    assert!(whole.contains("10243/0/5") && !whole.contains("bootstrap.example"), "{whole}");
}

#[test]
fn composite_reads_are_refused_for_their_formats() {
    let later = &ALL[1..];
    let one = r#"[{"n":"/3/0/0"}]"#;
    let plain =
        |format: ContentFormat| request("FETCH /").with_content_format(format).with_payload(one.into());
    check(&[
        (later, with_json("FETCH /", one).with_accept(ContentFormat::SENML_CBOR), "2.05"),
        (later, with_json("FETCH /", one).with_accept(ContentFormat::TLV), "4.06"),
        (later, with_json("FETCH /", one).with_accept(ContentFormat(9)), "4.06"),
        (later, plain(ContentFormat::TEXT), "4.15"),
        (later, plain(ContentFormat(9)), "4.15"),
        (&ALL[2..], plain(ContentFormat::SENML_ETCH_JSON), "2.05"),
        (&ALL[1..2], plain(ContentFormat::SENML_ETCH_JSON), "4.15"),
        (later, request("FETCH /").with_payload(one.into()), "4.00"),
        (later, with_json("FETCH /", "[{"), "4.00"),
        (later, with_json("FETCH /", r#"[{"n":"/3/0/0","v":1}]"#), "4.00"),
    ]);
}
