//! From what a client tells to what a recorder counts.

use crate::base::Instant;
use crate::metrics::{
    Event, FailureKind, ManagementKind, MeterState, NoiseKind, NotificationFate, RequestFate, RequestKind,
    Stage,
};
use crate::protocol::{client, coap};
use crate::secure;

use super::output::Unreachable;

/// The recorder's event for a client's, at `now`. The obstacle says why a way could not be opened, the loss
/// how one was lost.
pub(super) fn event(
    event: client::Event,
    (obstacle, loss): (FailureKind, FailureKind),
    now: Instant,
) -> Event {
    match event {
        client::Event::State { from, to } => Event::State { from: state(from), to: state(to) },
        client::Event::Completed { stage: which, since } => {
            Event::Stage { stage: stage(which), latency: now.since(since) }
        }
        client::Event::Request { kind, fate } => {
            Event::Request { kind: request_kind(kind), fate: request_fate(fate) }
        }
        client::Event::Notification(fate) => Event::Notification(notification_fate(fate)),
        client::Event::Served { operation, success } => {
            Event::Served { kind: management(operation), success }
        }
        client::Event::Failed(why) => Event::Failure(failure(why, obstacle, loss)),
        client::Event::Noise(kind) => Event::Noise(noise(kind)),
        client::Event::Stat(coap::Stat::Retransmitted) => Event::Retransmitted,
        client::Event::Stat(coap::Stat::Duplicate) => Event::Duplicate,
        client::Event::Stat(coap::Stat::DedupEvicted) => Event::DuplicateForgotten,
        // The server knows its answer or does not want it: nothing the meter could do about it.
        client::Event::Stat(coap::Stat::ResponseReset | coap::Stat::ResponseUnacknowledged) => {
            Event::Noise(NoiseKind::Unexpected)
        }
        client::Event::Asleep => Event::Noise(NoiseKind::Asleep),
    }
}

pub(super) fn state(state: client::State) -> MeterState {
    match state {
        client::State::Off => MeterState::Planned,
        client::State::HoldOff => MeterState::HoldOff,
        client::State::Bootstrapping => MeterState::Bootstrapping,
        client::State::BootstrapBackoff => MeterState::BootstrapBackoff,
        client::State::Registering => MeterState::Registering,
        client::State::RegistrationBackoff => MeterState::RegistrationBackoff,
        // An Update on its way does not make the server forget the meter.
        client::State::Registered | client::State::Updating => MeterState::Registered,
        client::State::Deregistering => MeterState::Deregistering,
        client::State::Disabled => MeterState::Disabled,
        client::State::Deregistered => MeterState::Deregistered,
        client::State::Stopped => MeterState::Stopped,
        client::State::Failed => MeterState::Failed,
    }
}

fn stage(stage: client::Stage) -> Stage {
    match stage {
        client::Stage::Onboarding => Stage::Onboarding,
        client::Stage::Bootstrap => Stage::Bootstrap,
        client::Stage::Registration => Stage::Registration,
        client::Stage::Update => Stage::Update,
        client::Stage::Deregistration => Stage::Deregistration,
        client::Stage::Send => Stage::Send,
        client::Stage::BootstrapRequest => Stage::BootstrapRequest,
        client::Stage::Command(client::Operation::Discover) => Stage::BootstrapDiscover,
        client::Stage::Command(client::Operation::Read) => Stage::BootstrapRead,
        client::Stage::Command(client::Operation::Write) => Stage::BootstrapWrite,
        client::Stage::Command(client::Operation::Delete) => Stage::BootstrapDelete,
        client::Stage::Command(client::Operation::Finish) => Stage::BootstrapFinish,
    }
}

pub(super) fn request_kind(kind: client::RequestKind) -> RequestKind {
    match kind {
        client::RequestKind::BootstrapRequest => RequestKind::BootstrapRequest,
        client::RequestKind::Register => RequestKind::Register,
        client::RequestKind::Update => RequestKind::Update,
        client::RequestKind::Deregister => RequestKind::Deregister,
        client::RequestKind::BootstrapPackRequest => RequestKind::BootstrapPackRequest,
        client::RequestKind::Send => RequestKind::Send,
        client::RequestKind::Download => RequestKind::Download,
    }
}

fn management(operation: client::ManagementOperation) -> ManagementKind {
    use client::ManagementOperation as Operation;
    match operation {
        Operation::Read => ManagementKind::Read,
        Operation::Discover => ManagementKind::Discover,
        Operation::WriteReplace => ManagementKind::WriteReplace,
        Operation::WritePartial => ManagementKind::WritePartial,
        Operation::WriteAttributes => ManagementKind::WriteAttributes,
        Operation::Execute => ManagementKind::Execute,
        Operation::Create => ManagementKind::Create,
        Operation::Delete => ManagementKind::Delete,
        Operation::ReadComposite => ManagementKind::ReadComposite,
        Operation::WriteComposite => ManagementKind::WriteComposite,
        Operation::Observe => ManagementKind::Observe,
        Operation::ObserveComposite => ManagementKind::ObserveComposite,
        Operation::CancelObservation => ManagementKind::CancelObservation,
    }
}

fn request_fate(fate: client::Fate) -> RequestFate {
    match fate {
        client::Fate::Sent => RequestFate::Sent,
        client::Fate::Answered => RequestFate::Answered,
        client::Fate::Reset => RequestFate::Reset,
        client::Fate::TimedOut => RequestFate::TimedOut,
        client::Fate::Abandoned => RequestFate::Abandoned,
    }
}

fn notification_fate(fate: client::NotificationFate) -> NotificationFate {
    match fate {
        client::NotificationFate::SentConfirmable => NotificationFate::SentConfirmable,
        client::NotificationFate::SentNonConfirmable => NotificationFate::SentNonConfirmable,
        client::NotificationFate::Acknowledged => NotificationFate::Acknowledged,
        client::NotificationFate::Reset => NotificationFate::Reset,
        client::NotificationFate::ResetNonConfirmable => NotificationFate::ResetNonConfirmable,
        client::NotificationFate::TimedOut => NotificationFate::TimedOut,
        client::NotificationFate::Superseded => NotificationFate::Superseded,
        client::NotificationFate::Abandoned => NotificationFate::Abandoned,
        client::NotificationFate::Stored => NotificationFate::Stored,
        client::NotificationFate::Dropped => NotificationFate::Dropped,
    }
}

fn failure(failure: client::Failure, obstacle: FailureKind, loss: FailureKind) -> FailureKind {
    use client::{Failure, RequestKind as Kind};
    match failure {
        Failure::TimedOut(Kind::BootstrapRequest) => FailureKind::BootstrapTimeout,
        Failure::TimedOut(Kind::Register) => FailureKind::RegistrationTimeout,
        Failure::TimedOut(Kind::Update) => FailureKind::UpdateTimeout,
        Failure::TimedOut(Kind::Deregister) => FailureKind::DeregistrationTimeout,
        Failure::Reset(Kind::BootstrapRequest) => FailureKind::BootstrapReset,
        Failure::Reset(Kind::Register) => FailureKind::RegistrationReset,
        Failure::Reset(Kind::Update) => FailureKind::UpdateReset,
        Failure::Reset(Kind::Deregister) => FailureKind::DeregistrationReset,
        Failure::Refused(Kind::BootstrapRequest, code) => FailureKind::BootstrapRefused(code.0),
        Failure::Refused(Kind::Register, code) => FailureKind::RegistrationRefused(code.0),
        Failure::Refused(Kind::Update, code) => FailureKind::UpdateRefused(code.0),
        Failure::Refused(Kind::Deregister, code) => FailureKind::DeregistrationRefused(code.0),
        Failure::TimedOut(Kind::BootstrapPackRequest) => FailureKind::PackTimeout,
        Failure::TimedOut(Kind::Send) => FailureKind::SendTimeout,
        Failure::TimedOut(Kind::Download) => FailureKind::DownloadTimeout,
        Failure::Reset(Kind::BootstrapPackRequest) => FailureKind::PackReset,
        Failure::Reset(Kind::Send) => FailureKind::SendReset,
        Failure::Reset(Kind::Download) => FailureKind::DownloadReset,
        Failure::Refused(Kind::BootstrapPackRequest, code) => FailureKind::PackRefused(code.0),
        Failure::Refused(Kind::Send, code) => FailureKind::SendRefused(code.0),
        Failure::Refused(Kind::Download, code) => FailureKind::DownloadRefused(code.0),
        Failure::NoLocation => FailureKind::RegistrationNoLocation,
        Failure::NoFinish => FailureKind::BootstrapNoFinish,
        Failure::Inconsistent => FailureKind::BootstrapInconsistent,
        Failure::PackInvalid => FailureKind::PackInvalid,
        Failure::SendMuted => FailureKind::SendMuted,
        Failure::SendEmpty => FailureKind::SendEmpty,
        Failure::CardMissing => FailureKind::CardMissing,
        Failure::CardUnreadable => FailureKind::CardUnreadable,
        Failure::CardInconsistent => FailureKind::CardInconsistent,
        Failure::NoAccount => FailureKind::BootstrapNoAccount,
        Failure::ServerUri => FailureKind::ServerUri,
        Failure::SecurityMode => FailureKind::Credentials,
        Failure::Handshake | Failure::Unreachable => obstacle,
        Failure::Closed(_) => loss,
    }
}

/// Why nothing can be sent to a server.
pub(super) fn unreachable(why: Unreachable) -> FailureKind {
    match why {
        Unreachable::Refused => FailureKind::DestinationRefused,
        Unreachable::Unresolved => FailureKind::NameResolution,
        Unreachable::SendError => FailureKind::SendError,
    }
}

/// How a way that was open was lost. In version 1.3 the client is through with the handshake before the server has
/// looked at its certificate (RFC 8446 §2): what the server thinks of that comes as an alert to a session that is up.
pub(super) fn loss(how: client::Closed) -> FailureKind {
    match how {
        client::Closed::Broken { alert: Some(alert @ (42..=46 | 48 | 49 | 116)) } => {
            FailureKind::HandshakeAlert(alert)
        }
        client::Closed::Orderly | client::Closed::Broken { .. } => FailureKind::ConnectionLost,
    }
}

/// Why a session did not come up.
pub(super) fn handshake_failure(why: secure::Failure) -> FailureKind {
    use secure::CertificateFault as Fault;
    match why {
        secure::Failure::TimedOut => FailureKind::HandshakeTimeout,
        secure::Failure::Alert(alert) => FailureKind::HandshakeAlert(alert),
        secure::Failure::Protocol => FailureKind::HandshakeProtocol,
        secure::Failure::Credentials => FailureKind::Credentials,
        secure::Failure::Certificate(fault) => match fault {
            Fault::WrongName => FailureKind::CertificateWrongName,
            Fault::UnknownIssuer => FailureKind::CertificateUnknownIssuer,
            Fault::SelfSigned => FailureKind::CertificateSelfSigned,
            Fault::Expired => FailureKind::CertificateExpired,
            Fault::NotYetValid => FailureKind::CertificateNotYetValid,
            Fault::Unusable => FailureKind::CertificateUnusable,
        },
    }
}

fn noise(noise: coap::Noise) -> NoiseKind {
    match noise {
        coap::Noise::Malformed(_) => NoiseKind::Malformed,
        coap::Noise::UnmatchedAck => NoiseKind::UnmatchedAck,
        coap::Noise::UnmatchedResponse => NoiseKind::UnmatchedResponse,
        coap::Noise::UnmatchedReset => NoiseKind::UnmatchedReset,
        coap::Noise::Ping => NoiseKind::Ping,
        coap::Noise::CriticalOption => NoiseKind::Unexpected,
    }
}
