//! Every metric: its name, its kind and what it says, in one table.
//!
//! Names are made of fixed words and of names from the policy, never of anything that a client or an upstream sent, so
//! their number is bounded by the policy. Envoy has no labels for a module's metrics: they stand in the name as
//! `.label.value`, and the `stats_tags` of `envoy/envoy.yaml` turn them into tags.

use crate::audit::{Decision, Record};

/// What a metric does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Is as it is.
    Gauge,
    /// Samples.
    Histogram,
}

/// One metric, without its labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub kind: Kind,
    /// What it says.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $id:ident = $kind:ident $name:literal $help:literal;)*) => {
        $($(#[$doc])* pub const $id: Metric = Metric { name: $name, kind: Kind::$kind, help: $help };)*

        /// All of them.
        pub const ALL: &[Metric] = &[$($id,)*];
    };
}

metrics! {
    /// Labels: policy, route, decision, reason.
    REQUESTS = Counter "carewarden.requests" "exchanges decided, by policy, route, decision and reason";
    /// Labels: policy, route.
    REDACTED_VALUES = Counter "carewarden.redacted_values" "values redacted in answers and requests, by policy and route";
    /// Labels: policy, route.
    UNREDACTED_ANSWERS = Counter "carewarden.unredacted_answers" "bodies let through unseen for their media type";
    /// Labels: policy, route.
    ABORTED_ANSWERS = Counter "carewarden.aborted_answers" "answers broken off after their beginning had left";
    /// No labels.
    DURATION = Histogram "carewarden.duration_ms" "from a request's head to the end of its exchange, in milliseconds";
    /// No labels.
    TOKEN_CACHE_HITS = Counter "carewarden.token_cache_hits" "tokens found verified";
    /// No labels.
    TOKEN_CACHE_MISSES = Counter "carewarden.token_cache_misses" "tokens whose signature had to be verified";
    /// Labels: provider, key.
    API_KEY_LAST_USE = Gauge "carewarden.api_key_last_use" "when an API key was used last, in seconds since 1970";
    /// No labels.
    SIGNATURES_BY_HOST = Counter "carewarden.signatures_by_host" "signatures checked by Envoy's `verify_signature`";
    /// No labels.
    SIGNATURES_IN_MODULE = Counter "carewarden.signatures_in_module" "signatures checked inside the module, slower";
    /// Labels: provider, result.
    JWKS_FETCH = Counter "carewarden.jwks_fetch" "fetches of an issuer's keys, by provider and result";
    /// Labels: provider.
    JWKS_AGE = Gauge "carewarden.jwks_age_seconds" "how long ago the worker that spoke last had an issuer's keys fetched";
    /// Labels: provider, result.
    INTROSPECTION = Counter "carewarden.introspection" "questions about opaque tokens, by provider and result";
    /// No labels.
    TOKEN_CACHE_REFUSALS = Counter "carewarden.token_cache_refusals" "tokens found refused a moment before";
    /// No labels.
    TOKEN_CACHE_EVICTIONS = Counter "carewarden.token_cache_evictions" "verified tokens that made room for others";
    /// No labels.
    MEMORY = Gauge "carewarden.memory_bytes" "linear memory of the module of the worker that spoke last, which never shrinks";
    /// Labels: result.
    AUDIT_EVENTS = Counter "carewarden.audit_events" "AuditEvents delivered, rejected or dropped, and requests refused for want of room";
    /// Labels: result.
    AUDIT_CALLS = Counter "carewarden.audit_calls" "batches sent to the audit repository, by result";
    /// No labels.
    AUDIT_QUEUED = Gauge "carewarden.audit_queued" "AuditEvents that the worker that spoke last has not delivered yet";
    /// No labels.
    SHADOW_ROUTES = Gauge "carewarden.shadow_routes" "routes whose refusals are recorded and not enforced";
}

impl Metric {
    /// Its full name with labels.
    #[must_use]
    pub fn with(self, labels: &[(&str, &str)]) -> String {
        labels.iter().fold(self.name.to_owned(), |name, (label, value)| format!("{name}.{label}.{value}"))
    }
}

/// The name of the gauge of a key's last use.
#[must_use]
pub fn key_use(provider: &str, key: &str) -> String {
    API_KEY_LAST_USE.with(&[("provider", provider), ("key", key)])
}

/// The name under which a record is counted.
#[must_use]
pub fn requests(record: &Record) -> String {
    let decision = match record.decision {
        Decision::Allow => "allow",
        Decision::Deny => "deny",
    };
    let labels = [("policy", &*record.policy), ("route", route(record)), ("decision", decision), ("reason", record.reason)];
    REQUESTS.with(&labels)
}

/// The name of a metric of a record's policy and route.
#[must_use]
pub fn of_route(metric: Metric, record: &Record) -> String {
    metric.with(&[("policy", &*record.policy), ("route", route(record))])
}

/// A route cannot be named `-`: what no route took is counted there.
fn route(record: &Record) -> &str {
    record.route.as_deref().unwrap_or("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_counted_by_names_of_the_policy_alone() {
        let record =
            Record { policy: "clinic".into(), route: Some("fhir".into()), reason: "no_route", ..Record::default() };
        assert_eq!(requests(&record), "carewarden.requests.policy.clinic.route.fhir.decision.deny.reason.no_route");
        assert_eq!(requests(&Record { route: None, ..record }).matches(".route.-.").count(), 1);
    }

    #[test]
    fn names_are_unique_and_begin_alike() {
        let names: std::collections::HashSet<_> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(ALL.iter().all(|metric| metric.name.starts_with("carewarden.") && !metric.help.is_empty()));
    }

    /// The `stats_tags` of a configuration: each tag and its pattern.
    fn tags(configuration: &str) -> Vec<(String, regex::Regex)> {
        let entry = regex::Regex::new(r#"tag_name: (\w+), regex: "(.*)" }"#).unwrap();
        let found = entry.captures_iter(configuration);
        found.map(|tag| (tag[1].to_owned(), regex::Regex::new(&tag[2].replace(r"\\", r"\")).unwrap())).collect()
    }

    #[test]
    fn the_shipped_configuration_makes_labels_of_names() {
        let tags = tags(include_str!("../envoy/envoy.yaml"));
        let record =
            Record { policy: "clinic".into(), route: Some("a-b_c".into()), reason: "no_route", ..Record::default() };
        let key = key_use("partners", "billing-2026");
        let fetched = JWKS_FETCH.with(&[("provider", "smart"), ("result", "ok")]);
        let of_requests = [("policy", "clinic"), ("route", "a-b_c"), ("decision", "deny"), ("reason", "no_route")];
        let cases = [
            (requests(&record), REQUESTS, &of_requests[..]),
            (key, API_KEY_LAST_USE, &[("provider", "partners"), ("key", "billing-2026")]),
            (fetched, JWKS_FETCH, &[("provider", "smart"), ("result", "ok")]),
            (MEMORY.name.to_owned(), MEMORY, &[]),
        ];
        for (name, metric, expected) in cases {
            // Envoy takes the first group of each pattern out of the name, the second is the label.
            let name = format!("wasmcustom.{name}");
            let found = tags.iter().filter_map(|(tag, pattern)| Some((tag.as_str(), pattern.captures(&name)?)));
            let found: Vec<_> = found.map(|(tag, found)| (tag, found[1].to_owned(), found[2].to_owned())).collect();
            let labels: Vec<_> = found.iter().map(|(tag, _, label)| (*tag, label.as_str())).collect();
            assert_eq!(labels, expected);
            let rest = found.iter().fold(name.clone(), |name, (_, cut, _)| name.replacen(cut, "", 1));
            assert_eq!(rest, format!("wasmcustom.{}", metric.name));
        }
    }
}
