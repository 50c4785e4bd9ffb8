//! Who is registered: endpoint names, locations and lifetimes (LwM2M Core §6.2).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::objects::ObjectList;
use crate::base::{Instant, Seed, Wheel};
use crate::protocol::lwm2m::Version;

/// How long after its lifetime a registration is still kept: a device that updates at the last moment,
/// and whose Update has to be sent again, is not to be thrown out (EXCHANGE_LIFETIME would be generous;
/// MAX_TRANSMIT_SPAN is what a message can be late by, RFC 7252 §4.8.2).
const GRACE: Duration = Duration::from_secs(45);

/// Generations of a place; they begin again after this one. A location ID has 24 bits for them, 8 for the
/// worker and 32 for the place.
const GENERATIONS: u32 = 0xff_ffff;

/// A registration's place in the registry. It is used again after the registration has ended.
pub(super) type Place = u32;

/// An endpoint name's place among all that were ever registered, in the order of their first Register.
pub(super) type Endpoint = u32;

/// One registration in force. About a hundred bytes, whatever the device lists.
pub(super) struct Registration {
    pub endpoint: Endpoint,
    /// Tells this use of the place from earlier ones.
    generation: u32,
    pub terms: Terms,
    /// The instance of /1 that is this server's, once it is known.
    pub account: Option<u16>,
}

/// What a device said in its Register and the Updates since.
#[derive(Clone)]
pub(super) struct Terms {
    /// Seconds; 0 is for ever (LwM2M 1.2).
    pub lifetime: u32,
    pub version: Version,
    /// Whether it is in queue mode.
    pub queue: bool,
    pub objects: Arc<ObjectList>,
    /// Where it was heard from last.
    pub address: SocketAddr,
    /// Which of the server's addresses it spoke to.
    pub local: IpAddr,
}

/// A registration just made.
pub(super) struct Registered {
    pub place: Place,
    pub location: String,
    /// Where the device was before, if it was registered.
    pub replaced: Option<SocketAddr>,
}

/// What is known of an endpoint name beyond its present registration.
struct Name {
    name: Arc<str>,
    /// Registers accepted in all.
    accepted: u32,
    current: Option<Place>,
}

/// All registrations of one server.
pub(super) struct Registry {
    places: Vec<Option<Registration>>,
    generations: Vec<u32>,
    free: Vec<Place>,
    endpoints: Vec<Name>,
    by_name: FxHashMap<Arc<str>, Endpoint>,
    expiry: Wheel,
    /// Endpoint names remembered at the most.
    max_endpoints: usize,
    /// Tells the IDs of this registry from those of others behind the same port.
    worker: u8,
    /// The generation each place begins with: another one at each start of a server, so that a location
    /// of an earlier one does not lead to somebody else's registration.
    first_generation: u32,
}

impl Registry {
    /// An empty registry for at most `max_endpoints` names; its location IDs are told from those of other
    /// workers by `worker`, and from those of an earlier start by `seed`.
    pub(super) fn new(max_endpoints: usize, worker: u8, seed: Seed) -> Self {
        Registry {
            places: Vec::new(),
            generations: Vec::new(),
            free: Vec::new(),
            endpoints: Vec::new(),
            by_name: FxHashMap::default(),
            expiry: Wheel::new(Instant::ZERO),
            max_endpoints,
            worker,
            first_generation: seed.rng().next_u64() as u32 & GENERATIONS,
        }
    }

    /// Registers `endpoint`, replacing what it had before. `None` if there is no room for another name.
    pub(super) fn register(&mut self, endpoint: &str, terms: Terms, now: Instant) -> Option<Registered> {
        let endpoint = match self.by_name.get(endpoint) {
            Some(&known) => known,
            None if self.endpoints.len() >= self.max_endpoints => return None,
            None => self.insert(endpoint),
        };
        let known = &mut self.endpoints[endpoint as usize];
        known.accepted += 1;
        let replaced = known.current.take();
        let replaced = replaced.and_then(|place| self.vacate(place)).map(|before| before.terms.address);
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.generations.push(self.first_generation);
            (self.places.len() - 1) as Place
        });
        let generation = self.generations[place as usize];
        self.places[place as usize] = Some(Registration { endpoint, generation, terms, account: None });
        self.endpoints[endpoint as usize].current = Some(place);
        self.restart(place, now);
        Some(Registered { place, location: self.location_id(place, generation), replaced })
    }

    /// The registration at this place.
    pub(super) fn get(&self, place: Place) -> Option<&Registration> {
        self.places.get(place as usize)?.as_ref()
    }

    /// The registration at this place, whose lifetime must be [restarted](Self::restart) if it changes.
    pub(super) fn get_mut(&mut self, place: Place) -> Option<&mut Registration> {
        self.places.get_mut(place as usize)?.as_mut()
    }

    /// Where the registration of an endpoint is, if it is registered.
    pub(super) fn current(&self, endpoint: Endpoint) -> Option<Place> {
        self.endpoints.get(endpoint as usize)?.current
    }

    /// The name of the endpoint that is registered at this place.
    pub(super) fn name(&self, place: Place) -> Option<&str> {
        let registration = self.get(place)?;
        Some(&self.endpoints.get(registration.endpoint as usize)?.name)
    }

    /// Where the registration of the endpoint of this name is, if it is registered.
    pub(super) fn named(&self, name: &str) -> Option<Place> {
        self.current(*self.by_name.get(name)?)
    }

    /// Endpoints ever registered.
    pub(super) fn endpoints(&self) -> Endpoint {
        self.endpoints.len() as Endpoint
    }

    /// Ends the registration at this place.
    pub(super) fn end(&mut self, place: Place) -> Option<Registration> {
        let ended = self.vacate(place)?;
        self.endpoints[ended.endpoint as usize].current = None;
        Some(ended)
    }

    /// Gives out the places of the registrations whose lifetime has run out, to be ended.
    pub(super) fn expire(&mut self, now: Instant, due: &mut Vec<Place>) {
        self.expiry.expire(now, due);
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.expiry.next()
    }

    /// Registrations in force.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Registrations in force, by place: location ID, endpoint name, lifetime in seconds.
    pub(super) fn iter(&self) -> impl Iterator<Item = (String, &str, u32)> {
        self.places.iter().enumerate().filter_map(|(place, registration)| {
            let registration = registration.as_ref()?;
            let id = self.location_id(place as u32, registration.generation);
            Some((id, &*self.endpoints[registration.endpoint as usize].name, registration.terms.lifetime))
        })
    }

    /// Registers accepted, by endpoint name, in the order of their first Register.
    pub(super) fn accepted(&self) -> impl Iterator<Item = (&str, u32)> {
        self.endpoints.iter().map(|endpoint| (&*endpoint.name, endpoint.accepted))
    }

    fn insert(&mut self, name: &str) -> Endpoint {
        let name: Arc<str> = name.into();
        let endpoint = self.endpoints.len() as Endpoint;
        self.endpoints.push(Name { name: name.clone(), accepted: 0, current: None });
        self.by_name.insert(name, endpoint);
        endpoint
    }

    /// The place of the registration with this location ID.
    pub(super) fn find(&self, id: &str) -> Option<Place> {
        let number = read_id(id)?;
        let (generation, worker, place) = ((number >> 40) as u32, (number >> 32) as u8, number as u32);
        let registration = self.places.get(place as usize)?.as_ref()?;
        (worker == self.worker && registration.generation == generation).then_some(place)
    }

    fn location_id(&self, place: u32, generation: u32) -> String {
        let number = u64::from(generation) << 40 | u64::from(self.worker) << 32 | u64::from(place);
        format!("{number:x}")
    }

    /// Restarts the lifetime of the registration at this place.
    pub(super) fn restart(&mut self, place: Place, now: Instant) {
        let Some(registration) = &self.places[place as usize] else { return };
        match registration.terms.lifetime {
            0 => self.expiry.disarm(place),
            seconds => self.expiry.arm(place, now + Duration::from_secs(seconds.into()) + GRACE),
        }
    }

    fn vacate(&mut self, place: Place) -> Option<Registration> {
        let ended = self.places.get_mut(place as usize)?.take()?;
        self.expiry.disarm(place);
        let generation = &mut self.generations[place as usize];
        *generation = (*generation + 1) & GENERATIONS;
        self.free.push(place);
        Some(ended)
    }
}

/// The number of a location ID: at most sixteen hexadecimal digits, as small devices expect, and only as
/// they are handed out, so that each registration has one location.
fn read_id(id: &str) -> Option<u64> {
    let canonical = id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && (id == "0" || !id.starts_with('0'));
    canonical.then(|| u64::from_str_radix(id, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        let address = SocketAddr::from(([127, 0, 0, 1], 5683));
        let objects = Arc::default();
        Terms { lifetime: 60, version: Version::V1_2, queue: false, objects, address, local: address.ip() }
    }

    fn register(registry: &mut Registry, endpoint: &str) -> String {
        registry.register(endpoint, terms(), Instant::ZERO).expect("there is room").location
    }

    fn deregister(registry: &mut Registry, location: &str) -> bool {
        registry.find(location).and_then(|place| registry.end(place)).is_some()
    }

    #[test]
    fn a_location_leads_nowhere_after_the_server_was_started_again() {
        let mut first = Registry::new(10, 0, Seed(1));
        let mut second = Registry::new(10, 0, Seed(2));
        let old = register(&mut first, "a");
        let new = register(&mut second, "b");
        assert!(old.len() <= 16 && new.len() <= 16, "{old}, {new}");
        assert_eq!(second.find(&old), None);
        assert!(deregister(&mut second, &new) && !deregister(&mut second, &new));
    }

    #[test]
    fn a_location_leads_nowhere_at_another_worker() {
        let [mut first, mut second] = [0, 1].map(|worker| Registry::new(10, worker, Seed(1)));
        let [one, other] = [&mut first, &mut second].map(|registry| register(registry, "a"));
        assert_ne!(one, other);
        assert!(!deregister(&mut second, &one) && !deregister(&mut first, &other));
        assert!(deregister(&mut first, &one) && deregister(&mut second, &other));
    }

    #[test]
    fn a_registration_has_one_location_and_no_other_spelling_of_it() {
        // Any generation with a letter in it will do.
        let mut registry = (0..).map(|seed| Registry::new(10, 0, Seed(seed))).find_map(|mut registry| {
            let id = register(&mut registry, "a");
            id.contains(|letter: char| letter.is_ascii_lowercase()).then_some((registry, id))
        });
        let (registry, id) = registry.as_mut().expect("one of endlessly many");
        for alias in [format!("+{id}"), format!("0{id}"), id.to_uppercase(), String::new()] {
            assert_eq!(registry.find(&alias), None, "{alias:?}");
        }
        assert!(registry.find(id).is_some());
    }

    #[test]
    fn names_are_remembered_up_to_a_bound() {
        let mut registry = Registry::new(2, 0, Seed(1));
        let first = register(&mut registry, "a");
        register(&mut registry, "b");
        assert!(registry.register("c", terms(), Instant::ZERO).is_none());
        // Names that are known may come back, and are still accounted for.
        assert!(deregister(&mut registry, &first));
        assert!(registry.register("c", terms(), Instant::ZERO).is_none());
        register(&mut registry, "a");
        assert_eq!(registry.accepted().collect::<Vec<_>>(), [("a", 2), ("b", 1)]);
    }
}
