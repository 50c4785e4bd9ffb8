//! Requests and observations by connections that come and go.

use super::*;

fn answer(received: &Received) -> Message {
    let response = Message::response(Code::CONTENT).with_payload(received.message.payload().to_vec());
    if received.message.observe() == Some(0) { response.with_observe(1) } else { response }
}

#[test]
fn several_requests_are_under_way_at_once_and_answered_in_any_order() {
    let mut end = connected(&Params::default(), PLAIN);
    let handles: Vec<Handle> = (0..3).map(|_| end.request(get(), NOW)).collect();
    let asked = given(&mut end).0;
    assert_eq!((asked.len(), end.in_flight()), (3, 3));
    for nth in [2, 0, 1] {
        end.handle_input(&with_token(Message::response(Code::CONTENT), asked[nth].token()), NOW);
        let (_, events) = given(&mut end);
        assert!(
            matches!(&events[..], [Event::Response { handle, transmissions: 1, .. }] if *handle == handles[nth])
        );
    }
    // The answer to nothing.
    end.handle_input(&with_token(Message::response(Code::CONTENT), asked[0].token()), NOW);
    assert!(matches!(drain(&mut end).1[..], [Event::Noise(Noise::UnmatchedResponse)]));
}

#[test]
fn a_request_is_sent_once_and_given_up_in_the_end() {
    let params = Params::default();
    let mut end = connected(&params, PLAIN);
    let handle = end.request(get(), NOW);
    assert_eq!(given(&mut end).0.len(), 1);
    let progress = end.progress(handle).expect("under way");
    assert_eq!((progress.transmissions, progress.acknowledged), (1, false));
    let (at, reason) = end.poll_timeout().expect("it is awaited");
    assert_eq!((at, reason), (NOW + params.exchange_lifetime(), Reason::AwaitResponse));
    end.handle_timeout(at - ms(1));
    assert!(end.poll_output().is_none());
    end.handle_timeout(at);
    let (sent, events) = given(&mut end);
    assert!(sent.is_empty() && matches!(events[..], [Event::Failed { why: Failure::Timeout, .. }]));
    assert_eq!(end.poll_timeout(), None);
}

#[test]
fn what_was_sent_is_lost_with_the_connection_and_what_was_not_goes_by_the_next() {
    let mut stream = Stream::new(&Params::default(), answer);
    // Nothing is written before there is a connection.
    stream.ends[A].request(get().with_payload(vec![1]), NOW);
    stream.run();
    assert!(stream.log.is_empty() && stream.ends[A].poll_timeout().is_none());
    stream.connect();
    stream.run();
    assert_eq!(stream.outcomes()[0].expect("answered").payload(), [1]);
    // Lost with what is half received, and with what is still to be written.
    stream.ends[A].request(get(), NOW);
    stream.ends[A].handle_input(&[0xd0], NOW);
    stream.lose();
    stream.ends[A].request(get().with_payload(vec![2]), NOW);
    stream.run();
    assert_eq!(stream.outcomes()[1].expect_err("lost"), Failure::Lost);
    let before = stream.log.len();
    stream.connect();
    stream.run();
    assert_eq!(stream.log[before].1.code(), Code::CSM);
    assert_eq!(stream.outcomes()[2].expect("answered").payload(), [2]);
    assert_eq!((stream.outcomes().len(), stream.log.len()), (3, before + 4));
    assert!(stream.ends.iter().all(|end| end.is_idle() && end.heap() == 0 && end.poll_timeout().is_none()));
}

#[test]
fn the_answer_to_a_request_of_an_earlier_connection_is_dropped_and_counted() {
    let mut end = connected(&Params::default(), PLAIN);
    end.handle_input(&asked(get(), 1), NOW);
    let received = requests(drain(&mut end).1).remove(0);
    end.lost(NOW);
    end.connected(NOW);
    end.handle_input(PLAIN, NOW);
    drain(&mut end);
    end.respond(received, Message::response(Code::CONTENT), NOW);
    let (sent, events) = given(&mut end);
    assert!(sent.is_empty() && matches!(events[..], [Event::Stat(Stat::ResponseUnacknowledged)]));
}

#[test]
fn a_request_that_is_reset_is_not_answered_and_one_with_unknown_options_is_refused() {
    let mut end = connected(&Params::default(), PLAIN);
    end.handle_input(&asked(get(), 1), NOW);
    let received = requests(drain(&mut end).1).remove(0);
    end.reset(received);
    assert!(end.poll_output().is_none() && end.is_idle());
    // Critical option 9.
    end.handle_input(&[0x11, 0x01, 0x07, 0x90], NOW);
    let (sent, events) = given(&mut end);
    assert_eq!((sent[0].code(), sent[0].token().as_slice()), (Code::BAD_OPTION, &[7][..]));
    assert!(matches!(events[..], [Event::Noise(Noise::CriticalOption)]));
    // Nor one that wants no answer.
    end.handle_input(&asked(post().with_no_response(26), 1), NOW);
    let received = requests(drain(&mut end).1).remove(0);
    end.respond(received, Message::response(Code::CHANGED), NOW);
    assert!(end.poll_output().is_none() && end.is_idle());
}

#[test]
fn notifications_are_taken_in_their_order_whatever_their_number() {
    let mut stream = Stream::new(&Params::default(), answer);
    stream.connect();
    let observation = stream.ends[A].observe(get(), NOW);
    stream.run();
    let token = stream.token_asked();
    for number in [9, 3, 0] {
        let handle =
            stream.ends[B].notify(token, Message::response(Code::CONTENT).with_observe(number), true, NOW);
        stream.run();
        let told = stream.events.split_off(stream.events.len() - 2);
        for (_, event) in told {
            match event {
                Event::Notified { handle: of, outcome: Notified::Acknowledged, .. } => assert_eq!(of, handle),
                Event::Notification { handle, fresh: true, .. } => assert_eq!(handle, observation),
                other => panic!("not of a notification: {other:?}"),
            }
        }
    }
    // Cancelled by the same token and Observe 1.
    stream.ends[A].cancel_observation(observation, NOW);
    stream.run();
    let (_, cancel) = &stream.log[stream.log.len() - 2];
    assert_eq!((cancel.observe(), cancel.token(), stream.ends[A].observations()), (Some(1), token, 0));
}

#[test]
fn a_forgotten_observation_is_deregistered_in_silence() {
    let mut stream = Stream::new(&Params::default(), answer);
    stream.connect();
    let observation = stream.ends[A].observe(get(), NOW);
    stream.run();
    let token = stream.token_asked();
    stream.events.clear();
    stream.ends[A].forget_observation(observation);
    assert_eq!(stream.ends[A].in_flight(), 0);
    stream.run();
    let (_, farewell) = &stream.log[stream.log.len() - 2];
    assert_eq!((farewell.observe(), farewell.token()), (Some(1), token));
    assert!(stream.events.is_empty() && stream.ends[A].is_idle(), "{:?}", stream.events);
    // A notification that was on its way all the same.
    stream.ends[B].notify(token, Message::response(Code::CONTENT).with_observe(2), false, NOW);
    stream.run();
    assert!(matches!(stream.events[..], [(A, Event::Noise(Noise::UnmatchedResponse))]));
}

#[test]
fn observations_end_with_the_connection() {
    let mut stream = Stream::new(&Params::default(), answer);
    stream.connect();
    stream.ends[A].observe(get(), NOW);
    stream.run();
    assert_eq!(stream.ends[A].observations(), 1);
    stream.lose();
    assert_eq!((stream.ends[A].observations(), stream.ends[A].standing_heap()), (0, 0));
    let token = Token::new(&[1]).expect("short");
    stream.ends[B].notify(token, Message::response(Code::CONTENT).with_observe(2), true, NOW);
    assert!(matches!(
        drain(&mut stream.ends[B]).1[..],
        [Event::Notified { outcome: Notified::TimedOut, .. }]
    ));
}
