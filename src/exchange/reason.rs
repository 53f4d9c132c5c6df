//! Why an exchange is refused: one table of stable codes.
//!
//! A reason decides the status, the FHIR issue type (<http://hl7.org/fhir/R4/valueset-issue-type.html>) and the sentence
//! that the client reads. Codes appear in records, metrics and replies, and are never renamed. Reasons of the identity
//! module keep their own codes.

use crate::access::DenialReason;
use crate::fhir::FhirError;
use crate::http::DecodeError;
use crate::identity;

/// Why an exchange is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The caller could not be identified (RFC 6750).
    Identity(identity::Refusal),
    /// Anything else.
    Rule(Rule),
}

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $code:literal $status:literal $issue:literal $text:literal,)*) => {
        /// A refusal that has nothing to do with credentials.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Rule { $($(#[$doc])* $name,)* }

        impl Rule {
            /// Every rule, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            const fn row(self) -> (&'static str, u16, &'static str, &'static str) {
                match self { $(Self::$name => ($code, $status, $issue, $text),)* }
            }
        }
    };
}

rules! {
    /// The header section cannot be read, or a header that may stand once is repeated.
    MalformedHeaders = "malformed_headers" 400 "invalid" "the header section is malformed",
    /// The `Host` or `:authority` is absent or malformed.
    MalformedHost = "malformed_host" 400 "invalid" "the host is malformed",
    /// The path could be read in two ways, or in none.
    AmbiguousPath = "ambiguous_path" 400 "invalid" "the path is malformed or ambiguous",
    /// The query or form cannot be read.
    MalformedQuery = "malformed_query" 400 "invalid" "the query is malformed",
    /// A header or a parameter that asks for another method than the request's.
    MethodOverride = "method_override" 400 "invalid" "method overrides are not accepted",
    /// A header that asks a FHIR server for more than what is judged.
    HeaderRefused = "header_refused" 400 "not-supported" "a header asks for what is not accepted here",
    /// CONNECT, TRACE, or a method that is no token.
    MethodRefused = "method_refused" 405 "not-supported" "the method is not accepted",
    /// A request to change the protocol.
    UpgradeRefused = "upgrade_refused" 400 "not-supported" "protocol upgrades are not accepted",
    /// The path and query are too long.
    UriTooLong = "uri_too_long" 414 "too-long" "the path and query are too long",
    /// Too many or too long header fields.
    HeadersTooLarge = "headers_too_large" 431 "too-long" "the header section is too large",
    /// No route matches.
    NoRoute = "no_route" 404 "not-found" "nothing is served here",
    /// The request did not come over TLS.
    TlsRequired = "tls_required" 403 "security" "TLS is required",
    /// The address may not ask.
    AddressDenied = "address_denied" 403 "forbidden" "requests from this address are not accepted",
    /// Not a FHIR interaction of R4.
    UnknownInteraction = "unknown_interaction" 400 "not-supported" "this is no FHIR R4 interaction",
    /// An answer in another format than JSON is asked for.
    NotAcceptable = "not_acceptable" 406 "not-supported" "only JSON is served",
    /// A `deny` rule matched.
    DeniedByRule = "denied_by_rule" 403 "forbidden" "access is denied",
    /// No rule allows it.
    NoRuleAllows = "no_rule_allows" 403 "forbidden" "access is denied",
    /// A claim has another type than a condition compares it with.
    ClaimNotJudgeable = "claim_not_judgeable" 403 "forbidden" "access is denied",
    /// The answer is redacted, and would tell by a search parameter that the rule does not list what is hidden.
    SearchNotGranted = "search_not_granted" 403 "forbidden" "a search parameter is not granted",
    /// What the request asks stands in a body that it does not have.
    BodyNotRead = "body_not_read" 400 "required" "the request needs a body",
    /// No redaction entry holds for the caller.
    NoRedactionApplies = "no_redaction_applies" 403 "forbidden" "access is denied",
    /// The body's media type is absent or not accepted, or the body is encoded.
    UnsupportedMediaType = "unsupported_media_type" 415 "not-supported" "the content type is not accepted",
    /// The body is too long.
    BodyTooLarge = "body_too_large" 413 "too-long" "the body is too large",
    /// The body is not what its content type says.
    MalformedBody = "malformed_body" 400 "structure" "the body is malformed",
    /// A body where the method gives it no meaning: some servers do not read it, and take it for the next request.
    UnexpectedBody = "unexpected_body" 400 "invalid" "a request of this method has no body",
    /// The parts of a body cannot be told apart, or could be read in two ways.
    MalformedMultipart = "malformed_multipart" 400 "structure" "the parts of the body are malformed or ambiguous",
    /// A part of a body is a file, or a field, that the route does not take.
    PartRefused = "part_refused" 400 "invalid" "a part of the body is not accepted",
    /// A body has too many or too long parts.
    MultipartLimit = "multipart_limit" 413 "too-long" "the body has too many or too large parts",
    /// The body is over a limit on JSON.
    JsonLimit = "json_limit" 400 "too-costly" "the body is nested too deeply or has too many or too long parts",
    /// Inspection found an attack in the request.
    InjectionFound = "injection_found" 403 "security" "the request looks like an attack",
    /// Inspecting the request takes more work than it may.
    InspectionBudget = "inspection_budget" 422 "too-costly" "the request is too costly to inspect",
    /// A profile applies to the body, which is a form, a patch or nothing that is looked into.
    BodyNotRedactable = "body_not_redactable" 415 "not-supported" "a body of this kind is not accepted",
    /// A profile applies to the body, which holds no resource where one has to be, or nothing would be left of it.
    BodyNotFhir = "body_not_fhir" 422 "structure" "the body does not hold the resource that it has to",
    /// Redaction would take an element of the body that changes the meaning of what stays (FHIR R4 section 2.1.0.1).
    BodyModifier = "body_modifier" 422 "business-rule" "the body has a modifier that may not be sent on",
    /// Redaction would change what the request asks.
    BodyMeaning = "body_meaning" 422 "business-rule" "the body cannot be sent on as it was meant",
    /// A resource that says it is not all there would be written over the whole.
    PartialResource = "partial_resource" 422 "business-rule" "a redacted or subsetted resource cannot replace the whole",
    /// A parameter of the query or form is not as described.
    ParameterViolation = "parameter_violation" 400 "invalid" "a parameter is not as described",
    /// A header is not as described.
    HeaderViolation = "header_violation" 400 "invalid" "a header is not as described",
    /// The request asks too much of a FHIR server.
    FhirLimit = "fhir_limit" 400 "too-costly" "the request asks for too much at once",
    /// The request asks for too many parts of an answer.
    TooManyRanges = "too_many_ranges" 400 "too-costly" "the request asks for too many ranges",
    /// A request with cookies came from a page that may not write.
    CrossOrigin = "cross_origin" 403 "security" "requests from this page are not accepted",
    /// The body is not valid by the route's JSON Schema.
    SchemaViolation = "schema_violation" 422 "invariant" "the body is not valid by its schema",
    /// The body is no FHIR document as R4 describes it.
    NotFhirShape = "not_fhir_shape" 422 "structure" "the body is not what FHIR R4 describes",
    /// The body took too long to arrive.
    BodyTimeout = "body_timeout" 408 "timeout" "the body took too long",
    /// The module is short of memory.
    OverCapacity = "over_capacity" 503 "throttled" "try again later",
    /// There is no room for the exchange's AuditEvent.
    AuditUnavailable = "audit_unavailable" 503 "transient" "requests cannot be recorded now; try again later",
    /// The host did not do as it promised.
    Internal = "internal" 500 "exception" "the request could not be processed",
    /// Envoy chose another route than the one judged.
    RouteChanged = "route_changed" 502 "security" "the answer was withheld",
    /// An answer with status 101 or 206.
    AnswerStatus = "answer_status" 502 "processing" "the answer was withheld",
    /// The answer's media type is absent, repeated or none that can be redacted.
    AnswerMediaType = "answer_media_type" 502 "processing" "the answer was withheld",
    /// The answer has an unknown content coding or several, or is not what its coding says.
    AnswerEncoding = "answer_encoding" 502 "processing" "the answer was withheld",
    /// The answer would become larger than allowed when decoded.
    AnswerDecodedLimit = "answer_decoded_limit" 502 "too-costly" "the answer was withheld",
    /// The answer is not what its content type says, or was cut.
    AnswerMalformed = "answer_malformed" 502 "processing" "the answer was withheld",
    /// The answer is over a limit of the redactor.
    AnswerLimit = "answer_limit" 502 "processing" "the answer was withheld",
    /// The answer holds a resource type that the rule does not grant.
    AnswerTypeNotGranted = "answer_type_not_granted" 502 "forbidden" "the answer was withheld",
    /// The answer holds no resource where one has to be, or one where none may be.
    AnswerNotFhir = "answer_not_fhir" 502 "processing" "the answer was withheld",
    /// A rule would take an element that changes the meaning of what stays (FHIR R4 section 2.1.0.1).
    AnswerModifier = "answer_modifier" 502 "business-rule" "the answer was withheld",
    /// The answer holds a narrative that may not be shown, and the route asks for a refusal.
    AnswerNarrative = "answer_narrative" 502 "security" "the answer was withheld",
    /// The answer took too long to begin.
    AnswerTimeout = "answer_timeout" 502 "timeout" "the answer took too long",
}

impl Reason {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Identity(refusal) => refusal.reason(),
            Self::Rule(rule) => rule.row().0,
        }
    }

    /// The status of the reply.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Identity(identity::Refusal::Unavailable) => 503,
            Self::Identity(identity::Refusal::ApiKeyRoute) => 403,
            Self::Identity(_) => 401,
            Self::Rule(rule) => rule.row().1,
        }
    }

    /// The FHIR issue type.
    #[must_use]
    pub fn issue(self) -> &'static str {
        match self {
            Self::Identity(identity::Refusal::Expired | identity::Refusal::ApiKeyExpired) => "expired",
            Self::Identity(identity::Refusal::Unavailable) => "transient",
            Self::Identity(identity::Refusal::ApiKeyRoute) => "forbidden",
            Self::Identity(_) => "login",
            Self::Rule(rule) => rule.row().2,
        }
    }

    /// What the client reads: nothing of what it sent.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Identity(identity::Refusal::Unavailable) => "credentials cannot be judged now; try again",
            Self::Identity(identity::Refusal::ApiKeyRoute) => "access is denied",
            Self::Identity(_) => "valid credentials are required",
            Self::Rule(rule) => rule.row().3,
        }
    }
}

impl From<FhirError> for Reason {
    fn from(error: FhirError) -> Self {
        Self::Rule(match error {
            FhirError::NotAnInteraction | FhirError::UnknownType | FhirError::Id => Rule::UnknownInteraction,
            FhirError::Parameter | FhirError::UnexpectedParameter => Rule::MalformedQuery,
            FhirError::NotJson => Rule::NotAcceptable,
            FhirError::Header => Rule::MalformedHeaders,
            FhirError::Entry | FhirError::Reference => Rule::MalformedBody,
        })
    }
}

impl From<DenialReason> for Reason {
    fn from(reason: DenialReason) -> Self {
        Self::Rule(match reason {
            DenialReason::DeniedByRule => Rule::DeniedByRule,
            DenialReason::NoRuleAllows => Rule::NoRuleAllows,
            DenialReason::ClaimNotJudgeable => Rule::ClaimNotJudgeable,
            DenialReason::BodyNotRead => Rule::BodyNotRead,
        })
    }
}

impl From<DecodeError> for Reason {
    fn from(error: DecodeError) -> Self {
        Self::Rule(match error {
            DecodeError::Coding | DecodeError::Damaged => Rule::AnswerEncoding,
            DecodeError::Limit => Rule::AnswerDecodedLimit,
        })
    }
}

impl From<Rule> for Reason {
    fn from(rule: Rule) -> Self {
        Self::Rule(rule)
    }
}

impl From<identity::Refusal> for Reason {
    fn from(refusal: identity::Refusal) -> Self {
        Self::Identity(refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_refusals_are_errors() {
        let codes: std::collections::HashSet<_> = Rule::ALL.iter().map(|rule| rule.row().0).collect();
        assert_eq!(codes.len(), Rule::ALL.len());
        assert!(Rule::ALL.iter().all(|rule| Reason::from(*rule).status() >= 400));
    }

    #[test]
    fn the_readme_lists_every_code_under_its_status() {
        let readme = include_str!("../../README.md");
        let rules = Rule::ALL.iter().map(|rule| Reason::from(*rule));
        for reason in rules.chain(identity::Refusal::ALL.iter().map(|refusal| Reason::from(*refusal))) {
            let row = format!("| {} |", reason.status());
            let listed = readme.lines().find(|line| line.starts_with(&row)).unwrap_or_default();
            assert!(listed.contains(&format!("`{}`", reason.code())), "{} {}", reason.status(), reason.code());
        }
    }

    #[test]
    fn the_runbook_says_what_to_do_about_every_code() {
        let rows = include_str!("../../envoy/README.md").lines().filter(|line| line.starts_with("| `"));
        let named: Vec<_> = rows.filter_map(|row| row.trim_start_matches("| ").split_once(" |")).map(|row| row.0).collect();
        let rules = Rule::ALL.iter().map(|rule| Reason::from(*rule));
        for reason in rules.chain(identity::Refusal::ALL.iter().map(|refusal| Reason::from(*refusal))) {
            let code = format!("`{}`", reason.code());
            assert!(named.iter().any(|codes| codes.split(", ").any(|own| own == code)), "{code}");
        }
    }
}
