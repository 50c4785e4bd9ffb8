//! The value of a Block1 or Block2 option (RFC 7959 §2.2), and how much of a body goes into one message.

/// Which block of a body, how large, and whether more follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The block's number, counted from zero; 20 bits.
    pub num: u32,
    /// Whether blocks follow (in the direction of the body), or were left out.
    pub more: bool,
    /// The size exponent: the block has `2^(szx + 4)` bytes; 0 to 6. On streams also [`BERT`](Block::BERT): as
    /// many blocks of 1024 bytes as there are in the message, counted one by one.
    pub szx: u8,
}

/// Block numbers end here (20 bits).
const MAX_NUM: usize = (1 << 20) - 1;

/// Bytes in each of the blocks that share a message (RFC 8323 §6).
const BERT_UNIT: usize = 1024;

impl Block {
    /// The size exponent of several blocks in one message (RFC 8323 §6), reserved on datagrams (RFC 7959 §2.2).
    pub const BERT: u8 = 7;

    /// Bytes in a block of this size.
    pub fn size(self) -> usize {
        size_of_szx(self.szx)
    }

    /// Where in the body this block begins, in bytes.
    pub fn offset(self) -> usize {
        self.num as usize * self.size()
    }

    /// Whether a message that is not the last may carry so many bytes of the body: one block exactly (RFC 7959
    /// §2.3), or, of those that share a message, any number of them (RFC 8323 §6).
    pub(super) fn is_filled_by(self, bytes: usize) -> bool {
        match self.szx {
            Block::BERT => bytes > 0 && bytes.is_multiple_of(BERT_UNIT),
            _ => bytes == self.size(),
        }
    }

    /// The option's value.
    pub(super) fn from_uint(value: u32) -> Block {
        Block { num: value >> 4, more: value & 8 != 0, szx: (value & 7) as u8 }
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

/// How much of a body goes into one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Portion {
    szx: u8,
    /// Bytes in each message but the last: those of a block, or of several.
    span: usize,
}

impl Portion {
    /// A block of this size, 0 to 6.
    pub fn block(szx: u8) -> Portion {
        Portion { szx, span: size_of_szx(szx) }
    }

    /// As many blocks of 1024 bytes as go into so many bytes, at least one (RFC 8323 §6).
    pub fn blocks_within(bytes: usize) -> Portion {
        Portion { szx: Block::BERT, span: BERT_UNIT * (bytes / BERT_UNIT).max(1) }
    }

    /// No more than what this size exponent stands for.
    pub fn limited(self, szx: u8) -> Portion {
        if szx < self.szx { Portion::block(szx) } else { self }
    }

    /// Bytes in each message but the last.
    pub fn span(self) -> usize {
        self.span
    }

    /// The portion of a body of `len` bytes that begins at `offset`, a multiple of the block size.
    pub fn at(self, offset: usize, len: usize) -> Block {
        // `reaches` was asked before: the number has at most 20 bits.
        let num = (offset / size_of_szx(self.szx)) as u32;
        Block { num, more: offset + self.span < len, szx: self.szx }
    }

    /// Whether a body of `len` bytes can be numbered in blocks of this size.
    pub fn reaches(self, len: usize) -> bool {
        len / size_of_szx(self.szx) <= MAX_NUM
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_rfc() {
        assert_eq!(Block::from_uint(0x0e), Block { num: 0, more: true, szx: 6 });
        assert_eq!(Block::from_uint(0x1d), Block { num: 1, more: true, szx: 5 });
        assert_eq!(Block::from_uint(0x1d).offset(), 512);
        for value in [0x0e, 0x1d, 0x00, 0xff_fff6, 0x8f] {
            assert_eq!(Block::from_uint(value).to_uint(), value);
        }
    }

    #[test]
    fn the_last_block_says_that_none_follow() {
        let small = Portion::block(0);
        assert!(small.at(0, 17).more && !small.at(16, 17).more && !small.at(16, 32).more);
        assert!(Portion::block(1).reaches(16 << 20) && !small.reaches(16 << 20));
    }

    #[test]
    fn blocks_that_share_a_message_are_counted_one_by_one() {
        // The last transfer of RFC 8323 §6.2: 8 blocks, then 16, then the rest.
        let first = Portion::blocks_within(9000);
        assert_eq!((first.span(), first.at(0, 30_259)), (8192, Block { num: 0, more: true, szx: 7 }));
        let rest = Portion::blocks_within(8192).at(24_576, 30_259);
        assert_eq!((rest, rest.offset()), (Block { num: 24, more: false, szx: 7 }, 24_576));
        assert!(rest.is_filled_by(3072) && !rest.is_filled_by(0) && !rest.is_filled_by(1025));
        assert_eq!(first.limited(6), Portion::block(6));
        assert_eq!(first.limited(7), first);
        assert_eq!(Portion::blocks_within(100).span(), 1024);
    }
}
