//! What the embedded servers have counted, over all their workers.

use std::time::Duration;

use crate::protocol::server::{BootstrapCounters, EmsCounters, Pending, Traffic};
use crate::secure::ListenerCounters;
use crate::transport::{TcpCounters, UdpCounters};

/// What the Bootstrap-Server counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootstrapCounts {
    /// What it did.
    pub counters: BootstrapCounters,
    /// Its datagrams.
    pub traffic: Traffic,
    /// What its sockets of datagrams counted.
    pub udp: UdpCounters,
    /// What its streams counted.
    pub tcp: TcpCounters,
    /// The sessions and streams of its peers; `None` if it is spoken to by plain datagrams.
    pub sessions: Option<ListenerCounters>,
}

/// What the EMSs counted, all together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmsCounts {
    /// Registers accepted, by endpoint name; only when it has stopped.
    pub accepted: Vec<(String, u32)>,
    /// What they did; the campaigns of one after those of the other.
    pub counters: EmsCounters,
    /// What is under way with their devices; only when they have stopped.
    pub pending: Pending,
    /// Its datagrams.
    pub traffic: Traffic,
    /// What its sockets of datagrams counted.
    pub udp: UdpCounters,
    /// What its streams counted.
    pub tcp: TcpCounters,
    /// The sessions and streams of their peers; `None` if all are spoken to by plain datagrams.
    pub sessions: Option<ListenerCounters>,
}

/// What the embedded servers counted; `None` for one that is elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerCounts {
    /// The Bootstrap-Server.
    pub bootstrap: Option<BootstrapCounts>,
    /// The EMSs, all together.
    pub ems: Option<EmsCounts>,
    /// Processor time of all their threads.
    pub cpu: Duration,
    /// Datagrams the kernel dropped at their sockets for want of receive buffer.
    pub kernel_drops: u64,
}
