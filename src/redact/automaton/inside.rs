//! What is known of states once all of them are there: what rules come to in each, what they may touch inside, what
//! resources of a type are tagged with, and the table of keys.

use std::collections::{BTreeSet, HashMap};

use super::{Builder, Member, Source};
use crate::fhir::elements::{Kind, Type};
use crate::redact::action::Action;
use crate::redact::place::may_have_place;
use crate::redact::program::{
    Arrival, ConditionId, DEAD, Misfits, NO_RULE, Resource, Rule, RuleId, Simply, State, StateId, Verdict,
};
use crate::redact::syntax::{Anchor, Step};
use crate::redact::tag::Tags;
use crate::redact::transitions::{Name, Traits, Transitions};

impl Builder<'_> {
    /// What the first of the rules that touch a value comes to.
    pub(super) fn simply(&self, first: Verdict) -> Simply {
        match self.rule(first.rule) {
            Some(rule) if rule.is_unconditional() && !first.each => match rule.action {
                Action::Keep => Simply::Keeps(first.rule),
                Action::Remove => Simply::Removes(first.rule),
                _ => Simply::Depends,
            },
            _ => Simply::Depends,
        }
    }

    /// What scalars go from where R4 has this type, since R4 does not have them there.
    pub(super) fn misfits(&self, of: Type) -> Option<(Misfits, RuleId)> {
        let rule = self.all.unknown.filter(|rule| matches!(self.rule(*rule), Some(Rule { action: Action::Remove, .. })))?;
        let misfits = match of.kind() {
            Kind::Primitive if of.is_no_string() => Misfits::Strings,
            Kind::Primitive => return None,
            _ => Misfits::Scalars,
        };
        Some((misfits, rule))
    }

    /// Works out for each state what rules may touch inside, and what they ask about members.
    pub(super) fn look_inside(&self, states: &mut [State], resources: &[StateId]) {
        let leads_to: Vec<BTreeSet<StateId>> = states
            .iter()
            .zip(&self.members)
            .zip(&self.waiting)
            .map(|((state, members), meaning)| {
                let members = members.iter().map(|member| member.to);
                let elements = state.elements.iter().map(|(_, state)| *state).chain([state.element, state.other]);
                let is_slot = meaning.of.is_some_and(|of| of.kind() == Kind::AnyResource);
                members.chain(elements).chain(resources.iter().filter(|_| is_slot).copied()).collect()
            })
            .collect();
        let first_of = |state: &State| state.verdicts.first().map_or(NO_RULE, |verdict| verdict.rule);
        let mut changed = true;
        while changed {
            changed = false;
            for (index, targets) in leads_to.iter().enumerate() {
                let reach =
                    |target: &StateId| states.get(*target as usize).map_or(NO_RULE, |s| first_of(s).min(s.first_inside));
                let first = targets.iter().map(reach).min().unwrap_or(NO_RULE);
                if let Some(state) = states.get_mut(index).filter(|state| first < state.first_inside) {
                    state.first_inside = first;
                    changed = true;
                }
            }
        }
        for (index, members) in self.members.iter().enumerate() {
            let Some(other) = states.get(index).map(|state| state.other) else { continue };
            let targets = members.iter().map(|member| member.to).chain([other]);
            let watched: BTreeSet<ConditionId> = targets
                .filter_map(|target| states.get(target as usize))
                .flat_map(|target| target.verdicts.iter().filter_map(|verdict| self.rule(verdict.rule)))
                .flat_map(Rule::asks_beside)
                .collect();
            if let Some(state) = states.get_mut(index) {
                state.watched = watched.into_iter().collect();
            }
        }
    }

    /// What is known of resources that begin in a state.
    pub(super) fn resource(&self, states: &[State], state: StateId) -> Resource {
        let takes = |verdict: &Verdict| self.rule(verdict.rule).is_some_and(|rule| !matches!(rule.action, Action::Keep));
        let is_taken = |member: &Member| {
            let target = states.get(member.to as usize);
            let verdicts = target.is_some_and(|target| target.verdicts.iter().any(takes));
            member.is_modifier && (verdicts || target.is_some_and(|target| target.first_inside < NO_RULE))
        };
        let mut tags = Tags::default();
        let mut can_turn = self.all.sources.iter().any(may_name_modifier);
        let mut seen = BTreeSet::from([DEAD, state]);
        let mut open = vec![state];
        while let Some(next) = open.pop() {
            let Some(found) = states.get(next as usize) else { continue };
            tags = found.verdicts.iter().fold(tags, |tags, verdict| tags.with(self.tags(verdict.rule)));
            let members = self.members.get(next as usize).into_iter().flatten();
            can_turn |= members.clone().any(is_taken);
            open.extend(members.map(|member| member.to).chain([found.element]).filter(|target| seen.insert(*target)));
        }
        let from_root = (0..).zip(self.all.sources).filter(|(_, source)| source.selector.anchor == Anchor::Root);
        let tags = from_root.fold(tags, |tags, (rule, _)| tags.with(self.tags(rule)));
        Resource { state, tags, can_turn }
    }

    /// What a rule tags a resource with. That R4 does not have some element says nothing of the profile.
    fn tags(&self, rule: RuleId) -> Tags {
        match self.rule(rule) {
            Some(found) if self.all.unknown != Some(rule) => Tags::of(&found.action),
            _ => Tags::default(),
        }
    }

    pub(super) fn transitions(&self, states: &[State]) -> Transitions {
        let count = self.members.iter().map(Vec::len).sum();
        let mut table = Transitions::with_room_for(count);
        let mut names: HashMap<&str, Name> = HashMap::new();
        for (from, members) in (0..).zip(&self.members) {
            for Member { name: name_text, to, ordinal, is_modifier, is_required, of } in members {
                let name = *names.entry(name_text).or_insert_with(|| table.intern(name_text));
                let is = |name: &str| of.is_some_and(|of| of.name() == name);
                let is_ordinary = !may_have_place(name_text);
                let state = states.get(*to as usize);
                let is_untouched = state.is_some_and(|state| state.simply == Simply::Untouched);
                let misfits = state.and_then(|state| state.misfits).map(|(misfits, _)| misfits);
                let traits = Traits::of(&[
                    (Traits::MODIFIER, *is_modifier),
                    (Traits::REQUIRED, *is_required),
                    (Traits::INSTANT, is("instant")),
                    (Traits::MARKUP, is("xhtml")),
                    (Traits::ORDINARY, is_ordinary),
                    (Traits::UNTOUCHED, is_ordinary && is_untouched),
                    (Traits::NO_SCALAR, misfits == Some(Misfits::Scalars)),
                    (Traits::NO_STRING, misfits == Some(Misfits::Strings)),
                ]);
                let arrival = Arrival::known(*to, *ordinal, traits);
                table.insert(from, name, arrival);
            }
        }
        table
    }
}

/// Whether a rule from the root may touch a modifier of a resource.
pub(in crate::redact) fn may_name_modifier(source: &Source) -> bool {
    let is_modifier = |name: &str| {
        let name = name.strip_prefix('_').unwrap_or(name);
        let resources = Type::all().filter(|of| of.kind() == Kind::Resource);
        resources.filter_map(|of| of.element(name)).any(|element| element.is_modifier())
    };
    source.selector.anchor == Anchor::Root
        && source.selector.ways.iter().any(|steps| steps.last().and_then(Step::name).is_none_or(is_modifier))
}
