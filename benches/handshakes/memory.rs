//! Resident memory of established sessions, one end at a time in a process of its own, which has no memory of
//! other sessions to use again.

use std::process::Command;

use bootstorm::base::Instant;
use bootstorm::transport::resources;

use super::modes::Mode;
use super::pair::Pair;

/// The word that makes this bench's own binary weigh sessions instead of measuring everything.
pub const WEIGH: &str = "weigh-sessions-for-the-bench";

const SESSIONS: u32 = 4_000;
/// As the measurement of the engines that the choice of one rested on.
const EXCHANGES: u32 = 4;

/// Resident bytes that a session adds to the process of one `end`.
pub fn bytes_per_session(mode: Mode, end: &str) -> f64 {
    let own = std::env::current_exe().expect("a bench knows where it is");
    let output = Command::new(own).args([WEIGH, mode.name(), end]).output().expect("a second process");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// Weighs what the words name, and prints the bytes of a session.
pub fn weigh(words: &[String]) {
    let at = words.iter().position(|word| word == WEIGH).expect("it is there");
    let mode = Mode::ALL.into_iter().find(|mode| mode.name() == words[at + 1]).expect("a mode");
    let bytes = if words[at + 2] == "client" { clients(mode) } else { servers(mode) };
    println!("{bytes}");
}

/// Each client speaks to a listener of its own, which goes: its memory is used again for the next.
fn clients(mode: Mode) -> f64 {
    let now = Instant::from_secs(1);
    let connect = |number| {
        let mut server = mode.listener(now);
        let mut pair = Pair::connect(mode, number, &mut server);
        talk(&mut pair);
        pair.client
    };
    let mut held = Vec::with_capacity(SESSIONS as usize);
    held.extend((0..100).map(connect));
    let before = resident();
    held.extend((100..SESSIONS).map(connect));
    per_session(before, held.len())
}

fn servers(mode: Mode) -> f64 {
    let mut server = mode.listener(Instant::from_secs(1));
    let mut connect = |number| talk(&mut Pair::connect(mode, number, &mut server));
    (0..100).for_each(&mut connect);
    let before = resident();
    (100..SESSIONS).for_each(&mut connect);
    per_session(before, SESSIONS as usize)
}

fn talk(pair: &mut Pair<'_>) {
    for _ in 0..EXCHANGES {
        pair.exchange(&[7; 200]);
    }
}

fn per_session(before: u64, held: usize) -> f64 {
    (resident() as f64 - before as f64) / (held - 100) as f64
}

fn resident() -> u64 {
    resources::memory().expect("/proc is there").resident
}
