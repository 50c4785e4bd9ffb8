//! The streams of a shard of meters: each is named by the meter's slot and a number of the meter's own.
//!
//! | destination | source of slot `s` |
//! |---|---|
//! | 127.0.0.0/8 | 127.1.0.0 + its number, a port of the kernel's choice |
//! | ::1 | ::1, a port of the kernel's choice: some 28,000 streams to one server |
//! | others | one of `local.addresses`, a port of the kernel's choice |
//! | others, none configured | the kernel's choice |
//!
//! Each stream is a descriptor. As long as there is no stream, none of the calls asks the kernel anything.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use super::open::{cannot_open, connect};
use super::table::Table;
use super::{StreamChange, StreamLimits, TcpCounters};
use crate::transport::wait::wait_for;
use crate::transport::{MeterSocketsConfig, OpenError, SendError};

/// What a shard's streams are to be.
#[derive(Clone, Debug)]
pub struct MeterStreamsConfig {
    /// The gate, the clock and the addresses, as for datagrams.
    pub sockets: MeterSocketsConfig,
    /// The bounds of each stream.
    pub limits: StreamLimits,
}

impl MeterStreamsConfig {
    /// Streams beside these sockets, within the usual limits.
    pub fn beside(sockets: MeterSocketsConfig) -> Self {
        MeterStreamsConfig { sockets, limits: StreamLimits::default() }
    }
}

/// What happened to a meter's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamEvent<'a> {
    /// Whose it is.
    pub slot: u32,
    /// Which of the meter's.
    pub stream: u32,
    /// What happened.
    pub what: StreamChange<'a>,
}

/// A stream's name: its slot, and its number there.
type Name = (u32, u32);

/// The streams of a shard. They live on the shard's thread.
#[derive(Debug)]
pub struct MeterStreams {
    config: MeterStreamsConfig,
    table: Table<Name>,
    /// Those that somebody wants to hear of.
    names: BTreeMap<Name, u64>,
}

impl MeterStreams {
    /// No streams yet, and no descriptor.
    pub fn new(config: MeterStreamsConfig) -> Self {
        let table = Table::new(config.limits, config.sockets.clock);
        MeterStreams { config, table, names: BTreeMap::new() }
    }

    /// Begins to connect a stream of `slot`: that it is open, or broken, is told by [`MeterStreams::recv`]. What
    /// is written before goes out then. A stream of the same name is closed.
    ///
    /// # Errors
    /// That the gate refuses the destination, or that there is no descriptor, address or port for it.
    pub fn connect(&mut self, slot: u32, stream: u32, to: SocketAddr) -> Result<(), SendError> {
        self.close(slot, stream);
        if let Err(refused) = self.config.sockets.gate.check(to) {
            self.table.counters.gate_refused += 1;
            return Err(refused.into());
        }
        let opened = self.begin(slot, stream, to);
        if opened.is_err() {
            self.table.counters.no_socket += 1;
        }
        Ok(opened?)
    }

    fn begin(&mut self, slot: u32, stream: u32, to: SocketAddr) -> Result<(), OpenError> {
        let to = SocketAddr::new(to.ip().to_canonical(), to.port());
        let source = self.config.sockets.stream_source(slot, to)?;
        let open = self.table.len() as u64;
        let attempt = connect(source, to, self.config.limits.patience, open)?;
        let owner = (slot, stream);
        let id = self.table.insert(attempt.fd, owner, true).map_err(|error| cannot_open(to, open, error))?;
        self.table.counters.attempted += 1;
        self.names.insert(owner, id);
        if let Some(error) = attempt.failed {
            self.table.fail(id, error);
        }
        Ok(())
    }

    /// Writes to a stream, by the next [`MeterStreams::flush`] at the latest. What the kernel does not take waits; if
    /// that is too much, the stream breaks. What is written to a stream that is not there is counted.
    pub fn write(&mut self, slot: u32, stream: u32, bytes: &[u8]) {
        match self.names.get(&(slot, stream)) {
            Some(id) => self.table.write(*id, bytes),
            None => self.table.counters.unsent_bytes += bytes.len() as u64,
        }
    }

    /// Closes a stream once what was written to it is out, within the bound of time. Nothing is told of it any more.
    pub fn close(&mut self, slot: u32, stream: u32) {
        if let Some(id) = self.names.remove(&(slot, stream)) {
            self.table.close(id);
        }
    }

    /// Closes all streams of a slot.
    pub fn close_slot(&mut self, slot: u32) {
        while let Some((&(slot, stream), _)) = self.names.range((slot, 0)..=(slot, u32::MAX)).next() {
            self.close(slot, stream);
        }
    }

    /// Hands what happened to `each`, without waiting, and of each stream at most a bounded number of bytes. How
    /// often `each` was called; not zero means that there may be more.
    ///
    /// # Errors
    /// None that valid sockets can have.
    pub fn recv(&mut self, mut each: impl FnMut(StreamEvent<'_>)) -> io::Result<usize> {
        if self.table.len() == 0 && !self.table.has_news() {
            return Ok(0);
        }
        let names = &mut self.names;
        let turn = self.table.recv(&mut |(slot, stream), what| {
            if what == StreamChange::Broken {
                names.remove(&(slot, stream));
            }
            each(StreamEvent { slot, stream, what });
        })?;
        Ok(turn.changes)
    }

    /// Sends what was written. What the kernel does not take now waits until it does.
    pub fn flush(&mut self) {
        self.table.flush();
    }

    /// Waits until something may have happened. Cancel-safe. Must be called within a tokio runtime; without
    /// any stream it waits forever, so it is to be called anew after connecting.
    ///
    /// # Errors
    /// That no descriptor is left for tokio to watch.
    pub async fn ready(&mut self) -> io::Result<()> {
        if self.table.has_news() {
            return Ok(());
        }
        match self.table.len() {
            0 => std::future::pending().await,
            _ => {
                let poller = self.table.poller()?;
                poller.watch()?;
                poller.readable().await
            }
        }
    }

    /// Like [`MeterStreams::ready`], for a loop without tokio: waits for at most `timeout`, forever if none is given.
    ///
    /// # Errors
    /// None that valid sockets can have.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        if self.table.has_news() {
            return Ok(());
        }
        wait_for(self.table.waited_for().map(|poller| (poller.as_fd(), false)), timeout)
    }

    /// The local address of a stream, once it is open or being connected.
    pub fn local_address(&self, slot: u32, stream: u32) -> Option<SocketAddr> {
        let fd = self.table.descriptor(*self.names.get(&(slot, stream))?)?;
        socket2::SockRef::from(&fd).local_addr().ok()?.as_socket()
    }

    /// What happened so far.
    pub fn counters(&self) -> TcpCounters {
        self.table.counters
    }
}
