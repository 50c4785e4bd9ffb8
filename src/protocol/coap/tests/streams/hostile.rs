//! Whatever bytes come by a stream.

use proptest::prelude::*;

use super::*;

/// Bytes that look like frames more often than not.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let codes = prop_oneof![Just(0_u8), 1..8_u8, Just(0x45), Just(0x5f), 0xe1..0xe6_u8, any::<u8>()];
    let option = prop_oneof![
        8 => any::<u8>().prop_map(|byte| vec![byte]),
        2 => (0..14_u8, any::<u8>()).prop_map(|(delta, value)| vec![delta << 4 | 1, value]),
        1 => any::<u8>().prop_map(|block| vec![0xd1, 10, block]),
        1 => any::<u8>().prop_map(|block| vec![0xd1, 14, block]),
    ];
    let framed = (0..3_u8, codes, 0..3_u8, prop::collection::vec(option, 0..6), 0..1500_usize);
    prop_oneof![
        8 => framed.prop_map(|(tkl, code, token, options, payload)| {
            let mut message = Message::request(Code(code)).with_payload(body(payload));
            message.address(Type::Con, 0, Token::new(&vec![token; tkl.into()]).expect("short"));
            let mut frame = frame::encode(&message);
            let options = options.concat();
            if payload == 0 {
                frame[0] = (options.len().min(12) as u8) << 4 | tkl;
                frame.extend(&options[..options.len().min(12)]);
            }
            frame
        }),
        1 => prop::collection::vec(any::<u8>(), 0..300),
        1 => (any::<[u8; 5]>(), 0..2000_usize).prop_map(|(head, len)| [&head[..], &body(len)].concat()),
    ]
}

proptest! {
    #[test]
    fn nothing_a_peer_sends_breaks_an_exchange_or_piles_up(
        parts in prop::collection::vec((bytes(), 0..2000_u64), 1..40),
        greeted: bool, answers: bool, piece in 1..700_usize,
    ) {
        let params = Params { max_body: 4096, ..Params::default() };
        let mut end = over_stream(&params, "a");
        let mut now = NOW;
        end.connected(now);
        end.request(post(), now);
        let observation = end.observe(get(), now);
        if greeted {
            end.handle_input(BASE, now);
        }
        let (mut left, mut ended, mut open) = (0, 0, Vec::new());
        for (bytes, pause) in &parts {
            for piece in bytes.chunks(piece) {
                end.handle_input(piece, now);
            }
            let gone = left > 0;
            while let Some(output) = end.poll_output() {
                match output {
                    Output::Send(frame) => {
                        prop_assert!(!gone, "after the end: {frame:?}");
                        prop_assert!(frame.len() <= 4400 && frame::decode(&frame).is_ok());
                    }
                    Output::Event(Event::Leave(_)) => left += 1,
                    Output::Event(Event::Request(received)) if answers => {
                        let response = Message::response(Code::CONTENT).with_payload(body(6000));
                        end.respond(received, response, now);
                    }
                    Output::Event(Event::Request(received)) => open.push(received),
                    Output::Event(Event::Response { .. } | Event::Failed { .. }) => ended += 1,
                    Output::Event(_) => {}
                }
            }
            prop_assert!(end.heap() < 32 * 1024, "{} bytes", end.heap());
            prop_assert!(left <= 1 && end.is_connected() == (left == 0));
            now += ms(*pause);
            end.handle_timeout(now);
        }
        // Every request ends once, and nothing stays.
        for received in open {
            end.respond(received, Message::response(Code::CHANGED), now);
        }
        end.forget_observation(observation);
        end.lost(now);
        while let Some((at, _)) = end.poll_timeout() {
            end.handle_timeout(at);
        }
        for event in drain(&mut end).1 {
            left += usize::from(matches!(event, Event::Leave(_)));
            ended += usize::from(matches!(event, Event::Response { .. } | Event::Failed { .. }));
        }
        prop_assert!(left <= 1);
        prop_assert_eq!(ended, 2);
        prop_assert_eq!((end.heap(), end.standing_heap(), end.is_idle()), (0, 0, true));
    }

    #[test]
    fn a_message_that_never_ends_is_held_up_to_the_limit(head in any::<[u8; 6]>(), pieces in 1..30_usize) {
        let params = Params::default();
        let mut end = connected(&params, PLAIN);
        end.handle_input(&head, NOW);
        for _ in 0..pieces {
            end.handle_input(&[0; 1000], NOW);
            prop_assert!(end.heap() <= 2 * params.max_stream_message() + 4096);
            while end.poll_output().is_some() {}
        }
    }
}
