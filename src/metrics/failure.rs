//! Why an attempt of a meter did not succeed.

use std::fmt;

/// Why an attempt of a meter did not succeed; its name is the key under `failures`.
///
/// The `..Refused` kinds carry the response code as in the CoAP header: class in the upper three
/// bits, detail in the lower five (RFC 7252 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// No answer to the Bootstrap-Request within the time the protocol allows.
    BootstrapTimeout,
    /// The Bootstrap-Server answered with a Reset.
    BootstrapReset,
    /// The Bootstrap-Request was accepted, and no Finish followed.
    BootstrapNoFinish,
    /// The Finish came for a configuration that does not hang together; it was answered with 4.06.
    BootstrapInconsistent,
    /// The bootstrap ended without an account of a server to register with.
    BootstrapNoAccount,
    /// No answer to the Register.
    RegistrationTimeout,
    /// The EMS answered the Register with a Reset.
    RegistrationReset,
    /// The Register was answered with 2.01 and no Location-Path.
    RegistrationNoLocation,
    /// No answer to the Update.
    UpdateTimeout,
    /// The EMS answered the Update with a Reset.
    UpdateReset,
    /// No answer to the De-register.
    DeregistrationTimeout,
    /// The EMS answered the De-register with a Reset.
    DeregistrationReset,
    /// The Bootstrap-Request was answered with this code.
    BootstrapRefused(u8),
    /// The Register was answered with this code.
    RegistrationRefused(u8),
    /// The Update was answered with this code.
    UpdateRefused(u8),
    /// The De-register was answered with this code.
    DeregistrationRefused(u8),
    /// No answer to the Bootstrap-Pack-Request.
    PackTimeout,
    /// The Bootstrap-Server answered the Bootstrap-Pack-Request with a Reset.
    PackReset,
    /// The Bootstrap-Pack-Request was answered with this code.
    PackRefused(u8),
    /// The Bootstrap-Pack could not be read, or its configuration does not hang together.
    PackInvalid,
    /// The smartcard did not answer.
    CardUnreadable,
    /// There is no card where one was to be.
    CardMissing,
    /// What the smartcard holds cannot be read, or makes no account.
    CardInconsistent,
    /// No answer to the Send.
    SendTimeout,
    /// The EMS answered the Send with a Reset.
    SendReset,
    /// The Send was answered with this code.
    SendRefused(u8),
    /// A planned Send was left out, as the EMS had muted it (/1/x/23).
    SendMuted,
    /// A planned Send was left out, as there was nothing of it that could be sent.
    SendEmpty,
    /// No answer to the download of a package.
    DownloadTimeout,
    /// The download of a package was answered with a Reset.
    DownloadReset,
    /// The download of a package was answered with this code.
    DownloadRefused(u8),
    /// The destination is not a loopback address and the scenario does not allow others.
    DestinationRefused,
    /// A server URI that cannot be used: its scheme, or its syntax.
    ServerUri,
    /// A host name that does not resolve.
    NameResolution,
    /// The kernel refused a datagram.
    SendError,
    /// The peer fell silent during the handshake: as after an unknown identity or a wrong key.
    HandshakeTimeout,
    /// The peer ended the handshake with this fatal alert (AlertDescription, RFC 5246 §7.2).
    HandshakeAlert(u8),
    /// The peer broke the rules of the handshake, or wants something that cannot be done.
    HandshakeProtocol,
    /// The meter's own credentials cannot be used.
    Credentials,
    /// The server's certificate names somebody else.
    CertificateWrongName,
    /// The server's certificate leads to nobody who is trusted.
    CertificateUnknownIssuer,
    /// The server's certificate has signed itself.
    CertificateSelfSigned,
    /// The server's certificate is valid no longer.
    CertificateExpired,
    /// The server's certificate is not valid yet.
    CertificateNotYetValid,
    /// The server's certificate cannot be used at all.
    CertificateUnusable,
    /// A TCP connection was refused, or torn down before it was of use.
    ConnectionRefused,
    /// A session or connection was closed while something was under way on it.
    ConnectionLost,
    /// The meter's actor panicked.
    ActorPanicked,
}

impl FailureKind {
    /// The stable key in result files, such as `update-timeout` or `registration-refused-5.03`.
    pub fn name(self) -> String {
        self.to_string()
    }

    /// The name without the response code, and the code.
    pub(super) const fn parts(self) -> (&'static str, Option<u8>) {
        match self {
            FailureKind::BootstrapTimeout => ("bootstrap-timeout", None),
            FailureKind::BootstrapReset => ("bootstrap-reset", None),
            FailureKind::BootstrapNoFinish => ("bootstrap-no-finish", None),
            FailureKind::BootstrapInconsistent => ("bootstrap-inconsistent", None),
            FailureKind::BootstrapNoAccount => ("bootstrap-no-account", None),
            FailureKind::RegistrationTimeout => ("registration-timeout", None),
            FailureKind::RegistrationReset => ("registration-reset", None),
            FailureKind::RegistrationNoLocation => ("registration-no-location", None),
            FailureKind::UpdateTimeout => ("update-timeout", None),
            FailureKind::UpdateReset => ("update-reset", None),
            FailureKind::DeregistrationTimeout => ("deregistration-timeout", None),
            FailureKind::DeregistrationReset => ("deregistration-reset", None),
            FailureKind::BootstrapRefused(code) => ("bootstrap-refused", Some(code)),
            FailureKind::RegistrationRefused(code) => ("registration-refused", Some(code)),
            FailureKind::UpdateRefused(code) => ("update-refused", Some(code)),
            FailureKind::DeregistrationRefused(code) => ("deregistration-refused", Some(code)),
            FailureKind::PackTimeout => ("pack-timeout", None),
            FailureKind::PackReset => ("pack-reset", None),
            FailureKind::PackRefused(code) => ("pack-refused", Some(code)),
            FailureKind::PackInvalid => ("pack-invalid", None),
            FailureKind::CardMissing => ("card-missing", None),
            FailureKind::CardUnreadable => ("card-unreadable", None),
            FailureKind::CardInconsistent => ("card-inconsistent", None),
            FailureKind::SendTimeout => ("send-timeout", None),
            FailureKind::SendReset => ("send-reset", None),
            FailureKind::SendRefused(code) => ("send-refused", Some(code)),
            FailureKind::SendMuted => ("send-muted", None),
            FailureKind::SendEmpty => ("send-empty", None),
            FailureKind::DownloadTimeout => ("download-timeout", None),
            FailureKind::DownloadReset => ("download-reset", None),
            FailureKind::DownloadRefused(code) => ("download-refused", Some(code)),
            FailureKind::DestinationRefused => ("destination-refused", None),
            FailureKind::ServerUri => ("server-uri", None),
            FailureKind::NameResolution => ("name-resolution", None),
            FailureKind::SendError => ("send-error", None),
            FailureKind::HandshakeTimeout => ("handshake-timeout", None),
            FailureKind::HandshakeAlert(alert) => ("handshake-alert", Some(alert)),
            FailureKind::HandshakeProtocol => ("handshake-protocol", None),
            FailureKind::Credentials => ("credentials-unusable", None),
            FailureKind::CertificateWrongName => ("certificate-wrong-name", None),
            FailureKind::CertificateUnknownIssuer => ("certificate-unknown-issuer", None),
            FailureKind::CertificateSelfSigned => ("certificate-self-signed", None),
            FailureKind::CertificateExpired => ("certificate-expired", None),
            FailureKind::CertificateNotYetValid => ("certificate-not-yet-valid", None),
            FailureKind::CertificateUnusable => ("certificate-unusable", None),
            FailureKind::ConnectionRefused => ("connection-refused", None),
            FailureKind::ConnectionLost => ("connection-lost", None),
            FailureKind::ActorPanicked => ("actor-panicked", None),
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stem, code) = self.parts();
        f.write_str(stem)?;
        if let FailureKind::HandshakeAlert(alert) = self {
            return write!(f, "-{alert}");
        }
        // RFC 7252 §3: a code is written class.detail, the detail with two digits.
        code.map_or(Ok(()), |code| write!(f, "-{}.{:02}", code >> 5, code & 0x1f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_named_with_its_code() {
        assert_eq!(FailureKind::RegistrationRefused(0xa3).name(), "registration-refused-5.03");
        assert_eq!(FailureKind::BootstrapRefused(0x80).name(), "bootstrap-refused-4.00");
        assert_eq!(FailureKind::UpdateRefused(0xff).name(), "update-refused-7.31");
        assert_eq!(FailureKind::UpdateTimeout.name(), "update-timeout");
    }
}
