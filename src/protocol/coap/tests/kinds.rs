//! Requests of other kinds: Non-confirmable, by FETCH, without response; and answers of another kind.

use super::*;

fn ask(pair: &mut Pair, request: Message) -> Handle {
    let handle = pair.ends[A].request_non(request, pair.now);
    pair.settle();
    handle
}

/// The one request that `server` gives out.
fn received(server: &mut Exchange, request: &Message) -> Received {
    server.handle_input(&request.encode(), Instant::ZERO);
    let mut events = drain(server).1;
    match events.pop() {
        Some(Event::Request(received)) => received,
        other => panic!("not a request but {other:?}"),
    }
}

#[test]
fn a_request_without_acknowledgement_is_ended_by_its_response() {
    let mut pair = Pair::new(Params::default());
    let start = pair.now;
    let handle = ask(&mut pair, post());
    pair.run();
    assert_eq!(pair.trace(), ["A Non 0.02", "B Non 2.04"]);
    assert!(matches!(
        pair.events[0].2,
        Event::Response { handle: ended, sent, transmissions: 1, .. } if ended == handle && sent == start
    ));
}

#[test]
fn one_that_is_lost_is_not_repeated_holds_up_the_next_for_a_while_and_fails() {
    let params = Params::default();
    let mut pair = Pair::new(params.clone()).losing(0);
    let start = pair.now;
    let lost = ask(&mut pair, post());
    let next = pair.request(get());
    assert_eq!(pair.log.len(), 1);
    assert_eq!(pair.ends[A].poll_timeout().map(|(_, reason)| reason), Some(Reason::AwaitResponse));
    pair.pass(secs(3));
    assert_eq!(pair.trace(), ["A Non 0.02", "A Con 0.01", "B Ack 2.04"]);
    assert!(pair.log[1].at.since(start) >= params.ack_timeout);
    assert!(matches!(pair.outcomes()[..], [(ended, Ok(_))] if ended == next));
    assert!(pair.ends[A].progress(lost).is_some_and(|progress| !progress.acknowledged));
    pair.run();
    assert!(matches!(pair.outcomes()[..], [_, (ended, Err(Failure::Timeout))] if ended == lost));
    let failed = pair.events.iter().find(|(_, _, event)| matches!(event, Event::Failed { .. }));
    assert_eq!(failed.map(|(at, ..)| at.since(start)), Some(params.max_rtt()));
}

#[test]
fn a_late_response_to_one_and_a_reset_are_taken() {
    let mut pair = Pair::new(Params::default()).answering(|_| (secs(100), Message::response(Code::CHANGED)));
    ask(&mut pair, post());
    pair.run();
    assert_eq!(pair.response().code(), Code::CHANGED);
    let mut alone = exchange(&Params::default(), "a");
    alone.request_non(post(), Instant::ZERO);
    let mid = sent(&mut alone)[0].mid();
    alone.handle_timeout(Instant::from_secs(10));
    // There is nothing to acknowledge.
    alone.handle_input(&header::empty(Type::Ack, mid), Instant::from_secs(11));
    assert!(matches!(drain(&mut alone).1[..], [Event::Noise(Noise::UnmatchedAck)]));
    alone.handle_input(&header::empty(Type::Rst, mid), Instant::from_secs(12));
    assert!(matches!(drain(&mut alone).1[..], [Event::Failed { why: Failure::Reset, .. }]));
}

#[test]
fn bodies_in_blocks_are_confirmed_whatever_the_request() {
    let params = Params { block_size: 64, ..Params::default() };
    let answer = |_: &Received| (Duration::ZERO, Message::response(Code::CONTENT).with_payload(body(150)));
    let mut pair = Pair::new(params.clone()).answering(answer);
    ask(&mut pair, get());
    pair.run();
    assert_eq!(
        pair.trace(),
        ["A Non 0.01", "B Non 2.05", "A Con 0.01", "B Ack 2.05", "A Con 0.01", "B Ack 2.05"]
    );
    assert_eq!(pair.response().payload(), body(150));
    let mut pair = Pair::new(params).losing(2);
    ask(&mut pair, post().with_payload(body(100)));
    pair.run();
    assert!(pair.log.iter().filter(|sent| sent.from == A).all(|sent| sent.message.kind() == Type::Con));
    assert_eq!(pair.response().code(), Code::CHANGED);
}

#[test]
fn a_response_that_is_not_wanted_is_not_sent() {
    for (classes, code, sends) in [
        (26, Code::CHANGED, false),
        (26, Code::BAD_REQUEST, false),
        (26, Code::INTERNAL_SERVER_ERROR, false),
        (2, Code::BAD_REQUEST, true),
        (24, Code::CHANGED, true),
        (0, Code::CHANGED, true),
    ] {
        let mut request = post().with_no_response(classes);
        let token = Token::new(&[1]).expect("short");
        request.address(Type::Non, 9, token);
        let mut server = exchange(&Params::default(), "b");
        let asked = received(&mut server, &request);
        assert_eq!(asked.message.no_response(), Some(classes));
        server.respond(asked, Message::response(code), Instant::ZERO);
        assert_eq!(sent(&mut server).len(), usize::from(sends), "{classes} {code}");
        // A Confirmable one is acknowledged all the same, as often as it comes.
        request.address(Type::Con, 10, token);
        let asked = received(&mut server, &request);
        server.respond(asked, Message::response(code), Instant::ZERO);
        server.handle_input(&request.encode(), Instant::ZERO);
        let answers: Vec<Code> = sent(&mut server).iter().map(Message::code).collect();
        assert_eq!(answers, [if sends { code } else { Code::EMPTY }; 2], "{classes} {code}");
        assert!(server.is_idle());
    }
}

#[test]
fn a_body_without_wanted_response_still_goes_up_in_blocks() {
    let mut pair = Pair::new(Params { block_size: 64, ..Params::default() });
    let handle = pair.request(post().with_no_response(26).with_payload(body(150)));
    pair.pass(secs(1));
    assert_eq!(pair.trace()[4..], ["A Con 0.02", "B Ack 0.00"]);
    assert_eq!(pair.handled.len(), 1);
    assert!(pair.ends[A].progress(handle).is_some_and(|progress| progress.acknowledged));
}

#[test]
fn a_request_can_be_answered_by_a_reset() {
    let mut server = exchange(&Params::default(), "b");
    let mut request = post();
    for kind in [Type::Con, Type::Non] {
        request.address(kind, 9, Token::new(&[1]).expect("short"));
        let asked = received(&mut server, &request);
        server.reset(asked);
        assert_eq!(drain(&mut server).0, [header::empty(Type::Rst, 9)]);
        assert!(server.is_idle());
    }
    // Not after it was acknowledged.
    request.address(Type::Con, 10, Token::new(&[1]).expect("short"));
    let asked = received(&mut server, &request);
    server.handle_timeout(Instant::from_secs(5));
    drain(&mut server);
    server.reset(asked);
    assert!(drain(&mut server).0.is_empty());
}

#[test]
fn two_fetches_that_differ_in_their_payload_get_bodies_of_their_own() {
    let params = Params { block_size: 64, nstart: 2, ..Params::default() };
    let mut pair = Pair::new(params).answering(|received| {
        let len = 100 + received.message.payload().len();
        (ms(1), Message::response(Code::CONTENT).with_payload(body(len)))
    });
    let fetch = |len: usize| Message::request(Code::FETCH).with_payload(body(len));
    let handles = [20, 50].map(|len| (pair.request(fetch(len)), 100 + len));
    pair.run();
    for (handle, len) in handles {
        let outcomes = pair.outcomes();
        let (_, outcome) = outcomes.iter().find(|(ended, _)| *ended == handle).expect("it ends");
        assert_eq!(outcome.expect("an answer").payload(), body(len));
    }
}

#[test]
fn patches_are_requests_of_which_one_is_idempotent() {
    for (code, cached) in [(Code::PATCH, true), (Code::IPATCH, false), (Code::FETCH, false)] {
        let mut server = exchange(&Params::default(), "b");
        let mut request = Message::request(code);
        request.address(Type::Con, 9, Token::new(&[1]).expect("short"));
        let asked = received(&mut server, &request);
        server.respond(asked, Message::response(Code::CONTENT).with_payload(body(9)), Instant::ZERO);
        drain(&mut server);
        server.handle_input(&request.encode(), Instant::ZERO);
        let (datagrams, events) = drain(&mut server);
        let again =
            events.iter().any(|event| matches!(event, Event::Request(Received { repeated: true, .. })));
        assert_eq!((datagrams.len(), again), (usize::from(cached), !cached), "{code}");
    }
}
