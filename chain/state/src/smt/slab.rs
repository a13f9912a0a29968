//! Storage of buckets: pieces of memory of a few sizes, which never move and are used again.
//!
//! Buckets come and go at random places. A general allocator would look at the neighbours of each that goes,
//! two cache misses that cost more than the bucket's hashes.

use super::{BUCKET_LEAVES, leaf::LEAF_BYTES_MAX, slots::Slots};

/// Sizes of slots are multiples of this, in bytes: one cache line.
const CLASS_BYTES: usize = 64;

/// How many sizes there are. The greatest holds as many of the longest leaves as a bucket may have.
pub(super) const CLASSES: usize = 9;

/// Slots that are made at a time.
const CHUNK_SLOTS: usize = 512;

/// In front of a bucket: its length in bytes.
const HEADER_BYTES: usize = 2;

const _: () = assert!(
    HEADER_BYTES + BUCKET_LEAVES * LEAF_BYTES_MAX <= CLASSES * CLASS_BYTES,
    "the greatest bucket fits the greatest slot"
);

/// Where a bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Which size, from 0.
    pub(super) class: u8,
    /// Which slot of that size.
    pub(super) slot: u32,
}

/// How many slots of each size.
pub(super) type Counts = [usize; CLASSES];

/// The store.
#[derive(Debug, Default)]
pub(super) struct Slab {
    classes: [Class; CLASSES],
}

/// Slots of one size.
#[derive(Debug, Default)]
struct Class {
    chunks: Vec<Box<[u8]>>,
    slots: Slots,
}

/// The size that a bucket of so many bytes takes.
pub(super) fn class_of(bucket_bytes: usize) -> u8 {
    let bytes = bucket_bytes.saturating_add(HEADER_BYTES);
    u8::try_from(bytes.saturating_sub(1) / CLASS_BYTES).expect("no bucket has more or longer leaves")
}

impl Slab {
    /// The place that [`Self::occupy`] would take as the `nth` of its size, from 0.
    pub(super) fn vacancy(&self, class: u8, nth: usize) -> Place {
        let sized = self.classes.get(usize::from(class)).expect("classes come from class_of");
        Place { class, slot: sized.slots.vacancy(nth) }
    }

    /// Takes so many vacancies of each size.
    pub(super) fn occupy(&mut self, counts: &Counts) {
        for ((class, sized), count) in self.classes.iter_mut().enumerate().zip(counts) {
            let room_for = sized.slots.occupy(*count);
            while sized.chunks.len().saturating_mul(CHUNK_SLOTS) < room_for {
                sized.chunks.push(vec![0; CHUNK_SLOTS.saturating_mul(slot_bytes(class))].into());
            }
        }
    }

    /// Writes a bucket of its size at a place that is taken.
    pub(super) fn put(&mut self, place: Place, bucket: &[u8]) {
        let (header, rest) = self.slot_mut(place).expect("places are taken before they are written");
        *header = u16::try_from(bucket.len()).expect("a slot is smaller").to_le_bytes();
        rest.get_mut(..bucket.len()).expect("the class is that of the length").copy_from_slice(bucket);
    }

    /// The bucket at a place.
    pub(super) fn get(&self, place: Place) -> &[u8] {
        let (chunk, from, to) = locate(place);
        let chunk = self.classes.get(usize::from(place.class)).and_then(|sized| sized.chunks.get(chunk));
        chunk
            .and_then(|chunk| chunk.get(from..to)?.split_first_chunk())
            .and_then(|(header, rest)| rest.get(..usize::from(u16::from_le_bytes(*header))))
            .expect("places are written before they are read")
    }

    fn slot_mut(&mut self, place: Place) -> Option<(&mut [u8; HEADER_BYTES], &mut [u8])> {
        let (chunk, from, to) = locate(place);
        let chunk = self.classes.get_mut(usize::from(place.class))?.chunks.get_mut(chunk)?;
        chunk.get_mut(from..to)?.split_first_chunk_mut()
    }

    /// Gives a slot back. Nothing may refer to it any more.
    pub(super) fn release(&mut self, place: Place) {
        if let Some(sized) = self.classes.get_mut(usize::from(place.class)) {
            sized.slots.release(place.slot);
        }
    }

    /// How many buckets are stored.
    #[cfg(test)]
    pub(super) fn live(&self) -> usize {
        self.classes.iter().map(|sized| sized.slots.live()).sum()
    }

    /// Bytes of memory held, free slots included.
    pub(super) fn bytes(&self) -> usize {
        let chunks = |sized: &Class| sized.chunks.iter().map(|chunk| chunk.len()).sum::<usize>();
        self.classes.iter().map(|sized| chunks(sized).saturating_add(sized.slots.bytes())).sum()
    }
}

fn slot_bytes(class: usize) -> usize {
    class.saturating_add(1).saturating_mul(CLASS_BYTES)
}

/// The chunk of a place, and from where to where it is in there.
fn locate(place: Place) -> (usize, usize, usize) {
    let (slot, bytes) = (place.slot as usize, slot_bytes(usize::from(place.class)));
    let from = (slot % CHUNK_SLOTS).saturating_mul(bytes);
    (slot / CHUNK_SLOTS, from, from.saturating_add(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(n: usize) -> Vec<u8> {
        vec![u8::try_from(n % 251).unwrap(); n % (CLASSES * CLASS_BYTES - HEADER_BYTES + 1)]
    }

    fn insert(slab: &mut Slab, bucket: &[u8]) -> Place {
        let class = class_of(bucket.len());
        let place = slab.vacancy(class, 0);
        let mut counts = Counts::default();
        counts[usize::from(class)] = 1;
        slab.occupy(&counts);
        slab.put(place, bucket);
        place
    }

    #[test]
    fn buckets_of_all_lengths_stay_what_they_are() {
        let mut slab = Slab::default();
        let places: Vec<Place> = (0..5_000).map(|n| insert(&mut slab, &bucket(n))).collect();
        for (n, place) in places.iter().enumerate() {
            assert_eq!(slab.get(*place), bucket(n));
        }
        assert_eq!(slab.live(), 5_000);
        assert!(slab.bytes() >= (0..5_000).map(|n| bucket(n).len()).sum());
    }

    #[test]
    fn released_slots_are_used_again_by_buckets_of_their_size() {
        let mut slab = Slab::default();
        let first = insert(&mut slab, &[1; 100]);
        let second = insert(&mut slab, &[2; 100]);
        slab.release(first);
        assert_eq!(slab.live(), 1);
        assert_ne!(insert(&mut slab, &[3; 300]).class, first.class);
        assert_eq!(insert(&mut slab, &[4; 120]), first);
        assert_eq!((slab.get(first), slab.get(second)), (&[4; 120][..], &[2; 100][..]));
    }
}
