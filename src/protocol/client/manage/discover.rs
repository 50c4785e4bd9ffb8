//! Discover (LwM2M Core §6.3.2): what there is, without values, and the attributes the asking server has
//! attached to it.

use smallvec::SmallVec;

use super::target::{self, Asker};
use crate::protocol::coap::{Code, ContentFormat, Message};
use crate::protocol::content::link::Writer;
use crate::protocol::lwm2m::{AttributeSet, Attributes, Path, Tree, Version, objects};

/// The answer to a Discover of `path`, an object, an object instance or a resource. `depth` is the value of
/// that query parameter: how many levels below `path` are listed (1.2; earlier versions ignore it).
///
/// Every server may discover everything (Core §8.2): no access right stands for it.
///
/// # Errors
/// 4.04 where there is nothing, 4.05 for the root and resource instances, 4.00 for a depth that is not
/// 0 to 3.
pub(super) fn discover(
    tree: &Tree,
    attributes: &AttributeSet,
    asker: Asker,
    path: Path,
    depth: Option<&str>,
) -> Result<Message, Code> {
    let lowest = lowest(path, depth, asker.version)?;
    if !target::exists(tree, path, asker.version) {
        return Err(Code::NOT_FOUND);
    }
    let of_resources = path.depth() > 1 || (depth.is_some() && asker.version >= Version::V1_2);
    let out = Writer::with_capacity(256);
    let mut list = List { out, tree, attributes, asker, asked: path, lowest, of_resources };
    match *path.ids() {
        [object] => list.object(object),
        [object, instance] => list.instance(object, instance),
        [object, instance, resource] => list.resource(object, instance, resource),
        _ => return Err(Code::METHOD_NOT_ALLOWED),
    }
    Ok(Message::response(Code::CONTENT)
        .with_content_format(ContentFormat::LINK)
        .with_payload(list.out.finish()))
}

/// The depth of the longest paths to list. Where it is not asked for: two levels below an object, one below
/// anything else; 1.0 knows no resource instances.
fn lowest(path: Path, depth: Option<&str>, version: Version) -> Result<usize, Code> {
    let levels = match depth.filter(|_| version >= Version::V1_2) {
        Some("0") => 0,
        Some("1") => 1,
        Some("2") => 2,
        Some("3") => 3,
        Some(_) => return Err(Code::BAD_REQUEST),
        None if path.depth() == 1 => 2,
        None => 1,
    };
    let deepest = if version == Version::V1_0 { 3 } else { 4 };
    Ok((path.depth() + levels).min(deepest))
}

struct List<'a> {
    out: Writer,
    tree: &'a Tree,
    attributes: &'a AttributeSet,
    asker: Asker,
    /// What was asked for.
    asked: Path,
    /// Depth of the longest paths.
    lowest: usize,
    /// Whether resources are listed with their attributes. A list of an object is without (Core §6.3.2),
    /// but one as deep as the server wants it is with them.
    of_resources: bool,
}

impl List<'_> {
    fn object(&mut self, object: u16) {
        let path = Path::object(object);
        self.out.link(path);
        let version = objects::version(object, self.asker.version);
        if version != self.asker.version.implied_object_version(object).unwrap_or((1, 0)) {
            self.out.version(version);
        }
        self.attached(path);
        if self.lowest > 1 {
            let tree = self.tree;
            tree.instances(object).for_each(|instance| self.instance(object, instance));
        }
    }

    fn instance(&mut self, object: u16, instance: u16) {
        let path = Path::instance(object, instance);
        self.out.link(path);
        self.attached(path);
        if self.lowest > 2 {
            for resource in self.resources(object, instance) {
                self.resource(object, instance, resource);
            }
        }
    }

    fn resource(&mut self, object: u16, instance: u16, resource: u16) {
        let path = Path::resource(object, instance, resource);
        self.out.link(path);
        let tree = self.tree;
        let instances = || tree.entries(path).map(|(at, _)| at).filter(|at| at.depth() == 4);
        if let dimension @ 1.. = instances().count() {
            self.out.number("dim", dimension as u64);
        }
        self.attached(path);
        if self.lowest > 3 {
            for instance in instances() {
                self.out.link(instance);
                self.attached(instance);
            }
        }
    }

    /// The resources of an instance, those without values included.
    fn resources(&self, object: u16, instance: u16) -> SmallVec<[u16; 32]> {
        let held = self.tree.entries(Path::instance(object, instance));
        let mut all: SmallVec<[u16; 32]> = held.filter_map(|(path, _)| path.ids().get(2).copied()).collect();
        let known = objects::find(object).map_or(&[][..], |known| known.resources);
        let without_value = known
            .iter()
            .filter(|known| known.since <= self.asker.version && target::is_without_value(known))
            .map(|known| known.id);
        all.extend(without_value);
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Adds the attributes of the last link: where the server asked, those in force, inherited ones too;
    /// below it, those attached there.
    fn attached(&mut self, path: Path) {
        if self.attributes.is_empty() {
            return;
        }
        let shown = match path {
            _ if path == self.asked => self.attributes.effective(path),
            _ if !self.of_resources && path.depth() > 2 => Attributes::default(),
            _ => self.attributes.get(path).copied().unwrap_or_default(),
        };
        for (name, value) in shown.iter() {
            self.out.attribute(name, &value);
        }
    }
}
