//! Looking at what is observed, and telling the observer (LwM2M Core §6.4.5, RFC 7641 §4.2).

use super::super::client::Client;
use super::super::event::{Event, NotificationFate};
use super::super::manage;
use super::super::register::Registration;
use super::observation::{Observation, Told, seconds};
use super::policy::Confirm;
use super::stored::{self, Stored};
use super::values::Sample;
use super::{Fates, Periods, Reach, Reporting};
use crate::base::Instant;
use crate::protocol::coap::{Code, Handle, Message, Notified, Token};
use crate::protocol::lwm2m::Attributes;

/// /1/x/6, Notification Storing When Disabled or Offline.
const STORING: u16 = 6;

/// How a look at an observation ended.
enum Looked {
    /// It is due again then.
    Next(Instant),
    /// It is over, and its observer was told why.
    Over,
}

impl Client {
    /// Does what is due: looks at observations, tells observers, sends by plan.
    pub(in super::super) fn report(&mut self, server: u16, now: Instant) {
        let Some(registration) = self.registration(server) else { return };
        let reach = registration.reach();
        if registration.report_due().is_none_or(|due| due > now) {
            return;
        }
        // Out of its place while it is worked on: looking at it takes the whole device.
        let Some(mut reporting) = registration.reporting.take() else { return };
        self.look_at_all(server, &mut reporting, reach, now);
        let planned = reporting.planned <= now && reporting.sending.is_none() && reach == Reach::Open;
        let mut wants_way = false;
        if let Some(registration) = self.registration(server) {
            registration.reporting = Some(reporting);
            wants_way = registration.wants_way(now);
        }
        if planned {
            self.send_planned(server, now);
        }
        if wants_way {
            self.reopen(server, now);
        }
        self.tidy_reporting(server);
    }

    fn look_at_all(&mut self, server: u16, reporting: &mut Reporting, reach: Reach, now: Instant) {
        let mut at = 0;
        while at < reporting.observations.len() {
            let observation = &reporting.observations[at];
            let kept = |stored: &Stored| stored.token == observation.token;
            let resumed = reach == Reach::Open && reporting.stored.iter().any(kept);
            if observation.due > now && !resumed {
                at += 1;
                continue;
            }
            match self.look(server, reporting, at, resumed, now) {
                Looked::Next(due) => {
                    reporting.observations[at].due = due;
                    at += 1;
                }
                Looked::Over => {
                    reporting.observations.remove(at);
                    reporting.observations.shrink_to_fit();
                }
            }
        }
        reporting.rearm();
    }

    /// Looks at one observation, and tells the observer if it is time. `resumed` says that there is something
    /// stored for him, and that he can be told.
    fn look(
        &mut self,
        server: u16,
        reporting: &mut Reporting,
        at: usize,
        resumed: bool,
        now: Instant,
    ) -> Looked {
        let observation = &reporting.observations[at];
        let sample = match self.sample(server, observation.paths(), observation.is_composite(), now) {
            Ok(sample) => sample,
            Err(code) => return self.end(server, reporting, at, code, now),
        };
        let terms = self.terms(server, observation);
        let periods = Periods::of(&terms, self.config.report.sampling);
        let news = observation.news || self.is_news(server, observation, &sample);
        let (told_at, measured) = (observation.told_at, sample.measured);
        if resumed || periods.is_due(told_at, news, now) {
            return match self.tell_observer(server, reporting, at, sample, &terms, now) {
                Ok(()) => Looked::Next(periods.next(now, false, measured, now)),
                Err(code) => self.end(server, reporting, at, code, now),
            };
        }
        let mut told = observation.told.clone();
        for (told, (at, seen)) in told.bits_mut().iter_mut().zip(&sample.seen) {
            if seen.is_baseline(&self.effective(server, observation, *at)) {
                *told = seen.bits();
            }
        }
        let observation = &mut reporting.observations[at];
        observation.told = told;
        observation.news = news;
        observation.measured = measured;
        Looked::Next(periods.next(told_at, news, measured, now))
    }

    /// Sends a notification, or stores it if that cannot be.
    ///
    /// # Errors
    /// The code with which the observation ends (RFC 7641 §4.2: when its format does not fit any more).
    fn tell_observer(
        &mut self,
        server: u16,
        reporting: &mut Reporting,
        at: usize,
        sample: Sample,
        terms: &Attributes,
        now: Instant,
    ) -> Result<(), Code> {
        let mut storing = self.server_flag(server, STORING) != Some(false);
        let version = self.version(server);
        let policy = &self.config.report;
        let mut capacity = terms.hqmax.map_or(policy.stored, |most| most as usize);
        let (confirm, confirm_every) = (policy.confirmable, policy.confirm_every);
        let Some(registration) = self.registration(server) else { return Ok(()) };
        if registration.only_lacks_way() {
            // It is opened for what there is to tell: a device is not offline for want of a session.
            (storing, capacity) = (true, capacity.max(1));
        }
        let number = reporting.fresh_number();
        let Reporting { observations, flights, stored, .. } = reporting;
        let observation = &mut observations[at];
        let told = Told::new(&sample.seen);
        let mut fates = Fates::new();
        if registration.reach() != Reach::Open {
            let entry = Stored { token: observation.token, at: now, entries: sample.entries };
            if storing {
                fates.push(NotificationFate::Stored);
            }
            let lost = stored::keep(stored, entry, if storing { capacity } else { 0 });
            fates.extend((0..lost).map(|_| NotificationFate::Dropped));
        } else {
            let past = stored::take(stored, observation.token);
            let timed =
                if past.is_empty() { None } else { stored::payload(observation, &past, &sample, now) };
            if timed.is_none() {
                // A format without times: what was is gone, what is counts.
                fates.extend(past.iter().map(|_| NotificationFate::Dropped));
            }
            let message = match timed {
                Some(payload) => Message::response(Code::CONTENT)
                    .with_content_format(observation.format)
                    .with_payload(payload),
                None => {
                    match manage::told(observation.format, observation.base(), &sample.entries, version) {
                        Ok(message) => message,
                        Err(code) => {
                            fates.into_iter().for_each(|fate| self.tell(Event::Notification(fate)));
                            return Err(code);
                        }
                    }
                }
            };
            let message = message.with_observe(number);
            let long_ago = |every: std::time::Duration| {
                u64::from(seconds(now).saturating_sub(observation.confirmed_at)) >= every.as_secs()
            };
            let confirmable = match confirm {
                Confirm::Always => true,
                Confirm::ByAttribute if terms.con == Some(true) => true,
                // RFC 7641 §4.5: at least once a day, or nobody would notice that the observer is gone.
                Confirm::ByAttribute | Confirm::Never => confirm_every.is_some_and(long_ago),
            };
            fates.push(hand_over(registration, observation, flights, message, confirmable, now));
        }
        observation.told = told;
        observation.told_at = now;
        observation.news = false;
        observation.measured = sample.measured;
        fates.into_iter().for_each(|fate| self.tell(Event::Notification(fate)));
        Ok(())
    }

    /// Ends an observation whose target cannot be read any more, and says why (RFC 7641 §4.2).
    fn end(&mut self, server: u16, reporting: &mut Reporting, at: usize, code: Code, now: Instant) -> Looked {
        let Some(registration) = self.registration(server) else { return Looked::Over };
        let Reporting { observations, flights, stored, .. } = reporting;
        let observation = &mut observations[at];
        let lost = stored::take(stored, observation.token).len();
        let fate = match registration.reach() {
            Reach::Open => hand_over(registration, observation, flights, Message::response(code), false, now),
            Reach::Away | Reach::Gone => NotificationFate::Dropped,
        };
        self.tell(Event::Notification(fate));
        self.drop_stored(lost);
        Looked::Over
    }

    /// The exchange layer says how a notification of the observation with this token ended.
    pub(in super::super) fn notified(
        &mut self,
        server: u16,
        handle: Handle,
        token: Token,
        outcome: Notified,
    ) {
        let registration = self.registration(server);
        let shut = registration.as_ref().is_some_and(|registration| registration.is_shut());
        let Some(reporting) = registration.and_then(|registration| registration.reporting.as_mut()) else {
            // Of an observation that has ended meanwhile. What was Confirmable would have been waited for.
            return self.tell(Event::Notification(NotificationFate::ResetNonConfirmable));
        };
        let flight = reporting.flights.iter().position(|(flying, _)| *flying == handle);
        if outcome == Notified::Abandoned && shut {
            // It went down with the way: told again once there is another.
            reporting.look_again_at_news(token);
        }
        if let Some(flight) = flight {
            reporting.flights.swap_remove(flight);
        }
        if reporting.flights.is_empty() {
            reporting.flights = Vec::new();
        }
        let fate = match (outcome, flight) {
            (Notified::Acknowledged, _) => NotificationFate::Acknowledged,
            (Notified::Superseded, _) => NotificationFate::Superseded,
            (Notified::Abandoned, _) => NotificationFate::Abandoned,
            (Notified::TimedOut, _) => NotificationFate::TimedOut,
            (Notified::Reset, Some(_)) => NotificationFate::Reset,
            (Notified::Reset, None) => NotificationFate::ResetNonConfirmable,
        };
        let mut lost = 0;
        // RFC 7641 §4.5.2, §4.5.3: off the list, whichever of its notifications it was.
        if matches!(outcome, Notified::TimedOut | Notified::Reset) {
            for ended in reporting.remove(|observation| observation.token == token) {
                lost += stored::take(&mut reporting.stored, ended).len();
            }
        }
        self.tell(Event::Notification(fate));
        self.drop_stored(lost);
        self.tidy_reporting(server);
    }

    /// Whether what is seen now is news to the observer.
    fn is_news(&self, server: u16, observation: &Observation, sample: &Sample) -> bool {
        let told = observation.told.bits();
        told.len() != sample.seen.len()
            || told
                .iter()
                .zip(&sample.seen)
                .any(|(before, (at, seen))| seen.is_news(*before, &self.effective(server, observation, *at)))
    }

    /// Gives the memory back once nothing is to be told any more.
    pub(super) fn tidy_reporting(&mut self, server: u16) {
        if let Some(registration) = self.registration(server) {
            registration.reporting.take_if(|reporting| Reporting::is_idle(reporting));
        }
    }
}

/// Gives a notification to the exchange layer, which makes it Confirmable if one of the same observation is
/// on its way (RFC 7641 §4.5.2).
fn hand_over(
    registration: &mut Registration,
    observation: &mut Observation,
    flights: &mut Vec<(Handle, Token)>,
    message: Message,
    confirmable: bool,
    now: Instant,
) -> NotificationFate {
    let handle = registration.exchange.notify(observation.token, message, confirmable, now);
    if registration.exchange.progress(handle).is_some() {
        observation.confirmed_at = seconds(now);
        flights.push((handle, observation.token));
        return NotificationFate::SentConfirmable;
    }
    NotificationFate::SentNonConfirmable
}
