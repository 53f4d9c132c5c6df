//! The head of a redacted answer: what is known to be harmless passes, everything else goes.
//!
//! A header can hold what the body no longer does: an `ETag` or a digest of the whole body tells equal bodies apart, a
//! `Location` names a patient, an `X-` header of the upstream's names whatever it likes. So names pass by a list, to
//! which a route adds. `Location`, `Content-Location` and `Link` pass where they lead to a resource under the route's
//! base whose id no rule touches, and nowhere else.

use std::rc::Rc;

use super::answer::Plan;
use super::effect::Change;
use crate::fhir::ResourceType;
use crate::http::Headers;
use crate::redact::Program;

/// Names that pass: none can hold an element of a resource. `content-length` is not among them, since it would be wrong.
const ALLOWED: &[&str] = &[
    "content-type",
    "content-language",
    "content-disposition",
    "date",
    "vary",
    "allow",
    "retry-after",
    "www-authenticate",
    "x-request-id",
];

const ALLOWED_PREFIXES: &[&str] = &["access-control-", "ratelimit", "x-ratelimit-", "x-rate-limit-"];

const LINKS: &[&str] = &["location", "content-location", "link"];

/// The status.
pub(super) fn status(head: &Headers) -> Option<u16> {
    std::str::from_utf8(head.single(":status").ok()??).ok()?.parse().ok()
}

/// What has to change in the head of a redacted answer.
pub(super) fn changes(head: &Headers, plan: &Plan) -> Vec<Change> {
    let mut removed: Vec<&[u8]> =
        head.iter().filter(|(name, value)| !passes(name, value, plan)).map(|(name, _)| name).collect();
    removed.sort_unstable();
    removed.dedup();
    let mut changes: Vec<Change> = removed.into_iter().map(|name| Change::Remove(name.to_vec())).collect();
    changes.push(Change::Set("cache-control".into(), b"no-store".to_vec()));
    changes.push(Change::Set("x-content-type-options".into(), b"nosniff".to_vec()));
    changes
}

fn passes(name: &[u8], value: &[u8], plan: &Plan) -> bool {
    let Ok(name) = std::str::from_utf8(name) else { return false };
    if name.starts_with(':') || ALLOWED.contains(&name) || plan.headers.iter().any(|allowed| allowed == name) {
        return true;
    }
    if LINKS.contains(&name) {
        return std::str::from_utf8(value).is_ok_and(|value| is_harmless_link(name, value, plan));
    }
    ALLOWED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a link leads under the base and shows no id that a rule touches. `Link` is a list of `<target>; parameters`.
fn is_harmless_link(name: &str, value: &str, plan: &Plan) -> bool {
    let Some(base) = plan.base.as_deref() else { return false };
    if name != "link" {
        return is_harmless_target(value, base, plan);
    }
    value.split(',').all(|link| {
        let link = link.trim();
        let target = link.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        target.is_some_and(|(target, _)| is_harmless_target(target, base, plan))
    })
}

fn is_harmless_target(target: &str, base: &str, plan: &Plan) -> bool {
    let path = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default(),
        None => target,
    };
    // A query can hold a name or a birth date.
    if path.contains(['?', '#', '%', '\\']) || path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return false;
    }
    let Some(rest) = path.strip_prefix(base.trim_end_matches('/')) else { return false };
    let mut segments = rest.split('/');
    let (Some(""), Some(kind)) = (segments.next(), segments.next()) else { return rest.is_empty() };
    let id = segments.next();
    let profile = plan.profile.as_ref().map(|(_, program)| program);
    let touched = |program: &Rc<Program>| ResourceType::parse(kind).is_none_or(|kind| program.touches_id(kind));
    id.is_none() || !profile.is_some_and(touched)
}
