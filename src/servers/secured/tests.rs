use std::net::Ipv4Addr;
use std::time::Duration;

use super::*;
use crate::base::Seed;
use crate::protocol::server::Traffic;
use crate::secure::{ClientSecurity, Identities, Identity, Output, Psk, Secret, Session};

const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A machine that writes down what it hears, and says everything back; whoever says "go" is to leave.
#[derive(Default)]
struct Notes {
    heard: Vec<String>,
    out: Vec<Transmit>,
    leaving: Vec<SocketAddr>,
    traffic: Traffic,
}

impl Server for Notes {
    fn handle_connected(&mut self, _: SocketAddr, _: IpAddr, identity: Option<Arc<str>>, _: Instant) {
        self.heard.push(format!("connected {}", identity.as_deref().unwrap_or("somebody")));
    }

    fn handle_disconnected(&mut self, _: SocketAddr, _: Instant) {
        self.heard.push("disconnected".to_owned());
    }

    fn poll_disconnect(&mut self) -> Option<SocketAddr> {
        self.leaving.pop()
    }

    fn handle_input(&mut self, to: SocketAddr, from: IpAddr, bytes: &[u8], _: Instant) {
        self.heard.push(String::from_utf8_lossy(bytes).into_owned());
        self.out.insert(0, Transmit { to, from, other_port: false, bytes: bytes.to_vec() });
        if bytes == b"go" {
            self.leaving.push(to);
        }
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_output(&mut self) -> Option<Transmit> {
        self.out.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn traffic(&self) -> &Traffic {
        &self.traffic
    }
}

/// One key, of the identity `id`, which stands for the endpoint `meter`.
struct OneKey;

impl Identities for OneKey {
    fn psk(&self, identity: &[u8]) -> Option<(Secret, Identity)> {
        (identity == b"id").then(|| (Secret::new(*b"0123456789abcdef"), "meter".into()))
    }
}

fn behind(scheme: Scheme) -> Secured<Notes> {
    let security = ServerSecurity {
        identities: Arc::new(OneKey),
        psk: true,
        certificate: None,
        peers: Vec::new(),
        intermediates: Vec::new(),
    };
    match listener_config(scheme, Some(security), 10, Arc::default()) {
        Some(config) => Secured::new(Notes::default(), config, Instant::ZERO),
        None => Secured::plain(Notes::default()),
    }
}

/// A client at one address and the server, on a perfect network.
struct Pair {
    server: Secured<Notes>,
    session: Session,
    address: SocketAddr,
    now: Instant,
    connected: bool,
    received: Vec<u8>,
}

impl Pair {
    fn psk(key: &[u8]) -> Self {
        let psk = Psk { identity: b"id".to_vec().into(), key: Secret::new(key) };
        let session = Session::datagram(&ClientSecurity::Psk(psk), &Arc::default(), Instant::ZERO);
        let address = SocketAddr::new(SERVER, Seed(1).rng().next_u16());
        let server = behind(Scheme::Coaps);
        Pair { server, session, address, now: Instant::ZERO, connected: false, received: Vec::new() }
    }

    fn settle(&mut self) {
        loop {
            let mut idle = true;
            while let Some(output) = self.session.poll_output() {
                idle = false;
                match output {
                    Output::Transmit(bytes) => {
                        self.server.handle_input(self.address, SERVER, &bytes, self.now);
                    }
                    Output::Received(bytes) => self.received.extend(bytes),
                    Output::Connected(_) => self.connected = true,
                    Output::Retransmitted | Output::Closed(_) => {}
                }
            }
            while let Some(output) = self.server.poll_output(self.now) {
                idle = false;
                if let SecuredOutput::Transmit(transmit) = output {
                    assert_eq!((transmit.to, transmit.from), (self.address, SERVER));
                    self.session.handle_input(&transmit.bytes, self.now);
                }
            }
            if idle {
                return;
            }
        }
    }

    fn say(&mut self, what: &[u8]) {
        self.session.send(what.to_vec(), self.now);
        self.settle();
    }

    /// Lets the timers of both ends run.
    fn run_for(&mut self, span: Duration) {
        let until = self.now + span;
        loop {
            self.settle();
            let next = self.session.poll_timeout().into_iter().chain(self.server.poll_timeout()).min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            self.session.handle_timeout(self.now);
            self.server.handle_timeout(self.now);
        }
        self.now = until;
    }
}

#[test]
fn plain_datagrams_are_the_machines_own_affair() {
    let mut server = behind(Scheme::Coap);
    let peer = SocketAddr::new(SERVER, 7);
    server.handle_input(peer, SERVER, b"go", Instant::ZERO);
    let said = server.poll_output(Instant::ZERO);
    assert!(matches!(said, Some(SecuredOutput::Transmit(transmit)) if transmit.bytes == b"go"));
    assert_eq!(server.poll_output(Instant::ZERO), None);
    assert_eq!(server.machine().heard, ["go"]);
    assert!(server.counters().is_none());
}

#[test]
fn a_session_brings_the_name_its_key_stands_for() {
    let mut pair = Pair::psk(b"0123456789abcdef");
    pair.settle();
    assert!(pair.connected);
    pair.say(b"hello");
    assert_eq!(pair.server.machine().heard, ["connected meter", "hello"]);
    assert_eq!(pair.received, b"hello");
    assert_eq!(pair.server.counters().map(|counters| counters.completed), Some(1));
    pair.session.close(pair.now);
    pair.settle();
    assert_eq!(pair.server.machine().heard.last().map(String::as_str), Some("disconnected"));
}

#[test]
fn who_does_not_get_in_is_not_heard() {
    let mut pair = Pair::psk(b"another key.....");
    pair.run_for(Duration::from_secs(200));
    assert!(!pair.connected);
    let heard = &pair.server.machine().heard;
    assert!(!heard.iter().any(|heard| heard.starts_with("connected")), "{heard:?}");
    // Records of nobody's session.
    pair.server.handle_input(pair.address, SERVER, b"hello", pair.now);
    pair.settle();
    assert!(!pair.server.machine().heard.iter().any(|heard| heard == "hello"));
    let counters = pair.server.counters().expect("it has sessions");
    assert_eq!((counters.completed, counters.sessions), (0, 0));
}

#[test]
fn a_machine_that_has_enough_of_a_peer_ends_its_session() {
    let mut pair = Pair::psk(b"0123456789abcdef");
    pair.settle();
    pair.say(b"go");
    assert_eq!(pair.server.machine().heard, ["connected meter", "go", "disconnected"]);
    assert_eq!(pair.received, b"go", "what was said before goes out before");
    assert_eq!(pair.server.counters().map(|counters| counters.sessions), Some(0));
}

#[test]
fn streams_are_closed_after_the_last_word() {
    let mut server = behind(Scheme::CoapTcp);
    assert!(server.is_stream());
    let peer = SocketAddr::new(SERVER, 7);
    server.handle_accepted(peer, SERVER, Instant::ZERO);
    server.handle_input(peer, SERVER, b"go", Instant::ZERO);
    let mut said = Vec::new();
    while let Some(output) = server.poll_output(Instant::ZERO) {
        assert_eq!(output.peer(), peer);
        said.push(match output {
            SecuredOutput::Transmit(transmit) => String::from_utf8_lossy(&transmit.bytes).into_owned(),
            SecuredOutput::Disconnect(_) => "disconnect".to_owned(),
        });
    }
    assert_eq!(said, ["go", "disconnect"]);
    assert_eq!(server.machine().heard, ["connected somebody", "go", "disconnected"]);
}

#[test]
fn streams_that_end_are_over_and_closed() {
    for broken in [false, true] {
        let mut server = behind(Scheme::CoapTcp);
        let peer = SocketAddr::new(SERVER, 7);
        server.handle_accepted(peer, SERVER, Instant::ZERO);
        server.handle_end(peer, broken, Instant::ZERO);
        assert_eq!(server.poll_output(Instant::ZERO), Some(SecuredOutput::Disconnect(peer)));
        assert_eq!(server.poll_output(Instant::ZERO), None);
        assert_eq!(server.machine().heard, ["connected somebody", "disconnected"]);
    }
}
