//! What this machine can do, and how near to it bootstorm comes: `cargo bench --bench limits`.
//!
//! All figures of one run belong together: absolutes drift with the machine, ratios hold.

#[path = "limits/fleet.rs"]
mod fleet;
#[path = "limits/raw.rs"]
mod raw;

/// What meters hold, what the EMS asks of them when they register, how long it takes until that is answered, and how
/// many are weighed.
const WEIGHED: [(&str, &str, &str, &str, u32); 3] = [
    ("with its accounts and /3", "minimal", "off", "1s", 100_000),
    ("with the objects of a GEISA platform", "platform", "off", "1s", 100_000),
    ("the same, with what GEISA observes observed", "platform", "observe", "20s", 20_000),
];

/// Exchanges of a session that cost a round trip of their own: Bootstrap-Request, Discover, Delete, two
/// Writes, Finish, Register.
const ROUND_TRIPS_PER_SESSION: f64 = 7.0;

/// Sessions under way at a time, in both fleets that are compared.
const IN_FLIGHT: u32 = 512;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if words.iter().any(|word| word == fleet::SERVE) {
        return fleet::serve(&words);
    }
    if words.iter().any(|word| word == fleet::WEIGH) {
        return fleet::weigh(&words);
    }
    // `-- sessions memory` measures these alone; everything without.
    let wanted = |part: &str| words.is_empty() || words.iter().any(|word| word == part);
    if wanted("memory") {
        println!("resident memory of an idle registered meter");
        for (what, objects, interview, hold, meters) in WEIGHED {
            let interview = ("servers.ems_server.interview", interview);
            let keys = [("fleet.objects", objects), interview, ("run.hold", hold)];
            let bytes = fleet::bytes_per_idle_meter(meters, &keys);
            println!("{what:>44} {bytes:>7.0} B ({:.2} KiB)", bytes / 1024.0);
        }
        println!();
    }
    let raw = wanted("raw").then(|| {
        let raw = raw::best_round_trips_per_second();
        println!("best raw figure: {raw:.0} round trips/s\n");
        raw
    });
    if wanted("sessions") {
        println!("sessions (bootstrap + registration), {IN_FLIGHT} in flight, embedded servers");
        println!(
            "{:>10} {:>12} {:>14} {:>14} {:>9}",
            "meters", "sessions/s", "meter CPU", "server CPU", "trouble"
        );
        let small = row(1_000, 200_000);
        let large = row(100_000, 200_000);
        if let Some(raw) = raw {
            let trips = ROUND_TRIPS_PER_SESSION;
            let ratio = small * trips / raw;
            println!("ratio {ratio:.2} (sessions x {trips} round trips / raw round trips)");
        }
        println!("100,000 meters against 1,000: {:.2} of the sessions per second", large / small);
    }
}

fn row(meters: u32, sessions: u64) -> f64 {
    let reached = fleet::sessions(meters, IN_FLIGHT, sessions, &[]);
    println!(
        "{meters:>10} {:>12.0} {:>11.1} us {:>11.1} us {:>9}",
        reached.per_second,
        reached.client_cpu.as_secs_f64() * 1e6,
        reached.server_cpu.as_secs_f64() * 1e6,
        reached.trouble,
    );
    reached.per_second
}
