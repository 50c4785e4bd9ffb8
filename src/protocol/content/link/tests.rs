use proptest::prelude::*;

use super::*;

#[test]
fn a_registration_as_seen_on_the_wire() {
    let payload = br#"</>;rt="oma.lwm2m";ct=110,</1>;ver=1.1,</1/123>,</3/0>,</31024/10>"#;
    let links = decode(payload).unwrap();
    assert_eq!(links[0], Link::new("/").with("rt", "oma.lwm2m").with("ct", "110"));
    assert_eq!(links[1].attribute("ver"), Some("1.1"));
    assert_eq!(links[4].path(), Some(Path::instance(31024, 10)));
    assert_eq!(encode(&links), payload);
}

#[test]
fn spaces_slashes_and_flags_are_tolerated() {
    let links =
        decode(b" </> ; rt=\"oma.lwm2m\" ; ct=\"60 110\" , </1/0/>;obs,\r\n</3/0>;ver=;title=\"\" ").unwrap();
    assert_eq!(links.len(), 3);
    assert_eq!(links[0].path(), Some(Path::ROOT));
    assert_eq!(links[0].attribute("ct"), Some("60 110"));
    assert_eq!(links[1].path(), Some(Path::instance(1, 0)));
    assert_eq!(links[1].attributes, [("obs".to_owned(), None)]);
    assert_eq!(links[2].attribute("ver"), Some(""));
    assert_eq!(links[2].attribute("title"), Some(""));
    assert_eq!(decode(b"").unwrap(), []);
}

#[test]
fn quoted_text_may_hold_anything() {
    let link = Link::new("/0/0").with("uri", r#"coap://[::1]/a,b;c=<d>"e"\é"#);
    let payload = encode(std::slice::from_ref(&link));
    assert_eq!(decode(&payload).unwrap(), [link]);
}

#[test]
fn an_alternate_root_and_other_targets_are_no_paths() {
    let links = decode(b"</lwm2m>;rt=\"oma.lwm2m\",<coap://h/x>,<>,</65535>").unwrap();
    assert!(links.iter().all(|link| link.path().is_none()));
    assert_eq!(links[0].target, "/lwm2m");
    assert_eq!(links[2].target, "");
}

#[test]
fn errors_say_where() {
    let malformed = |payload: &[u8]| match decode(payload) {
        Err(Error::Malformed { at, .. }) => at,
        other => panic!("{other:?}"),
    };
    assert_eq!(malformed(b"/1/0"), 0);
    assert_eq!(malformed(b"</1/0></3/0>"), 6);
    assert_eq!(malformed(b"</1/0>,"), 7);
    assert_eq!(malformed(b"</1/0>,,</3/0>"), 7);
    assert_eq!(malformed(b"</1/0>;;a"), 7);
    assert_eq!(malformed(b"</1/0>;=a"), 7);
    assert_eq!(malformed(b"</1/0>;a=b\"c"), 10);
    assert_eq!(malformed(b"</1/\xff>"), 4);
    assert_eq!(decode(b"</1/0>,</3"), Err(Error::Truncated { at: 7 }));
    assert_eq!(decode(b"</1/0>;rt=\"oma\\\""), Err(Error::Truncated { at: 10 }));
}

#[test]
fn an_error_ends_the_list() {
    let mut list = links(b"</1>,x,</2>").unwrap();
    assert!(list.next().is_some_and(|link| link.is_ok()));
    assert!(list.next().is_some_and(|link| link.is_err()));
    assert!(list.next().is_none());
}

fn link() -> impl Strategy<Value = Link> {
    let target = prop_oneof!["(/[0-9]{1,5}){1,3}", Just("/".to_owned()), "[a-z:]{1,8}"];
    let value = prop::option::of(prop_oneof!["[0-9.]{0,4}", r#"[ -~é]{0,12}"#]);
    (target, prop::collection::vec(("[a-z]{1,5}", value), 0..4))
        .prop_map(|(target, attributes)| Link { target, attributes })
}

proptest! {
    #[test]
    fn links_round_trip(links in prop::collection::vec(link(), 0..6)) {
        prop_assert_eq!(decode(&encode(&links)), Ok(links));
    }

    #[test]
    fn any_bytes_are_a_list_or_an_error(payload in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = decode(&payload);
    }

    #[test]
    fn any_list_like_text_is_a_list_or_an_error(payload in r#"[</>;,="\\ a1é]{0,40}"#) {
        if let Ok(links) = decode(payload.as_bytes()) {
            prop_assert_eq!(decode(&encode(&links)), Ok(links));
        }
    }
}
