//! What is to be read first: which step decided, and what came nearest to another end.

use crate::exchange::Reason;
use crate::exchange::explain::{Found, Mark, Part, Step};

/// The most near misses that are named.
const MOST_NEAR: usize = 3;

/// The step that refuses for the reason of the record.
pub(super) fn refusing<'s>(steps: &'s [Step], reason: &str) -> Option<&'s Step> {
    let refuses = |step: &&Step| matches!(step.found, Found::Refuses(own) if Reason::code(own) == reason);
    steps.iter().rev().find(refuses)
}

/// What came nearest where nothing held: steps of the same kind that lack the least.
pub(super) fn nearest<'s>(steps: &'s [Step], refusing: &Step) -> Vec<&'s Step> {
    // A step that stands for all of its kind has no name; what identifies nobody stands for all providers.
    let of = match refusing.part {
        _ if !refusing.name.is_empty() => return Vec::new(),
        Part::Caller => Part::Provider,
        Part::Rule | Part::Route | Part::View => refusing.part,
        _ => return Vec::new(),
    };
    let at = steps.iter().position(|step| std::ptr::eq(step, refusing)).unwrap_or(steps.len());
    let others = || {
        let before = steps.iter().take(at).filter(|step| step.part == of && step.found == Found::DoesNotHold);
        // A deny rule that does not hold has kept nobody out.
        before.filter(|step| !step.name.ends_with("deny"))
    };
    let mut near: Vec<_> = others().map(|step| (distance(step), step)).collect();
    near.sort_by_key(|(distance, _)| *distance);
    let least = near.first().map_or(0, |(distance, _)| *distance);
    let near = near.into_iter().filter(|(distance, _)| *distance <= least.saturating_add(1));
    near.take(MOST_NEAR).map(|(_, step)| step).collect()
}

/// How far a step is from holding. A route for other paths, and a rule for other callers, are further off than the number
/// of their conditions says.
fn distance(step: &Step) -> usize {
    let weight = |key: &str| match key {
        "paths" | "roles" | "providers" | "clients" => 2,
        _ => 1,
    };
    let bad = step.details.iter().filter(|detail| detail.mark == Mark::Bad);
    bad.map(|detail| weight(&detail.name)).sum()
}
