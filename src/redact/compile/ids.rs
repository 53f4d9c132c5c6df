//! Where a hash hides nothing: a profile hashes ids, and the route that it applies on takes ids.
//!
//! Who may ask for `/Patient/1` and sees what its id was hashed to has one line of a table that turns hashes back into
//! ids; who may search by `_id`, or by whom a resource is about, fills it faster. That is a warning, since links that still join may be
//! worth it where ids tell nobody anything.

use std::collections::BTreeSet;

use super::check::takes_all;
use super::{Compiler, selector};
use crate::fhir::elements::Type;
use crate::policy::diagnostic::Code;
use crate::policy::model::{self, Authorize, Conditions, RedactionRule};
use crate::redact::syntax::{Anchor, Selector, Step};

/// Interactions that name a resource, in the path or by a search parameter, and show it.
const BY_ID: &[&str] = &["read", "vread", "history", "update", "patch", "compartment-search"];

/// Where R4 has ids and what holds them: the path, and the datatype.
const IDS: &[(&str, &str)] = &[
    ("Reference.reference", "string"),
    ("Bundle.entry.fullUrl", "uri"),
    ("Bundle.entry.request.url", "uri"),
    ("Bundle.entry.response.location", "uri"),
];

impl Compiler<'_, '_> {
    /// Warns of each profile that hashes ids and applies on a route that takes them.
    pub(super) fn check_hashed_ids(&mut self) {
        let (routes, at) = (&self.policy.model.routes, self.policy.root.key("routes"));
        for (index, route) in routes.iter().enumerate().filter(|(_, route)| route.fhir.is_some()) {
            let at = at.item(index).key("response").key("redact");
            let mut warned = BTreeSet::new();
            for (nth, view) in route.response.redact.iter().flatten().enumerate() {
                let name = view.apply.as_str();
                let Some(rule) = self.hashes_ids(name) else { continue };
                if !route.authorize.iter().any(|rule| takes_ids(rule, &view.when)) || !warned.insert(name) {
                    continue;
                }
                let message = format!(
                    "`{name}` hashes ids ({rule}), and route `{}` takes them: a caller can learn which is which",
                    route.name
                );
                self.report.warning(at.item(nth).key("apply"), Code::Risky, message).help(
                    "remove ids for who may ask by id, or keep them as they are; a hash hides an id from nobody who can ask for it",
                );
            }
        }
    }

    /// The first rule of a profile and those before it in line that hashes ids, if one does.
    fn hashes_ids(&self, name: &str) -> Option<String> {
        let mut earlier: Vec<(&RedactionRule, Selector)> = Vec::new();
        for owner in self.line(name) {
            let rules = self.profile(&owner).map(|profile| profile.rules.as_slice()).unwrap_or_default();
            for (index, rule) in rules.iter().enumerate() {
                let Some(own) = selector(rule) else { continue };
                let is_taken = |(earlier, around): &(&RedactionRule, Selector)| takes_all(earlier, around, rule, &own);
                if matches!(rule.action, model::Action::Hash(_)) && selects_ids(&own) && !earlier.iter().any(is_taken) {
                    return Some(self.pointer(&owner, index));
                }
                earlier.push((rule, own));
            }
        }
        None
    }
}

fn selects_ids(selector: &Selector) -> bool {
    let last = |steps: &Vec<Step>| steps.last().and_then(Step::name).map(str::to_owned);
    let is_id =
        |of: &Type, name: &str| IDS.iter().any(|(path, _)| path.strip_prefix(of.name()) == Some(&format!(".{name}")));
    let leads_to_id = || {
        let names = selector.ways.iter().filter_map(last);
        names.zip(selector.containers()).any(|(name, of)| is_id(&of, &name))
    };
    match selector.anchor {
        Anchor::Type(of) if selector.ways.iter().any(Vec::is_empty) => {
            of.name() == "id" || IDS.iter().any(|(_, held)| *held == of.name())
        }
        Anchor::Type(_) => leads_to_id(),
        Anchor::Resource(_) => selector.targets().iter().any(|of| of.name() == "id") || leads_to_id(),
        Anchor::Root => {
            let names = ["id"].into_iter().chain(IDS.iter().filter_map(|(path, _)| path.rsplit('.').next()));
            let mut ends = selector.ways.iter().filter_map(last);
            let names: Vec<&str> = names.collect();
            ends.any(|name| names.contains(&name.as_str()))
        }
    }
}

/// Whether a rule lets callers in who name ids, and whom a view under these conditions can be for.
fn takes_ids(rule: &Authorize, view: &Conditions) -> bool {
    let Authorize::Allow(allowed) = rule else { return false };
    let can_meet = |own: &Option<Vec<String>>, view: &Option<Vec<String>>| match (own, view) {
        (Some(own), Some(view)) => own.iter().any(|name| view.contains(name)),
        _ => true,
    };
    let names_person = |name: &String| ["_id", "patient", "subject"].contains(&name.as_str());
    let searches = |kind: &str| kind == "search" && allowed.search.iter().flatten().any(names_person);
    let by_id = match &allowed.interactions {
        None => true,
        Some(kinds) => kinds.iter().any(|kind| BY_ID.contains(&kind.as_str()) || searches(kind)),
    };
    let asks = by_id || allowed.operations.as_ref().is_some_and(|names| !names.is_empty());
    // Somebody may have both roles; whoever wrote two rules for them had two callers in mind.
    asks && can_meet(&allowed.roles, &view.roles)
        && can_meet(&allowed.clients, &view.clients)
        && can_meet(&allowed.providers, &view.providers)
}

#[cfg(test)]
mod tests {
    use crate::policy;
    use crate::policy::diagnostic::Report;

    /// The warnings about ids that a policy gets whose one FHIR route has these rules and views.
    fn warnings(profiles: &str, authorize: &str, redact: &str) -> Vec<String> {
        let text = format!(
            r#"{{"version": 1, "name": "x", "redaction": {profiles}, "routes": [{{"name": "fhir", "match": {{"paths": ["/fhir/**"]}},
                "fhir": {{"base": "/fhir"}}, "authorize": {authorize}, "response": {{"redact": {redact}}}}}]}}"#
        );
        let mut report = Report::new(&text);
        let loaded = policy::load(&text, &mut report).unwrap();
        let env = |_: &str| Some("0123456789abcdef0123456789abcdef".to_owned());
        super::super::compile(&loaded, &env, &mut report);
        assert!(!report.has_errors(), "{:?}", report.into_vec());
        let found = report.into_vec().into_iter().filter(|found| found.message.contains("hashes ids"));
        found.map(|found| format!("{} {}", found.pointer, found.message.split(", and").next().unwrap())).collect()
    }

    const HASH: &str = r#""action": {"hash": {"key": {"env": "K"}}}"#;

    fn own(selectors: &str) -> String {
        format!(r#"{{"p": {{"rules": [{{{selectors}, {HASH}}}]}}}}"#)
    }

    #[test]
    fn a_profile_that_hashes_ids_is_found_by_whatever_selects_them() {
        for (selector, found) in [
            (r#""path": "Patient.id""#, true),
            (r#""path": "Observation.subject.reference""#, true),
            (r#""path": "Bundle.entry.fullUrl""#, true),
            (r#""type": "id""#, true),
            (r#""type": "uri""#, true),
            (r#""type": "Reference", "child": "reference""#, true),
            (r#""key": "id""#, true),
            (r#""key": "reference""#, true),
            (r#""json_path": "$.entry[*].resource.id""#, true),
            (r#""path": "Patient.identifier.value""#, false),
            (r#""path": "Patient.name.id""#, false),
            (r#""type": "Reference", "child": "display""#, false),
            (r#""type": "Identifier", "child": "value""#, false),
            (r#""key": "value""#, false),
            (r#""json_path": "$.id[*]""#, false),
        ] {
            let warned = warnings(&own(selector), r#"[{"allow": {}}]"#, r#"[{"apply": "p"}]"#);
            let expected = ["/routes/0/response/redact/0/apply `p` hashes ids (/redaction/p/rules/0)"];
            assert_eq!(warned, if found { &expected[..] } else { &[] }, "{selector}");
        }
    }

    #[test]
    fn a_route_takes_ids_by_what_its_rules_allow_to_whom_the_view_is_for() {
        for (authorize, when, takes) in [
            ("[]", "{}", false),
            (r#"[{"deny": {}}]"#, "{}", false),
            (r#"[{"allow": {"interactions": ["read"]}}]"#, "{}", true),
            (r#"[{"allow": {"interactions": ["search"]}}]"#, "{}", false),
            (r#"[{"allow": {"interactions": ["search"], "search": ["_id"]}}]"#, "{}", true),
            (r#"[{"allow": {"interactions": ["search"], "search": ["subject"]}}]"#, "{}", true),
            (r#"[{"allow": {"interactions": ["search"], "search": ["gender"]}}]"#, "{}", false),
            (r#"[{"allow": {"interactions": ["create", "capabilities"]}}]"#, "{}", false),
            (r#"[{"allow": {"interactions": [], "operations": ["$everything"]}}]"#, "{}", true),
            (r#"[{"allow": {"interactions": [], "operations": []}}]"#, "{}", false),
            (r#"[{"allow": {"roles": ["a", "b"]}}]"#, r#"{"roles": ["b"]}"#, true),
            (r#"[{"allow": {"roles": ["a"]}}]"#, r#"{"roles": ["b"]}"#, false),
            (r#"[{"allow": {"roles": ["a"]}}]"#, r#"{"clients": ["c"]}"#, true),
        ] {
            let redact = format!(r#"[{{"when": {when}, "apply": "p"}}]"#);
            let found = warnings(&own(r#""type": "id""#), authorize, &redact);
            assert_eq!(found.len(), usize::from(takes), "{authorize} {when}");
        }
    }

    #[test]
    fn a_preset_is_warned_of_once_a_route_until_its_ids_are_taken_otherwise() {
        let all = r#"[{"allow": {}}]"#;
        let twice = r#"[{"when": {"roles": ["a"]}, "apply": "hipaa-safe-harbor"}, {"apply": "hipaa-safe-harbor"}]"#;
        let safe_harbor: serde_json::Value =
            serde_json::from_str(crate::redact::preset::text("hipaa-safe-harbor").unwrap()).unwrap();
        let first = safe_harbor["rules"].as_array().unwrap().iter().position(|rule| rule["type"] == "id").unwrap();
        let pointer = format!("hipaa-safe-harbor#/rules/{first}");
        let expected = format!("/routes/0/response/redact/0/apply `hipaa-safe-harbor` hashes ids ({pointer})");
        assert_eq!(warnings("{}", all, twice), [expected]);
        let taken = r#"{"p": {"extends": "hipaa-safe-harbor", "rules": [{"type": "id", "action": "remove"},
            {"type": "Reference", "child": "reference", "action": "remove"}, {"path": "Bundle.entry.fullUrl", "action": "remove"},
            {"path": "Bundle.entry.request", "action": "remove"}, {"path": "Bundle.entry.response.location", "action": "remove"}]}}"#;
        assert!(warnings(taken, all, r#"[{"apply": "p"}]"#).is_empty());
        assert!(warnings("{}", all, r#"[{"apply": "limited-data-set"}, {"apply": "none"}]"#).len() == 1);
        assert!(warnings("{}", all, r#"[{"apply": "minimum-necessary-billing"}]"#).is_empty());
    }
}
