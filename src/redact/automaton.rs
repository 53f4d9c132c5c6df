//! From selectors to states, once, when a policy loads.
//!
//! A state is a set of [`Item`]s: how far each rule has come on the way to a value. All sets that keys can lead to are
//! built at once (the subset construction), so that running costs a table look-up a key, however many rules there are.
//! Several `..` in one rule can make sets multiply; [`MAX_STATES`] bounds them.
//!
//! A FHIR primitive `name` has a twin `_name` for its id and extensions. A rule on `name` touches the twin, too, and a
//! `path` that goes on inside a primitive, as `Patient.birthDate.extension` does, goes on in the twin, where JSON has it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::program::{Automaton, ConditionId, KeyId, NO_RULE, RuleId, State, StateId, Verdict};
use super::syntax::{Anchor, Selector, Step};

/// The most states of a profile; each takes some hundred bytes.
const MAX_STATES: usize = 20_000;

/// A rule, as far as the automaton needs it.
pub(super) struct Source {
    pub(super) selector: Selector,
    pub(super) conditions: Box<[ConditionId]>,
    /// Its action is for each element of an array where a path leads to one.
    pub(super) each: bool,
}

/// There would be more than [`MAX_STATES`].
#[derive(Debug)]
pub(super) struct TooManyStates;

/// How far a rule has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Item {
    rule: RuleId,
    step: u32,
    twin: bool,
}

type Items = BTreeSet<Item>;

/// Builds the automaton of these rules, whose order is their precedence.
pub(super) fn build(rules: &[Source]) -> Result<Automaton, TooManyStates> {
    let names = rules.iter().flat_map(|rule| rule.selector.steps.iter().filter_map(Step::name));
    let names: BTreeSet<Box<str>> = names.flat_map(|name| [name.into(), format!("_{name}").into()]).collect();
    let mut builder = Builder { rules, names: names.into_iter().collect(), known: HashMap::new(), waiting: Vec::new() };
    builder.state(Items::new())?;
    let start = |wanted: &dyn Fn(Anchor) -> bool| -> Items {
        let numbered = (0..).zip(rules).filter(|(_, rule)| wanted(rule.selector.anchor));
        numbered.map(|(rule, _)| Item { rule, step: 0, twin: false }).collect()
    };
    let root = builder.state(start(&|anchor| anchor == Anchor::Root))?;
    let mut resources = HashMap::new();
    for rule in rules {
        if let Anchor::Resource(kind) = rule.selector.anchor {
            resources.insert(kind, builder.state(start(&|anchor| anchor == Anchor::Resource(kind)))?);
        }
    }
    let mut states = Vec::new();
    while let Some(items) = builder.waiting.get(states.len()).cloned() {
        states.push(builder.build_state(&items)?);
    }
    let mut keys: Vec<Vec<(Box<[u8]>, KeyId)>> = Vec::new();
    for (id, name) in (0..).zip(&builder.names) {
        keys.resize_with(keys.len().max(name.len() + 1), Vec::new);
        if let Some(same_length) = keys.get_mut(name.len()) {
            same_length.push((name.as_bytes().into(), id));
        }
    }
    Ok(Automaton { keys, states, root, resources })
}

struct Builder<'r> {
    rules: &'r [Source],
    /// All names that matter, in the order of their ids.
    names: Vec<Box<str>>,
    known: HashMap<Items, StateId>,
    /// The items of each state, in the order of their ids.
    waiting: Vec<Items>,
}

impl Builder<'_> {
    /// The state of a set of items.
    fn state(&mut self, items: Items) -> Result<StateId, TooManyStates> {
        if let Some(state) = self.known.get(&items) {
            return Ok(*state);
        }
        if self.waiting.len() >= MAX_STATES {
            return Err(TooManyStates);
        }
        let state = StateId::try_from(self.waiting.len()).map_err(|_| TooManyStates)?;
        self.waiting.push(items.clone());
        self.known.insert(items, state);
        Ok(state)
    }

    fn build_state(&mut self, items: &Items) -> Result<State, TooManyStates> {
        let other = self.state(self.after(items, |item, rule, next| item.member(rule, None, next)))?;
        let element = self.state(self.after(items, |item, rule, next| item.element(rule, next)))?;
        let mut members = Vec::new();
        for (key, name) in self.names_from(items) {
            let next = self.after(items, |item, rule, next| item.member(rule, Some(&name), next));
            members.push((key, self.state(next)?));
        }
        members.retain(|(_, state)| *state != other);
        let mut verdicts: BTreeMap<RuleId, Verdict> = BTreeMap::new();
        let (mut first_inside, mut watched) = (NO_RULE, BTreeSet::new());
        for item in items {
            let Some(rule) = self.rule(item) else { continue };
            match rule.selector.steps.get(item.step as usize..).unwrap_or_default() {
                [] => {
                    let each = rule.each && !item.twin;
                    // The value itself before the twin, should one rule see both in it.
                    verdicts.entry(item.rule).or_insert(Verdict { rule: item.rule, twin: item.twin, each });
                }
                steps => {
                    first_inside = first_inside.min(item.rule);
                    if steps.len() == 1 {
                        watched.extend(rule.conditions.iter().copied());
                    }
                }
            }
        }
        let verdicts = verdicts.into_values().collect();
        Ok(State { members, other, element, verdicts, first_inside, watched: watched.into_iter().collect() })
    }

    fn after(&self, items: &Items, mut step: impl FnMut(Item, &Source, &mut Items)) -> Items {
        let mut next = Items::new();
        items.iter().for_each(|item| {
            if let Some(rule) = self.rule(item) {
                step(*item, rule, &mut next);
            }
        });
        next
    }

    /// The names that make a difference to some item, with their ids, in order.
    fn names_from(&self, items: &Items) -> Vec<(KeyId, Box<str>)> {
        let next = |item: &Item| self.rule(item)?.selector.steps.get(item.step as usize)?.name();
        let wanted: BTreeSet<String> =
            items.iter().filter_map(next).flat_map(|name| [name.to_owned(), format!("_{name}")]).collect();
        let numbered = (0..).zip(&self.names);
        numbered.filter(|(_, name)| wanted.contains(&***name)).map(|(id, name)| (id, name.clone())).collect()
    }

    fn rule(&self, item: &Item) -> Option<&Source> {
        self.rules.get(item.rule as usize)
    }
}

impl Item {
    /// Where it comes to on the member `name`; `None` is a name that no rule knows.
    fn member(self, rule: &Source, name: Option<&str>, next: &mut Items) {
        let steps = rule.selector.steps.get(self.step as usize..).unwrap_or_default();
        let Some((step, rest)) = steps.split_first() else { return };
        if matches!(step, Step::Deep(_) | Step::DeepEach) {
            next.insert(self);
        }
        let on = Self { step: self.step + 1, ..self };
        let Some(wanted) = step.name() else {
            next.insert(on);
            return;
        };
        let Some(name) = name else { return };
        if name == wanted {
            next.insert(on);
        } else if name.strip_prefix('_') == Some(wanted) {
            if rest.iter().all(|step| *step == Step::Each) {
                next.insert(Self { twin: true, ..on });
            } else if matches!(rule.selector.anchor, Anchor::Resource(_)) {
                next.insert(on);
            }
        }
    }

    /// Where it comes to on an element.
    fn element(self, rule: &Source, next: &mut Items) {
        let on = Self { step: self.step + 1, ..self };
        match (rule.selector.steps.get(self.step as usize), rule.selector.anchor) {
            (None, _) | (Some(Step::Member(_)), Anchor::Root) => (),
            (Some(_), Anchor::Resource(_)) | (Some(Step::Deep(_)), _) => drop(next.insert(self)),
            (Some(Step::Each), _) => drop(next.insert(on)),
            (Some(Step::DeepEach), _) => next.extend([self, on]),
        }
    }
}
