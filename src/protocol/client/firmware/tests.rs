//! A device and the two servers it deals with, on virtual time.

use std::sync::Arc;

use super::*;
use crate::base::{Rng, Seed};
use crate::protocol::client::{
    BootstrapPolicy, Config, Event, Failure, Output, RegistrationPolicy, ReportPolicy, RequestKind,
};
use crate::protocol::coap::{ContentFormat, Exchange, Message, Params};
use crate::protocol::lwm2m::{Version, package};

const STATE: Path = Path::resource(5, 0, 3);
const RESULT: Path = Path::resource(5, 0, 5);
const UPDATE: Path = Path::resource(5, 0, 2);
const URI_AT: Path = Path::resource(5, 0, 1);
const LIFETIME: Path = Path::resource(1, 0, 1);
const CANCEL: Path = Path::resource(5, 0, 10);
/// Both lead to one address.
const LINKS: [Link; 2] = [Link::Server(101), Link::Package];
const URI: &str = "coap://127.0.0.1:5683/firmware/7";
const NEW: PackageVersion = PackageVersion(0x0002_0100);

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// What the file server does with a GET of a block.
type Serve = Box<dyn FnMut(&coap::Received) -> Option<Message>>;

struct Scene {
    client: Client,
    ems: Exchange,
    files: Exchange,
    serve: Serve,
    now: Instant,
    registers: u32,
    /// What of the package link was told, in order.
    downloads: Vec<Fate>,
    failures: Vec<Failure>,
    /// Datagrams the device sent on the package link.
    datagrams: u32,
    /// Those of them that are lost.
    lost: std::ops::Range<u32>,
    /// That of them before which the file server is started anew.
    restart: u32,
    open: bool,
    /// Answers of the device to the EMS.
    answers: Vec<Message>,
}

fn rng(name: &str) -> Rng {
    Seed(7).child(name, 0).rng()
}

fn factory() -> Arc<Vec<Entry>> {
    let whole = |path: &str, value: Value| Entry::new(path.parse().unwrap(), value);
    let integer = |path: &str, value| whole(path, Value::Integer(value));
    let text = |path: &str, text: &str| whole(path, text.into());
    Arc::new(vec![
        text("/0/0/0", "coap://127.0.0.1:5683"),
        whole("/0/0/1", Value::Boolean(false)),
        integer("/0/0/2", 3),
        integer("/0/0/10", 101),
        integer("/1/0/0", 101),
        integer("/1/0/1", 86_400),
        text("/1/0/7", "U"),
        text("/3/0/3", "1.0.0"),
        text("/5/0/1", ""),
        integer("/5/0/3", 0),
        integer("/5/0/5", 0),
        text("/5/0/6", ""),
        text("/5/0/7", ""),
        integer("/5/0/9", 2),
        text("/9/0/0", "metering"),
        text("/9/0/1", "1.0.0"),
        integer("/9/0/7", 4),
        integer("/9/0/9", 2),
        whole("/9/0/12", Value::Boolean(true)),
        integer("/9/0/21", 1),
    ])
}

impl Scene {
    fn new(policy: FirmwarePolicy) -> Self {
        Scene::numbered(policy, 0)
    }

    /// A registered device, and a server that has a package of 20,000 bytes.
    fn numbered(policy: FirmwarePolicy, number: u64) -> Self {
        let params = Arc::new(Params::default());
        let config = Config {
            version: Version::V1_2,
            transmission: params.clone(),
            bootstrap: BootstrapPolicy::default(),
            registration: RegistrationPolicy::default(),
            firmware: policy,
            report: ReportPolicy::default(),
            factory: factory(),
            provision: None,
            device: None,
        };
        let mut scene = Scene {
            client: Client::new(Arc::new(config), "meter".into(), 0, Seed(1).child("meter", number)),
            ems: Exchange::new(params.clone(), rng("ems")),
            files: Exchange::new(params, rng("files")),
            serve: Box::new(|_| Some(content(&package(20_000)))),
            now: Instant::from_secs(1),
            registers: 0,
            downloads: Vec::new(),
            failures: Vec::new(),
            datagrams: 0,
            lost: 0..0,
            restart: 0,
            open: false,
            answers: Vec::new(),
        };
        scene.client.power_on(scene.now, scene.now);
        scene.run(secs(1));
        assert_eq!((scene.client.state(), scene.registers), (State::Registered, 1));
        scene
    }

    fn serving(mut self, serve: impl FnMut(&coap::Received) -> Option<Message> + 'static) -> Self {
        self.serve = Box::new(serve);
        self
    }

    /// Lets so much time pass.
    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.settle();
            let timeouts = [
                self.client.poll_timeout().map(|(at, _)| at),
                self.ems.poll_timeout().map(|(at, _)| at),
                self.files.poll_timeout().map(|(at, _)| at),
            ];
            match timeouts.into_iter().flatten().min().filter(|at| *at <= end) {
                Some(at) => self.now = self.now.max(at),
                None => break,
            }
            self.client.handle_timeout(self.now);
            self.ems.handle_timeout(self.now);
            self.files.handle_timeout(self.now);
        }
        self.now = end;
    }

    fn settle(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Open { link, .. } => {
                    self.open |= link == Link::Package;
                    self.client.handle_opened(link, self.now);
                }
                Output::Close { link } => {
                    assert_eq!(link, Link::Package);
                    self.open = false;
                }
                Output::Send { link: Link::Package, bytes } => {
                    self.datagrams += 1;
                    if self.datagrams == self.restart {
                        self.files = Exchange::new(Arc::new(Params::default()), rng("another"));
                    }
                    if self.lost.contains(&self.datagrams) {
                        continue;
                    }
                    assert_eq!(
                        self.client.link_of(&LINKS, &bytes),
                        Link::Server(101),
                        "our own is no answer"
                    );
                    self.files.handle_input(&bytes, self.now);
                    self.answer(Link::Package);
                }
                Output::Send { link, bytes } => {
                    self.ems.handle_input(&bytes, self.now);
                    self.answer(link);
                }
                Output::Event(Event::Request { kind: RequestKind::Download, fate }) => {
                    self.downloads.push(fate);
                }
                Output::Event(Event::Failed(failure)) => self.failures.push(failure),
                Output::Event(_) => {}
            }
        }
    }

    fn answer(&mut self, link: Link) {
        let server = if link == Link::Package { &mut self.files } else { &mut self.ems };
        while let Some(output) = server.poll_output() {
            match output {
                coap::Output::Send(datagram) => {
                    assert_eq!(self.client.link_of(&LINKS, &datagram), link);
                    self.client.handle_input(link, &datagram, self.now);
                }
                coap::Output::Event(coap::Event::Request(received)) => {
                    let answer = match link {
                        Link::Package => (self.serve)(&received),
                        _ if received.message.path_is(&["rd"]) => {
                            self.registers += 1;
                            Some(Message::response(Code::CREATED).with_location(&["rd", "1"]))
                        }
                        _ => Some(Message::response(Code::CHANGED)),
                    };
                    match answer {
                        Some(answer) => server.respond(received, answer, self.now),
                        None => server.ignore(received),
                    }
                }
                coap::Output::Event(coap::Event::Response { message, .. }) => self.answers.push(message),
                coap::Output::Event(_) => {}
            }
        }
    }

    /// A request of the EMS, and the answer.
    fn request(&mut self, request: Message) -> Message {
        self.ems.request(request, self.now);
        self.answer(Link::Server(101));
        self.settle();
        self.answers.pop().expect("the device answers")
    }

    /// What manage does with a command that came in a request.
    fn ask(&mut self, command: Command) -> Result<(), Code> {
        admit(&self.client.tree, command.path(), command.value())?;
        self.client.package_command(command, self.now);
        self.settle();
        Ok(())
    }

    fn execute(&mut self, path: Path) -> Result<(), Code> {
        self.ask(Command::Execute(path))
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Code> {
        self.ask(Command::Write(Entry::new(Path::resource(5, 0, 0), Value::Opaque(bytes.into()))))
    }

    fn pull(&mut self, uri: &str) -> Result<(), Code> {
        self.ask(Command::Write(Entry::new(Path::resource(5, 0, 1), uri.into())))
    }

    fn number(&self, path: Path) -> Option<i64> {
        self.client.tree.get(path).and_then(Value::as_integer)
    }

    /// /5/0/3 and /5/0/5.
    fn shown(&self) -> (i64, i64) {
        (self.number(STATE).unwrap(), self.number(RESULT).unwrap())
    }

    fn version(&self) -> &str {
        self.client.tree.get(VERSION).and_then(Value::as_str).unwrap()
    }
}

fn package(size: usize) -> Vec<u8> {
    package::make(NEW, size, 5)
}

fn content(bytes: &[u8]) -> Message {
    Message::response(Code::CONTENT).with_payload(bytes.to_vec())
}

fn failing(failure: PackageFailure) -> FirmwarePolicy {
    FirmwarePolicy { failures: vec![(failure, 1.0)], ..FirmwarePolicy::default() }
}

#[test]
fn a_pushed_package_is_installed_when_it_is_told_to() {
    let mut scene = Scene::new(FirmwarePolicy::default());
    assert!(scene.client.packages.is_none());
    assert_eq!(scene.execute(UPDATE), Err(Code::METHOD_NOT_ALLOWED));
    scene.push(&package(5_000)).unwrap();
    assert_eq!(scene.shown(), (2, 0));
    assert_eq!(scene.client.tree.get(Path::resource(5, 0, 7)), Some(&"2.1.0".into()));
    assert_eq!(scene.push(&package(5_000)), Err(Code::METHOD_NOT_ALLOWED));

    scene.execute(UPDATE).unwrap();
    assert_eq!(scene.shown(), (3, 0));
    assert_eq!(scene.execute(CANCEL), Err(Code::METHOD_NOT_ALLOWED));
    assert_eq!(scene.push(&[]), Err(Code::METHOD_NOT_ALLOWED));
    scene.run(secs(29));
    assert_eq!((scene.shown(), scene.registers), ((3, 0), 1));
    scene.run(secs(2));
    assert_eq!((scene.shown(), scene.version()), ((0, 1), "2.1.0"));
    assert_eq!(scene.registers, 2, "it has restarted");
    assert!(scene.client.packages.is_none());
}

#[test]
fn a_package_is_pulled_block_by_block_from_the_server_the_device_is_registered_with() {
    let mut scene = Scene::new(FirmwarePolicy::default());
    scene.pull(URI).unwrap();
    assert_eq!((scene.shown(), scene.open), ((2, 0), false));
    assert_eq!(scene.datagrams, 20_000_u32.div_ceil(1024));
    assert_eq!(scene.downloads, [Fate::Sent, Fate::Answered]);
    assert_eq!(scene.client.tree.get(Path::resource(5, 0, 1)), Some(&URI.into()));
    scene.execute(UPDATE).unwrap();
    scene.run(secs(31));
    assert_eq!((scene.shown(), scene.version()), ((0, 1), "2.1.0"));
    // What is kept of it: the version and the result.
    assert_eq!(scene.client.tree.get(Path::resource(5, 0, 1)), Some(&"".into()));
    assert!(scene.client.tree.heap_bytes() <= 2 * 32 + "2.1.0".len());
}

#[test]
fn a_server_does_all_of_it_by_requests() {
    let to = |code, path: &[&str]| Message::request(code).with_path(path);
    let mut scene = Scene::new(FirmwarePolicy::default());
    let package = to(Code::PUT, &["5", "0", "0"])
        .with_content_format(ContentFormat::OPAQUE)
        .with_payload(package(256 << 10));
    assert_eq!(scene.request(to(Code::POST, &["5", "0", "2"])).code(), Code::METHOD_NOT_ALLOWED);
    assert_eq!(scene.request(package.clone()).code(), Code::CHANGED);
    assert_eq!(scene.request(to(Code::GET, &["5", "0", "3"])).payload(), b"2");
    assert_eq!(scene.request(package).code(), Code::METHOD_NOT_ALLOWED, "there is one already");
    assert_eq!(scene.request(to(Code::POST, &["5", "0", "2"])).code(), Code::CHANGED);
    assert_eq!(scene.request(to(Code::GET, &["5", "0", "3"])).payload(), b"3");
    scene.run(secs(31));
    assert_eq!(scene.request(to(Code::GET, &["5", "0", "5"])).payload(), b"1");
    assert_eq!(scene.request(to(Code::GET, &["3", "0", "3"])).payload(), b"2.1.0");

    let uri = to(Code::PUT, &["5", "0", "1"])
        .with_content_format(ContentFormat::TEXT)
        .with_payload(URI.as_bytes().to_vec());
    assert_eq!(scene.request(uri).code(), Code::CHANGED);
    assert_eq!((scene.shown(), scene.downloads.last()), ((2, 0), Some(&Fate::Answered)));
}

#[test]
fn the_second_update_starts_from_the_beginning() {
    let mut scene = Scene::new(FirmwarePolicy::default());
    for round in 1..3 {
        scene.pull(URI).unwrap();
        assert_eq!(scene.shown(), (2, 0), "the result of the one before is forgotten");
        scene.execute(UPDATE).unwrap();
        scene.run(secs(31));
        assert_eq!((scene.shown(), scene.registers), ((0, 1), 1 + round));
    }
}

#[test]
fn each_failure_has_its_result_when_pulled() {
    use PackageFailure::*;
    let all = [
        (NotEnoughFlash, 2),
        (OutOfMemory, 3),
        (ConnectionLost, 4),
        (Integrity, 5),
        (UnsupportedType, 6),
        (InvalidUri, 7),
        (Installation, 8),
        (UnsupportedProtocol, 9),
    ];
    for (failure, result) in all {
        let mut scene = Scene::new(failing(failure));
        scene.pull(URI).unwrap();
        if failure == Installation {
            assert_eq!(scene.shown(), (2, 0));
            scene.execute(UPDATE).unwrap();
            scene.run(secs(31));
        }
        assert_eq!((scene.shown(), scene.version()), ((0, result), "1.0.0"), "{failure:?}");
        assert!(scene.client.packages.is_none(), "{failure:?}");
        assert_eq!((scene.registers, scene.open), (1, false));
        assert!(scene.client.in_flight().next().is_none());
        let datagrams = match failure {
            InvalidUri | UnsupportedProtocol => 0..1,
            NotEnoughFlash => 1..2,
            OutOfMemory | ConnectionLost => 5..15,
            _ => 20..21,
        };
        assert!(datagrams.contains(&scene.datagrams), "{failure:?}: {}", scene.datagrams);
    }
}

#[test]
fn what_concerns_downloads_does_not_happen_to_what_is_pushed() {
    for failure in [PackageFailure::ConnectionLost, PackageFailure::InvalidUri] {
        let mut scene = Scene::new(failing(failure));
        scene.push(&package(100)).unwrap();
        assert_eq!(scene.shown(), (2, 0));
    }
    for (failure, result) in [(PackageFailure::NotEnoughFlash, 2), (PackageFailure::Integrity, 5)] {
        let mut scene = Scene::new(failing(failure));
        scene.push(&package(100)).unwrap();
        assert_eq!(scene.shown(), (0, result));
    }
}

#[test]
fn what_is_wrong_with_a_package_is_seen() {
    let mut scene = Scene::new(FirmwarePolicy { capacity: 9_999, ..FirmwarePolicy::default() });
    let mut broken = package(1_000);
    broken[500] ^= 1;
    scene.push(&broken).unwrap();
    assert_eq!(scene.shown(), (0, 5));
    scene.push(&package(10_000)).unwrap();
    assert_eq!(scene.shown(), (0, 2));
    scene.pull(URI).unwrap();
    assert_eq!((scene.shown(), scene.datagrams), ((0, 2), 1), "it says its size at once");
    for (uri, result) in [("http://ems/f", 9), ("coaps://ems/f", 9), ("nonsense", 7), ("coap://", 7)] {
        scene.pull(uri).unwrap();
        assert_eq!(scene.shown(), (0, result), "{uri}");
    }
    let mut scene = scene.serving(|_| Some(Message::response(Code::NOT_FOUND)));
    scene.pull(URI).unwrap();
    assert_eq!(scene.shown(), (0, 7));
    assert_eq!(scene.failures, [Failure::Refused(RequestKind::Download, Code::NOT_FOUND)]);

    let mut tolerant = Scene::new(FirmwarePolicy { verified: false, ..FirmwarePolicy::default() });
    tolerant.push(b"123456789").unwrap();
    assert_eq!(tolerant.client.tree.get(Path::resource(5, 0, 7)), Some(&"52212.57.38".into()));
}

#[test]
fn a_download_goes_on_where_it_broke_off() {
    let mut scene = Scene::new(FirmwarePolicy::default());
    // Block 9 and its four retransmissions.
    scene.lost = 10..15;
    scene.pull(URI).unwrap();
    scene.run(secs(60));
    assert_eq!(scene.shown(), (1, 0));
    scene.run(secs(45));
    assert_eq!((scene.shown(), scene.datagrams), ((2, 0), 20 + 5));
    assert_eq!(scene.downloads, [Fate::Sent, Fate::TimedOut, Fate::Sent, Fate::Answered]);
}

#[test]
fn a_server_that_has_no_time_is_asked_again_when_it_wants() {
    let mut asked = 0;
    let mut scene = Scene::new(FirmwarePolicy::default()).serving(move |_| {
        asked += 1;
        match asked {
            1 => Some(Message::response(Code::SERVICE_UNAVAILABLE).with_max_age(60)),
            _ => Some(content(&package(20_000))),
        }
    });
    scene.pull(URI).unwrap();
    assert!(scene.client.in_flight().next().is_none());
    scene.run(secs(59));
    assert_eq!(scene.shown(), (1, 0));
    scene.run(secs(2));
    assert_eq!(scene.shown(), (2, 0));
    assert_eq!(scene.downloads, [Fate::Sent, Fate::Answered, Fate::Sent, Fate::Answered]);
}

#[test]
fn a_server_that_falls_silent_is_given_up_in_the_end() {
    let mut scene = Scene::new(FirmwarePolicy::default()).serving(|_| None);
    scene.pull(URI).unwrap();
    assert_eq!(scene.client.in_flight().collect::<Vec<_>>(), [RequestKind::Download]);
    scene.run(secs(900));
    assert_eq!((scene.shown(), scene.failures.len()), ((0, 4), 3));
    let thrice = [[Fate::Sent, Fate::TimedOut]; 3].concat();
    assert_eq!(scene.downloads, thrice);
}

#[test]
fn a_package_that_is_another_by_now_is_fetched_anew() {
    let mut sizes = [20_000, 30_000].into_iter();
    let mut scene = Scene::new(FirmwarePolicy::default())
        .serving(move |_| Some(content(&package(sizes.next().unwrap_or(30_000)))));
    scene.restart = 8;
    scene.pull(URI).unwrap();
    scene.run(secs(15));
    assert_eq!((scene.shown(), scene.datagrams), ((2, 0), 8 + 30));
}

#[test]
fn cancel_and_reset_give_up_what_there_is() {
    let mut scene = Scene::new(FirmwarePolicy::default()).serving(|_| None);
    assert_eq!(scene.execute(CANCEL), Err(Code::METHOD_NOT_ALLOWED), "there is nothing");
    scene.pull(URI).unwrap();
    assert_eq!(scene.shown(), (1, 0));
    scene.execute(CANCEL).unwrap();
    assert_eq!((scene.shown(), scene.open), ((0, 10), false));
    assert_eq!(scene.downloads, [Fate::Sent, Fate::Abandoned]);

    scene.push(&package(50)).unwrap();
    scene.execute(CANCEL).unwrap();
    assert_eq!(scene.shown(), (0, 10));
    for reset in [&b""[..], b"\0"] {
        scene.push(&package(50)).unwrap();
        scene.push(reset).unwrap();
        assert_eq!(scene.shown(), (0, 0));
    }
    scene.pull(URI).unwrap();
    scene.pull("").unwrap();
    assert_eq!(scene.shown(), (0, 0));
    assert!(scene.client.packages.is_none());
}

#[test]
fn an_update_may_be_put_off_but_not_for_ever() {
    let mut scene = Scene::new(FirmwarePolicy { deferred: 1.0, ..FirmwarePolicy::default() });
    scene.client.tree.set(Path::resource(5, 0, 13), Value::Unsigned(600));
    scene.push(&package(50)).unwrap();
    scene.execute(UPDATE).unwrap();
    assert_eq!(scene.shown(), (2, 11));
    scene.run(secs(599));
    assert_eq!(scene.shown(), (2, 11));
    scene.run(secs(2));
    assert_eq!(scene.shown(), (3, 0));
    scene.run(secs(30));
    assert_eq!(scene.shown(), (0, 1));
    // A critical one may not, nor any where nobody has the time to.
    for (path, value) in
        [(Path::resource(5, 0, 11), Value::Integer(0)), (Path::resource(5, 0, 13), Value::Unsigned(0))]
    {
        scene.client.tree.set(path, value);
        scene.push(&package(50)).unwrap();
        scene.execute(UPDATE).unwrap();
        assert_eq!(scene.shown(), (3, 0));
        scene.run(secs(31));
    }
}

#[test]
fn what_is_to_be_installed_at_download_is() {
    let mut scene = Scene::new(FirmwarePolicy::default());
    scene.client.tree.set(Path::resource(5, 0, 14), Value::Boolean(true));
    scene.pull(URI).unwrap();
    assert_eq!(scene.shown(), (3, 0));
}

#[test]
fn packages_come_only_the_way_the_device_wants_them() {
    let mut scene = Scene::new(FirmwarePolicy::default());
    scene.client.tree.set(Path::resource(5, 0, 9), Value::Integer(0));
    assert_eq!(scene.push(&package(50)), Err(Code::METHOD_NOT_ALLOWED));
    scene.client.tree.set(Path::resource(5, 0, 9), Value::Integer(1));
    assert_eq!(scene.pull(URI), Err(Code::METHOD_NOT_ALLOWED));
}

#[test]
fn a_device_that_leaves_takes_its_download_with_it() {
    let mut scene = Scene::new(FirmwarePolicy::default()).serving(|_| None);
    scene.pull(URI).unwrap();
    scene.client.shutdown(scene.now);
    scene.run(secs(1));
    assert_eq!(scene.client.state(), State::Deregistered);
    assert_eq!(scene.downloads, [Fate::Sent, Fate::Abandoned]);
    assert!(scene.client.in_flight().next().is_none() && scene.client.packages.is_none());
}

#[test]
fn a_factory_reset_does_not_bring_the_old_firmware_back() {
    let mut scene = Scene::new(FirmwarePolicy::default());
    scene.push(&package(50)).unwrap();
    scene.execute(UPDATE).unwrap();
    scene.run(secs(31));
    scene.pull(URI).unwrap();
    let store = scene.client.factory_store();
    assert_eq!(store.get(VERSION), Some(&"2.1.0".into()));
    assert_eq!(store.get(STATE), Some(&Value::Integer(0)));
}

#[test]
fn a_bootstrap_that_fails_takes_back_what_was_written_and_no_update() {
    let mut scene = Scene::new(FirmwarePolicy::default());
    scene.push(&package(50)).unwrap();
    scene.execute(UPDATE).unwrap();
    scene.client.begin_unasked(scene.now);
    let written = [(URI_AT, Value::from("coap://of.the.bootstrap.server/")), (LIFETIME, Value::Integer(7))];
    let before = [Value::from(""), Value::Integer(86_400)];
    for (path, value) in written {
        scene.client.tree.set(path, value);
    }
    // The Bootstrap-Server has deleted it.
    scene.client.tree.remove(VERSION);
    scene.run(secs(31));
    assert_eq!(scene.client.state(), State::Bootstrapping);
    scene.run(secs(300));
    assert_eq!(scene.failures, [Failure::NoFinish]);
    assert_eq!(scene.client.state(), State::Registered);
    assert_eq!((scene.shown(), scene.version()), ((0, 1), "2.1.0"));
    let after = [URI_AT, LIFETIME].map(|path| scene.client.tree.get(path).cloned());
    assert_eq!(after, before.map(Some));
}

#[test]
fn a_package_that_comes_during_a_bootstrap_that_fails_can_be_installed_after_it() {
    let (mut slow, bytes) = (FirmwarePolicy::default(), package(20_000));
    slow.install_time = secs(1);
    let gate = std::rc::Rc::new(std::cell::Cell::new(false));
    let opened = gate.clone();
    let mut scene = Scene::new(slow).serving(move |_| opened.get().then(|| content(&bytes)));
    scene.pull(URI).unwrap();
    scene.client.begin_unasked(scene.now);
    gate.set(true);
    scene.run(secs(60));
    assert_eq!((scene.client.state(), scene.shown()), (State::Bootstrapping, (2, 0)));
    scene.run(secs(300));
    assert_eq!((scene.client.state(), scene.shown()), (State::Registered, (2, 0)));
    scene.execute(UPDATE).unwrap();
    scene.run(secs(2));
    assert_eq!((scene.shown(), scene.version()), ((0, 1), "2.1.0"));
}

#[test]
fn a_fleet_fails_at_the_rate_it_is_told_to() {
    let policy = FirmwarePolicy {
        failures: vec![(PackageFailure::Integrity, 0.2), (PackageFailure::NotEnoughFlash, 0.1)],
        ..FirmwarePolicy::default()
    };
    let results: Vec<i64> = (0..400)
        .map(|number| {
            let mut scene = Scene::numbered(policy.clone(), number);
            scene.push(&package(50)).unwrap();
            scene.shown().1
        })
        .collect();
    let count = |result| results.iter().filter(|found| **found == result).count();
    assert!((55..105).contains(&count(5)), "{}", count(5));
    assert!((20..60).contains(&count(2)), "{}", count(2));
    assert_eq!(count(0) + count(2) + count(5), 400);
}

#[test]
fn software_is_taken_off_delivered_installed_and_run() {
    let resource = |id| Path::resource(9, 0, id);
    let uri = |text: &str| Command::Write(Entry::new(resource(3), text.into()));
    let mut scene = Scene::new(FirmwarePolicy::default());
    let shown = |scene: &Scene| (scene.number(resource(7)).unwrap(), scene.number(resource(9)).unwrap());
    let active = |scene: &Scene| scene.client.tree.get(resource(12)).and_then(Value::as_bool);
    assert_eq!(scene.ask(uri(URI)), Err(Code::METHOD_NOT_ALLOWED), "there is software in its place");
    scene.execute(resource(20)).unwrap();
    assert_eq!(scene.number(resource(21)), Some(0));
    scene.execute(resource(6)).unwrap();
    assert_eq!((shown(&scene), active(&scene)), ((0, 0), Some(false)));
    assert_eq!(scene.execute(resource(10)), Err(Code::METHOD_NOT_ALLOWED));

    scene.ask(uri(URI)).unwrap();
    assert_eq!(shown(&scene), (3, 3));
    scene.execute(resource(4)).unwrap();
    scene.execute(resource(4)).unwrap();
    scene.run(secs(31));
    assert_eq!((shown(&scene), scene.registers), ((4, 2), 1), "without a restart");
    assert_eq!(scene.client.tree.get(resource(1)), Some(&"2.1.0".into()));
    assert_eq!(scene.execute(resource(19)), Err(Code::METHOD_NOT_ALLOWED), "not active");
    scene.execute(resource(10)).unwrap();
    scene.execute(resource(19)).unwrap();
    assert_eq!((active(&scene), scene.number(resource(21))), (Some(true), Some(1)));
    assert!(scene.client.packages.is_none());
}

#[test]
fn software_that_cannot_be_installed_stays_delivered() {
    let resource = |id| Path::resource(9, 0, id);
    let mut scene = Scene::new(failing(PackageFailure::Installation));
    scene.execute(resource(6)).unwrap();
    let package = Value::Opaque(package(100).into());
    scene.ask(Command::Write(Entry::new(resource(2), package))).unwrap();
    scene.execute(resource(4)).unwrap();
    scene.run(secs(31));
    assert_eq!((scene.number(resource(7)), scene.number(resource(9))), (Some(3), Some(58)));
    scene.execute(resource(4)).unwrap();
    scene.run(secs(31));
    assert_eq!((scene.number(resource(7)), scene.number(resource(9))), (Some(4), Some(2)));
}

#[test]
fn one_package_is_downloaded_after_the_other() {
    let mut scene = Scene::new(FirmwarePolicy::default()).serving(|_| None);
    scene.execute(Path::resource(9, 0, 6)).unwrap();
    scene.pull(URI).unwrap();
    scene.ask(Command::Write(Entry::new(Path::resource(9, 0, 3), URI.into()))).unwrap();
    assert_eq!((scene.shown().0, scene.number(Path::resource(9, 0, 7))), (1, Some(1)));
    assert_eq!(scene.downloads, [Fate::Sent]);
    scene.serve = Box::new(|_| Some(content(&package(3_000))));
    scene.execute(CANCEL).unwrap();
    scene.run(secs(1));
    assert_eq!(scene.number(Path::resource(9, 0, 7)), Some(3));
}

#[test]
fn commands_that_do_not_fit_any_more_have_no_effect() {
    let mut scene = Scene::new(FirmwarePolicy::default());
    // A server may write both in one request; the first counts.
    scene.client.package_command(
        Command::Write(Entry::new(Path::resource(5, 0, 0), Value::Opaque(package(50).into()))),
        scene.now,
    );
    scene.client.package_command(Command::Write(Entry::new(Path::resource(5, 0, 1), URI.into())), scene.now);
    scene.settle();
    assert_eq!((scene.shown(), scene.datagrams), ((2, 0), 0));
    assert!(intercepts(UPDATE) && intercepts(Path::resource(9, 3, 2)) && !intercepts(STATE));
}
