//! Token by token: which rule a value falls under, and what becomes of it.

use std::borrow::Cow;

use super::action::Action;
use super::error::Error;
use super::frame::{Frame, Member, Skip, Task};
use super::outcome::{Fate, Kind};
use super::place::{Place, RESOURCE_TYPE, is_granted};
use super::program::{Arrival, DEAD, Position};
use super::redactor::{Redactor, Stream};
use super::reference::is_reference_key;
use super::summary::Deed;
use super::transitions::Traits;
use crate::fhir::ResourceType;
use crate::json::{self, Token, unescape};

impl Redactor {
    /// The key of the member that comes.
    pub(super) fn key(&mut self, stream: &Stream<'_>) -> Result<(), Error> {
        let key = self.key_text(stream);
        if let Some(trace) = &mut self.trace {
            trace.key(self.frames.len().saturating_sub(1), &key);
        }
        let Some(frame) = self.frames.last() else { return Err(Error::Ended) };
        let arrival = self.program.automaton.member(frame.position, &key);
        self.note_arrival(arrival, &key)?;
        self.come_to(arrival, &key, self.lexer.start())
    }

    /// A key that stands twice is refused.
    #[inline]
    pub(super) fn note_arrival(&mut self, arrival: Arrival, key: &[u8]) -> Result<(), Error> {
        let Some(frame) = self.frames.last_mut() else { return Err(Error::Ended) };
        match arrival.bit() {
            Some(bit) if frame.had & bit != 0 => return Err(json::Error::RepeatedKey.into()),
            Some(bit) => frame.had |= bit,
            None => self.seen.insert(key)?,
        }
        Ok(())
    }

    /// What is known of the value that comes.
    pub(super) fn come_to(&mut self, arrival: Arrival, key: &[u8], start: usize) -> Result<(), Error> {
        let Some(frame) = self.frames.last_mut() else { return Err(Error::Ended) };
        let names_type = self.options.format.is_fhir() && key == RESOURCE_TYPE;
        if names_type && !frame.place.may_name_type() {
            return Err(Error::MisplacedResource);
        }
        let (asks, container) = (frame.asks, frame.position);
        let place = match frame.place.member(key) {
            Place::Meta if self.resources.last().is_none_or(|resource| resource.tags.is_empty()) => Place::Elsewhere,
            place => place,
        };
        self.member = Member {
            start: self.member.start.or(Some(start)),
            key: start,
            position: arrival.position,
            place,
            names_type: names_type && matches!(frame.place, Place::Resource(_)),
            is_twin: key.starts_with(b"_"),
            is_reference: is_reference_key(key),
            is_modifier: arrival.is(Traits::MODIFIER),
            is_required: arrival.is(Traits::REQUIRED),
            twin_of: key.strip_prefix(b"_").and_then(|name| self.program.automaton.required(container, name)),
            is_instant: arrival.is(Traits::INSTANT),
            is_markup: arrival.is(Traits::MARKUP),
        };
        if asks {
            self.ask(key);
        }
        Ok(())
    }

    /// The comma after a value. In front of one that stays it is undecided with the member that comes; where nothing
    /// stayed yet it goes with what went.
    #[inline]
    pub(super) fn comma(&mut self, start: usize, stream: &mut Stream<'_>) {
        if let Some(frame) = self.frames.last_mut() {
            frame.commas += 1;
        }
        if self.is_opened() {
            self.draft.keep(start, stream.out);
        } else if !self.frames.last().is_some_and(|frame| frame.pends) {
            self.draft.discard(stream.data, self.draft.sure(), start + 1, stream.out);
            self.member.start = None;
            return;
        }
        self.member.start = Some(start);
    }

    /// The end of a line.
    pub(super) fn newline(&mut self, stream: &mut Stream<'_>) {
        if let Some(trace) = &mut self.trace {
            trace.newline();
        }
        if std::mem::take(&mut self.line_lost) {
            self.draft.discard(stream.data, self.draft.sure(), self.lexer.at(), stream.out);
        } else {
            self.draft.keep(self.lexer.at(), stream.out);
        }
        self.root_ended = false;
    }

    /// A scalar, whole.
    pub(super) fn scalar(&mut self, token: Token, stream: &mut Stream<'_>) -> Result<(), Error> {
        let (start, end) = (self.lexer.start(), self.lexer.at());
        match self.streamed.take() {
            Some(true) => {
                self.draft.keep(end, stream.out);
                return Ok(());
            }
            Some(false) => {
                self.draft.discard(stream.data, self.draft.sure(), end, stream.out);
                return Ok(());
            }
            None => self.expect_scalar()?,
        }
        let raw = self.lexer.text(token, stream.data);
        if !self.noted.is_empty() {
            self.check_length(raw.len())?;
            self.note_value(Some((token, raw)));
        }
        let Some(frame) = self.frames.last() else { return Err(Error::Ended) };
        if self.member.names_type {
            if frame.drops && !self.is_opened() {
                self.pend();
            } else {
                self.stays(end, stream);
            }
            return Ok(());
        }
        if self.member.place.has_room_for_tag() {
            // A scalar has none.
            self.goes(start, end, stream);
            return Ok(());
        }
        if let Some(rule) = self.hides_value() {
            self.count(rule, Deed::Remove, Place::Elsewhere);
            self.goes(start, end, stream);
            return Ok(());
        }
        let Some(verdict) = self.verdict_on_scalar(token) else {
            if frame.drops {
                self.goes(start, end, stream);
            } else if frame.nulls && token == Token::Null && !self.is_opened() {
                self.pend();
            } else {
                if token == Token::String && self.member.place.names_label() {
                    self.label_stays(raw);
                }
                self.stays(end, stream);
            }
            return Ok(());
        };
        if token == Token::String && self.member.place.names_label() && matches!(self.action(verdict.rule), Action::Keep) {
            self.label_stays(raw);
        }
        self.rule_on_scalar(verdict, (token == Token::String).then_some(raw), (start, end), stream)
    }

    /// A container begins.
    pub(super) fn begin(&mut self, token: Token, stream: &mut Stream<'_>) -> Result<(), Error> {
        let is_object = token == Token::BeginObject;
        self.expect_value();
        if !self.noted.is_empty() {
            self.note_value(None);
        }
        match self.member.place {
            Place::Slot { .. } if is_object => match self.type_ahead(stream) {
                Some(kind) => self.enter_resource(kind, stream),
                None => {
                    self.scout_type();
                    Ok(())
                }
            },
            Place::Slot { .. } => Err(Error::NotResource),
            place if is_object => self.enter_object(self.member.position, place, stream),
            place => self.enter(false, self.member.position, place, stream),
        }
    }

    /// The object that just began is a resource.
    pub(super) fn enter_resource(&mut self, kind: ResourceType, stream: &mut Stream<'_>) -> Result<(), Error> {
        let is_contained = self.member.place == Place::Slot { contained: true };
        if !is_contained && !is_granted(kind, self.options.granted.as_ref()) {
            return Err(Error::TypeNotGranted);
        }
        let position = Position { resource: self.program.automaton.resource(kind).state, ..self.member.position };
        self.enter_object(position, Place::Resource(kind), stream)
    }

    /// Judges the container that just began as a whole, and decides how what is inside will be.
    pub(super) fn enter(
        &mut self,
        is_object: bool,
        position: Position,
        place: Place,
        stream: &mut Stream<'_>,
    ) -> Result<(), Error> {
        let (start, at) = (self.lexer.start(), self.lexer.at());
        let Some(parent) = self.frames.last() else { return Err(Error::Ended) };
        let (mut drops, mut until, mut is_strict) = (parent.drops, parent.until, parent.is_strict);
        if let Some(rule) = self.hides_value() {
            self.count(rule, Deed::Remove, place);
            self.goes(start, at, stream);
            self.skip_inside(false, self.options.format.is_fhir());
            return Ok(());
        }
        let outer = if self.member.position.resource == position.resource { DEAD } else { self.member.position.resource };
        let kind = if is_object { Kind::Object } else { Kind::Array };
        if let Some(verdict) = self.verdict(position, outer, kind) {
            match self.deed_on_container(verdict) {
                Fate::Replaced(written) => {
                    self.count(verdict.rule, Deed::of(verdict, self.action(verdict.rule), false), place);
                    self.put_in_place(&written, (start, at), stream);
                    if place.has_room_for_tag() {
                        self.is_tagged();
                    }
                    if self.member.is_modifier {
                        self.modifier_is_taken();
                    }
                    self.skip_inside(false, false);
                    return Ok(());
                }
                Fate::Stays => {
                    self.leaves_unchanged(verdict.rule);
                    drops = false;
                }
                Fate::Judged(deed) => {
                    self.count(verdict.rule, deed, place);
                    (drops, until) = (deed != Deed::Keep, verdict.rule);
                    is_strict = deed == Deed::Keep && self.program.keeps_r4_alone(verdict.rule);
                }
            }
        }
        let has_strangers = is_strict && self.program.automaton.state(position.resource).is_of_r4;
        let out_of_reach = self.program.automaton.first_inside(position) >= until && !has_strangers;
        let loses_root = drops && self.frames.len() == 1;
        if place == if is_object { Place::Security } else { Place::Meta } {
            self.goes(start, at, stream);
            self.skip_inside(false, true);
            return Ok(());
        }
        if out_of_reach && place == Place::Elsewhere && !loses_root {
            if drops {
                self.goes(start, at, stream);
            } else {
                self.stays(at, stream);
            }
            self.skip_inside(!drops, self.options.format.is_fhir());
            return Ok(());
        }
        if is_object {
            self.seen.open();
        }
        if let Place::Resource(kind) = place {
            self.open_resource(kind, drops && until != self.program.rest, stream);
        }
        self.push(Frame { is_object, drops, until, is_strict, ..Frame::base(position, place) });
        Ok(())
    }

    pub(super) fn skip_inside(&mut self, keeps: bool, watches: bool) {
        self.task = Task::Skip(Skip { depth: self.lexer.depth(), keeps, watches });
    }

    /// What stands in the container that just began is judged one by one.
    pub(super) fn push(&mut self, frame: Frame) {
        let start = self.lexer.start();
        let member = self.member.start.take().unwrap_or(start);
        let Frame { is_object, position, .. } = frame;
        let in_object = self.frames.last().is_some_and(|parent| parent.is_object);
        let frame = Frame {
            start: self.draft.offset(member),
            value: self.draft.offset(start),
            nulls: self.options.format.is_fhir() && !is_object && in_object && self.member.is_twin,
            facts: match self.frames.last() {
                // The siblings of an array are those of its elements.
                Some(parent) if !is_object => parent.facts,
                _ => self.facts.len(),
            },
            is_modifier: self.member.is_modifier,
            asks: is_object && self.asks(position),
            is_simple: is_object && !frame.drops && frame.place != Place::Label && position.root == DEAD,
            ..frame
        };
        self.frames.push(frame);
    }

    /// A container ends.
    pub(super) fn close(&mut self, stream: &mut Stream<'_>) -> Result<(), Error> {
        let end = self.lexer.at();
        if matches!(self.frames.last(), Some(Frame { place: Place::Meta | Place::Security | Place::Resource(_), .. })) {
            self.tag(stream);
        }
        let mut was_opened = self.is_opened();
        let Some(mut frame) = self.frames.pop() else { return Err(Error::Ended) };
        if frame.is_object {
            self.seen.close();
            self.facts.truncate(frame.facts);
        }
        if frame.is_modifier && !frame.is_object && frame.lost {
            self.modifier_is_taken();
        }
        if matches!(frame.place, Place::Resource(_)) && self.close_resource(&frame, end, stream)? {
            (was_opened, frame.lost) = (false, true);
        }
        // What is left of an element says something else than it did, and so does all that is around it.
        if frame.turned && was_opened && (!frame.drops || frame.until == self.program.rest) {
            self.resource_is_turned();
        }
        if frame.place == Place::Label {
            self.close_label(was_opened);
        }
        self.member.start = None;
        self.root_ended = self.frames.len() == 1;
        if was_opened || !(frame.lost || frame.drops) {
            self.stays(end, stream);
            return Ok(());
        }
        let nulls = self.frames.last_mut().is_some_and(|parent| {
            parent.lost = true;
            parent.nulls
        });
        if frame.is_modifier {
            self.modifier_is_taken();
        }
        if self.root_ended {
            return self.is_emptied(&frame, end, stream);
        }
        if nulls {
            self.draft.withdraw(stream.data, frame.value, end, stream.out);
            self.leaves_null(end, stream);
        } else {
            self.draft.withdraw(stream.data, frame.start, end, stream.out);
        }
        Ok(())
    }

    /// A value begins: an element is where its array says. A string that comes in pieces begins with each of them.
    pub(super) fn expect_value(&mut self) {
        let is_root = self.frames.len() == 1;
        let Some(frame) = self.frames.last().filter(|frame| !frame.is_object) else { return };
        self.member.start.get_or_insert(if is_root { self.draft.sure() } else { self.lexer.start() });
        if is_root {
            (self.member.position, self.member.place) = (frame.position, frame.place);
        } else {
            self.member.position = self.program.automaton.element(frame.position, frame.commas);
            self.member.place = frame.place.element();
        }
        (self.member.names_type, self.member.is_twin, self.member.is_reference) = (false, false, false);
        (self.member.is_modifier, self.member.is_required, self.member.twin_of) = (false, false, None);
    }

    pub(super) fn expect_scalar(&mut self) -> Result<(), Error> {
        if self.frames.len() == 1 {
            return Err(Error::RootScalar);
        }
        self.expect_value();
        if matches!(self.member.place, Place::Slot { .. }) { Err(Error::NotResource) } else { Ok(()) }
    }

    #[inline]
    pub(super) fn key_text<'d>(&self, stream: &Stream<'d>) -> Cow<'d, [u8]> {
        let raw = self.lexer.text(Token::Key, stream.data);
        if self.lexer.escaped() { unescape(raw) } else { Cow::Borrowed(raw) }
    }
}
