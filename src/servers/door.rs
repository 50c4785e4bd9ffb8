//! Where the workers of a server listen: a socket for each, of datagrams or of streams, sharing one port.

use std::net::SocketAddr;

use crate::base::Clock;
use crate::transport::{Gate, OpenError, ServerBinding, ServerConfig, StreamBinding, StreamConfig, Waker};

/// The socket of one worker, before its thread runs.
pub(super) enum Door {
    /// UDP, plain or under DTLS.
    Datagrams(ServerBinding),
    /// TCP, plain or under TLS.
    Streams(Box<StreamBinding>),
}

impl Door {
    /// One for each of so many workers at this address; of port 0, all at the free port that the first got.
    pub(super) fn bind_all(
        stream: bool,
        address: SocketAddr,
        (gate, clock): (Gate, Clock),
        workers: usize,
    ) -> Result<Vec<Door>, OpenError> {
        let mut doors: Vec<Door> = Vec::with_capacity(workers);
        for worker in 0..workers {
            let address = doors.first().map_or(address, Door::address);
            // The first may be given a port, and is bound alone: were it to share from the start, it would
            // join the sockets of another process that serves there. The others share it.
            let door = Door::bind(stream, address, (gate, clock), worker > 0)?;
            if worker == 0 && workers > 1 {
                door.share_port()?;
            }
            doors.push(door);
        }
        if let Some(door) = doors.first().filter(|_| workers > 1) {
            door.divide_peers(workers as u32);
        }
        Ok(doors)
    }

    fn bind(
        stream: bool,
        address: SocketAddr,
        (gate, clock): (Gate, Clock),
        reuse_port: bool,
    ) -> Result<Door, OpenError> {
        if stream {
            let config = StreamConfig { gate, reuse_port, ..StreamConfig::new(clock) };
            return StreamBinding::bind(address, config).map(Box::new).map(Door::Streams);
        }
        let config = ServerConfig { gate, reuse_port, timestamps: false, ..ServerConfig::new(clock) };
        ServerBinding::bind(address, config).map(Door::Datagrams)
    }

    /// Where it is.
    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Door::Datagrams(binding) => binding.local_address(),
            Door::Streams(binding) => binding.local_address(),
        }
    }

    /// Wakes the thread that will serve there.
    pub(super) fn waker(&self) -> Waker {
        match self {
            Door::Datagrams(binding) => binding.waker(),
            Door::Streams(binding) => binding.waker(),
        }
    }

    fn share_port(&self) -> Result<(), OpenError> {
        match self {
            Door::Datagrams(binding) => binding.share_port(),
            Door::Streams(binding) => binding.share_port(),
        }
    }

    /// Has each peer come to the same worker every time: there its session is.
    fn divide_peers(&self, workers: u32) {
        // Where the kernel cannot, it divides the peers by a hash of its own, and all works as well, only slower.
        let _ = match self {
            Door::Datagrams(binding) => binding.divide_peers(workers),
            Door::Streams(binding) => binding.divide_peers(workers),
        };
    }
}
