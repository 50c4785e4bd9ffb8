//! The values one device holds.

use std::sync::Arc;

use super::{Entry, Path, Value};

/// A template shared by all meters plus what this meter holds of its own.
///
/// Only what differs from the template is stored: an own list of slots, sorted by path. *A slot
/// hides whatever the template holds at and below its path*; that one rule serves changed values,
/// removed ones and emptied instances alike. A tree is 32 bytes, and 32 bytes and a string for each
/// value of its own.
///
/// An object instance exists while it holds a value, or since [`Tree::create_instance`]; taking its
/// resources away one by one leaves it empty but there. A resource exists while it has a value: a
/// multiple resource without instances does not.
///
/// `clone` is the snapshot to go back to when a bootstrap fails.
#[derive(Clone, Debug)]
pub struct Tree {
    /// Sorted by path, no path twice.
    template: Arc<Vec<Entry>>,
    /// Sorted by path, no path twice.
    own: Vec<(Path, Slot)>,
}

#[derive(Clone, Debug)]
enum Slot {
    /// The value here.
    Value(Value),
    /// An object instance without any value.
    Empty,
    /// Nothing here: what the template has does not count.
    Hidden,
}

impl Tree {
    /// A device that holds what the template says.
    ///
    /// The template should be sorted by path, no path twice, with values at resources and resource
    /// instances only and no resource both single and multiple. One that is not is put in order, as
    /// if its values were [`set`](Tree::set) one after the other, in a copy for this device alone:
    /// it is right then, but not shared.
    pub fn new(template: Arc<Vec<Entry>>) -> Self {
        let in_order = template.is_sorted_by(|a, b| a.path < b.path && !b.path.starts_with(&a.path))
            && template.iter().all(|entry| holds_values(entry.path));
        if in_order {
            return Tree { template, own: Vec::new() };
        }
        let mut tree = Tree { template: Arc::default(), own: Vec::new() };
        for entry in template.iter() {
            tree.set(entry.path, entry.value.clone());
        }
        let copy = tree.entries(Path::ROOT).map(|(path, value)| Entry::new(path, value.clone())).collect();
        Tree { template: Arc::new(copy), own: Vec::new() }
    }

    /// The value of a resource or a resource instance.
    pub fn get(&self, path: Path) -> Option<&Value> {
        match self.own_at(path) {
            Ok(at) => match &self.own[at].1 {
                Slot::Value(value) => Some(value),
                Slot::Empty | Slot::Hidden => None,
            },
            Err(_) => self.template_at(path).filter(|_| !self.is_hidden_from_above(path)),
        }
    }

    /// Whether this device has a value of its own at `path`, a resource or a resource instance, rather than
    /// the template's or none. A value set to what the template has is the template's.
    pub fn is_own(&self, path: Path) -> bool {
        self.own_at(path).is_ok_and(|at| matches!(self.own[at].1, Slot::Value(_)))
    }

    /// Gives a resource or a resource instance its value, creating the object instance if need be.
    ///
    /// A resource is either single or multiple: a value at `/o/i/r` replaces those at `/o/i/r/x`,
    /// and the other way round. False, and nothing changed, if `path` is that of neither a resource
    /// nor a resource instance.
    pub fn set(&mut self, path: Path, value: Value) -> bool {
        if !holds_values(path) {
            return false;
        }
        self.make_room(path);
        let slot = self.own_at(path);
        let as_in_template =
            self.template_at(path).is_some_and(|shared| *shared == value) && !self.is_hidden_from_above(path);
        match (slot, as_in_template) {
            (Ok(at), true) => drop(self.own.remove(at)),
            (Ok(at), false) => self.own[at].1 = Slot::Value(value),
            (Err(_), true) => {}
            (Err(at), false) => self.insert(at, path, Slot::Value(value)),
        }
        true
    }

    /// [`set`](Tree::set)s all of them, in order, with one allocation at most. False if one or more
    /// could not be set; the others are.
    pub fn set_all(&mut self, entries: Vec<Entry>) -> bool {
        self.own.reserve_exact(entries.len());
        let mut all = true;
        for entry in entries {
            all &= self.set(entry.path, entry.value);
        }
        all
    }

    /// Replaces all that an object instance holds by `entries`, which are resources or resource instances
    /// of it, no path twice, and no resource both single and multiple; without any, it exists and is
    /// empty. False, and nothing changed, if `instance` is no object instance or an entry is not of it.
    pub fn replace(&mut self, instance: Path, entries: Vec<Entry>) -> bool {
        let belongs = |entry: &Entry| holds_values(entry.path) && entry.path.starts_with(&instance);
        if instance.depth() != 2 || !entries.iter().all(belongs) {
            return false;
        }
        self.remove(instance);
        if entries.is_empty() {
            return self.create_instance(instance.ids()[0], instance.ids()[1]);
        }
        let mut slots: Vec<(Path, Slot)> =
            entries.into_iter().map(|Entry { path, value }| (path, Slot::Value(value))).collect();
        slots.sort_by_key(|(path, _)| *path);
        // Behind the mark that hides the template's values, if there is one.
        let at = self.own.partition_point(|(path, _)| *path <= instance);
        self.own.reserve_exact(slots.len());
        self.own.splice(at..at, slots);
        true
    }

    /// Makes an object instance exist without any value. False, and nothing changed, if it exists
    /// already or an identifier is 65535, which is reserved.
    pub fn create_instance(&mut self, object: u16, instance: u16) -> bool {
        let Some(path) = instance_path(object, instance) else { return false };
        if self.visible(path).next().is_some() {
            return false;
        }
        self.put(path, Slot::Empty);
        true
    }

    /// Whether the object instance exists.
    pub fn has_instance(&self, object: u16, instance: u16) -> bool {
        instance_path(object, instance).is_some_and(|path| self.visible(path).next().is_some())
    }

    /// Removes everything at and below `path`; true if there was something.
    ///
    /// The object instance stays if `path` is that of a resource or below, also when that was its
    /// last value.
    pub fn remove(&mut self, path: Path) -> bool {
        if self.visible(path).next().is_none() {
            return false;
        }
        let below = self.own_below(path);
        self.own.drain(below);
        self.hide(path);
        let instance = path.truncated(2);
        if holds_values(path) && self.visible(instance).next().is_none() {
            let hidden = self.own_below(instance);
            self.own.drain(hidden);
            self.put(instance, Slot::Empty);
        }
        true
    }

    /// Removes everything but what is at or below one of `kept`; object instances above a kept
    /// resource stay too. True if something was removed.
    pub fn clear_except(&mut self, kept: &[Path]) -> bool {
        self.clear_below(Path::ROOT, kept)
    }

    fn clear_below(&mut self, path: Path, kept: &[Path]) -> bool {
        if kept.iter().any(|keep| path.starts_with(keep)) {
            return false;
        }
        // A single value has nothing below it that could be kept.
        if self.get(path).is_some() || !kept.iter().any(|keep| keep.starts_with(&path)) {
            return self.remove(path);
        }
        let children: Vec<Path> = self.children(path).collect();
        let mut any = false;
        for child in children {
            any |= self.clear_below(child, kept);
        }
        any
    }

    /// The object instances that the template has and that are here, in order; none that was replaced as a
    /// whole.
    pub fn shared_instances(&self) -> impl Iterator<Item = Path> {
        let mut rest = &self.template[..];
        std::iter::from_fn(move || {
            loop {
                let instance = rest.first()?.path.truncated(2);
                rest = &rest[rest.partition_point(|entry| entry.path.starts_with(&instance))..];
                if self.own_at(instance).is_err() && !self.is_hidden_from_above(instance) {
                    return Some(instance);
                }
            }
        })
    }

    /// The objects that have instances, in order.
    pub fn objects(&self) -> impl Iterator<Item = u16> {
        self.children(Path::ROOT).filter_map(|path| path.ids().last().copied())
    }

    /// The instances of an object, in order.
    pub fn instances(&self, object: u16) -> impl Iterator<Item = u16> {
        let object = Path::ROOT.child(object);
        object.into_iter().flat_map(|path| self.children(path)).filter_map(|path| path.ids().last().copied())
    }

    /// All values at and below `path`, in path order.
    pub fn entries(&self, path: Path) -> impl Iterator<Item = (Path, &Value)> {
        self.visible(path).filter_map(|(path, value)| Some((path, value?)))
    }

    /// Gives back memory kept for growth. Worth a call when a bootstrap session has ended and the
    /// tree will stay as it is for long.
    pub fn shrink_to_fit(&mut self) {
        self.own.shrink_to_fit();
    }

    /// Bytes of heap this device's own values take, strings included and the shared template not,
    /// before the allocator's rounding.
    #[cfg(test)]
    pub fn heap_bytes(&self) -> usize {
        let values = self.own.iter().map(|(_, slot)| match slot {
            Slot::Value(value) => value.byte_len(),
            Slot::Empty | Slot::Hidden => 0,
        });
        self.own.capacity() * size_of::<(Path, Slot)>() + values.sum::<usize>()
    }

    /// Clears the way for a value at `path`, a resource or resource instance: the mark of an empty
    /// instance, and values that would make a resource single and multiple at once.
    fn make_room(&mut self, path: Path) {
        let instance = path.truncated(2);
        if let Ok(at) = self.own_at(instance)
            && matches!(self.own[at].1, Slot::Empty)
        {
            self.own.remove(at);
            self.hide(instance);
        }
        if path.depth() == 3 {
            let mut instances = self.own_below(path);
            instances.start += usize::from(self.own_at(path).is_ok());
            self.own.drain(instances);
        } else {
            let resource = path.truncated(3);
            if self.get(resource).is_some() {
                if let Ok(at) = self.own_at(resource) {
                    self.own.remove(at);
                }
                self.hide(resource);
            }
        }
    }

    /// Hides what the template has at and below `path`, where no own slot is left; none is added
    /// for what is hidden already or never was.
    fn hide(&mut self, path: Path) {
        if !self.template[self.template_below(path)].is_empty() && !self.is_hidden_from_above(path) {
            self.put(path, Slot::Hidden);
        }
    }

    fn put(&mut self, path: Path, slot: Slot) {
        match self.own_at(path) {
            Ok(at) => self.own[at].1 = slot,
            Err(at) => self.insert(at, path, slot),
        }
    }

    /// Grows by one slot at a time: a meter's tree is filled once and then kept for long, a million
    /// times over.
    fn insert(&mut self, at: usize, path: Path, slot: Slot) {
        self.own.reserve_exact(1);
        self.own.insert(at, (path, slot));
    }

    fn own_at(&self, path: Path) -> Result<usize, usize> {
        self.own.binary_search_by_key(&path, |&(at, _)| at)
    }

    fn template_at(&self, path: Path) -> Option<&Value> {
        let at = self.template.binary_search_by_key(&path, |entry| entry.path).ok()?;
        Some(&self.template[at].value)
    }

    /// Where the own slots at and below `path` are.
    fn own_below(&self, path: Path) -> std::ops::Range<usize> {
        let start = self.own.partition_point(|&(at, _)| at < path);
        start..start + self.own[start..].partition_point(|(at, _)| at.starts_with(&path))
    }

    /// Where the template's values at and below `path` are.
    fn template_below(&self, path: Path) -> std::ops::Range<usize> {
        let start = self.template.partition_point(|entry| entry.path < path);
        start..start + self.template[start..].partition_point(|entry| entry.path.starts_with(&path))
    }

    /// Whether a slot above `path` hides the template there.
    fn is_hidden_from_above(&self, path: Path) -> bool {
        // Such a slot comes before `path`, and whatever lies between the two is below that slot.
        let before = &self.own[..self.own.partition_point(|&(at, _)| at < path)];
        let (Some((first, _)), Some((nearest, _))) = (before.first(), before.last()) else { return false };
        let mut above = (1..path.depth())
            .map(|depth| path.truncated(depth))
            .take_while(|above| nearest.starts_with(above));
        *first == Path::ROOT || above.any(|above| before.binary_search_by_key(&above, |&(at, _)| at).is_ok())
    }

    fn visible(&self, path: Path) -> Visible<'_> {
        let mut template = &self.template[self.template_below(path)];
        if !template.is_empty() && self.is_hidden_from_above(path) {
            template = &[];
        }
        Visible { own: &self.own[self.own_below(path)], template }
    }

    /// The paths one level below `path` at or below which there is something.
    fn children(&self, path: Path) -> impl Iterator<Item = Path> {
        let depth = path.depth() + 1;
        let mut rest = self.visible(path);
        std::iter::from_fn(move || {
            loop {
                let child = rest.next()?.0.truncated(depth);
                rest.skip_below(child);
                if child.depth() == depth {
                    return Some(child);
                }
            }
        })
    }
}

/// Merges own slots and template, in path order. None stands for an empty object instance.
struct Visible<'a> {
    own: &'a [(Path, Slot)],
    template: &'a [Entry],
}

impl Visible<'_> {
    fn skip_below(&mut self, path: Path) {
        self.own = &self.own[self.own.partition_point(|(at, _)| at.starts_with(&path))..];
        self.skip_template_below(path);
    }

    fn skip_template_below(&mut self, path: Path) {
        let hidden = self.template.partition_point(|entry| entry.path.starts_with(&path));
        self.template = &self.template[hidden..];
    }
}

impl<'a> Iterator for Visible<'a> {
    type Item = (Path, Option<&'a Value>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match (self.own.split_first(), self.template.split_first()) {
                (Some(((path, slot), rest)), shared)
                    if shared.is_none_or(|(entry, _)| *path <= entry.path) =>
                {
                    self.own = rest;
                    self.skip_template_below(*path);
                    match slot {
                        Slot::Value(value) => return Some((*path, Some(value))),
                        Slot::Empty => return Some((*path, None)),
                        Slot::Hidden => {}
                    }
                }
                (_, Some((entry, rest))) => {
                    self.template = rest;
                    return Some((entry.path, Some(&entry.value)));
                }
                (_, None) => return None,
            }
        }
    }
}

/// Whether `path` is that of a resource or a resource instance.
fn holds_values(path: Path) -> bool {
    path.depth() >= 3
}

fn instance_path(object: u16, instance: u16) -> Option<Path> {
    Path::ROOT.child(object)?.child(instance)
}

#[cfg(test)]
mod tests;
