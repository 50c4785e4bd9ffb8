//! What a meter holds when it leaves the factory, the same for a whole fleet.

use std::sync::Arc;
use std::time::Duration;

use crate::protocol::client::bootstrap_account;
use crate::protocol::lwm2m::{Entry, Path, Value};

/// The factory store of every meter: the Bootstrap-Server Account as /0/0 and the device itself as /3/0.
///
/// `bootstrap_uri` goes to /0/0/0 and `hold_off`, in whole seconds, to /0/0/11.
pub fn factory(bootstrap_uri: &str, hold_off: Duration) -> Arc<Vec<Entry>> {
    let mut entries = bootstrap_account(bootstrap_uri, hold_off);
    let text = |id, text: &str| Entry::new(Path::resource(3, 0, id), Value::String(text.into()));
    entries.push(text(0, "bootstorm"));
    entries.push(text(1, "simulated meter"));
    entries.push(text(3, env!("CARGO_PKG_VERSION")));
    // /3/0/11: error code 0, no error.
    entries.push(Entry::new(Path::resource_instance(3, 0, 11, 0), Value::Integer(0)));
    entries.push(text(16, "U"));
    entries.push(text(17, "smart meter"));
    // A store shares its template only if that is in order.
    entries.sort_by_key(|entry| entry.path);
    Arc::new(entries)
}
