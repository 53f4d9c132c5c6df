//! Steps of the checks of what is described. Not part of the module for Envoy.
//!
//! Which check refuses, and what does not fit, says the outcome; the others that a route asks for stand before it or
//! after, in the order in which they are made.

use super::{Checks, Misfit};
use crate::exchange::body::{Content, Layout};
use crate::exchange::explain::{Found, Part, Step, Trail};
use crate::exchange::outgoing::Body;
use crate::exchange::reason::{Reason, Rule};
use crate::exchange::request::Judged;
use crate::http::Headers;
use crate::policy::model;
use crate::policy::unmet::listed;
use crate::validate::{Parameters, Violation};

/// A check: its key under the route, whether it is made, and the reasons it refuses for.
struct Check {
    key: &'static str,
    is_made: bool,
    refuses: &'static [Rule],
}

fn check(key: &'static str, is_made: bool, refuses: &'static [Rule]) -> Check {
    Check { key, is_made, refuses }
}

impl Trail {
    /// The checks of a head.
    pub(in crate::exchange) fn head_checks(
        &mut self,
        judged: &Judged,
        head: &Headers,
        by_cookie: bool,
        misfit: Option<&Misfit>,
    ) {
        let Judged { route, target, .. } = judged;
        let Checks { query, form: _, headers, schemas: _, shape: _, limits, origins } = &route.checks;
        let has_cookies = head.first("cookie").is_some() && (by_cookie || origins.is_some());
        let searches = target.query().is_some() || head.first("if-none-exist").is_some();
        let all = [
            check("fhir", route.fhir.is_some(), &[Rule::NotAcceptable]),
            check("request/origins", has_cookies, &[Rule::CrossOrigin]),
            check("request/headers", !headers.is_empty(), &[Rule::HeaderViolation]),
            check("fhir/limits", limits.is_some() && searches, &[Rule::FhirLimit]),
            check("request/query", query.is_some(), &[Rule::ParameterViolation, Rule::MalformedQuery]),
        ];
        self.checks(&all, misfit, query.as_ref().zip(target.query().map(str::as_bytes)));
    }

    /// The checks of a request without a body.
    pub(in crate::exchange) fn empty_checks(&mut self, judged: &Judged, misfit: Option<&Misfit>) {
        if judged.route.checks.form.is_some() && misfit.is_some() {
            self.checks(&[check("request/form", true, &[Rule::ParameterViolation, Rule::MalformedQuery])], misfit, None);
        }
    }

    pub(in crate::exchange) fn misses_body(&mut self) {
        let says = "the body has to be valid by a schema, and there is none";
        let pointer = self.place("/request/schema");
        self.add(Step::new(Part::Check, "schema", Found::Refuses(Rule::BodyNotRead.into()), says).at(pointer));
    }

    /// The checks of a body.
    pub(in crate::exchange) fn body_checks(
        &mut self,
        judged: &Judged,
        body: &Body,
        checked: &Result<Option<Violation>, Misfit>,
    ) {
        let Checks { query: _, form, headers: _, schemas, shape, limits, origins: _ } = &judged.route.checks;
        let Body { content: Content { layout, .. }, shaped, .. } = body;
        let is_form = *layout == Layout::Form;
        let has_entries = judged.interaction.as_ref().is_some_and(|own| !own.entries().is_empty());
        let all = [
            check("fhir/limits", limits.is_some() && (is_form || has_entries), &[Rule::FhirLimit]),
            check("request/form", is_form && form.is_some(), &[Rule::ParameterViolation, Rule::MalformedQuery]),
            check("request/shape", shaped.is_some(), &[Rule::NotFhirShape]),
            check(
                "request/schema",
                schemas.is_some(),
                &[Rule::SchemaViolation, Rule::JsonLimit, Rule::UnsupportedMediaType],
            ),
        ];
        self.checks(&all, checked.as_ref().err(), form.as_ref().map(|form| (form, body.bytes.as_slice())));
        if let Ok(Some(violation)) = checked {
            let says = format!("the body is not as R4 describes it: {violation}; the route only reports it");
            let mode = if *shape == model::Shape::Strict { "strict" } else { "lenient" };
            let pointer = self.place("/request/shape");
            self.add(Step::new(Part::Check, format!("shape ({mode})"), Found::Noted, says).at(pointer));
        }
    }

    /// `described` are parameters and what they were held against: what is not described has no name in a violation.
    fn checks(&mut self, all: &[Check], misfit: Option<&Misfit>, described: Option<(&Parameters, &[u8])>) {
        let unknown = |violation: &Violation| {
            let (parameters, raw) = described.filter(|_| violation.rule == "others")?;
            Some(format!("{} is not described; {} is", listed(parameters.unknown(raw)), listed(parameters.names())))
        };
        let mut refused = false;
        for Check { key, is_made, refuses } in all {
            let is_it = |reason: Reason| refuses.iter().any(|rule| reason == (*rule).into());
            let misfit = misfit.filter(|misfit| !refused && is_it(misfit.reason));
            let (found, says) = match misfit {
                Some(Misfit { reason, violation: Some(violation) }) => {
                    let violation = unknown(violation).unwrap_or_else(|| violation.to_string());
                    (Found::Refuses(*reason), format!("{}: {violation}", reason.text()))
                }
                Some(Misfit { reason, violation: None }) => (Found::Refuses(*reason), reason.text().to_owned()),
                None if !is_made => continue,
                None if refused => (Found::NotTried, "one before it refused".to_owned()),
                None => (Found::Holds, "fits".to_owned()),
            };
            refused |= misfit.is_some();
            let pointer = self.place(&format!("/{key}"));
            let name = key.rsplit('/').next().unwrap_or_default();
            let name = if name == "fhir" { "format" } else { name };
            self.add(Step::new(Part::Check, name, found, says).at(pointer));
        }
    }
}
