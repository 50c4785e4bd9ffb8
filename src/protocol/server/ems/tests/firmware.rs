//! Firmware updates from the package to the result.

use std::cell::Cell;
use std::rc::Rc;

use super::*;
use crate::protocol::lwm2m::package::{self, PackageVersion};

fn firmware(delivery: Delivery) -> Firmware {
    Firmware { version: PackageVersion(0x0001_0200), size: 5_000, delivery, poll: secs(10), limit: secs(600) }
}

fn field(delivery: Delivery) -> Field {
    let campaign = Campaign {
        action: Action::Firmware(firmware(delivery)),
        start: secs(5),
        rate: "1/s".parse().unwrap(),
        share: None,
        repeat: None,
    };
    Field::new(EmsConfig { campaigns: vec![campaign], uri: "coap://ems".into(), ..config() })
}

/// A device whose state and result a test sets; Update begins to install.
fn updatable(field: &mut Field, state: &Rc<Cell<i32>>, result: &Rc<Cell<i32>>) -> usize {
    let device = field.add();
    let (state, result) = (state.clone(), result.clone());
    field.devices[device].answer = Box::new(move |request| {
        let path: Vec<&str> = request.path().collect();
        Some(match path.as_slice() {
            ["5", "0", "0"] => {
                assert_eq!(package::check(request.payload()), Ok(PackageVersion(0x0001_0200)));
                state.set(2);
                Message::response(Code::CHANGED)
            }
            ["5", "0", "1"] => {
                assert!(request.payload().ends_with(b"coap://ems/firmware/0"));
                state.set(1);
                Message::response(Code::CHANGED)
            }
            ["5", "0", "2"] => {
                state.set(3);
                Message::response(Code::CHANGED)
            }
            ["5", "0", "3"] => text(&state.get().to_string()),
            ["5", "0", "5"] => text(&result.get().to_string()),
            _ => agreeable(request),
        })
    });
    field.register(device, &["lwm2m=1.1", "lt=86400"], OBJECTS);
    device
}

#[test]
fn a_pushed_package_is_installed_and_followed_over_the_reboot() {
    let (state, result) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let mut field = field(Delivery::Push);
    let device = updatable(&mut field, &state, &result);
    field.run_for(secs(20));
    assert_eq!(field.devices[device].asked[..3], ["PUT 5/0/0", "GET 5/0/3", "POST 5/0/2"]);
    state.set(0);
    result.set(1);
    field.register(device, &["lwm2m=1.1"], OBJECTS);
    field.run_for(Duration::from_millis(1));
    let FirmwareCounters { begun, downloaded, succeeded, duration, .. } =
        field.counters().campaigns[0].firmware.clone();
    assert_eq!((begun, downloaded, succeeded, duration.count), (1, 1, 1, 1));
    assert_eq!(field.ems.updates.as_ref().map(|updates| updates.next()), Some(None));
}

#[test]
fn a_pulled_package_is_waited_for_and_a_failure_told_by_its_result() {
    let (state, result) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let mut field = field(Delivery::Pull);
    let device = updatable(&mut field, &state, &result);
    field.run_for(secs(30));
    assert_eq!(field.counters().campaigns[0].firmware.downloaded, 0);
    let code = field.send(device, Message::request(Code::GET).with_path(&["firmware", "0"]));
    assert_eq!(code, Code::CONTENT);
    assert_eq!(field.devices[device].answers.last().unwrap().payload(), firmware(Delivery::Pull).package(0));
    assert_eq!(field.counters().firmware_requests, 1);
    state.set(0);
    result.set(5);
    field.run_for(secs(11));
    let firmware = field.counters().campaigns[0].firmware.clone();
    assert_eq!(firmware.failed.into_iter().collect::<Vec<_>>(), [(5, 1)]);
    let code = field.send(device, Message::request(Code::GET).with_path(&["firmware", "1"]));
    assert_eq!(code, Code::NOT_FOUND);
}

#[test]
fn a_notification_of_the_state_does_for_a_look() {
    let (state, result) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let mut field = field(Delivery::Pull);
    let device = updatable(&mut field, &state, &result);
    let observe = Question::observe(Interview::FIRMWARE_STATE);
    let slot = field.ems.peers.find(field.devices[device].address).unwrap();
    field.devices[device].answer = {
        let mut answer = std::mem::replace(&mut field.devices[device].answer, Box::new(|_| None));
        Box::new(move |request| {
            let answer = answer(request)?;
            Some(if request.observe() == Some(0) { answer.with_observe(1) } else { answer })
        })
    };
    field.ems.ask(slot, [observe].into_iter(), field.now);
    field.ems.drain(slot, field.now);
    field.run_for(secs(6));
    state.set(2);
    field.notify(device, "5/0/3", 2, "2");
    assert_eq!(field.devices[device].asked.last().unwrap(), "POST 5/0/2");
    assert_eq!(field.counters().campaigns[0].firmware.downloaded, 1);
}

#[test]
fn a_device_that_never_gets_there_is_given_up_and_a_refusal_ends_it() {
    let (state, result) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let mut field = field(Delivery::Pull);
    updatable(&mut field, &state, &result);
    let refusing = field.add();
    field.devices[refusing].answer = Box::new(|_| Some(Message::response(Code::NOT_FOUND)));
    field.register(refusing, &["lwm2m=1.1", "lt=86400"], OBJECTS);
    field.run_for(secs(700));
    let FirmwareCounters { begun, gave_up, refused, .. } = field.counters().campaigns[0].firmware.clone();
    assert_eq!((begun, gave_up, refused), (2, 1, 1));
}
