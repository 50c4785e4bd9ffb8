//! Bodies over a stream: whole if the peer takes them, else in blocks, several in a message (RFC 8323 §6).

use proptest::prelude::*;

use super::*;

/// `2:3/1/BERT(5120)`, as the RFC writes it.
fn blocks(log: &[(usize, Message)]) -> Vec<String> {
    let show = |which: u8, block: Option<Block>, len: usize| {
        let Block { num, more, szx } = block?;
        let size = if szx == Block::BERT { format!("BERT({len})") } else { block?.size().to_string() };
        Some(format!("{which}:{num}/{}/{size}", u8::from(more)))
    };
    let each = |(_, message): &(usize, Message)| {
        let len = message.payload().len();
        [show(1, message.block1(), len), show(2, message.block2(), len)]
    };
    log.iter().flat_map(each).flatten().collect()
}

/// Answers with the body it got.
fn echo(received: &Received) -> Message {
    Message::response(Code::CHANGED).with_payload(received.message.payload().to_vec())
}

#[test]
fn what_the_peer_takes_goes_whole() {
    let mut stream = Stream::new(&Params::default(), echo);
    stream.connect();
    stream.run();
    stream.ends[A].request(post().with_payload(body(8200)), NOW);
    stream.run();
    assert_eq!(stream.outcomes()[0].expect("answered").payload(), body(8200));
    assert_eq!((stream.log.len(), blocks(&stream.log)), (4, vec![]));
}

#[test]
fn larger_bodies_go_in_several_blocks_at_once() {
    let mut stream = Stream::new(&Params::default(), echo);
    stream.connect();
    stream.ends[A].request(post().with_payload(body(20_000)), NOW);
    stream.run();
    assert_eq!(stream.outcomes()[0].expect("answered").payload(), body(20_000));
    assert_eq!(
        blocks(&stream.log),
        [
            "1:0/1/BERT(8192)",
            "1:0/1/BERT(0)",
            "1:8/1/BERT(8192)",
            "1:8/1/BERT(0)",
            "1:16/0/BERT(3616)",
            "1:16/0/BERT(8192)",
            "2:0/1/BERT(8192)",
            "2:8/0/BERT(0)",
            "2:8/1/BERT(8192)",
            "2:16/0/BERT(0)",
            "2:16/0/BERT(3616)",
        ]
    );
    assert!(
        stream
            .ends
            .iter()
            .all(|end| end.is_idle() && end.poll_timeout().is_none_or(|(_, why)| why == Reason::Forget))
    );
}

#[test]
fn a_request_too_large_for_any_peer_waits_for_what_this_one_says() {
    let mut end = over_stream(&Params::default(), "a");
    end.connected(NOW);
    end.request(post().with_payload(body(1500)), NOW);
    end.request(get(), NOW);
    let codes: Vec<Code> = given(&mut end).0.iter().map(Message::code).collect();
    assert_eq!(codes, [Code::CSM, Code::GET]);
    // A peer of the base values, which may know blocks or not: one at a time.
    end.handle_input(PLAIN, NOW);
    let sent = given(&mut end).0;
    assert_eq!(
        (sent[0].block1(), sent[0].payload().len()),
        (Some(Block { num: 0, more: true, szx: 6 }), 1024)
    );
    // Both options together, in whichever CSM, stand for more.
    let mut end = connected(&Params::default(), BASE);
    end.handle_input(&[0x30, 0xe1, 0x22, 0x10, 0x00], NOW);
    end.request(post().with_payload(body(5000)), NOW);
    let sent = given(&mut end).0;
    assert_eq!(
        (sent[0].block1(), sent[0].payload().len()),
        (Some(Block { num: 0, more: true, szx: 7 }), 3072)
    );
    // Less than the base value is taken at its word.
    let mut end = connected(&Params::default(), &[0x20, 0xe1, 0x21, 0xc8]);
    end.request(post().with_payload(body(500)), NOW);
    let frame = drain(&mut end).0.remove(0);
    assert!(frame.len() <= 200 && frame.len() > 128, "{}", frame.len());
}

#[test]
fn a_peer_that_asks_for_single_blocks_gets_them() {
    let mut end = connected(&Params::default(), &[0x40, 0xe1, 0x22, 0x20, 0x80, 0x20]);
    for (num, szx, len) in [(0, 6, 1024), (0, 7, 8192), (1, 2, 64)] {
        end.handle_input(&asked(get().with_block2(Block { num, more: false, szx }), 1), NOW);
        let (mut sent, events) = given(&mut end);
        if let Some(received) = requests(events).pop() {
            end.respond(received, Message::response(Code::CONTENT).with_payload(body(20_000)), NOW);
            sent = given(&mut end).0;
        }
        assert_eq!((sent[0].block2(), sent[0].payload().len()), (Some(Block { num, more: true, szx }), len));
    }
}

#[test]
fn blocks_that_are_not_full_are_refused() {
    let mut end = connected(&Params::default(), PLAIN);
    for len in [0, 1000, 1025] {
        let mut part = post().with_payload(body(len));
        part.set_block1(Block { num: 0, more: true, szx: 7 });
        end.handle_input(&asked(part, 1), NOW);
        assert_eq!(given(&mut end).0[0].code(), Code::BAD_REQUEST);
    }
    end.request(get(), NOW);
    let asked = given(&mut end).0.remove(0);
    let mut part = Message::response(Code::CONTENT).with_payload(body(1000));
    part.set_block2(Block { num: 0, more: true, szx: 7 });
    end.handle_input(&with_token(part, asked.token()), NOW);
    assert!(matches!(drain(&mut end).1[..], [Event::Failed { why: Failure::Blockwise(Code::CONTENT), .. }]));
}

#[test]
fn a_large_notification_is_fetched_to_its_end() {
    let observed = |received: &Received| {
        let response = Message::response(Code::CONTENT).with_payload(body(10_000));
        if received.message.observe() == Some(0) { response.with_observe(1) } else { response }
    };
    let mut stream = Stream::new(&Params::default(), observed);
    stream.connect();
    stream.ends[A].observe(get(), NOW);
    stream.run();
    let token = stream.token_asked();
    let news = Message::response(Code::CONTENT).with_observe(2).with_payload(body(30_000));
    stream.ends[B].notify(token, news, true, NOW);
    stream.run();
    let fresh = |(end, event): &(usize, Event)| match event {
        Event::Notification { message, fresh: true, .. } if *end == A => Some(message.payload().to_vec()),
        _ => None,
    };
    assert_eq!(stream.events.iter().find_map(fresh).expect("fetched"), body(30_000));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn bodies_of_any_size_arrive_both_ways_in_pieces_of_any_size(
        up in prop_oneof![1..2000_usize, 1..200 * 1024_usize],
        down in prop_oneof![1..2000_usize, 1..200 * 1024_usize],
        pieces in prop::collection::vec(prop_oneof![1..20_usize, 1..20_000_usize], 1..20),
    ) {
        let mut stream = Stream::new(&Params::default(), move |received| {
            assert_eq!(received.message.payload(), body(up));
            Message::response(Code::CHANGED).with_payload(body(down))
        });
        let mut pieces = pieces.into_iter().cycle();
        stream.piece = Box::new(move || pieces.next().unwrap_or(1));
        stream.connect();
        stream.ends[A].request(post().with_payload(body(up)), NOW);
        stream.run();
        let outcomes = stream.outcomes();
        prop_assert_eq!(outcomes.len(), 1);
        prop_assert_eq!(outcomes[0].expect("answered").payload(), body(down));
        // Nothing that was sent is sent again, however much time passes.
        let sent = stream.log.len();
        for end in &mut stream.ends {
            while let Some((at, _)) = end.poll_timeout() {
                end.handle_timeout(at);
                prop_assert!(end.poll_output().is_none());
            }
            prop_assert!(end.is_idle() && end.is_connected());
            prop_assert_eq!(end.heap(), 0);
        }
        prop_assert!(sent <= 6 + 2 * (up.div_ceil(8192) + down.div_ceil(8192)));
        for (_, message) in &stream.log {
            prop_assert!(frame::encode(message).len() <= Params::default().max_stream_message());
        }
    }
}
