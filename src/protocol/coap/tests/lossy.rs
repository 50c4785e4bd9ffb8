//! A bad link: whatever it does, every request ends once, and right.

use proptest::prelude::*;

use super::*;

/// What becomes of a datagram: the delays of its copies.
fn fate() -> impl Strategy<Value = Vec<Duration>> {
    let delay = prop_oneof![4 => 1..50_u64, 1 => 50..6000_u64].prop_map(ms);
    prop_oneof![
        3 => Just(vec![]),
        6 => delay.clone().prop_map(|delay| vec![delay]),
        2 => prop::collection::vec(delay, 2..4),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn every_request_ends_once_and_with_the_right_body(
        fates in prop::collection::vec(fate(), 1..60),
        requests in prop::collection::vec((any::<bool>(), 0..150_usize), 1..5),
        thinking in prop_oneof![Just(1_u64), 500..4000_u64],
        nstart in 1..4_u32,
        sizes in (0..4_u32, 0..4_u32),
    ) {
        let sized = |power: u32| Params { nstart, block_size: 16_u16 << power, ..Params::default() };
        let mut pair = Pair::between(sized(sizes.0), sized(sizes.1)).answering(move |received| {
            let message = &received.message;
            // What the request said, and then as many bytes as its query asks for.
            let wanted = message.query("n").and_then(|n| n.parse().ok()).unwrap_or(0);
            let payload = [message.payload(), &body(wanted)].concat();
            (ms(thinking), Message::response(Code::CONTENT).with_payload(payload))
        });
        pair.fate = Box::new(move |nth| fates[nth % fates.len()].clone());
        let mut expected = Vec::new();
        for (upload, len) in requests {
            let request = if upload { post() } else { get() };
            let sent = if upload { body(len) } else { Vec::new() };
            let request = request.with_query(&format!("n={len}")).with_payload(sent.clone());
            expected.push((pair.request(request), [sent, body(len)].concat()));
        }
        pair.run();
        let outcomes = pair.outcomes();
        prop_assert_eq!(outcomes.len(), expected.len());
        for (handle, body) in expected {
            let mut mine = outcomes.iter().filter(|(ended, _)| *ended == handle);
            let (_, outcome) = mine.next().expect("every request ends");
            prop_assert!(mine.next().is_none(), "and once");
            match outcome {
                Ok(response) if response.code() == Code::CONTENT => prop_assert_eq!(response.payload(), body),
                // Two answers to POSTs at once, of whose bodies the peer keeps one.
                Ok(response) => {
                    prop_assert_eq!(response.code(), Code::REQUEST_ENTITY_INCOMPLETE);
                    prop_assert!(nstart > 1 || thinking > 1);
                }
                Err(why) => prop_assert_eq!(*why, Failure::Timeout),
            }
        }
    }
}
