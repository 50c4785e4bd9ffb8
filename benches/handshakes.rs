//! What security costs: `cargo bench --bench handshakes`.
//!
//! Handshakes of both ends in one thread, records, the memory of an established session, and the raw cost of the
//! primitives beside them; then whole onboardings with the embedded servers. All figures of one run belong
//! together: absolutes drift with the machine, ratios hold.

#[path = "limits/fleet.rs"]
mod fleet;
#[path = "handshakes/memory.rs"]
mod memory;
#[path = "handshakes/modes.rs"]
mod modes;
#[path = "handshakes/onboarding.rs"]
mod onboarding;
#[path = "handshakes/pair.rs"]
mod pair;
#[path = "handshakes/primitives.rs"]
mod primitives;

use modes::Mode;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if words.iter().any(|word| word == memory::WEIGH) {
        return memory::weigh(&words);
    }
    if words.iter().any(|word| word == fleet::SERVE) {
        return fleet::serve(&words);
    }
    if words.iter().any(|word| word == fleet::WEIGH) {
        return fleet::weigh(&words);
    }
    // `-- engine memory onboarding fleet` measures these alone; everything without.
    let wanted = |part: &str| words.is_empty() || words.iter().any(|word| word == part);
    if wanted("engine") {
        let raw = primitives::measure();
        raw.print();
        engine(&raw);
        records();
    }
    if wanted("memory") {
        println!("resident memory of an established session, after 4 exchanges, at each end");
        println!("{:>24} {:>12} {:>12}", "", "client", "server");
        for mode in Mode::ALL {
            let [client, server] = ["client", "server"].map(|end| memory::bytes_per_session(mode, end));
            println!("{:>24} {client:>10.0} B {server:>10.0} B", mode.name());
        }
        println!();
    }
    if wanted("onboarding") {
        onboarding::rates();
    }
    if wanted("fleet") {
        onboarding::weights();
    }
}

/// Handshakes per second and core, and how much of that is the engine's own doing.
fn engine(raw: &primitives::Costs) {
    println!("handshakes, both ends in one thread");
    println!(
        "{:>24} {:>12} {:>10} {:>10} {:>12} {:>8}",
        "", "per second", "client", "server", "primitives", "share"
    );
    for mode in Mode::ALL {
        let cost = pair::handshakes(mode);
        let raw = raw.of(mode);
        let both = cost.client + cost.server;
        println!(
            "{:>24} {:>12.0} {:>7.1} us {:>7.1} us {:>9.1} us {:>6.0} %",
            mode.name(),
            1.0 / both.as_secs_f64(),
            cost.client.as_secs_f64() * 1e6,
            cost.server.as_secs_f64() * 1e6,
            raw.as_secs_f64() * 1e6,
            raw.as_secs_f64() / both.as_secs_f64() * 100.0,
        );
    }
    println!("primitives: what the signatures, key agreements and key derivations of both ends cost alone\n");
}

fn records() {
    println!("records per second and core, protected at one end and opened at the other");
    println!("{:>24} {:>12} {:>12}", "", "64 B", "1000 B");
    for mode in Mode::ALL {
        let [small, large] = [64, 1000].map(|size| pair::records(mode, size));
        println!("{:>24} {small:>12.0} {large:>12.0}", mode.name());
    }
    println!();
}
