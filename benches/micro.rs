//! Micro-benches of the parts that run per datagram: `cargo bench --bench micro`.

#[path = "micro/coap.rs"]
mod coap;

fn main() {
    divan::main();
}
