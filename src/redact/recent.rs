//! Ids that were hashed a moment ago. A searchset names each one a few times, in `fullUrl`, in `id` and in references to
//! it, and a hash costs more than all else that is done about it.

/// How many are remembered.
const PLACES: usize = 32;
/// The longest that is (FHIR R4, datatypes.html#id).
const LONGEST: usize = 64;

/// A hash in hexadecimal.
pub(super) type Hex = [u8; 64];

/// The ids of one answer, each at one place alone, so that looking costs one comparison.
#[derive(Default)]
pub(super) struct Recent(Vec<Entry>);

#[derive(Clone)]
struct Entry {
    /// Which key it was hashed with.
    key: u64,
    length: usize,
    id: [u8; LONGEST],
    hash: Hex,
}

const NOTHING: Entry = Entry { key: 0, length: usize::MAX, id: [0; LONGEST], hash: [0; 64] };

impl Recent {
    /// The hash of an id under a key, which `make` makes where it is not remembered.
    pub(super) fn hash(&mut self, key: u64, id: &[u8], make: impl FnOnce() -> Hex) -> Hex {
        if id.len() > LONGEST {
            return make();
        }
        if self.0.is_empty() {
            self.0 = vec![NOTHING; PLACES];
        }
        // Ids of one kind differ at their ends.
        let place = id.iter().rev().take(3).fold(id.len(), |all, byte| all * 31 + usize::from(*byte)) % PLACES;
        let Some(entry) = self.0.get_mut(place) else { return make() };
        if entry.key == key && entry.length == id.len() && entry.id.get(..id.len()) == Some(id) {
            return entry.hash;
        }
        let hash = make();
        if let Some(room) = entry.id.get_mut(..id.len()) {
            room.copy_from_slice(id);
            (entry.key, entry.length, entry.hash) = (key, id.len(), hash);
        }
        hash
    }

    /// What it takes in memory.
    pub(super) fn held_bytes(&self) -> usize {
        self.0.capacity() * size_of::<Entry>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_the_hash_of_its_key_however_many_share_a_place() {
        let (mut recent, mut made) = (Recent::default(), 0);
        for _ in 0..2 {
            for (key, id) in [(1, "a"), (2, "a"), (1, "b"), (1, ""), (1, &"x".repeat(64)), (1, &"x".repeat(65))] {
                let expected = [id.len() as u8 + 100 * key as u8; 64];
                for _ in 0..2 {
                    let make = || {
                        made += 1;
                        expected
                    };
                    assert_eq!(recent.hash(key, id.as_bytes(), make), expected);
                }
            }
        }
        // Neighbours with two keys take each other's place, the longest is made each time.
        assert!((7..=24 - 5).contains(&made), "{made} hashes were made");
        assert!(recent.held_bytes() < 8 << 10);
    }
}
