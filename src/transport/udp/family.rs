//! What differs between IPv4 and IPv6: the shapes of addresses and of the packet information that says
//! to which local address a datagram came, or from which one it is to leave.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, SockaddrIn, SockaddrIn6, SockaddrLike, cmsg_space,
};

/// One of the two internet protocols.
pub(super) trait Family: fmt::Debug + 'static {
    type Ip: Copy + Eq + fmt::Debug + Into<IpAddr>;
    type Sockaddr: SockaddrLike + Copy + fmt::Debug;
    /// The packet information of an outgoing datagram (ip(7) `IP_PKTINFO`, RFC 3542 §6).
    type Info: Copy;

    /// The wildcard address.
    const ANY: Self::Ip;
    /// Bytes of control messages with each received datagram: a timestamp and packet information.
    const CONTROL: usize;
    /// Bytes of the packet information alone, with each sent datagram.
    const INFO: usize;

    /// The address, if it is of this family.
    fn ip(ip: IpAddr) -> Option<Self::Ip>;
    /// The destination, if it is of this family.
    fn sockaddr(destination: SocketAddr) -> Option<Self::Sockaddr>;
    fn address(sockaddr: &Self::Sockaddr) -> SocketAddr;
    /// Packet information that makes a datagram leave from `source`; the kernel chooses for the wildcard.
    fn info(source: Self::Ip) -> Self::Info;
    fn control(info: &Self::Info) -> ControlMessage<'_>;
    /// The local address in a received control message.
    fn local(message: &ControlMessageOwned) -> Option<Self::Ip>;
    /// The `index`-th address after `first`.
    fn nth(first: Self::Ip, index: u64) -> Self::Ip;
    /// Which address after `first` this is.
    fn index(first: Self::Ip, ip: Self::Ip) -> Option<u64>;
}

#[derive(Debug)]
pub(super) enum V4 {}

#[derive(Debug)]
pub(super) enum V6 {}

impl Family for V4 {
    type Ip = Ipv4Addr;
    type Sockaddr = SockaddrIn;
    type Info = libc::in_pktinfo;

    const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
    const CONTROL: usize = cmsg_space::<libc::timespec>() + cmsg_space::<libc::in_pktinfo>();
    const INFO: usize = cmsg_space::<libc::in_pktinfo>();

    fn ip(ip: IpAddr) -> Option<Ipv4Addr> {
        match ip {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        }
    }

    fn sockaddr(destination: SocketAddr) -> Option<SockaddrIn> {
        match destination.ip().to_canonical() {
            IpAddr::V4(ip) => Some(SockaddrIn::from(SocketAddrV4::new(ip, destination.port()))),
            IpAddr::V6(_) => None,
        }
    }

    fn address(sockaddr: &SockaddrIn) -> SocketAddr {
        SocketAddr::V4(SocketAddrV4::from(*sockaddr))
    }

    fn info(source: Ipv4Addr) -> libc::in_pktinfo {
        let source = libc::in_addr { s_addr: u32::from(source).to_be() };
        libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: libc::in_addr { s_addr: 0 } }
    }

    fn control(info: &libc::in_pktinfo) -> ControlMessage<'_> {
        ControlMessage::Ipv4PacketInfo(info)
    }

    fn local(message: &ControlMessageOwned) -> Option<Ipv4Addr> {
        match message {
            // The destination in the header, not the address of the interface.
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                Some(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)))
            }
            _ => None,
        }
    }

    fn nth(first: Ipv4Addr, index: u64) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(first).wrapping_add(index as u32))
    }

    fn index(first: Ipv4Addr, ip: Ipv4Addr) -> Option<u64> {
        u32::from(ip).checked_sub(u32::from(first)).map(u64::from)
    }
}

impl Family for V6 {
    type Ip = Ipv6Addr;
    type Sockaddr = SockaddrIn6;
    type Info = libc::in6_pktinfo;

    const ANY: Ipv6Addr = Ipv6Addr::UNSPECIFIED;
    const CONTROL: usize = cmsg_space::<libc::timespec>() + cmsg_space::<libc::in6_pktinfo>();
    const INFO: usize = cmsg_space::<libc::in6_pktinfo>();

    fn ip(ip: IpAddr) -> Option<Ipv6Addr> {
        match ip {
            IpAddr::V6(ip) => Some(ip),
            IpAddr::V4(_) => None,
        }
    }

    fn sockaddr(destination: SocketAddr) -> Option<SockaddrIn6> {
        match destination {
            SocketAddr::V6(address) if address.ip().to_ipv4_mapped().is_none() => {
                Some(SockaddrIn6::from(address))
            }
            _ => None,
        }
    }

    fn address(sockaddr: &SockaddrIn6) -> SocketAddr {
        let scope = sockaddr.scope_id();
        // The flow label says nothing about who the peer is, and would make two peers of one.
        SocketAddr::V6(SocketAddrV6::new(sockaddr.ip(), sockaddr.port(), 0, scope))
    }

    fn info(source: Ipv6Addr) -> libc::in6_pktinfo {
        libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: source.octets() }, ipi6_ifindex: 0 }
    }

    fn control(info: &libc::in6_pktinfo) -> ControlMessage<'_> {
        ControlMessage::Ipv6PacketInfo(info)
    }

    fn local(message: &ControlMessageOwned) -> Option<Ipv6Addr> {
        match message {
            ControlMessageOwned::Ipv6PacketInfo(info) => Some(Ipv6Addr::from(info.ipi6_addr.s6_addr)),
            _ => None,
        }
    }

    fn nth(first: Ipv6Addr, index: u64) -> Ipv6Addr {
        Ipv6Addr::from(u128::from(first).wrapping_add(u128::from(index)))
    }

    fn index(first: Ipv6Addr, ip: Ipv6Addr) -> Option<u64> {
        u128::from(ip).checked_sub(u128::from(first)).and_then(|index| u64::try_from(index).ok())
    }
}
