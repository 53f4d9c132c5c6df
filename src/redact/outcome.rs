//! What becomes of a value once it is judged: it stays, it goes, or something stands in its place.

use super::action::{About, Action, Written};
use super::age::{self, Age};
use super::error::Error;
use super::frame::Frame;
use super::place::Place;
use super::program::{DEAD, Misfits, Position, Rule, RuleId, StateId, Verdict};
use super::redactor::{Format, Redactor, Stream};
use super::summary::Deed;
use crate::json::Token;

/// What stands where a required element was taken (<http://hl7.org/fhir/R4/extension-data-absent-reason.html>).
const ABSENT: &[u8] =
    br#"":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}"#;

/// What a value is, as far as rules ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar,
    Object,
    Array,
}

/// What becomes of a container that a rule touches.
pub(super) enum Fate {
    /// Something else stands in its place.
    Replaced(Vec<u8>),
    /// It stays, and what is inside is judged for itself.
    Stays,
    /// It is kept, or goes with all that no earlier rule takes from it.
    Judged(Deed),
}

impl Redactor {
    /// The first of the rules that touch a value, if one does: by its position, or by that of a resource in the one around
    /// it.
    #[inline]
    pub(super) fn verdict(&self, position: Position, outer: StateId, kind: Kind) -> Option<Verdict> {
        let automaton = &self.program.automaton;
        if outer == DEAD && !automaton.is_touched(position) {
            return None;
        }
        let frame = self.frames.last()?;
        if let (DEAD, DEAD, [first, ..]) = (outer, position.root, automaton.state(position.resource).verdicts.as_slice())
            && self.program.rule(first.rule).is_some_and(Rule::is_unconditional)
        {
            // It counts whatever comes after it, and is for the elements where it is for each.
            if first.rule < frame.until || !frame.is_strict {
                return (first.rule < frame.until && !(kind == Kind::Array && first.each)).then_some(*first);
            }
        }
        let touching = [outer, position.resource, position.root].into_iter().filter_map(|state| {
            let counting = automaton.state(state).verdicts.iter().filter(|verdict| self.counts(verdict.rule, frame));
            counting.copied().find(|verdict| {
                // Whether it is for an element depends on that one: later rules may be about the whole array.
                let depends =
                    kind == Kind::Array && verdict.each && self.program.rule(verdict.rule).is_some_and(Rule::asks_within);
                !depends && self.conditions_hold(verdict.rule, frame.facts, kind == Kind::Object)
            })
        });
        let verdict = touching.min_by_key(|verdict| verdict.rule)?;
        // It is for the elements, which come with it.
        if kind == Kind::Array && verdict.each { None } else { Some(verdict) }
    }

    /// Whether a rule still counts inside a container.
    #[inline]
    fn counts(&self, rule: RuleId, frame: &Frame) -> bool {
        rule < frame.until || frame.is_strict && rule == self.program.unknown
    }

    /// The verdict on a scalar: that of the rules, or that R4 does not have it here.
    pub(super) fn verdict_on_scalar(&self, token: Token) -> Option<Verdict> {
        let position = self.member.position;
        let found = self.verdict(position, DEAD, Kind::Scalar);
        let keeps = |rule| matches!(self.action(rule), Action::Keep) && self.program.keeps_r4_alone(rule);
        let is_kept = match found {
            Some(verdict) if !keeps(verdict.rule) => return found,
            _ => found.is_some(),
        };
        let misfit = || {
            let (misfits, rule) = self.program.automaton.state(position.resource).misfits?;
            let frame = self.frames.last()?;
            // A `null` keeps a place for what R4 has in the twin.
            let is_misfit = match misfits {
                Misfits::Scalars => !(frame.nulls && token == Token::Null),
                Misfits::Strings => token == Token::String,
            };
            let counts = is_kept || self.counts(rule, frame);
            (is_misfit && counts).then_some(Verdict { rule, twin: false, each: false })
        };
        misfit().or(found)
    }

    /// The rule that hides the value of a twin, if one does: another twin, which says so, stands in the place of this one.
    pub(super) fn hides_value(&self) -> Option<RuleId> {
        let verdict = self.verdict(self.member.twin_of?, DEAD, Kind::Scalar)?;
        matches!(self.action(verdict.rule), Action::Year | Action::Shift(_)).then_some(verdict.rule)
    }

    pub(super) fn action(&self, rule: RuleId) -> &Action {
        self.program.rule(rule).map_or(&Action::Remove, |rule| &rule.action)
    }

    /// What a rule makes of a container.
    pub(super) fn deed_on_container(&self, verdict: Verdict) -> Fate {
        match self.action(verdict.rule) {
            Action::Replace(value) if !verdict.twin => Fate::Replaced(value.to_vec()),
            Action::AgeCap if !verdict.twin && self.is_unjudged(verdict.rule, true) => Fate::Judged(Deed::Remove),
            Action::AgeCap if !verdict.twin => match self.found.age.judge() {
                Age::Stays => Fate::Stays,
                Age::Capped => Fate::Replaced(age::CAPPED.to_vec()),
                Age::Gone => Fate::Judged(Deed::Remove),
            },
            action => Fate::Judged(Deed::of(verdict, action, false)),
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
        let deed = Deed::of(verdict, self.action(verdict.rule), string.is_some());
        let raw = string.unwrap_or_default();
        let written = match deed {
            Deed::Remove => Written::Gone,
            Deed::Keep => Written::Same,
            // What the policy writes needs not be seen.
            Deed::Replace => self.write_string(verdict.rule, raw)?,
            _ if string.is_none() || self.takes_all(verdict.rule) => Written::Gone,
            _ => {
                self.check_length(raw.len())?;
                self.write_string(verdict.rule, raw)?
            }
        };
        let is_gone = matches!(written, Written::Gone | Written::Absent);
        if deed == Deed::Keep || written != Written::Same {
            self.count(verdict.rule, if is_gone { Deed::Remove } else { deed }, Place::Elsewhere);
        } else {
            self.leaves_unchanged(verdict.rule);
        }
        match written {
            Written::Same => self.stays(end, stream),
            Written::Text => {
                let text = std::mem::take(&mut self.written);
                self.put_in_place(&text, (start, end), stream);
                self.written = text;
            }
            Written::Absent if self.member.is_required => self.is_absent(end, stream),
            Written::Gone | Written::Absent => self.goes(start, end, stream),
        }
        Ok(())
    }

    /// What an action makes of a string; `raw` is what stands between its quotes.
    fn write_string(&mut self, rule: RuleId, raw: &[u8]) -> Result<Written, Error> {
        let value = About {
            is_reference: self.member.is_reference,
            is_instant: self.member.is_instant,
            is_markup: self.member.is_markup,
            patient: self.resources.last().and_then(|resource| resource.patient.as_deref()),
            now: self.options.now,
        };
        let action = self.program.rule(rule).map_or(&Action::Remove, |rule| &rule.action);
        self.written.clear();
        action.write(raw, value, &mut self.recent, &mut self.written)
    }

    /// Something else stands in the place of a value now.
    pub(super) fn put_in_place(&mut self, written: &[u8], (start, end): (usize, usize), stream: &mut Stream<'_>) {
        self.opened = self.frames.len();
        self.member.start = None;
        self.draft.put_in_place(stream.data, (start, end), written, stream.out);
    }

    /// The value goes, and its twin says that it is hidden. A twin that came with it goes for the same rule.
    fn is_absent(&mut self, end: usize, stream: &mut Stream<'_>) {
        let member = self.member.start.take().unwrap_or(self.member.key);
        let key = self.member.key.saturating_add(1);
        let name = stream.data.get(key..).and_then(|rest| rest.split(|byte| *byte == b'"').next()).unwrap_or_default();
        let comma = if member < self.member.key { &b","[..] } else { b"" };
        let written = [comma, b"\"_", name, ABSENT].concat();
        self.draft.discard(stream.data, member, end, stream.out);
        self.draft.write(&written);
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
        if self.member.is_modifier {
            self.modifier_is_taken();
        }
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
