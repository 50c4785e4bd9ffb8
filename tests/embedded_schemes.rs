//! The embedded servers on every scheme, over real sockets: what a device says comes to the machine that knows it by
//! what it has proven.
#![expect(clippy::disallowed_methods, reason = "the device's own sockets")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use bootstorm::base::{Clock, Seed};
use bootstorm::credentials::{Authority, Validity};
use bootstorm::protocol::coap::{Code, ContentFormat, Event, Exchange, Message, Output, Params, Transport};
use bootstorm::protocol::lwm2m::{Scheme, Value};
use bootstorm::protocol::server::{
    Account, AccountKeys, BootstrapConfig, Directory, EmsConfig, Plan, WriteLevel,
};
use bootstorm::secure::{
    ClientSecurity, Identities, Identity, Options, Output as Way, Psk, Secret, ServerSecurity, Session,
    Trust, Usage,
};
use bootstorm::servers::{Embedded, EmbeddedConfig, Final, Listen};
use bootstorm::transport::Gate;

const LOOPBACK: &str = "127.0.0.1:0";
const KEY: [u8; 16] = *b"0123456789abcdef";

/// How long a device waits for bytes before it looks at its timers, and for an answer.
const LOOK: Duration = Duration::from_millis(20);
const ENOUGH: Duration = Duration::from_secs(30);

/// Every device's key is the same, under its name.
struct Names;

impl Identities for Names {
    fn psk(&self, identity: &[u8]) -> Option<(Secret, Identity)> {
        let name = std::str::from_utf8(identity).ok()?.strip_prefix("key of ")?;
        Some((Secret::new(KEY), name.into()))
    }
}

/// What devices are written for the EMS.
#[derive(Debug)]
struct Keys;

impl AccountKeys for Keys {
    fn security(&self, endpoint: &str, _: u16) -> Option<Vec<(u16, Value)>> {
        let identity = format!("key of {endpoint}").into_bytes();
        let opaque = |bytes: &[u8]| Value::Opaque(bytes.to_vec().into());
        Some(vec![(2, Value::Integer(0)), (3, opaque(&identity)), (5, opaque(&KEY))])
    }
}

/// Both servers on one scheme, and how devices prove who they are to them.
struct Town {
    servers: Embedded,
    authority: Authority,
    clock: Clock,
    options: Arc<Options>,
    scheme: Scheme,
}

impl Town {
    fn start(scheme: Scheme) -> Self {
        let clock = Clock::start();
        let now = clock.origin_unix().as_secs();
        let authority = Authority::make("somebody", Validity::around(now)).expect("randomness");
        let own = authority.server(&["127.0.0.1".to_owned()], Validity::around(now)).expect("a good name");
        let security = scheme.is_secure().then(|| ServerSecurity {
            identities: Arc::new(Names),
            psk: true,
            certificate: Some(own),
            peers: vec![authority.certificate().clone()],
            intermediates: Vec::new(),
        });
        let at =
            || Listen { scheme, address: LOOPBACK.parse().expect("an address"), security: security.clone() };
        let params = Arc::new(Params::default());
        let account = Account::new(String::new(), 101, Duration::from_secs(300));
        let plan = Plan { write_level: WriteLevel::Object, ..Plan::new(account) };
        let keys: Option<Arc<dyn AccountKeys>> = Some(Arc::new(Keys));
        let bootstrap = BootstrapConfig { keys, ..BootstrapConfig::new(params.clone(), Directory::of(plan)) };
        let config = EmbeddedConfig {
            bootstrap: Some((at(), bootstrap)),
            ems: vec![(at(), EmsConfig::new(params))],
            workers: 2,
            pin: false,
            gate: Gate::default(),
            seed: Seed(1),
            clock,
            options: Arc::default(),
        };
        let servers = Embedded::start(config).expect("free ports");
        let options = Arc::new(Options { epoch: now, ..Options::default() });
        Town { servers, authority, clock, options, scheme }
    }

    fn psk(&self, endpoint: &str) -> ClientSecurity {
        match self.scheme.is_secure() {
            true => {
                let identity = format!("key of {endpoint}").into_bytes().into();
                ClientSecurity::Psk(Psk { identity, key: Secret::new(KEY) })
            }
            false => ClientSecurity::None,
        }
    }

    fn certificate(&self, endpoint: &str) -> ClientSecurity {
        let validity = Validity::around(self.options.epoch);
        let own = self.authority.client(endpoint, validity).expect("a good name");
        let certificate = self.authority.certificate().clone();
        let name = "127.0.0.1".into();
        let trust = Trust { certificate, usage: Usage::TrustAnchor, matching_type: 0, name };
        ClientSecurity::Certificate { own, trust }
    }

    /// A device's way to one of the servers.
    fn way(&self, server: SocketAddr, security: &ClientSecurity, number: u64) -> Device {
        let now = self.clock.now();
        let stream = self.scheme.is_stream();
        let (transport, session) = match stream {
            true => (Transport::Stream, Session::stream(security, &self.options, now)),
            false => (Transport::Datagram, Session::datagram(security, &self.options, now)),
        };
        let socket = match stream {
            true => Socket::Tcp(TcpStream::connect(server).expect("it listens")),
            false => {
                let socket = UdpSocket::bind(LOOPBACK).expect("a port");
                socket.connect(server).expect("an address");
                Socket::Udp(socket)
            }
        };
        socket.wait_for(LOOK);
        let exchange = Exchange::over(transport, Arc::default(), Seed(number).rng());
        Device {
            clock: self.clock,
            socket,
            session,
            exchange,
            connected: false,
            written: Vec::new(),
            asked: None,
        }
    }

    /// The device is bootstrapped, registers, and goes; what it was written.
    fn onboard(&self, endpoint: &str, security: &ClientSecurity) -> Vec<u8> {
        let bootstrap = self.servers.bootstrap_address().expect("it is embedded");
        let query = format!("ep={endpoint}");
        let mut device = self.way(bootstrap, security, 1);
        let request =
            Message::request(Code::POST).with_path(&["bs"]).with_query(&query).with_query("pct=110");
        assert_eq!(device.ask(request, |device| device.finished()), Code::CHANGED);
        let written = std::mem::take(&mut device.written);
        let mut device = self.way(self.servers.ems_addresses()[0], security, 2);
        // Those who have proven who they are need not say so.
        let register =
            Message::request(Code::POST).with_path(&["rd"]).with_query("lwm2m=1.1").with_query("lt=300");
        let register = if self.scheme.is_secure() { register } else { register.with_query(&query) };
        let register =
            register.with_content_format(ContentFormat::LINK).with_payload(b"</1/0>,</3/0>".to_vec());
        assert_eq!(device.ask(register, |_| true), Code::CREATED);
        if self.scheme.is_secure() {
            // Nobody goes by another's name.
            let other = Message::request(Code::POST)
                .with_path(&["rd"])
                .with_query("lwm2m=1.1")
                .with_query("ep=other");
            assert_eq!(device.ask(other, |_| true), Code::BAD_REQUEST);
        }
        device.session.close(self.clock.now());
        device.write();
        written
    }
}

enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Socket {
    fn wait_for(&self, span: Duration) {
        match self {
            Socket::Udp(socket) => socket.set_read_timeout(Some(span)),
            Socket::Tcp(socket) => socket.set_read_timeout(Some(span)),
        }
        .expect("a timeout");
    }

    fn write(&mut self, bytes: &[u8]) {
        // A server that is gone is met when it does not answer.
        let _ = match self {
            Socket::Udp(socket) => socket.send(bytes).map(|_| ()),
            Socket::Tcp(socket) => socket.write_all(bytes),
        };
    }

    fn read(&mut self, bytes: &mut [u8]) -> usize {
        let read = match self {
            Socket::Udp(socket) => socket.recv(bytes),
            Socket::Tcp(socket) => socket.read(bytes),
        };
        match read {
            Ok(read) => read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => 0,
            Err(error) => panic!("the way is broken: {error}"),
        }
    }
}

/// One way of a device, and what came over it.
struct Device {
    clock: Clock,
    socket: Socket,
    session: Session,
    exchange: Exchange,
    connected: bool,
    /// What was written to /0.
    written: Vec<u8>,
    /// The method of the last request it was sent.
    asked: Option<Code>,
}

impl Device {
    /// Whether it was told that its bootstrap is over (Bootstrap-Finish is a POST, and nothing else is).
    fn finished(&self) -> bool {
        self.asked == Some(Code::POST)
    }

    /// Asks, and goes on answering until it has its answer and is `done`.
    fn ask(&mut self, request: Message, done: impl Fn(&Device) -> bool) -> Code {
        let begun = self.clock.now();
        self.write();
        while !self.connected {
            assert!(self.clock.now().since(begun) < ENOUGH, "it is not let in");
            self.listen();
            self.write();
        }
        self.exchange.request(request, begun);
        let mut answer = None;
        loop {
            let now = self.clock.now();
            assert!(now.since(begun) < ENOUGH, "it takes too long");
            while let Some(output) = self.exchange.poll_output() {
                match output {
                    Output::Send(bytes) => self.session.send(bytes, now),
                    Output::Event(Event::Response { message, .. }) => answer = Some(message.code()),
                    Output::Event(Event::Request(received)) => {
                        let message = &received.message;
                        let code = match message.code() {
                            Code::GET => Code::CONTENT,
                            Code::DELETE => Code::DELETED,
                            _ => Code::CHANGED,
                        };
                        if message.code() == Code::PUT && message.path_is(&["0"]) {
                            self.written = message.payload().to_vec();
                        }
                        self.asked = Some(message.code());
                        self.exchange.respond(received, Message::response(code), now);
                    }
                    Output::Event(_) => {}
                }
            }
            self.write();
            match answer.filter(|_| done(self) && self.exchange.is_idle()) {
                Some(answer) => return answer,
                None => self.listen(),
            }
        }
    }

    /// Carries out what the session wants.
    fn write(&mut self) {
        let now = self.clock.now();
        while let Some(output) = self.session.poll_output() {
            match output {
                Way::Transmit(bytes) => self.socket.write(&bytes),
                Way::Received(bytes) => self.exchange.handle_input(&bytes, now),
                Way::Connected(_) => {
                    self.connected = true;
                    self.exchange.connected(now);
                }
                Way::Retransmitted => {}
                Way::Closed(how) => panic!("the session is over: {how:?}"),
            }
        }
    }

    fn listen(&mut self) {
        let mut bytes = [0; 4_096];
        let read = self.socket.read(&mut bytes);
        let now = self.clock.now();
        if read > 0 {
            self.session.handle_input(&bytes[..read], now);
        }
        self.session.handle_timeout(now);
        self.exchange.handle_timeout(now);
    }
}

/// Devices are onboarded one after the other by each of these means; what the servers have to say.
fn onboarded(scheme: Scheme, means: &[fn(&Town, &str) -> ClientSecurity]) -> Final {
    let town = Town::start(scheme);
    let uris: Vec<String> = [town.servers.bootstrap_uri()]
        .into_iter()
        .flatten()
        .chain(town.servers.ems_uris())
        .map(|uri| uri.to_string())
        .collect();
    assert!(uris.iter().all(|uri| uri.starts_with(&format!("{scheme}://127.0.0.1:"))), "{uris:?}");
    for (number, means) in means.iter().enumerate() {
        let endpoint = format!("device-{number}");
        let written = town.onboard(&endpoint, &means(&town, &endpoint));
        let text = String::from_utf8_lossy(&written);
        assert!(text.contains(&uris[1]), "the EMS is told with its scheme: {text}");
    }
    town.servers.stop()
}

fn assert_counts(left: &Final, scheme: Scheme, devices: u64) {
    let bootstrap = left.counts.bootstrap.as_ref().expect("it is embedded");
    let ems = left.counts.ems.as_ref().expect("it is embedded");
    assert_eq!((bootstrap.counters.finished, bootstrap.counters.lost), (devices, 0));
    let mismatches = if scheme.is_secure() { devices } else { 0 };
    assert_eq!((ems.counters.registrations, ems.counters.identity_mismatch), (devices, mismatches));
    let names: Vec<String> = (0..devices).map(|number| format!("device-{number}")).collect();
    let accepted: Vec<&String> = left.accepted.as_ref().expect("it is embedded").keys().collect();
    assert_eq!(accepted, names.iter().collect::<Vec<_>>());
    for sessions in [bootstrap.sessions, ems.sessions] {
        assert_eq!(sessions.is_some(), scheme != Scheme::Coap);
        if let Some(sessions) = sessions.filter(|_| scheme.is_secure()) {
            assert_eq!((sessions.begun, sessions.completed), (devices, devices));
        }
    }
    for tcp in [bootstrap.tcp, ems.tcp] {
        assert_eq!(tcp.opened, if scheme.is_stream() { devices } else { 0 });
    }
}

#[test]
fn devices_are_onboarded_over_udp() {
    assert_counts(&onboarded(Scheme::Coap, &[Town::psk, Town::psk]), Scheme::Coap, 2);
}

#[test]
fn devices_are_onboarded_over_dtls_by_key_or_certificate() {
    assert_counts(&onboarded(Scheme::Coaps, &[Town::psk, Town::certificate]), Scheme::Coaps, 2);
}

#[test]
fn devices_are_onboarded_over_tcp() {
    assert_counts(&onboarded(Scheme::CoapTcp, &[Town::psk, Town::psk]), Scheme::CoapTcp, 2);
}

#[test]
fn devices_are_onboarded_over_tls() {
    let means: [fn(&Town, &str) -> ClientSecurity; 2] = [Town::certificate, Town::certificate];
    assert_counts(&onboarded(Scheme::CoapsTcp, &means), Scheme::CoapsTcp, 2);
}

#[test]
fn what_proves_nothing_cannot_listen_securely() {
    let clock = Clock::start();
    let listen = Listen { scheme: Scheme::Coaps, ..Listen::coap(LOOPBACK.parse().expect("an address")) };
    let config = EmbeddedConfig {
        bootstrap: None,
        ems: vec![(listen, EmsConfig::new(Arc::default()))],
        workers: 1,
        pin: false,
        gate: Gate::default(),
        seed: Seed(1),
        clock,
        options: Arc::default(),
    };
    let Err(why) = Embedded::start(config) else { panic!("it has nothing to prove itself with") };
    assert_eq!(
        why.to_string(),
        "the embedded EMS cannot listen by coaps: it has neither keys nor a certificate"
    );
}
