//! Register, Update and De-register (LwM2M Core §6.2), and the end of registrations in general.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Ems;
use super::device::Device;
use super::objects::ObjectList;
use super::registry::{Place, Terms};
use crate::base::Instant;
use crate::protocol::coap::{Code, ContentFormat, Message};
use crate::protocol::lwm2m::Version;
use crate::protocol::server::identity;
use crate::protocol::server::peers::Slot;

/// LwM2M Core §6.2.1: what a server takes the lifetime to be where a device does not say.
const DEFAULT_LIFETIME: u32 = 86_400;

/// 4.09: the profile ID is not known (LwM2M Core 1.2 §6.2.1).
const CONFLICT: Code = Code(0x89);

/// Profile IDs remembered at the most. A fleet has a handful.
const MAX_PROFILES: usize = 1_000;

impl Ems {
    /// Answers a Register.
    pub(super) fn register(&mut self, slot: Slot, request: &Message, now: Instant) -> Message {
        let identity = self.peers.get(slot).and_then(|peer| peer.identity.clone());
        let refused = match self.check_registration(slot, request, identity.as_deref()) {
            Ok((endpoint, terms)) => match self.registry.register(endpoint, terms, now) {
                Some(registered) => {
                    self.counters.registrations += 1;
                    if let Some(before) = registered.replaced {
                        self.counters.replaced += 1;
                        // The registration before had the same place.
                        self.part(registered.place, before, Some(slot), now);
                    }
                    self.admitted(slot, registered.place, now);
                    return Message::response(Code::CREATED).with_location(&["rd", &registered.location]);
                }
                None => Code::SERVICE_UNAVAILABLE,
            },
            Err(code) => code,
        };
        self.counters.refused += 1;
        self.counters.unknown_profile += u64::from(refused == CONFLICT);
        Message::response(refused)
    }

    /// The endpoint name and terms of an acceptable Register, or the code that refuses it.
    ///
    /// What is in its query besides is passed over: devices send parameters of their vendors, and `sms` is
    /// a number this server has no use for.
    fn check_registration<'a>(
        &mut self,
        slot: Slot,
        request: &'a Message,
        identity: Option<&'a str>,
    ) -> Result<(&'a str, Terms), Code> {
        let said = Parameters::of(request);
        let endpoint = identity::endpoint(said.endpoint, identity, self.config.proven).map_err(|why| {
            self.counters.identity_mismatch += u64::from(why.is_mismatch());
            why.code()
        })?;
        if self.config.refused.iter().any(|pattern| pattern.fits(endpoint)) {
            return Err(Code::FORBIDDEN);
        }
        let version = said.version.ok_or(Code::BAD_REQUEST)?;
        // 4.12: a version this server does not speak (LwM2M Core §6.2.1).
        let version: Version = version.parse().map_err(|_| Code::PRECONDITION_FAILED)?;
        let (lowest, highest) = self.config.versions;
        if !(lowest..=highest).contains(&version) {
            return Err(Code::PRECONDITION_FAILED);
        }
        let lifetime = said.lifetime()?.unwrap_or(DEFAULT_LIFETIME);
        check_format(request)?;
        let objects = self.objects(request, said.profile)?;
        let queue = said.queue_mode().unwrap_or(false);
        let peer = self.peers.get(slot).ok_or(Code::INTERNAL_SERVER_ERROR)?;
        let (address, local) = (peer.address, peer.local);
        Ok((endpoint, Terms { lifetime, version, queue, objects, address, local }))
    }

    /// The list in a Register, or the one that its profile ID stands for.
    fn objects(&mut self, request: &Message, profile: Option<&str>) -> Result<Arc<ObjectList>, Code> {
        if let (Some(profile), true) = (profile, request.payload().is_empty()) {
            return self.profiles.get(profile).cloned().ok_or(CONFLICT);
        }
        let objects = self.lists.get(request.payload())?;
        let has_room =
            |profile: &&str| self.profiles.len() < MAX_PROFILES || self.profiles.contains_key::<str>(profile);
        if let Some(profile) = profile.filter(|_| self.config.profile_ids).filter(has_room) {
            self.profiles.insert(profile.into(), objects.clone());
        }
        Ok(objects)
    }

    /// A device has just been registered.
    fn admitted(&mut self, slot: Slot, place: Place, now: Instant) {
        // A new registration voids what was agreed before (LwM2M Core §6.2.1).
        self.void(slot);
        self.attach(slot, place);
        self.trust(slot, now);
        if self.counters.registrations == 1 {
            self.start_campaigns(now);
        }
        self.begin_interview(slot, place, None, now);
        self.update_goes_on(place, now);
    }

    /// Answers an Update.
    pub(super) fn update(&mut self, slot: Slot, id: &str, request: &Message, now: Instant) -> Message {
        let Some(place) = self.find(slot, id) else { return Message::response(Code::NOT_FOUND) };
        Message::response(match self.change(slot, place, request, now) {
            Ok(()) => {
                self.counters.updates += 1;
                Code::CHANGED
            }
            Err(code) => {
                self.counters.bad_updates += 1;
                code
            }
        })
    }

    /// Takes what an Update says.
    fn change(&mut self, slot: Slot, place: Place, request: &Message, now: Instant) -> Result<(), Code> {
        let said = Parameters::of(request);
        let lifetime = said.lifetime()?;
        let objects = match request.payload() {
            [] => None,
            payload => {
                check_format(request)?;
                Some(self.lists.get(payload)?)
            }
        };
        let (Some(registration), Some(peer)) = (self.registry.get_mut(place), self.peers.get(slot)) else {
            return Err(Code::INTERNAL_SERVER_ERROR);
        };
        let terms = &mut registration.terms;
        terms.lifetime = lifetime.unwrap_or(terms.lifetime);
        terms.queue = said.queue_mode().unwrap_or(terms.queue);
        terms.local = peer.local;
        let before = std::mem::replace(&mut terms.address, peer.address);
        let moved = before != peer.address;
        let relisted = objects.map(|objects| std::mem::replace(&mut terms.objects, objects));
        if relisted.is_some() {
            self.counters.relisted += 1;
            registration.account = None;
        }
        self.registry.restart(place, now);
        if moved {
            self.counters.moved += 1;
            self.moved(place, before, slot, now);
        } else {
            self.attach(slot, place);
            self.trust(slot, now);
        }
        if let Some(before) = relisted {
            self.begin_interview(slot, place, Some(&before), now);
        }
        Ok(())
    }

    /// Answers a De-register.
    pub(super) fn deregister(&mut self, slot: Slot, id: &str, now: Instant) -> Message {
        let ended = self.find(slot, id).and_then(|place| Some((place, self.registry.end(place)?)));
        let Some((place, ended)) = ended else { return Message::response(Code::NOT_FOUND) };
        self.counters.deregistrations += 1;
        self.part(place, ended.terms.address, Some(slot), now);
        Message::response(Code::DELETED)
    }

    /// The registration at this location, for the device to change or to end. Somebody else's is as good as none:
    /// 4.04 does not tell a stranger which locations there are.
    fn find(&mut self, slot: Slot, id: &str) -> Option<Place> {
        let Some(place) = self.registry.find(id) else {
            self.counters.unknown_location += 1;
            return None;
        };
        let own = self.may_be(slot, place);
        self.counters.identity_mismatch += u64::from(!own);
        own.then_some(place)
    }

    /// Ends the registrations whose lifetime has run out.
    pub(super) fn expire(&mut self, now: Instant) {
        let mut expired = std::mem::take(&mut self.expired);
        self.registry.expire(now, &mut expired);
        for place in expired.drain(..) {
            if let Some(ended) = self.registry.end(place) {
                self.counters.expired += 1;
                self.part(place, ended.terms.address, None, now);
            }
        }
        self.expired = expired;
    }

    /// The registration at this place, of a device at this address, has ended: so has everything that was
    /// under way. `draining` is the peer that will be drained anyway.
    fn part(&mut self, place: Place, address: SocketAddr, draining: Option<Slot>, now: Instant) {
        if self.parked.get(&address) == Some(&place) {
            self.unpark(address);
        }
        let Some(slot) = self.peers.find(address) else { return };
        let Some(peer) = self.peers.get(slot).filter(|peer| peer.app.place == Some(place)) else { return };
        peer.app.place = None;
        if self.void(slot) && draining != Some(slot) {
            self.drain(slot, now);
        }
    }

    /// This peer is the device of that registration. Of two registrations at one address, the one heard of
    /// last is in force; what was under way for the other is void.
    pub(super) fn attach(&mut self, slot: Slot, place: Place) {
        let Some(peer) = self.peers.get(slot) else { return };
        let address = peer.address;
        let before = peer.app.place.replace(place);
        if before.is_some_and(|before| before != place) {
            self.void(slot);
        }
        self.unpark(address);
    }

    /// Gives a peer back the registration that it had before it was forgotten; whether it has one.
    pub(super) fn restore(&mut self, slot: Slot) -> bool {
        let Some(peer) = self.peers.get(slot) else { return false };
        if peer.app.place.is_some() {
            return true;
        }
        let parked = self.parked.get(&peer.address).copied();
        let own = parked.filter(|place| self.may_be(slot, *place));
        if let Some(place) = own {
            self.attach(slot, place);
        }
        own.is_some()
    }

    /// Remembers whose registration it was that a forgotten peer had.
    pub(super) fn forgotten(&mut self, device: Device) {
        if let Some(work) = device.work {
            self.dropped(*work);
        }
        if let Some((place, registration)) =
            device.place.and_then(|place| Some((place, self.registry.get(place)?)))
        {
            self.parked.insert(registration.terms.address, place);
        }
    }

    /// Takes note of the peer that had to make room for another.
    pub(super) fn made_room(&mut self) {
        if let Some(device) = self.peers.take_evicted() {
            self.forgotten(device);
        }
    }

    pub(super) fn unpark(&mut self, address: SocketAddr) {
        if !self.parked.is_empty() {
            self.parked.remove(&address);
        }
    }
}

/// What a Register or an Update says in its query, as far as this server cares.
#[derive(Default)]
struct Parameters<'a> {
    endpoint: Option<&'a str>,
    version: Option<&'a str>,
    lifetime: Option<&'a str>,
    profile: Option<&'a str>,
    binding: Option<&'a str>,
    queue: bool,
}

impl<'a> Parameters<'a> {
    /// Reads the query, once; of several parameters of one name the first counts.
    fn of(request: &'a Message) -> Self {
        let mut said = Parameters::default();
        for item in request.queries() {
            let (name, value) = item.split_once('=').unwrap_or((item, ""));
            let place = match name {
                "ep" => &mut said.endpoint,
                "lwm2m" => &mut said.version,
                "lt" => &mut said.lifetime,
                "pid" => &mut said.profile,
                "b" => &mut said.binding,
                _ => {
                    said.queue |= item == "Q";
                    continue;
                }
            };
            place.get_or_insert(value);
        }
        said
    }

    /// The lifetime, in seconds.
    fn lifetime(&self) -> Result<Option<u32>, Code> {
        self.lifetime.map(str::parse).transpose().map_err(|_| Code::BAD_REQUEST)
    }

    /// What is said about queue mode: `Q` beside the binding since LwM2M 1.1, within it in 1.0 (`b=UQ`).
    /// `None` if neither is spoken of, and so nothing changes.
    fn queue_mode(&self) -> Option<bool> {
        match self.binding {
            Some(binding) => Some(self.queue || binding.contains('Q')),
            None => self.queue.then_some(true),
        }
    }
}

/// Lists of objects are link-format; devices exist that leave the format out.
fn check_format(request: &Message) -> Result<(), Code> {
    match request.content_format() {
        None | Some(ContentFormat::LINK) => Ok(()),
        Some(_) => Err(Code::UNSUPPORTED_CONTENT_FORMAT),
    }
}
