//! The same on ::1, where meters differ by port.

mod common;

use std::net::{IpAddr, Ipv6Addr};

use bootstorm::protocol::coap::{Code, Message};

use common::process::small_run;
use common::responder::Responder;
use common::results::{Report, Serving};

const LOOPBACK: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

const LISTEN: [&str; 2] =
    ["servers.embedded.bootstrap_listen=[::1]:0", "servers.embedded.ems_listen=[::1]:0"];

/// Whether this machine has ::1; says so if it has not.
fn has_ipv6() -> bool {
    #[expect(clippy::disallowed_methods, reason = "asks whether the address is there")]
    let bound = std::net::UdpSocket::bind((LOOPBACK, 0));
    if let Err(error) = &bound {
        println!("skipped: this machine has no ::1: {error}");
    }
    bound.is_ok()
}

#[test]
fn everybody_registers_with_the_embedded_servers() {
    if !has_ipv6() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    small_run().set(&LISTEN).out(folder.path()).finish().expect_code(0);
    let report = Report::read(folder.path());
    assert_eq!(report.figure("/fleet/states/deregistered"), 200);
    assert!(report.at("/servers/ems/uri").as_str().is_some_and(|uri| uri.starts_with("coap://[::1]:")));
    report.expect_balanced();
}

#[test]
fn everybody_registers_with_servers_elsewhere() {
    if !has_ipv6() {
        return;
    }
    let servers = Serving::start(&LISTEN);
    small_run().set(&[format!("servers.bootstrap={}", servers.bootstrap)]).finish().expect_code(0);
    let counts = servers.stop();
    assert_eq!((counts.ems("registrations"), counts.ems("left")), (200, 200));
}

#[test]
fn each_meter_has_a_port_of_its_own() {
    if !has_ipv6() {
        return;
    }
    let server = Responder::start(LOOPBACK, |_, _| Message::response(Code::FORBIDDEN));
    let server_uri = format!("servers.bootstrap={}", server.uri());
    small_run().set(&[&*server_uri, "run.settle=300ms"]).finish().expect_code(1);
    let heard = server.stop();
    assert_eq!(heard.peers.len(), 200);
    assert!(heard.peers.iter().all(|peer| peer.ip() == LOOPBACK));
}
