//! Against software not written here: libcoap 4.3.1 with OpenSSL and with GnuTLS, over DTLS with keys and with
//! certificates, over TCP, and over TLS. Its clients at the embedded servers; its resource directory and its server
//! in the place of ours.
//!
//! Each of these works with both libraries. What does not, because it is not there on our side: TLS with a
//! pre-shared key, which both libraries have.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use common::keys::{Keys, METER};
use common::libcoap::{Answer, ask, serve, try_to_ask};
use common::process::small_run;
use common::results::{Report, Serving};

/// The libraries that its programs are built with.
const LIBRARIES: [&str; 2] = ["openssl", "gnutls"];

/// The key of all meters: libcoap's programs take it as text.
const KEY: &str = "a-secret-key-16b";

/// How meters and servers speak to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    DtlsKey,
    DtlsCertificate,
    Tcp,
    Tls,
}

const WAYS: [Way; 4] = [Way::DtlsKey, Way::DtlsCertificate, Way::Tcp, Way::Tls];

impl Way {
    fn scheme(self) -> &'static str {
        match self {
            Way::DtlsKey | Way::DtlsCertificate => "coaps",
            Way::Tcp => "coap+tcp",
            Way::Tls => "coaps+tcp",
        }
    }
}

/// Credentials of both kinds.
struct Secrets {
    certificates: Keys,
    list: TempDir,
}

impl Secrets {
    fn new() -> Self {
        let list = tempfile::tempdir().expect("a folder");
        let file = list.path().join("keys.csv");
        let key: String = KEY.bytes().map(|byte| format!("{byte:02x}")).collect();
        let rows = (0..5).flat_map(|meter| ["bootstrap", "101"].map(|server| (meter, server)));
        let rows = rows.map(|(meter, server)| {
            let name = format!("urn:dev:os:meter-{meter:07}");
            format!("{name},{server},psk,{name},{key}\n")
        });
        let text = "endpoint,server,mode,identity,key\n".to_owned() + &rows.collect::<String>();
        fs::write(&file, text).expect("writable");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("it is ours");
        Secrets { certificates: Keys::provision("x509"), list }
    }

    /// The setting that gives a scenario what it needs.
    fn setting(&self, way: Way) -> String {
        match way {
            Way::DtlsKey => format!("security.import={}", self.list.path().join("keys.csv").display()),
            Way::DtlsCertificate | Way::Tls => self.certificates.setting(),
            // The default, said aloud.
            Way::Tcp => "security.dtls=1.2".to_owned(),
        }
    }

    /// The options that give them to a client.
    fn client(&self, way: Way) -> Vec<String> {
        let [certificate, key] = self.certificates.certificate("ems-101");
        let ca = self.certificates.file("ca.pem");
        let options: &[&str] = match way {
            Way::DtlsKey => &["-u", METER, "-k", KEY],
            Way::DtlsCertificate => &["-c", &certificate, "-j", &key, "-R", &ca],
            Way::Tls => &["-c", &certificate, "-j", &key, "-C", &ca],
            Way::Tcp => &[],
        };
        options.iter().map(|&option| option.to_owned()).collect()
    }

    /// The options that give both to a server.
    fn server(&self) -> Vec<String> {
        let both = self.certificates.server("ems-server-101");
        ["-k", KEY, "-c", &both, "-C", &self.certificates.file("ca.pem")].map(str::to_owned).to_vec()
    }
}

/// Both servers, spoken to in this way.
fn serving(way: Way, secrets: &Secrets) -> Serving {
    let listen = |server: &str| format!("servers.embedded.{server}_listen={}://127.0.0.1:0", way.scheme());
    Serving::start(&[&secrets.setting(way), &listen("bootstrap"), &listen("ems")])
}

/// A client of libcoap's with one of the libraries, and what it needs to be let in.
struct Client {
    program: String,
    own: Vec<String>,
}

impl Client {
    fn new(library: &str, own: Vec<String>) -> Self {
        Client { program: format!("coap-client-{library}"), own }
    }

    fn options<'a>(&'a self, options: &[&'a str]) -> Vec<&'a str> {
        self.own.iter().map(String::as_str).chain(options.iter().copied()).collect()
    }

    fn ask(&self, options: &[&str], uri: &str) -> Answer {
        ask(&self.program, &self.options(options), uri)
    }

    /// Asks in vain; all that was printed.
    fn expect_silence(&self, uri: &str) -> String {
        let (answer, log) = try_to_ask(&self.program, &self.options(&["-B", "4"]), uri);
        assert!(answer.is_none(), "{log}");
        log
    }
}

#[test]
#[ignore = "needs libcoap's programs (Debian: libcoap3-bin); .ci/run installs them"]
fn clients_register_update_and_leave() {
    let secrets = Secrets::new();
    for way in WAYS {
        let servers = serving(way, &secrets);
        let ems = &servers.ems;
        for library in LIBRARIES {
            let client = Client::new(library, secrets.client(way));
            let register = format!("{ems}/rd?ep={METER}&lt=60&lwm2m=1.1");
            let registered = client.ask(&["-m", "post", "-t", "40", "-e", "</1/0>,</3/0>"], &register);
            assert_eq!(registered.code, "2.01", "{way:?} {library}");
            let listed = client.ask(&["-m", "get"], &format!("{ems}/rd-lookup/ep"));
            assert_eq!(listed.body, format!("<{}>;ep=\"{METER}\";lt=60", registered.location));
            // Each request has a session of its own, and the location outlives it.
            let place = format!("{ems}{}", registered.location);
            assert_eq!(client.ask(&["-m", "post"], &format!("{place}?lt=120")).code, "2.04");
            assert_eq!(client.ask(&["-m", "delete"], &place).code, "2.02");
            assert_eq!(client.ask(&["-m", "delete"], &place).code, "4.04");
        }
        let counts = servers.stop();
        let seen = ["registrations", "updates", "left", "registered"].map(|name| counts.ems(name));
        assert_eq!(seen, [2, 2, 2, 0], "{way:?}");
    }
}

#[test]
#[ignore = "needs libcoap's programs (Debian: libcoap3-bin); .ci/run installs them"]
fn long_lists_go_both_ways() {
    let secrets = Secrets::new();
    let folder = tempfile::tempdir().expect("a folder");
    let objects = folder.path().join("objects");
    let list: Vec<String> = (0..300).map(|instance| format!("</3300/{instance}>")).collect();
    fs::write(&objects, list.join(",")).expect("writable");
    let file = objects.to_str().expect("a plain path");
    for way in WAYS {
        let servers = serving(way, &secrets);
        for library in LIBRARIES {
            let client = Client::new(library, secrets.client(way));
            let register = format!("{}/rd?ep={METER}&lt=60&lwm2m=1.1", servers.ems);
            let answer = client.ask(&["-m", "post", "-t", "40", "-f", file], &register);
            assert_eq!(answer.code, "2.01", "{way:?} {library}");
            let blocks = answer.messages.iter().filter(|line| line.contains("Block1:")).count();
            // RFC 8323 §6: what fits into the peer's Max-Message-Size goes in one message.
            assert_eq!(
                blocks > 0,
                matches!(way, Way::DtlsKey | Way::DtlsCertificate),
                "{:?}",
                answer.messages
            );
        }
        assert_eq!(servers.stop().ems("registrations"), 2);
    }
}

#[test]
#[ignore = "needs libcoap's programs (Debian: libcoap3-bin); .ci/run installs them"]
fn clients_that_do_not_belong_are_refused() {
    let (secrets, other) = (Secrets::new(), Keys::provision("x509"));
    let [certificate, key] = other.certificate("ems-101");
    let ca = secrets.certificates.file("ca.pem");
    let certificate = ["-c", &certificate, "-j", &key, "-C", &ca].map(str::to_owned).to_vec();
    let psk = ["-u", METER, "-k", "another-key-16-b"].map(str::to_owned).to_vec();
    for (way, own) in [(Way::DtlsKey, &psk), (Way::DtlsCertificate, &certificate), (Way::Tls, &certificate)] {
        let servers = serving(way, &secrets);
        for library in LIBRARIES {
            let core = format!("{}/.well-known/core", servers.ems);
            let log = Client::new(library, own.clone()).expect_silence(&core);
            // With another key there is nothing to see (RFC 6347 §4.1.2.7).
            let is_told =
                ["alert unknown ca", "Alert '48': CA is unknown"].iter().any(|alert| log.contains(alert));
            assert_eq!(is_told, way != Way::DtlsKey, "{way:?} {library}\n{log}");
        }
        assert_eq!(servers.stop().ems("in"), 0, "{way:?}");
    }
    // TLS with a pre-shared key, which our engine for TLS does not have.
    let servers = serving(Way::Tls, &secrets);
    for library in LIBRARIES {
        let client = Client::new(library, secrets.client(Way::DtlsKey));
        client.expect_silence(&format!("{}/.well-known/core", servers.ems));
    }
    assert_eq!(servers.stop().ems("in"), 0);
}

/// The URI of a server of libcoap's.
fn uri(way: Way, port: u16) -> String {
    // What is secure is on the next port.
    let port = if way == Way::Tcp { port } else { port + 1 };
    format!("servers.ems={}://127.0.0.1:{port}", way.scheme())
}

#[test]
#[ignore = "needs libcoap's programs (Debian: libcoap3-bin); .ci/run installs them"]
fn meters_register_at_a_resource_directory() {
    let secrets = Secrets::new();
    let own = secrets.server();
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    for library in LIBRARIES {
        for way in WAYS {
            let (mut directory, port) = serve(&format!("coap-rd-{library}"), &own);
            let folder = tempfile::tempdir().expect("a folder");
            // It has no Update (it answers 4.05), so that meters register again each time one is due.
            let (ems, secret) = (uri(way, port), secrets.setting(way));
            let few =
                ["fleet.meters=5", "fleet.lifetime=2s", "run.hold=1h", "run.drain=500ms", &ems, &secret];
            let mut run = small_run().set(&few).out(folder.path()).start();
            for _ in 0..10 {
                directory
                    .await_line("registration", |line| line.starts_with("v:1 ") && line.contains(" c:2.01 "));
            }
            run.await_line("it", |line| {
                line.contains("registered 5") && line.contains("update-refused-4.05")
            });
            // Version 4.3 of it does not survive a De-register, so it is taken away before.
            drop(directory);
            run.signal(Signal::SIGINT);
            run.finish().expect_code(0);
            let report = Report::read(folder.path());
            assert!(report.figure("/requests/register/answered") >= 10, "{way:?} {library}");
            assert_eq!(report.figure("/servers/bootstrap/seen/operations/finished"), 5);
            report.expect_balanced();
        }
    }
}

#[test]
#[ignore = "needs libcoap's programs (Debian: libcoap3-bin); .ci/run installs them"]
fn a_plain_server_knows_no_registration() {
    let secrets = Secrets::new();
    let own = secrets.server();
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    for library in LIBRARIES {
        let (_server, port) = serve(&format!("coap-server-{library}"), &own);
        for way in WAYS {
            let folder = tempfile::tempdir().expect("a folder");
            let (ems, secret) = (uri(way, port), secrets.setting(way));
            let run = small_run().set(&["fleet.meters=5", "run.settle=500ms", &ems, &secret]);
            run.out(folder.path()).finish().expect_code(1);
            let report = Report::read(folder.path());
            assert_eq!(report.failures("registration-refused-4.04"), 5, "{way:?} {library}");
            report.expect_balanced();
        }
    }
}
