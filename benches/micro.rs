//! Micro-benches of the parts every datagram passes: `cargo bench --bench micro`.

#[path = "micro/content.rs"]
mod content;

fn main() {
    divan::main();
}
