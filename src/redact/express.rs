//! The common case in fewer steps: members and elements that are written plainly.
//!
//! [`Lexer::ahead`](crate::json::Lexer::ahead) shows a comma, a key and a value at once. What no rule touches stays where
//! it is, and a container of it opens, without more ado; whatever a rule touches is judged as token by token, the same
//! functions in the same order. Where nothing is shown, and in objects whose members are asked about, nothing happens here,
//! and the walk goes on token by token; so what comes out does not depend on what was shown.

use super::error::Error;
use super::frame::{Frame, Task};
use super::place::Place;
use super::program::{DEAD, Position};
use super::redactor::{Redactor, Stream};
use crate::json::{Ahead, Token};

impl Redactor {
    /// Judges what comes as long as it is written plainly.
    pub(super) fn express(&mut self, stream: &mut Stream<'_>) -> Result<(), Error> {
        while let Some(frame) = self.frames.last() {
            let (is_object, asks) = (frame.is_object, frame.asks);
            if asks || !self.noted.is_empty() {
                return Ok(());
            }
            let Some(ahead) = self.lexer.ahead(stream.data) else { return Ok(()) };
            // The walk refuses it, where it should.
            if self.draft.undecided(ahead.start) > self.options.hold_back {
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

    #[inline]
    fn express_member(&mut self, ahead: &Ahead, stream: &mut Stream<'_>) -> Result<(), Error> {
        let key = ahead.key(stream.data);
        let Some(frame) = self.frames.last() else { return Err(Error::Ended) };
        let drops = frame.drops;
        let arrival = self.program.automaton.member(frame.position, key);
        self.note_arrival(arrival, key)?;
        self.lexer.take(ahead);
        let is_container = matches!(ahead.value, Token::BeginObject | Token::BeginArray);
        if arrival.is_plain && !drops && !is_container {
            self.stays(ahead.end, stream);
            return Ok(());
        }
        self.come_to(arrival, key, ahead.key)?;
        if arrival.is_plain && !drops {
            let start = self.member.start.take().unwrap_or(ahead.key);
            return self.express_container(ahead, arrival.position, start, stream);
        }
        self.judge(ahead.value, stream)
    }

    #[inline]
    fn express_element(&mut self, ahead: &Ahead, stream: &mut Stream<'_>) -> Result<(), Error> {
        let Some(frame) = self.frames.last() else { return Err(Error::Ended) };
        self.lexer.take(ahead);
        let Frame { position, place, drops, nulls, .. } = *frame;
        if place != Place::Elsewhere || drops || nulls || position.root != DEAD {
            return self.judge(ahead.value, stream);
        }
        let element = self.program.automaton.state(position.resource).element;
        let position = Position { resource: element, root: DEAD };
        if self.program.automaton.is_touched(position) {
            return self.judge(ahead.value, stream);
        }
        if !matches!(ahead.value, Token::BeginObject | Token::BeginArray) {
            self.stays(ahead.end, stream);
            return Ok(());
        }
        self.expect_value();
        let start = self.member.start.take().unwrap_or(ahead.start);
        self.express_container(ahead, position, start, stream)
    }

    /// A container begins that no rule touches, in one that does not drop what no rule touches.
    #[inline]
    fn express_container(
        &mut self,
        ahead: &Ahead,
        position: Position,
        start: usize,
        stream: &mut Stream<'_>,
    ) -> Result<(), Error> {
        let is_object = ahead.value == Token::BeginObject;
        let Some(parent) = self.frames.last() else { return Err(Error::Ended) };
        let until = parent.until;
        if self.program.automaton.first_inside(position) >= until {
            self.stays(ahead.end, stream);
            self.skip_inside(true, self.options.format.is_fhir());
            return Ok(());
        }
        if is_object {
            self.seen.open();
        }
        self.member.start = Some(start);
        self.push(Frame { is_object, until, ..Frame::base(position, Place::Elsewhere) });
        Ok(())
    }

    /// Judges a value that was read, or that begins, token by token.
    fn judge(&mut self, value: Token, stream: &mut Stream<'_>) -> Result<(), Error> {
        match value {
            Token::BeginObject | Token::BeginArray => self.begin(value, stream),
            _ => self.scalar(value, stream),
        }
    }
}
