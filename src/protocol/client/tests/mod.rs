//! One device with a Bootstrap-Server and a server, whose ways open, fail and close as the test says.

mod handshakes;
mod security;
mod ways;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::base::{Instant, Seed};
use crate::protocol::coap::{self, Code, Exchange, Leave, Message, Params, Transport};
use crate::protocol::lwm2m::{Entry, Path, ServerUri, Value, Version};

const EMS: Link = Link::Server(101);

/// A way the device asked for.
struct Asked {
    at: u64,
    link: Link,
    uri: ServerUri,
    security: Option<Box<Security>>,
}

/// The far end of one way.
struct Far {
    link: Link,
    exchange: Exchange,
    open: bool,
}

struct Rig {
    client: Client,
    far: Vec<Far>,
    now: Instant,
    /// What becomes of ways that are asked for; `None` is that they open.
    fails: Option<OpenFailed>,
    /// Requests are not answered.
    silent: bool,
    asked: Vec<Asked>,
    /// What the device closed, and when.
    hung_up: Vec<(u64, Link)>,
    /// What the device asked for, and when: `150 POST /rd/7`.
    requests: Vec<(u64, Link, String)>,
    /// Codes of its answers.
    answers: Vec<Code>,
    notifications: usize,
    /// How the device left streams, as their far end saw it.
    left: Vec<Leave>,
    events: Vec<Event>,
}

/// What a test may want different.
struct Setup {
    uri: &'static str,
    credentials: Credentials,
    bootstrap_uri: Option<&'static str>,
    version: Version,
    registration: RegistrationPolicy,
    report: ReportPolicy,
    /// Beyond the accounts.
    own: Vec<(Path, Value)>,
}

fn psk() -> Credentials {
    Credentials::PreSharedKey { identity: b"meter".to_vec(), key: vec![7; 16] }
}

/// A way with security, over datagrams or a stream.
fn secure(uri: &'static str) -> Setup {
    Setup { uri, credentials: psk(), ..Setup::default() }
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            uri: "coap://127.0.0.1:2",
            credentials: Credentials::NoSec,
            bootstrap_uri: None,
            version: Version::V1_2,
            registration: RegistrationPolicy::default(),
            report: ReportPolicy::default(),
            own: Vec::new(),
        }
    }
}

impl Setup {
    fn with(mut self, path: Path, value: Value) -> Self {
        self.own.push((path, value));
        self
    }

    /// The device, switched on.
    fn start(self) -> Rig {
        let mut rig = self.off();
        rig.client.power_on(rig.now, rig.now);
        rig.settle();
        rig
    }

    fn off(self) -> Rig {
        // Nothing is drawn, so that every instant can be told beforehand.
        let params = Arc::new(Params { ack_random_factor: 1.0, ..Params::default() });
        let mut factory = Vec::new();
        if let Some(uri) = self.bootstrap_uri {
            factory.extend(bootstrap_account(uri, Duration::ZERO));
        }
        if !self.uri.is_empty() {
            factory.extend(server_account(&ServerAccount {
                instance: 1,
                uri: self.uri.to_owned(),
                short_server_id: 101,
                lifetime: Duration::from_secs(300),
                binding: "U".to_owned(),
                credentials: self.credentials,
            }));
        }
        factory.push(Entry::new(Path::resource(3, 0, 14), Value::from("+01:00")));
        factory.extend(self.own.into_iter().map(|(path, value)| Entry::new(path, value)));
        let config = Config {
            version: self.version,
            transmission: params,
            bootstrap: BootstrapPolicy::default(),
            registration: self.registration,
            firmware: FirmwarePolicy::default(),
            report: self.report,
            factory: Arc::new(factory),
            provision: None,
            device: None,
        };
        Rig {
            client: Client::new(Arc::new(config), "meter".into(), 0, Seed(1)),
            far: Vec::new(),
            now: Instant::ZERO,
            fails: None,
            silent: false,
            asked: Vec::new(),
            hung_up: Vec::new(),
            requests: Vec::new(),
            answers: Vec::new(),
            notifications: 0,
            left: Vec::new(),
            events: Vec::new(),
        }
    }
}

impl Rig {
    fn seconds(&self) -> u64 {
        self.now.since_origin().as_secs()
    }

    fn far(&mut self, link: Link) -> &mut Far {
        self.far.iter_mut().find(|far| far.link == link).expect("the way was asked for")
    }

    /// Lets all that happens up to then happen.
    fn run_to(&mut self, seconds: u64) {
        let until = Instant::from_secs(seconds);
        let next = |rig: &Rig| rig.client.poll_timeout().map(|(at, _)| at.max(rig.now));
        let mut steps = 0;
        while let Some(at) = next(self).filter(|at| *at <= until) {
            self.now = at;
            self.client.handle_timeout(at);
            self.settle();
            steps += 1;
            assert!(steps < 10_000, "the device spins at {at:?}");
        }
        self.now = until;
    }

    fn settle(&mut self) {
        let mut rounds = 0;
        while self.pass_on() {
            rounds += 1;
            assert!(rounds < 1_000, "they never fall silent");
        }
        self.requests_balance();
    }

    /// Passes on what there is, to and fro. Whether there was anything.
    fn pass_on(&mut self) -> bool {
        let mut any = false;
        while let Some(output) = self.client.poll_output() {
            any = true;
            self.take(output);
        }
        for at in 0..self.far.len() {
            while let Some(output) = self.far[at].exchange.poll_output() {
                any = true;
                self.answer(at, output);
            }
        }
        any
    }

    fn take(&mut self, output: Output) {
        let (at, now) = (self.seconds(), self.now);
        match output {
            Output::Open { link, uri, security } => {
                let transport = match uri.scheme.is_stream() {
                    true => Transport::Stream,
                    false => Transport::Datagram,
                };
                self.asked.push(Asked { at, link, uri, security });
                if let Some(why) = self.fails {
                    return self.client.handle_open_failed(link, why, now);
                }
                if !self.far.iter().any(|far| far.link == link) {
                    let exchange = Exchange::over(transport, Arc::new(Params::default()), Seed(2).rng());
                    self.far.push(Far { link, exchange, open: false });
                }
                let far = self.far(link);
                far.open = true;
                far.exchange.connected(now);
                self.client.handle_opened(link, now);
            }
            Output::Close { link } => {
                self.hung_up.push((at, link));
                if let Some(far) = self.far.iter_mut().find(|far| far.link == link) {
                    far.open = false;
                    far.exchange.lost(now);
                }
            }
            Output::Send { link, bytes } => {
                let far = self.far(link);
                assert!(far.open, "said on a way that is not open");
                far.exchange.handle_input(&bytes, now);
            }
            Output::Event(event) => self.events.push(event),
        }
    }

    fn answer(&mut self, at: usize, output: coap::Output) {
        let (link, open, now) = (self.far[at].link, self.far[at].open, self.now);
        match output {
            coap::Output::Send(bytes) if open => self.client.handle_input(link, &bytes, now),
            coap::Output::Send(_) => {}
            coap::Output::Event(coap::Event::Request(received)) => {
                let (line, answer) = self.read(&received.message);
                self.requests.push((self.seconds(), link, line));
                if !self.silent {
                    self.far[at].exchange.respond(received, answer, now);
                }
            }
            coap::Output::Event(coap::Event::Response { message, .. }) => self.answers.push(message.code()),
            coap::Output::Event(coap::Event::Notification { .. }) => self.notifications += 1,
            coap::Output::Event(coap::Event::Leave(why)) => self.left.push(why),
            coap::Output::Event(_) => {}
        }
    }

    fn read(&self, request: &Message) -> (String, Message) {
        let path: Vec<String> = request.path().map(|segment| format!("/{segment}")).collect();
        let path = path.concat();
        let query: Vec<&str> = request.queries().collect();
        let (verb, code) = match (request.code(), &*path) {
            (Code::DELETE, _) => ("DELETE", Code::DELETED),
            (_, "/rd") => ("POST", Code::CREATED),
            _ => ("POST", Code::CHANGED),
        };
        let answer = Message::response(code);
        let answer = if code == Code::CREATED { answer.with_location(&["rd", "7"]) } else { answer };
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        (format!("{verb} {path}{query}"), answer)
    }

    /// The way is closed by somebody else.
    fn close(&mut self, link: Link, how: Closed) {
        let now = self.now;
        let far = self.far(link);
        far.open = false;
        far.exchange.lost(now);
        self.client.handle_closed(link, how, now);
        self.settle();
    }

    /// The server on `link` asks for something, and has its answer.
    fn command(&mut self, link: Link, request: Message) -> Option<Code> {
        let now = self.now;
        self.far(link).exchange.request(request, now);
        self.settle();
        self.answers.pop()
    }

    /// When ways to `link` were asked for.
    fn opened(&self, link: Link) -> Vec<u64> {
        self.asked.iter().filter(|asked| asked.link == link).map(|asked| asked.at).collect()
    }

    /// When requests came whose line begins so, the longest query aside.
    fn times(&self, line: &str) -> Vec<u64> {
        let hits = self.requests.iter().filter(|(_, _, theirs)| theirs.split('?').next() == Some(line));
        hits.map(|(at, ..)| *at).collect()
    }

    fn count(&self, wanted: Event) -> usize {
        self.events.iter().filter(|event| **event == wanted).count()
    }

    fn failed(&self, why: Failure) -> usize {
        self.count(Event::Failed(why))
    }

    /// Every request sent has one further fate or is in flight.
    fn requests_balance(&self) {
        use RequestKind::*;
        for kind in [BootstrapRequest, BootstrapPackRequest, Register, Update, Deregister, Send, Download] {
            let fates = |sent: bool| {
                let fates = self.events.iter().filter_map(|event| match event {
                    Event::Request { kind: theirs, fate } if *theirs == kind => Some(*fate),
                    _ => None,
                });
                fates.filter(|fate| (*fate == Fate::Sent) == sent).count()
            };
            let in_flight = self.client.in_flight().filter(|theirs| *theirs == kind).count();
            assert_eq!(fates(true), fates(false) + in_flight, "{kind:?} at {:?}", self.now);
        }
    }
}
