use std::sync::Arc;

use proptest::prelude::*;

use super::*;

const EMS: u16 = 101;
const OTHER: u16 = 102;
const THIRD: u16 = 103;
const BOOTSTRAP: u16 = 65535;

const READ_WRITE: Rights = Rights::READ.with(Rights::WRITE);

/// A /2 instance: object, object instance, owner, and entries by server.
type Control<'a> = (u16, u16, u16, &'a [(u16, i64)]);

/// A device with accounts of all three servers, /3/0, two instances each of /9 and /11, and access
/// control as given, the first at /2/0.
fn device(controls: &[Control<'_>]) -> Tree {
    let mut tree = Tree::new(Arc::new(vec![
        Entry::new(Path::resource(3, 0, 0), Value::from("ACME")),
        Entry::new(Path::resource(9, 0, 0), Value::from("app")),
        Entry::new(Path::resource(9, 1, 0), Value::from("app")),
        Entry::new(Path::resource(11, 0, 0), Value::from("apn")),
        Entry::new(Path::resource(11, 1, 0), Value::from("apn")),
    ]));
    for (at, ssid) in (0..).zip([EMS, OTHER, THIRD]) {
        tree.set(Path::resource(SERVER, at, 0), Value::Integer(ssid.into()));
    }
    for (at, (object, instance, owner, entries)) in (0..).zip(controls) {
        let mut put = |resource, number: u16| {
            tree.set(Path::resource(ACCESS_CONTROL, at, resource), Value::Integer(number.into()))
        };
        put(OBJECT_ID, *object);
        put(INSTANCE_ID, *instance);
        put(OWNER, *owner);
        for (server, bits) in *entries {
            tree.set(Path::resource_instance(ACCESS_CONTROL, at, ACL, *server), Value::Integer(*bits));
        }
    }
    tree
}

fn owner(tree: &Tree, control: u16) -> Option<u16> {
    number(tree, Path::resource(ACCESS_CONTROL, control, OWNER))
}

#[test]
fn the_only_server_may_do_everything() {
    let tree = device(&[(9, 0, OTHER, &[(EMS, 1)])]);
    assert_eq!(rights(&tree, EMS, 9, 0, 1), Rights::ALL);
    assert!(may_create(&tree, EMS, 9, 1));
}

#[test]
fn what_nobody_was_granted_is_closed() {
    let tree = device(&[(9, 0, EMS, &[])]);
    assert_eq!(rights(&tree, EMS, 9, 1, 2), Rights::NONE, "no /2 instance");
    assert_eq!(rights(&tree, OTHER, 9, 0, 2), Rights::NONE, "no entry for it");
}

#[test]
fn an_owner_without_an_entry_may_do_everything() {
    let tree = device(&[(9, 0, EMS, &[(OTHER, 1), (DEFAULT, 1)])]);
    assert_eq!(rights(&tree, EMS, 9, 0, 2), Rights::ALL);
}

#[test]
fn an_own_entry_counts_before_ownership_and_default() {
    let tree = device(&[(9, 0, EMS, &[(EMS, 1), (OTHER, 0), (DEFAULT, 31)])]);
    assert_eq!(rights(&tree, EMS, 9, 0, 2), Rights::READ);
    assert_eq!(rights(&tree, OTHER, 9, 0, 2), Rights::NONE, "shut out on purpose");
    assert_eq!(rights(&tree, THIRD, 9, 0, 2), Rights::ALL, "by default");
}

#[test]
fn reserved_bits_grant_nothing() {
    let tree = device(&[(9, 0, BOOTSTRAP, &[(EMS, 0x160), (OTHER, 0x163), (THIRD, -1)])]);
    assert_eq!(rights(&tree, EMS, 9, 0, 2), Rights::NONE);
    let other = rights(&tree, OTHER, 9, 0, 2);
    assert!(other.contains(READ_WRITE) && !other.contains(Rights::EXECUTE));
    assert_eq!(rights(&tree, THIRD, 9, 0, 2), Rights::ALL);
}

#[test]
fn identifiers_that_name_no_server_have_no_rights() {
    let mut tree = device(&[(9, 0, BOOTSTRAP, &[(OTHER, 3), (DEFAULT, 3)])]);
    assert_eq!(rights(&tree, 65535, 9, 0, 2), Rights::NONE);
    assert_eq!(rights(&tree, 0, 9, 0, 2), Rights::NONE);
    assert_eq!(rights(&tree, EMS, 65535, 65535, 2), Rights::NONE);
    assert!(created(&tree, 65535, 9, 1).is_empty());
    for nobody in [0, 65535] {
        server_removed(&mut tree, nobody);
    }
    assert_eq!((owner(&tree, 0), rights(&tree, EMS, 9, 0, 2)), (Some(BOOTSTRAP), READ_WRITE));
}

#[test]
fn creating_is_a_right_on_the_object() {
    let tree = device(&[(9, WHOLE_OBJECT, BOOTSTRAP, &[(EMS, 16)]), (11, 0, OTHER, &[(OTHER, 31)])]);
    assert!(may_create(&tree, EMS, 9, 2));
    assert!(!may_create(&tree, OTHER, 9, 2));
    assert!(!may_create(&tree, OTHER, 11, 2), "a right on an instance");
    assert!(!may_create(&tree, EMS, ACCESS_CONTROL, 2));
    assert_eq!(control_of(&tree, 9, WHOLE_OBJECT), Some(0));
}

#[test]
fn access_control_is_written_by_its_owner_and_read_by_all() {
    let tree = device(&[(9, 0, EMS, &[(OTHER, 31)])]);
    assert_eq!(rights(&tree, EMS, ACCESS_CONTROL, 0, 2), READ_WRITE);
    assert_eq!(rights(&tree, OTHER, ACCESS_CONTROL, 0, 2), Rights::READ);
}

#[test]
fn what_a_server_creates_is_its_own() {
    let mut tree = device(&[(9, 0, OTHER, &[]), (9, 1, OTHER, &[])]);
    tree.remove(Path::instance(ACCESS_CONTROL, 0));
    let entries = created(&tree, EMS, 11, 0);
    assert!(entries.iter().all(|entry| entry.path.starts_with(&Path::instance(ACCESS_CONTROL, 0))));
    assert!(tree.set_all(entries));
    assert_eq!(control_of(&tree, 11, 0), Some(0));
    assert_eq!(owner(&tree, 0), Some(EMS));
    let all_but_create = READ_WRITE.with(Rights::EXECUTE).with(Rights::DELETE);
    assert_eq!(rights(&tree, EMS, 11, 0, 2), all_but_create);
    assert_eq!(rights(&tree, OTHER, 11, 0, 2), Rights::NONE);
    let next = created(&tree, EMS, 11, 1);
    assert_eq!(next[0].path, Path::resource(ACCESS_CONTROL, 2, OBJECT_ID), "behind those there are");
}

#[test]
fn what_only_a_removed_server_could_access_goes_with_it() {
    let mut tree = device(&[
        (9, 0, EMS, &[(EMS, 31)]),
        (9, 1, EMS, &[(EMS, 31), (OTHER, 1)]),
        (11, 0, BOOTSTRAP, &[(EMS, 31), (OTHER, 0)]),
        (11, WHOLE_OBJECT, BOOTSTRAP, &[(EMS, 16)]),
        (3, 0, EMS, &[]),
        (SERVER, 0, EMS, &[(OTHER, 1)]),
        (SERVER, 1, EMS, &[]),
    ]);
    server_removed(&mut tree, EMS);
    assert!(!tree.has_instance(9, 0) && !tree.has_instance(11, 0));
    assert!(tree.has_instance(9, 1) && tree.has_instance(11, 1), "others can, or nobody was asked");
    assert!(tree.has_instance(3, 0), "never deleted");
    assert!(tree.instances(ACCESS_CONTROL).eq([1]));
    assert!(tree.instances(SERVER).eq([1, 2]), "its own account went, and no other");
}

#[test]
fn ownership_passes_to_who_may_write_and_delete_most() {
    let mut tree = device(&[
        (9, 0, EMS, &[(OTHER, 2), (THIRD, 8)]),
        (9, 1, EMS, &[(OTHER, 5), (THIRD, 1)]),
        (11, 0, EMS, &[(OTHER, 1), (DEFAULT, 3)]),
        (11, 1, OTHER, &[(EMS, 31), (THIRD, 31)]),
    ]);
    server_removed(&mut tree, EMS);
    assert_eq!(owner(&tree, 0), Some(THIRD), "Delete weighs more than Write");
    assert_eq!(owner(&tree, 1), Some(OTHER), "of equals the lowest");
    assert_eq!(owner(&tree, 2), Some(THIRD), "by the default entry");
    assert_eq!(owner(&tree, 3), Some(OTHER), "not the removed server's");
    assert_eq!(tree.get(Path::resource_instance(ACCESS_CONTROL, 3, ACL, EMS)), None);
    assert_eq!(tree.get(Path::resource_instance(ACCESS_CONTROL, 3, ACL, THIRD)), Some(&Value::Integer(31)));
}

#[test]
fn a_server_without_an_account_changes_nothing() {
    let mut tree = device(&[(9, 0, EMS, &[(OTHER, 1)]), (9, 1, BOOTSTRAP, &[])]);
    let before: Vec<_> = tree.entries(Path::ROOT).map(|(path, value)| (path, value.clone())).collect();
    server_removed(&mut tree, 999);
    let after: Vec<_> = tree.entries(Path::ROOT).map(|(path, value)| (path, value.clone())).collect();
    assert_eq!(before, after);
}

proptest! {
    #[test]
    fn nobody_loses_by_the_removal_of_another(
        controls in prop::collection::vec(
            (
                prop::sample::select(vec![EMS, OTHER, BOOTSTRAP]),
                prop::collection::vec((prop::sample::select(vec![DEFAULT, EMS, OTHER, THIRD]), 0..32i64), 0..4),
            ),
            4,
        )
    ) {
        let targets = [(9, 0), (9, 1), (11, 0), (11, 1)];
        let listed: Vec<_> = targets
            .iter()
            .zip(&controls)
            .map(|(&(object, instance), (owner, entries))| (object, instance, *owner, entries.as_slice()))
            .collect();
        let mut tree = device(&listed);
        let granted = |tree: &Tree| -> Vec<Rights> {
            let each = |&(object, instance)| [OTHER, THIRD].map(|ssid| rights(tree, ssid, object, instance, 3));
            targets.iter().flat_map(each).collect()
        };
        let before = granted(&tree);
        server_removed(&mut tree, EMS);
        for (before, after) in before.into_iter().zip(granted(&tree)) {
            prop_assert!(after.contains(before));
        }
        for control in tree.instances(ACCESS_CONTROL) {
            prop_assert_ne!(owner(&tree, control), Some(EMS));
            prop_assert_eq!(tree.get(Path::resource_instance(ACCESS_CONTROL, control, ACL, EMS)), None);
        }
        for (object, instance) in targets {
            prop_assert_eq!(
                tree.has_instance(object, instance),
                control_of(&tree, object, instance).is_some()
            );
        }
    }
}
