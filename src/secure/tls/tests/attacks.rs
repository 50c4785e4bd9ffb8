//! A listener among strangers: whoever connects, whatever they say, and however they leave, what it keeps is bounded,
//! and it serves the next honest client.

use std::time::Duration;

use super::pair::{EPOCH, LOCAL, disconnected, peer, shared};
use crate::base::{Instant, Rng, Seed};
use crate::secure::tls::client::HANDSHAKE_TIMEOUT;
use crate::secure::{ClientSecurity, Listener, ListenerOutput, Options, Output, Session, Version};

/// A client of ours, and what the two have to say to each other.
struct Wire {
    number: u8,
    client: Session,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    connected: bool,
}

struct Town {
    listener: Listener,
    wires: Vec<Wire>,
    version: Version,
    now: Instant,
    /// What was on any wire.
    seen: Vec<Vec<u8>>,
    rng: Rng,
}

const ROOM: usize = 5;
const PEERS: u64 = 12;

impl Town {
    fn new(seed: u64, version: Version) -> Self {
        let setup = super::Setup { version, ..shared().setup() };
        let listener = Listener::new(setup.listener(ROOM), Instant::ZERO);
        let rng = Seed(seed).child("town", 0).rng();
        Town { listener, wires: Vec::new(), version, now: Instant::from_secs(5), seen: Vec::new(), rng }
    }

    fn open(&mut self, number: u8) {
        let setup = shared().setup();
        let security = ClientSecurity::Certificate { own: setup.client, trust: setup.trust };
        let options = Options { version: self.version, epoch: EPOCH }.into();
        let client = Session::stream(&security, &options, self.now);
        self.wires.retain(|wire| wire.number != number);
        self.wires.push(Wire {
            number,
            client,
            to_server: Vec::new(),
            to_client: Vec::new(),
            connected: false,
        });
        self.listener.handle_accepted(peer(number), LOCAL, self.now);
        self.drain();
    }

    /// Some bytes each way, on all wires.
    fn carry(&mut self, most: u64) {
        for at in 0..self.wires.len() {
            let some = |bytes: &mut Vec<u8>, rng: &mut Rng| {
                let len = bytes.len().min(1 + rng.below(most) as usize);
                bytes.drain(..len).collect::<Vec<u8>>()
            };
            let Wire { number, client, to_server, to_client, .. } = &mut self.wires[at];
            let (there, back) = (some(to_server, &mut self.rng), some(to_client, &mut self.rng));
            let number = *number;
            if !back.is_empty() {
                client.handle_input(&back, self.now);
            }
            if !there.is_empty() {
                self.listener.handle_input(peer(number), LOCAL, &there, self.now);
            }
        }
        self.drain();
    }

    fn drain(&mut self) {
        for wire in &mut self.wires {
            while let Some(output) = wire.client.poll_output() {
                match output {
                    Output::Transmit(bytes) => {
                        self.seen.push(bytes.clone());
                        wire.to_server.extend(bytes);
                    }
                    Output::Connected(_) => wire.connected = true,
                    Output::Received(_) | Output::Retransmitted | Output::Closed(_) => {}
                }
            }
        }
        while let Some(output) = self.listener.poll_output() {
            match output {
                ListenerOutput::Transmit { to, bytes, .. } => {
                    self.seen.push(bytes.clone());
                    let wire = self.wires.iter_mut().find(|wire| peer(wire.number) == to);
                    wire.into_iter().for_each(|wire| wire.to_client.extend(&bytes));
                }
                ListenerOutput::Disconnect { peer: who } => {
                    self.wires.retain(|wire| peer(wire.number) != who);
                }
                _ => {}
            }
        }
        let start = self.seen.len().saturating_sub(100);
        self.seen.drain(..start);
    }

    /// Something that was said by anybody, cut, changed, with another length in its header; or made up.
    fn hostile(&mut self) -> Vec<u8> {
        let rng = &mut self.rng;
        if self.seen.is_empty() || rng.chance(0.2) {
            return (0..rng.below(300)).map(|_| rng.next_u64() as u8).collect();
        }
        let mut bytes = self.seen[rng.below(self.seen.len() as u64) as usize].clone();
        match rng.below(4) {
            0 => bytes.truncate(rng.below(bytes.len() as u64 + 1) as usize),
            1 => {
                for _ in 0..1 + rng.below(3) {
                    let at = rng.below(bytes.len() as u64) as usize;
                    bytes[at] ^= 1 << rng.below(8);
                }
            }
            2 if bytes.len() > 9 => bytes[3 + rng.below(6) as usize] = rng.next_u64() as u8,
            _ => {}
        }
        bytes
    }

    fn step(&mut self) {
        let number = self.rng.below(PEERS) as u8;
        match self.rng.below(12) {
            0 | 1 => self.open(number),
            2 => self.listener.handle_accepted(peer(number), LOCAL, self.now),
            3 => {
                let bytes = self.hostile();
                self.listener.handle_input(peer(number), LOCAL, &bytes, self.now);
            }
            4 => {
                let (bytes, now) = (self.hostile(), self.now);
                let wire = self.wires.iter_mut().find(|wire| wire.number == number);
                wire.into_iter().for_each(|wire| wire.client.handle_input(&bytes, now));
            }
            5 => {
                let broken = self.rng.chance(0.5);
                self.listener.handle_end(peer(number), broken, self.now);
                self.wires.retain(|wire| wire.number != number);
            }
            6 => self.listener.close(peer(number), self.now),
            7 => self.listener.send(peer(number), LOCAL, vec![7; 100], self.now),
            8 => {
                self.now += Duration::from_millis(self.rng.below(4_000));
                if self.listener.poll_timeout().is_some_and(|due| due <= self.now) {
                    self.listener.handle_timeout(self.now);
                }
            }
            _ => self.carry(2_000),
        }
        self.drain();
    }
}

#[test]
fn a_long_time_among_strangers_leaves_a_listener_in_bounds_and_in_order() {
    for (seed, version) in [(1, Version::Only12), (2, Version::Upto13)] {
        let mut town = Town::new(seed, version);
        for _ in 0..4_000 {
            town.step();
            let counters = town.listener.counters();
            assert!(counters.sessions <= ROOM as u64 && counters.peak <= ROOM as u64, "{counters:?}");
        }
        let counters = *town.listener.counters();
        assert!(counters.completed > 20 && counters.failed > 20 && counters.evicted > 20, "{counters:?}");
        // Who has said nothing in time is gone; who was connected may stay, and is then told to leave.
        town.now += HANDSHAKE_TIMEOUT;
        town.listener.handle_timeout(town.now);
        assert_eq!(town.listener.poll_timeout(), None);
        for number in 0..PEERS as u8 {
            town.listener.close(peer(number), town.now);
        }
        let left = disconnected(&mut town.listener);
        assert!(left.len() <= ROOM + PEERS as usize);
        assert_eq!(town.listener.counters().sessions, 0);
        // Every handshake has come to one end.
        let counters = *town.listener.counters();
        let faults: u64 = counters.certificate_faults.iter().sum();
        let ended =
            counters.completed + counters.failed + counters.timed_out + counters.unknown_identities + faults;
        assert!(ended <= counters.begun, "{counters:?}");
        town.wires.clear();
        town.open(1);
        for _ in 0..20 {
            town.carry(1 << 16);
        }
        assert!(town.wires[0].connected);
    }
}
