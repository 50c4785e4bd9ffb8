//! Processes that are spoken to and listened to in bytes.

use std::io::{Read, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// Longer than anything takes that says something at all, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program whose standard input is held open; dropped, it is killed.
pub struct Talk {
    child: Child,
    stdin: Option<ChildStdin>,
    bytes: Receiver<(usize, Vec<u8>)>,
    /// What it has written so far to standard output and to standard error.
    heard: [Vec<u8>; 2],
}

impl Talk {
    /// Starts it.
    pub fn to(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (sender, bytes) = channel();
        listen(child.stdout.take().expect("it is piped"), 0, sender.clone());
        listen(child.stderr.take().expect("it is piped"), 1, sender);
        Talk { stdin: child.stdin.take(), child, bytes, heard: Default::default() }
    }

    /// Writes to its standard input.
    pub fn say(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("it is open until the end");
        stdin.write_all(bytes).and_then(|()| stdin.flush()).expect("it reads");
    }

    /// Waits until these bytes have been written `times`, to either stream.
    #[track_caller]
    pub fn await_bytes(&mut self, wanted: &[u8], times: usize) {
        while !self.heard.iter().any(|heard| count(heard, wanted) >= times) {
            if !self.hear() {
                panic!("no {times} times {} in\n{}", wanted.escape_ascii(), self.all());
            }
        }
    }

    /// Waits until this has been written, to either stream.
    #[track_caller]
    pub fn await_text(&mut self, wanted: &str) {
        self.await_bytes(wanted.as_bytes(), 1);
    }

    /// What it has written to standard output so far.
    pub fn output(&self) -> &[u8] {
        &self.heard[0]
    }

    /// All it has written so far, readable.
    pub fn all(&self) -> String {
        self.heard.iter().map(|heard| heard.escape_ascii().to_string().replace("\\n", "\n")).collect()
    }

    /// Ends what is written to it, and waits for its end; its exit code, and all it wrote.
    pub fn finish(mut self) -> (Option<i32>, String) {
        self.stdin = None;
        while self.hear() {}
        (self.child.wait().expect("it was started").code(), self.all())
    }

    /// Hears something more; false at its end.
    fn hear(&mut self) -> bool {
        match self.bytes.recv_timeout(PATIENCE) {
            Ok((stream, more)) => {
                self.heard[stream].extend(more);
                true
            }
            Err(RecvTimeoutError::Disconnected) => false,
            Err(RecvTimeoutError::Timeout) => panic!("it says no more after\n{}", self.all()),
        }
    }
}

fn listen(mut stream: impl Read + Send + 'static, which: usize, sender: Sender<(usize, Vec<u8>)>) {
    thread::spawn(move || {
        let mut bytes = [0; 4_096];
        while let Ok(read @ 1..) = stream.read(&mut bytes) {
            if sender.send((which, bytes[..read].to_vec())).is_err() {
                return;
            }
        }
    });
}

/// How often something is in there.
fn count(heard: &[u8], wanted: &[u8]) -> usize {
    heard.windows(wanted.len()).filter(|window| *window == wanted).count()
}

impl Drop for Talk {
    fn drop(&mut self) {
        // Both fail where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
