//! The EMS against devices that say what they are told to, on the virtual clock.

mod campaigns;
mod firmware;
mod interview;
mod links;
mod memory;
mod registration;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::protocol::coap::{Event as Heard, Exchange, Output, Params, Token};

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5683);

/// What every device lists, unless a test says otherwise.
const OBJECTS: &str = "</>;rt=\"oma.lwm2m\";ct=\"0 112 11542\",</1/0>,</3/0>,</4/0>,</5/0>,</3600/0>";

/// How a device answers a request; `None` for not at all.
type Answer = Box<dyn FnMut(&Message) -> Option<Message>>;

/// A device: a message layer, and what it does with requests.
struct Device {
    address: SocketAddr,
    exchange: Exchange,
    /// Requests it got, in their order, as `GET 3/0`; `+` behind those that observe, `-` behind those that
    /// end it.
    asked: Vec<String>,
    /// Answers it got.
    answers: Vec<Message>,
    answer: Answer,
    /// The tokens of the observations it was asked for, by path.
    observers: Vec<(String, Token)>,
    /// Whether what is sent to it is lost.
    deaf: bool,
}

/// An EMS and its devices.
struct Field {
    ems: Ems,
    devices: Vec<Device>,
    now: Instant,
}

impl Field {
    fn new(config: EmsConfig) -> Self {
        Field { ems: Ems::new(config, 0, Seed(1)), devices: Vec::new(), now: Instant::ZERO }
    }

    /// A device more, by its number.
    fn add(&mut self) -> usize {
        let number = self.devices.len();
        self.devices.push(Device {
            address: SocketAddr::from(([127, 0, 1, number as u8 + 1], 5683)),
            exchange: Exchange::new(Arc::default(), Seed(number as u64).child("device", 0).rng()),
            asked: Vec::new(),
            answers: Vec::new(),
            answer: Box::new(|request| Some(agreeable(request))),
            observers: Vec::new(),
            deaf: false,
        });
        number
    }

    /// The device sends a request, and the answer has come in when this returns, if there is one at once.
    fn send(&mut self, device: usize, request: Message) -> Code {
        let before = self.devices[device].answers.len();
        let now = self.now;
        self.devices[device].exchange.request(request, now);
        self.exchange_all();
        self.devices[device].answers.get(before).map_or(Code::EMPTY, Message::code)
    }

    /// Registers a device with these parameters beside the name; its location.
    fn register(&mut self, device: usize, queries: &[&str], objects: &str) -> Vec<String> {
        let code = self.send(device, registration(device, queries, objects));
        assert_eq!(code, Code::CREATED);
        self.devices[device].answers.last().unwrap().location().map(str::to_owned).collect()
    }

    /// Registers so many new devices, 10 ms apart.
    fn register_all(&mut self, devices: usize) {
        for _ in 0..devices {
            let device = self.add();
            self.register(device, &["lwm2m=1.2", "lt=300"], OBJECTS);
            self.run_for(Duration::from_millis(10));
        }
    }

    fn update(&mut self, device: usize, location: &[String], queries: &[&str], objects: &str) -> Code {
        let path: Vec<&str> = location.iter().map(String::as_str).collect();
        let request = Message::request(Code::POST).with_path(&path);
        self.send(device, with(request, queries, objects))
    }

    /// The device notifies whoever observes `path`.
    fn notify(&mut self, device: usize, path: &str, number: u32, text: &str) {
        let now = self.now;
        let device = &mut self.devices[device];
        let token = device.observers.iter().rev().find(|(observed, _)| observed == path).unwrap().1;
        let notification = Message::response(Code::CONTENT)
            .with_observe(number)
            .with_content_format(ContentFormat::TEXT)
            .with_payload(text.as_bytes().to_vec());
        device.exchange.notify(token, notification, true, now);
        self.exchange_all();
    }

    fn run_for(&mut self, span: Duration) {
        let until = self.now + span;
        loop {
            self.exchange_all();
            let devices = self.devices.iter().filter_map(|device| device.exchange.poll_timeout());
            let next = devices.map(|(at, _)| at).chain(self.ems.poll_timeout()).min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            let now = self.now;
            self.devices.iter_mut().for_each(|device| device.exchange.handle_timeout(now));
            self.ems.handle_timeout(now);
        }
        self.now = until;
    }

    /// Everything that is sent arrives at once, until nothing is.
    fn exchange_all(&mut self) {
        loop {
            let mut idle = true;
            for number in 0..self.devices.len() {
                while let Some(output) = self.devices[number].exchange.poll_output() {
                    idle = false;
                    match output {
                        Output::Send(bytes) => {
                            let from = self.devices[number].address;
                            self.ems.handle_input(from, SERVER.ip(), &bytes, self.now);
                        }
                        Output::Event(event) => self.devices[number].heard(event, self.now),
                    }
                }
            }
            while let Some(transmit) = self.ems.poll_output() {
                idle = false;
                assert_eq!(transmit.from, SERVER.ip());
                let to = self.devices.iter_mut().find(|device| device.address == transmit.to);
                if let Some(device) = to.filter(|device| !device.deaf) {
                    device.exchange.handle_input(&transmit.bytes, self.now);
                }
            }
            if idle {
                return;
            }
        }
    }

    fn counters(&self) -> EmsCounters {
        self.ems.counters()
    }
}

impl Device {
    fn heard(&mut self, event: Heard, now: Instant) {
        match event {
            Heard::Request(received) => {
                let request = &received.message;
                let path: Vec<&str> = request.path().collect();
                let path = path.join("/");
                let mark = match request.observe() {
                    None => "",
                    Some(0) => "+",
                    Some(_) => "-",
                };
                self.asked.push(format!("{} {path}{mark}", method(request.code())));
                if request.observe() == Some(0) {
                    self.observers.push((path, request.token()));
                }
                if let Some(answer) = (self.answer)(request) {
                    self.exchange.respond(received, answer, now);
                }
            }
            Heard::Response { message, .. } => self.answers.push(message),
            _ => {}
        }
    }
}

fn method(code: Code) -> &'static str {
    ["", "GET", "POST", "PUT", "DELETE", "FETCH", "PATCH", "IPATCH"][usize::from(code.0)]
}

/// Says 2.05 with a little text to every GET, agrees to observations, and says 2.04 to all else.
fn agreeable(request: &Message) -> Message {
    if request.code() != Code::GET {
        return Message::response(Code::CHANGED);
    }
    let answer = text("1");
    if request.observe() == Some(0) { answer.with_observe(1) } else { answer }
}

fn text(payload: &str) -> Message {
    Message::response(Code::CONTENT)
        .with_content_format(ContentFormat::TEXT)
        .with_payload(payload.as_bytes().to_vec())
}

fn with(request: Message, queries: &[&str], objects: &str) -> Message {
    let request = queries.iter().fold(request, |request, query| request.with_query(query));
    match objects {
        "" => request,
        objects => request.with_content_format(ContentFormat::LINK).with_payload(objects.as_bytes().to_vec()),
    }
}

fn registration(device: usize, queries: &[&str], objects: &str) -> Message {
    let request = Message::request(Code::POST).with_path(&["rd"]).with_parameter("ep", format!("m{device}"));
    with(request, queries, objects)
}

fn config() -> EmsConfig {
    EmsConfig::new(Arc::new(Params::default()))
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
