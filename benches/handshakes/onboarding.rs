//! Whole fleets: onboardings per second with the embedded servers, and what an idle registered meter with a session
//! weighs.

use bootstorm::credentials::{Mode, files};
use bootstorm::scenario::{self, Overrides, Part};

use super::fleet::{self, Keys};

/// Onboardings under way at a time. Fewer than of plain meters: of handshakes by the hundred, the first flights
/// would be sent again before their turn came.
const IN_FLIGHT: u32 = 64;

const DTLS: [(&str, &str); 2] = [
    ("servers.embedded.bootstrap_listen", "coaps://127.0.0.1:0"),
    ("servers.embedded.ems_listen", "coaps://127.0.0.1:0"),
];

/// Meters come one after the other, and are weighed when all have left the Bootstrap-Server: a meter keeps that session
/// for six seconds after it has registered, to repeat its last answer.
const CALM: [(&str, &str); 2] = [("arrivals.rate", "500/s"), ("run.hold", "10s")];

/// Onboardings per second: two handshakes, bootstrap and registration.
pub fn rates() {
    println!(
        "onboardings (bootstrap + registration, a handshake for each), {IN_FLIGHT} in flight, embedded servers"
    );
    println!("{:>24} {:>12} {:>14} {:>14} {:>9}", "", "per second", "meter CPU", "server CPU", "trouble");
    let psk = [&DTLS[..], &[("security.mode", "psk")]].concat();
    let x509 = [&DTLS[..], &[("security.mode", "x509")]].concat();
    let plain = rate("no security", 200_000, &[]);
    for (what, sessions, keys) in [("dtls psk", 40_000, psk), ("dtls x509", 8_000, x509)] {
        let secure = rate(what, sessions, &keys);
        println!("{:>24} {:>12.2} of those without security", "", secure / plain);
    }
    println!();
}

fn rate(what: &str, sessions: u64, keys: &Keys<'_>) -> f64 {
    let reached = fleet::sessions(1_000, IN_FLIGHT, sessions, keys);
    println!(
        "{what:>24} {:>12.0} {:>11.1} us {:>11.1} us {:>9}",
        reached.per_second,
        reached.client_cpu.as_secs_f64() * 1e6,
        reached.server_cpu.as_secs_f64() * 1e6,
        reached.trouble,
    );
    reached.per_second
}

/// Resident memory of an idle registered meter that has a session to its EMS, and of the same meter without one.
pub fn weights() {
    println!("resident memory of an idle registered meter");
    for (what, mode, meters) in [("dtls psk", Mode::Psk, 20_000), ("dtls x509", Mode::X509, 4_000)] {
        let plain = fleet::bytes_per_idle_meter(meters, &CALM);
        let folder = tempfile::tempdir().expect("room for credentials");
        let folder = folder.path().join("credentials");
        let keys = [&DTLS[..], &[("security.mode", mode.name())]].concat();
        provision(&folder, mode, meters, &keys);
        let folder = folder.to_str().expect("a folder with a plain name");
        let keys = [&CALM[..], &DTLS[..], &[("security.credentials", folder)]].concat();
        let secure = fleet::bytes_per_idle_meter(meters, &keys);
        println!(
            "{what:>24} {:>8.2} KiB, {:.2} without: {:.2} KiB for the session, of {meters} meters",
            secure / 1024.0,
            plain / 1024.0,
            (secure - plain) / 1024.0,
        );
    }
    println!();
}

/// Writes the credentials of a fleet, for its own process and that of its servers.
fn provision(folder: &std::path::Path, mode: Mode, meters: u32, keys: &Keys<'_>) {
    let set = std::iter::once(format!("fleet.meters={meters}"))
        .chain(keys.iter().map(|(key, value)| format!("{key}=\"{value}\"")));
    let overrides = Overrides { set: set.collect(), seed: Some(1) };
    let scenario = scenario::load(scenario::QUICKSTART_NAME, scenario::QUICKSTART, &overrides, 1);
    let scenario = scenario.expect("a valid scenario");
    let now = bootstorm::base::Clock::start().origin_unix().as_secs();
    let wanted = scenario.wanted_credentials(Part::Run, now).expect("all servers are embedded");
    let wanted = wanted.expect("it has security");
    let uris = wanted.servers.iter().map(|_| "coaps://127.0.0.1".to_owned()).collect();
    let endpoint = Some(scenario.fleet.endpoint.to_string());
    let order = files::Order { wanted, mode, endpoint, uris, master: None };
    files::provision(folder, &order, &|_| {}).expect("room for credentials");
}
