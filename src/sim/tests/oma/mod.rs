//! The interoperability cases of OMA's Enabler Test Specification for LwM2M, one function each with the
//! number in its name; `docs/interoperability.md` says which case is which function, and where the numbers
//! come from.
//!
//! A real meter in a [`World`] is asked by a server, and bootstrapped by a Bootstrap-Server, that the case
//! plays by hand: each is one exchange layer and nothing else, so that what a case says goes over the wire
//! as it says it.

mod bootstrap;
mod composites;
mod management;
mod ours;
mod partner;
mod registration;
mod reporting;
mod rig;
mod secured;
mod store;
mod table;

use std::sync::Arc;
use std::time::Duration;

use super::{Setup, World};
use crate::base::{Instant, Seed};
use crate::metrics::MeterState;
use crate::protocol::client;
use crate::protocol::coap::{Code, ContentFormat, Message};
use crate::protocol::content::{self, Patch};
use crate::protocol::lwm2m::{Entry, Path, Value, Version};
use rig::Rig;
use store::{account, bootstrap_account, device, handed_out, security_object, server_object, with_lifetime};

const ALL: [Version; 3] = [Version::V1_0, Version::V1_1, Version::V1_2];
/// Those that have composites, Send and paths of resource instances.
const LATER: [Version; 2] = [Version::V1_1, Version::V1_2];
const ENDPOINT: &str = "urn:dev:os:meter-0000000";
/// What the server calls the registration: its location is `/rd/7`.
const LOCATION: [&str; 2] = ["rd", "7"];
/// /1/0/1 of the meter.
const LIFETIME: i64 = 86_400;
/// Longer than any answer takes that is not waited for on purpose.
const SOON: Duration = Duration::from_secs(1);

/// Each of the two SenML formats with each version that has them.
fn in_senml() -> impl Iterator<Item = (Version, ContentFormat)> {
    let formats = [ContentFormat::SENML_JSON, ContentFormat::SENML_CBOR];
    LATER.into_iter().flat_map(move |version| formats.map(|format| (version, format)))
}

fn at(path: &str) -> Path {
    path.parse().expect("a path")
}

/// A request by path and query: `/3/0?pmin=10`.
fn request(method: Code, target: &str) -> Message {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let request = Message::request(method).with_path(&segments);
    query.split('&').filter(|item| !item.is_empty()).fold(request, Message::with_query)
}

/// Read-Composite, or with an Observe option what goes with it.
fn composite(format: ContentFormat, paths: &[&str]) -> Message {
    let paths: Vec<Path> = paths.iter().map(|path| at(path)).collect();
    let payload = content::encode_paths(format, &paths).expect("paths that differ");
    request(Code::FETCH, "/").with_content_format(format).with_accept(format).with_payload(payload)
}

fn composite_values(answer: &Message, format: ContentFormat) -> Vec<Entry> {
    assert_eq!((answer.code(), answer.content_format()), (Code::CONTENT, Some(format)));
    content::decode(format, Path::ROOT, answer.payload()).expect("a payload in the format it says it has")
}

fn entry(path: &str, value: impl Into<Value>) -> Entry {
    Entry::new(at(path), value.into())
}

fn integer(path: &str, value: i64) -> Entry {
    Entry::new(at(path), Value::Integer(value))
}

fn boolean(path: &str, value: bool) -> Entry {
    Entry::new(at(path), Value::Boolean(value))
}

/// All of `expected` is there.
fn holds(entries: &[Entry], expected: &[Entry]) {
    for wanted in expected {
        let found = entries.iter().find(|entry| entry.path == wanted.path);
        assert_eq!(found.map(|found| &found.value), Some(&wanted.value), "{}", wanted.path);
    }
}

/// What the meter of the rig holds at `path`.
fn held(path: &str) -> Vec<Entry> {
    let path = at(path);
    [server_object(), device()].concat().into_iter().filter(|entry| entry.path.starts_with(&path)).collect()
}
