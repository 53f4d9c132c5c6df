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
    /// No labels.
    TOKEN_CACHE_REFUSALS = Counter "carewarden.token_cache_refusals" "tokens found refused a moment before";
    /// No labels.
    TOKEN_CACHE_EVICTIONS = Counter "carewarden.token_cache_evictions" "verified tokens that made room for others";
    /// No labels.
    MEMORY = Gauge "carewarden.memory_bytes" "linear memory of the module of the worker that spoke last, which never shrinks";
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
        assert_eq!(tags.len(), 4);
        let record =
            Record { policy: "clinic".into(), route: Some("a-b_c".into()), reason: "no_route", ..Record::default() };
        // Envoy takes the first group of each pattern out of the name, the second is the label.
        let name = format!("wasmcustom.{}", requests(&record));
        let labels: Vec<_> =
            tags.iter().map(|(tag, pattern)| (tag.as_str(), pattern.captures(&name).unwrap()[2].to_owned())).collect();
        let expected = [("policy", "clinic"), ("route", "a-b_c"), ("decision", "deny"), ("reason", "no_route")];
        assert_eq!(labels, expected.map(|(tag, value)| (tag, value.to_owned())));
        let rest = tags.iter().fold(name, |name, (_, pattern)| {
            let cut = pattern.captures(&name).unwrap()[1].to_owned();
            name.replacen(&cut, "", 1)
        });
        assert_eq!(rest, "wasmcustom.carewarden.requests");
        let plain = format!("wasmcustom.{}", MEMORY.name);
        assert!(tags.iter().all(|(_, pattern)| !pattern.is_match(&plain)));
    }
}
