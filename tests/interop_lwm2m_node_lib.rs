//! Against software not written here: lwm2m-node-lib, which speaks LwM2M 1.0 only, as the EMS of our meters
//! and as a device at our EMS.

mod common;

use std::path::PathBuf;

use serde_json::json;

use common::free_port;
use common::interop::{folder, managed_fleet, script};
use common::process::{Invocation, small_run};
use common::results::{Report, Serving};

/// The script that plays either part, without its arguments for the part.
fn node_lib() -> Invocation {
    let package: PathBuf =
        folder("BOOTSTORM_LWM2M_NODE_LIB", "a project whose node_modules has lwm2m-node-lib");
    Invocation::of("node").arg(script("lwm2m_node_lib.js")).arg(package)
}

#[test]
#[ignore = "needs node and lwm2m-node-lib (npm) at BOOTSTORM_LWM2M_NODE_LIB; .ci/run installs them"]
fn meters_of_version_1_0_are_served_by_lwm2m_node_lib() {
    const METERS: usize = 5;
    let port = free_port();
    let mut server = node_lib().args(&["server", &port.to_string()]).start();
    server.await_line("readiness", |line| line.starts_with("listening "));
    let folder = tempfile::tempdir().expect("a folder");
    let ems = format!("servers.ems=coap://127.0.0.1:{port}");
    // Few and slow: it loses registrations in bursts.
    let slow = ["fleet.meters=5", "arrivals.rate=5/s", "fleet.lifetime=4s", "run.hold=1h", "run.drain=6s"];
    let run = small_run().set(&slow).set(&["fleet.lwm2m=1.0", &ems]).out(folder.path());
    let said = managed_fleet(run, server, METERS);
    for name in said.whose("registered") {
        let registration = said.after(&format!("registered {name}")).concat();
        assert!(registration.starts_with("4 1.0 U \"</>;rt="), "{registration}");
        assert_eq!(said.answers(name, "read /3/0/0"), ["\"bootstorm\""]);
        assert!(said.answers(name, "discover /3").concat().contains("</3/0/0>"));
        assert_eq!(said.answers(name, "read /3/0/4711"), ["\"4.04\""]);
        assert_eq!(said.answers(name, "write /1/0/1"), ["\"\""]);
        assert_eq!(said.answers(name, "read /1/0/1"), ["\"4\"", "\"120\""]);
        assert_eq!(said.answers(name, "execute /1/0/8"), ["\"\""]);
        let updates = said.after(&format!("updated {name}"));
        assert!(updates.iter().any(|update| update.starts_with("120 ")), "{updates:?}");
    }
    let report = Report::read(folder.path());
    assert_eq!(report.figure("/fleet/states/deregistered"), 5);
    assert!(report.figure("/requests/update/answered") >= 10, "{:#}", report.at("/requests"));
    assert_eq!(report.at("/failures"), &json!({}));
    report.expect_balanced();
}

#[test]
#[ignore = "needs node and lwm2m-node-lib (npm) at BOOTSTORM_LWM2M_NODE_LIB; .ci/run installs them"]
fn a_device_of_lwm2m_node_lib_registers_updates_and_leaves() {
    let servers = Serving::start(&[]);
    let (host, port) = servers.ems_address().rsplit_once(':').expect("a host and a port");
    let ended = node_lib().args(&["client", host, port, "node"]).finish().expect_code(0);
    let events: Vec<&str> = ended.stdout.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(events, ["registered", "updated", "left"]);
    let counts = servers.stop();
    let seen = ["registrations", "updates", "left", "registered"].map(|name| counts.ems(name));
    assert_eq!(seen, [1, 1, 1, 0]);
}
