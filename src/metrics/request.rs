//! A meter's own requests and what became of them.

use super::closed::closed_enum;

closed_enum! {
    /// A request a meter makes of its own accord; its name is the key under `requests`.
    pub enum RequestKind {
        /// `POST /bs?ep=..`
        BootstrapRequest = "bootstrap-request",
        /// `POST /rd?ep=..`
        Register = "register",
        /// `POST` to the registration's location.
        Update = "update",
        /// `DELETE` of the registration's location.
        Deregister = "deregister",
    }
}

closed_enum! {
    /// What became of a request. Each `Sent` is followed by exactly one of the others, or the request
    /// is in flight when the run ends.
    pub enum RequestFate {
        /// Sent for the first time; retransmissions of it are not requests of their own.
        Sent = "sent",
        /// A response arrived, whatever its code.
        Answered = "answered",
        /// The server sent a Reset.
        Reset = "reset",
        /// No answer came within the time the protocol allows.
        TimedOut = "timed-out",
        /// The meter itself gave it up: powered off, stopped, crashed, or the kernel took it not.
        Abandoned = "abandoned",
    }
}
