//! The meter as an actix actor: a mailbox in front of it, a shard around it. Only this file of the room
//! knows actix.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use actix::{Actor, Context, Handler, Message};

use super::meter::Meter;
use super::output::{Output, StreamNews, Unreachable};
use crate::base::Instant;
use crate::metrics::{
    Event, FailureKind, InFlight, Leg, MeterState, NoiseKind, NotificationFate, RequestFate, RequestKind,
};
use crate::protocol::client::Link;

/// What the actor needs of the shard it lives on. All of it is on the same thread.
pub trait Surroundings: 'static {
    /// The time.
    fn now(&self) -> Instant;
    /// Sends a datagram from this slot's own address.
    ///
    /// # Errors
    /// That nothing can be sent there at all.
    fn send(&self, slot: u32, to: SocketAddr, bytes: &[u8]) -> Result<Sending, Unreachable>;
    /// Connects a stream from this slot's own address; what comes of it comes as a message.
    fn connect(&self, slot: u32, stream: u32, to: SocketAddr);
    /// Writes to a stream that is connected.
    fn write(&self, slot: u32, stream: u32, bytes: &[u8]);
    /// Closes a stream once what was written to it is out.
    fn disconnect(&self, slot: u32, stream: u32);
    /// Finds the address of a host; the answer comes as a message.
    fn resolve(&self, slot: u32, link: Link, name: (Box<str>, u16), failures: u16);
    /// Counts an event of this slot's meter.
    fn record(&self, slot: u32, event: Event);
    /// Sets this slot's one timer, or clears it.
    fn arm(&self, slot: u32, when: Option<Instant>);
    /// A message, or the start of an actor, has been dealt with.
    fn handled(&self);
    /// The meter of this slot, or its code, is done for; what it leaves behind.
    fn crashed(&self, slot: u32, remains: Remains);
    /// The answer to [`Command::Report`], and the last word after [`Command::Retire`].
    fn report(&self, slot: u32, remains: Remains);
    /// Whether the meter of this slot is to panic at this moment: how a test sees what happens then.
    fn sabotaged(&self, slot: u32, moment: Sabotage) -> bool;
}

/// A moment at which the code around a meter can be made to panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// The meter is to be switched on; it is not its own code that panics but that of its shard.
    Arriving,
    /// A datagram has come, and is not handled yet.
    Received,
    /// A datagram was handled, and nothing of what it led to is out yet.
    Handled,
    /// The meter has come into this state, and nobody knows yet.
    Entered(MeterState),
}

/// What became of a datagram that may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// It is on its way to the kernel.
    Queued,
    /// There was no room for it, as on a full network: the message layer sends it again. The sockets count
    /// it; to the meter's own counts it was never sent.
    Dropped,
}

/// What a meter is at the end, for the balances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remains {
    /// The state it is in.
    pub state: MeterState,
    /// The requests and notifications on their way.
    pub in_flight: InFlight,
    /// Registers answered with 2.01.
    pub confirmed: u32,
    /// Registers whose answer the meter never saw.
    pub unconfirmed: u32,
}

/// What is said to a meter.
#[derive(Debug)]
pub enum Command {
    /// A datagram came in.
    Datagram {
        /// Who sent it.
        from: SocketAddr,
        /// What is in it.
        bytes: Box<[u8]>,
        /// When the kernel had it.
        at: Instant,
    },
    /// News of one of its streams.
    Stream {
        /// Which.
        stream: u32,
        /// What.
        news: StreamNews,
        /// When the shard had it.
        at: Instant,
    },
    /// The timer has run out.
    Tick,
    /// A host has this address.
    Resolved {
        /// What it was wanted for.
        link: Link,
        /// The address, if there is one.
        address: Option<SocketAddr>,
    },
    /// The kernel would not send what was queued for this address.
    Unsendable {
        /// Where it was to go.
        to: SocketAddr,
    },
    /// De-register and stop.
    Shutdown,
    /// Say what you are.
    Report,
    /// Stop where you are, and say what is left: the slot is wanted for another.
    Retire,
}

impl Message for Command {
    type Result = ();
}

/// One simulated meter as an actor.
pub struct MeterActor<S: Surroundings> {
    meter: Meter,
    slot: u32,
    planned: Instant,
    shard: Rc<S>,
    /// What was recorded of the meter last: all that counts of one whose code panicked.
    known: Known,
    /// Its code panicked: it only waits for the shard to let go of it.
    fallen: bool,
}

/// A meter as the recorder knows it.
#[derive(Clone, Copy)]
struct Known {
    state: MeterState,
    in_flight: InFlight,
}

impl Known {
    fn note(&mut self, event: Event) {
        match event {
            Event::State { to, .. } => self.state = to,
            Event::Request { kind, fate } => self.in_flight.note(kind, fate),
            Event::Notification(fate) => self.in_flight.note_notification(fate),
            Event::HandshakeBegun => self.in_flight.note_handshake_begun(),
            Event::Handshake { .. } | Event::HandshakeFailed | Event::HandshakeAbandoned => {
                self.in_flight.note_handshake_ended();
            }
            _ => {}
        }
    }
}

impl<S: Surroundings> MeterActor<S> {
    /// An actor that switches its meter on when it starts; latencies count from `planned`.
    pub fn new(meter: Meter, slot: u32, planned: Instant, shard: Rc<S>) -> Self {
        let known = Known { state: meter.state(), in_flight: meter.in_flight() };
        MeterActor { meter, slot, planned, shard, known, fallen: false }
    }

    /// Runs `act` on the meter. A panic in it is the end of this meter alone: it is caught, counted, and
    /// the shard puts another in its place. (actix would leave a panicked actor closed without a word.)
    /// Its context is not stopped here: what is in its mailbox already is to be dealt with as well.
    fn guarded(&mut self, act: impl FnOnce(&mut Self)) {
        let outcome = catch_unwind(AssertUnwindSafe(|| act(self)));
        self.shard.handled();
        if outcome.is_err() {
            self.fall();
        }
    }

    /// Closes the account of a meter whose code panicked. What it did and could not tell any more has not
    /// happened: the account goes on from what was recorded last, and the meter is not asked to do anything.
    fn fall(&mut self) {
        let remains = self.remains_of(self.known);
        self.shard.record(self.slot, Event::Failure(FailureKind::ActorPanicked));
        for kind in remains.in_flight.iter() {
            self.shard.record(self.slot, Event::Request { kind, fate: RequestFate::Abandoned });
        }
        for _ in 0..remains.in_flight.notifications() {
            self.shard.record(self.slot, Event::Notification(NotificationFate::Abandoned));
        }
        for _ in 0..remains.in_flight.handshakes() {
            self.shard.record(self.slot, Event::HandshakeAbandoned);
        }
        self.shard.arm(self.slot, None);
        self.fallen = true;
        self.shard.crashed(self.slot, Remains { in_flight: InFlight::default(), ..remains });
    }

    /// Deals with what was said to a meter that is no more: to its successor it would mean nothing.
    fn let_pass(&self, command: &Command) {
        if let Command::Datagram { bytes, .. } | Command::Stream { news: StreamNews::Data(bytes), .. } =
            command
        {
            let bytes = bytes.len() as u32;
            self.shard.record(self.slot, Event::Received { leg: Leg::Other, bytes });
            self.shard.record(self.slot, Event::Noise(NoiseKind::Unexpected));
        }
        self.shard.handled();
    }

    fn switch_on(&mut self) {
        let now = self.shard.now();
        self.meter.power_on(self.planned, now);
        self.settle(now);
    }

    fn carry_out(&mut self, command: Command) {
        let now = self.shard.now();
        match command {
            Command::Datagram { from, bytes, at } => {
                let leg = self.leg(from);
                self.shard.record(self.slot, Event::Received { leg, bytes: bytes.len() as u32 });
                self.shard.record(self.slot, Event::Handled { late: now.since(at) });
                self.panic_if_told(Sabotage::Received);
                if let Some(noise) = self.meter.handle_input(from, &bytes, now) {
                    self.shard.record(self.slot, Event::Noise(noise));
                }
                self.panic_if_told(Sabotage::Handled);
            }
            Command::Stream { stream, news, at } => {
                if let StreamNews::Data(bytes) = &news {
                    let leg = self.leg_of(stream);
                    self.shard.record(self.slot, Event::Received { leg, bytes: bytes.len() as u32 });
                    self.shard.record(self.slot, Event::Handled { late: now.since(at) });
                }
                self.panic_if_told(Sabotage::Received);
                self.meter.handle_stream(stream, news, now);
                self.panic_if_told(Sabotage::Handled);
            }
            Command::Tick => self.meter.handle_timeout(now),
            Command::Resolved { link, address: Some(address) } => {
                self.meter.handle_resolved(link, address, now);
            }
            Command::Resolved { link, address: None } => {
                self.meter.handle_unreachable(link, Unreachable::Unresolved, now);
            }
            Command::Unsendable { to } => self.meter.handle_unsendable(to, Unreachable::SendError, now),
            Command::Shutdown => self.meter.shutdown(now),
            Command::Report => return self.report(),
            Command::Retire => {
                self.meter.stop();
                self.settle(now);
                return self.report();
            }
        }
        self.panic_if_told(Sabotage::Entered(self.meter.state()));
        self.settle(now);
    }

    /// What a datagram from or to this address is for.
    fn leg(&self, address: SocketAddr) -> Leg {
        // By the place first: with several servers a meter may register with one while it is registered with
        // another, and the answer to the Finish leaves when the bootstrap is over.
        if self.meter.only_bootstraps_at(address) {
            Leg::Bootstrap
        } else if self.meter.registers_at(address) {
            Leg::Register
        } else {
            self.leg_of_strangers()
        }
    }

    /// The same for the bytes of a stream.
    fn leg_of(&self, stream: u32) -> Leg {
        let end = self.meter.end_of(stream);
        end.map_or_else(|| self.leg_of_strangers(), |address| self.leg(address))
    }

    /// The same where the place does not tell.
    fn leg_of_strangers(&self) -> Leg {
        if self.known.state == MeterState::Bootstrapping { Leg::Bootstrap } else { Leg::Other }
    }

    fn panic_if_told(&self, moment: Sabotage) {
        assert!(!self.shard.sabotaged(self.slot, moment), "this meter was told to panic: {moment:?}");
    }

    /// Carries out what the meter wants, and arms its timer.
    fn settle(&mut self, now: Instant) {
        while let Some(output) = self.meter.poll_output(now) {
            match output {
                Output::Transmit { to, bytes } => match self.shard.send(self.slot, to, &bytes) {
                    Ok(Sending::Queued) => {
                        let leg = self.leg(to);
                        self.shard.record(self.slot, Event::Sent { leg, bytes: bytes.len() as u32 });
                    }
                    Ok(Sending::Dropped) => {}
                    Err(why) => self.meter.handle_unsendable(to, why, now),
                },
                Output::Connect { stream, to } => self.shard.connect(self.slot, stream, to),
                Output::Write { stream, bytes } => {
                    self.shard.write(self.slot, stream, &bytes);
                    let leg = self.leg_of(stream);
                    self.shard.record(self.slot, Event::Sent { leg, bytes: bytes.len() as u32 });
                }
                Output::Disconnect { stream } => self.shard.disconnect(self.slot, stream),
                Output::Resolve { link, host, port, failures } => {
                    self.shard.resolve(self.slot, link, (host, port), failures);
                }
                Output::Event(event) => {
                    self.shard.record(self.slot, event);
                    self.known.note(event);
                }
                // Nobody looks over the shoulder of a meter of a fleet.
                Output::Plain { .. } => {}
            }
        }
        self.shard.arm(self.slot, self.meter.poll_timeout().map(|(at, _)| at));
    }

    /// Asks the meter anew rather than relying on what was recorded: the one is checked with the other.
    fn report(&self) {
        let own = Known { state: self.meter.state(), in_flight: self.meter.in_flight() };
        self.shard.report(self.slot, self.remains_of(own));
    }

    fn remains_of(&self, meter: Known) -> Remains {
        let Known { state, in_flight } = meter;
        let (confirmed, unconfirmed) = self.meter.registrations();
        let unconfirmed = unconfirmed + in_flight.of(RequestKind::Register);
        Remains { state, in_flight, confirmed, unconfirmed }
    }
}

impl<S: Surroundings> Actor for MeterActor<S> {
    type Context = Context<Self>;

    fn started(&mut self, _ctx: &mut Self::Context) {
        self.guarded(Self::switch_on);
    }
}

impl<S: Surroundings> Handler<Command> for MeterActor<S> {
    type Result = ();

    fn handle(&mut self, command: Command, _ctx: &mut Self::Context) {
        if self.fallen {
            return self.let_pass(&command);
        }
        self.guarded(|actor| actor.carry_out(command));
    }
}

#[cfg(test)]
#[path = "actor_tests.rs"]
mod tests;
