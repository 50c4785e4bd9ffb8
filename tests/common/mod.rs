//! What the black-box tests share: the binary as a process whose lines can be awaited, its results, and
//! servers that misbehave on purpose.
//!
//! Nothing here waits for a while: it waits for a line, an end or a datagram, and gives up loudly.
#![allow(dead_code, reason = "each test binary uses a part of this")]

pub mod interop;
pub mod keys;
pub mod libcoap;
pub mod process;
pub mod responder;
pub mod results;
pub mod talk;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

/// An address that nobody listens at just now.
#[expect(clippy::disallowed_methods, reason = "the kernel is asked for a free port")]
pub fn free_address(ip: IpAddr) -> SocketAddr {
    UdpSocket::bind((ip, 0)).and_then(|socket| socket.local_addr()).expect("a free port")
}

/// A port of 127.0.0.1 that nobody listens at just now.
pub fn free_port() -> u16 {
    free_address(Ipv4Addr::LOCALHOST.into()).port()
}
