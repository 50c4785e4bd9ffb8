//! Real datagrams over loopback, on ports of the kernel's choice.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::batch::BATCH;
use super::family::V4;
use super::lane::{Context, FamilyLane, Lane};
use super::open::Options;
use super::sources::Sources;
use super::tally::Tally;
use super::*;
use crate::base::{Clock, Instant};
use crate::transport::gate::{Gate, Why};
use crate::transport::resources::descriptors_open;

const SOON: Option<Duration> = Some(Duration::from_millis(100));

/// A server that sends everything back, from where it came to.
struct Echo {
    server: ServerSocket,
    peers: BTreeSet<SocketAddr>,
}

impl Echo {
    fn on(address: &str, clock: Clock) -> Self {
        let config = ServerConfig { receive_buffer: 4 << 20, ..ServerConfig::new(clock) };
        let binding = ServerBinding::bind(address.parse().expect("an address"), config).expect("a free port");
        Echo { server: binding.serve(), peers: BTreeSet::new() }
    }

    fn address(&self) -> SocketAddr {
        self.server.local_address()
    }

    fn turn(&mut self) {
        let mut came = Vec::new();
        self.server.recv(|d| came.push((d.peer, d.local, d.bytes.to_vec()))).expect("a working socket");
        for (peer, local, bytes) in came {
            self.peers.insert(peer);
            self.server.send(peer, local, &bytes).expect("a loopback peer");
        }
        self.server.flush();
    }
}

/// A datagram as a meter got it.
#[derive(Debug)]
struct Got {
    slot: u32,
    from: SocketAddr,
    bytes: Vec<u8>,
    at: Instant,
}

/// Lets both sides work until the meters have received `count` datagrams.
fn exchange(meters: &mut MeterSockets, echo: &mut Echo, count: usize) -> Vec<Got> {
    let clock = Clock::start();
    let mut got = Vec::new();
    while got.len() < count {
        assert!(clock.now() < Instant::from_secs(20), "{} of {count}: {:?}", got.len(), meters.counters());
        meters.flush();
        echo.server.wait(Some(Duration::from_millis(1))).expect("a working socket");
        echo.turn();
        meters.wait(Some(Duration::from_millis(1))).expect("working sockets");
        meters
            .recv(|d| got.push(Got { slot: d.slot, from: d.from, bytes: d.bytes.to_vec(), at: d.at }))
            .expect("working sockets");
    }
    got
}

fn meters(clock: Clock) -> MeterSockets {
    MeterSockets::new(MeterSocketsConfig { receive_buffer: 16 << 20, ..MeterSocketsConfig::new(clock) })
}

/// Whether this machine has ::1; says so if not.
fn has_ipv6() -> bool {
    let config = ServerConfig::new(Clock::start());
    match ServerBinding::bind(SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 0), config) {
        Ok(_) => true,
        Err(error) => {
            println!("skipped, for want of ::1: {error}");
            false
        }
    }
}

#[test]
fn each_datagram_leaves_from_its_own_address() {
    const SLOTS: u32 = 5_000;
    let clock = Clock::start();
    let numbering = Numbering { first: 70_000, step: 3 };
    let config = MeterSocketsConfig { numbering, receive_buffer: 16 << 20, ..MeterSocketsConfig::new(clock) };
    let mut meters = MeterSockets::new(config);
    let mut echo = Echo::on("127.0.0.1:0", clock);
    let server = echo.address();
    let mut replies = BTreeMap::new();
    // In portions that fit any receive buffer, of a size that is no multiple of a batch.
    for portion in (0..SLOTS).collect::<Vec<_>>().chunks(201) {
        for slot in portion {
            meters.send(*slot, server, &slot.to_be_bytes()).expect("a loopback server");
        }
        for got in exchange(&mut meters, &mut echo, portion.len()) {
            assert_eq!(got.from, server);
            assert_eq!(got.bytes, got.slot.to_be_bytes());
            assert!(replies.insert(got.slot, ()).is_none(), "{} came twice", got.slot);
        }
    }
    assert_eq!(replies.len(), SLOTS as usize);
    let port = meters.local_address(0, server).expect("slot 0 is open").port();
    let expected: BTreeSet<SocketAddr> = (0..SLOTS)
        .map(|slot| (Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 0)) + 70_000 + 3 * slot), port).into())
        .collect();
    assert_eq!(echo.peers, expected);
    let counters = meters.counters();
    assert_eq!((counters.sent, counters.received), (SLOTS.into(), SLOTS.into()));
    assert_eq!((counters.sent_bytes, counters.received_bytes), (4 * u64::from(SLOTS), 4 * u64::from(SLOTS)));
    assert_eq!(meters.kernel_drops().expect("/proc"), 0);
}

#[test]
fn kernel_timestamps_lie_between_sending_and_reading() {
    let clock = Clock::start();
    let (mut meters, mut echo) = (meters(clock), Echo::on("127.0.0.1:0", clock));
    // The first datagrams may find the kernel's timestamps not yet switched on: it then stamps at reading.
    for round in 0..20 {
        let before = clock.now();
        meters.send(round, echo.address(), b"when?").expect("sent");
        let got = exchange(&mut meters, &mut echo, 1);
        // The two clocks are read one after the other, and the system's may be slewed meanwhile.
        let slack = Duration::from_millis(2);
        assert!(got[0].at + slack >= before && got[0].at <= clock.now(), "{before:?} {:?}", got[0].at);
    }
}

#[test]
fn what_nobody_can_take_is_counted() {
    let clock = Clock::start();
    let (mut meters, mut echo) = (meters(clock), Echo::on("127.0.0.1:0", clock));
    let server = echo.address();
    meters.open(5, server).expect("opened");
    let ours = meters.local_address(5, server).expect("open");
    let to = |last_octet: u8| SocketAddr::new(Ipv4Addr::new(127, 1, 0, last_octet).into(), ours.port());
    let nobody = IpAddr::from(Ipv4Addr::UNSPECIFIED);
    echo.server.send(ours, nobody, &[7; MAX_DATAGRAM + 1]).expect("queued");
    echo.server.send(to(6), nobody, b"not open").expect("queued");
    echo.server.send((Ipv4Addr::LOCALHOST, ours.port()).into(), nobody, b"no meter's").expect("queued");
    echo.server.send(ours, nobody, &[7; MAX_DATAGRAM]).expect("queued");
    echo.server.send(ours, nobody, b"").expect("queued");
    echo.server.flush();
    let got = exchange(&mut meters, &mut echo, 2);
    assert_eq!(
        got.iter().map(|got| (got.slot, got.bytes.len())).collect::<Vec<_>>(),
        [(5, MAX_DATAGRAM), (5, 0)]
    );
    let counters = meters.counters();
    assert_eq!((counters.received, counters.truncated, counters.unknown_slot), (5, 1, 2));
    meters.close(5);
    echo.server.send(ours, nobody, b"too late").expect("queued");
    echo.server.flush();
    while meters.counters().received < 6 {
        meters.wait(SOON).expect("a working socket");
        meters.recv(|datagram| panic!("{datagram:?}")).expect("a working socket");
    }
    assert_eq!(meters.counters().unknown_slot, 3);
}

#[test]
fn the_server_counts_what_is_too_long() {
    let clock = Clock::start();
    let (mut meters, mut echo) = (meters(clock), Echo::on("127.0.0.1:0", clock));
    meters.send(0, echo.address(), &[0; 3 * MAX_DATAGRAM]).expect("sent");
    meters.send(0, echo.address(), b"short").expect("sent");
    assert_eq!(exchange(&mut meters, &mut echo, 1)[0].bytes, b"short");
    assert_eq!((echo.server.counters().received, echo.server.counters().truncated), (2, 1));
}

#[test]
fn the_gate_refuses_and_counts_on_both_sides() {
    let clock = Clock::start();
    let (mut meters, mut echo) = (meters(clock), Echo::on("127.0.0.1:0", clock));
    for remote in ["192.0.2.1:5683", "[2001:db8::1]:5683", "224.0.1.187:5683", "127.0.0.1:0"] {
        let remote: SocketAddr = remote.parse().expect("an address");
        let Err(SendError::Refused(refused)) = meters.send(0, remote, b"x") else {
            panic!("{remote} passed")
        };
        assert_eq!(refused.destination, remote);
        let refused = echo.server.send(remote, remote.ip(), b"x").expect_err("refused");
        assert!(matches!(refused, SendError::Refused(_)));
    }
    let refused = meters.open(0, "192.0.2.1:5683".parse().expect("an address")).expect_err("refused");
    assert!(matches!(refused, SendError::Refused(refused) if refused.because == Why::Remote));
    meters.flush();
    echo.server.flush();
    assert_eq!((meters.counters().refused, meters.counters().sent, meters.queued()), (5, 0, 0));
    assert_eq!((echo.server.counters().refused, echo.server.counters().sent), (4, 0));
}

#[test]
fn a_datagram_the_kernel_will_not_send_is_told_and_the_rest_goes() {
    let clock = Clock::start();
    let (mut meters, mut echo) = (meters(clock), Echo::on("127.0.0.1:0", clock));
    let server = echo.address();
    meters.send(1, server, b"first").expect("queued");
    meters.send(2, server, &vec![0; 70_000]).expect("queued");
    meters.send(3, server, b"last").expect("queued");
    let got = exchange(&mut meters, &mut echo, 2);
    assert_eq!(got.iter().map(|got| got.slot).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(
        meters.take_failure(),
        Some(SendFailure { slot: 2, to: server, kind: SendErrorKind::TooLong })
    );
    assert_eq!(meters.take_failure(), None);
    assert_eq!(meters.counters().send_errors(SendErrorKind::TooLong), 1);
}

#[test]
fn a_wildcard_server_answers_from_where_it_was_asked() {
    let clock = Clock::start();
    let (mut meters, mut echo) = (meters(clock), Echo::on("0.0.0.0:0", clock));
    for last_octet in [1, 7, 200] {
        let asked = SocketAddr::new(Ipv4Addr::new(127, 0, 3, last_octet).into(), echo.address().port());
        meters.send(9, asked, b"who?").expect("sent");
        assert_eq!(exchange(&mut meters, &mut echo, 1)[0].from, asked);
    }
}

#[test]
fn on_ipv6_meters_differ_by_port() {
    if !has_ipv6() {
        return;
    }
    let clock = Clock::start();
    let mut meters = meters(clock);
    for address in ["[::1]:0", "[::]:0"] {
        let mut echo = Echo::on(address, clock);
        let server = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), echo.address().port());
        for slot in 0..100_u32 {
            meters.send(slot, server, &slot.to_be_bytes()).expect("sent");
        }
        for got in exchange(&mut meters, &mut echo, 100) {
            assert_eq!((got.from, got.bytes.as_slice()), (server, got.slot.to_be_bytes().as_slice()));
            let ours = meters.local_address(got.slot, server).expect("open");
            assert!(ours.ip().is_loopback() && echo.peers.contains(&ours), "{ours}");
        }
        assert_eq!(echo.peers.len(), 100);
    }
    // A closed slot gives its socket back, and may be opened again at another port.
    let server = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 9);
    meters.close(5);
    assert_eq!(meters.local_address(5, server), None);
    meters.open(5, server).expect("opened again");
    assert!(meters.local_address(5, server).is_some());
}

#[test]
fn a_mixed_fleet_waits_within_tokio_for_both_families() {
    let clock = Clock::start();
    let mut meters = meters(clock);
    let mut echoes = vec![Echo::on("127.0.0.1:0", clock)];
    if has_ipv6() {
        echoes.push(Echo::on("[::1]:0", clock));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    runtime.block_on(async {
        // The second time, tokio must have noticed that the sockets were read empty.
        for round in 0..3_u8 {
            for echo in &mut echoes {
                // More than a batch, so that one reading is not enough.
                let slots = if echo.address().is_ipv4() { 2 * BATCH as u32 } else { 3 };
                for slot in 0..slots {
                    meters.send(slot, echo.address(), &[round]).expect("sent");
                }
                meters.flush();
                let mut left = slots as usize;
                while left > 0 {
                    echo.server.wait(Some(Duration::from_millis(1))).expect("a working socket");
                    echo.turn();
                    meters.ready().await.expect("watched");
                    meters
                        .recv(|datagram| {
                            assert_eq!((datagram.bytes, datagram.from), ([round].as_slice(), echo.address()));
                            left -= 1;
                        })
                        .expect("working sockets");
                }
            }
            while meters.recv(|datagram| panic!("{datagram:?}")).expect("working sockets") > 0 {}
            let waiting = std::pin::pin!(meters.ready());
            assert!(is_pending(waiting).await, "nothing is left to read");
        }
    });
}

/// Whether `future` goes on waiting after the reactor has had its turn.
async fn is_pending(mut future: std::pin::Pin<&mut impl Future<Output = std::io::Result<()>>>) -> bool {
    for _ in 0..3 {
        let pending = std::future::poll_fn(|context| {
            std::task::Poll::Ready(future.as_mut().poll(context).is_pending())
        });
        if !pending.await {
            return false;
        }
        tokio::task::yield_now().await;
    }
    true
}

#[test]
fn listed_addresses_share_a_socket_for_each_port() {
    let clock = Clock::start();
    let mut echo = Echo::on("127.0.0.1:0", clock);
    let addresses: Vec<Ipv4Addr> = (1..=3).map(|last| Ipv4Addr::new(127, 0, 9, last)).collect();
    // A port that is free now; another program may take it before we do, so a second is tried.
    let free = || Echo::on("0.0.0.0:0", clock).address().port();
    let mut tally = Tally::default();
    let mut context = Context { clock, gate: Gate::default(), tally: &mut tally, poller: None };
    let options = Options {
        receive_buffer: None,
        reuse_port: false,
        loopback_only: true,
        tell_local: true,
        timestamps: true,
        open: 0,
    };
    let mut lane = (0..20)
        .find_map(|_| {
            let port = free();
            let sources = Sources::List { addresses: addresses.clone(), ports: port..=port };
            let mut lane = FamilyLane::<V4>::new(0, sources, options, 100, BATCH);
            lane.open(0, &mut context).is_ok().then_some(lane)
        })
        .expect("a free port");
    for slot in 0..3_u8 {
        lane.send(slot.into(), echo.address(), &[slot], &mut context).expect("sent");
    }
    lane.flush(&mut context);
    let error = lane.send(3, echo.address(), b"one too many", &mut context).expect_err("no address left");
    assert!(matches!(error, SendError::Open(OpenError::OutOfAddresses { capacity: 3 })), "{error}");
    let mut got = Vec::new();
    while got.len() < 3 {
        echo.server.wait(SOON).expect("a working socket");
        echo.turn();
        lane.receive(0, &mut context, &mut |d| got.push((d.slot, d.bytes.to_vec())))
            .expect("a working socket");
    }
    assert_eq!(got, [(0, vec![0]), (1, vec![1]), (2, vec![2])]);
    let peers: BTreeSet<IpAddr> = echo.peers.iter().map(|peer| peer.ip()).collect();
    assert_eq!(peers, addresses.into_iter().map(IpAddr::from).collect());
}

#[test]
fn a_full_receive_buffer_is_counted_by_the_kernel() {
    let clock = Clock::start();
    let mut meters = meters(clock);
    let config = ServerConfig { receive_buffer: 8 << 10, ..ServerConfig::new(clock) };
    let binding = ServerBinding::bind((Ipv4Addr::LOCALHOST, 0).into(), config).expect("a free port");
    let mut server = binding.serve();
    assert!(!server.receive_buffer().is_short());
    for _ in 0..500 {
        meters.send(0, server.local_address(), &[0; 60]).expect("sent");
    }
    meters.flush();
    let mut came = 0;
    while came + server.kernel_drops().expect("/proc") < 500 {
        server.wait(SOON).expect("a working socket");
        while server.recv(|_| came += 1).expect("a working socket") > 0 {}
    }
    assert_eq!(came + server.kernel_drops().expect("/proc"), 500);
    assert!(came < 500);
}

#[test]
fn several_sockets_share_a_port_only_if_all_ask_for_it() {
    let config = ServerConfig { reuse_port: true, ..ServerConfig::new(Clock::start()) };
    let first = ServerBinding::bind((Ipv4Addr::LOCALHOST, 0).into(), config).expect("a free port");
    let second = ServerBinding::bind(first.local_address(), config).expect("a shared port");
    assert_eq!(first.local_address(), second.local_address());
    let alone = ServerConfig { reuse_port: false, ..config };
    let error = ServerBinding::bind(first.local_address(), alone).expect_err("in use");
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
}

#[test]
fn a_socket_that_was_bound_alone_shares_its_port_from_then_on() {
    let alone = ServerConfig::new(Clock::start());
    let sharing = ServerConfig { reuse_port: true, ..alone };
    for ip in [IpAddr::from(Ipv4Addr::LOCALHOST)]
        .into_iter()
        .chain(has_ipv6().then(|| IpAddr::from(Ipv6Addr::LOCALHOST)))
    {
        let first = ServerBinding::bind((ip, 0).into(), alone).expect("a free port");
        let error = ServerBinding::bind(first.local_address(), sharing).expect_err("not shared yet");
        assert!(matches!(error, OpenError::InUse { .. }), "{error}");
        first.share_port().expect("a working socket");
        let second = ServerBinding::bind(first.local_address(), sharing).expect("a shared port");
        first.divide_peers(2).expect("a group of two");
        let mut sockets = [first.serve(), second.serve()];
        let clock = Clock::start();
        let mut meters = meters(clock);
        for slot in 0..64 {
            meters.send(slot, sockets[0].local_address(), b"x").expect("sent");
        }
        meters.flush();
        let came = sockets.each_mut().map(|socket| {
            let mut came = 0;
            while socket.recv(|_| came += 1).expect("a working socket") > 0 {}
            came
        });
        assert!(came.iter().all(|came| *came > 0) && came.iter().sum::<u32>() == 64, "{came:?}");
        let error = ServerBinding::bind(sockets[0].local_address(), alone).expect_err("in use");
        assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    }
}

#[test]
fn a_waker_ends_a_wait_on_another_thread() {
    let binding = ServerBinding::bind((Ipv4Addr::LOCALHOST, 0).into(), ServerConfig::new(Clock::start()));
    let binding = binding.expect("a free port");
    let waker = binding.waker();
    let serving = std::thread::spawn(move || {
        let server = binding.serve();
        let woken = server.wait(None).expect("a working socket");
        (woken, server.wait(Some(Duration::ZERO)).expect("a working socket"))
    });
    waker.wake();
    assert_eq!(serving.join().expect("no panic"), (true, false));
}

#[test]
fn descriptors_needed_are_known_before_a_run() {
    let mut config = MeterSocketsConfig::new(Clock::start());
    let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
    let (v4, v6) = (address("127.0.0.1:5683"), address("[::1]:5683"));
    assert_eq!(config.required_descriptors(&[v4, v4], 0, 1_000_000), 2);
    assert_eq!(config.required_descriptors(&[v6], 0, 1000), 1002);
    assert_eq!(config.required_descriptors(&[v4], 2, 1000), 2 + 2000 + 2, "a descriptor for each stream");
    assert_eq!(config.required_descriptors(&[v4, v6], 0, 1000), 1004);
    let remote = address("192.0.2.1:5683");
    assert_eq!(config.required_descriptors(&[remote], 0, 1000), 1002);
    let addresses = vec![IpAddr::from([192, 0, 2, 7]), IpAddr::from([192, 0, 2, 8])];
    config.local = Some(LocalAddresses { addresses, ports: 20_000..=20_999 });
    assert_eq!(config.required_descriptors(&[remote], 0, 1001), 503);
}

#[test]
fn shards_divide_the_ports_among_themselves() {
    let local = LocalAddresses { addresses: vec![Ipv4Addr::LOCALHOST.into()], ports: 65_526..=65_535 };
    let shares: Vec<u16> = (0..3).flat_map(|shard| local.share(shard, 3).ports).collect();
    assert_eq!(shares, local.ports.clone().collect::<Vec<_>>());
    assert!((0..20).any(|shard| local.share(shard, 20).ports.is_empty()));
}

/// Set in the child process that runs out of descriptors.
const CHILD: &str = "BOOTSTORM_TEST_FEW_DESCRIPTORS";

/// The limit belongs to the whole process, so a process of its own meets it.
#[test]
fn running_out_of_descriptors_is_an_error_with_advice() {
    if std::env::var_os(CHILD).is_none() {
        let this = std::env::current_exe().expect("a test binary");
        let name = "transport::udp::tests::running_out_of_descriptors_is_an_error_with_advice";
        let output = Command::new(this).args(["--exact", name]).env(CHILD, "1").output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    if !has_ipv6() {
        return;
    }
    let clock = Clock::start();
    let (mut meters, mut echo) = (meters(clock), Echo::on("[::1]:0", clock));
    let limit = descriptors_open().expect("/proc") + 20;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, limit, hard).expect("a lower limit");
    let refused = (0..30).find_map(|slot| Some((slot, meters.send(slot, echo.address(), b"x").err()?)));
    let (slots, error) = refused.expect("an error before the 30th");
    let text = error.to_string();
    assert!(matches!(error, SendError::Open(OpenError::OutOfDescriptors { .. })), "{text}");
    assert!(
        text.contains("ulimit -n") && text.contains(&limit.to_string()) && text.contains("local.addresses")
    );
    // Those that have sockets work on.
    assert_eq!(exchange(&mut meters, &mut echo, slots as usize).len(), slots as usize);
}
