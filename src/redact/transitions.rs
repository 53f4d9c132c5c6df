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
    /// Its number among the keys of the state, when R4 has it there.
    pub(super) ordinal: Option<u8>,
    /// The value modifies the resource or the element that it is directly in.
    pub(super) is_modifier: bool,
    /// The element has to be there.
    pub(super) is_required: bool,
    /// It is an instant.
    pub(super) is_instant: bool,
    /// It is XHTML.
    pub(super) is_markup: bool,
    /// It is of R4, and neither a resource nor anything that has a [`Place`](super::place::Place) of its own.
    pub(super) is_ordinary: bool,
    /// And no rule touches it.
    pub(super) is_untouched: bool,
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
    /// [`NO_ORDINAL`] when it has none.
    ordinal: u8,
    flags: u8,
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
const MODIFIER: u8 = 1;
const REQUIRED: u8 = 2;
const INSTANT: u8 = 4;
const MARKUP: u8 = 8;
const ORDINARY: u8 = 16;
const UNTOUCHED: u8 = 32;
const FREE: Slot = Slot { from: DEAD, to: DEAD, start: 0, length: 0, edges: 0, ordinal: NO_ORDINAL, flags: 0 };

impl Default for Arrival {
    fn default() -> Self {
        Self::unknown(DEAD)
    }
}

impl Arrival {
    /// By a key that nobody knows.
    #[inline]
    pub(super) fn unknown(resource: StateId) -> Self {
        let position = Position { resource, root: DEAD };
        Self {
            position,
            ordinal: None,
            is_modifier: false,
            is_required: false,
            is_instant: false,
            is_markup: false,
            is_ordinary: false,
            is_untouched: false,
        }
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
        let flags = [
            (to.is_modifier, MODIFIER),
            (to.is_required, REQUIRED),
            (to.is_instant, INSTANT),
            (to.is_markup, MARKUP),
            (to.is_ordinary, ORDINARY),
            (to.is_untouched, UNTOUCHED),
        ];
        let flags = flags.into_iter().filter(|(is, _)| *is).fold(0, |all, (_, flag)| all | flag);
        let ordinal = to.ordinal.unwrap_or(NO_ORDINAL);
        let slot = Slot { from, to: to.position.resource, start, length, edges, ordinal, flags };
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
    #[inline]
    pub(super) fn find(&self, from: StateId, key: &[u8], wanted: Wanted) -> Option<Arrival> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = Self::place(from, wanted.hash) & mask;
        loop {
            let slot = self.slots.get(at)?;
            let is_alike = slot.from == from && slot.edges == wanted.edges && usize::from(slot.length) == key.len();
            if is_alike && (key.len() <= EDGES || self.name(slot.start, slot.length) == key) {
                return Some(Arrival {
                    position: Position { resource: slot.to, root: DEAD },
                    ordinal: (slot.ordinal != NO_ORDINAL).then_some(slot.ordinal),
                    is_modifier: slot.flags & MODIFIER != 0,
                    is_required: slot.flags & REQUIRED != 0,
                    is_instant: slot.flags & INSTANT != 0,
                    is_markup: slot.flags & MARKUP != 0,
                    is_ordinary: slot.flags & ORDINARY != 0,
                    is_untouched: slot.flags & UNTOUCHED != 0,
                });
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
