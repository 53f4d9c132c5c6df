//! Metrics of this worker, defined once each: the host allocates for every definition, even of a name it has.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::host;
use crate::audit::queue::Counts;
use crate::audit::{Decision, Record};
use crate::identity::{CacheCounts, Failure, Note, Subject};
use crate::metrics::{self, Kind, Metric};

thread_local! {
    static DEFINED: RefCell<HashMap<Cow<'static, str>, u32>> = RefCell::default();
    /// The counter of every kind of outcome: each request needs one, and its name is long to write.
    static OUTCOMES: RefCell<HashMap<Outcome, u32>> = RefCell::default();
    /// Each request adds to this one.
    static DURATION: Cell<Option<u32>> = const { Cell::new(None) };
}

/// What tells the counters of [`metrics::requests`] apart.
#[derive(PartialEq, Eq, Hash)]
struct Outcome {
    policy: Rc<str>,
    route: Option<Rc<str>>,
    decision: Decision,
    reason: &'static str,
}

/// Counts an exchange that has ended.
pub(super) fn count(record: &Record) {
    let Record { policy, route, decision, reason, .. } = record;
    let outcome = Outcome { policy: Rc::clone(policy), route: route.clone(), decision: *decision, reason };
    let id = OUTCOMES.with_borrow_mut(|known| {
        if let Some(id) = known.get(&outcome) {
            return Some(*id);
        }
        let id = define(metrics::REQUESTS.kind, metrics::requests(record).into())?;
        known.insert(outcome, id);
        Some(id)
    });
    if let Some(id) = id {
        host::add(id, 1);
    }
    add_if(metrics::REDACTED_VALUES, record, record.redacted.saturating_add(record.request_redacted));
    add_if(metrics::UNREDACTED_ANSWERS, record, u64::from(record.unredacted_media_type));
    add_if(metrics::ABORTED_ANSWERS, record, u64::from(record.aborted));
    if DURATION.get().is_none() {
        DURATION.set(define(metrics::DURATION.kind, metrics::DURATION.name.into()));
    }
    if let Some(id) = DURATION.get() {
        host::record(id, record.latency_ms);
    }
}

/// Counts lookups in the token cache that were not counted yet.
pub(super) fn count_cache(now: CacheCounts, counted: CacheCounts) {
    let CacheCounts { hits, refused, misses, evictions } = now;
    grow(metrics::TOKEN_CACHE_HITS, hits.saturating_sub(counted.hits));
    grow(metrics::TOKEN_CACHE_REFUSALS, refused.saturating_sub(counted.refused));
    grow(metrics::TOKEN_CACHE_MISSES, misses.saturating_sub(counted.misses));
    grow(metrics::TOKEN_CACHE_EVICTIONS, evictions.saturating_sub(counted.evictions));
}

/// Adds to a counter without labels.
pub(super) fn grow(metric: Metric, by: u64) {
    if by > 0 {
        add(metric.kind, metric.name.into(), by);
    }
}

/// Counts what became of events and of the calls that brought them.
pub(super) fn count_events(counts: Counts) {
    let Counts { delivered, rejected, dropped, refused, calls, failed_calls } = counts;
    let events = [("delivered", delivered), ("rejected", rejected), ("dropped", dropped), ("refused", refused)];
    let events = events.map(|(result, count)| (metrics::AUDIT_EVENTS, result, count));
    let calls = [("ok", calls), ("failed", failed_calls)].map(|(result, count)| (metrics::AUDIT_CALLS, result, count));
    for (metric, result, count) in events.into_iter().chain(calls).filter(|(_, _, count)| *count > 0) {
        add(metric.kind, metric.with(&[("result", result)]).into(), count);
    }
}

/// Counts what became of what a provider asked.
pub(super) fn note(note: &Note) {
    let metric = match note.subject {
        Subject::Keys => metrics::JWKS_FETCH,
        Subject::Token => metrics::INTROSPECTION,
    };
    let result = note.result.unwrap_or_else(Failure::label);
    add(metric.kind, metric.with(&[("provider", &note.provider), ("result", result)]).into(), 1);
}

/// Sets a gauge with labels.
pub(super) fn set_of(metric: Metric, labels: &[(&str, &str)], value: u64) {
    if let Some(id) = define(metric.kind, metric.with(labels).into()) {
        host::record(id, value);
    }
}

/// Sets a gauge.
pub(super) fn set(metric: Metric, value: u64) {
    if let Some(id) = define(metric.kind, metric.name.into()) {
        host::record(id, value);
    }
}

/// Sets a gauge of this name with labels, which is one of the policy's.
pub(super) fn set_named(metric: Metric, name: String, value: i64) {
    if let Some(id) = define(metric.kind, name.into()) {
        host::record(id, u64::try_from(value).unwrap_or(0));
    }
}

fn add_if(metric: Metric, record: &Record, by: u64) {
    if by > 0 {
        add(metric.kind, metrics::of_route(metric, record).into(), by);
    }
}

fn add(kind: Kind, name: Cow<'static, str>, by: u64) {
    if let Some(id) = define(kind, name) {
        host::add(id, i64::try_from(by).unwrap_or(i64::MAX));
    }
}

fn define(kind: Kind, name: Cow<'static, str>) -> Option<u32> {
    DEFINED.with_borrow_mut(|defined| {
        if let Some(id) = defined.get(&*name) {
            return Some(*id);
        }
        let kind = match kind {
            Kind::Counter => host::Metric::Counter,
            Kind::Gauge => host::Metric::Gauge,
            Kind::Histogram => host::Metric::Histogram,
        };
        let id = host::define_metric(kind, &name).ok()?;
        defined.insert(name, id);
        Some(id)
    })
}
