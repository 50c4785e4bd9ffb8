//! Seeds and the generators drawn from them: the same numbers on every machine, however the meters
//! are spread over shards.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng};

/// A seed from which named children are derived, so that nothing depends on the order of drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// The seed of the `index`-th thing called `name`.
    pub fn child(self, name: &str, index: u64) -> Seed {
        // FNV-1a over the name, then two rounds of SplitMix64's finaliser: cheap, well mixed, and fixed.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ self.0;
        for byte in name.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Seed(mix(mix(hash).wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15))))
    }

    /// A generator that starts at the beginning of this seed's stream.
    pub fn rng(self) -> Rng {
        Rng { seed: self, drawn: 0, spare: [0; DRAWN_AT_ONCE - 1] }
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Numbers drawn at a time: one pass of the generator gives many more, but what is kept of it is kept a
/// million times over.
const DRAWN_AT_ONCE: usize = 4;

/// ChaCha8 in forty bytes: the place in the stream is kept, and the next few numbers of it.
///
/// A meter draws about a dozen numbers in its life, so the 300 bytes of a buffered generator would cost
/// far more than starting one anew for every fourth draw does.
#[derive(Clone, Debug)]
pub struct Rng {
    seed: Seed,
    drawn: u64,
    /// What comes behind the last draw whose number is a multiple of four.
    spare: [u64; DRAWN_AT_ONCE - 1],
}

impl Rng {
    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let place = (self.drawn % DRAWN_AT_ONCE as u64) as usize;
        if place > 0 {
            self.drawn += 1;
            return self.spare[place - 1];
        }
        let mut stream = ChaCha8Rng::seed_from_u64(self.seed.0);
        stream.set_word_pos(u128::from(self.drawn) * 2);
        self.drawn += 1;
        let first = stream.next_u64();
        self.spare = std::array::from_fn(|_| stream.next_u64());
        first
    }

    /// 16 random bits.
    pub fn next_u16(&mut self) -> u16 {
        (self.next_u64() >> 48) as u16
    }

    /// Uniform in `0.0 .. 1.0`.
    pub fn unit(&mut self) -> f64 {
        // 53 bits: every value is exact, so the result is the same on every machine.
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in `0 .. bound`; zero if `bound` is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// True with probability `share` (0 to 1).
    pub fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_replays_and_children_differ() {
        let draw = |seed: Seed| {
            let mut rng = seed.rng();
            (0..4).map(|_| rng.next_u64()).collect::<Vec<_>>()
        };
        let seed = Seed(7).child("meter", 3);
        assert_eq!(draw(seed), draw(seed));
        assert_ne!(draw(seed), draw(Seed(7).child("meter", 4)));
        assert_ne!(draw(seed), draw(Seed(7).child("arrivals", 3)));
    }

    #[test]
    fn draws_are_the_stream_of_the_published_generator() {
        let mut ours = Seed(42).rng();
        let mut theirs = ChaCha8Rng::seed_from_u64(42);
        for _ in 0..20 {
            assert_eq!(ours.next_u64(), theirs.next_u64());
        }
    }

    #[test]
    fn unit_stays_in_its_interval() {
        let mut rng = Seed(1).rng();
        let mean =
            (0..1000).map(|_| rng.unit()).inspect(|u| assert!((0.0..1.0).contains(u))).sum::<f64>() / 1000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
    }
}
