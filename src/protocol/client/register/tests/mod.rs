//! One device against servers that do as they are told, on the virtual clock.

mod behaviours;
mod keeping;
mod ordering;
mod registering;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::base::Seed;
use crate::protocol::client::{
    BootstrapPolicy, Client, Config, Event, Failure, Fate, FirmwarePolicy, Link, OpenFailed, Output,
    RegistrationPolicy, RequestKind, State,
};
use crate::protocol::coap::{Exchange, Params};
use crate::protocol::lwm2m::{Entry, Path, Value};

/// What a server does with a request.
enum Reply {
    Answer(Message),
    Silence,
    Reset,
}

/// What a test sees of a request that arrived.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    at: Instant,
    link: Link,
    code: Code,
    /// Path and query as one reads them: `/rd?ep=meter&lt=300`.
    target: String,
    /// The payload as text.
    list: String,
}

type Script = Box<dyn FnMut(&Seen) -> Reply>;

/// A device, its servers behind one script, and the time.
struct Bench {
    client: Client,
    now: Instant,
    servers: Vec<(Link, Exchange)>,
    script: Script,
    /// Requests as they came, retransmissions left out.
    seen: Vec<Seen>,
    mids: Vec<(Link, u16)>,
    events: Vec<Event>,
    /// Links that cannot be opened.
    closed: Vec<Link>,
    /// How often each way was opened.
    opened: Vec<Link>,
}

const SECOND: Duration = Duration::from_secs(1);

/// A server that knows everybody.
fn obliging(seen: &Seen) -> Reply {
    Reply::Answer(match (seen.code, seen.target.split('?').next()) {
        (Code::POST, Some("/rd")) => Message::response(Code::CREATED).with_location(&["rd", "7"]),
        (Code::POST, _) => Message::response(Code::CHANGED),
        (Code::DELETE, _) => Message::response(Code::DELETED),
        _ => Message::response(Code::METHOD_NOT_ALLOWED),
    })
}

fn refuse(code: Code) -> Reply {
    Reply::Answer(Message::response(code))
}

/// Refuses everything with `code`, but for the Bootstrap-Server, which stays silent.
fn servers_refuse(code: Code) -> impl Fn(&Seen) -> Reply + 'static {
    move |seen| match seen.link {
        Link::Bootstrap => Reply::Silence,
        _ => refuse(code),
    }
}

/// The two halves of an account, with what /1 holds besides.
fn account(server: u16, own: &[(u16, Value)]) -> Vec<Entry> {
    let security = |id| Path::resource(0, server, id);
    let resource = |id| Path::resource(1, server, id);
    let mut entries = vec![
        Entry::new(security(0), Value::from(format!("coap://127.0.0.1:{}", 5600 + server).as_str())),
        Entry::new(security(1), Value::Boolean(false)),
        Entry::new(security(2), Value::Integer(3)),
        Entry::new(security(10), Value::Integer(server.into())),
        Entry::new(resource(0), Value::Integer(server.into())),
        Entry::new(resource(1), Value::Integer(300)),
        Entry::new(resource(7), Value::from("U")),
    ];
    for (id, value) in own {
        entries.push(Entry::new(resource(*id), value.clone()));
    }
    entries
}

fn bootstrap_account() -> Vec<Entry> {
    crate::protocol::client::bootstrap_account("coap://127.0.0.1:5683", Duration::ZERO)
}

impl Bench {
    /// A device with these accounts, switched on at the origin of time.
    fn new(
        policy: RegistrationPolicy,
        accounts: Vec<Vec<Entry>>,
        script: impl FnMut(&Seen) -> Reply + 'static,
    ) -> Self {
        Bench::of(Version::V1_2, policy, accounts, script)
    }

    fn of(
        version: Version,
        policy: RegistrationPolicy,
        accounts: Vec<Vec<Entry>>,
        script: impl FnMut(&Seen) -> Reply + 'static,
    ) -> Self {
        // Nothing is drawn, so that every instant can be told beforehand.
        let params = Params { ack_random_factor: 1.0, ..Params::default() };
        Bench::made_of(version, params, policy, accounts, Box::new(script))
    }

    fn made_of(
        version: Version,
        params: Params,
        registration: RegistrationPolicy,
        accounts: Vec<Vec<Entry>>,
        script: Script,
    ) -> Self {
        let mut factory: Vec<Entry> = accounts.into_iter().flatten().collect();
        factory.push(Entry::new(Path::resource(3, 0, 0), Value::from("bootstorm")));
        let config = Config {
            version,
            transmission: Arc::new(params),
            bootstrap: BootstrapPolicy::default(),
            registration,
            firmware: FirmwarePolicy::default(),
            factory: Arc::new(factory),
            report: crate::protocol::client::ReportPolicy::default(),
            provision: None,
            device: None,
        };
        let mut bench = Bench {
            client: Client::new(Arc::new(config), "meter".into(), 0, Seed(1)),
            now: Instant::ZERO,
            servers: Vec::new(),
            script,
            seen: Vec::new(),
            mids: Vec::new(),
            events: Vec::new(),
            closed: Vec::new(),
            opened: Vec::new(),
        };
        bench.client.power_on(Instant::ZERO, Instant::ZERO);
        bench.settle();
        bench
    }

    /// One server, 1, that has these resources in /1.
    fn with_one(
        policy: RegistrationPolicy,
        own: &[(u16, Value)],
        script: impl FnMut(&Seen) -> Reply + 'static,
    ) -> Self {
        Bench::new(policy, vec![account(1, own)], script)
    }

    /// Does something to the device, and lets the world take notice.
    fn with(&mut self, act: impl FnOnce(&mut Client, Instant)) {
        act(&mut self.client, self.now);
        self.settle();
    }

    fn set(&mut self, path: Path, value: Value) {
        assert!(self.client.tree.set(path, value));
    }

    /// Lets everything happen up to `seconds` after the origin.
    fn run_to(&mut self, seconds: u64) {
        let until = Instant::from_secs(seconds);
        let next = |bench: &Bench| bench.client.poll_timeout().map(|(at, _)| at.max(bench.now));
        while let Some(at) = next(self).filter(|at| *at <= until) {
            self.now = at;
            self.client.handle_timeout(at);
            self.settle();
        }
        self.now = until;
    }

    fn settle(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Open { link, .. } => {
                    self.opened.push(link);
                    match self.closed.contains(&link) {
                        true => self.client.handle_open_failed(link, OpenFailed::Unreachable, self.now),
                        false => self.client.handle_opened(link, self.now),
                    }
                }
                Output::Send { link, bytes } => self.serve(link, &bytes),
                Output::Close { .. } => {}
                Output::Event(event) => self.events.push(event),
            }
        }
        self.requests_balance();
    }

    fn serve(&mut self, link: Link, bytes: &[u8]) {
        let request = Message::decode_within(bytes, 4_096).expect("devices send messages");
        if !request.code().is_request() {
            return;
        }
        if self.mids.contains(&(link, request.mid())) {
            return;
        }
        self.mids.push((link, request.mid()));
        let seen = self.read(link, &request);
        self.seen.push(seen.clone());
        let answer = match (self.script)(&seen) {
            Reply::Silence => return,
            Reply::Reset => {
                let [high, low] = request.mid().to_be_bytes();
                return self.client.handle_input(link, &[0x70, 0, high, low], self.now);
            }
            Reply::Answer(answer) => answer,
        };
        if !self.servers.iter().any(|(theirs, _)| *theirs == link) {
            let exchange = Exchange::new(Arc::new(Params::default()), Seed(2).rng());
            self.servers.push((link, exchange));
        }
        let (_, server) = self.servers.iter_mut().find(|(theirs, _)| *theirs == link).expect("made above");
        server.handle_input(bytes, self.now);
        let mut answer = Some(answer);
        while let Some(output) = server.poll_output() {
            match output {
                coap::Output::Send(bytes) => self.client.handle_input(link, &bytes, self.now),
                coap::Output::Event(coap::Event::Request(received)) => {
                    server.respond(received, answer.take().expect("one request, one answer"), self.now);
                }
                coap::Output::Event(_) => {}
            }
        }
    }

    fn read(&self, link: Link, request: &Message) -> Seen {
        let path: Vec<String> = request.path().map(|segment| format!("/{segment}")).collect();
        let query: Vec<&str> = request.queries().collect();
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        Seen {
            at: self.now,
            link,
            code: request.code(),
            target: path.concat() + &query,
            list: String::from_utf8_lossy(request.payload()).into_owned(),
        }
    }
}

/// Looking at what happened.
impl Bench {
    /// Every request sent has one further fate or is in flight.
    fn requests_balance(&self) {
        for kind in [
            RequestKind::BootstrapRequest,
            RequestKind::Register,
            RequestKind::Update,
            RequestKind::Deregister,
        ] {
            let with = |sent: bool| {
                let mut fates = self.events.iter().filter_map(|event| match event {
                    Event::Request { kind: theirs, fate } if *theirs == kind => Some(*fate),
                    _ => None,
                });
                fates.by_ref().filter(|fate| (*fate == Fate::Sent) == sent).count()
            };
            let in_flight = self.client.in_flight().filter(|theirs| *theirs == kind).count();
            assert_eq!(with(true), with(false) + in_flight, "{kind:?} at {:?}", self.now);
        }
    }

    /// When what came, in whole seconds: `0 POST /rd?ep=meter&lt=300&lwm2m=1.2&b=U`, without parameters that
    /// are the same each time.
    fn log(&self) -> Vec<String> {
        let plain = |seen: &Seen| {
            let method = match seen.code {
                Code::POST => "POST",
                Code::DELETE => "DELETE",
                _ => "?",
            };
            let target = match seen.target.starts_with("/rd?") {
                true => "/rd",
                false => seen.target.as_str(),
            };
            let server = match seen.link {
                Link::Server(server) => server,
                _ => 0,
            };
            format!("{} {server} {method} {target}", seen.at.since_origin().as_secs())
        };
        self.seen.iter().map(plain).collect()
    }

    /// The seconds at which something came to `target`, parameters aside.
    fn times(&self, target: &str) -> Vec<u64> {
        let hits = self.seen.iter().filter(|seen| seen.target.split('?').next() == Some(target));
        hits.map(|seen| seen.at.since_origin().as_secs()).collect()
    }

    fn last(&self) -> &Seen {
        self.seen.last().expect("something was sent")
    }

    fn state(&self) -> State {
        self.client.state()
    }

    fn count(&self, wanted: Event) -> usize {
        self.events.iter().filter(|event| **event == wanted).count()
    }
}
