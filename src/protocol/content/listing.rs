//! The two lists a client makes of what it holds: for its registration, and for a
//! Bootstrap-Server's Discover.

use std::fmt::Write as _;

use super::link::Writer;
use crate::protocol::coap::ContentFormat;
use crate::protocol::lwm2m::{Path, Tree, Value, Version, objects};

/// Objects that servers other than the Bootstrap-Server never see: Security, OSCORE, COSE
/// (LwM2M Core TS, "Register").
const HIDDEN: [u16; 3] = [0, 21, 23];

/// The payload of a registration or of an update with a full list, such as
/// `</>;rt="oma.lwm2m";ct=112,</1>;ver=1.2,</1/0>,</3>;ver=1.2,</3/0>`.
///
/// `formats` are those the client can answer in; with none, `ct` is left out. Every object of a
/// version other than 1.0 gets its `ver`, also where the LwM2M version implies it: no server takes
/// harm from that, and some believe 1.0 otherwise.
pub fn registration(tree: &Tree, version: Version, formats: &[ContentFormat]) -> Vec<u8> {
    let mut list = Writer::with_capacity(256);
    list.link(Path::ROOT).attribute("rt", "oma.lwm2m");
    match formats {
        [] => {}
        [only] => drop(list.number("ct", only.0.into())),
        several => {
            let mut numbers = String::with_capacity(6 * several.len());
            for (at, format) in several.iter().enumerate() {
                let separator = if at == 0 { "" } else { " " };
                // Writing to a string cannot fail.
                let _ = write!(numbers, "{separator}{}", format.0);
            }
            list.attribute("ct", &numbers);
        }
    }
    for object in tree.objects().filter(|object| !HIDDEN.contains(object)) {
        let object_version = objects::version(object, version);
        if object_version != (1, 0) {
            list.link(Path::object(object)).version(object_version);
        }
        for instance in tree.instances(object) {
            list.link(Path::instance(object, instance));
        }
    }
    list.finish()
}

/// The answer to a Bootstrap-Server's Discover at `path`, the root or an object, such as
/// `</>;lwm2m=1.2,</0/0>;uri="coaps://…";ssid=101,</0/1>,</1/0>;ssid=101,</3/0>`.
///
/// Only instances of accounts for LwM2M servers carry `ssid`, and those of Security `uri`: a
/// Bootstrap-Server finds its own account by their absence. `ver` is given where the LwM2M version,
/// which is in the list, does not imply it.
pub fn bootstrap_discover(tree: &Tree, version: Version, path: Path) -> Vec<u8> {
    let mut list = Writer::with_capacity(256);
    list.link(Path::ROOT).attribute("lwm2m", &version.to_string());
    let asked = path.ids().first().copied();
    for object in tree.objects().filter(|&object| asked.is_none_or(|asked| asked == object)) {
        let object_version = objects::version(object, version);
        if object_version != version.implied_object_version(object).unwrap_or((1, 0)) {
            list.link(Path::object(object)).version(object_version);
        }
        for instance in tree.instances(object) {
            list.link(Path::instance(object, instance));
            describe_account(&mut list, tree, object, instance);
        }
    }
    list.finish()
}

/// Adds `uri` and `ssid` to the link of a Security or Server instance.
fn describe_account(list: &mut Writer, tree: &Tree, object: u16, instance: u16) {
    let value = |resource| tree.get(Path::resource(object, instance, resource));
    let short_server_id = match object {
        0 if value(1).and_then(Value::as_bool) == Some(true) => None,
        0 => {
            if let Some(uri) = value(0).and_then(Value::as_str) {
                list.attribute("uri", uri);
            }
            value(10)
        }
        1 => value(0),
        _ => None,
    };
    if let Some(id) = short_server_id.and_then(Value::as_integer).and_then(|id| u64::try_from(id).ok()) {
        list.number("ssid", id);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::protocol::content::link;
    use crate::protocol::lwm2m::Entry;

    fn tree() -> Tree {
        Tree::new(Arc::new(vec![
            Entry::new(Path::resource(0, 0, 0), Value::from("coaps://ems.example:5684")),
            Entry::new(Path::resource(0, 0, 1), Value::Boolean(false)),
            Entry::new(Path::resource(0, 0, 10), Value::Integer(101)),
            Entry::new(Path::resource(0, 1, 0), Value::from("coaps://bs.example:5684")),
            Entry::new(Path::resource(0, 1, 1), Value::Boolean(true)),
            Entry::new(Path::resource(1, 0, 0), Value::Integer(101)),
            Entry::new(Path::resource(3, 0, 0), Value::from("ACME")),
            Entry::new(Path::resource(7, 0, 6), Value::Integer(1)),
        ]))
    }

    fn text(list: Vec<u8>) -> String {
        String::from_utf8(list).unwrap()
    }

    #[test]
    fn registrations_tell_objects_versions_and_formats() {
        assert_eq!(
            text(registration(&tree(), Version::V1_2, &[ContentFormat::SENML_CBOR])),
            "</>;rt=\"oma.lwm2m\";ct=112,</1>;ver=1.2,</1/0>,</3>;ver=1.2,</3/0>,</7/0>"
        );
        assert_eq!(
            text(registration(&tree(), Version::V1_1, &[ContentFormat::TEXT, ContentFormat::SENML_JSON])),
            "</>;rt=\"oma.lwm2m\";ct=\"0 110\",</1>;ver=1.1,</1/0>,</3>;ver=1.1,</3/0>,</7/0>"
        );
        assert_eq!(
            text(registration(&tree(), Version::V1_0, &[])),
            "</>;rt=\"oma.lwm2m\",</1/0>,</3/0>,</7/0>"
        );
    }

    #[test]
    fn a_bootstrap_server_finds_its_own_account() {
        let list = bootstrap_discover(&tree(), Version::V1_2, Path::ROOT);
        assert_eq!(
            text(list.clone()),
            "</>;lwm2m=1.2,</0/0>;uri=\"coaps://ems.example:5684\";ssid=101,</0/1>,</1/0>;ssid=101,</3/0>,</7/0>"
        );
        let links = link::decode(&list).unwrap();
        let own = links.iter().find(|link| {
            link.path().is_some_and(|path| path.starts_with(&Path::object(0)))
                && link.attribute("ssid").is_none()
        });
        assert_eq!(own.and_then(link::Link::path), Some(Path::instance(0, 1)));
    }

    #[test]
    fn discover_at_an_object_tells_that_object_only() {
        assert_eq!(
            text(bootstrap_discover(&tree(), Version::V1_1, Path::object(1))),
            "</>;lwm2m=1.1,</1/0>;ssid=101"
        );
    }
}
