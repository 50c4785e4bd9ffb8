//! Which objects a device has, and which formats it speaks: the payload of a Register, read once for all
//! devices that send the same.

use std::hash::Hasher as _;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHasher};

use crate::protocol::coap::{Code, ContentFormat};
use crate::protocol::content::{self, link};
use crate::protocol::lwm2m::Path;

/// The formats a server would have answers in, the best first. A device that lists none of them is asked
/// without Accept, and answers in what it likes.
const PREFERENCE: [ContentFormat; 3] =
    [ContentFormat::SENML_CBOR, ContentFormat::SENML_JSON, ContentFormat::TLV];

/// The longest list taken, in bytes: as much as real servers take, and many times what a meter has to say.
/// Without a bound, devices with lists of their own would take up memory as they please.
const LONGEST: usize = 8_192;

/// Lists kept before those that nobody has any more are looked for.
const SPARE: usize = 64;

/// What one list of objects says.
#[derive(Debug, Default)]
pub(super) struct ObjectList {
    /// The payload it was read from.
    payload: Box<[u8]>,
    /// Objects and instances, sorted.
    paths: Box<[Path]>,
    /// Where the objects are if not at the root (LwM2M Core §6.4.1, alternate path): `rt="oma.lwm2m"`.
    prefix: Option<Box<str>>,
    /// What the device is asked to answer in.
    pub format: Option<ContentFormat>,
}

impl ObjectList {
    fn read(payload: &[u8]) -> Result<ObjectList, content::Error> {
        let mut paths = Vec::new();
        let mut list = ObjectList { payload: payload.into(), ..ObjectList::default() };
        let mut prefix = None;
        let mut links = Vec::new();
        for link in link::links(payload)? {
            let link = link?;
            if link.attribute("rt").is_some_and(|kind| kind.split(' ').any(|kind| kind == "oma.lwm2m")) {
                prefix = Some(link.target().trim_matches('/'));
                let formats = link.attribute("ct").unwrap_or_default();
                let speaks = |wanted: ContentFormat| {
                    formats.split_ascii_whitespace().any(|format| format.parse() == Ok(wanted.0))
                };
                list.format = PREFERENCE.into_iter().find(|format| speaks(*format));
            } else {
                links.push(link.target());
            }
        }
        let prefix = prefix.filter(|prefix| !prefix.is_empty());
        for target in links {
            let target = match prefix {
                Some(prefix) => target.trim_start_matches('/').strip_prefix(prefix).unwrap_or(target),
                None => target,
            };
            // What is no object is somebody else's resource and no error (LwM2M Core §6.2.1).
            paths.extend(target.parse::<Path>().ok().filter(|path| (1..=2).contains(&path.depth())));
        }
        paths.sort_unstable();
        paths.dedup();
        list.paths = paths.into();
        list.prefix = prefix.map(Box::from);
        Ok(list)
    }

    /// Whether there is an instance that `path`, an object or something in an instance, asks for.
    pub fn has(&self, path: Path) -> bool {
        let wanted = path.truncated(2);
        self.paths.iter().any(|listed| listed.depth() == 2 && listed.starts_with(&wanted))
    }

    /// The instances of an object.
    pub fn instances(&self, object: u16) -> impl Iterator<Item = u16> {
        let prefix = Path::object(object);
        let listed = self.paths.iter().filter(move |path| path.starts_with(&prefix));
        listed.filter_map(|path| path.ids().get(1).copied())
    }

    /// The segments of a request for `path`.
    pub fn segments(&self, path: Path) -> Vec<String> {
        let prefix = self.prefix.iter().flat_map(|prefix| prefix.split('/')).map(str::to_owned);
        prefix.chain(path.ids().iter().map(u16::to_string)).collect()
    }
}

/// The lists of all devices, each kept once.
#[derive(Default)]
pub(super) struct ObjectLists {
    by_payload: FxHashMap<u64, Arc<ObjectList>>,
    /// How many there may be before those that nobody has any more are dropped.
    sweep_at: usize,
}

impl ObjectLists {
    /// The list that this payload is.
    ///
    /// # Errors
    /// 4.13 for one that is longer than any meter's, 4.00 for what is no list.
    pub fn get(&mut self, payload: &[u8]) -> Result<Arc<ObjectList>, Code> {
        if payload.len() > LONGEST {
            return Err(Code::REQUEST_ENTITY_TOO_LARGE);
        }
        let mut hasher = FxHasher::default();
        hasher.write(payload);
        let key = hasher.finish();
        match self.by_payload.get(&key) {
            Some(list) if *list.payload == *payload => return Ok(list.clone()),
            _ => {}
        }
        let list = Arc::new(ObjectList::read(payload).map_err(|_| Code::BAD_REQUEST)?);
        if self.by_payload.len() >= self.sweep_at.max(SPARE) {
            self.by_payload.retain(|_, list| Arc::strong_count(list) > 1);
            self.sweep_at = 2 * self.by_payload.len();
        }
        // Two payloads of one hash take turns, at the price of being read more often.
        self.by_payload.insert(key, list.clone());
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> ObjectList {
        ObjectList::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_best_format_both_sides_speak_is_asked_for() {
        for (formats, best) in [
            ("\"60 110 112 11544\"", Some(ContentFormat::SENML_CBOR)),
            ("\"0 11542 110\"", Some(ContentFormat::SENML_JSON)),
            ("11542", Some(ContentFormat::TLV)),
            ("0", None),
        ] {
            let list = read(&format!("</>;rt=\"oma.lwm2m\";ct={formats},</3/0>"));
            assert_eq!(list.format, best, "{formats}");
        }
        assert_eq!(read("</3/0>").format, None);
    }

    #[test]
    fn only_instances_that_are_there_are_asked_for() {
        let list = read("</>;rt=\"oma.lwm2m\",</1/0>,</1/7>,</3/0>,</4>,</5/0>,<coap://x/9/0>,</a/b>");
        assert!(list.has(Path::object(3)) && list.has(Path::resource(5, 0, 3)));
        assert!(!list.has(Path::object(4)) && !list.has(Path::object(9)) && !list.has(Path::instance(3, 1)));
        assert_eq!(list.instances(1).collect::<Vec<_>>(), [0, 7]);
        assert_eq!(list.segments(Path::resource(5, 0, 3)), ["5", "0", "3"]);
    }

    #[test]
    fn an_alternate_path_is_taken_off_and_put_before_requests() {
        let list = read("</3/0>,</my/lwm2m>;rt=\"oma.lwm2m\";ct=112,</my/lwm2m/3/0>");
        assert!(list.has(Path::instance(3, 0)));
        assert_eq!(list.segments(Path::object(3)), ["my", "lwm2m", "3"]);
    }

    #[test]
    fn a_list_is_kept_once_for_all_who_have_it_and_no_longer() {
        let mut lists = ObjectLists::default();
        let first = lists.get(b"</3/0>").unwrap();
        assert!(Arc::ptr_eq(&first, &lists.get(b"</3/0>").unwrap()));
        for instance in 0..10_000 {
            lists.get(format!("</4/{instance}>").as_bytes()).unwrap();
        }
        assert!(lists.by_payload.len() <= SPARE + 1, "{}", lists.by_payload.len());
        assert!(Arc::ptr_eq(&first, &lists.get(b"</3/0>").unwrap()));
        assert!(lists.get(b"</3/0>, 3").is_err() && lists.get(b"\xff").is_err());
        let full = format!("</3/0>;x={}", "1".repeat(LONGEST - 9));
        assert!(lists.get(full.as_bytes()).is_ok());
        let longer = lists.get(format!("{full}1").as_bytes());
        assert_eq!(longer.err(), Some(Code::REQUEST_ENTITY_TOO_LARGE));
    }

    proptest! {
        #[test]
        fn what_was_listed_is_there_and_nothing_else(
            instances in proptest::collection::btree_set((0_u16..20, 0_u16..4), 0..12),
            prefix in prop_oneof![Just(""), Just("/lwm2m"), Just("/a/b")],
        ) {
            let mut list = format!("<{prefix}/>;rt=\"oma.lwm2m\"");
            for (object, instance) in &instances {
                list += &format!(",<{prefix}/{object}/{instance}>");
            }
            let list = read(&list);
            for object in 0..20 {
                let there = instances.iter().filter(|(of, _)| *of == object).map(|(_, instance)| *instance);
                prop_assert!(list.instances(object).eq(there.clone()));
                prop_assert_eq!(list.has(Path::object(object)), there.count() > 0);
            }
            let segments = format!("/{}", list.segments(Path::instance(3, 0)).join("/"));
            prop_assert_eq!(segments, format!("{prefix}/3/0"));
        }

        #[test]
        fn any_payload_is_read_or_refused(payload in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = ObjectList::read(&payload);
        }
    }
}
