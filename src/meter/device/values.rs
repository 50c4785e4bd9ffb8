//! What a meter measures and computes itself, whenever it is asked for.

use std::time::Duration;

use super::identity;
use super::load::{self, Amount, DAY};
use super::noise::{between, hash, unit, wave};
use crate::base::Instant;
use crate::protocol::client::Device;
use crate::protocol::lwm2m::{Path, Value};

/// The values of a simulated meter: a pure function of its nature and the time, at no cost while nobody
/// asks.
///
/// Energy is the exact integral of power: see `load`. A resource it does not know is as it was stored.
#[derive(Clone, Debug, PartialEq)]
pub struct MeterDevice {
    /// Seconds since 1970-01-01 UTC when the run began, at [`Instant::ZERO`].
    pub epoch: i64,
    /// How far local time, by which people cook and sleep, is ahead of UTC, in seconds.
    pub utc_offset: i32,
    /// Latitude and longitude of the middle of the fleet, in degrees. Its meters are within a tenth of a
    /// degree of it.
    pub place: (f64, f64),
}

impl Default for MeterDevice {
    /// The winter of 2026, at Greenwich.
    fn default() -> Self {
        MeterDevice { epoch: 1_767_225_600, utc_offset: 0, place: (51.4779, -0.0015) }
    }
}

impl Device for MeterDevice {
    fn value(&self, path: Path, nature: u64, now: Instant) -> Option<Value> {
        let (object, resource, index) = match *path.ids() {
            [object, _, resource] => (object, resource, 0),
            [object, _, resource, index] => (object, resource, index),
            _ => return None,
        };
        let at = At { device: self, nature, now };
        match object {
            3 => at.device(resource, index),
            4 => at.connectivity(resource),
            6 => at.location(resource),
            7 => at.statistics(resource),
            11 => at.profile(resource),
            12 => at.wlan(resource),
            504 => at.sim(resource),
            3601 => at.host(resource, index),
            3602 => at.accounting(resource),
            3604 => at.application(resource),
            3605 => at.component(resource),
            3606 => matches!(resource, 2 | 3).then(|| Value::Time(at.installed())),
            10_243 => at.energy(resource),
            _ => None,
        }
    }
}

// What the draws from a meter's nature are for; `load` and `identity` have the numbers before.
const AGE: u32 = 30;
const UPTIME: u32 = 31;
const PLACE: u32 = 32;
const VOLTAGE: u32 = 33;
const LINE: u32 = 34;
const SIGNAL: u32 = 35;
const QUALITY: u32 = 36;
const TRAFFIC: u32 = 37;
const CPU: u32 = 38;
const MEMORY: u32 = 39;
const DISTORTION: u32 = 40;
const FREQUENCY: u32 = 41;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;

/// One meter at one instant.
struct At<'a> {
    device: &'a MeterDevice,
    nature: u64,
    now: Instant,
}

impl At<'_> {
    /// Seconds since 1970, UTC.
    fn seconds(&self) -> i64 {
        let elapsed = i64::try_from(self.now.since_origin().as_secs()).unwrap_or(i64::MAX);
        self.device.epoch.saturating_add(elapsed)
    }

    /// Local time in milliseconds since 1970.
    fn local(&self) -> u64 {
        local(self.device, self.now.since_origin())
    }

    /// When the meter was put up, at a midnight of the last eight years before the run, in local
    /// milliseconds.
    fn installed_local(&self) -> u64 {
        let today = local(self.device, Duration::ZERO) / DAY;
        today.saturating_sub(between(hash(self.nature, AGE, 0), 1, 3_000)) * DAY
    }

    /// The same in seconds since 1970, UTC.
    fn installed(&self) -> i64 {
        (self.installed_local() / SECOND) as i64 - i64::from(self.device.utc_offset)
    }

    /// Milliseconds since it was last switched on, within the last 90 days before the run.
    fn uptime(&self) -> u64 {
        let before = between(hash(self.nature, UPTIME, 0), MINUTE, 90 * DAY);
        (self.now.since_origin().as_millis() as u64).saturating_add(before)
    }

    fn started(&self) -> i64 {
        self.seconds().saturating_sub((self.uptime() / SECOND) as i64)
    }

    /// The full minute: what is sampled once a minute was sampled then.
    fn sampled(&self) -> Value {
        Value::Time(self.seconds() / 60 * 60)
    }

    /// The last midnight, in seconds since 1970, UTC.
    fn midnight(&self) -> i64 {
        (self.local() / DAY * DAY / SECOND) as i64 - i64::from(self.device.utc_offset)
    }

    fn wave(&self, what: u32, period: u64) -> f64 {
        wave(self.nature, what, self.local(), period)
    }

    /// Bytes `share` of a day's traffic have come to in `millis`: a telegram of some hundred bytes at a time.
    fn traffic(&self, share: u64, millis: u64) -> u64 {
        let interval = between(hash(self.nature, TRAFFIC, share), 20, 120) * SECOND;
        let telegram = between(hash(self.nature, TRAFFIC, share + 100), 80, 600);
        millis / interval * telegram
    }

    // ----- objects --------------------------------------------------------------------------------

    fn device(&self, resource: u16, index: u16) -> Option<Value> {
        Some(match (resource, index) {
            (2, _) => text(identity::serial(self.nature)),
            (7, 0) => Value::Integer((self.voltage() * 1_000.0) as i64),
            (7, 1) => Value::Integer(3_600 + (self.wave(VOLTAGE, 60 * MINUTE) * 20.0) as i64),
            (8, 0) => Value::Integer(25 + (self.wave(CPU, MINUTE) * 5.0) as i64),
            // It ages: a hundredth in a hundred days.
            (9, _) => {
                let days = self.local().saturating_sub(self.installed_local()) / DAY;
                Value::Integer(100 - (days / 100).min(90) as i64)
            }
            (10, _) => Value::Integer(96_000 + (self.wave(MEMORY, 10 * MINUTE) * 2_000.0) as i64),
            (13, _) => Value::Time(self.seconds()),
            (14, _) => text(self.offset()),
            _ => return None,
        })
    }

    /// /3/0/14: the offset from UTC as in ISO 8601.
    fn offset(&self) -> String {
        let minutes = self.device.utc_offset / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
    }

    fn connectivity(&self, resource: u16) -> Option<Value> {
        Some(match resource {
            2 => Value::Integer(self.signal()),
            3 => Value::Integer(-11 + (self.wave(QUALITY, 5 * MINUTE) * 5.0) as i64),
            4 => text(identity::address(self.nature).to_string()),
            6 => Value::Integer(2 + (self.wave(TRAFFIC, MINUTE) * 2.0) as i64),
            8 => Value::Integer(identity::cell(self.nature, 400)),
            11 => Value::Integer((self.signal() + 110) / 3),
            _ => return None,
        })
    }

    /// In dBm: some meters are in cellars for ever, and all have better and worse minutes.
    fn signal(&self) -> i64 {
        let usual = -75.0 - 40.0 * unit(hash(self.nature, SIGNAL, u64::MAX));
        (usual + 4.0 * self.wave(SIGNAL, 2 * MINUTE)) as i64
    }

    fn location(&self, resource: u16) -> Option<Value> {
        let off = |which| (unit(hash(self.nature, PLACE, which)) - 0.5) / 5.0;
        let degrees = |degrees: f64, most: f64| Value::Float(rounded(degrees.clamp(-most, most), 1e5));
        Some(match resource {
            0 => degrees(self.device.place.0 + off(0), 90.0),
            1 => degrees(self.device.place.1 + off(1), 180.0),
            2 => Value::Float(rounded(40.0 + 400.0 * off(2), 10.0)),
            5 => Value::Time(self.installed()),
            _ => return None,
        })
    }

    fn statistics(&self, resource: u16) -> Option<Value> {
        let kilobytes = |share| Value::Integer((self.traffic(share, self.uptime()) / 1_000) as i64);
        match resource {
            2 => Some(kilobytes(0)),
            3 => Some(kilobytes(1)),
            _ => None,
        }
    }

    fn profile(&self, resource: u16) -> Option<Value> {
        Some(match resource {
            13 => Value::Integer(self.traffic(0, self.uptime()) as i64),
            14 => Value::Integer(self.traffic(1, self.uptime()) as i64),
            15 => text(identity::address(self.nature).to_string()),
            _ => return None,
        })
    }

    fn wlan(&self, resource: u16) -> Option<Value> {
        let bytes = |share| self.traffic(share, self.uptime()) as i64;
        Some(match resource {
            4 => text(identity::mac(self.nature)),
            33 => Value::Integer(bytes(0)),
            34 => Value::Integer(bytes(1)),
            35 => Value::Integer(bytes(0) / 240),
            36 => Value::Integer(bytes(1) / 240),
            37 => Value::Integer(bytes(0) / 1_000_000),
            38 => Value::Integer(bytes(1) / 1_000_000),
            _ => return None,
        })
    }

    fn sim(&self, resource: u16) -> Option<Value> {
        match resource {
            11 => Some(text(identity::iccid(self.nature))),
            12 => Some(text(identity::eid(self.nature))),
            _ => None,
        }
    }

    fn host(&self, resource: u16, index: u16) -> Option<Value> {
        const MIB: f64 = 1_048_576.0;
        Some(match (resource, index) {
            (0, _) => Value::Unsigned((self.uptime() / SECOND).min(u64::from(u32::MAX))),
            (10, _) => Value::Unsigned(if self.cpu() > 8.0 { 1_200_000_000 } else { 800_000_000 }),
            // The load average times 100, and the usage in tenths of a hundredth.
            (14, _) => Value::Unsigned((self.cpu() * 2.0) as u64),
            (15, _) => Value::Unsigned((self.cpu() * 10.0) as u64),
            (21, _) => Value::Unsigned(((120.0 + 8.0 * self.wave(MEMORY, 10 * MINUTE)) * MIB) as u64),
            (24, _) => Value::Unsigned(700 + (self.cpu() * 40.0) as u64),
            (25, _) => Value::Unsigned(1_200 + (self.cpu() * 30.0) as u64),
            (43, 0) => Value::Unsigned(self.traffic(0, self.uptime()) + self.traffic(1, self.uptime())),
            (43, 1) => Value::Unsigned(self.traffic(2, self.uptime())),
            _ => return None,
        })
    }

    /// Percent of the processor in use.
    fn cpu(&self) -> f64 {
        7.0 + 5.0 * self.wave(CPU, MINUTE)
    }

    fn accounting(&self, resource: u16) -> Option<Value> {
        let today = self.local() % DAY;
        let (sent, received) = (self.traffic(3, today), self.traffic(4, today));
        let messages = |bytes| Value::Unsigned(bytes / 200);
        Some(match resource {
            31 => Value::Unsigned(sent + received),
            32 => Value::Unsigned(4_000_000_u64.saturating_sub(sent + received)),
            33 => Value::Unsigned(sent),
            34 => Value::Unsigned(received),
            41 => messages(sent + received),
            43 => messages(sent),
            44 => messages(received),
            70 => Value::Time(self.midnight()),
            71 => Value::Time(self.midnight() + (DAY / SECOND) as i64),
            72 => self.sampled(),
            _ => return None,
        })
    }

    fn application(&self, resource: u16) -> Option<Value> {
        Some(match resource {
            23 => Value::Time(self.started()),
            24 | 72 => self.sampled(),
            40 => Value::Float(rounded(self.cpu() / 4.0, 10.0)),
            43 => Value::Unsigned((18e6 + 2e6 * self.wave(MEMORY, 10 * MINUTE)) as u64),
            _ => return None,
        })
    }

    fn component(&self, resource: u16) -> Option<Value> {
        let hour = self.seconds() / 3_600 * 3_600;
        Some(match resource {
            7 => Value::Time(self.started()),
            12 => Value::Time(hour),
            13 | 31 => self.sampled(),
            // Since the full hour, one in two seconds.
            51 => Value::Unsigned(self.seconds().saturating_sub(hour).max(0) as u64 / 2),
            _ => return None,
        })
    }

    // ----- electricity ----------------------------------------------------------------------------

    fn energy(&self, resource: u16) -> Option<Value> {
        let power = || load::load(self.nature, self.local()).power;
        Some(Value::Float(match resource {
            2 => return Some(text(identity::serial(self.nature))),
            4 => rounded(self.voltage(), 10.0),
            5 => rounded(apparent(power()) / 1e3 / self.voltage(), 100.0),
            // From milliwatts to kilowatts, to the watt.
            6 => rounded(power().active as f64 / 1e6, 1e3),
            7 | 8 => rounded(power().reactive as f64 / 1e6, 1e3),
            9 => 0.0,
            10 => rounded(apparent(power()) / 1e6, 1e3),
            11 => {
                let power = power();
                rounded(power.active as f64 / apparent(power).max(1.0), 1e3)
            }
            12 => rounded(2.2 + self.wave(DISTORTION, 15 * MINUTE), 10.0),
            13 => rounded(11.0 + 6.0 * self.wave(DISTORTION, MINUTE), 10.0),
            // From microjoules to kilowatt-hours, to the watt-hour.
            14 => rounded(self.used().active as f64 / 3.6e12, 1e3),
            15 => rounded(self.used().reactive as f64 / 3.6e12, 1e3),
            // The vector sum of both, as most meters have it.
            16 => rounded(apparent(self.used()) / 3.6e12, 1e3),
            17 => self.frequency(),
            _ => return None,
        }))
    }

    /// Energy since the meter was put up.
    fn used(&self) -> Amount {
        let until = |millis| load::load(self.nature, millis).energy;
        until(self.local()) - until(self.installed_local())
    }

    /// In volts: higher near the transformer and with the sun, lower the more is drawn.
    fn voltage(&self) -> f64 {
        let near = unit(hash(self.nature, LINE, 0));
        let ohms = 0.08 + 0.12 * unit(hash(self.nature, LINE, 1));
        let unloaded = 228.0 + 8.0 * near + 2.5 * self.wave(VOLTAGE, 10 * MINUTE);
        let amperes = apparent(load::load(self.nature, self.local()).power) / 1e3 / 230.0;
        unloaded - ohms * amperes
    }

    /// In hertz; the grid's, so the same for all meters.
    fn frequency(&self) -> f64 {
        rounded(50.0 + 0.04 * wave(0, FREQUENCY, self.local(), 20 * SECOND), 1e3)
    }
}

/// Local time in milliseconds since 1970, so long after the run began.
fn local(device: &MeterDevice, elapsed: Duration) -> u64 {
    let seconds = u64::try_from(device.epoch.saturating_add(device.utc_offset.into())).unwrap_or(0);
    let elapsed = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    // The curve of the load ends there.
    seconds.saturating_mul(SECOND).saturating_add(elapsed).min(load::LAST)
}

fn apparent(amount: Amount) -> f64 {
    let (active, reactive) = (amount.active as f64, amount.reactive as f64);
    (active * active + reactive * reactive).sqrt()
}

/// To the nearest of so many parts of one.
fn rounded(number: f64, parts: f64) -> f64 {
    (number * parts).round() / parts
}

fn text(text: String) -> Value {
    Value::String(text.into())
}
