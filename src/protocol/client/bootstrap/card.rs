//! The smartcard: accounts that come with the card, not with the device (LwM2M Core §6.1.2.2).
//!
//! The specification keeps bootstrap information on a card in PKCS #15 files, as LwM2M TLV. A simulated
//! card is the content of such files in a row, one for each object:
//!
//! ```text
//! object ID    2 bytes, big-endian
//! length       2 bytes, big-endian, of what follows
//! TLV          all instances of the object (LwM2M Core §7.4.3, as of a Write to /o)
//! ```
//!
//! An object may come in several parts, each with other instances.

use std::fmt;
use std::hash::Hasher as _;
use std::sync::Arc;

use rustc_hash::FxHasher;
use thiserror::Error;

use crate::protocol::coap::ContentFormat;
use crate::protocol::content;
use crate::protocol::lwm2m::{Entry, Path};

/// What a device finds in its card slot. Its `Debug` tells the length of a card's content, which holds keys.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Card {
    /// It has none.
    #[default]
    Absent,
    /// Nothing, though a card was to be there.
    Missing,
    /// A card that does not answer.
    Unreadable,
    /// A card with this content: see [`encode_card`].
    Present(Arc<[u8]>),
}

impl fmt::Debug for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Card::Absent => f.write_str("Absent"),
            Card::Missing => f.write_str("Missing"),
            Card::Unreadable => f.write_str("Unreadable"),
            Card::Present(content) => write!(f, "Present({} B)", content.len()),
        }
    }
}

/// Why a card's content cannot be read or written. Offsets count bytes from its start.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CardError {
    /// It ends too early.
    #[error("the card ends in the middle of what begins at byte {at}")]
    Truncated {
        /// Where the unfinished object begins.
        at: usize,
    },
    /// An object ID that no object has.
    #[error("65535 at byte {at} is no object")]
    Object {
        /// Where the object begins.
        at: usize,
    },
    /// The TLV of an object is wrong.
    #[error("the object at byte {at}: {why}")]
    Content {
        /// Where the object begins.
        at: usize,
        /// What is wrong; offsets in there count from the start of the TLV.
        why: content::Error,
    },
    /// One object instance more than fits into a length of 16 bits.
    #[error("{path} takes more than 65535 bytes")]
    TooLong {
        /// The object instance.
        path: Path,
    },
}

/// Writes a card that holds `entries`: resources and resource instances, in any order.
///
/// # Errors
/// [`CardError::TooLong`] and [`CardError::Content`], for what TLV cannot say.
pub fn encode_card(entries: &[Entry]) -> Result<Vec<u8>, CardError> {
    let mut sorted = entries.to_vec();
    sorted.sort_by_key(|entry| entry.path);
    let mut card = Vec::new();
    // A part for each instance: then only a single instance can be too long.
    for instance in sorted.chunk_by(|a, b| a.path.truncated(2) == b.path.truncated(2)) {
        let at = card.len();
        let path = instance[0].path;
        let tlv = content::encode(ContentFormat::TLV, path.truncated(1), instance)
            .map_err(|why| CardError::Content { at, why })?;
        let (Some(object), Ok(length)) = (path.ids().first(), u16::try_from(tlv.len())) else {
            return Err(CardError::TooLong { path: path.truncated(2) });
        };
        card.extend_from_slice(&object.to_be_bytes());
        card.extend_from_slice(&length.to_be_bytes());
        card.extend_from_slice(&tlv);
    }
    Ok(card)
}

/// Reads a card, its entries in the card's order. Of two values for one place in different parts, both
/// are given.
///
/// # Errors
/// What is wrong with the content, and where.
pub fn decode_card(card: &[u8]) -> Result<Vec<Entry>, CardError> {
    let mut entries = Vec::new();
    let mut rest = card;
    while !rest.is_empty() {
        let at = card.len() - rest.len();
        let (object, tlv, behind) = part(rest).ok_or(CardError::Truncated { at })?;
        let object = Path::ROOT.child(object).ok_or(CardError::Object { at })?;
        let read =
            content::decode(ContentFormat::TLV, object, tlv).map_err(|why| CardError::Content { at, why })?;
        entries.extend(read);
        rest = behind;
    }
    Ok(entries)
}

/// The first part of a card: its object, its TLV, and what is behind it.
fn part(card: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (object, rest) = card.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (tlv, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    Some((u16::from_be_bytes(*object), tlv, rest))
}

/// What a device remembers of its card, so that it sees when there is another: not the content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::protocol::client) struct Fingerprint(u64);

impl Fingerprint {
    pub(super) fn of(card: &Card) -> Self {
        match card {
            Card::Absent => Fingerprint::default(),
            Card::Unreadable => Fingerprint(1),
            Card::Missing => Fingerprint(2),
            Card::Present(content) => {
                let mut hasher = FxHasher::default();
                hasher.write(content);
                // The first ones are taken.
                Fingerprint(hasher.finish().max(3))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::lwm2m::Value;

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let place = (prop_oneof![Just(0_u16), Just(1)], 0..4_u16, 0..2_u16);
        let set = proptest::collection::btree_set(place, 0..12);
        (set, any::<i32>(), "[a-z:/]{0,300}").prop_map(|(places, number, text)| {
            let entry = |(object, instance, which)| {
                // /0/x/0 and /1/x/7 are strings, /0/x/10 and /1/x/0 integers.
                let (resource, value) = match (object, which) {
                    (0, 0) => (0, Value::from(&*text)),
                    (0, _) => (10, Value::Integer(number.into())),
                    (_, 0) => (0, Value::Integer(number.into())),
                    _ => (7, Value::from(&*text)),
                };
                Entry::new(Path::resource(object, instance, resource), value)
            };
            places.into_iter().map(entry).collect::<Vec<_>>()
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(entries in entries()) {
            let mut sorted = entries.clone();
            sorted.sort_by_key(|entry| entry.path);
            let card = encode_card(&entries).expect("these are plain values");
            prop_assert_eq!(decode_card(&card), Ok(sorted));
        }

        #[test]
        fn any_bytes_are_read_or_refused(card in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode_card(&card);
        }

        #[test]
        fn a_card_cut_short_is_refused_or_says_less(entries in entries(), cut in any::<prop::sample::Index>()) {
            let card = encode_card(&entries).expect("these are plain values");
            let cut = cut.index(card.len() + 1);
            match decode_card(&card[..cut]) {
                Ok(read) => prop_assert!(read.len() < entries.len() || cut == card.len()),
                Err(why) => {
                    let truncated = matches!(why, CardError::Truncated { at } if at < cut);
                    prop_assert!(truncated, "{why}");
                }
            }
        }
    }

    #[test]
    fn the_layout_is_as_documented() {
        let card = encode_card(&[Entry::new(Path::resource(1, 2, 0), Value::Integer(101))]);
        // /1, 5 bytes: instance 2 of 3 bytes, resource 0 of one byte.
        assert_eq!(card, Ok(vec![0, 1, 0, 5, 0b0000_0011, 2, 0b1100_0001, 0, 101]));
        assert_eq!(decode_card(&[0, 1, 0, 5, 0]), Err(CardError::Truncated { at: 0 }));
        assert_eq!(decode_card(&[0xff, 0xff, 0, 0]), Err(CardError::Object { at: 0 }));
    }

    #[test]
    fn what_does_not_fit_is_not_cut() {
        let long = Entry::new(Path::resource(0, 1, 5), Value::Opaque(vec![0; 66_000].into()));
        assert_eq!(encode_card(&[long]), Err(CardError::TooLong { path: Path::instance(0, 1) }));
    }

    #[test]
    fn another_content_has_another_fingerprint() {
        let present = |bytes: &[u8]| Fingerprint::of(&Card::Present(bytes.into()));
        let [absent, missing, unreadable] =
            [Card::Absent, Card::Missing, Card::Unreadable].map(|card| Fingerprint::of(&card));
        let prints = [absent, missing, unreadable, present(&[]), present(&[1])];
        for (index, print) in prints.iter().enumerate() {
            assert!(!prints[..index].contains(print), "{index}");
        }
    }
}
