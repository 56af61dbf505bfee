//! Places that things are kept in, by ids of which none is given twice: who kept the id of
//! something that is gone does not find what took its place.

use slab::Slab;

/// How an id is split: the lower half is the place, the upper one the generation.
const PLACE_BITS: u32 = usize::BITS / 2;
const PLACE_MASK: usize = (1 << PLACE_BITS) - 1;

/// Things by id. The first ever put in has the id 0, and whatever comes later a greater one, until
/// the generations begin again.
#[derive(Debug)]
pub struct Places<T> {
    /// What is there, each with its generation.
    slab: Slab<(usize, T)>,
    /// The generation of what comes next.
    generation: usize,
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self { slab: Slab::new(), generation: 0 }
    }
}

impl<T> Places<T> {
    /// Puts something in, and gives its id.
    pub fn insert(&mut self, thing: T) -> usize {
        let generation = self.generation;
        self.generation = (generation + 1) & PLACE_MASK;
        id_of(self.slab.insert((generation, thing)), generation)
    }

    /// What has this id, as long as it is there.
    pub fn get(&self, id: usize) -> Option<&T> {
        let kept = self.slab.get(id & PLACE_MASK);
        kept.filter(|(generation, _)| *generation == id >> PLACE_BITS).map(|(_, thing)| thing)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, id: usize) -> Option<&mut T> {
        let kept = self.slab.get_mut(id & PLACE_MASK);
        kept.filter(|(generation, _)| *generation == id >> PLACE_BITS).map(|(_, thing)| thing)
    }

    /// Takes something out, where it is there.
    pub fn remove(&mut self, id: usize) -> Option<T> {
        self.get(id)?;
        self.slab.try_remove(id & PLACE_MASK).map(|(_, thing)| thing)
    }

    /// All of them with their ids, place by place.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.slab.iter().map(|(place, (generation, thing))| (id_of(place, *generation), thing))
    }

    /// All of them, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slab.iter_mut().map(|(_, (_, thing))| thing)
    }

    /// The id of what is kept in the first place that is taken behind that of `last`, which may be
    /// gone; the first of all without it.
    pub fn next_id(&self, last: Option<usize>) -> Option<usize> {
        let from = last.map_or(0, |last| (last & PLACE_MASK) + 1);
        let kept = |place: usize| self.slab.get(place).map(|(generation, _)| (place, *generation));
        let (place, generation) = (from..self.slab.capacity()).find_map(kept)?;
        Some(id_of(place, generation))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }
}

const fn id_of(place: usize, generation: usize) -> usize {
    generation << PLACE_BITS | place & PLACE_MASK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_does_not_find_what_took_its_place() {
        let mut places = Places::default();
        let (ann, bob) = (places.insert("ann"), places.insert("bob"));
        assert_eq!((ann, places.get(bob)), (0, Some(&"bob")));
        assert_eq!(places.remove(bob), Some("bob"));
        let eve = places.insert("eve");
        assert_eq!(eve & PLACE_MASK, bob & PLACE_MASK);
        assert_eq!((places.get(bob), places.get(eve)), (None, Some(&"eve")));
        assert_eq!((places.get_mut(bob).is_some(), places.remove(bob)), (false, None));
        assert_eq!(places.iter().collect::<Vec<_>>(), [(ann, &"ann"), (eve, &"eve")]);
        let ids = [places.next_id(None), places.next_id(Some(ann)), places.next_id(Some(bob))];
        assert_eq!(ids, [Some(ann), Some(eve), None]);
        assert_eq!(places.len(), 2);
    }
}
