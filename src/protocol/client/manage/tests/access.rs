//! Devices of several servers: what /2 grants and what it does not.

use super::*;

/// A device of servers 101 and 102. 101 owns /11/0 and all else it holds is read by everybody; 102 may
/// create instances of /11.
fn shared(server: u16) -> Bench {
    let mut bench = Bench::new(Version::V1_1);
    bench.server = server;
    let tree = &mut bench.tree;
    tree.set(at("/1/1/0"), Value::Integer(102));
    let mut control = |instance: u16, object: u16, of: u16, acl: &[(u16, i64)], owner: i64| {
        let resource = |id| Path::resource(2, instance, id);
        tree.set(resource(0), Value::Integer(object.into()));
        tree.set(resource(1), Value::Integer(of.into()));
        for (ssid, rights) in acl {
            tree.set(resource(2).child(*ssid).unwrap(), Value::Integer(*rights));
        }
        tree.set(resource(3), Value::Integer(owner));
    };
    control(0, 11, 0, &[], 101);
    control(1, 3, 0, &[(0, 1), (101, 1 | 4)], 65535);
    control(2, 11, 65535, &[(102, 16)], 65535);
    bench
}

#[test]
fn a_server_does_what_it_was_granted_and_no_more() {
    for (target, owner, other) in [
        ("GET /11/0", "2.05", "4.01"),
        ("GET /11", "2.05", "4.01"),
        ("GET /11/0/0", "2.05", "4.01"),
        ("GET /3", "2.05", "2.05"),
        ("GET /10243/0", "4.01", "4.01"),
        ("PUT /11/0?pmin=1", "2.04", "4.01"),
        ("PUT /11?pmin=1", "2.04", "4.01"),
        ("POST /3/0/4", "2.04", "4.01"),
        ("DELETE /11/0/8/0", "2.02", "4.01"),
        ("DELETE /11/0", "2.02", "4.01"),
        ("DELETE /2/0", "4.01", "4.01"),
    ] {
        assert_eq!(shared(101).code(request(target)), owner, "{target}");
        assert_eq!(shared(102).code(request(target)), other, "{target}");
    }
    for (target, payload, owner, other) in [
        ("PUT /11/0/1", "x", "2.04", "4.01"),
        ("PUT /3/0/14", "Z", "4.01", "4.01"),
        ("PUT /2/0/2/102", "1", "2.04", "4.01"),
    ] {
        assert_eq!(shared(101).code(with_text(target, payload)), owner, "{target}");
        assert_eq!(shared(102).code(with_text(target, payload)), other, "{target}");
    }
}

#[test]
fn everybody_may_discover_everything() {
    let discover = request("GET /11/0/0").with_accept(ContentFormat::LINK);
    assert_eq!(shared(102).text(discover), "</11/0/0>");
}

#[test]
fn composites_ask_for_each_of_their_parts() {
    let read = r#"[{"n":"/3/0/0"},{"n":"/11/0/0"}]"#;
    assert_eq!(shared(102).text(with_json("FETCH /", read)), r#"[{"bn":"/","n":"3/0/0","vs":"ACME"}]"#);
    let write = r#"[{"n":"/11/0/1","vs":"x"},{"n":"/3/0/14","vs":"Z"}]"#;
    let mut bench = shared(101);
    let before = bench.state();
    assert_eq!(bench.code(with_json("IPATCH /", write)), "4.01");
    assert_eq!(bench.state(), before);
}

#[test]
fn who_creates_an_instance_owns_it() {
    let new = [("/11/5/0", Value::from("five")), ("/11/5/4", Value::Integer(0))];
    assert_eq!(shared(101).code(with_tlv("POST /11", &new)), "4.01");
    let mut bench = shared(102);
    assert_eq!(bench.code(with_tlv("POST /11", &new)), "2.01");
    assert_eq!(
        (bench.get("/2/3/1"), bench.get("/2/3/3")),
        (Some(Value::Integer(5)), Some(Value::Integer(102)))
    );
    assert!(bench.effects.contains(&Effect::Changed(at("/2/3"))));
    // An object's other instances are not the new owner's.
    let read = request("GET /11").with_accept(ContentFormat::SENML_JSON);
    assert_eq!(bench.text(read), r#"[{"bn":"/11/","n":"5/0","vs":"five"},{"n":"5/4","v":0}]"#);
    assert_eq!(bench.code(request("DELETE /11/5")), "2.02");
    assert!(!bench.tree.has_instance(2, 3), "its access control goes with it");
}
