//! Every operation against a small device, by its messages.

mod access;
mod client;
mod commands;
mod hostile;
mod reading;
mod writing;

use std::sync::Arc;

use super::*;
use crate::protocol::lwm2m::{Entry, Value};

const ALL: [Version; 3] = [Version::V1_0, Version::V1_1, Version::V1_2];

/// A device and one server that asks it.
struct Bench {
    tree: Tree,
    attributes: AttributeSet,
    server: u16,
    version: Version,
    device: Option<Box<dyn Device>>,
    effects: Effects,
    now: Instant,
}

impl Bench {
    /// A device of LwM2M `version` with a Bootstrap-Server Account and that of server 101.
    fn new(version: Version) -> Self {
        Bench {
            tree: Tree::new(Arc::new(template())),
            attributes: AttributeSet::default(),
            server: 101,
            version,
            device: None,
            effects: Effects::new(),
            now: Instant::from_secs(60),
        }
    }

    /// What the server is answered; the effects are in `effects`.
    fn ask(&mut self, request: Message) -> Message {
        self.effects.clear();
        let mut site = Site {
            asker: Asker::new(&self.tree, self.server, self.version),
            tree: &mut self.tree,
            attributes: &mut self.attributes,
            device: self.device.as_deref(),
            nature: 7,
            now: self.now,
        };
        serve(&mut site, operation(&request), &request, &mut self.effects)
    }

    /// The code the server is answered, as `4.05`.
    fn code(&mut self, request: Message) -> String {
        self.ask(request).code().to_string()
    }

    /// The text the server is answered.
    fn text(&mut self, request: Message) -> String {
        let answer = self.ask(request);
        assert_eq!(answer.code(), Code::CONTENT);
        String::from_utf8(answer.payload().to_vec()).unwrap()
    }

    fn get(&self, path: &str) -> Option<Value> {
        self.tree.get(at(path)).cloned()
    }

    /// All there is to see of the device, to find out whether anything changed.
    fn state(&self) -> State {
        let entries = self.tree.entries(Path::ROOT).map(|(path, value)| (path, value.clone()));
        let instances =
            |object| self.tree.instances(object).map(move |instance| Path::instance(object, instance));
        State {
            entries: entries.collect(),
            instances: self.tree.objects().flat_map(instances).collect(),
            attributes: format!("{:?}", self.attributes),
        }
    }
}

/// All there is to see of a device.
#[derive(Debug, PartialEq)]
struct State {
    entries: Vec<(Path, Value)>,
    /// Also those without values.
    instances: Vec<Path>,
    attributes: String,
}

fn at(path: &str) -> Path {
    path.parse().unwrap()
}

fn template() -> Vec<Entry> {
    let entry = |path: &str, value: Value| Entry::new(at(path), value);
    vec![
        entry("/0/0/0", "coap://bootstrap.example".into()),
        entry("/0/0/1", Value::Boolean(true)),
        entry("/1/0/0", Value::Integer(101)),
        entry("/1/0/1", Value::Integer(86400)),
        entry("/1/0/6", Value::Boolean(true)),
        entry("/1/0/7", "U".into()),
        entry("/3/0/0", "ACME".into()),
        entry("/3/0/6/0", Value::Integer(1)),
        entry("/3/0/6/1", Value::Integer(5)),
        entry("/3/0/11/0", Value::Integer(2)),
        entry("/3/0/11/3", Value::Integer(4)),
        entry("/3/0/13", Value::Time(1_700_000_000)),
        entry("/3/0/14", "+01:00".into()),
        entry("/3/0/16", "U".into()),
        entry("/5/0/1", "".into()),
        entry("/5/0/3", Value::Integer(0)),
        entry("/5/0/5", Value::Integer(0)),
        entry("/5/0/9", Value::Integer(2)),
        entry("/11/0/0", "one".into()),
        entry("/11/0/1", "internet".into()),
        entry("/11/0/4", Value::Integer(0)),
        entry("/11/0/8/0", "26201".into()),
        entry("/11/0/8/1", "26202".into()),
        entry("/11/0/13", Value::Integer(5)),
        entry("/20/0/4014", Value::Opaque([1, 2].into())),
        entry("/10243/0/4", Value::Float(230.0)),
        entry("/10243/0/5", Value::Float(1.5)),
        entry("/26241/0/0", "nobody defined this".into()),
    ]
}

/// A request by method, path and query: `request("GET /3/0?depth=1")`.
fn request(text: &str) -> Message {
    let (method, target) = text.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let code = match method {
        "GET" => Code::GET,
        "POST" => Code::POST,
        "PUT" => Code::PUT,
        "DELETE" => Code::DELETE,
        "FETCH" => Code::FETCH,
        "PATCH" => Code::PATCH,
        "IPATCH" => Code::IPATCH,
        other => panic!("{other}"),
    };
    let segments: Vec<&str> = path.split('/').skip(1).filter(|_| path != "/").collect();
    let request = Message::request(code).with_path(&segments);
    query.split('&').filter(|item| !item.is_empty()).fold(request, Message::with_query)
}

/// A request with a payload in text.
fn with_text(target: &str, payload: &str) -> Message {
    request(target).with_content_format(ContentFormat::TEXT).with_payload(payload.into())
}

/// A request with a payload in SenML JSON.
fn with_json(target: &str, payload: &str) -> Message {
    request(target).with_content_format(ContentFormat::SENML_JSON).with_payload(payload.into())
}

/// A request with these values as TLV.
fn with_tlv(target: &str, values: &[(&str, Value)]) -> Message {
    let request = request(target);
    let base = Path::from_segments(request.path()).unwrap();
    let entries: Vec<Entry> =
        values.iter().map(|(path, value)| Entry::new(at(path), value.clone())).collect();
    let payload = content::encode(ContentFormat::TLV, base, &entries).unwrap();
    request.with_content_format(ContentFormat::TLV).with_payload(payload)
}

/// Asks every request of a fresh device of each version it is for, and checks the code.
fn check(table: &[(&[Version], Message, &str)]) {
    for (versions, request, expected) in table {
        for version in *versions {
            let mut bench = Bench::new(*version);
            let before = bench.state();
            assert_eq!(bench.code(request.clone()), *expected, "{version}: {request:?}");
            if !expected.starts_with('2') {
                assert_eq!(bench.state(), before, "{version}: {request:?}");
                assert!(bench.effects.is_empty(), "{version}: {request:?}");
            }
        }
    }
}

#[test]
fn paths_methods_and_versions_are_told_apart() {
    let later = &ALL[1..];
    let first = &ALL[..1];
    check(&[
        (&ALL, request("GET /"), "4.05"),
        (&ALL, request("PUT /"), "4.05"),
        (&ALL, request("POST /"), "4.05"),
        (&ALL, request("DELETE /"), "4.05"),
        (&ALL, request("GET /3/zero"), "4.05"),
        (&ALL, request("GET /3/0/"), "4.05"),
        (&ALL, request("GET /3/00"), "4.05"),
        (&ALL, request("GET /65535"), "4.05"),
        (&ALL, request("GET /3/0/6/0/0"), "4.05"),
        (&ALL, request("GET /0/0/0"), "4.01"),
        (&ALL, request("GET /0"), "4.01"),
        (&ALL, request("DELETE /0/0"), "4.01"),
        (&ALL, with_text("PUT /21/0/0", "x"), "4.01"),
        (&ALL, request("GET /23"), "4.01"),
        (&ALL, request("PATCH /"), "4.05"),
        (&ALL, request("PATCH /3/0"), "4.05"),
        (first, request("GET /3/0/6/0"), "4.05"),
        (later, request("GET /3/0/6/0"), "2.05"),
        (first, with_json("FETCH /", r#"[{"n":"/3/0/0"}]"#), "4.05"),
        (later, with_json("FETCH /", r#"[{"n":"/3/0/0"}]"#), "2.05"),
        (later, with_json("FETCH /3", r#"[{"n":"/3/0/0"}]"#), "4.05"),
        (first, with_json("IPATCH /", r#"[{"n":"/3/0/14","vs":"Z"}]"#), "4.05"),
        (later, with_json("IPATCH /", r#"[{"n":"/3/0/14","vs":"Z"}]"#), "2.04"),
        (later, with_json("IPATCH /3/0", r#"[{"n":"14","vs":"Z"}]"#), "4.05"),
        (first, request("DELETE /11/0/8/0"), "4.05"),
        (later, request("DELETE /11/0/8/0"), "2.02"),
        (&ALL, Message::request(Code(9)).with_path(&["3"]), "4.05"),
    ]);
}

#[test]
fn a_request_counts_as_what_it_asks_for() {
    let observe = |target, value| request(target).with_observe(value);
    for (message, expected) in [
        (request("GET /3"), Some(Operation::Read)),
        (request("GET /3").with_accept(ContentFormat::LINK), Some(Operation::Discover)),
        (observe("GET /3", 0), Some(Operation::Observe)),
        (observe("GET /3", 1), Some(Operation::CancelObservation)),
        (observe("GET /3", 5), Some(Operation::Read)),
        (request("FETCH /"), Some(Operation::ReadComposite)),
        (observe("FETCH /", 0), Some(Operation::ObserveComposite)),
        (observe("FETCH /", 1), Some(Operation::CancelObservation)),
        (request("IPATCH /"), Some(Operation::WriteComposite)),
        (request("PUT /3/0/14?pmin=1"), Some(Operation::WriteAttributes)),
        (with_text("PUT /3/0/14", ""), Some(Operation::WriteReplace)),
        (request("POST /11"), Some(Operation::Create)),
        (request("POST /11/0"), Some(Operation::WritePartial)),
        (request("POST /11/0/8"), Some(Operation::WritePartial)),
        (request("POST /3/0/4"), Some(Operation::Execute)),
        (request("DELETE /3/0"), Some(Operation::Delete)),
        (request("PATCH /"), None),
    ] {
        assert_eq!(operation(&message), expected, "{message:?}");
    }
}
