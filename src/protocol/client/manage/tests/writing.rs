//! Write and Write-Composite.

use super::*;

#[test]
fn writes_are_done_or_refused() {
    let later = &ALL[1..];
    check(&[
        (&ALL, with_text("PUT /3/0/14", "+02:00"), "2.04"),
        (&ALL, with_text("PUT /3/0/15", "Europe/Berlin"), "2.04"),
        (&ALL, with_text("PUT /3/0/13", "soon"), "4.00"),
        (&ALL, with_text("PUT /3/0/0", "EMCA"), "4.05"),
        (&ALL, with_text("PUT /3/0/4", ""), "4.05"),
        (&ALL, with_text("PUT /3/0/99", "x"), "4.04"),
        (&ALL, with_text("PUT /3/1/14", "x"), "4.04"),
        (&ALL, with_text("PUT /4/0/0", "1"), "4.04"),
        (&ALL, with_text("PUT /26241/0/0", "x"), "4.05"),
        (&ALL, with_text("PUT /3", "x"), "4.05"),
        (later, with_text("PUT /1/0/23", "1"), "2.04"),
        (&ALL[..1], with_text("PUT /1/0/23", "1"), "4.04"),
        (&ALL, request("PUT /3/0/14").with_payload(b"x".to_vec()), "4.00"),
        (&ALL, request("PUT /3/0/14"), "4.00"),
        (&ALL, with_text("PUT /11/0/8", "26203"), "4.00"),
        (&ALL, with_text("POST /3/0/14", "x"), "4.05"),
        (later, with_text("PUT /11/0/8/0", "26203"), "2.04"),
        (later, with_text("PUT /11/0/8/9", "26203"), "2.04"),
        (later, with_text("POST /11/0/8/0", "26203"), "4.05"),
        (later, with_text("PUT /3/0/6/0", "1"), "4.05"),
        (later, with_text("PUT /3/0/14/0", "1"), "4.04"),
        (&ALL, request("PUT /3/0/14").with_content_format(ContentFormat(9)).with_payload(vec![1]), "4.15"),
        (&ALL, request("PUT /3/0/14").with_content_format(ContentFormat::LINK).with_payload(vec![1]), "4.15"),
        (&ALL[..1], with_json("PUT /3/0", r#"[{"n":"/3/0/14","vs":"x"}]"#), "4.15"),
        (later, with_json("PUT /3/0", r#"[{"n":"/3/0/14","vs":"x"}]"#), "2.04"),
        (later, with_json("PUT /3/0", r#"[{"n":"/11/0/1","vs":"x"}]"#), "4.00"),
        (later, with_json("PUT /3/0", "[{"), "4.00"),
        // A value outside the resource's range.
        (&ALL, with_text("PUT /12/0/9", "1"), "4.04"),
        (&ALL[2..], with_text("PUT /1/0/26", "2"), "4.00"),
        (&ALL[2..], with_text("PUT /1/0/26", "1"), "2.04"),
        (&ALL[..2], with_text("PUT /1/0/26", "1"), "4.04"),
    ]);
}

#[test]
fn replacing_an_instance_leaves_what_servers_cannot_write() {
    let mut bench = Bench::new(Version::V1_0);
    let whole = [
        ("/11/0/0", Value::from("two")),
        ("/11/0/4", Value::Integer(1)),
        ("/11/0/8/1", "26202".into()),
        ("/11/0/8/2", "26203".into()),
    ];
    assert_eq!(bench.code(with_tlv("PUT /11/0", &whole)), "2.04");
    assert_eq!(bench.effects.to_vec(), [Effect::Changed(at("/11/0"))]);
    let left: Vec<String> = bench.tree.entries(at("/11")).map(|(path, _)| path.to_string()).collect();
    // The APN, 1, is gone; the counter of bytes, 13, is not a server's.
    assert_eq!(left, ["/11/0/0", "/11/0/4", "/11/0/8/1", "/11/0/8/2", "/11/0/13"]);
    assert_eq!(bench.get("/11/0/0"), Some("two".into()));

    let before = bench.state();
    assert_eq!(bench.code(with_tlv("PUT /11/0", &whole[..1])), "4.00", "a mandatory resource is missing");
    assert_eq!(bench.code(with_tlv("PUT /11/0", &[("/11/0/13", Value::Integer(1))])), "4.05");
    assert_eq!(bench.state(), before);
}

#[test]
fn a_partial_update_leaves_everything_else() {
    let mut bench = Bench::new(Version::V1_1);
    let some = [("/11/0/1", Value::from("m2m")), ("/11/0/8/5", "26205".into())];
    assert_eq!(bench.code(with_tlv("POST /11/0", &some)), "2.04");
    let left: Vec<String> = bench.tree.entries(at("/11/0/8")).map(|(path, _)| path.to_string()).collect();
    assert_eq!(left, ["/11/0/8/0", "/11/0/8/1", "/11/0/8/5"]);
    assert_eq!((bench.get("/11/0/0"), bench.get("/11/0/1")), (Some("one".into()), Some("m2m".into())));
    assert_eq!(bench.code(with_tlv("POST /11/1", &[])), "4.04");

    // On a multiple resource the same goes for its instances; a replace leaves none.
    assert_eq!(bench.code(with_tlv("POST /11/0/8", &[("/11/0/8/6", "26206".into())])), "2.04");
    assert_eq!(bench.tree.entries(at("/11/0/8")).count(), 4);
    assert_eq!(bench.code(with_tlv("PUT /11/0/8", &[("/11/0/8/6", "26206".into())])), "2.04");
    assert_eq!(bench.tree.entries(at("/11/0/8")).count(), 1);
}

#[test]
fn what_a_registration_tells_is_told_again_after_a_write() {
    let mut bench = Bench::new(Version::V1_2);
    assert_eq!(bench.code(with_text("PUT /1/0/1", "600")), "2.04");
    let changed = |path| Effect::Changed(at(path));
    assert_eq!(bench.effects.to_vec(), [Effect::Registration(Changed::Lifetime(101)), changed("/1/0/1")]);
    assert_eq!(bench.code(with_json("POST /1/0", r#"[{"bn":"/1/0/","n":"7","vs":"UQ"}]"#)), "2.04");
    assert_eq!(bench.effects.to_vec(), [Effect::Registration(Changed::Binding(101)), changed("/1/0")]);
}

#[test]
fn packages_do_not_go_into_the_store() {
    let mut bench = Bench::new(Version::V1_1);
    let package = request("PUT /5/0/0").with_content_format(ContentFormat::OPAQUE).with_payload(vec![1; 64]);
    assert_eq!(bench.code(package), "2.04");
    let entry = Entry::new(at("/5/0/0"), Value::Opaque([1; 64].into()));
    assert_eq!(bench.effects[0], Effect::Package(Command::Write(entry)));
    assert_eq!(bench.get("/5/0/0"), None);
}

#[test]
fn a_composite_write_does_all_or_nothing() {
    let mut bench = Bench::new(Version::V1_2);
    let before = bench.state();
    for (payload, expected) in [
        (r#"[{"n":"/3/0/14","vs":"Z"},{"n":"/3/0/0","vs":"EMCA"}]"#, "4.05"),
        (r#"[{"n":"/3/0/14","vs":"Z"},{"n":"/3/0/99","vs":"x"}]"#, "4.04"),
        (r#"[{"n":"/3/0/14","vs":"Z"},{"n":"/11/7/1","vs":"x"}]"#, "4.04"),
        (r#"[{"n":"/3/0/14","vs":"Z"},{"n":"/0/0/0","vs":"x"}]"#, "4.01"),
        (r#"[{"n":"/3/0/14","vs":"Z"},{"n":"/1/0/26","v":9}]"#, "4.00"),
        (r#"[{"n":"/3/0/14","vs":"Z"},{"n":"/3/0/14","vs":"Y"}]"#, "4.00"),
        (r#"[{"n":"/3/0/14","v":1}]"#, "4.00"),
    ] {
        assert_eq!(bench.code(with_json("IPATCH /", payload)), expected, "{payload}");
        assert_eq!(bench.state(), before, "{payload}");
    }
    let good = r#"[{"n":"/1/0/1","v":101},{"n":"/3/0/14","vs":"Z"},{"n":"/11/0/8/7","vs":"1"}]"#;
    assert_eq!(bench.code(with_json("IPATCH /", good)), "2.04");
    assert_eq!((bench.get("/1/0/1"), bench.get("/3/0/14")), (Some(Value::Integer(101)), Some("Z".into())));
    assert_eq!(bench.effects.len(), 4);
}

#[test]
fn a_null_deletes_a_resource_instance() {
    let etch = |payload: &str| {
        request("IPATCH /").with_content_format(ContentFormat::SENML_ETCH_JSON).with_payload(payload.into())
    };
    let mut bench = Bench::new(Version::V1_2);
    let both = r#"[{"n":"/11/0/8/0","v":null},{"n":"/11/0/8/4","vs":"4"}]"#;
    assert_eq!(bench.code(etch(both)), "2.04");
    assert_eq!((bench.get("/11/0/8/0"), bench.get("/11/0/8/4")), (None, Some("4".into())));
    assert_eq!(bench.code(etch(r#"[{"n":"/11/0/8/0","v":null}]"#)), "4.04");
    assert_eq!(bench.code(etch(r#"[{"n":"/3/0/6/0","v":null}]"#)), "4.05");
    assert_eq!(bench.code(with_json("IPATCH /", r#"[{"n":"/11/0/8/1","v":null}]"#)), "4.00");
}
