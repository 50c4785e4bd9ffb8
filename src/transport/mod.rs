//! Sockets and the machine: UDP in batches, the gate every destination passes, the kernel's timers and
//! counters. A shell: what can be decided without a socket is decided elsewhere.
//!
//! A shard of meters has one [`MeterSockets`] and one [`Timer`] and waits on both; an embedded server has
//! a [`ServerSocket`] for each of its threads.

mod gate;
mod pin;
mod readiness;
mod resolve;
mod route;
mod timer;
mod udp;

pub mod kernel;
pub mod resources;

pub use gate::{Gate, Refused, Why};
pub use pin::{cores, pin_current_thread};
pub use resolve::resolve;
pub use route::source_towards;
pub use timer::Timer;
pub use udp::{
    Datagram, LocalAddresses, MAX_DATAGRAM, MeterSockets, MeterSocketsConfig, Numbering, OpenError,
    ReceiveBuffer, SendError, SendErrorKind, SendFailure, ServerBinding, ServerConfig, ServerDatagram,
    ServerSocket, UdpCounters, Waker,
};
