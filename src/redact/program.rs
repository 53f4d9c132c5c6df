//! Rules as they run: one automaton over keys, built once, shared by every answer.
//!
//! A value has a [`Position`]: a state for the rules that begin at the nearest resource and one for those that begin
//! at the root. A step to a member or an element leads from the states of a container to those of a value in it. The
//! state says which rules touch the value, and the first rule that can still touch anything inside it, which is how
//! whole subtrees are known to be out of reach.

use std::collections::HashMap;

use super::action::Action;
use crate::fhir::ResourceType;

/// The rules of a profile, compiled.
#[derive(Debug)]
pub struct Program {
    pub(super) name: Box<str>,
    pub(super) rules: Box<[Rule]>,
    pub(super) conditions: Box<[Condition]>,
    pub(super) automaton: Automaton,
}

/// A rule; its place in the list is its precedence.
#[derive(Debug)]
pub(super) struct Rule {
    /// RFC 6901 pointer of the rule in the policy.
    pub(super) pointer: Box<str>,
    pub(super) action: Action,
    /// What the siblings of the value have to be, all of it.
    pub(super) conditions: Box<[ConditionId]>,
}

/// A rule, by its place in the list.
pub(super) type RuleId = u32;

/// After every rule.
pub(super) const NO_RULE: RuleId = RuleId::MAX;

/// A condition on a sibling, by its place in the program.
pub(super) type ConditionId = u32;

/// What a sibling has to be.
#[derive(Debug, PartialEq)]
pub(super) struct Condition {
    pub(super) key: Box<[u8]>,
    pub(super) value: Scalar,
}

/// A JSON scalar to compare with.
#[derive(Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Number(f64),
    Text(Box<[u8]>),
}

/// A key that rules know.
pub(super) type KeyId = u32;

/// A state of the automaton.
pub(super) type StateId = u32;

/// The state in which no rule can match any more.
pub(super) const DEAD: StateId = 0;

/// Keys and states.
#[derive(Debug, Default)]
pub(super) struct Automaton {
    /// Keys that rules know, by their length.
    pub(super) keys: Vec<Vec<(Box<[u8]>, KeyId)>>,
    pub(super) states: Vec<State>,
    pub(super) root: StateId,
    pub(super) resources: HashMap<ResourceType, StateId>,
}

/// What is known of a value by the way that led to it.
#[derive(Debug)]
pub(super) struct State {
    /// Where keys that make a difference lead, in order of the keys.
    pub(super) members: Vec<(KeyId, StateId)>,
    /// Where all other keys lead.
    pub(super) other: StateId,
    /// Where elements lead.
    pub(super) element: StateId,
    /// The rules that touch the value, in order.
    pub(super) verdicts: Vec<Verdict>,
    /// The first rule that may touch something inside the value.
    pub(super) first_inside: RuleId,
    /// What has to be known of an object's members before the first of them is judged.
    pub(super) watched: Vec<ConditionId>,
}

/// That a rule touches a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) rule: RuleId,
    /// The value is the `_name` of the `name` that the rule is about: it stays or goes with it.
    pub(super) twin: bool,
    /// Of an array, the rule touches each element and not the whole.
    pub(super) each: bool,
}

/// Where a value stands, for the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// For rules from the nearest resource.
    pub(super) resource: StateId,
    /// For rules from the root.
    pub(super) root: StateId,
}

impl Program {
    /// The program of the full view: every byte leaves, and only what an answer is made of is checked.
    #[must_use]
    pub fn pass() -> Self {
        Self {
            name: "none".into(),
            rules: Box::default(),
            conditions: Box::default(),
            automaton: Automaton { states: vec![State::dead()], ..Automaton::default() },
        }
    }

    /// The name of the profile.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where each rule stands in the policy (RFC 6901), in the order in which a summary counts them.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = &str> {
        self.rules.iter().map(|rule| &*rule.pointer)
    }

    /// Whether it has rules that only take effect in resources, so that an answer read as plain JSON escapes them.
    #[must_use]
    pub fn needs_fhir(&self) -> bool {
        !self.automaton.resources.is_empty()
    }

    pub(super) fn rule(&self, rule: RuleId) -> Option<&Rule> {
        self.rules.get(rule as usize)
    }

    pub(super) fn condition(&self, condition: ConditionId) -> Option<&Condition> {
        self.conditions.get(condition as usize)
    }
}

impl Automaton {
    /// The position of the root.
    pub(super) fn root(&self) -> Position {
        Position { resource: DEAD, root: self.root }
    }

    /// The position of an object that turned out to be a resource.
    pub(super) fn resource(&self, position: Position, kind: ResourceType) -> Position {
        Position { resource: self.resources.get(&kind).copied().unwrap_or(DEAD), ..position }
    }

    /// The position of the member `key`, unescaped.
    #[inline]
    pub(super) fn member(&self, container: Position, key: &[u8]) -> Position {
        let (resource, root) = (self.state(container.resource), self.state(container.root));
        if resource.members.is_empty() && root.members.is_empty() {
            return Position { resource: resource.other, root: root.other };
        }
        match self.key(key) {
            Some(key) => Position { resource: resource.member(key), root: root.member(key) },
            None => Position { resource: resource.other, root: root.other },
        }
    }

    /// The position of an element.
    #[inline]
    pub(super) fn element(&self, container: Position) -> Position {
        Position { resource: self.state(container.resource).element, root: self.state(container.root).element }
    }

    /// The first rule that may touch something inside the value.
    #[inline]
    pub(super) fn first_inside(&self, position: Position) -> RuleId {
        self.state(position.resource).first_inside.min(self.state(position.root).first_inside)
    }

    /// Whether some rule touches the value.
    #[inline]
    pub(super) fn is_touched(&self, position: Position) -> bool {
        !(self.state(position.resource).verdicts.is_empty() && self.state(position.root).verdicts.is_empty())
    }

    #[inline]
    pub(super) fn state(&self, state: StateId) -> &State {
        static LOST: State = State::dead();
        self.states.get(state as usize).unwrap_or(&LOST)
    }

    #[inline]
    fn key(&self, key: &[u8]) -> Option<KeyId> {
        self.keys.get(key.len())?.iter().find(|(known, _)| **known == *key).map(|(_, id)| *id)
    }
}

impl State {
    pub(super) const fn dead() -> Self {
        Self {
            members: Vec::new(),
            other: DEAD,
            element: DEAD,
            verdicts: Vec::new(),
            first_inside: NO_RULE,
            watched: Vec::new(),
        }
    }

    #[inline]
    fn member(&self, key: KeyId) -> StateId {
        self.members
            .binary_search_by_key(&key, |(key, _)| *key)
            .ok()
            .and_then(|at| self.members.get(at))
            .map_or(self.other, |m| m.1)
    }
}

impl Scalar {
    pub(super) fn of(value: &serde_json::Value) -> Option<Self> {
        match value {
            serde_json::Value::Null => Some(Self::Null),
            serde_json::Value::Bool(value) => Some(Self::Bool(*value)),
            serde_json::Value::Number(number) => number.as_f64().map(Self::Number),
            serde_json::Value::String(text) => Some(Self::Text(text.as_bytes().into())),
            serde_json::Value::Array(_) | serde_json::Value::Object(_) => None,
        }
    }
}
