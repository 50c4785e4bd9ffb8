//! A bad link: whatever it does, every request ends once, and right.

use std::cell::Cell;
use std::rc::Rc;

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

/// What the end that observes was told, in order: the state of a notification, or that it was lost.
fn states(pair: &Pair) -> Vec<Option<(u32, usize)>> {
    let state = |(_, end, event): &(Instant, usize, Event)| match event {
        Event::Notification { message, fresh: true, .. } => {
            Some(Some((message.observe()?, message.payload().len())))
        }
        // The first answer, if a notification came before it.
        Event::Response { message, .. } if *end == A => {
            Some(Some((message.observe()?, message.payload().len())))
        }
        Event::NotificationLost { .. } => Some(None),
        _ => None,
    };
    pair.events.iter().filter_map(state).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn an_observer_ends_up_with_the_latest_state_unless_the_other_end_knows_better(
        fates in prop::collection::vec(fate(), 1..60),
        changes in prop::collection::vec((0..8000_u64, 0..150_usize, any::<bool>()), 1..30),
        nstart in 1..4_u32,
        size in 0..5_u32,
    ) {
        let params = Params { nstart, block_size: 16_u16 << size, ..Params::default() };
        // The resource has so many bytes, and has changed so often.
        let state = Rc::new(Cell::new((1_u32, 0_usize)));
        let current = state.clone();
        let mut pair = Pair::new(params).answering(move |received| {
            let (number, len) = current.get();
            let answer = Message::response(Code::CONTENT).with_payload(body(len));
            let observed = received.message.observe().is_some();
            (ms(1), if observed { answer.with_observe(number) } else { answer })
        });
        pair.ends[A].observe(get(), pair.now);
        pair.settle();
        pair.run();
        prop_assert!(pair.ends[A].observations() > 0);
        let token = pair.log[0].message.token();
        pair.fate = Box::new(move |nth| fates[nth % fates.len()].clone());
        let mut handles = Vec::new();
        let last = changes.len() - 1;
        for (at, (pause, len, confirmable)) in changes.into_iter().enumerate() {
            pair.pass(ms(pause));
            let number = state.get().0 + 1;
            state.set((number, len));
            let notification =
                Message::response(Code::CONTENT).with_observe(number).with_payload(body(len));
            let confirmable = confirmable || at == last;
            let handle = pair.ends[B].notify(token, notification, confirmable, pair.now);
            handles.push((handle, confirmable));
            pair.settle();
        }
        pair.run();
        // Each Confirmable one ends exactly once.
        let outcome = |wanted: Handle| {
            let mut outcomes = pair.events.iter().filter_map(|(_, _, event)| match event {
                Event::Notified { handle, outcome, .. } if *handle == wanted => Some(*outcome),
                _ => None,
            });
            (outcomes.next(), outcomes.next())
        };
        for (handle, confirmable) in &handles {
            let (first, second) = outcome(*handle);
            prop_assert!(second.is_none() && (first.is_some() || !confirmable), "{first:?} {second:?}");
        }
        // States come in order, and whole.
        let states = states(&pair);
        let numbers: Vec<u32> = states.iter().flatten().map(|(number, _)| *number).collect();
        prop_assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
        match outcome(handles[last].0).0 {
            Some(Notified::Acknowledged) => {
                // Told, or told to be lost: it changed while its blocks were fetched, or they were not got.
                let fits = states.last().copied().flatten().is_none_or(|known| known == state.get());
                prop_assert!(fits, "{states:?} but {:?}", state.get());
            }
            ended => prop_assert_eq!(ended, Some(Notified::TimedOut)),
        }
    }
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
