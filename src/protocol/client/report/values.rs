//! What a server may see of a device: present values, as Read has them (LwM2M Core §6.3.1).

use std::hash::Hasher as _;

use rustc_hash::FxHasher;
use smallvec::SmallVec;

use super::super::client::Client;
use super::conditions::Seen;
use crate::base::Instant;
use crate::protocol::coap::Code;
use crate::protocol::lwm2m::{Entry, Path, Rights, Tree, Value, access, objects};

const SERVER: u16 = 1;

/// Objects for Bootstrap-Servers alone: Security, OSCORE, COSE (LwM2M Core §8.1).
const SECRET: [u16; 3] = [0, 21, 23];

/// Values at one instant.
#[derive(Debug, Default)]
pub(super) struct Sample {
    /// All of them, in path order, no path twice.
    pub entries: Vec<Entry>,
    /// What it comes to, place by place.
    pub seen: SmallVec<[(Path, Seen); 2]>,
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
        let mut sample = Sample::default();
        for path in paths {
            let from = sample.entries.len();
            match self.read(server, *path, now, &mut sample) {
                Err(code) if !composite => return Err(code),
                _ => {}
            }
            note(*path, &sample.entries[from..], &mut sample.seen);
        }
        if composite {
            // Paths may lie within each other.
            sample.entries.sort_by_key(|entry| entry.path);
            sample.entries.dedup_by_key(|entry| entry.path);
        }
        Ok(sample)
    }

    /// Adds what `server` may see at and below `path`.
    fn read(&self, server: u16, path: Path, now: Instant, sample: &mut Sample) -> Result<(), Code> {
        let Some(&object) = path.ids().first() else {
            let objects: SmallVec<[u16; 16]> = self.tree.objects().collect();
            for object in objects {
                // What is not for this server is left out.
                let _ = self.read(server, Path::object(object), now, sample);
            }
            return Ok(());
        };
        if SECRET.contains(&object) {
            return Err(Code::UNAUTHORIZED);
        }
        if path.depth() >= 3 && !readable(path) {
            return Err(Code::METHOD_NOT_ALLOWED);
        }
        if !is_there(&self.tree, path) {
            return Err(Code::NOT_FOUND);
        }
        let servers = self.tree.instances(SERVER).count();
        let may_read =
            |instance| access::rights(&self.tree, server, object, instance, servers).contains(Rights::READ);
        if path.ids().get(1).is_some_and(|&instance| !may_read(instance)) {
            return Err(Code::UNAUTHORIZED);
        }
        for (at, stored) in self.tree.entries(path) {
            // Of an object, the instances this server has no right to are left out (LwM2M Core §8.2.1).
            let hidden = !readable(at) || (path.depth() == 1 && !may_read(at.ids()[1]));
            if hidden {
                continue;
            }
            let measured = self.measured(at, now);
            sample.measured |= measured.is_some();
            sample.entries.push(Entry::new(at, measured.unwrap_or_else(|| stored.clone())));
        }
        Ok(())
    }

    fn measured(&self, path: Path, now: Instant) -> Option<Value> {
        self.config.device.as_ref()?.value(path, self.nature, now)
    }
}

/// Whether there is anything a server could mean by `path`. A resource that exists may have no instances,
/// so one that is defined and merely empty is there as long as its object instance is.
fn is_there(tree: &Tree, path: Path) -> bool {
    match *path.ids() {
        [object] => tree.instances(object).next().is_some(),
        [object, instance] => tree.has_instance(object, instance),
        _ => tree.entries(path).next().is_some(),
    }
}

/// Whether the object's definition lets a server read this resource; what has no definition may be read.
fn readable(path: Path) -> bool {
    objects::resource(path.truncated(3)).is_none_or(|known| known.operations.read)
}

/// Adds what the values of one observed path come to: one mark for each single value of a resource, so that
/// thresholds can be held against it, else one for all.
fn note(path: Path, entries: &[Entry], seen: &mut SmallVec<[(Path, Seen); 2]>) {
    let from = seen.len();
    if path.depth() >= 3 {
        for entry in entries {
            let Some(value) = Seen::of(&entry.value) else { break };
            seen.push((entry.path, value));
        }
        if !entries.is_empty() && seen.len() - from == entries.len() {
            return;
        }
        seen.truncate(from);
    }
    seen.push((path, Seen::Digest(digest(entries))));
}

/// A hash of values and where they are.
fn digest(entries: &[Entry]) -> u64 {
    let mut hasher = FxHasher::default();
    for Entry { path, value } in entries {
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
