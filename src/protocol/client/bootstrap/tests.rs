//! What servers make a registered device do: bootstrap again, and start as from the factory.

use std::sync::Arc;
use std::time::Duration;

use crate::base::{Instant, Seed};
use crate::protocol::client::client::Client;
use crate::protocol::client::manage::Kept;
use crate::protocol::client::{
    BootstrapPolicy, Config, Credentials, Event, Failure, FirmwarePolicy, Link, NoFinish, Output,
    RegistrationPolicy, ServerAccount, State, bootstrap_account, server_account,
};
use crate::protocol::coap::{self, Code, Exchange, Message, Params, Received};
use crate::protocol::lwm2m::{Path, Value, Version};

const EMS: Link = Link::Server(101);

/// A device with both accounts, and both servers played by hand.
struct Rig {
    client: Client,
    bootstrap_server: Exchange,
    ems: Exchange,
    /// What a server has heard and not answered yet.
    heard: Vec<(Link, Received)>,
    /// What the device answered, in order.
    answers: Vec<(Link, Code)>,
    events: Vec<Event>,
    now: Instant,
}

impl Rig {
    fn new(hold_off: Duration) -> Self {
        let params = Arc::new(Params::default());
        let mut factory = bootstrap_account("coap://127.0.0.1:1", hold_off);
        factory.extend(server_account(&ServerAccount {
            instance: 1,
            uri: "coap://127.0.0.1:2".to_owned(),
            short_server_id: 101,
            lifetime: Duration::from_secs(300),
            binding: "U".to_owned(),
            credentials: Credentials::NoSec,
        }));
        let config = Config {
            version: Version::V1_2,
            transmission: params.clone(),
            bootstrap: BootstrapPolicy {
                no_finish: Some(NoFinish::Total(Duration::from_secs(20))),
                ..BootstrapPolicy::default()
            },
            report: Default::default(),
            registration: RegistrationPolicy::default(),
            firmware: FirmwarePolicy::default(),
            factory: Arc::new(factory),
            provision: None,
            device: None,
        };
        Rig {
            client: Client::new(Arc::new(config), "meter".into(), 0, Seed(1)),
            bootstrap_server: Exchange::new(params.clone(), Seed(2).rng()),
            ems: Exchange::new(params, Seed(3).rng()),
            heard: Vec::new(),
            answers: Vec::new(),
            events: Vec::new(),
            now: Instant::ZERO,
        }
    }

    /// The same, registered with the EMS.
    fn registered(hold_off: Duration) -> Self {
        let mut rig = Rig::new(hold_off);
        rig.client.power_on(rig.now, rig.now);
        rig.settle();
        rig.serve(EMS, Message::response(Code::CREATED).with_location(&["rd", "1"]));
        assert_eq!(rig.client.state(), State::Registered);
        rig
    }

    fn server(&mut self, link: Link) -> &mut Exchange {
        match link {
            Link::Bootstrap => &mut self.bootstrap_server,
            _ => &mut self.ems,
        }
    }

    /// Passes messages to and fro until all are silent.
    fn settle(&mut self) {
        let now = self.now;
        loop {
            let mut any = false;
            while let Some(output) = self.client.poll_output() {
                any = true;
                match output {
                    Output::Open { link, .. } => self.client.handle_opened(link, now),
                    Output::Send { link, bytes } => self.server(link).handle_input(&bytes, now),
                    Output::Close { .. } => {}
                    Output::Event(event) => self.events.push(event),
                }
            }
            for link in [Link::Bootstrap, EMS] {
                while let Some(output) = self.server(link).poll_output() {
                    any = true;
                    match output {
                        coap::Output::Send(bytes) => self.client.handle_input(link, &bytes, now),
                        coap::Output::Event(coap::Event::Request(received)) => {
                            self.heard.push((link, received));
                        }
                        coap::Output::Event(coap::Event::Response { message, .. }) => {
                            self.answers.push((link, message.code()));
                        }
                        coap::Output::Event(_) => {}
                    }
                }
            }
            if !any {
                return;
            }
        }
    }

    /// Has the server on `link` answer the one request it has heard; that request.
    fn serve(&mut self, link: Link, answer: Message) -> Message {
        let (from, received) = self.heard.remove(0);
        assert!(from == link && self.heard.is_empty(), "{:?}", received.message);
        let request = received.message.clone();
        let now = self.now;
        self.server(link).respond(received, answer, now);
        self.settle();
        request
    }

    fn command(&mut self, request: Message) -> Code {
        let now = self.now;
        self.bootstrap_server.request(request, now);
        self.settle();
        self.answers.pop().expect("the device answers").1
    }

    fn at(&mut self, seconds: u64) {
        self.now = Instant::from_secs(seconds);
        while let Some((due, _)) = self.client.poll_timeout().filter(|(due, _)| *due <= self.now) {
            let end = std::mem::replace(&mut self.now, due);
            self.client.handle_timeout(due);
            self.settle();
            self.now = end;
        }
    }
}

#[test]
fn a_trigger_is_answered_before_the_device_bootstraps_again() {
    let mut rig = Rig::registered(Duration::ZERO);
    // A read that the message layer has yet to answer when the trigger strikes.
    rig.ems.request(Message::request(Code::GET).with_path(&["1", "1", "1"]), rig.now);
    let Some(coap::Output::Send(read)) = rig.ems.poll_output() else { panic!("a request goes out") };
    rig.client.handle_input(EMS, &read, rig.now);
    rig.client.trigger_bootstrap(rig.now);
    rig.settle();
    assert_eq!(rig.answers, [(EMS, Code::CONTENT)]);
    assert_eq!(rig.client.state(), State::Bootstrapping);
    assert!(rig.serve(Link::Bootstrap, Message::response(Code::CHANGED)).path_is(&["bs"]));
    // A second trigger changes nothing.
    rig.client.trigger_bootstrap(rig.now);
    rig.settle();
    assert!(rig.heard.is_empty());
    assert_eq!(rig.command(Message::request(Code::POST).with_path(&["bs"])), Code::CHANGED);
    let register = rig.serve(EMS, Message::response(Code::CREATED).with_location(&["rd", "2"]));
    assert!(register.path_is(&["rd"]));
    assert_eq!(rig.client.state(), State::Registered);
}

#[test]
fn a_triggered_bootstrap_that_fails_leaves_the_registration() {
    let mut rig = Rig::registered(Duration::from_secs(200));
    rig.client.trigger_bootstrap(rig.now);
    rig.settle();
    assert_eq!(rig.client.state(), State::HoldOff);
    // The registration is kept up in the meantime, and the device goes on waiting.
    rig.at(150);
    assert!(rig.serve(EMS, Message::response(Code::CHANGED)).path_is(&["rd", "1"]));
    assert_eq!(rig.client.state(), State::HoldOff);
    rig.at(200);
    rig.serve(Link::Bootstrap, Message::response(Code::BAD_REQUEST));
    assert_eq!(rig.client.state(), State::Registered);
    rig.at(300);
    assert!(rig.serve(EMS, Message::response(Code::CHANGED)).path_is(&["rd", "1"]));
}

#[test]
fn requests_of_servers_wait_until_the_bootstrap_is_over() {
    let mut rig = Rig::registered(Duration::ZERO);
    rig.client.trigger_bootstrap(rig.now);
    rig.settle();
    rig.serve(Link::Bootstrap, Message::response(Code::CHANGED));
    rig.ems.request(Message::request(Code::GET).with_path(&["1", "1", "1"]), rig.now);
    rig.settle();
    assert!(rig.answers.is_empty());
    // Finish never comes, so all is as before, and the server asks again.
    rig.at(20);
    assert!(rig.events.contains(&Event::Failed(Failure::NoFinish)));
    let now = rig.now;
    rig.ems.handle_timeout(now);
    rig.settle();
    assert_eq!(rig.answers, [(EMS, Code::CONTENT)]);
}

#[test]
fn registrations_go_by_the_store_from_before_while_the_new_one_is_written() {
    let mut rig = Rig::registered(Duration::ZERO);
    rig.at(149);
    rig.client.trigger_bootstrap(rig.now);
    rig.settle();
    rig.serve(Link::Bootstrap, Message::response(Code::CHANGED));
    assert_eq!(rig.command(Message::request(Code::DELETE)), Code::DELETED);
    // The Update at half the lifetime, and what its refusal leads to.
    rig.at(150);
    rig.serve(EMS, Message::response(Code::NOT_FOUND));
    let register = rig.serve(EMS, Message::response(Code::CREATED).with_location(&["rd", "2"]));
    assert_eq!(register.query("lt"), Some("300"));
    assert!(String::from_utf8_lossy(register.payload()).contains("</1/1>"));
    // The Bootstrap-Server falls silent.
    rig.at(171);
    assert_eq!(rig.client.state(), State::Registered);
}

#[test]
fn a_way_that_has_to_be_opened_during_a_bootstrap_is_found() {
    let mut rig = Rig::new(Duration::ZERO);
    rig.client.power_on(rig.now, rig.now);
    rig.settle();
    rig.serve(EMS, Message::response(Code::FORBIDDEN));
    // The next try is a minute later.
    rig.at(59);
    rig.client.trigger_bootstrap(rig.now);
    rig.settle();
    rig.serve(Link::Bootstrap, Message::response(Code::CHANGED));
    assert_eq!(rig.command(Message::request(Code::DELETE)), Code::DELETED);
    rig.at(60);
    rig.serve(EMS, Message::response(Code::CREATED).with_location(&["rd", "2"]));
    assert!(!rig.events.contains(&Event::Failed(Failure::ServerUri)));
}

#[test]
fn without_a_bootstrap_account_nothing_can_be_triggered() {
    let mut rig = Rig::registered(Duration::ZERO);
    rig.client.purge_bootstrap_account();
    assert!(!rig.client.has_bootstrap_account());
    rig.client.trigger_bootstrap(rig.now);
    rig.settle();
    assert_eq!(rig.client.state(), State::Registered);
}

#[test]
fn a_factory_reset_forgets_all_that_came_later() {
    let mut rig = Rig::registered(Duration::ZERO);
    rig.client.tree.set(Path::resource(1, 1, 1), Value::Integer(7));
    rig.client.tree.set(Path::resource(1, 2, 0), Value::Integer(7));
    rig.client.factory_reset(Kept::Initial, rig.now);
    rig.settle();
    assert!(rig.serve(EMS, Message::response(Code::CREATED).with_location(&["rd", "2"])).path_is(&["rd"]));
    assert_eq!(rig.client.tree().get(Path::resource(1, 1, 1)), Some(&Value::Integer(300)));
    assert!(!rig.client.tree().has_instance(1, 2));
    assert_eq!(rig.client.state(), State::Registered);
}

#[test]
fn a_device_that_leaves_is_not_reset() {
    let mut rig = Rig::registered(Duration::ZERO);
    rig.client.shutdown(rig.now);
    rig.settle();
    rig.client.factory_reset(Kept::Initial, rig.now);
    rig.serve(EMS, Message::response(Code::DELETED));
    assert!(rig.heard.is_empty());
    assert_eq!(rig.client.state(), State::Deregistered);
}

#[test]
fn what_comes_from_a_server_of_the_past_is_not_taken_for_the_bootstrap_servers() {
    let rig = Rig::registered(Duration::ZERO);
    let write = [0x40, Code::PUT.0, 0, 1];
    let past = [Link::Server(7), Link::Server(8)];
    assert_eq!(rig.client.link_of(&past, &write), past[0]);
    assert_eq!(rig.client.link_of(&[past[0], EMS], &write), EMS);
    assert_eq!(rig.client.link_of(&[past[0], Link::Bootstrap], &write), Link::Bootstrap);
}

#[test]
fn a_bootstrap_account_does_not_go_while_it_is_needed() {
    let mut rig = Rig::registered(Duration::from_secs(100));
    rig.client.purge = Some(Instant::from_secs(50));
    rig.client.trigger_bootstrap(rig.now);
    rig.at(100);
    assert_eq!(rig.client.state(), State::Bootstrapping);
    assert!(rig.client.has_bootstrap_account());
}

#[test]
fn a_bootstrap_account_goes_in_the_end_although_a_later_bootstrap_failed() {
    let mut rig = Rig::registered(Duration::ZERO);
    rig.client.purge = Some(Instant::from_secs(50));
    rig.client.trigger_bootstrap(rig.now);
    rig.settle();
    rig.serve(Link::Bootstrap, Message::response(Code::FORBIDDEN));
    assert_eq!(rig.client.state(), State::Registered);
    rig.at(49);
    assert!(rig.client.has_bootstrap_account());
    rig.at(51);
    assert!(!rig.client.has_bootstrap_account());
    // The same where its time runs out while the bootstrap is under way.
    let mut rig = Rig::registered(Duration::from_secs(100));
    rig.client.purge = Some(Instant::from_secs(50));
    rig.client.trigger_bootstrap(rig.now);
    rig.at(100);
    rig.serve(Link::Bootstrap, Message::response(Code::FORBIDDEN));
    rig.at(101);
    assert_eq!(rig.client.state(), State::Registered);
    assert!(!rig.client.has_bootstrap_account());
}

#[test]
fn a_bootstrap_server_nobody_can_find_leaves_the_registration() {
    let mut rig = Rig::registered(Duration::ZERO);
    rig.client.tree.set(Path::resource(0, 0, 0), Value::from("mailto:nobody"));
    rig.client.trigger_bootstrap(rig.now);
    rig.settle();
    assert!(rig.events.contains(&Event::Failed(Failure::ServerUri)));
    assert_eq!(rig.client.state(), State::Registered);
}
