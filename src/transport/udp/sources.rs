//! Which address and which socket a meter's datagrams leave from: pure arithmetic between slots,
//! sockets and addresses.

use std::ops::RangeInclusive;

use super::family::Family;

/// A way of giving each slot its own source.
#[derive(Debug)]
pub(super) enum Sources<F: Family> {
    /// One socket for all; the slot's number is the offset of its address from `first`.
    Block { first: F::Ip, count: u64, numbering: Numbering },
    /// A socket for each slot, bound to this address and a port of the kernel's choice.
    Own(F::Ip),
    /// A socket for each port, shared by all `addresses`. Never empty.
    List { addresses: Vec<F::Ip>, ports: RangeInclusive<u16> },
}

/// How the slots of one shard are numbered among all meters, so that no two shards use one address:
/// slot `s` is number `first + s * step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbering {
    /// The number of slot 0.
    pub first: u32,
    /// What one slot further adds; at least 1.
    pub step: u32,
}

impl Default for Numbering {
    fn default() -> Self {
        Numbering { first: 0, step: 1 }
    }
}

impl Numbering {
    fn number(self, slot: u32) -> u64 {
        u64::from(self.first) + u64::from(slot) * u64::from(self.step.max(1))
    }

    fn slot(self, number: u64) -> Option<u32> {
        let offset = number.checked_sub(u64::from(self.first))?;
        let step = u64::from(self.step.max(1));
        if offset.is_multiple_of(step) { u32::try_from(offset / step).ok() } else { None }
    }
}

impl<F: Family> Sources<F> {
    /// The socket of `slot` (sockets are numbered from 0) and the address its datagrams leave from, the
    /// wildcard where that is the kernel's choice; none if there are no more addresses.
    pub(super) fn of(&self, slot: u32) -> Option<(u32, F::Ip)> {
        match self {
            Sources::Block { first, count, numbering } => {
                let number = numbering.number(slot);
                (number < *count).then(|| (0, F::nth(*first, number)))
            }
            Sources::Own(ip) => Some((slot, *ip)),
            Sources::List { addresses, ports } => {
                let socket = slot / addresses.len() as u32;
                let source = addresses[slot as usize % addresses.len()];
                (u64::from(socket) < ports.len() as u64).then_some((socket, source))
            }
        }
    }

    /// The slot that a datagram for the local address `local` at `socket` belongs to, if there can be
    /// one. Whether that slot is open is another matter.
    pub(super) fn slot(&self, socket: u32, local: F::Ip) -> Option<u32> {
        match self {
            Sources::Block { first, count, numbering } => {
                let number = F::index(*first, local).filter(|number| number < count)?;
                numbering.slot(number)
            }
            Sources::Own(_) => Some(socket),
            Sources::List { addresses, .. } => {
                // A handful of addresses: a scan is as quick as a table.
                let index = addresses.iter().position(|address| *address == local)?;
                socket.checked_mul(addresses.len() as u32)?.checked_add(index as u32)
            }
        }
    }

    /// What `socket` is bound to; port 0 is the kernel's choice.
    pub(super) fn binding(&self, socket: u32) -> (F::Ip, u16) {
        match self {
            // Bound to 127.0.0.1 it would not get the replies, which go to the slots' addresses.
            Sources::Block { .. } => (F::ANY, 0),
            Sources::Own(ip) => (*ip, 0),
            Sources::List { ports, .. } => (F::ANY, ports.start().saturating_add(socket as u16)),
        }
    }

    /// How many slots there are addresses (and ports) for.
    pub(super) fn capacity(&self) -> u64 {
        match self {
            Sources::Block { count, numbering, .. } => {
                count.saturating_sub(u64::from(numbering.first)).div_ceil(u64::from(numbering.step.max(1)))
            }
            Sources::Own(_) => u64::from(u32::MAX),
            Sources::List { addresses, ports } => addresses.len() as u64 * ports.len() as u64,
        }
    }

    /// How many sockets `slots` slots need.
    pub(super) fn sockets(&self, slots: u64) -> u64 {
        match self {
            Sources::Block { .. } => slots.min(1),
            Sources::Own(_) => slots,
            Sources::List { addresses, .. } => slots.div_ceil(addresses.len() as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::family::V4;
    use super::*;

    fn round_trips(sources: &Sources<V4>, slots: impl Iterator<Item = u32>) {
        let mut seen = std::collections::BTreeSet::new();
        for slot in slots {
            let (socket, source) = sources.of(slot).expect("within the capacity");
            assert!(seen.insert((socket, source)), "slot {slot} shares its source");
            assert_eq!(sources.slot(socket, source), Some(slot));
        }
    }

    #[test]
    fn shards_share_a_block_without_sharing_an_address() {
        let shard = |first| Sources::<V4>::Block {
            first: Ipv4Addr::new(127, 1, 0, 0),
            count: 1000,
            numbering: Numbering { first, step: 3 },
        };
        for first in 0..3 {
            round_trips(&shard(first), 0..333);
        }
        assert_eq!(shard(1).of(1), Some((0, Ipv4Addr::new(127, 1, 0, 4))));
        assert_eq!(shard(0).slot(0, Ipv4Addr::new(127, 1, 0, 4)), None, "another shard's");
        assert_eq!(shard(0).slot(0, Ipv4Addr::new(127, 0, 0, 1)), None, "before the block");
        assert_eq!((shard(0).capacity(), shard(1).capacity()), (334, 333));
        assert_eq!((shard(0).of(333).is_some(), shard(0).of(334)), (true, None));
        assert_eq!(shard(0).slot(0, Ipv4Addr::new(127, 1, 3, 232)), None, "after the block");
    }

    #[test]
    fn a_list_of_addresses_is_used_up_before_the_next_port() {
        let addresses = vec![Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];
        let list = Sources::<V4>::List { addresses, ports: 5000..=5002 };
        round_trips(&list, 0..6);
        assert_eq!(list.of(6), None);
        assert_eq!(list.of(3), Some((1, Ipv4Addr::new(192, 0, 2, 2))));
        assert_eq!(list.binding(2), (Ipv4Addr::UNSPECIFIED, 5002));
        assert_eq!(list.slot(0, Ipv4Addr::new(192, 0, 2, 3)), None);
        assert_eq!((list.capacity(), list.sockets(5)), (6, 3));
    }
}
