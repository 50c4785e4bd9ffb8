//! What the ends tell each other about the stream (RFC 8323 §5).

use super::super::super::stream::signal::Signal;
use super::*;

fn leaves(events: &[Event]) -> Vec<Leave> {
    let leave = |event: &Event| if let Event::Leave(leave) = event { Some(*leave) } else { None };
    events.iter().filter_map(leave).collect()
}

#[test]
fn each_end_says_first_what_it_takes() {
    let mut end = over_stream(&Params { max_body: 1024, ..Params::default() }, "a");
    end.connected(NOW);
    assert_eq!(drain(&mut end).0, [BASE]);
    // Messages of eight blocks where bodies may be as large; once for each connection.
    let mut end = over_stream(&Params::default(), "a");
    end.connected(NOW);
    end.connected(NOW);
    assert_eq!(drain(&mut end).0, [[0x40, 0xe1, 0x22, 0x20, 0x80, 0x20]]);
}

#[test]
fn what_comes_before_the_csm_ends_the_stream() {
    for first in [&[0x01, 0x01, 0x07][..], &[0x01, 0xe2, 0x42], &[0x00, 0x45], &[0x00, 0xff]] {
        let mut end = over_stream(&Params::default(), "a");
        end.connected(NOW);
        drain(&mut end);
        end.handle_input(&[first, BASE, first].concat(), NOW);
        let (sent, events) = given(&mut end);
        assert_eq!((sent.len(), sent[0].code(), leaves(&events)), (1, Code::ABORT, vec![Leave::Broken]));
        assert!(sent[0].payload().starts_with(b"the first message"));
    }
    // But for what can always be sent (§3.4).
    let mut end = over_stream(&Params::default(), "a");
    end.connected(NOW);
    drain(&mut end);
    end.handle_input(&[&[0x00, 0x00], PLAIN].concat(), NOW);
    assert!(end.is_connected() && end.poll_output().is_none());
}

#[test]
fn a_peer_that_says_nothing_in_time_is_left() {
    let params = Params::default();
    let mut end = over_stream(&params, "a");
    end.connected(NOW);
    let (at, reason) = end.poll_timeout().expect("its CSM is awaited");
    assert_eq!((at, reason), (NOW + params.max_transmit_wait(), Reason::AwaitResponse));
    end.handle_timeout(at);
    assert_eq!(leaves(&drain(&mut end).1), [Leave::Broken]);
    assert_eq!(end.poll_timeout(), None);
    // The same for the answer to a Ping; anything will do for one.
    let mut end = connected(&params, PLAIN);
    end.ping(NOW);
    end.handle_input(&[0x00, 0xe3], NOW);
    assert_eq!(end.poll_timeout(), None);
    end.ping(NOW);
    end.handle_timeout(NOW + params.max_transmit_wait());
    let (sent, events) = given(&mut end);
    let codes: Vec<Code> = sent.iter().map(Message::code).collect();
    assert_eq!((codes, leaves(&events)), (vec![Code::PING, Code::PING, Code::ABORT], vec![Leave::Broken]));
}

#[test]
fn a_ping_is_answered_with_its_token() {
    let mut end = connected(&Params::default(), PLAIN);
    end.handle_input(&[0x01, 0xe2, 0x42], NOW);
    end.handle_input(&[0x11, 0xe2, 0x43, 0x20], NOW);
    assert_eq!(drain(&mut end).0, [&[0x01, 0xe3, 0x42][..], &[0x11, 0xe3, 0x43, 0x20]]);
}

#[test]
fn custody_is_taken_once_all_before_it_is_answered() {
    let mut end = connected(&Params::default(), PLAIN);
    end.handle_input(&[asked(get(), 1), asked(get(), 2)].concat(), NOW);
    let mut waiting = requests(drain(&mut end).1);
    end.handle_input(&[0x11, 0xe2, 0x42, 0x20], NOW);
    // One that does not ask for it does not wait.
    end.handle_input(&[0x01, 0xe2, 0x43], NOW);
    assert_eq!(drain(&mut end).0, [[0x01, 0xe3, 0x43]]);
    assert!(!end.is_idle());
    end.respond(waiting.remove(0), Message::response(Code::CONTENT), NOW);
    assert_eq!(given(&mut end).0.len(), 1);
    end.ignore(waiting.remove(0));
    assert_eq!(drain(&mut end).0, [[0x11, 0xe3, 0x42, 0x20]]);
    assert!(end.is_idle());
}

#[test]
fn a_release_is_followed_once_all_is_answered() {
    let mut end = connected(&Params::default(), PLAIN);
    end.handle_input(&asked(get(), 1), NOW);
    let received = requests(drain(&mut end).1).remove(0);
    end.handle_input(&[0x20, 0xe4, 0x41, 0x0a], NOW);
    end.request(get(), NOW);
    assert!(end.poll_output().is_none());
    end.respond(received, Message::response(Code::CONTENT), NOW);
    let (sent, events) = given(&mut end);
    let released = Leave::Released { hold_off: secs(10) };
    assert_eq!((sent.len(), sent[0].code(), leaves(&events)), (1, Code::CONTENT, vec![released]));
    // What was asked meanwhile goes out by the next connection.
    end.lost(NOW);
    end.connected(NOW);
    let codes: Vec<Code> = given(&mut end).0.iter().map(Message::code).collect();
    assert_eq!(codes, [Code::CSM, Code::GET]);
}

#[test]
fn a_release_says_for_how_long() {
    for (hold_off, written) in [
        (secs(10), &[0x20, 0xe4, 0x41, 0x0a][..]),
        (ms(1), &[0x20, 0xe4, 0x41, 0x01]),
        (secs(1 << 30), &[0x40, 0xe4, 0x43, 0xff, 0xff, 0xff]),
        (Duration::ZERO, &[0x00, 0xe4]),
    ] {
        let mut end = connected(&Params::default(), PLAIN);
        end.release(hold_off);
        end.request(get(), NOW);
        assert_eq!(drain(&mut end).0, [written]);
    }
}

#[test]
fn an_abort_ends_it_at_once() {
    for abort in [&[0x00, 0xe5][..], &[0x20, 0xe5, 0x21, 0x04]] {
        let mut end = connected(&Params::default(), PLAIN);
        end.handle_input(&asked(get(), 1), NOW);
        let received = requests(drain(&mut end).1).remove(0);
        end.handle_input(&[abort, &asked(get(), 2)].concat(), NOW);
        end.respond(received, Message::response(Code::CONTENT), NOW);
        let (sent, events) = given(&mut end);
        assert_eq!((sent.len(), leaves(&events), events.len()), (0, vec![Leave::Aborted], 2));
        assert!(matches!(events[1], Event::Stat(Stat::ResponseUnacknowledged)));
    }
}

#[test]
fn critical_options_of_signals_are_not_borne_and_others_are_passed_over() {
    // Option 3 in a CSM is named in the Abort; in a Ping it is not.
    for (signal, bad) in [(&[0x10, 0xe1, 0x30][..], Some(3)), (&[0x10, 0xe2, 0x30], None)] {
        let mut end = connected(&Params::default(), PLAIN);
        end.handle_input(signal, NOW);
        let (sent, events) = given(&mut end);
        assert_eq!((sent[0].code(), leaves(&events)), (Code::ABORT, vec![Leave::Broken]));
        assert_eq!(Signal::read(&sent[0]), Ok(Signal::Abort { bad_option: bad }));
    }
    let mut end = connected(&Params::default(), PLAIN);
    // Elective 6, a Max-Message-Size of five bytes, an unknown code, an Empty message with something in it.
    for passed_over in
        [&[0x10, 0xe1, 0x60][..], &[0x60, 0xe1, 0x25, 0, 0, 0, 0, 1], &[0x00, 0xee], &[0x01, 0x00, 0x11]]
    {
        end.handle_input(passed_over, NOW);
        assert!(end.poll_output().is_none() && end.is_connected());
    }
}

#[test]
fn on_datagrams_a_ping_is_an_empty_message_that_is_reset() {
    let mut pair = Pair::new(Params::default());
    pair.ends[A].ping(pair.now);
    pair.ends[A].connected(pair.now);
    pair.ends[A].release(secs(1));
    pair.settle();
    pair.run();
    assert_eq!(pair.trace(), ["A Con 0.00", "B Rst 0.00"]);
    assert_eq!(pair.noises(), [Noise::Ping]);
    let mut pair = Pair::new(Params::default()).over(|_| vec![]);
    pair.ends[A].ping(pair.now);
    pair.settle();
    pair.run();
    assert_eq!((pair.log.len(), pair.outcomes().len()), (5, 0));
}
