//! Who rustls asks about certificates: [`verify`], which also remembers what it found, since rustls has fewer words.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio_rustls::rustls;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};

use super::provider::provider;
use crate::secure::{CertificateFault, Identities, Identity, ServerSecurity, Trust, verify};

/// The signatures that LwM2M's certificates can make.
const SCHEMES: [SignatureScheme; 2] =
    [SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::ECDSA_NISTP384_SHA384];

/// A clock that is set by who is told the time: seconds since 1970-01-01 UTC.
#[derive(Debug, Default)]
pub(super) struct FixedTime(AtomicU64);

impl FixedTime {
    pub(super) fn set(&self, unix_now: Duration) {
        self.0.store(unix_now.as_secs(), Ordering::Relaxed);
    }
}

impl TimeProvider for FixedTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.load(Ordering::Relaxed))))
    }
}

/// Judges the server of one session.
#[derive(Debug)]
pub(super) struct ClientJudge {
    trust: Trust,
    time: Arc<FixedTime>,
    fault: OnceLock<CertificateFault>,
}

impl ClientJudge {
    /// Dates are held against this one instant: a handshake takes no longer than seconds.
    pub(super) fn new(trust: Trust, unix_now: Duration) -> Arc<Self> {
        let time = Arc::new(FixedTime::default());
        time.set(unix_now);
        Arc::new(ClientJudge { trust, time, fault: OnceLock::new() })
    }

    pub(super) fn time(&self) -> Arc<FixedTime> {
        self.time.clone()
    }

    /// What was wrong with the server's certificate, if that is why the handshake failed.
    pub(super) fn fault(&self) -> Option<CertificateFault> {
        self.fault.get().copied()
    }
}

impl ServerCertVerifier for ClientJudge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut chain: Vec<&[u8]> = vec![end_entity];
        chain.extend(intermediates.iter().map(|one| &one[..]));
        verify::server(&chain, &self.trust, Duration::from_secs(now.as_secs())).map_err(|fault| {
            self.fault.get_or_init(|| fault);
            error_of(fault)
        })?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

/// What was found out about a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Who it is.
    Known(Identity),
    /// Its certificate is in order, but nobody has its name.
    Nobody,
    /// What is wrong with its certificate.
    Fault(CertificateFault),
}

/// Judges the clients of a server.
pub(super) struct ServerJudge {
    anchors: Vec<Arc<[u8]>>,
    intermediates: Vec<Arc<[u8]>>,
    identities: Arc<dyn Identities>,
    /// On whom it was asked last: taken by the session it concerns, right after the bytes that led to it.
    verdict: Mutex<Option<Verdict>>,
}

impl ServerJudge {
    pub(super) fn new(security: &ServerSecurity) -> Arc<Self> {
        Arc::new(ServerJudge {
            anchors: security.peers.clone(),
            intermediates: security.intermediates.clone(),
            identities: security.identities.clone(),
            verdict: Mutex::new(None),
        })
    }

    /// The verdict since it was last taken, if there was one.
    pub(super) fn take(&self) -> Option<Verdict> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn judge(&self, leaf: &[u8], sent: &[CertificateDer<'_>], unix_now: Duration) -> Verdict {
        let between: Vec<&[u8]> =
            sent.iter().map(|one| &one[..]).chain(self.intermediates.iter().map(|one| &one[..])).collect();
        match verify::client(leaf, &between, &self.anchors, unix_now) {
            Ok(name) => self.identities.endpoint_of_subject(&name).map_or(Verdict::Nobody, Verdict::Known),
            Err(fault) => Verdict::Fault(fault),
        }
    }
}

impl fmt::Debug for ServerJudge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerJudge({} anchors)", self.anchors.len())
    }
}

impl ClientCertVerifier for ServerJudge {
    /// None: whom the server trusts is known to its clients, and the list would be sent in every handshake.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verdict = self.judge(end_entity, intermediates, Duration::from_secs(now.as_secs()));
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict.clone());
        match verdict {
            Verdict::Known(_) => Ok(ClientCertVerified::assertion()),
            // access_denied (RFC 5246 §7.2.2): "a valid certificate was received, but when access control was
            // applied, the sender decided not to proceed".
            Verdict::Nobody => Err(CertificateError::ApplicationVerificationFailure.into()),
            Verdict::Fault(fault) => Err(error_of(fault)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

/// The error that makes rustls send [`CertificateFault::alert`].
fn error_of(fault: CertificateFault) -> Error {
    #[derive(Debug, thiserror::Error)]
    #[error("{}", .0.name())]
    struct Named(CertificateFault);

    Error::InvalidCertificate(match fault {
        CertificateFault::WrongName => CertificateError::NotValidForName,
        CertificateFault::Unusable => CertificateError::BadEncoding,
        CertificateFault::UnknownIssuer | CertificateFault::SelfSigned => CertificateError::UnknownIssuer,
        CertificateFault::Expired => CertificateError::Expired,
        // certificate_unknown, as rustls sends it for what it has no word for.
        CertificateFault::NotYetValid => CertificateError::Other(OtherError(Arc::new(Named(fault)))),
    })
}
