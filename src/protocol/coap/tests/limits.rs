//! What an exchange costs, and that a peer cannot make it cost more.

use super::*;

fn confirmable(mut request: Message, mid: u16) -> Vec<u8> {
    request.address(Type::Con, mid, Token::new(&mid.to_be_bytes()).expect("short"));
    request.encode()
}

/// Answers what comes out of `server`; how many requests that were.
fn serve(server: &mut Exchange, response: &Message, now: Instant) -> usize {
    let mut requests = 0;
    while let Some(output) = server.poll_output() {
        if let Output::Event(Event::Request(received)) = output {
            requests += 1;
            server.respond(received, response.clone(), now);
        }
    }
    requests
}

#[test]
fn an_exchange_is_small_and_an_idle_one_keeps_little() {
    assert!(size_of::<Exchange>() <= 192, "{}", size_of::<Exchange>());
    // What a stream needs besides.
    assert!(size_of::<stream::Stream>() <= 112, "{}", size_of::<stream::Stream>());
    let mut server = exchange(&Params::default(), "b");
    let now = Instant::from_secs(1);
    for mid in 0..12 {
        let request = if mid % 2 == 0 { post() } else { get() };
        server.handle_input(&confirmable(request, mid), now);
        serve(&mut server, &Message::response(Code::CHANGED), now);
    }
    assert!(server.is_idle());
    assert!(server.heap() <= 400, "{}", server.heap());
    // And nothing once all of it is history.
    let (at, reason) = server.poll_timeout().expect("something to forget");
    assert_eq!((at, reason), (now + Params::default().exchange_lifetime(), Reason::Forget));
    server.handle_timeout(at);
    assert_eq!((server.heap(), server.poll_timeout()), (0, None));
}

#[test]
fn a_flood_of_requests_is_answered_from_bounded_memory_and_what_is_forgotten_is_counted() {
    let mut server = exchange(&Params::default(), "b");
    let now = Instant::from_secs(1);
    let response = Message::response(Code::CONTENT).with_payload(body(1000));
    let mut evicted = 0;
    for mid in 0..1000 {
        server.handle_input(&confirmable(post(), mid), now);
        while let Some(output) = server.poll_output() {
            match output {
                Output::Event(Event::Request(received)) => server.respond(received, response.clone(), now),
                Output::Event(Event::Stat(Stat::DedupEvicted)) => evicted += 1,
                _ => {}
            }
        }
    }
    assert_eq!(evicted, 1000 - 16);
    assert!(server.heap() < 20_000, "{}", server.heap());
}

#[test]
fn requests_that_are_not_answered_in_time_are_acknowledged_early_when_there_are_too_many() {
    let mut server = exchange(&Params::default(), "b");
    let now = Instant::from_secs(1);
    let (mut acked, mut waiting) = (0, Vec::new());
    for mid in 0..20 {
        server.handle_input(&confirmable(post(), mid), now);
        let (datagrams, events) = drain(&mut server);
        acked += datagrams.len();
        waiting.extend(events.into_iter().filter_map(|event| match event {
            Event::Request(received) => Some(received),
            _ => None,
        }));
    }
    assert_eq!((acked, waiting.len()), (4, 20));
    // All are answered all the same: four on their own, sixteen in the acknowledgement.
    waiting.into_iter().for_each(|received| server.respond(received, Message::response(Code::CHANGED), now));
    let kinds: Vec<Type> = sent(&mut server).iter().map(Message::kind).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == Type::Con).count(), 4);
    assert_eq!(kinds.iter().filter(|kind| **kind == Type::Ack).count(), 16);
}

#[test]
fn a_peer_that_never_acknowledges_cannot_pile_up_separate_responses() {
    let params = Params::default();
    let mut server = exchange(&params, "b");
    let mut now = Instant::from_secs(1);
    let mut kinds = Vec::new();
    for mid in 0..40 {
        server.handle_input(&confirmable(post(), mid), now);
        let Some(Event::Request(received)) = drain(&mut server).1.pop() else { panic!("no request") };
        now += ms(1);
        server.handle_timeout(now + params.separate_ack_delay());
        drain(&mut server);
        server.respond(received, Message::response(Code::CHANGED), now);
        kinds.push(sent(&mut server)[0].kind());
    }
    assert!(kinds[..16].iter().all(|kind| *kind == Type::Con));
    assert!(kinds[16..].iter().all(|kind| *kind == Type::Non));
}

#[test]
fn a_body_nobody_goes_on_with_is_forgotten() {
    let mut server = exchange(&Params::default(), "b");
    let now = Instant::from_secs(1);
    let mut first = Message::request(Code::PUT).with_payload(body(1024));
    first.set_block1(Block { num: 0, more: true, szx: 6 });
    server.handle_input(&confirmable(first, 1), now);
    server.handle_input(&confirmable(get(), 2), now);
    serve(&mut server, &Message::response(Code::CONTENT).with_payload(body(2000)), now);
    assert!(server.heap() > 3000 && !server.is_idle());
    while let Some((at, reason)) = server.poll_timeout() {
        assert_eq!(reason, Reason::Forget);
        server.handle_timeout(at);
    }
    assert!(server.heap() == 0 && server.is_idle());
}
