//! Why a session did not come up, or ended.

/// Why a session did not come up, or broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The peer fell silent during the handshake: nobody there, an unknown identity, a wrong key.
    TimedOut,
    /// The peer sent this fatal alert (RFC 5246 §7.2).
    Alert(u8),
    /// The peer's certificate was not accepted.
    Certificate(CertificateFault),
    /// The peer broke the protocol, or wants something the engine cannot do.
    Protocol,
    /// The credentials cannot be used: a key that cannot be read, a mode the engine does not have.
    Credentials,
}

impl Failure {
    /// The AlertDescription that says it, received or to be sent (RFC 5246 §7.2.2).
    pub fn alert(self) -> Option<u8> {
        match self {
            Failure::TimedOut => None,
            Failure::Alert(alert) => Some(alert),
            Failure::Certificate(fault) => Some(fault.alert()),
            Failure::Protocol => Some(40),
            Failure::Credentials => Some(80),
        }
    }
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CertificateFault {
    /// It names somebody else.
    WrongName,
    /// Its chain leads to nobody who is trusted, or it is not the one that was to be expected.
    UnknownIssuer,
    /// It has signed itself, and is not the one that was to be expected.
    SelfSigned,
    /// It is valid no longer.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// It is no certificate, is signed in a way that is not known, or is not for this purpose.
    Unusable,
}

impl CertificateFault {
    /// Every one.
    pub const ALL: [CertificateFault; 6] = [
        CertificateFault::WrongName,
        CertificateFault::UnknownIssuer,
        CertificateFault::SelfSigned,
        CertificateFault::Expired,
        CertificateFault::NotYetValid,
        CertificateFault::Unusable,
    ];

    /// The place in the order of [`CertificateFault::ALL`].
    pub(super) const fn index(self) -> usize {
        self as usize
    }

    /// The stable key in result files.
    pub const fn name(self) -> &'static str {
        match self {
            CertificateFault::WrongName => "wrong-name",
            CertificateFault::UnknownIssuer => "unknown-issuer",
            CertificateFault::SelfSigned => "self-signed",
            CertificateFault::Expired => "expired",
            CertificateFault::NotYetValid => "not-yet-valid",
            CertificateFault::Unusable => "unusable",
        }
    }

    /// The AlertDescription that tells the peer (RFC 5246 §7.2.2).
    pub const fn alert(self) -> u8 {
        match self {
            CertificateFault::WrongName | CertificateFault::Unusable => 42,
            CertificateFault::UnknownIssuer | CertificateFault::SelfSigned => 48,
            CertificateFault::Expired => 45,
            CertificateFault::NotYetValid => 46,
        }
    }
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closed {
    /// In good order: close_notify, or the end of the stream.
    Orderly,
    /// The handshake failed, or the session broke.
    Failed(Failure),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_counted_where_they_are_listed() {
        for (place, fault) in CertificateFault::ALL.into_iter().enumerate() {
            assert_eq!(fault.index(), place, "{}", fault.name());
        }
    }
}
