//! Paths as the base name and the names of SenML and of OMA's JSON.

use smallvec::SmallVec;

use super::Error;
use crate::protocol::lwm2m::Path;

/// A name, or a part of one: no path is longer than `/65534/65534/65534/65534`.
pub(super) type Name = SmallVec<[u8; 24]>;

/// The base name to write and what names are told after it.
pub(super) struct BaseName {
    base: Path,
    /// Whether the base name ends in a slash, so that names need not begin with one.
    slash: bool,
}

impl BaseName {
    /// `base` and a slash, unless one of the `paths` is `base` itself, which then has an empty name.
    pub(super) fn new(base: Path, mut paths: impl Iterator<Item = Path>) -> Self {
        BaseName { base, slash: base == Path::ROOT || paths.all(|path| path != base) }
    }

    /// The base name.
    pub(super) fn text(&self) -> Name {
        let mut name = self.base.ids().iter().fold(Name::new(), |name, id| with_id(name, *id));
        if self.slash {
            name.push(b'/');
        }
        name
    }

    /// The name to write for `path`, which is at or below the base: empty for the base itself.
    pub(super) fn below(&self, path: Path) -> Name {
        let mut name =
            path.ids().iter().skip(self.base.depth()).fold(Name::new(), |name, id| with_id(name, *id));
        if self.slash && !name.is_empty() {
            name.remove(0);
        }
        name
    }
}

/// The whole path as a name.
pub(super) fn whole(path: Path) -> Name {
    BaseName::new(path, std::iter::once(path)).text()
}

/// A name that was written here.
pub(super) fn as_text(name: &Name) -> &str {
    str::from_utf8(name).expect("names are digits and slashes")
}

/// The path behind a name that was read. Any path, so also `/`.
pub(super) fn path(name: &[u8]) -> Result<Path, Error> {
    str::from_utf8(name).ok().and_then(|text| text.parse().ok()).ok_or_else(|| refused(name))
}

/// The path of a resource or resource instance behind a name that was read.
pub(super) fn resource(name: &[u8]) -> Result<Path, Error> {
    path(name).and_then(|path| if path.depth() >= 3 { Ok(path) } else { Err(refused(name)) })
}

/// The error for a name that is no path.
pub(super) fn refused(name: &[u8]) -> Error {
    // What cannot be a path is not worth quoting in full.
    let quoted = &name[..name.len().min(40)];
    Error::Name(String::from_utf8_lossy(quoted).into_owned())
}

/// `name`, a slash, and `id` in decimal.
fn with_id(mut name: Name, id: u16) -> Name {
    name.push(b'/');
    let mut place = 10_000;
    while place > 1 && id < place {
        place /= 10;
    }
    while place > 0 {
        name.push(b'0' + (id / place % 10) as u8);
        place /= 10;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_formatter_does() {
        for number in (0..u16::MAX).step_by(7).chain([0, 9, 10, 99, 100, 10_000, u16::MAX - 1]) {
            let path = Path::object(number);
            assert_eq!(as_text(&whole(path)), path.to_string());
        }
    }

    #[test]
    fn base_name_and_name_make_the_path() {
        let deepest = Path::resource_instance(3, 0, 7, 12);
        for base in 0..=4 {
            let base = deepest.truncated(base);
            for paths in [vec![deepest], vec![base, deepest]] {
                let names = BaseName::new(base, paths.iter().copied());
                for written in paths {
                    let mut name = names.text();
                    name.extend_from_slice(&names.below(written));
                    assert_eq!(path(&name), Ok(written), "{base}");
                }
            }
        }
    }
}
