//! Sockets and the machine: UDP in batches, streams over TCP, the gate every destination passes, the
//! kernel's timers and counters. A shell: what can be decided without a socket is decided elsewhere.
//!
//! A shard of meters has one [`MeterSockets`], one [`MeterStreams`] and one [`Timer`] and waits on all of
//! them; an embedded server has a [`ServerSocket`], or [`ServerStreams`], for each of its threads, which
//! waits on those of several servers by [`wait_any`].

mod gate;
mod pin;
mod poller;
mod readiness;
mod resolve;
mod route;
mod steer;
mod tcp;
mod timer;
mod udp;
mod wait;

pub mod kernel;
pub mod resources;

pub use gate::{Gate, Refused, Why};
pub use pin::{cores, pin_current_thread};
pub use resolve::resolve;
pub use route::source_towards;
pub use tcp::{
    MeterStreams, MeterStreamsConfig, ServerStreamEvent, ServerStreams, StreamBinding, StreamChange,
    StreamConfig, StreamEvent, StreamLimits, TcpCounters,
};
pub use timer::Timer;
pub use udp::{
    Datagram, LocalAddresses, MAX_DATAGRAM, MeterSockets, MeterSocketsConfig, Numbering, OpenError,
    ReceiveBuffer, SendError, SendErrorKind, SendFailure, ServerBinding, ServerConfig, ServerDatagram,
    ServerSocket, UdpCounters,
};
pub use wait::{Awaited, Waker, wait_any};
