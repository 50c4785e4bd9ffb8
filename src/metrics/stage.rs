//! What latencies are measured of.

use super::closed::closed_enum;

closed_enum! {
    /// A stretch of a meter's life whose latency is measured; its name is the key under `stages`.
    ///
    /// A meter's first stages count from its *planned* power-on, not from the instant the generator
    /// got round to it: a late generator must not flatter the server.
    pub enum Stage {
        /// Planned power-on to the first 2.01 to a Register.
        Onboarding = "onboarding",
        /// First datagram or TCP SYN of a handshake to the end of it, whoever it is with.
        Handshake = "handshake",
        /// The same, with a Bootstrap-Server (bs) alone.
        HandshakeBootstrap = "handshake-bs",
        /// The same, with an EMS alone.
        HandshakeEms = "handshake-ems",
        /// Planned power-on to the Finish that was answered with 2.04.
        Bootstrap = "bootstrap",
        /// The instant a Register was due to its 2.01: with the handshake or the connection before it, if any.
        Registration = "registration",
        /// The instant an Update was due to its 2.04, likewise.
        Update = "update",
        /// The instant a De-register was due to its 2.02, likewise.
        Deregistration = "deregistration",
        /// The instant a Send was due to its 2.04.
        Send = "send",
        /// First transmission of a Bootstrap-Request to its 2.04.
        BootstrapRequest = "bootstrap-request",
        /// The wait for a Bootstrap-Discover, since the message before it.
        BootstrapDiscover = "bootstrap-discover",
        /// The wait for a Bootstrap-Read, since the message before it.
        BootstrapRead = "bootstrap-read",
        /// The wait for a Bootstrap-Write, since the message before it.
        BootstrapWrite = "bootstrap-write",
        /// The wait for a Bootstrap-Delete, since the message before it.
        BootstrapDelete = "bootstrap-delete",
        /// The wait for the Bootstrap-Finish, since the message before it.
        BootstrapFinish = "bootstrap-finish",
    }
}

closed_enum! {
    /// The generator's own lateness, which bounds how far its figures can be trusted.
    pub enum Lag {
        /// Planned instant of an arrival to the instant its first step was done.
        Start = "generator-lag-start",
        /// Kernel timestamp of a datagram to its handling.
        Receipt = "generator-lag-receipt",
    }
}

/// Anything a histogram is kept of: a stage, or a lag of the generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Series {
    /// A latency the servers answer for.
    Stage(Stage),
    /// A lateness the generator answers for.
    Lag(Lag),
}

impl Series {
    /// How many series there are.
    pub const COUNT: usize = Stage::COUNT + Lag::COUNT;

    /// Every series: the stages, then the lags.
    pub fn all() -> impl Iterator<Item = Series> {
        Stage::ALL.into_iter().map(Series::Stage).chain(Lag::ALL.into_iter().map(Series::Lag))
    }

    /// The tag in `histograms.hlog`.
    pub const fn name(self) -> &'static str {
        match self {
            Series::Stage(stage) => stage.name(),
            Series::Lag(lag) => lag.name(),
        }
    }

    /// The place in the order of [`Series::all`].
    pub const fn index(self) -> usize {
        match self {
            Series::Stage(stage) => stage.index(),
            Series::Lag(lag) => Stage::COUNT + lag.index(),
        }
    }
}
