//! What becomes of a value once it is judged: it stays, it goes, or something stands in its place.

use super::action::Action;
use super::error::Error;
use super::frame::Frame;
use super::program::{DEAD, Position, RuleId, StateId, Verdict};
use super::redactor::{Format, Redactor, Stream};
use super::summary::Deed;

impl Redactor {
    /// The first of the rules that touch a value, if one does: by its position, by that of a resource in the one around
    /// it, or for each element of the array around it.
    #[inline]
    pub(super) fn verdict(&self, position: Position, outer: StateId) -> Option<Verdict> {
        let frame = self.frames.last()?;
        let automaton = &self.program.automaton;
        if frame.every.is_none() && outer == DEAD && !automaton.is_touched(position) {
            return None;
        }
        let touching = [outer, position.resource, position.root].into_iter().filter_map(|state| {
            let counting = automaton.state(state).verdicts.iter().take_while(|verdict| verdict.rule < frame.until);
            counting.copied().find(|verdict| self.conditions_hold(verdict.rule, frame.facts))
        });
        let every = frame.every.map(|rule| Verdict { rule, twin: false, each: false });
        touching.chain(every).min_by_key(|verdict| verdict.rule)
    }

    pub(super) fn deed(&self, verdict: Verdict, is_string: bool) -> Deed {
        let action = self.program.rule(verdict.rule).map_or(&Action::Remove, |rule| &rule.action);
        Deed::of(verdict, action, is_string)
    }

    /// Whether a rule that touches an array is for its elements.
    pub(super) fn is_for_elements(&self, verdict: Verdict) -> bool {
        match self.program.rule(verdict.rule).map(|rule| &rule.action) {
            Some(Action::Mask(_) | Action::Hash(_)) => true,
            Some(Action::Replace(_)) => verdict.each,
            Some(Action::Remove | Action::Keep) | None => false,
        }
    }

    /// Does what a rule asks for on a scalar, whose text is given if it is a string.
    pub(super) fn rule_on_scalar(
        &mut self,
        verdict: Verdict,
        string: Option<&[u8]>,
        (start, end): (usize, usize),
        stream: &mut Stream<'_>,
    ) -> Result<(), Error> {
        let deed = self.deed(verdict, string.is_some());
        self.summary.count(verdict.rule, deed);
        let raw = string.unwrap_or_default();
        let mut written = Vec::new();
        match (deed, self.program.rule(verdict.rule).map(|rule| &rule.action)) {
            (Deed::Keep, _) => {
                self.stays(end, stream);
                return Ok(());
            }
            (Deed::Replace, Some(Action::Replace(_))) => {
                self.is_replaced(verdict.rule, (start, end), stream);
                return Ok(());
            }
            (Deed::Mask, Some(Action::Mask(mask))) => {
                self.check_length(raw.len())?;
                mask.write(raw, &mut written)?;
            }
            (Deed::Hash, Some(Action::Hash(key))) => {
                self.check_length(raw.len())?;
                key.write(raw, self.member.is_reference, &mut written)?;
            }
            _ => {
                self.goes(start, end, stream);
                return Ok(());
            }
        }
        self.draft.discard(stream.data, start, end, stream.out);
        self.draft.write(&written);
        self.stays(end, stream);
        Ok(())
    }

    /// What a rule puts in the place of a value stands there now.
    pub(super) fn is_replaced(&mut self, rule: RuleId, (start, end): (usize, usize), stream: &mut Stream<'_>) {
        if let Some(Action::Replace(value)) = self.program.rule(rule).map(|rule| &rule.action) {
            self.draft.discard(stream.data, start, end, stream.out);
            self.draft.write(value);
        }
        self.stays(end, stream);
    }

    /// The value stays, and with it the brackets, keys and commas before it.
    #[inline]
    pub(super) fn stays(&mut self, end: usize, stream: &mut Stream<'_>) {
        self.opened = self.frames.len();
        self.member.start = None;
        self.draft.keep(end, stream.out);
    }

    /// The value goes, and with it its key and a comma, or it becomes `null`.
    pub(super) fn goes(&mut self, start: usize, end: usize, stream: &mut Stream<'_>) {
        let member = self.member.start.take().unwrap_or(start);
        let Some(frame) = self.frames.last_mut() else { return };
        frame.lost = true;
        if frame.nulls {
            self.draft.discard(stream.data, start, end, stream.out);
            self.leaves_null(end, stream);
        } else {
            self.draft.discard(stream.data, member, end, stream.out);
        }
    }

    pub(super) fn leaves_null(&mut self, end: usize, stream: &mut Stream<'_>) {
        self.draft.write(b"null");
        if self.is_opened() {
            self.draft.keep(end, stream.out);
        } else {
            self.pend();
        }
    }

    /// The value stays if anything else in its container does.
    pub(super) fn pend(&mut self) {
        self.member.start = None;
        if let Some(frame) = self.frames.last_mut() {
            frame.pends = true;
        }
    }

    /// Nothing of the root was left.
    pub(super) fn is_emptied(&mut self, root: &Frame, end: usize, stream: &mut Stream<'_>) -> Result<(), Error> {
        match self.options.format {
            Format::FhirJson => return Err(Error::Emptied),
            Format::Json => {
                self.draft.withdraw(stream.data, root.value, end, stream.out);
                self.draft.write(if root.is_object { b"{}" } else { b"[]" });
                self.stays(end, stream);
            }
            Format::Ndjson | Format::FhirNdjson => {
                self.draft.withdraw(stream.data, root.start, end, stream.out);
                self.line_lost = true;
            }
        }
        Ok(())
    }

    pub(super) fn check_length(&self, length: usize) -> Result<(), Error> {
        if length > self.options.limits.max_string { Err(Error::LongString) } else { Ok(()) }
    }

    /// Whether something in the innermost container stays.
    #[inline]
    pub(super) fn is_opened(&self) -> bool {
        self.opened == self.frames.len()
    }
}
