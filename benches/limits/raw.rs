//! The limit of this machine: UDP round trips over loopback with batched system calls and no protocol.
//!
//! On each core one client thread and one server thread are pinned together, with sockets of their own.
//! The client keeps a window of 60-byte datagrams in flight; the server sends each back. The same once
//! more through `bootstorm::transport` (a source address per slot, kernel timestamps, the gate, counters)
//! tells what that costs.

use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bootstorm::base::Clock;
use bootstorm::transport::{
    MeterSockets, MeterSocketsConfig, ServerBinding, ServerConfig, cores, pin_current_thread,
};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};
use rustix::net::sockopt::{Ipv4PathMtuDiscovery, set_ip_mtu_discover};

const BATCH: usize = 64;
const PAYLOAD: [u8; 60] = [0; 60];
const WINDOWS: [usize; 4] = [64, 128, 256, 1024];
const WARM_UP: Duration = Duration::from_millis(300);
const MEASURED: Duration = Duration::from_secs(2);
/// Nothing for so long means that a datagram was lost.
const STALLED: Duration = Duration::from_millis(200);

/// Measures every window, prints a table, and gives the best raw figure.
pub fn best_round_trips_per_second() -> f64 {
    let cores = cores();
    println!(
        "UDP round trips/s over loopback, a client and a server pinned on each of {} cores",
        cores.len()
    );
    println!("{:>8} {:>12} {:>12} {:>18}", "window", "raw", "transport", "added/datagram");
    let mut best: f64 = 0.0;
    for window in WINDOWS {
        let raw = on_each_core(&cores, || raw_pair(window));
        let ours = on_each_core(&cores, || transport_pair(window));
        // A round trip is two datagrams, each sent and received once.
        let added = (1e9 / ours - 1e9 / raw) * cores.len() as f64 / 2.0;
        println!("{window:>8} {raw:>12.0} {ours:>12.0} {added:>15.0} ns");
        best = best.max(raw);
    }
    best
}

/// Runs a pair on each core at once; their round trips per second, summed.
fn on_each_core(cores: &[usize], pair: impl Fn() -> Pair) -> f64 {
    let stop = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut clients = Vec::new();
        for &core in cores {
            let Pair { mut client, mut server } = pair();
            scope.spawn(move || {
                pin_current_thread(core);
                server(stop);
            });
            clients.push(scope.spawn(move || {
                pin_current_thread(core);
                client()
            }));
        }
        let rates = clients.into_iter().map(|client| client.join().expect("a client ends by itself")).sum();
        stop.store(true, Ordering::Relaxed);
        rates
    })
}

/// What a client and a server thread run: the client gives its round trips per second.
struct Pair {
    client: Box<dyn FnMut() -> f64 + Send>,
    server: Box<dyn FnMut(&AtomicBool) + Send>,
}

/// Round trips since the warm-up was over.
struct Measure {
    clock: Clock,
    count: u64,
    before: Option<u64>,
}

impl Measure {
    fn start() -> Self {
        Measure { clock: Clock::start(), count: 0, before: None }
    }

    /// Counts `more` round trips; the rate, once it is known.
    fn add(&mut self, more: usize) -> Option<f64> {
        self.count += more as u64;
        let passed = self.clock.now().since_origin();
        if passed >= WARM_UP && self.before.is_none() {
            self.before = Some(self.count);
        }
        let span = passed.checked_sub(WARM_UP).filter(|span| *span >= MEASURED)?;
        Some((self.count - self.before?) as f64 / span.as_secs_f64())
    }
}

fn raw_pair(window: usize) -> Pair {
    let (client, server) = (raw_socket(), raw_socket());
    let to = match server.local_addr().expect("bound") {
        SocketAddr::V4(address) => address,
        SocketAddr::V6(address) => unreachable!("bound to IPv4, not {address}"),
    };
    let client = move || {
        let mut end = RawEnd::new(&client);
        let mut measure = Measure::start();
        let mut credit = window;
        loop {
            while credit > 0 {
                let count = credit.min(BATCH);
                end.send(&[Some(SockaddrIn::from(to)); BATCH][..count]);
                credit -= count;
            }
            let arrived = end.receive().len();
            // Lost datagrams (there should be none) are made up for.
            credit = if arrived == 0 { window } else { arrived };
            if let Some(rate) = measure.add(arrived) {
                return rate;
            }
        }
    };
    let server = move |stop: &AtomicBool| {
        let mut end = RawEnd::new(&server);
        while !stop.load(Ordering::Relaxed) {
            let peers = end.receive();
            end.send(&peers);
        }
    };
    Pair { client: Box::new(client), server: Box::new(server) }
}

#[expect(clippy::disallowed_methods, reason = "the raw limit is measured beside transport, not through it")]
fn raw_socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    // As transport does: see `udp::open`.
    set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::DO).expect("a valid option");
    socket.set_read_timeout(Some(STALLED)).expect("a valid timeout");
    let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20);
    socket
}

/// Blocking batches at one socket.
struct RawEnd<'a> {
    socket: &'a UdpSocket,
    inbound: MultiHeaders<SockaddrIn>,
    outbound: MultiHeaders<SockaddrIn>,
    buffers: Vec<[u8; 2048]>,
}

impl<'a> RawEnd<'a> {
    fn new(socket: &'a UdpSocket) -> Self {
        let headers = || MultiHeaders::preallocate(BATCH, None);
        RawEnd { socket, inbound: headers(), outbound: headers(), buffers: vec![[0; 2048]; BATCH] }
    }

    /// Waits for at least one datagram and takes what is there; the peers, none after a timeout.
    fn receive(&mut self) -> Vec<Option<SockaddrIn>> {
        let mut buffers = self.buffers.iter_mut();
        let mut slices: [[IoSliceMut<'_>; 1]; BATCH] =
            std::array::from_fn(|_| [IoSliceMut::new(buffers.next().expect("one for each"))]);
        let flags = MsgFlags::MSG_WAITFORONE;
        match recvmmsg(self.socket.as_raw_fd(), &mut self.inbound, slices.iter_mut(), flags, None) {
            Ok(arrived) => arrived.map(|datagram| datagram.address).collect(),
            Err(Errno::EAGAIN) => Vec::new(),
            Err(error) => panic!("recvmmsg: {error}"),
        }
    }

    fn send(&mut self, mut to: &[Option<SockaddrIn>]) {
        let slices = [[IoSlice::new(&PAYLOAD)]; BATCH];
        while !to.is_empty() {
            let (fd, flags) = (self.socket.as_raw_fd(), MsgFlags::empty());
            let sent =
                sendmmsg(fd, &mut self.outbound, slices.iter(), to, [], flags).expect("sendmmsg").count();
            to = &to[sent..];
        }
    }
}

fn transport_pair(window: usize) -> Pair {
    let clock = Clock::start();
    let config = ServerConfig { receive_buffer: 4 << 20, ..ServerConfig::new(clock) };
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0).into();
    let mut binding = Some(ServerBinding::bind(address, config).expect("a free port"));
    let to = binding.as_ref().map(ServerBinding::local_address).expect("bound above");
    let client = move || {
        let config = MeterSocketsConfig { receive_buffer: 4 << 20, ..MeterSocketsConfig::new(clock) };
        let mut meters = MeterSockets::new(config);
        let mut measure = Measure::start();
        let mut slots: Vec<u32> = (0..window as u32).collect();
        loop {
            for slot in slots.drain(..) {
                meters.send(slot, to, &PAYLOAD).expect("a loopback server");
            }
            meters.flush();
            meters.wait(Some(STALLED)).expect("a working socket");
            let arrived = meters.recv(|datagram| slots.push(datagram.slot)).expect("a working socket");
            if arrived == 0 {
                slots.extend(0..window as u32);
            }
            if let Some(rate) = measure.add(arrived) {
                return rate;
            }
        }
    };
    let server = move |stop: &AtomicBool| {
        let Some(binding) = binding.take() else { return };
        let mut server = binding.serve();
        let mut peers = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            server.wait(Some(STALLED)).expect("a working socket");
            server.recv(|datagram| peers.push((datagram.peer, datagram.local))).expect("a working socket");
            for (peer, local) in peers.drain(..) {
                server.send(peer, local, &PAYLOAD).expect("a loopback peer");
            }
            server.flush();
        }
    };
    Pair { client: Box::new(client), server: Box::new(server) }
}
