//! Against software not written here: libcoap's client at the embedded servers, and its resource directory
//! and server in the place of ours.

mod common;

use std::collections::BTreeSet;
use std::fs;

use nix::sys::signal::Signal;

use common::libcoap::{self, Answer};
use common::process::small_run;
use common::results::{Report, Serving};

/// Sends a request with `coap-client` and its options.
fn coap_client(options: &[&str], uri: &str) -> Answer {
    libcoap::ask("coap-client-notls", options, uri)
}

#[test]
#[ignore = "needs libcoap's programs (Debian: libcoap3-bin); .ci/run installs them"]
fn a_libcoap_client_registers_updates_and_leaves() {
    let servers = Serving::start(&[]);
    let ems = &servers.ems;
    let register = format!("{ems}/rd?ep=libcoap&lt=60&lwm2m=1.1");
    let registered = coap_client(&["-m", "post", "-t", "40", "-e", "</1/0>,</3/0>"], &register);
    assert_eq!(registered.code, "2.01");
    assert!(registered.location.starts_with("/rd/"), "{}", registered.location);

    let listed = coap_client(&["-m", "get"], &format!("{ems}/rd-lookup/ep"));
    assert_eq!(listed.body, format!("<{}>;ep=\"libcoap\";lt=60", registered.location));

    let place = format!("{ems}{}", registered.location);
    assert_eq!(coap_client(&["-m", "post"], &format!("{place}?lt=120")).code, "2.04");
    assert_eq!(coap_client(&["-m", "delete"], &place).code, "2.02");
    // It is gone.
    assert_eq!(coap_client(&["-m", "post"], &place).code, "4.04");
    assert_eq!(coap_client(&["-m", "delete"], &place).code, "4.04");

    let counts = servers.stop();
    let seen = ["registrations", "updates", "left", "registered"].map(|name| counts.ems(name));
    assert_eq!(seen, [1, 1, 1, 0]);
}

#[test]
#[ignore = "needs libcoap's programs (Debian: libcoap3-bin); .ci/run installs them"]
fn a_non_confirmable_request_is_answered_too() {
    let servers = Serving::start(&[]);
    let answer = coap_client(&["-N", "-m", "get"], &format!("{}/.well-known/core", servers.ems));
    assert_eq!(answer.code, "2.05");
    assert!(answer.messages.last().is_some_and(|last| last.contains("t:NON")), "{:?}", answer.messages);
}

#[test]
#[ignore = "needs libcoap's programs (Debian: libcoap3-bin); .ci/run installs them"]
fn a_request_whose_first_datagram_is_lost_is_answered() {
    let servers = Serving::start(&[]);
    let register = format!("{}/rd?ep=lost&lt=60&lwm2m=1.1", servers.ems);
    let answer = coap_client(&["-l", "1", "-m", "post", "-t", "40", "-e", "</1/0>"], &register);
    assert_eq!(answer.code, "2.01");
    assert_eq!(servers.stop().ems("registrations"), 1);
}

#[test]
#[ignore = "needs libcoap's programs (Debian: libcoap3-bin); .ci/run installs them"]
fn a_long_object_list_comes_in_blocks() {
    let servers = Serving::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let objects = folder.path().join("objects");
    let list: Vec<String> = (0..300).map(|instance| format!("</3300/{instance}>")).collect();
    fs::write(&objects, list.join(",")).expect("writable");
    let register = format!("{}/rd?ep=large&lt=60&lwm2m=1.1", servers.ems);
    let file = objects.to_str().expect("a plain path");
    let answer = coap_client(&["-b", "64", "-m", "post", "-t", "40", "-f", file], &register);
    assert_eq!(answer.code, "2.01");
    let blocks = answer.messages.iter().filter(|line| line.contains("t:CON") && line.contains("Block1:"));
    assert!(blocks.count() > 1024 / 64, "{:?}", answer.messages);
    assert_eq!(servers.stop().ems("registrations"), 1);
}

#[test]
#[ignore = "needs libcoap's programs (Debian: libcoap3-bin); .ci/run installs them"]
fn a_long_answer_goes_in_blocks() {
    // A worker lists the devices that it serves itself.
    let servers = Serving::start(&["servers.embedded.workers=1"]);
    let server = format!("servers.bootstrap={}", servers.bootstrap);
    let mut fleet = small_run().set(&["run.hold=1h", &server]).start();
    fleet.await_phase("holding");
    let look_up = format!("{}/rd-lookup/ep", servers.ems);
    // The block size the server prefers, and one the client asks for.
    for (options, fewest) in [(&["-m", "get"][..], 2), (&["-m", "get", "-b", "64"], 100)] {
        let answer = coap_client(options, &look_up);
        assert_eq!(answer.code, "2.05");
        let endpoints: BTreeSet<&str> =
            answer.body.split("ep=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(endpoints.len(), 200, "{}", answer.body);
        assert!(endpoints.contains("urn:dev:os:meter-0000199"), "{}", answer.body);
        let blocks = answer.messages.iter().filter(|line| line.contains("t:ACK") && line.contains("Block2:"));
        assert!(blocks.count() >= fewest, "{:?}", answer.messages);
    }
    fleet.signal(Signal::SIGINT);
    fleet.finish().expect_code(0);
    assert_eq!(coap_client(&["-m", "get"], &look_up).body, "");
}

#[test]
#[ignore = "needs libcoap's programs (Debian: libcoap3-bin); .ci/run installs them"]
fn both_servers_say_what_they_have() {
    let servers = Serving::start(&[]);
    for (server, resource) in [(&servers.bootstrap, "</bs>"), (&servers.ems, "</rd>;rt=\"core.rd\"")] {
        let core = format!("{server}/.well-known/core");
        let whole = coap_client(&["-m", "get"], &core);
        assert_eq!(whole.code, "2.05");
        assert!(whole.body.contains(resource), "{}", whole.body);
        assert!(whole.messages.iter().any(|line| line.contains("Content-Format:application/link-format")));
        let in_blocks = coap_client(&["-m", "get", "-b", "16"], &core);
        assert_eq!(in_blocks.body, whole.body);
        assert!(in_blocks.messages.len() > whole.messages.len());
    }
}

#[test]
#[ignore = "needs libcoap's programs (Debian: libcoap3-bin); .ci/run installs them"]
fn wrong_requests_are_refused_by_the_right_code() {
    let servers = Serving::start(&[]);
    let (bootstrap, ems) = (&servers.bootstrap, &servers.ems);
    let links = &["-m", "post", "-t", "40", "-e", "</1/0>"][..];
    for (options, uri, code) in [
        (&["-m", "get"][..], format!("{ems}/nowhere"), "4.04"),
        (&["-m", "get"], format!("{bootstrap}/nowhere"), "4.04"),
        (&["-m", "put", "-e", "x"], format!("{ems}/rd"), "4.05"),
        (&["-m", "get"], format!("{bootstrap}/bs"), "4.05"),
        (&["-m", "post"], format!("{bootstrap}/bs"), "4.00"),
        (&["-m", "post"], format!("{bootstrap}/bs?ep=x&pct=60000"), "4.15"),
        (links, format!("{ems}/rd?lt=60&lwm2m=1.1"), "4.00"),
        (links, format!("{ems}/rd?ep=x&lt=60&lwm2m=9.9"), "4.12"),
        (links, format!("{ems}/rd?ep=x&lt=soon&lwm2m=1.1"), "4.00"),
        (&["-m", "post", "-t", "0", "-e", "x"], format!("{ems}/rd?ep=x&lt=60&lwm2m=1.1"), "4.15"),
        // RFC 7252 §5.4.1: an option of an odd number is critical.
        (&["-m", "get", "-O", "65001,x"], format!("{ems}/.well-known/core"), "4.02"),
    ] {
        assert_eq!(coap_client(options, &uri).code, code, "{options:?} {uri}");
    }
    assert_eq!(servers.stop().ems("registrations"), 0);
}

#[test]
#[ignore = "needs libcoap's programs (Debian: libcoap3-bin); .ci/run installs them"]
fn a_libcoap_client_that_asks_for_a_bootstrap_is_taken_up() {
    let servers = Serving::start(&[]);
    let answer = coap_client(&["-m", "post"], &format!("{}/bs?ep=libcoap&pct=112", servers.bootstrap));
    assert_eq!(answer.code, "2.04");
    assert_eq!(servers.stop().bootstrap("requests"), 1);
}

#[test]
#[ignore = "needs libcoap's programs (Debian: libcoap3-bin); .ci/run installs them"]
fn meters_register_at_a_libcoap_resource_directory() {
    let (directory, port) = libcoap::serve("coap-rd-notls", &[]);
    let ems = format!("servers.ems=coap://127.0.0.1:{port}");
    let folder = tempfile::tempdir().expect("a folder");
    // It has no Update (it answers 4.05), so that meters register again each time one is due.
    let few = ["fleet.meters=20", "fleet.lifetime=2s", "run.hold=1h", "run.drain=500ms", &ems];
    let mut run = small_run().set(&few).out(folder.path()).start();
    let again = |line: &str| line.contains("registered 20") && line.contains("update-refused-4.05");
    run.await_line("second registration", again);
    let listed = coap_client(&["-m", "get"], &format!("coap://127.0.0.1:{port}/.well-known/core")).body;
    assert!(listed.matches("</rd/").count() >= 20, "{listed}");

    // Version 4.3 of it does not survive a De-register, so it is taken away before.
    drop(directory);
    run.signal(Signal::SIGINT);
    run.finish().expect_code(0);
    let report = Report::read(folder.path());
    assert_eq!(report.figure("/fleet/registered_end"), 20);
    assert!(report.figure("/requests/register/answered") >= 40);
    assert_eq!(report.figure("/servers/bootstrap/seen/operations/finished"), 20);
    report.expect_balanced();
}

#[test]
#[ignore = "needs libcoap's programs (Debian: libcoap3-bin); .ci/run installs them"]
fn a_libcoap_server_knows_no_bootstrap_and_no_registration() {
    let (_server, port) = libcoap::serve("coap-server-notls", &[]);
    for (key, failure) in [("bootstrap", "bootstrap-refused-4.04"), ("ems", "registration-refused-4.04")] {
        let folder = tempfile::tempdir().expect("a folder");
        let server = format!("servers.{key}=coap://127.0.0.1:{port}");
        let run = small_run().set(&["fleet.meters=20", "run.settle=500ms", &server]);
        run.out(folder.path()).finish().expect_code(1);
        let report = Report::read(folder.path());
        assert_eq!(report.failures(failure), 20);
        report.expect_balanced();
    }
}
