//! What is asked at a registration, and observations.

use proptest::prelude::*;

use super::*;

/// The energy readings besides.
const READINGS: Question = Question { path: crate::protocol::lwm2m::Path::object(10_243), ask: Ask::Observe };

fn field(interview: Interview) -> Field {
    Field::new(EmsConfig { interview, ..config() })
}

#[test]
fn nothing_is_asked_unless_it_was_wanted() {
    let mut field = field(Interview::Off);
    field.register_all(1);
    field.run_for(secs(10));
    assert!(field.devices[0].asked.is_empty());
    assert_eq!(field.counters().interviews, InterviewCounters::default());
}

#[test]
fn what_is_listed_is_asked_for_one_after_the_other_and_told_what_it_cost() {
    let mut field = field(Interview::observe());
    let device = field.add();
    field.devices[device].answer = Box::new(|request| {
        assert_eq!(request.accept(), Some(ContentFormat::SENML_CBOR));
        Some(match request.path().next() {
            Some("4") => Message::response(Code::METHOD_NOT_ALLOWED),
            _ => agreeable(request),
        })
    });
    field.register(device, &["lwm2m=1.2"], OBJECTS);
    assert_eq!(field.devices[device].asked, ["GET 3+", "GET 4+", "GET 3600+", "GET 5/0/3+"]);
    let InterviewCounters { begun, completed, requests, ok, errors, sent, received, duration, .. } =
        field.counters().interviews;
    assert_eq!((begun, completed, requests, ok, errors), (1, 1, 4, 3, 1));
    // A confirmable request and an acknowledgement with the answer, each.
    assert_eq!((sent, received, duration.count), (4, 4, 1));
    let observations = field.counters().observations;
    assert_eq!((observations.begun, observations.standing()), (3, 3));
    // What the answers say of whole objects in plain text makes no sense.
    assert_eq!(observations.undecodable, 2);
}

#[test]
fn energy_readings_are_observed_by_switch_and_a_read_interview_reads_once() {
    let mut field = field(Interview::read().with([READINGS]));
    let device = field.add();
    field.register(device, &["lwm2m=1.1"], "</>;rt=\"oma.lwm2m\",</3/0>,</10243/0>");
    assert_eq!(field.devices[device].asked, ["GET 3", "GET 10243+"]);
}

#[test]
fn notifications_are_counted_by_freshness_and_read() {
    let mut field = field(Interview::observe());
    field.register_all(1);
    field.notify(0, "5/0/3", 2, "2");
    field.notify(0, "5/0/3", 5, "three");
    field.notify(0, "5/0/3", 4, "1");
    field.run_for(secs(1));
    let ObservationCounters { fresh, stale, bytes, .. } = field.counters().observations;
    assert_eq!((fresh, stale, bytes), (2, 1, 6));
}

#[test]
fn observations_outlive_long_silence_and_end_with_the_registration() {
    let mut field = field(Interview::observe());
    let device = field.add();
    field.register(device, &["lwm2m=1.2", "lt=3600"], OBJECTS);
    field.run_for(secs(1_000));
    assert_eq!(field.ems.known_peers(), 1);
    field.notify(device, "3", 2, "hello");
    assert_eq!(field.counters().observations.fresh, 1);
    field.run_for(secs(3_600));
    let counters = field.counters();
    assert_eq!((counters.expired, counters.observations.standing()), (1, 0));
    assert_eq!(field.ems.known_peers(), 0);
}

#[test]
fn a_new_registration_voids_observations_and_asks_again() {
    let mut field = field(Interview::observe());
    let device = field.add();
    field.register(device, &["lwm2m=1.2"], OBJECTS);
    field.register(device, &["lwm2m=1.2"], OBJECTS);
    let counters = field.counters();
    assert_eq!((counters.replaced, counters.interviews.completed), (1, 2));
    assert_eq!((counters.observations.begun, counters.observations.dropped), (8, 4));
    assert_eq!(field.devices[device].asked.len(), 8);
}

#[test]
fn an_update_with_more_objects_asks_about_those() {
    let mut field = field(Interview::read());
    let device = field.add();
    let location = field.register(device, &["lwm2m=1.2"], "</3/0>");
    assert_eq!(field.update(device, &location, &[], "</3/0>,</3601/0>"), Code::CHANGED);
    assert_eq!(field.update(device, &location, &[], "</3/0>,</3601/0>"), Code::CHANGED);
    assert_eq!(field.devices[device].asked, ["GET 3", "GET 3601"]);
    let counters = field.counters();
    assert_eq!((counters.interviews.completed, counters.relisted, counters.updates), (2, 2, 2));
}

#[test]
fn a_device_that_does_not_answer_is_not_asked_on() {
    let mut field = field(Interview::read());
    let device = field.add();
    field.devices[device].answer = Box::new(|_| None);
    field.register(device, &["lwm2m=1.2"], OBJECTS);
    field.devices[device].deaf = true;
    field.run_for(secs(400));
    let InterviewCounters { begun, failed, requests, .. } = field.counters().interviews;
    assert_eq!((begun, failed, requests), (1, 1, 1));
    // It may be forgotten now, as any other device.
    assert_eq!(field.ems.known_peers(), 0);
}

#[test]
fn a_device_that_moves_is_observed_again_at_its_new_address() {
    let mut field = field(Interview::observe());
    let (before, after) = (field.add(), field.add());
    let location = field.register(before, &["lwm2m=1.2"], OBJECTS);
    assert_eq!(field.update(after, &location, &[], ""), Code::CHANGED);
    assert_eq!(field.devices[after].asked.len(), 4);
    let counters = field.counters();
    assert_eq!((counters.moved, counters.observations.standing()), (1, 4));
    field.notify(after, "3", 2, "here");
    // The old address is nobody's any more: what comes from there is reset.
    field.notify(before, "3", 2, "there");
    assert_eq!(field.counters().observations.fresh, 1);
}

proptest! {
    /// Whatever devices answer, list and notify, interviews end and observations are accounted for.
    #[test]
    fn devices_may_say_anything(
        list in "(</>;rt=\"oma.lwm2m\";ct=[0-9]{1,5},)?(</(3|5|3600|10243|x)/[0-9]>,?){0,4}.{0,3}",
        format in prop_oneof![Just(0_u16), Just(40), Just(42), Just(110), Just(112), Just(11_542), any::<u16>()],
        payload in proptest::collection::vec(any::<u8>(), 0..40),
        code in prop_oneof![4 => Just(0x45_u8), 1 => 0x40_u8..0xbf],
        observable: bool,
    ) {
        let mut field = field(Interview::observe().with([READINGS]));
        let device = field.add();
        let answer = Message::response(Code(code)).with_content_format(ContentFormat(format));
        let answer = answer.with_payload(payload);
        field.devices[device].answer = Box::new(move |_| {
            Some(if observable { answer.clone().with_observe(1) } else { answer.clone() })
        });
        field.send(device, registration(device, &["lwm2m=1.2", "lt=60"], &list));
        let observers = std::mem::take(&mut field.devices[device].observers);
        for (number, (path, token)) in observers.into_iter().enumerate() {
            field.devices[device].observers = vec![(path.clone(), token)];
            field.notify(device, &path, number as u32 + 2, "\u{0}7");
        }
        field.run_for(secs(600));
        let counters = field.counters();
        let InterviewCounters { begun, completed, failed, cut_short, .. } = counters.interviews;
        prop_assert_eq!(begun, completed + failed + cut_short);
        prop_assert_eq!(counters.observations.standing(), 0);
        prop_assert_eq!(field.ems.known_peers(), 0);
    }
}
