//! Who is registered: endpoint names, locations and lifetimes (LwM2M Core §6.2).

use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::base::{Instant, Seed, Wheel};

/// How long after its lifetime a registration is still kept: a device that updates at the last moment,
/// and whose Update has to be sent again, is not to be thrown out (EXCHANGE_LIFETIME would be generous;
/// MAX_TRANSMIT_SPAN is what a message can be late by, RFC 7252 §4.8.2).
const GRACE: Duration = Duration::from_secs(45);

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
    /// The generation each place begins with: another one at each start of a server, so that a location
    /// of an earlier one does not lead to somebody else's registration.
    first_generation: u32,
}

impl Registry {
    /// An empty registry; location IDs are told from those of other registries by `seed`.
    pub(super) fn new(seed: Seed) -> Self {
        Registry {
            places: Vec::new(),
            generations: Vec::new(),
            free: Vec::new(),
            endpoints: Vec::new(),
            by_name: FxHashMap::default(),
            expiry: Wheel::new(Instant::ZERO),
            due: Vec::new(),
            first_generation: seed.rng().next_u64() as u32,
        }
    }

    /// Registers `endpoint`, replacing what it had before. Returns its location ID and whether it
    /// replaced one.
    pub(super) fn register(&mut self, endpoint: &str, lifetime: u32, now: Instant) -> (String, bool) {
        let endpoint = match self.by_name.get(endpoint) {
            Some(&known) => known,
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
        (location_id(place, generation), replaced.is_some())
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
            let id = location_id(place as u32, registration.generation);
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
        let number = u64::from_str_radix(id, 16).ok()?;
        let (generation, place) = ((number >> 32) as u32, number as u32);
        let registration = self.places.get(place as usize)?.as_ref()?;
        (registration.generation == generation).then_some(place)
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
            *generation = generation.wrapping_add(1);
            self.free.push(place);
        }
    }
}

/// At most sixteen ASCII characters, as small devices expect.
fn location_id(place: u32, generation: u32) -> String {
    format!("{:x}", (u64::from(generation) << 32) | u64::from(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_leads_nowhere_after_the_server_was_started_again() {
        let mut first = Registry::new(Seed(1));
        let mut second = Registry::new(Seed(2));
        let (old, _) = first.register("a", 60, Instant::ZERO);
        let (new, _) = second.register("b", 60, Instant::ZERO);
        assert!(old.len() <= 16 && new.len() <= 16, "{old}, {new}");
        assert!(!second.update(&old, None, Instant::ZERO) && !second.deregister(&old));
        assert!(second.update(&new, None, Instant::ZERO) && second.deregister(&new));
    }
}
