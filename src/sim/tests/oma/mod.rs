//! The interoperability cases of OMA's Enabler Test Specification for LwM2M, one function each with the
//! number in its name; `docs/interoperability.md` says which case is which function, and where the numbers
//! come from.
//!
//! A real meter in a [`World`] is asked by a server, and bootstrapped by a Bootstrap-Server, that the case
//! plays by hand: each is one exchange layer and nothing else, so that what a case says goes over the wire
//! as it says it.

mod bootstrap;
mod management;
mod partner;
mod registration;
mod reporting;

use std::sync::Arc;
use std::time::Duration;

use super::{Setup, World};
use crate::base::{Instant, Seed};
use crate::metrics::MeterState;
use crate::protocol::client;
use crate::protocol::coap::{Code, ContentFormat, Message};
use crate::protocol::content::{self, Patch};
use crate::protocol::lwm2m::{Entry, Path, Value, Version};
use partner::Partner;

const ENDPOINT: &str = "urn:dev:os:meter-0000000";
/// What the server calls the registration: its location is `/rd/7`.
const LOCATION: [&str; 2] = ["rd", "7"];
/// /1/0/1 of the meter.
const LIFETIME: i64 = 86_400;
/// Longer than any answer takes that is not waited for on purpose.
const SOON: Duration = Duration::from_secs(1);

/// One meter, and the two partners it has.
struct Rig {
    world: World,
    /// The server it registers with.
    server: Partner,
    /// The Bootstrap-Server.
    bootstrap: Partner,
}

impl Rig {
    /// A meter of `version` that holds `store` and is switched on at once.
    fn new(version: Version, store: Vec<Entry>) -> Rig {
        Rig::with(version, store, |_| {})
    }

    /// The same with other settings.
    fn with(version: Version, store: Vec<Entry>, change: impl FnOnce(&mut client::Config)) -> Rig {
        let setup = Setup { meters: 0, version, ..Setup::default() };
        let mut config = Arc::into_inner(setup.client_config()).expect("nobody else has it");
        config.factory = Arc::new(store);
        change(&mut config);
        let mut world = setup.deserted();
        world.add_meter(Arc::new(config), ENDPOINT, Instant::ZERO);
        Rig { world, server: Partner::new(World::EMS), bootstrap: Partner::new(World::BOOTSTRAP) }
    }

    /// A meter with an account of the server from the factory, registered.
    fn registered(version: Version) -> Rig {
        let mut rig = Rig::new(version, [account(), device()].concat());
        rig.expect_register();
        rig
    }

    // ----- what the meter says ---------------------------------------------------------------------

    /// The request to the server that comes next, within `patience`.
    fn next_request(&mut self, patience: Duration) -> Option<crate::protocol::coap::Received> {
        self.until(patience, |rig| !rig.server.heard.is_empty());
        (!self.server.heard.is_empty()).then(|| self.server.heard.remove(0))
    }

    /// The server hears something that `answer` is for; what it was.
    fn serve(&mut self, patience: Duration, answer: Message) -> Message {
        let heard = self.next_request(patience).expect("the meter has something to say");
        let message = heard.message.clone();
        self.server.answer(heard, answer, self.world.now());
        self.settle();
        message
    }

    /// The meter registers, now, and is told its location.
    fn expect_register(&mut self) -> Message {
        let request = self.serve(SOON, Message::response(Code::CREATED).with_location(&LOCATION));
        assert_eq!(request.code(), Code::POST);
        assert!(request.path_is(&["rd"]), "{request:?}");
        self.wait(Duration::ZERO);
        assert_eq!(self.world.count(MeterState::Registered), 1);
        request
    }

    /// The meter updates its registration within `patience`, which is granted.
    fn expect_update_within(&mut self, patience: Duration) -> Message {
        let request = self.serve(patience, Message::response(Code::CHANGED));
        assert_eq!(request.code(), Code::POST);
        assert!(request.path_is(&LOCATION), "{request:?}");
        self.wait(Duration::ZERO);
        request
    }

    /// The same, at once.
    fn expect_update(&mut self) -> Message {
        self.expect_update_within(SOON)
    }

    /// The meter updates its registration with this lifetime, at once.
    fn expect_lifetime(&mut self, seconds: i64) {
        let update = self.expect_update();
        assert_eq!(update.query("lt"), Some(seconds.to_string().as_str()), "{update:?}");
    }

    /// The meter asks the Bootstrap-Server, now; the server takes it on.
    fn expect_bootstrap_request(&mut self) -> Message {
        self.expect_bootstrap_request_within(SOON)
    }

    /// The same within `patience`.
    fn expect_bootstrap_request_within(&mut self, patience: Duration) -> Message {
        let request = self.serve_bootstrap(patience, Message::response(Code::CHANGED));
        assert_eq!(request.code(), Code::POST);
        assert!(request.path_is(&["bs"]), "{request:?}");
        assert_eq!(request.query("ep"), Some(ENDPOINT));
        request
    }

    /// The Bootstrap-Server hears something that `answer` is for; what it was.
    fn serve_bootstrap(&mut self, patience: Duration, answer: Message) -> Message {
        assert!(self.until(patience, |rig| !rig.bootstrap.heard.is_empty()), "the meter bootstraps");
        let heard = self.bootstrap.heard.remove(0);
        let message = heard.message.clone();
        self.bootstrap.answer(heard, answer, self.world.now());
        self.wait(Duration::ZERO);
        message
    }

    /// The answer to a command of the Bootstrap-Server.
    fn command(&mut self, command: Message) -> Message {
        let handle = self.bootstrap.exchange.request(command, self.world.now());
        self.until(SOON, |rig| rig.bootstrap.answered(handle));
        self.bootstrap.take_answer(handle).expect("the meter answers")
    }

    /// Bootstrap-Write of what `entries` has at and below `path`.
    fn bootstrap_write(&mut self, path: &str, format: ContentFormat, entries: &[Entry]) -> Code {
        let own: Vec<Entry> =
            entries.iter().filter(|entry| entry.path.starts_with(&at(path))).cloned().collect();
        let payload = content::encode(format, at(path), &own).expect("values that suit the path");
        let command = request(Code::PUT, path).with_content_format(format).with_payload(payload);
        self.command(command).code()
    }

    /// Bootstrap-Discover of everything.
    fn bootstrap_discover(&mut self) -> Vec<String> {
        let answer = self.command(request(Code::GET, "/").with_accept(ContentFormat::LINK));
        assert_eq!((answer.code(), answer.content_format()), (Code::CONTENT, Some(ContentFormat::LINK)));
        let links = str::from_utf8(answer.payload()).expect("link-format is text");
        links.split(',').map(str::to_owned).collect()
    }

    /// Bootstrap-Read of `path`, in SenML CBOR.
    fn bootstrap_read(&mut self, path: &str) -> Message {
        self.command(request(Code::GET, path).with_accept(ContentFormat::SENML_CBOR))
    }

    fn bootstrap_delete(&mut self, path: &str) -> Code {
        self.command(request(Code::DELETE, path)).code()
    }

    /// Bootstrap-Finish.
    fn finish(&mut self) -> Code {
        self.command(request(Code::POST, "/bs")).code()
    }

    /// Hands out an account of the server, and sees the meter registered.
    fn bootstrap_in_full(&mut self) -> Message {
        for object in ["/0", "/1"] {
            assert_eq!(self.bootstrap_write(object, ContentFormat::TLV, &handed_out()), Code::CHANGED);
        }
        assert_eq!(self.finish(), Code::CHANGED);
        self.expect_register()
    }

    /// Nothing comes for the server or the Bootstrap-Server for this long.
    fn expect_silence(&mut self, time: Duration) {
        let spoken = self.until(time, |rig| !rig.server.heard.is_empty() || !rig.bootstrap.heard.is_empty());
        assert!(!spoken, "{:?} {:?}", self.server.heard, self.bootstrap.heard);
    }

    // ----- what the server asks --------------------------------------------------------------------

    /// The answer to a request of the server.
    fn ask(&mut self, request: Message) -> Message {
        let handle = self.server.exchange.request(request, self.world.now());
        self.answer_to(handle)
    }

    fn answer_to(&mut self, handle: crate::protocol::coap::Handle) -> Message {
        self.until(SOON, |rig| rig.server.answered(handle));
        self.server.take_answer(handle).expect("the meter answers")
    }

    fn read_message(&mut self, path: &str, accept: impl Into<Option<ContentFormat>>) -> Message {
        let request = request(Code::GET, path);
        match accept.into() {
            Some(format) => self.ask(request.with_accept(format)),
            None => self.ask(request),
        }
    }

    /// The payload of a successful Read in `format`.
    fn payload(&mut self, path: &str, format: ContentFormat) -> Vec<u8> {
        let answer = self.read_message(path, format);
        assert_eq!((answer.code(), answer.content_format()), (Code::CONTENT, Some(format)), "{path}");
        answer.payload().to_vec()
    }

    /// The values a successful Read in `format` gives.
    fn read(&mut self, path: &str, format: ContentFormat) -> Vec<Entry> {
        let payload = self.payload(path, format);
        content::decode(format, at(path), &payload).expect("a payload in the format it says it has")
    }

    /// The one value of a resource or resource instance.
    fn value(&mut self, path: &str) -> Value {
        let entries = self.read(path, ContentFormat::TEXT);
        assert_eq!(entries.len(), 1, "{path}");
        entries[0].value.clone()
    }

    /// Write (Replace) of a payload as it is.
    fn put(&mut self, path: &str, format: ContentFormat, payload: impl Into<Vec<u8>>) -> Code {
        self.ask(request(Code::PUT, path).with_content_format(format).with_payload(payload.into())).code()
    }

    /// Write (Partial Update), or Create, of a payload as it is.
    fn post(&mut self, path: &str, format: ContentFormat, payload: impl Into<Vec<u8>>) -> Code {
        self.ask(request(Code::POST, path).with_content_format(format).with_payload(payload.into())).code()
    }

    /// Write (Replace) of these values.
    fn write(&mut self, path: &str, format: ContentFormat, entries: &[Entry]) -> Code {
        let payload = content::encode(format, at(path), entries).expect("values that suit the path");
        self.put(path, format, payload)
    }

    /// Write (Partial Update), or Create, of these values.
    fn update(&mut self, path: &str, format: ContentFormat, entries: &[Entry]) -> Code {
        let payload = content::encode(format, at(path), entries).expect("values that suit the path");
        self.post(path, format, payload)
    }

    fn execute(&mut self, path: &str) -> Code {
        self.ask(request(Code::POST, path)).code()
    }

    /// Write-Attributes: `/3/0?pmin=10&pmax=200`.
    fn attach(&mut self, target: &str) -> Code {
        self.ask(request(Code::PUT, target)).code()
    }

    /// The links of a successful Discover, in order.
    fn discover(&mut self, target: &str) -> Vec<String> {
        let answer = self.ask(request(Code::GET, target).with_accept(ContentFormat::LINK));
        assert_eq!(answer.content_format(), Some(ContentFormat::LINK), "{target}");
        let links = str::from_utf8(answer.payload()).expect("link-format is text");
        links.split(',').map(str::to_owned).collect()
    }

    /// The values a successful Read-Composite in `format` gives.
    fn read_composite(&mut self, format: ContentFormat, paths: &[&str]) -> Vec<Entry> {
        let answer = self.ask(composite(format, paths));
        composite_values(&answer, format)
    }

    fn write_composite(&mut self, format: ContentFormat, entries: &[Entry]) -> Code {
        let patches: Vec<Patch> = entries.iter().cloned().map(Patch::Set).collect();
        let payload = content::encode_patch(format, &patches).expect("plain values");
        let request = request(Code::IPATCH, "/").with_content_format(format).with_payload(payload);
        self.ask(request).code()
    }

    // ----- time -------------------------------------------------------------------------------------

    /// Lets this much time pass.
    fn wait(&mut self, time: Duration) {
        self.until(time, |_| false);
    }

    /// Lets time pass until `done`, and no more than `patience`; whether it was done.
    fn until(&mut self, patience: Duration, done: impl Fn(&Rig) -> bool) -> bool {
        let limit = self.world.now() + patience;
        loop {
            self.settle();
            if done(self) {
                return true;
            }
            let due = [&self.server, &self.bootstrap].into_iter().filter_map(Partner::due).min();
            let next = due.map_or(limit, |due| due.clamp(self.world.now(), limit));
            let spoken_to =
                |world: &World| world.has_strays(World::EMS) || world.has_strays(World::BOOTSTRAP);
            if self.world.run_until(next, spoken_to) {
                continue;
            }
            if due.is_none_or(|due| due > limit) {
                return done(self);
            }
            self.server.exchange.handle_timeout(next);
            self.bootstrap.exchange.handle_timeout(next);
        }
    }

    /// Hands the partners what was sent to them, and the meter what they send.
    fn settle(&mut self) {
        self.server.settle(&mut self.world);
        self.bootstrap.settle(&mut self.world);
    }

    fn now(&self) -> Instant {
        self.world.now()
    }
}

fn at(path: &str) -> Path {
    path.parse().expect("a path")
}

/// A request by path and query: `/3/0?pmin=10`.
fn request(method: Code, target: &str) -> Message {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let request = Message::request(method).with_path(&segments);
    query.split('&').filter(|item| !item.is_empty()).fold(request, Message::with_query)
}

/// Read-Composite, or with an Observe option what goes with it.
fn composite(format: ContentFormat, paths: &[&str]) -> Message {
    let paths: Vec<Path> = paths.iter().map(|path| at(path)).collect();
    let payload = content::encode_paths(format, &paths).expect("paths that differ");
    request(Code::FETCH, "/").with_content_format(format).with_accept(format).with_payload(payload)
}

fn composite_values(answer: &Message, format: ContentFormat) -> Vec<Entry> {
    assert_eq!((answer.code(), answer.content_format()), (Code::CONTENT, Some(format)));
    content::decode(format, Path::ROOT, answer.payload()).expect("a payload in the format it says it has")
}

fn entry(path: &str, value: impl Into<Value>) -> Entry {
    Entry::new(at(path), value.into())
}

fn integer(path: &str, value: i64) -> Entry {
    Entry::new(at(path), Value::Integer(value))
}

fn boolean(path: &str, value: bool) -> Entry {
    Entry::new(at(path), Value::Boolean(value))
}

/// All of `expected` is there.
fn holds(entries: &[Entry], expected: &[Entry]) {
    for wanted in expected {
        let found = entries.iter().find(|entry| entry.path == wanted.path);
        assert_eq!(found.map(|found| &found.value), Some(&wanted.value), "{}", wanted.path);
    }
}

/// The Bootstrap-Server's account, as instance 1 of /0 so that instance 0 is left for the server's
/// (configuration 13 of the specification, but without security).
fn bootstrap_account() -> Vec<Entry> {
    vec![entry("/0/1/0", "coap://127.0.0.1:5783"), boolean("/0/1/1", true), integer("/0/1/2", 3)]
}

/// That and the server's account (configuration 3 of the specification, without security).
fn account() -> Vec<Entry> {
    [security_object(), bootstrap_account(), server_object()].concat()
}

/// /0/0 of [`account`].
fn security_object() -> Vec<Entry> {
    vec![
        entry("/0/0/0", "coap://127.0.0.1:5683"),
        boolean("/0/0/1", false),
        integer("/0/0/2", 3),
        integer("/0/0/10", 1),
    ]
}

/// What a Bootstrap-Server hands out (configuration 1 of the specification, without security).
fn handed_out() -> Vec<Entry> {
    let mandatory = server_object().into_iter().filter(|entry| matches!(entry.path.ids()[2], 0 | 1 | 6 | 7));
    security_object().into_iter().chain(mandatory).collect()
}

/// /1/0 of [`account`].
fn server_object() -> Vec<Entry> {
    vec![
        integer("/1/0/0", 1),
        integer("/1/0/1", LIFETIME),
        integer("/1/0/2", 1),
        integer("/1/0/3", 10),
        integer("/1/0/5", 86_400),
        boolean("/1/0/6", false),
        entry("/1/0/7", "U"),
    ]
}

/// The device itself (configuration 6 of the specification), an object with several instances of a
/// resource that servers write, and what a meter is for.
fn device() -> Vec<Entry> {
    vec![
        entry("/3/0/0", "bootstorm"),
        entry("/3/0/1", "simulated meter"),
        entry("/3/0/2", "serial-1"),
        entry("/3/0/3", "1.2.3"),
        integer("/3/0/6/0", 1),
        integer("/3/0/6/1", 5),
        integer("/3/0/7/0", 3800),
        integer("/3/0/7/1", 5000),
        integer("/3/0/8/0", 125),
        integer("/3/0/8/1", 900),
        integer("/3/0/9", 95),
        integer("/3/0/10", 15),
        integer("/3/0/11/0", 0),
        Entry::new(at("/3/0/13"), Value::Time(1_700_000_000)),
        entry("/3/0/14", "+02:00"),
        entry("/3/0/15", "Europe/Paris"),
        entry("/3/0/16", "U"),
        entry("/3/0/17", "smart meter"),
        integer("/3/0/20", 0),
        integer("/3/0/21", 64),
        integer("/4/0/0", 6),
        integer("/4/0/1/0", 6),
        integer("/4/0/2", -80),
        entry("/4/0/4/0", "192.0.2.1"),
        integer("/5/0/3", 0),
        integer("/5/0/5", 0),
        integer("/5/0/9", 2),
        entry("/11/0/0", "home"),
        integer("/11/0/4", 3),
        entry("/11/0/8/0", "26201"),
        entry("/11/0/8/1", "26202"),
        Entry::new(at("/10243/0/4"), Value::Float(230.5)),
        Entry::new(at("/10243/0/5"), Value::Float(1.25)),
        Entry::new(at("/10243/1/4"), Value::Float(229.5)),
        Entry::new(at("/10243/1/5"), Value::Float(0.5)),
    ]
}
