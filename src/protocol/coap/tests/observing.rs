//! Observations between two ends (RFC 7641): `A` asks and observes, `B` answers and notifies.

use super::*;

fn notification(number: u32, payload: Vec<u8>) -> Message {
    Message::response(Code::CONTENT).with_observe(number).with_payload(payload)
}

/// Two ends of which `B` takes every observer, and answers with `len` bytes.
fn observed(params: Params, len: usize) -> Pair {
    Pair::new(params).answering(move |received| {
        let content = Message::response(Code::CONTENT).with_payload(body(len));
        let answer = if received.message.observe() == Some(0) { content.with_observe(1) } else { content };
        (Duration::ZERO, answer)
    })
}

/// The observation of `A`, and the token `B` knows it by.
fn begin(pair: &mut Pair) -> (Handle, Token) {
    let handle = pair.ends[A].observe(get(), pair.now);
    pair.settle();
    let token = pair.log[0].message.token();
    pair.run();
    assert!(matches!(pair.response().observe(), Some(1)), "{:?}", pair.events);
    assert_eq!(pair.ends[A].observations(), 1);
    pair.events.clear();
    pair.log.clear();
    (handle, token)
}

fn notify(pair: &mut Pair, token: Token, notification: Message, confirmable: bool) -> Handle {
    let handle = pair.ends[B].notify(token, notification, confirmable, pair.now);
    pair.settle();
    handle
}

/// What `A` was told: number, length and freshness of each notification.
fn told(pair: &Pair) -> Vec<(u32, usize, bool)> {
    let told = |(_, end, event): &(Instant, usize, Event)| match event {
        Event::Notification { message, fresh, .. } if *end == A => {
            Some((message.observe().unwrap_or(0), message.payload().len(), *fresh))
        }
        _ => None,
    };
    pair.events.iter().filter_map(told).collect()
}

/// How the notifications of `B` ended.
fn outcomes(pair: &Pair) -> Vec<(Handle, Notified)> {
    let outcome = |(_, end, event): &(Instant, usize, Event)| match event {
        Event::Notified { handle, outcome, .. } if *end == B => Some((*handle, *outcome)),
        _ => None,
    };
    pair.events.iter().filter_map(outcome).collect()
}

fn ended(pair: &Pair) -> Vec<Code> {
    let ended = |(_, _, event): &(Instant, usize, Event)| match event {
        Event::ObservationEnded { code, .. } => Some(*code),
        _ => None,
    };
    pair.events.iter().filter_map(ended).collect()
}

#[test]
fn notifications_of_both_kinds_reach_the_observer() {
    let mut pair = observed(Params::default(), 9);
    let (_, token) = begin(&mut pair);
    let confirmed = notify(&mut pair, token, notification(2, body(5)), true);
    pair.run();
    notify(&mut pair, token, notification(3, body(6)), false);
    pair.run();
    assert_eq!(told(&pair), [(2, 5, true), (3, 6, true)]);
    assert_eq!(pair.trace(), ["B Con 2.05", "A Ack 0.00", "B Non 2.05"]);
    assert_eq!(outcomes(&pair), [(confirmed, Notified::Acknowledged)]);
    assert!(pair.noises().is_empty());
}

#[test]
fn a_request_that_is_not_taken_as_an_observation_is_a_request() {
    let mut pair = Pair::new(Params::default());
    pair.ends[A].observe(get(), pair.now);
    pair.settle();
    pair.run();
    assert_eq!((pair.response().observe(), pair.ends[A].observations()), (None, 0));
    assert_eq!(pair.ends[A].standing_heap(), 0);
}

#[test]
fn a_notification_that_was_overtaken_is_not_fresh() {
    let mut pair = observed(Params::default(), 9);
    let (_, token) = begin(&mut pair);
    pair.fate = Box::new(|nth| vec![if nth == 0 { ms(500) } else { LATENCY }]);
    notify(&mut pair, token, notification(2, body(5)), false);
    notify(&mut pair, token, notification(3, body(6)), false);
    pair.run();
    assert_eq!(told(&pair), [(3, 6, true), (2, 5, false)]);
}

#[test]
fn numbers_are_compared_round_the_corner_and_for_two_minutes_only() {
    let mut pair = observed(Params::default(), 9);
    let (_, token) = begin(&mut pair);
    let mut hear = |number: u32, after: u64| {
        pair.now += secs(after);
        notify(&mut pair, token, notification(number, body(1)), false);
        while !pair.wire.is_empty() {
            pair.step();
        }
        told(&pair).last().map(|told| told.2)
    };
    assert_eq!(hear(5, 0), Some(true));
    assert_eq!(hear(5, 0), Some(false));
    assert_eq!(hear(4, 0), Some(false));
    assert_eq!(hear(1 << 23, 0), Some(true));
    assert_eq!(hear(0xff_ffff, 0), Some(true));
    // Wrapped round.
    assert_eq!(hear(0, 0), Some(true));
    assert_eq!(hear(0xff_ffff, 127), Some(false));
    assert_eq!(hear(0xff_fffe, 2), Some(true));
}

#[test]
fn an_error_ends_the_observation() {
    let mut pair = observed(Params::default(), 9);
    let (_, token) = begin(&mut pair);
    notify(&mut pair, token, Message::response(Code::NOT_FOUND), true);
    pair.run();
    assert_eq!((ended(&pair), told(&pair)), (vec![Code::NOT_FOUND], vec![]));
    assert_eq!((pair.ends[A].observations(), pair.ends[A].standing_heap()), (0, 0));
    // One without Observe tells the state and that it was the last.
    let mut pair = observed(Params::default(), 9);
    let (_, token) = begin(&mut pair);
    notify(&mut pair, token, Message::response(Code::CONTENT).with_payload(body(4)), true);
    pair.run();
    assert_eq!((ended(&pair), told(&pair)), (vec![Code::CONTENT], vec![(0, 4, true)]));
    assert_eq!(pair.ends[A].observations(), 0);
}

#[test]
fn a_forgotten_observation_is_reset_at_its_next_notification() {
    for confirmable in [true, false] {
        let mut pair = observed(Params::default(), 9);
        let (handle, token) = begin(&mut pair);
        pair.ends[A].forget_observation(handle);
        assert_eq!((pair.ends[A].observations(), pair.ends[A].standing_heap()), (0, 0));
        let notification = notify(&mut pair, token, notification(2, body(5)), confirmable);
        pair.run();
        assert_eq!(outcomes(&pair), [(notification, Notified::Reset)]);
        assert_eq!((told(&pair), pair.noises()), (vec![], vec![Noise::UnmatchedResponse]));
    }
}

#[test]
fn cancelling_repeats_the_request_with_its_token_and_observe_1() {
    let mut pair = observed(Params::default(), 9);
    let request = Message::request(Code::FETCH).with_accept(ContentFormat::SENML_CBOR);
    let handle = pair.ends[A].observe(request.with_payload(body(30)), pair.now);
    pair.settle();
    pair.run();
    let cancel = pair.ends[A].cancel_observation(handle, pair.now).expect("it stands");
    assert_eq!(pair.ends[A].cancel_observation(handle, pair.now), None);
    pair.settle();
    // A notification on its way is no answer to that.
    let token = pair.log[0].message.token();
    notify(&mut pair, token, notification(2, body(5)), true);
    pair.run();
    let (first, second) = (&pair.log[0].message, &pair.log[2].message);
    assert_eq!((second.code(), second.observe(), second.token()), (Code::FETCH, Some(1), first.token()));
    assert_eq!((second.payload(), second.accept()), (first.payload(), first.accept()));
    assert_eq!(told(&pair), [(2, 5, true)]);
    assert!(matches!(pair.outcomes()[..], [_, (ended, Ok(_))] if ended == cancel));
    assert_eq!((pair.ends[A].observations(), pair.ends[A].standing_heap()), (0, 0));
    assert_eq!(pair.ends[A].cancel_observation(handle, pair.now), None);
}

#[test]
fn a_notification_in_blocks_is_fetched_whole_under_other_tokens() {
    let params = Params { block_size: 64, ..Params::default() };
    for (first, confirmable) in [(9, true), (9, false), (150, true), (150, false)] {
        let mut pair = observed(params.clone(), first);
        let (_, token) = begin(&mut pair);
        // The body that is notified, or the same made anew for an observer not known to need blocks.
        pair.answer =
            Box::new(|_| (Duration::ZERO, Message::response(Code::CONTENT).with_payload(body(200))));
        pair.handled.clear();
        notify(&mut pair, token, notification(2, body(200)), confirmable);
        pair.run();
        assert_eq!(told(&pair), [(2, 200, true)]);
        assert_eq!(pair.handled.len(), if first > 64 { 0 } else { 1 });
        let requests: Vec<&Message> =
            pair.log.iter().map(|sent| &sent.message).filter(|message| message.code().is_request()).collect();
        assert_eq!(requests.len(), 3);
        assert!(requests.iter().all(|request| request.token() != token && request.observe().is_none()));
        assert!(requests.iter().all(|request| request.path_is(&["3", "0"])));
        assert_eq!(pair.ends[A].observations(), 1);
    }
}

#[test]
fn an_observer_gets_notifications_in_the_blocks_it_asked_for() {
    let mut pair = observed(Params::default(), 9);
    let mut request = get();
    request.set_block2(Block { num: 0, more: false, szx: 0 });
    pair.ends[A].observe(request, pair.now);
    pair.settle();
    let token = pair.log[0].message.token();
    pair.run();
    notify(&mut pair, token, notification(2, body(40)), true);
    assert_eq!(pair.log.last().map(|sent| sent.message.payload().len()), Some(16));
    pair.run();
    assert_eq!(told(&pair), [(2, 40, true)]);
}

#[test]
fn a_fresher_state_takes_the_place_of_one_that_is_still_being_fetched() {
    let params = Params { block_size: 64, ..Params::default() };
    // Of the first answer.
    let mut pair = observed(params.clone(), 150);
    pair.ends[A].observe(get(), pair.now);
    pair.settle();
    let token = pair.log[0].message.token();
    while pair.log.len() < 3 {
        pair.step();
    }
    notify(&mut pair, token, notification(2, body(5)), true);
    pair.run();
    assert_eq!((pair.response().payload(), pair.response().observe()), (&body(5)[..], Some(2)));
    assert_eq!((told(&pair), pair.ends[A].observations()), (vec![], 1));
    // Of a notification.
    pair.events.clear();
    pair.log.clear();
    notify(&mut pair, token, notification(3, body(150)), false);
    while pair.log.len() < 2 {
        pair.step();
    }
    notify(&mut pair, token, notification(4, body(100)), false);
    pair.answer = Box::new(|_| (Duration::ZERO, Message::response(Code::CONTENT).with_payload(body(100))));
    pair.run();
    assert_eq!(told(&pair), [(4, 100, true)]);
    let lost = |(_, _, event): &(Instant, usize, Event)| {
        matches!(event, Event::NotificationLost { why: Failure::Abandoned, .. })
    };
    assert_eq!(pair.events.iter().filter(|event| lost(event)).count(), 1);
}

#[test]
fn a_notification_whose_blocks_changed_meanwhile_is_lost_and_said_to_be() {
    let mut pair = observed(Params { block_size: 64, ..Params::default() }, 9);
    let (observation, token) = begin(&mut pair);
    notify(&mut pair, token, notification(2, body(200)), true);
    pair.answer = Box::new(|_| (Duration::ZERO, Message::response(Code::CONTENT).with_payload(body(180))));
    pair.run();
    assert_eq!(told(&pair), []);
    let lost = |(_, _, event): &(Instant, usize, Event)| match event {
        Event::NotificationLost { handle, why } => Some((*handle, *why)),
        _ => None,
    };
    let lost: Vec<_> = pair.events.iter().filter_map(lost).collect();
    assert_eq!(lost, [(observation, Failure::Blockwise(Code::CONTENT))]);
    assert_eq!(pair.ends[A].observations(), 1);
}

#[test]
fn a_composite_observation_in_blocks_is_cancelled_by_the_token_of_its_last_block() {
    let mut pair = observed(Params { block_size: 64, ..Params::default() }, 9);
    let handle = pair.ends[A].observe(Message::request(Code::FETCH).with_payload(body(150)), pair.now);
    pair.settle();
    pair.run();
    assert_eq!((pair.response().observe(), pair.ends[A].observations()), (Some(1), 1));
    let token = pair.log[4].message.token();
    pair.ends[A].cancel_observation(handle, pair.now);
    pair.settle();
    pair.run();
    let cancels =
        pair.log[6..].iter().map(|sent| &sent.message).filter(|message| message.code().is_request());
    let cancels: Vec<_> = cancels.map(|cancel| (cancel.observe(), cancel.token())).collect();
    assert_eq!(cancels, [(Some(1), token); 3]);
    assert_eq!(pair.ends[A].observations(), 0);
}

#[test]
fn a_large_answer_to_a_composite_observation_in_blocks_is_fetched_without_observe() {
    let mut pair = observed(Params { block_size: 64, ..Params::default() }, 150);
    pair.ends[A].observe(Message::request(Code::FETCH).with_payload(body(150)), pair.now);
    pair.settle();
    pair.run();
    assert_eq!((pair.response().payload(), pair.response().observe()), (&body(150)[..], Some(1)));
    let requests = pair.log.iter().filter(|sent| sent.from == A).map(|sent| sent.message.observe());
    assert_eq!(requests.collect::<Vec<_>>(), [Some(0), Some(0), Some(0), None, None]);
    assert_eq!((pair.handled.len(), pair.ends[A].observations()), (1, 1));
}

#[test]
fn observations_cost_little_and_nothing_once_they_are_gone() {
    let mut pair = observed(Params::default(), 9);
    let handles: Vec<Handle> = (0..15)
        .map(|resource| {
            let request = Message::request(Code::GET)
                .with_path(&["3", "0", &resource.to_string()])
                .with_accept(ContentFormat::SENML_CBOR);
            let handle = pair.ends[A].observe(request, pair.now);
            pair.settle();
            pair.run();
            handle
        })
        .collect();
    assert_eq!(pair.ends[A].observations(), 15);
    assert!(pair.ends[A].is_idle() && pair.ends[A].poll_timeout().is_none());
    assert!(pair.ends[A].standing_heap() <= 700, "{}", pair.ends[A].standing_heap());
    // The device keeps nothing for observers of what fits a datagram.
    assert_eq!(pair.ends[B].standing_heap(), 0);
    // Each is found by its own request, whatever went before it.
    pair.ends[A].forget_observation(handles[3]);
    pair.log.clear();
    pair.ends[A].cancel_observation(handles[12], pair.now);
    pair.settle();
    assert!(pair.log[0].message.path_is(&["3", "0", "12"]));
    pair.run();
    handles.into_iter().for_each(|handle| pair.ends[A].forget_observation(handle));
    assert_eq!((pair.ends[A].observations(), pair.ends[A].standing_heap()), (0, 0));
}
