//! Making the entries of accounts, for devices that are fitted with them.

use std::fmt;
use std::time::Duration;

use super::{SECURITY, SERVER};
use crate::protocol::lwm2m::{Entry, Path, Value};

/// The factory entries of a Bootstrap-Server Account without security, as /0/0.
///
/// `uri` goes to /0/0/0, `hold_off` (whole seconds) to /0/0/11.
pub fn bootstrap_account(uri: &str, hold_off: Duration) -> Vec<Entry> {
    let resource = |id| Path::resource(SECURITY, 0, id);
    let hold_off = i64::try_from(hold_off.as_secs()).unwrap_or(i64::MAX);
    vec![
        Entry::new(resource(0), Value::String(uri.into())),
        Entry::new(resource(1), Value::Boolean(true)),
        Entry::new(resource(2), Value::Integer(Credentials::NoSec.mode())),
        Entry::new(resource(11), Value::Integer(hold_off)),
    ]
}

/// What a device has to know of an LwM2M server to register with it.
#[derive(Clone, Debug)]
pub struct ServerAccount {
    /// The instance of /0 and of /1 it takes, 0 to 65534. A Bootstrap-Server Account made by
    /// [`bootstrap_account`] takes /0/0.
    pub instance: u16,
    /// /0/x/0: where the server is.
    pub uri: String,
    /// /0/x/10 and /1/x/0: 1 to 65534.
    pub short_server_id: u16,
    /// /1/x/1, whole seconds.
    pub lifetime: Duration,
    /// /1/x/7, such as `U`.
    pub binding: String,
    /// How device and server know each other.
    pub credentials: Credentials,
}

/// How a device and a server know each other: /0/x/2 and the keys that go with it (/0/x/3, 4 and 5). Its
/// `Debug` tells lengths, not keys.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Security Mode 3: not at all.
    #[default]
    NoSec,
    /// Security Mode 0: by a key both have.
    PreSharedKey {
        /// Which key.
        identity: Vec<u8>,
        /// The key.
        key: Vec<u8>,
    },
    /// Security Mode 1: each by the other's public key.
    RawPublicKey {
        /// The device's public key (SubjectPublicKeyInfo).
        public: Vec<u8>,
        /// The device's private key (DER, RFC 5958).
        private: Vec<u8>,
        /// The server's public key (SubjectPublicKeyInfo).
        server: Vec<u8>,
    },
    /// Security Mode 2: by certificates.
    Certificate {
        /// The device's certificate (DER).
        certificate: Vec<u8>,
        /// The device's private key (DER, RFC 5958).
        private: Vec<u8>,
        /// What the server is known by: its certificate or a trust anchor (DER).
        server: Vec<u8>,
        /// /0/x/15, what `server` is: 0 to 3 (1.1); none is 3, the server's own certificate.
        usage: Option<u8>,
    },
    /// Security Mode 4: by a certificate the device has yet to enrol for by EST (1.1).
    Est {
        /// What the server is known by (DER).
        server: Vec<u8>,
    },
}

impl Credentials {
    /// /0/x/2.
    fn mode(&self) -> i64 {
        match self {
            Credentials::PreSharedKey { .. } => 0,
            Credentials::RawPublicKey { .. } => 1,
            Credentials::Certificate { .. } => 2,
            Credentials::NoSec => 3,
            Credentials::Est { .. } => 4,
        }
    }

    /// /0/x/3, 4 and 5, each where the mode uses it.
    fn keys(&self) -> [(u16, Option<&[u8]>); 3] {
        let [own, server, secret]: [Option<&[u8]>; 3] = match self {
            Credentials::NoSec => [None, None, None],
            Credentials::PreSharedKey { identity, key } => [Some(identity), None, Some(key)],
            Credentials::RawPublicKey { public, private, server } => {
                [Some(public), Some(server), Some(private)]
            }
            Credentials::Certificate { certificate, private, server, .. } => {
                [Some(certificate), Some(server), Some(private)]
            }
            Credentials::Est { server } => [None, Some(server), None],
        };
        [(3, own), (4, server), (5, secret)]
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials(mode {}", self.mode())?;
        for (id, key) in self.keys() {
            if let Some(key) = key {
                write!(f, ", /{id}: {} B", key.len())?;
            }
        }
        f.write_str(")")
    }
}

/// The entries of a whole Server Account: one instance of /0 and one of /1.
///
/// # Panics
/// If `instance` is 65535, which is reserved.
pub fn server_account(account: &ServerAccount) -> Vec<Entry> {
    let security = |id| Path::resource(SECURITY, account.instance, id);
    let server = |id| Path::resource(SERVER, account.instance, id);
    let ssid = Value::Integer(account.short_server_id.into());
    let lifetime = i64::try_from(account.lifetime.as_secs()).unwrap_or(i64::MAX);
    let keys = account
        .credentials
        .keys()
        .into_iter()
        .filter_map(|(id, key)| key.map(|key| Entry::new(security(id), Value::Opaque(key.into()))));
    let usage = match account.credentials {
        Credentials::Certificate { usage, .. } => usage,
        _ => None,
    };
    let mut entries = vec![
        Entry::new(security(0), Value::String(account.uri.as_str().into())),
        Entry::new(security(1), Value::Boolean(false)),
        Entry::new(security(2), Value::Integer(account.credentials.mode())),
    ];
    entries.extend(keys);
    entries.push(Entry::new(security(10), ssid.clone()));
    entries.extend(usage.map(|usage| Entry::new(security(15), Value::Unsigned(usage.into()))));
    entries.extend([
        Entry::new(server(0), ssid),
        Entry::new(server(1), Value::Integer(lifetime)),
        Entry::new(server(6), Value::Boolean(true)),
        Entry::new(server(7), Value::String(account.binding.as_str().into())),
    ]);
    entries
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{bootstrap_account_complete, consistent, servers};
    use super::*;
    use crate::protocol::lwm2m::{Tree, objects};

    fn account(credentials: Credentials) -> ServerAccount {
        ServerAccount {
            instance: 1,
            uri: "coap://127.0.0.1".to_owned(),
            short_server_id: 101,
            lifetime: Duration::from_secs(300),
            binding: "U".to_owned(),
            credentials,
        }
    }

    fn every_mode() -> [Credentials; 5] {
        [
            Credentials::NoSec,
            Credentials::PreSharedKey { identity: vec![1], key: vec![2; 16] },
            Credentials::RawPublicKey { public: vec![1], private: vec![2], server: vec![3] },
            Credentials::Certificate {
                certificate: vec![1],
                private: vec![2],
                server: vec![3],
                usage: Some(2),
            },
            Credentials::Est { server: vec![3] },
        ]
    }

    #[test]
    fn an_account_of_every_mode_is_one_a_device_registers_with() {
        for credentials in every_mode() {
            let entries = server_account(&account(credentials));
            for entry in &entries {
                let known = objects::resource(entry.path).expect("it is in the tables");
                assert!(known.accepts(&entry.value), "{entry:?}");
            }
            let tree = Tree::new(Arc::new(entries));
            assert!(consistent(&tree));
            assert_eq!(servers(&tree)[0].short_server_id, 101);
        }
    }

    #[test]
    fn no_key_is_shown() {
        let shown = format!("{:?}", Credentials::PreSharedKey { identity: vec![1], key: vec![77; 16] });
        assert_eq!(shown, "Credentials(mode 0, /3: 1 B, /5: 16 B)");
    }

    #[test]
    fn a_bootstrap_account_needs_the_keys_of_its_mode() {
        let mut tree = Tree::new(Arc::new(bootstrap_account("coap://127.0.0.1", Duration::ZERO)));
        assert!(bootstrap_account_complete(&tree));
        tree.set(Path::resource(0, 0, 2), Value::Integer(0));
        assert!(!bootstrap_account_complete(&tree));
        tree.set(Path::resource(0, 0, 3), Value::Opaque([1].into()));
        tree.set(Path::resource(0, 0, 5), Value::Opaque([1].into()));
        assert!(bootstrap_account_complete(&tree));
    }

    #[test]
    fn a_short_server_id_is_given_once() {
        let mut entries = server_account(&account(Credentials::NoSec));
        entries.extend(server_account(&ServerAccount { instance: 2, ..account(Credentials::NoSec) }));
        assert!(!consistent(&Tree::new(Arc::new(entries))));
    }
}
