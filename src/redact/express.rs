//! The common case in fewer steps: members and elements that are written plainly.
//!
//! [`Lexer::ahead`](crate::json::Lexer::ahead) shows a comma, a key and a value at once. Where the position of a value says
//! what becomes of it ([`Simply`]), that is done here; whatever depends on more is judged as token by token, by the same
//! functions in the same order. Where nothing is shown, and in objects whose members are asked about, nothing happens here,
//! and the walk goes on token by token; so what comes out does not depend on what was shown.

use super::error::Error;
use super::frame::{Frame, Task};
use super::place::{Place, RESOURCE_TYPE};
use super::program::{DEAD, Position, RuleId, Simply};
use super::redactor::{Redactor, Stream};
use super::summary::Deed;
use crate::fhir::ResourceType;
use crate::json::{Ahead, Token};

impl Redactor {
    /// Judges what comes as long as it is written plainly.
    pub(super) fn express(&mut self, stream: &mut Stream<'_>) -> Result<(), Error> {
        // Who asks what was touched is told so token by token.
        if self.trace.is_some() {
            return Ok(());
        }
        while let Some(frame) = self.frames.last() {
            let (is_object, asks) = (frame.is_object, frame.asks);
            if asks || !self.noted.is_empty() {
                return Ok(());
            }
            let Some(ahead) = self.lexer.ahead(stream.data) else {
                let Some(end) = self.lexer.end_ahead(stream.data) else { return Ok(()) };
                if self.is_too_much(end) {
                    return Ok(());
                }
                self.lexer.take_end(end);
                self.close(stream)?;
                continue;
            };
            if self.is_too_much(ahead.start) {
                return Ok(());
            }
            if let Some(comma) = ahead.comma {
                self.comma(comma, stream);
            }
            if is_object {
                self.express_member(&ahead, stream)?;
            } else {
                self.express_element(&ahead, stream)?;
            }
            if !matches!(self.task, Task::Walk) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// More is undecided than may be: the walk refuses it, where it should.
    #[inline]
    fn is_too_much(&self, at: usize) -> bool {
        self.draft.undecided(at) > self.options.hold_back
    }

    #[inline]
    fn express_member(&mut self, ahead: &Ahead, stream: &mut Stream<'_>) -> Result<(), Error> {
        let key = ahead.key(stream.data);
        let Some(frame) = self.frames.last() else { return Err(Error::Ended) };
        // What is in a label is told apart by its values.
        let (drops, until, is_label) = (frame.drops, frame.until, frame.place == Place::Label);
        let arrival = self.program.automaton.member(frame.position, key);
        self.note_arrival(arrival, key)?;
        self.lexer.take(ahead);
        if arrival.is_untouched && !drops && !is_label {
            if !ahead.is_container() {
                self.stays(ahead.end, stream);
                return Ok(());
            }
            self.come_to(arrival, key, ahead.key)?;
            return self.express_container(ahead, arrival.position, stream);
        }
        if arrival.is_ordinary && !is_label {
            let state = self.program.automaton.state(arrival.position.resource);
            let is_whole = |rule| rule < until && (!ahead.is_container() || state.first_inside >= rule);
            match state.simply {
                Simply::Keeps(rule) if is_whole(rule) => {
                    self.summary.count(rule, Deed::Keep);
                    self.express_whole(ahead, true, stream);
                    return Ok(());
                }
                Simply::Removes(rule) if is_whole(rule) => {
                    self.summary.count(rule, Deed::Remove);
                    self.member.start.get_or_insert(ahead.key);
                    self.member.is_modifier = arrival.is_modifier;
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
        if !ahead.is_container() {
            self.stays(ahead.end, stream);
            return Ok(());
        }
        self.expect_value();
        self.express_container(ahead, position, stream)
    }

    /// A container begins that no rule touches, in one that does not drop what no rule touches.
    fn express_container(&mut self, ahead: &Ahead, position: Position, stream: &mut Stream<'_>) -> Result<(), Error> {
        let is_object = ahead.value == Token::BeginObject;
        let until = self.frames.last().map_or(RuleId::MIN, |parent| parent.until);
        if self.program.automaton.first_inside(position) >= until {
            self.express_whole(ahead, true, stream);
            return Ok(());
        }
        if is_object {
            self.seen.open();
        }
        self.push(Frame { is_object, until, ..Frame::base(position, Place::Elsewhere) });
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
