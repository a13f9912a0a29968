//! Which slots of a store are free.

/// Slots by their numbers. Freed ones are used again, the last first.
///
/// Who computes an update beside the published tree asks which slots it will get, and takes them only when
/// the update is published: an update that is dropped leaves nothing behind.
#[derive(Debug, Default)]
pub(super) struct Slots {
    free: Vec<u32>,
    made: u32,
}

impl Slots {
    /// The slot that [`Self::occupy`] would take as its `nth`, from 0.
    pub(super) fn vacancy(&self, nth: usize) -> u32 {
        let vacancy = match nth.checked_sub(self.free.len()) {
            None => self.free.iter().rev().nth(nth).copied(),
            Some(beyond) => u32::try_from(beyond).ok().and_then(|beyond| self.made.checked_add(beyond)),
        };
        vacancy.expect("2^32 nodes do not fit any machine's memory")
    }

    /// Takes the first so many vacancies. Returns how many slots there must be room for.
    pub(super) fn occupy(&mut self, count: usize) -> usize {
        let used_again = count.min(self.free.len());
        let more = u32::try_from(count.saturating_sub(used_again)).ok();
        let made = more.and_then(|more| self.made.checked_add(more));
        self.made = made.expect("2^32 nodes do not fit any machine's memory");
        self.free.truncate(self.free.len().saturating_sub(used_again));
        self.made as usize
    }

    /// Gives a slot back. Nothing may refer to it any more.
    pub(super) fn release(&mut self, slot: u32) {
        self.free.push(slot);
    }

    /// How many slots are taken.
    #[cfg(test)]
    pub(super) fn live(&self) -> usize {
        (self.made as usize).saturating_sub(self.free.len())
    }

    /// Bytes of memory held.
    pub(super) fn bytes(&self) -> usize {
        self.free.capacity().saturating_mul(size_of::<u32>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vacancies_are_those_that_are_taken_then() {
        let mut slots = Slots::default();
        assert_eq!([0, 1, 2].map(|nth| slots.vacancy(nth)), [0, 1, 2]);
        assert_eq!(slots.occupy(3), 3);
        slots.release(1);
        slots.release(0);
        assert_eq!(slots.live(), 1);
        assert_eq!([0, 1, 2, 3].map(|nth| slots.vacancy(nth)), [0, 1, 3, 4]);
        assert_eq!(slots.occupy(1), 3);
        assert_eq!([0, 1].map(|nth| slots.vacancy(nth)), [1, 3]);
        assert_eq!(slots.occupy(2), 4);
        assert_eq!((slots.vacancy(0), slots.live()), (4, 4));
    }
}
