//! Processes whose output is read while they run.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Longer than anything takes that ends at all, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// `bootstorm` with a subcommand.
pub fn bootstorm(subcommand: &str) -> Invocation {
    Invocation::of(env!("CARGO_BIN_EXE_bootstorm")).arg(subcommand)
}

/// The quickstart, shrunk to half a second of arrivals.
pub fn small_run() -> Invocation {
    bootstorm("run").arg("--no-tui").set(&[
        "fleet.meters=200",
        "arrivals.rate=400/s",
        "run.hold=200ms",
        "run.drain=3s",
    ])
}

/// A command line in the making.
pub struct Invocation {
    command: Command,
}

impl Invocation {
    /// A program without arguments yet.
    pub fn of(program: impl AsRef<OsStr>) -> Self {
        Invocation { command: Command::new(program) }
    }

    /// With one more argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// With more arguments.
    pub fn args(mut self, args: &[&str]) -> Self {
        self.command.args(args);
        self
    }

    /// With an environment variable.
    pub fn env(mut self, variable: &str, value: &str) -> Self {
        self.command.env(variable, value);
        self
    }

    /// With `--set` for each assignment; later ones win.
    pub fn set<A: AsRef<str>>(mut self, assignments: &[A]) -> Self {
        for assignment in assignments {
            self.command.arg("--set").arg(assignment.as_ref());
        }
        self
    }

    /// With `--out`.
    pub fn out(self, folder: &Path) -> Self {
        self.arg("--out").arg(folder)
    }

    /// Starts it.
    pub fn start(mut self) -> Process {
        let spawned = self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{:?}: {error}", self.command));
        let (sender, lines) = channel();
        read(child.stdout.take().expect("it is piped"), Stream::Out, sender.clone());
        read(child.stderr.take().expect("it is piped"), Stream::Err, sender);
        Process { child, lines, stdout: String::new(), stderr: String::new() }
    }

    /// Starts it and waits for its end.
    pub fn finish(self) -> Ended {
        self.start().finish()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

fn read(stream: impl Read + Send + 'static, which: Stream, sender: Sender<(Stream, String)>) {
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
            let line = String::from_utf8_lossy(&bytes).into_owned();
            if sender.send((which, line)).is_err() {
                return;
            }
            bytes.clear();
        }
    });
}

/// A running process; dropped, it is killed.
pub struct Process {
    child: Child,
    lines: Receiver<(Stream, String)>,
    stdout: String,
    stderr: String,
}

impl Process {
    /// The next line of either stream for which `wanted` says yes.
    pub fn await_line(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = deadline();
        loop {
            match self.next_line(deadline) {
                Ok(line) if wanted(&line) => return line,
                Ok(_) => {}
                Err(_) => panic!("no {what} in\n{}\n{}", self.stdout, self.stderr),
            }
        }
    }

    /// Waits until a progress line says that the run has come to this phase.
    pub fn await_phase(&mut self, phase: &str) {
        self.await_line(phase, |line| line.contains(&format!("s {phase}: ")));
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("process ids are small");
        kill(Pid::from_raw(pid), signal).expect("the process is there");
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Ended {
        let deadline = deadline();
        loop {
            match self.next_line(deadline) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("no end of\n{}\n{}", self.stdout, self.stderr),
            }
        }
        let code = self.child.wait().expect("it was started").code();
        let (stdout, stderr) = (std::mem::take(&mut self.stdout), std::mem::take(&mut self.stderr));
        Ended { code, stdout, stderr }
    }

    fn next_line(&mut self, deadline: Instant) -> Result<String, RecvTimeoutError> {
        #[expect(clippy::disallowed_methods, reason = "only to give up on a process that hangs")]
        let left = deadline.saturating_duration_since(Instant::now());
        let (stream, line) = self.lines.recv_timeout(left)?;
        let kept = if stream == Stream::Out { &mut self.stdout } else { &mut self.stderr };
        kept.push_str(&line);
        Ok(line)
    }
}

#[expect(clippy::disallowed_methods, reason = "only to give up on a process that hangs")]
fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process said and how it ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Requires an exit code, and shows everything where it is another.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "\n{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Requires an exit code and an error with advice that contains all of `parts`.
    #[track_caller]
    pub fn expect_error(self, code: i32, parts: &[&str]) -> Self {
        let ended = self.expect_code(code);
        let error = ended.stderr.find("error: ").map(|at| &ended.stderr[at..]).unwrap_or_default();
        let advises = error.contains("\nhelp: ");
        assert!(advises && parts.iter().all(|part| error.contains(part)), "{parts:?}\n{}", ended.stderr);
        ended
    }
}
