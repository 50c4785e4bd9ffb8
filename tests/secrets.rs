//! No key is ever printed, logged, or put into results: everything the program does with credentials is done at trace
//! level, and whatever comes out of it is searched for the keys.
//!
//! The binary has nobody who listens to its events, and this one has: started with [`TRACE`] in its environment it is
//! `bootstorm`, and writes every event and span of every crate, `tracing`'s and `log`'s, into that file. Hence no
//! harness of libtest, whose arguments would be in the way of the program's.

mod common;

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bootstorm::credentials::{List, Master, Role};
use bootstorm::meter;
use bootstorm::protocol::client::{self, Credentials, encode_card};
use bootstorm::protocol::coap::{Code, Message, Params};
use bootstorm::protocol::lwm2m::{Entry, Path as At, Tree, Value};
use bootstorm::protocol::server;
use bootstorm::scenario::Provisioning;
use bootstorm::secure::{self, Certificate, ClientSecurity, Psk, Trust, Usage};
use nix::sys::signal::Signal;
use tracing::field::{Field, Visit};
use tracing::span;

use common::process::{Ended, Invocation, Process};

/// Where everything is written.
const TRACE: &str = "BOOTSTORM_TESTS_TRACE_TO";

type Case = (&'static str, fn());

const CASES: [Case; 5] = [
    ("the_search_finds_what_it_looks_for", the_search_finds_what_it_looks_for),
    ("no_pre_shared_key_is_seen", no_pre_shared_key_is_seen),
    ("no_private_key_is_seen", no_private_key_is_seen),
    ("no_type_shows_the_key_it_holds", no_type_shows_the_key_it_holds),
    ("no_key_that_stands_in_the_wrong_place_is_seen", no_key_that_stands_in_the_wrong_place_is_seen),
];

fn main() -> ExitCode {
    if let Some(file) = std::env::var_os(TRACE) {
        write_everything_to(Path::new(&file));
        return bootstorm::cli::main();
    }
    // As much of libtest's command line as people use.
    let args: Vec<String> = std::env::args().skip(1).collect();
    let wanted: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let of = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    let only_ignored = args.iter().any(|arg| arg == "--ignored");
    for (name, case) in CASES.iter().filter(|(name, _)| of(name) && !only_ignored) {
        if args.iter().any(|arg| arg == "--list") {
            println!("{name}: test");
        } else {
            case();
            println!("test {name} ... ok");
        }
    }
    ExitCode::SUCCESS
}

// ----- the listener -----------------------------------------------------------------------------------

#[derive(Clone)]
struct Everything(Arc<Mutex<File>>);

fn write_everything_to(path: &Path) {
    let file = File::options().create(true).append(true).open(path).expect("a file that can be written");
    let everything = Everything(Arc::new(Mutex::new(file)));
    log::set_logger(Box::leak(Box::new(everything.clone()))).expect("nobody else logs");
    log::set_max_level(log::LevelFilter::Trace);
    tracing::subscriber::set_global_default(everything).expect("nobody else listens");
}

impl Everything {
    fn write(&self, line: fmt::Arguments<'_>) {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(file, "{line}").expect("there is room");
    }
}

impl log::Log for Everything {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.write(format_args!("log {} {}: {}", record.level(), record.target(), record.args()));
    }

    fn flush(&self) {}
}

/// All fields, one after the other.
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!(" {field}={value:?}");
    }
}

impl tracing::Subscriber for Everything {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let mut fields = Fields(String::new());
        span.record(&mut fields);
        self.write(format_args!("span {} {}", span.metadata().target(), fields.0));
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        let mut fields = Fields(String::new());
        values.record(&mut fields);
        self.write(format_args!("span {}", fields.0));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        let metadata = event.metadata();
        self.write(format_args!("event {} {}{}", metadata.level(), metadata.target(), fields.0));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

// ----- what is looked for -----------------------------------------------------------------------------

/// A secret, in every form in which somebody might let it out.
struct Secret {
    /// The file it is kept in.
    name: String,
    /// It is a piece of a key in PEM, rather than a key.
    is_text: bool,
    /// As bytes, and as text that has no white space in it.
    raw: Vec<u8>,
    forms: Vec<String>,
}

impl Secret {
    fn new(name: &str, raw: &[u8]) -> Self {
        assert!(raw.len() >= 12, "{name}: what is so short is found by chance");
        let list = |form: fn(&u8) -> String| raw.iter().map(form).collect::<Vec<_>>().join(",");
        let hex = hex(raw);
        let base64 = STANDARD.encode(raw);
        let forms = vec![
            hex.to_uppercase(),
            hex,
            base64.trim_end_matches('=').to_owned(),
            URL_SAFE_NO_PAD.encode(raw),
            list(|byte| byte.to_string()),
            list(|byte| format!("{byte:x}")),
            list(|byte| format!("{byte:02x}")),
            list(|byte| format!("{byte:02X}")),
            list(|byte| format!("0x{byte:x}")),
            list(|byte| format!("0x{byte:02x}")),
            raw.escape_ascii().to_string(),
        ];
        Secret { name: name.to_owned(), is_text: false, raw: raw.to_vec(), forms }
    }

    fn is_in(&self, seen: &[u8]) -> bool {
        let found = |part: &[u8], text: &[u8]| memchr(part, text);
        let dense: Vec<u8> = seen.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        found(&self.raw, seen) || self.forms.iter().any(|form| found(form.as_bytes(), &dense))
    }
}

/// Whether `part` is in `text`: by its first byte first, as most of what is searched is long.
fn memchr(part: &[u8], text: &[u8]) -> bool {
    let mut at = 0;
    while let Some(next) = text[at..].iter().position(|byte| *byte == part[0]) {
        if text[at + next..].starts_with(part) {
            return true;
        }
        at += next + 1;
    }
    false
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.trim().as_bytes().chunks_exact(2);
    digits.map(|two| u8::from_str_radix(&String::from_utf8_lossy(two), 16).expect("hex digits")).collect()
}

/// All the keys of a folder that was provisioned, each of which is found where it is kept.
fn secrets(folder: &Path) -> Vec<Secret> {
    let secrets = secrets_of(folder);
    for secret in secrets.iter().filter(|secret| secret.is_text || !secret.name.ends_with(".pem")) {
        assert!(secret.is_in(&fs::read(&secret.name).expect("a file")), "{}", secret.name);
    }
    secrets
}

fn secrets_of(folder: &Path) -> Vec<Secret> {
    let mut secrets = Vec::new();
    for file in files(folder) {
        let name = file.display().to_string();
        let text = fs::read_to_string(&file).expect("text");
        match file.extension().and_then(OsStr::to_str) {
            Some("secret") => secrets.push(Secret::new(&name, &unhex(&text))),
            Some("csv") if text.lines().next().is_some_and(|header| header.ends_with(",key")) => {
                let keys = text.lines().skip(1).filter_map(|row| row.rsplit(',').next());
                secrets.extend(keys.map(|key| Secret::new(&name, &unhex(key))));
            }
            _ => secrets.extend(private_keys(&name, &text)),
        }
    }
    secrets
}

/// Of each private key the number that is all that is secret in it (RFC 5915 §3), and its lines as text.
fn private_keys(name: &str, text: &str) -> Vec<Secret> {
    let mut secrets = Vec::new();
    for block in text.split("-----BEGIN PRIVATE KEY-----").skip(1) {
        let body: String = block.split("-----END").next().expect("a part").split_whitespace().collect();
        let der = STANDARD.decode(&body).expect("base64");
        let at = der.windows(2).position(|two| two == [0x04, 0x20]).expect("an octet string of 32 bytes");
        secrets.push(Secret::new(name, &der[at + 2..at + 34]));
        // As text: what is before is the same in every key.
        let text = body.as_bytes()[48..].chunks(32).filter(|part| part.len() == 32);
        secrets.extend(text.map(|part| Secret {
            name: name.to_owned(),
            is_text: true,
            raw: part.to_vec(),
            forms: vec![String::from_utf8_lossy(part).into_owned()],
        }));
    }
    secrets
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

// ----- what is searched -------------------------------------------------------------------------------

/// A folder for one test: the credentials in `keys`, what came of them in `out`, and the trace.
struct Workshop {
    folder: tempfile::TempDir,
    printed: Vec<(String, Vec<u8>)>,
}

impl Workshop {
    fn provisioned(mode: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut workshop = Workshop { folder, printed: Vec::new() };
        let keys = workshop.keys();
        let args = ["provision", "--meters", "6", "--mode", mode, "--out", &keys];
        workshop.finish(&args);
        workshop
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("a plain path").to_owned()
    }

    fn keys(&self) -> String {
        self.path("keys")
    }

    fn traced(&self, args: &[&str]) -> Invocation {
        let itself = std::env::current_exe().expect("this very file");
        let invocation = Invocation::of(itself).env(TRACE, &self.path("trace"));
        invocation.env("RUST_LOG", "trace").env("SSLKEYLOGFILE", &self.path("key-log")).args(args)
    }

    fn keep(&mut self, what: &str, ended: Ended) -> Ended {
        self.printed.push((format!("stdout of {what}"), ended.stdout.clone().into_bytes()));
        self.printed.push((format!("stderr of {what}"), ended.stderr.clone().into_bytes()));
        ended
    }

    fn finish(&mut self, args: &[&str]) -> Ended {
        let ended = self.traced(args).finish().expect_code(0);
        self.keep(args[0], ended)
    }

    /// A fleet against servers in the same process.
    fn run(&mut self, scheme: &str) {
        let (keys, out) = (self.keys(), self.path(&format!("out-{}", scheme.replace('+', "-"))));
        let listen = ["bootstrap", "ems"]
            .map(|server| format!("--set=servers.embedded.{server}_listen={scheme}://127.0.0.1:0"));
        let common = ["--credentials", &keys, "--set=fleet.meters=6", "--set=arrivals.over=0s"];
        let args = [&common[..], &[&listen[0], &listen[1]]].concat();
        let ended = self.finish(&[&["check"], &args[..]].concat());
        assert!(!ended.stdout.is_empty());
        let run = ["run", "--no-tui", "--out", &out, "--set=run.hold=0s", "--set=run.drain=500ms"];
        let ended = self.finish(&[&run[..], &args].concat());
        assert!(ended.stdout.contains("6 of 6 meters registered"), "{}", ended.stdout);
        assert!(files(Path::new(&out)).len() >= 4);
    }

    /// One meter that tells everything, against servers in another process.
    fn meter(&mut self, scheme: &str) -> Ended {
        let keys = self.keys();
        let listen = ["bootstrap", "ems"]
            .map(|server| format!("--set=servers.embedded.{server}_listen={scheme}://127.0.0.1:0"));
        let serve = ["serve", "--credentials", &keys, "--set=fleet.meters=6", &listen[0], &listen[1]];
        let mut servers = self.traced(&serve).start();
        let uri = uri_of(&mut servers, "bootstrap");
        let capture = self.path(&format!("{}.pcap", scheme.replace('+', "-")));
        let meter = [
            &[
                "meter",
                "--bootstrap-server",
                &uri,
                "--credentials",
                &keys,
                "--verbose",
                "--set=fleet.meters=6",
            ][..],
            &["--pcap", &capture],
        ];
        let mut meter = self.traced(&meter.concat()).start();
        meter.await_line("registration", |line| line.contains("state: Registering -> Registered"));
        meter.signal(Signal::SIGINT);
        let ended = meter.finish().expect_code(0);
        let ended = self.keep("meter", ended);
        servers.signal(Signal::SIGTERM);
        let stopped = servers.finish().expect_code(0);
        self.keep("serve", stopped);
        ended
    }

    /// Everything there is but the keys themselves.
    #[track_caller]
    fn expect_none_of(&self, secrets: &[Secret]) {
        let keys = self.folder.path().join("keys");
        let mut seen: Vec<(String, Vec<u8>)> = self.printed.clone();
        for file in files(self.folder.path()).into_iter().filter(|file| !file.starts_with(&keys)) {
            seen.push((file.display().to_string(), fs::read(&file).expect("a file")));
        }
        assert!(!Path::new(&self.path("key-log")).exists());
        for (place, bytes) in &seen {
            for secret in secrets {
                assert!(!secret.is_in(bytes), "a key of {} is in {place}", secret.name);
            }
        }
    }

    /// That somebody was there to be listened to.
    #[track_caller]
    fn expect_traced(&self, target: &str) {
        let trace = fs::read_to_string(self.path("trace")).expect("a trace");
        assert!(trace.contains(target), "{target} has said nothing in {} bytes", trace.len());
    }
}

fn uri_of(servers: &mut Process, name: &str) -> String {
    let line = servers.await_line(name, |line| line.starts_with(name));
    line.split_whitespace().last().expect("a name and a URI").to_owned()
}

// ----- the tests --------------------------------------------------------------------------------------

fn the_search_finds_what_it_looks_for() {
    let key: Vec<u8> = (0..16).map(|byte| byte * 15 + 3).collect();
    let secret = Secret::new("key", &key);
    let base64 = STANDARD.encode(&key);
    let told = [
        format!("{key:?}"),
        format!("{key:#?}"),
        format!("{key:02x?}"),
        format!("{key:#04x?}"),
        format!("key = {base64}."),
        format!("{}", key.escape_ascii()),
        key.iter().map(|byte| format!("{byte:02X} ")).collect(),
    ];
    for told in told {
        assert!(secret.is_in(told.as_bytes()), "{told}");
    }
    assert!(secret.is_in(&[b"...", &key[..], b"..."].concat()));
    assert!(!secret.is_in(&key[1..]) && !secret.is_in(b""));
}

fn no_pre_shared_key_is_seen() {
    let mut workshop = Workshop::provisioned("psk");
    let secrets = secrets(Path::new(&workshop.keys()));
    // The master secret, and of each meter a key for each server.
    assert_eq!(secrets.len(), 13);
    workshop.run("coaps");
    let verbose = workshop.meter("coaps");
    for hidden in ["Public Key or Identity = (opaque, ", "Secret Key = (opaque, 16 bytes)"] {
        assert!(verbose.stdout.contains(hidden), "{hidden}\n{}", verbose.stdout);
    }
    workshop.expect_traced("dimpl");
    workshop.expect_none_of(&secrets);
}

fn no_private_key_is_seen() {
    let mut workshop = Workshop::provisioned("x509");
    let secrets = secrets(Path::new(&workshop.keys()));
    assert!(secrets.len() > 12, "{}", secrets.len());
    for scheme in ["coaps", "coaps+tcp"] {
        workshop.run(scheme);
        workshop.meter(scheme);
    }
    workshop.expect_traced("dimpl");
    workshop.expect_none_of(&secrets);
}

/// What a panic, an assertion or a log line would show.
fn no_type_shows_the_key_it_holds() {
    const KEY: &[u8; 16] = b"\x5e\xc3\xe7 a very secre";
    let opaque = || Value::Opaque(Box::from(*KEY));
    let entry = || Entry::new(At::resource(0, 0, 5), opaque());
    let card = encode_card(&[entry()]).expect("a card");
    let credentials = Credentials::PreSharedKey { identity: b"id".to_vec(), key: KEY.to_vec() };
    let security = client::Security {
        credentials: credentials.clone(),
        server_name: None,
        matching_type: 0,
        cipher_suites: Default::default(),
    };
    let account = client::ServerAccount {
        instance: 1,
        uri: "coaps://127.0.0.1".to_owned(),
        short_server_id: 101,
        lifetime: Duration::from_secs(60),
        binding: "U".to_owned(),
        credentials,
    };
    let written = server::Account {
        security: vec![(5, opaque())],
        ..server::Account::new(String::new(), 101, Duration::from_secs(60))
    };
    let plan = server::Plan { extra: vec![entry()], ..server::Plan::new(written.clone()) };
    let directory = server::Directory::of(plan.clone());
    let params = Arc::new(Params::default());
    let psk = || Psk { identity: b"id"[..].into(), key: secure::Secret::new(*KEY) };
    let own = Certificate { chain: vec![b"public"[..].into()], key: secure::Secret::new(*KEY) };
    let trust = Trust {
        certificate: b"public"[..].into(),
        usage: Usage::TrustAnchor,
        matching_type: 0,
        name: "server".into(),
    };
    let row = format!("endpoint,bootstrap_identity,bootstrap_key\nm,id,{}\n", hex(KEY));
    let list = format!("endpoint,identity,key\nm,id,{}\n", hex(KEY));
    let address = "127.0.0.1:5684".parse().expect("an address");
    let bytes = || KEY.to_vec();
    let transmit = server::Transmit { to: address, from: address.ip(), other_port: false, bytes: bytes() };
    let types: [&dyn fmt::Debug; 26] = [
        &opaque(),
        &entry(),
        &Tree::new(Arc::new(vec![entry()])),
        &security,
        &account,
        &client::Card::Present(card.into()),
        &client::Output::Send { link: client::Link::Bootstrap, bytes: bytes() },
        &client::Output::Open {
            link: client::Link::Bootstrap,
            uri: "coaps://127.0.0.1".parse().expect("a URI"),
            security: Some(Box::new(security.clone())),
        },
        &written,
        &plan,
        &directory,
        &server::BootstrapConfig::new(params, directory.clone()),
        &transmit,
        &bootstorm::servers::SecuredOutput::Transmit(transmit.clone()),
        &Message::request(Code::PUT).with_payload(bytes()),
        &secure::Secret::new(*KEY),
        &psk(),
        &own,
        &ClientSecurity::Psk(psk()),
        &ClientSecurity::Certificate { own: own.clone(), trust },
        &List::of_one("m", Role::Bootstrap, psk()),
        &List::parse("list.csv", &list).expect("a list"),
        &Master::new(&[*KEY, *KEY].concat().try_into().expect("32 bytes")),
        &Provisioning::parse("file.csv", &row).expect("a file"),
        &meter::Output::Transmit { to: address, bytes: bytes() },
        &meter::StreamNews::Data(bytes().into()),
    ];
    let secret = Secret::new("the test", KEY);
    for held in types {
        for told in [format!("{held:?}"), format!("{held:#?}")] {
            assert!(!secret.is_in(told.as_bytes()), "{told}");
        }
    }
}

/// Mistakes in files that hold keys.
fn no_key_that_stands_in_the_wrong_place_is_seen() {
    const KEY: &str = "5ec3e75ec3e75ec3e75ec3e75ec3e7ff";
    let folder = tempfile::tempdir().expect("a folder");
    let mut workshop = Workshop { folder, printed: Vec::new() };
    let written = [
        // Scenarios: the keys of accounts are no business of theirs.
        ("a.toml", format!("[servers.bootstrap_server.extra]\n\"/0/1/5\" = \"{KEY}\"\n")),
        ("b.toml", format!("[servers.bootstrap_server.extra]\n\"/21/0/3\" = \"{KEY}\"\n")),
        ("c.toml", format!("[servers.bootstrap_server.extra]\n\"/4/0/0\" = \"{KEY}\"\n")),
        ("j.toml", format!("[servers.embedded]\nkey = \"{KEY}\"\n")),
        // Provisioning, and a list to import, each with a key too many digits or in the wrong column.
        ("d.csv", format!("endpoint,bootstrap_identity,bootstrap_key\nm,m,{KEY}7\n")),
        ("e.csv", format!("endpoint,/3/0/13\nm,{KEY}\n")),
        ("f.csv", format!("endpoint,identity,key\nm,m,{KEY},{KEY}\n")),
        ("g.csv", format!("endpoint,mode,identity,key\nm,{KEY},m,m\n")),
        ("h.toml", format!("[[meter]]\nbootstrap_identity = \"m\"\nbootstrap_key = \"{KEY}\n")),
        ("i.toml", format!("[[meter]]\nbootstrap_key = {KEY}\n")),
    ];
    for (name, text) in written {
        let path = workshop.path(name);
        fs::write(&path, text).expect("a file");
        let option = match name.as_bytes()[0] {
            b'a'..=b'c' | b'j' => None,
            b'f' | b'g' => Some("--credentials"),
            _ => Some("--provision"),
        };
        let secure = ["--set=servers.embedded.bootstrap_listen=coaps://127.0.0.1:0", "--set=fleet.meters=1"];
        let args: Vec<&str> = match option {
            None => vec!["check", &path],
            Some(option) => [&["check", option, &path], &secure[..]].concat(),
        };
        let ended = workshop.traced(&args).finish();
        let ended = workshop.keep(name, ended.expect_code(2));
        assert!(ended.stderr.starts_with("error: "), "{name} {}", ended.stderr);
        fs::remove_file(&path).expect("it is there");
    }
    workshop.expect_none_of(&[Secret::new("the text", &unhex(KEY))]);
}
