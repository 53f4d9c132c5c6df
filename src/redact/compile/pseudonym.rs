//! Pseudonyms of what callers know already: who may ask for `/Patient/1` and is shown the hash of `1` can make a table of
//! both, and needs no key for it.

use super::{Compiler, selector};
use crate::policy::diagnostic::Code;
use crate::policy::model::{self, RedactionRule};

/// Interactions whose path has an id (<http://hl7.org/fhir/R4/http.html>).
const WITH_ID: &[&str] = &["read", "vread", "history", "update", "patch", "delete", "compartment-search"];

impl Compiler<'_, '_> {
    /// Warns where a profile that hashes ids is applied to answers of requests that name one.
    pub(super) fn check_pseudonyms(&mut self) {
        for (index, route) in self.policy.model.routes.iter().enumerate().filter(|(_, route)| takes_ids(route)) {
            let at = self.policy.root.key("routes").item(index).key("response").key("redact");
            for (index, view) in route.response.redact.iter().flatten().enumerate() {
                if self.line(&view.apply).iter().any(|owner| self.hashes_ids(owner)) {
                    let message = "a caller who asks for an id is shown its hash, and can make a table of both";
                    self.report
                        .warning(at.item(index).key("apply"), Code::Risky, message)
                        .help("grant these callers `search` alone, or let the profile remove ids");
                }
            }
        }
    }

    fn hashes_ids(&self, profile: &str) -> bool {
        self.profile(profile).is_some_and(|profile| profile.rules.iter().any(hashes_ids))
    }
}

fn hashes_ids(rule: &RedactionRule) -> bool {
    let is_id = || {
        selector(rule).is_some_and(|found| {
            let by_name = found.ways.iter().any(|steps| steps.last().and_then(|step| step.name()) == Some("id"));
            by_name || found.targets().iter().any(|of| of.name() == "id")
        })
    };
    matches!(rule.action, model::Action::Hash(_)) && is_id()
}

/// Whether some rule of a route to a FHIR API lets a request through that names a resource by its id.
fn takes_ids(route: &model::Route) -> bool {
    let names_ids = |conditions: &model::Conditions| {
        let interactions = conditions.interactions.as_ref();
        let has_operations = conditions.operations.as_ref().is_some_and(|operations| !operations.is_empty());
        has_operations || interactions.is_none_or(|all| all.iter().any(|one| WITH_ID.contains(&one.as_str())))
    };
    route.fhir.is_some()
        && route.authorize.iter().any(|rule| match rule {
            model::Authorize::Allow(conditions) => names_ids(conditions),
            model::Authorize::Deny(_) => false,
        })
}
