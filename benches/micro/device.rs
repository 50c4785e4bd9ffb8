//! A registered device and what its server asks of it: from the datagram of a request to that of the answer,
//! and from a deadline to the look at what is observed.

use std::sync::Arc;
use std::time::Duration;

use bootstorm::base::{Instant, Seed};
use bootstorm::protocol::client::{
    BootstrapPolicy, Client, Config, Device, FirmwarePolicy, Link, Output, RegistrationPolicy, ReportPolicy,
};
use bootstorm::protocol::coap::{Message, Params};
use bootstorm::protocol::content::{listed, listing};
use bootstorm::protocol::lwm2m::{Entry, Path, Tree, Value, Version};
use divan::{Bencher, black_box};

const LINK: Link = Link::Server(101);

/// Its object instances beside those of the account and /3/0.
const OBJECTS: [u16; 19] =
    [4, 5, 6, 7, 9, 10, 11, 12, 13, 20, 504, 3600, 3601, 3602, 3604, 3604, 3605, 3606, 10243];

/// Voltage, which the device measures.
const MEASURED: Path = Path::resource(10243, 0, 4);

#[derive(Debug)]
struct Voltmeter;

impl Device for Voltmeter {
    fn value(&self, path: Path, nature: u64, now: Instant) -> Option<Value> {
        let volts = || 230.0 + (now.since_origin().as_secs() ^ nature) as f64 % 3.0;
        (path == MEASURED).then(|| Value::Float(volts()))
    }
}

/// What a meter holds that is registered with one server: an account, /3/0 and an instance of each of many
/// objects.
fn store() -> Vec<Entry> {
    let entry = |object, id, value| Entry::new(Path::resource(object, 0, id), value);
    let mut store = vec![
        entry(0, 0, Value::from("coap://127.0.0.1:5683")),
        entry(0, 1, Value::Boolean(false)),
        entry(0, 2, Value::Integer(3)),
        entry(0, 10, Value::Integer(101)),
        entry(1, 0, Value::Integer(101)),
        entry(1, 1, Value::Integer(86_400)),
        entry(1, 6, Value::Boolean(true)),
        entry(1, 7, Value::from("U")),
        entry(3, 0, Value::from("bootstorm")),
        entry(3, 1, Value::from("simulated meter")),
        entry(3, 2, Value::from("0123456789")),
        entry(3, 3, Value::from("1.2.3")),
        entry(3, 9, Value::Integer(95)),
        entry(3, 10, Value::Integer(512)),
        Entry::new(Path::resource_instance(3, 0, 11, 0), Value::Integer(0)),
        entry(3, 13, Value::Time(1_767_225_600)),
        entry(3, 14, Value::from("+00:00")),
        entry(3, 16, Value::from("U")),
        entry(3, 17, Value::from("smart meter")),
    ];
    for object in OBJECTS {
        store.extend((0..6).map(|id| entry(object, id, Value::Float(f64::from(id)))));
    }
    store.sort_by_key(|entry| entry.path);
    store.dedup_by_key(|entry| entry.path);
    store
}

/// A registered device, and the instant of its last datagram.
struct Registered {
    client: Client,
    now: Instant,
    mid: u16,
}

impl Registered {
    fn new() -> Self {
        let config = Config {
            version: Version::V1_2,
            transmission: Arc::new(Params::default()),
            bootstrap: BootstrapPolicy::default(),
            registration: RegistrationPolicy::default(),
            firmware: FirmwarePolicy::default(),
            report: ReportPolicy { sampling: Duration::from_secs(10), ..ReportPolicy::default() },
            factory: Arc::new(store()),
            provision: None,
            device: Some(Arc::new(Voltmeter)),
        };
        let mut client = Client::new(Arc::new(config), "meter".into(), 0, Seed(1));
        let now = Instant::from_secs(1);
        client.power_on(now, now);
        client.handle_opened(LINK, now);
        let mut device = Registered { client, now, mid: 0 };
        let register = device.last_sent().expect("a Register");
        let register = Message::decode(&register).expect("a message of ours");
        let token = register.token();
        let mut created = vec![0x60 | token.as_slice().len() as u8, 0x41];
        created.extend(register.mid().to_be_bytes());
        created.extend(token.as_slice());
        created.extend(b"\x82rd\x011");
        device.hear(&created);
        device
    }

    fn last_sent(&mut self) -> Option<Vec<u8>> {
        let mut sent = None;
        while let Some(output) = self.client.poll_output() {
            if let Output::Send { bytes, .. } = output {
                sent = Some(bytes);
            }
        }
        sent
    }

    fn hear(&mut self, datagram: &[u8]) -> Option<Vec<u8>> {
        self.client.handle_input(LINK, datagram, self.now);
        self.last_sent()
    }

    /// A GET with these options, each time with a message id of its own.
    fn get(&mut self, options: &[u8]) -> Option<Vec<u8>> {
        self.now += Duration::from_secs(1);
        self.mid = self.mid.wrapping_add(1);
        let [high, low] = self.mid.to_be_bytes();
        let mut datagram = vec![0x41, 0x01, high, low, 0x07];
        datagram.extend_from_slice(options);
        self.hear(&datagram)
    }
}

/// /3/0, Accept 112.
#[divan::bench]
fn read_an_instance(bencher: Bencher) {
    let mut device = Registered::new();
    bencher.bench_local(|| device.get(black_box(b"\xb1\x33\x010\x61\x70")).expect("an answer"));
}

/// /3/0/0, Accept 0.
#[divan::bench]
fn read_a_resource(bencher: Bencher) {
    let mut device = Registered::new();
    bencher.bench_local(|| device.get(black_box(b"\xb1\x33\x010\x010\x60")).expect("an answer"));
}

/// A look at one measured value that crosses no threshold: nothing is told.
#[divan::bench]
fn look_at_an_observed_value(bencher: Bencher) {
    let mut device = Registered::new();
    // Observe 0, gt=300.
    let answer = device.get(b"\x60\x5510243\x010\x014\x46gt=300");
    assert_eq!(answer.and_then(|answer| Message::decode(&answer).ok()?.observe()), Some(1));
    bencher.bench_local(|| {
        device.now += Duration::from_secs(1);
        device.client.handle_timeout(device.now);
        assert!(device.last_sent().is_none());
    });
}

/// The payload of a Register.
#[divan::bench]
fn list_a_rich_device(bencher: Bencher) {
    let tree = Tree::new(Arc::new(store()));
    bencher.bench(|| listing::registration(black_box(&tree), Version::V1_2, listed(Version::V1_2)));
}
