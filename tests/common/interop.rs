//! Software not written here: where it is installed, when it is ready, and what it says it saw.

use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::process::{Invocation, Process};
use nix::sys::signal::Signal;

/// How often a server that is starting is asked whether it is there, and for how long each time.
const PINGS: u32 = 600;
const PING_EVERY: Duration = Duration::from_millis(100);

/// The folder that an environment variable names; `what` says what is to be in it.
#[track_caller]
pub fn folder(variable: &str, what: &str) -> PathBuf {
    let value = std::env::var_os(variable).unwrap_or_else(|| {
        panic!("{variable} is not set: it is the folder of {what}; .ci/run makes it in target/interop")
    });
    PathBuf::from(value)
}

/// A script of ours that makes a program out of somebody else's library.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name)
}

/// Waits until a server answers a CoAP ping.
#[expect(clippy::disallowed_methods, reason = "somebody who is not bootstorm has to ask")]
pub fn await_coap(address: &str) {
    // RFC 7252 §4.3: an empty Confirmable message provokes a Reset.
    const PING: [u8; 4] = [0x40, 0x00, 0x00, 0x01];
    const RESET: [u8; 4] = [0x70, 0x00, 0x00, 0x01];
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    socket.set_read_timeout(Some(PING_EVERY)).expect("it is not zero");
    let mut answer = [0; 16];
    for _ in 0..PINGS {
        socket.send_to(&PING, address).expect("loopback takes it");
        if matches!(socket.recv(&mut answer), Ok(4) if answer.starts_with(&RESET)) {
            return;
        }
    }
    panic!("nobody answers at {address}");
}

/// A fleet of `meters` that stays until a script that plays its EMS has managed each of them, and then leaves.
/// The script says `managed` and `left` once for each.
pub fn managed_fleet(run: Invocation, mut ems: Process, meters: usize) -> Said {
    let mut run = run.start();
    run.await_phase("holding");
    for _ in 0..meters {
        ems.await_line("end of management", |line| line.starts_with("managed "));
    }
    run.signal(Signal::SIGINT);
    run.finish().expect_code(0);
    for _ in 0..meters {
        ems.await_line("De-register", |line| line.starts_with("left "));
    }
    let said = Said::by(ems);
    let names = said.whose("registered");
    assert_eq!(names.len(), meters);
    assert_eq!(said.whose("left"), names);
    said
}

/// All that a script said, ended by us: a line for whatever happened, the kind of event first.
pub struct Said {
    text: String,
}

impl Said {
    /// Ends the script and keeps what it said.
    pub fn by(script: Process) -> Self {
        script.signal(Signal::SIGTERM);
        let ended = script.finish();
        assert!(!ended.stdout.contains("failed "), "\n{}\n{}", ended.stdout, ended.stderr);
        Said { text: ended.stdout }
    }

    /// What follows these words, once for each line that starts with them.
    pub fn after(&self, words: &str) -> Vec<&str> {
        let lines = self.text.lines().filter_map(|line| line.strip_prefix(words)?.strip_prefix(' '));
        lines.collect()
    }

    /// Whose lines start with this word: the second words, sorted.
    pub fn whose(&self, event: &str) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.after(event).iter().filter_map(|rest| rest.split_whitespace().next()).collect();
        names.sort_unstable();
        names
    }

    /// What a device answered to a question, in the order of asking.
    pub fn answers(&self, endpoint: &str, question: &str) -> Vec<&str> {
        self.after(&format!("answered {endpoint} {question}"))
    }
}
