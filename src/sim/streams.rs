//! The streams of the world: ordered pipes of bytes between meters and servers, which lose nothing, cost the
//! link's delay, and cut what is written into pieces as they are told.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{Direction, ServerId};
use crate::base::{Instant, Rng};

/// How what is written to a stream is cut where it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pieces {
    /// Each write is a piece.
    #[default]
    AsWritten,
    /// All that was written at one instant is one piece.
    Joined,
    /// The same, cut into pieces of this many bytes.
    Of(usize),
    /// The same, cut anywhere.
    Random,
}

/// How a stream is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Both ends find it torn down, at once.
    Reset,
    /// The server's end closes it in good order; the server itself thinks that the meter did.
    Orderly,
}

/// What goes along a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// The wish to be connected; on the way back, that it is.
    Open,
    Bytes(Vec<u8>),
    End,
    Reset,
}

/// One stream, from the wish for it until both ends have let go.
pub(super) struct Stream {
    pub meter: u32,
    /// The meter's number for it.
    pub number: u32,
    /// `None` where it leads to nobody.
    pub server: Option<ServerId>,
    /// The meter's end, as the server sees it.
    pub peer: SocketAddr,
    /// The life of the server's place in which it was accepted.
    pub accepted: Option<u32>,
    /// The meter has not let go of it.
    pub held: bool,
    /// When the last of what is under way arrives, to the meter and to the server.
    arrivals: [Instant; 2],
}

/// All streams there ever were: a world is small.
pub(super) struct Streams {
    all: Vec<Stream>,
    pieces: Pieces,
    rng: Rng,
}

impl Streams {
    pub(super) fn new(rng: Rng) -> Self {
        Streams { all: Vec::new(), pieces: Pieces::default(), rng }
    }

    pub(super) fn set_pieces(&mut self, pieces: Pieces) {
        self.pieces = pieces;
    }

    /// A meter wants one; its place among all.
    pub(super) fn add(&mut self, meter: u32, number: u32, server: Option<ServerId>, host: IpAddr) -> usize {
        // Each connection has a port of its own, as from a kernel.
        let port = 49_152 + (self.all.len() % 16_384) as u16;
        let peer = SocketAddr::new(host, port);
        let arrivals = [Instant::ZERO; 2];
        self.all.push(Stream { meter, number, server, peer, accepted: None, held: true, arrivals });
        self.all.len() - 1
    }

    pub(super) fn get(&mut self, place: usize) -> &mut Stream {
        &mut self.all[place]
    }

    /// The stream a meter knows by this number.
    pub(super) fn of_meter(&self, meter: u32, number: u32) -> Option<usize> {
        self.all.iter().rposition(|stream| stream.meter == meter && stream.number == number)
    }

    /// The stream a server knows by its peer.
    pub(super) fn of_server(&self, server: ServerId, peer: SocketAddr) -> Option<usize> {
        self.all.iter().rposition(|stream| {
            stream.server == Some(server) && stream.peer == peer && stream.accepted.is_some()
        })
    }

    /// Those a meter holds.
    pub(super) fn held_by(&self, meter: u32) -> Vec<usize> {
        let held = self.all.iter().enumerate().filter(|(_, stream)| stream.meter == meter && stream.held);
        held.map(|(place, _)| place).collect()
    }

    /// Those a server has accepted and not let go of.
    pub(super) fn accepted_by(&self, server: ServerId) -> Vec<usize> {
        let accepted = |stream: &Stream| stream.server == Some(server) && stream.accepted.is_some();
        let all = self.all.iter().enumerate().filter(|(_, stream)| accepted(stream));
        all.map(|(place, _)| place).collect()
    }

    /// When something put on this stream now arrives: never before what was put on it earlier.
    pub(super) fn arrival(
        &mut self,
        place: usize,
        direction: Direction,
        delay: Duration,
        now: Instant,
    ) -> Instant {
        let last = &mut self.all[place].arrivals[direction as usize];
        *last = (*last).max(now + delay);
        *last
    }

    /// The writes of one instant, as they will be read.
    pub(super) fn cut(&mut self, writes: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        if self.pieces == Pieces::AsWritten {
            return writes;
        }
        let mut left = writes.concat();
        let mut pieces = Vec::new();
        while !left.is_empty() {
            let len = match self.pieces {
                Pieces::AsWritten | Pieces::Joined => left.len(),
                Pieces::Of(len) => len.max(1),
                Pieces::Random => 1 + self.rng.below(100) as usize,
            };
            let rest = left.split_off(len.min(left.len()));
            pieces.push(std::mem::replace(&mut left, rest));
        }
        pieces
    }
}
