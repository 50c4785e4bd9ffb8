//! What a meter is apart from its protocol: the objects it leaves the factory with, the same for a whole
//! fleet ([`device_objects`], [`factory`]), and what it measures and computes itself ([`MeterDevice`]).
//!
//! A fleet shares one list of entries; a meter stores what a server wrote to it and nothing else. What
//! differs from meter to meter or from minute to minute (serial numbers, addresses, signal strengths, the
//! energy that went through it) is computed whenever it is asked for, from the meter's nature, which is a
//! random number of its own, and the time. The entries in the template say that there is such a value; the
//! one they hold is what is seen without a device behind it.

mod energy;
mod identity;
mod load;
mod network;
mod noise;
mod platform;
mod sheet;
mod system;
mod values;

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use self::sheet::Sheet;
use crate::protocol::client::bootstrap_account;
use crate::protocol::lwm2m::Entry;

pub use values::MeterDevice;

/// Which objects a meter has, besides those of its servers (/0 to /2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ObjectSet {
    /// /3 with what is mandatory and its names: for onboarding and nothing more.
    #[default]
    Minimal,
    /// What it takes to read a meter: /3, /4, /5 and the power meter /10243.
    Energy,
    /// What GEISA ADM asks of every platform: /3, /4, /5, /7, /9, /20, /3600, /3601, /3602, /3604, /3605,
    /// /3606; and /10243.
    Platform,
    /// The same on a cellular network, with its position: and /6, /10, /11, /13, /504.
    PlatformCellular,
    /// The same on a wireless LAN: and /12.
    PlatformWlan,
}

impl ObjectSet {
    /// All of them.
    pub const ALL: [ObjectSet; 5] = [
        ObjectSet::Minimal,
        ObjectSet::Energy,
        ObjectSet::Platform,
        ObjectSet::PlatformCellular,
        ObjectSet::PlatformWlan,
    ];

    /// Its name, as in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            ObjectSet::Minimal => "minimal",
            ObjectSet::Energy => "energy",
            ObjectSet::Platform => "platform",
            ObjectSet::PlatformCellular => "platform-cellular",
            ObjectSet::PlatformWlan => "platform-wlan",
        }
    }
}

impl fmt::Display for ObjectSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no object set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no set of objects; known are \"minimal\", \"energy\", \"platform\", \"platform-cellular\" and \
     \"platform-wlan\""
)]
pub struct ParseObjectSetError(String);

impl FromStr for ObjectSet {
    type Err = ParseObjectSetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = ObjectSet::ALL.into_iter();
        all.find(|set| set.name() == text).ok_or_else(|| ParseObjectSetError(text.to_owned()))
    }
}

/// The entries of these objects, in path order.
pub fn device_objects(set: ObjectSet) -> Vec<Entry> {
    let mut sheet = Sheet::default();
    match set {
        ObjectSet::Minimal => system::minimal(&mut sheet),
        ObjectSet::Energy => metering(&mut sheet, network::ETHERNET),
        ObjectSet::Platform => hosting(&mut sheet, network::ETHERNET),
        ObjectSet::PlatformCellular => {
            hosting(&mut sheet, network::CELLULAR);
            network::cellular(&mut sheet);
            system::location(&mut sheet);
        }
        ObjectSet::PlatformWlan => {
            hosting(&mut sheet, network::WLAN);
            network::wlan(&mut sheet);
        }
    }
    sheet.finish()
}

fn metering(sheet: &mut Sheet, bearer: i64) {
    system::device(sheet);
    system::firmware(sheet);
    network::connectivity(sheet, bearer);
    energy::power_meter(sheet);
}

fn hosting(sheet: &mut Sheet, bearer: i64) {
    metering(sheet, bearer);
    network::statistics(sheet);
    system::software(sheet);
    platform::objects(sheet);
}

/// The factory store of every meter: the Bootstrap-Server Account as /0/0, and these objects.
///
/// `bootstrap_uri` goes to /0/0/0 and `hold_off`, in whole seconds, to /0/0/11.
pub fn factory(bootstrap_uri: &str, hold_off: Duration, objects: ObjectSet) -> Arc<Vec<Entry>> {
    let mut entries = bootstrap_account(bootstrap_uri, hold_off);
    entries.extend(device_objects(objects));
    // A store shares its template only if that is in order.
    entries.sort_by_key(|entry| entry.path);
    Arc::new(entries)
}
