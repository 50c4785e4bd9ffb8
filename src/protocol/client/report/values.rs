//! What a server may see of a device, as Read has it, in the form in which it is compared with what was
//! seen before.

use std::borrow::Cow;
use std::hash::Hasher as _;

use rustc_hash::FxHasher;
use smallvec::SmallVec;

use super::super::client::Client;
use super::super::manage::{self, Asker, CLOCK, View};
use super::conditions::Seen;
use crate::base::Instant;
use crate::protocol::coap::Code;
use crate::protocol::lwm2m::{Entry, Path, Value};

/// What one look shows, place by place.
pub(super) type Sight = SmallVec<[(Path, Seen); 2]>;

/// Values at one instant.
#[derive(Debug, Default)]
pub(super) struct Sample {
    /// All of them, in path order, no path twice.
    pub entries: Vec<Entry>,
    /// What it comes to.
    pub seen: Sight,
    /// Whether the device measures some of them.
    pub measured: bool,
}

impl Client {
    /// What `server` may see at and below `paths` now. Of a composite, whatever is not there or not for this
    /// server is left out (LwM2M Core §6.3.8).
    ///
    /// # Errors
    /// The code to answer with, if the one path is not there or not for this server.
    pub(super) fn sample(
        &self,
        server: u16,
        paths: &[Path],
        composite: bool,
        now: Instant,
    ) -> Result<Sample, Code> {
        let (view, asker) = (self.view(now), self.asker(server));
        let mut sample = Sample::default();
        for path in paths {
            let values = match manage::is_hidden(*path) {
                true => Err(Code::UNAUTHORIZED),
                false => manage::values(&view, asker, *path),
            };
            let values = match values {
                Err(code) if !composite => return Err(code),
                values => values.unwrap_or_default(),
            };
            note(&view, *path, &values, &mut sample.seen);
            sample.measured |= is_measured(&view, *path);
            match sample.entries.is_empty() {
                true => sample.entries = values,
                false => sample.entries.extend(values),
            }
        }
        if paths.len() > 1 {
            // They may lie within each other.
            sample.entries.sort_by_key(|entry| entry.path);
            sample.entries.dedup_by_key(|entry| entry.path);
        }
        Ok(sample)
    }

    /// The values that `server` may see at and below any of `paths` now.
    pub(super) fn values(&self, server: u16, paths: &[Path], now: Instant) -> Vec<Entry> {
        manage::composite_values(&self.view(now), self.asker(server), paths)
    }

    pub(super) fn asker(&self, server: u16) -> Asker {
        Asker::new(self.store(), server, self.version(server))
    }

    fn view(&self, now: Instant) -> View<'_> {
        View { tree: self.store(), device: self.config.device.as_deref(), nature: self.nature, now }
    }
}

fn is_measured(view: &View<'_>, path: Path) -> bool {
    view.entries(path).any(|(at, value)| matches!(value, Cow::Owned(_)) && !ticks(path, at))
}

/// Whether `at`, of what is observed at `path`, is the clock. That it goes on is no news to an observer of all
/// of the device, as it would be at every look; that it was set is, and whoever observes the clock itself
/// wants to see it go.
fn ticks(path: Path, at: Path) -> bool {
    at == CLOCK && path != CLOCK
}

/// Adds what the values of one observed path come to: one mark for each single value of a resource, so that
/// thresholds can be held against it, else one for all.
fn note(view: &View<'_>, path: Path, entries: &[Entry], seen: &mut Sight) {
    let from = seen.len();
    if path.depth() >= 3 {
        let single = entries.iter().map_while(|entry| Some((entry.path, Seen::of(&entry.value)?)));
        seen.extend(single);
        if !entries.is_empty() && seen.len() - from == entries.len() {
            return;
        }
        seen.truncate(from);
    }
    let compared = entries.iter().map(|entry| match ticks(path, entry.path) {
        // Stored is what it was set to, which changes when it is set anew.
        true => (entry.path, view.tree.get(entry.path).unwrap_or(&entry.value)),
        false => (entry.path, &entry.value),
    });
    seen.push((path, Seen::Digest(digest(compared))));
}

/// A hash of values and where they are.
fn digest<'a>(values: impl Iterator<Item = (Path, &'a Value)>) -> u64 {
    let mut hasher = FxHasher::default();
    for (path, value) in values {
        path.ids().iter().for_each(|id| hasher.write_u16(*id));
        match value {
            Value::String(text) | Value::CoreLink(text) => bytes(&mut hasher, text.as_bytes()),
            Value::Opaque(opaque) => bytes(&mut hasher, opaque),
            Value::Integer(number) | Value::Time(number) => hasher.write_i64(*number),
            Value::Unsigned(number) => hasher.write_u64(*number),
            Value::Float(number) => hasher.write_u64(number.to_bits()),
            Value::Boolean(truth) => hasher.write_u8((*truth).into()),
            Value::ObjectLink(object, instance) => {
                hasher.write_u32(u32::from(*object) << 16 | u32::from(*instance));
            }
        }
    }
    hasher.finish()
}

fn bytes(hasher: &mut FxHasher, bytes: &[u8]) {
    hasher.write_usize(bytes.len());
    hasher.write(bytes);
}
