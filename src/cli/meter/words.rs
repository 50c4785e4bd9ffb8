//! What is printed of one meter's life, a line for each thing it does or is told. Pure: everything is an
//! argument.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use super::payload;
use crate::base::Instant;
use crate::base::text::{counted, latency};
use crate::metrics::Event;
use crate::protocol::coap::{Message, StreamWords, Token, datagram_in_words};
use crate::protocol::lwm2m::Path;

/// Requests whose answers are recognised: those of a bootstrap and then some, observations included.
const REMEMBERED: usize = 64;

/// Where the time ends and what happened begins.
const INDENT: usize = 12;

/// Which way a datagram went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Direction {
    /// From the meter to a server.
    Sent,
    /// From a server to the meter.
    Received,
}

impl Direction {
    fn arrow(self) -> &'static str {
        match self {
            Direction::Sent => "->",
            Direction::Received => "<-",
        }
    }
}

/// Puts a meter's doings into words.
pub(super) struct Words {
    /// Whether messages are told, and not only what comes of them.
    verbose: bool,
    /// The next datagram was sent before.
    again: bool,
    /// Whose requests were for which path, the newest last: an answer does not say what it answers.
    asked: VecDeque<(Direction, Token, Option<Path>)>,
    /// The directions of each stream that something was said on.
    streams: BTreeMap<(u32, Direction), StreamWords>,
}

impl Words {
    /// States, failures and stages; with `verbose` also every message.
    pub(super) fn new(verbose: bool) -> Self {
        Words { verbose, again: false, asked: VecDeque::new(), streams: BTreeMap::new() }
    }

    /// Something happened; nothing to print is an empty text.
    pub(super) fn event(&mut self, event: Event, now: Instant) -> String {
        match event {
            Event::State { from, to } => self.note(&format!("state: {from:?} -> {to:?}"), now),
            Event::Stage { stage, latency: took } => {
                self.note(&format!("stage: {} took {}", stage.name(), latency(took)), now)
            }
            Event::Failure(kind) => self.note(&format!("failure: {}", kind.name().replace('-', " ")), now),
            // The datagram follows.
            Event::Retransmitted => {
                self.again = true;
                String::new()
            }
            // Its messages, or the failure it ends in, say it.
            Event::Request { .. } => String::new(),
            Event::Noise(kind) if self.verbose => {
                self.note(&format!("dropped: {}", kind.name().replace('-', " ")), now)
            }
            Event::Duplicate if self.verbose => self.note("that was a duplicate", now),
            other if self.verbose => self.note(&format!("{other:?}"), now),
            _ => String::new(),
        }
    }

    /// A datagram was sent to or came from `peer`.
    pub(super) fn datagram(
        &mut self,
        direction: Direction,
        peer: SocketAddr,
        datagram: &[u8],
        now: Instant,
    ) -> String {
        let again = direction == Direction::Sent && std::mem::take(&mut self.again);
        if !self.verbose {
            return String::new();
        }
        let again = if again { "again: " } else { "" };
        let words = format!("{again}{}", datagram_in_words(datagram));
        self.message(direction, peer, (&words, Message::decode(datagram).ok()), now)
    }

    /// The next bytes of this stream of the meter's were sent to or came from `peer`: the messages that are
    /// whole now.
    pub(super) fn piece(
        &mut self,
        stream: u32,
        direction: Direction,
        (peer, bytes): (SocketAddr, &[u8]),
        now: Instant,
    ) -> String {
        if !self.verbose {
            return String::new();
        }
        let read = self.streams.entry((stream, direction)).or_default().read(bytes);
        let said =
            read.into_iter().map(|(words, message)| self.message(direction, peer, (&words, message), now));
        said.collect()
    }

    /// Nothing more is said on this stream.
    pub(super) fn forget(&mut self, stream: u32) {
        self.streams.retain(|(of, _), _| *of != stream);
    }

    fn message(
        &mut self,
        direction: Direction,
        peer: SocketAddr,
        (words, message): (&str, Option<Message>),
        now: Instant,
    ) -> String {
        let mut lines = self.note(&format!("{} {peer}  {words}", direction.arrow()), now);
        let Some(message) = message else { return lines };
        for line in payload::describe(&message, self.path_of(direction, &message)) {
            lines += &format!("{:INDENT$}   {}\n", "", printable(&line));
        }
        lines
    }

    /// Bytes that went to or came from `peer`, of which only a session, or a stream, can make messages.
    pub(super) fn bytes(
        &self,
        direction: Direction,
        peer: SocketAddr,
        (what, length): (&str, usize),
        now: Instant,
    ) -> String {
        if !self.verbose {
            return String::new();
        }
        let length = counted(length as u64, "byte");
        self.note(&format!("{} {peer}  {length} of {what}", direction.arrow()), now)
    }

    /// Anything else there is to say.
    pub(super) fn note(&self, what: &str, now: Instant) -> String {
        format!("{:>9.3}s  {}\n", now.as_secs_f64(), printable(what))
    }

    /// What a message is about: the path it names, or that of the request it answers.
    fn path_of(&mut self, direction: Direction, message: &Message) -> Option<Path> {
        let token = message.token();
        if message.code().is_request() {
            let path = Path::from_segments(message.path());
            self.asked.retain(|(who, what, _)| (*who, *what) != (direction, token));
            if self.asked.len() == REMEMBERED {
                self.asked.pop_front();
            }
            self.asked.push_back((direction, token, path));
            return path;
        }
        let asked = self.asked.iter().find(|(who, what, _)| *who != direction && *what == token);
        asked.and_then(|(_, _, path)| *path)
    }
}

/// One line whatever is in it: what a server sends is not to drive the terminal.
fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            // Debug's escapes for what cannot be seen, and not for what only a literal must escape.
            '"' | '\'' | '\\' => line.push(letter),
            _ => line.extend(letter.escape_debug()),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::{FailureKind, MeterState, NoiseKind, RequestFate, RequestKind, Stage};
    use crate::protocol::coap::{Code, ContentFormat};

    const NOW: Instant = Instant::from_millis(1_234);

    fn peer() -> SocketAddr {
        "127.0.0.1:5783".parse().expect("an address")
    }

    /// A Confirmable message with token 01.
    fn with_token(message: &Message) -> Vec<u8> {
        let mut bytes = message.encode();
        bytes[0] |= 1;
        bytes.insert(4, 1);
        bytes
    }

    fn told(words: &mut Words, direction: Direction, message: &Message) -> String {
        words.datagram(direction, peer(), &with_token(message), NOW)
    }

    #[test]
    fn states_failures_and_stages_are_told_in_any_case() {
        let state = Event::State { from: MeterState::Bootstrapping, to: MeterState::Registering };
        let stage = Event::Stage { stage: Stage::Bootstrap, latency: Duration::from_micros(4_200) };
        let failure = Event::Failure(FailureKind::RegistrationRefused(0x83));
        for verbose in [false, true] {
            let mut words = Words::new(verbose);
            assert_eq!(words.event(state, NOW), "    1.234s  state: Bootstrapping -> Registering\n");
            assert_eq!(words.event(stage, NOW), "    1.234s  stage: bootstrap took 4.2 ms\n");
            assert_eq!(words.event(failure, NOW), "    1.234s  failure: registration refused 4.03\n");
            let request = Event::Request { kind: RequestKind::Register, fate: RequestFate::Sent };
            assert_eq!(words.event(request, NOW), "");
        }
    }

    #[test]
    fn messages_are_told_on_request_only() {
        let request = Message::request(Code::POST).with_path(&["bs"]);
        let (mut quiet, mut verbose) = (Words::new(false), Words::new(true));
        assert_eq!(told(&mut quiet, Direction::Sent, &request), "");
        assert_eq!(quiet.event(Event::Noise(NoiseKind::UnmatchedAck), NOW), "");
        let line = told(&mut verbose, Direction::Sent, &request);
        assert!(line.starts_with("    1.234s  -> 127.0.0.1:5783  ") && line.contains("/bs"), "{line}");
        assert_eq!(
            verbose.event(Event::Noise(NoiseKind::UnmatchedAck), NOW),
            "    1.234s  dropped: unmatched ack\n"
        );
    }

    #[test]
    fn a_retransmission_says_so_once() {
        let mut words = Words::new(true);
        let request = Message::request(Code::POST).with_path(&["rd"]);
        assert_eq!(words.event(Event::Retransmitted, NOW), "");
        assert!(!told(&mut words, Direction::Received, &request).contains("again"));
        assert!(told(&mut words, Direction::Sent, &request).contains(":5783  again: CON "));
        assert!(!told(&mut words, Direction::Sent, &request).contains("again"));
    }

    #[test]
    fn an_answer_is_read_by_the_path_it_was_asked_for() {
        let mut words = Words::new(true);
        let request = Message::request(Code::GET).with_path(&["3", "0", "0"]);
        let answer = Message::response(Code::CONTENT)
            .with_content_format(ContentFormat::TEXT)
            .with_payload(b"ACME".to_vec());
        assert!(!told(&mut words, Direction::Sent, &answer).contains("/3/0/0"), "nobody asked yet");
        told(&mut words, Direction::Received, &request);
        let lines = told(&mut words, Direction::Sent, &answer);
        assert!(lines.ends_with("\n               /3/0/0 Manufacturer = \"ACME\"\n"), "{lines}");
        assert!(
            !told(&mut words, Direction::Received, &answer).contains("/3/0/0"),
            "it answers the other way"
        );
    }

    #[test]
    fn what_is_no_message_is_told_and_drives_no_terminal() {
        let mut words = Words::new(true);
        let line = words.datagram(Direction::Received, peer(), b"\x00\x01", NOW);
        assert_eq!(line, "    1.234s  <- 127.0.0.1:5783  not CoAP: shorter than a header, 2 bytes\n");
        let link = "</3>;title=\"\x1b[2J\n\u{202e}\"".repeat(9);
        let hostile = Message::response(Code::CONTENT)
            .with_content_format(ContentFormat::LINK)
            .with_payload(link.into_bytes());
        let lines = told(&mut words, Direction::Received, &hostile);
        let [_, list] = lines.lines().collect::<Vec<_>>()[..] else { panic!("two lines: {lines}") };
        assert_eq!(list.matches("title=\"\\u{1b}[2J\\n\\u{202e}\"").count(), 9, "{list}");
    }

    #[test]
    fn only_so_many_requests_are_remembered() {
        let mut words = Words::new(true);
        for id in 0..=u16::MAX {
            let mut bytes = Message::request(Code::GET).with_path(&["3"]).encode();
            bytes[0] |= 2;
            bytes.splice(4..4, id.to_be_bytes());
            words.datagram(Direction::Received, peer(), &bytes, NOW);
        }
        assert_eq!(words.asked.len(), REMEMBERED);
    }
}
