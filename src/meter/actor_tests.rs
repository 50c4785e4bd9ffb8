//! An actor in surroundings that only write down what they are told.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::*;
use crate::base::Seed;
use crate::meter::meter::tests::config;
use crate::meter::{ObjectSet, factory};

/// Surroundings whose sockets do with every datagram the same.
struct Quiet {
    sending: Sending,
    tried: Cell<u32>,
    events: RefCell<Vec<Event>>,
}

impl Surroundings for Quiet {
    fn now(&self) -> Instant {
        Instant::from_secs(1)
    }
    fn send(&self, _: u32, _: SocketAddr, _: &[u8]) -> Result<Sending, Unreachable> {
        self.tried.set(self.tried.get() + 1);
        Ok(self.sending)
    }
    fn connect(&self, _: u32, _: u32, _: SocketAddr) {}
    fn write(&self, _: u32, _: u32, _: &[u8]) {}
    fn disconnect(&self, _: u32, _: u32) {}
    fn resolve(&self, _: u32, _: Link, _: (Box<str>, u16), _: u16) {}
    fn record(&self, _: u32, event: Event) {
        self.events.borrow_mut().push(event);
    }
    fn arm(&self, _: u32, _: Option<Instant>) {}
    fn handled(&self) {}
    fn crashed(&self, _: u32, _: Remains) {}
    fn report(&self, _: u32, _: Remains) {}
    fn sabotaged(&self, _: u32, _: Sabotage) -> bool {
        false
    }
}

/// A meter that has just been switched on, and has a Bootstrap-Request to send.
fn switched_on(sending: Sending) -> Rc<Quiet> {
    switched_on_at("coap://127.0.0.1:5783", sending).1
}

/// The same for a Bootstrap-Server at this URI.
fn switched_on_at(uri: &str, sending: Sending) -> (MeterActor<Quiet>, Rc<Quiet>) {
    let config = config(factory(uri, Duration::ZERO, ObjectSet::Minimal));
    let shard = Rc::new(Quiet { sending, tried: Cell::new(0), events: RefCell::default() });
    let meter = Meter::new(config, "meter".into(), 0, Seed(1));
    let mut actor = MeterActor::new(meter, 0, shard.now(), shard.clone());
    actor.switch_on();
    (actor, shard)
}

fn sent(shard: &Quiet) -> usize {
    shard.events.borrow().iter().filter(|event| matches!(event, Event::Sent { .. })).count()
}

#[test]
fn a_bootstrap_request_counts_as_bootstrap() {
    let queued = switched_on(Sending::Queued);
    let events = queued.events.borrow();
    let legs = events.iter().filter_map(|event| match event {
        Event::Sent { leg, .. } => Some(*leg),
        _ => None,
    });
    assert_eq!(legs.collect::<Vec<_>>(), [Leg::Bootstrap]);
}

#[test]
fn a_datagram_that_never_leaves_is_not_counted_as_sent() {
    let queued = switched_on(Sending::Queued);
    assert_eq!((queued.tried.get(), sent(&queued)), (1, 1));
    let dropped = switched_on(Sending::Dropped);
    assert_eq!((dropped.tried.get(), sent(&dropped)), (1, 0));
    // The request is on its way all the same: it will be sent again.
    let request = Event::Request { kind: RequestKind::BootstrapRequest, fate: RequestFate::Sent };
    assert!(dropped.events.borrow().contains(&request));
}

#[test]
fn bytes_of_a_stream_count_to_the_leg_of_its_server() {
    let (mut actor, shard) = switched_on_at("coap+tcp://127.0.0.1:5783", Sending::Queued);
    assert_eq!((shard.tried.get(), sent(&shard)), (0, 0));
    let at = shard.now();
    actor.carry_out(Command::Stream { stream: 1, news: StreamNews::Connected, at });
    assert!(sent(&shard) > 0);
    // An Empty message, which RFC 8323 §3.4 has ignored.
    actor.carry_out(Command::Stream { stream: 1, news: StreamNews::Data([0, 0].into()), at });
    let events = shard.events.borrow();
    let to_server = |event: &&Event| matches!(event, Event::Sent { leg: Leg::Bootstrap, .. });
    assert_eq!(events.iter().filter(to_server).count(), sent(&shard));
    assert!(events.contains(&Event::Received { leg: Leg::Bootstrap, bytes: 2 }));
}
