//! Execute, Create, Delete.

use super::*;

#[test]
fn executes_are_done_or_refused() {
    let later = &ALL[1..];
    check(&[
        (&ALL, request("POST /3/0/4"), "2.04"),
        (&ALL, with_text("POST /3/0/4", "0='x',1"), "2.04"),
        (&ALL, with_text("POST /3/0/4", "0=x"), "4.00"),
        (&ALL, request("POST /3/0/4").with_payload(b"now".to_vec()), "4.00"),
        (&ALL, request("POST /3/0/4").with_content_format(ContentFormat::TLV), "4.15"),
        (&ALL, request("POST /3/0/0"), "4.05"),
        (&ALL, request("POST /3/0/99"), "4.04"),
        (&ALL, request("POST /3/1/4"), "4.04"),
        (&ALL, request("POST /26241/0/0"), "4.05"),
        (&ALL, with_text("POST /3/0/5", "1"), "2.04"),
        (&ALL, with_text("POST /3/0/5", "2"), "4.00"),
        (later, request("POST /1/0/9"), "2.04"),
        (&ALL[..1], request("POST /1/0/9"), "4.04"),
        (&ALL, request("POST /5/0/2"), "4.05"),
        (&ALL, request("POST /20/0/4011"), "2.04"),
    ]);
}

#[test]
fn what_is_executed_has_its_effect() {
    let effects = |target: &str, payload: &str| {
        let mut bench = Bench::new(Version::V1_2);
        bench.tree.set(at("/5/0/3"), Value::Integer(2));
        assert_eq!(bench.code(with_text(target, payload)), "2.04");
        bench.effects.to_vec()
    };
    assert_eq!(effects("POST /1/0/4", ""), [Effect::Disable(101)]);
    assert_eq!(effects("POST /1/0/8", ""), [Effect::UpdateTrigger(101)]);
    assert_eq!(effects("POST /1/0/9", ""), [Effect::BootstrapTrigger]);
    assert_eq!(effects("POST /3/0/4", ""), [Effect::Reboot]);
    assert_eq!(effects("POST /3/0/5", "0"), [Effect::FactoryReset(Kept::Initial)]);
    assert_eq!(effects("POST /3/0/5", "1"), [Effect::FactoryReset(Kept::Enrolled)]);
    assert_eq!(effects("POST /5/0/2", ""), [Effect::Package(Command::Execute(at("/5/0/2")))]);
    assert_eq!(effects("POST /20/0/4012", ""), []);
}

#[test]
fn reset_error_code_leaves_one_that_says_no_error() {
    let mut bench = Bench::new(Version::V1_0);
    assert_eq!(bench.code(request("POST /3/0/12")), "2.04");
    assert_eq!(bench.effects.to_vec(), [Effect::Changed(at("/3/0/11"))]);
    assert_eq!(bench.tree.entries(at("/3/0/11")).count(), 1);
    assert_eq!(bench.get("/3/0/11/0"), Some(Value::Integer(0)));
}

#[test]
fn without_a_bootstrap_server_there_is_nothing_to_trigger() {
    let mut bench = Bench::new(Version::V1_1);
    bench.tree.remove(at("/0/0"));
    assert_eq!(bench.code(request("POST /1/0/9")), "4.05");
}

#[test]
fn creates_are_done_or_refused() {
    let new = [("/11/5/0", Value::from("five")), ("/11/5/4", Value::Integer(0))];
    let second = [("/11/0/0", Value::from("again")), ("/11/0/4", Value::Integer(0))];
    check(&[
        (&ALL, with_tlv("POST /11", &new), "2.01"),
        (&ALL, with_tlv("POST /11", &second), "4.00"),
        (&ALL, with_tlv("POST /11", &new[..1]), "4.00"),
        (&ALL, with_tlv("POST /11", &[("/11/5/99", Value::Opaque([].into()))]), "4.04"),
        (&ALL, with_tlv("POST /3", &[("/3/1/14", "Z".into())]), "4.05"),
        (&ALL, with_tlv("POST /4", &[("/4/1/2", Value::Integer(1))]), "4.00"),
        (&ALL, with_tlv("POST /1", &[("/1/5/1", Value::Integer(1))]), "4.05"),
        (&ALL, with_tlv("POST /2", &[("/2/5/3", Value::Integer(101))]), "4.05"),
        (&ALL, with_tlv("POST /0", &[("/0/5/0", "coap://x".into())]), "4.01"),
        (&ALL, with_tlv("POST /3441", &[]), "4.04"),
        (&ALL, with_text("POST /11", "x"), "4.15"),
        (&ALL, request("POST /11").with_payload(vec![1]), "4.00"),
        (&ALL[1..], with_json("POST /11", r#"[{"bn":"/11/5/","n":"0","vs":"x"},{"n":"4","v":"x"}]"#), "4.00"),
        (&ALL, with_tlv("POST /10243", &[("/10243/1/4", Value::Float(1.0))]), "2.01"),
    ]);
}

#[test]
fn a_new_instance_is_told_where_it_is_unless_that_was_given() {
    let mut bench = Bench::new(Version::V1_1);
    let given = [("/11/5/0", Value::from("five")), ("/11/5/4", Value::Integer(0))];
    let answer = bench.ask(with_tlv("POST /11", &given));
    assert_eq!((answer.code(), answer.location().count()), (Code::CREATED, 0));
    assert_eq!(
        bench.effects.to_vec(),
        [Effect::Changed(at("/11/5")), Effect::Registration(Changed::Objects)]
    );
    assert_eq!(bench.get("/11/5/0"), Some("five".into()));

    // The resources alone: the device gives the lowest identifier that is free.
    let resources = with_tlv("PUT /11/7", &[("/11/7/0", "seven".into()), ("/11/7/4", Value::Integer(1))]);
    let free = request("POST /11")
        .with_content_format(ContentFormat::TLV)
        .with_payload(resources.payload().to_vec());
    let answer = bench.ask(free);
    assert_eq!(answer.location().collect::<Vec<_>>(), ["11", "1"]);
    assert_eq!(bench.get("/11/1/0"), Some("seven".into()));
}

#[test]
fn what_only_the_device_can_say_starts_at_zero() {
    let mut bench = Bench::new(Version::V1_2);
    assert_eq!(bench.code(with_tlv("POST /9", &[("/9/0/3", "coap://x/sw".into())])), "2.01");
    assert_eq!((bench.get("/9/0/7"), bench.get("/9/0/0")), (Some(Value::Integer(0)), Some("".into())));
    assert_eq!(bench.get("/9/0/3"), None, "where the package is goes to what downloads it");
    assert!(
        matches!(&bench.effects[1], Effect::Package(Command::Write(entry)) if entry.path == at("/9/0/3"))
    );
}

#[test]
fn deletes_are_done_or_refused() {
    let later = &ALL[1..];
    check(&[
        (&ALL, request("DELETE /11/0"), "2.02"),
        (&ALL, request("DELETE /11/1"), "4.04"),
        (&ALL, request("DELETE /11"), "4.05"),
        (&ALL, request("DELETE /11/0/1"), "4.05"),
        (&ALL, request("DELETE /3/0"), "4.05"),
        (&ALL, request("DELETE /1/0"), "4.05"),
        (&ALL, request("DELETE /0/0"), "4.01"),
        (later, request("DELETE /11/0/8/1"), "2.02"),
        (later, request("DELETE /11/0/8/5"), "4.04"),
        (later, request("DELETE /11/0/1/0"), "4.04"),
        (later, request("DELETE /3/0/6/0"), "4.05"),
    ]);
    let mut bench = Bench::new(Version::V1_1);
    assert_eq!(bench.code(request("DELETE /11/0")), "2.02");
    assert_eq!(
        bench.effects.to_vec(),
        [Effect::Deleted(at("/11/0")), Effect::Registration(Changed::Objects)]
    );
    assert!(!bench.tree.has_instance(11, 0));
}
