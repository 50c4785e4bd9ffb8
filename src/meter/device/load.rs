//! The load of a household: power as a pure function of its nature and the local time, and energy as
//! exactly its integral, in closed form.
//!
//! Everything is counted in integers, so nothing is lost however far apart two readings are: power in
//! milliwatts (and millivars), constant within a millisecond; energy in microjoules, which is milliwatts
//! times milliseconds. The load is a sum of parts, each of which can say what it has used up since the
//! beginning of time without looking at every instant in between:
//!
//! - a basic load that follows the same curve every day, shifted by the household's own habits;
//! - a refrigerator, on and off in its own rhythm;
//! - appliances that run once on certain days of the week, at a minute drawn for each day, and never over
//!   midnight: so the days before today are counted, and only today is looked at;
//! - a flicker around the basic load, up in one minute by as much as down in the next.

use std::ops::{Add, Sub};

use super::noise::{between, hash, unit};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HALF_HOUR: u64 = 30 * MINUTE;
/// A day in milliseconds.
pub(super) const DAY: u64 = 86_400 * SECOND;

/// An active and a reactive amount: power in mW and mvar, or energy in µJ and its like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub active: i64,
    pub reactive: i64,
}

impl Amount {
    /// `active` with so many thousandths of it reactive (tan φ).
    fn leaning(active: i64, thousandths: i64) -> Self {
        // Whole watts: nothing is rounded.
        Amount { active, reactive: active / 1_000 * thousandths }
    }
}

impl Add for Amount {
    type Output = Amount;
    fn add(self, other: Amount) -> Amount {
        Amount { active: self.active + other.active, reactive: self.reactive + other.reactive }
    }
}

impl Sub for Amount {
    type Output = Amount;
    fn sub(self, other: Amount) -> Amount {
        Amount { active: self.active - other.active, reactive: self.reactive - other.reactive }
    }
}

/// What is drawn at an instant, and what has been drawn before it since the beginning of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample {
    pub power: Amount,
    pub energy: Amount,
}

impl Sample {
    /// A consumer of `watts` that is on now or not, and has been for so many milliseconds.
    fn of(watts: u64, leaning: i64, on: bool, on_for: u64) -> Self {
        // At most some kilowatts for some thousand years.
        let (milliwatts, on_for) = (watts as i64 * 1_000, on_for as i64);
        let power = Amount::leaning(milliwatts, leaning);
        let energy = Amount { active: power.active * on_for, reactive: power.reactive * on_for };
        Sample { power: if on { power } else { Amount::default() }, energy }
    }

    fn and(self, other: Sample) -> Sample {
        Sample { power: self.power + other.power, energy: self.energy + other.energy }
    }
}

/// The last instant there are numbers for: the year 2100.
pub(super) const LAST: u64 = 130 * 365 * DAY;

/// The load at `millis`, local time in milliseconds since 1970; after [`LAST`] it stays as it is then.
pub(super) fn load(nature: u64, millis: u64) -> Sample {
    let millis = millis.min(LAST);
    let appliances = (0_u32..).zip(&APPLIANCES).map(|(index, appliance)| appliance.at(nature, index, millis));
    appliances.fold(basic(nature, millis).and(refrigerator(nature, millis)), Sample::and)
}

// What the draws from a household's nature are for; appliances have 100 and up.
const BASE: u32 = 1;
const SHIFT: u32 = 2;
const REFRIGERATOR: u32 = 3;
const RHYTHM: u32 = 4;
const FLICKER: u32 = 5;
const APPLIANCE: u32 = 100;

/// The basic load of a day, in thousandths of its mean, for each half-hour from midnight: low at night,
/// up in the morning, highest in the evening.
const CURVE: [u16; 48] = [
    620, 580, 550, 530, 520, 510, 510, 520, 540, 580, 660, 780, 930, 1080, 1180, 1200, 1150, 1080, 1020, 980,
    950, 940, 950, 980, 1020, 1030, 1000, 960, 930, 920, 930, 970, 1050, 1170, 1320, 1480, 1620, 1710, 1740,
    1720, 1660, 1570, 1460, 1330, 1180, 1020, 880, 970,
];

/// What the curve sums up to: thousandths times half-hours.
const CURVE_SUM: u64 = {
    let (mut sum, mut at) = (0, 0);
    while at < CURVE.len() {
        sum += CURVE[at] as u64;
        at += 1;
    }
    sum
};

/// Lights, standby, electronics: reactive to three tenths.
fn basic(nature: u64, millis: u64) -> Sample {
    let mean = between(hash(nature, BASE, 0), 180, 600);
    // Some households rise an hour earlier than others.
    let shifted = millis + between(hash(nature, SHIFT, 0), 0, 120) * MINUTE;
    let (day, within) = (shifted / DAY, shifted % DAY);
    let slot = (within / HALF_HOUR) as usize;
    let passed: u64 = CURVE[..slot].iter().map(|share| u64::from(*share)).sum();
    let now = u64::from(CURVE[slot]);
    // A mean in watts times thousandths are milliwatts.
    let milliwatts = (mean * now) as i64;
    let thousandths = (day * CURVE_SUM + passed) * HALF_HOUR + within % HALF_HOUR * now;
    let microjoules = (mean * thousandths) as i64;

    let (flicker, flickered) = flicker(nature, mean, millis);
    let power = milliwatts + flicker;
    let energy = microjoules + flickered;
    // The curve is in whole hundredths, so tenths of its milliwatts are whole as well.
    Sample {
        power: Amount { active: power, reactive: milliwatts * 3 / 10 },
        energy: Amount { active: energy, reactive: microjoules * 3 / 10 },
    }
}

/// Power in mW, and what it has come to, in µJ.
fn flicker(nature: u64, mean: u64, millis: u64) -> (i64, i64) {
    let most = mean * 50;
    let height = between(hash(nature, FLICKER, millis / (2 * MINUTE)), 0, 2 * most) as i64 - most as i64;
    let within = (millis % (2 * MINUTE)) as i64;
    let minute = MINUTE as i64;
    if within < minute { (height, height * within) } else { (-height, height * (2 * minute - within)) }
}

fn refrigerator(nature: u64, millis: u64) -> Sample {
    let watts = between(hash(nature, REFRIGERATOR, 0), 80, 150);
    let rhythm = hash(nature, RHYTHM, 0);
    let period = between(rhythm, 40, 80) * MINUTE;
    let on = period * between(rhythm.rotate_left(20), 30, 50) / 100 / SECOND * SECOND;
    let shifted = millis + between(rhythm.rotate_left(40), 0, 80) * MINUTE;
    let within = shifted % period;
    Sample::of(watts, 600, within < on, shifted / period * on + within.min(on))
}

/// Something that is switched on once a day.
struct Appliance {
    /// Households that have it, in a hundred.
    share: u64,
    /// What it draws in watts: from household to household between these.
    watts: (u64, u64),
    /// For how many minutes.
    minutes: u64,
    /// When it is switched on: minutes of the day, the first and the last.
    window: (u64, u64),
    /// Days of the week it runs on, a bit each, to begin at any day.
    days: u8,
    /// Its reactive part, in thousandths of its active one.
    leaning: i64,
}

const DAILY: u8 = 0b111_1111;

#[rustfmt::skip]
const APPLIANCES: [Appliance; 11] = [
    // A kettle, a cooker at noon and in the evening, the dishwasher.
    Appliance { share: 90, watts: (1_800, 2_400), minutes: 4, window: (360, 510), days: DAILY, leaning: 0 },
    Appliance { share: 40, watts: (1_200, 2_000), minutes: 25, window: (690, 780), days: 0b101_1011, leaning: 0 },
    Appliance { share: 85, watts: (1_600, 2_600), minutes: 45, window: (1_020, 1_170), days: DAILY, leaning: 20 },
    Appliance { share: 60, watts: (1_700, 2_000), minutes: 35, window: (1_170, 1_320), days: 0b101_0111, leaning: 80 },
    // Washing machine and dryer.
    Appliance { share: 90, watts: (1_800, 2_200), minutes: 40, window: (480, 1_200), days: 0b010_0101, leaning: 200 },
    Appliance { share: 45, watts: (1_900, 2_500), minutes: 60, window: (600, 1_290), days: 0b010_0101, leaning: 150 },
    // Television, computer, vacuum cleaner.
    Appliance { share: 90, watts: (90, 180), minutes: 210, window: (1_080, 1_200), days: DAILY, leaning: 350 },
    Appliance { share: 70, watts: (60, 200), minutes: 300, window: (540, 1_020), days: 0b001_1111, leaning: 350 },
    Appliance { share: 80, watts: (700, 1_100), minutes: 25, window: (600, 1_080), days: 0b010_0010, leaning: 250 },
    // A hot water tank, and a car, both at night.
    Appliance { share: 20, watts: (1_800, 2_200), minutes: 100, window: (15, 180), days: DAILY, leaning: 0 },
    Appliance { share: 8, watts: (3_600, 7_400), minutes: 150, window: (15, 180), days: 0b101_0101, leaning: 50 },
];

impl Appliance {
    fn at(&self, nature: u64, index: u32, millis: u64) -> Sample {
        let own = hash(nature, APPLIANCE + index, u64::MAX);
        if unit(own) * 100.0 >= self.share as f64 {
            return Sample::default();
        }
        let watts = between(own.rotate_left(20), self.watts.0, self.watts.1);
        let turn = between(own.rotate_left(40), 0, 6);
        let days = (u64::from(self.days) << turn | u64::from(self.days) >> (7 - turn)) & u64::from(DAILY);
        let (day, within) = (millis / DAY, millis % DAY);
        let weekday = day % 7;
        let runs_before =
            day / 7 * u64::from(days.count_ones()) + u64::from((days & ((1 << weekday) - 1)).count_ones());
        let span = self.minutes * MINUTE;
        let (on, on_today) = self.today(nature, index, days >> weekday & 1 == 1, day, within);
        Sample::of(watts, self.leaning, on, runs_before * span + on_today)
    }

    /// Whether it is on, and for how long it has been today.
    fn today(&self, nature: u64, index: u32, runs: bool, day: u64, within: u64) -> (bool, u64) {
        if !runs {
            return (false, 0);
        }
        let start = between(hash(nature, APPLIANCE + index, day), self.window.0, self.window.1) * MINUTE;
        let span = self.minutes * MINUTE;
        let on = (start..start + span).contains(&within);
        (on, within.saturating_sub(start).min(span))
    }
}
