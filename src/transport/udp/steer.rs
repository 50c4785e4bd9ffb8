//! Which of several sockets at one port gets a peer's datagrams: the kernel runs a small filter program
//! over each datagram (`SO_ATTACH_REUSEPORT_CBPF`), so that a peer always meets the same socket and the
//! meters of one shard share one.

use std::io;

use nix::libc::{sock_filter, sock_fprog};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::AttachReusePortCbpf;

use super::open::UdpSocket;

/// 127.1.0.0: the address of meter 0, see [`super::meters`].
const FIRST_METER: u32 = 0x7f01_0000;

// Classic BPF (linux/filter.h): instructions by their numbers.
const LOAD_WORD: u16 = 0x20;
const LOAD_HALF: u16 = 0x28;
const KEEP_IN_X: u16 = 0x07;
const TAKE_FROM_X: u16 = 0x87;
const AND: u16 = 0x54;
const SUBTRACT: u16 = 0x14;
const ADD_X: u16 = 0x0c;
const MODULO: u16 = 0x94;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x16;
/// `SKF_NET_OFF`: offsets from here on count from the IP header.
const IP_HEADER: u32 = (-0x10_0000_i32) as u32;

/// Lets `workers` sockets of one IPv4 port share it by peer: loopback meters by their number, so that
/// with as many workers as shards each shard has one; others by address and port. `socket` is one of them;
/// the program counts them in the order in which they were bound.
pub(super) fn by_peer(socket: &UdpSocket, workers: u32) -> io::Result<()> {
    let mut program = program(workers.max(1));
    let program = sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    Ok(setsockopt(&socket.fd, AttachReusePortCbpf, &program)?)
}

fn program(workers: u32) -> [sock_filter; 12] {
    let step = |code, k| sock_filter { code, jt: 0, jf: 0, k };
    [
        // The source address.
        step(LOAD_WORD, IP_HEADER + 12),
        step(KEEP_IN_X, 0),
        step(AND, 0xff00_0000),
        // Loopback goes on here, the rest four further.
        sock_filter { code: JUMP_IF_EQUAL, jt: 0, jf: 4, k: 0x7f00_0000 },
        step(TAKE_FROM_X, 0),
        step(SUBTRACT, FIRST_METER),
        step(MODULO, workers),
        step(RETURN, 0),
        // The source port, behind an IP header without options; many peers may share one address.
        step(LOAD_HALF, IP_HEADER + 20),
        step(ADD_X, 0),
        step(MODULO, workers),
        step(RETURN, 0),
    ]
}
