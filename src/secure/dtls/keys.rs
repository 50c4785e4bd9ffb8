//! Private keys that are read once: the engine reads a key anew for each session, which takes about as long as a
//! signature with it, and keeps what it read.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex};

use dimpl::CryptoError;
use dimpl::crypto::{
    Buf, HashAlgorithm, KeyProvider, SignatureAlgorithm, SigningKey, aws_lc_rs::default_provider,
};

/// A private key for any number of sessions.
#[derive(Clone)]
pub(super) struct SharedKey {
    /// Of its own for each thread that serves, so that nobody waits for it.
    key: Arc<Mutex<Box<dyn SigningKey>>>,
    algorithm: SignatureAlgorithm,
    hash: HashAlgorithm,
    hashes: Arc<[HashAlgorithm]>,
}

impl SharedKey {
    /// Reads a key (PKCS#8 or SEC 1, DER or PEM).
    ///
    /// # Errors
    /// That it is none.
    pub(super) fn read(der: &[u8]) -> Result<Self, CryptoError> {
        let key = default_provider().key_provider.load_private_key(der)?;
        Ok(SharedKey {
            algorithm: key.algorithm(),
            hash: key.hash_algorithm(),
            hashes: key.supported_hash_algorithms().into(),
            key: Arc::new(Mutex::new(key)),
        })
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKey")
    }
}

impl SigningKey for SharedKey {
    fn sign(&mut self, data: &[u8], hash: HashAlgorithm, out: &mut Buf) -> Result<(), CryptoError> {
        let mut key = self.key.lock().map_err(|_| CryptoError::InvalidPrivateKey)?;
        key.sign(data, hash, out)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn hash_algorithm(&self) -> HashAlgorithm {
        self.hash
    }

    fn supported_hash_algorithms(&self) -> &[HashAlgorithm] {
        &self.hashes
    }
}

thread_local! {
    /// The key of the session that is being made: the engine's traits have no argument for it.
    static HELD: RefCell<Option<SharedKey>> = const { RefCell::new(None) };
}

/// Runs `make`, within which the engine gets this key instead of reading one.
pub(super) fn with_key<T>(key: SharedKey, make: impl FnOnce() -> T) -> T {
    HELD.set(Some(key));
    let made = make();
    // An engine that has not decided on its version yet has not asked for it; it will read it when it has.
    HELD.take();
    made
}

/// Reads keys, unless there is one at hand.
#[derive(Debug)]
struct Keys;

pub(super) static KEYS: &dyn KeyProvider = &Keys;

impl KeyProvider for Keys {
    fn load_private_key(&self, der: &[u8]) -> Result<Box<dyn SigningKey>, CryptoError> {
        match HELD.with_borrow(Clone::clone) {
            Some(key) => Ok(Box::new(key)),
            None => default_provider().key_provider.load_private_key(der),
        }
    }
}
