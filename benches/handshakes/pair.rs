//! Both ends of sessions in one thread, with a wire that loses nothing and takes no time.

use std::time::{Duration, Instant as Wall};

use bootstorm::base::Instant;
use bootstorm::secure::{Listener, ListenerOutput, Output, Session};

use super::modes::{Mode, SERVER, address};

const WARM_UP: u32 = 200;
const MEASURED: Duration = Duration::from_secs(2);
const NOW: Instant = Instant::from_secs(1);

/// Processor time of one handshake.
pub struct Cost {
    pub client: Duration,
    pub server: Duration,
}

/// One client among others, and the listener they all speak to.
pub struct Pair<'a> {
    pub client: Session,
    number: u32,
    server: &'a mut Listener,
    /// Where the time went.
    pub spent: Cost,
    to_server: Vec<Vec<u8>>,
    to_client: Vec<Vec<u8>>,
    connected: [bool; 2],
    /// Payloads that arrived at the server and at the client.
    received: [u32; 2],
}

impl<'a> Pair<'a> {
    /// A session that is established.
    pub fn connect(mode: Mode, number: u32, server: &'a mut Listener) -> Self {
        let security = mode.client_security();
        let begun = now();
        let client = mode.client(&security, NOW);
        let spent = Cost { client: begun.elapsed(), server: Duration::ZERO };
        if mode.is_stream() {
            server.handle_accepted(address(number), SERVER, NOW);
        }
        let (to_server, to_client) = (Vec::new(), Vec::new());
        let mut pair = Pair {
            client,
            number,
            server,
            spent,
            to_server,
            to_client,
            connected: [false; 2],
            received: [0; 2],
        };
        pair.run();
        assert_eq!(pair.connected, [true; 2], "{} comes up", mode.name());
        pair
    }

    /// A payload there and back again.
    pub fn exchange(&mut self, payload: &[u8]) {
        let before = self.received;
        self.client.send(payload.to_vec(), NOW);
        self.run();
        self.server.send(address(self.number), SERVER, payload.to_vec(), NOW);
        self.run();
        assert_eq!(self.received, before.map(|count| count + 1), "it arrives");
    }

    /// Carries everything to the other end until both are silent.
    fn run(&mut self) {
        loop {
            let begun = now();
            self.hear_client();
            self.spent.client += begun.elapsed();
            let begun = now();
            self.hear_server();
            self.spent.server += begun.elapsed();
            if self.to_server.is_empty() && self.to_client.is_empty() {
                return;
            }
        }
    }

    fn hear_client(&mut self) {
        for bytes in std::mem::take(&mut self.to_client) {
            self.client.handle_input(&bytes, NOW);
        }
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Transmit(bytes) => self.to_server.push(bytes),
                Output::Connected(_) => self.connected[0] = true,
                Output::Received(_) => self.received[1] += 1,
                Output::Retransmitted => {}
                Output::Closed(how) => panic!("closed: {how:?}"),
            }
        }
    }

    fn hear_server(&mut self) {
        for bytes in std::mem::take(&mut self.to_server) {
            self.server.handle_input(address(self.number), SERVER, &bytes, NOW);
        }
        while let Some(output) = self.server.poll_output() {
            match output {
                ListenerOutput::Transmit { bytes, .. } => self.to_client.push(bytes),
                ListenerOutput::Connected { .. } => self.connected[1] = true,
                ListenerOutput::Received { .. } => self.received[0] += 1,
                ListenerOutput::Closed { how, .. } => panic!("closed: {how:?}"),
                ListenerOutput::Disconnect { .. } => panic!("disconnected"),
            }
        }
    }
}

/// The mean cost of a handshake at each end.
pub fn handshakes(mode: Mode) -> Cost {
    let mut sum = Cost { client: Duration::ZERO, server: Duration::ZERO };
    let mut done = 0;
    let mut server = mode.listener(NOW);
    for number in 0..WARM_UP {
        Pair::connect(mode, number, &mut server);
    }
    let begun = now();
    while begun.elapsed() < MEASURED {
        let pair = Pair::connect(mode, WARM_UP + done, &mut server);
        sum.client += pair.spent.client;
        sum.server += pair.spent.server;
        done += 1;
    }
    Cost { client: sum.client / done.max(1), server: sum.server / done.max(1) }
}

/// Payloads of this size carried per second, half of them in each direction.
pub fn records(mode: Mode, size: usize) -> f64 {
    let payload = vec![7; size];
    let mut server = mode.listener(NOW);
    let mut pair = Pair::connect(mode, 0, &mut server);
    for _ in 0..WARM_UP {
        pair.exchange(&payload);
    }
    let begun = now();
    let mut done = 0_u64;
    while begun.elapsed() < MEASURED / 2 {
        pair.exchange(&payload);
        done += 2;
    }
    done as f64 / begun.elapsed().as_secs_f64()
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn now() -> Wall {
    Wall::now()
}
