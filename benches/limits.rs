//! What this machine can do, and how near to it bootstorm comes: `cargo bench --bench limits`.

#[path = "limits/raw.rs"]
mod raw;

fn main() {
    let best = raw::best_round_trips_per_second();
    println!("raw loopback round trips: {best:.0}/s");
}
