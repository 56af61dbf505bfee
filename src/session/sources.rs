//! Senders by their key: a bounded table that forgets whoever has been silent longest.
//!
//! A slab holds the senders, two lists run through it: one for each bucket of the hash table, and
//! one from the newest to the oldest. Once the slab is full, a new sender takes the place of the
//! oldest, and nothing is allocated any more.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::LazyLock;

use crate::clock::{Mono, SECOND};

/// Keys are hashes under a secret of this process, so that nobody can choose them.
static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Who sends: a hash of all that is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceKey(u64);

impl SourceKey {
    /// The sender whose connection comes from `peer`, and who calls itself `host` and `app`; what
    /// is not known is empty.
    pub fn of(peer: &[u8], host: &[u8], app: &[u8]) -> Self {
        let mut hasher = SECRET.build_hasher();
        for part in [peer, host, app] {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        Self(hasher.finish())
    }
}

/// No slot.
const NONE: u32 = u32::MAX;

/// A sender's place in the table, good until the sender is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u32);

#[derive(Debug)]
struct Slot<V> {
    key: SourceKey,
    /// The next slot of the same bucket.
    chained: u32,
    newer: u32,
    older: u32,
    value: V,
}

/// The table. Nothing is allocated before the first sender comes.
#[derive(Debug)]
pub(super) struct Sources<V> {
    slots: Vec<Slot<V>>,
    /// The first slot of each bucket; twice as many as there are slots, or none yet.
    buckets: Box<[u32]>,
    newest: u32,
    oldest: u32,
    count_max: usize,
}

impl<V: Default> Sources<V> {
    /// A table of at most `count_max` senders.
    pub(super) fn new(count_max: usize) -> Self {
        assert!(count_max > 0 && count_max < NONE as usize);
        Self { slots: Vec::new(), buckets: Box::default(), newest: NONE, oldest: NONE, count_max }
    }

    /// Where `key` is.
    #[inline]
    pub(super) fn find(&self, key: SourceKey) -> Option<Place> {
        let mut at = *self.buckets.get(self.bucket(key))?;
        while at != NONE {
            let slot = &self.slots[at as usize];
            if slot.key == key {
                return Some(Place(at));
            }
            at = slot.chained;
        }
        None
    }

    /// The bucket that `key` belongs to, once there are buckets.
    #[inline]
    fn bucket(&self, key: SourceKey) -> usize {
        key.0 as usize & self.buckets.len().wrapping_sub(1)
    }

    /// What is known of the sender at `place`.
    #[inline]
    pub(super) fn get(&self, place: Place) -> &V {
        &self.slots[place.0 as usize].value
    }

    /// The same, to change it.
    #[inline]
    pub(super) fn get_mut(&mut self, place: Place) -> &mut V {
        &mut self.slots[place.0 as usize].value
    }

    /// The place with this number, counted from 0 in no order that means anything.
    pub(super) fn nth(&self, number: usize) -> Option<Place> {
        (number < self.slots.len()).then_some(Place(number as u32))
    }

    /// Who is forgotten if a new sender comes.
    pub(super) fn next_victim(&self) -> Option<Place> {
        (self.slots.len() == self.count_max).then_some(Place(self.oldest))
    }

    /// The sender at `place` has just been heard.
    #[inline]
    pub(super) fn touch(&mut self, place: Place) {
        if self.newest != place.0 {
            self.unlink(place.0);
            self.link_newest(place.0);
        }
    }

    /// Takes in `key`, which is not there. Where the table is full, the oldest is forgotten: its
    /// value is handed to `clear`, which leaves in it what a new sender begins with.
    #[cold]
    #[inline(never)]
    pub(super) fn claim(&mut self, key: SourceKey, clear: impl FnOnce(&mut V)) -> Place {
        if self.buckets.is_empty() {
            self.buckets = vec![NONE; 2 * self.count_max.next_power_of_two()].into();
        }
        let at = match self.next_victim() {
            Some(Place(at)) => {
                self.unlink(at);
                self.unchain(at);
                clear(&mut self.slots[at as usize].value);
                self.slots[at as usize].key = key;
                at
            }
            None => {
                let value = V::default();
                self.slots.push(Slot { key, chained: NONE, newer: NONE, older: NONE, value });
                (self.slots.len() - 1) as u32
            }
        };
        let bucket = self.bucket(key);
        self.slots[at as usize].chained = std::mem::replace(&mut self.buckets[bucket], at);
        self.link_newest(at);
        Place(at)
    }

    /// Takes a slot out of its bucket's list.
    fn unchain(&mut self, at: u32) {
        let bucket = self.bucket(self.slots[at as usize].key);
        let next = self.slots[at as usize].chained;
        let mut before = self.buckets[bucket];
        if before == at {
            self.buckets[bucket] = next;
            return;
        }
        while self.slots[before as usize].chained != at {
            before = self.slots[before as usize].chained;
        }
        self.slots[before as usize].chained = next;
    }

    /// Takes a slot out of the list by age.
    #[inline]
    fn unlink(&mut self, at: u32) {
        let (newer, older) = (self.slots[at as usize].newer, self.slots[at as usize].older);
        match newer {
            NONE => self.newest = older,
            newer => self.slots[newer as usize].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.slots[older as usize].newer = newer,
        }
    }

    #[inline]
    fn link_newest(&mut self, at: u32) {
        let before = std::mem::replace(&mut self.newest, at);
        let slot = &mut self.slots[at as usize];
        (slot.newer, slot.older) = (NONE, before);
        match before {
            NONE => self.oldest = at,
            before => self.slots[before as usize].newer = at,
        }
    }
}

/// Nanoseconds between two walks over a table, at least: what becomes due in between is told a
/// little later.
const SWEEP_NS: u64 = SECOND;

/// A walk over all places of a table that looks for what is due, and may stop at each.
#[derive(Debug)]
pub(super) struct Sweep {
    /// The number of the place to look at next; above 0 a walk is under way.
    at: usize,
    /// When the next walk begins; [`Mono::MAX`] = never.
    wake: Mono,
    /// The earliest deadline met on this walk.
    earliest: Mono,
}

impl Default for Sweep {
    fn default() -> Self {
        Self { at: 0, wake: Mono::MAX, earliest: Mono::MAX }
    }
}

impl Sweep {
    /// Something will be due at `deadline`.
    pub(super) fn expect(&mut self, deadline: Mono) {
        self.wake = self.wake.min(deadline);
        self.earliest = self.earliest.min(deadline);
    }

    /// When a walk has something to find, where anything is expected.
    pub(super) fn deadline(&self) -> Option<Mono> {
        Some(self.wake).filter(|wake| *wake != Mono::MAX)
    }

    /// Walks on until `look` finds something, and stays at that place. Of a place where nothing is
    /// due `look` answers `Err` with its next deadline, [`Mono::MAX`] where it has none.
    pub(super) fn walk<V: Default, T>(
        &mut self,
        sources: &Sources<V>,
        now: Mono,
        look: impl Fn(Place) -> Result<T, Mono>,
    ) -> Option<T> {
        if now < self.wake {
            return None;
        }
        if self.at == 0 {
            self.earliest = Mono::MAX;
        }
        while let Some(place) = sources.nth(self.at) {
            match look(place) {
                Ok(found) => return Some(found),
                Err(deadline) => self.earliest = self.earliest.min(deadline),
            }
            self.at += 1;
        }
        self.at = 0;
        // Where nothing is expected it stays at the end of time.
        self.wake = self.earliest.max(now.saturating_add(SWEEP_NS));
        None
    }

    /// Walks as [`Self::walk`] does, but over every place, whether or not something is due.
    pub(super) fn walk_all<V: Default, T>(
        &mut self,
        sources: &Sources<V>,
        now: Mono,
        look: impl Fn(Place) -> Result<T, Mono>,
    ) -> Option<T> {
        // A walk that was under way has seen its first places with other eyes.
        for _ in 0..2 {
            self.wake = now;
            if let Some(found) = self.walk(sources, now, &look) {
                return Some(found);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COUNT_MAX: usize = 5;

    /// What the table must do: the newest comes last, the first goes.
    #[derive(Default)]
    struct Model(Vec<(u64, u32)>);

    impl Model {
        fn hear(&mut self, key: u64) -> u32 {
            let value = match self.0.iter().position(|(other, _)| *other == key) {
                Some(at) => self.0.remove(at).1 + 1,
                None => 1,
            };
            if self.0.len() == COUNT_MAX {
                self.0.remove(0);
            }
            self.0.push((key, value));
            value
        }
    }

    fn hear(sources: &mut Sources<u32>, key: u64) -> u32 {
        let key = SourceKey(key);
        let place = match sources.find(key) {
            Some(place) => place,
            None => sources.claim(key, |value| *value = 0),
        };
        sources.touch(place);
        *sources.get_mut(place) += 1;
        *sources.get(place)
    }

    fn some_keys() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec(0_u64..12, 0..200)
    }

    proptest! {
        #[test]
        fn the_table_forgets_whoever_was_silent_longest(keys in some_keys()) {
            let (mut sources, mut model) = (Sources::<u32>::new(COUNT_MAX), Model::default());
            for key in keys {
                // Some keys share a bucket, as hashes may.
                let key = key / 3 * 64 + key % 3;
                prop_assert_eq!(hear(&mut sources, key), model.hear(key));
                prop_assert!(sources.slots.len() <= COUNT_MAX);
                for (key, value) in &model.0 {
                    let place = sources.find(SourceKey(*key)).unwrap();
                    prop_assert_eq!(sources.get(place), value);
                    prop_assert_eq!(sources.slots[place.0 as usize].key, SourceKey(*key));
                }
                let key_at = |place: Place| sources.slots[place.0 as usize].key.0;
                let victim = sources.next_victim().map(key_at);
                let expected = (model.0.len() == COUNT_MAX).then(|| model.0[0].0);
                prop_assert_eq!(victim, expected);
            }
        }
    }

    #[test]
    fn a_full_table_allocates_nothing() {
        let mut sources = Sources::<u32>::new(4);
        (0..4).for_each(|key| assert!(hear(&mut sources, key) > 0));
        let (slots, buckets) = (sources.slots.as_ptr(), sources.buckets.as_ptr());
        (4..1000).for_each(|key| assert!(hear(&mut sources, key) > 0));
        assert_eq!((sources.slots.as_ptr(), sources.buckets.as_ptr()), (slots, buckets));
    }

    #[test]
    fn a_source_is_its_peer_its_host_and_its_app() {
        let key = SourceKey::of(b"10.0.0.5", b"box", b"sshd");
        assert_eq!(key, SourceKey::of(b"10.0.0.5", b"box", b"sshd"));
        for (peer, host, app) in [("10.0.0.6", "box", "sshd"), ("10.0.0.5", "boxs", "shd")] {
            let other = SourceKey::of(peer.as_bytes(), host.as_bytes(), app.as_bytes());
            assert_ne!(key, other, "{peer} {host} {app}");
        }
    }

    #[test]
    fn a_walk_stops_at_what_it_finds_and_sleeps_until_the_next_deadline() {
        let mut sources = Sources::<u32>::new(4);
        (0..3).for_each(|key| assert!(hear(&mut sources, key) > 0));
        let mut sweep = Sweep::default();
        let far = 100 * SECOND;
        let due = |place: Place| if place.0 == 1 { Ok(place) } else { Err(far) };
        assert_eq!((sweep.deadline(), sweep.walk(&sources, far, due)), (None, None));
        sweep.expect(5);
        assert_eq!(sweep.walk(&sources, 4, due), None);
        for _ in 0..2 {
            assert_eq!(sweep.walk(&sources, 5, due), Some(Place(1)), "until it is dealt with");
        }
        assert_eq!(sweep.walk(&sources, 5, |_| Err::<Place, _>(far)), None);
        assert_eq!(sweep.deadline(), Some(far));
        sweep.expect(6);
        assert_eq!(sweep.walk(&sources, 6, |_| Err::<Place, _>(7)), None);
        assert_eq!(sweep.deadline(), Some(6 + SWEEP_NS), "walks are a second apart");
        assert_eq!(sweep.walk(&sources, far, |_| Err::<Place, _>(Mono::MAX)), None);
        assert_eq!(sweep.deadline(), None);
    }
}
