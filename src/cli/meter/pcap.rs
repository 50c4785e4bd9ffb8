//! Datagrams in a file that Wireshark and tcpdump read: classic pcap
//! (draft-ietf-opsawg-pcap, microseconds) of raw IP packets.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use etherparse::PacketBuilder;

/// The magic number that says: microseconds, and the byte order of this file is little endian.
const MAGIC: u32 = 0xa1b2_c3d4;
/// The version of the format, major and minor.
const VERSION: (u16, u16) = (2, 4);
/// The longest packet there may be: nothing is cut.
const SNAP_LENGTH: u32 = 262_144;
/// LINKTYPE_RAW: each packet begins with its IPv4 or IPv6 header.
const LINK_TYPE: u32 = 101;
/// Nobody sees the real one from here; this is what Linux sends with.
const HOPS: u8 = 64;
/// Keys travel in what is kept.
const OWNER_ONLY: u32 = 0o600;

/// Opens `path` for a capture, for its owner only. A file that holds something is left alone; an empty one
/// and a pipe to a viewer are written to.
///
/// # Errors
/// That it cannot be opened, or holds something.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(OWNER_ONLY).open(path)?;
    let found = file.metadata()?;
    if found.is_file() {
        if found.len() > 0 {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it holds something already"));
        }
        file.set_permissions(Permissions::from_mode(OWNER_ONLY))?;
    }
    Ok(file)
}

/// A capture being written. Each packet is handed over whole, so that a viewer can follow.
pub(super) struct Capture<W> {
    out: W,
}

impl<W: Write> Capture<W> {
    /// Writes the head of the file.
    ///
    /// # Errors
    /// Those of `out`.
    pub(super) fn begin(mut out: W) -> io::Result<Self> {
        let mut head = Vec::with_capacity(24);
        head.extend(MAGIC.to_le_bytes());
        head.extend(VERSION.0.to_le_bytes());
        head.extend(VERSION.1.to_le_bytes());
        // Two fields that nobody uses: the time zone and the accuracy of the clock.
        head.extend([0; 8]);
        head.extend(SNAP_LENGTH.to_le_bytes());
        head.extend(LINK_TYPE.to_le_bytes());
        out.write_all(&head)?;
        Ok(Capture { out })
    }

    /// Keeps a datagram, as the packet it travels in; `at` counts from 1970-01-01 UTC.
    ///
    /// # Errors
    /// Those of `out`.
    pub(super) fn keep(
        &mut self,
        at: Duration,
        from: SocketAddr,
        to: SocketAddr,
        datagram: &[u8],
    ) -> io::Result<()> {
        let packet = packet(from, to, datagram)?;
        let length = packet.len() as u32;
        let mut record = Vec::with_capacity(16 + packet.len());
        // The format has 32 bits for the seconds: until 2106.
        record.extend((at.as_secs() as u32).to_le_bytes());
        record.extend(at.subsec_micros().to_le_bytes());
        record.extend(length.to_le_bytes());
        record.extend(length.to_le_bytes());
        record.extend(packet);
        self.out.write_all(&record)
    }
}

/// The IP packet that carries a datagram.
fn packet(from: SocketAddr, to: SocketAddr, datagram: &[u8]) -> io::Result<Vec<u8>> {
    let headers = match (from.ip().to_canonical(), to.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), HOPS),
        (from, to) => PacketBuilder::ipv6(wide(from).octets(), wide(to).octets(), HOPS),
    };
    let headers = headers.udp(from.port(), to.port());
    let mut packet = Vec::with_capacity(headers.size(datagram.len()));
    // A datagram that was sent or received is not too long for its packet.
    headers.write(&mut packet, datagram).map_err(io::Error::other)?;
    Ok(packet)
}

fn wide(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

#[cfg(test)]
mod tests {
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn captured(from: &str, to: &str, datagram: &[u8]) -> Vec<u8> {
        let mut capture = Capture::begin(Vec::new()).expect("memory takes everything");
        let at = Duration::new(1_700_000_000, 123_456_789);
        capture.keep(at, address(from), address(to), datagram).expect("memory takes everything");
        capture.out
    }

    #[test]
    fn the_head_and_the_record_are_as_the_format_has_them() {
        let file = captured("127.1.0.0:40000", "127.0.0.1:5683", b"datagram");
        let head = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0];
        assert_eq!(file[..24], head);
        let field = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes"));
        let length = 20 + 8 + 8;
        assert_eq!([24, 28, 32, 36].map(field), [1_700_000_000, 123_456, length, length]);
        assert_eq!(file.len(), 24 + 16 + length as usize);
    }

    #[test]
    fn a_packet_has_the_addresses_the_lengths_and_the_checksums() {
        for (from, to) in [("127.1.0.0:40000", "127.0.0.1:5683"), ("[::1]:40000", "[::1]:5683")] {
            for datagram in [&b""[..], b"odd", b"even"] {
                let file = captured(from, to, datagram);
                let packet = SlicedPacket::from_ip(&file[40..]).expect("an IP packet");
                let Some(TransportSlice::Udp(udp)) = packet.transport else { panic!("no UDP in {packet:?}") };
                assert_eq!((udp.source_port(), udp.destination_port()), (40_000, 5_683));
                assert_eq!((usize::from(udp.length()), udp.payload()), (8 + datagram.len(), datagram));
                let header = udp.to_header();
                let (source, destination, checksum) = match packet.net.expect("an IP header") {
                    NetSlice::Ipv4(ip) => {
                        let ip = ip.header();
                        assert_eq!(ip.header_checksum(), ip.to_header().calc_header_checksum());
                        let checksum = header.calc_checksum_ipv4(&ip.to_header(), datagram);
                        (IpAddr::V4(ip.source_addr()), IpAddr::V4(ip.destination_addr()), checksum)
                    }
                    NetSlice::Ipv6(ip) => {
                        let ip = ip.header();
                        let checksum = header.calc_checksum_ipv6(&ip.to_header(), datagram);
                        (IpAddr::V6(ip.source_addr()), IpAddr::V6(ip.destination_addr()), checksum)
                    }
                    other => panic!("neither IPv4 nor IPv6: {other:?}"),
                };
                assert_eq!((source, destination), (address(from).ip(), address(to).ip()));
                assert_eq!(checksum, Ok(udp.checksum()));
            }
        }
    }

    #[test]
    fn a_mapped_address_travels_in_ipv4() {
        let file = captured("127.1.0.0:40000", "[::ffff:127.0.0.1]:5683", b"datagram");
        assert_eq!(file[40] >> 4, 4);
    }

    #[test]
    fn a_file_is_for_its_owner_only_and_never_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("meter.pcap");
        let mode = || std::fs::metadata(&path).expect("the file").permissions().mode() & 0o777;
        std::fs::write(&path, "").expect("an empty file");
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("mine");
        Capture::begin(create(&path).expect("it is empty")).expect("a head");
        assert_eq!(mode(), OWNER_ONLY);
        assert_eq!(create(&path).expect_err("it is full").kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::metadata(&path).expect("the file").len(), 24, "it is as it was");
        std::fs::remove_file(&path).expect("mine");
        create(&path).expect("nothing is there");
        assert_eq!(mode(), OWNER_ONLY);
    }
}
