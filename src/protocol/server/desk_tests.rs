//! A Bootstrap-Server behind its desk, and devices that only ask.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::{
    Account, BootstrapConfig, BootstrapServer, Directory, Manners, Pace, Plan, Server, Service, ServiceTime,
    Transmit,
};
use crate::base::{Instant, Percent, Seed};
use crate::protocol::coap::{Code, Message, Params, Type};

const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn server(service: Service) -> BootstrapServer {
    let account = Account::new("coap://127.0.0.1".to_owned(), 1, Duration::ZERO);
    // Nothing but the answer: no command follows.
    let plan = Plan { sequence: Vec::new(), ..Plan::new(account) };
    let config =
        BootstrapConfig { service, ..BootstrapConfig::new(Arc::new(Params::default()), Directory::of(plan)) };
    BootstrapServer::new(config, Seed(1))
}

fn device(number: u16) -> SocketAddr {
    SocketAddr::new(SERVER, number)
}

fn ask(server: &mut BootstrapServer, number: u16, now: Instant) {
    let request = Message::request(Code::POST).with_path(&["bs"]).with_query("ep=a");
    server.handle_input(device(number), SERVER, &request.encode(), now);
}

fn sent(server: &mut BootstrapServer) -> Vec<Transmit> {
    std::iter::from_fn(|| server.poll_output()).collect()
}

fn codes(sent: &[Transmit]) -> Vec<(u16, Code)> {
    let code = |transmit: &Transmit| Message::decode(&transmit.bytes).map(|message| message.code());
    sent.iter().map(|transmit| (transmit.to.port(), code(transmit).expect("a message"))).collect()
}

fn paced(workers: u32, queue: u32, millis: u64) -> Service {
    let time = ServiceTime::Fixed(Duration::from_millis(millis));
    let pace = Pace { workers, time, queue, max_age: Duration::from_secs(30) };
    Service { pace: Some(pace), ..Service::default() }
}

fn share(text: &str) -> super::Share {
    text.parse::<Percent>().expect("a share").into()
}

/// Lets the server do what is due up to `limit`; what it sent, and when.
fn run(server: &mut BootstrapServer, limit: Instant) -> Vec<(Instant, Transmit)> {
    let mut all = Vec::new();
    while let Some(at) = server.poll_timeout().filter(|at| *at <= limit) {
        server.handle_timeout(at);
        all.extend(sent(server).into_iter().map(|transmit| (at, transmit)));
    }
    all
}

#[test]
fn workers_take_their_time_the_queue_its_turn_and_the_rest_come_again() {
    let mut server = server(paced(2, 2, 400));
    (1..=5).for_each(|number| ask(&mut server, number, Instant::ZERO));
    let refused = sent(&mut server);
    assert_eq!(codes(&refused), [(5, Code::SERVICE_UNAVAILABLE)]);
    let answer = Message::decode(&refused[0].bytes).expect("a message");
    assert_eq!(answer.max_age(), Some(30));
    let served = run(&mut server, Instant::from_secs(10));
    let when: Vec<(u64, u16)> = served
        .iter()
        .map(|(at, transmit)| (at.since_origin().as_millis() as u64, transmit.to.port()))
        .collect();
    assert_eq!(when, [(400, 1), (400, 2), (800, 3), (800, 4)]);
    let desk = server.counters().desk;
    assert_eq!((desk.overloaded, desk.longest_queue), (1, 2));
    assert_eq!(server.counters().requests, 4);
}

#[test]
fn a_worker_that_is_slower_than_patience_acknowledges_first_and_answers_separately() {
    let mut server = server(paced(1, 10, 1_000));
    (1..=8).for_each(|number| ask(&mut server, number, Instant::ZERO));
    let sent = run(&mut server, Instant::from_secs(8));
    let eighth: Vec<(u64, Type, Code)> = sent
        .iter()
        .filter(|(_, transmit)| transmit.to.port() == 8)
        .map(|(at, transmit)| {
            let message = Message::decode(&transmit.bytes).expect("a message");
            (at.since_origin().as_secs(), message.kind(), message.code())
        })
        .collect();
    assert_eq!(eighth.first().map(|first| (first.1, first.2)), Some((Type::Ack, Code::EMPTY)));
    assert_eq!(eighth.last(), Some(&(8, Type::Con, Code::CHANGED)));
}

#[test]
fn a_request_that_was_dropped_is_taken_when_it_comes_again() {
    let drop = Manners { drop: share("50%"), ..Manners::default() };
    let mut server = server(Service { manners: drop, ..Service::default() });
    let mut answered = 0;
    for number in 1..=200 {
        ask(&mut server, number, Instant::ZERO);
        ask(&mut server, number, Instant::from_secs(2));
        answered += sent(&mut server).len();
    }
    let dropped = server.counters().desk.dropped;
    // Of 400 datagrams, half of 200 are dropped the first time, and half of those again; an answered one is
    // a duplicate the second time, which gets the same answer without passing the desk.
    assert!((120..=180).contains(&dropped), "{dropped}");
    assert_eq!(answered as u64, 400 - dropped);
}

#[test]
fn each_bad_manner_shows_at_the_device_and_in_the_counts() {
    let all = share("100%");
    let manners = [
        Manners { reset: all, ..Manners::default() },
        Manners { error: all, error_code: Some(Code::FORBIDDEN), ..Manners::default() },
        Manners { unavailable: all, max_age: Duration::from_secs(7), ..Manners::default() },
        Manners { late: all, late_by: Duration::from_secs(20), ..Manners::default() },
        Manners { duplicate: all, ..Manners::default() },
        Manners { other_port: all, ..Manners::default() },
    ];
    let seen = manners.map(|manners| {
        let mut server = server(Service { manners, ..Service::default() });
        ask(&mut server, 1, Instant::ZERO);
        let mut out = sent(&mut server);
        out.extend(run(&mut server, Instant::from_secs(20)).into_iter().map(|(_, transmit)| transmit));
        (codes(&out), out.iter().any(|transmit| transmit.other_port), server.counters().desk)
    });
    let codes: Vec<Vec<Code>> =
        seen.iter().map(|(codes, ..)| codes.iter().map(|(_, code)| *code).collect()).collect();
    assert_eq!(codes[0], [Code::EMPTY]);
    assert_eq!(codes[1], [Code::FORBIDDEN]);
    assert_eq!(codes[2], [Code::SERVICE_UNAVAILABLE]);
    assert_eq!(codes[3], [Code::EMPTY, Code::CHANGED], "acknowledged first");
    assert_eq!(codes[4], [Code::CHANGED, Code::CHANGED]);
    assert_eq!(codes[5], [Code::CHANGED]);
    assert_eq!(
        seen.iter().map(|(_, other, _)| *other).collect::<Vec<_>>(),
        [false, false, false, false, false, true]
    );
    let counts = [
        seen[0].2.reset,
        seen[1].2.failed,
        seen[2].2.unavailable,
        seen[3].2.delayed,
        seen[4].2.doubled,
        seen[5].2.misplaced,
    ];
    assert_eq!(counts, [1; 6]);
}

#[test]
fn a_server_with_good_manners_and_no_pace_has_nothing_to_wait_for() {
    let mut server = server(Service::default());
    ask(&mut server, 1, Instant::ZERO);
    assert_eq!(codes(&sent(&mut server)), [(1, Code::CHANGED)]);
    assert_eq!(server.counters().desk, super::DeskCounters::default());
}
