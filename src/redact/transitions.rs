//! Where keys lead: one table of all that make a difference in some state, so that a key costs one look-up however many
//! rules there are.
//!
//! The table is open-addressed and at most half full. Its entries come from the policy and from R4 alone, so nobody who
//! sends an answer can make look-ups long: a key that is not there ends at the first free slot.

use super::program::{DEAD, Position, StateId};

/// Where a key led to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) position: Position,
    traits: Traits,
    /// Its number among the keys of the state, when R4 has it there; else [`NO_ORDINAL`].
    ordinal: u8,
}

/// What is known of a value by its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traits(u8);

impl Traits {
    /// It modifies the element that it stands in.
    pub(super) const MODIFIER: Self = Self(1);
    /// The element has to be there.
    pub(super) const REQUIRED: Self = Self(2);
    /// It is an instant.
    pub(super) const INSTANT: Self = Self(4);
    /// It is XHTML.
    pub(super) const MARKUP: Self = Self(8);
    /// It is neither a resource nor anything that has a [`Place`](super::place::Place) of its own.
    pub(super) const ORDINARY: Self = Self(16);
    /// It is ordinary, and no rule touches it.
    pub(super) const UNTOUCHED: Self = Self(32);
    /// A scalar is nothing that R4 has there, and goes.
    pub(super) const NO_SCALAR: Self = Self(64);
    /// Neither is a string.
    pub(super) const NO_STRING: Self = Self(128);
    /// One of these.
    pub(super) const MISFITS: Self = Self(64 | 128);

    /// Those of the list that hold.
    pub(super) fn of(all: &[(Self, bool)]) -> Self {
        Self(all.iter().filter(|(_, holds)| *holds).fold(0, |all, (one, _)| all | one.0))
    }
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Transitions {
    names: Vec<u8>,
    slots: Vec<Slot>,
}

/// A name that was put down. Longer ones than it can say are refused by whoever compiles rules.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    start: u32,
    length: u8,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// No slot is for [`DEAD`]: nothing leads out of it.
    from: StateId,
    to: StateId,
    /// Where the name stands.
    start: u32,
    length: u8,
    /// The name's first and last bytes: all of a short one.
    edges: u64,
    traits: Traits,
    /// [`NO_ORDINAL`] when it has none.
    ordinal: u8,
}

/// A key that is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    hash: u32,
    edges: u64,
}

/// Names up to this length are known by their edges alone.
const EDGES: usize = 2 * size_of::<u32>();

const NO_ORDINAL: u8 = u8::MAX;
const FREE: Slot = Slot { from: DEAD, to: DEAD, start: 0, length: 0, edges: 0, traits: Traits(0), ordinal: NO_ORDINAL };

impl Default for Arrival {
    fn default() -> Self {
        Self::unknown(DEAD)
    }
}

impl Arrival {
    /// By a key that leads to a state.
    pub(super) fn known(resource: StateId, ordinal: Option<u8>, traits: Traits) -> Self {
        Self { traits, ordinal: ordinal.unwrap_or(NO_ORDINAL), ..Self::unknown(resource) }
    }

    /// By a key that nobody knows.
    #[inline]
    pub(super) fn unknown(resource: StateId) -> Self {
        Self { position: Position { resource, root: DEAD }, traits: Traits(0), ordinal: NO_ORDINAL }
    }

    #[inline]
    pub(super) fn is(self, one: Traits) -> bool {
        self.traits.0 & one.0 != 0
    }

    /// The bit of its number, when R4 has it there.
    #[inline]
    pub(super) fn bit(self) -> Option<u64> {
        (self.ordinal != NO_ORDINAL).then_some(1 << (self.ordinal & 63))
    }

    /// The same, and rules from the root lead on to a state of their own: what is decided depends on both.
    #[inline]
    pub(super) fn beside(self, root: StateId) -> Self {
        let traits = Traits(self.traits.0 & !(Traits::ORDINARY.0 | Traits::UNTOUCHED.0));
        Self { position: Position { root, ..self.position }, traits, ..self }
    }
}

impl Transitions {
    /// Room for this many keys.
    pub(super) fn with_room_for(count: usize) -> Self {
        let slots = count.max(1).saturating_mul(2).next_power_of_two();
        Self { names: Vec::new(), slots: vec![FREE; slots] }
    }

    /// Puts a name where many keys can refer to it.
    pub(super) fn intern(&mut self, name: &str) -> Name {
        let start = self.names.len();
        self.names.extend_from_slice(name.as_bytes());
        Name { start: u32::try_from(start).unwrap_or(0), length: u8::try_from(name.len()).unwrap_or(0) }
    }

    /// The key `name` leads from one state to another.
    pub(super) fn insert(&mut self, from: StateId, name: Name, to: Arrival) {
        let Name { start, length } = name;
        let Wanted { hash, edges } = Self::wanted(self.name(start, length));
        let Arrival { position, traits, ordinal } = to;
        let slot = Slot { from, to: position.resource, start, length, edges, traits, ordinal };
        let mask = self.slots.len().saturating_sub(1);
        let mut at = Self::place(from, hash) & mask;
        while let Some(found) = self.slots.get_mut(at) {
            if found.from == DEAD {
                *found = slot;
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// Where `key`, which was `wanted`, leads from a state, if it makes a difference there. The state is in
    /// `position.resource`.
    #[inline(always)]
    pub(super) fn find(&self, from: StateId, key: &[u8], wanted: Wanted) -> Option<Arrival> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = Self::place(from, wanted.hash) & mask;
        loop {
            let slot = self.slots.get(at)?;
            let is_alike = slot.from == from && slot.edges == wanted.edges && usize::from(slot.length) == key.len();
            if is_alike && (key.len() <= EDGES || self.name(slot.start, slot.length) == key) {
                let Slot { to, traits, ordinal, .. } = *slot;
                return Some(Arrival { position: Position { resource: to, root: DEAD }, traits, ordinal });
            }
            if slot.from == DEAD {
                return None;
            }
            at = (at + 1) & mask;
        }
    }

    #[inline]
    fn name(&self, start: u32, length: u8) -> &[u8] {
        let start = start as usize;
        self.names.get(start..start.saturating_add(usize::from(length))).unwrap_or_default()
    }

    #[inline]
    fn place(from: StateId, hash: u32) -> usize {
        (hash ^ from.wrapping_mul(0x9e37_79b1)).wrapping_mul(0x85eb_ca6b) as usize >> 7
    }

    /// A key, as it is looked for: by its ends, its middle and its length, in which the names of R4 differ.
    #[inline]
    pub(super) fn wanted(key: &[u8]) -> Wanted {
        let word = |bytes: Option<&[u8; 4]>| bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes));
        let (first, last) = match key.len() {
            0..4 => (key.iter().fold(0, |all, byte| (all << 8) | u32::from(*byte)), 0),
            _ => (word(key.first_chunk()), word(key.last_chunk())),
        };
        let middle = key.get(key.len() / 2).copied().map_or(0, u32::from);
        let mixed = first ^ last.rotate_left(13) ^ (middle << 11) ^ (key.len() as u32).rotate_left(27);
        // The high bits are mixed well; what is looked at first are the low ones.
        let hash = mixed.wrapping_mul(0x9e37_79b1).rotate_left(16);
        Wanted { hash, edges: (u64::from(first) << 32) | u64::from(last) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_leads_where_it_was_said_and_no_other_does() {
        let names: Vec<String> = (0..300).map(|index| format!("{}{}", "name".repeat(index % 4), index % 150)).collect();
        let mut table = Transitions::with_room_for(300);
        let mut known = std::collections::HashMap::new();
        for (index, name) in (1..).zip(&names) {
            if known.insert((1 + index % 3, name), index).is_none() {
                let name = table.intern(name);
                table.insert(1 + index % 3, name, Arrival::unknown(index));
            }
        }
        for name in names.iter().map(String::as_str).chain(["", "n", "absent", "_name1"]) {
            for from in 1..5 {
                let found = table.find(from, name.as_bytes(), Transitions::wanted(name.as_bytes()));
                let expected = known.keys().any(|(state, key)| *state == from && *key == name);
                assert_eq!(found.is_some(), expected, "{name} from {from}");
            }
        }
        assert!(Transitions::default().find(1, b"a", Transitions::wanted(b"a")).is_none());
    }
}
