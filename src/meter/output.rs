//! What a meter asks of the world around it, and what it hears from there.

use std::fmt;
use std::net::SocketAddr;

use crate::metrics::Event;
use crate::protocol::client::{Link, Reason};

/// What a meter wants done or counted, in order. Its `Debug` tells the lengths of messages, which may hold keys.
pub enum Output {
    /// Send this datagram.
    Transmit {
        /// The server it goes to.
        to: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// Connect a stream.
    Connect {
        /// The meter's own number for it, never used twice by one meter.
        stream: u32,
        /// The server it is to lead to.
        to: SocketAddr,
    },
    /// Write this to a stream that is connected.
    Write {
        /// Which.
        stream: u32,
        /// The next bytes.
        bytes: Vec<u8>,
    },
    /// Close a stream, once what was written to it is out. Nothing of it is heard any more.
    Disconnect {
        /// Which.
        stream: u32,
    },
    /// Find the address of this host, then call `handle_resolved`.
    Resolve {
        /// The path it is for.
        link: Link,
        /// The name.
        host: Box<str>,
        /// The port of the address wanted.
        port: u16,
        /// Attempts that failed before this one: another address of the name may do better.
        failures: u16,
    },
    /// A message as it is said or heard behind the session, if there is one; only if somebody
    /// [wants to see it](super::Meter::set_tap).
    Plain {
        /// Which way it goes.
        direction: Direction,
        /// Between whom.
        link: Link,
        /// Where the server is.
        server: SocketAddr,
        /// What it goes through, which is the number of the stream, if it is one; nothing is plain CoAP over UDP.
        channel: Option<u32>,
        /// One whole CoAP message; on a stream the next bytes, where a message may begin and end anywhere.
        bytes: Vec<u8>,
    },
    /// Count this.
    Event(Event),
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the meter to a server.
    Sent,
    /// From a server to the meter.
    Received,
}

/// What a meter's timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Its client.
    Client(Reason),
    /// The session with one of its servers: a flight is to be sent again, or the handshake given up.
    Session,
}

/// Why a server cannot be reached at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// The transport's gate refuses the address.
    Refused,
    /// Its name has no address.
    Unresolved,
    /// The kernel would not send to it.
    SendError,
}

/// News of a stream. Its `Debug` tells the lengths of messages, which may hold keys.
#[derive(Clone, PartialEq, Eq)]
pub enum StreamNews {
    /// It is connected.
    Connected,
    /// The next bytes came in.
    Data(Box<[u8]>),
    /// The peer will send no more.
    Ended,
    /// It could not be connected, or was torn down. Nothing of it is heard any more.
    Broken,
    /// The destination is not allowed, or the kernel has no socket for it. Nothing of it is heard any more.
    Refused(Unreachable),
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Output::Transmit { to, bytes } => write!(f, "Transmit({to}, {} B)", bytes.len()),
            Output::Connect { stream, to } => write!(f, "Connect({stream}, {to})"),
            Output::Write { stream, bytes } => write!(f, "Write({stream}, {} B)", bytes.len()),
            Output::Disconnect { stream } => write!(f, "Disconnect({stream})"),
            Output::Resolve { link, host, port, failures } => {
                write!(f, "Resolve({link:?}, {host}:{port}, {failures} failures)")
            }
            Output::Plain { direction, link, server, bytes, .. } => {
                write!(f, "Plain({direction:?}, {link:?}, {server}, {} B)", bytes.len())
            }
            Output::Event(event) => write!(f, "Event({event:?})"),
        }
    }
}

impl fmt::Debug for StreamNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StreamNews::Connected => f.write_str("Connected"),
            StreamNews::Data(bytes) => write!(f, "Data({} B)", bytes.len()),
            StreamNews::Ended => f.write_str("Ended"),
            StreamNews::Broken => f.write_str("Broken"),
            StreamNews::Refused(why) => write!(f, "Refused({why:?})"),
        }
    }
}
