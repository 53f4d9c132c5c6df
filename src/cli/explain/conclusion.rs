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
    let lacks = |step: &Step| step.details.iter().filter(|detail| detail.mark == Mark::Bad).count();
    let Some(least) = others().map(lacks).min() else { return Vec::new() };
    others().filter(|step| lacks(step) == least).take(MOST_NEAR).collect()
}
