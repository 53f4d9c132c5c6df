//! Reading ahead in an object, for what has to be known before its first member is judged.
//!
//! The lexer reads on and then goes back behind the opening bracket; nothing of the object leaves meanwhile. A
//! resource's type is enough as soon as it is read. For `where` the object is read to its end, so that a sibling that
//! stands twice is refused before anything leaves; where the end is farther than may be held back, it is enough that
//! each sibling asked for was read.

use super::action::Action;
use super::error::Error;
use super::frame::{Scout, Sought, Task};
use super::place::RESOURCE_TYPE;
use super::program::{Condition, ConditionId, Position, RuleId, Scalar};
use super::redactor::{Redactor, Stream};
use crate::fhir::ResourceType;
use crate::json::{self, Token, unescape};

/// What is known of members of open objects, innermost last: the conditions that hold, or cannot be judged.
#[derive(Debug, Default)]
pub(super) struct Facts(Vec<(ConditionId, Truth)>);

/// How a condition came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truth {
    Holds,
    /// The sibling is no scalar. What protects a value does not count then, what takes it does.
    CannotBeJudged,
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
    /// Whether a rule's conditions hold in the object whose facts begin at `facts`.
    pub(super) fn conditions_hold(&self, rule: RuleId, facts: usize) -> bool {
        let Some(rule) = self.program.rule(rule) else { return true };
        let protects = matches!(rule.action, Action::Keep);
        rule.conditions.iter().all(|condition| match self.facts.of(facts, *condition) {
            Some(Truth::Holds) => true,
            Some(Truth::CannotBeJudged) => !protects,
            None => false,
        })
    }

    /// Looks for the type of the resource that just began.
    pub(super) fn scout_type(&mut self) {
        self.begin_scout(Sought::Type);
    }

    /// Looks for what the rules ask about the members of the object that just began.
    pub(super) fn scout_facts(&mut self, position: Position) {
        let states = [position.resource, position.root].map(|state| self.program.automaton.state(state));
        let mut left: Vec<ConditionId> = states.iter().flat_map(|state| state.watched.iter().copied()).collect();
        if !left.is_empty() {
            left.sort_unstable();
            left.dedup();
            self.begin_scout(Sought::Facts { left, current: Vec::new(), read: Vec::new() });
        }
    }

    fn begin_scout(&mut self, sought: Sought) {
        let (place, depth) = (self.lexer.place(), self.lexer.depth());
        self.task = Task::Scout(Scout { place, depth, sought, key: false });
    }

    /// Reads ahead. Answers whether there is more to do with the input at hand.
    pub(super) fn scout(&mut self, stream: &mut Stream<'_>) -> Result<bool, Error> {
        let Task::Scout(mut scout) = std::mem::replace(&mut self.task, Task::Walk) else { return Ok(true) };
        while let Some(token) = self.lexer.next(stream.data)? {
            if self.draft.undecided(self.lexer.at()) > self.options.hold_back {
                return self.scouted_enough(&scout);
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
                    return Ok(true);
                }
            }
        }
        if self.draft.undecided(stream.data.len()) > self.options.hold_back {
            return self.scouted_enough(&scout);
        }
        self.task = Task::Scout(scout);
        Ok(false)
    }

    /// No more may be held back.
    fn scouted_enough(&mut self, scout: &Scout) -> Result<bool, Error> {
        match &scout.sought {
            Sought::Facts { left, .. } if left.is_empty() => {
                self.lexer.go_back(scout.place);
                Ok(true)
            }
            Sought::Facts { .. } | Sought::Type => Err(Error::HoldBack),
        }
    }

    fn scouted(&mut self, scout: &mut Scout, token: Token, stream: &Stream<'_>) -> Result<Found, Error> {
        let depth = self.lexer.depth();
        let value = match token {
            Token::Key if depth == scout.depth => {
                self.scouted_key(scout, stream)?;
                return Ok(Found::Nothing);
            }
            Token::BeginObject | Token::BeginArray if depth == scout.depth + 1 => None,
            Token::String | Token::Number | Token::True | Token::False | Token::Null if depth == scout.depth => Some(token),
            Token::EndObject if depth < scout.depth => {
                return match scout.sought {
                    Sought::Type => Err(Error::NotResource),
                    Sought::Facts { .. } => Ok(Found::End),
                };
            }
            _ => return Ok(Found::Nothing),
        };
        if !std::mem::take(&mut scout.key) {
            return Ok(Found::Nothing);
        }
        let raw = value.map(|token| (token, self.lexer.text(token, stream.data)));
        match &mut scout.sought {
            Sought::Type => {
                let name = raw.filter(|(token, _)| *token == Token::String).map(|(_, raw)| unescape(raw));
                let name = name.as_deref().and_then(|name| std::str::from_utf8(name).ok());
                name.and_then(ResourceType::parse).map(Found::Type).ok_or(Error::NotResource)
            }
            Sought::Facts { current, read, .. } => {
                for id in current.drain(..) {
                    read.push(id);
                    let Some(condition) = self.program.condition(id) else { continue };
                    match raw {
                        None => self.facts.0.push((id, Truth::CannotBeJudged)),
                        Some((token, raw)) if condition.holds(token, raw) => self.facts.0.push((id, Truth::Holds)),
                        Some(_) => (),
                    }
                }
                Ok(Found::Nothing)
            }
        }
    }

    fn scouted_key(&self, scout: &mut Scout, stream: &Stream<'_>) -> Result<(), Error> {
        let key = self.key_text(stream);
        match &mut scout.sought {
            Sought::Type => scout.key = *key == *RESOURCE_TYPE,
            Sought::Facts { left, current, read } => {
                let is_about = |id: &ConditionId| self.program.condition(*id).is_some_and(|known| *known.key == *key);
                if read.iter().any(is_about) {
                    return Err(json::Error::RepeatedKey.into());
                }
                current.extend(left.extract_if(.., |id| is_about(id)));
                scout.key = !current.is_empty();
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
        match &self.value {
            Scalar::Null => token == Token::Null,
            Scalar::Bool(value) => token == if *value { Token::True } else { Token::False },
            Scalar::Text(text) => token == Token::String && *unescape(raw) == **text,
            Scalar::Number(number) => {
                let own = std::str::from_utf8(raw).ok().and_then(|text| text.parse::<f64>().ok());
                token == Token::Number && own == Some(*number)
            }
        }
    }
}
