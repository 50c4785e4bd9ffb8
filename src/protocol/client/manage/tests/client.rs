//! A registered device and its server, message by message.

use std::sync::Arc;

use super::*;
use crate::base::Seed;
use crate::protocol::client::{
    BootstrapPolicy, Config, FirmwarePolicy, Link, Output, RegistrationPolicy, State as DeviceState,
};
use crate::protocol::coap::{Exchange, Params};

const NOW: Instant = Instant::from_secs(5);
const LINK: Link = Link::Server(101);

/// A device and the end of its server.
struct Pair {
    client: Client,
    server: Exchange,
    /// What the device told, of what the tests look at.
    served: Vec<(Operation, bool)>,
    /// The methods of the device's own requests.
    asked: Vec<Code>,
}

impl Pair {
    fn registered() -> Self {
        let mut factory = template();
        factory.extend([
            Entry::new(at("/0/1/0"), "coap://127.0.0.1".into()),
            Entry::new(at("/0/1/1"), Value::Boolean(false)),
            Entry::new(at("/0/1/10"), Value::Integer(101)),
        ]);
        factory.sort_by_key(|entry| entry.path);
        let config = Config { factory: Arc::new(factory), ..config() };
        let mut pair = Pair {
            client: Client::new(Arc::new(config), "meter".into(), 0, Seed(1)),
            server: Exchange::new(Arc::new(Params::default()), Seed(2).rng()),
            served: Vec::new(),
            asked: Vec::new(),
        };
        pair.client.power_on(NOW, NOW);
        pair.client.handle_opened(LINK, NOW);
        pair.settle();
        assert_eq!(pair.client.state(), DeviceState::Registered);
        pair
    }

    /// Carries messages to and fro until both are silent; the server says yes to everything. Returns the
    /// last answer of the device.
    fn settle(&mut self) -> Option<Message> {
        let mut answer = None;
        loop {
            let mut silent = true;
            while let Some(output) = self.client.poll_output() {
                match output {
                    Output::Send { bytes, .. } => self.server.handle_input(&bytes, NOW),
                    Output::Event(Event::Served { operation, success }) => {
                        self.served.push((operation, success))
                    }
                    Output::Event(_) | Output::Open { .. } | Output::Close { .. } => {}
                }
                silent = false;
            }
            while let Some(output) = self.server.poll_output() {
                match output {
                    coap::Output::Send(bytes) => self.client.handle_input(LINK, &bytes, NOW),
                    coap::Output::Event(coap::Event::Request(request)) => {
                        self.asked.push(request.message.code());
                        let yes = match request.message.path_is(&["rd"]) {
                            true => Message::response(Code::CREATED).with_location(&["rd", "1"]),
                            false if request.message.code() == Code::DELETE => {
                                Message::response(Code::DELETED)
                            }
                            false => Message::response(Code::CHANGED),
                        };
                        self.server.respond(request, yes, NOW);
                    }
                    coap::Output::Event(coap::Event::Response { message, .. }) => answer = Some(message),
                    coap::Output::Event(_) => {}
                }
                silent = false;
            }
            if self.client.poll_timeout().is_some_and(|(due, _)| due <= NOW) {
                self.client.handle_timeout(NOW);
            } else if silent {
                return answer;
            }
        }
    }

    fn ask(&mut self, request: Message) -> Message {
        self.server.request(request, NOW);
        self.settle().expect("the device answers")
    }
}

fn config() -> Config {
    Config {
        version: Version::V1_1,
        transmission: Arc::new(Params::default()),
        bootstrap: BootstrapPolicy::default(),
        registration: RegistrationPolicy::default(),
        firmware: FirmwarePolicy::default(),
        report: crate::protocol::client::ReportPolicy::default(),
        factory: Arc::default(),
        provision: None,
        device: None,
    }
}

#[test]
fn a_request_is_answered_and_counted() {
    let mut pair = Pair::registered();
    assert_eq!(pair.ask(request("GET /3/0/0")).payload(), b"ACME");
    assert_eq!(pair.ask(request("GET /4")).code(), Code::NOT_FOUND);
    assert_eq!(pair.served, [(Operation::Read, true), (Operation::Read, false)]);
}

#[test]
fn a_new_lifetime_is_told_in_an_update() {
    let mut pair = Pair::registered();
    assert_eq!(pair.ask(with_text("PUT /1/0/1", "600")).code(), Code::CHANGED);
    assert_eq!(pair.asked, [Code::POST, Code::POST]);
    assert_eq!(pair.client.state(), DeviceState::Registered);
}

#[test]
fn an_answer_goes_out_before_what_follows_from_it() {
    let mut pair = Pair::registered();
    assert_eq!(pair.ask(request("POST /1/0/4")).code(), Code::CHANGED);
    assert_eq!(pair.asked, [Code::POST, Code::DELETE]);
    for (target, state) in [
        ("POST /1/0/9", DeviceState::Bootstrapping),
        ("POST /3/0/4", DeviceState::Registering),
        ("POST /3/0/5", DeviceState::Registering),
    ] {
        let mut pair = Pair::registered();
        assert_eq!(pair.ask(request(target)).code(), Code::CHANGED, "{target}");
        assert_eq!(pair.client.state(), state, "{target}");
    }
}

#[test]
fn attributes_stay_with_the_registration_and_go_with_what_they_were_attached_to() {
    let mut pair = Pair::registered();
    let attached = |pair: &Pair| pair.client.registrations[0].attributes.get(at("/11/0")).is_some();
    assert_eq!(pair.ask(request("PUT /11/0?pmin=5")).code(), Code::CHANGED);
    assert!(attached(&pair));
    assert_eq!(pair.ask(request("DELETE /11/0")).code(), Code::DELETED);
    assert!(!attached(&pair));
}
