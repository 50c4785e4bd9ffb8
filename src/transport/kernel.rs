//! Datagrams that the kernel dropped because a socket's receive buffer was full.
//!
//! The figure of a run is the sum over its own sockets, which is exact; the counter of the whole system
//! also counts what other programs lost, and stands beside it for comparison.

use std::fs;
use std::io;

/// How many datagrams the kernel has dropped at each of the sockets with these inode numbers since they
/// were opened, summed. A socket that is closed is no longer counted.
///
/// It reads a table of all UDP sockets (some 10 ms per 10,000): at the start and end of a run, not within.
///
/// # Errors
/// That `/proc` cannot be read, or is not as expected.
pub fn socket_drops(inodes: &[u64]) -> io::Result<u64> {
    let mut sorted = inodes.to_vec();
    sorted.sort_unstable();
    let mut drops = drops_in(&fs::read_to_string("/proc/net/udp")?, &sorted)?;
    // A machine without IPv6 has no such table.
    match fs::read_to_string("/proc/net/udp6") {
        Ok(table) => drops += drops_in(&table, &sorted)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(drops)
}

/// How many UDP datagrams the whole system has dropped for want of receive buffer since it started:
/// `RcvbufErrors` of IPv4 and IPv6.
///
/// # Errors
/// That `/proc` cannot be read, or is not as expected.
pub fn system_drops() -> io::Result<u64> {
    let v4 = snmp_drops(&fs::read_to_string("/proc/net/snmp")?)?;
    let v6 = match fs::read_to_string("/proc/net/snmp6") {
        Ok(table) => snmp6_drops(&table)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(v4 + v6)
}

/// Sums the last column (`drops`) of the lines whose tenth column (`inode`) is asked for.
fn drops_in(table: &str, sorted: &[u64]) -> io::Result<u64> {
    let mut sum = 0;
    for line in table.lines().skip(1) {
        let mut columns = line.split_ascii_whitespace();
        let inode = columns.nth(9).and_then(|column| column.parse().ok());
        let drops = columns.next_back().and_then(|column| column.parse::<u64>().ok());
        let (Some(inode), Some(drops)) = (inode, drops) else {
            return Err(unexpected("/proc/net/udp", line));
        };
        if sorted.binary_search(&inode).is_ok() {
            sum += drops;
        }
    }
    Ok(sum)
}

/// A line of names is followed by one of values, both marked `Udp:`.
fn snmp_drops(table: &str) -> io::Result<u64> {
    let mut lines = table.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, values) =
        lines.next().zip(lines.next()).ok_or_else(|| unexpected("/proc/net/snmp", table))?;
    names
        .split_ascii_whitespace()
        .zip(values.split_ascii_whitespace())
        .find(|(name, _)| *name == "RcvbufErrors")
        .and_then(|(_, value)| value.parse().ok())
        .ok_or_else(|| unexpected("/proc/net/snmp", names))
}

fn snmp6_drops(table: &str) -> io::Result<u64> {
    table
        .lines()
        .find_map(|line| line.strip_prefix("Udp6RcvbufErrors")?.trim().parse().ok())
        .ok_or_else(|| unexpected("/proc/net/snmp6", table))
}

fn unexpected(file: &str, text: &str) -> io::Error {
    let line = text.lines().next().unwrap_or_default();
    io::Error::new(io::ErrorKind::InvalidData, format!("{file} is not as expected: {line:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UDP: &str = "\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  350: 00000000:14E9 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 10101 2 0000000000000000 7
 1042: 0100007F:1633 00000000:0000 07 00000000:00000340 00:00000000 00000000  1000        0 20202 2 0000000000000000 30
";

    #[test]
    fn drops_are_those_of_the_sockets_asked_for() {
        assert_eq!(drops_in(UDP, &[10101, 20202, 30303]).expect("a table"), 37);
        assert_eq!(drops_in(UDP, &[20202]).expect("a table"), 30);
        assert_eq!(drops_in(UDP, &[]).expect("a table"), 0);
        assert!(drops_in("header\n 1: 2 3\n", &[]).is_err());
    }

    #[test]
    fn the_systems_counter_is_found_by_name() {
        let snmp = "Icmp: InMsgs\nIcmp: 3\nUdp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors\n\
                    Udp: 100 2 5 90 4 0\nUdpLite: InDatagrams\nUdpLite: 0\n";
        assert_eq!(snmp_drops(snmp).expect("a table"), 4);
        assert!(snmp_drops("Udp: InDatagrams\nUdp: 1\n").is_err());
        assert_eq!(
            snmp6_drops("Ip6InReceives 4\nUdp6RcvbufErrors                \t9\n").expect("a table"),
            9
        );
    }

    #[test]
    fn this_system_has_the_tables() {
        socket_drops(&[]).expect("/proc/net/udp");
        system_drops().expect("/proc/net/snmp");
    }
}
