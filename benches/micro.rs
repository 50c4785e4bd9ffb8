//! Micro-benches of what happens per event and per message. One file per subject under `micro/`.

fn main() {
    divan::main();
}

#[path = "micro/recorder.rs"]
mod recorder;
