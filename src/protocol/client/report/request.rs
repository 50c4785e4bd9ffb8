//! Requests to observe, and to stop: GET and FETCH with Observe (LwM2M Core §6.4.1 to §6.4.4, RFC 7641 §4.1).

use super::super::client::Client;
use super::super::manage;
use super::Reporting;
use super::observation::{Observation, Target, Told};
use super::values::Sample;
use crate::base::Instant;
use crate::protocol::coap::{Code, ContentFormat, Message};
use crate::protocol::content;
use crate::protocol::lwm2m::{AttributeChange, AttributeError, AttributeSet, Attributes, Path, Version};

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
        if request.code() == Code::GET && request.accept() == Some(ContentFormat::LINK) {
            // Links are not observed: a Discover, whatever else the request says.
            return manage::answer(request, &self.tree);
        }
        self.try_observe(server, request, now).unwrap_or_else(Message::response)
    }

    fn try_observe(&mut self, server: u16, request: &Message, now: Instant) -> Result<Message, Code> {
        let version = self.config.version;
        let target = target(request, version)?;
        let composite = matches!(target, Target::Composite(_));
        if request.observe() == Some(DEREGISTER) {
            self.unobserve(server, request, &target);
        }
        let sample = self.sample(server, target.paths(), composite, now)?;
        let format = format_of(request, &target, &sample);
        let payload = content::encode(format, target.base(), &sample.entries);
        let payload = payload.map_err(|_| Code::NOT_ACCEPTABLE)?;
        let answer = Message::response(Code::CONTENT).with_content_format(format).with_payload(payload);
        if request.observe() != Some(REGISTER) {
            return Ok(answer);
        }
        let attributes = attributes(request, &target, version)?;
        let told = Told::new(&sample.seen);
        let mut observation = Observation::new(request.token(), &target, attributes, format, told, now);
        observation.measured = sample.measured;
        match self.begin(server, observation, &target, now) {
            Some(number) => Ok(answer.with_observe(number)),
            None => Ok(answer),
        }
    }

    /// Puts an observation on the list, in place of one it replaces. The number of its first answer; none if
    /// there is no room.
    fn begin(
        &mut self,
        server: u16,
        mut observation: Observation,
        target: &Target,
        now: Instant,
    ) -> Option<u32> {
        let policy = &self.config.report;
        let (room, paths) = (policy.observations, policy.composite_paths);
        if target.paths().len() > paths {
            return None;
        }
        self.unobserve_if(server, |old| old.token == observation.token || old.is_of(target));
        let registration = self.registration(server)?;
        if registration.reporting.as_ref().is_some_and(|reporting| reporting.observations.len() >= room) {
            return None;
        }
        let none = AttributeSet::default();
        let attached = self.attributes(server).unwrap_or(&none);
        let periods = self.periods(server, attached, &observation);
        observation.due = periods.next(now, false, observation.measured, now);
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
        let reporting = self.registration(server).and_then(|registration| registration.reporting.as_ref());
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

/// What the request is for.
fn target(request: &Message, version: Version) -> Result<Target, Code> {
    // A path that is none of ours (LwM2M Transport §6.4).
    let path = Path::from_segments(request.path()).ok_or(Code::METHOD_NOT_ALLOWED)?;
    if request.code() == Code::FETCH {
        if version == Version::V1_0 || path != Path::ROOT {
            return Err(Code::METHOD_NOT_ALLOWED);
        }
        let format = request.content_format().ok_or(Code::UNSUPPORTED_CONTENT_FORMAT)?;
        let paths = content::decode_paths(format, request.payload()).map_err(|error| match error {
            content::Error::Unsupported(_) => Code::UNSUPPORTED_CONTENT_FORMAT,
            _ => Code::BAD_REQUEST,
        })?;
        return if paths.is_empty() { Err(Code::BAD_REQUEST) } else { Ok(Target::Composite(paths)) };
    }
    match path.depth() {
        0 => Err(Code::METHOD_NOT_ALLOWED),
        // Resource instances have paths since 1.1.
        4 if version == Version::V1_0 => Err(Code::METHOD_NOT_ALLOWED),
        _ => Ok(Target::Single(path)),
    }
}

/// The attributes in the query of a request to observe (LwM2M 1.2; before, there were none).
fn attributes(request: &Message, target: &Target, version: Version) -> Result<Attributes, Code> {
    if request.queries().next().is_none() {
        return Ok(Attributes::default());
    }
    if version < Version::V1_2 {
        return Err(Code::BAD_REQUEST);
    }
    let read = || -> Result<Attributes, AttributeError> {
        let attributes = AttributeChange::parse(request.queries(), version)?.apply(&Attributes::default());
        attributes.check()?;
        Ok(attributes)
    };
    let attributes = read().map_err(|_| Code::BAD_REQUEST)?;
    let allowed = target.paths().iter().all(|path| attributes.allowed_at(*path));
    if allowed { Ok(attributes) } else { Err(Code::BAD_REQUEST) }
}

/// The format of the answer, and of every notification: what Accept asks for; else, of a composite, SenML
/// as its request is; else text for one value and TLV for more (LwM2M Core §7.4).
fn format_of(request: &Message, target: &Target, sample: &Sample) -> ContentFormat {
    if let Some(format) = request.accept() {
        return format;
    }
    match (target, &*sample.entries) {
        (Target::Composite(_), _) => match request.content_format() {
            Some(ContentFormat::SENML_JSON | ContentFormat::SENML_ETCH_JSON) => ContentFormat::SENML_JSON,
            _ => ContentFormat::SENML_CBOR,
        },
        (Target::Single(path), [only]) if only.path == *path => ContentFormat::TEXT,
        (Target::Single(_), _) => ContentFormat::TLV,
    }
}
