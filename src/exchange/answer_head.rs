//! The head of a redacted answer: what is known to be harmless passes, everything else goes.
//!
//! A header can hold what the body no longer does: an `ETag` or a digest of the whole body tells equal bodies apart, a
//! `Location` names a patient, an `X-` header of the upstream's names whatever it likes. So names pass by a list, to
//! which a route adds. `Location`, `Content-Location` and `Link` pass where they lead under the route's base, an id in
//! them treated as in the body, and nowhere else.

use std::borrow::Cow;

use super::answer::Plan;
use super::effect::Change;
use crate::fhir::ResourceType;
use crate::http::Headers;

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

/// What is about the bytes on the wire: wrong once a content coding was taken off (RFC 9530, RFC 9110 section 8.6).
const OF_ENCODED: &[&str] =
    &["content-encoding", "content-length", "content-md5", "content-digest", "repr-digest", "digest", "accept-ranges"];

/// The status.
pub(super) fn status(head: &Headers) -> Option<u16> {
    std::str::from_utf8(head.single(":status").ok()??).ok()?.parse().ok()
}

/// What has to change in the head of a redacted answer.
pub(super) fn changes(head: &Headers, plan: &Plan) -> Vec<Change> {
    let mut names: Vec<&[u8]> = head.iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    let mut changes: Vec<Change> = names.into_iter().filter_map(|name| change(head, name, plan)).collect();
    changes.push(Change::Set("cache-control".into(), b"no-store".to_vec()));
    changes.extend(inert());
    changes
}

/// Keeps a browser from running what somebody wrote into a resource: a narrative is XHTML, and a body that is read as
/// another type than its own is whatever its bytes are.
pub(super) fn inert() -> [Change; 2] {
    [
        Change::Set("x-content-type-options".into(), b"nosniff".to_vec()),
        Change::Set("content-security-policy".into(), b"sandbox".to_vec()),
    ]
}

/// What has to change in the head of an answer that leaves as it came, but in clear. A weak `ETag` stays, since it is not
/// about bytes; a strong one is of the encoded answer (RFC 9110 section 8.8.3.3).
pub(super) fn in_clear(head: &Headers) -> Vec<Change> {
    let is_strong = head.all("etag").any(|etag| !etag.starts_with(b"W/"));
    let gone = OF_ENCODED.iter().copied().chain(is_strong.then_some("etag"));
    gone.filter(|name| head.first(name).is_some()).map(|name| Change::Remove(name.as_bytes().to_vec())).collect()
}

/// What has to change about the fields of this name.
fn change(head: &Headers, name: &[u8], plan: &Plan) -> Option<Change> {
    let remove = || Some(Change::Remove(name.to_vec()));
    let Ok(text) = std::str::from_utf8(name) else { return remove() };
    if LINKS.contains(&text) {
        let value = head.single(text).ok().flatten().and_then(|value| std::str::from_utf8(value).ok());
        return match value.and_then(|value| link(text, value, plan)) {
            None => remove(),
            Some(Cow::Borrowed(_)) => None,
            Some(Cow::Owned(changed)) => Some(Change::Set(text.to_owned().into(), changed.into_bytes())),
        };
    }
    let is_known = text.starts_with(':') || ALLOWED.contains(&text) || plan.headers.iter().any(|allowed| allowed == text);
    if is_known || ALLOWED_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) { None } else { remove() }
}

/// What may leave of a link. `Link` is a list of `<target>; parameters`, which passes only if all of it may leave as it is.
fn link<'v>(name: &str, value: &'v str, plan: &Plan) -> Option<Cow<'v, str>> {
    if name != "link" {
        return target(value, plan);
    }
    let passes = |link: &str| {
        let target_of = link.trim().strip_prefix('<').and_then(|rest| rest.split_once('>'));
        target_of
            .is_some_and(|(url, parameters)| only_relate(parameters) && matches!(target(url, plan), Some(Cow::Borrowed(_))))
    };
    value.split(',').all(passes).then_some(Cow::Borrowed(value))
}

/// Whether a link's parameters say how it relates and nothing else: a title is a text like any other.
fn only_relate(parameters: &str) -> bool {
    parameters.split(';').map(str::trim).all(|parameter| parameter.is_empty() || parameter.starts_with("rel="))
}

/// What may leave of a URL: it has to lead under the base, and show no id that the body does not.
fn target<'v>(url: &'v str, plan: &Plan) -> Option<Cow<'v, str>> {
    let base = plan.base.as_deref()?.trim_end_matches('/');
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..))?,
        None => url,
    };
    // A query can hold a name or a birth date.
    let is_odd = path.contains(['?', '#', '%', '\\']) || path.split('/').any(|segment| matches!(segment, "." | ".."));
    let below = path.strip_prefix(base).filter(|_| !is_odd)?;
    match below.strip_prefix('/') {
        None | Some("") => below.is_empty().then_some(Cow::Borrowed(url)),
        Some(below) if !below.contains('/') => ResourceType::parse(below).map(|_| Cow::Borrowed(url)),
        Some(below) => {
            match plan.profile.as_ref().map_or(Some(Cow::Borrowed(below)), |(_, program)| program.locator(below))? {
                Cow::Borrowed(_) => Some(Cow::Borrowed(url)),
                Cow::Owned(changed) => Some(Cow::Owned([url.strip_suffix(below)?, &changed].concat())),
            }
        }
    }
}
