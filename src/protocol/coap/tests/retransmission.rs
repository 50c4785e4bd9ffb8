//! When a Confirmable message is sent again, and when it is given up.

use super::*;
use crate::base::Rng;

/// The first wait of the first request of an exchange with this generator.
fn first_wait(mut rng: Rng, params: &Params) -> Duration {
    rng.next_u16(); // the first message id
    rng.next_u64(); // the token
    params.ack_timeout.mul_f64(1.0 + rng.unit() * (params.ack_random_factor - 1.0))
}

#[test]
fn a_request_into_the_void_doubles_its_wait_and_fails_after_the_last() {
    let params = Params::default();
    let wait = first_wait(Seed(7).child("a", 0).rng(), &params);
    assert!(params.ack_timeout < wait && wait < params.ack_timeout.mul_f64(params.ack_random_factor));
    let mut pair = Pair::new(params).over(|_| vec![]);
    let start = pair.now;
    let handle = pair.request(post());
    pair.run();
    let times: Vec<Duration> = pair.log.iter().map(|sent| sent.at - start).collect();
    assert_eq!(times, [0, 1, 3, 7, 15].map(|waits| wait * waits));
    assert!(matches!(pair.outcomes()[..], [(ended, Err(Failure::Timeout))] if ended == handle));
    assert_eq!(pair.now - start, wait * 31);
    assert_eq!(pair.count(Stat::Retransmitted), 4);
}

#[test]
fn every_copy_is_the_same_datagram() {
    let params = Params::default();
    let mut alone = exchange(&params, "a");
    alone.request(post().with_payload(body(40)), Instant::ZERO);
    let mut copies = drain(&mut alone).0;
    while let Some((at, Reason::Retransmit)) = alone.poll_timeout() {
        alone.handle_timeout(at);
        copies.extend(drain(&mut alone).0);
    }
    assert_eq!(copies.len(), 5);
    assert!(copies.iter().all(|copy| *copy == copies[0]));
}

#[test]
fn without_retransmissions_it_fails_after_one_wait() {
    let params = Params { max_retransmit: 0, ..Params::default() };
    let wait = first_wait(Seed(7).child("a", 0).rng(), &params);
    let mut pair = Pair::new(params).over(|_| vec![]);
    let start = pair.now;
    pair.request(post());
    pair.run();
    assert_eq!((pair.log.len(), pair.now - start), (1, wait));
}

#[test]
fn a_late_timer_does_not_shorten_the_next_wait() {
    let params = Params::default();
    let wait = first_wait(Seed(7).child("a", 0).rng(), &params);
    let mut alone = exchange(&params, "a");
    alone.request(post(), Instant::ZERO);
    let late = Instant::ZERO + wait + ms(500);
    alone.handle_timeout(late);
    assert_eq!(alone.poll_timeout(), Some((late + wait * 2, Reason::Retransmit)));
}

#[test]
fn an_early_timer_does_nothing() {
    let mut alone = exchange(&Params::default(), "a");
    alone.request(post(), Instant::ZERO);
    drain(&mut alone);
    alone.handle_timeout(Instant::from_secs(1));
    assert!(alone.poll_output().is_none());
}

#[test]
fn after_an_empty_acknowledgement_it_waits_for_an_exchange_lifetime() {
    let params = Params::default();
    let mut alone = exchange(&params, "a");
    let handle = alone.request(post(), Instant::ZERO);
    let mid = sent(&mut alone)[0].mid();
    let acked = Instant::from_secs(1);
    alone.handle_input(&header::empty(Type::Ack, mid), acked);
    let patience = acked + params.exchange_lifetime();
    assert_eq!(alone.poll_timeout(), Some((patience, Reason::AwaitResponse)));
    assert_eq!(
        alone.progress(handle),
        Some(Progress { transmissions: 1, next: Some(patience), acknowledged: true })
    );
    alone.handle_timeout(patience);
    let (datagrams, events) = drain(&mut alone);
    assert!(datagrams.is_empty());
    assert!(matches!(events[..], [Event::Failed { why: Failure::Timeout, .. }]), "{events:?}");
}

#[test]
fn a_separate_response_is_repeated_until_acknowledged_and_then_counted_as_lost() {
    let params = Params::default();
    let mut server = exchange(&params, "b");
    let mut request = post();
    request.address(Type::Con, 9, Token::new(&[1]).expect("short"));
    server.handle_input(&request.encode(), Instant::ZERO);
    let Some(Output::Event(Event::Request(received))) = server.poll_output() else { panic!("no request") };
    let due = Instant::ZERO + params.separate_ack_delay();
    assert_eq!(server.poll_timeout(), Some((due, Reason::SeparateAck)));
    server.handle_timeout(due);
    assert_eq!(drain(&mut server).0, [header::empty(Type::Ack, 9)]);
    server.respond(received, Message::response(Code::CREATED), due);
    let mut copies = drain(&mut server).0.len();
    let mut stats = Vec::new();
    while let Some((at, Reason::Retransmit)) = server.poll_timeout() {
        server.handle_timeout(at);
        let (datagrams, events) = drain(&mut server);
        copies += datagrams.len();
        stats.extend(events);
    }
    assert_eq!(copies, 5);
    assert!(matches!(stats.last(), Some(Event::Stat(Stat::ResponseUnacknowledged))), "{stats:?}");
    assert!(server.is_idle());
}
