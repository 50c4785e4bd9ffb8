//! Names and numbers of one meter, each computed from its nature: what is printed on its label.

use std::net::Ipv4Addr;

use super::noise::{between, hash};

const CELL: u32 = 20;
const SUBSCRIBER: u32 = 21;
const EQUIPMENT: u32 = 22;
const ADDRESS: u32 = 23;

/// The serial number: 16 hexadecimal digits, no two alike in practice.
pub(super) fn serial(nature: u64) -> String {
    format!("BS{nature:016X}")
}

/// The MAC address as /12 has it, 12 hexadecimal digits; locally administered (IEEE 802).
pub(super) fn mac(nature: u64) -> String {
    format!("02{:010X}", hash(nature, EQUIPMENT, 1) >> 24)
}

/// The IP address, out of 10.0.0.0/8.
pub(super) fn address(nature: u64) -> Ipv4Addr {
    let [_, a, b, c, ..] = hash(nature, ADDRESS, 0).to_be_bytes();
    Ipv4Addr::new(10, a, b, c.clamp(2, 254))
}

/// The ICCID of its SIM: 19 digits, of an issuer in a country code for tests (ITU-T E.118: 89, country,
/// issuer, account, check digit).
pub(super) fn iccid(nature: u64) -> String {
    let account = between(hash(nature, SUBSCRIBER, 0), 0, 999_999_999_999);
    with_check_digit(format!("89{:04}{account:012}", 9_901))
}

/// The eUICC ID: 32 digits (GSMA SGP.29 gives it 89 and its checksum; the digits are drawn).
pub(super) fn eid(nature: u64) -> String {
    let part = |what| between(hash(nature, SUBSCRIBER, what), 0, 999_999_999_999_999);
    format!("89{:015}{:015}", part(1), part(2))
}

/// The cell of a network of `cells` cells it is in.
pub(super) fn cell(nature: u64, cells: u64) -> i64 {
    (1_000_000 + between(hash(nature, CELL, 0), 0, cells - 1)) as i64
}

/// The digits and the one behind them that ISO/IEC 7812-1 (Luhn) wants.
fn with_check_digit(mut digits: String) -> String {
    let weighed = digits.bytes().rev().enumerate().map(|(at, digit)| {
        let digit = u32::from(digit - b'0');
        let doubled = if at % 2 == 0 { digit * 2 } else { digit };
        doubled / 10 + doubled % 10
    });
    let check = (10 - weighed.sum::<u32>() % 10) % 10;
    digits.push(char::from(b'0' + check as u8));
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_form() {
        assert_eq!(with_check_digit("7992739871".into()), "79927398713", "the textbook's");
        for nature in [0, 1, u64::MAX, 77] {
            assert_eq!(serial(nature).len(), 18);
            assert_eq!((mac(nature).len(), iccid(nature).len(), eid(nature).len()), (12, 19, 32));
            assert!(address(nature).is_private());
        }
        assert_ne!(iccid(1), iccid(2));
        assert_ne!(mac(1), mac(2));
    }
}
