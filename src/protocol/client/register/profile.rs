//! The profile ID of an object list (LwM2M 1.2): its hash, in the manner of RFC 6920.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// The suite where /1/x/27 does not say: SHA-256 cut to 32 bits.
const DEFAULT_SUITE: i64 = 6;

/// `suite:hash` of the payload of a registration, the hash in hexadecimal digits, as in `6:27354b9a`.
/// `None` for a suite that is not among the six of RFC 6920 §9.4, all of them SHA-256 of some length.
pub(super) fn id(suite: Option<i64>, list: &[u8]) -> Option<String> {
    let suite = suite.unwrap_or(DEFAULT_SUITE);
    let bits = match suite {
        1 => 256,
        2 => 128,
        3 => 120,
        4 => 96,
        5 => 64,
        6 => 32,
        _ => return None,
    };
    let hash = Sha256::digest(list);
    let mut id = format!("{suite}:");
    for byte in hash.iter().take(bits / 8) {
        // Writing to a string does not fail.
        let _ = write!(id, "{byte:02x}");
    }
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_id_is_the_head_of_the_hash() {
        // FIPS 180-2, appendix B.1: SHA-256 of "abc" begins with ba7816bf 8f01cfea.
        assert_eq!(id(None, b"abc").as_deref(), Some("6:ba7816bf"));
        assert_eq!(id(Some(5), b"abc").as_deref(), Some("5:ba7816bf8f01cfea"));
        assert_eq!(id(Some(1), b"abc").map(|id| id.len()), Some(2 + 64));
        assert_eq!(id(Some(7), b"abc"), None);
    }
}
