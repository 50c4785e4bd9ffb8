//! The one meter's surroundings: its sockets, its timer, the signals, and where its words go.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::pcap::Capture;
use super::words::{Direction, Words};
use crate::base::text::{count, counted, elapsed};
use crate::base::{Clock, Instant};
use crate::cli::exit::RunError;
use crate::cli::print;
use crate::cli::signals::{Signals, unwatched};
use crate::meter::{self, Meter, Output, StreamNews, Unreachable, Wake};
use crate::metrics::{Event, MeterState};
use crate::protocol::client::{Link, Reason};
use crate::transport::{
    MeterSockets, MeterSocketsConfig, MeterStreams, MeterStreamsConfig, SendError, StreamChange, Timer,
    resolve, source_towards,
};

/// States in which nothing happens until a time has come.
const WAITING: [MeterState; 3] =
    [MeterState::HoldOff, MeterState::BootstrapBackoff, MeterState::RegistrationBackoff];

/// The only slot there is.
const SLOT: u32 = 0;

/// What a session is made of.
pub(super) struct Parts {
    pub(super) meter: Meter,
    pub(super) sockets: MeterSocketsConfig,
    pub(super) clock: Clock,
    /// Whether everything that is said and heard is printed.
    pub(super) verbose: bool,
    pub(super) capture: Option<Capture<File>>,
    /// Leave after this long; without, when a signal says so.
    pub(super) leave_after: Option<Duration>,
    /// How long the meter has to de-register.
    pub(super) drain: Duration,
}

/// What came of a session.
pub(super) struct Outcome {
    /// Whether the meter was registered at some time.
    pub(super) registered: bool,
    /// The state it ended in.
    pub(super) state: MeterState,
}

/// Runs the meter until it has left or given up.
///
/// # Errors
/// That the environment failed: descriptors, sockets, standard output, the capture.
pub(super) async fn run(parts: Parts) -> Result<Outcome, RunError> {
    // First of all: whoever reads the first line may stop the meter at once.
    let mut signals = Signals::watch().map_err(unwatched)?;
    let Parts { mut meter, sockets, clock, verbose, capture, leave_after, drain } = parts;
    meter.set_tap(verbose);
    let mut timer = Timer::new(&clock).map_err(broken)?;
    let (resolved, mut answers) = unbounded_channel();
    let mut session = Session {
        meter,
        streams: MeterStreams::new(MeterStreamsConfig::beside(sockets.clone())),
        sockets: MeterSockets::new(sockets),
        ends: BTreeMap::new(),
        clock,
        words: Words::new(verbose),
        capture,
        uncaptured: None,
        resolved,
        registered: false,
        interrupted: false,
        leave_at: leave_after.map(|span| clock.now() + span),
        stop_at: None,
    };
    let now = clock.now();
    session.meter.power_on(now, now);
    session.settle(now)?;
    while !session.is_over() {
        timer.set(session.deadline()).map_err(broken)?;
        session.turn(&mut timer, &mut signals, &mut answers, drain).await?;
    }
    session.finish()
}

fn broken(error: std::io::Error) -> RunError {
    RunError::environment(error.to_string(), "try again with fewer descriptors in use")
}

/// The far end of a stream.
#[derive(Clone, Copy)]
struct End {
    address: SocketAddr,
    /// Whether it is TLS, once something was written: that begins with a handshake record (RFC 8446 §5.1), and a
    /// plain stream with a CSM, whose first byte tells of its length and no token (RFC 8323 §5.3).
    secured: Option<bool>,
}

/// The content type of a handshake record (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;

/// Whether a datagram is a record of DTLS and not a message of CoAP: its first byte is a content type, or
/// that of a unified header (RFC 9147 §4.1), and below those that begin with CoAP's version (RFC 7252 §3).
fn is_record(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| (20..64).contains(first))
}

/// Why nothing can be sent, if this is for longer than a moment.
fn unreachable(error: &SendError) -> Option<Unreachable> {
    match error {
        SendError::Refused(_) => Some(Unreachable::Refused),
        SendError::Open(_) => Some(Unreachable::SendError),
        // As on a full network: the message layer sends it again.
        SendError::QueueFull => None,
    }
}

/// The answer to a look-up of a name.
struct Resolved {
    link: Link,
    /// Attempts that failed before this one.
    failures: u16,
    found: Result<Vec<SocketAddr>, String>,
}

struct Session {
    meter: Meter,
    sockets: MeterSockets,
    streams: MeterStreams,
    /// Where each stream leads that the meter has not closed.
    ends: BTreeMap<u32, End>,
    clock: Clock,
    words: Words,
    capture: Option<Capture<File>>,
    /// Why the capture ended before the meter did.
    uncaptured: Option<RunError>,
    resolved: UnboundedSender<Resolved>,
    registered: bool,
    /// A signal has come.
    interrupted: bool,
    /// When the meter is to leave by itself.
    leave_at: Option<Instant>,
    /// When it is stopped, having been told to leave.
    stop_at: Option<Instant>,
}

impl Session {
    /// Waits for the next thing to happen, and deals with it.
    async fn turn(
        &mut self,
        timer: &mut Timer,
        signals: &mut Signals,
        answers: &mut UnboundedReceiver<Resolved>,
        drain: Duration,
    ) -> Result<(), RunError> {
        tokio::select! {
            () = signals.recv() => {
                let now = self.clock.now();
                match (std::mem::replace(&mut self.interrupted, true), self.stop_at) {
                    (true, _) => self.stop(now),
                    (false, None) => self.leave(drain, now),
                    // Its time was over, and it is leaving anyway.
                    (false, Some(_)) => Ok(()),
                }
            }
            Some(answer) = answers.recv() => self.take_answer(answer),
            ready = self.sockets.ready() => ready.map_err(broken).and_then(|()| self.receive()),
            ready = self.streams.ready() => ready.map_err(broken).and_then(|()| self.receive_from_streams()),
            waited = timer.wait() => {
                waited.map_err(broken)?;
                let now = self.clock.now();
                let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
                if due(self.stop_at) {
                    return self.stop(now);
                }
                if due(self.leave_at) {
                    return self.leave(drain, now);
                }
                self.meter.handle_timeout(now);
                self.settle(now)
            }
        }
    }

    /// The earliest of what the meter and the session wait for.
    fn deadline(&self) -> Instant {
        let meter = self.meter.poll_timeout().map(|(at, _)| at);
        [meter, self.leave_at, self.stop_at].into_iter().flatten().min().unwrap_or(Instant::FAR)
    }

    fn is_over(&self) -> bool {
        matches!(self.meter.state(), MeterState::Deregistered | MeterState::Stopped | MeterState::Failed)
    }

    /// De-registers, if there is something to take back.
    fn leave(&mut self, drain: Duration, now: Instant) -> Result<(), RunError> {
        self.leave_at = None;
        self.stop_at = Some(now + drain);
        self.meter.shutdown(now);
        self.settle(now)
    }

    fn stop(&mut self, now: Instant) -> Result<(), RunError> {
        self.stop_at = None;
        self.meter.stop();
        self.settle(now)
    }

    fn receive(&mut self) -> Result<(), RunError> {
        self.sockets.flush();
        let mut arrived = Vec::new();
        let received =
            self.sockets.recv(|datagram| arrived.push((datagram.from, datagram.bytes.to_vec(), datagram.at)));
        received.map_err(broken)?;
        for (from, bytes, at) in arrived {
            self.keep(Direction::Received, from, &bytes, at);
            let now = self.clock.now();
            self.tell_record(Direction::Received, from, &bytes, now)?;
            if let Some(noise) = self.meter.handle_input(from, &bytes, now) {
                if !is_record(&bytes) {
                    // No path of the meter's heard it, so that nobody has shown it.
                    print(&self.words.datagram(Direction::Received, from, &bytes, now))?;
                }
                print(&self.words.event(Event::Noise(noise), now))?;
            }
            self.settle(now)?;
        }
        Ok(())
    }

    fn receive_from_streams(&mut self) -> Result<(), RunError> {
        let mut arrived = Vec::new();
        let received = self.streams.recv(|event| {
            let news = match event.what {
                StreamChange::Opened => StreamNews::Connected,
                StreamChange::Data(bytes) => StreamNews::Data(bytes.into()),
                StreamChange::Ended => StreamNews::Ended,
                StreamChange::Broken => StreamNews::Broken,
            };
            arrived.push((event.stream, news));
        });
        received.map_err(broken)?;
        for (stream, news) in arrived {
            self.hear(stream, news)?;
        }
        Ok(())
    }

    /// One piece of news of a stream.
    fn hear(&mut self, stream: u32, news: StreamNews) -> Result<(), RunError> {
        let now = self.clock.now();
        // It was closed a moment ago, over what came before.
        let Some(&End { address: end, secured }) = self.ends.get(&stream) else { return Ok(()) };
        let said = match &news {
            StreamNews::Data(bytes) if secured == Some(true) => {
                self.words.bytes(Direction::Received, end, ("TLS", bytes.len()), now)
            }
            // What it means follows.
            StreamNews::Data(_) => String::new(),
            StreamNews::Connected => self.words.note(&format!("connected to {end}"), now),
            StreamNews::Ended => self.words.note(&format!("{end} ended the stream"), now),
            StreamNews::Broken | StreamNews::Refused(_) => {
                self.forget(stream);
                self.words.note(&format!("no stream to {end}, or no longer"), now)
            }
        };
        print(&said)?;
        self.meter.handle_stream(stream, news, now);
        self.settle(now)
    }

    /// Carries out what the meter wants, until it wants nothing more.
    fn settle(&mut self, now: Instant) -> Result<(), RunError> {
        let mut waits = false;
        loop {
            while let Some(output) = self.meter.poll_output(now) {
                match output {
                    Output::Transmit { to, bytes } => self.send(to, &bytes, now)?,
                    Output::Connect { stream, to } => self.connect(stream, to, now)?,
                    Output::Write { stream, bytes } => self.write(stream, &bytes, now)?,
                    Output::Disconnect { stream } => {
                        self.forget(stream);
                        self.streams.close(SLOT, stream);
                    }
                    Output::Plain { direction, server, channel, bytes, .. } => {
                        self.show(direction, (server, channel), &bytes, now)?;
                    }
                    Output::Resolve { link, host, port, failures } => {
                        print(&self.words.note(&format!("looking up {host}"), now))?;
                        self.look_up(link, host, port, failures);
                    }
                    Output::Event(event) => {
                        if let Event::State { to, .. } = event {
                            self.registered |= to == MeterState::Registered;
                            waits = WAITING.contains(&to);
                        }
                        print(&self.words.event(event, now))?;
                    }
                }
            }
            self.sockets.flush();
            self.streams.flush();
            let Some(failed) = self.sockets.take_failure() else { break };
            let note = format!("the kernel does not send to {}: {:?}", failed.to, failed.kind);
            print(&self.words.note(&note, now))?;
            self.meter.handle_unsendable(failed.to, Unreachable::SendError, now);
        }
        match self.meter.poll_timeout() {
            Some((
                at,
                Wake::Client(Reason::HoldOff | Reason::BootstrapRetry | Reason::RegistrationRetry),
            )) if waits => {
                print(&self.words.note(&format!("next attempt in {}", elapsed(at.since(now))), now))
            }
            _ => Ok(()),
        }
    }

    fn send(&mut self, to: SocketAddr, bytes: &[u8], now: Instant) -> Result<(), RunError> {
        match self.sockets.send(SLOT, to, bytes) {
            Ok(()) => {
                self.keep(Direction::Sent, to, bytes, now);
                self.tell_record(Direction::Sent, to, bytes, now)
            }
            Err(error) => {
                print(&self.words.note(&error.to_string(), now))?;
                if let Some(why) = unreachable(&error) {
                    self.meter.handle_unsendable(to, why, now);
                }
                Ok(())
            }
        }
    }

    fn connect(&mut self, stream: u32, to: SocketAddr, now: Instant) -> Result<(), RunError> {
        match self.streams.connect(SLOT, stream, to) {
            Ok(()) => {
                self.ends.insert(stream, End { address: to, secured: None });
                print(&self.words.note(&format!("connecting to {to}"), now))
            }
            Err(error) => {
                print(&self.words.note(&error.to_string(), now))?;
                let why = unreachable(&error).unwrap_or(Unreachable::SendError);
                self.meter.handle_stream(stream, StreamNews::Refused(why), now);
                Ok(())
            }
        }
    }

    fn forget(&mut self, stream: u32) {
        self.ends.remove(&stream);
        self.words.forget(stream);
    }

    fn write(&mut self, stream: u32, bytes: &[u8], now: Instant) -> Result<(), RunError> {
        self.streams.write(SLOT, stream, bytes);
        // Of one that just broke the meter hears next.
        let Some(end) = self.ends.get_mut(&stream) else { return Ok(()) };
        match *end.secured.get_or_insert(bytes.first() == Some(&HANDSHAKE)) {
            true => print(&self.words.bytes(Direction::Sent, end.address, ("TLS", bytes.len()), now)),
            // What it means was shown.
            false => Ok(()),
        }
    }

    /// Prints of a datagram that only a session can read how long it is; what is in it follows.
    fn tell_record(
        &self,
        direction: Direction,
        peer: SocketAddr,
        bytes: &[u8],
        now: Instant,
    ) -> Result<(), RunError> {
        match is_record(bytes) {
            true => print(&self.words.bytes(direction, peer, ("DTLS", bytes.len()), now)),
            false => Ok(()),
        }
    }

    /// Prints what is said or heard, as nobody else can see it.
    fn show(
        &mut self,
        direction: meter::Direction,
        (server, channel): (SocketAddr, Option<u32>),
        bytes: &[u8],
        now: Instant,
    ) -> Result<(), RunError> {
        let direction = match direction {
            meter::Direction::Sent => Direction::Sent,
            meter::Direction::Received => Direction::Received,
        };
        match channel.filter(|channel| self.ends.contains_key(channel)) {
            Some(stream) => print(&self.words.piece(stream, direction, (server, bytes), now)),
            None => print(&self.words.datagram(direction, server, bytes, now)),
        }
    }

    fn look_up(&self, link: Link, host: Box<str>, port: u16, failures: u16) {
        let resolved = self.resolved.clone();
        tokio::task::spawn_blocking(move || {
            let found = resolve(&host, port).map_err(|error| error.to_string());
            // Nobody waits any more once the meter has left.
            let _ = resolved.send(Resolved { link, failures, found });
        });
    }

    fn take_answer(&mut self, answer: Resolved) -> Result<(), RunError> {
        let now = self.clock.now();
        match answer.found {
            Ok(addresses) => {
                // After an attempt that failed, the next address of the name takes its turn.
                let turn = usize::from(answer.failures) % addresses.len().max(1);
                let address = addresses.get(turn).expect("a name that resolves has an address");
                print(&self.words.note(&format!("found {address}"), now))?;
                self.meter.handle_resolved(answer.link, *address, now);
            }
            Err(error) => {
                print(&self.words.note(&error, now))?;
                self.meter.handle_unreachable(answer.link, Unreachable::Unresolved, now);
            }
        }
        self.settle(now)
    }

    /// Keeps a datagram in the capture. One that cannot be written ends the capture and not the meter.
    fn keep(&mut self, direction: Direction, peer: SocketAddr, bytes: &[u8], at: Instant) {
        let Some(mut capture) = self.capture.take() else { return };
        let own = self.own_address(peer);
        let at = self.clock.origin_unix() + at.since_origin();
        let (from, to) = match direction {
            Direction::Sent => (own, peer),
            Direction::Received => (peer, own),
        };
        match capture.keep(at, from, to, bytes) {
            Ok(()) => self.capture = Some(capture),
            Err(error) => {
                let message = format!("cannot write the capture: {error}; it is incomplete");
                self.uncaptured = Some(RunError::environment(message, super::PCAP_HELP));
            }
        }
    }

    /// Where the meter's datagrams to `peer` leave from.
    fn own_address(&self, peer: SocketAddr) -> SocketAddr {
        let bound = self.sockets.local_address(SLOT, peer);
        let port = bound.map_or(0, |bound| bound.port());
        let ip: Option<IpAddr> = bound.map(|bound| bound.ip()).filter(|ip| !ip.is_unspecified());
        // Without a route nothing is sent, so the packet is not there to be wrong.
        let ip = ip.or_else(|| source_towards(peer).ok()).unwrap_or(peer.ip());
        SocketAddr::new(ip, port)
    }

    /// The last line, and what came of it all.
    fn finish(self) -> Result<Outcome, RunError> {
        let counters = self.sockets.counters();
        let odd = [
            (counters.truncated, "too long"),
            (counters.unknown_source, "of unknown source"),
            (counters.unknown_slot, "for somebody else"),
            (counters.receive_errors, "receive errors"),
            (counters.unsent(), "unsent"),
        ];
        let odd: String = odd
            .iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| format!(", {} {what}", count(*number)))
            .collect();
        let sent = counted(counters.sent, "datagram");
        let streams = self.streams.counters();
        let streams = match streams.attempted {
            0 => String::new(),
            _ => format!(
                "; {} with {} out and {} in",
                counted(streams.opened, "stream"),
                counted(streams.sent_bytes, "byte"),
                counted(streams.received_bytes, "byte"),
            ),
        };
        let last = format!("sent {sent}, received {}{odd}{streams}", count(counters.received));
        print(&self.words.note(&last, self.clock.now()))?;
        match self.uncaptured {
            Some(error) => Err(error),
            None => Ok(Outcome { registered: self.registered, state: self.meter.state() }),
        }
    }
}
