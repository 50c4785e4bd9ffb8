//! Configurations of the engine, cut down to what a session needs: `Config::build` tries out all the cryptography
//! it is given, and takes a millisecond for what a session with a pre-shared key never uses.

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::hmac;
use dimpl::crypto::{
    CryptoProvider, Dtls12CipherSuite, Dtls13CipherSuite, HashAlgorithm, HmacProvider, NamedGroup,
    SupportedDtls12CipherSuite, SupportedDtls13CipherSuite, aws_lc_rs::default_provider,
};
use dimpl::{Config, ConfigBuilder, CryptoError, Error, PskResolver};

use super::super::{Identities, Identity, Psk, Secret, Version};
use super::keys::KEYS;

/// The suite of DTLS 1.3, as AES128-CCM-8 is neither there.
pub(super) const SUITE_13: Dtls13CipherSuite = Dtls13CipherSuite::AES_128_GCM_SHA256;
/// The one suite for pre-shared keys that every LwM2M client has (Transport §5.2.8.1).
pub(super) const PSK_SUITE: Dtls12CipherSuite = Dtls12CipherSuite::PSK_AES128_CCM_8;
/// The suite for certificates that this engine and OpenSSL, mbedTLS and Californium all have; the one LwM2M
/// asks for, with AES128-CCM-8, it has not.
pub(super) const CERTIFICATE_SUITE: Dtls12CipherSuite = Dtls12CipherSuite::ECDHE_ECDSA_AES128_GCM_SHA256;

/// A client's configuration for one key.
pub(super) fn psk_client(psk: &Psk) -> Result<Arc<Config>, Error> {
    let key = Arc::new(OneKey(psk.key.clone()));
    cut_down().with_psk_client(psk.identity.to_vec(), key).build().map(Arc::new)
}

/// A server's configuration for the keys it knows. Which of them a session has asked for, [`feed`] tells.
pub(super) fn psk_server(identities: Arc<dyn Identities>) -> Result<Arc<Config>, Error> {
    let keys = Arc::new(KnownKeys(AssertUnwindSafe(identities)));
    cut_down().with_psk_server(None, keys).build().map(Arc::new)
}

/// The configuration for certificates, of clients and servers; one for all, as there is nothing in it that differs.
pub(super) fn certificates(version: Version) -> Result<Arc<Config>, Error> {
    static ONLY_12: OnceLock<Arc<Config>> = OnceLock::new();
    static UPTO_13: OnceLock<Arc<Config>> = OnceLock::new();
    let (shared, suites): (_, &[Dtls13CipherSuite]) = match version {
        Version::Only12 => (&ONLY_12, &[]),
        Version::Upto13 => (&UPTO_13, &[SUITE_13]),
    };
    if let Some(config) = shared.get() {
        return Ok(Arc::clone(config));
    }
    let config = Config::builder()
        .with_crypto_provider(CryptoProvider {
            hmac_provider: &COOKIES,
            key_provider: KEYS,
            ..default_provider()
        })
        .dtls12_cipher_suites(&[CERTIFICATE_SUITE])
        .dtls13_cipher_suites(suites)
        // LwM2M Transport §5.2.8: P-256 must be there, and is what its suites are used with.
        .kx_groups(&[NamedGroup::Secp256r1])
        .build()?;
    Ok(Arc::clone(shared.get_or_init(|| Arc::new(config))))
}

/// Everything that a session with a pre-shared key uses, and nothing else. Handed to a builder, never installed as
/// the default: sessions with certificates would fail with it.
fn cut_down() -> ConfigBuilder {
    static PROVIDER: OnceLock<CryptoProvider> = OnceLock::new();
    static SUITES: OnceLock<Vec<&'static dyn SupportedDtls12CipherSuite>> = OnceLock::new();
    static SUITES_13: OnceLock<Vec<&'static dyn SupportedDtls13CipherSuite>> = OnceLock::new();
    let provider = PROVIDER.get_or_init(|| {
        let all = default_provider();
        let suites = || all.cipher_suites.iter().copied().filter(|one| one.suite() == PSK_SUITE).collect();
        // May not be empty, though none of it is offered.
        let suites_13 =
            || all.dtls13_cipher_suites.iter().copied().filter(|one| one.suite() == SUITE_13).collect();
        CryptoProvider {
            kx_groups: &[],
            cipher_suites: SUITES.get_or_init(suites),
            dtls13_cipher_suites: SUITES_13.get_or_init(suites_13),
            hmac_provider: &COOKIES,
            ..all
        }
    });
    Config::builder().with_crypto_provider(provider.clone()).dtls13_cipher_suites(&[])
}

/// The key of a client.
struct OneKey(Secret);

impl PskResolver for OneKey {
    fn resolve(&self, _identity: &[u8]) -> Option<Vec<u8>> {
        Some(self.0.expose().to_vec())
    }
}

/// The keys a server knows.
struct KnownKeys(AssertUnwindSafe<Arc<dyn Identities>>);

impl PskResolver for KnownKeys {
    fn resolve(&self, identity: &[u8]) -> Option<Vec<u8>> {
        let (key, endpoint) = self.0.psk(identity).unzip();
        FED.with_borrow_mut(|fed| fed.named = Some(endpoint));
        key.map(|key| key.expose().to_vec())
    }
}

/// What goes with the datagram that an engine of a server is being fed: its traits have no argument for it, and a
/// configuration of its own for each session would cost a millisecond where there are certificates.
#[derive(Default)]
struct Fed {
    /// With what cookies are made for this peer.
    cookies: Option<Arc<hmac::Key>>,
    /// What was found for the identity that was asked for, if one was.
    named: Option<Option<Identity>>,
}

thread_local! {
    static FED: RefCell<Fed> = RefCell::default();
}

/// Runs `call`, within which a server's engine makes and checks its cookies with this key; also tells whose key it
/// asked for, if it did: `Some(None)` is an identity that nobody has.
pub(super) fn feed<T>(
    cookies: Option<&Arc<hmac::Key>>,
    call: impl FnOnce() -> T,
) -> (T, Option<Option<Identity>>) {
    FED.set(Fed { cookies: cookies.cloned(), named: None });
    let result = call();
    (result, FED.take().named)
}

/// HMAC as the engine has it, but for cookies: of HMAC-SHA256 alone it makes no other use. Its own cookies are good
/// for the session that made them; these are for whoever is fed the next hello of the same peer.
#[derive(Debug)]
struct Cookies;

static COOKIES: Cookies = Cookies;

impl HmacProvider for Cookies {
    fn hmac_sha256(&self, key: &[u8], data: &[u8]) -> Result<[u8; 32], CryptoError> {
        let tag = FED.with_borrow(|fed| match &fed.cookies {
            Some(cookies) => hmac::sign(cookies, data),
            None => hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data),
        });
        let mut out = [0; 32];
        out.copy_from_slice(tag.as_ref());
        Ok(out)
    }

    fn hmac(
        &self,
        hash: HashAlgorithm,
        key: &[u8],
        data: &[u8],
        out: &mut [u8],
    ) -> Result<usize, CryptoError> {
        default_provider().hmac_provider.hmac(hash, key, data, out)
    }
}
