//! Bodies that do not fit one datagram (RFC 7959).

use super::*;

fn sized(block_size: u16) -> Params {
    Params { block_size, ..Params::default() }
}

/// Answers with the body it got, and 100 bytes more.
fn echo(received: &Received) -> (Duration, Message) {
    let mut payload = received.message.payload().to_vec();
    payload.extend(body(100));
    (ms(1), Message::response(Code::CHANGED).with_payload(payload))
}

/// Answers with so many bytes.
fn content(len: usize) -> impl FnMut(&Received) -> (Duration, Message) {
    move |_| {
        (
            ms(1),
            Message::response(Code::CONTENT).with_content_format(ContentFormat::TLV).with_payload(body(len)),
        )
    }
}

/// The blocks of the requests from `A`: `1:0/1/64` for Block1, `2:..` for Block2.
fn blocks(pair: &Pair, from: usize) -> Vec<String> {
    let show = |which: u8, block: Option<Block>| {
        block.map(|block| format!("{which}:{}/{}/{}", block.num, u8::from(block.more), block.size()))
    };
    let sent = pair.log.iter().filter(|sent| sent.from == from);
    sent.map(|sent| {
        let both = [show(1, sent.message.block1()), show(2, sent.message.block2())];
        both.into_iter().flatten().collect::<Vec<_>>().join(" ")
    })
    .collect()
}

#[test]
fn a_large_request_goes_up_in_blocks_and_arrives_whole() {
    let mut pair = Pair::new(sized(64)).answering(|received| {
        assert_eq!(received.message.payload(), body(150));
        (ms(1), Message::response(Code::CHANGED))
    });
    pair.request(post().with_payload(body(150)));
    pair.run();
    assert_eq!(blocks(&pair, A), ["1:0/1/64", "1:1/1/64", "1:2/0/64"]);
    assert_eq!(blocks(&pair, B), ["1:0/1/64", "1:1/1/64", "1:2/0/64"]);
    assert_eq!((pair.response().code(), pair.handled.len()), (Code::CHANGED, 1));
    assert_eq!(pair.log[0].message.size1(), Some(150));
    assert!(matches!(pair.events[0].2, Event::Response { transmissions: 3, .. }));
}

#[test]
fn a_body_of_exactly_one_block_goes_whole() {
    let mut pair = Pair::new(sized(64)).answering(content(64));
    pair.request(post().with_payload(body(64)));
    pair.run();
    assert_eq!((blocks(&pair, A), blocks(&pair, B)), (vec![String::new()], vec![String::new()]));
}

#[test]
fn a_large_response_is_fetched_whole() {
    let mut pair = Pair::new(sized(64)).answering(content(150));
    pair.request(get().with_accept(ContentFormat::TLV));
    pair.run();
    assert_eq!(blocks(&pair, A), ["", "2:1/0/64", "2:2/0/64"]);
    assert_eq!(blocks(&pair, B), ["2:0/1/64", "2:1/1/64", "2:2/0/64"]);
    let response = pair.response();
    assert_eq!((response.payload(), response.content_format()), (&body(150)[..], Some(ContentFormat::TLV)));
    assert_eq!(response.block2(), None);
    assert_eq!((pair.handled.len(), pair.log[1].message.size2()), (1, Some(150)));
    // Options that say what is asked for go with every block; the path above all.
    assert!(pair.log[4].message.path_is(&["3", "0"]));
    assert_eq!(pair.log[4].message.accept(), Some(ContentFormat::TLV));
}

#[test]
fn a_request_for_one_block_gets_that_block() {
    let mut pair = Pair::new(sized(64)).answering(content(150));
    for (num, bytes) in [(0, 0..64), (1, 64..128), (2, 128..150)] {
        pair.request(get().with_block2(Block { num, more: false, szx: 2 }));
        pair.run();
        let response = pair.response();
        assert_eq!(response.payload(), &body(150)[bytes]);
        assert_eq!(response.block2(), Some(Block { num, more: num < 2, szx: 2 }));
        pair.events.clear();
    }
    assert_eq!(blocks(&pair, A), ["2:0/0/64", "2:1/0/64", "2:2/0/64"]);
}

#[test]
fn of_two_exchanges_with_one_peer_each_knows_its_own() {
    let mut first = exchange(&sized(64), "first");
    let mut second = exchange(&sized(64), "second");
    second.keep_apart(&first);
    first.request(get(), Instant::ZERO);
    second.request(get(), Instant::ZERO);
    let (asked, other) = (sent(&mut first).remove(0), sent(&mut second).remove(0));
    assert_eq!(asked.mid().wrapping_add(1 << 15), other.mid());
    let empty = |kind, mid| header::empty(kind, mid);
    assert!(first.awaits(&empty(Type::Ack, asked.mid())) && !second.awaits(&empty(Type::Ack, asked.mid())));
    assert!(!first.awaits(&empty(Type::Con, asked.mid())) && !first.awaits(b""));
}

#[test]
fn both_ways_in_one_exchange() {
    let mut pair = Pair::new(sized(64)).answering(echo);
    pair.request(post().with_payload(body(100)));
    pair.run();
    // As in figure 11 of RFC 7959.
    assert_eq!(blocks(&pair, A), ["1:0/1/64", "1:1/0/64", "2:1/0/64", "2:2/0/64", "2:3/0/64"]);
    assert_eq!(blocks(&pair, B), ["1:0/1/64", "1:1/0/64 2:0/1/64", "2:1/1/64", "2:2/1/64", "2:3/0/64"]);
    assert_eq!(pair.response().payload(), [body(100), body(100)].concat());
    assert_eq!(pair.handled.len(), 1);
}

#[test]
fn the_smaller_block_size_wins() {
    // The server's, on the way up (figure 8 of RFC 7959) and down.
    let mut pair = Pair::between(sized(128), sized(32)).answering(echo);
    pair.request(post().with_payload(body(200)));
    pair.run();
    assert_eq!(blocks(&pair, A)[..3], ["1:0/1/128", "1:4/1/32", "1:5/1/32"]);
    assert_eq!(blocks(&pair, B)[..2], ["1:0/1/32", "1:4/1/32"]);
    assert_eq!(pair.response().payload(), [body(200), body(100)].concat());
    // The client's, from the second block on.
    let mut pair = Pair::between(sized(32), sized(128)).answering(content(200));
    pair.request(get());
    pair.run();
    assert_eq!(blocks(&pair, A)[..3], ["", "2:4/0/32", "2:5/0/32"]);
    assert_eq!(pair.response().payload(), body(200));
}

#[test]
fn whichever_datagram_is_lost_the_bodies_arrive_and_the_request_is_handled_once() {
    for slow in [ms(1), ms(2500)] {
        for lost in 0..12 {
            let mut pair =
                Pair::new(sized(64)).losing(lost).answering(move |received| (slow, echo(received).1));
            pair.request(post().with_payload(body(100)));
            pair.run();
            assert_eq!(pair.response().payload(), [body(100), body(100)].concat(), "lost {lost}");
            assert_eq!(pair.handled.len(), 1, "lost {lost}");
        }
    }
}

#[test]
fn whichever_datagram_is_late_and_doubled_the_bodies_arrive() {
    for odd in 0..12 {
        let mut pair = Pair::new(sized(64)).answering(echo);
        pair.fate = Box::new(move |nth| if nth == odd { vec![ms(4000), ms(9000)] } else { vec![LATENCY] });
        pair.request(post().with_payload(body(100)));
        pair.run();
        assert_eq!(pair.response().payload(), [body(100), body(100)].concat(), "odd {odd}");
        assert_eq!(pair.handled.len(), 1, "odd {odd}");
    }
}

#[test]
fn a_queued_request_does_not_cut_into_a_transfer() {
    let mut pair = Pair::new(sized(64)).answering(content(10));
    pair.request(post().with_payload(body(150)));
    pair.request(get());
    pair.run();
    assert_eq!(blocks(&pair, A), ["1:0/1/64", "1:1/1/64", "1:2/0/64", ""]);
    assert_eq!(pair.outcomes().len(), 2);
}

#[test]
fn uploads_go_one_after_another_however_slow_the_server() {
    let params = Params { nstart: 4, ..sized(64) };
    let mut pair = Pair::new(params).answering(|received| (secs(3), echo(received).1));
    let bodies = [body(100), body(200), body(300)];
    for body in &bodies {
        pair.request(Message::request(Code::PUT).with_path(&["x"]).with_payload(body.clone()));
    }
    pair.run();
    let arrived: Vec<Vec<u8>> =
        pair.outcomes().iter().map(|(_, outcome)| outcome.expect("a response").payload().to_vec()).collect();
    assert_eq!(arrived, bodies.map(|sent| [sent, body(100)].concat()));
}

/// One request straight into a server, as `answer` would have it; what it sends.
fn ask(server: &mut Exchange, request: &Message, answer: &mut dyn FnMut(&Received) -> Message) -> Message {
    let now = Instant::from_secs(1);
    server.handle_input(&request.encode(), now);
    let mut answers = Vec::new();
    while let Some(output) = server.poll_output() {
        match output {
            Output::Send(datagram) => answers.push(Message::decode(&datagram).expect("well-formed")),
            Output::Event(Event::Request(received)) => {
                let response = answer(&received);
                server.respond(received, response, now);
            }
            Output::Event(_) => {}
        }
    }
    answers.pop().expect("an answer")
}

/// A request with a message id of its own.
fn numbered(mut request: Message, mid: u16) -> Message {
    request.address(Type::Con, mid, Token::new(&mid.to_be_bytes()).expect("short"));
    request
}

fn part(num: u32, more: bool, len: usize) -> Message {
    let mut request = post().with_payload(body(len));
    request.set_block1(Block { num, more, szx: 0 });
    request
}

fn wanting(mut request: Message, num: u32, szx: u8) -> Message {
    request.set_block2(Block { num, more: false, szx });
    request
}

fn unasked(received: &Received) -> Message {
    panic!("not to be handed out: {received:?}")
}

#[test]
fn blocks_out_of_order_are_incomplete_and_the_first_begins_anew() {
    let mut server = exchange(&Params::default(), "b");
    let mut mids = 0..;
    let mut next = |request| numbered(request, mids.next().expect("endless"));
    let incomplete = Code::REQUEST_ENTITY_INCOMPLETE;
    assert_eq!(ask(&mut server, &next(part(1, true, 16)), &mut unasked).code(), incomplete);
    assert_eq!(ask(&mut server, &next(part(0, true, 16)), &mut unasked).code(), Code::CONTINUE);
    assert_eq!(ask(&mut server, &next(part(2, false, 4)), &mut unasked).code(), incomplete);
    assert_eq!(ask(&mut server, &next(part(1, true, 16)), &mut unasked).code(), Code::CONTINUE);
    // Another resource has no part in this body.
    let stranger = next(part(2, false, 4).with_query("other"));
    assert_eq!(ask(&mut server, &stranger, &mut unasked).code(), incomplete);
    assert_eq!(ask(&mut server, &next(part(0, true, 16)), &mut unasked).code(), Code::CONTINUE);
    assert!(!server.is_idle());
    let mut whole = Vec::new();
    let last = next(part(1, false, 4));
    let mut take = |received: &Received| {
        whole = received.message.payload().to_vec();
        Message::response(Code::CHANGED)
    };
    let answer = ask(&mut server, &last, &mut take);
    assert_eq!(
        (answer.code(), answer.block1()),
        (Code::CHANGED, Some(Block { num: 1, more: false, szx: 0 }))
    );
    assert_eq!(whole, [body(16), body(4)].concat());
    // A duplicate of the last block gets the same, though the body is gone.
    assert_eq!(ask(&mut server, &last, &mut unasked).encode(), answer.encode());
    assert!(server.is_idle());
}

#[test]
fn a_block_that_is_not_full_though_more_follow_is_a_bad_request() {
    let mut server = exchange(&Params::default(), "b");
    let request = numbered(part(0, true, 15), 1);
    assert_eq!(ask(&mut server, &request, &mut unasked).code(), Code::BAD_REQUEST);
}

#[test]
fn the_reserved_block_size_is_a_bad_request() {
    let mut server = exchange(&Params::default(), "b");
    // Block2 (11 + 12) with size exponent 7.
    let datagram = [0x40, 1, 0, 1, 0xb1, b'3', 0xc1, 0x07];
    let request = Message::decode(&datagram).expect("well-formed");
    assert_eq!(ask(&mut server, &request, &mut unasked).code(), Code::BAD_REQUEST);
}

#[test]
fn a_body_beyond_the_limit_is_too_large_whether_announced_or_not() {
    let params = Params { max_body: 1024, ..sized(64) };
    let mut pair = Pair::between(sized(64), params.clone());
    pair.request(post().with_payload(body(2000)));
    pair.run();
    let response = pair.response();
    assert_eq!((response.code(), response.size1()), (Code::REQUEST_ENTITY_TOO_LARGE, Some(1024)));
    assert_eq!((pair.log.len(), pair.handled.len()), (2, 0));
    // Without Size1 it goes until it is too much.
    let mut server = exchange(&params, "b");
    for num in 0..64 {
        let answer = ask(&mut server, &numbered(part(num, true, 16), num as u16), &mut unasked);
        assert_eq!(answer.code(), Code::CONTINUE);
    }
    let answer = ask(&mut server, &numbered(part(64, true, 16), 64), &mut unasked);
    assert_eq!((answer.code(), answer.size1()), (Code::REQUEST_ENTITY_TOO_LARGE, Some(1024)));
    assert!(server.is_idle());
}

#[test]
fn a_response_body_beyond_the_limit_breaks_the_transfer() {
    let mut pair = Pair::between(Params { max_body: 128, ..sized(64) }, sized(64)).answering(content(200));
    pair.request(get());
    pair.run();
    let too_large = Failure::Blockwise(Code::REQUEST_ENTITY_TOO_LARGE);
    assert!(matches!(pair.outcomes()[..], [(_, Err(why))] if why == too_large));
}

#[test]
fn a_body_that_block_numbers_cannot_reach_fails_at_once() {
    let mut alone = exchange(&sized(16), "a");
    alone.request(post().with_payload(vec![0; (16 << 20) + 1]), Instant::ZERO);
    let (datagrams, events) = drain(&mut alone);
    assert!(datagrams.is_empty());
    assert!(matches!(events[..], [Event::Failed { why: Failure::Blockwise(_), .. }]), "{events:?}");
}

#[test]
fn an_early_wish_for_smaller_blocks_is_met() {
    let mut server = exchange(&Params::default(), "b");
    let mut answer = |_: &Received| Message::response(Code::CONTENT).with_payload(body(40));
    let first = ask(&mut server, &numbered(wanting(get(), 0, 0), 1), &mut answer);
    assert_eq!(
        (first.block2(), first.payload()),
        (Some(Block { num: 0, more: true, szx: 0 }), &body(40)[..16])
    );
    let last = ask(&mut server, &numbered(wanting(get(), 2, 0), 2), &mut unasked);
    assert_eq!(
        (last.block2(), last.payload()),
        (Some(Block { num: 2, more: false, szx: 0 }), &body(40)[32..])
    );
    assert_eq!(last.etag(), first.etag());
    // A body that fits answers the wish all the same.
    let whole = ask(&mut server, &numbered(wanting(get(), 0, 6), 3), &mut answer);
    assert_eq!((whole.block2(), whole.payload().len()), (Some(Block { num: 0, more: false, szx: 6 }), 40));
}

#[test]
fn any_block_can_be_asked_for_and_is_made_anew_if_need_be() {
    let mut server = exchange(&sized(32), "b");
    let mut answer = |_: &Received| Message::response(Code::CONTENT).with_payload(body(100));
    // Nothing is kept yet; 1/64 is 2/32 to a server that likes 32.
    let middle = ask(&mut server, &numbered(wanting(get(), 1, 2), 1), &mut answer);
    let Some(block) = middle.block2() else { panic!("no block") };
    assert_eq!((block.offset(), block.size(), middle.payload()), (64, 32, &body(100)[64..96]));
    let beyond = ask(&mut server, &numbered(wanting(get(), 9, 1), 2), &mut unasked);
    assert_eq!(beyond.code(), Code::BAD_REQUEST);
    // What must not be done twice is not done again for a block of its answer.
    let lost = ask(&mut server, &numbered(wanting(post(), 1, 1), 3), &mut unasked);
    assert_eq!(lost.code(), Code::REQUEST_ENTITY_INCOMPLETE);
}

#[test]
fn a_body_that_can_be_made_anew_does_not_push_out_one_that_cannot() {
    let mut server = exchange(&sized(32), "b");
    let mut answer = |_: &Received| Message::response(Code::CONTENT).with_payload(body(100));
    ask(&mut server, &numbered(post(), 1), &mut answer);
    ask(&mut server, &numbered(get(), 2), &mut answer);
    let of_post = ask(&mut server, &numbered(wanting(post(), 1, 1), 3), &mut unasked);
    let of_get = ask(&mut server, &numbered(wanting(get(), 1, 1), 4), &mut answer);
    assert_eq!((of_post.payload(), of_get.payload()), (&body(100)[32..64], &body(100)[32..64]));
}

/// What a client does on `response` to its latest request.
fn tell(client: &mut Exchange, request: &Message, mut response: Message) -> (Option<Message>, Vec<Event>) {
    response.address(Type::Ack, request.mid(), request.token());
    client.handle_input(&response.encode(), Instant::from_secs(1));
    let (datagrams, events) = drain(client);
    (datagrams.first().map(|datagram| Message::decode(datagram).expect("well-formed")), events)
}

fn with_block2(num: u32, more: bool, len: usize, etag: u8) -> Message {
    let mut response = Message::response(Code::CONTENT).with_payload(body(len));
    response.set_block2(Block { num, more, szx: 0 });
    response.set_etag(&[etag]);
    response
}

#[test]
fn a_server_that_breaks_the_rules_of_a_fetch_ends_it() {
    let wrong = [
        with_block2(2, true, 16, 1),  // not the block asked for
        with_block2(1, true, 15, 1),  // not full
        with_block2(1, false, 16, 2), // of another body
        Message::response(Code::CONTENT).with_payload(body(16)),
    ];
    for wrong in wrong {
        let mut client = exchange(&sized(16), "a");
        client.request(get(), Instant::ZERO);
        let first = sent(&mut client).remove(0);
        let (second, _) = tell(&mut client, &first, with_block2(0, true, 16, 1));
        let (third, events) = tell(&mut client, &second.expect("the next block"), wrong);
        assert!(third.is_none());
        let broken = Failure::Blockwise(Code::CONTENT);
        assert!(matches!(events[..], [Event::Failed { why, .. }] if why == broken), "{events:?}");
    }
    // An error on the way is the response.
    let mut client = exchange(&sized(16), "a");
    client.request(get(), Instant::ZERO);
    let first = sent(&mut client).remove(0);
    let (second, _) = tell(&mut client, &first, with_block2(0, true, 16, 1));
    let (_, events) = tell(&mut client, &second.expect("the next block"), Message::response(Code::NOT_FOUND));
    assert!(matches!(&events[..], [Event::Response { message, .. }] if message.code() == Code::NOT_FOUND));
}

#[test]
fn a_server_that_lost_the_upload_is_given_it_once_more() {
    let mut client = exchange(&sized(16), "a");
    client.request(post().with_payload(body(40)), Instant::ZERO);
    let first = sent(&mut client).remove(0);
    let mut continued = Message::response(Code::CONTINUE);
    continued.set_block1(Block { num: 0, more: true, szx: 0 });
    let incomplete = || Message::response(Code::REQUEST_ENTITY_INCOMPLETE);
    let (second, _) = tell(&mut client, &first, continued);
    let (again, events) = tell(&mut client, &second.expect("block 1"), incomplete());
    let again = again.expect("block 0");
    assert_eq!((again.block1().map(|block| block.num), events.len()), (Some(0), 0));
    let (none, events) = tell(&mut client, &again, incomplete());
    assert!(none.is_none());
    let broken = Failure::Blockwise(Code::REQUEST_ENTITY_INCOMPLETE);
    assert!(matches!(events[..], [Event::Failed { why, .. }] if why == broken), "{events:?}");
}

#[test]
fn a_server_that_wants_smaller_blocks_before_it_takes_any_gets_them() {
    let mut client = exchange(&sized(64), "a");
    client.request(post().with_payload(body(100)), Instant::ZERO);
    let first = sent(&mut client).remove(0);
    let mut smaller = Message::response(Code::REQUEST_ENTITY_TOO_LARGE);
    smaller.set_block1(Block { num: 0, more: false, szx: 0 });
    let (again, _) = tell(&mut client, &first, smaller.clone());
    let again = again.expect("a smaller block");
    assert_eq!((again.block1(), again.payload().len()), (Some(Block { num: 0, more: true, szx: 0 }), 16));
    // The same hint again is a refusal.
    let (_, events) = tell(&mut client, &again, smaller);
    let refused = Code::REQUEST_ENTITY_TOO_LARGE;
    assert!(matches!(&events[..], [Event::Response { message, .. }] if message.code() == refused));
}

#[test]
fn a_success_that_does_not_name_its_block_breaks_the_upload() {
    let mut client = exchange(&sized(64), "a");
    client.request(post().with_payload(body(100)), Instant::ZERO);
    let first = sent(&mut client).remove(0);
    let (_, events) = tell(&mut client, &first, Message::response(Code::CHANGED));
    assert!(
        matches!(events[..], [Event::Failed { why: Failure::Blockwise(Code::CHANGED), .. }]),
        "{events:?}"
    );
}
