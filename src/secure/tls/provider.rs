//! The cryptography of TLS, cut to what LwM2M uses.

use std::sync::{Arc, LazyLock};

use tokio_rustls::rustls;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};

/// The suites LwM2M's certificates are used with that rustls has (it has no CCM), the curves likewise: first P-256,
/// which every device has (LwM2M Transport §5.2.8).
static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        ],
        kx_groups: vec![kx_group::SECP256R1, kx_group::SECP384R1, kx_group::X25519],
        ..default_provider()
    })
});

pub(super) fn provider() -> &'static Arc<CryptoProvider> {
    &PROVIDER
}
