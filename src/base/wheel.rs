//! A hierarchical hashed timing wheel (Varghese and Lauck, 1987) with one timer per dense id.
//!
//! Time is cut into ticks of 2^16 ns (about 66 µs). An armed id hangs in one of six levels of 256
//! slots: level 0 has a slot per tick, each level above a slot per whole turn of the level below. The
//! level is the highest group of 8 bits in which the id's tick differs from the tick the wheel stands
//! at, so within a level the slots lie in time order, everything in a lower level is due before
//! anything in a higher one, and six levels (48 bits of ticks) hold every instant there is. When time
//! reaches a slot of a higher level, its ids are hung anew, each further down.
//!
//! ```text
//! level 2   |-4.3 s -|-4.3 s -| ..   256 slots: 18 min
//! level 1   |17 ms|17 ms| ..         256 slots: 4.3 s
//! level 0   |66 µs| ..               256 slots: 17 ms
//! ```
//!
//! Slots are doubly linked lists threaded through one vector of 16 bytes per id, so arming, moving and
//! disarming touch a handful of words and never allocate once the highest id was seen.

use super::Instant;

/// A tick is `1 << TICK_BITS` nanoseconds.
const TICK_BITS: u32 = 16;
const SLOT_BITS: u32 = 8;
const SLOTS: usize = 1 << SLOT_BITS;
/// 6 x 8 bits of ticks and 16 bits within a tick are the 64 bits of an instant.
const LEVELS: usize = 6;
/// No id: the end of a list.
const NONE: u32 = u32::MAX;
/// The tick of an id that is not armed; no deadline rounds to it.
const IDLE: u64 = u64::MAX;

/// One timer per id; ids are dense (`0 ..`), since memory is 16 bytes times the highest id.
#[derive(Debug)]
pub struct Wheel {
    entries: Vec<Entry>,
    /// The list of slot `s` of level `l` is at `l * SLOTS + s`.
    lists: Box<[List]>,
    /// One bit per slot that is not empty.
    occupied: [[u64; SLOTS / 64]; LEVELS],
    /// The tick the wheel stands at: every armed tick is this one or later.
    reached: u64,
    armed: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    tick: u64,
    prev: u32,
    next: u32,
}

#[derive(Clone, Copy, Debug)]
struct List {
    head: u32,
    tail: u32,
}

impl List {
    const EMPTY: List = List { head: NONE, tail: NONE };
}

impl Wheel {
    /// A wheel that stands at `start`, with nothing armed.
    pub fn new(start: Instant) -> Self {
        Wheel {
            entries: Vec::new(),
            lists: vec![List::EMPTY; LEVELS * SLOTS].into_boxed_slice(),
            occupied: [[0; SLOTS / 64]; LEVELS],
            reached: start.as_nanos() >> TICK_BITS,
            armed: 0,
        }
    }

    /// Arms `id` for `when`, instead of whatever it was armed for; [`Instant::FAR`] disarms it.
    ///
    /// An instant that has passed is due at the next [`Wheel::expire`]. Ids are below `u32::MAX`.
    pub fn arm(&mut self, id: u32, when: Instant) {
        debug_assert!(id != NONE, "the highest id ends the lists");
        if when == Instant::FAR {
            return self.disarm(id);
        }
        // Rounded up, so that nothing is ever early.
        let tick = when.as_nanos().div_ceil(1 << TICK_BITS).max(self.reached);
        match self.entries.get(id as usize) {
            None => self.entries.resize(id as usize + 1, Entry { tick: IDLE, prev: NONE, next: NONE }),
            Some(entry) if entry.tick == IDLE => {}
            Some(_) => self.unlink(id),
        }
        self.armed += 1;
        self.link(id, tick);
    }

    /// Disarms `id`, if it is armed.
    pub fn disarm(&mut self, id: u32) {
        if self.entries.get(id as usize).is_some_and(|entry| entry.tick != IDLE) {
            self.unlink(id);
            self.entries[id as usize].tick = IDLE;
        }
    }

    /// When [`Wheel::expire`] must be called next: never later than the earliest deadline rounded up to
    /// a tick. It can be earlier, when ids have to be hung further down; then nothing is due yet.
    pub fn next(&self) -> Option<Instant> {
        let (level, slot) = self.first_occupied()?;
        let tick = self.slot_start(level, slot);
        Some(Instant::from_nanos(tick.saturating_mul(1 << TICK_BITS)))
    }

    /// Appends to `due`, and disarms, every id whose deadline has come: in the order of their ticks, and
    /// within a tick in the order in which they were armed. Never early, at most one tick late.
    pub fn expire(&mut self, now: Instant, due: &mut Vec<u32>) {
        let now = now.as_nanos() >> TICK_BITS;
        while let Some((level, slot)) = self.first_occupied() {
            let start = self.slot_start(level, slot);
            if start > now {
                break;
            }
            self.reached = start;
            let mut id = self.take(level, slot);
            while id != NONE {
                let Entry { tick, next, .. } = self.entries[id as usize];
                if level == 0 {
                    self.entries[id as usize].tick = IDLE;
                    self.armed -= 1;
                    due.push(id);
                } else {
                    // The list was taken in order and is appended in order: the order of arming stays.
                    self.link(id, tick);
                }
                id = next;
            }
        }
        // No occupied slot begins before the next tick, so every id keeps its level and slot.
        self.reached = self.reached.max(now);
    }

    /// How many ids are armed.
    pub fn len(&self) -> usize {
        self.armed
    }

    /// Whether nothing is armed.
    pub fn is_empty(&self) -> bool {
        self.armed == 0
    }

    /// The level and slot where `tick` hangs while the wheel stands where it does.
    fn place(&self, tick: u64) -> (usize, usize) {
        let differing = (tick ^ self.reached) | (SLOTS as u64 - 1);
        let level = (u64::BITS - 1 - differing.leading_zeros()) / SLOT_BITS;
        let slot = (tick >> (level * SLOT_BITS)) as usize % SLOTS;
        (level as usize, slot)
    }

    /// The first tick of an occupied slot.
    fn slot_start(&self, level: usize, slot: usize) -> u64 {
        let shift = level as u32 * SLOT_BITS;
        // The groups above the slot's are those of the tick the wheel stands at (see `place`).
        let above = self.reached >> (shift + SLOT_BITS) << (shift + SLOT_BITS);
        above | (slot as u64) << shift
    }

    /// The slot that is due first.
    fn first_occupied(&self) -> Option<(usize, usize)> {
        for (level, words) in self.occupied.iter().enumerate() {
            for (at, word) in words.iter().enumerate() {
                if *word != 0 {
                    return Some((level, at * 64 + word.trailing_zeros() as usize));
                }
            }
        }
        None
    }

    /// Hangs `id`, which hangs nowhere, at the end of the slot of `tick`.
    fn link(&mut self, id: u32, tick: u64) {
        let (level, slot) = self.place(tick);
        let list = &mut self.lists[level * SLOTS + slot];
        let prev = std::mem::replace(&mut list.tail, id);
        if prev == NONE {
            list.head = id;
            self.occupied[level][slot / 64] |= 1 << (slot % 64);
        } else {
            self.entries[prev as usize].next = id;
        }
        self.entries[id as usize] = Entry { tick, prev, next: NONE };
    }

    /// Takes `id`, which is armed, out of its slot.
    fn unlink(&mut self, id: u32) {
        let Entry { tick, prev, next } = self.entries[id as usize];
        let (level, slot) = self.place(tick);
        let list = &mut self.lists[level * SLOTS + slot];
        match prev {
            NONE => list.head = next,
            prev => self.entries[prev as usize].next = next,
        }
        match next {
            NONE => list.tail = prev,
            next => self.entries[next as usize].prev = prev,
        }
        if list.head == NONE {
            self.occupied[level][slot / 64] &= !(1 << (slot % 64));
        }
        self.armed -= 1;
    }

    /// Empties a slot; its first id, from which the others follow.
    fn take(&mut self, level: usize, slot: usize) -> u32 {
        self.occupied[level][slot / 64] &= !(1 << (slot % 64));
        std::mem::replace(&mut self.lists[level * SLOTS + slot], List::EMPTY).head
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const TICK: u64 = 1 << TICK_BITS;

    /// The plain way: deadlines sorted by (tick, order of arming).
    #[derive(Default)]
    struct Model {
        by_time: BTreeMap<(u64, u64), u32>,
        by_id: BTreeMap<u32, ((u64, u64), Instant)>,
        armings: u64,
        reached: u64,
    }

    impl Model {
        fn arm(&mut self, id: u32, when: Instant) {
            self.disarm(id);
            if when == Instant::FAR {
                return;
            }
            self.armings += 1;
            let key = (when.as_nanos().div_ceil(TICK).max(self.reached), self.armings);
            self.by_time.insert(key, id);
            self.by_id.insert(id, (key, when));
        }

        fn disarm(&mut self, id: u32) {
            if let Some((key, _)) = self.by_id.remove(&id) {
                self.by_time.remove(&key);
            }
        }

        fn expire(&mut self, now: Instant) -> Vec<u32> {
            self.reached = self.reached.max(now.as_nanos() / TICK);
            let mut due = Vec::new();
            while let Some((&key, &id)) = self.by_time.first_key_value() {
                if key.0 > now.as_nanos() / TICK {
                    break;
                }
                let (_, when) = self.by_id[&id];
                assert!(when <= now, "early");
                self.disarm(id);
                due.push(id);
            }
            due
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Arm(u32, u64),
        ArmAt(u32, u64),
        Disarm(u32),
        Advance(u64),
        ToNext,
    }

    /// Spans of every size: from less than a tick to beyond the highest level a run would use.
    fn span() -> impl Strategy<Value = u64> {
        (0_u32..50, any::<u64>()).prop_map(|(bits, noise)| noise >> (63 - bits))
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0_u32..40, span()).prop_map(|(id, after)| Step::Arm(id, after)),
            1 => (0_u32..40, any::<u64>()).prop_map(|(id, at)| Step::ArmAt(id, at)),
            1 => (0_u32..40).prop_map(|id| Step::ArmAt(id, u64::MAX)),
            1 => (0_u32..60).prop_map(Step::Disarm),
            2 => span().prop_map(Step::Advance),
            3 => Just(Step::ToNext),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_a_sorted_map(
            start in span(),
            steps in proptest::collection::vec(step(), 1..200),
        ) {
            let mut now = Instant::from_nanos(start);
            let mut wheel = Wheel::new(now);
            let mut model = Model { reached: start / TICK, ..Model::default() };
            for step in steps {
                match step {
                    Step::Arm(id, after) => {
                        let when = now + Duration::from_nanos(after);
                        wheel.arm(id, when);
                        model.arm(id, when);
                    }
                    Step::ArmAt(id, at) => {
                        wheel.arm(id, Instant::from_nanos(at));
                        model.arm(id, Instant::from_nanos(at));
                    }
                    Step::Disarm(id) => {
                        wheel.disarm(id);
                        model.disarm(id);
                    }
                    Step::Advance(span) => now += Duration::from_nanos(span),
                    Step::ToNext => now = now.max(wheel.next().unwrap_or(now)),
                }
                let mut due = Vec::new();
                if matches!(step, Step::Advance(_) | Step::ToNext) {
                    wheel.expire(now, &mut due);
                    prop_assert_eq!(&due, &model.expire(now));
                }
                prop_assert_eq!(wheel.len(), model.by_id.len());
                prop_assert_eq!(wheel.is_empty(), model.by_id.is_empty());
                // Whoever sleeps until `next` is never late for the earliest deadline.
                let earliest = model.by_time.first_key_value().map(|(&(tick, _), _)| tick);
                match (wheel.next(), earliest) {
                    (Some(next), Some(tick)) => prop_assert!(next.as_nanos() <= tick.saturating_mul(TICK)),
                    (next, earliest) => prop_assert_eq!(next.is_some(), earliest.is_some()),
                }
            }
        }
    }

    fn expired(wheel: &mut Wheel, now: Instant) -> Vec<u32> {
        let mut due = Vec::new();
        wheel.expire(now, &mut due);
        due
    }

    #[test]
    fn sleeping_until_next_reaches_a_far_deadline_in_a_few_steps() {
        let mut wheel = Wheel::new(Instant::from_millis(5));
        let deadline = Instant::from_secs(86_400);
        wheel.arm(3, deadline);
        let mut wakings = 0;
        loop {
            let now = wheel.next().expect("3 is armed");
            wakings += 1;
            if expired(&mut wheel, now) == [3] {
                assert!(now >= deadline && now - deadline <= Duration::from_nanos(TICK));
                break;
            }
        }
        assert!(wakings <= LEVELS, "{wakings}");
    }

    #[test]
    fn a_deadline_in_the_past_is_due_at_once_and_the_last_arming_counts() {
        let now = Instant::from_secs(10);
        let mut wheel = Wheel::new(now);
        wheel.arm(1, Instant::from_secs(3));
        wheel.arm(2, Instant::from_secs(1));
        wheel.arm(7, now + Duration::from_secs(1));
        assert!(wheel.next().expect("two are due") <= now);
        assert_eq!(expired(&mut wheel, now), [1, 2]);
        wheel.arm(7, now + Duration::from_secs(2));
        assert_eq!(expired(&mut wheel, now + Duration::from_secs(1)), Vec::<u32>::new());
        wheel.arm(7, Instant::FAR);
        assert!(wheel.is_empty());
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn an_id_costs_no_more_than_24_bytes() {
        assert!(size_of::<Entry>() <= 24);
    }
}
