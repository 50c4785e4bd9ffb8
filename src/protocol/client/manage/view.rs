//! The values of a device as they are at one instant.

use std::borrow::Cow;

use crate::base::Instant;
use crate::protocol::client::config::Device;
use crate::protocol::lwm2m::{Entry, Path, Tree, Value};

/// What a device holds, with what it measures or computes itself in place of what was stored when it left
/// the factory. A value that a server or an operator gave this device stands as it was given, and its clock
/// goes on from there.
#[derive(Clone, Copy)]
pub(in crate::protocol::client) struct View<'a> {
    /// What is stored.
    pub tree: &'a Tree,
    /// What measures; none where every value but a clock that was set is as it was stored.
    pub device: Option<&'a dyn Device>,
    /// The device's own constant random number.
    pub nature: u64,
    /// The instant of the values.
    pub now: Instant,
}

impl<'a> View<'a> {
    /// The value of a resource or a resource instance.
    pub(in crate::protocol::client) fn get(&self, path: Path) -> Option<Cow<'a, Value>> {
        self.tree.get(path).map(|stored| self.present(path, stored))
    }

    /// All values at and below `path`, in path order.
    pub(in crate::protocol::client) fn entries(
        &self,
        path: Path,
    ) -> impl Iterator<Item = (Path, Cow<'a, Value>)> + use<'a> {
        let view = *self;
        self.tree.entries(path).map(move |(path, stored)| (path, view.present(path, stored)))
    }

    fn present(&self, path: Path, stored: &'a Value) -> Cow<'a, Value> {
        let own = self.tree.is_own(path);
        match *stored {
            Value::Time(start) if own && path == CLOCK => {
                return Cow::Owned(Value::Time(start.saturating_add(run(self.now))));
            }
            _ => {}
        }
        let device = self.device.filter(|_| !own);
        match device.and_then(|device| device.value(path, self.nature, self.now)) {
            Some(measured) => Cow::Owned(measured),
            None => Cow::Borrowed(stored),
        }
    }
}

/// /3/0/13, Current Time: a clock, which goes on from what it was set to. A device's own value of it is what
/// it would have shown at [`Instant::ZERO`], so that one that was never set takes nothing.
pub(in crate::protocol::client) const CLOCK: Path = Path::resource(3, 0, 13);

/// What to store so that `entry`, which is given at `now`, is seen from now on.
pub(in crate::protocol::client) fn given(mut entry: Entry, now: Instant) -> Entry {
    match &mut entry.value {
        Value::Time(shown) if entry.path == CLOCK => *shown = shown.saturating_sub(run(now)),
        _ => {}
    }
    entry
}

/// Whole seconds since the origin.
fn run(now: Instant) -> i64 {
    i64::try_from(now.since_origin().as_secs()).unwrap_or(i64::MAX)
}
