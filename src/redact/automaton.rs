//! From selectors to states, once, when a policy loads.
//!
//! A state is the type that R4 gives to a value and a set of [`Item`]s: how far each rule has come on the way to it. All
//! that keys can lead to are built at once (the subset construction), so that running costs a table look-up a key,
//! however many rules there are. Several `..` in one rule can make sets multiply; [`MAX_STATES`] bounds them.
//!
//! A FHIR primitive `name` has a twin `_name` for its id and extensions. A rule on `name` touches the twin, too, and a
//! `path` that goes on inside a primitive, as `Patient.birthDate.extension` does, goes on in the twin, where JSON has it.

mod inside;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::action::Action;
use super::program::{Automaton, DEAD, Rule, RuleId, Simply, State, StateId, Verdict};
use super::syntax::{Anchor, Selector, Step};
use crate::fhir::ResourceType;
use crate::fhir::elements::{Kind, Type};
pub(super) use inside::may_name_modifier;

/// The most states of a profile; each takes some hundred bytes.
const MAX_STATES: usize = 10_000;

/// A key's number has to fit the set of numbers that an open object keeps.
const ORDINALS: usize = 64;

/// A rule, as far as the automaton needs it.
pub(super) struct Source {
    pub(super) selector: Selector,
    /// Its action is for each element of an array where it meets one.
    pub(super) each: bool,
}

/// What all rules of a profile are built from.
pub(super) struct Sources<'r> {
    pub(super) sources: &'r [Source],
    pub(super) rules: &'r [Rule],
    /// The rule about elements that R4 does not have.
    pub(super) unknown: Option<RuleId>,
}

/// There would be more than [`MAX_STATES`].
#[derive(Debug)]
pub(super) struct TooManyStates;

/// How far a rule has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Item {
    rule: RuleId,
    way: u32,
    step: u32,
    twin: bool,
}

/// What makes a state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Meaning {
    /// Its type, where rules know R4.
    of: Option<Type>,
    items: BTreeSet<Item>,
}

/// A member that makes a difference in a state.
struct Member {
    name: Box<str>,
    to: StateId,
    ordinal: Option<u8>,
    is_modifier: bool,
    is_required: bool,
    /// What it is, where R4 says so.
    of: Option<Type>,
}

/// Builds the automaton of rules, whose order is their precedence.
pub(super) fn build(all: &Sources<'_>) -> Result<Automaton, TooManyStates> {
    let mut builder = Builder { all, known: HashMap::new(), waiting: Vec::new(), members: Vec::new() };
    builder.state(Meaning::default())?;
    let root = builder.state(Meaning { of: None, items: builder.starts(Anchor::Root) })?;
    let mut resources = Vec::new();
    // Whatever rules look at, they must not take a modifier without anyone knowing.
    if !all.sources.is_empty() {
        for kind in ResourceType::each() {
            let of = Type::of_resource(kind);
            resources.push(builder.state(Meaning { of, items: builder.starts(Anchor::Resource(kind)) })?);
        }
    }
    let mut states = Vec::new();
    while let Some(meaning) = builder.waiting.get(states.len()).cloned() {
        let state = builder.build_state(&meaning)?;
        states.push(state);
    }
    builder.look_inside(&mut states, &resources);
    let resources = resources.iter().map(|state| builder.resource(&states, *state)).collect();
    Ok(Automaton { transitions: builder.transitions(&states), states, root, resources })
}

struct Builder<'r> {
    all: &'r Sources<'r>,
    known: HashMap<Meaning, StateId>,
    /// The meaning of each state, in the order of their ids.
    waiting: Vec<Meaning>,
    /// The members of each.
    members: Vec<Vec<Member>>,
}

impl Builder<'_> {
    /// All rules that begin at this anchor.
    fn starts(&self, anchor: Anchor) -> BTreeSet<Item> {
        let begins = (0..).zip(self.all.sources).filter(|(_, source)| source.selector.anchor == anchor);
        let ways = begins.flat_map(|(rule, source)| (0..).zip(&source.selector.ways).map(move |(way, _)| (rule, way)));
        ways.map(|(rule, way)| Item { rule, way, step: 0, twin: false }).collect()
    }

    /// The state of a meaning.
    fn state(&mut self, meaning: Meaning) -> Result<StateId, TooManyStates> {
        if let Some(state) = self.known.get(&meaning) {
            return Ok(*state);
        }
        if self.waiting.len() >= MAX_STATES {
            return Err(TooManyStates);
        }
        let state = StateId::try_from(self.waiting.len()).map_err(|_| TooManyStates)?;
        self.waiting.push(meaning.clone());
        self.known.insert(meaning, state);
        Ok(state)
    }

    fn build_state(&mut self, meaning: &Meaning) -> Result<State, TooManyStates> {
        let other = self.other(meaning)?;
        let members = match meaning.of {
            Some(of) => self.typed_members(meaning, of)?,
            None => self.named_members(meaning, other)?,
        };
        let element = self.element(meaning, None)?;
        let elements = self.elements(meaning)?;
        let mut verdicts: BTreeMap<RuleId, Verdict> = BTreeMap::new();
        for item in &meaning.items {
            if self.steps(item).is_empty() {
                let each = self.is_for_each(item);
                // The value itself before the twin, should one rule see both in it.
                verdicts.entry(item.rule).or_insert(Verdict { rule: item.rule, twin: item.twin, each });
            }
        }
        let asks_within = verdicts.keys().any(|rule| self.rule(*rule).is_some_and(Rule::asks_within));
        self.members.push(members);
        let verdicts: Vec<Verdict> = verdicts.into_values().collect();
        let simply = verdicts.first().map_or(Simply::Untouched, |first| self.simply(*first));
        let misfits = meaning.of.and_then(|of| self.misfits(of));
        let is_of_r4 = meaning.of.is_some();
        Ok(State { other, element, elements, verdicts, simply, misfits, is_of_r4, asks_within, ..State::dead() })
    }

    /// Where a key leads that no rule names.
    fn other(&mut self, meaning: &Meaning) -> Result<StateId, TooManyStates> {
        match (meaning.of, self.all.unknown) {
            (Some(_), Some(rule)) => {
                let items = BTreeSet::from([Item { rule, way: 0, step: 0, twin: false }]);
                self.state(Meaning { of: None, items })
            }
            (Some(_), _) => Ok(DEAD),
            (None, _) => self.state(Meaning { of: None, items: self.on_member(meaning, None) }),
        }
    }

    /// The members of a value whose type is known: those that R4 has, and the twins of primitives.
    fn typed_members(&mut self, meaning: &Meaning, of: Type) -> Result<Vec<Member>, TooManyStates> {
        let mut members = Vec::new();
        for element in of.elements() {
            let target = element.of();
            // Those of a datatype, as `HumanName.use`, say no more than the value does that they are part of.
            let is_modifier = of.kind() == Kind::Resource && element.is_modifier() || element.name() == "modifierExtension";
            let is_required = element.is_required() && !element.is_array();
            let mut items = self.on_member(meaning, Some(element.name()));
            items.extend(self.starts(Anchor::Type(target)));
            let to = self.state(Meaning { of: Some(target), items })?;
            members.push(Member {
                name: element.name().into(),
                to,
                ordinal: None,
                is_modifier,
                is_required,
                of: Some(target),
            });
            members.extend(self.twin(meaning, element.name(), target)?);
        }
        for (number, member) in members.iter_mut().enumerate().take(ORDINALS) {
            member.ordinal = u8::try_from(number).ok();
        }
        Ok(members)
    }

    /// The twin `_name` of an element. Only those of primitives are of R4; what stands under that name beside another one
    /// goes where that does.
    fn twin(&mut self, meaning: &Meaning, element: &str, target: Type) -> Result<Option<Member>, TooManyStates> {
        let name = format!("_{element}");
        let mut items = self.on_member(meaning, Some(&name));
        let starts = self.starts(Anchor::Type(target));
        items.extend(starts.into_iter().map(|item| Item { twin: self.steps(&item).is_empty(), ..item }));
        let of = if target.kind() == Kind::Primitive { Type::twin() } else { None };
        match of {
            Some(of) => items.extend(self.starts(Anchor::Type(of))),
            None => {
                let keeps = |item: &Item| self.rule(item.rule).is_some_and(|rule| matches!(rule.action, Action::Keep));
                items.retain(|item| item.twin && !keeps(item));
                if items.is_empty() {
                    return Ok(None);
                }
                items.extend(self.all.unknown.map(|rule| Item { rule, way: 0, step: 0, twin: false }));
            }
        }
        let to = self.state(Meaning { of, items })?;
        // It holds an id and extensions, no meaning of its own.
        let (ordinal, is_modifier, is_required) = (None, false, false);
        Ok(Some(Member { name: name.into(), to, ordinal, is_modifier, is_required, of: None }))
    }

    /// The members that make a difference to some item.
    fn named_members(&mut self, meaning: &Meaning, other: StateId) -> Result<Vec<Member>, TooManyStates> {
        let next = |item: &Item| self.steps(item).first().and_then(Step::name).map(str::to_owned);
        let wanted: BTreeSet<String> =
            meaning.items.iter().filter_map(next).flat_map(|name| [format!("_{name}"), name]).collect();
        let mut members = Vec::new();
        for name in wanted {
            let to = self.state(Meaning { of: None, items: self.on_member(meaning, Some(&name)) })?;
            if to != other {
                members.push(Member {
                    name: name.into(),
                    to,
                    ordinal: None,
                    is_modifier: false,
                    is_required: false,
                    of: None,
                });
            }
        }
        Ok(members)
    }

    fn on_member(&self, meaning: &Meaning, name: Option<&str>) -> BTreeSet<Item> {
        let mut next = BTreeSet::new();
        meaning.items.iter().for_each(|item| self.member(*item, name, &mut next));
        next
    }

    /// Where an item comes to on the member `name`; `None` is a name that no rule knows.
    fn member(&self, item: Item, name: Option<&str>, next: &mut BTreeSet<Item>) {
        let Some((step, rest)) = self.steps(&item).split_first() else { return };
        if matches!(step, Step::Deep(_) | Step::DeepEach) {
            next.insert(item);
        }
        let on = Item { step: item.step + 1, ..item };
        let wanted = match step {
            Step::Member(name) | Step::Deep(name) => name,
            Step::Each | Step::DeepEach => {
                next.insert(on);
                return;
            }
            Step::Elements(..) => return,
        };
        let Some(name) = name else { return };
        if *name == **wanted {
            next.insert(on);
        } else if name.strip_prefix('_') == Some(wanted) {
            if rest.iter().all(|step| *step == Step::Each) {
                next.insert(Item { twin: true, ..on });
            } else if rest.iter().all(|step| matches!(step, Step::Each | Step::Elements(..))) {
                // What goes or stays at an index does so in the twin. Elements behind one that goes move up, and what is
                // beside them would be taken for another's: the twin goes whole.
                let keeps = self.rule(item.rule).is_some_and(|rule| matches!(rule.action, Action::Keep));
                let step = if keeps { on.step } else { on.step.saturating_add(u32::try_from(rest.len()).unwrap_or(0)) };
                next.insert(Item { twin: true, step, ..item });
            } else if self.anchor(&item) != Some(Anchor::Root) {
                next.insert(on);
            }
        }
    }

    /// The state of elements; with an index, of the one there.
    fn element(&mut self, meaning: &Meaning, index: Option<usize>) -> Result<StateId, TooManyStates> {
        let mut items = BTreeSet::new();
        for item in &meaning.items {
            let on = Item { step: item.step + 1, ..*item };
            let from_root = self.anchor(item) == Some(Anchor::Root);
            match self.steps(item).first() {
                None if self.is_for_each(item) => drop(items.insert(*item)),
                Some(Step::Deep(_)) => drop(items.insert(*item)),
                Some(_) if !from_root => drop(items.insert(*item)),
                Some(Step::Each) => drop(items.insert(on)),
                Some(Step::DeepEach) => items.extend([*item, on]),
                Some(Step::Elements(from, to)) if index.is_some_and(|index| (*from..*to).contains(&index)) => {
                    items.insert(on);
                }
                None | Some(Step::Member(_) | Step::Elements(..)) => (),
            }
        }
        self.state(Meaning { of: meaning.of, items })
    }

    /// Where elements lead whose index counts: from each index on where that changes.
    fn elements(&mut self, meaning: &Meaning) -> Result<Vec<(usize, StateId)>, TooManyStates> {
        let bounds = meaning.items.iter().filter_map(|item| match self.steps(item).first() {
            Some(Step::Elements(from, to)) => Some([*from, *to]),
            _ => None,
        });
        let mut bounds: BTreeSet<usize> = bounds.flatten().collect();
        if bounds.is_empty() {
            return Ok(Vec::new());
        }
        bounds.insert(0);
        bounds.into_iter().map(|from| Ok((from, self.element(meaning, Some(from))?))).collect()
    }

    fn steps(&self, item: &Item) -> &[Step] {
        let way = self.source(item).and_then(|source| source.selector.ways.get(item.way as usize));
        way.and_then(|steps| steps.get(item.step as usize..)).unwrap_or_default()
    }

    fn is_for_each(&self, item: &Item) -> bool {
        !item.twin && self.source(item).is_some_and(|source| source.each)
    }

    fn anchor(&self, item: &Item) -> Option<Anchor> {
        self.source(item).map(|source| source.selector.anchor)
    }

    fn source(&self, item: &Item) -> Option<&Source> {
        self.all.sources.get(item.rule as usize)
    }

    fn rule(&self, rule: RuleId) -> Option<&Rule> {
        self.all.rules.get(rule as usize)
    }
}
