//! What a client asks of the world around it, and what it tells.

use std::fmt;

use smallvec::SmallVec;

use super::account::Credentials;
use crate::base::Instant;
use crate::protocol::coap;
use crate::protocol::lwm2m::ServerUri;

/// A path to one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Link {
    /// To the Bootstrap-Server.
    Bootstrap,
    /// To the LwM2M server with this Short Server ID, which the device registers with.
    Server(u16),
    /// To where a firmware or software package is downloaded from.
    Package,
}

/// What the client wants done or known, in order. Its `Debug` tells the length of a message, not its bytes.
pub enum Output {
    /// Make `link` lead to this server, then call `handle_opened` or `handle_open_failed`.
    Open {
        /// The path to open. If it is open already, which happens over `coap` only, it is to lead to the new
        /// place; any other is closed before.
        link: Link,
        /// Where it is to lead, and over what.
        uri: ServerUri,
        /// How both ends are to prove who they are; `None` where the account says Security Mode 3 (NoSec).
        security: Option<Box<Security>>,
    },
    /// `link` is of no more use: forget where it leads.
    Close {
        /// The path, which may never have been open.
        link: Link,
    },
    /// Send this datagram on an open link.
    Send {
        /// The path to send on.
        link: Link,
        /// One whole CoAP message.
        bytes: Vec<u8>,
    },
    /// Something happened.
    Event(Event),
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Output::Open { link, uri, security } => f
                .debug_struct("Open")
                .field("link", link)
                .field("uri", uri)
                .field("security", security)
                .finish(),
            Output::Close { link } => write!(f, "Close({link:?})"),
            Output::Send { link, bytes } => write!(f, "Send({link:?}, {} B)", bytes.len()),
            Output::Event(event) => write!(f, "Event({event:?})"),
        }
    }
}

/// What an account says of the security of the way to its server (/0/x/2-5 and 13-16).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Security {
    /// /0/x/2-5: the mode and its keys.
    pub credentials: Credentials,
    /// /0/x/14 (SNI): the name the server's certificate must carry where the URI's host is an address.
    pub server_name: Option<Box<str>>,
    /// /0/x/13, what /0/x/4 is compared with: 0 the certificate itself, 1 its SHA-256, 2 its SHA-384, 3 its
    /// SHA-512 (1.1).
    pub matching_type: u8,
    /// /0/x/16: the cipher suites allowed, by IANA number; empty for the client's own choice.
    pub cipher_suites: SmallVec<[u16; 2]>,
}

/// Why a way could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenFailed {
    /// Nobody can be reached there.
    Unreachable,
    /// The server was reached, and the handshake failed: with this alert, its or ours, if there was one.
    Handshake {
        /// The AlertDescription (RFC 5246 §7.2).
        alert: Option<u8>,
    },
}

/// How an open way ended without the device wanting it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// In good order: close_notify, or the end of a TCP stream.
    Orderly,
    /// Torn down: a TCP reset, a fatal alert, a session that broke.
    Broken {
        /// The AlertDescription, if it was one.
        alert: Option<u8>,
    },
}

/// The one state a device is in. With several servers it is the most that any of them makes of it: known to
/// one (`Registered`, `Updating`), then on the way to one, then waiting for something, then `Failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Not powered on.
    Off,
    /// Waiting for the Client Hold Off Time, /0/x/11.
    HoldOff,
    /// From the Bootstrap-Request to Finish.
    Bootstrapping,
    /// A bootstrap failed; the next try is scheduled.
    BootstrapBackoff,
    /// A Register is on its way.
    Registering,
    /// A Register is scheduled: one failed (/1/x/17-20), or the first is delayed (/1/x/14).
    RegistrationBackoff,
    /// The server knows the device.
    Registered,
    /// Registered, and an Update is on its way.
    Updating,
    /// The De-register is on its way.
    Deregistering,
    /// A server disabled the device (/1/x/4), and it stays away for /1/x/5 seconds.
    Disabled,
    /// Left in good order, or stopped after it.
    Deregistered,
    /// Stopped without having de-registered.
    Stopped,
    /// Nothing will happen any more by the protocol's own rules.
    Failed,
}

/// What a latency is measured of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// From the planned power-on to the first 2.01.
    Onboarding,
    /// From the planned power-on (or the need for it) to the answer to Finish.
    Bootstrap,
    /// From the instant the registration was due to 2.01.
    Registration,
    /// From the instant the Update was due to 2.04.
    Update,
    /// From the request to leave to 2.02.
    Deregistration,
    /// From the instant the Send was due to 2.04.
    Send,
    /// From the first Bootstrap-Request of an attempt to its 2.04.
    BootstrapRequest,
    /// From the device's previous answer to this command of the Bootstrap-Server.
    Command(Operation),
}

/// A command of the Bootstrap-Server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// GET with Accept 40.
    Discover,
    /// GET with another format.
    Read,
    /// PUT.
    Write,
    /// DELETE.
    Delete,
    /// POST /bs.
    Finish,
}

/// The requests a device makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// POST /bs.
    BootstrapRequest,
    /// POST /rd.
    Register,
    /// POST on the location.
    Update,
    /// DELETE on the location.
    Deregister,
    /// GET /bspack (1.2).
    BootstrapPackRequest,
    /// POST /dp (1.1).
    Send,
    /// GET of a firmware or software package, all its blocks.
    Download,
}

/// What became of a request. Every one that was `Sent` has exactly one further fate, or is in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// Handed to the exchange layer.
    Sent,
    /// Answered, with whatever code.
    Answered,
    /// Answered with an RST.
    Reset,
    /// Not answered within the time RFC 7252 gives.
    TimedOut,
    /// Given up by the device itself.
    Abandoned,
}

/// What became of a notification. Every one that was `SentConfirmable` is `Acknowledged`, `Reset`, `TimedOut`,
/// `Superseded` or `Abandoned` in the end, or in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotificationFate {
    /// Handed to the exchange layer, to be acknowledged.
    SentConfirmable,
    /// Handed to the exchange layer, and sent.
    SentNonConfirmable,
    /// The observer has a Confirmable one.
    Acknowledged,
    /// The observer reset a Confirmable one: its observation is over.
    Reset,
    /// The observer reset a Non-confirmable one, which may be told or not: its observation is over.
    ResetNonConfirmable,
    /// A Confirmable one was never acknowledged: its observation is over.
    TimedOut,
    /// A newer one took the place of a Confirmable one.
    Superseded,
    /// The device gave a Confirmable one up: its observation, or its registration, has ended.
    Abandoned,
    /// Due while the server could not be reached, and stored (/1/x/6).
    Stored,
    /// Due while the server could not be reached, and neither told nor stored any more.
    Dropped,
}

/// Why an attempt came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// A request got no answer in time.
    TimedOut(RequestKind),
    /// A request was answered with an RST.
    Reset(RequestKind),
    /// A request was answered with a code that is not success.
    Refused(RequestKind, coap::Code),
    /// The answer to a Register had no Location-Path.
    NoLocation,
    /// The Bootstrap-Server never came to Finish (EXCHANGE_LIFETIME after its last command).
    NoFinish,
    /// Finish came, but the accounts do not fit together; 4.06 was answered.
    Inconsistent,
    /// A Bootstrap-Pack could not be read, or its accounts do not fit together.
    PackInvalid,
    /// A Send of the plan was left out: the server has muted it (/1/x/23).
    SendMuted,
    /// A Send of the plan was left out: there was nothing of it that could be sent.
    SendEmpty,
    /// The smartcard does not answer.
    CardUnreadable,
    /// There is no card where one was to be.
    CardMissing,
    /// What the smartcard holds cannot be read, or makes no account.
    CardInconsistent,
    /// There is no account to start from.
    NoAccount,
    /// The server URI in the store cannot be used.
    ServerUri,
    /// The Security Mode in the store is not one for the scheme of the server URI, or lacks a key.
    SecurityMode,
    /// The way to the server could not be opened.
    Unreachable,
    /// The handshake with a server failed; why in detail, those know who made it.
    Handshake,
    /// The way to a server was closed while something was under way on it.
    Closed(RequestKind),
}

/// What a server asks of a registered device (LwM2M Core §6.3, §6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ManagementOperation {
    /// GET.
    Read,
    /// GET with Accept 40.
    Discover,
    /// PUT with values.
    WriteReplace,
    /// POST on an object instance or a multiple resource.
    WritePartial,
    /// PUT with a query and no payload.
    WriteAttributes,
    /// POST on a resource.
    Execute,
    /// POST on an object.
    Create,
    /// DELETE.
    Delete,
    /// FETCH (1.1).
    ReadComposite,
    /// iPATCH (1.1).
    WriteComposite,
    /// GET with Observe 0.
    Observe,
    /// FETCH with Observe 0 (1.1).
    ObserveComposite,
    /// GET or FETCH with Observe 1.
    CancelObservation,
}

/// What happened, for whoever measures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// The device changed its state.
    State {
        /// The state it left.
        from: State,
        /// The state it is in.
        to: State,
    },
    /// A stage came to its good end.
    Completed {
        /// Which.
        stage: Stage,
        /// The instant it was due to start.
        since: Instant,
    },
    /// A request began or ended.
    Request {
        /// Which.
        kind: RequestKind,
        /// How.
        fate: Fate,
    },
    /// A server's request was answered.
    Served {
        /// What it asked for.
        operation: ManagementOperation,
        /// Whether the answer's code was one of success.
        success: bool,
    },
    /// An attempt came to nothing.
    Failed(Failure),
    /// A notification began or ended.
    Notification(NotificationFate),
    /// A datagram was no use.
    Noise(coap::Noise),
    /// The message layer counted something.
    Stat(coap::Stat),
    /// A datagram came in while the device slept (queue mode), and is lost.
    Asleep,
}

/// What a client's timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The Client Hold Off Time ends.
    HoldOff,
    /// The next bootstrap attempt is due.
    BootstrapRetry,
    /// The Bootstrap-Server has been silent too long.
    NoFinish,
    /// The answer to Finish need not be kept any longer.
    ForgetFinish,
    /// The Bootstrap-Server Account has outlived its time (/0/x/12).
    PurgeAccount,
    /// The next registration attempt is due.
    RegistrationRetry,
    /// An Update is due.
    Update,
    /// A package is installed by then, or to be fetched again.
    Package,
    /// What a server observes is to be looked at, or something is to be sent to it.
    Report,
    /// The lifetime of a registration ends before the server has answered.
    LifetimeEnd,
    /// The time ends that a server disabled the device for.
    DisableEnd,
    /// The answer to a De-register is waited for no longer.
    DeregisterEnd,
    /// The message layer wants to be called.
    Exchange(coap::Reason),
}
