//! Reading ahead in an object, for what has to be known before a member is judged.
//!
//! The lexer reads on and then goes back; nothing of what it passed leaves meanwhile. A resource is read from its
//! opening bracket until its type is known.
//!
//! For `where`, siblings are noted as they pass. Only when a member comes that a rule with conditions touches is the rest
//! of the object read ahead: to its end, so that a sibling that stands twice is refused before the member leaves; where
//! the end is farther than may be held back, it is enough that each sibling asked for was read.
//!
//! Whatever else has to be known of a whole object before it leaves, a Bundle entry's patient or label, say, is to be
//! [`Sought`] in the same way.

use super::action::Action;
use super::error::Error;
use super::frame::{Scout, Sought, Task};
use super::place::RESOURCE_TYPE;
use super::program::{Condition, ConditionId, Position, Rule, RuleId};
use super::redactor::{Redactor, Stream};
use crate::fhir::ResourceType;
use crate::json::{self, Token, unescape};

/// What is known of members of open objects, innermost last.
#[derive(Debug, Default)]
pub(super) struct Facts(Vec<(ConditionId, Truth)>);

/// How a condition came out. Of several the last in this order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Truth {
    Holds,
    /// The sibling is no scalar. What protects a value does not count then, what takes it does, and what would leave
    /// something of it takes all: a later rule may be there to do that.
    CannotBeJudged,
    Fails,
}

impl Truth {
    /// Of a member that is a scalar, or none.
    pub(super) fn of(condition: &Condition, scalar: Option<(Token, &[u8])>) -> Self {
        match scalar {
            None => Self::CannotBeJudged,
            Some((token, raw)) if condition.holds(token, raw) => Self::Holds,
            Some(_) => Self::Fails,
        }
    }
}

impl Facts {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    fn of(&self, from: usize, condition: ConditionId) -> Option<Truth> {
        let own = self.0.get(from..)?;
        own.iter().find(|(known, _)| *known == condition).map(|(_, truth)| *truth)
    }
}

impl Redactor {
    /// Whether a rule's conditions hold: on siblings in the object whose facts begin at `facts`, and on members of the
    /// value, if that is an object.
    pub(super) fn conditions_hold(&self, rule: RuleId, facts: usize, is_object: bool) -> bool {
        let Some(rule) = self.program.rule(rule) else { return true };
        match self.conditions_of(rule, facts, is_object) {
            Truth::Holds => true,
            Truth::CannotBeJudged => !matches!(rule.action, Action::Keep),
            Truth::Fails => false,
        }
    }

    fn conditions_of(&self, rule: &Rule, facts: usize, is_object: bool) -> Truth {
        let beside = |id: &ConditionId| self.facts.of(facts, *id).unwrap_or(Truth::Fails);
        let own = |id: &ConditionId| match self.found.truths.iter().find(|(known, _)| known == id) {
            Some((_, truth)) => *truth,
            None if is_object => Truth::Fails,
            None => Truth::CannotBeJudged,
        };
        let truths = rule.siblings.iter().map(beside).chain(rule.having.iter().map(own));
        truths.max().unwrap_or(Truth::Holds)
    }

    /// Whether a rule touches the value that comes only because a condition of it cannot be judged.
    pub(super) fn is_unjudged(&self, rule: RuleId, is_object: bool) -> bool {
        let facts = self.frames.last().map_or(0, |frame| frame.facts);
        let rule = self.program.rule(rule);
        rule.is_some_and(|rule| self.conditions_of(rule, facts, is_object) == Truth::CannotBeJudged)
    }

    /// Whether a rule that would leave something of the string that comes takes all of it.
    pub(super) fn takes_all(&self, rule: RuleId) -> bool {
        self.is_abroad(rule) || self.is_unjudged(rule, false)
    }

    /// Whether another country than a rule is about stands beside the value that comes, or what may be one.
    fn is_abroad(&self, rule: RuleId) -> bool {
        let country = self.program.rule(rule).and_then(|rule| rule.country);
        let facts = self.frames.last().map_or(0, |frame| frame.facts);
        let found = country.and_then(|country| self.facts.of(facts, country));
        matches!(found, Some(Truth::Fails | Truth::CannotBeJudged))
    }

    /// Looks for the type of the resource that just began.
    pub(super) fn scout_type(&mut self) {
        self.begin_scout(Sought::Type);
    }

    /// Whether rules ask about members of an object.
    pub(super) fn asks(&self, position: Position) -> bool {
        self.watched(position).next().is_some()
    }

    /// A member of an object that rules ask about comes: if it is one they ask for, its value is noted; if it depends
    /// on others, they are looked for.
    pub(super) fn ask(&mut self, key: &[u8]) {
        let Some(frame) = self.frames.last_mut() else { return };
        let (container, until, facts) = (frame.position, frame.until, frame.facts);
        let touching = [self.member.position.resource, self.member.position.root];
        let depends = touching.iter().flat_map(|state| &self.program.automaton.state(*state).verdicts).any(|verdict| {
            let rule = self.program.rule(verdict.rule);
            verdict.rule < until && rule.is_some_and(|rule| rule.asks_beside().next().is_some())
        });
        frame.asks = !depends;
        self.note_key(container, key);
        if depends {
            let is_left = |id: &ConditionId| self.facts.of(facts, *id).is_none() && !self.noted.contains(id);
            let left = self.watched(container).filter(is_left).collect();
            self.begin_scout(Sought::Facts { left });
        }
    }

    /// What is asked about the member `key` is noted when its value comes.
    fn note_key(&mut self, container: Position, key: &[u8]) {
        let is_about = |id: &ConditionId| self.program.condition(*id).is_some_and(|known| *known.key == *key);
        self.noted = self.watched(container).filter(is_about).collect();
    }

    /// The value of a member that was asked about: a scalar, or none.
    pub(super) fn note_value(&mut self, scalar: Option<(Token, &[u8])>) {
        for id in std::mem::take(&mut self.noted) {
            let Some(condition) = self.program.condition(id) else { continue };
            let truth = Truth::of(condition, scalar);
            self.facts.0.push((id, truth));
        }
    }

    fn watched(&self, position: Position) -> impl Iterator<Item = ConditionId> + use<'_> {
        let automaton = &self.program.automaton;
        let (first, second) = (&automaton.state(position.resource).watched, &automaton.state(position.root).watched);
        first.iter().chain(second.iter().filter(|id| !first.contains(id))).copied()
    }

    pub(super) fn begin_scout(&mut self, sought: Sought) {
        let (place, depth) = (self.lexer.place(), self.lexer.depth());
        self.task = Task::Scout(Scout { place, depth, sought, names_type: false });
    }

    /// Reads ahead. Answers whether there is more to do with the input at hand.
    pub(super) fn scout(&mut self, stream: &mut Stream<'_>) -> Result<bool, Error> {
        let Task::Scout(mut scout) = std::mem::replace(&mut self.task, Task::Walk) else { return Ok(true) };
        while let Some(token) = self.lexer.next(stream.data)? {
            if self.draft.undecided(self.lexer.at()) > self.options.hold_back {
                return self.scouted_enough(&scout, stream);
            }
            match self.scouted(&mut scout, token, stream)? {
                Found::Nothing => (),
                Found::Type(kind) => {
                    self.lexer.go_back(scout.place);
                    self.enter_resource(kind, stream)?;
                    return Ok(true);
                }
                Found::End => {
                    self.lexer.go_back(scout.place);
                    return self.scouted_all(&scout, stream);
                }
            }
        }
        if self.draft.undecided(stream.data.len()) > self.options.hold_back {
            return self.scouted_enough(&scout, stream);
        }
        self.task = Task::Scout(scout);
        Ok(false)
    }

    /// No more may be held back.
    fn scouted_enough(&mut self, scout: &Scout, stream: &mut Stream<'_>) -> Result<bool, Error> {
        let is_enough = match &scout.sought {
            Sought::Facts { left } => left.is_empty() && self.noted.is_empty(),
            Sought::Within(within) => self.is_enough_within(within),
            Sought::Type => false,
        };
        if !is_enough {
            return Err(Error::HoldBack);
        }
        self.lexer.go_back(scout.place);
        self.scouted_all(scout, stream)
    }

    fn scouted_all(&mut self, scout: &Scout, stream: &mut Stream<'_>) -> Result<bool, Error> {
        if let Sought::Within(within) = &scout.sought {
            self.looked_within(within, stream)?;
        }
        Ok(true)
    }

    fn scouted(&mut self, scout: &mut Scout, token: Token, stream: &Stream<'_>) -> Result<Found, Error> {
        let depth = self.lexer.depth();
        if let (Sought::Within(within), true) = (&mut scout.sought, depth >= scout.depth) {
            self.look_within(within, scout.depth, token, stream)?;
            return Ok(if self.has_found(within) { Found::End } else { Found::Nothing });
        }
        let scalar = match token {
            Token::Key if depth == scout.depth => {
                self.scouted_key(scout, stream)?;
                return Ok(Found::Nothing);
            }
            Token::BeginObject | Token::BeginArray if depth == scout.depth + 1 => None,
            Token::String | Token::Number | Token::True | Token::False | Token::Null if depth == scout.depth => {
                Some((token, self.lexer.text(token, stream.data)))
            }
            Token::EndObject if depth < scout.depth => {
                return match scout.sought {
                    Sought::Type => Err(Error::NotResource),
                    Sought::Facts { .. } | Sought::Within(_) => Ok(Found::End),
                };
            }
            _ => return Ok(Found::Nothing),
        };
        if std::mem::take(&mut scout.names_type) {
            let name = scalar.filter(|(token, _)| *token == Token::String).map(|(_, raw)| unescape(raw));
            let name = name.as_deref().and_then(|name| std::str::from_utf8(name).ok());
            return name.and_then(ResourceType::parse).map(Found::Type).ok_or(Error::NotResource);
        }
        self.note_value(scalar);
        Ok(Found::Nothing)
    }

    fn scouted_key(&mut self, scout: &mut Scout, stream: &Stream<'_>) -> Result<(), Error> {
        let key = self.key_text(stream);
        match &mut scout.sought {
            Sought::Type => scout.names_type = *key == *RESOURCE_TYPE,
            Sought::Within(_) => (),
            Sought::Facts { left } => {
                let Some(frame) = self.frames.last() else { return Ok(()) };
                let (container, facts) = (frame.position, frame.facts);
                self.note_key(container, &key);
                if self.noted.iter().any(|id| self.facts.of(facts, *id).is_some()) {
                    return Err(json::Error::RepeatedKey.into());
                }
                left.retain(|id| !self.noted.contains(id));
            }
        }
        Ok(())
    }
}

/// What a token told.
enum Found {
    Nothing,
    Type(ResourceType),
    /// The object ended.
    End,
}

impl Condition {
    /// Whether a scalar is what it has to be.
    fn holds(&self, token: Token, raw: &[u8]) -> bool {
        if token == Token::String { self.value.is(token, &unescape(raw)) } else { self.value.is(token, raw) }
    }
}
