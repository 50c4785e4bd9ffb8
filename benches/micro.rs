//! Micro-benches of the parts every datagram passes: `cargo bench --bench micro`.

#[path = "micro/coap.rs"]
mod coap;
#[path = "micro/content.rs"]
mod content;
#[path = "micro/device.rs"]
mod device;
#[path = "micro/recorder.rs"]
mod recorder;
#[path = "micro/wheel.rs"]
mod wheel;

fn main() {
    divan::main();
}
