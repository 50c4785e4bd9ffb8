//! Requests that no good server makes.

use super::*;
use proptest::prelude::*;

fn refused(setup: Setup, request: Message) -> (Code, usize) {
    let mut pair = setup.start();
    let (_, answer) = pair.ask_to_observe(request);
    assert_eq!(answer.observe(), None);
    (answer.code(), pair.observations())
}

#[test]
fn what_cannot_be_observed_is_not_and_is_answered_with_the_right_code() {
    let version = |version| Setup { version, ..Setup::default() };
    for (setup, request, code) in [
        (Setup::default(), get("/", "", None), Code::METHOD_NOT_ALLOWED),
        (Setup::default(), get("/rd", "", None), Code::METHOD_NOT_ALLOWED),
        (Setup::default(), get("/0/1/0", "", None), Code::UNAUTHORIZED),
        (Setup::default(), get("/23", "", None), Code::UNAUTHORIZED),
        (Setup::default(), get("/3/0/4", "", None), Code::METHOD_NOT_ALLOWED),
        (Setup::default(), get("/3/7", "", None), Code::NOT_FOUND),
        (Setup::default(), get("/3/0/9", "", Some(ContentFormat(9999))), Code::NOT_ACCEPTABLE),
        (Setup::default(), get("/3/0", "", Some(ContentFormat::TEXT)), Code::NOT_ACCEPTABLE),
        (Setup::default(), get("/3/0/9", "pmin=20&pmax=10", None), Code::BAD_REQUEST),
        (Setup::default(), get("/3/0/9", "pmin=no", None), Code::BAD_REQUEST),
        (Setup::default(), get("/3/0", "gt=1", None), Code::BAD_REQUEST),
        (version(Version::V1_1), get("/3/0/9", "pmin=1", None), Code::BAD_REQUEST),
        (version(Version::V1_0), get("/3/0/7/0", "", None), Code::METHOD_NOT_ALLOWED),
        (version(Version::V1_0), fetch(&["/3/0"]), Code::METHOD_NOT_ALLOWED),
        (Setup::default(), fetch(&[]), Code::CONTENT),
        (Setup::default(), fetch(&["/3/0"]).with_path(&["3"]), Code::METHOD_NOT_ALLOWED),
        (
            Setup::default(),
            fetch(&["/3/0"]).with_content_format(ContentFormat::TLV),
            Code::UNSUPPORTED_CONTENT_FORMAT,
        ),
        (Setup::default(), fetch(&["/3/0"]).with_payload(vec![0xff; 9]), Code::BAD_REQUEST),
    ] {
        let shown = format!("{request:?}");
        assert_eq!(refused(setup, request), (code, 0), "{shown}");
    }
}

#[test]
fn a_discover_is_never_observed() {
    let (code, observations) = refused(Setup::default(), get("/3", "", Some(ContentFormat::LINK)));
    assert_eq!((code, observations), (Code::CONTENT, 0));
}

#[test]
fn beyond_the_bound_requests_are_answered_and_not_observed() {
    let policy = ReportPolicy { observations: 2, composite_paths: 1, ..ReportPolicy::default() };
    let mut pair = Setup { policy, ..Setup::default() }.start();
    assert!(pair.observe("/9/0/7", "", None).1.observe().is_some());
    let (_, answer) = pair.ask_to_observe(fetch(&["/9/0/7", "/9/1/7"]));
    assert_eq!((answer.code(), answer.observe()), (Code::CONTENT, None));
    assert!(pair.observe("/9/1/7", "", None).1.observe().is_some());
    let (_, answer) = pair.observe("/3/0/16", "", None);
    assert_eq!((answer.code(), answer.observe(), pair.observations()), (Code::CONTENT, None, 2));
    // One that replaces another needs no room.
    assert!(pair.observe("/9/1/7", "pmin=3", None).1.observe().is_some());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn no_request_panics_and_the_account_balances(
        requests in prop::collection::vec(
            (
                prop::collection::vec("[0-9]{1,2}|65535|x", 0..5),
                prop::collection::vec("(pm(in|ax)|epm(in|ax)|gt|lt|st|edge|con|hqmax)=?[-0-9.]{0,3}", 0..3),
                prop::option::of(prop::sample::select(vec![0_u16, 40, 42, 60, 110, 112, 11542, 11544, 7])),
                0..4_u32,
                any::<bool>(),
                prop::collection::vec(any::<u8>(), 0..20),
            ),
            1..12,
        )
    ) {
        let mut pair = Setup::measuring(5).start();
        for (segments, queries, accept, observe, fetches, payload) in requests {
            let mut request = Message::request(if fetches { Code::FETCH } else { Code::GET });
            let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
            request = request.with_path(&segments).with_observe(observe);
            for query in &queries {
                request = request.with_query(query);
            }
            if let Some(accept) = accept {
                request = request.with_accept(ContentFormat(accept)).with_content_format(ContentFormat(accept));
            }
            request = request.with_payload(if fetches { payload } else { Vec::new() });
            let now = pair.now;
            let answer = pair.client.observe(SSID, &request, now);
            prop_assert!(answer.code().is_response());
            prop_assert!(answer.observe().is_none() || (observe == 0 && answer.code() == Code::CONTENT));
            pair.measure(i64::from(observe));
            pair.run_for(secs(20));
        }
        pair.balance();
    }
}
