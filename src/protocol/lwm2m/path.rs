//! Paths: `/`, `/3`, `/3/0`, `/3/0/7`, `/3/0/7/1`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Marks the levels a path does not have. 65535 is free for this: it is MAX_ID, which LwM2M
/// reserves (Core TS, "Identifiers") and which therefore names no object, instance or resource.
const NONE: u16 = u16::MAX;

/// A path of up to four identifiers: object, object instance, resource, resource instance.
///
/// Identifiers are 0..=65534 on every level; 65535 is reserved by LwM2M, so also a resource
/// instance or an access control entry never has it (as a *value*, in /2/x/1 or /2/x/3, it is
/// fine). Paths order by their identifiers, a parent before its children: `/3 < /3/0 < /3/0/9 < /3/1`,
/// so everything below a path lies side by side in a sorted list. Eight bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Path {
    ids: [u16; 4],
}

impl Path {
    /// `/`, above everything.
    pub const ROOT: Path = Path { ids: [NONE; 4] };

    /// `/o`.
    ///
    /// # Panics
    /// If the identifier is 65535. Identifiers that come from outside go through [`Path::child`].
    pub const fn object(o: u16) -> Self {
        Path { ids: [known(o), NONE, NONE, NONE] }
    }

    /// `/o/i`.
    ///
    /// # Panics
    /// If an identifier is 65535. Identifiers that come from outside go through [`Path::child`].
    pub const fn instance(o: u16, i: u16) -> Self {
        Path { ids: [known(o), known(i), NONE, NONE] }
    }

    /// `/o/i/r`.
    ///
    /// # Panics
    /// If an identifier is 65535. Identifiers that come from outside go through [`Path::child`].
    pub const fn resource(o: u16, i: u16, r: u16) -> Self {
        Path { ids: [known(o), known(i), known(r), NONE] }
    }

    /// `/o/i/r/ri`.
    ///
    /// # Panics
    /// If an identifier is 65535. Identifiers that come from outside go through [`Path::child`].
    pub const fn resource_instance(o: u16, i: u16, r: u16, ri: u16) -> Self {
        Path { ids: [known(o), known(i), known(r), known(ri)] }
    }

    /// The path from decimal segments, such as Uri-Path options; no segments give the root.
    /// None if there are more than four, or one is not a plain decimal number of 0..=65534 (a
    /// sign or a leading zero is not plain, so that a thing has one name only).
    pub fn from_segments<'a>(segments: impl Iterator<Item = &'a str>) -> Option<Path> {
        Path::from_parts(segments.map(str::as_bytes))
    }

    fn from_parts<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Option<Path> {
        let mut path = Path::ROOT;
        for (level, part) in parts.enumerate() {
            *path.ids.get_mut(level)? = parse_id(part)?;
        }
        Some(path)
    }

    /// The identifiers, 0 to 4 of them.
    pub fn ids(&self) -> &[u16] {
        &self.ids[..self.depth()]
    }

    /// How many identifiers there are: 0 for the root, 1 object, 2 instance, 3 resource,
    /// 4 resource instance.
    pub fn depth(&self) -> usize {
        self.ids.iter().position(|&id| id == NONE).unwrap_or(4)
    }

    /// The path one level down. None below a resource instance, or if `id` is 65535.
    pub fn child(&self, id: u16) -> Option<Path> {
        let depth = self.depth();
        if depth == 4 || id == NONE {
            return None;
        }
        let mut ids = self.ids;
        ids[depth] = id;
        Some(Path { ids })
    }

    /// The first `depth` identifiers of this path; the whole path if it has no more.
    pub fn truncated(&self, depth: usize) -> Path {
        let mut ids = self.ids;
        for id in ids.iter_mut().skip(depth) {
            *id = NONE;
        }
        Path { ids }
    }

    /// Whether `prefix` is this path or lies above it.
    pub fn starts_with(&self, prefix: &Path) -> bool {
        self.ids.iter().zip(&prefix.ids).all(|(&mine, &theirs)| theirs == NONE || mine == theirs)
    }

    /// All four levels in one number that orders as paths do: a missing level wraps to 0.
    fn key(self) -> u64 {
        self.ids.iter().fold(0, |key, id| key << 16 | u64::from(id.wrapping_add(1)))
    }
}

const fn known(id: u16) -> u16 {
    assert!(id != NONE, "65535 is reserved and names nothing");
    id
}

/// A plain decimal number of 0..=65534.
fn parse_id(digits: &[u8]) -> Option<u16> {
    let with_digit = |number: u16, digit: &u8| match digit {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u16::from(digit - b'0')),
        _ => None,
    };
    match digits {
        [b'0'] => Some(0),
        [b'1'..=b'9', ..] => digits.iter().try_fold(0, with_digit).filter(|&id| id != NONE),
        _ => None,
    }
}

impl PartialOrd for Path {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Path {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Path::ROOT {
            return f.write_str("/");
        }
        self.ids().iter().try_for_each(|id| write!(f, "/{id}"))
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no LwM2M path: it is \"/\" or up to four numbers of 0 to 65534, each after a \"/\"")]
pub struct ParsePathError(String);

impl FromStr for Path {
    type Err = ParsePathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "/" {
            return Ok(Path::ROOT);
        }
        text.strip_prefix('/')
            .and_then(|rest| Path::from_parts(rest.as_bytes().split(|byte| *byte == b'/')))
            .ok_or_else(|| ParsePathError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_path() -> impl Strategy<Value = Path> {
        prop::collection::vec(prop_oneof![0..4u16, 0..65535u16], 0..=4).prop_map(|ids| {
            ids.into_iter().fold(Path::ROOT, |path, id| path.child(id).expect("at most four plain ids"))
        })
    }

    proptest! {
        #[test]
        fn text_round_trips(path in any_path()) {
            prop_assert_eq!(path.to_string().parse(), Ok(path));
        }

        #[test]
        fn order_is_that_of_the_identifiers(a in any_path(), b in any_path()) {
            prop_assert_eq!(a.cmp(&b), a.ids().cmp(b.ids()));
        }

        #[test]
        fn starts_with_is_that_of_the_identifiers(a in any_path(), b in any_path()) {
            prop_assert_eq!(a.starts_with(&b), a.ids().starts_with(b.ids()));
            prop_assert!(a.starts_with(&a.truncated(b.depth())));
        }

        #[test]
        fn any_text_is_a_path_or_an_error(text in "[/0-9a+ -]{0,12}") {
            if let Ok(path) = text.parse::<Path>() {
                prop_assert_eq!(path.to_string(), text);
            }
        }
    }

    #[test]
    fn what_is_not_a_path_is_refused() {
        let bad = [
            "",
            "3",
            "//",
            "/3/",
            "/3//0",
            "/a",
            "/-1",
            "/+1",
            "/03",
            "/65535",
            "/65536",
            "/1/2/3/4/5",
            "/3 ",
        ];
        for text in bad {
            assert!(text.parse::<Path>().is_err(), "{text:?}");
        }
        assert_eq!("/65534".parse(), Ok(Path::object(65534)));
        assert_eq!(Path::from_segments(std::iter::empty()), Some(Path::ROOT));
    }

    #[test]
    fn a_path_is_small() {
        assert_eq!(size_of::<Path>(), 8);
    }
}
