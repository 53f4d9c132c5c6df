//! The access rules of a route.
//!
//! Rules are tried in order; the first whose conditions all hold decides, and when none does the request is refused. A
//! claim that cannot be judged refuses the request at the rule that asks for it, in a deny rule too. On `fhir` routes
//! [`super::scope`] says what a rule is about.
//!
//! Which search parameters may be asked by where the answer is redacted says the rule that decided ([`super::search`]).
//!
//! A batch or transaction needs a rule for itself and one for each of its entries, which are judged as if they came
//! alone.

#[cfg(not(target_family = "wasm"))]
mod explain;

use super::conditions::Conditions;
use super::scope::{Purpose, Reach, Scope};
use super::search::Granted;
use super::{Caller, Decision, Denial, DenialReason, Facts, Grant, NotJudgeable, Setting, When};
use crate::fhir::{Act, Awaits, Entry, Interaction, InteractionKind, ResourceType, Touched, TypeSet};
use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;
use crate::policy::model::Authorize;
#[cfg(not(target_family = "wasm"))]
pub use explain::{Holds, RuleTried, Tried};

/// The compiled access rules of a route.
#[derive(Clone, Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    on_fhir: bool,
}

#[derive(Clone, Debug)]
struct Rule {
    effect: Effect,
    conditions: Conditions,
    scope: Scope,
    search: Granted,
    /// Whether all of it could be compiled.
    whole: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
}

impl Rules {
    /// Compiles `authorize` of the setting's route. `at` is that list.
    pub fn compile(setting: Setting<'_>, at: &Node, report: &mut Report) -> Self {
        let written = &setting.route.authorize;
        if written.is_empty() {
            let hint = report.warning(at, Code::Risky, "without a rule every request is refused");
            hint.help("write `{\"allow\": {}}` to let everybody in who is authenticated");
        }
        let compile = |(index, rule)| Rule::compile(rule, setting, at.item(index), report);
        let rules =
            Self { rules: written.iter().enumerate().map(compile).collect(), on_fhir: setting.route.fhir.is_some() };
        rules.report_unreachable(at, report);
        rules
    }

    /// Warns of rules whose searches take no parameter, since a profile applies to what they find and no list says which
    /// may be asked by. `views` are the entries of `redact`, each with whether it names a profile.
    pub fn check_searches<'v>(
        &self,
        views: impl Iterator<Item = (&'v When, bool)> + Clone,
        at: &Node,
        report: &mut Report,
    ) {
        for (index, Rule { effect, conditions, scope, search, whole: _ }) in self.rules.iter().enumerate() {
            let searches = self.on_fhir && *effect == Effect::Allow && scope.allows_searches() && !search.is_written;
            let deciding = views.clone().find(|(when, _)| when.covers(conditions));
            if searches && deciding.is_some_and(|(_, redacts)| redacts) {
                let message = "searches by this rule take no parameters, since a profile applies to what they find";
                report
                    .warning(at.item(index).key("allow"), Code::Risky, message)
                    .help("list under `search` what callers may ask by; `[]` says that it is meant so");
            }
        }
    }

    /// How many rules there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.rules.len()
    }

    /// Judges a request.
    pub fn judge(&self, caller: &dyn Caller, facts: &Facts<'_>) -> Decision {
        let judged = match facts.interaction {
            None if self.on_fhir => Err(Denial { rule: None, reason: DenialReason::NoRuleAllows }),
            Some(interaction) if interaction.awaits() != Awaits::Nothing => {
                Err(Denial { rule: None, reason: DenialReason::BodyNotRead })
            }
            Some(interaction) => self.judge_whole(caller, facts, interaction),
            None => self.judge_one(caller, facts),
        };
        match judged {
            Ok(grant) => Decision::Allow(grant),
            Err(denial) => Decision::Deny(denial),
        }
    }

    /// Judges an interaction and the entries in it.
    fn judge_whole(&self, caller: &dyn Caller, facts: &Facts<'_>, whole: &Interaction) -> Result<Grant, Denial> {
        let grant = self.judge_one(caller, facts)?;
        if whole.entries().is_empty() {
            return Ok(grant);
        }
        let (mut of_entries, mut search) = (Some(TypeSet::default()), grant.search);
        for Entry { method, path, searches: _, interaction } in whole.entries() {
            let facts = Facts { method, path, interaction: Some(interaction), ..*facts };
            let of_entry = self.judge_one(caller, &facts)?;
            search &= of_entry.search;
            of_entries = of_entries.zip(of_entry.types).map(|(types, others)| types.union(&others));
        }
        let types = match (grant.types, of_entries) {
            (Some(own), Some(of_entries)) => Some(own.intersection(&of_entries)),
            (own, of_entries) => own.or(of_entries),
        };
        Ok(Grant { types, search, ..grant })
    }

    fn judge_one(&self, caller: &dyn Caller, facts: &Facts<'_>) -> Result<Grant, Denial> {
        let mut excluded = TypeSet::default();
        let interaction = facts.interaction.map(|interaction| (interaction, interaction.touched()));
        for (index, rule) in self.rules.iter().enumerate() {
            let reach = rule
                .reach(caller, facts, interaction.as_ref())
                .map_err(|NotJudgeable| Denial { rule: Some(index), reason: DenialReason::ClaimNotJudgeable })?;
            match (rule.effect, reach) {
                (_, Reach::Not) => (),
                (_, Reach::Answer(types)) => excluded = excluded.union(&types),
                (Effect::Allow, Reach::Request) => {
                    let types = granted_types(rule.scope.types(), &excluded, facts.interaction);
                    let search = facts.interaction.is_none_or(|interaction| rule.search.covers(interaction));
                    return Ok(Grant { rule: index, types, search });
                }
                (Effect::Deny, Reach::Request) => {
                    return Err(Denial { rule: Some(index), reason: DenialReason::DeniedByRule });
                }
            }
        }
        Err(Denial { rule: None, reason: DenialReason::NoRuleAllows })
    }

    fn report_unreachable(&self, at: &Node, report: &mut Report) {
        for (index, rule) in self.rules.iter().enumerate() {
            let (earlier, later) = self.rules.split_at_checked(index).unwrap_or_default();
            let allowed_later = later.iter().any(|later| later.effect == Effect::Allow);
            if let Some(by) = earlier.iter().position(|earlier| earlier.decides_before(rule, self.on_fhir, allowed_later)) {
                let message = format!("this rule decides nothing: rule {by} before it takes every request it is about");
                report
                    .error(at.item(index), Code::UnreachableRule, message)
                    .help("put the narrower rule first, or take one out");
            }
        }
    }
}

/// The types that an answer may hold: those granted and not denied, and what goes with every answer.
fn granted_types(granted: Option<TypeSet>, excluded: &TypeSet, interaction: Option<&Interaction>) -> Option<TypeSet> {
    if granted.is_none() && *excluded == TypeSet::default() {
        return None;
    }
    let implied: &[&str] = match interaction.map(Interaction::act) {
        Some(Act::Rest(InteractionKind::Capabilities)) => &["CapabilityStatement", "TerminologyCapabilities"],
        // Operations wrap what they answer (http://hl7.org/fhir/R4/operations.html#response).
        Some(Act::Operation(_)) => &["Parameters"],
        _ => &[],
    };
    let implied = ["Bundle", "OperationOutcome"].iter().chain(implied);
    let implied: TypeSet = implied.filter_map(|name| ResourceType::parse(name)).collect();
    Some(granted.unwrap_or_else(TypeSet::all).without(excluded).union(&implied))
}

impl Rule {
    fn compile(written: &Authorize, setting: Setting<'_>, at: &Node, report: &mut Report) -> Self {
        let (effect, purpose, written, at) = match written {
            Authorize::Allow(conditions) => (Effect::Allow, Purpose::Allow, conditions, at.key("allow")),
            Authorize::Deny(conditions) => (Effect::Deny, Purpose::Deny, conditions, at.key("deny")),
        };
        let errors = report.error_count();
        let conditions = Conditions::compile(written, setting, at, report);
        if effect == Effect::Allow {
            Conditions::check_claims_of_clients(written, setting, at, report);
        }
        let scope = Scope::compile(written, purpose, setting, at, report);
        let search = Granted::compile(written, purpose, setting, at, report);
        Self { effect, conditions, scope, search, whole: report.error_count() == errors }
    }

    /// What of a request the rule is about; nothing where a condition does not hold.
    fn reach(
        &self,
        caller: &dyn Caller,
        facts: &Facts<'_>,
        interaction: Option<&(&Interaction, Touched)>,
    ) -> Result<Reach, NotJudgeable> {
        let Self { effect, conditions, scope, search: _, whole: _ } = self;
        let reach = match (effect, interaction) {
            (_, None) => Reach::Request,
            (Effect::Allow, Some((interaction, touched))) if scope.allows(interaction, touched) => Reach::Request,
            (Effect::Allow, Some(_)) => Reach::Not,
            (Effect::Deny, Some((interaction, touched))) => scope.denies(interaction, touched),
        };
        let holds = reach != Reach::Not && conditions.hold(caller, facts)?;
        Ok(if holds { reach } else { Reach::Not })
    }

    /// Whether this rule, standing before `other`, leaves it no request. Says no when it is not certain.
    fn decides_before(&self, other: &Self, on_fhir: bool, allowed_later: bool) -> bool {
        let scope = match (self.effect, other.effect) {
            _ if !on_fhir => true,
            (Effect::Deny, _) => self.scope.is_empty(),
            (Effect::Allow, Effect::Allow) => self.scope.allows_all_of(&other.scope),
            // What the first does not allow is refused in the end, unless a rule after both allows it.
            (Effect::Allow, Effect::Deny) => self.scope.is_empty() && !allowed_later,
        };
        self.whole && other.whole && scope && self.conditions.cover(&other.conditions)
    }
}
