//! A meter's own requests and what became of them.

use super::NotificationFate;
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
        /// `GET /bspack?ep=..` (LwM2M 1.2).
        BootstrapPackRequest = "bootstrap-pack-request",
        /// `POST /dp` (LwM2M 1.1).
        Send = "send",
        /// The `GET` of a firmware or software package, all its blocks.
        Download = "download",
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

/// The requests of one meter that are on their way, by kind, its confirmable notifications and its handshakes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InFlight {
    requests: [u8; RequestKind::COUNT],
    notifications: u16,
    handshakes: u8,
}

impl InFlight {
    /// How many of this kind.
    pub fn of(self, kind: RequestKind) -> u32 {
        self.requests[kind.index()].into()
    }

    /// One more, or one less.
    pub fn note(&mut self, kind: RequestKind, fate: RequestFate) {
        let count = &mut self.requests[kind.index()];
        *count = if fate == RequestFate::Sent { count.saturating_add(1) } else { count.saturating_sub(1) };
    }

    /// How many notifications.
    pub fn notifications(self) -> u32 {
        self.notifications.into()
    }

    /// With so many notifications.
    pub fn with_notifications(self, notifications: usize) -> Self {
        InFlight { notifications: u16::try_from(notifications).unwrap_or(u16::MAX), ..self }
    }

    /// One notification more, or one less.
    pub fn note_notification(&mut self, fate: NotificationFate) {
        if fate == NotificationFate::SentConfirmable {
            self.notifications = self.notifications.saturating_add(1);
        } else if fate.ends_confirmable() {
            self.notifications = self.notifications.saturating_sub(1);
        }
    }

    /// How many handshakes.
    pub fn handshakes(self) -> u32 {
        self.handshakes.into()
    }

    /// With so many handshakes.
    pub fn with_handshakes(self, handshakes: usize) -> Self {
        InFlight { handshakes: u8::try_from(handshakes).unwrap_or(u8::MAX), ..self }
    }

    /// One handshake more.
    pub fn note_handshake_begun(&mut self) {
        self.handshakes = self.handshakes.saturating_add(1);
    }

    /// One handshake less.
    pub fn note_handshake_ended(&mut self) {
        self.handshakes = self.handshakes.saturating_sub(1);
    }

    /// Whether nothing is on its way.
    pub fn is_empty(self) -> bool {
        self == InFlight::default()
    }

    /// Every request on its way, one after the other.
    pub fn iter(self) -> impl Iterator<Item = RequestKind> {
        RequestKind::ALL.into_iter().flat_map(move |kind| std::iter::repeat_n(kind, self.of(kind) as usize))
    }
}

impl FromIterator<RequestKind> for InFlight {
    fn from_iter<I: IntoIterator<Item = RequestKind>>(kinds: I) -> Self {
        let mut all = InFlight::default();
        kinds.into_iter().for_each(|kind| all.note(kind, RequestFate::Sent));
        all
    }
}
