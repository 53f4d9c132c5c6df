//! What of the input has left, will leave, and may leave.
//!
//! The input at hand (`data`) is in three parts: what is done with, `data[..done]`; what is sure to leave but was not
//! copied yet, `data[done..sure]`, so that long runs are copied at once; and what is undecided, `data[sure..]`: a comma
//! and a key whose value is not judged, opening brackets of what may turn out empty. When something goes from the middle
//! of what is undecided, the part before it moves to `pending`.
//!
//! Places that have to outlive such moves are kept as offsets in the output that there would be if all that is
//! undecided stayed.

use super::redactor::Stream;

/// See the module's documentation. `pending` holds something only while nothing is sure.
#[derive(Debug, Default)]
pub(super) struct Draft {
    emitted: u64,
    pending: Vec<u8>,
    done: usize,
    sure: usize,
}

impl Draft {
    /// From where on the input is undecided.
    pub(super) fn sure(&self) -> usize {
        self.sure
    }

    /// How much is undecided, up to `at`.
    #[inline]
    pub(super) fn undecided(&self, at: usize) -> usize {
        self.pending.len() + at.saturating_sub(self.sure)
    }

    /// What it takes in memory.
    pub(super) fn held_bytes(&self) -> usize {
        self.pending.capacity()
    }

    /// The place of `at`, which is undecided or the first that will be, in the output.
    pub(super) fn offset(&self, at: usize) -> u64 {
        self.emitted + (self.pending.len() + at.saturating_sub(self.done)) as u64
    }

    /// Everything up to `to` leaves.
    #[inline]
    pub(super) fn keep(&mut self, to: usize, out: &mut Vec<u8>) {
        if !self.pending.is_empty() {
            self.emitted += self.pending.len() as u64;
            out.append(&mut self.pending);
        }
        self.sure = to;
    }

    /// From `from` on, which is undecided, nothing up to `to` leaves. What stands before stays undecided.
    pub(super) fn discard(&mut self, data: &[u8], from: usize, to: usize, out: &mut Vec<u8>) {
        self.flush(data, out);
        if self.sure < from {
            self.pending.extend_from_slice(data.get(self.sure..from).unwrap_or_default());
        }
        (self.done, self.sure) = (to, to);
    }

    /// Everything up to `from` leaves, and then `written` in the place of what stands up to `to`.
    pub(super) fn put_in_place(&mut self, data: &[u8], (from, to): (usize, usize), written: &[u8], out: &mut Vec<u8>) {
        self.keep(from, out);
        self.flush(data, out);
        out.extend_from_slice(written);
        self.emitted += written.len() as u64;
        (self.done, self.sure) = (to, to);
    }

    /// The place in the output up to which everything is sure to leave.
    pub(super) fn decided(&self) -> u64 {
        self.emitted + self.sure.saturating_sub(self.done) as u64
    }

    /// Where in `out`, which holds the end of the output from `kept` on, the output has this offset.
    pub(super) fn place_in(&self, out: &[u8], kept: usize, offset: u64) -> Option<usize> {
        let back = usize::try_from(self.emitted.saturating_sub(offset)).ok()?;
        out.len().checked_sub(back).filter(|place| *place >= kept)
    }

    /// What was sure to leave from `decided` on is undecided again up to `start`, and taken back from there on, up to `to`
    /// in the input. `out` has to hold it still; otherwise nothing is done and the answer is `false`.
    pub(super) fn take_back(&mut self, (decided, start): (u64, u64), to: usize, stream: &mut Stream<'_>) -> bool {
        self.flush(stream.data, stream.out);
        let Some(place) = self.place_in(stream.out, stream.kept, decided) else { return false };
        let tail = stream.out.split_off(place);
        self.pending.splice(0..0, tail);
        self.emitted = self.emitted.min(decided);
        let kept = usize::try_from(start.saturating_sub(decided)).unwrap_or(usize::MAX);
        self.pending.truncate(kept);
        (self.done, self.sure) = (to, to);
        true
    }

    /// All that is undecided from `offset` on is taken back, up to `to` in the input.
    pub(super) fn withdraw(&mut self, data: &[u8], offset: u64, to: usize, out: &mut Vec<u8>) {
        let after = usize::try_from(offset.saturating_sub(self.emitted)).unwrap_or(usize::MAX);
        if after < self.pending.len() {
            self.pending.truncate(after);
            (self.done, self.sure) = (to, to);
        } else {
            self.discard(data, self.done + (after - self.pending.len()), to, out);
        }
    }

    /// Puts bytes of our own after what is undecided. Only after [`Draft::discard`] or [`Draft::withdraw`].
    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// Copies what is sure to leave.
    pub(super) fn flush(&mut self, data: &[u8], out: &mut Vec<u8>) {
        if self.done < self.sure {
            self.emitted += (self.sure - self.done) as u64;
            out.extend_from_slice(data.get(self.done..self.sure).unwrap_or_default());
            self.done = self.sure;
        }
    }

    /// The input at hand now begins where it was done with. Answers by how much.
    pub(super) fn rebase(&mut self) -> usize {
        let by = std::mem::take(&mut self.done);
        self.sure = self.sure.saturating_sub(by);
        by
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_from_the_middle_leaves_the_rest_undecided() {
        let (data, mut out, mut draft) = (b"0123456789", Vec::new(), Draft::default());
        draft.keep(2, &mut out);
        let five = draft.offset(5);
        draft.discard(data, 5, 7, &mut out);
        assert_eq!((out.as_slice(), draft.undecided(7)), (&b"01"[..], 3));
        let eight = draft.offset(8);
        draft.discard(data, 8, 9, &mut out);
        draft.withdraw(data, eight, 9, &mut out);
        assert_eq!((eight - five, draft.undecided(9)), (1, 4));
        draft.withdraw(data, five, 9, &mut out);
        draft.keep(10, &mut out);
        draft.flush(data, &mut out);
        assert_eq!(out, b"012349");
    }

    #[test]
    fn what_is_undecided_in_the_input_can_be_taken_back() {
        let (data, mut out, mut draft) = (b"0123456789", Vec::new(), Draft::default());
        draft.keep(2, &mut out);
        let four = draft.offset(4);
        draft.withdraw(data, four, 8, &mut out);
        draft.write(b"-");
        draft.keep(10, &mut out);
        draft.flush(data, &mut out);
        assert_eq!(out, b"0123-89");
    }
}
