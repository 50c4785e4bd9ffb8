//! Requests and responses between two ends, with what the network does to them.

use super::*;

/// A server that is too slow for piggybacking.
fn slow() -> Pair {
    Pair::new(Params::default())
        .answering(|_| (secs(3), Message::response(Code::CREATED).with_location(&["x"])))
}

fn quick() -> Pair {
    Pair::new(Params::default())
        .answering(|_| (ms(20), Message::response(Code::CREATED).with_location(&["rd", "7"])))
}

#[test]
fn a_quick_answer_rides_in_the_acknowledgement() {
    let mut pair = quick();
    let start = pair.now;
    let handle = pair.request(post());
    assert_eq!(pair.ends[A].in_flight(), 1);
    pair.run();
    assert_eq!(pair.trace(), ["A Con 0.02", "B Ack 2.01"]);
    assert_eq!(pair.response().location().collect::<Vec<_>>(), ["rd", "7"]);
    let told = |event: &Event| match *event {
        Event::Response { handle, sent, transmissions, .. } => Some((handle, sent, transmissions)),
        _ => None,
    };
    assert_eq!(told(&pair.events[0].2), Some((handle, start, 1)));
    assert_eq!((pair.ends[A].in_flight(), pair.ends[A].last_activity()), (0, pair.events[0].0));
    assert!(pair.noises().is_empty());
}

#[test]
fn a_slow_answer_comes_on_its_own() {
    let mut pair = slow();
    pair.request(post());
    pair.run();
    assert_eq!(pair.trace(), ["A Con 0.02", "B Ack 0.00", "B Con 2.01", "A Ack 0.00"]);
    assert_eq!(pair.log[1].at - pair.log[0].at, LATENCY + Params::default().separate_ack_delay());
    assert_eq!(pair.response().code(), Code::CREATED);
}

#[test]
fn whichever_datagram_is_lost_the_request_is_handled_once_and_answered() {
    for lost in 0..2 {
        let mut pair = quick().losing(lost);
        pair.request(post());
        pair.run();
        assert_eq!((pair.response().code(), pair.handled.len()), (Code::CREATED, 1), "lost {lost}");
        assert_eq!(pair.count(Stat::Retransmitted), 1, "lost {lost}");
        assert_eq!(pair.count(Stat::Duplicate), lost, "lost {lost}");
    }
    for lost in 0..4 {
        let mut pair = slow().losing(lost);
        pair.request(post());
        pair.run();
        assert_eq!((pair.response().code(), pair.handled.len()), (Code::CREATED, 1), "lost {lost}");
        assert!(pair.count(Stat::Retransmitted) >= 1, "lost {lost}");
    }
}

#[test]
fn whichever_datagram_is_doubled_the_request_is_handled_once_and_answered() {
    for (make, datagrams) in [(quick as fn() -> Pair, 2), (slow, 4)] {
        for doubled in 0..datagrams {
            let mut pair =
                make().over(move |nth| if nth == doubled { vec![LATENCY, ms(5000)] } else { vec![LATENCY] });
            pair.request(post());
            pair.run();
            assert_eq!((pair.response().code(), pair.handled.len()), (Code::CREATED, 1), "doubled {doubled}");
        }
    }
}

#[test]
fn a_doubled_separate_response_is_acknowledged_again() {
    let mut pair = slow().over(|nth| if nth == 2 { vec![LATENCY, ms(400)] } else { vec![LATENCY] });
    pair.request(post());
    pair.run();
    assert_eq!(pair.trace()[3..], ["A Ack 0.00", "A Ack 0.00"]);
    assert_eq!((pair.count(Stat::Duplicate), pair.noises()), (1, vec![Noise::UnmatchedAck]));
}

#[test]
fn a_separate_response_that_overtakes_its_acknowledgement_is_taken() {
    let mut pair = slow().over(|nth| if nth == 1 { vec![ms(1990)] } else { vec![LATENCY] });
    pair.answer = Box::new(|_| (ms(1500), Message::response(Code::CONTENT)));
    pair.request(get());
    pair.run();
    assert_eq!((pair.response().code(), pair.noises()), (Code::CONTENT, vec![Noise::UnmatchedAck]));
}

#[test]
fn a_reset_ends_the_request() {
    let mut alone = exchange(&Params::default(), "a");
    let handle = alone.request(post(), Instant::ZERO);
    let mid = sent(&mut alone)[0].mid();
    alone.handle_input(&header::empty(Type::Rst, mid), Instant::ZERO);
    let (_, events) = drain(&mut alone);
    assert!(matches!(events[..], [Event::Failed { handle: ended, why: Failure::Reset }] if ended == handle));
}

#[test]
fn a_response_must_match_by_token_and_in_an_acknowledgement_by_id_too() {
    let mut alone = exchange(&Params::default(), "a");
    alone.request(post(), Instant::ZERO);
    let request = sent(&mut alone).remove(0);
    let mut response = Message::response(Code::CHANGED);
    for (kind, mid, token, noise) in [
        (Type::Ack, request.mid(), Token::default(), Noise::UnmatchedAck),
        (Type::Ack, request.mid().wrapping_add(1), request.token(), Noise::UnmatchedAck),
        (Type::Non, 1, Token::default(), Noise::UnmatchedResponse),
    ] {
        response.address(kind, mid, token);
        alone.handle_input(&response.encode(), Instant::ZERO);
        let (datagrams, events) = drain(&mut alone);
        assert!(datagrams.is_empty());
        assert!(matches!(events[..], [Event::Noise(got)] if got == noise), "{events:?}");
    }
    response.address(Type::Non, 2, request.token());
    alone.handle_input(&response.encode(), Instant::ZERO);
    assert!(matches!(drain(&mut alone).1[..], [Event::Response { .. }]));
}

#[test]
fn requests_wait_for_their_turn_and_keep_their_order() {
    let mut pair = quick();
    let handles: Vec<Handle> = (0..5).map(|_| pair.request(post())).collect();
    assert_eq!((pair.log.len(), pair.ends[A].in_flight()), (1, 5));
    let waiting = Progress { transmissions: 0, next: None, acknowledged: false };
    assert_eq!(pair.ends[A].progress(handles[4]), Some(waiting));
    pair.run();
    assert_eq!(pair.outcomes().iter().map(|(handle, _)| *handle).collect::<Vec<_>>(), handles);
    // Never two requests without an answer in between.
    assert_eq!(pair.trace(), ["A Con 0.02", "B Ack 2.01"].repeat(5));
    assert_eq!(pair.ends[A].progress(handles[0]), None);
    let mids: Vec<u16> =
        pair.log.iter().filter(|sent| sent.from == A).map(|sent| sent.message.mid()).collect();
    assert!(mids.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "{mids:?}");
}

#[test]
fn an_acknowledged_request_makes_room_for_the_next() {
    let mut pair = slow();
    pair.request(post());
    pair.request(post());
    pair.run();
    assert_eq!(pair.trace()[..3], ["A Con 0.02", "B Ack 0.00", "A Con 0.02"]);
    assert_eq!(pair.outcomes().len(), 2);
}

#[test]
fn nstart_requests_go_out_at_once() {
    let mut pair = Pair::new(Params { nstart: 3, ..Params::default() });
    for _ in 0..5 {
        pair.request(post());
    }
    assert_eq!(pair.log.len(), 3);
    pair.run();
    assert_eq!(pair.outcomes().len(), 5);
}

#[test]
fn an_abandoned_request_lets_the_next_start_and_its_answer_is_noise() {
    let mut pair = slow();
    let first = pair.request(post());
    pair.request(get());
    pair.ends[A].abandon(first);
    pair.ends[A].abandon(first);
    assert_eq!(pair.ends[A].poll_timeout().map(|(_, reason)| reason), Some(Reason::Start));
    pair.run();
    let outcomes = pair.outcomes();
    assert!(matches!(outcomes[..], [(_, Err(Failure::Abandoned)), (_, Ok(_))]), "{outcomes:?}");
    // The separate response to the abandoned request is reset.
    assert!(pair.trace().contains(&"A Rst 0.00".to_owned()), "{:?}", pair.trace());
    assert_eq!(pair.count(Stat::ResponseReset), 1);
}

#[test]
fn abandoning_all_ends_them_in_order() {
    let mut pair = slow();
    let handles: Vec<Handle> = (0..3).map(|_| pair.request(post())).collect();
    pair.ends[A].abandon_all();
    pair.settle();
    let abandoned = |(handle, outcome): (Handle, Result<&Message, Failure>)| {
        assert_eq!(outcome.err(), Some(Failure::Abandoned));
        handle
    };
    assert_eq!(pair.outcomes().into_iter().map(abandoned).collect::<Vec<_>>(), handles);
    assert!(pair.ends[A].is_idle());
}

#[test]
fn a_request_that_needs_no_acknowledgement_gets_an_answer_that_needs_none() {
    let mut server = exchange(&Params::default(), "b");
    let mut request = post();
    request.address(Type::Non, 9, Token::new(&[1]).expect("short"));
    let datagram = request.encode();
    server.handle_input(&datagram, Instant::ZERO);
    let Some(Output::Event(Event::Request(received))) = server.poll_output() else { panic!("no request") };
    assert!(server.is_idle());
    server.respond(received, Message::response(Code::CHANGED), Instant::from_secs(5));
    let answers = sent(&mut server);
    assert_eq!((answers[0].kind(), answers[0].token()), (Type::Non, request.token()));
    server.handle_input(&datagram, Instant::from_secs(5));
    let (datagrams, events) = drain(&mut server);
    assert!(datagrams.is_empty());
    assert!(matches!(events[..], [Event::Stat(Stat::Duplicate)]), "{events:?}");
}

#[test]
fn an_idempotent_request_with_a_long_answer_is_handled_anew_when_repeated() {
    let mut pair = Pair::new(Params::default())
        .answering(|_| (Duration::ZERO, Message::response(Code::CONTENT).with_payload(body(100))))
        .losing(1);
    pair.request(get());
    pair.run();
    assert_eq!(pair.handled, ["0.01 /3/0", "0.01 /3/0"]);
    assert_eq!((pair.response().payload(), pair.count(Stat::Duplicate)), (&body(100)[..], 1));
    // A bare code is remembered instead.
    let mut pair = Pair::new(Params::default()).losing(1);
    pair.request(get());
    pair.run();
    assert_eq!((pair.handled.len(), pair.response().code()), (1, Code::CHANGED));
}

#[test]
fn a_repeated_request_is_marked_as_such() {
    let mut server = exchange(&Params::default(), "b");
    let mut request = get();
    request.address(Type::Con, 9, Token::new(&[1]).expect("short"));
    for repeated in [false, true, true] {
        server.handle_input(&request.encode(), Instant::ZERO);
        let (_, events) = drain(&mut server);
        let Some(Event::Request(received)) = events.into_iter().last() else { panic!("no request") };
        assert_eq!(received.repeated, repeated);
        server.respond(received, Message::response(Code::CONTENT).with_payload(body(9)), Instant::ZERO);
        assert_eq!(sent(&mut server)[0].payload(), body(9));
    }
}

#[test]
fn a_peer_that_restarted_onto_the_same_message_id_is_heard() {
    let mut server = exchange(&Params::default(), "b");
    for token in [1, 2] {
        let mut request = post();
        request.address(Type::Con, 9, Token::new(&[token]).expect("short"));
        server.handle_input(&request.encode(), Instant::ZERO);
        let (_, mut events) = drain(&mut server);
        let Some(Event::Request(received)) = events.pop() else {
            panic!("taken for a duplicate: {events:?}")
        };
        server.respond(received, Message::response(Code::CHANGED), Instant::ZERO);
        drain(&mut server);
    }
}

#[test]
fn a_ping_is_reset() {
    let mut alone = exchange(&Params::default(), "a");
    alone.handle_input(&header::empty(Type::Con, 77), Instant::ZERO);
    let (datagrams, events) = drain(&mut alone);
    assert_eq!(datagrams, [header::empty(Type::Rst, 77)]);
    assert!(matches!(events[..], [Event::Noise(Noise::Ping)]));
}

#[test]
fn an_unknown_critical_option_is_refused_by_the_kind_of_message() {
    // Token 1, If-Match without value.
    let datagram = |first: u8, code: u8| vec![first, code, 0, 9, 1, 0x10];
    let answer_to = |datagram: &[u8]| {
        let mut alone = exchange(&Params::default(), "a");
        alone.handle_input(datagram, Instant::ZERO);
        let (datagrams, events) = drain(&mut alone);
        assert!(matches!(events[..], [Event::Noise(Noise::CriticalOption)]), "{events:?}");
        datagrams
    };
    assert_eq!(answer_to(&datagram(0x41, 1)), [vec![0x61, Code::BAD_OPTION.0, 0, 9, 1]]);
    assert_eq!(answer_to(&datagram(0x51, 1)), Vec::<Vec<u8>>::new());
    assert_eq!(answer_to(&datagram(0x41, 0x45)), [header::empty(Type::Rst, 9)]);
    assert_eq!(answer_to(&datagram(0x51, 0x45)), Vec::<Vec<u8>>::new());
    assert_eq!(answer_to(&datagram(0x61, 0x45)), Vec::<Vec<u8>>::new());
}

#[test]
fn a_malformed_confirmable_message_is_reset_and_nothing_else_is() {
    let cases: [(&[u8], Malformed, bool); 6] = [
        (&[0x40, 0, 0, 9, 1], Malformed::Empty, true),
        (&[0x4f, 1, 0, 9], Malformed::TokenLength, true),
        (&[0x50, 0, 0, 9], Malformed::Empty, false),
        (&[0x70, 0x45, 0, 9], Malformed::TypeMismatch, false),
        (&[0x60, 1, 0, 9], Malformed::TypeMismatch, false),
        (&[0x80, 1, 0, 9], Malformed::Version, false),
    ];
    for (datagram, why, reset) in cases {
        let mut alone = exchange(&Params::default(), "a");
        alone.handle_input(datagram, Instant::ZERO);
        let (datagrams, events) = drain(&mut alone);
        assert!(matches!(events[..], [Event::Noise(Noise::Malformed(got))] if got == why), "{events:?}");
        assert_eq!(datagrams, Vec::from_iter(reset.then(|| header::empty(Type::Rst, 9))));
    }
}

#[test]
fn strays_are_counted_and_a_confirmable_response_is_reset() {
    let mut alone = exchange(&Params::default(), "a");
    let mut response = Message::response(Code::CONTENT);
    response.address(Type::Con, 9, Token::new(&[1]).expect("short"));
    alone.handle_input(&response.encode(), Instant::ZERO);
    alone.handle_input(&header::empty(Type::Ack, 1), Instant::ZERO);
    alone.handle_input(&header::empty(Type::Rst, 1), Instant::ZERO);
    let (datagrams, events) = drain(&mut alone);
    assert_eq!(datagrams, [header::empty(Type::Rst, 9)]);
    assert!(matches!(
        events[..],
        [
            Event::Noise(Noise::UnmatchedResponse),
            Event::Noise(Noise::UnmatchedAck),
            Event::Noise(Noise::UnmatchedReset)
        ]
    ));
    assert_eq!(alone.poll_timeout(), None);
}
