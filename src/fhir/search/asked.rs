//! What a parameter asks about, in the words in which an access rule grants it.
//!
//! A search on an element that redaction takes out answers questions about it all the same: who is found, in which order
//! and how many there are. So each parameter stands for what it asks:
//!
//! - `name`, with its modifier (`name:exact`): a modifier may ask about another part of the element (`code:text`,
//!   `subject:identifier`). A type in its place (`subject:Patient`) asks nothing more and is left out.
//! - A chain is the way it takes, types left out: `subject.name`. `_has:Observation:patient:code` is a name as it stands.
//! - `_sort` asks about each of its values: `_sort=-birthdate,name` about `birthdate` and `name`.
//! - `_count=0` is a `_summary=count` (FHIR R4 section 3.1.1.5.4).
//! - `_include` and `_revinclude` stand for themselves: what comes along tells where a reference leads.
//!
//! Nothing is asked by `_format` (only JSON is served), `_pretty` (white space), `_type` (the answer shows its types, and
//! rules grant them) and `_count` otherwise (how much of what was found stands on a page). `_summary` and `_elements` are
//! not among these: they leave members out that a redaction rule may look at.

use std::collections::BTreeSet;

use crate::fhir::resource_type::ResourceType;

/// Adds what a parameter asks about. `base` is its name without chain and modifier.
pub(super) fn collect(name: &str, base: &str, value: &str, asked: &mut BTreeSet<Box<str>>) {
    let mut ask = |form: &str| {
        asked.insert(form.into());
    };
    match base {
        "_format" | "_pretty" | "_type" if name == base => (),
        "_count" if name == base && is_page(value) => (),
        "_count" => ask("_summary"),
        "_include" | "_revinclude" => ask(base),
        "_sort" => value.split(',').for_each(|key| ask(&form_of(key.strip_prefix('-').unwrap_or(key)))),
        _ => ask(&form_of(name)),
    }
}

/// The name under which a parameter is granted.
pub(super) fn form_of(name: &str) -> String {
    let mut steps: Vec<&str> = name.split('.').collect();
    let last = steps.pop().unwrap_or_default();
    let is_has = |step: &str| step.split(':').next() == Some("_has");
    let link = |step| if is_has(step) { step } else { step.split(':').next().unwrap_or_default() };
    let mut forms: Vec<&str> = steps.into_iter().map(link).collect();
    forms.push(match last.split_once(':') {
        Some((base, modifier)) if !is_has(last) && ResourceType::parse(modifier).is_some() => base,
        _ => last,
    });
    forms.join(".")
}

/// Whether a `_count` is a size of pages, and not none.
fn is_page(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_digit()) && value.bytes().any(|byte| byte != b'0')
}
