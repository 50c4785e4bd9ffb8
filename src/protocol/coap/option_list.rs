//! The options of one message, held as they stand on the wire (RFC 7252 §3.1).
//!
//! ```text
//! +-------+--------+----------------+-----------------+-------+
//! | delta | length | delta, 0-2 B   | length, 0-2 B   | value |   again for each option,
//! | 4 bit | 4 bit  | (from 13 on)   | (from 13 on)    |       |   in the order of their numbers
//! +-------+--------+----------------+-----------------+-------+
//! ```
//!
//! Most messages are written once, in the order of their options, or read once: so either is one copy, and a
//! message without options takes no memory for them.

/// Options in the order of their numbers; those of one number in the order they were added.
#[derive(Clone, Default)]
pub(super) struct OptionList {
    bytes: Vec<u8>,
    /// The number of the last option; 0 without any.
    last: u16,
}

/// The first option of some bytes.
struct First<'a> {
    number: u16,
    value: &'a [u8],
    rest: &'a [u8],
}

impl OptionList {
    /// The list that takes up all of `bytes`, which have been [walked](Options::new) over; `last` is the
    /// number of its last option.
    pub fn of_wire(bytes: &[u8], last: u16) -> Self {
        OptionList { bytes: bytes.to_vec(), last }
    }

    /// As they are written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All options: number and value.
    pub fn iter(&self) -> Options<'_> {
        Options::new(&self.bytes)
    }

    /// The values of the options with this number.
    pub fn values(&self, number: u16) -> impl Iterator<Item = &[u8]> {
        // Most questions are about what a message does not have.
        let within = if number <= self.last { &*self.bytes } else { &[] };
        Options::new(within)
            .skip_while(move |(other, _)| *other < number)
            .take_while(move |(other, _)| *other == number)
            .map(|(_, value)| value)
    }

    /// Adds an option behind those of its number.
    pub fn add(&mut self, number: u16, value: &[u8]) {
        if number >= self.last {
            return self.push(number, value);
        }
        let before = std::mem::take(self);
        before.iter().take_while(|(other, _)| *other <= number).for_each(|(other, value)| {
            self.push(other, value);
        });
        self.push(number, value);
        before.iter().skip_while(|(other, _)| *other <= number).for_each(|(other, value)| {
            self.push(other, value);
        });
    }

    /// Puts one option in the place of all of its number.
    pub fn set(&mut self, number: u16, value: &[u8]) {
        self.remove(|other| other == number);
        self.add(number, value);
    }

    /// Removes the options of these numbers.
    pub fn remove(&mut self, unwanted: impl Fn(u16) -> bool) {
        if !self.iter().any(|(number, _)| unwanted(number)) {
            return;
        }
        let before = std::mem::take(self);
        before.iter().filter(|(number, _)| !unwanted(*number)).for_each(|(number, value)| {
            self.push(number, value);
        });
    }

    /// Adds an option behind all others; none has a higher number.
    fn push(&mut self, number: u16, value: &[u8]) {
        let delta = usize::from(number - self.last);
        self.last = number;
        if self.bytes.is_empty() {
            // Room for what most messages have.
            self.bytes.reserve(value.len().max(27) + 5);
        }
        self.bytes.push(nibble(delta) << 4 | nibble(value.len()));
        extend(&mut self.bytes, delta);
        extend(&mut self.bytes, value.len());
        self.bytes.extend_from_slice(value);
    }
}

/// What stands for a delta or length in the first byte of an option.
fn nibble(number: usize) -> u8 {
    match number {
        0..=12 => number as u8,
        13..=268 => 13,
        _ => 14,
    }
}

/// Writes what of a delta or length does not fit the first byte. What does not fit at all is no option: values
/// of that size are refused by whoever reads the message.
fn extend(bytes: &mut Vec<u8>, number: usize) {
    match number {
        0..=12 => {}
        13..=268 => bytes.push((number - 13) as u8),
        _ => bytes.extend_from_slice(&((number - 269) as u16).to_be_bytes()),
    }
}

/// Walks over options. It ends before a payload marker, behind the last byte, or before what is no option.
#[derive(Clone)]
pub(super) struct Options<'a> {
    rest: &'a [u8],
    /// The number of the option before; 0 before the first.
    last: u16,
}

impl<'a> Options<'a> {
    /// Over what follows the token of a message.
    pub fn new(bytes: &'a [u8]) -> Self {
        Options { rest: bytes, last: 0 }
    }

    /// What has not been walked over.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The number of the option walked over last.
    pub fn last_number(&self) -> u16 {
        self.last
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = (u16, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let First { number, value, rest } = first(self.rest, self.last)?;
        (self.rest, self.last) = (rest, number);
        Some((number, value))
    }
}

/// The first option of `bytes`, which follows one with the number `last`; `None` if there is none, or if its
/// delta or length is reserved (RFC 7252 §3.1) or leads too far.
#[inline]
fn first(bytes: &[u8], last: u16) -> Option<First<'_>> {
    let (head, rest) = bytes.split_first()?;
    let (delta, rest) = extended(head >> 4, rest)?;
    let (length, rest) = extended(head & 0x0f, rest)?;
    let number = last.checked_add(u16::try_from(delta).ok()?)?;
    let (value, rest) = rest.split_at_checked(length)?;
    Some(First { number, value, rest })
}

/// The number that a nibble stands for, with the bytes that may follow.
#[inline]
fn extended(nibble: u8, rest: &[u8]) -> Option<(usize, &[u8])> {
    match nibble {
        0..=12 => Some((nibble.into(), rest)),
        13 => rest.split_first().map(|(byte, rest)| (13 + usize::from(*byte), rest)),
        14 => rest.split_first_chunk().map(|(two, rest)| (269 + usize::from(u16::from_be_bytes(*two)), rest)),
        _ => None,
    }
}
