//! The verbs that cases are written in.

use super::partner::Partner;
use super::*;
use crate::protocol::coap::{Handle, Received};

/// One meter, and the two partners it has.
pub(super) struct Rig {
    pub world: World,
    /// What the meter was made with.
    pub config: Arc<client::Config>,
    /// The server it registers with.
    pub server: Partner,
    /// The Bootstrap-Server.
    pub bootstrap: Partner,
}

impl Rig {
    /// A meter of `version` that holds `store` and is switched on at once.
    pub(super) fn new(version: Version, store: Vec<Entry>) -> Rig {
        Rig::with(version, store, |_| {})
    }

    /// The same with other settings.
    pub(super) fn with(version: Version, store: Vec<Entry>, change: impl FnOnce(&mut client::Config)) -> Rig {
        let setup = Setup { meters: 0, version, ..Setup::default() };
        let mut config = Arc::into_inner(setup.client_config()).expect("nobody else has it");
        config.factory = Arc::new(store);
        change(&mut config);
        let mut world = setup.deserted();
        let config = Arc::new(config);
        world.add_meter(config.clone(), ENDPOINT, Instant::ZERO);
        Rig { world, config, server: Partner::new(World::EMS), bootstrap: Partner::new(World::BOOTSTRAP) }
    }

    /// A meter with an account of the server from the factory, registered.
    pub(super) fn registered(version: Version) -> Rig {
        let mut rig = Rig::new(version, [account(), device()].concat());
        rig.expect_register();
        rig
    }

    // ----- what the meter says ---------------------------------------------------------------------

    /// The request to the server that comes next, within `patience`.
    pub(super) fn next_request(&mut self, patience: Duration) -> Option<Received> {
        self.until(patience, |rig| !rig.server.heard.is_empty());
        (!self.server.heard.is_empty()).then(|| self.server.heard.remove(0))
    }

    /// The server hears something that `answer` is for; what it was.
    pub(super) fn serve(&mut self, patience: Duration, answer: Message) -> Message {
        let heard = self.next_request(patience).expect("the meter has something to say");
        let message = heard.message.clone();
        self.server.answer(heard, answer, self.world.now());
        self.settle();
        message
    }

    /// The meter registers, now, and is told its location.
    pub(super) fn expect_register(&mut self) -> Message {
        let request = self.serve(SOON, Message::response(Code::CREATED).with_location(&LOCATION));
        assert_eq!(request.code(), Code::POST);
        assert!(request.path_is(&["rd"]), "{request:?}");
        self.wait(Duration::ZERO);
        assert_eq!(self.world.count(MeterState::Registered), 1);
        request
    }

    /// The meter updates its registration within `patience`, which is granted.
    pub(super) fn expect_update_within(&mut self, patience: Duration) -> Message {
        let request = self.serve(patience, Message::response(Code::CHANGED));
        assert_eq!(request.code(), Code::POST);
        assert!(request.path_is(&LOCATION), "{request:?}");
        self.wait(Duration::ZERO);
        request
    }

    /// The same, at once.
    pub(super) fn expect_update(&mut self) -> Message {
        self.expect_update_within(SOON)
    }

    /// The meter updates its registration with this lifetime, at once.
    pub(super) fn expect_lifetime(&mut self, seconds: i64) {
        let update = self.expect_update();
        assert_eq!(update.query("lt"), Some(seconds.to_string().as_str()), "{update:?}");
    }

    /// The meter asks the Bootstrap-Server, now; the server takes it on.
    pub(super) fn expect_bootstrap_request(&mut self) -> Message {
        self.expect_bootstrap_request_within(SOON)
    }

    /// The same within `patience`.
    pub(super) fn expect_bootstrap_request_within(&mut self, patience: Duration) -> Message {
        let request = self.serve_bootstrap(patience, Message::response(Code::CHANGED));
        assert_eq!(request.code(), Code::POST);
        assert!(request.path_is(&["bs"]), "{request:?}");
        assert_eq!(request.query("ep"), Some(ENDPOINT));
        request
    }

    /// The Bootstrap-Server hears something that `answer` is for; what it was.
    pub(super) fn serve_bootstrap(&mut self, patience: Duration, answer: Message) -> Message {
        assert!(self.until(patience, |rig| !rig.bootstrap.heard.is_empty()), "the meter bootstraps");
        let heard = self.bootstrap.heard.remove(0);
        let message = heard.message.clone();
        self.bootstrap.answer(heard, answer, self.world.now());
        self.wait(Duration::ZERO);
        message
    }

    /// The answer to a command of the Bootstrap-Server.
    pub(super) fn command(&mut self, command: Message) -> Message {
        let handle = self.bootstrap.exchange.request(command, self.world.now());
        self.until(SOON, |rig| rig.bootstrap.answered(handle));
        self.bootstrap.take_answer(handle).expect("the meter answers")
    }

    /// Bootstrap-Write of what `entries` has at and below `path`.
    pub(super) fn bootstrap_write(&mut self, path: &str, format: ContentFormat, entries: &[Entry]) -> Code {
        let own: Vec<Entry> =
            entries.iter().filter(|entry| entry.path.starts_with(&at(path))).cloned().collect();
        let payload = content::encode(format, at(path), &own).expect("values that suit the path");
        let command = request(Code::PUT, path).with_content_format(format).with_payload(payload);
        self.command(command).code()
    }

    /// Bootstrap-Discover of everything.
    pub(super) fn bootstrap_discover(&mut self) -> Vec<String> {
        let answer = self.command(request(Code::GET, "/").with_accept(ContentFormat::LINK));
        assert_eq!((answer.code(), answer.content_format()), (Code::CONTENT, Some(ContentFormat::LINK)));
        let links = str::from_utf8(answer.payload()).expect("link-format is text");
        links.split(',').map(str::to_owned).collect()
    }

    /// Bootstrap-Read of `path`, in SenML CBOR.
    pub(super) fn bootstrap_read(&mut self, path: &str) -> Message {
        self.command(request(Code::GET, path).with_accept(ContentFormat::SENML_CBOR))
    }

    pub(super) fn bootstrap_delete(&mut self, path: &str) -> Code {
        self.command(request(Code::DELETE, path)).code()
    }

    /// Bootstrap-Finish.
    pub(super) fn finish(&mut self) -> Code {
        self.command(request(Code::POST, "/bs")).code()
    }

    /// Hands out an account of the server, and sees the meter registered.
    pub(super) fn bootstrap_in_full(&mut self) -> Message {
        for object in ["/0", "/1"] {
            assert_eq!(self.bootstrap_write(object, ContentFormat::TLV, &handed_out()), Code::CHANGED);
        }
        assert_eq!(self.finish(), Code::CHANGED);
        self.expect_register()
    }

    /// Nothing comes for the server or the Bootstrap-Server for this long.
    pub(super) fn expect_silence(&mut self, time: Duration) {
        let spoken = self.until(time, |rig| !rig.server.heard.is_empty() || !rig.bootstrap.heard.is_empty());
        assert!(!spoken, "{:?} {:?}", self.server.heard, self.bootstrap.heard);
    }

    // ----- what the server asks --------------------------------------------------------------------

    /// The answer to a request of the server.
    pub(super) fn ask(&mut self, request: Message) -> Message {
        let handle = self.server.exchange.request(request, self.world.now());
        self.answer_to(handle)
    }

    pub(super) fn answer_to(&mut self, handle: Handle) -> Message {
        self.until(SOON, |rig| rig.server.answered(handle));
        self.server.take_answer(handle).expect("the meter answers")
    }

    pub(super) fn read_message(&mut self, path: &str, accept: impl Into<Option<ContentFormat>>) -> Message {
        let request = request(Code::GET, path);
        match accept.into() {
            Some(format) => self.ask(request.with_accept(format)),
            None => self.ask(request),
        }
    }

    /// The payload of a successful Read in `format`.
    pub(super) fn payload(&mut self, path: &str, format: ContentFormat) -> Vec<u8> {
        let answer = self.read_message(path, format);
        assert_eq!((answer.code(), answer.content_format()), (Code::CONTENT, Some(format)), "{path}");
        answer.payload().to_vec()
    }

    /// The values a successful Read in `format` gives.
    pub(super) fn read(&mut self, path: &str, format: ContentFormat) -> Vec<Entry> {
        let payload = self.payload(path, format);
        content::decode(format, at(path), &payload).expect("a payload in the format it says it has")
    }

    /// The one value of a resource or resource instance.
    pub(super) fn value(&mut self, path: &str) -> Value {
        let entries = self.read(path, ContentFormat::TEXT);
        assert_eq!(entries.len(), 1, "{path}");
        entries[0].value.clone()
    }

    /// Write (Replace) of a payload as it is.
    pub(super) fn put(&mut self, path: &str, format: ContentFormat, payload: impl Into<Vec<u8>>) -> Code {
        self.ask(request(Code::PUT, path).with_content_format(format).with_payload(payload.into())).code()
    }

    /// Write (Partial Update), or Create, of a payload as it is.
    pub(super) fn post(&mut self, path: &str, format: ContentFormat, payload: impl Into<Vec<u8>>) -> Code {
        self.ask(request(Code::POST, path).with_content_format(format).with_payload(payload.into())).code()
    }

    /// Write (Replace) of these values.
    pub(super) fn write(&mut self, path: &str, format: ContentFormat, entries: &[Entry]) -> Code {
        let payload = content::encode(format, at(path), entries).expect("values that suit the path");
        self.put(path, format, payload)
    }

    /// Write (Partial Update), or Create, of these values.
    pub(super) fn update(&mut self, path: &str, format: ContentFormat, entries: &[Entry]) -> Code {
        let payload = content::encode(format, at(path), entries).expect("values that suit the path");
        self.post(path, format, payload)
    }

    pub(super) fn execute(&mut self, path: &str) -> Code {
        self.ask(request(Code::POST, path)).code()
    }

    /// Write-Attributes: `/3/0?pmin=10&pmax=200`.
    pub(super) fn attach(&mut self, target: &str) -> Code {
        self.ask(request(Code::PUT, target)).code()
    }

    /// The links of a successful Discover, in order.
    pub(super) fn discover(&mut self, target: &str) -> Vec<String> {
        let answer = self.ask(request(Code::GET, target).with_accept(ContentFormat::LINK));
        assert_eq!(answer.content_format(), Some(ContentFormat::LINK), "{target}");
        let links = str::from_utf8(answer.payload()).expect("link-format is text");
        links.split(',').map(str::to_owned).collect()
    }

    /// The values a successful Read-Composite in `format` gives.
    pub(super) fn read_composite(&mut self, format: ContentFormat, paths: &[&str]) -> Vec<Entry> {
        let answer = self.ask(composite(format, paths));
        composite_values(&answer, format)
    }

    pub(super) fn write_composite(&mut self, format: ContentFormat, entries: &[Entry]) -> Code {
        let patches: Vec<Patch> = entries.iter().cloned().map(Patch::Set).collect();
        let payload = content::encode_patch(format, &patches).expect("plain values");
        let request = request(Code::IPATCH, "/").with_content_format(format).with_payload(payload);
        self.ask(request).code()
    }

    // ----- time -------------------------------------------------------------------------------------

    /// Lets this much time pass.
    pub(super) fn wait(&mut self, time: Duration) {
        self.until(time, |_| false);
    }

    /// Lets time pass until `done`, and no more than `patience`; whether it was done.
    pub(super) fn until(&mut self, patience: Duration, done: impl Fn(&Rig) -> bool) -> bool {
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
    pub(super) fn settle(&mut self) {
        self.server.settle(&mut self.world);
        self.bootstrap.settle(&mut self.world);
    }

    pub(super) fn now(&self) -> Instant {
        self.world.now()
    }
}
