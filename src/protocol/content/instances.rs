//! Which object instances the payload of a Create is for (LwM2M Core TS, "Create").

use smallvec::SmallVec;

use super::{Error, names};
use crate::protocol::lwm2m::{Entry, Path};

/// What a Create asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Creation {
    /// The instances the payload names, in order; also those it has no values for. Empty: it leaves the
    /// choice to the client.
    pub named: Vec<u16>,
    /// The values in the payload's order. Where it names no instance they are those of the one the caller
    /// chose.
    pub entries: Vec<Entry>,
}

/// The object instances a payload is for.
pub(super) struct Instances {
    /// What an instance without a name becomes.
    pub(super) assigned: Path,
    named: Vec<u16>,
    /// Whether there are values for an instance without a name.
    open: bool,
}

impl Instances {
    /// None seen yet.
    pub(super) fn new(assigned: Path) -> Self {
        Instances { assigned, named: Vec::new(), open: false }
    }

    /// Takes note of values for the instance without a name.
    pub(super) fn open(&mut self) {
        self.open = true;
    }

    /// Takes note of instance `id` of the object, and tells its path. 65535, MAX_ID, names none.
    pub(super) fn instance(&mut self, id: u16) -> Path {
        let named = self.assigned.truncated(1).child(id);
        match named {
            // Instances come in runs, so this is not looked up for every value of one.
            Some(_) if self.named.last() == Some(&id) => {}
            Some(_) => self.named.push(id),
            None => self.open(),
        }
        named.unwrap_or(self.assigned)
    }

    /// The path behind a name, complete with an instance.
    pub(super) fn path(&mut self, name: &[u8]) -> Result<Path, Error> {
        let refused = || names::refused(name);
        let text = str::from_utf8(name).ok().and_then(|text| text.strip_prefix('/')).ok_or_else(refused)?;
        // A fifth segment would be one too many, and is found to be none.
        let segments: SmallVec<[&str; 5]> = text.splitn(5, '/').collect();
        let path = match segments[..] {
            [object, resource] => unnamed(self.assigned, object, &[resource]),
            [object, "" | "65535", ref rest @ ..] => unnamed(self.assigned, object, rest),
            _ => {
                let path = names::resource(name)?;
                if let Some(&id) = path.ids().get(1) {
                    self.instance(id);
                }
                return Ok(path);
            }
        };
        self.open();
        path.ok_or_else(refused)
    }

    /// What was asked for, with these values.
    pub(super) fn finish(mut self, entries: Vec<Entry>) -> Result<Creation, Error> {
        if self.open && !self.named.is_empty() {
            return Err(Error::HalfNamed);
        }
        self.named.sort_unstable();
        self.named.dedup();
        Ok(Creation { named: self.named, entries })
    }
}

/// The path for a name without an instance: that of the assigned one if it is of the same object, which
/// otherwise is found to lie outside.
fn unnamed(assigned: Path, object: &str, rest: &[&str]) -> Option<Path> {
    let object = Path::from_segments([object].into_iter())?;
    let instance = if object == assigned.truncated(1) { assigned } else { object.child(0)? };
    let rest = Path::from_segments(rest.iter().copied())?;
    if rest == Path::ROOT {
        return None;
    }
    rest.ids().iter().try_fold(instance, |path, id| path.child(*id))
}
