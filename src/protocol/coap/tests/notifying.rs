//! Notifications at the end that sends them: their turn, their successors, their end.

use super::*;

fn notification(number: u32) -> Message {
    Message::response(Code::CONTENT).with_observe(number).with_payload(body(number as usize))
}

fn token(byte: u8) -> Token {
    Token::new(&[byte]).expect("short")
}

fn outcomes(events: Vec<Event>) -> Vec<(Handle, Notified)> {
    let outcome = |event| match event {
        Event::Notified { handle, outcome, .. } => Some((handle, outcome)),
        _ => None,
    };
    events.into_iter().filter_map(outcome).collect()
}

fn numbers(messages: &[Message]) -> Vec<u32> {
    messages.iter().filter_map(Message::observe).collect()
}

#[test]
fn confirmable_ones_wait_for_their_turn_among_the_requests() {
    let mut device = exchange(&Params::default(), "b");
    let now = Instant::from_secs(1);
    let first = device.notify(token(1), notification(1), true, now);
    device.request(post(), now);
    let second = device.notify(token(2), notification(2), true, now);
    // One that needs no acknowledgement does not wait.
    device.notify(token(3), notification(3), false, now);
    assert_eq!(device.in_flight(), 1);
    let out = sent(&mut device);
    assert_eq!(numbers(&out), [1, 3]);
    device.handle_input(&header::empty(Type::Ack, out[0].mid()), now);
    let (datagrams, events) = drain(&mut device);
    assert_eq!(outcomes(events), [(first, Notified::Acknowledged)]);
    let request = Message::decode(&datagrams[0]).expect("ours");
    assert_eq!((datagrams.len(), request.code()), (1, Code::POST));
    device.handle_input(&header::empty(Type::Ack, request.mid()), now);
    assert_eq!(numbers(&sent(&mut device)), [2]);
    device.abandon_all();
    assert_eq!(outcomes(drain(&mut device).1), [(second, Notified::Abandoned)]);
    assert!(device.is_idle());
}

#[test]
fn a_newer_state_replaces_one_that_waits() {
    let mut device = exchange(&Params::default(), "b");
    let now = Instant::from_secs(1);
    let older = device.notify(token(1), notification(1), true, now);
    let middle = device.notify(token(1), notification(2), true, now);
    let newest = device.notify(token(1), notification(3), false, now);
    let (datagrams, events) = drain(&mut device);
    assert_eq!((datagrams.len(), outcomes(events)), (1, vec![(middle, Notified::Superseded)]));
    let mid = Message::decode(&datagrams[0]).expect("ours").mid();
    device.handle_input(&header::empty(Type::Ack, mid), now);
    let (datagrams, events) = drain(&mut device);
    assert_eq!(outcomes(events), [(older, Notified::Acknowledged)]);
    let last = Message::decode(&datagrams[0]).expect("ours");
    assert_eq!((last.observe(), last.kind()), (Some(3), Type::Con));
    device.handle_input(&header::empty(Type::Ack, last.mid()), now);
    assert_eq!(outcomes(drain(&mut device).1), [(newest, Notified::Acknowledged)]);
}

#[test]
fn a_newer_state_goes_out_instead_of_a_retransmission_and_keeps_its_pace() {
    let mut device = exchange(&Params::default(), "b");
    let start = Instant::from_secs(1);
    let older = device.notify(token(1), notification(1), true, start);
    let first = sent(&mut device).remove(0);
    let (due, _) = device.poll_timeout().expect("a retransmission");
    let newer = device.notify(token(1), notification(2), true, start);
    assert!(sent(&mut device).is_empty());
    device.handle_timeout(due);
    let (datagrams, events) = drain(&mut device);
    assert_eq!(outcomes(events), [(older, Notified::Superseded)]);
    let second = Message::decode(&datagrams[0]).expect("ours");
    assert_eq!((second.observe(), second.token()), (Some(2), first.token()));
    assert_ne!(second.mid(), first.mid());
    // The late acknowledgement of the older one says nothing about the newer.
    device.handle_input(&header::empty(Type::Ack, first.mid()), due);
    assert!(outcomes(drain(&mut device).1).is_empty());
    let wait = due.since(start);
    assert_eq!(device.poll_timeout(), Some((due + wait * 2, Reason::Retransmit)));
    // As if it had been one message: four more waits, then the observer is gone.
    let mut copies = 0;
    while let Some((at, Reason::Retransmit)) = device.poll_timeout() {
        device.handle_timeout(at);
        let (datagrams, events) = drain(&mut device);
        copies += datagrams.len();
        if datagrams.is_empty() {
            assert_eq!((outcomes(events), at.since(start)), (vec![(newer, Notified::TimedOut)], wait * 31));
        }
    }
    assert_eq!(copies, 3);
}

#[test]
fn what_waits_for_an_observer_who_is_gone_ends_with_what_was_in_flight() {
    let mut device = exchange(&Params { nstart: 3, ..Params::default() }, "b");
    let now = Instant::from_secs(1);
    let flying = device.notify(token(1), notification(1), true, now);
    let waiting = device.notify(token(1), notification(2), true, now);
    let other = device.notify(token(2), notification(3), true, now);
    // Never two at once for one observer, however many NSTART allows.
    let out = sent(&mut device);
    assert_eq!(numbers(&out), [1, 3]);
    device.handle_input(&header::empty(Type::Rst, out[0].mid()), now);
    let (datagrams, events) = drain(&mut device);
    assert!(datagrams.is_empty());
    assert_eq!(outcomes(events), [(flying, Notified::Reset), (waiting, Notified::Reset)]);
    device.abandon(other);
    assert_eq!(outcomes(drain(&mut device).1), [(other, Notified::Abandoned)]);
}

#[test]
fn one_that_needs_no_acknowledgement_can_be_reset_for_a_while() {
    let params = Params::default();
    let mut device = exchange(&params, "b");
    let now = Instant::from_secs(1);
    let handles: Vec<Handle> =
        (0..20).map(|number| device.notify(token(1), notification(number), false, now)).collect();
    let mids: Vec<u16> = sent(&mut device).iter().map(Message::mid).collect();
    assert!(device.is_idle());
    assert!(device.heap() <= 384, "{}", device.heap());
    let reset = |device: &mut Exchange, mid: u16, at: Instant| {
        device.handle_input(&header::empty(Type::Rst, mid), at);
        outcomes(drain(device).1)
    };
    // Too long ago by number; in time; twice; too late.
    assert_eq!(reset(&mut device, mids[3], now), []);
    assert_eq!(reset(&mut device, mids[4], now), [(handles[4], Notified::Reset)]);
    assert_eq!(reset(&mut device, mids[4], now), []);
    assert_eq!(reset(&mut device, mids[19], now + params.non_lifetime()), []);
    assert_eq!(device.poll_timeout(), Some((now + params.non_lifetime(), Reason::Forget)));
    device.handle_timeout(now + params.non_lifetime());
    assert_eq!((device.heap(), device.standing_heap(), device.poll_timeout()), (0, 0, None));
}

#[test]
fn observers_of_large_bodies_are_remembered_within_bounds_and_forgotten_when_gone() {
    let mut device = exchange(&Params { block_size: 64, ..Params::default() }, "b");
    let now = Instant::from_secs(1);
    let ask = |device: &mut Exchange, mid: u16, observe: u32| {
        let mut request = get().with_observe(observe);
        request.address(Type::Con, mid, Token::new(&mid.to_be_bytes()).expect("short"));
        device.handle_input(&request.encode(), now);
        while let Some(output) = device.poll_output() {
            if let Output::Event(Event::Request(received)) = output {
                let token = received.message.token();
                device.respond(received, notification(100), now);
                return token;
            }
        }
        panic!("no request");
    };
    let tokens: Vec<Token> = (0..100).map(|mid| ask(&mut device, mid, 0)).collect();
    assert!(device.standing_heap() <= 1100, "{}", device.standing_heap());
    // By a reset, by an error, by deregistration.
    for token in &tokens[85..] {
        device.notify(*token, Message::response(Code::NOT_FOUND), true, now);
        let mid = sent(&mut device).last().expect("its turn").mid();
        device.handle_input(&header::empty(Type::Ack, mid), now);
        drain(&mut device);
    }
    device.notify(tokens[84], notification(100), true, now);
    let mid = sent(&mut device).last().expect("its turn").mid();
    device.handle_input(&header::empty(Type::Rst, mid), now);
    drain(&mut device);
    assert_eq!(device.standing_heap(), 0);
    ask(&mut device, 200, 0);
    assert!(device.standing_heap() > 0);
    let mut request = get().with_observe(1);
    request.address(Type::Con, 201, Token::new(&200_u16.to_be_bytes()).expect("short"));
    device.handle_input(&request.encode(), now);
    while let Some(output) = device.poll_output() {
        if let Output::Event(Event::Request(received)) = output {
            device.respond(received, Message::response(Code::CONTENT), now);
        }
    }
    assert_eq!(device.standing_heap(), 0);
}
