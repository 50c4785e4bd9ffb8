//! Requests to observe, and to stop: GET and FETCH with Observe (LwM2M Core §6.4.1 to §6.4.4, RFC 7641 §4.1).

use super::super::client::Client;
use super::Reporting;
use super::observation::{Observation, Target, Told};
use crate::base::Instant;
use crate::protocol::coap::{Code, Message};
use crate::protocol::content;
use crate::protocol::lwm2m::{AttributeChange, Attributes, Path, Version};

/// Values of Observe in a request (RFC 7641 §2).
const REGISTER: u32 = 0;
const DEREGISTER: u32 = 1;

impl Client {
    /// Answers a GET or FETCH of `server` that carries Observe: a read, which begins an observation at 0 and
    /// ends one at 1.
    ///
    /// An observation of the same target by the same server, or one with the same token, gives way to the
    /// new one. The answer to a request that begins none, for whatever reason, carries no Observe.
    pub(in super::super) fn observe(&mut self, server: u16, request: &Message, now: Instant) -> Message {
        let target = target(request);
        if let (Some(DEREGISTER), Some(target)) = (request.observe(), &target) {
            self.unobserve(server, request, target);
        }
        let answer = self.read_for(server, request, now);
        let Some(target) = target.filter(|_| answer.code().is_success()) else { return answer };
        if request.observe() != Some(REGISTER) {
            return answer;
        }
        let Some(attributes) = attributes(request, &target, self.version(server)) else {
            return Message::response(Code::BAD_REQUEST);
        };
        match self.begin_observation(server, request, &answer, &target, attributes, now) {
            Some(number) => answer.with_observe(number),
            None => answer,
        }
    }

    /// Puts an observation on the list, in place of one it replaces. The number of its first answer; none if
    /// there is no room.
    fn begin_observation(
        &mut self,
        server: u16,
        request: &Message,
        answer: &Message,
        target: &Target,
        attributes: Attributes,
        now: Instant,
    ) -> Option<u32> {
        let policy = &self.config.report;
        let (room, paths) = (policy.observations, policy.composite_paths);
        if target.paths().len() > paths {
            return None;
        }
        let token = request.token();
        self.unobserve_if(server, |old| old.token == token || old.is_of(target));
        let reporting = &self.registered(server)?.reporting;
        if reporting.as_ref().is_some_and(|reporting| reporting.observations.len() >= room) {
            return None;
        }
        let composite = matches!(target, Target::Composite(_));
        let sample = self.sample(server, target.paths(), composite, now).ok()?;
        let told = Told::new(&sample.seen);
        let mut observation =
            Observation::new(token, target, attributes, answer.content_format()?, told, now);
        observation.measured = sample.measured;
        observation.due = self.periods(server, &observation).next(now, false, sample.measured, now);
        let reporting = self.registration(server)?.reporting.get_or_insert_default();
        reporting.next = reporting.next.min(observation.due);
        reporting.observations.reserve_exact(1);
        reporting.observations.push(observation);
        Some(reporting.fresh_number())
    }

    /// Ends the observation that a request with Observe 1 means: the one with its token, or else, for a
    /// server that lost the token, the one of its target.
    fn unobserve(&mut self, server: u16, request: &Message, target: &Target) {
        let token = request.token();
        let reporting = self.registered(server).and_then(|registration| registration.reporting.as_ref());
        let known = reporting.is_some_and(|reporting| reporting.observation(token).is_some());
        self.unobserve_if(server, |old| if known { old.token == token } else { old.is_of(target) });
    }

    /// Ends observations; what is under way to their observer is given up.
    fn unobserve_if(&mut self, server: u16, ends: impl Fn(&Observation) -> bool) {
        let Some(registration) = self.registration(server) else { return };
        let Some(reporting) = &mut registration.reporting else { return };
        for token in reporting.remove(ends) {
            let under_way = reporting.flights.iter().filter(|(_, of)| *of == token);
            under_way.for_each(|(handle, _)| registration.exchange.abandon(*handle));
        }
        registration.reporting.take_if(|reporting| Reporting::is_idle(reporting));
    }
}

/// What the request is for; none if it is for nothing that could be observed.
fn target(request: &Message) -> Option<Target> {
    let path = Path::from_segments(request.path())?;
    if request.code() == Code::FETCH {
        let paths = content::decode_paths(request.content_format()?, request.payload()).ok()?;
        return (!paths.is_empty()).then_some(Target::Composite(paths));
    }
    (path != Path::ROOT).then_some(Target::Single(path))
}

/// The attributes in the query of a request to observe (LwM2M 1.2; before, there were none). None if they
/// are wrong, do not agree, or do not belong to such a target.
fn attributes(request: &Message, target: &Target, version: Version) -> Option<Attributes> {
    if request.queries().next().is_none() {
        return Some(Attributes::default());
    }
    if version < Version::V1_2 {
        return None;
    }
    let change = AttributeChange::parse(request.queries(), version).ok()?;
    let attributes = change.apply(&Attributes::default());
    let allowed = target.paths().iter().all(|path| attributes.allowed_at(*path));
    (allowed && attributes.check().is_ok()).then_some(attributes)
}
