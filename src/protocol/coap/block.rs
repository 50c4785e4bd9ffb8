//! The value of a Block1 or Block2 option (RFC 7959 §2.2).

/// Which block of a body, how large, and whether more follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The block's number, counted from zero; 20 bits.
    pub num: u32,
    /// Whether blocks follow (in the direction of the body), or were left out.
    pub more: bool,
    /// The size exponent: the block has `2^(szx + 4)` bytes; 0 to 6.
    pub szx: u8,
}

/// Block numbers end here (20 bits).
const MAX_NUM: usize = (1 << 20) - 1;

impl Block {
    /// Bytes in a block of this size.
    pub fn size(self) -> usize {
        size_of_szx(self.szx)
    }

    /// Where in the body this block begins, in bytes.
    pub fn offset(self) -> usize {
        self.num as usize * self.size()
    }

    /// The block of a body of `len` bytes that begins at `offset`, a multiple of the block size.
    pub(super) fn at(offset: usize, szx: u8, len: usize) -> Block {
        let size = size_of_szx(szx);
        // `fits` was asked before: the number has at most 20 bits.
        Block { num: (offset / size) as u32, more: offset + size < len, szx }
    }

    /// Whether a body of `len` bytes can be numbered in blocks of this size.
    pub(super) fn fits(len: usize, szx: u8) -> bool {
        len / size_of_szx(szx) <= MAX_NUM
    }

    /// The option's value; `None` for size exponent 7, which is reserved over UDP.
    pub(super) fn from_uint(value: u32) -> Option<Block> {
        let szx = (value & 7) as u8;
        (szx < 7).then_some(Block { num: value >> 4, more: value & 8 != 0, szx })
    }

    /// The number that stands in the option.
    pub(super) fn to_uint(self) -> u32 {
        self.num << 4 | u32::from(self.more) << 3 | u32::from(self.szx)
    }
}

/// Bytes in a block with this size exponent.
pub(super) fn size_of_szx(szx: u8) -> usize {
    1 << (szx.min(6) + 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_rfc() {
        assert_eq!(Block::from_uint(0x0e), Some(Block { num: 0, more: true, szx: 6 }));
        assert_eq!(Block::from_uint(0x1d), Some(Block { num: 1, more: true, szx: 5 }));
        assert_eq!(Block::from_uint(0x1d).map(Block::offset), Some(512));
        assert_eq!(Block::from_uint(0x0f), None);
        for value in [0x0e, 0x1d, 0x00, 0xff_fff6] {
            assert_eq!(Block::from_uint(value).map(Block::to_uint), Some(value));
        }
    }

    #[test]
    fn the_last_block_says_that_none_follow() {
        assert!(Block::at(0, 0, 17).more);
        assert!(!Block::at(16, 0, 17).more);
        assert!(!Block::at(16, 0, 32).more);
        assert!(Block::fits(16 << 20, 1) && !Block::fits(16 << 20, 0));
    }
}
