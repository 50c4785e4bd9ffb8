use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// What a tree is, said plainly: which instances exist, and all values.
#[derive(Clone, Debug, Default)]
struct Model {
    instances: BTreeSet<Path>,
    values: BTreeMap<Path, Value>,
}

impl Model {
    fn of(template: &[Entry]) -> Self {
        let mut model = Model::default();
        for entry in template {
            model.set(entry.path, entry.value.clone());
        }
        model
    }

    fn set(&mut self, path: Path, value: Value) -> bool {
        if path.depth() < 3 {
            return false;
        }
        let resource = path.truncated(3);
        self.values.retain(|at, _| match path.depth() {
            3 => !at.starts_with(&path),
            _ => *at != resource,
        });
        self.instances.insert(path.truncated(2));
        self.values.insert(path, value);
        true
    }

    fn create(&mut self, path: Path) -> bool {
        self.instances.insert(path)
    }

    fn remove(&mut self, path: Path) -> bool {
        let before = (self.instances.len(), self.values.len());
        self.values.retain(|at, _| !at.starts_with(&path));
        self.instances.retain(|at| !at.starts_with(&path));
        before != (self.instances.len(), self.values.len())
    }

    fn clear_except(&mut self, kept: &[Path]) -> bool {
        let before = (self.instances.len(), self.values.len());
        self.values.retain(|at, _| kept.iter().any(|keep| at.starts_with(keep)));
        self.instances.retain(|at| kept.iter().any(|keep| at.starts_with(keep) || keep.starts_with(at)));
        before != (self.instances.len(), self.values.len())
    }
}

#[derive(Clone, Debug)]
enum Step {
    Set(Path, Value),
    SetAll(Vec<Entry>),
    /// An instance, and resources of it by resource and value.
    Replace(Path, BTreeMap<u16, Value>),
    Create(u16, u16),
    Remove(Path),
    ClearExcept(Vec<Path>),
}

/// Few identifiers, so that steps meet each other and the template.
fn path(depths: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Path> {
    prop::collection::vec(0..3u16, depths)
        .prop_map(|ids| ids.into_iter().fold(Path::ROOT, |path, id| path.child(id).expect("a small id")))
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![(0..2i64).prop_map(Value::Integer), "[ab]".prop_map(|text| Value::from(&*text))]
}

fn entries(max: usize) -> impl Strategy<Value = Vec<Entry>> {
    prop::collection::vec((path(3..=4), value()).prop_map(|(path, value)| Entry::new(path, value)), 0..max)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (path(2..=4), value()).prop_map(|(path, value)| Step::Set(path, value)),
        1 => entries(6).prop_map(Step::SetAll),
        2 => (0..3u16, 0..3u16).prop_map(|(object, instance)| Step::Create(object, instance)),
        2 => (path(2..=2), prop::collection::btree_map(0..3u16, value(), 0..3))
            .prop_map(|(instance, values)| Step::Replace(instance, values)),
        4 => path(0..=4).prop_map(Step::Remove),
        1 => prop::collection::vec(path(1..=4), 0..3).prop_map(Step::ClearExcept),
    ]
}

fn check(tree: &Tree, model: &Model) {
    let expected: Vec<_> = model.values.iter().map(|(path, value)| (*path, value)).collect();
    assert_eq!(tree.entries(Path::ROOT).collect::<Vec<_>>(), expected);
    let objects: BTreeSet<u16> = model.instances.iter().map(|path| path.ids()[0]).collect();
    assert!(tree.objects().eq(objects));
    for object in 0..3 {
        let expected =
            model.instances.iter().filter(|path| path.ids()[0] == object).map(|path| path.ids()[1]);
        assert!(tree.instances(object).eq(expected));
        for instance in 0..3 {
            let path = Path::instance(object, instance);
            assert_eq!(tree.has_instance(object, instance), model.instances.contains(&path));
            let expected = model.values.range(path..).take_while(|(at, _)| at.starts_with(&path));
            assert!(tree.entries(path).eq(expected.map(|(path, value)| (*path, value))));
        }
    }
    for path in model.values.keys().flat_map(|path| [*path, path.truncated(3), path.truncated(2)]) {
        assert_eq!(tree.get(path), model.values.get(&path));
    }
}

proptest! {
    #[test]
    fn a_tree_is_a_map(template in entries(12), steps in prop::collection::vec(step(), 0..24)) {
        let mut model = Model::of(&template);
        let mut tree = Tree::new(Arc::new(template));
        check(&tree, &model);
        for step in steps {
            let (snapshot, before) = (tree.clone(), model.clone());
            match step {
                Step::Set(path, value) => {
                    prop_assert_eq!(tree.set(path, value.clone()), model.set(path, value));
                }
                Step::SetAll(entries) => {
                    for entry in &entries {
                        model.set(entry.path, entry.value.clone());
                    }
                    prop_assert!(tree.set_all(entries));
                }
                Step::Replace(instance, values) => {
                    model.remove(instance);
                    model.create(instance);
                    let mut entries = Vec::new();
                    for (resource, value) in values {
                        let path = instance.child(resource).expect("a small id");
                        model.set(path, value.clone());
                        entries.insert(0, Entry::new(path, value));
                    }
                    prop_assert!(tree.replace(instance, entries));
                }
                Step::Create(object, instance) => {
                    let created = tree.create_instance(object, instance);
                    prop_assert_eq!(created, model.create(Path::instance(object, instance)));
                }
                Step::Remove(path) => prop_assert_eq!(tree.remove(path), model.remove(path)),
                Step::ClearExcept(kept) => {
                    prop_assert_eq!(tree.clear_except(&kept), model.clear_except(&kept));
                }
            }
            check(&tree, &model);
            check(&snapshot, &before);
        }
    }
}

fn device() -> Arc<Vec<Entry>> {
    Arc::new(vec![
        Entry::new(Path::resource(0, 0, 0), Value::from("coap://127.0.0.1:5783")),
        Entry::new(Path::resource(0, 0, 1), Value::Boolean(true)),
        Entry::new(Path::resource(3, 0, 0), Value::from("ACME")),
        Entry::new(Path::resource_instance(3, 0, 11, 0), Value::Integer(0)),
    ])
}

#[test]
fn what_equals_the_template_costs_nothing() {
    let mut tree = Tree::new(device());
    tree.set(Path::resource(3, 0, 0), Value::from("ACME"));
    assert_eq!(tree.heap_bytes(), 0);
    tree.set(Path::resource(3, 0, 0), Value::from("Other"));
    assert!(tree.heap_bytes() > 0);
    tree.set(Path::resource(3, 0, 0), Value::from("ACME"));
    tree.shrink_to_fit();
    assert_eq!(tree.heap_bytes(), 0);
}

#[test]
fn own_values_are_told_from_the_templates() {
    let manufacturer = Path::resource(3, 0, 0);
    let mut tree = Tree::new(device());
    assert!(!tree.is_own(manufacturer));
    tree.set(manufacturer, Value::from("Other"));
    assert!(tree.is_own(manufacturer) && !tree.is_own(Path::instance(3, 0)));
    tree.set(manufacturer, Value::from("ACME"));
    assert!(!tree.is_own(manufacturer), "as in the template again");
    tree.remove(manufacturer);
    assert!(!tree.is_own(manufacturer), "hidden");
    tree.set(Path::resource(3, 0, 1), Value::from("M1"));
    assert!(tree.is_own(Path::resource(3, 0, 1)), "not in the template at all");
}

#[test]
fn reserved_identifiers_name_no_instance() {
    let mut tree = Tree::new(device());
    assert!(!tree.create_instance(65535, 0));
    assert!(!tree.create_instance(0, 65535));
    assert!(!tree.has_instance(65535, 65535));
    assert_eq!(tree.instances(65535).count(), 0);
}

#[test]
fn an_unsorted_template_is_put_in_order() {
    let mut shuffled: Vec<Entry> = device().iter().rev().cloned().collect();
    shuffled.push(Entry::new(Path::resource(3, 0, 0), Value::from("later")));
    let tree = Tree::new(Arc::new(shuffled));
    assert_eq!(tree.get(Path::resource(3, 0, 0)), Some(&Value::from("later")));
    assert_eq!(tree.entries(Path::ROOT).count(), 4);
}

/// What DELETE / leaves of a device with many objects must not cost a slot per hidden value.
#[test]
fn clearing_hides_whole_objects_at_once() {
    let mut template: Vec<Entry> = device().to_vec();
    for object in 10..20 {
        template.extend((0..30).map(|id| Entry::new(Path::resource(object, 0, id), Value::Integer(1))));
    }
    let mut tree = Tree::new(Arc::new(template));
    tree.clear_except(&[Path::instance(0, 0), Path::instance(3, 0)]);
    assert!(tree.objects().eq([0, 3]));
    assert_eq!(tree.entries(Path::ROOT).count(), 4);
    assert_eq!(tree.heap_bytes(), 10 * 32);
}

/// Two security instances and a server account written by a bootstrap: what a million meters hold.
#[test]
fn a_bootstrapped_meter_is_small() {
    let mut tree = Tree::new(device());
    for instance in [1, 2] {
        let entry = |id, value| Entry::new(Path::resource(0, instance, id), value);
        assert!(tree.set_all(vec![
            entry(0, Value::from("coap://127.0.0.1:5683")),
            entry(1, Value::Boolean(false)),
            entry(2, Value::Integer(3)),
            entry(10, Value::Integer(101)),
            entry(11, Value::Integer(0)),
        ]));
    }
    for (id, value) in [0, 1, 5, 6, 7, 17].into_iter().zip([
        Value::Integer(101),
        Value::Integer(300),
        Value::Integer(86400),
        Value::Boolean(false),
        Value::from("U"),
        Value::Unsigned(5),
    ]) {
        tree.set(Path::resource(1, 0, id), value);
    }
    assert_eq!(size_of::<Tree>(), 32);
    assert!(tree.heap_bytes() < 600, "{} bytes", tree.heap_bytes());
}

#[test]
fn instances_of_the_template_are_told_from_those_that_came_later() {
    let mut tree = Tree::new(Arc::new(vec![
        Entry::new(Path::resource(3, 0, 0), "a".into()),
        Entry::new(Path::resource(3, 0, 1), "b".into()),
        Entry::new(Path::resource(5, 0, 3), Value::Integer(0)),
        Entry::new(Path::resource(9, 0, 0), "c".into()),
        Entry::new(Path::resource(9, 1, 0), "d".into()),
    ]));
    tree.set(Path::resource(3, 0, 0), "other".into());
    tree.set(Path::resource(4, 0, 0), "later".into());
    tree.replace(Path::instance(9, 1), vec![Entry::new(Path::resource(9, 1, 0), "new".into())]);
    tree.remove(Path::object(5));
    let shared: Vec<Path> = tree.shared_instances().collect();
    assert_eq!(shared, [Path::instance(3, 0), Path::instance(9, 0)]);
}
