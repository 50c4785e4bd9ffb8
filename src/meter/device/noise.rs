//! Randomness that is a function: of a meter's nature, of what it is for, and of when.

/// 64 bits that differ with each of the three.
pub(super) fn hash(nature: u64, what: u32, slot: u64) -> u64 {
    let mut z = nature ^ (u64::from(what) << 40 | u64::from(what)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for word in [slot, u64::from(what)] {
        // SplitMix64's finaliser.
        z = z.wrapping_add(word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
    }
    z
}

/// Uniform in `from ..= to`.
pub(super) fn between(bits: u64, from: u64, to: u64) -> u64 {
    from + ((u128::from(bits) * u128::from(to - from + 1)) >> 64) as u64
}

/// Uniform in `0.0 .. 1.0`.
pub(super) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// A curve between -1 and 1 without jumps, that goes another way every `period` milliseconds.
pub(super) fn wave(nature: u64, what: u32, millis: u64, period: u64) -> f64 {
    let slot = millis / period;
    let knot = |slot| unit(hash(nature, what, slot)) * 2.0 - 1.0;
    let part = (millis % period) as f64 / period as f64;
    let eased = part * part * (3.0 - 2.0 * part);
    knot(slot) + (knot(slot + 1) - knot(slot)) * eased
}
