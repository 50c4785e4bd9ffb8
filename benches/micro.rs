//! Micro-benches of the parts that run once or more per datagram: `cargo bench --bench micro`.

#[path = "micro/wheel.rs"]
mod wheel;

fn main() {
    divan::main();
}
