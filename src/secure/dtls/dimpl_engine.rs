//! The first engine: `dimpl`. It, `keys` and `provider` are all that knows of it.

use std::cell::RefCell;
use std::sync::Arc;

use aws_lc_rs::hmac;
use dimpl::{
    CertificateError, Config, CryptoError, CryptoOperation, Dtls, DtlsCertificate, Error, Output,
    SecurityError,
};

use super::super::{Certificate, CertificateFault, Failure, Identity, Psk, ServerSecurity, Version};
use super::engine::{Engine, Event, FAR, Fault};
use super::keys::{self, SharedKey};
use super::provider::{self, CERTIFICATE_SUITE, PSK_SUITE, SUITE_13};
use super::wire::Hello;
use crate::base::Instant;
use crate::base::clock::{from_std, to_std};

/// The most bytes taken in while a handshake lasts; a good one has some five thousand.
const LONGEST_HANDSHAKE: usize = 1 << 16;
/// Room for all that can be polled: a certificate, which `dimpl` panics over if there is less room than that and
/// which is no longer than the handshake it came in; or a message, which is no longer than a datagram.
const SCRATCH: usize = LONGEST_HANDSHAKE + 64;

/// One end of a session.
pub(super) struct Dimpl {
    dtls: Dtls,
    /// Bytes taken in during the handshake; none count any more once it is over.
    taken: Option<usize>,
    /// When it was last called with a time.
    now: Instant,
    /// With what the cookie of the next hello was made. Apart, as it is large and soon of no use.
    cookies: Option<Arc<hmac::Key>>,
    /// Who the peer has just said it is.
    named: Option<Option<Identity>>,
}

/// A client's end with a pre-shared key.
pub(super) fn psk_client(psk: &Psk, now: Instant) -> Result<Dimpl, Failure> {
    // LwM2M Transport §5.2.9.1 gives these bounds; beyond, lengths on the wire might not hold them.
    let usable = psk.identity.len() <= 128 && (1..=64).contains(&psk.key.expose().len());
    let config = provider::psk_client(psk).ok().filter(|_| usable).ok_or(Failure::Credentials)?;
    Ok(Dimpl::client(Dtls::new_12_psk(config, to_std(now)), now))
}

/// A client's end with a certificate.
pub(super) fn certificate_client(
    own: &Certificate,
    version: Version,
    now: Instant,
) -> Result<Dimpl, Failure> {
    let config = provider::certificates(version).map_err(|_| Failure::Credentials)?;
    let (own, at) = (readable(own)?, to_std(now));
    let dtls = own.make(|own| match version {
        Version::Only12 => Dtls::new_12(config, own, at),
        Version::Upto13 => Dtls::new_auto(config, own, at),
    });
    Ok(Dimpl::client(dtls, now))
}

/// What the server's ends of one listener have in common.
pub(super) struct Servers {
    psk: Option<Result<Arc<Config>, Failure>>,
    certificate: Option<Result<Readable, Failure>>,
    version: Version,
}

/// What a client can be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Psk,
    Certificate12,
    Certificate13,
}

impl Servers {
    pub(super) fn new(security: &ServerSecurity, version: Version) -> Self {
        let psk = || provider::psk_server(Arc::clone(&security.identities)).map_err(|_| Failure::Credentials);
        Servers {
            psk: security.psk.then(psk),
            certificate: security.certificate.as_ref().map(readable),
            version,
        }
    }

    /// The way that a hello asks for: the first of the client's suites that there is a way for.
    pub(super) fn way(&self, hello: &Hello<'_>) -> Option<Way> {
        let has_certificate = self.certificate.is_some();
        let is_13 = has_certificate && self.version == Version::Upto13 && hello.offers_13();
        let way = |suite| match suite {
            _ if suite == PSK_SUITE.as_u16() && self.psk.is_some() => Some(Way::Psk),
            _ if suite == CERTIFICATE_SUITE.as_u16() && has_certificate => Some(Way::Certificate12),
            _ if suite == SUITE_13.as_u16() && is_13 => Some(Way::Certificate13),
            _ => None,
        };
        hello.suites().find_map(way)
    }

    /// The end of a session that this hello may begin, which it has yet to be handed.
    ///
    /// With `cookies`, the hello is the second of its handshake and has the right cookie: the engine, which counts
    /// on having seen the first, is shown that before.
    pub(super) fn end(
        &self,
        way: Way,
        hello: &Hello<'_>,
        cookies: Option<Arc<hmac::Key>>,
        now: Instant,
    ) -> Result<Dimpl, Failure> {
        let own = || self.certificate.clone().unwrap_or(Err(Failure::Credentials));
        let certificates = |version| provider::certificates(version).map_err(|_| Failure::Credentials);
        let at = to_std(now);
        let dtls = match way {
            Way::Psk => Dtls::new_12_psk(self.psk.clone().unwrap_or(Err(Failure::Credentials))?, at),
            Way::Certificate12 => {
                let config = certificates(Version::Only12)?;
                own()?.make(|own| Dtls::new_12(config, own, at))
            }
            Way::Certificate13 => {
                let config = certificates(Version::Upto13)?;
                own()?.make(|own| Dtls::new_13(config, own, at))
            }
        };
        let mut end = Dimpl { cookies, ..Dimpl::new(dtls, now) };
        if end.cookies.is_some() {
            let first = |_| Failure::Protocol;
            end.take_in(&hello.without_cookie(), now).map_err(first)?;
            // The answer to it, which went out long ago.
            while !matches!(end.poll(), Event::Idle(_)) {}
        }
        Ok(end)
    }
}

/// A certificate that the engine can make use of.
#[derive(Clone)]
pub(super) struct Readable {
    certificate: DtlsCertificate,
    key: SharedKey,
}

impl Readable {
    /// Makes an end with this certificate, whose key is not read again.
    fn make(self, make: impl FnOnce(DtlsCertificate) -> Dtls) -> Dtls {
        keys::with_key(self.key, || make(self.certificate))
    }
}

/// A certificate as the engine wants it, which panics over one that is missing or whose key it cannot read. It sends
/// the certificate alone, not what follows it in its chain.
pub(super) fn readable(own: &Certificate) -> Result<Readable, Failure> {
    let key = own.key.expose();
    let leaf = own.chain.first().filter(|leaf| !leaf.is_empty()).ok_or(Failure::Credentials)?;
    let certificate = DtlsCertificate { certificate: leaf.to_vec(), private_key: key.to_vec() };
    let key = SharedKey::read(key).map_err(|_| Failure::Credentials)?;
    Ok(Readable { certificate, key })
}

impl Dimpl {
    fn client(mut dtls: Dtls, now: Instant) -> Self {
        dtls.set_active(true);
        Dimpl::new(dtls, now)
    }

    fn new(dtls: Dtls, now: Instant) -> Self {
        Dimpl { dtls, taken: Some(0), now, cookies: None, named: None }
    }

    fn take_in(&mut self, datagram: &[u8], now: Instant) -> Result<(), Fault> {
        let Dimpl { dtls, cookies, .. } = self;
        let (result, named) = provider::feed(cookies.as_ref(), || {
            dtls.handle_timeout(to_std(now))?;
            dtls.handle_packet(datagram)
        });
        self.now = now;
        self.named = named.or(self.named.take());
        result.map_err(fault)
    }
}

impl Engine for Dimpl {
    fn handle_input(&mut self, datagram: &[u8], now: Instant) -> Result<(), Fault> {
        if let Some(taken) = &mut self.taken {
            *taken += datagram.len();
            if *taken > LONGEST_HANDSHAKE {
                return Err(Fault::Failure(Failure::Protocol));
            }
        }
        let result = self.take_in(datagram, now);
        self.cookies = None;
        result
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Fault> {
        self.now = now;
        self.dtls.handle_timeout(to_std(now)).map_err(fault)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.dtls.send_application_data(bytes).map(drop).map_err(fault)
    }

    fn close(&mut self) -> Result<(), Fault> {
        self.dtls.close().map_err(fault)
    }

    fn poll(&mut self) -> Event {
        thread_local! {
            static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into());
        }
        if let Some(named) = self.named.take() {
            return Event::Named(named);
        }
        BUFFER.with_borrow_mut(|buffer| {
            loop {
                return match self.dtls.poll_output(buffer) {
                    Output::Packet(bytes) => Event::Transmit(bytes.to_vec()),
                    Output::PeerCert(der) => Event::PeerCertificate(der.to_vec()),
                    Output::Connected => {
                        self.taken = None;
                        Event::Connected
                    }
                    Output::ApplicationData(bytes) => Event::Received(bytes.to_vec()),
                    Output::CloseNotify => Event::CloseNotify,
                    Output::Timeout(at) => {
                        Event::Idle(Some(from_std(at)).filter(|at| at.since(self.now) < FAR))
                    }
                    // Keys for media, which nobody has asked for.
                    Output::KeyingMaterial(..) => continue,
                    _ => Event::Idle(None),
                };
            }
        })
    }
}

/// What is behind an error. All of them end the session.
fn fault(error: Error) -> Fault {
    Fault::Failure(match error {
        Error::Timeout(_) => Failure::TimedOut,
        Error::SecurityError(SecurityError::FatalAlert { description }) => Failure::Alert(description),
        // What the client protects first is its Finished, and a wrong key shows there: the record cannot be read,
        // or (with other cipher suites) its contents are not what they should be.
        Error::CryptoError(CryptoError::OperationFailed(CryptoOperation::Decrypt))
        | Error::SecurityError(SecurityError::ClientFinishedVerificationFailed) => return Fault::OtherKeys,
        // The one error of which it writes the alert: it has thrown away all else that was to be sent.
        Error::CertificateError(CertificateError::NoClientCertificateReceived) => {
            return Fault::Said(Failure::Certificate(CertificateFault::Unusable));
        }
        Error::CertificateError(_) => Failure::Certificate(CertificateFault::Unusable),
        Error::PskError(_) | Error::ConfigError(_) => Failure::Credentials,
        _ => Failure::Protocol,
    })
}
