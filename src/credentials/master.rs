//! Pre-shared keys out of one secret.

use std::fmt;

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::{MakeError, Role};
use crate::secure::Secret;

/// What all pre-shared keys of a fleet are derived from: 32 bytes from the operating system.
///
/// The key of a meter for a server is HKDF-SHA-256 (RFC 5869): extracted with the salt `bootstorm psk 1`, expanded
/// to 16 bytes with the info `role 0x00 endpoint`, where the role is `bootstrap` or the Short Server ID in decimal.
#[derive(Clone)]
pub struct Master {
    secret: Secret,
    extracted: Prk,
}

impl Master {
    /// Bytes of the secret.
    pub const BYTES: usize = 32;
    /// Bytes of a key, as AES-128 has it (LwM2M Transport §5.2.9.1 recommends at least 16).
    pub const KEY_BYTES: usize = 16;

    /// Draws one from the operating system.
    ///
    /// # Errors
    /// That it gave no random bytes.
    pub fn draw() -> Result<Self, MakeError> {
        let mut bytes = Zeroizing::new([0; Self::BYTES]);
        rand::fill(bytes.as_mut_slice()).map_err(|_| MakeError::NoRandomness)?;
        Ok(Self::new(&bytes))
    }

    /// The one of these bytes.
    pub fn new(bytes: &[u8; Self::BYTES]) -> Self {
        let extracted = Salt::new(HKDF_SHA256, b"bootstorm psk 1").extract(bytes);
        Master { secret: Secret::new(bytes.to_vec()), extracted }
    }

    /// Reads 64 hex digits; white space around them does not matter.
    pub fn from_hex(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(unhex(text.trim())?);
        Some(Self::new(bytes.as_slice().try_into().ok()?))
    }

    /// The 64 hex digits, to be kept where only their owner can read them.
    pub fn to_hex(&self) -> Zeroizing<String> {
        hex(self.secret.expose())
    }

    /// The key of this endpoint for this server.
    pub fn key(&self, role: Role, endpoint: &str) -> Secret {
        self.expand(&role.to_string(), endpoint)
    }

    /// A key that no server has for this endpoint.
    pub(super) fn wrong_key(&self, role: Role, endpoint: &str) -> Secret {
        self.expand(&format!("wrong {role}"), endpoint)
    }

    fn expand(&self, role: &str, endpoint: &str) -> Secret {
        let mut key = vec![0; Self::KEY_BYTES];
        let info: [&[u8]; 3] = [role.as_bytes(), &[0], endpoint.as_bytes()];
        let expanded = self.extracted.expand(&info, Length).and_then(|okm| okm.fill(&mut key));
        expanded.expect("HKDF gives up to 255 hashes, and this is half a one");
        Secret::new(key)
    }
}

impl fmt::Debug for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Master({} B)", Self::BYTES)
    }
}

struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        Master::KEY_BYTES
    }
}

/// Hex digits, two a byte.
pub(super) fn hex(bytes: &[u8]) -> Zeroizing<String> {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
    // Of its full length from the start, or growing would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 2));
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

/// The bytes of an even number of hex digits.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = Zeroizing::new(digits?);
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hkdf_is_that_of_the_rfc() {
        // RFC 5869, appendix A.1, cut to 42 bytes as it stands there.
        struct Octets;
        impl KeyType for Octets {
            fn len(&self) -> usize {
                42
            }
        }
        let salt: Vec<u8> = (0..=12).collect();
        let info: Vec<u8> = (0xf0..=0xf9).collect();
        let mut okm = [0; 42];
        let prk = Salt::new(HKDF_SHA256, &salt).extract(&[0x0b; 22]);
        let info = [&info[..]];
        prk.expand(&info, Octets).and_then(|made| made.fill(&mut okm)).expect("42 bytes");
        let expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
        assert_eq!(hex(&okm).as_str(), expected);
    }

    #[test]
    fn keys_are_the_same_again_and_differ_by_server_and_meter() {
        let master = Master::new(&[7; 32]);
        let again = Master::from_hex(&format!(" {}\n", master.to_hex().as_str())).expect("64 digits");
        let key = |master: &Master, role, name| master.key(role, name).expose().to_vec();
        let bootstrap = key(&master, Role::Bootstrap, "m1");
        // Worked out by another implementation of RFC 5869.
        assert_eq!(hex(&bootstrap).as_str(), "00e51bf9e32c327765d481b39a0308b8");
        assert_eq!(bootstrap, key(&again, Role::Bootstrap, "m1"));
        let others = [
            key(&master, Role::Server(101), "m1"),
            key(&master, Role::Server(102), "m1"),
            key(&master, Role::Bootstrap, "m2"),
            master.wrong_key(Role::Bootstrap, "m1").expose().to_vec(),
            key(&Master::new(&[8; 32]), Role::Bootstrap, "m1"),
        ];
        assert!(!others.contains(&bootstrap));
        assert_eq!(bootstrap.len(), Master::KEY_BYTES);
    }

    #[test]
    fn the_system_draws_another_each_time() {
        let drawn = [Master::draw(), Master::draw()].map(|master| master.expect("randomness").to_hex());
        assert_ne!(drawn[0], drawn[1]);
        assert!(!format!("{:?}", Master::new(&[0xab; 32])).contains("ab"));
    }

    #[test]
    fn what_is_no_secret_is_none() {
        for text in ["", "ab", &"g".repeat(64), &"a".repeat(63), &"é".repeat(32)] {
            assert!(Master::from_hex(text).is_none(), "{text}");
        }
    }
}
