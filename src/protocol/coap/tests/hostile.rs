//! Whatever bytes a peer sends.

use proptest::prelude::*;

use super::*;

/// Bytes that look like CoAP more often than not.
fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let kinds = prop_oneof![Just(0x40_u8), Just(0x50), Just(0x60), Just(0x70), any::<u8>()];
    let codes = prop_oneof![Just(0_u8), 1..8_u8, Just(0x45), Just(0x5f), any::<u8>()];
    // Few ids and tokens, so that some of them meet.
    let like = (kinds, 0..3_u8, codes, 0..4_u8, prop::collection::vec(option_or_any(), 0..40));
    prop_oneof![
        4 => like.prop_map(|(kind, tkl, code, mid, rest)| {
            let mut datagram = vec![kind | tkl, code, 0, mid];
            datagram.extend(rest.concat());
            datagram
        }),
        1 => prop::collection::vec(any::<u8>(), 0..2000),
    ]
}

/// A Block option after Uri-Path, or a byte.
fn option_or_any() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => any::<u8>().prop_map(|byte| vec![byte]),
        1 => any::<u8>().prop_map(|block| vec![0xd1, 10, block]),
        1 => any::<u8>().prop_map(|block| vec![0xd1, 14, block]),
        1 => any::<u8>().prop_map(|byte| [vec![0xff], vec![byte; 16]].concat()),
    ]
}

/// Drains an exchange; how many notifications ended.
fn ended(exchange: &mut Exchange) -> usize {
    drain(exchange).1.iter().filter(|event| matches!(event, Event::Notified { .. })).count()
}

proptest! {
    #[test]
    fn nothing_a_peer_sends_breaks_an_exchange(
        datagrams in prop::collection::vec((datagram(), 0..2000_u64), 1..60), answers: bool,
    ) {
        let params = Params { max_body: 1024, ..Params::default() };
        let mut live = exchange(&params, "a");
        let mut now = Instant::from_secs(1);
        let handle = live.request(post(), now);
        drain(&mut live);
        let mut ended = 0;
        for (datagram, pause) in &datagrams {
            let decoded = Message::decode(datagram);
            live.handle_input(datagram, now);
            while let Some(output) = live.poll_output() {
                match output {
                    Output::Event(Event::Request(received)) => {
                        prop_assert!(decoded.as_ref().is_ok_and(|message| message.code().is_request()));
                        if answers {
                            live.respond(received, Message::response(Code::CONTENT).with_payload(body(1500)), now);
                        }
                    }
                    Output::Event(Event::Response { .. } | Event::Failed { .. }) => ended += 1,
                    Output::Event(
                        Event::Noise(_)
                        | Event::Stat(_)
                        | Event::Notification { .. }
                        | Event::NotificationLost { .. }
                        | Event::ObservationEnded { .. }
                        | Event::Notified { .. }
                        | Event::Leave(_),
                    ) => {}
                    // A reply never feeds a flood: it is an acknowledgement, a reset, a block.
                    Output::Send(reply) => prop_assert!(reply.len() <= 1100),
                }
            }
            now += ms(*pause);
            live.handle_timeout(now);
            prop_assert!(live.heap() < 64 * 1024, "{} bytes", live.heap());
        }
        // Whatever it was told, the request ends once.
        while let Some((at, _)) = live.poll_timeout() {
            live.handle_timeout(at);
            let ends = |event: &Event| matches!(event, Event::Response { .. } | Event::Failed { .. });
            ended += drain(&mut live).1.iter().filter(|event| ends(event)).count();
        }
        prop_assert_eq!(ended, 1);
        prop_assert_eq!(live.progress(handle), None);
        prop_assert_eq!(live.heap(), 0);
    }

    #[test]
    fn nothing_a_peer_sends_breaks_an_observation_or_piles_up_by_it(
        datagrams in prop::collection::vec((datagram(), 0..2000_u64, 0..3_u8), 1..60),
    ) {
        let params = Params { max_body: 1024, ..Params::default() };
        let mut live = exchange(&params, "a");
        let mut now = Instant::from_secs(1);
        let observation = live.observe(get(), now);
        let request = sent(&mut live).remove(0);
        let mut answer = Message::response(Code::CONTENT).with_observe(1);
        answer.address(Type::Ack, request.mid(), request.token());
        live.handle_input(&answer.encode(), now);
        drain(&mut live);
        let (mut notified, mut confirmable) = (0, 0);
        for (datagram, pause, action) in datagrams {
            // Some come with the token of the observation.
            let mut datagram = datagram;
            if action == 0 && datagram.len() > 4 {
                datagram[0] = datagram[0] & 0xf0 | 4;
                datagram.splice(4..4, request.token().as_slice().iter().copied());
            }
            live.handle_input(&datagram, now);
            if action == 1 {
                let mine = Message::response(Code::CONTENT).with_observe(2).with_payload(body(1500));
                let token = Token::new(&datagram[..datagram.len().min(2)]).expect("short");
                live.notify(token, mine, pause % 2 == 0, now);
                confirmable += usize::from(pause % 2 == 0);
            }
            now += ms(pause);
            live.handle_timeout(now);
            notified += ended(&mut live);
            prop_assert!(live.heap() < 64 * 1024 && live.standing_heap() < 1024);
            prop_assert!(live.observations() <= 1);
        }
        live.forget_observation(observation);
        while let Some((at, _)) = live.poll_timeout() {
            live.handle_timeout(at);
            notified += ended(&mut live);
        }
        notified += ended(&mut live);
        // A reset may tell of Non-confirmable ones as well.
        prop_assert!(notified >= confirmable);
        prop_assert_eq!((live.heap(), live.standing_heap()), (0, 0));
    }

    #[test]
    fn a_datagram_that_is_no_message_is_noise_and_leaves_nothing(
        datagram in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut idle = exchange(&Params::default(), "a");
        idle.handle_input(&datagram, Instant::from_secs(1));
        let (datagrams, events) = drain(&mut idle);
        match Message::decode(&datagram) {
            Ok(message) if message.code().is_request() => {}
            Ok(_) => prop_assert!(matches!(events[..], [Event::Noise(_)])),
            Err(why) => {
                let told = matches!(events[..], [Event::Noise(Noise::Malformed(got))] if got == why);
                prop_assert!(told, "{:?}", events);
                prop_assert!(datagrams.len() <= 1);
                prop_assert_eq!((idle.heap(), idle.poll_timeout()), (0, None));
            }
        }
    }
}
