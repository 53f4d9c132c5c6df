//! Rules as they run: one automaton over keys, built once, shared by every answer.
//!
//! A value has a [`Position`]: a state for the rules that know R4 (paths from the nearest resource, datatypes, elements
//! that R4 does not have) and one for those that begin at the root. A step to a member or an element leads from the states
//! of a container to those of a value in it. The state says which rules touch the value, and the first rule that can still
//! touch anything inside it, which is how whole subtrees are known to be out of reach.

use super::action::Action;
use super::tag::Tags;
use super::transitions::{Traits, Transitions};
use super::zip::is_united_states;
use crate::fhir::ResourceType;
use crate::json::Token;

pub(super) use super::transitions::Arrival;

/// The rules of a profile, compiled.
#[derive(Debug)]
pub struct Program {
    pub(super) name: Box<str>,
    pub(super) rules: Box<[Rule]>,
    pub(super) conditions: Box<[Condition]>,
    pub(super) automaton: Automaton,
    /// Whether it has rules that only take effect in resources.
    pub(super) needs_fhir: bool,
    /// Whether dates move with the patient that they are about.
    pub(super) shifts: bool,
    /// How many of the rules were written; those after them follow from what else the profile says.
    pub(super) written: usize,
    /// The rule about all that no other rule touches.
    pub(super) rest: RuleId,
    /// The rule that removes what R4 does not have; [`NO_RULE`] where that stays.
    pub(super) unknown: RuleId,
}

/// A rule; its place in the list is its precedence.
#[derive(Debug)]
pub(super) struct Rule {
    /// Where it is written: an RFC 6901 pointer into the policy, or the name of a preset and a pointer into that.
    pub(super) pointer: Box<str>,
    pub(super) action: Action,
    /// What the siblings of the value have to be, all of it.
    pub(super) siblings: Box<[ConditionId]>,
    /// What the members of the value have to be, all of it.
    pub(super) having: Box<[ConditionId]>,
    /// What the country beside a ZIP code has to be, if there is one.
    pub(super) country: Option<ConditionId>,
    /// It selects what R4 has, and what it keeps is that alone.
    pub(super) knows_r4: bool,
}

/// A rule, by its place in the list.
pub(super) type RuleId = u32;

/// After every rule.
pub(super) const NO_RULE: RuleId = RuleId::MAX;

/// A condition on a member, by its place in the program.
pub(super) type ConditionId = u32;

/// What a member has to be.
#[derive(Debug, PartialEq)]
pub(super) struct Condition {
    pub(super) key: Box<[u8]>,
    pub(super) value: Scalar,
}

/// What a JSON scalar is compared with.
#[derive(Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Number(f64),
    Text(Box<[u8]>),
    /// Any name of the United States.
    UnitedStates,
    /// Any of these.
    OneOf(Box<[Scalar]>),
}

/// A state of the automaton.
pub(super) type StateId = u32;

/// The state in which no rule can match any more.
pub(super) const DEAD: StateId = 0;

/// Keys and states.
#[derive(Debug, Default)]
pub(super) struct Automaton {
    pub(super) states: Vec<State>,
    pub(super) transitions: Transitions,
    pub(super) root: StateId,
    /// By the index of the type; empty where no rule knows R4.
    pub(super) resources: Vec<Resource>,
}

/// How a resource of some type begins.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Resource {
    pub(super) state: StateId,
    /// What it is tagged with.
    pub(super) tags: Tags,
    /// Whether rules can take a modifier of it.
    pub(super) can_turn: bool,
}

/// What is known of a value by the way that led to it.
#[derive(Debug)]
pub(super) struct State {
    /// Where keys lead that are no members of it.
    pub(super) other: StateId,
    /// Where elements lead.
    pub(super) element: StateId,
    /// Where elements lead whose index counts: each from this index on.
    pub(super) elements: Vec<(usize, StateId)>,
    /// The rules that touch the value, in order.
    pub(super) verdicts: Vec<Verdict>,
    /// What they come to, where nothing else has to be known.
    pub(super) simply: Simply,
    /// What scalars cannot stand here by R4, and the rule about what R4 does not have.
    pub(super) misfits: Option<(Misfits, RuleId)>,
    /// The first rule that may touch something inside the value.
    pub(super) first_inside: RuleId,
    /// R4 says what may be inside.
    pub(super) is_of_r4: bool,
    /// What has to be known of an object's members before the first of them is judged.
    pub(super) watched: Vec<ConditionId>,
    /// Whether what becomes of an object depends on its own members.
    pub(super) asks_within: bool,
}

/// That a rule touches a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Verdict {
    pub(super) rule: RuleId,
    /// The value is the `_name` of the `name` that the rule is about: it stays or goes with it.
    pub(super) twin: bool,
    /// Of an array, the rule touches each element and not the whole.
    pub(super) each: bool,
}

/// What the rules come to on a value of a position, whatever the value is and whatever stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Simply {
    /// No rule touches it.
    Untouched,
    /// This rule keeps it.
    Keeps(RuleId),
    /// This rule removes it.
    Removes(RuleId),
    /// It depends.
    Depends,
}

/// Scalars that R4 does not have somewhere, so that a rule on the datatype there says nothing of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfits {
    /// All: the type has elements.
    Scalars,
    /// Strings: the type is a number or a truth value.
    Strings,
}

/// Where a value stands, for the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// For rules that know R4.
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
            needs_fhir: false,
            shifts: false,
            written: 0,
            rest: NO_RULE,
            unknown: NO_RULE,
        }
    }

    /// The name of the profile.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where each written rule stands (an RFC 6901 pointer into the policy, or a preset's name and a pointer into that), in
    /// the order in which a summary counts them.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = &str> {
        self.rules.iter().take(self.written).map(|rule| &*rule.pointer)
    }

    /// Whether it has rules that only take effect in resources, so that an answer read as plain JSON escapes them.
    #[must_use]
    pub fn needs_fhir(&self) -> bool {
        self.needs_fhir
    }

    #[inline]
    pub(super) fn rule(&self, rule: RuleId) -> Option<&Rule> {
        self.rules.get(rule as usize)
    }

    /// Whether what R4 does not have goes even inside what this rule keeps: nobody who wrote it could know that it is there.
    #[inline]
    pub(super) fn keeps_r4_alone(&self, rule: RuleId) -> bool {
        self.unknown != NO_RULE && self.rule(rule).is_some_and(|rule| rule.knows_r4)
    }

    pub(super) fn condition(&self, condition: ConditionId) -> Option<&Condition> {
        self.conditions.get(condition as usize)
    }
}

impl Rule {
    /// Whether it counts whatever stands beside a value and in it.
    #[inline]
    pub(super) fn is_unconditional(&self) -> bool {
        self.siblings.is_empty() && !self.asks_within()
    }

    /// Whether what it does depends on the members of a value.
    pub(super) fn asks_within(&self) -> bool {
        !self.having.is_empty() || matches!(self.action, Action::AgeCap)
    }

    /// What has to be known of the siblings of a value.
    pub(super) fn asks_beside(&self) -> impl Iterator<Item = ConditionId> {
        self.siblings.iter().copied().chain(self.country)
    }
}

impl Automaton {
    /// The position of the root.
    pub(super) fn root(&self) -> Position {
        Position { resource: DEAD, root: self.root }
    }

    /// How a resource of this type begins.
    pub(super) fn resource(&self, kind: ResourceType) -> Resource {
        self.resources.get(kind.index()).copied().unwrap_or_default()
    }

    /// Where the member `key`, unescaped, leads to.
    #[inline]
    pub(super) fn member(&self, container: Position, key: &[u8]) -> Arrival {
        let wanted = Transitions::wanted(key);
        let mut arrival = match container.resource {
            DEAD => Arrival::default(),
            state => {
                let found = self.transitions.find(state, key, wanted);
                found.unwrap_or_else(|| Arrival::unknown(self.state(state).other))
            }
        };
        if container.root != DEAD {
            let found = self.transitions.find(container.root, key, wanted);
            arrival =
                arrival.beside(found.map_or_else(|| self.state(container.root).other, |found| found.position.resource));
        }
        arrival
    }

    /// Where the member `key`, unescaped, of a value leads to that no rule from the root is about, if it is known.
    #[inline]
    pub(super) fn known_member(&self, container: StateId, key: &[u8]) -> Option<Arrival> {
        self.transitions.find(container, key, Transitions::wanted(key))
    }

    /// Where the member `key`, unescaped, leads to, if R4 wants it to be there.
    pub(super) fn required(&self, container: Position, key: &[u8]) -> Option<Position> {
        let arrival = self.member(container, key);
        arrival.is(Traits::REQUIRED).then_some(arrival.position)
    }

    /// The position of an element.
    #[inline]
    pub(super) fn element(&self, container: Position, index: usize) -> Position {
        let (resource, root) = (self.state(container.resource), self.state(container.root));
        let root = if root.elements.is_empty() { root.element } else { root.element_at(index) };
        Position { resource: resource.element, root }
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
}

impl State {
    pub(super) const fn dead() -> Self {
        Self {
            other: DEAD,
            element: DEAD,
            elements: Vec::new(),
            verdicts: Vec::new(),
            simply: Simply::Untouched,
            misfits: None,
            first_inside: NO_RULE,
            is_of_r4: false,
            watched: Vec::new(),
            asks_within: false,
        }
    }

    fn element_at(&self, index: usize) -> StateId {
        let after = self.elements.partition_point(|(from, _)| *from <= index);
        self.elements.get(after.saturating_sub(1)).map_or(self.element, |(_, state)| *state)
    }
}

impl Scalar {
    /// A scalar, or `{"one_of": […]}` with scalars in it.
    pub(super) fn of(value: &serde_json::Value) -> Option<Self> {
        match value {
            serde_json::Value::Null => Some(Self::Null),
            serde_json::Value::Bool(value) => Some(Self::Bool(*value)),
            serde_json::Value::Number(number) => number.as_f64().map(Self::Number),
            serde_json::Value::String(text) => Some(Self::Text(text.as_bytes().into())),
            serde_json::Value::Object(test) => {
                let all = test.get("one_of").filter(|_| test.len() == 1)?.as_array().filter(|all| !all.is_empty())?;
                let one = |value: &serde_json::Value| if value.is_object() { None } else { Self::of(value) };
                all.iter().map(one).collect::<Option<_>>().map(Self::OneOf)
            }
            serde_json::Value::Array(_) => None,
        }
    }

    /// Whether a scalar of a text is this one; `text` is as it was written, or unescaped if it is a string.
    pub(super) fn is(&self, token: Token, text: &[u8]) -> bool {
        match self {
            Self::Null => token == Token::Null,
            Self::Bool(value) => token == if *value { Token::True } else { Token::False },
            Self::Text(own) => token == Token::String && *text == **own,
            Self::UnitedStates => token == Token::String && is_united_states(text),
            Self::Number(number) => {
                let own = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
                token == Token::Number && own == Some(*number)
            }
            Self::OneOf(all) => all.iter().any(|one| one.is(token, text)),
        }
    }
}
