//! The options this endpoint understands and the form each must have (RFC 7252 §5.10, RFC 7959,
//! RFC 7641, RFC 7967).

use super::option_list::OptionList;

/// Option numbers by their registered names.
pub(super) mod number {
    pub const URI_HOST: u16 = 3;
    pub const ETAG: u16 = 4;
    pub const OBSERVE: u16 = 6;
    pub const URI_PORT: u16 = 7;
    pub const LOCATION_PATH: u16 = 8;
    pub const URI_PATH: u16 = 11;
    pub const CONTENT_FORMAT: u16 = 12;
    pub const MAX_AGE: u16 = 14;
    pub const URI_QUERY: u16 = 15;
    pub const ACCEPT: u16 = 17;
    pub const LOCATION_QUERY: u16 = 20;
    pub const BLOCK2: u16 = 23;
    pub const BLOCK1: u16 = 27;
    pub const SIZE2: u16 = 28;
    pub const SIZE1: u16 = 60;
    pub const NO_RESPONSE: u16 = 258;
}

/// The form of an option: how long its value may be, and whether there may be several.
struct Form {
    shortest: usize,
    longest: usize,
    repeatable: bool,
}

/// The form of an option that this endpoint understands.
///
/// Options of RFC 7252 that are missing here (conditional requests, proxying) are not implemented, and
/// so count as unrecognised.
fn form(number: u16) -> Option<Form> {
    let (shortest, longest, repeatable) = match number {
        number::URI_HOST => (1, 255, false),
        number::ETAG => (1, 8, true),
        number::OBSERVE | number::BLOCK1 | number::BLOCK2 => (0, 3, false),
        number::URI_PORT | number::CONTENT_FORMAT | number::ACCEPT => (0, 2, false),
        number::NO_RESPONSE => (0, 1, false),
        number::MAX_AGE | number::SIZE1 | number::SIZE2 => (0, 4, false),
        number::URI_PATH | number::URI_QUERY => (0, 255, true),
        number::LOCATION_PATH | number::LOCATION_QUERY => (0, 255, true),
        _ => return None,
    };
    Some(Form { shortest, longest, repeatable })
}

/// Whether an option's value is text, and therefore UTF-8 (RFC 7252 §3.2).
pub(super) fn is_text(number: u16) -> bool {
    matches!(
        number,
        number::URI_HOST
            | number::LOCATION_PATH
            | number::URI_PATH
            | number::URI_QUERY
            | number::LOCATION_QUERY
    )
}

/// The first critical option (odd number, RFC 7252 §5.4.6) that is not recognised.
///
/// A length out of range and a second value of a single-valued option make an option count as
/// unrecognised (RFC 7252 §5.4.3, §5.4.5). Elective ones of that kind are passed over by the accessors.
pub(super) fn unknown_critical(options: &OptionList) -> Option<u16> {
    let mut before = None;
    options.iter().find_map(|(number, value)| {
        let again = before.replace(number) == Some(number);
        let recognised = || {
            form(number).is_some_and(|form| {
                (form.repeatable || !again) && (form.shortest..=form.longest).contains(&value.len())
            })
        };
        (number % 2 == 1 && !recognised()).then_some(number)
    })
}

/// The value of an unsigned option, of the bytes of its number: without leading zeros (RFC 7252 §3.2).
pub(super) fn uint_value(big_endian: &[u8; 4]) -> &[u8] {
    let zeros = u32::from_be_bytes(*big_endian).leading_zeros() as usize / 8;
    &big_endian[zeros..]
}

/// The number an unsigned option holds; `None` if its length is out of range for this option.
pub(super) fn uint(number: u16, value: &[u8]) -> Option<u32> {
    // §3.2: leading zeros are legal to receive, so only the length counts.
    (value.len() <= form(number)?.longest.min(4))
        .then(|| value.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsigned_values_are_as_short_as_they_can_be() {
        for (value, bytes) in
            [(0, &[][..]), (1, &[1]), (255, &[255]), (256, &[1, 0]), (1 << 24, &[1, 0, 0, 0])]
        {
            assert_eq!(uint_value(&u32::to_be_bytes(value)), bytes);
            assert_eq!(uint(number::SIZE1, bytes), Some(value));
        }
        assert_eq!(uint(number::SIZE1, &[0, 0, 7]), Some(7));
        assert_eq!(uint(number::ACCEPT, &[0, 0, 7]), None);
    }
}
