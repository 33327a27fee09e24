//! A slab whose positions carry a generation, so that a stale id never reaches what came after it.

/// A table of `T` by position and generation.
pub(super) struct Arena<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    len: usize,
}

struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Arena<T> {
    pub(super) const fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), len: 0 }
    }

    /// Stores what `make` builds from the position and generation it will have.
    pub(super) fn insert_with(&mut self, make: impl FnOnce(u32, u32) -> T) -> (u32, u32) {
        self.len += 1;
        if let Some(index) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(index as usize)
        {
            slot.value = Some(make(index, slot.generation));
            return (index, slot.generation);
        }
        let index = u32::try_from(self.slots.len()).expect("descriptors run out long before 2^32 entries");
        self.slots.push(Slot { generation: 0, value: Some(make(index, 0)) });
        (index, 0)
    }

    #[inline]
    pub(super) fn get(&self, index: u32, generation: u32) -> Option<&T> {
        let slot = self.slots.get(index as usize)?;
        if slot.generation == generation { slot.value.as_ref() } else { None }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, index: u32, generation: u32) -> Option<&mut T> {
        let slot = self.slots.get_mut(index as usize)?;
        if slot.generation == generation { slot.value.as_mut() } else { None }
    }

    /// Whatever now is at this position, with its generation.
    pub(super) fn at_mut(&mut self, index: u32) -> Option<(u32, &mut T)> {
        let slot = self.slots.get_mut(index as usize)?;
        slot.value.as_mut().map(|value| (slot.generation, value))
    }

    pub(super) fn remove(&mut self, index: u32, generation: u32) -> Option<T> {
        let slot = self.slots.get_mut(index as usize)?;
        if slot.generation != generation {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(index);
        self.len -= 1;
        Some(value)
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// One more than the highest position that was ever used.
    pub(super) const fn positions(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.value.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_id_reaches_nothing_after_its_position_is_used_again() {
        let mut arena = Arena::new();
        let (index, generation) = arena.insert_with(|_, _| "first");
        assert_eq!(arena.remove(index, generation), Some("first"));
        let (again, newer) = arena.insert_with(|_, _| "second");
        assert_eq!(again, index);
        assert_ne!(newer, generation);
        assert_eq!(arena.get(index, generation), None);
        assert_eq!(arena.remove(index, generation), None);
        assert_eq!(arena.get_mut(again, newer).copied(), Some("second"));
        assert_eq!((arena.len(), arena.positions()), (1, 1));
    }
}
