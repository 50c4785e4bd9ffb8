//! Which meter has which name.

use std::fmt;
use std::hash::Hasher as _;
use std::sync::{Arc, OnceLock};

use rustc_hash::FxHasher;

/// The endpoint names of a fleet by the numbers of its meters, and back.
#[derive(Clone)]
pub struct Names {
    meters: u32,
    name: Arc<dyn Fn(u32) -> String + Send + Sync>,
    /// Hash and number of each name, in the order of the hashes: eight bytes a meter. Made when a name is first
    /// looked for, which a fleet without embedded servers never does.
    index: Arc<OnceLock<Index>>,
}

/// Hash and number of each name.
type Index = Box<[(u32, u32)]>;

impl Names {
    /// The names that `name` gives the numbers below `meters`.
    pub fn new(meters: u32, name: impl Fn(u32) -> String + Send + Sync + 'static) -> Self {
        Names { meters, name: Arc::new(name), index: Arc::default() }
    }

    /// How many meters there are.
    pub fn meters(&self) -> u32 {
        self.meters
    }

    /// The name of a meter.
    pub fn name(&self, number: u32) -> String {
        (self.name)(number)
    }

    /// The meter of this name.
    pub fn number(&self, name: &str) -> Option<u32> {
        let index = self.index.get_or_init(|| {
            let mut index: Vec<_> =
                (0..self.meters).map(|number| (hash(&self.name(number)), number)).collect();
            index.sort_unstable();
            index.into()
        });
        let wanted = hash(name);
        let first = index.partition_point(|(hash, _)| *hash < wanted);
        let same = index[first..].iter().take_while(|(hash, _)| *hash == wanted);
        same.map(|(_, number)| *number).find(|number| self.name(*number) == name)
    }
}

fn hash(name: &str) -> u32 {
    let mut hasher = FxHasher::default();
    hasher.write(name.as_bytes());
    // Its high bits are its best.
    (hasher.finish() >> 32) as u32
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Names({})", self.meters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_its_meter_and_no_other_name_to_any() {
        let names = Names::new(5_000, |number| format!("urn:dev:os:meter-{number:07}"));
        assert!((0..5_000).all(|number| names.number(&names.name(number)) == Some(number)));
        assert_eq!(names.number("urn:dev:os:meter-0005000"), None);
        assert_eq!(names.number(""), None);
    }
}
