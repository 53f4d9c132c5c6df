//! Steps of the rules, and of the entries of `redact`.

use super::request::interaction_in_words;
use super::{Detail, Found, Mark, Part, Step, Trail};
use crate::access::{self, Grant, Holds, RuleTried, Tried};
use crate::exchange::reason::{Reason, Rule};
use crate::exchange::request::Judged;
use crate::exchange::route::View;
use crate::fhir::ResourceType;
use crate::policy::unmet::listed;
use crate::redact::{Program, Touch};

impl Trail {
    /// Each rule.
    pub(in crate::exchange) fn rules(&mut self, judged: &Judged, decision: &access::Decision) {
        let reason = match decision {
            access::Decision::Allow(_) => None,
            access::Decision::Deny(denial) => Some(Reason::from(denial.reason)),
        };
        let (caller, facts) = (&*judged.principal, judged.facts());
        let tried = judged.route.rules.explain(caller, &facts);
        let mut steps: Vec<Step> = Vec::new();
        let last = tried.len().saturating_sub(1);
        for (index, tried) in tried.iter().enumerate() {
            if let (Some(entry), Some(interaction)) = (tried.entry, &judged.interaction) {
                let says = interaction.entries().get(entry).map(|entry| interaction_in_words(&entry.interaction));
                let step = Step::new(Part::Interaction, format!("entry {entry}"), Found::Holds, says.unwrap_or_default());
                steps.push(step.at(self.place("/fhir")));
            }
            self.add_rules(tried, reason.filter(|_| index == last), &mut steps);
        }
        if let (Some(reason), true) = (reason, tried.is_empty()) {
            let says = match reason == Rule::BodyNotRead.into() {
                true => "what is asked stands in a body, and there is none",
                false => reason.text(),
            };
            steps.push(Step::new(Part::Rule, "", Found::Refuses(reason), says).at(self.place("/authorize")));
        }
        if let access::Decision::Allow(Grant { types: Some(types), .. }) = decision {
            let names = listed(ResourceType::each().filter(|kind| types.contains(*kind)).map(ResourceType::name));
            let more = ResourceType::each().filter(|kind| types.contains(*kind)).count();
            let names = if more > 12 { format!("{more} types") } else { names };
            steps.push(Step::new(Part::Rule, "types", Found::Noted, format!("the answer may hold {names}")));
        }
        // Where a body had to be waited for they were asked before it, too.
        if !self.steps.windows(steps.len().max(1)).any(|window| window == steps.as_slice()) {
            self.steps.extend(steps);
        }
    }

    fn add_rules(&self, tried: &Tried, reason: Option<Reason>, steps: &mut Vec<Step>) {
        let decided = tried.decided();
        let of = tried.entry.map(|entry| format!(", for entry {entry}")).unwrap_or_default();
        for (index, RuleTried { effect, holds, unmet }) in tried.rules.iter().enumerate() {
            let refuses = |otherwise| reason.filter(|_| decided == Some(index)).map_or(otherwise, Found::Refuses);
            let (found, says) = match holds {
                Holds::Decides if *effect == "deny" => (refuses(Found::Holds), format!("holds, and denies it{of}")),
                Holds::Decides => (refuses(Found::Holds), format!("holds, and allows it{of}")),
                Holds::NotJudgeable => (refuses(Found::DoesNotHold), format!("a claim cannot be judged{of}")),
                Holds::Excludes(types) => (
                    Found::DoesNotHold,
                    format!("is not about the request{of}, but takes {} from the answer", listed(types)),
                ),
                Holds::No => (Found::DoesNotHold, format!("does not hold{of}")),
                Holds::NotTried => (Found::NotTried, "one before it decided".to_owned()),
            };
            let name = format!("{index} {effect}");
            let pointer = self.place(&format!("/authorize/{index}/{effect}"));
            let details = Detail::all_unmet(unmet.clone());
            steps.push(Step::new(Part::Rule, name, found, says).at(pointer).with(details));
        }
        if let (Some(reason), None) = (reason, decided) {
            let says = match tried.rules.len() {
                0 => "there is no rule, and so nothing is allowed".to_owned(),
                1 => format!("the one rule does not allow it{of}"),
                count => format!("none of the {count} rules allows it{of}"),
            };
            steps.push(Step::new(Part::Rule, "", Found::Refuses(reason), says).at(self.place("/authorize")));
        }
    }

    /// The answer is redacted, and the search would tell what is hidden.
    pub(in crate::exchange) fn search(&mut self, judged: &Judged, grant: &Grant) {
        let rule = grant.rule;
        let tried = judged.route.rules.explain(&judged.principal, &judged.facts());
        let missing = tried.iter().flat_map(|tried| &tried.not_searchable).collect::<std::collections::BTreeSet<_>>();
        let says = format!(
            "the answer is redacted, and the request searches by {}, which the rule does not list",
            listed(missing)
        );
        let pointer = self.place(&format!("/authorize/{rule}/allow/search"));
        let name = format!("{rule} allow, search");
        self.add(Step::new(Part::Rule, name, Found::Refuses(Rule::SearchNotGranted.into()), says).at(pointer));
    }

    /// Each entry of `redact` of a response or request, and which applies.
    pub(in crate::exchange) fn views(
        &mut self,
        of: &str,
        judged: &Judged,
        views: Option<&[View]>,
        refused: Option<Reason>,
    ) {
        let Some(views) = views else { return };
        let (caller, facts) = (&*judged.principal, judged.facts());
        let mut decided = false;
        for (index, View { when, profile }) in views.iter().enumerate() {
            let holds = when.holds(caller, &facts);
            let profile = profile.as_ref().map_or("none", |(name, _)| &**name);
            let (found, says) = match (decided, &holds) {
                (true, _) => (Found::NotTried, "one before it applies".to_owned()),
                (false, Ok(true)) if profile == "none" => (Found::Holds, format!("the {of} is not redacted")),
                (false, Ok(true)) => (Found::Holds, format!("the {of} is redacted by profile `{profile}`")),
                (false, Ok(false)) => (Found::DoesNotHold, "does not apply".to_owned()),
                (false, Err(_)) => {
                    (refused.map_or(Found::DoesNotHold, Found::Refuses), "a claim cannot be judged".to_owned())
                }
            };
            let details = if decided { Vec::new() } else { Detail::all_unmet(when.unmet(caller, &facts)) };
            decided |= !matches!(found, Found::DoesNotHold);
            let pointer = self.place(&format!("/{of}/redact/{index}"));
            let name = format!("{of} {index} {profile}");
            self.add(Step::new(Part::View, name, found, says).at(pointer).with(details));
        }
        if let (Some(reason), false) = (refused, decided) {
            let says = format!("no entry applies, and so nobody may see the {of}");
            let pointer = self.place(&format!("/{of}/redact"));
            self.add(Step::new(Part::View, "", Found::Refuses(reason), says).at(pointer));
        }
    }

    /// The body of the request cannot be redacted.
    pub(in crate::exchange) fn unredactable(&mut self, refused: Option<Reason>) {
        let Some(reason) = refused else { return };
        let Reason::Rule(rule) = reason else { return };
        let says = match rule {
            Rule::BodyNotRedactable => {
                "a profile applies to the body, and forms, patches and other bytes cannot be redacted"
            }
            Rule::BodyNotFhir => "the body holds no resource where one has to be, or nothing would be left of it",
            Rule::BodyModifier => "a rule would take an element that changes the meaning of what stays",
            Rule::BodyMeaning => "redaction would change what the request asks",
            Rule::JsonLimit => "it is over a limit under `request.json`",
            _ => reason.text(),
        };
        let pointer = self.place("/request/redact");
        self.add(Step::new(Part::Redaction, "request", Found::Refuses(reason), says).at(pointer));
    }

    /// What redaction did, value by value.
    pub(in crate::exchange) fn redacted(&mut self, of: &str, program: &Program, touches: Vec<Touch>) {
        if touches.is_empty() {
            return;
        }
        let detail = |Touch { line: _, path, rule, action }| {
            let rule = rule.map_or("a modifier of it went", |rule| program.pointer(rule));
            Detail::new(path.to_string(), Mark::Neutral, format!("{action}, by {rule}"))
        };
        let details: Vec<_> = touches.into_iter().map(detail).collect();
        let says = format!("values that a rule was about: {}", details.len());
        self.add(Step::new(Part::Redaction, of, Found::Noted, says).with(details));
    }
}
