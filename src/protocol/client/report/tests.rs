//! A device and its server on the virtual clock, over a link that does what the test says.

mod conditions;
mod hostile;
mod lossy;
mod requests;
mod sends;
mod storing;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::super::{
    BootstrapPolicy, Config, Device, FirmwarePolicy, Output, RegistrationPolicy, State, bootstrap_account,
};
use super::*;
use crate::base::Seed;
use crate::protocol::client::Link;
use crate::protocol::coap::{self, Code, ContentFormat, Exchange, Message, Params};
use crate::protocol::content;
use crate::protocol::lwm2m::{Entry, Value};

const SSID: u16 = 101;

/// The battery level, which the device of these tests measures.
const MEASURED: Path = Path::resource(3, 0, 9);

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A meter whose battery level is what the test says, by the second.
#[derive(Debug)]
struct Battery {
    fixed: AtomicI64,
    /// The level follows the time instead.
    drains: bool,
}

impl Device for Battery {
    fn value(&self, path: Path, _nature: u64, now: Instant) -> Option<Value> {
        let level = || match self.drains {
            true => i64::try_from(now.since_origin().as_secs()).unwrap_or(0),
            false => self.fixed.load(Ordering::Relaxed),
        };
        (path == MEASURED).then(|| Value::Integer(level()))
    }
}

/// What a test may want different.
struct Setup {
    version: Version,
    policy: ReportPolicy,
    device: Option<Arc<Battery>>,
    /// Beyond the account and /3.
    entries: Vec<Entry>,
    params: Params,
    seed: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            version: Version::V1_2,
            policy: ReportPolicy::default(),
            device: None,
            entries: Vec::new(),
            params: Params::default(),
            seed: 1,
        }
    }
}

fn integer(at: &str, number: i64) -> Entry {
    Entry::new(path(at), Value::Integer(number))
}

fn flag(at: &str, truth: bool) -> Entry {
    Entry::new(path(at), Value::Boolean(truth))
}

fn text(at: &str, text: &str) -> Entry {
    Entry::new(path(at), Value::String(text.into()))
}

impl Setup {
    /// A device that measures its battery level.
    fn measuring(level: i64) -> Self {
        Setup { device: Some(battery(level)), ..Setup::default() }
    }

    fn with(mut self, entry: Entry) -> Self {
        self.entries.push(entry);
        self
    }

    fn config(&self) -> Config {
        let mut factory = bootstrap_account("coap://127.0.0.1:1", Duration::ZERO);
        factory.extend([
            text("/0/1/0", "coap://127.0.0.1:2"),
            flag("/0/1/1", false),
            integer("/0/1/10", SSID.into()),
            integer("/1/0/0", SSID.into()),
            integer("/1/0/1", 0),
            text("/3/0/0", "bootstorm"),
            integer("/3/0/7/0", 3800),
            integer("/3/0/7/1", 5000),
            integer("/3/0/9", 100),
            text("/3/0/14", "+01:00"),
            text("/3/0/16", "U"),
            integer("/9/0/7", 0),
            flag("/9/0/12", false),
            integer("/9/1/7", 0),
        ]);
        factory.extend(self.entries.iter().cloned());
        factory.sort_by_key(|entry| entry.path);
        Config {
            version: self.version,
            transmission: Arc::new(self.params.clone()),
            bootstrap: BootstrapPolicy::default(),
            registration: RegistrationPolicy::default(),
            firmware: FirmwarePolicy::default(),
            report: self.policy.clone(),
            provision: None,
            device: self.device.clone().map(|device| device as Arc<dyn Device>),
            factory: Arc::new(factory),
        }
    }

    /// Both ends, the device registered.
    fn start(self) -> Pair {
        let config = Arc::new(self.config());
        let server = Exchange::new(config.transmission.clone(), Seed(self.seed).child("server", 0).rng());
        let mut pair = Pair {
            now: Instant::from_secs(1),
            client: Client::new(config, "meter".into(), 0, Seed(self.seed)),
            server,
            battery: self.device,
            lost: Box::new(|_| false),
            datagrams: 0,
            wire: Vec::new(),
            answers: Vec::new(),
            told: Vec::new(),
            ended: Vec::new(),
            events: Vec::new(),
            asked: Vec::new(),
            send_code: Code::CHANGED,
            update_code: Code::CHANGED,
        };
        pair.client.power_on(pair.now, pair.now);
        pair.settle();
        pair.run_for(secs(1));
        assert_eq!(pair.client.state(), State::Registered);
        pair
    }
}

fn battery(level: i64) -> Arc<Battery> {
    Arc::new(Battery { fixed: AtomicI64::new(level), drains: false })
}

/// A notification that reached the server's owner.
#[derive(Debug)]
struct Told {
    at: Instant,
    observation: Handle,
    message: Message,
    fresh: bool,
}

impl Told {
    fn entries(&self, base: &str) -> Vec<Entry> {
        content::decode(self.message.content_format().unwrap(), path(base), self.message.payload()).unwrap()
    }

    /// The one integer in it, at whatever path it is of.
    fn number(&self) -> i64 {
        std::str::from_utf8(self.message.payload()).unwrap().parse().unwrap()
    }
}

/// A device, a server, and the link between them.
struct Pair {
    now: Instant,
    client: Client,
    server: Exchange,
    battery: Option<Arc<Battery>>,
    /// Whether the n-th datagram since is lost.
    lost: Box<dyn FnMut(usize) -> bool>,
    datagrams: usize,
    /// Under way: when it arrives, whether at the device, and the bytes.
    wire: Vec<(Instant, bool, Vec<u8>)>,
    answers: Vec<(Handle, Message)>,
    told: Vec<Told>,
    ended: Vec<(Handle, Code)>,
    events: Vec<(Instant, Event)>,
    /// Requests of the device.
    asked: Vec<(Instant, Message)>,
    /// How Sends are answered.
    send_code: Code,
    /// How Updates are answered.
    update_code: Code,
}

/// How long a datagram takes.
const LATENCY: Duration = Duration::from_millis(10);

impl Pair {
    fn settle(&mut self) {
        loop {
            let mut quiet = true;
            while let Some(output) = self.client.poll_output() {
                quiet = false;
                match output {
                    Output::Open { link, .. } => self.client.handle_opened(link, self.now),
                    Output::Send { bytes, .. } => self.transmit(false, bytes),
                    Output::Close { .. } => {}
                    Output::Event(event) => self.events.push((self.now, event)),
                }
            }
            while let Some(output) = self.server.poll_output() {
                quiet = false;
                match output {
                    coap::Output::Send(bytes) => self.transmit(true, bytes),
                    coap::Output::Event(event) => self.server_event(event),
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn server_event(&mut self, event: coap::Event) {
        match event {
            coap::Event::Request(received) => {
                let message = received.message.clone();
                let answer = match message.code() {
                    Code::POST if message.path_is(&["rd"]) => {
                        Message::response(Code::CREATED).with_location(&["rd", "1"])
                    }
                    Code::POST if message.path_is(&["dp"]) => Message::response(self.send_code),
                    Code::DELETE => Message::response(Code::DELETED),
                    _ => Message::response(self.update_code),
                };
                self.asked.push((self.now, message));
                self.server.respond(received, answer, self.now);
            }
            coap::Event::Response { handle, message, .. } => self.answers.push((handle, message)),
            coap::Event::Notification { handle, message, fresh } => {
                self.told.push(Told { at: self.now, observation: handle, message, fresh });
            }
            coap::Event::ObservationEnded { handle, code } => self.ended.push((handle, code)),
            _ => {}
        }
    }

    fn transmit(&mut self, to_device: bool, bytes: Vec<u8>) {
        let nth = self.datagrams;
        self.datagrams += 1;
        if !(self.lost)(nth) {
            self.wire.push((self.now + LATENCY, to_device, bytes));
        }
    }

    fn next(&self) -> Option<Instant> {
        let timers = self.client.poll_timeout().map(|(at, _)| at);
        let server = self.server.poll_timeout().map(|(at, _)| at);
        timers.into_iter().chain(server).chain(self.wire.iter().map(|(at, ..)| *at)).min()
    }

    /// One step at the present instant or later, not after `until`; false if there is none.
    fn step(&mut self, until: Instant) -> bool {
        let Some(next) = self.next().filter(|next| *next <= until) else { return false };
        self.now = self.now.max(next);
        if let Some(at) = self.wire.iter().position(|(at, ..)| *at <= self.now) {
            let (_, to_device, bytes) = self.wire.remove(at);
            match to_device {
                true => self.client.handle_input(Link::Server(SSID), &bytes, self.now),
                false => self.server.handle_input(&bytes, self.now),
            }
        } else {
            self.client.handle_timeout(self.now);
            self.server.handle_timeout(self.now);
        }
        self.settle();
        true
    }

    fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        let steps = (0..200_000).take_while(|_| self.step(until)).count();
        assert!(steps < 200_000, "this never ends: {:?}", self.client.poll_timeout());
        self.now = until;
    }

    /// Asks to observe, and has the answer.
    fn observe(&mut self, at: &str, query: &str, accept: Option<ContentFormat>) -> (Handle, Message) {
        self.ask_to_observe(get(at, query, accept))
    }

    fn ask_to_observe(&mut self, request: Message) -> (Handle, Message) {
        let handle = self.server.observe(request, self.now);
        self.settle();
        self.run_for(LATENCY * 2);
        let at = self.answers.iter().position(|(of, _)| *of == handle).expect("answered");
        self.answers.remove(at)
    }

    /// A request of the server, and the code of its answer.
    fn ask(&mut self, request: Message) -> Code {
        let handle = self.server.request(request, self.now);
        self.settle();
        self.run_for(LATENCY * 2);
        let at = self.answers.iter().position(|(of, _)| *of == handle).expect("answered");
        self.answers.remove(at).1.code()
    }

    fn write_attributes(&mut self, at: &str, query: &str) -> Code {
        self.ask(with_target(Message::request(Code::PUT), at, query))
    }

    fn attributes(&self, at: &str) -> String {
        let registration = self.client.registered(SSID).unwrap();
        registration.attributes.get(path(at)).map(Attributes::to_string).unwrap_or_default()
    }

    /// Stores a value as a Write of a server would.
    fn write(&mut self, at: &str, value: Value) {
        self.client.tree.set(path(at), value);
        self.client.changed(path(at), self.now);
        self.run_for(Duration::ZERO);
    }

    fn write_number(&mut self, at: &str, number: i64) {
        self.write(at, Value::Integer(number));
    }

    fn delete(&mut self, at: &str) {
        assert_eq!(self.ask(with_target(Message::request(Code::DELETE), at, "")), Code::DELETED);
    }

    /// What the device measures from now on.
    fn measure(&self, level: i64) {
        self.battery.as_ref().unwrap().fixed.store(level, Ordering::Relaxed);
    }

    /// When notifications came, in seconds since `since`, rounded.
    fn told_after(&self, since: Instant) -> Vec<u64> {
        self.told.iter().map(|told| told.at.since(since).as_secs()).collect()
    }

    fn fates(&self, wanted: NotificationFate) -> usize {
        self.events.iter().filter(|(_, event)| *event == Event::Notification(wanted)).count()
    }

    /// Confirmable notifications are where they must be.
    fn balance(&self) {
        use NotificationFate::{Abandoned, Acknowledged, Reset, SentConfirmable, Superseded, TimedOut};
        let ended: usize =
            [Acknowledged, Reset, TimedOut, Superseded, Abandoned].map(|fate| self.fates(fate)).iter().sum();
        assert_eq!(self.fates(SentConfirmable), ended + self.client.notifications_in_flight());
    }

    fn observations(&self) -> usize {
        let reporting = self.client.registered(SSID).and_then(|registration| registration.reporting.as_ref());
        reporting.map_or(0, |reporting| reporting.observations.len())
    }

    fn reports(&self) -> bool {
        self.client.registered(SSID).is_some_and(|registration| registration.reporting.is_some())
    }
}

fn with_target(mut request: Message, at: &str, query: &str) -> Message {
    let segments: Vec<&str> = at.split('/').filter(|segment| !segment.is_empty()).collect();
    request = request.with_path(&segments);
    for part in query.split('&').filter(|part| !part.is_empty()) {
        request = request.with_query(part);
    }
    request
}

fn get(at: &str, query: &str, accept: Option<ContentFormat>) -> Message {
    let request = with_target(Message::request(Code::GET), at, query);
    match accept {
        Some(format) => request.with_accept(format),
        None => request,
    }
}

fn fetch(paths: &[&str]) -> Message {
    let paths: Vec<Path> = paths.iter().map(|at| path(at)).collect();
    let format = ContentFormat::SENML_CBOR;
    Message::request(Code::FETCH)
        .with_content_format(format)
        .with_accept(format)
        .with_payload(content::encode_paths(format, &paths).unwrap())
}
