//! stub
use std::time::Duration;

/// The one state a meter is in; the counts of all states add up to the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MeterState {
    /// Not powered on yet.
    Planned,
    HoldOff,
    Bootstrapping,
    BootstrapBackoff,
    Registering,
    RegistrationBackoff,
    Registered,
    Deregistering,
    /// Left in good order.
    Deregistered,
    /// Gave up by the protocol's own rules; nothing will happen any more.
    Failed,
    /// Its actor panicked and was not replaced / gave up.
    Crashed,
    /// Powered on, and stopped by the end of the run without de-registering (e.g. run ended while it was under way)
    Stopped,
}

/// What a latency is measured of; `name()` is the key in report.json.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// planned power-on -> first 2.01
    Onboarding,
    /// planned power-on -> Finish answered with 2.04
    Bootstrap,
    Registration,
    Update,
    Deregistration,
    BootstrapRequest,
    BootstrapDiscover,
    BootstrapRead,
    BootstrapWrite,
    BootstrapDelete,
    BootstrapFinish,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestKind {
    BootstrapRequest,
    Register,
    Update,
    Deregister,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestFate {
    Sent,
    Answered,
    Reset,
    TimedOut,
    Abandoned,
}

/// Why an attempt of a meter did not succeed; `name()` is the key under `failures` in report.json.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    BootstrapTimeout,
    BootstrapReset,
    BootstrapNoFinish,
    BootstrapInconsistent,
    BootstrapNoAccount,
    RegistrationTimeout,
    RegistrationReset,
    UpdateTimeout,
    UpdateReset,
    DeregistrationTimeout,
    DeregistrationReset,
    /// a response code other than success to a request: class and detail as in the byte
    BootstrapRefused(u8),
    RegistrationRefused(u8),
    UpdateRefused(u8),
    DeregistrationRefused(u8),
    /// Destination refused by the gate in transport
    DestinationRefused,
    /// server URI that cannot be used (scheme, syntax), host name that does not resolve
    ServerUri,
    NameResolution,
    /// the kernel refused a datagram
    SendError,
    ActorPanicked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoiseKind {
    Malformed,
    UnmatchedAck,
    UnmatchedResponse,
    UnmatchedReset,
    Ping,
    UnknownSource,
    Truncated,
    Unexpected,
}

/// What a meter or a shard tells its recorder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    State {
        from: MeterState,
        to: MeterState,
    },
    Stage {
        stage: Stage,
        latency: Duration,
    },
    Request {
        kind: RequestKind,
        fate: RequestFate,
    },
    Failure(FailureKind),
    Noise(NoiseKind),
    Sent {
        bytes: u32,
    },
    Received {
        bytes: u32,
    },
    Retransmitted,
    Duplicate,
    /// an arrival became due and was started `late` after its planned instant
    Started {
        late: Duration,
    },
    /// a datagram was handled `late` after the kernel stamped it
    Handled {
        late: Duration,
    },
}
