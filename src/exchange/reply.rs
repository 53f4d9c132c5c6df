//! Answers of our own: FHIR `OperationOutcome` on `fhir` routes, problem documents (RFC 9457) elsewhere.
//!
//! A reply names the reason and the request, where something does not fit its place and the rule, and nothing that the
//! client sent. What has to do with credentials carries the challenge of RFC 6750 section 3.

use serde_json::json;

use super::reason::{Reason, Rule};
use crate::identity::Refusal;
use crate::validate::{Place, Violation};

/// An answer in place of the upstream's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The reason's code, for `%RESPONSE_CODE_DETAILS%`.
    pub details: &'static str,
    /// The header fields.
    pub headers: Vec<(&'static str, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

/// How replies on a route look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `application/fhir+json`
    OperationOutcome,
    /// `application/problem+json`
    Problem,
}

impl Reply {
    /// The reply for a refusal. `request_id` is left out where it is not one that Envoy made.
    #[must_use]
    pub fn refusal(reason: Reason, format: Format, request_id: Option<&str>) -> Self {
        Self::with_status(reason, reason.status(), format, request_id)
    }

    /// The same for a refusal that a rule with an id of our own decided.
    #[must_use]
    pub fn by_rule(reason: Reason, rule: &str, format: Format, request_id: Option<&str>) -> Self {
        let body = match format {
            Format::OperationOutcome => operation_outcome(reason, Some(rule), request_id, None),
            Format::Problem => {
                let mut problem = problem(reason, reason.status(), request_id, None);
                problem
                    .as_object_mut()
                    .into_iter()
                    .for_each(|problem| drop(problem.insert("rule".to_owned(), rule.into())));
                problem
            }
        };
        Self { body: body.to_string().into_bytes(), ..Self::refusal(reason, format, request_id) }
    }

    /// The reply of a module without a policy: Envoy should never ask it.
    #[must_use]
    pub fn without_policy() -> Self {
        Self::refusal(Rule::Internal.into(), Format::Problem, None)
    }

    /// The reply for a refusal that keeps another status: the upstream's, where it was an error already.
    #[must_use]
    pub fn with_status(reason: Reason, status: u16, format: Format, request_id: Option<&str>) -> Self {
        Self::about(reason, status, format, request_id, None)
    }

    /// The same, with what of the request does not fit.
    pub(super) fn about(
        reason: Reason,
        status: u16,
        format: Format,
        request_id: Option<&str>,
        violation: Option<&Violation>,
    ) -> Self {
        let (media_type, body) = match format {
            Format::OperationOutcome => ("application/fhir+json", operation_outcome(reason, None, request_id, violation)),
            Format::Problem => ("application/problem+json", problem(reason, status, request_id, violation)),
        };
        let mut headers = vec![
            ("content-type", media_type.into()),
            ("cache-control", b"no-store".to_vec()),
            ("x-content-type-options", b"nosniff".to_vec()),
        ];
        if let (401 | 403, Reason::Identity(refusal)) = (status, reason) {
            headers.push(("www-authenticate", challenge(refusal)));
        }
        if let (503, Reason::Identity(_) | Reason::Rule(Rule::AuditUnavailable)) = (status, reason) {
            headers.push(("retry-after", b"1".to_vec()));
        }
        if let Some(id) = request_id {
            headers.push(("x-request-id", id.into()));
        }
        Self { status, details: reason.code(), headers, body: body.to_string().into_bytes() }
    }
}

fn operation_outcome(
    reason: Reason,
    rule: Option<&str>,
    request_id: Option<&str>,
    violation: Option<&Violation>,
) -> serde_json::Value {
    let mut issue = json!({
        "severity": "error",
        "code": reason.issue(),
        "details": { "coding": [{ "code": reason.code() }], "text": reason.text() },
    });
    let said = rule.map(|rule| format!("rule {rule}")).into_iter().chain(violation.map(Violation::to_string));
    let said: Vec<String> = said.chain(request_id.map(|id| format!("request {id}"))).collect();
    if let (false, Some(issue)) = (said.is_empty(), issue.as_object_mut()) {
        issue.insert("diagnostics".to_owned(), said.join("; ").into());
    }
    // What is a path of elements is a FHIRPath expression, too.
    if let (Some(Violation { place, kind: Place::Element, .. }), Some(issue)) = (violation, issue.as_object_mut()) {
        issue.insert("expression".to_owned(), json!([place]));
    }
    json!({ "resourceType": "OperationOutcome", "issue": [issue] })
}

fn problem(reason: Reason, status: u16, request_id: Option<&str>, violation: Option<&Violation>) -> serde_json::Value {
    let mut problem = json!({ "title": reason.text(), "status": status, "reason": reason.code() });
    if let (Some(id), Some(problem)) = (request_id, problem.as_object_mut()) {
        problem.insert("request_id".to_owned(), id.into());
    }
    if let (Some(Violation { place, kind, rule }), Some(problem)) = (violation, problem.as_object_mut()) {
        let key = match kind {
            Place::Pointer => "pointer",
            Place::Element => "element",
            Place::Parameter => "parameter",
            Place::Header => "header",
            Place::Part => "part",
        };
        problem.insert("violation".to_owned(), json!({ key: place, "rule": rule }));
    }
    problem
}

/// The challenge of RFC 6750 section 3: without credentials it has no error code.
fn challenge(refusal: Refusal) -> Vec<u8> {
    match refusal.bearer_error() {
        Some(error) => format!("Bearer realm=\"carewarden\", error=\"{error}\"").into_bytes(),
        None => b"Bearer realm=\"carewarden\"".to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fhir_refusal_is_an_operation_outcome() {
        let reply = Reply::refusal(Rule::NoRuleAllows.into(), Format::OperationOutcome, Some("id-1"));
        let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!((reply.status, body["resourceType"].as_str()), (403, Some("OperationOutcome")));
        assert_eq!(body["issue"][0]["details"]["coding"][0]["code"], "no_rule_allows");
        assert_eq!(body["issue"][0]["diagnostics"], "request id-1");
    }

    #[test]
    fn the_rule_that_decided_is_named() {
        let reason = Reason::from(Rule::InjectionFound);
        for (format, pointer) in [(Format::OperationOutcome, "/issue/0/diagnostics"), (Format::Problem, "/rule")] {
            let reply = Reply::by_rule(reason, "sqli-union", format, Some("id-1"));
            let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
            let named = body.pointer(pointer).and_then(|named| named.as_str()).unwrap();
            assert!(reply.status == 403 && named.contains("sqli-union"), "{body}");
        }
    }

    #[test]
    fn a_problem_keeps_the_status_it_is_given() {
        let reply = Reply::with_status(Rule::AnswerMediaType.into(), 503, Format::Problem, None);
        let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!((reply.status, &body["status"]), (503, &json!(503)));
    }
}
