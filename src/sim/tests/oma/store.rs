//! What the meters of the cases hold.

use super::*;

/// The Bootstrap-Server's account, as instance 1 of /0 so that instance 0 is left for the server's
/// (configuration 13 of the specification, but without security).
pub(super) fn bootstrap_account() -> Vec<Entry> {
    vec![entry("/0/1/0", "coap://127.0.0.1:5783"), boolean("/0/1/1", true), integer("/0/1/2", 3)]
}

/// That and the server's account (configuration 3 of the specification, without security).
pub(super) fn account() -> Vec<Entry> {
    [security_object(), bootstrap_account(), server_object()].concat()
}

/// /0/0 of [`account`].
pub(super) fn security_object() -> Vec<Entry> {
    vec![
        entry("/0/0/0", "coap://127.0.0.1:5683"),
        boolean("/0/0/1", false),
        integer("/0/0/2", 3),
        integer("/0/0/10", 1),
    ]
}

/// What a Bootstrap-Server hands out (configuration 1 of the specification, without security).
pub(super) fn handed_out() -> Vec<Entry> {
    let mandatory = server_object().into_iter().filter(|entry| matches!(entry.path.ids()[2], 0 | 1 | 6 | 7));
    security_object().into_iter().chain(mandatory).collect()
}

/// /1/0 of [`account`].
pub(super) fn server_object() -> Vec<Entry> {
    vec![
        integer("/1/0/0", 1),
        integer("/1/0/1", LIFETIME),
        integer("/1/0/2", 1),
        integer("/1/0/3", 10),
        integer("/1/0/5", 86_400),
        boolean("/1/0/6", false),
        entry("/1/0/7", "U"),
    ]
}

/// All a registered meter holds, with another lifetime.
pub(super) fn with_lifetime(lifetime: i64) -> Vec<Entry> {
    let mut store = [account(), device()].concat();
    let held = store.iter_mut().filter(|entry| entry.path == at("/1/0/1"));
    held.for_each(|entry| entry.value = Value::Integer(lifetime));
    store
}

/// The device itself (configuration 6 of the specification), an object with several instances of a
/// resource that servers write, and what a meter is for.
pub(super) fn device() -> Vec<Entry> {
    vec![
        entry("/3/0/0", "bootstorm"),
        entry("/3/0/1", "simulated meter"),
        entry("/3/0/2", "serial-1"),
        entry("/3/0/3", "1.2.3"),
        integer("/3/0/6/0", 1),
        integer("/3/0/6/1", 5),
        integer("/3/0/7/0", 3800),
        integer("/3/0/7/1", 5000),
        integer("/3/0/8/0", 125),
        integer("/3/0/8/1", 900),
        integer("/3/0/9", 95),
        integer("/3/0/10", 15),
        integer("/3/0/11/0", 0),
        Entry::new(at("/3/0/13"), Value::Time(1_700_000_000)),
        entry("/3/0/14", "+02:00"),
        entry("/3/0/15", "Europe/Paris"),
        entry("/3/0/16", "U"),
        entry("/3/0/17", "smart meter"),
        integer("/3/0/20", 0),
        integer("/3/0/21", 64),
        integer("/4/0/0", 6),
        integer("/4/0/1/0", 6),
        integer("/4/0/2", -80),
        entry("/4/0/4/0", "192.0.2.1"),
        integer("/5/0/3", 0),
        integer("/5/0/5", 0),
        integer("/5/0/9", 2),
        entry("/11/0/0", "home"),
        integer("/11/0/4", 3),
        entry("/11/0/8/0", "26201"),
        entry("/11/0/8/1", "26202"),
        Entry::new(at("/10243/0/4"), Value::Float(230.5)),
        Entry::new(at("/10243/0/5"), Value::Float(1.25)),
        Entry::new(at("/10243/1/4"), Value::Float(229.5)),
        Entry::new(at("/10243/1/5"), Value::Float(0.5)),
    ]
}
