//! Inspection of requests for injection and probing: what arrives is text that somebody else will interpret.
//!
//! Two promises: known attacks do not get through, and ordinary healthcare traffic is never refused by mistake. A
//! [`Pack`] of rules, which are data (`inspect/pack/*.json`), is compiled once; [`Inspection`] judges one request.
//!
//! In order, for each value of a request (see [`Target`]):
//!
//! 1. The value passes whole classes of bytes: what has no byte that any rule cares about, such as most codes, ids and
//!    dates, is done with.
//! 2. Each chain of transforms that rules ask for is applied once. Where it changes nothing, nothing is looked at again.
//! 3. One automaton finds all literals of all rules. Only rules of which one occurs, and which judge this kind of target,
//!    run their regular expression or detector.
//! 4. The scores of the rules that hold are added up. The request's score is that of its worst value, and at the
//!    threshold it is refused: so that a Bundle of a thousand notes is not refused for what each of them alone is not.
//!
//! In FHIR bodies the R4 tables say what an element is, whatever it looks like: XHTML (`text.div`) is held to the elements
//! and attributes that FHIR permits ([`narrative`]) instead of the rules, base64 is passed over if it is that, and
//! elements that hold code by definition are not judged by the rules tagged for it.
//!
//! Time is linear in the text: regular expressions are automata of ASCII classes, and each pass over bytes is charged to
//! a budget that grows with the request. What exceeds it is refused, never skipped. Nothing of what was inspected is kept.

mod head;
mod judge;
pub mod narrative;
mod pack;
mod path;
mod resource;
mod rule;
mod settings;
mod transform;

pub use head::{Unjudged, judge_head, judge_part, judge_query};
pub use judge::{Finding, Inspection, JsonPlace, OverBudget, Place};
pub use pack::{Pack, PackError};
pub use path::JsonPath;
pub use resource::BodyInspection;
pub use rule::{Class, Examples, Operator, Rule, Target};
pub use settings::{Exemption, Level, Mode, Settings};

#[cfg(test)]
mod tests;
