//! Who is registered: endpoint names, locations and lifetimes (LwM2M Core §6.2).

use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::base::{Instant, Seed, Wheel};

/// How long after its lifetime a registration is still kept: a device that updates at the last moment,
/// and whose Update has to be sent again, is not to be thrown out (EXCHANGE_LIFETIME would be generous;
/// MAX_TRANSMIT_SPAN is what a message can be late by, RFC 7252 §4.8.2).
const GRACE: Duration = Duration::from_secs(45);

/// Generations of a place; they begin again after this one. A location ID has 24 bits for them, 8 for the
/// worker and 32 for the place.
const GENERATIONS: u32 = 0xff_ffff;

/// One registration in force.
pub(super) struct Registration {
    /// Whose it is, by its place among the endpoints.
    endpoint: u32,
    /// Tells this use of the place from earlier ones.
    generation: u32,
    lifetime: u32,
}

/// What is known of an endpoint name beyond its present registration.
struct Endpoint {
    name: Arc<str>,
    /// Registers accepted in all.
    accepted: u32,
    current: Option<u32>,
}

/// All registrations of one server.
pub(super) struct Registry {
    places: Vec<Option<Registration>>,
    generations: Vec<u32>,
    free: Vec<u32>,
    endpoints: Vec<Endpoint>,
    by_name: FxHashMap<Arc<str>, u32>,
    expiry: Wheel,
    due: Vec<u32>,
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
            due: Vec::new(),
            max_endpoints,
            worker,
            first_generation: seed.rng().next_u64() as u32 & GENERATIONS,
        }
    }

    /// Registers `endpoint`, replacing what it had before. Returns its location ID and whether it
    /// replaced one; `None` if it has no room for another name.
    pub(super) fn register(&mut self, endpoint: &str, lifetime: u32, now: Instant) -> Option<(String, bool)> {
        let endpoint = match self.by_name.get(endpoint) {
            Some(&known) => known,
            None if self.endpoints.len() >= self.max_endpoints => return None,
            None => self.insert(endpoint),
        };
        let known = &mut self.endpoints[endpoint as usize];
        known.accepted += 1;
        let replaced = known.current.take();
        if let Some(place) = replaced {
            self.vacate(place);
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.generations.push(self.first_generation);
            (self.places.len() - 1) as u32
        });
        let generation = self.generations[place as usize];
        self.places[place as usize] = Some(Registration { endpoint, generation, lifetime });
        self.endpoints[endpoint as usize].current = Some(place);
        self.arm(place, now);
        Some((self.location_id(place, generation), replaced.is_some()))
    }

    /// Restarts the lifetime of the registration at this location, which may change.
    pub(super) fn update(&mut self, id: &str, lifetime: Option<u32>, now: Instant) -> bool {
        let Some(place) = self.find(id) else { return false };
        if let (Some(registration), Some(lifetime)) = (&mut self.places[place as usize], lifetime) {
            registration.lifetime = lifetime;
        }
        self.arm(place, now);
        true
    }

    /// Ends the registration at this location.
    pub(super) fn deregister(&mut self, id: &str) -> bool {
        let Some(place) = self.find(id) else { return false };
        self.end(place);
        true
    }

    /// Ends the registrations whose lifetime has run out; how many.
    pub(super) fn expire(&mut self, now: Instant) -> u64 {
        let mut due = std::mem::take(&mut self.due);
        due.clear();
        self.expiry.expire(now, &mut due);
        for &place in &due {
            self.end(place);
        }
        let expired = due.len() as u64;
        self.due = due;
        expired
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
            Some((id, &*self.endpoints[registration.endpoint as usize].name, registration.lifetime))
        })
    }

    /// Registers accepted, by endpoint name, in the order of their first Register.
    pub(super) fn accepted(&self) -> impl Iterator<Item = (&str, u32)> {
        self.endpoints.iter().map(|endpoint| (&*endpoint.name, endpoint.accepted))
    }

    fn insert(&mut self, name: &str) -> u32 {
        let name: Arc<str> = name.into();
        let endpoint = self.endpoints.len() as u32;
        self.endpoints.push(Endpoint { name: name.clone(), accepted: 0, current: None });
        self.by_name.insert(name, endpoint);
        endpoint
    }

    fn find(&self, id: &str) -> Option<u32> {
        let number = read_id(id)?;
        let (generation, worker, place) = ((number >> 40) as u32, (number >> 32) as u8, number as u32);
        let registration = self.places.get(place as usize)?.as_ref()?;
        (worker == self.worker && registration.generation == generation).then_some(place)
    }

    fn location_id(&self, place: u32, generation: u32) -> String {
        let number = u64::from(generation) << 40 | u64::from(self.worker) << 32 | u64::from(place);
        format!("{number:x}")
    }

    fn arm(&mut self, place: u32, now: Instant) {
        let Some(registration) = &self.places[place as usize] else { return };
        match registration.lifetime {
            // LwM2M 1.2: zero is for ever.
            0 => self.expiry.disarm(place),
            seconds => self.expiry.arm(place, now + Duration::from_secs(seconds.into()) + GRACE),
        }
    }

    fn end(&mut self, place: u32) {
        if let Some(registration) = &self.places[place as usize] {
            self.endpoints[registration.endpoint as usize].current = None;
        }
        self.vacate(place);
    }

    fn vacate(&mut self, place: u32) {
        if self.places[place as usize].take().is_some() {
            self.expiry.disarm(place);
            let generation = &mut self.generations[place as usize];
            *generation = (*generation + 1) & GENERATIONS;
            self.free.push(place);
        }
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

    fn register(registry: &mut Registry, endpoint: &str) -> String {
        registry.register(endpoint, 60, Instant::ZERO).expect("there is room").0
    }

    #[test]
    fn a_location_leads_nowhere_after_the_server_was_started_again() {
        let mut first = Registry::new(10, 0, Seed(1));
        let mut second = Registry::new(10, 0, Seed(2));
        let old = register(&mut first, "a");
        let new = register(&mut second, "b");
        assert!(old.len() <= 16 && new.len() <= 16, "{old}, {new}");
        assert!(!second.update(&old, None, Instant::ZERO) && !second.deregister(&old));
        assert!(second.update(&new, None, Instant::ZERO) && second.deregister(&new));
    }

    #[test]
    fn a_location_leads_nowhere_at_another_worker() {
        let [mut first, mut second] = [0, 1].map(|worker| Registry::new(10, worker, Seed(1)));
        let [one, other] = [&mut first, &mut second].map(|registry| register(registry, "a"));
        assert_ne!(one, other);
        assert!(!second.deregister(&one) && !first.deregister(&other));
        assert!(first.deregister(&one) && second.deregister(&other));
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
            assert!(!registry.update(&alias, None, Instant::ZERO), "{alias:?}");
        }
        assert!(registry.update(id, None, Instant::ZERO));
    }

    #[test]
    fn names_are_remembered_up_to_a_bound() {
        let mut registry = Registry::new(2, 0, Seed(1));
        let first = register(&mut registry, "a");
        register(&mut registry, "b");
        assert_eq!(registry.register("c", 60, Instant::ZERO), None);
        // Names that are known may come back, and are still accounted for.
        assert!(registry.deregister(&first));
        assert_eq!(registry.register("c", 60, Instant::ZERO), None);
        register(&mut registry, "a");
        assert_eq!(registry.accepted().collect::<Vec<_>>(), [("a", 2), ("b", 1)]);
    }
}
