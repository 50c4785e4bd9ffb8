//! What devices are told, when, and what waits for them.

use super::*;
use crate::base::{Percent, Rate};
use crate::protocol::lwm2m::{Path, Value};
use crate::protocol::server::{Pace, Service};

fn campaign(action: Action) -> Campaign {
    Campaign { action, start: secs(100), rate: rate("1/s"), share: None, repeat: None }
}

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

fn field(campaigns: Vec<Campaign>) -> Field {
    Field::new(EmsConfig { campaigns, ..config() })
}

/// What each device was asked.
fn asked(field: &Field) -> Vec<&[String]> {
    field.devices.iter().map(|device| &*device.asked).collect()
}

#[test]
fn devices_are_told_in_the_order_of_their_registration_at_the_rate() {
    let mut field = field(vec![Campaign { rate: rate("2/s"), ..campaign(Action::UpdateTrigger) }]);
    field.register_all(5);
    field.run_for(secs(100) - Duration::from_millis(51));
    assert_eq!(asked(&field).concat().len(), 0);
    field.run_for(Duration::from_millis(1_100));
    assert_eq!(asked(&field).iter().map(|asked| asked.len()).collect::<Vec<_>>(), [1, 1, 1, 0, 0]);
    field.run_for(secs(10));
    assert_eq!(asked(&field).concat(), ["POST 1/0/8"; 5]);
    let CampaignCounters { rounds, devices, requests, sent, ok, latency, .. } =
        field.counters().campaigns[0].clone();
    assert_eq!((rounds, devices, requests, sent, ok, latency.count), (1, 5, 5, 5, 5, 5));
}

#[test]
fn those_who_left_are_passed_over_without_a_pause() {
    let mut field = field(vec![campaign(Action::Reboot)]);
    field.register_all(4);
    let location = field.register(1, &["lwm2m=1.2"], OBJECTS);
    let path: Vec<&str> = location.iter().map(String::as_str).collect();
    field.send(1, Message::request(Code::DELETE).with_path(&path));
    field.run_for(secs(101));
    assert_eq!(asked(&field).iter().map(|asked| asked.len()).collect::<Vec<_>>(), [1, 0, 1, 0]);
    field.run_for(secs(10));
    let CampaignCounters { devices, unregistered, rounds, .. } = field.counters().campaigns[0].clone();
    assert_eq!((devices, unregistered, rounds), (3, 1, 1));
}

#[test]
fn a_share_takes_part_and_rounds_repeat() {
    let share = Some("30%".parse::<Percent>().unwrap());
    let repeat = Some(secs(50));
    let action = Action::Read(Path::resource(3, 0, 9));
    let mut field = field(vec![Campaign { share, repeat, ..campaign(action) }]);
    field.register_all(10);
    field.run_for(secs(170));
    let CampaignCounters { devices, rounds, ok, .. } = field.counters().campaigns[0].clone();
    assert_eq!((devices, rounds, ok), (6, 2, 6));
    assert_eq!(asked(&field).concat(), ["GET 3/0/9"; 6]);
}

#[test]
fn workers_share_the_rate() {
    let campaigns = vec![campaign(Action::Reboot)];
    let mut field = Field::new(EmsConfig { campaigns, workers: 4, ..config() });
    field.register_all(3);
    field.run_for(secs(107));
    assert_eq!(field.counters().campaigns[0].devices, 2);
}

#[test]
fn each_action_is_the_request_it_should_be() {
    let path = Path::resource(3, 0, 13);
    let arguments = String::from("0='1'");
    let actions = [
        (Action::UpdateTrigger, "POST 1/0/8"),
        (Action::BootstrapTrigger, "POST 1/0/9"),
        (Action::Disable, "POST 1/0/4"),
        (Action::Reboot, "POST 3/0/4"),
        (Action::FactoryReset, "POST 3/0/5"),
        (Action::Execute { path: Path::resource(3, 0, 12), arguments }, "POST 3/0/12"),
        (Action::Read(path), "GET 3/0/13"),
        (Action::Observe(path), "GET 3/0/13+"),
        (Action::Cancel(path), "GET 3/0/13-"),
        (Action::Write(path, Value::Time(1)), "PUT 3/0/13"),
    ];
    let starts = (1..).map(secs);
    let campaigns = actions.iter().zip(starts);
    let campaigns =
        campaigns.map(|((action, _), start)| Campaign { start, ..campaign(action.clone()) }).collect();
    let mut field = field(campaigns);
    field.register_all(1);
    field.run_for(secs(60));
    assert_eq!(field.devices[0].asked, actions.map(|(_, request)| request));
    let counters = field.counters();
    assert!(counters.campaigns.iter().all(|campaign| campaign.ok == 1 && campaign.rounds == 1));
    let ObservationCounters { begun, dropped, .. } = counters.observations;
    assert_eq!((begun, dropped), (1, 1));
}

#[test]
fn of_several_accounts_the_one_with_our_id_is_meant() {
    let mut field = field(vec![campaign(Action::UpdateTrigger), campaign(Action::Disable)]);
    let device = field.add();
    field.devices[device].answer = Box::new(|request| {
        let payload = br#"[{"bn":"/1/","n":"0/0","v":7},{"n":"3/0","v":101}]"#.to_vec();
        Some(match request.code() {
            Code::GET => Message::response(Code::CONTENT)
                .with_content_format(ContentFormat::SENML_JSON)
                .with_payload(payload),
            _ => Message::response(Code::CHANGED),
        })
    });
    field.register(device, &["lwm2m=1.1"], "</1/0>,</1/3>,</3/0>");
    field.run_for(secs(110));
    assert_eq!(field.devices[device].asked, ["GET 1", "POST 1/3/8", "POST 1/3/4"]);
    let campaign = &field.counters().campaigns[0];
    assert_eq!((campaign.requests, campaign.sent, campaign.ok), (2, 2, 2));
}

#[test]
fn what_becomes_of_requests_is_told_apart() {
    let mut field = field(vec![campaign(Action::Reboot), campaign(Action::Cancel(Path::object(3)))]);
    for _ in 0..4 {
        let device = field.add();
        field.register(device, &["lwm2m=1.2"], OBJECTS);
    }
    field.devices[1].answer = Box::new(|_| Some(Message::response(Code::METHOD_NOT_ALLOWED)));
    field.devices[2].deaf = true;
    field.devices[3].answer = Box::new(|_| None);
    // The answer is acknowledged in advance and never comes; then the device registers anew.
    field.run_for(secs(200));
    field.register(3, &["lwm2m=1.2"], OBJECTS);
    field.run_for(secs(500));
    let counters = field.counters();
    let CampaignCounters { requests, ok, errors, timed_out, cancelled, .. } = counters.campaigns[0].clone();
    assert_eq!((requests, ok, timed_out, cancelled), (4, 1, 1, 1));
    assert_eq!(errors.into_iter().collect::<Vec<_>>(), [(Code::METHOD_NOT_ALLOWED, 1)]);
    // Nobody is observed; what waited behind the unanswered request went with the registration.
    let CampaignCounters { passed_over, cancelled, .. } = counters.campaigns[1];
    assert_eq!((passed_over, cancelled), (3, 1));
}

#[test]
fn requests_wait_for_devices_in_queue_mode_until_they_are_heard() {
    let campaigns = vec![campaign(Action::Reboot), campaign(Action::UpdateTrigger)];
    let mut field = Field::new(EmsConfig { campaigns, max_waiting: 1, ..config() });
    let device = field.add();
    let location = field.register(device, &["lwm2m=1.2", "lt=86400", "b=U", "Q"], OBJECTS);
    field.run_for(secs(1_000));
    assert!(field.devices[device].asked.is_empty());
    let counters = field.counters();
    assert_eq!((counters.queue.held, counters.queue.released), (1, 0));
    assert_eq!((counters.campaigns[0].held, counters.campaigns[1].overflowed), (1, 1));
    field.update(device, &location, &[], "");
    assert_eq!(field.devices[device].asked, ["POST 3/0/4"]);
    let counters = field.counters();
    assert_eq!((counters.queue.released, counters.campaigns[0].ok), (1, 1));
}

#[test]
fn a_device_that_was_just_heard_is_awake_and_a_lost_one_drops_what_waited() {
    let repeat = Some(secs(100));
    let mut field = field(vec![Campaign { start: secs(50), repeat, ..campaign(Action::Reboot) }]);
    let device = field.add();
    field.register(device, &["lwm2m=1.0", "lt=120", "b=UQ"], OBJECTS);
    field.run_for(secs(60));
    assert_eq!(field.devices[device].asked.len(), 1);
    // Its answer was the last that was heard of it; the next round comes when it is asleep.
    field.run_for(secs(300));
    let counters = field.counters();
    assert_eq!(counters.expired, 1);
    assert_eq!((counters.queue.held, counters.queue.dropped), (1, 1));
    assert_eq!(counters.campaigns[0].cancelled, 1);
}

#[test]
fn a_device_that_was_forgotten_as_a_peer_is_still_told() {
    let mut field = field(vec![Campaign { start: secs(2_000), ..campaign(Action::Reboot) }]);
    let device = field.add();
    field.register(device, &["lwm2m=1.2", "lt=86400"], OBJECTS);
    field.run_for(secs(1_000));
    assert_eq!(field.ems.known_peers(), 0);
    field.run_for(secs(1_100));
    assert_eq!(field.devices[device].asked, ["POST 3/0/4"]);
    field.run_for(secs(1_000));
    assert_eq!(field.ems.known_peers(), 0);
}

#[test]
fn a_slow_server_asks_only_after_it_has_answered() {
    let pace = Pace { workers: 1, time: "2s".parse().unwrap(), queue: 1, max_age: secs(30) };
    let service = Service { pace: Some(pace), ..Service::default() };
    let mut field = Field::new(EmsConfig { service, interview: Interview::read(), ..config() });
    for device in 0..3 {
        field.add();
        let code = field.send(device, registration(device, &["lwm2m=1.2"], OBJECTS));
        assert_eq!(code, if device < 2 { Code::EMPTY } else { Code::SERVICE_UNAVAILABLE });
    }
    field.run_for(secs(3));
    assert_eq!(asked(&field).iter().map(|asked| asked.len()).collect::<Vec<_>>(), [4, 0, 0]);
    field.run_for(secs(2));
    assert_eq!(asked(&field).iter().map(|asked| asked.len()).collect::<Vec<_>>(), [4, 4, 0]);
    let counters = field.counters();
    assert_eq!((counters.registrations, counters.refused, counters.desk.overloaded), (2, 0, 1));
    assert_eq!(counters.interviews.completed, 2);
}

#[test]
fn of_two_registrations_at_one_address_only_the_later_is_told() {
    let mut field = field(vec![campaign(Action::Reboot)]);
    let device = field.add();
    field.register(device, &["lwm2m=1.2"], OBJECTS);
    let other = registration(7, &["lwm2m=1.2"], OBJECTS);
    assert_eq!(field.send(device, other), Code::CREATED);
    field.run_for(secs(110));
    assert_eq!(field.devices[device].asked, ["POST 3/0/4"]);
    let CampaignCounters { devices, requests, ok, passed_over, .. } = field.counters().campaigns[0];
    assert_eq!((devices, requests, ok, passed_over), (2, 2, 1, 1));
}
