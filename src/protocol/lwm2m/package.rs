//! Firmware and software packages as simulated devices and their servers exchange them: bytes that mean
//! nothing, in a frame by which a device can tell that it has all of them.
//!
//! ```text
//! offset  bytes
//! 0       4      length of the whole package, big endian
//! 4       4      version, big endian
//! 8       n      the body
//! 8+n     4      CRC-32 of all before (IEEE 802.3), little endian
//! ```

use std::fmt;

/// Bytes around the body: length, version, checksum.
pub const FRAME: usize = 12;

/// The version of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageVersion(pub u32);

impl fmt::Display for PackageVersion {
    /// As device resources show it: `major.minor.patch`, of 16, 8 and 8 bits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [high, low, minor, patch] = self.0.to_be_bytes();
        write!(f, "{}.{minor}.{patch}", u16::from_be_bytes([high, low]))
    }
}

/// What is wrong with a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// It is shorter than its frame, or has not the length it says.
    #[error("the package has not the length it says")]
    Length,
    /// Its checksum is that of other bytes.
    #[error("the checksum of the package does not fit")]
    Checksum,
}

/// A package of `size` bytes, its frame included; of less than [`FRAME`] bytes it is made [`FRAME`] long,
/// and never longer than 4 GiB. The body is drawn from `seed`.
pub fn make(version: PackageVersion, size: usize, seed: u64) -> Vec<u8> {
    let length = u32::try_from(size.max(FRAME)).unwrap_or(u32::MAX);
    let mut package = Vec::with_capacity(length as usize);
    package.extend_from_slice(&length.to_be_bytes());
    package.extend_from_slice(&version.0.to_be_bytes());
    let end = length as usize - CHECKSUM;
    let mut state = seed;
    while package.len() < end {
        let bytes = noise(&mut state).to_le_bytes();
        package.extend_from_slice(&bytes[..bytes.len().min(end - package.len())]);
    }
    let checksum = !remainder(u32::MAX, &package);
    package.extend_from_slice(&checksum.to_le_bytes());
    package
}

/// The version of a package.
///
/// # Errors
/// What is wrong with it.
pub fn check(package: &[u8]) -> Result<PackageVersion, PackageError> {
    let mut check = PackageCheck::default();
    check.take(package);
    check.finish()
}

/// The check of a package that comes piece by piece, of which nothing needs to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageCheck {
    /// Its first bytes: length and version.
    head: [u8; 8],
    length: u64,
    remainder: u32,
}

impl Default for PackageCheck {
    fn default() -> Self {
        PackageCheck { head: [0; 8], length: 0, remainder: u32::MAX }
    }
}

impl PackageCheck {
    /// Takes the next bytes.
    pub fn take(&mut self, bytes: &[u8]) {
        let known = self.head.len().min(usize::try_from(self.length).unwrap_or(usize::MAX));
        for (slot, byte) in self.head[known..].iter_mut().zip(bytes) {
            *slot = *byte;
        }
        self.length += bytes.len() as u64;
        self.remainder = remainder(self.remainder, bytes);
    }

    /// Bytes taken so far.
    pub fn received(&self) -> u64 {
        self.length
    }

    /// The CRC-32 of the bytes taken so far.
    pub fn checksum(&self) -> u32 {
        !self.remainder
    }

    /// The version of the package that has come in.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn finish(&self) -> Result<PackageVersion, PackageError> {
        /// The remainder of anything followed by its own CRC-32.
        const RESIDUE: u32 = 0xdebb_20e3;
        let [l0, l1, l2, l3, version @ ..] = self.head;
        let says = u64::from(u32::from_be_bytes([l0, l1, l2, l3]));
        if self.length < FRAME as u64 || self.length != says {
            return Err(PackageError::Length);
        }
        if self.remainder != RESIDUE {
            return Err(PackageError::Checksum);
        }
        Ok(PackageVersion(u32::from_be_bytes(version)))
    }
}

const CHECKSUM: usize = 4;

/// SplitMix64.
fn noise(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The remainder of the CRC's division after some more bytes.
fn remainder(before: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(before, |rest, byte| TABLE[usize::from(rest as u8 ^ byte)] ^ (rest >> 8))
}

/// The remainders of single bytes, for the reflected polynomial of IEEE 802.3.
static TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut rest = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            rest = if rest & 1 == 1 { 0xedb8_8320 ^ (rest >> 1) } else { rest >> 1 };
            bit += 1;
        }
        table[byte] = rest;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_package_has_its_size_and_its_version(version: u32, size in 0..5_000_usize, seed: u64) {
            let package = make(PackageVersion(version), size, seed);
            prop_assert_eq!(package.len(), size.max(FRAME));
            prop_assert_eq!(check(&package), Ok(PackageVersion(version)));
        }

        #[test]
        fn a_flipped_bit_is_found(size in FRAME..2_000, at: prop::sample::Index, bit in 0..8) {
            let mut package = make(PackageVersion(1), size, 7);
            let at = at.index(size);
            package[at] ^= 1_u8 << bit;
            prop_assert!(check(&package).is_err());
        }

        #[test]
        fn pieces_are_as_good_as_the_whole(size in 0..3_000_usize, piece in 1..700_usize) {
            let package = make(PackageVersion(9), size, 1);
            let mut check = PackageCheck::default();
            package.chunks(piece).for_each(|piece| check.take(piece));
            prop_assert_eq!(check.received(), package.len() as u64);
            prop_assert_eq!(check.finish(), Ok(PackageVersion(9)));
        }

        #[test]
        fn any_bytes_are_a_package_or_an_error(bytes: Vec<u8>) {
            prop_assert!(check(&bytes).is_err() || bytes.len() >= FRAME);
        }
    }

    #[test]
    fn the_checksum_is_the_published_one() {
        let mut check = PackageCheck::default();
        check.take(b"123456789");
        assert_eq!(check.checksum(), 0xcbf4_3926);
    }

    #[test]
    fn a_part_is_not_the_whole() {
        let package = make(PackageVersion(3), 1_000, 1);
        assert_eq!(check(&package[..999]), Err(PackageError::Length));
        assert_eq!(check(&[]), Err(PackageError::Length));
    }

    #[test]
    fn versions_read_as_people_write_them() {
        assert_eq!(PackageVersion(0x0001_0203).to_string(), "1.2.3");
        assert_eq!(PackageVersion(u32::MAX).to_string(), "65535.255.255");
    }
}
