//! The codecs on the payloads of a bootstrap and a registration, each of which a server and its
//! fleet handle some tens of thousands of times a second.

use std::sync::Arc;

use bootstorm::protocol::coap::ContentFormat;
use bootstorm::protocol::content::{self, link, listing};
use bootstorm::protocol::lwm2m::{Entry, Path, Tree, Value, Version};
use divan::{Bencher, black_box};

const FORMATS: [u16; 3] = [11542, 112, 110];

fn security() -> (Path, Vec<Entry>) {
    let base = Path::instance(0, 1);
    let entry = |id, value| Entry::new(Path::resource(0, 1, id), value);
    let entries = vec![
        entry(0, Value::from("coap://127.0.0.1:5683")),
        entry(1, Value::Boolean(false)),
        entry(2, Value::Integer(3)),
        entry(10, Value::Integer(101)),
    ];
    (base, entries)
}

/// A tree as a bootstrap leaves it.
fn tree() -> Tree {
    let template = (0..20).map(|id| Entry::new(Path::resource(3, 0, id), Value::from("value"))).collect();
    let mut tree = Tree::new(Arc::new(template));
    tree.set_all(security().1);
    tree.set(Path::resource(1, 0, 0), Value::Integer(101));
    tree.set(Path::resource(1, 0, 1), Value::Integer(300));
    tree
}

#[divan::bench(args = FORMATS)]
fn encode_bootstrap_write(bencher: Bencher, format: u16) {
    let (base, entries) = security();
    bencher.bench(|| content::encode(ContentFormat(format), base, black_box(&entries)));
}

#[divan::bench(args = FORMATS)]
fn decode_bootstrap_write(bencher: Bencher, format: u16) {
    let (base, entries) = security();
    let payload = content::encode(ContentFormat(format), base, &entries).expect("entries of one instance");
    bencher.bench(|| content::decode(ContentFormat(format), base, black_box(&payload)));
}

#[divan::bench]
fn write_registration(bencher: Bencher) {
    let tree = tree();
    bencher.bench(|| listing::registration(black_box(&tree), Version::V1_2, &[ContentFormat::SENML_CBOR]));
}

#[divan::bench]
fn read_registration_borrowed(bencher: Bencher) {
    let payload = listing::registration(&tree(), Version::V1_2, &[ContentFormat::SENML_CBOR]);
    bencher.bench(|| {
        let links = link::links(black_box(&payload)).expect("a list of links");
        links.filter_map(|link| link.ok()?.path()).count()
    });
}

#[divan::bench]
fn read_registration_owned(bencher: Bencher) {
    let payload = listing::registration(&tree(), Version::V1_2, &[ContentFormat::SENML_CBOR]);
    bencher.bench(|| link::decode(black_box(&payload)));
}

#[divan::bench]
fn fill_a_tree(bencher: Bencher) {
    let template = Arc::new(Vec::new());
    bencher.with_inputs(|| security().1).bench_values(|entries| {
        let mut tree = Tree::new(Arc::clone(&template));
        tree.set_all(entries);
        tree
    });
}

#[divan::bench]
fn get_a_value(bencher: Bencher) {
    let tree = tree();
    bencher.bench(|| black_box(&tree).get(black_box(Path::resource(1, 0, 1))).and_then(Value::as_integer));
}
