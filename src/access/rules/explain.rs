//! What became of each rule. Not part of the module for Envoy.
//!
//! Whether a rule holds says [`Rule::reach`], by which [`Rules::judge`] decides; what of it does not hold say the
//! conditions themselves, by the predicates that the decision rests on.

use super::{Effect, Rule, Rules};
use crate::access::scope::{Purpose, Reach};
use crate::access::{Facts, NotJudgeable};
use crate::fhir::{Awaits, Entry, Interaction, ResourceType, TypeSet};
use crate::identity::Principal;
use crate::policy::unmet::Unmet;

/// The rules as they were tried for a request, or for one entry of a Bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The place of the entry; none for the request itself.
    pub entry: Option<usize>,
    /// Each rule, in order.
    pub rules: Vec<RuleTried>,
    /// By which parameters the request searches that the rule which allows it does not list under `search`.
    pub not_searchable: Vec<String>,
}

/// A rule and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleTried {
    /// `allow` or `deny`.
    pub effect: &'static str,
    /// Whether it holds.
    pub holds: Holds,
    /// What of it does not.
    pub unmet: Vec<Unmet>,
}

/// Whether a rule holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holds {
    /// It does, and decides.
    Decides,
    /// It is a deny rule about types that the request does not name, and takes them from the answer.
    Excludes(Vec<&'static str>),
    /// It does not.
    No,
    /// A claim cannot be compared: the request is refused here.
    NotJudgeable,
    /// One before it decided.
    NotTried,
}

impl Rules {
    /// What became of each rule, for the request and then for each entry in it, as far as that was judged. Nothing where no
    /// rule is asked.
    #[must_use]
    pub fn explain(&self, caller: &Principal, facts: &Facts<'_>) -> Vec<Tried> {
        let whole = match facts.interaction {
            None if self.on_fhir => return Vec::new(),
            Some(interaction) if interaction.awaits() != Awaits::Nothing => return Vec::new(),
            whole => whole,
        };
        let mut all = vec![self.try_all(None, caller, facts)];
        let entries = whole.map(Interaction::entries).unwrap_or_default();
        for (index, Entry { method, path, searches: _, interaction }) in entries.iter().enumerate() {
            if !all.last().is_some_and(Tried::allows) {
                break;
            }
            let facts = Facts { method, path, interaction: Some(interaction), ..*facts };
            all.push(self.try_all(Some(index), caller, &facts));
        }
        all
    }

    fn try_all(&self, entry: Option<usize>, caller: &Principal, facts: &Facts<'_>) -> Tried {
        let interaction = facts.interaction.map(|interaction| (interaction, interaction.touched()));
        let mut tried = Tried { entry, rules: Vec::new(), not_searchable: Vec::new() };
        let mut decided = false;
        for rule in &self.rules {
            let holds = match rule.reach(caller, facts, interaction.as_ref()) {
                _ if decided => Holds::NotTried,
                Err(NotJudgeable) => Holds::NotJudgeable,
                Ok(Reach::Not) => Holds::No,
                Ok(Reach::Answer(types)) => Holds::Excludes(names(&types)),
                Ok(Reach::Request) => Holds::Decides,
            };
            if let (Holds::Decides, Effect::Allow, Some(interaction)) = (&holds, rule.effect, facts.interaction) {
                tried.not_searchable = rule.search.missing(interaction).into_iter().map(str::to_owned).collect();
            }
            // Of one that decides there is nothing, or the two have drifted apart: a test looks.
            let unmet = if holds == Holds::NotTried { Vec::new() } else { rule.unmet(caller, facts) };
            decided |= matches!(holds, Holds::Decides | Holds::NotJudgeable);
            let effect = if rule.effect == Effect::Allow { "allow" } else { "deny" };
            tried.rules.push(RuleTried { effect, holds, unmet });
        }
        tried
    }
}

impl Tried {
    /// The place of the rule that decided, if one did.
    #[must_use]
    pub fn decided(&self) -> Option<usize> {
        self.rules.iter().position(|rule| matches!(rule.holds, Holds::Decides | Holds::NotJudgeable))
    }

    /// Whether the rule that decided allows.
    #[must_use]
    pub fn allows(&self) -> bool {
        self.rules.iter().any(|rule| rule.holds == Holds::Decides && rule.effect == "allow")
    }
}

impl Rule {
    fn unmet(&self, caller: &Principal, facts: &Facts<'_>) -> Vec<Unmet> {
        let Self { effect, conditions, scope, search: _, whole: _ } = self;
        let purpose = if *effect == Effect::Allow { Purpose::Allow } else { Purpose::Deny };
        let of_scope = facts.interaction.map(|interaction| scope.unmet(purpose, interaction));
        let mut unmet = of_scope.unwrap_or_default();
        unmet.extend(conditions.unmet(caller, facts));
        unmet
    }
}

fn names(types: &TypeSet) -> Vec<&'static str> {
    ResourceType::each().filter(|kind| types.contains(*kind)).map(ResourceType::name).collect()
}
