//! Decisions: from a seed, the same everywhere, or from a fuzzer's bytes.

/// Where decisions come from.
pub(crate) struct Random<'b> {
    state: u64,
    bytes: &'b [u8],
}

impl Random<'static> {
    /// Small and good enough, and the same everywhere (xorshift64*).
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, bytes: &[] };
        (0..4).for_each(|_| {
            random.below(2);
        });
        random
    }
}

impl<'b> Random<'b> {
    /// Each decision is a byte as long as there are some, so that a fuzzer can change one and leave the others.
    pub(crate) fn from_bytes(bytes: &'b [u8]) -> Self {
        Self { state: 1 | bytes.len() as u64, bytes }
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        if let Some((byte, rest)) = self.bytes.split_first().filter(|_| limit <= 256) {
            self.bytes = rest;
            return usize::from(*byte) % limit;
        }
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == count - 1
    }

    pub(crate) fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}
