//! Which of several sockets at one port gets a peer's datagrams or connections: the kernel runs a small filter program
//! over each datagram, or the first segment of a connection (`SO_ATTACH_REUSEPORT_CBPF`), so that a peer always meets the same socket and the
//! meters of one shard share one.

use std::io;
use std::os::fd::AsFd;

use nix::libc::{sock_filter, sock_fprog};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::AttachReusePortCbpf;

/// 127.1.0.0: the address of meter 0, see [`super::udp`].
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
pub(super) fn by_peer(socket: &impl AsFd, workers: u32) -> io::Result<()> {
    attach(socket, by_number(workers).chain(by_address_and_port(workers)).collect())
}

/// The same for streams, of which each has a port of its own: those that are not loopback meters by address.
pub(super) fn by_address(socket: &impl AsFd, workers: u32) -> io::Result<()> {
    attach(socket, by_number(workers).chain(by_address_alone(workers)).collect())
}

fn attach(socket: &impl AsFd, mut program: Vec<sock_filter>) -> io::Result<()> {
    let program = sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    Ok(setsockopt(socket, AttachReusePortCbpf, &program)?)
}

fn step(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

/// Decides for loopback, and leaves the source address of others in the accumulator and in X.
fn by_number(workers: u32) -> impl Iterator<Item = sock_filter> {
    [
        // The source address.
        step(LOAD_WORD, IP_HEADER + 12),
        step(KEEP_IN_X, 0),
        step(AND, 0xff00_0000),
        // Loopback goes on here, the rest four further.
        sock_filter { code: JUMP_IF_EQUAL, jt: 0, jf: 4, k: 0x7f00_0000 },
        step(TAKE_FROM_X, 0),
        step(SUBTRACT, FIRST_METER),
        step(MODULO, workers.max(1)),
        step(RETURN, 0),
    ]
    .into_iter()
}

fn by_address_and_port(workers: u32) -> impl Iterator<Item = sock_filter> {
    [
        // The source port, behind an IP header without options; many peers may share one address.
        step(LOAD_HALF, IP_HEADER + 20),
        step(ADD_X, 0),
        step(MODULO, workers.max(1)),
        step(RETURN, 0),
    ]
    .into_iter()
}

fn by_address_alone(workers: u32) -> impl Iterator<Item = sock_filter> {
    [step(TAKE_FROM_X, 0), step(MODULO, workers.max(1)), step(RETURN, 0)].into_iter()
}
