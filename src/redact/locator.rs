//! Ids outside bodies: what becomes of a URL in `Location`, `Content-Location` or `Link`.

use std::borrow::Cow;

use super::action::Action;
use super::program::{DEAD, Position, Program, Verdict};
use super::reference::{split_at_id, type_in};
use super::summary::Deed;

impl Program {
    /// What may leave of the URL of a resource: as it is where no rule touches ids of its type, with its id hashed
    /// where the first that does is a hash, as it is in bodies; nothing otherwise, and nothing where a program with
    /// rules sees no id in it.
    #[must_use]
    pub fn locator<'u>(&self, url: &'u str) -> Option<Cow<'u, str>> {
        if self.rules.is_empty() {
            return Some(Cow::Borrowed(url));
        }
        let kind = type_in(url)?;
        let resource = Position { resource: self.automaton.resource(kind).state, ..self.automaton.root() };
        let position = self.automaton.member(resource, b"id").position;
        // The root's own rules are for the root, which is the resource when it is read alone.
        let states = [resource.resource, resource.root, position.resource, position.root];
        let touching = states.into_iter().filter(|state| *state != DEAD).flat_map(|state| {
            self.automaton.state(state).verdicts.iter().filter(|verdict| !self.protects_sometimes(verdict))
        });
        let Some(verdict) = touching.min_by_key(|verdict| verdict.rule) else { return Some(Cow::Borrowed(url)) };
        let action = &self.rule(verdict.rule)?.action;
        match (Deed::of(*verdict, action, true), action) {
            (Deed::Keep, _) => Some(Cow::Borrowed(url)),
            (Deed::Hash, Action::Hash(key)) => {
                let [before, id, after] = split_at_id(url)?;
                Some(Cow::Owned([before, &key.hash(id), after].concat()))
            }
            _ => None,
        }
    }

    /// Whether a rule protects a value under conditions, which cannot be judged here.
    fn protects_sometimes(&self, verdict: &Verdict) -> bool {
        self.rule(verdict.rule).is_some_and(|rule| {
            matches!(rule.action, Action::Keep) && !(rule.siblings.is_empty() && rule.having.is_empty())
        })
    }
}
