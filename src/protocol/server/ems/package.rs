//! Firmware packages: nobody installs them, but whoever gets one can tell whether it is whole.

use super::campaign::{Action, Campaign};

/// The smallest package: its frame, with nothing in it.
const SMALLEST: u32 = 12;

/// The largest package: what block-wise transfer is allowed elsewhere in this program.
const LARGEST: u32 = 16 << 20;

/// The firmware package of a campaign, as the EMS pushes it or hands it out at `/firmware/<number>`.
///
/// All of `size` bytes (12 to 16 MiB; what is out of that is brought into it): the size, the number of the
/// campaign, both as four bytes, the most significant first; a body that looks random and is the same
/// every time; and, in the last four bytes in the same order, the CRC-32 (IEEE 802.3, as in zip) of all
/// before. The CRC-32 of a whole package is therefore not telling; that of all but its end is.
pub fn firmware_package(number: u32, size: u32) -> Vec<u8> {
    let size = size.clamp(SMALLEST, LARGEST);
    let mut package = Vec::with_capacity(size as usize + 8);
    package.extend_from_slice(&size.to_be_bytes());
    package.extend_from_slice(&number.to_be_bytes());
    let mut state = u64::from(number);
    while package.len() < size as usize - 4 {
        // Knuth's linear congruential generator; its upper half is good enough to defeat a mix-up.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        package.extend_from_slice(&state.to_be_bytes()[..4]);
    }
    package.truncate(size as usize - 4);
    let checksum = crc32(&package);
    package.extend_from_slice(&checksum.to_be_bytes());
    package
}

/// The packages of those campaigns that have one.
pub(super) fn of_campaigns(campaigns: &[Campaign]) -> Vec<Vec<u8>> {
    let package = |(number, campaign): (usize, &Campaign)| match &campaign.action {
        Action::Firmware(firmware) => firmware_package(number as u32, firmware.size),
        _ => Vec::new(),
    };
    campaigns.iter().enumerate().map(package).collect()
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_whole_if_its_size_and_its_checksum_say_so() {
        // The check value of CRC-32 in every catalogue.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        for size in [0, 12, 13, 1_000, 65_537] {
            let package = firmware_package(7, size);
            assert_eq!(package.len() as u32, size.max(SMALLEST));
            assert_eq!(package[..4], (package.len() as u32).to_be_bytes());
            let (body, checksum) = package.split_at(package.len() - 4);
            assert_eq!(checksum, crc32(body).to_be_bytes());
            assert_eq!(package, firmware_package(7, size));
        }
        assert_ne!(firmware_package(1, 64), firmware_package(2, 64));
    }
}
