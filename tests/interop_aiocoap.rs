//! Against software not written here: aiocoap, whose resource directory and, made of it, an EMS stand in the
//! place of ours, and whose client asks our servers.

mod common;

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::Signal;
use serde_json::json;

use common::free_port;
use common::interop::{await_coap, folder, managed_fleet, script};
use common::process::{Invocation, Process, small_run};
use common::results::{Report, Serving};

/// A program of the virtual environment that aiocoap is installed in.
fn program(name: &str) -> PathBuf {
    folder("BOOTSTORM_AIOCOAP", "a Python virtual environment with aiocoap").join("bin").join(name)
}

/// Starts a server, whose last argument is where to listen, on UDP only; the URI of where it listens.
fn server(invocation: Invocation) -> (Process, String) {
    let address = format!("127.0.0.1:{}", free_port());
    let process = invocation.env("AIOCOAP_SERVER_TRANSPORT", "udp6").arg(&address).start();
    await_coap(&address);
    (process, format!("coap://{address}"))
}

/// What a server says to a request of aiocoap's client.
struct Answer {
    /// `2.05 Content`, and so on.
    code: String,
    /// The Location-Path as a path.
    location: String,
    /// The body, put together from its blocks.
    body: String,
    /// All that the client says of the exchange.
    log: String,
}

/// Sends a request with `aiocoap-client` and its options.
fn aiocoap_client(options: &[&str], uri: &str) -> Answer {
    // It ends with 1 where the answer is an error.
    let ended = Invocation::of(program("aiocoap-client")).arg("-v").args(options).arg(uri).finish();
    let log = ended.stderr;
    let after = |mark: &str| log.split_once(mark).and_then(|(_, rest)| rest.lines().next()).map(str::trim);
    let received = log.split_once("Received response:").unwrap_or_else(|| panic!("no response in\n{log}")).1;
    let code = received.lines().find_map(|line| line.split_once(" from coap://")).expect("a code").0;
    Answer {
        code: code.rsplit(':').next().unwrap_or_default().to_owned(),
        location: after("new resource:").unwrap_or_default().to_owned(),
        body: ended.stdout,
        log,
    }
}

#[test]
#[ignore = "needs aiocoap (PyPI) at BOOTSTORM_AIOCOAP; .ci/run installs it"]
fn meters_register_update_and_leave_at_aiocoaps_resource_directory() {
    let directory = Invocation::of(program("aiocoap-rd")).args(&["--lwm2m-compat", "--bind"]);
    let (_directory, uri) = server(directory);
    let folder = tempfile::tempdir().expect("a folder");
    let ems = format!("servers.ems={uri}");
    let set = ["fleet.meters=50", "fleet.lifetime=4s", "run.hold=1h", "run.drain=6s", &ems];
    let mut run = small_run().set(&set).out(folder.path()).start();
    run.await_phase("holding");
    let look_up = format!("{uri}/endpoint-lookup/");
    let listed = aiocoap_client(&[], &look_up).body;
    for meter in 0..50 {
        assert!(listed.contains(&format!("ep=\"urn:dev:os:meter-{meter:07}\"")), "{listed}");
    }
    // Its locations end in an empty segment, without which an Update finds nothing.
    assert_eq!(listed.matches("/>;").count(), 50, "{listed}");

    // It says so again five seconds later, when Updates were due for three.
    run.await_phase("holding");
    run.signal(Signal::SIGINT);
    run.finish().expect_code(0);
    assert_eq!(aiocoap_client(&[], &look_up).body, "");

    let report = Report::read(folder.path());
    assert_eq!(report.figure("/fleet/registered_end"), 50);
    assert_eq!(report.figure("/fleet/states/deregistered"), 50);
    assert_eq!(report.figure("/requests/register/answered"), 50);
    assert!(report.figure("/requests/update/answered") >= 50, "{:#}", report.at("/requests"));
    assert_eq!(report.figure("/requests/deregister/answered"), 50);
    assert_eq!(report.at("/failures"), &json!({}));
    report.expect_balanced();
}

#[test]
#[ignore = "needs aiocoap (PyPI) at BOOTSTORM_AIOCOAP; .ci/run installs it"]
fn meters_are_read_observed_and_written_to_by_aiocoap() {
    const METERS: usize = 5;
    let ems = Invocation::of(program("python")).arg(script("aiocoap_ems.py"));
    let (ems, uri) = server(ems);
    let folder = tempfile::tempdir().expect("a folder");
    let server = format!("servers.ems={uri}");
    let set = ["fleet.meters=5", "fleet.lifetime=60s", "run.hold=1h", "run.drain=6s", &server];
    let run = small_run().set(&set).out(folder.path());
    let said = managed_fleet(run, ems, METERS);
    for name in said.whose("registered") {
        assert_eq!(said.answers(name, "read /3/0/0"), ["2.05 \"bootstorm\""]);
        assert_eq!(said.answers(name, "blocks /3/0"), ["2.05 true"]);
        assert!(said.answers(name, "discover /3").concat().contains("</3/0/0>"));
        assert_eq!(said.answers(name, "read /3/0/4711"), ["4.04 \"\""]);
        assert_eq!(said.answers(name, "observe /1/0/1"), ["2.05 true"]);
        assert_eq!(said.answers(name, "write /1/0/1"), ["2.04 \"\""]);
        assert_eq!(said.answers(name, "notify /1/0/1"), ["2.05 \"240\""]);
        assert_eq!(said.answers(name, "execute /1/0/8"), ["2.04 \"\""]);
        // The new lifetime came with an Update to a location that ends in an empty segment.
        let updates = said.after(&format!("updated {name}"));
        assert!(updates.iter().any(|update| update.ends_with("/ 240")), "{updates:?}");
    }
    let report = Report::read(folder.path());
    assert_eq!(report.at("/failures"), &json!({}));
    report.expect_balanced();
}

#[test]
#[ignore = "needs aiocoap (PyPI) at BOOTSTORM_AIOCOAP; .ci/run installs it"]
fn an_aiocoap_client_registers_updates_and_leaves() {
    let servers = Serving::start(&[]);
    let (bootstrap, ems) = (&servers.bootstrap, &servers.ems);
    for (server, resource) in [(bootstrap, "</bs>"), (ems, "</rd>;rt=\"core.rd\"")] {
        let core = aiocoap_client(&[], &format!("{server}/.well-known/core"));
        assert_eq!(core.code, "2.05 Content");
        assert!(core.body.contains(resource), "{}", core.body);
    }
    let links = ["-m", "POST", "--content-format", "application/link-format", "--payload"];
    let register = |list: &str, query: &str| {
        aiocoap_client(&[&links[..], &[list]].concat(), &format!("{ems}/rd?{query}"))
    };
    let registered = register("</1/0>,</3/0>", "ep=aiocoap&lt=60&lwm2m=1.1");
    assert_eq!(registered.code, "2.01 Created");
    assert!(registered.location.starts_with("/rd/"), "{}", registered.location);
    assert_eq!(register("</1/0>", "ep=aiocoap&lt=60&lwm2m=9.9").code, "4.12 Precondition Failed");

    // What cannot be observed is read all the same.
    let listed = aiocoap_client(&["--observe"], &format!("{ems}/rd-lookup/ep"));
    assert_eq!(listed.body.trim(), format!("<{}>;ep=\"aiocoap\";lt=60", registered.location));
    assert!(listed.log.contains("NotObservable"), "{}", listed.log);

    let place = format!("{ems}{}", registered.location);
    assert_eq!(aiocoap_client(&["-m", "POST"], &format!("{place}?lt=120")).code, "2.04 Changed");
    assert_eq!(aiocoap_client(&["-m", "DELETE"], &place).code, "2.02 Deleted");
    assert_eq!(aiocoap_client(&["-m", "DELETE"], &place).code, "4.04 Not Found");
    let request = aiocoap_client(&["-m", "POST"], &format!("{bootstrap}/bs?ep=aiocoap&pct=112"));
    assert_eq!(request.code, "2.04 Changed");

    let counts = servers.stop();
    let seen = ["registrations", "updates", "left", "registered"].map(|name| counts.ems(name));
    assert_eq!(seen, [1, 1, 1, 0]);
    assert_eq!(counts.bootstrap("requests"), 1);
}

#[test]
#[ignore = "needs aiocoap (PyPI) at BOOTSTORM_AIOCOAP; .ci/run installs it"]
fn an_aiocoap_client_sends_and_takes_blocks() {
    // A worker lists the devices that it serves itself.
    let servers = Serving::start(&["servers.embedded.workers=1"]);
    let ems = &servers.ems;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("objects");
    let list: Vec<String> = (0..300).map(|instance| format!("</3300/{instance}>")).collect();
    fs::write(&file, list.join(",")).expect("writable");
    let body = format!("@{}", file.display());
    // Blocks of 64 bytes.
    let post = ["-m", "POST", "--content-format", "application/link-format", "--payload-initial-szx", "2"];
    let options = [&post[..], &["--payload", &body]].concat();
    let registered = aiocoap_client(&options, &format!("{ems}/rd?ep=large&lt=60&lwm2m=1.1"));
    assert_eq!(registered.code, "2.01 Created");

    let server = format!("servers.bootstrap={}", servers.bootstrap);
    let mut fleet = small_run().set(&["run.hold=1h", &server]).start();
    fleet.await_phase("holding");
    let listed = aiocoap_client(&[], &format!("{ems}/rd-lookup/ep"));
    assert_eq!(listed.code, "2.05 Content");
    assert_eq!(listed.body.matches("ep=\"").count(), 201, "{}", listed.body);
    assert!(listed.body.len() > 4 * 1024, "{}", listed.body);
    fleet.signal(Signal::SIGINT);
    fleet.finish().expect_code(0);
    assert_eq!(servers.stop().ems("registrations"), 201);
}
