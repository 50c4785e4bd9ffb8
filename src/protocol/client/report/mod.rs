//! What a registered device tells its servers of its own accord: notifications of what they observe, and
//! Send (LwM2M Core §6.4).
//!
//! ```text
//! GET, Observe 0 -> on the list -> due -> looked at -+-> no news: due again
//!                   |    ^                           +-> news, within the Minimum Period: due at its end
//!                   |    +-- told -------------------+-> news, or the Maximum Period is over: Notify
//!                   |                                +-> the server is out of reach: stored
//!                   +-> off the list: Observe 1, a Reset, a Confirmable Notify never acknowledged,
//!                       the target is gone (4.04), a new Register, De-register
//! ```
//!
//! What happens elsewhere in a device only makes observations due; they are looked at when the timer runs
//! out, so that several changes by one request make one notification. A device that nobody observes holds
//! nothing of this.

mod conditions;
mod notify;
mod observation;
mod policy;
mod request;
mod send;
mod stored;
mod values;

use smallvec::SmallVec;

use super::client::Client;
use super::event::{Event, NotificationFate};
use super::register::{Phase, Registration};
use crate::base::Instant;
use crate::protocol::coap::{Handle, Message, Token};
use crate::protocol::lwm2m::{Attributes, Path, Version};
use conditions::Periods;
use observation::{Observation, Tokens};
use send::Sending;
use stored::Stored;

pub use policy::{Confirm, ReportPolicy, SendPlan};
pub use send::SendRefused;

const SERVER: u16 = 1;

/// What one server is told.
pub(super) struct Reporting {
    observations: Vec<Observation>,
    /// Confirmable notifications that have not ended, and whose they are.
    flights: Vec<(Handle, Token)>,
    /// Notifications that could not be sent, the oldest first.
    stored: Vec<Stored>,
    /// The Send on its way.
    sending: Option<Sending>,
    /// When the next Send of the plan is due.
    planned: Instant,
    /// When the next observation is due.
    next: Instant,
    /// Of the last notification or first answer. One count for all observations rises for each of them
    /// (RFC 7641 §4.4).
    number: u32,
}

impl Default for Reporting {
    fn default() -> Self {
        Reporting {
            observations: Vec::new(),
            flights: Vec::new(),
            stored: Vec::new(),
            sending: None,
            planned: Instant::FAR,
            next: Instant::FAR,
            number: 0,
        }
    }
}

impl Reporting {
    /// Confirmable notifications that have not ended.
    pub(super) fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// Nothing is left that would have to be kept.
    fn is_idle(&self) -> bool {
        self.observations.is_empty()
            && self.flights.is_empty()
            && self.stored.is_empty()
            && self.sending.is_none()
            && self.planned == Instant::FAR
    }

    fn observation(&self, token: Token) -> Option<&Observation> {
        self.observations.iter().find(|observation| observation.token == token)
    }

    /// Takes observations off the list. Their tokens.
    fn remove(&mut self, ends: impl Fn(&Observation) -> bool) -> Tokens {
        let ended: Tokens =
            self.observations.iter().filter(|one| ends(one)).map(|observation| observation.token).collect();
        if !ended.is_empty() {
            self.observations.retain(|observation| !ends(observation));
            self.observations.shrink_to_fit();
            self.rearm();
        }
        ended
    }

    /// Makes observations due at once.
    fn look_again(&mut self, which: impl Fn(&Observation) -> bool) {
        for observation in self.observations.iter_mut().filter(|observation| which(observation)) {
            observation.due = Instant::ZERO;
            self.next = Instant::ZERO;
        }
    }

    /// What the observation with this token was told last did not arrive.
    fn look_again_at_news(&mut self, token: Token) {
        for observation in self.observations.iter_mut().filter(|observation| observation.token == token) {
            observation.news = true;
            observation.due = Instant::ZERO;
            self.next = Instant::ZERO;
        }
    }

    fn rearm(&mut self) {
        self.next = self.observations.iter().map(|observation| observation.due).min().unwrap_or(Instant::FAR);
    }

    fn fresh_number(&mut self) -> u32 {
        // RFC 7641 §2: 24 bits.
        self.number = (self.number + 1) & 0xff_ffff;
        self.number
    }

    /// When there is, or will be, something to say.
    fn wants_to_be_told(&self) -> Instant {
        match (self.stored.is_empty(), &self.sending) {
            (false, _) => Instant::ZERO,
            (true, None) => self.planned,
            (true, Some(_)) => Instant::FAR,
        }
    }

    /// When something is to be done.
    fn deadline(&self, reach: Reach) -> Instant {
        match reach {
            Reach::Open => self.next.min(self.wants_to_be_told()),
            Reach::Away => self.next,
            Reach::Gone => Instant::FAR,
        }
    }

    /// Bytes, boxes included.
    #[cfg(test)]
    fn size(&self) -> usize {
        size_of::<Reporting>()
            + self.observations.capacity() * size_of::<Observation>()
            + self.observations.iter().map(Observation::heap).sum::<usize>()
            + self.flights.capacity() * size_of::<(Handle, Token)>()
            + self.stored.capacity() * size_of::<Stored>()
    }
}

/// Whether a server can be told something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// It is registered with.
    Open,
    /// Not now, as the way to it is shut or being opened anew; what it observes still stands.
    Away,
    /// It does not know the device, or is being left.
    Gone,
}

impl Registration {
    fn reach(&self) -> Reach {
        match self.phase {
            Phase::Registered(_) | Phase::Updating(_) if self.is_open() => Reach::Open,
            Phase::Registered(_) => Reach::Away,
            Phase::Connecting if self.has_location() => Reach::Away,
            _ => Reach::Gone,
        }
    }

    /// When its server is to be told something, or what it observes is to be looked at.
    pub(super) fn report_due(&self) -> Option<Instant> {
        let reporting = self.reporting.as_ref()?;
        let due = match self.may_reopen() {
            true => reporting.next.min(reporting.wants_to_be_told().max(self.opens_from())),
            false => reporting.deadline(self.reach()),
        };
        (due < Instant::FAR).then_some(due)
    }

    /// The server knows the device, and the way to it is opened as soon as there is something to tell.
    fn may_reopen(&self) -> bool {
        matches!(self.phase, Phase::Registered(_)) && self.is_shut()
    }

    /// The server knows the device, and nothing but an open way is missing to tell it something.
    fn only_lacks_way(&self) -> bool {
        matches!(self.phase, Phase::Registered(_)) && !self.is_open()
    }

    /// Whether there is something to be told that a way which is shut may be opened for now.
    fn wants_way(&self, now: Instant) -> bool {
        let wants = |reporting: &Reporting| reporting.wants_to_be_told().max(self.opens_from()) <= now;
        self.may_reopen() && self.reporting.as_deref().is_some_and(wants)
    }

    /// Gives up what is on its way to the server, and forgets what it observes: a new Register voids all
    /// observations, and De-register ends them (LwM2M Core §6.2.1, §6.2.3). The attributes it attached stay.
    /// How many stored notifications are lost.
    fn void_observations(&mut self) -> usize {
        let Some(reporting) = &mut self.reporting else { return 0 };
        reporting.observations = Vec::new();
        (reporting.next, reporting.planned) = (Instant::FAR, Instant::FAR);
        // How each of them ends is told when the exchange layer has said so.
        reporting.flights.iter().for_each(|(handle, _)| self.exchange.abandon(*handle));
        if let Some(sending) = &reporting.sending {
            self.exchange.abandon(sending.handle);
        }
        let lost = std::mem::take(&mut reporting.stored).len();
        self.reporting.take_if(|reporting| Reporting::is_idle(reporting));
        lost
    }
}

impl Client {
    /// A Write-Attributes of `server` was carried out: what it observes there has other conditions now.
    pub(super) fn attributes_changed(&mut self, server: u16, request: &Message) {
        let Some(path) = Path::from_segments(request.path()) else { return };
        let reporting = self.registration(server).and_then(|registration| registration.reporting.as_mut());
        if let Some(reporting) = reporting {
            reporting.look_again(|observation| observation.touches(path));
        }
    }

    /// What is at or below `path` has changed, came or went: whoever observes it is to know.
    pub(super) fn changed(&mut self, path: Path, _now: Instant) {
        for registration in &mut self.registrations {
            let account =
                Path::ROOT.child(SERVER).and_then(|servers| servers.child(registration.account.server));
            let Some(reporting) = &mut registration.reporting else { continue };
            // Its default periods and the default mode are in there.
            let defaults = account.is_some_and(|account| path.starts_with(&account));
            reporting.look_again(|observation| defaults || observation.touches(path));
        }
    }

    /// A Register goes out, or a De-register: nothing of what the server observed stands.
    pub(super) fn void_observations(&mut self, server: u16) {
        let Some(registration) = self.registration(server) else { return };
        let lost = registration.void_observations();
        self.drop_stored(lost);
    }

    /// The connection to a server is gone, and what it observed by it with it (RFC 8323 appendix A.4): the server
    /// knows so, and observes anew. What is sent to it by plan goes on.
    pub(super) fn observers_gone(&mut self, server: u16) {
        let reporting = self.registration(server).and_then(|registration| registration.reporting.as_mut());
        let Some(reporting) = reporting else { return };
        (reporting.observations, reporting.next) = (Vec::new(), Instant::FAR);
        let lost = std::mem::take(&mut reporting.stored).len();
        self.drop_stored(lost);
        self.tidy_reporting(server);
    }

    /// The server has answered a Register with 2.01: what is sent to it by plan begins.
    pub(super) fn begin_plan(&mut self, server: u16, now: Instant) {
        let config = self.config.clone();
        let Some(plan) = config.report.send.as_ref().filter(|_| self.version(server) > Version::V1_0) else {
            return;
        };
        let wait = plan.wait(&mut self.rng);
        let Some(registration) = self.registration(server) else { return };
        registration.reporting.get_or_insert_default().planned = now + wait;
    }

    /// The registration with `server` is about to be dropped as it is: accounts for all that will never
    /// be heard of again.
    pub(super) fn end_reporting(&mut self, server: u16) {
        let reporting = self.registration(server).and_then(|registration| registration.reporting.take());
        if let Some(reporting) = reporting {
            self.abandon_reporting(&reporting);
        }
    }

    /// Tells the end of all that is on its way or stored.
    pub(super) fn abandon_reporting(&mut self, reporting: &Reporting) {
        for _ in &reporting.flights {
            self.tell(Event::Notification(NotificationFate::Abandoned));
        }
        self.drop_stored(reporting.stored.len());
        if reporting.sending.is_some() {
            self.send_abandoned();
        }
    }

    /// The same for all servers.
    pub(super) fn end_all_reporting(&mut self) {
        if self.registrations.iter().any(|registration| registration.reporting.is_some()) {
            self.servers().into_iter().for_each(|server| self.end_reporting(server));
        }
    }

    fn drop_stored(&mut self, lost: usize) {
        (0..lost).for_each(|_| self.tell(Event::Notification(NotificationFate::Dropped)));
    }

    fn registered(&self, server: u16) -> Option<&Registration> {
        let mut registrations = self.registrations.iter();
        registrations
            .find(|registration| registration.account.short_server_id == server)
            .map(|found| &**found)
    }

    /// The attributes in force at `path` for one observation, without the server's defaults: those that came
    /// with its request win over those attached.
    fn effective(&self, server: u16, observation: &Observation, path: Path) -> Attributes {
        let attached = self.registered(server).map(|registration| registration.attributes.effective(path));
        observation.attributes().over(&attached.unwrap_or_default())
    }

    /// The attributes in force for all of an observation, the server's defaults included.
    fn terms(&self, server: u16, observation: &Observation) -> Attributes {
        let defaults = self.defaults(server);
        let paths = observation.paths().iter();
        conditions::together(paths.map(|path| self.effective(server, observation, *path).over(&defaults)))
    }

    fn periods(&self, server: u16, observation: &Observation) -> Periods {
        Periods::of(&self.terms(server, observation), self.config.report.sampling)
    }

    /// What holds where a server attached nothing: /1/x/2, /1/x/3 and, from 1.2 on, /1/x/26.
    fn defaults(&self, server: u16) -> Attributes {
        let Some(registration) = self.registered(server) else { return Attributes::default() };
        let number = |resource| {
            let path = Path::ROOT.child(SERVER)?.child(registration.account.server)?.child(resource)?;
            self.store().get(path)?.as_integer().and_then(|number| u32::try_from(number).ok())
        };
        let by_default = registration.version >= Version::V1_2 && number(26) == Some(1);
        Attributes {
            pmin: number(2),
            pmax: number(3),
            con: by_default.then_some(true),
            ..Attributes::default()
        }
    }

    /// The version spoken with a server.
    fn version(&self, server: u16) -> Version {
        self.registered(server).map_or(self.config.version, |registration| registration.version)
    }

    /// A boolean of the Server object; none if it is absent.
    fn server_flag(&self, server: u16, resource: u16) -> Option<bool> {
        let instance = self.registered(server)?.account.server;
        let path = Path::ROOT.child(SERVER)?.child(instance)?.child(resource)?;
        self.store().get(path)?.as_bool()
    }
}

/// Notifications that ended at once, to be told of.
type Fates = SmallVec<[NotificationFate; 4]>;

#[cfg(test)]
mod tests;
