//! The common case in fewer steps: members and elements that are written plainly.
//!
//! [`Lexer::ahead`](crate::json::Lexer::ahead) shows a comma, a key and a value at once. Where the position of a value says
//! what becomes of it ([`Simply`]), that is done here; whatever depends on more is judged as token by token, by the same
//! functions in the same order. Where nothing is shown, and in objects whose members are asked about, nothing happens here,
//! and the walk goes on token by token; so what comes out does not depend on what was shown.

use super::error::Error;
use super::frame::{Frame, Task};
use super::place::{Place, RESOURCE_TYPE};
use super::program::{Arrival, DEAD, Position, Simply};
use super::redactor::{Redactor, Stream};
use super::summary::Deed;
use super::transitions::Traits;
use crate::fhir::ResourceType;
use crate::json::{Ahead, Token};

impl Redactor {
    /// Judges what comes as long as it is written plainly.
    pub(super) fn express(&mut self, stream: &mut Stream<'_>) -> Result<(), Error> {
        // Who asks what was touched is told so token by token.
        if self.trace.is_some() {
            return Ok(());
        }
        while matches!(self.task, Task::Walk) && self.noted.is_empty() {
            let depth = self.frames.len();
            let Some(frame) = self.frames.last_mut().filter(|frame| !frame.asks) else { return Ok(()) };
            let Some(ahead) = self.lexer.ahead(stream.data) else {
                let Some(end) = self.lexer.end_ahead(stream.data) else { return Ok(()) };
                if self.is_too_much(end) {
                    return Ok(());
                }
                self.lexer.take_end(end);
                self.express_close(stream)?;
                continue;
            };
            // More is undecided than may be: the walk refuses it, where it should.
            if self.draft.undecided(ahead.start) > self.options.hold_back {
                return Ok(());
            }
            let goes_on = ahead.comma.is_none() || self.opened == depth;
            if frame.is_simple && goes_on && !ahead.is_container() {
                let key = ahead.key(stream.data);
                let arrival = self.program.automaton.known_member(frame.position.resource, key);
                let stays = |arrival: &Arrival| arrival.is(Traits::UNTOUCHED) && !is_misfit(*arrival, ahead.value);
                if let Some(bit) = arrival.filter(stays).and_then(Arrival::bit)
                    && frame.had & bit == 0
                {
                    frame.had |= bit;
                    frame.commas += usize::from(ahead.comma.is_some());
                    self.lexer.take(&ahead);
                    self.stays(ahead.end, stream);
                    continue;
                }
            }
            let is_object = frame.is_object;
            if let Some(comma) = ahead.comma {
                self.comma(comma, stream);
            }
            if is_object {
                self.express_member(&ahead, stream)?;
            } else {
                self.express_element(&ahead, stream)?;
            }
        }
        Ok(())
    }

    /// More is undecided than may be: the walk refuses it, where it should.
    #[inline]
    pub(super) fn is_too_much(&self, at: usize) -> bool {
        self.draft.undecided(at) > self.options.hold_back
    }

    #[inline]
    fn express_member(&mut self, ahead: &Ahead, stream: &mut Stream<'_>) -> Result<(), Error> {
        let key = ahead.key(stream.data);
        let Some(frame) = self.frames.last() else { return Err(Error::Ended) };
        let Frame { position, drops, until, place, .. } = *frame;
        let arrival = self.program.automaton.member(position, key);
        self.note_arrival(arrival, key)?;
        self.lexer.take(ahead);
        // What is in a label is told apart by its values.
        let is_label = place == Place::Label;
        if arrival.is(Traits::UNTOUCHED) && !drops && !is_label && !is_misfit(arrival, ahead.value) {
            if !ahead.is_container() {
                self.stays(ahead.end, stream);
                return Ok(());
            }
            if ahead.value == Token::BeginArray {
                // Its elements are what their key says.
                self.come_to(arrival, key, ahead.key)?;
            }
            let start = self.member.start.take().unwrap_or(ahead.key);
            self.express_container(ahead, arrival, start, stream);
            return Ok(());
        }
        if arrival.is(Traits::ORDINARY) && !is_label {
            let state = self.program.automaton.state(arrival.position.resource);
            let is_whole = |rule| rule < until && (!ahead.is_container() || state.first_inside >= rule);
            // What R4 does not have is looked for in what stays.
            let is_of_r4 = |rule| match ahead.is_container() {
                true => !self.program.keeps_r4_alone(rule),
                false => !is_misfit(arrival, ahead.value),
            };
            match state.simply {
                // What is written to say that a value is hidden stands in the place of its twin.
                Simply::Keeps(rule) if is_whole(rule) && is_of_r4(rule) && !key.starts_with(b"_") => {
                    self.summary.count(rule, Deed::Keep);
                    self.express_whole(ahead, true, stream);
                    return Ok(());
                }
                Simply::Removes(rule) if is_whole(rule) => {
                    self.summary.count(rule, Deed::Remove);
                    self.member.start.get_or_insert(ahead.key);
                    self.member.is_modifier = arrival.is(Traits::MODIFIER);
                    self.express_whole(ahead, false, stream);
                    return Ok(());
                }
                _ => (),
            }
        }
        self.come_to(arrival, key, ahead.key)?;
        self.judge(ahead.value, stream)
    }

    #[inline]
    fn express_element(&mut self, ahead: &Ahead, stream: &mut Stream<'_>) -> Result<(), Error> {
        let Some(frame) = self.frames.last() else { return Err(Error::Ended) };
        let Frame { position, place, drops, nulls, .. } = *frame;
        self.lexer.take(ahead);
        let position = Position { resource: self.program.automaton.state(position.resource).element, ..position };
        let state = self.program.automaton.state(position.resource);
        if place != Place::Elsewhere || drops || nulls || position.root != DEAD || state.simply != Simply::Untouched {
            return self.judge(ahead.value, stream);
        }
        if !ahead.is_container() && state.misfits.is_some() {
            return self.judge(ahead.value, stream);
        }
        if !ahead.is_container() {
            self.stays(ahead.end, stream);
            return Ok(());
        }
        let start = self.member.start.take().unwrap_or(ahead.start);
        self.express_container(ahead, Arrival::unknown(position.resource), start, stream);
        Ok(())
    }

    /// A container begins that no rule touches, in one that does not drop what no rule touches. What goes with it begins
    /// at `start`.
    #[inline]
    fn express_container(&mut self, ahead: &Ahead, arrival: Arrival, start: usize, stream: &mut Stream<'_>) {
        let Some(parent) = self.frames.last() else { return };
        let Frame { until, is_strict, .. } = *parent;
        let (position, is_object) = (arrival.position, ahead.value == Token::BeginObject);
        let state = self.program.automaton.state(position.resource);
        if state.first_inside >= until && !(is_strict && state.is_of_r4) {
            self.express_whole(ahead, true, stream);
            return;
        }
        let nulls = !is_object && parent.is_object && self.member.is_twin && self.options.format.is_fhir();
        // The siblings of an array are those of its elements.
        let facts = if is_object { self.facts.len() } else { parent.facts };
        if is_object {
            self.seen.open();
        }
        self.frames.push(Frame {
            is_object,
            until,
            is_strict,
            start: self.draft.offset(start),
            value: self.draft.offset(ahead.start),
            nulls,
            facts,
            is_modifier: arrival.is(Traits::MODIFIER),
            asks: is_object && !state.watched.is_empty(),
            is_simple: is_object,
            ..Frame::base(position, Place::Elsewhere)
        });
    }

    /// A container ends that was read.
    #[inline]
    fn express_close(&mut self, stream: &mut Stream<'_>) -> Result<(), Error> {
        let opened = self.is_opened();
        let Some(frame) = self.frames.last() else { return Err(Error::Ended) };
        let Frame { is_object, place, drops, lost, is_modifier, turned, facts, .. } = *frame;
        // What else a container can be is more to see to.
        if place != Place::Elsewhere || is_modifier || turned || !opened && (lost || drops) || self.frames.len() <= 2 {
            return self.close(stream);
        }
        if is_object {
            self.seen.close();
            self.facts.truncate(facts);
        }
        self.frames.pop();
        self.stays(self.lexer.at(), stream);
        Ok(())
    }

    /// A value stays or goes with all that is in it.
    #[inline]
    fn express_whole(&mut self, ahead: &Ahead, stays: bool, stream: &mut Stream<'_>) {
        if stays {
            self.stays(ahead.end, stream);
        } else {
            self.goes(ahead.start, ahead.end, stream);
        }
        if ahead.is_container() {
            self.skip_inside(stays, self.options.format.is_fhir());
        }
    }

    /// The type of the resource that just began, where it says so first.
    pub(super) fn type_ahead(&self, stream: &Stream<'_>) -> Option<ResourceType> {
        let ahead = self.lexer.ahead(stream.data).filter(|ahead| ahead.key(stream.data) == RESOURCE_TYPE)?;
        if self.is_too_much(ahead.end) {
            return None;
        }
        std::str::from_utf8(ahead.plain_text(stream.data)?).ok().and_then(ResourceType::parse)
    }

    /// Judges a value that was read, or that begins, token by token.
    fn judge(&mut self, value: Token, stream: &mut Stream<'_>) -> Result<(), Error> {
        match value {
            Token::BeginObject | Token::BeginArray => self.begin(value, stream),
            _ => self.scalar(value, stream),
        }
    }
}

/// Whether R4 may not have a value of this kind there.
#[inline]
fn is_misfit(arrival: Arrival, value: Token) -> bool {
    match value {
        Token::BeginObject | Token::BeginArray => false,
        Token::String => arrival.is(Traits::MISFITS),
        _ => arrival.is(Traits::NO_SCALAR),
    }
}
